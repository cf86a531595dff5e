//! Sections 0, 5 and 6.2 to 6.4: handles, memory, contexts, references, deletion; locks, timers and the like.

mod common;

use std::cell::Cell;
use std::rc::Rc;

use common::*;
use kmdf_host::{Allocation, Disk, HostConfig, Scripted, Stop, Ticks, ViolationKind};
use kmdf_sys::missing::*;
use kmdf_sys::*;

#[repr(transparent)]
struct TypeInfo(WDF_OBJECT_CONTEXT_TYPE_INFO);

// SAFETY: it is never written to.
unsafe impl Sync for TypeInfo {}

static TYPE: TypeInfo = TypeInfo(WDF_OBJECT_CONTEXT_TYPE_INFO {
    Size: 40,
    ContextName: c"Type".as_ptr(),
    ContextSize: 24,
    UniqueType: &raw const TYPE.0,
    EvtDriverGetUniqueContextType: None,
});
static OTHER: TypeInfo = TypeInfo(WDF_OBJECT_CONTEXT_TYPE_INFO {
    Size: 40,
    ContextName: c"Other".as_ptr(),
    ContextSize: 8,
    UniqueType: &raw const OTHER.0,
    EvtDriverGetUniqueContextType: None,
});

thread_local! {
    static NAMES: std::cell::RefCell<Vec<(usize, &'static str)>> = const { std::cell::RefCell::new(Vec::new()) };
}

fn name_of(object: WDFOBJECT) -> &'static str {
    NAMES.with_borrow(|names| {
        names
            .iter()
            .rev()
            .find(|(handle, _)| *handle == object.addr())
            .map_or("?", |(_, name)| name)
    })
}

unsafe extern "C" fn cleanup(object: WDFOBJECT) {
    log(format!("cleanup {}", name_of(object)));
}

unsafe extern "C" fn destroy(object: WDFOBJECT) {
    log(format!("destroy {}", name_of(object)));
}

fn named(name: &'static str, parent: WDFOBJECT) -> WDFOBJECT {
    let mut attributes = WDF_OBJECT_ATTRIBUTES {
        EvtCleanupCallback: Some(cleanup),
        EvtDestroyCallback: Some(destroy),
        ParentObject: parent,
        ..attributes()
    };
    let mut object = null();
    assert_eq!(
        wdf!(WdfObjectCreate(&raw mut attributes, &raw mut object)),
        STATUS_SUCCESS
    );
    NAMES.with_borrow_mut(|names| names.push((object.addr(), name)));
    object
}

fn reference(object: WDFOBJECT) {
    wdf!(WdfObjectReferenceActual(
        object,
        null(),
        0,
        std::ptr::null()
    ));
}

fn dereference(object: WDFOBJECT) {
    wdf!(WdfObjectDereferenceActual(
        object,
        null(),
        0,
        std::ptr::null()
    ));
}

#[test]
fn bad_handles_and_pointers() {
    type Call = fn();
    let cases: [(&str, Call, [u64; 3]); 9] = [
        (
            "null typed",
            || ignore(wdf!(WdfIoTargetGetState(null()))),
            [5, 0, 0x1200],
        ),
        (
            "null object",
            || delete::<WDFDEVICE__>(null()),
            [5, 0, 0x1000],
        ),
        ("null in reference", || reference(null()), [4, 0, 0]),
        (
            "null in context",
            || {
                ignore(wdf!(WdfObjectGetTypedContextWorker(
                    null(),
                    &raw const TYPE.0
                )))
            },
            [4, 0, 0],
        ),
        (
            "null out",
            || ignore(wdf!(WdfRequestCreate(null(), null(), null()))),
            [4, 0, 0],
        ),
        (
            "null buffer",
            || ignore(wdf!(WdfMemoryCreatePreallocated(null(), null(), 1, null()))),
            [4, 0, 0],
        ),
        (
            "garbage",
            || {
                wdf!(WdfRequestComplete(
                    std::ptr::without_provenance_mut(0x1234_5670),
                    0
                ))
            },
            [5, 0x1234_5670, 0x1008],
        ),
        (
            "null allocate",
            || ignore(wdf!(WdfObjectAllocateContext(null(), null(), null()))),
            [4, 0, 0],
        ),
        (
            "null irp",
            || ignore(wdf!(WdfRequestCreateFromIrp(null(), null(), 0, null()))),
            [4, 0, 0],
        ),
    ];
    for (name, call, [p1, p2, p3]) in cases {
        for verifier in [false, true] {
            let bench = plain(HostConfig::new().verifier(verifier), Disk::in_memory());
            let crash = bugcheck(&bench, call);
            assert_eq!(
                (crash.code, crash.p1, crash.p2, crash.p3),
                (0x10D, p1, p2, p3),
                "{name}: {crash}"
            );
            assert_ne!(crash.p4, 0);
        }
    }
}

