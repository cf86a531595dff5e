//! Sections 8.1, 8.2 and the observed order of PnP and power callbacks.

mod common;

use std::cell::RefCell;
use std::collections::BTreeMap;

use common::*;
use kmdf_host::{
    ClientVersion, Disk, DriverId, Host, HostConfig, LowerConfig, LowerId, Policy, StackId, Stop,
};
use kmdf_sys::*;

thread_local! {
    /// Which call of a callback fails: name and number.
    static FAILS: RefCell<BTreeMap<&'static str, u32>> = const { RefCell::new(BTreeMap::new()) };
    static FILTER: RefCell<bool> = const { RefCell::new(true) };
    static STOP: RefCell<Option<fn(WDFREQUEST)>> = const { RefCell::new(None) };
    static KEPT: RefCell<Vec<WDFREQUEST>> = const { RefCell::new(Vec::new()) };
}

fn called(name: &'static str) -> NTSTATUS {
    log(name);
    FAILS.with_borrow_mut(|fails| match fails.get_mut(name) {
        Some(left) => {
            *left -= 1;
            if *left == 0 {
                STATUS_UNSUCCESSFUL
            } else {
                STATUS_SUCCESS
            }
        }
        None => STATUS_SUCCESS,
    })
}

macro_rules! callbacks {
    ($($function:ident $name:literal ($($argument:ty),*);)*) => {
        $(
            unsafe extern "C" fn $function(_: WDFDEVICE $(, _: $argument)*) -> NTSTATUS {
                called($name)
            }
        )*
    };
}

callbacks! {
    prepare "PrepareHardware" (WDFCMRESLIST, WDFCMRESLIST);
    release "ReleaseHardware" (WDFCMRESLIST);
    d0_entry "D0Entry" (WDF_POWER_DEVICE_STATE);
    d0_entry_post "D0EntryPost" (WDF_POWER_DEVICE_STATE);
    d0_exit "D0Exit" (WDF_POWER_DEVICE_STATE);
    d0_exit_pre "D0ExitPre" (WDF_POWER_DEVICE_STATE);
    init "Init" ();
    suspend "Suspend" ();
    restart "Restart" ();
    query_remove "QueryRemove" ();
    query_stop "QueryStop" ();
}

unsafe extern "C" fn flush(_: WDFDEVICE) {
    log("Flush");
}

unsafe extern "C" fn cleanup_io(_: WDFDEVICE) {
    log("Cleanup");
}

unsafe extern "C" fn surprise(_: WDFDEVICE) {
    log("SurpriseRemoval");
}

unsafe extern "C" fn device_cleanup(_: WDFOBJECT) {
    log("device cleanup");
}

unsafe extern "C" fn device_destroy(_: WDFOBJECT) {
    log("device destroy");
}

unsafe extern "C" fn queue_cleanup(_: WDFOBJECT) {
    log("queue cleanup");
}

unsafe extern "C" fn queue_destroy(_: WDFOBJECT) {
    log("queue destroy");
}

unsafe extern "C" fn on_write(_: WDFQUEUE, request: WDFREQUEST, _: usize) {
    log("EvtIoWrite");
    KEPT.with_borrow_mut(|kept| kept.push(request));
}

unsafe extern "C" fn on_stop(_: WDFQUEUE, request: WDFREQUEST, flags: ULONG) {
    log(format!("EvtIoStop {flags:#x}"));
    if let Some(answer) = STOP.with_borrow(|stop| *stop) {
        answer(request);
    }
}

unsafe extern "C" fn on_resume(_: WDFQUEUE, _: WDFREQUEST) {
    log("EvtIoResume");
}

