//! Selecting configurations and settings.

mod common;
mod usb_support;

use std::ptr;

use _WdfUsbTargetDeviceSelectConfigType as types;
use common::*;
use kmdf_host::{UsbDescriptors, UsbDevice, UsbInterface};
use kmdf_sys::*;
use usb_support::*;

fn two_interfaces() -> UsbDescriptors {
    UsbDescriptors::new(1, 2)
        .interface(UsbInterface::new(0).bulk(0x01, 512))
        .interface(
            UsbInterface::new(1)
                .bulk(0x02, 512)
                .alternate()
                .bulk(0x03, 64)
                .bulk(0x83, 64),
        )
}

fn interface(usb: WDFUSBDEVICE, index: u8) -> WDFUSBINTERFACE {
    wdf!(WdfUsbTargetDeviceGetInterface(usb, index))
}

fn address(interface: WDFUSBINTERFACE, index: u8) -> u8 {
    let mut information = WDF_USB_PIPE_INFORMATION {
        Size: size::<WDF_USB_PIPE_INFORMATION>(),
        ..Default::default()
    };
    let pipe = wdf!(WdfUsbInterfaceGetConfiguredPipe(
        interface,
        index,
        &raw mut information
    ));
    assert!(!pipe.is_null());
    information.EndpointAddress
}

#[test]
fn parameters_are_checked() {
    let bench = usb_with(two_interfaces());
    on_thread(&bench.host, || {
        let (_, usb) = create_usb();
        let mut wrong = select_params(SINGLE);
        wrong.Size = 1;
        assert_eq!(select(usb, &mut wrong), STATUS_INFO_LENGTH_MISMATCH);
        for kind in [0, 7, -1] {
            assert_eq!(
                select(usb, &mut select_params(kind)),
                STATUS_INVALID_PARAMETER,
                "{kind}"
            );
        }
        let mut single = select_params(SINGLE);
        single.Types.SingleInterface.NumberConfiguredPipes = 9;
        assert_eq!(select(usb, &mut single), STATUS_INVALID_PARAMETER);
        // SAFETY: the type says which member there is.
        let pipes = unsafe { single.Types.SingleInterface.NumberConfiguredPipes };
        assert_eq!(pipes, 0);
        for kind in [
            types::WdfUsbTargetDeviceSelectConfigTypeInterfacesPairs,
            types::WdfUsbTargetDeviceSelectConfigTypeInterfacesDescriptor,
            types::WdfUsbTargetDeviceSelectConfigTypeUrb,
        ] {
            assert_eq!(
                select(usb, &mut select_params(kind)),
                STATUS_INVALID_PARAMETER,
                "{kind}"
            );
        }
        assert!(interface(usb, 2).is_null());
        assert_eq!(
            wdf!(WdfUsbInterfaceGetNumConfiguredPipes(interface(usb, 0))),
            0
        );
    });
    finish(bench);
}

#[test]
fn all_interfaces_then_none() {
    let bench = usb_with(two_interfaces());
    on_thread(&bench.host, || {
        let (_, usb) = create_usb();
        let mut params = select_params(types::WdfUsbTargetDeviceSelectConfigTypeMultiInterface);
        assert_eq!(select(usb, &mut params), STATUS_SUCCESS);
        // SAFETY: the type says which member there is.
        let configured = unsafe { params.Types.MultiInterface.NumberOfConfiguredInterfaces };
        assert_eq!(configured, 2);
        assert_eq!(
            [address(interface(usb, 0), 0), address(interface(usb, 1), 0)],
            [1, 2]
        );
        let handle = wdf!(WdfUsbTargetDeviceWdmGetConfigurationHandle(usb));
        assert!(!handle.is_null());
        let mut none = select_params(types::WdfUsbTargetDeviceSelectConfigTypeDeconfig);
        assert_eq!(select(usb, &mut none), STATUS_SUCCESS);
        assert_eq!(
            wdf!(WdfUsbInterfaceGetNumConfiguredPipes(interface(usb, 1))),
            0
        );
    });
    let (configuration, urbs) = bench
        .host
        .with_lower(bench.lower, |device: &mut UsbDevice| {
            (device.configuration(), device.counters().urbs)
        });
    // Three descriptors, the status, the configuration, the second interface again, and none.
    assert_eq!((configuration, urbs), (0, 7));
    finish(bench);
}