#[test]
fn the_wrong_type_and_the_stale_handle_are_told_apart() {
    let bench = plain(HostConfig::new(), Disk::in_memory());
    let crash = bugcheck(&bench, || {
        ignore(wdf!(WdfRequestGetStatus(device().cast())))
    });
    assert_eq!((crash.p1, crash.p3), (5, 0x1008));
    assert!(
        crash.explanation.contains("WDFDEVICE") && crash.explanation.contains("WDFREQUEST"),
        "{crash}"
    );
    let bench = plain(HostConfig::new(), Disk::in_memory());
    let crash = bugcheck(&bench, || {
        let memory = create_memory(&[0; 4]);
        delete(memory);
        create_memory(&[0; 4]);
        let _ = wdf!(WdfMemoryGetBuffer(memory, null()));
    });
    assert!(crash.explanation.contains("used after delete"), "{crash}");
}

#[test]
fn an_unmodelled_ddi_names_itself() {
    let bench = plain(HostConfig::new(), Disk::in_memory());
    bench.host.spawn("test", || {
        ignore(wdf!(WdfDmaEnablerCreate(null(), null(), null(), null())));
    });
    assert_eq!(
        bench.host.run(),
        Err(Stop::NotModelled {
            ddi: "WdfDmaEnablerCreate"
        })
    );
    assert_eq!(
        bench.host.finish().stop,
        Some(Stop::NotModelled {
            ddi: "WdfDmaEnablerCreate"
        })
    );
}

#[test]
fn attributes_are_checked_in_order() {
    let bench = plain(HostConfig::new(), Disk::in_memory());
    on_thread(&bench.host, || {
        let create = |attributes: WDF_OBJECT_ATTRIBUTES| {
            let mut attributes = attributes;
            let mut memory = null();
            wdf!(WdfMemoryCreate(
                &raw mut attributes,
                512,
                0,
                4,
                &raw mut memory,
                null()
            ))
        };
        let with = |change: fn(&mut WDF_OBJECT_ATTRIBUTES)| {
            let mut attributes = attributes();
            change(&mut attributes);
            create(attributes)
        };
        assert_eq!(create(attributes()), STATUS_SUCCESS);
        assert_eq!(with(|a| a.Size = 55), STATUS_INFO_LENGTH_MISMATCH);
        assert_eq!(
            with(|a| a.ContextSizeOverride = 4),
            STATUS_WDF_OBJECT_ATTRIBUTES_INVALID
        );
        assert_eq!(
            with(|a| a.ExecutionLevel = 0),
            STATUS_WDF_OBJECT_ATTRIBUTES_INVALID
        );
        assert_eq!(
            with(|a| a.ExecutionLevel = 4),
            STATUS_WDF_OBJECT_ATTRIBUTES_INVALID
        );
        assert_eq!(
            with(|a| a.SynchronizationScope = 5),
            STATUS_WDF_OBJECT_ATTRIBUTES_INVALID
        );
        assert_eq!(
            with(|a| a.SynchronizationScope = 2),
            STATUS_WDF_SYNCHRONIZATION_SCOPE_INVALID
        );
        assert_eq!(with(|a| a.SynchronizationScope = 4), STATUS_SUCCESS);
        assert_eq!(
            with(|a| a.ExecutionLevel = 2),
            STATUS_WDF_EXECUTION_LEVEL_INVALID
        );
        assert_eq!(
            with(|a| {
                a.ContextTypeInfo = &raw const TYPE.0;
                a.ContextSizeOverride = 8;
            }),
            STATUS_WDF_OBJECT_ATTRIBUTES_INVALID
        );
        assert_eq!(
            with(|a| {
                a.ContextTypeInfo = &raw const TYPE.0;
                a.ContextSizeOverride = 80;
            }),
            STATUS_SUCCESS
        );
        // Zeros with only the size set are not the same as no attributes.
        assert_eq!(
            create(WDF_OBJECT_ATTRIBUTES {
                Size: 56,
                ..Default::default()
            }),
            STATUS_WDF_OBJECT_ATTRIBUTES_INVALID
        );
    });
}

