//! `DbgPrint`: its formats, its limit, and what may not be printed at a raised IRQL.

mod common;

use std::cell::RefCell;

use common::{device, on_thread, plain, wdf};
use kmdf_host::{Event, HostConfig, Loopback, ViolationKind};
use kmdf_sys::ntddk::{DbgBreakPoint, DbgPrint, DbgPrintEx, KeLowerIrql, KfRaiseIrql};
use kmdf_sys::{_STRING, _UNICODE_STRING};

thread_local! {
    static SINK: RefCell<String> = const { RefCell::new(String::new()) };
}

fn sink(text: &str) {
    SINK.with_borrow_mut(|all| all.push_str(text));
}

/// What a driver's print comes out as.
fn printed(print: impl FnOnce() + 'static) -> String {
    SINK.take();
    let bench = plain(HostConfig::new().debug_output(sink), Loopback::new());
    on_thread(&bench.host, print);
    assert!(bench.host.finish().is_clean());
    SINK.take()
}

/// Prints with the arguments given.
macro_rules! print {
    ($format:literal $(, $argument:expr)*) => {
        printed(move || {
            // SAFETY: the arguments are those that the format names.
            let status = unsafe { DbgPrint($format.as_ptr(), $($argument),*) };
            assert_eq!(status, 0);
        })
    };
}

#[test]
fn integers() {
    assert_eq!(print!(c"plain\n"), "plain\n");
    assert_eq!(
        print!(c"%d %i %u", -5i32, 7i32, u32::MAX),
        "-5 7 4294967295"
    );
    assert_eq!(
        print!(
            c"%x %X %#x %#X %o",
            0xBEEFu32, 0xBEEFu32, 0xAu32, 0xBu32, 8u32
        ),
        "beef BEEF 0xa 0XB 10"
    );
    assert_eq!(
        print!(c"%08x|%-6d|%6d|%+d|% d", 0x1Fu32, 42i32, 42i32, 1i32, 2i32),
        "0000001f|42    |    42|+1| 2"
    );
    assert_eq!(
        print!(c"%.4d|%#06x|%*d", 7i32, 0xABu32, 4i32, 9i32),
        "0007|0x00ab|   9"
    );
    // `long` has 32 bits.
    assert_eq!(
        print!(c"%ld %lu %lx", -1i32, 3u32, u32::MAX),
        "-1 3 ffffffff"
    );
    assert_eq!(
        print!(
            c"%I64d %I64x %lld %llu %Ix %I32u",
            i64::MIN,
            u64::MAX,
            -2i64,
            5u64,
            6u64,
            7u32
        ),
        "-9223372036854775808 ffffffffffffffff -2 5 6 7"
    );
    assert_eq!(
        print!(c"%hd %hhu %hx", -1i32, 0x1FFi32, 0x1_2345i32),
        "-1 255 2345"
    );
    assert_eq!(
        print!(c"100%% %c%c", i32::from(b'o'), i32::from(b'k')),
        "100% ok"
    );
}

#[test]
fn more_arguments_than_registers() {
    assert_eq!(
        print!(
            c"%d %d %d %d %d %d %d %d %d %s",
            1i32,
            2i32,
            3i32,
            4i32,
            5i32,
            6i32,
            7i32,
            8i32,
            9i32,
            c"ten".as_ptr()
        ),
        "1 2 3 4 5 6 7 8 9 ten"
    );
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

#[test]
fn strings() {
    assert_eq!(
        print!(
            c"%s|%10s|%-5s|%.2s",
            c"abc".as_ptr(),
            c"right".as_ptr(),
            c"l".as_ptr(),
            c"cut".as_ptr()
        ),
        "abc|     right|l    |cu"
    );
    assert_eq!(print!(c"%s", std::ptr::null::<u8>()), "(null)");
    let text = wide("wide \u{e4}");
    assert_eq!(
        print!(
            c"%S %ws %ls %hs",
            text.as_ptr(),
            text.as_ptr(),
            text.as_ptr(),
            c"narrow".as_ptr()
        ),
        "wide \u{e4} wide \u{e4} wide \u{e4} narrow"
    );
    let units: Vec<u16> = "counted!".encode_utf16().collect();
    let bytes = *b"bytes!";
    assert_eq!(
        printed(move || {
            let unicode = _UNICODE_STRING {
                Length: 14,
                MaximumLength: 16,
                Buffer: units.as_ptr().cast_mut(),
            };
            let ansi = _STRING {
                Length: 5,
                MaximumLength: 6,
                Buffer: bytes.as_ptr().cast_mut().cast(),
            };
            // SAFETY: the arguments are those that the format names.
            unsafe { DbgPrint(c"%wZ %Z".as_ptr(), &raw const unicode, &raw const ansi) };
        }),
        "counted bytes"
    );
}

#[test]
fn pointers_are_the_same_in_every_run() {
    let local = 0u8;
    assert_eq!(print!(c"%p", std::ptr::null::<u8>()), "0".repeat(16));
    assert_eq!(print!(c"%p", &raw const local), "*".repeat(16));
    let handle = printed(|| {
        let driver = wdf!(WdfDeviceGetDriver(device()));
        // SAFETY: the argument is the one that the format names.
        unsafe { DbgPrint(c"%p".as_ptr(), driver) };
    });
    assert!(handle.starts_with("A55A"), "{handle}");
}

#[test]
fn a_message_is_cut_at_512_bytes() {
    let long = std::ffi::CString::new("x".repeat(600)).expect("no zero inside");
    let start = long.as_ptr();
    assert_eq!(print!(c"%s", start).len(), 512);
    drop(long);
}

#[test]
fn prints_are_in_the_trace() {
    let bench = plain(HostConfig::new().trace(true), Loopback::new());
    on_thread(&bench.host, || {
        // SAFETY: the arguments are those that the format names.
        unsafe { DbgPrintEx(77, 2, c"%s=%d".as_ptr(), c"answer".as_ptr(), 42i32) };
    });
    let trace = bench.host.trace();
    let prints: Vec<_> = trace
        .records
        .iter()
        .filter_map(|record| match &record.event {
            Event::DebugPrint {
                component,
                level,
                text,
                ..
            } => Some((*component, *level, text.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(prints, [(77, 2, "answer=42")]);
}

#[test]
fn wide_characters_are_for_passive_level() {
    let bench = plain(HostConfig::new(), Loopback::new());
    on_thread(&bench.host, || {
        let text = wide("x");
        // SAFETY: the IRQL is lowered again below.
        let old = unsafe { KfRaiseIrql(2) };
        // SAFETY: the argument is the one that the format names.
        unsafe { DbgPrint(c"%s".as_ptr(), c"narrow".as_ptr()) };
        // SAFETY: the argument is the one that the format names.
        unsafe { DbgPrint(c"%ws".as_ptr(), text.as_ptr()) };
        // SAFETY: it is the IRQL from before.
        unsafe { KeLowerIrql(old) };
    });
    let report = bench.host.finish();
    let kinds: Vec<_> = report
        .violations
        .iter()
        .map(|violation| violation.kind)
        .collect();
    assert_eq!(kinds, [ViolationKind::Irql]);
}

#[test]
fn a_break_is_a_finding() {
    let bench = plain(HostConfig::new(), Loopback::new());
    on_thread(&bench.host, || {
        // SAFETY: no precondition.
        unsafe { DbgBreakPoint() };
    });
    let report = bench.host.finish();
    assert_eq!(report.violations.len(), 1);
    assert_eq!(report.violations[0].kind, ViolationKind::DebugBreak);
}
