//! What each DDI allocates, and that the lack of any of it is `STATUS_INSUFFICIENT_RESOURCES` and nothing else.

mod common;
mod usb_support;

use std::ptr;

use common::*;
use kmdf_host::{Allocation, HostConfig, LowerConfig, Scripted, UsbDevice};
use kmdf_sys::*;
use usb_support::{BULK_IN, create_usb, descriptors, pipe_of, select, select_params};

/// What a DDI is called for: its status, and whether it left its out-parameter as it must.
type Call = fn() -> NTSTATUS;

/// The DDI, what it allocates, and a call of it.
type Row = (&'static str, &'static [(Allocation, u64)], Call);

/// Passes the address of a NULL handle; a failure must leave it NULL.
fn out<H>(call: impl FnOnce(*mut *mut H) -> NTSTATUS) -> NTSTATUS {
    let mut handle = ptr::null_mut();
    let status = call(&raw mut handle);
    assert_eq!(handle.is_null(), !NT_SUCCESS(status), "{status:#x}");
    status
}

fn below_device() -> WDF_OBJECT_ATTRIBUTES {
    WDF_OBJECT_ATTRIBUTES {
        ParentObject: device().cast(),
        ..attributes()
    }
}

/// A counted string over `text`, which has no terminator.
fn counted(text: &'static [u16]) -> UNICODE_STRING {
    let bytes = u16::try_from(size_of_val(text)).unwrap();
    UNICODE_STRING {
        Length: bytes,
        MaximumLength: bytes,
        Buffer: text.as_ptr().cast_mut(),
    }
}

const NAME: &[u16] = &[0x5C, 0x4E, 0x61, 0x6D, 0x65];

unsafe extern "C" fn evt_work_item(_item: WDFWORKITEM) {}
unsafe extern "C" fn evt_timer(_timer: WDFTIMER) {}
unsafe extern "C" fn evt_dpc(_dpc: WDFDPC) {}
unsafe extern "C" fn evt_read_complete(
    _pipe: WDFUSBPIPE,
    _memory: WDFMEMORY,
    _bytes: usize,
    _context: WDFCONTEXT,
) {
}

fn timer(level: WDF_EXECUTION_LEVEL) -> NTSTATUS {
    let mut config = WDF_TIMER_CONFIG {
        Size: size::<WDF_TIMER_CONFIG>(),
        EvtTimerFunc: Some(evt_timer),
        ..Default::default()
    };
    let mut attributes = WDF_OBJECT_ATTRIBUTES {
        ExecutionLevel: level,
        ..below_device()
    };
    out(|timer| wdf!(WdfTimerCreate(&raw mut config, &raw mut attributes, timer)))
}

fn queue(level: WDF_EXECUTION_LEVEL) -> NTSTATUS {
    let mut config = queue_config(_WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchManual);
    let mut attributes = WDF_OBJECT_ATTRIBUTES {
        ExecutionLevel: level,
        ..attributes()
    };
    out(|queue| {
        wdf!(WdfIoQueueCreate(
            device(),
            &raw mut config,
            &raw mut attributes,
            queue
        ))
    })
}

const PASSIVE: WDF_EXECUTION_LEVEL = _WDF_EXECUTION_LEVEL::WdfExecutionLevelPassive;
const DISPATCH: WDF_EXECUTION_LEVEL = _WDF_EXECUTION_LEVEL::WdfExecutionLevelDispatch;

