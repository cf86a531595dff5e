//! Special pool: what a driver does to memory that is not its own ends the run, not the process.

#![cfg(any(target_os = "linux", target_os = "macos"))]

mod common;

use std::ffi::c_void;
use std::ptr;
use std::rc::Rc;

use common::*;
use kmdf_host::{
    Allocation, Bugcheck, BugcheckKind, HostConfig, Loopback, Report, Stop, ViolationKind,
};
use kmdf_sys::*;

fn config() -> HostConfig {
    HostConfig::new().special_pool(true)
}

/// Runs `f` as driver code.
fn run(f: impl FnOnce() + 'static) -> Report {
    let bench = plain(config(), Loopback::new());
    bench.host.spawn("test", f);
    ignore(bench.host.run());
    bench.host.finish()
}

fn crash(f: impl FnOnce() + 'static) -> Bugcheck {
    let report = run(f);
    match report.stop {
        Some(Stop::Bugcheck(crash)) => *crash,
        other => panic!("expected a crash, got {other:?}"),
    }
}

fn pool(size: u64) -> *mut u8 {
    // SAFETY: no precondition.
    let memory = unsafe { ntddk::ExAllocatePool2(0x40, size, 0x7473_6554) };
    assert!(!memory.is_null());
    memory.cast()
}

fn free(memory: *mut u8) {
    // SAFETY: the tests free what they allocated, when they mean to.
    unsafe { ntddk::ExFreePool(memory.cast()) }
}

fn read(memory: *const u8) -> u8 {
    // SAFETY: wrong on purpose; the model must find it.
    unsafe { memory.read_volatile() }
}

fn write(memory: *mut u8) {
    // SAFETY: wrong on purpose; the model must find it.
    unsafe { memory.write_volatile(1) }
}

#[test]
fn memory_that_is_ones_own_can_be_used() {
    let report = run(|| {
        for size in [2, 15, 16, 17, 4095, 4096, 4097, 100_000] {
            let memory = pool(size);
            for place in [0, size - 1] {
                let byte = memory.wrapping_add(usize::try_from(place).unwrap());
                assert_eq!(read(byte), 0);
                write(byte);
            }
            free(memory);
        }
    });
    assert!(report.is_clean(), "{report}");
}

#[test]
fn blocks_that_are_not_guarded_are_counted() {
    // Address space is not used twice: seven of these fit, with the page between them.
    let report = run(|| {
        for _ in 0..8 {
            free(pool(2 << 30));
        }
    });
    assert_eq!(report.totals.unguarded, 1);
    assert!(report.is_clean(), "{report}");
    assert!(report.to_string().contains("1 blocks were not guarded"));
}

#[test]
fn null_is_no_address() {
    for offset in [0, 8, 0x1000] {
        let crash = crash(move || ignore(read(ptr::without_provenance(offset))));
        assert_eq!((crash.kind, crash.code), (BugcheckKind::NullPointer, 0x50));
        assert_eq!(crash.p1, offset as u64);
        assert_eq!(crash.place.thread.as_deref(), Some("test"));
    }
    let crash = crash(|| {
        // SAFETY: no precondition.
        ignore(unsafe { ntddk::KfRaiseIrql(2) });
        write(ptr::null_mut());
    });
    assert_eq!((crash.kind, crash.code), (BugcheckKind::NullPointer, 0xD1));
}

#[test]
fn a_call_through_null_is_one_too() {
    let crash = crash(|| {
        // SAFETY: wrong on purpose; an optional function pointer has the layout of the pointer, and the value is never NULL.
        let function =
            unsafe { std::mem::transmute::<usize, extern "C" fn()>(std::hint::black_box(0x10)) };
        function();
    });
    assert_eq!(crash.kind, BugcheckKind::NullPointer);
}

#[test]
fn freed_pool_is_out_of_reach() {
    let crash = crash(|| {
        let memory = pool(40);
        sleep(2);
        free(memory);
        ignore(read(memory.wrapping_add(7)));
    });
    assert_eq!((crash.kind, crash.code), (BugcheckKind::FreedMemory, 0xCC));
    let block = crash.object.expect("the block is known");
    assert_eq!(block.origin.ddi, "ExAllocatePool2");
    let freed = block.ended.expect("it was freed");
    assert_eq!(
        (freed.ddi, freed.time.as_millis()),
        ("ExFreePoolWithTag", 2)
    );
}

