//! What happens when a KMDF driver panics. A driver names this crate once:
//!
//! ```ignore
//! extern crate kmdf_panic as _;
//! ```
//!
//! Nothing in `kmdf` can panic, and a driver should not either: a panic in the kernel is a bug
//! check. This is what makes one legible.
//!
//! | where | what |
//! |---|---|
//! | with the WDK | wdk-panic: bug check 0x52504E43 ("RPNC"); address and length of the file's name, line, column |
//! | where the target has no standard library | the same bug check, without the WDK |
//! | on a host | the standard library's, so that a test fails as any other |
#![no_std]
// Only a driver that is checked, not one that is linked, is built to unwind; see `bug_check`.
#![cfg_attr(
    all(kmdf_no_std, panic = "unwind"),
    feature(lang_items),
    allow(internal_features)
)]

#[cfg(kmdf_wdk)]
extern crate wdk_panic as _;

#[cfg(not(any(kmdf_wdk, kmdf_no_std)))]
extern crate std as _;

#[cfg(all(kmdf_no_std, not(kmdf_wdk)))]
mod bug_check;
