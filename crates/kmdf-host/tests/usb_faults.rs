//! USB devices that send what none should, or go.

mod common;
mod usb_support;

use common::*;
use kmdf_host::{Host, HostConfig, LowerConfig, Malformation, Stop, Sweep, UsbDevice, UsbFault};
use kmdf_sys::missing::USBD_STATUS_DEVICE_GONE;
use kmdf_sys::*;
use usb_support::*;

/// What creating the WDFUSBDEVICE says of each mistake. Where it succeeds the device can be configured: the framework does
/// not look at endpoints, nor at a type that the device itself confirmed.
fn expected(how: Malformation) -> NTSTATUS {
    match how {
        Malformation::NoConfiguration | Malformation::TotalBelowHeader => STATUS_UNSUCCESSFUL,
        Malformation::TotalChanges => STATUS_DEVICE_DATA_ERROR,
        Malformation::TotalTooSmall
        | Malformation::TotalTooLarge
        | Malformation::ConfigurationCutOff
        | Malformation::ZeroLength
        | Malformation::LengthBeyondEnd
        | Malformation::InterfaceTooShort => STATUS_INVALID_PARAMETER,
        Malformation::NoInterface | Malformation::MissingSetting => STATUS_INVALID_DEVICE_REQUEST,
        _ => STATUS_SUCCESS,
    }
}

#[test]
fn malformed_descriptors() {
    for how in Malformation::ALL {
        let bench = usb_with(descriptors().malformed(how));
        let status = on_thread(&bench.host, move || {
            let (status, usb) = create_usb();
            assert_eq!(usb.is_null(), !NT_SUCCESS(status), "{how:?}");
            status
        });
        assert_eq!(status, expected(how), "{how:?}");
        finish(bench);
    }
}

/// What a malformed device that is taken all the same can do.
#[test]
fn malformed_descriptors_that_are_taken() {
    for how in Malformation::ALL
        .into_iter()
        .filter(|&how| expected(how) == STATUS_SUCCESS)
    {
        let bench = usb_with(descriptors().malformed(how));
        let (selected, written) = on_thread(&bench.host, move || {
            let (_, usb) = create_usb();
            let selected = select(usb, &mut select_params(SINGLE));
            let pipe = pipe_of(usb, BULK_OUT);
            let written = if pipe.is_null() {
                None
            } else {
                Some(pipe_write(pipe, null(), of(&[7; 20]), None))
            };
            (selected, written)
        });
        // More interfaces declared than there are: the framework refuses the type for a single interface.
        if NT_SUCCESS(selected) {
            assert_eq!(written, Some((STATUS_SUCCESS, 20)), "{how:?}");
        } else {
            assert_eq!(written, None, "{how:?}");
        }
        finish(bench);
    }
}

/// Everything a function driver does with a device, as far as it goes: the first status that is no success.
fn life() -> Result<(), NTSTATUS> {
    fn check(status: NTSTATUS) -> Result<(), NTSTATUS> {
        if NT_SUCCESS(status) {
            Ok(())
        } else {
            Err(status)
        }
    }
    let (status, usb) = create_usb();
    check(status)?;
    let course = || {
        check(select(usb, &mut select_params(SINGLE)))?;
        let pipe = pipe_of(usb, BULK_OUT);
        let timeout = Some(options(TIMEOUT, ms(10)));
        for length in [20, 0, 512] {
            let (status, _) = pipe_write(pipe, null(), of(&vec![7; length]), timeout);
            check(status)?;
        }
        let mut options = options(TIMEOUT, ms(10));
        check(wdf!(WdfUsbTargetPipeAbortSynchronously(
            pipe,
            null(),
            &raw mut options
        )))?;
        check(wdf!(WdfUsbTargetPipeResetSynchronously(
            pipe,
            null(),
            &raw mut options
        )))
    };
    let done = course();
    delete(usb);
    done
}

