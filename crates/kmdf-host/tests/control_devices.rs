//! Control devices: of drivers that are for PnP, and of those that are not.

mod common;

use std::cell::RefCell;
use std::ptr;

use common::{delete, device, log, null, on_thread, plain, queue_config, size, take_log, wdf};
use kmdf_host::{Host, HostConfig, Loopback, Stop, ViolationKind};
use kmdf_sys::ntddk::RtlInitUnicodeString;
use kmdf_sys::*;

thread_local! {
    static NAMES: RefCell<Vec<Box<[u16]>>> = const { RefCell::new(Vec::new()) };
}

/// A counted string that lives as long as the test.
fn unicode(text: &str) -> UNICODE_STRING {
    let units: Box<[u16]> = text.encode_utf16().chain([0]).collect();
    let mut string = UNICODE_STRING::default();
    // SAFETY: the string is terminated and kept.
    unsafe { RtlInitUnicodeString(&raw mut string, units.as_ptr()) };
    NAMES.with_borrow_mut(|names| names.push(units));
    string
}

unsafe extern "C" fn evt_write(_queue: WDFQUEUE, request: WDFREQUEST, length: usize) {
    wdf!(WdfRequestCompleteWithInformation(
        request,
        STATUS_SUCCESS,
        length as u64
    ));
}

unsafe extern "C" fn evt_shutdown(_device: WDFDEVICE) {
    log("shutdown");
}

/// Creates a control device with a name, a link and a queue.
fn create(driver: WDFDRIVER, finish: bool) -> WDFDEVICE {
    let sddl = unicode("D:P(A;;GA;;;SY)(A;;GA;;;BA)");
    let mut init = wdf!(WdfControlDeviceInitAllocate(driver, &raw const sddl));
    assert!(!init.is_null());
    let name = unicode("\\Device\\Control");
    assert_eq!(
        wdf!(WdfDeviceInitAssignName(init, &raw const name)),
        STATUS_SUCCESS
    );
    wdf!(WdfControlDeviceInitSetShutdownNotification(
        init,
        Some(evt_shutdown),
        1
    ));
    let mut control = null();
    let status = wdf!(WdfDeviceCreate(&raw mut init, null(), &raw mut control));
    assert_eq!(status, STATUS_SUCCESS);
    assert!(init.is_null());
    let link = unicode("\\DosDevices\\Control");
    assert_eq!(
        wdf!(WdfDeviceCreateSymbolicLink(control, &raw const link)),
        STATUS_SUCCESS
    );
    let mut config = queue_config(_WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchSequential);
    config.DefaultQueue = 1;
    config.EvtIoWrite = Some(evt_write);
    let status = wdf!(WdfIoQueueCreate(
        control,
        &raw mut config,
        null(),
        ptr::null_mut()
    ));
    assert_eq!(status, STATUS_SUCCESS);
    if finish {
        wdf!(WdfControlFinishInitializing(control));
    }
    control
}

fn driver_of_the_device() -> WDFDRIVER {
    wdf!(WdfDeviceGetDriver(device()))
}

#[test]
fn a_control_device_takes_requests_under_all_its_names() -> Result<(), Stop> {
    let bench = plain(HostConfig::new().verifier(true), Loopback::new());
    let host = &bench.host;
    let control = on_thread(host, || create(driver_of_the_device(), true));
    for name in [
        "\\Device\\Control",
        "\\DosDevices\\Control",
        "\\??\\Control",
    ] {
        let file = host.open_name(name)?;
        let result = host.write(file, 0, b"data")?;
        assert_eq!((result.status, result.information), (STATUS_SUCCESS, 4));
        // There is nobody below, and nobody is asked.
        let mut buffer = [0; 4];
        let result = host.read(file, 0, &mut buffer)?;
        assert_eq!(result.status, STATUS_INVALID_DEVICE_REQUEST);
        host.close(file)?;
    }
    on_thread(host, move || {
        assert!(wdf!(WdfDeviceWdmGetAttachedDevice(control)).is_null());
        assert!(wdf!(WdfDeviceGetIoTarget(control)).is_null());
        delete(control);
    });
    assert!(matches!(
        host.open_name("\\Device\\Control"),
        Err(Stop::Status {
            status: STATUS_OBJECT_NAME_NOT_FOUND,
            ..
        })
    ));
    let report = bench.host.finish();
    assert!(report.is_clean(), "{report}");
    Ok(())
}