#[test]
fn contexts_are_zeroed_aligned_and_found_by_type() {
    let bench = plain(HostConfig::new(), Disk::in_memory());
    on_thread(&bench.host, || {
        let mut with_type = WDF_OBJECT_ATTRIBUTES {
            ContextTypeInfo: &raw const TYPE.0,
            ..attributes()
        };
        let mut object = null();
        assert_eq!(
            wdf!(WdfObjectCreate(&raw mut with_type, &raw mut object)),
            STATUS_SUCCESS
        );
        let context = wdf!(WdfObjectGetTypedContextWorker(object, &raw const TYPE.0));
        assert_eq!(context.addr() % 16, 0);
        // SAFETY: the context has 24 bytes.
        assert_eq!(unsafe { context.cast::<[u8; 24]>().read() }, [0; 24]);
        assert_eq!(wdf!(WdfObjectContextGetObject(context)), object);
        assert!(wdf!(WdfObjectGetTypedContextWorker(object, &raw const OTHER.0)).is_null());
        let mut second: PVOID = null();
        let mut other = WDF_OBJECT_ATTRIBUTES {
            ContextTypeInfo: &raw const OTHER.0,
            ..attributes()
        };
        assert_eq!(
            wdf!(WdfObjectAllocateContext(
                object,
                &raw mut other,
                &raw mut second
            )),
            STATUS_SUCCESS
        );
        let mut again: PVOID = null();
        let status = wdf!(WdfObjectAllocateContext(
            object,
            &raw mut other,
            &raw mut again
        ));
        assert_eq!((status, again), (STATUS_OBJECT_NAME_EXISTS, second));
        assert!(NT_SUCCESS(status));
        assert_eq!(
            wdf!(WdfObjectAllocateContext(object, null(), &raw mut again)),
            STATUS_WDF_PARENT_NOT_SPECIFIED
        );
        let mut plain = attributes();
        assert_eq!(
            wdf!(WdfObjectAllocateContext(
                object,
                &raw mut plain,
                &raw mut again
            )),
            STATUS_OBJECT_NAME_INVALID
        );
        other.ParentObject = object;
        let status = wdf!(WdfObjectAllocateContext(
            object,
            &raw mut other,
            &raw mut again
        ));
        assert_eq!(status, STATUS_WDF_PARENT_ASSIGNMENT_NOT_ALLOWED);
    });
}

#[test]
fn deletion_goes_depth_first_and_oldest_first() {
    let bench = plain(HostConfig::new(), Disk::in_memory());
    on_thread(&bench.host, || {
        let parent = named("parent", null());
        let first = named("first", parent);
        named("first.a", first);
        named("first.b", first);
        named("second", parent);
        delete(parent);
    });
    let order = ["first.a", "first.b", "first", "second", "parent"];
    let expected: Vec<String> = ["cleanup", "destroy"]
        .iter()
        .flat_map(|phase| order.map(|name| format!("{phase} {name}")))
        .collect();
    assert_eq!(take_log(), expected);
}

