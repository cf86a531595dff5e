//! The names of Microsoft's crate `wdk`, for machines without a WDK.
//!
//! A driver that was written against it and its companions runs on the model by other names in its `Cargo.toml`, and by nothing else:
//!
//! ```toml
//! [dependencies]
//! wdk = { package = "kmdf-wdk", version = "0.1" }
//! wdk-alloc = { package = "kmdf-wdk-alloc", version = "0.1" }
//! wdk-panic = { package = "kmdf-panic", version = "0.1" }
//! wdk-sys = { package = "kmdf-sys", version = "0.1" }
//!
//! [build-dependencies]
//! wdk-build = { package = "kmdf-build", version = "0.1" }
//! ```
//!
//! What is printed goes to `DbgPrint`, which the model puts into the trace:
//!
//! ```
//! use kmdf_host::{Event, Host, HostConfig};
//! use kmdf_wdk as wdk;
//!
//! let host = Host::new(HostConfig::new().trace(true));
//! host.spawn("driver", || wdk::println!("{} requests", 3));
//! host.run()?;
//! let printed = |event: &Event| matches!(event, Event::DebugPrint { text, .. } if text == "3 requests\n");
//! assert!(host.trace().records.iter().any(|record| printed(&record.event)));
//! # Ok::<(), kmdf_host::Stop>(())
//! ```
#![no_std]

mod print;
pub mod wdf;

pub use kmdf_sys::NT_SUCCESS as nt_success;
pub use kmdf_sys::PAGED_CODE as paged_code;
#[doc(hidden)]
pub use print::_print;

/// Breaks into the debugger; on the model it is a finding.
pub fn dbg_break() {
    // SAFETY: it may be called at any IRQL.
    unsafe { kmdf_sys::ntddk::DbgBreakPoint() };
}