unsafe extern "C" fn device_add(_: WDFDRIVER, mut device_init: PWDFDEVICE_INIT) -> NTSTATUS {
    let status = called("DeviceAdd");
    if FILTER.with_borrow(|filter| *filter) {
        wdf!(WdfFdoInitSetFilter(device_init));
    }
    if !NT_SUCCESS(status) {
        return status;
    }
    let mut callbacks = WDF_PNPPOWER_EVENT_CALLBACKS {
        Size: size::<WDF_PNPPOWER_EVENT_CALLBACKS>(),
        EvtDevicePrepareHardware: Some(prepare),
        EvtDeviceReleaseHardware: Some(release),
        EvtDeviceD0Entry: Some(d0_entry),
        EvtDeviceD0EntryPostInterruptsEnabled: Some(d0_entry_post),
        EvtDeviceD0Exit: Some(d0_exit),
        EvtDeviceD0ExitPreInterruptsDisabled: Some(d0_exit_pre),
        EvtDeviceSelfManagedIoInit: Some(init),
        EvtDeviceSelfManagedIoSuspend: Some(suspend),
        EvtDeviceSelfManagedIoRestart: Some(restart),
        EvtDeviceSelfManagedIoFlush: Some(flush),
        EvtDeviceSelfManagedIoCleanup: Some(cleanup_io),
        EvtDeviceSurpriseRemoval: Some(surprise),
        EvtDeviceQueryRemove: Some(query_remove),
        EvtDeviceQueryStop: Some(query_stop),
        ..Default::default()
    };
    wdf!(WdfDeviceInitSetPnpPowerEventCallbacks(
        device_init,
        &raw mut callbacks
    ));
    let mut own = WDF_OBJECT_ATTRIBUTES {
        EvtCleanupCallback: Some(device_cleanup),
        EvtDestroyCallback: Some(device_destroy),
        ..attributes()
    };
    let mut device = null();
    let status = wdf!(WdfDeviceCreate(
        &raw mut device_init,
        &raw mut own,
        &raw mut device
    ));
    assert_eq!(status, STATUS_SUCCESS);
    assert!(device_init.is_null());
    let mut config = queue_config(2);
    config.DefaultQueue = 1;
    config.EvtIoWrite = Some(on_write);
    config.EvtIoStop = Some(on_stop);
    config.EvtIoResume = Some(on_resume);
    let mut own = WDF_OBJECT_ATTRIBUTES {
        EvtCleanupCallback: Some(queue_cleanup),
        EvtDestroyCallback: Some(queue_destroy),
        ..attributes()
    };
    let mut queue = null();
    assert_eq!(
        wdf!(WdfIoQueueCreate(
            device,
            &raw mut config,
            &raw mut own,
            &raw mut queue
        )),
        STATUS_SUCCESS
    );
    called("DeviceAddEnd")
}

unsafe extern "C" fn unload(_: WDFDRIVER) {
    log("Unload");
}

unsafe extern "C" fn driver_cleanup(_: WDFOBJECT) {
    log("driver cleanup");
}

unsafe extern "system" fn entry(driver: PDRIVER_OBJECT, path: PCUNICODE_STRING) -> NTSTATUS {
    let mut config = WDF_DRIVER_CONFIG {
        Size: size::<WDF_DRIVER_CONFIG>(),
        EvtDriverDeviceAdd: Some(device_add),
        EvtDriverUnload: Some(unload),
        ..Default::default()
    };
    let mut own = WDF_OBJECT_ATTRIBUTES {
        EvtCleanupCallback: Some(driver_cleanup),
        ..attributes()
    };
    let status = wdf!(WdfDriverCreate(
        driver,
        path,
        &raw mut own,
        &raw mut config,
        null()
    ));
    assert_eq!(status, STATUS_SUCCESS);
    called("DriverEntry")
}

struct Machine {
    host: Host,
    driver: DriverId,
    lower: LowerId,
}

