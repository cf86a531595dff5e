//! Time, and what takes some.

use core::ffi::c_void;

use kmdf_sys::{SIZE_T, ULONG, ULONG64, ULONGLONG};

use super::enter;
use crate::report::ViolationKind;
use crate::system::wait::WaitReason;
use crate::time::Ticks;

/// The longest stall that the documentation allows, in microseconds.
const LONGEST_STALL: ULONG = 50;
/// One clock interrupt, in units of 100 ns.
const TIME_INCREMENT: ULONG = 156_250;

/// Time since the start of the system.
#[unsafe(no_mangle)]
pub extern "C" fn KeQueryInterruptTime() -> ULONGLONG {
    enter("KeQueryInterruptTime", |system| system.now().0)
}

/// As [`KeQueryInterruptTime`], with the performance counter of the moment.
///
/// # Safety
///
/// `counter` must point to memory for a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeQueryInterruptTimePrecise(counter: *mut ULONG64) -> ULONG64 {
    enter("KeQueryInterruptTimePrecise", |system| {
        system.put(counter, system.now().0);
        system.now().0
    })
}

/// As [`KeQueryInterruptTime`]: the model's system never sleeps.
#[unsafe(no_mangle)]
pub extern "C" fn KeQueryUnbiasedInterruptTime() -> ULONGLONG {
    enter("KeQueryUnbiasedInterruptTime", |system| system.now().0)
}

/// From one clock interrupt to the next.
#[unsafe(no_mangle)]
pub extern "C" fn KeQueryTimeIncrement() -> ULONG {
    enter("KeQueryTimeIncrement", |_| TIME_INCREMENT)
}

/// Keeps the processor busy. Other processors go on meanwhile.
#[unsafe(no_mangle)]
pub extern "C" fn KeStallExecutionProcessor(microseconds: ULONG) {
    enter("KeStallExecutionProcessor", |system| {
        if microseconds > LONGEST_STALL {
            system.violation(
                ViolationKind::LongStall,
                format!(
                    "KeStallExecutionProcessor was asked to stall the processor for {microseconds} microseconds; \
                     more than {LONGEST_STALL} starve everything else on it"
                ),
            );
        }
        let until = system.now() + Ticks(u64::from(microseconds) * 10);
        system.wait_for_lock(WaitReason::Sleep, true, Some(until));
    });
}

/// How many bytes are equal from the start.
///
/// # Safety
///
/// Both blocks must have the length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn RtlCompareMemory(
    first: *const c_void,
    second: *const c_void,
    length: SIZE_T,
) -> SIZE_T {
    enter("RtlCompareMemory", |system| {
        let (first, second) = (first.cast::<u8>(), second.cast::<u8>());
        let mut equal = 0;
        while equal < length {
            let place = usize::try_from(equal).unwrap_or(usize::MAX);
            if system.get(first.wrapping_add(place)) != system.get(second.wrapping_add(place)) {
                break;
            }
            equal += 1;
        }
        equal
    })
}
