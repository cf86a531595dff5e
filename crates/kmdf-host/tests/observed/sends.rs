//! Observed sends that the conformance format cannot say: chains of MDLs, USB clients of contract 602, PnP states, names.

use std::rc::Rc;

use kmdf_host::{HostConfig, PnpIrp, Stop, UsbDescriptors, UsbInterface};
use kmdf_sys::*;

use crate::common::{self, TIMEOUT, create_request, ms, null, on_thread, options, size, wdf};
use crate::objects::Outside;
use crate::usb_support::{
    BULK_OUT, SINGLE, UrbReply, configured, machine, of, pipe_of, pipe_write, recorded, seen,
    select, select_params, usb_with,
};
use crate::world::{World, log, world};

/// What runs in a thread of the driver.
pub(crate) const INSIDE: [(&str, fn()); 5] = [
    ("mem.lookaside", lookaside),
    ("mem.lookaside_zero", || {
        lookaside_list(0);
    }),
    ("wr.buf.mdl_chain", mdl_chain),
    ("wr.nei.mdl_chain", mdl_chain),
    ("crt.tgt_open_badname", open_by_name),
];

/// What is done to the machine from outside.
pub(crate) const OUTSIDE: [(&str, Outside); 6] = [
    ("usb.bo.buffer_c602", |_| contract_602(UrbReply::SUCCESS, 0)),
    ("usb.to.rel_c602", |_| contract_602(UrbReply::PEND, 60)),
    ("usb.fail.null_c602.n2", |_| contract_602_without_memory()),
    ("usb.descr_device", |_| device_descriptor()),
    ("pnp.surprise", |world| {
        write_after(world, &[PnpIrp::SurpriseRemoval])
    }),
    ("pnp.stop_restart", |world| {
        write_after(
            world,
            &[
                PnpIrp::QueryStopDevice,
                PnpIrp::StopDevice,
                PnpIrp::StartDevice,
            ],
        )
    }),
];

fn result(status: NTSTATUS, moved: impl std::fmt::Display) {
    log(format!("= {status:#x} {moved}"));
}

/// Two MDLs over 16 bytes each, chained, as one descriptor of 32 bytes.
fn mdl_chain() {
    let bytes: Vec<u8> = (0..32).collect();
    let mdl = |part: &[u8]| {
        let address = part.as_ptr().cast_mut().cast();
        // SAFETY: the range is valid for as long as the MDL is used.
        let mdl = unsafe { ntddk::IoAllocateMdl(address, 16, 0, 0, null()) };
        // SAFETY: the MDL was just allocated over memory that stays.
        unsafe { ntddk::MmBuildMdlForNonPagedPool(mdl) };
        mdl
    };
    let (first, second) = (mdl(&bytes[..16]), mdl(&bytes[16..]));
    // SAFETY: the MDL is this function's own.
    unsafe { (*first).Next = second };
    let mut descriptor = WDF_MEMORY_DESCRIPTOR {
        Type: _WDF_MEMORY_DESCRIPTOR_TYPE::WdfMemoryDescriptorTypeMdl,
        ..Default::default()
    };
    descriptor.u.MdlType.Mdl = first;
    descriptor.u.MdlType.BufferLength = 32;
    let target = wdf!(WdfDeviceGetIoTarget(world().device.get()));
    let mut written = u64::MAX;
    let status = wdf!(WdfIoTargetSendWriteSynchronously(
        target,
        null(),
        &raw mut descriptor,
        null(),
        null(),
        &raw mut written
    ));
    result(status, written);
    // SAFETY: nothing uses the MDL any more.
    unsafe { ntddk::IoFreeMdl(first) };
    // SAFETY: nothing uses the MDL any more.
    unsafe { ntddk::IoFreeMdl(second) };
}

fn lookaside_list(size: usize) -> WDFLOOKASIDE {
    let mut list = null();
    let status = wdf!(WdfLookasideListCreate(
        null(),
        size,
        _POOL_TYPE::NonPagedPoolNx,
        null(),
        0,
        &raw mut list
    ));
    log(format!("WdfLookasideListCreate = {status:#x}"));
    list
}

fn lookaside() {
    let list = lookaside_list(32);
    let mut memory = null();
    let status = wdf!(WdfMemoryCreateFromLookaside(list, &raw mut memory));
    assert_eq!(status, STATUS_SUCCESS);
    let mut size = 0;
    let buffer = wdf!(WdfMemoryGetBuffer(memory, &raw mut size));
    assert!(!buffer.is_null());
    log(format!("size {size}"));
    let mut descriptor = common::memory_descriptor(memory, null());
    let target = wdf!(WdfDeviceGetIoTarget(world().device.get()));
    let mut written = u64::MAX;
    let status = wdf!(WdfIoTargetSendWriteSynchronously(
        target,
        null(),
        &raw mut descriptor,
        null(),
        null(),
        &raw mut written
    ));
    result(status, written);
    wdf!(WdfObjectDelete(memory.cast()));
}

