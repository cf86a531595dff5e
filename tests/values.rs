//! Types that need no framework: statuses, time, descriptors, run-down.

use std::rc::Rc;
use std::time::Duration;

use kmdf::{Error, ErrorKind, MemoryDescriptor, NtStatus, Rundown, Severity, SystemTime, Timeout};
// Defines what kmdf-sys declares.
use kmdf_host as _;
use proptest::prelude::*;

proptest! {
    /// Every value is kept: as a status, and as an error if and only if it is not a success.
    #[test]
    fn a_status_is_lossless(raw: i32) {
        let status = NtStatus::from_raw(raw);
        prop_assert_eq!(status.into_raw(), raw);
        prop_assert_eq!(status.is_success(), raw >= 0);
        match status.ok() {
            Ok(kept) => prop_assert_eq!(kept, status),
            Err(error) => {
                prop_assert!(raw < 0);
                prop_assert_eq!(error.status(), status);
                prop_assert_eq!(NtStatus::from(error), status);
            }
        }
    }

    /// As the macros of ntdef.h and ntstatus.h take a status apart.
    #[test]
    fn severity_and_facility_are_the_bit_fields(severity in 0_u32..4, facility in 0_u32..0x1000, code in 0_u32..0x1_0000) {
        let status = NtStatus::from_raw((severity << 30 | facility << 16 | code).cast_signed());
        let expected = [Severity::Success, Severity::Informational, Severity::Warning, Severity::Error][severity as usize];
        prop_assert_eq!(status.severity(), expected);
        prop_assert_eq!(status.facility(), facility);
    }

    /// A relative time-out is never shorter than asked for, by less than a tick longer, and never
    /// 0.
    #[test]
    fn a_relative_time_out_rounds_up(nanoseconds: u64) {
        let ticks = Timeout::relative(Duration::from_nanos(nanoseconds)).ticks();
        prop_assert!(ticks < 0);
        let ticks = u128::from(ticks.unsigned_abs());
        prop_assert!(ticks * 100 >= u128::from(nanoseconds));
        prop_assert!(ticks == 1 || (ticks - 1) * 100 < u128::from(nanoseconds));
    }

    #[test]
    fn a_relative_time_out_saturates(seconds: u64, nanoseconds in 0_u32..1_000_000_000) {
        let ticks = Timeout::relative(Duration::new(seconds, nanoseconds)).ticks();
        let exact = u128::from(seconds) * 10_000_000 + u128::from(nanoseconds.div_ceil(100));
        prop_assert_eq!(u128::from(ticks.unsigned_abs()), exact.clamp(1, i64::MAX as u128));
        prop_assert!(ticks < 0);
    }

    #[test]
    fn system_time_is_positive(ticks: i64, nanoseconds: u64) {
        match SystemTime::from_ticks(ticks) {
            None => prop_assert!(ticks <= 0),
            Some(time) => {
                prop_assert_eq!(time.ticks(), ticks);
                prop_assert_eq!(Timeout::absolute(time).ticks(), ticks);
                prop_assert!(time.saturating_add(Duration::from_nanos(nanoseconds)) > time || ticks == i64::MAX);
            }
        }
    }

    /// Whatever is acquired, let go, published and run down in whatever order: the value is there
    /// when it should be, and dropped exactly once.
    #[test]
    fn rundown_keeps_its_promise(steps in prop::collection::vec(0_u8..4, 0..64)) {
        let place = Rundown::new();
        let mut guards = Vec::new();
        let mut published: Option<Rc<()>> = None;
        let mut retired: Option<Rc<()>> = None;
        for step in steps {
            match step {
                0 => {
                    let value = Rc::new(());
                    let taken = place.publish(Rc::clone(&value)).is_ok();
                    prop_assert_eq!(taken, published.is_none() && retired.is_none());
                    if taken {
                        published = Some(value);
                    }
                }
                1 => {
                    let guard = place.acquire();
                    prop_assert_eq!(guard.is_some(), published.is_some());
                    guards.extend(guard);
                }
                2 => {
                    guards.pop();
                    if guards.is_empty() && let Some(value) = retired.take() {
                        prop_assert_eq!(Rc::strong_count(&value), 1);
                    }
                }
                _ => {
                    place.run_down();
                    if let Some(value) = published.take() {
                        if guards.is_empty() {
                            prop_assert_eq!(Rc::strong_count(&value), 1);
                        } else {
                            prop_assert_eq!(Rc::strong_count(&value), 2);
                            retired = Some(value);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_descriptor_has_the_length_of_its_bytes(data: Vec<u8>) {
        let descriptor = MemoryDescriptor::bytes(&data).unwrap();
        prop_assert_eq!(descriptor.len() as usize, data.len());
        prop_assert_eq!(descriptor.is_empty(), data.is_empty());
    }
}

#[test]
fn every_documented_status_has_a_kind_of_its_own() {
    let documented = [
        (NtStatus::INVALID_PARAMETER, ErrorKind::InvalidParameter),
        (
            NtStatus::INFO_LENGTH_MISMATCH,
            ErrorKind::InfoLengthMismatch,
        ),
        (
            NtStatus::INVALID_DEVICE_REQUEST,
            ErrorKind::InvalidDeviceRequest,
        ),
        (
            NtStatus::INSUFFICIENT_RESOURCES,
            ErrorKind::InsufficientResources,
        ),
        (NtStatus::IO_TIMEOUT, ErrorKind::Timeout),
        (
            NtStatus::REQUEST_NOT_ACCEPTED,
            ErrorKind::RequestNotAccepted,
        ),
    ];
    for (status, kind) in documented {
        assert_eq!(Error::new(status).unwrap().kind(), kind, "{status}");
    }
    for raw in (i32::MIN..0).step_by(9973) {
        let status = NtStatus::from_raw(raw);
        let error = Error::new(status).unwrap();
        if documented.iter().any(|(_, kind)| *kind == error.kind()) {
            assert!(
                documented.iter().any(|(known, _)| *known == status),
                "{status} shares a kind with another status"
            );
        }
    }
}

#[test]
fn time_out_and_cancel_stay_apart() {
    assert_eq!(
        Error::new(NtStatus::IO_TIMEOUT).unwrap().kind(),
        ErrorKind::Timeout
    );
    assert_eq!(
        Error::new(NtStatus::CANCELLED).unwrap().kind(),
        ErrorKind::Cancelled
    );
    assert_eq!(
        Error::new(NtStatus::TIMEOUT),
        None,
        "STATUS_TIMEOUT is a success code"
    );
}

#[test]
fn a_status_is_shown_by_name_where_it_has_one() {
    assert_eq!(
        NtStatus::IO_TIMEOUT.to_string(),
        "STATUS_IO_TIMEOUT (0xC00000B5)"
    );
    assert_eq!(
        NtStatus::from_raw(0xC0DE_0001_u32.cast_signed()).to_string(),
        "NTSTATUS 0xC0DE0001"
    );
}

#[test]
fn more_than_the_framework_can_count_is_an_error() {
    // 4 GiB of address space, never touched.
    let layout = std::alloc::Layout::array::<u8>(u32::MAX as usize + 1).unwrap();
    // SAFETY: the layout is not empty.
    let memory = unsafe { std::alloc::alloc_zeroed(layout) };
    assert!(!memory.is_null(), "the test needs 4 GiB of address space");
    // SAFETY: so many zeroed bytes were just allocated.
    let data = unsafe { std::slice::from_raw_parts(memory, layout.size()) };
    assert_eq!(
        MemoryDescriptor::bytes(data).unwrap_err(),
        Error::INVALID_PARAMETER
    );
    assert_eq!(MemoryDescriptor::bytes(&data[1..]).unwrap().len(), u32::MAX);
    // SAFETY: allocated above with this layout.
    unsafe { std::alloc::dealloc(memory, layout) };
}

#[test]
fn rundown_drops_what_it_still_holds() {
    let value = Rc::new(());
    let place = Rundown::new();
    place.publish(Rc::clone(&value)).unwrap();
    drop(place);
    assert_eq!(Rc::strong_count(&value), 1);
}

#[test]
fn rundown_between_threads() {
    let place = Rundown::<String>::new();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    if let Some(guard) = place.acquire() {
                        assert_eq!(guard.as_str(), "there");
                    }
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..2_000 {
                let _in_use = place.publish(String::from("there"));
                place.run_down();
            }
        });
    });
}
