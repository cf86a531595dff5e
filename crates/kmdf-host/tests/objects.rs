//! Sections 0, 5 and 6.2 to 6.4: handles, memory, contexts, references, deletion; locks, timers and the like.

mod common;

use common::*;
use kmdf_host::{Disk, HostConfig, Stop, ViolationKind};
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
