//! Setting up: DriverEntry, EvtDriverDeviceAdd, and the structures that describe what is wanted.

use kmdf_host::{BugcheckKind, Disk, Host, LowerConfig, Stop, ViolationKind};
use kmdf_sys::*;

use crate::common::*;
use crate::kit::*;
use crate::start::*;
use crate::table::{Finding, Planted};

pub(crate) const PLANTED: &[Planted] = &[
    Planted {
        name: "object before WdfDriverCreate",
        mistake: "DriverEntry creates a spin lock before the driver object",
        finding: Finding::Bugcheck(BugcheckKind::NoDriver),
        seeds: 1,
        run: object_before_driver,
    },
    Planted {
        name: "pool lost when DriverEntry fails",
        mistake: "DriverEntry returns a failure without freeing what it allocated; EvtDriverUnload is not called then",
        finding: Finding::Violation(ViolationKind::MemoryLeak),
        seeds: 1,
        run: pool_of_failed_entry,
    },
    Planted {
        name: "pool lost when EvtDriverDeviceAdd fails",
        mistake: "EvtDriverDeviceAdd returns a failure without freeing what it allocated",
        finding: Finding::Violation(ViolationKind::MemoryLeak),
        seeds: 1,
        run: pool_of_failed_add,
    },
    Planted {
        name: "wrong Size of a queue configuration",
        mistake: "WDF_IO_QUEUE_CONFIG without its INIT function, the status ignored, the NULL handle used",
        finding: Finding::Violation(ViolationKind::IgnoredStatus),
        seeds: 1,
        run: queue_config_size,
    },
    Planted {
        name: "attributes not initialized",
        mistake: "WDF_OBJECT_ATTRIBUTES of zeros, the status ignored, the NULL handle used",
        finding: Finding::Violation(ViolationKind::IgnoredStatus),
        seeds: 1,
        run: attributes_not_initialized,
    },
    Planted {
        name: "timer without a parent",
        mistake: "WdfTimerCreate without ParentObject, the status ignored, the handle used",
        finding: Finding::Violation(ViolationKind::IgnoredStatus),
        seeds: 1,
        run: timer_without_parent,
    },
    Planted {
        name: "wrong Size of the PnP callbacks",
        mistake: "WDF_PNPPOWER_EVENT_CALLBACKS without its INIT function: the framework ignores all callbacks",
        finding: Finding::Violation(ViolationKind::StructureSize),
        seeds: 1,
        run: pnp_callbacks_size,
    },
    Planted {
        name: "initializer used after WdfDeviceCreate",
        mistake: "WdfDeviceInitSetIoType after WdfDeviceCreate has taken the WDFDEVICE_INIT",
        finding: Finding::Bugcheck(BugcheckKind::NullParameter),
        seeds: 1,
        run: init_after_create,
    },
    Planted {
        name: "second default queue",
        mistake: "a second default queue is created, the status ignored, the NULL handle used",
        finding: Finding::Violation(ViolationKind::IgnoredStatus),
        seeds: 1,
        run: second_default_queue,
    },
    Planted {
        name: "status of WdfDriverCreate ignored",
        mistake: "DriverEntry succeeds although WdfDriverCreate was given a structure of the wrong Size",
        finding: Finding::Violation(ViolationKind::DriverCreate),
        seeds: 1,
        run: driver_create_ignored,
    },
];

fn driver_config() -> WDF_DRIVER_CONFIG {
    WDF_DRIVER_CONFIG {
        Size: size::<WDF_DRIVER_CONFIG>(),
        EvtDriverDeviceAdd: Some(device_add),
        ..Default::default()
    }
}

fn create_driver(
    driver: PDRIVER_OBJECT,
    path: PCUNICODE_STRING,
    mut config: WDF_DRIVER_CONFIG,
) -> NTSTATUS {
    wdf!(WdfDriverCreate(
        driver,
        path,
        null(),
        &raw mut config,
        null()
    ))
}

/// A driver with its own DriverEntry is loaded; a failure to load is no finding.
fn loaded(
    host: &Host,
    entry: impl Fn(PDRIVER_OBJECT, PCUNICODE_STRING) -> NTSTATUS + 'static,
) -> Result<(), Stop> {
    set_entry(entry);
    match host.load("planted", entry_point) {
        Ok(_) | Err(Stop::Status { .. }) => Ok(()),
        Err(stop) => Err(stop),
    }
}

/// As [`loaded`], with its own EvtDriverDeviceAdd, on a disk.
fn added(host: &Host, add: impl Fn(PWDFDEVICE_INIT) -> NTSTATUS + 'static) -> Result<(), Stop> {
    set_entry(|driver, path| create_driver(driver, path, driver_config()));
    set_device_add(add);
    let driver = host.load("planted", entry_point)?;
    let lower = host.add_lower(Disk::in_memory(), LowerConfig::new("lower"));
    match host.plug(lower, &[driver]) {
        Ok(_) | Err(Stop::Status { .. }) => Ok(()),
        Err(stop) => Err(stop),
    }
}

fn create_device(init: PWDFDEVICE_INIT) -> (NTSTATUS, WDFDEVICE) {
    let (mut init, mut device) = (init, null());
    let status = wdf!(WdfDeviceCreate(&raw mut init, null(), &raw mut device));
    (status, device)
}

fn object_before_driver(host: &Host, wrong: bool) -> Result<(), Stop> {
    loaded(host, move |driver, path| {
        let create_lock = || {
            let mut lock = null();
            wdf!(WdfSpinLockCreate(null(), &raw mut lock))
        };
        if wrong {
            create_lock();
        }
        let status = create_driver(driver, path, driver_config());
        if NT_SUCCESS(status) {
            create_lock()
        } else {
            status
        }
    })
}

