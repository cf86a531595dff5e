//! Taking a USB device into use, and what it tells about itself.

mod common;
mod usb_support;

use std::ptr;

use common::*;
use kmdf_host::{HostConfig, UsbDescriptors, UsbDevice, ViolationKind};
use kmdf_sys::missing::*;
use kmdf_sys::*;
use usb_support::*;

#[test]
fn what_a_device_tells_about_itself() {
    let descriptors = descriptors()
        .self_powered()
        .remote_wake_up()
        .string(1, "Test");
    let bench = usb_with(descriptors.clone());
    on_thread(&bench.host, move || {
        let usb = configured();
        let mut known = WDF_USB_DEVICE_INFORMATION::default();
        let size_of_it = size::<WDF_USB_DEVICE_INFORMATION>();
        let retrieve = |known: &mut WDF_USB_DEVICE_INFORMATION| {
            wdf!(WdfUsbTargetDeviceRetrieveInformation(usb, &raw mut *known))
        };
        assert_eq!(retrieve(&mut known), STATUS_INFO_LENGTH_MISMATCH);
        known.Size = size_of_it;
        assert_eq!(retrieve(&mut known), STATUS_SUCCESS);
        assert_eq!(known.Traits, 7);
        let mut device = USB_DEVICE_DESCRIPTOR::default();
        wdf!(WdfUsbTargetDeviceGetDeviceDescriptor(usb, &raw mut device));
        let (vendor, product) = (device.idVendor, device.idProduct);
        assert_eq!((vendor, product), (0x1209, 1));
        let mut length = 9_u16;
        let mut bytes = vec![0_u8; descriptors.configuration().len()];
        let total = u16::try_from(bytes.len()).unwrap();
        let status = wdf!(WdfUsbTargetDeviceRetrieveConfigDescriptor(
            usb,
            bytes.as_mut_ptr().cast(),
            &raw mut length
        ));
        assert_eq!((status, length), (STATUS_BUFFER_TOO_SMALL, total));
        assert_eq!(bytes[9], 0);
        let status = wdf!(WdfUsbTargetDeviceRetrieveConfigDescriptor(
            usb,
            bytes.as_mut_ptr().cast(),
            &raw mut length
        ));
        assert_eq!(status, STATUS_SUCCESS);
        assert_eq!(bytes, descriptors.configuration());
        let (mut text, mut count) = ([0_u16; 3], 3_u16);
        let status = wdf!(WdfUsbTargetDeviceQueryString(
            usb,
            ptr::null_mut(),
            ptr::null_mut(),
            text.as_mut_ptr(),
            &raw mut count,
            1,
            0x409
        ));
        assert_eq!((status, count), (STATUS_BUFFER_OVERFLOW, 4));
        assert_eq!(String::from_utf16_lossy(&text), "Tes");
        let mut memory = ptr::null_mut();
        let status = wdf!(WdfUsbTargetDeviceAllocAndQueryString(
            usb,
            ptr::null_mut(),
            &raw mut memory,
            &raw mut count,
            1,
            0x409
        ));
        assert_eq!((status, count), (STATUS_SUCCESS, 4));
        delete(memory);
        let connected = wdf!(WdfUsbTargetDeviceIsConnectedSynchronous(usb));
        assert_eq!(connected, STATUS_SUCCESS);
    });
    finish(bench);
}

