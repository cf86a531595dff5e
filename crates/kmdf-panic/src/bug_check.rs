//! The bug check of wdk-panic, so that one note on reading it serves both.

use core::panic::{Location, PanicInfo};

use kmdf_sys::{ULONG, ULONG_PTR};

/// "RPNC".
const RUST_PANIC: ULONG = u32::from_be_bytes(*b"RPNC");

/// A `usize` has 64 bits at most on every target of Rust's; this only widens.
#[expect(clippy::cast_lossless, reason = "there is no `From<usize>` for `u64`")]
const fn parameter(value: usize) -> ULONG_PTR {
    value as ULONG_PTR
}

#[cold]
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let [name, length, line, column] = info.location().map_or([0; 4], |location: &Location<'_>| {
        [
            parameter(location.file().as_ptr().addr()),
            parameter(location.file().len()),
            ULONG_PTR::from(location.line()),
            ULONG_PTR::from(location.column()),
        ]
    });
    // SAFETY: takes any numbers, at any IRQL, and does not return.
    unsafe { kmdf_sys::ntddk::KeBugCheckEx(RUST_PANIC, name, length, line, column) }
}

/// A driver image is linked with `panic = "abort"` and has no use for this. It lets a driver be
/// checked in Cargo's profile `dev`, which unwinds. Where `core` is built from source, as it is
/// without a standard library, the compiler has the feature.
#[cfg(panic = "unwind")]
#[lang = "eh_personality"]
const extern "C" fn eh_personality() {}