#[test]
fn the_end_of_a_block_is_guarded() {
    for size in [16, 64, 4096] {
        let crash = crash(move || write(pool(size).wrapping_add(usize::try_from(size).unwrap())));
        assert_eq!((crash.kind, crash.code), (BugcheckKind::BeyondBlock, 0xCD));
        assert!(crash.explanation.contains("the byte 0 behind"), "{crash}");
        assert!(
            crash.explanation.contains(&format!("of {size} bytes")),
            "{crash}"
        );
    }
}

/// Up to the alignment, and in front of a block, it is found when the block is freed.
#[test]
fn what_stands_around_a_block_is_looked_at() {
    for offset in [-1isize, 10] {
        let report = run(move || {
            let memory = pool(10);
            write(memory.wrapping_offset(offset));
            free(memory);
        });
        assert_eq!(report.stop, None);
        let kinds: Vec<_> = report.violations.iter().map(|found| found.kind).collect();
        assert_eq!(kinds, [ViolationKind::BufferOverrun], "{offset}: {report}");
    }
}

#[repr(C)]
struct Context {
    number: u64,
}

#[allow(clippy::cast_possible_truncation, reason = "a few words")]
const TYPE_INFO_SIZE: u32 = size_of::<WDF_OBJECT_CONTEXT_TYPE_INFO>() as u32;

struct TypeInfo(WDF_OBJECT_CONTEXT_TYPE_INFO);

// SAFETY: it is never written to.
unsafe impl Sync for TypeInfo {}

static TYPE: TypeInfo = TypeInfo(WDF_OBJECT_CONTEXT_TYPE_INFO {
    Size: TYPE_INFO_SIZE,
    ContextName: c"Context".as_ptr(),
    ContextSize: size_of::<Context>(),
    UniqueType: &raw const TYPE.0,
    EvtDriverGetUniqueContextType: None,
});

fn with_context() -> (WDFOBJECT, *mut Context) {
    let mut attributes = WDF_OBJECT_ATTRIBUTES {
        ContextTypeInfo: &raw const TYPE.0,
        ..attributes()
    };
    let mut object = null();
    let status = wdf!(WdfObjectCreate(&raw mut attributes, &raw mut object));
    assert_eq!(status, STATUS_SUCCESS);
    let context = wdf!(WdfObjectGetTypedContextWorker(object, &raw const TYPE.0));
    (object, context.cast())
}

#[test]
fn a_context_goes_with_its_object() {
    let crash = crash(|| {
        let (object, context) = with_context();
        // SAFETY: the context is alive.
        unsafe { (*context).number = 7 };
        delete(object);
        ignore(read(context.cast()));
    });
    assert_eq!(crash.kind, BugcheckKind::FreedMemory);
    let block = crash.object.expect("the block is known");
    assert_eq!(block.origin.ddi, "WdfObjectCreate");
    assert_eq!(block.ended.map(|ended| ended.ddi), Some("WdfObjectDelete"));
}

#[test]
fn the_buffer_of_a_memory_goes_with_it() {
    let crash = crash(|| {
        let memory = create_memory(&[1; 32]);
        let buffer = wdf!(WdfMemoryGetBuffer(memory, null()));
        assert_eq!(read(buffer.cast()), 1);
        delete(memory);
        ignore(read(buffer.cast()));
    });
    assert_eq!(crash.kind, BugcheckKind::FreedMemory);
    assert_eq!(
        crash.object.expect("the block").origin.ddi,
        "WdfMemoryCreate"
    );
}

/// The framework reads and writes through the addresses that a driver gives it.
#[test]
fn the_framework_crashes_on_a_drivers_behalf() {
    let crash = crash(|| {
        let memory = create_memory(&[1; 32]);
        let target = pool(8);
        free(target);
        ignore(wdf!(WdfMemoryCopyToBuffer(memory, 0, target.cast(), 8)));
    });
    assert_eq!(crash.kind, BugcheckKind::FreedMemory);
    assert_eq!(crash.ddi, "WdfMemoryCopyToBuffer");
}