#[test]
fn a_device_may_go_at_every_urb() {
    let mut gone_at = 0;
    for nth in 1.. {
        let bench = usb_with(descriptors());
        bench
            .host
            .with_lower(bench.lower, |device: &mut UsbDevice| {
                device.disconnect_at(nth)
            });
        let (first, then) = on_thread(&bench.host, || (life(), life()));
        let connected = bench
            .host
            .with_lower(bench.lower, |device: &mut UsbDevice| device.is_connected());
        finish(bench);
        if connected {
            assert_eq!((first, then), (Ok(()), Ok(())));
            break;
        }
        gone_at += 1;
        // At the URB itself, which was under way; of the status request, which need not succeed, and in the second life,
        // the next one tells.
        let gone = [Err(STATUS_DEVICE_NOT_CONNECTED), Err(STATUS_NO_SUCH_DEVICE)];
        assert!(gone.contains(&then), "{nth}: {first:?} {then:?}");
        assert!(first.is_ok() || gone.contains(&first), "{nth}: {first:?}");
    }
    assert!(gone_at > 16, "only {gone_at} URBs");
}

/// After it has gone, the USB stack's answer to every URB is one and the same.
#[test]
fn a_device_that_has_gone_stays_gone() {
    let bench = usb_with(descriptors());
    let pipe = on_thread(&bench.host, || pipe(BULK_OUT).addr());
    bench
        .host
        .with_lower(bench.lower, |device: &mut UsbDevice| device.disconnect());
    let statuses = on_thread(&bench.host, move || {
        let pipe: WDFUSBPIPE = std::ptr::without_provenance_mut(pipe);
        [(); 3].map(|()| {
            let mut urb = _URB_BULK_OR_INTERRUPT_TRANSFER {
                Hdr: _URB_HEADER {
                    Length: u16::try_from(size_of::<_URB_BULK_OR_INTERRUPT_TRANSFER>()).unwrap(),
                    Function: u16::try_from(URB_FUNCTION_BULK_OR_INTERRUPT_TRANSFER).unwrap(),
                    ..Default::default()
                },
                PipeHandle: wdf!(WdfUsbTargetPipeWdmGetPipeHandle(pipe)),
                ..Default::default()
            };
            let status = wdf!(WdfUsbTargetPipeSendUrbSynchronously(
                pipe,
                null(),
                null(),
                (&raw mut urb).cast()
            ));
            (status, urb.Hdr.Status)
        })
    });
    assert_eq!(
        statuses,
        [(STATUS_NO_SUCH_DEVICE, USBD_STATUS_DEVICE_GONE); 3]
    );
    finish(bench);
}

#[test]
fn a_device_that_babbles() {
    let bench = usb_with(descriptors());
    bench
        .host
        .with_lower(bench.lower, |device: &mut UsbDevice| {
            let endpoint = device.endpoint_mut(0x81);
            endpoint.send(b"0123456789");
            endpoint.send(b"well");
            endpoint.fault(1, UsbFault::Babble { after: 4 });
        });
    let (first, data, second) = on_thread(&bench.host, || {
        let pipe = pipe_of(configured(), BULK_IN);
        let mut buffer = [0; 512];
        let first = pipe_read(pipe, &mut buffer, None);
        let data = buffer;
        // It ends with the transfer.
        (first, data, pipe_read(pipe, &mut buffer, None))
    });
    assert_eq!(first.0, STATUS_DEVICE_DATA_ERROR);
    assert_eq!(&data[..5], b"0123\0");
    assert_eq!(second, (STATUS_SUCCESS, 4));
    finish(bench);
}

/// The raw driver takes its device into use, and lets everything go, whatever fails.
#[test]
fn a_life_survives_everything() {
    let config = HostConfig::new().seed(9).verifier(true);
    let report = Host::sweep_faults(&Sweep::new(config).pairs(150), |host| {
        hook(|hooks| *hooks = Hooks::default());
        let driver = host.load("function", driver_entry)?;
        let lower = host.add_lower(UsbDevice::new(descriptors()), LowerConfig::new("usb"));
        host.plug(lower, &[driver])?;
        host.spawn("test", || ignore(life()));
        host.run()?;
        Ok::<(), Stop>(())
    });
    assert!(report.is_clean(), "{report}");
    assert!(report.injected() > 150, "{report}");
}