fn pool_of_failed_entry(host: &Host, wrong: bool) -> Result<(), Stop> {
    loaded(host, move |driver, path| {
        let block = allocate(64);
        let config = WDF_DRIVER_CONFIG {
            Size: 1,
            ..driver_config()
        };
        let status = create_driver(driver, path, config);
        if !wrong {
            free(block);
        }
        status
    })
}

fn pool_of_failed_add(host: &Host, wrong: bool) -> Result<(), Stop> {
    added(host, move |init| {
        let block = allocate(64);
        let (status, _) = create_device(init);
        assert_eq!(status, STATUS_SUCCESS);
        if !wrong {
            free(block);
        }
        STATUS_DEVICE_CONFIGURATION_ERROR
    })
}

unsafe extern "C" fn refuse(_: WDFQUEUE, request: WDFREQUEST) {
    complete(request, STATUS_INVALID_DEVICE_REQUEST);
}

/// Creates a queue and starts it, whether or not there is one.
fn queue_created(device: WDFDEVICE, mut config: WDF_IO_QUEUE_CONFIG, checked: bool) -> NTSTATUS {
    config.EvtIoDefault = Some(refuse);
    let mut queue = null();
    let status = wdf!(WdfIoQueueCreate(
        device,
        &raw mut config,
        null(),
        &raw mut queue
    ));
    if NT_SUCCESS(status) || !checked {
        wdf!(WdfIoQueueStart(queue));
    }
    status
}

fn queue_config_size(host: &Host, wrong: bool) -> Result<(), Stop> {
    added(host, move |init| {
        let (status, device) = create_device(init);
        assert_eq!(status, STATUS_SUCCESS);
        let mut config = queue_config(PARALLEL);
        if wrong {
            config.Size = 0;
        }
        queue_created(device, config, !wrong)
    })
}

fn attributes_not_initialized(host: &Host, wrong: bool) -> Result<(), Stop> {
    added(host, move |init| {
        let (status, _) = create_device(init);
        assert_eq!(status, STATUS_SUCCESS);
        let mut own = if wrong {
            WDF_OBJECT_ATTRIBUTES::default()
        } else {
            attributes()
        };
        let mut lock = null();
        let status = wdf!(WdfSpinLockCreate(&raw mut own, &raw mut lock));
        if NT_SUCCESS(status) || wrong {
            locked(lock, || {});
        }
        status
    })
}

fn timer_without_parent(host: &Host, wrong: bool) -> Result<(), Stop> {
    added(host, move |init| {
        let (status, device) = create_device(init);
        assert_eq!(status, STATUS_SUCCESS);
        let mut config = WDF_TIMER_CONFIG {
            Size: size::<WDF_TIMER_CONFIG>(),
            EvtTimerFunc: Some(idle_timer),
            ..Default::default()
        };
        let mut own = if wrong {
            attributes()
        } else {
            child_of(device)
        };
        let mut timer = null();
        let status = wdf!(WdfTimerCreate(
            &raw mut config,
            &raw mut own,
            &raw mut timer
        ));
        if NT_SUCCESS(status) || wrong {
            start_timer(timer, 1);
        }
        status
    })
}

unsafe extern "C" fn idle_timer(_: WDFTIMER) {}

unsafe extern "C" fn d0_entry(_: WDFDEVICE, _: WDF_POWER_DEVICE_STATE) -> NTSTATUS {
    STATUS_SUCCESS
}

fn pnp_callbacks_size(host: &Host, wrong: bool) -> Result<(), Stop> {
    added(host, move |init| {
        let right = size::<WDF_PNPPOWER_EVENT_CALLBACKS>();
        let mut callbacks = WDF_PNPPOWER_EVENT_CALLBACKS {
            Size: if wrong { 0 } else { right },
            EvtDeviceD0Entry: Some(d0_entry),
            ..Default::default()
        };
        wdf!(WdfDeviceInitSetPnpPowerEventCallbacks(
            init,
            &raw mut callbacks
        ));
        create_device(init).0
    })
}

fn init_after_create(host: &Host, wrong: bool) -> Result<(), Stop> {
    added(host, move |mut init| {
        let buffered = _WDF_DEVICE_IO_TYPE::WdfDeviceIoBuffered;
        if !wrong {
            wdf!(WdfDeviceInitSetIoType(init, buffered));
        }
        let mut device = null();
        let status = wdf!(WdfDeviceCreate(&raw mut init, null(), &raw mut device));
        if wrong {
            wdf!(WdfDeviceInitSetIoType(init, buffered));
        }
        status
    })
}

fn second_default_queue(host: &Host, wrong: bool) -> Result<(), Stop> {
    added(host, move |init| {
        let (status, device) = create_device(init);
        assert_eq!(status, STATUS_SUCCESS);
        let first = default_queue(PARALLEL);
        let status = queue_created(device, first, true);
        assert_eq!(status, STATUS_SUCCESS);
        let mut second = default_queue(PARALLEL);
        second.DefaultQueue = u8::from(wrong);
        queue_created(device, second, !wrong)
    })
}

fn driver_create_ignored(host: &Host, wrong: bool) -> Result<(), Stop> {
    loaded(host, move |driver, path| {
        let config = WDF_DRIVER_CONFIG {
            Size: 1,
            ..driver_config()
        };
        let status = create_driver(driver, path, config);
        if wrong { STATUS_SUCCESS } else { status }
    })
}