#[test]
fn before_the_end_of_its_initialization_it_cannot_be_opened() {
    let bench = plain(HostConfig::new().verifier(true), Loopback::new());
    let control = on_thread(&bench.host, || create(driver_of_the_device(), false));
    assert!(matches!(
        bench.host.open_name("\\??\\Control"),
        Err(Stop::Status {
            status: STATUS_NO_SUCH_DEVICE,
            ..
        })
    ));
    on_thread(&bench.host, move || delete(control));
    assert!(bench.host.finish().is_clean());
}

#[test]
fn one_that_is_never_deleted_keeps_a_pnp_driver_loaded() {
    let bench = plain(HostConfig::new(), Loopback::new());
    on_thread(&bench.host, || {
        create(driver_of_the_device(), true);
    });
    let report = bench.host.finish();
    assert_eq!(report.violations.len(), 1, "{report}");
    assert_eq!(report.violations[0].kind, ViolationKind::ObjectLeak);
}

#[test]
fn an_initializer_is_used_or_freed() {
    let bench = plain(HostConfig::new().verifier(true), Loopback::new());
    on_thread(&bench.host, || {
        let sddl = unicode("D:P");
        let init = wdf!(WdfControlDeviceInitAllocate(
            driver_of_the_device(),
            &raw const sddl
        ));
        wdf!(WdfDeviceInitFree(init));
    });
    assert!(bench.host.finish().is_clean());
}

#[test]
fn a_device_without_a_name_is_given_one() {
    let bench = plain(HostConfig::new().verifier(true), Loopback::new());
    on_thread(&bench.host, || {
        let sddl = unicode("D:P");
        let mut init = wdf!(WdfControlDeviceInitAllocate(
            driver_of_the_device(),
            &raw const sddl
        ));
        let mut control = null();
        let status = wdf!(WdfDeviceCreate(&raw mut init, null(), &raw mut control));
        assert_eq!(status, STATUS_SUCCESS);
        wdf!(WdfControlFinishInitializing(control));
        delete(control);
    });
    assert!(bench.host.finish().is_clean());
}

unsafe extern "C" fn evt_unload(_driver: WDFDRIVER) {
    log("unload");
}

/// A driver that is not for PnP: its only device is a control device.
unsafe extern "system" fn legacy_entry(driver: PDRIVER_OBJECT, path: PCUNICODE_STRING) -> NTSTATUS {
    let mut config = WDF_DRIVER_CONFIG {
        Size: size::<WDF_DRIVER_CONFIG>(),
        EvtDriverUnload: Some(evt_unload),
        DriverInitFlags: _WDF_DRIVER_INIT_FLAGS::WdfDriverInitNonPnpDriver.cast_unsigned(),
        ..Default::default()
    };
    let mut handle = null();
    let status = wdf!(WdfDriverCreate(
        driver,
        path,
        null(),
        &raw mut config,
        &raw mut handle
    ));
    assert_eq!(status, STATUS_SUCCESS);
    create(handle, true);
    STATUS_SUCCESS
}

#[test]
fn a_driver_that_is_not_for_pnp() -> Result<(), Stop> {
    for seed in 0..100 {
        let host = Host::new(HostConfig::new().seed(seed).verifier(true).preempt(true));
        let driver = host.load("nonpnp", legacy_entry)?;
        let file = host.open_name("\\DosDevices\\Control")?;
        let result = host.write(file, 0, b"data")?;
        assert_eq!((result.status, result.information), (STATUS_SUCCESS, 4));
        host.close(file)?;
        host.notify_shutdown()?;
        host.unload(driver)?;
        assert_eq!(take_log(), ["shutdown", "unload"]);
        let report = host.finish();
        assert!(report.is_clean(), "seed {seed}: {report}");
    }
    Ok(())
}