#[test]
fn a_reference_keeps_the_memory_but_not_the_object() {
    let bench = plain(HostConfig::new(), Disk::in_memory());
    let object = on_thread(&bench.host, || {
        let parent = named("parent", null());
        let child = named("child", parent);
        reference(child);
        delete(parent);
        log("deleted");
        let mut below = WDF_OBJECT_ATTRIBUTES {
            ParentObject: child,
            ..attributes()
        };
        let mut more = null();
        assert_eq!(
            wdf!(WdfObjectCreate(&raw mut below, &raw mut more)),
            STATUS_DELETE_PENDING
        );
        child
    });
    assert_eq!(
        take_log(),
        [
            "cleanup child",
            "cleanup parent",
            "destroy parent",
            "deleted"
        ]
    );
    assert_eq!(bench.host.object_state(object).unwrap().references, 1);
    let report = bench.host.finish();
    assert_eq!(report.violations.len(), 1);
    assert_eq!(
        (report.violations[0].kind, report.violations[0].ddi),
        (ViolationKind::ReferenceLeak, "the end of the run")
    );
    assert!(report.violations[0].explanation.contains("WdfObjectCreate"));
}

#[test]
fn giving_back_a_reference_too_many_is_a_bugcheck_after_the_callbacks() {
    let bench = plain(HostConfig::new(), Disk::in_memory());
    let crash = bugcheck(&bench, || dereference(named("object", null())));
    assert_eq!(crash.p1, 7);
    assert_eq!(take_log(), ["cleanup object", "destroy object"]);
}

#[test]
fn what_belongs_to_the_framework_cannot_be_deleted() {
    let bench = plain(HostConfig::new().verifier(true), Disk::in_memory());
    on_thread(&bench.host, || {
        delete(device());
        delete(target());
        delete(wdf!(WdfDeviceGetDriver(device())));
        assert_eq!(wdf!(WdfIoTargetGetState(target())), 1);
    });
    assert_eq!(bench.host.breaks(), 3);
}

#[test]
fn passive_objects_are_deleted_by_a_work_item_at_high_irql() {
    let bench = plain(HostConfig::new(), Disk::in_memory());
    on_thread(&bench.host, || {
        let general = named("general", null());
        let parent = named("parent", device().cast());
        let mut config = WDF_TIMER_CONFIG {
            Size: size::<WDF_TIMER_CONFIG>(),
            ..Default::default()
        };
        let mut below = WDF_OBJECT_ATTRIBUTES {
            ParentObject: parent,
            ..attributes()
        };
        let mut timer = null();
        assert_eq!(
            wdf!(WdfTimerCreate(
                &raw mut config,
                &raw mut below,
                &raw mut timer
            )),
            STATUS_SUCCESS
        );
        // SAFETY: no precondition.
        let irql = unsafe { ntddk::KfRaiseIrql(2) };
        delete(general);
        delete(parent);
        log("deleted");
        // SAFETY: no precondition.
        unsafe { ntddk::KeLowerIrql(irql) };
    });
    assert_eq!(
        take_log(),
        [
            "cleanup general",
            "destroy general",
            "deleted",
            "cleanup parent",
            "destroy parent"
        ]
    );
}

