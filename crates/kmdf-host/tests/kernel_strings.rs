//! Counted strings of the kernel.

mod common;

use std::ptr;

use common::{device, on_thread, plain, wdf};
use kmdf_host::{Allocation, HostConfig, Loopback};
use kmdf_sys::ntddk::*;
use kmdf_sys::*;

/// Calls a function of the kernel.
macro_rules! nt {
    ($call:expr) => {
        // SAFETY: a test calls what it means to call, with valid strings; the model checks the rest.
        unsafe { $call }
    };
}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

fn counted(units: &[u16]) -> UNICODE_STRING {
    let mut string = UNICODE_STRING::default();
    nt!(RtlInitUnicodeString(&raw mut string, units.as_ptr()));
    string
}

fn text(string: &UNICODE_STRING) -> String {
    let length = usize::from(string.Length) / 2;
    String::from_utf16_lossy(nt!(std::slice::from_raw_parts(string.Buffer, length)))
}

fn empty(buffer: &mut [u16]) -> UNICODE_STRING {
    UNICODE_STRING {
        Length: 0,
        MaximumLength: u16::try_from(size_of_val(buffer)).unwrap(),
        Buffer: buffer.as_mut_ptr(),
    }
}

fn clean(f: impl FnOnce() + 'static) {
    let bench = plain(HostConfig::new().verifier(true), Loopback::new());
    on_thread(&bench.host, f);
    let report = bench.host.finish();
    assert!(report.is_clean(), "{report}");
}

#[test]
fn appending_stops_at_the_maximum_length() {
    clean(|| {
        let mut buffer = [0xFFFF_u16; 8];
        let mut string = empty(&mut buffer);
        let first = units("abc");
        assert_eq!(
            nt!(RtlAppendUnicodeToString(&raw mut string, first.as_ptr())),
            STATUS_SUCCESS
        );
        let second = units("defg");
        let second = counted(&second);
        assert_eq!(
            nt!(RtlAppendUnicodeStringToString(
                &raw mut string,
                &raw const second
            )),
            STATUS_SUCCESS
        );
        assert_eq!(text(&string), "abcdefg");
        assert_eq!(buffer[7], 0);
        assert_eq!(
            nt!(RtlAppendUnicodeStringToString(
                &raw mut string,
                &raw const second
            )),
            STATUS_BUFFER_TOO_SMALL
        );
        assert_eq!(text(&string), "abcdefg");
    });
}

#[test]
fn comparing_with_and_without_case() {
    clean(|| {
        let (first, second) = (units("\\Device\\Eins"), units("\\DEVICE\\"));
        let (long, short) = (counted(&first), counted(&second));
        let prefix = |fold| {
            nt!(RtlPrefixUnicodeString(
                &raw const short,
                &raw const long,
                fold
            ))
        };
        assert_eq!((prefix(0), prefix(1)), (0, 1));
        let equal = |fold| {
            nt!(RtlEqualUnicodeString(
                &raw const short,
                &raw const long,
                fold
            ))
        };
        assert_eq!((equal(0), equal(1)), (0, 0));
        let upper = units("\\DEVICE\\EINS");
        let upper = counted(&upper);
        assert_eq!(
            nt!(RtlEqualUnicodeString(&raw const upper, &raw const long, 1)),
            1
        );
        assert_eq!(nt!(RtlUpcaseUnicodeChar(0xE4)), 0xC4);
        // One character for one: the sharp s stays.
        assert_eq!(nt!(RtlUpcaseUnicodeChar(0xDF)), 0xDF);
    });
}

#[test]
fn conversions_allocate_and_free() {
    clean(|| {
        let mut ansi = ANSI_STRING::default();
        nt!(RtlInitAnsiString(&raw mut ansi, c"gr\xFC\xDFe".as_ptr()));
        assert_eq!((ansi.Length, ansi.MaximumLength), (5, 6));
        let mut wide = UNICODE_STRING::default();
        assert_eq!(
            nt!(RtlAnsiStringToUnicodeString(
                &raw mut wide,
                &raw const ansi,
                1
            )),
            STATUS_SUCCESS
        );
        assert_eq!(text(&wide), "gr\u{FC}\u{DF}e");
        let mut back = ANSI_STRING::default();
        assert_eq!(
            nt!(RtlUnicodeStringToAnsiString(
                &raw mut back,
                &raw const wide,
                1
            )),
            STATUS_SUCCESS
        );
        let bytes = nt!(std::slice::from_raw_parts(back.Buffer.cast::<u8>(), 6));
        assert_eq!(bytes, b"gr\xFC\xDFe\0");
        nt!(RtlFreeUnicodeString(&raw mut wide));
        nt!(RtlFreeAnsiString(&raw mut back));
        assert!(wide.Buffer.is_null() && back.Buffer.is_null());
        let mut small = [0u16; 5];
        let mut small = empty(&mut small);
        assert_eq!(
            nt!(RtlAnsiStringToUnicodeString(
                &raw mut small,
                &raw const ansi,
                0
            )),
            STATUS_BUFFER_OVERFLOW
        );
    });
}

