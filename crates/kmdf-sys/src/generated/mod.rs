//! What kmdf-sys-gen writes.

mod aliases;
mod callbacks;
mod constants;
mod enums;
mod functions;
#[cfg(target_pointer_width = "64")]
mod layout;
/// Constants that C has and `wdk-sys` has not.
///
/// bindgen cannot see macros that cast (`STATUS_WDF_*`, `USBD_STATUS_*`, `WDF_TIMEOUT_TO_*`) or that
/// call other macros (`IOCTL_*`). A driver that is to be built against `wdk-sys`, too, defines those it needs itself.
pub mod missing;
/// Functions of the kernel.
pub mod ntddk;
#[macro_use]
mod table;
mod types;
/// Functions of the USB client support library.
pub mod usb;

pub use aliases::*;
pub use callbacks::*;
pub use constants::*;
pub use enums::*;
pub use functions::*;
pub use types::*;

use crate::__BindgenBitfieldUnit;
use crate::macros::zeroed_default;