const ROWS: &[Row] = &[
    ("WdfObjectCreate", &[(Allocation::Object, 1)], || {
        out(|object| wdf!(WdfObjectCreate(null(), object)))
    }),
    (
        "WdfStringCreate",
        &[(Allocation::Object, 1), (Allocation::Pool, 1)],
        || {
            let text = counted(NAME);
            out(|string| wdf!(WdfStringCreate(&raw const text, null(), string)))
        },
    ),
    (
        "WdfStringCreate without a string",
        &[(Allocation::Object, 1)],
        || out(|string| wdf!(WdfStringCreate(ptr::null(), null(), string))),
    ),
    ("WdfCollectionCreate", &[(Allocation::Object, 1)], || {
        out(|collection| wdf!(WdfCollectionCreate(null(), collection)))
    }),
    (
        "WdfCollectionAdd",
        &[(Allocation::Object, 1), (Allocation::Pool, 1)],
        || {
            let mut collection = null();
            let status = wdf!(WdfCollectionCreate(null(), &raw mut collection));
            if !NT_SUCCESS(status) {
                return status;
            }
            wdf!(WdfCollectionAdd(collection, device().cast()))
        },
    ),
    (
        "WdfMemoryCreate",
        &[(Allocation::Object, 1), (Allocation::Pool, 1)],
        || {
            out(|memory| {
                wdf!(WdfMemoryCreate(
                    null(),
                    _POOL_TYPE::NonPagedPoolNx,
                    0,
                    8,
                    memory,
                    null()
                ))
            })
        },
    ),
    (
        "WdfMemoryCreatePreallocated",
        &[(Allocation::Object, 1)],
        || {
            static BYTES: [u8; 8] = [0; 8];
            out(|memory| {
                wdf!(WdfMemoryCreatePreallocated(
                    null(),
                    BYTES.as_ptr().cast_mut().cast(),
                    8,
                    memory
                ))
            })
        },
    ),
    ("WdfSpinLockCreate", &[(Allocation::Object, 1)], || {
        out(|lock| wdf!(WdfSpinLockCreate(null(), lock)))
    }),
    ("WdfWaitLockCreate", &[(Allocation::Object, 1)], || {
        out(|lock| wdf!(WdfWaitLockCreate(null(), lock)))
    }),
    (
        "WdfWorkItemCreate",
        &[(Allocation::Object, 1), (Allocation::Pool, 1)],
        || {
            let mut config = WDF_WORKITEM_CONFIG {
                Size: size::<WDF_WORKITEM_CONFIG>(),
                EvtWorkItemFunc: Some(evt_work_item),
                ..Default::default()
            };
            let mut attributes = below_device();
            out(|item| {
                wdf!(WdfWorkItemCreate(
                    &raw mut config,
                    &raw mut attributes,
                    item
                ))
            })
        },
    ),
    ("WdfDpcCreate", &[(Allocation::Object, 1)], || {
        let mut config = WDF_DPC_CONFIG {
            Size: size::<WDF_DPC_CONFIG>(),
            EvtDpcFunc: Some(evt_dpc),
            ..Default::default()
        };
        let mut attributes = below_device();
        out(|dpc| wdf!(WdfDpcCreate(&raw mut config, &raw mut attributes, dpc)))
    }),
    (
        "WdfTimerCreate",
        &[(Allocation::Object, 1), (Allocation::Pool, 1)],
        || timer(DISPATCH),
    ),
    (
        "WdfTimerCreate at PASSIVE_LEVEL",
        &[(Allocation::Object, 1), (Allocation::Pool, 2)],
        || timer(PASSIVE),
    ),
    ("WdfIoQueueCreate", &[(Allocation::Object, 1)], || {
        queue(DISPATCH)
    }),
    (
        "WdfIoQueueCreate at PASSIVE_LEVEL",
        &[(Allocation::Object, 1), (Allocation::Pool, 1)],
        || queue(PASSIVE),
    ),
    (
        "WdfRequestCreate",
        &[(Allocation::Object, 1), (Allocation::Irp, 1)],
        || out(|request| wdf!(WdfRequestCreate(null(), target(), request))),
    ),
    (
        "WdfRequestAllocateTimer",
        &[(Allocation::Object, 1), (Allocation::Timer, 1)],
        || {
            let mut request = null();
            let status = wdf!(WdfRequestCreate(null(), null(), &raw mut request));
            if !NT_SUCCESS(status) {
                return status;
            }
            let status = wdf!(WdfRequestAllocateTimer(request));
            delete(request);
            status
        },
    ),
    ("WdfIoTargetCreate", &[(Allocation::Object, 1)], || {
        out(|target| wdf!(WdfIoTargetCreate(device(), null(), target)))
    }),
    (
        "WdfIoTargetOpen by name",
        &[(Allocation::Object, 1), (Allocation::Pool, 1)],
        || {
            let mut target = null();
            let status = wdf!(WdfIoTargetCreate(device(), null(), &raw mut target));
            if !NT_SUCCESS(status) {
                return status;
            }
            let mut params = WDF_IO_TARGET_OPEN_PARAMS {
                Size: size::<WDF_IO_TARGET_OPEN_PARAMS>(),
                Type: _WDF_IO_TARGET_OPEN_TYPE::WdfIoTargetOpenByName,
                TargetDeviceName: counted(NAME),
                ..Default::default()
            };
            let status = wdf!(WdfIoTargetOpen(target, &raw mut params));
            delete(target);
            status
        },
    ),
    (
        "WdfDriverOpenParametersRegistryKey",
        &[(Allocation::Object, 1), (Allocation::Pool, 1)],
        || {
            let driver = wdf!(WdfDeviceGetDriver(device()));
            out(|key| wdf!(WdfDriverOpenParametersRegistryKey(driver, 0, null(), key)))
        },
    ),
    (
        "WdfDeviceCreateDeviceInterface",
        &[(Allocation::Pool, 3)],
        || {
            let class = GUID::default();
            let reference = counted(NAME);
            wdf!(WdfDeviceCreateDeviceInterface(
                device(),
                &raw const class,
                &raw const reference
            ))
        },
    ),
    (
        "WdfDeviceCreateSymbolicLink",
        &[(Allocation::Pool, 2)],
        || {
            let name = counted(NAME);
            wdf!(WdfDeviceCreateSymbolicLink(device(), &raw const name))
        },
    ),
    ("ExAllocatePool2", &[(Allocation::Pool, 1)], || {
        // SAFETY: no precondition.
        let pool = unsafe { ntddk::ExAllocatePool2(POOL_FLAG_NON_PAGED, 8, 0x7465_7374) };
        if pool.is_null() {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        // SAFETY: it is the pool from above.
        unsafe { ntddk::ExFreePoolWithTag(pool, 0x7465_7374) };
        STATUS_SUCCESS
    }),
    ("IoAllocateMdl", &[(Allocation::Mdl, 1)], || {
        static BYTES: [u8; 8] = [0; 8];
        let va = BYTES.as_ptr().cast_mut().cast();
        // SAFETY: the memory is static.
        let mdl = unsafe { ntddk::IoAllocateMdl(va, 8, 0, 0, null()) };
        if mdl.is_null() {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        // SAFETY: the MDL from above.
        unsafe { ntddk::IoFreeMdl(mdl) };
        STATUS_SUCCESS
    }),
];

/// A USB device with its single interface configured.
fn taken_into_use() -> Result<WDFUSBDEVICE, NTSTATUS> {
    let (status, usb) = create_usb();
    let status = if NT_SUCCESS(status) {
        select(usb, &mut select_params(usb_support::SINGLE))
    } else {
        status
    };
    if NT_SUCCESS(status) {
        Ok(usb)
    } else {
        Err(status)
    }
}

const USB_ROWS: &[Row] = &[
    (
        "WdfUsbTargetDeviceCreate",
        &[
            (Allocation::Object, 2),
            (Allocation::Irp, 1),
            (Allocation::Pool, 3),
        ],
        || {
            let (status, usb) = create_usb();
            assert_eq!(usb.is_null(), !NT_SUCCESS(status));
            status
        },
    ),
    (
        "WdfUsbTargetDeviceSelectConfig",
        &[
            (Allocation::Object, 8),
            (Allocation::Irp, 2),
            (Allocation::Pool, 6),
        ],
        || taken_into_use().map_or_else(|status| status, |_| STATUS_SUCCESS),
    ),
    ("WdfUsbTargetDeviceAllocAndQueryString", &[], || {
        let usb = match taken_into_use() {
            Ok(usb) => usb,
            Err(status) => return status,
        };
        let mut units = 0;
        let (mut memory, language) = (null(), 0x0409);
        wdf!(WdfUsbTargetDeviceAllocAndQueryString(
            usb,
            null(),
            &raw mut memory,
            &raw mut units,
            1,
            language
        ))
    }),
    ("WdfUsbTargetPipeConfigContinuousReader", &[], || {
        let usb = match taken_into_use() {
            Ok(usb) => usb,
            Err(status) => return status,
        };
        let mut config = WDF_USB_CONTINUOUS_READER_CONFIG {
            Size: size::<WDF_USB_CONTINUOUS_READER_CONFIG>(),
            TransferLength: 512,
            NumPendingReads: 2,
            EvtUsbTargetPipeReadComplete: Some(evt_read_complete),
            ..Default::default()
        };
        wdf!(WdfUsbTargetPipeConfigContinuousReader(
            pipe_of(usb, BULK_IN),
            &raw mut config
        ))
    }),
];

fn machine(usb: bool) -> Bench {
    let config = HostConfig::new().verifier(true);
    if usb {
        let device = UsbDevice::new(descriptors().string(1, "a string"));
        bench_on(config, device, LowerConfig::new("usb"), Hooks::default())
    } else {
        let bench = plain(config, Scripted::new(vec![]));
        let name = String::from_utf16(NAME).unwrap();
        let named = LowerConfig::new("named").named(&name);
        bench.host.add_lower(Scripted::new(vec![]), named);
        bench
    }
}

/// The call, on a machine of its own, with the `nth` allocation of a sort failing: its status, and what it allocated.
fn call(
    usb: bool,
    row: &Row,
    fails: Option<(Allocation, u32)>,
) -> (NTSTATUS, Vec<(Allocation, u64)>) {
    let bench = machine(usb);
    let count = || Allocation::all().map(|kind| (kind, bench.host.allocations(kind)));
    let before: Vec<_> = count().collect();
    if let Some((kind, nth)) = fails {
        bench.host.fail_allocation(kind, nth);
    }
    let call = row.2;
    let status = on_thread(&bench.host, call);
    let made = count()
        .zip(before)
        .map(|((kind, after), (_, before))| (kind, after - before));
    let made = made.filter(|&(_, made)| made > 0).collect();
    let report = bench.host.finish();
    assert!(report.is_clean(), "{} {fails:?}: {report}", row.0);
    (status, made)
}

#[test]
fn every_allocation_of_every_ddi_may_fail() {
    let mut injected = 0;
    for (usb, row) in ROWS
        .iter()
        .map(|row| (false, row))
        .chain(USB_ROWS.iter().map(|row| (true, row)))
    {
        let (name, expected, _) = row;
        let (status, made) = call(usb, row, None);
        assert_eq!(status, STATUS_SUCCESS, "{name}");
        if !expected.is_empty() {
            let mut expected = expected.to_vec();
            expected.sort();
            assert_eq!(made, expected, "{name}");
        }
        for (kind, count) in made {
            for nth in 1..=u32::try_from(count).unwrap() {
                let (status, _) = call(usb, row, Some((kind, nth)));
                assert_eq!(
                    status, STATUS_INSUFFICIENT_RESOURCES,
                    "{name}: {kind}#{nth}"
                );
                injected += 1;
            }
        }
    }
    assert!(injected > 60, "only {injected} failures");
}
