//! Every way to write: target x request x buffer x I/O type. Legal ones arrive, the others fail as documented.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod common;

use common::{Probe, REMOTE_UTF16, Setup, World, usb_device};
use kmdf::{
    Access, Device, Error, ErrorKind, IoType, Memory, MemoryDescriptor, MemoryMdl,
    PreallocatedMemory, Received, RemoteIoTarget, Request, SendOptions, SendRequest, TransferError,
    Transferred,
};
use kmdf_host::{Loopback, UsbDevice};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Target {
    Local,
    Remote,
    Pipe,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Via {
    Framework,
    Created,
    Received,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Buffer {
    None,
    Bytes,
    Value,
    Memory,
    MemoryRange,
    Preallocated,
    Mdl,
    MdlPrefix,
    RequestMemory,
    RequestMemoryRange,
    RequestMdl,
}

const TARGETS: [Target; 3] = [Target::Local, Target::Remote, Target::Pipe];
const REQUESTS: [Via; 3] = [Via::Framework, Via::Created, Via::Received];
const IO_TYPES: [IoType; 3] = [IoType::Buffered, IoType::Direct, IoType::Neither];
const BUFFERS: [Buffer; 11] = [
    Buffer::None,
    Buffer::Bytes,
    Buffer::Value,
    Buffer::Memory,
    Buffer::MemoryRange,
    Buffer::Preallocated,
    Buffer::Mdl,
    Buffer::MdlPrefix,
    Buffer::RequestMemory,
    Buffer::RequestMemoryRange,
    Buffer::RequestMdl,
];

/// What the application writes, and with it what the request's own memory holds.
const DATA: &[u8] = b"the application's own data, some bytes of it";

/// What has to arrive.
fn expected(buffer: Buffer) -> &'static [u8] {
    match buffer {
        Buffer::None => b"",
        Buffer::Value => &[0x78, 0x56, 0x34, 0x12],
        Buffer::Bytes | Buffer::Memory | Buffer::Preallocated | Buffer::Mdl => b"0123456789abcdef",
        Buffer::MemoryRange => b"3456789",
        Buffer::MdlPrefix => b"012345678",
        Buffer::RequestMemory | Buffer::RequestMdl => DATA,
        Buffer::RequestMemoryRange => &DATA[4..15],
    }
}

fn write(
    device: &Device<Probe>,
    received: &Received<'_>,
    target: Target,
    via: Via,
    buffer: Buffer,
) -> Result<Transferred, TransferError> {
    let own = b"0123456789abcdef";
    let mut memory = Memory::create(own.len())?;
    memory.as_mut_slice().copy_from_slice(own);
    let preallocated = PreallocatedMemory::create(own)?;
    let mdl = MemoryMdl::build(&memory)?;
    let request_memory = match buffer {
        Buffer::RequestMemory | Buffer::RequestMemoryRange => Some(received.input_memory()?),
        _ => None,
    };
    let value = 0x1234_5678_u32;
    let descriptor = match buffer {
        Buffer::None => MemoryDescriptor::NONE,
        Buffer::Bytes => MemoryDescriptor::bytes(own)?,
        Buffer::Value => MemoryDescriptor::value(&value)?,
        Buffer::Memory => MemoryDescriptor::memory(&memory)?,
        Buffer::MemoryRange => MemoryDescriptor::memory_range(&memory, 3..10)?,
        Buffer::Preallocated => MemoryDescriptor::memory(&preallocated)?,
        Buffer::Mdl => MemoryDescriptor::mdl(&mdl),
        Buffer::MdlPrefix => MemoryDescriptor::mdl_prefix(&mdl, 9)?,
        Buffer::RequestMemory => {
            MemoryDescriptor::memory(request_memory.as_ref().ok_or(Error::NOT_FOUND)?)?
        }
        Buffer::RequestMemoryRange => {
            MemoryDescriptor::memory_range(request_memory.as_ref().ok_or(Error::NOT_FOUND)?, 4..15)?
        }
        Buffer::RequestMdl => MemoryDescriptor::mdl(received.input_mdl()?),
    };
    let mut created = Request::create(device.io_target()?)?;
    let request = match via {
        Via::Framework => SendRequest::Framework,
        Via::Created => (&mut created).into(),
        Via::Received => received.into(),
    };
    let options = SendOptions::new();
    match target {
        Target::Local => {
            device
                .io_target()?
                .send_write_sync(request, descriptor, Some(0), &options)
        }
        Target::Remote => RemoteIoTarget::open_by_name(device, REMOTE_UTF16, Access::Write)?
            .send_write_sync(request, descriptor, None, &options),
        Target::Pipe => {
            let usb = device
                .context()?
                .usb
                .acquire()
                .ok_or(Error::DEVICE_NOT_CONNECTED)?;
            usb.pipe().pipe_write_sync(request, descriptor, &options)
        }
    }
}

/// The status that is documented for a combination that is not legal.
fn refusal(io_type: IoType, buffer: Buffer) -> Option<ErrorKind> {
    // WdfRequestRetrieveInputWdmMdl: a device that does neither I/O has no MDL to give.
    (io_type == IoType::Neither && buffer == Buffer::RequestMdl)
        .then_some(ErrorKind::InvalidDeviceRequest)
}

fn check(verifier: bool, io_type: IoType, target: Target, via: Via, buffer: Buffer) {
    let case = format!("verifier {verifier}, {io_type:?}, {target:?}, {via:?}, {buffer:?}");
    let setup = Setup {
        io_type,
        verifier,
        ..Setup::default()
    };
    let world = match target {
        Target::Pipe => World::usb(setup, usb_device()),
        Target::Local | Target::Remote => World::filter(setup, Loopback::new()),
    };
    let remote = world.add_remote(Loopback::new(), 1);
    let result = world.in_driver_with(DATA, move |device, received| {
        write(device, received, target, via, buffer)
    });
    let arrived = match target {
        Target::Local => world
            .host
            .with_lower(world.lower, |device: &mut Loopback| device.bytes()),
        Target::Remote => world
            .host
            .with_lower(remote, |device: &mut Loopback| device.bytes()),
        Target::Pipe => world
            .host
            .with_lower(world.lower, |device: &mut UsbDevice| {
                device.endpoint_mut(1).bytes().to_vec()
            }),
    };
    match refusal(io_type, buffer) {
        Some(kind) => {
            assert_eq!(result.expect_err(&case).kind(), kind, "{case}");
            assert!(arrived.is_empty(), "{case}");
        }
        None => {
            let sent = result.unwrap_or_else(|failed| panic!("{case}: {failed}"));
            assert_eq!(sent.bytes(), expected(buffer).len(), "{case}");
            assert_eq!(arrived, expected(buffer), "{case}");
        }
    }
    world.finish();
}

#[test]
fn every_legal_write_arrives_and_every_other_is_refused() {
    for verifier in [true, false] {
        for io_type in IO_TYPES {
            for target in TARGETS {
                for via in REQUESTS {
                    for buffer in BUFFERS {
                        check(verifier, io_type, target, via, buffer);
                    }
                }
            }
        }
    }
}

/// A received request whose IRP has too few stack locations for the target is refused, without the bugcheck that formatting it by hand could end in.
#[test]
fn a_received_request_needs_stack_locations() {
    let world = World::filter(Setup::default(), Loopback::new());
    let remote = world.add_remote(Loopback::new(), 5);
    let result = world.in_driver(|device, received| {
        let remote = RemoteIoTarget::open_by_name(device, REMOTE_UTF16, Access::Write)?;
        remote.send_write_sync(
            received,
            MemoryDescriptor::bytes(b"deep")?,
            None,
            &SendOptions::new(),
        )
    });
    let failed = result.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::RequestNotAccepted);
    assert_eq!(failed.bytes(), Some(0));
    assert!(
        world
            .host
            .with_lower(remote, |device: &mut Loopback| device.bytes())
            .is_empty()
    );
    world.finish();
}