#[test]
fn a_status_that_was_not_looked_at_is_blamed() {
    let bench = plain(config(), Loopback::new());
    bench.host.fail_allocation(Allocation::Pool, 1);
    bench.host.spawn("test", || {
        let mut memory = null();
        let mut buffer: *mut c_void = null();
        ignore(wdf!(WdfMemoryCreate(
            null(),
            _POOL_TYPE::NonPagedPoolNx,
            0,
            16,
            &raw mut memory,
            &raw mut buffer
        )));
        write(buffer.cast());
    });
    ignore(bench.host.run());
    let report = bench.host.finish();
    assert_eq!(report.violations[0].kind, ViolationKind::IgnoredStatus);
    let Some(Stop::Bugcheck(crash)) = report.stop else {
        panic!("no crash");
    };
    assert_eq!(crash.kind, BugcheckKind::NullPointer);
}

static OTHER: TypeInfo = TypeInfo(WDF_OBJECT_CONTEXT_TYPE_INFO {
    Size: TYPE_INFO_SIZE,
    ContextName: c"Other".as_ptr(),
    ContextSize: size_of::<Context>(),
    UniqueType: &raw const OTHER.0,
    EvtDriverGetUniqueContextType: None,
});

#[test]
fn a_context_of_another_type_is_null() {
    let ask = || {
        let (object, _) = with_context();
        let context = wdf!(WdfObjectGetTypedContextWorker(object, &raw const OTHER.0));
        delete(object);
        context
    };
    assert!(run(move || assert!(ask().is_null())).is_clean());
    let report = run(move || write(ask().cast()));
    assert_eq!(report.violations[0].kind, ViolationKind::WrongContext);
    assert!(
        matches!(report.stop, Some(Stop::Bugcheck(crash)) if crash.kind == BugcheckKind::NullPointer)
    );
}

#[test]
fn pool_is_freed_with_its_tag() {
    for (tag, expected) in [(0, 0), (0x7473_6554, 0), (1, 1)] {
        let report = run(move || {
            let memory = pool(8);
            // SAFETY: the block was just allocated.
            unsafe { ntddk::ExFreePoolWithTag(memory.cast(), tag) };
        });
        let bad = report.violations.iter();
        let bad = bad.filter(|found| found.kind == ViolationKind::BadFree);
        assert_eq!(bad.count(), expected, "{report}");
    }
}

/// A callback on the stack of the framework's own thread, under a queue's lock.
#[test]
fn a_fault_in_a_callback_names_it() {
    let hooks = Hooks {
        filter: true,
        write: Some(Rc::new(|_, _, _| write(ptr::null_mut()))),
        ..Hooks::default()
    };
    let bench = bench(config(), Loopback::new(), hooks);
    let file = bench.host.open(bench.stack).unwrap();
    let Err(Stop::Bugcheck(crash)) = bench.host.write(file, 0, b"data") else {
        panic!("no crash");
    };
    assert_eq!(crash.kind, BugcheckKind::NullPointer);
    assert_eq!(crash.place.callback, Some("EvtIoWrite"));
    assert_eq!(crash.place.driver.as_deref(), Some("filter"));
    assert_eq!(crash.ddi, "EvtIoWrite");
    // The host still reports, and another one runs.
    assert!(bench.host.finish().stop.is_some());
    assert!(run(|| {}).is_clean());
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn a_handle_is_no_pointer() {
    let crash = crash(|| ignore(read(named("object", null()).cast())));
    assert_eq!(crash.kind, BugcheckKind::WildPointer);
}

/// Run by the test below in a process of its own.
#[test]
#[ignore = "it ends the process"]
fn a_fault_elsewhere() {
    ignore(run(|| ignore(read(ptr::without_provenance(0x10_0000)))));
}

/// A fault that is not a driver's mistake with its memory goes where it would have gone.
#[test]
fn other_faults_end_the_process() {
    use std::os::unix::process::ExitStatusExt;
    let program = std::env::current_exe().expect("the test knows itself");
    let output = std::process::Command::new(program)
        .args(["--exact", "a_fault_elsewhere", "--ignored"])
        .output()
        .expect("the test can be run");
    // SIGSEGV, or SIGBUS where the system says so.
    assert!(
        matches!(output.status.signal(), Some(11 | 10 | 7)),
        "{output:?}"
    );
}

/// What is said does not depend on where memory happens to lie.
#[test]
fn two_runs_say_the_same() {
    let once = || {
        crash(|| {
            let memory = pool(100);
            free(memory);
            write(memory);
        })
    };
    assert_eq!(once(), once());
}
