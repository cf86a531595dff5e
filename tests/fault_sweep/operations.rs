//! The library's operations, and which public functions they go through.

use std::num::NonZeroU32;

use kmdf::{
    Access, Device, IoTarget, IoTargetState, Memory, MemoryDescriptor, MemoryMdl, NtStatus,
    PreallocatedMemory, Received, RemoteIoTarget, Request, SendOptions, SendRequest, SentIo,
    TargetState, WdfMemory, send_in_pieces,
};
use kmdf_host::IoType;

use super::{Below, Body, DATA, Done, Operation, Probe, REMOTE_UTF16, Sends, options};

/// Public functions that can fail, each with the operation that calls it; `load` and `add` are the driver's own set-up,
/// which is part of every scenario.
pub(crate) const COVERED: &[(&str, &str)] = &[
    ("Device::context", "context"),
    ("Device::create_device_interface", "add"),
    ("Device::io_target", "write bytes"),
    ("DeviceInit::create", "add"),
    ("IoTarget::send_write_sync", "write bytes"),
    ("IoTargetState::purge", "purge"),
    ("IoTargetState::start", "stop and start"),
    ("IoTargetState::stop", "stop and start"),
    ("Memory::create", "write memory"),
    ("MemoryDescriptor::bytes", "write bytes"),
    ("MemoryDescriptor::mdl_prefix", "write part of an MDL"),
    ("MemoryDescriptor::memory", "write memory"),
    ("MemoryDescriptor::memory_range", "write a range"),
    ("MemoryDescriptor::value", "write a value"),
    ("MemoryMdl::build", "write an MDL"),
    ("NtStatus::ok", "status"),
    ("Parameters::query_u32", "load"),
    ("PreallocatedMemory::create", "write preallocated memory"),
    ("Queue::create", "add"),
    ("Queue::device", "write bytes"),
    ("Received::input_mdl", "forward the MDL"),
    ("Received::input_memory", "forward"),
    ("Received::pass_down", "pass down"),
    ("Received::write_output", "answer a read"),
    ("RemoteIoTarget::open_by_name", "remote by name"),
    ("RemoteIoTarget::open_device_object", "remote by device"),
    ("Request::create", "write with a request"),
    ("Rundown::publish", "pipe write"),
    ("UsbConfiguration::pipe", "pipe write"),
    ("UsbDevice::create", "pipe write"),
    ("UsbDevice::select_config", "pipe write"),
    ("UsbPipe::pipe_write_sync", "pipe write"),
    ("UsbPipe::reset_sync", "pipe reset"),
    ("WdfMemory::copy_to", "copy"),
    ("send_in_pieces", "pieces"),
];

const IO_TYPES: [IoType; 3] = [IoType::Buffered, IoType::Direct, IoType::Neither];

/// All operations; those whose course depends on how the device does I/O, for each way.
pub(crate) fn all() -> Vec<Operation> {
    let everywhere = FILTER.iter().flat_map(|&(name, sends, body)| {
        IO_TYPES.map(|io_type| Operation {
            name,
            below: Below::Disk(io_type),
            sends,
            body,
        })
    });
    let usb = USB.iter().map(|&(name, body)| Operation {
        name,
        below: Below::Usb,
        sends: Sends::Write,
        body,
    });
    everywhere.chain(usb).collect()
}

fn written(
    target: &IoTarget,
    request: SendRequest<'_>,
    data: MemoryDescriptor<'_>,
    options: &SendOptions,
) -> Done {
    let sent = target.send_write_sync(request, data, None, options)?;
    Ok(sent.bytes())
}

fn framework(device: &Device<Probe>, data: MemoryDescriptor<'_>) -> Done {
    written(
        device.io_target()?,
        SendRequest::Framework,
        data,
        &options(),
    )
}

/// Whose request a write takes, with data that is not the request's own.
fn with_request(device: &Device<Probe>, request: &mut Request) -> Done {
    let data = MemoryDescriptor::bytes(DATA)?;
    written(device.io_target()?, request.into(), data, &options())
}

/// A memory object with the data in it.
fn memory() -> kmdf::Result<Memory> {
    let mut memory = Memory::create(DATA.len())?;
    memory.as_mut_slice().copy_from_slice(DATA);
    Ok(memory)
}

/// Stops at the first failure, as a driver would, and leaves the target as it was.
fn restarted(target: &impl IoTargetState, between: impl FnOnce() -> Done) -> Done {
    let done = between();
    target.start()?;
    if target.state() == TargetState::Started {
        done
    } else {
        Err(kmdf::Error::INVALID_DEVICE_STATE.into())
    }
}

fn pass_down(request: Received<'_>) {
    if let Err((request, error)) = request.pass_down() {
        request.complete(error);
    }
}

