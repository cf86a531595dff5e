//! URBs that the USB stack allocates, the frame number, and capabilities.

mod common;
mod usb_support;

use common::{Bench, attributes, null, on_thread, plain, size, sleep, wdf};
use kmdf_host::{Allocation, HostConfig, Loopback, UsbDevice};
use kmdf_sys::*;
use usb_support::{descriptors, machine};

fn bench() -> Bench {
    machine(
        HostConfig::new().verifier(true),
        UsbDevice::new(descriptors()),
    )
}

/// The USB device of the stack, made with or without a client contract.
fn usb(contract: bool) -> WDFUSBDEVICE {
    let mut usb = null();
    let status = if contract {
        let mut config = WDF_USB_DEVICE_CREATE_CONFIG {
            Size: size::<WDF_USB_DEVICE_CREATE_CONFIG>(),
            USBDClientContractVersion: USBD_CLIENT_CONTRACT_VERSION_602,
        };
        wdf!(WdfUsbTargetDeviceCreateWithParameters(
            common::device(),
            &raw mut config,
            null(),
            &raw mut usb
        ))
    } else {
        wdf!(WdfUsbTargetDeviceCreate(
            common::device(),
            null(),
            &raw mut usb
        ))
    };
    assert_eq!(status, STATUS_SUCCESS);
    usb
}

fn create(usb: WDFUSBDEVICE, parent: WDFOBJECT) -> (NTSTATUS, WDFMEMORY, PURB) {
    let mut attributes = attributes();
    attributes.ParentObject = parent;
    let (mut memory, mut urb) = (null(), null());
    let status = wdf!(WdfUsbTargetDeviceCreateUrb(
        usb,
        &raw mut attributes,
        &raw mut memory,
        &raw mut urb
    ));
    (status, memory, urb)
}

#[test]
fn a_urb_of_the_stack_s_goes_with_the_device() {
    let bench = bench();
    on_thread(&bench.host, || {
        let usb = usb(true);
        for parent in [null(), usb.cast(), common::device().cast()] {
            let (status, memory, urb) = create(usb, parent);
            assert_eq!(status, STATUS_SUCCESS);
            let mut length = 0;
            assert_eq!(
                wdf!(WdfMemoryGetBuffer(memory, &raw mut length)),
                urb.cast()
            );
            assert_eq!(length, size_of::<URB>());
        }
        // The driver lives longer than the device.
        let driver = wdf!(WdfDeviceGetDriver(common::device()));
        assert_eq!(create(usb, driver.cast()).0, STATUS_INVALID_PARAMETER);
        let (mut memory, mut urb) = (null(), null());
        let status = wdf!(WdfUsbTargetDeviceCreateIsochUrb(
            usb,
            null(),
            8,
            &raw mut memory,
            &raw mut urb
        ));
        assert_eq!(status, STATUS_SUCCESS);
        let mut length = 0;
        assert!(!wdf!(WdfMemoryGetBuffer(memory, &raw mut length)).is_null());
        assert_eq!(
            length,
            size_of::<_URB_ISOCH_TRANSFER>() + 8 * size_of::<_USBD_ISO_PACKET_DESCRIPTOR>()
        );
    });
    assert!(bench.host.finish().is_clean());
}

#[test]
fn without_a_client_contract_there_is_no_urb_of_the_stack_s() {
    let bench = bench();
    on_thread(&bench.host, || {
        let usb = usb(false);
        assert_eq!(create(usb, null()).0, STATUS_INVALID_DEVICE_STATE);
        assert_eq!(capability(usb), (STATUS_INVALID_DEVICE_STATE, 0));
    });
    assert!(bench.host.finish().is_clean());
}

fn capability(usb: WDFUSBDEVICE) -> (NTSTATUS, u32) {
    let (guid, mut length) = (GUID::default(), 7);
    let status = wdf!(WdfUsbTargetDeviceQueryUsbCapability(
        usb,
        &raw const guid,
        0,
        null(),
        &raw mut length
    ));
    (status, length)
}

#[test]
fn a_urb_that_cannot_be_allocated() {
    let bench = bench();
    let usb = on_thread(&bench.host, || usb(true));
    bench.host.fail_allocation(Allocation::Urb, 1);
    on_thread(&bench.host, move || {
        let (status, memory, _) = create(usb, null());
        assert_eq!(status, STATUS_INSUFFICIENT_RESOURCES);
        assert!(memory.is_null());
        assert_eq!(capability(usb), (STATUS_NOT_SUPPORTED, 0));
    });
    assert!(bench.host.finish().is_clean());
}

#[test]
fn frames_are_a_millisecond_long() {
    let bench = bench();
    on_thread(&bench.host, || {
        let usb = usb(true);
        let frame = || {
            let mut number = u32::MAX;
            let status = wdf!(WdfUsbTargetDeviceRetrieveCurrentFrameNumber(
                usb,
                &raw mut number
            ));
            assert_eq!(status, STATUS_SUCCESS);
            number
        };
        let start = frame();
        sleep(25);
        assert_eq!(frame() - start, 25);
    });
    assert!(bench.host.finish().is_clean());
}

#[test]
fn a_stack_that_is_no_usb_stack_has_no_frames() {
    let bench = plain(HostConfig::new(), Loopback::new());
    on_thread(&bench.host, || {
        let mut usb = null();
        let status = wdf!(WdfUsbTargetDeviceCreate(
            common::device(),
            null(),
            &raw mut usb
        ));
        assert_ne!(status, STATUS_SUCCESS);
    });
    assert!(bench.host.finish().is_clean());
}