#[test]
fn memory_ddis() {
    let bench = plain(HostConfig::new(), Disk::in_memory());
    on_thread(&bench.host, || {
        let untouched: WDFMEMORY = std::ptr::without_provenance_mut(0xDEAD);
        let mut memory = untouched;
        assert_eq!(
            wdf!(WdfMemoryCreate(null(), 512, 0, 0, &raw mut memory, null())),
            STATUS_INVALID_PARAMETER
        );
        assert_eq!(memory, untouched);
        let mut bytes = [1u8, 2, 3, 4];
        let address: PVOID = bytes.as_mut_ptr().cast();
        assert_eq!(
            wdf!(WdfMemoryCreatePreallocated(
                null(),
                address,
                0,
                &raw mut memory
            )),
            STATUS_INVALID_PARAMETER
        );
        assert!(memory.is_null());
        assert_eq!(
            wdf!(WdfMemoryCreatePreallocated(
                null(),
                address,
                4,
                &raw mut memory
            )),
            STATUS_SUCCESS
        );
        let mut size = 0usize;
        assert_eq!(
            (wdf!(WdfMemoryGetBuffer(memory, &raw mut size)), size),
            (address, 4)
        );
        assert_eq!(
            wdf!(WdfMemoryAssignBuffer(memory, address, 0)),
            STATUS_INVALID_PARAMETER
        );
        assert_eq!(
            wdf!(WdfMemoryAssignBuffer(
                memory,
                address.wrapping_byte_add(1),
                3
            )),
            STATUS_SUCCESS
        );
        let mut copy = [0u8; 4];
        let out: PVOID = copy.as_mut_ptr().cast();
        for (offset, count, status) in [
            (0, 0, STATUS_INVALID_PARAMETER),
            (0, 3, STATUS_SUCCESS),
            (0, 4, STATUS_BUFFER_TOO_SMALL),
            (3, 1, STATUS_BUFFER_TOO_SMALL),
        ] {
            assert_eq!(
                wdf!(WdfMemoryCopyToBuffer(memory, offset, out, count)),
                status
            );
        }
        assert_eq!(copy, [2, 3, 4, 0]);
        for (offset, count, status) in [
            (0, 0, STATUS_INVALID_PARAMETER),
            (2, 1, STATUS_SUCCESS),
            (2, 2, STATUS_INVALID_BUFFER_SIZE),
            (3, 1, STATUS_INVALID_BUFFER_SIZE),
        ] {
            assert_eq!(
                wdf!(WdfMemoryCopyFromBuffer(memory, offset, out, count)),
                status
            );
        }
        delete(memory);
        assert_eq!(bytes, [1, 2, 3, 2]);
    });
    let crash = bugcheck(&bench, || {
        let mut byte = 0u8;
        ignore(wdf!(WdfMemoryAssignBuffer(
            create_memory(&[0; 4]),
            (&raw mut byte).cast(),
            1
        )));
    });
    assert_eq!((crash.p1, crash.p3), (5, 0x1022));
}

#[test]
fn objects_that_cannot_be_allocated() {
    let bench = plain(HostConfig::new(), Disk::in_memory());
    bench.host.fail_allocation(Allocation::Object, 1);
    on_thread(&bench.host, || {
        let mut object: WDFOBJECT = std::ptr::without_provenance_mut(1);
        assert_eq!(
            wdf!(WdfObjectCreate(null(), &raw mut object)),
            STATUS_INSUFFICIENT_RESOURCES
        );
        assert!(object.is_null());
        assert_eq!(
            wdf!(WdfObjectCreate(null(), &raw mut object)),
            STATUS_SUCCESS
        );
    });
}

#[test]
fn leaks_are_found_at_the_end() {
    let bench = plain(HostConfig::new(), Disk::in_memory());
    on_thread(&bench.host, || {
        // SAFETY: no precondition.
        let pool = unsafe { ntddk::ExAllocatePool2(0x40, 100, u32::from_le_bytes(*b"Leak")) };
        // SAFETY: the pool is not used while the MDL exists.
        let mdl = unsafe { ntddk::IoAllocateMdl(pool, 100, 0, 0, null()) };
        assert!(!mdl.is_null());
        // SAFETY: no precondition.
        let freed = unsafe { ntddk::ExAllocatePool2(0x40, 8, 1) };
        // SAFETY: it is not used any more.
        unsafe { ntddk::ExFreePoolWithTag(freed, 1) };
    });
    let report = bench.host.finish();
    let kinds: Vec<_> = report
        .violations
        .iter()
        .map(|violation| violation.kind)
        .collect();
    assert_eq!(kinds, [ViolationKind::MemoryLeak, ViolationKind::MdlLeak]);
    assert!(
        report.violations[0].explanation.contains("Leak"),
        "{report}"
    );
}

#[test]
fn freeing_twice_is_a_bugcheck() {
    let bench = plain(HostConfig::new(), Disk::in_memory());
    let crash = bugcheck(&bench, || {
        // SAFETY: no precondition.
        let pool = unsafe { ntddk::ExAllocatePool2(0x40, 8, 1) };
        for _ in 0..2 {
            // SAFETY: the second call is the mistake under test; the model does not touch the memory.
            unsafe { ntddk::ExFreePoolWithTag(pool, 1) };
        }
    });
    assert_eq!(crash.code, 0xC2);
}