#[test]
fn pipe_information() {
    let device = UsbDevice::new(descriptors()).maximum_transfer_size(0x02, 4096);
    let bench = machine(HostConfig::new(), device);
    on_thread(&bench.host, || {
        let usb = configured();
        let interface = wdf!(WdfUsbTargetDeviceGetInterface(usb, 0));
        let information = |index| {
            // The structure's size is not looked at.
            let mut information = WDF_USB_PIPE_INFORMATION::default();
            wdf!(WdfUsbTargetPipeGetInformation(
                pipe_of(usb, index),
                &raw mut information
            ));
            information
        };
        let bulk = information(BULK_OUT);
        assert_eq!(
            (bulk.Size, bulk.MaximumPacketSize, bulk.MaximumTransferSize),
            (0, 512, u32::MAX)
        );
        let interrupt = information(INTERRUPT_OUT);
        assert_eq!(
            (interrupt.Interval, interrupt.MaximumTransferSize),
            (4, 4096)
        );
        let types: Vec<_> = (0..6)
            .map(|index| {
                let pipe = pipe_of(usb, index);
                (
                    wdf!(WdfUsbTargetPipeGetType(pipe)),
                    wdf!(WdfUsbTargetPipeIsInEndpoint(pipe)),
                    wdf!(WdfUsbTargetPipeIsOutEndpoint(pipe)),
                )
            })
            .collect();
        assert_eq!(
            types,
            [
                (3, 0, 1),
                (3, 1, 0),
                (4, 0, 1),
                (4, 1, 0),
                (2, 0, 1),
                (1, 0, 1)
            ]
        );
        assert!(pipe_of(usb, 6).is_null());
        let mut wrong = WDF_USB_PIPE_INFORMATION::default();
        let none = wdf!(WdfUsbInterfaceGetConfiguredPipe(
            interface,
            0,
            &raw mut wrong
        ));
        assert!(none.is_null());
        assert_eq!(wdf!(WdfUsbInterfaceGetNumConfiguredPipes(interface)), 6);
        assert_eq!(wdf!(WdfUsbInterfaceGetNumEndpoints(interface, 0)), 6);
        assert_eq!(wdf!(WdfUsbInterfaceGetNumEndpoints(interface, 1)), 0);
        let mut endpoint = WDF_USB_PIPE_INFORMATION {
            Size: size::<WDF_USB_PIPE_INFORMATION>(),
            ..Default::default()
        };
        wdf!(WdfUsbInterfaceGetEndpointInformation(
            interface,
            0,
            1,
            &raw mut endpoint
        ));
        assert_eq!(
            (endpoint.EndpointAddress, endpoint.MaximumTransferSize),
            (0x81, 2 * 1024 * 1024)
        );
    });
    assert_eq!(found(bench), [ViolationKind::StructureSize]);
}

#[test]
fn interfaces_without_descriptors_or_declaration() {
    let good = descriptors();
    let mut none = good.configuration()[..9].to_vec();
    none[2] = 9;
    none[4] = 0;
    let mut undeclared = good.configuration().to_vec();
    undeclared[4] = 0;
    for (bytes, expected) in [
        (none, STATUS_SUCCESS),
        (undeclared, STATUS_INVALID_DEVICE_REQUEST),
    ] {
        let bench = usb_with(UsbDescriptors::from_bytes(good.device(), &bytes));
        let (status, count) = on_thread(&bench.host, || {
            let (status, usb) = create_usb();
            assert_eq!(status, STATUS_SUCCESS);
            let mut params = select_params(SINGLE);
            let count = wdf!(WdfUsbTargetDeviceGetNumInterfaces(usb));
            (select(usb, &mut params), count)
        });
        assert_eq!((status, count), (expected, 0));
        finish(bench);
    }
}

#[test]
fn creation_checks() {
    let bench = usb_with(descriptors());
    on_thread(&bench.host, || {
        let mut usb = ptr::null_mut();
        let mut attributes = attributes();
        attributes.ParentObject = device().cast();
        let status = wdf!(WdfUsbTargetDeviceCreate(
            device(),
            &raw mut attributes,
            &raw mut usb
        ));
        assert_eq!(status, STATUS_WDF_PARENT_ASSIGNMENT_NOT_ALLOWED);
        let mut config = WDF_USB_DEVICE_CREATE_CONFIG {
            Size: 1,
            USBDClientContractVersion: USBD_CLIENT_CONTRACT_VERSION_602,
        };
        let mut create = |config: *mut WDF_USB_DEVICE_CREATE_CONFIG| {
            wdf!(WdfUsbTargetDeviceCreateWithParameters(
                device(),
                config,
                ptr::null_mut(),
                &raw mut usb
            ))
        };
        assert_eq!(create(&raw mut config), STATUS_INFO_LENGTH_MISMATCH);
        config.Size = size::<WDF_USB_DEVICE_CREATE_CONFIG>();
        assert_eq!(create(&raw mut config), STATUS_SUCCESS);
    });
    let null = bugcheck(&bench, || {
        pipe_write(ptr::null_mut(), ptr::null_mut(), None, None);
    });
    assert_eq!((null.p1, null.p3), (5, 0x1203));
}