type Entry = (&'static str, Sends, Body);

/// Operations of a filter.
const FILTER: &[Entry] = &[
    (
        "write bytes",
        Sends::Write,
        Body::Uses(|device, _| framework(device, MemoryDescriptor::bytes(DATA)?)),
    ),
    (
        "write nothing",
        Sends::Write,
        Body::Uses(|device, _| framework(device, MemoryDescriptor::NONE)),
    ),
    (
        "write a value",
        Sends::Write,
        Body::Uses(|device, _| framework(device, MemoryDescriptor::value(&[7_u32, 8])?)),
    ),
    (
        "write memory",
        Sends::Write,
        Body::Uses(|device, _| framework(device, MemoryDescriptor::memory(&memory()?)?)),
    ),
    (
        "write a range",
        Sends::Write,
        Body::Uses(|device, _| {
            framework(device, MemoryDescriptor::memory_range(&memory()?, 4..12)?)
        }),
    ),
    (
        "write preallocated memory",
        Sends::Write,
        Body::Uses(|device, _| {
            let memory = PreallocatedMemory::create(DATA)?;
            framework(device, MemoryDescriptor::memory(&memory)?)
        }),
    ),
    (
        "write an MDL",
        Sends::Write,
        Body::Uses(|device, _| {
            let memory = memory()?;
            let mdl = MemoryMdl::build(&memory)?;
            framework(device, MemoryDescriptor::mdl(&mdl))
        }),
    ),
    (
        "write part of an MDL",
        Sends::Write,
        Body::Uses(|device, _| {
            let memory = memory()?;
            let mdl = MemoryMdl::build(&memory)?;
            framework(device, MemoryDescriptor::mdl_prefix(&mdl, 5)?)
        }),
    ),
    (
        "write with a request",
        Sends::Write,
        Body::Uses(|device, _| {
            let mut request = Request::create(device.io_target()?)?;
            // The second write uses again what the first left, or has lost.
            let first = with_request(device, &mut request);
            with_request(device, &mut request)?;
            first
        }),
    ),
    (
        "write with a cancelled request",
        Sends::Write,
        Body::Uses(|device, _| {
            let mut request = Request::create(device.io_target()?)?;
            let handle = request.cancel_handle();
            let done = with_request(device, &mut request);
            if let Some(handle) = handle {
                let _too_late = handle.cancel();
            }
            done
        }),
    ),
    (
        "forward",
        Sends::Write,
        Body::Uses(|device, request| {
            let request = &*request;
            let memory = request.input_memory()?;
            let data = MemoryDescriptor::memory(&memory)?;
            let target = device.io_target()?;
            let first = written(target, request.into(), data, &options());
            // Once more, as a driver does that tries again.
            written(target, request.into(), data, &options())?;
            first
        }),
    ),
    (
        "forward the MDL",
        Sends::Write,
        Body::Uses(|device, request| {
            let request = &*request;
            // There is none for neither I/O.
            match request.input_mdl() {
                Ok(mdl) => written(
                    device.io_target()?,
                    request.into(),
                    MemoryDescriptor::mdl(mdl),
                    &options(),
                ),
                Err(error) if error == kmdf::Error::INVALID_DEVICE_REQUEST => Ok(0),
                Err(error) => Err(error.into()),
            }
        }),
    ),
    (
        "pieces",
        Sends::Write,
        Body::Uses(|device, request| {
            let memory = request.input_memory()?;
            let target = device.io_target()?;
            send_in_pieces(&memory, NonZeroU32::new(6).expect("not 0"), |piece, _| {
                target.send_write_sync(SendRequest::Framework, piece, None, &options())
            })
        }),
    ),
    (
        "copy",
        Sends::Write,
        Body::Uses(|_, request| {
            let mut copy = [0; 4];
            request.input_memory()?.copy_to(2, &mut copy)?;
            Ok(copy.len())
        }),
    ),
    ("pass down", Sends::Write, Body::Consumes(pass_down)),
    (
        "answer a control code",
        Sends::Control,
        Body::Uses(|_, request| Ok(request.write_output(b"answer")?)),
    ),
    (
        "answer a read",
        Sends::Read,
        Body::Uses(|_, request| {
            // The library has no output for neither I/O.
            match request.write_output(b"answer") {
                Err(error) if error == kmdf::Error::INVALID_DEVICE_REQUEST => Ok(0),
                written => Ok(written?),
            }
        }),
    ),
    (
        "stop and start",
        Sends::Write,
        Body::Uses(|device, _| {
            let target = device.io_target()?;
            for sent in [SentIo::Wait, SentIo::Cancel, SentIo::LeavePending] {
                target.stop(sent)?;
                // Waits in the stopped target until its time-out.
                let waiting =
                    restarted(target, || framework(device, MemoryDescriptor::bytes(DATA)?));
                if waiting.is_ok() {
                    return Err(kmdf::Error::INVALID_DEVICE_STATE.into());
                }
            }
            framework(device, MemoryDescriptor::bytes(DATA)?)
        }),
    ),
    (
        "purge",
        Sends::Write,
        Body::Uses(|device, _| {
            let target = device.io_target()?;
            target.purge()?;
            let refused = restarted(target, || framework(device, MemoryDescriptor::bytes(DATA)?));
            if refused.is_ok() {
                return Err(kmdf::Error::INVALID_DEVICE_STATE.into());
            }
            framework(device, MemoryDescriptor::bytes(DATA)?)
        }),
    ),
    (
        "remote by name",
        Sends::Write,
        Body::Uses(|device, _| {
            let remote = RemoteIoTarget::open_by_name(device, REMOTE_UTF16, Access::ReadWrite)?;
            let data = MemoryDescriptor::bytes(DATA)?;
            written(&remote, SendRequest::Framework, data, &options())
        }),
    ),
    (
        "remote by device",
        Sends::Write,
        Body::Uses(|device, _| {
            // SAFETY: the device below exists as long as the device, and the target is dropped here.
            let remote =
                unsafe { RemoteIoTarget::open_device_object(device, device.attached_device()) }?;
            let mut request = Request::create(&remote)?;
            let data = MemoryDescriptor::bytes(DATA)?;
            written(&remote, (&mut request).into(), data, &options())
        }),
    ),
    (
        "context",
        Sends::Write,
        Body::Uses(|device, _| {
            device.context()?;
            Ok(0)
        }),
    ),
    (
        "status",
        Sends::Write,
        Body::Uses(|_, _| {
            NtStatus::SUCCESS.ok()?;
            Ok(0)
        }),
    ),
];

/// Operations of a USB function driver.
const USB: &[(&str, Body)] = &[
    (
        "pipe write",
        Body::Uses(|device, _| {
            device.context()?.with_pipe(|pipe| {
                let data = MemoryDescriptor::bytes(DATA)?;
                Ok(pipe
                    .pipe_write_sync(SendRequest::Framework, data, &options())?
                    .bytes())
            })
        }),
    ),
    (
        "pipe write of nothing",
        Body::Uses(|device, _| {
            device.context()?.with_pipe(|pipe| {
                let sent = pipe.pipe_write_sync(
                    SendRequest::Framework,
                    MemoryDescriptor::NONE,
                    &options(),
                )?;
                Ok(sent.bytes())
            })
        }),
    ),
    (
        "pipe write of memory",
        Body::Uses(|device, _| {
            device.context()?.with_pipe(|pipe| {
                let memory = memory()?;
                let data = MemoryDescriptor::memory_range(&memory, 4..12)?;
                Ok(pipe
                    .pipe_write_sync(SendRequest::Framework, data, &options())?
                    .bytes())
            })
        }),
    ),
    (
        "pipe write of an MDL",
        Body::Uses(|device, request| {
            device.context()?.with_pipe(|pipe| {
                let data = MemoryDescriptor::mdl_prefix(request.input_mdl()?, 7)?;
                Ok(pipe
                    .pipe_write_sync(SendRequest::Framework, data, &options())?
                    .bytes())
            })
        }),
    ),
    (
        "pipe write with a request",
        Body::Uses(|device, _| {
            let mut request = Request::create(device.io_target()?)?;
            device.context()?.with_pipe(|pipe| {
                let data = MemoryDescriptor::bytes(DATA)?;
                let first = pipe.pipe_write_sync(&mut request, data, &options());
                pipe.pipe_write_sync(&mut request, data, &options())?;
                Ok(first?.bytes())
            })
        }),
    ),
    (
        "pipe forward",
        Body::Uses(|device, request| {
            let request = &*request;
            device.context()?.with_pipe(|pipe| {
                let memory = request.input_memory()?;
                let data = MemoryDescriptor::memory(&memory)?;
                Ok(pipe.pipe_write_sync(request, data, &options())?.bytes())
            })
        }),
    ),
    (
        "pipe pieces",
        Body::Uses(|device, request| {
            device.context()?.with_pipe(|pipe| {
                let memory = request.input_memory()?;
                send_in_pieces(&memory, NonZeroU32::new(6).expect("not 0"), |piece, _| {
                    pipe.pipe_write_sync(SendRequest::Framework, piece, &options())
                })
            })
        }),
    ),
    (
        "pipe reset",
        Body::Uses(|device, _| {
            device.context()?.with_pipe(|pipe| {
                pipe.reset_sync(&options())?;
                Ok(0)
            })
        }),
    ),
    (
        "pipe purge and start",
        Body::Uses(|device, _| {
            device.context()?.with_pipe(|pipe| {
                pipe.purge()?;
                restarted(&pipe, || Ok(0))
            })
        }),
    ),
    (
        "pipe stop and start",
        Body::Uses(|device, _| {
            device.context()?.with_pipe(|pipe| {
                pipe.stop(SentIo::Wait)?;
                restarted(&pipe, || Ok(0))
            })
        }),
    ),
];