#[test]
fn locks() {
    let bench = plain(HostConfig::new(), Disk::in_memory());
    on_thread(&bench.host, || {
        let irql = || {
            // SAFETY: no precondition.
            unsafe { ntddk::KeGetCurrentIrql() }
        };
        let mut spin: WDFSPINLOCK = null();
        assert_eq!(
            wdf!(WdfSpinLockCreate(null(), &raw mut spin)),
            STATUS_SUCCESS
        );
        wdf!(WdfSpinLockAcquire(spin));
        assert_eq!(irql(), 2);
        wdf!(WdfSpinLockRelease(spin));
        assert_eq!(irql(), 0);
        wdf!(WdfObjectAcquireLock(device().cast()));
        assert_eq!(irql(), 2);
        wdf!(WdfObjectReleaseLock(device().cast()));
        let mut wait: WDFWAITLOCK = null();
        assert_eq!(
            wdf!(WdfWaitLockCreate(null(), &raw mut wait)),
            STATUS_SUCCESS
        );
        let (mut now, mut later) = (0i64, ms(5));
        assert_eq!(wdf!(WdfWaitLockAcquire(wait, null())), STATUS_SUCCESS);
        assert_eq!(wdf!(WdfWaitLockAcquire(wait, &raw mut now)), STATUS_TIMEOUT);
        assert_eq!(
            wdf!(WdfWaitLockAcquire(wait, &raw mut later)),
            STATUS_TIMEOUT
        );
        wdf!(WdfWaitLockRelease(wait));
    });
    assert_eq!(bench.host.now(), Ticks::from_millis(5));
    let crash = bugcheck(&bench, || {
        wdf!(WdfObjectAcquireLock(named("object", null())))
    });
    assert_eq!(crash.p1, 0xB);
    for recursive in [true, false] {
        let bench = plain(HostConfig::new(), Disk::in_memory());
        bench.host.spawn("test", move || {
            let mut spin: WDFSPINLOCK = null();
            assert_eq!(
                wdf!(WdfSpinLockCreate(null(), &raw mut spin)),
                STATUS_SUCCESS
            );
            if recursive {
                wdf!(WdfSpinLockAcquire(spin));
                wdf!(WdfSpinLockAcquire(spin));
            } else {
                wdf!(WdfSpinLockRelease(spin));
            }
        });
        match bench.host.run() {
            Err(Stop::Deadlock(_)) => assert!(recursive),
            Err(Stop::Bugcheck(crash)) => assert!(!recursive && (crash.p1, crash.p3) == (0xB, 1)),
            other => panic!("{other:?}"),
        }
    }
}

unsafe extern "C" fn on_timer(timer: WDFTIMER) {
    // SAFETY: no precondition.
    let irql = unsafe { ntddk::KeGetCurrentIrql() };
    log(format!("timer irql {irql}"));
    assert_eq!(wdf!(WdfTimerGetParentObject(timer)), device().cast());
}

unsafe extern "C" fn on_work(_item: WDFWORKITEM) {
    let mut interval = LARGE_INTEGER { QuadPart: ms(1) };
    // SAFETY: the interval is valid.
    let status = unsafe { ntddk::KeDelayExecutionThread(0, 0, &raw mut interval) };
    log(format!("work {status}"));
}

unsafe extern "C" fn on_dpc(_dpc: WDFDPC) {
    // SAFETY: no precondition.
    log(format!("dpc irql {}", unsafe { ntddk::KeGetCurrentIrql() }));
}