#[test]
fn numbers_there_and_back() {
    clean(|| {
        let mut buffer = [0u16; 16];
        for (value, base, expected) in [
            (4711, 0, "4711"),
            (0xBEEF, 16, "BEEF"),
            (9, 8, "11"),
            (5, 2, "101"),
        ] {
            let mut string = empty(&mut buffer);
            assert_eq!(
                nt!(RtlIntegerToUnicodeString(value, base, &raw mut string)),
                STATUS_SUCCESS
            );
            assert_eq!(text(&string), expected);
            let mut back = 0;
            assert_eq!(
                nt!(RtlUnicodeStringToInteger(
                    &raw const string,
                    base,
                    &raw mut back
                )),
                STATUS_SUCCESS
            );
            assert_eq!(back, value);
        }
        let mut value = 0;
        for (given, base, expected) in [
            (" \t-12", 0, 12u32.wrapping_neg()),
            ("0x1Fz", 0, 31),
            ("777", 3, 31),
        ] {
            let given = units(given);
            let given = counted(&given);
            let status = nt!(RtlUnicodeStringToInteger(
                &raw const given,
                base,
                &raw mut value
            ));
            assert_eq!(status == STATUS_SUCCESS, base != 3);
            assert_eq!(value, expected);
        }
    });
}

#[test]
fn guids_there_and_back() {
    clean(|| {
        let guid = GUID {
            Data1: 0x5F1A_0C1B,
            Data2: 0x7D35,
            Data3: 0x4C0E,
            Data4: [0x9B, 2, 0x6E, 0x3B, 0x51, 0x8A, 0xD4, 0x70],
        };
        let mut string = UNICODE_STRING::default();
        assert_eq!(
            nt!(RtlStringFromGUID(&raw const guid, &raw mut string)),
            STATUS_SUCCESS
        );
        assert_eq!(text(&string), "{5F1A0C1B-7D35-4C0E-9B02-6E3B518AD470}");
        let mut back = GUID::default();
        assert_eq!(
            nt!(RtlGUIDFromString(&raw const string, &raw mut back)),
            STATUS_SUCCESS
        );
        assert_eq!(
            (back.Data1, back.Data2, back.Data3, back.Data4),
            (guid.Data1, guid.Data2, guid.Data3, guid.Data4)
        );
        nt!(RtlFreeUnicodeString(&raw mut string));
        for wrong in [
            "5F1A0C1B-7D35-4C0E-9B02-6E3B518AD470",
            "{5F1A0C1B7D35-4C0E-9B02-6E3B518AD470}",
            "{}",
            "",
        ] {
            let wrong = units(wrong);
            let wrong = counted(&wrong);
            assert_eq!(
                nt!(RtlGUIDFromString(&raw const wrong, &raw mut back)),
                STATUS_INVALID_PARAMETER
            );
        }
    });
}

#[test]
fn a_string_that_cannot_be_allocated() {
    let bench = plain(HostConfig::new(), Loopback::new());
    bench.host.fail_allocation(Allocation::Pool, 1);
    on_thread(&bench.host, || {
        assert!(!wdf!(WdfDeviceGetDriver(device())).is_null());
        let guid = GUID::default();
        let mut string = UNICODE_STRING::default();
        assert_eq!(
            nt!(RtlStringFromGUID(&raw const guid, &raw mut string)),
            STATUS_NO_MEMORY
        );
        assert!(string.Buffer.is_null());
    });
    assert!(bench.host.finish().is_clean());
}

#[test]
fn memory_compares_up_to_the_first_difference() {
    clean(|| {
        let equal = |first: &[u8], second: &[u8]| {
            nt!(RtlCompareMemory(
                first.as_ptr().cast(),
                second.as_ptr().cast(),
                first.len() as u64
            ))
        };
        assert_eq!(equal(b"abcd", b"abxd"), 2);
        assert_eq!(equal(b"abcd", b"abcd"), 4);
        assert_eq!(nt!(RtlCompareMemory(ptr::null(), ptr::null(), 0)), 0);
    });
}
