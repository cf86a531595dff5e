//! Section 5 and the smaller objects: memory, pool, locks, timers, work items, DPCs, collections, strings.

mod common;

use std::cell::Cell;
use std::rc::Rc;

use common::*;
use kmdf_host::{Allocation, Disk, HostConfig, Scripted, Stop, Ticks, ViolationKind};
use kmdf_sys::missing::*;
use kmdf_sys::*;

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
    sleep(1);
    log("work");
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
        sleep(26);
        assert_eq!(wdf!(WdfTimerStop(timer, 1)), 1);
    });
    assert_eq!(
        take_log(),
        [
            "work",
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