#[test]
fn pairs_choose_settings() {
    let bench = usb_with(two_interfaces());
    on_thread(&bench.host, || {
        let (_, usb) = create_usb();
        let choose = |settings: &[(u8, u8)]| {
            let mut pairs: Vec<_> = settings
                .iter()
                .map(|(index, setting)| WDF_USB_INTERFACE_SETTING_PAIR {
                    UsbInterface: interface(usb, *index),
                    SettingIndex: *setting,
                })
                .collect();
            let mut params =
                select_params(types::WdfUsbTargetDeviceSelectConfigTypeInterfacesPairs);
            params.Types.MultiInterface.NumberInterfaces = u8::try_from(pairs.len()).unwrap();
            params.Types.MultiInterface.Pairs = pairs.as_mut_ptr();
            select(usb, &mut params)
        };
        assert_eq!(choose(&[(0, 0)]), STATUS_INVALID_PARAMETER);
        assert_eq!(choose(&[(0, 1), (1, 0)]), STATUS_INVALID_PARAMETER);
        assert_eq!(choose(&[(0, 0), (0, 0)]), STATUS_INVALID_PARAMETER);
        assert_eq!(choose(&[(1, 1), (0, 0)]), STATUS_SUCCESS);
        let second = interface(usb, 1);
        assert_eq!([address(second, 0), address(second, 1)], [0x03, 0x83]);
        assert_eq!(wdf!(WdfUsbInterfaceGetConfiguredSettingIndex(second)), 1);
    });
    finish(bench);
}

#[test]
fn descriptors_and_urbs_of_the_drivers() {
    let bench = usb_with(descriptors());
    on_thread(&bench.host, || {
        let (_, usb) = create_usb();
        let mut descriptor = USB_INTERFACE_DESCRIPTOR::default();
        wdf!(WdfUsbInterfaceGetDescriptor(
            interface(usb, 0),
            0,
            &raw mut descriptor
        ));
        assert_eq!(descriptor.bNumEndpoints, 6);
        let mut list = [&raw mut descriptor];
        let mut params =
            select_params(types::WdfUsbTargetDeviceSelectConfigTypeInterfacesDescriptor);
        params.Types.Descriptor.InterfaceDescriptors = list.as_mut_ptr();
        params.Types.Descriptor.NumInterfaceDescriptors = 1;
        assert_eq!(select(usb, &mut params), STATUS_SUCCESS);
        assert_eq!(address(interface(usb, 0), 5), 0x04);
        let mut urb = _URB_SELECT_CONFIGURATION::default();
        urb.Hdr.Function = 9;
        urb.Hdr.Length = u16::try_from(size_of_val(&urb)).unwrap();
        let mut params = select_params(types::WdfUsbTargetDeviceSelectConfigTypeUrb);
        params.Types.Urb.Urb = (&raw mut urb).cast();
        assert_eq!(select(usb, &mut params), STATUS_INVALID_PARAMETER);
    });
    finish(bench);
}

#[test]
fn a_setting_of_an_interface() {
    let bench = usb_with(
        UsbDescriptors::new(1, 2).interface(
            UsbInterface::new(0)
                .bulk(0x01, 512)
                .alternate()
                .bulk(0x02, 64)
                .alternate(),
        ),
    );
    let old = on_thread(&bench.host, || {
        let usb = configured();
        let only = interface(usb, 0);
        let old = pipe_of(usb, 0);
        let setting = |index| {
            let mut params = WDF_USB_INTERFACE_SELECT_SETTING_PARAMS {
                Size: size::<WDF_USB_INTERFACE_SELECT_SETTING_PARAMS>(),
                Type: _WdfUsbTargetDeviceSelectSettingType::WdfUsbInterfaceSelectSettingTypeSetting,
                ..Default::default()
            };
            params.Types.Interface.SettingIndex = index;
            wdf!(WdfUsbInterfaceSelectSetting(
                only,
                ptr::null_mut(),
                &raw mut params
            ))
        };
        assert_eq!(wdf!(WdfUsbInterfaceGetNumSettings(only)), 3);
        // The current setting costs nothing and changes nothing.
        assert_eq!(setting(0), STATUS_SUCCESS);
        assert_eq!(pipe_of(usb, 0), old);
        assert_eq!(setting(3), STATUS_INVALID_PARAMETER);
        assert_eq!(setting(1), STATUS_SUCCESS);
        assert_eq!(address(only, 0), 0x02);
        assert_eq!(
            pipe_write(pipe_of(usb, 0), ptr::null_mut(), of(&[1; 8]), None),
            (STATUS_SUCCESS, 8)
        );
        assert_eq!(setting(2), STATUS_SUCCESS);
        assert_eq!(wdf!(WdfUsbInterfaceGetNumConfiguredPipes(only)), 0);
        old.addr()
    });
    assert_eq!(
        bench
            .host
            .with_lower(bench.lower, |device: &mut UsbDevice| {
                (device.setting(0), device.endpoint_mut(2).bytes().to_vec())
            }),
        (Some(2), vec![1; 8])
    );
    // The pipe of the first setting is gone.
    let stale = bugcheck(&bench, move || {
        let pipe: WDFUSBPIPE = ptr::without_provenance_mut(old);
        let _in = wdf!(WdfUsbTargetPipeIsInEndpoint(pipe));
    });
    assert_eq!(stale.p1, 5);
}
