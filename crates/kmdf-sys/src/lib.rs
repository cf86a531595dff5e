//! KMDF 1.33 as Rust bindings that need no WDK.
//!
//! Names and shapes are those that bindgen gives to `wdk-sys` 0.5, so that the same source compiles
//! against both crates: handles are pointers, an enumeration is a module of constants named after its
//! C tag, an anonymous member is `__bindgen_anon_N`, and so on. All types have their size on 64-bit
//! Windows, whatever the host: `ULONG` is `u32` and `ULONG_PTR` is `u64`.
//!
//! This crate declares and defines nothing at run time. Whoever links it supplies the statics of
//! [`WdfFunctions`] and the functions of [`ntddk`]: the framework's loader in a driver, the model
//! on a host.
//!
//! WDF functions are called through the framework's function table by
//! [`call_unsafe_wdf_function_binding!`]. What `wdk-sys` lacks stands apart in [`missing`].
#![no_std]

// First, for the macro that it defines.
#[macro_use]
#[rustfmt::skip]
#[allow(
    missing_debug_implementations,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "names and types are C's; a bit-field is converted from and to the integer that stores it"
)]
mod generated;

mod bitfield;
mod call;
mod llp64;
mod macros;
mod statics;
mod status;

pub use bitfield::__BindgenBitfieldUnit;
pub use generated::*;
pub use statics::*;
pub use status::{NT_ERROR, NT_INFORMATION, NT_SUCCESS, NT_WARNING};

/// What `wdk-sys` keeps for WDF functions: nothing a driver can call.
///
/// In C, too, WDF functions are inline functions over the function table. Use
/// [`call_unsafe_wdf_function_binding!`].
pub mod wdf {
    #[doc(hidden)]
    pub mod __private {
        pub use crate::call::*;
    }
}