fn open_by_name() {
    let mut target = null();
    let status = wdf!(WdfIoTargetCreate(
        world().device.get(),
        null(),
        &raw mut target
    ));
    assert_eq!(status, STATUS_SUCCESS);
    let mut name: Vec<u16> = r"\Device\Nothing".encode_utf16().collect();
    let length = u16::try_from(name.len() * 2).expect("short");
    let mut params = WDF_IO_TARGET_OPEN_PARAMS {
        Size: size::<WDF_IO_TARGET_OPEN_PARAMS>(),
        Type: _WDF_IO_TARGET_OPEN_TYPE::WdfIoTargetOpenByName,
        TargetDeviceName: UNICODE_STRING {
            Length: length,
            MaximumLength: length,
            Buffer: name.as_mut_ptr(),
        },
        DesiredAccess: GENERIC_WRITE,
        ..Default::default()
    };
    let status = wdf!(WdfIoTargetOpen(target, &raw mut params));
    let state = wdf!(WdfIoTargetGetState(target));
    log(format!("= {status:#x} state {state}"));
}

/// The bulk pipe of a device that was created with contract 602.
fn pipe_602() -> WDFUSBPIPE {
    let mut config = WDF_USB_DEVICE_CREATE_CONFIG {
        Size: size::<WDF_USB_DEVICE_CREATE_CONFIG>(),
        USBDClientContractVersion: USBD_CLIENT_CONTRACT_VERSION_602,
    };
    let mut usb = null();
    let status = wdf!(WdfUsbTargetDeviceCreateWithParameters(
        common::device(),
        &raw mut config,
        null(),
        &raw mut usb
    ));
    assert_eq!(status, STATUS_SUCCESS);
    assert_eq!(select(usb, &mut select_params(SINGLE)), STATUS_SUCCESS);
    pipe_of(usb, BULK_OUT)
}

/// A write of 16 bytes, with a request of the driver's when it is timed.
fn contract_602(reply: UrbReply, timeout: i64) -> Result<(), Stop> {
    let bench = machine(HostConfig::new(), recorded(&[reply]));
    let (status, moved) = on_thread(&bench.host, move || {
        let pipe = pipe_602();
        if timeout == 0 {
            pipe_write(pipe, null(), of(&[7; 16]), None)
        } else {
            let request = create_request(pipe.cast());
            pipe_write(
                pipe,
                request,
                of(&[7; 16]),
                Some(options(TIMEOUT, ms(timeout))),
            )
        }
    });
    for urb in seen(&bench) {
        log(format!(
            "low urb {} {} {}",
            urb.function, urb.header_length, urb.length
        ));
    }
    log(format!("at {}", bench.host.now()));
    result(status, moved);
    Ok(())
}

/// There is one allocation, that of the IRP: a second one has nothing to fail.
fn contract_602_without_memory() -> Result<(), Stop> {
    let bench = Rc::new(machine(HostConfig::new(), recorded(&[UrbReply::SUCCESS])));
    let inner = Rc::clone(&bench);
    let (status, moved) = on_thread(&bench.host, move || {
        let pipe = pipe_602();
        inner.host.fail_allocation(kmdf_host::Allocation::Irp, 2);
        inner.host.fail_allocation(kmdf_host::Allocation::Urb, 1);
        pipe_write(pipe, null(), of(&[7; 16]), None)
    });
    result(status, moved);
    Ok(())
}

fn device_descriptor() -> Result<(), Stop> {
    let descriptors =
        UsbDescriptors::new(0x1234, 0x5678).interface(UsbInterface::new(0).bulk(0x01, 512));
    let bench = usb_with(descriptors);
    let descriptor = on_thread(&bench.host, || {
        let mut descriptor = USB_DEVICE_DESCRIPTOR::default();
        wdf!(WdfUsbTargetDeviceGetDeviceDescriptor(
            configured(),
            &raw mut descriptor
        ));
        descriptor
    });
    let (vendor, product) = (descriptor.idVendor, descriptor.idProduct);
    log(format!("{vendor:04x}:{product:04x}"));
    Ok(())
}

/// A synchronous write on the device's own target after PnP requests.
fn write_after(world: &Rc<World>, irps: &[PnpIrp]) -> Result<(), Stop> {
    crate::script::set_up(world)?;
    crate::script::start(world)?;
    let stack = world.stack.get().expect("a stack");
    for irp in irps {
        let status = world.host.pnp(stack, *irp)?;
        assert_eq!(status, STATUS_SUCCESS);
    }
    world.take_log();
    world.host.spawn("test", || {
        let target = wdf!(WdfDeviceGetIoTarget(self::world().device.get()));
        let timed = options(TIMEOUT, ms(60));
        let (status, written) = common::sync_write(target, null(), &[7; 16], Some(timed));
        let state = wdf!(WdfIoTargetGetState(target));
        log(format!("= {status:#x} {written} state {state}"));
    });
    world.run()
}