#[test]
fn timers_work_items_and_dpcs() {
    let bench = plain(HostConfig::new(), Disk::in_memory());
    let timer = Rc::new(Cell::new(null()));
    let slot = Rc::clone(&timer);
    on_thread(&bench.host, move || {
        let mut config = WDF_TIMER_CONFIG {
            Size: size::<WDF_TIMER_CONFIG>(),
            EvtTimerFunc: Some(on_timer),
            Period: 10,
            AutomaticSerialization: 1,
            ..Default::default()
        };
        let mut below = WDF_OBJECT_ATTRIBUTES {
            ParentObject: device().cast(),
            ..attributes()
        };
        let mut timer: WDFTIMER = null();
        assert_eq!(
            wdf!(WdfTimerCreate(&raw mut config, null(), &raw mut timer)),
            STATUS_WDF_PARENT_NOT_SPECIFIED
        );
        assert_eq!(
            wdf!(WdfTimerCreate(
                &raw mut config,
                &raw mut below,
                &raw mut timer
            )),
            STATUS_SUCCESS
        );
        assert_eq!(wdf!(WdfTimerStart(timer, ms(5))), 0);
        slot.set(timer);
        let mut config = WDF_WORKITEM_CONFIG {
            Size: size::<WDF_WORKITEM_CONFIG>(),
            EvtWorkItemFunc: Some(on_work),
            AutomaticSerialization: 0,
        };
        let mut item: WDFWORKITEM = null();
        assert_eq!(
            wdf!(WdfWorkItemCreate(
                &raw mut config,
                &raw mut below,
                &raw mut item
            )),
            STATUS_SUCCESS
        );
        wdf!(WdfWorkItemEnqueue(item));
        wdf!(WdfWorkItemEnqueue(item));
        wdf!(WdfWorkItemFlush(item));
        log("flushed");
        let mut config = WDF_DPC_CONFIG {
            Size: size::<WDF_DPC_CONFIG>(),
            EvtDpcFunc: Some(on_dpc),
            AutomaticSerialization: 0,
        };
        let mut dpc: WDFDPC = null();
        assert_eq!(
            wdf!(WdfDpcCreate(&raw mut config, &raw mut below, &raw mut dpc)),
            STATUS_SUCCESS
        );
        assert_eq!([wdf!(WdfDpcEnqueue(dpc)), wdf!(WdfDpcEnqueue(dpc))], [1, 0]);
        let mut interval = LARGE_INTEGER { QuadPart: ms(26) };
        // SAFETY: the interval is valid.
        assert_eq!(
            unsafe { ntddk::KeDelayExecutionThread(0, 0, &raw mut interval) },
            0
        );
        assert_eq!(wdf!(WdfTimerStop(timer, 1)), 1);
    });
    assert_eq!(
        take_log(),
        [
            "work 0",
            "flushed",
            "dpc irql 2",
            "timer irql 2",
            "timer irql 2",
            "timer irql 2"
        ]
    );
    let timer = timer.get();
    on_thread(&bench.host, move || {
        assert_eq!(wdf!(WdfTimerStop(timer, 0)), 0)
    });
    assert!(bench.host.finish().is_clean());
}

#[test]
fn collections_and_strings() {
    let bench = plain(HostConfig::new(), Scripted::default());
    on_thread(&bench.host, || {
        let mut collection: WDFCOLLECTION = null();
        assert_eq!(
            wdf!(WdfCollectionCreate(null(), &raw mut collection)),
            STATUS_SUCCESS
        );
        let (a, b) = (named("a", null()), named("b", null()));
        for item in [a, b, a] {
            assert_eq!(wdf!(WdfCollectionAdd(collection, item)), STATUS_SUCCESS);
        }
        wdf!(WdfCollectionRemove(collection, a));
        let items = [0, 1, 2].map(|index| wdf!(WdfCollectionGetItem(collection, index)));
        assert_eq!(
            (wdf!(WdfCollectionGetCount(collection)), items),
            (2, [b, a, null()])
        );
        delete(a);
        log("a is kept");
        delete(collection);
        let units: Vec<u16> = "name".encode_utf16().collect();
        let mut given = UNICODE_STRING {
            Length: 8,
            MaximumLength: 8,
            Buffer: units.as_ptr().cast_mut(),
        };
        let mut string: WDFSTRING = null();
        assert_eq!(
            wdf!(WdfStringCreate(&raw mut given, null(), &raw mut string)),
            STATUS_SUCCESS
        );
        let mut got = UNICODE_STRING::default();
        wdf!(WdfStringGetUnicodeString(string, &raw mut got));
        assert_eq!(got.Length, 8);
        assert_ne!(got.Buffer, given.Buffer);
    });
    assert_eq!(take_log(), ["cleanup a", "a is kept", "destroy a"]);
    assert!(bench.host.finish().is_clean());
}