/// The remote target by device object instead of by name.
#[test]
fn a_remote_target_by_device_object() {
    let world = World::filter(Setup::default(), Loopback::new());
    let sent = world.in_driver(|device, _| {
        // SAFETY: the device below stays until this device is removed, and the target is dropped here.
        let remote =
            unsafe { RemoteIoTarget::open_device_object(device, device.attached_device()) }?;
        remote.send_write_sync(
            SendRequest::Framework,
            MemoryDescriptor::bytes(b"by object")?,
            None,
            &SendOptions::new(),
        )
    });
    assert_eq!(sent.unwrap().bytes(), 9);
    assert_eq!(
        world
            .host
            .with_lower(world.lower, |device: &mut Loopback| device.bytes()),
        b"by object"
    );
    world.finish();
}

/// A device's offset reaches the lower driver as it is, the special values of WDM included.
#[test]
fn the_device_offset_is_passed_on() {
    for offset in [
        None,
        Some(0),
        Some(1),
        Some(4096),
        Some(i64::MAX),
        Some(-1),
        Some(-2),
    ] {
        let world = World::filter(Setup::default(), kmdf_host::Scripted::new(vec![]));
        world
            .in_driver(move |device, _| {
                device.io_target()?.send_write_sync(
                    SendRequest::Framework,
                    MemoryDescriptor::bytes(b"x")?,
                    offset,
                    &SendOptions::new(),
                )
            })
            .unwrap();
        let seen = world
            .host
            .with_lower(world.lower, |device: &mut kmdf_host::Scripted| {
                device.seen()[0].offset
            });
        assert_eq!(seen, offset.unwrap_or(0));
        world.finish();
    }
}