fn machine(filter: bool, fails: &[(&'static str, u32)]) -> Machine {
    FILTER.set(filter);
    FAILS.set(fails.iter().copied().collect());
    STOP.set(None);
    KEPT.set(Vec::new());
    take_log();
    let host = Host::new(HostConfig::new().policy(Policy::InOrder));
    let driver = host.load("pnp", entry).unwrap();
    let lower = host.add_lower(Disk::in_memory(), LowerConfig::new("disk"));
    assert_eq!(take_log(), ["DriverEntry"]);
    Machine {
        host,
        driver,
        lower,
    }
}

fn plug(machine: &Machine) -> Result<StackId, Stop> {
    machine.host.plug(machine.lower, &[machine.driver])
}

fn joined() -> String {
    take_log().join(" ")
}

const START: &str = "DeviceAdd DeviceAddEnd PrepareHardware D0Entry D0EntryPost Init";
const DOWN: &str = "Suspend D0ExitPre D0Exit ReleaseHardware";
const END: &str = "queue cleanup device cleanup queue destroy device destroy";

#[test]
fn start_and_remove() {
    for filter in [true, false] {
        let machine = machine(filter, &[]);
        let stack = plug(&machine).unwrap();
        assert_eq!(joined(), START);
        machine.host.query_remove(stack).unwrap();
        machine.host.remove(stack).unwrap();
        assert_eq!(joined(), format!("QueryRemove {DOWN} Flush Cleanup {END}"));
        machine.host.unload(machine.driver).unwrap();
        assert_eq!(joined(), "Unload driver cleanup");
        assert!(machine.host.finish().is_clean());
    }
}

#[test]
fn never_started_and_surprise_removed() {
    let machine = machine(true, &[]);
    let stack = machine
        .host
        .add_devices(machine.lower, &[machine.driver])
        .unwrap();
    take_log();
    machine.host.remove(stack).unwrap();
    assert_eq!(joined(), END);
    let stack = plug(&machine).unwrap();
    take_log();
    machine.host.surprise_remove(stack).unwrap();
    assert_eq!(joined(), format!("SurpriseRemoval {DOWN} Flush"));
    machine.host.remove(stack).unwrap();
    assert_eq!(joined(), format!("Cleanup {END}"));
    assert!(machine.host.finish().is_clean());
}

#[test]
fn rebalance_and_sleep() {
    let machine = machine(true, &[]);
    let stack = plug(&machine).unwrap();
    take_log();
    machine.host.stop(stack).unwrap();
    assert_eq!(joined(), format!("QueryStop {DOWN}"));
    machine.host.start(stack).unwrap();
    assert_eq!(joined(), "PrepareHardware D0Entry D0EntryPost Restart");
    machine.host.sleep(stack).unwrap();
    assert_eq!(joined(), "Suspend D0ExitPre D0Exit");
    machine.host.wake(stack).unwrap();
    assert_eq!(joined(), "D0Entry D0EntryPost Restart");
}

#[test]
fn failures_are_undone() {
    let failure = STATUS_UNSUCCESSFUL.cast_unsigned();
    for (name, undone, status, at_removal) in [
        ("D0Entry", "ReleaseHardware", 0xC000_009E, ""),
        ("D0EntryPost", "D0Exit ReleaseHardware", 0xC000_009E, ""),
        (
            "Init",
            "D0ExitPre D0Exit ReleaseHardware Flush",
            0xC000_009E,
            "Cleanup ",
        ),
        ("PrepareHardware", "ReleaseHardware", failure, ""),
    ] {
        let machine = machine(true, &[(name, 1)]);
        match plug(&machine) {
            Err(Stop::Status { status: got, .. }) => {
                assert_eq!(got.cast_unsigned(), status, "{name}")
            }
            other => panic!("{name}: {other:?}"),
        }
        let up_to = START.find(name).unwrap() + name.len();
        assert_eq!(
            joined(),
            format!("{} {undone} {at_removal}{END}", &START[..up_to]),
            "{name}"
        );
        assert!(machine.host.finish().is_clean());
    }
}

#[test]
fn a_failing_way_down_goes_on() {
    for name in ["Suspend", "D0ExitPre", "D0Exit", "ReleaseHardware"] {
        let machine = machine(true, &[(name, 1)]);
        let stack = plug(&machine).unwrap();
        take_log();
        machine.host.stop(stack).unwrap();
        assert_eq!(joined(), format!("QueryStop {DOWN} Flush"), "{name}");
        machine.host.surprise_remove(stack).unwrap();
        assert_eq!(joined(), "SurpriseRemoval");
        machine.host.remove(stack).unwrap();
        assert_eq!(joined(), format!("Cleanup {END}"));
    }
}

#[test]
fn a_filter_that_refuses_a_device_does_not_stop_the_stack() {
    for (name, with_device) in [("DeviceAdd", false), ("DeviceAddEnd", true)] {
        let machine = machine(true, &[(name, 1)]);
        let stack = plug(&machine).unwrap();
        let end = if with_device {
            format!("DeviceAdd DeviceAddEnd {END}")
        } else {
            "DeviceAdd".to_owned()
        };
        assert_eq!(joined(), end);
        let file = machine.host.open(stack).unwrap();
        assert_eq!(
            machine.host.write(file, 0, b"below").unwrap().information,
            5
        );
    }
    let machine = machine(false, &[("DeviceAdd", 1)]);
    assert!(matches!(
        plug(&machine),
        Err(Stop::Status {
            status: STATUS_UNSUCCESSFUL,
            ..
        })
    ));
}

#[test]
fn a_failing_entry_deletes_the_driver_without_unload() {
    FAILS.set([("DriverEntry", 1)].into());
    take_log();
    let host = Host::new(HostConfig::new());
    assert!(matches!(
        host.load("pnp", entry),
        Err(Stop::Status {
            status: STATUS_UNSUCCESSFUL,
            ..
        })
    ));
    assert_eq!(joined(), "DriverEntry driver cleanup");
    assert!(host.finish().is_clean());
}

fn submit(machine: &Machine, stack: StackId) -> kmdf_host::IoId {
    let file = machine.host.open(stack).unwrap();
    let io = machine
        .host
        .submit_write(file, 0, b"x", kmdf_host::Mode::User);
    machine.host.run().unwrap();
    io
}

#[test]
fn a_power_managed_queue_stops_and_resumes_its_requests() {
    let acknowledge: fn(WDFREQUEST) = |request| wdf!(WdfRequestStopAcknowledge(request, 0));
    let requeue: fn(WDFREQUEST) = |request| wdf!(WdfRequestStopAcknowledge(request, 1));
    let complete: fn(WDFREQUEST) = |request| wdf!(WdfRequestComplete(request, STATUS_CANCELLED));
    for (answer, again) in [
        (acknowledge, "EvtIoResume "),
        (requeue, "EvtIoWrite "),
        (complete, ""),
    ] {
        let machine = machine(false, &[]);
        let stack = plug(&machine).unwrap();
        STOP.set(Some(answer));
        let io = submit(&machine, stack);
        take_log();
        machine.host.sleep(stack).unwrap();
        assert_eq!(joined(), "Suspend EvtIoStop 0x1 D0ExitPre D0Exit");
        let late = submit(&machine, stack);
        assert_eq!(
            machine.host.result(late),
            None,
            "held while the device sleeps"
        );
        assert!(machine.host.cancel(late).unwrap());
        machine.host.wake(stack).unwrap();
        assert_eq!(joined(), format!("D0Entry D0EntryPost {again}Restart"));
        assert_eq!(machine.host.result(io).is_some(), again.is_empty());
    }
}

#[test]
fn an_unanswered_stop_waits_for_the_driver() {
    let machine = machine(false, &[]);
    let stack = plug(&machine).unwrap();
    submit(&machine, stack);
    take_log();
    let Err(Stop::Deadlock(deadlock)) = machine.host.stop(stack) else {
        panic!("stopped with a request outstanding")
    };
    assert!(
        deadlock.to_string().contains("requests of queue"),
        "{deadlock}"
    );
    assert_eq!(joined(), "QueryStop Suspend EvtIoStop 0x1");
    machine.host.spawn("driver", || {
        let request = KEPT.with_borrow(|kept| kept[0]);
        wdf!(WdfRequestComplete(request, STATUS_SUCCESS));
    });
    machine.host.run().unwrap();
    assert_eq!(joined(), "D0ExitPre D0Exit ReleaseHardware");
}

#[test]
fn removal_purges_and_tells_the_driver_so() {
    for (filter, expected) in [
        (
            false,
            "Suspend EvtIoStop 0x1 D0ExitPre D0Exit ReleaseHardware Flush Cleanup",
        ),
        (
            true,
            "Suspend D0ExitPre D0Exit ReleaseHardware Flush EvtIoStop 0x2 Cleanup",
        ),
    ] {
        let machine = machine(filter, &[]);
        let stack = plug(&machine).unwrap();
        STOP.set(Some(|request| {
            wdf!(WdfRequestComplete(request, STATUS_CANCELLED))
        }));
        let io = submit(&machine, stack);
        take_log();
        machine.host.remove(stack).unwrap();
        assert_eq!(joined(), format!("{expected} {END}"));
        assert_eq!(machine.host.result(io).unwrap().status, STATUS_CANCELLED);
    }
}

#[test]
fn requests_wait_for_the_start_of_a_power_managed_queue() {
    let machine = machine(false, &[]);
    let stack = machine
        .host
        .add_devices(machine.lower, &[machine.driver])
        .unwrap();
    submit(&machine, stack);
    take_log();
    machine.host.start(stack).unwrap();
    assert_eq!(
        joined(),
        "PrepareHardware D0Entry D0EntryPost EvtIoWrite Init"
    );
}

#[test]
fn driver_create_checks() {
    unsafe extern "system" fn checks(driver: PDRIVER_OBJECT, path: PCUNICODE_STRING) -> NTSTATUS {
        let create = |change: fn(&mut WDF_DRIVER_CONFIG)| {
            let mut config = WDF_DRIVER_CONFIG {
                Size: size::<WDF_DRIVER_CONFIG>(),
                ..Default::default()
            };
            change(&mut config);
            wdf!(WdfDriverCreate(
                driver,
                path,
                null(),
                &raw mut config,
                null()
            ))
        };
        assert_eq!(
            create(|config| config.Size = 12),
            STATUS_INFO_LENGTH_MISMATCH
        );
        assert_eq!(
            create(|config| config.DriverInitFlags = 0x100),
            STATUS_INVALID_PARAMETER
        );
        assert_eq!(
            create(|config| {
                config.DriverInitFlags = 1;
                config.EvtDriverDeviceAdd = Some(device_add);
            }),
            STATUS_INVALID_PARAMETER
        );
        assert_eq!(create(|_| ()), STATUS_SUCCESS);
        assert_eq!(create(|_| ()), STATUS_DRIVER_INTERNAL_ERROR);
        // SAFETY: the pointer is never written.
        let globals = unsafe { WdfDriverGlobals };
        // SAFETY: the framework's globals are valid.
        let driver = unsafe { (*globals).Driver };
        let mut key: WDFKEY = null();
        let status = wdf!(WdfDriverOpenParametersRegistryKey(
            driver,
            0x2_0019,
            null(),
            &raw mut key
        ));
        assert_eq!(status, STATUS_SUCCESS);
        let query = |name: &str| {
            let units: Vec<u16> = name.encode_utf16().collect();
            let length = u16::try_from(units.len() * 2).unwrap();
            let string = UNICODE_STRING {
                Length: length,
                MaximumLength: length,
                Buffer: units.as_ptr().cast_mut(),
            };
            let mut value = 0u32;
            (
                wdf!(WdfRegistryQueryULong(
                    key,
                    &raw const string,
                    &raw mut value
                )),
                value,
            )
        };
        assert_eq!(query("maximumpiece"), (STATUS_SUCCESS, 4096));
        assert_eq!(query("Other"), (STATUS_OBJECT_NAME_NOT_FOUND, 0));
        wdf!(WdfRegistryClose(key));
        STATUS_SUCCESS
    }
    let host = Host::new(HostConfig::new().client(ClientVersion::kmdf1(33)));
    host.set_parameter("checks", "MaximumPiece", 4096);
    host.load("checks", checks).unwrap();
    let report = host.finish();
    let of_creation =
        |violation: &kmdf_host::Violation| violation.kind == kmdf_host::ViolationKind::DriverCreate;
    assert!(
        report.stop.is_none() && report.violations.iter().all(of_creation),
        "{report}"
    );
}
