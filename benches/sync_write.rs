//! What the two synchronous writes cost, in instructions: the library (`safe`) beside the same call
//! written raw, as the C macros do it.
//!
//! `raw` is what a careful C driver writes: structures initialised by the INIT macros, the call
//! through the function table, no check. `checked` is the same with what the library always checks:
//! before the call the IRQL, that a memory object fits the framework's 32-bit length, and that a
//! stored pipe is of the current configuration; after it the lower driver's byte count against what
//! it was given, the status, and whether a cancel handle is out. So `safe` against `checked` is
//! what the abstraction costs, and `checked` against `raw` what the checks cost. With a request of
//! the driver's own, both raw forms call WdfRequestReuse after the send, as the library does and as
//! every driver must.
//!
//! `cargo bench --bench sync_write -- --save-summary=json && cargo bench --bench table` prints the
//! table of docs/cost.md.

#![allow(missing_docs, reason = "a program")]
#![allow(
    clippy::undocumented_unsafe_blocks,
    clippy::multiple_unsafe_ops_per_block,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the raw side is written as raw drivers are"
)]

mod framework;

use core::hint::black_box;
use core::ptr;
use core::time::Duration;

use gungraun::{library_benchmark, library_benchmark_group, main};
use kmdf::{
    Device, IoTarget, Memory, MemoryDescriptor, MemoryMdl, Object, Out, PipeKey, Request,
    SendOptions, SendRequest, TransferError, Transferred, UsbConfiguration, UsbDevice, UsbPipe,
};
use kmdf_sys::*;

struct Context;
kmdf::context!(Context);

/// What is written, and to where.
struct World {
    target: &'static IoTarget,
    configuration: UsbConfiguration,
    key: PipeKey<Out>,
    request: Request,
    memory: &'static Memory,
    mdl: MemoryMdl<'static>,
    bytes: [u8; 64],
    raw: Raw,
}

/// The same, as a raw driver has it in its device context.
struct Raw {
    target: WDFIOTARGET,
    pipe: WDFUSBPIPE,
    request: WDFREQUEST,
    memory: WDFMEMORY,
    memory_length: usize,
    mdl: PMDL,
    mdl_length: ULONG,
    configuration: u64,
    pipe_configuration: u64,
    cancellable: bool,
}

fn world() -> Box<World> {
    // SAFETY: the framework of this program never looks into a handle.
    let device: &Device<Context> = unsafe { Device::from_raw(framework::handle()) };
    // SAFETY: as above.
    let target: &IoTarget = unsafe { IoTarget::from_raw(framework::handle()) };
    let (configuration, key) = UsbDevice::create(device)
        .and_then(|usb| {
            usb.select_config(|interfaces| {
                interfaces
                    .pipes()
                    .find_map(UsbPipe::into_out)
                    .map(|pipe| pipe.key())
                    .ok_or(kmdf::Error::NOT_FOUND)
            })
        })
        .expect("the framework has a pipe");
    let memory = Box::leak(Box::new(
        Memory::create(4096).expect("the framework has memory"),
    ));
    let raw_mdl = unsafe { ntddk::IoAllocateMdl(ptr::null_mut(), 0, 0, 0, ptr::null_mut()) };
    black_box(Box::new(World {
        target,
        configuration,
        key,
        request: Request::create(target).expect("the framework has requests"),
        memory,
        mdl: MemoryMdl::build(memory).expect("the framework has MDLs"),
        bytes: [1; 64],
        raw: Raw {
            target: framework::handle().as_ptr(),
            pipe: framework::handle().as_ptr(),
            request: framework::handle().as_ptr(),
            memory: framework::handle().as_ptr(),
            memory_length: 4096,
            mdl: raw_mdl,
            mdl_length: 4096,
            configuration: 0,
            pipe_configuration: 0,
            cancellable: false,
        },
    }))
}

/// Status and bytes, as both sides hand them to their caller.
type Outcome = (NTSTATUS, usize);

fn outcome(result: Result<Transferred, TransferError>) -> Outcome {
    match result {
        Ok(sent) => (sent.status().into_raw(), sent.bytes()),
        Err(failed) => (
            failed.error().status().into_raw(),
            failed.bytes().unwrap_or(0),
        ),
    }
}

/// Calls through the table, as the inline functions of the WDF headers do.
macro_rules! wdf {
    ($name:ident: $type:ident($($argument:expr),*)) => {{
        let function = *WdfFunctions.add(_WDFFUNCENUM::$name as usize);
        let function: $type = core::mem::transmute::<WDFFUNC, $type>(function);
        function.unwrap_unchecked()(WdfDriverGlobals, $($argument),*)
    }};
}

unsafe fn raw_reuse(request: WDFREQUEST) {
    let mut params = WDF_REQUEST_REUSE_PARAMS {
        Size: size_of::<WDF_REQUEST_REUSE_PARAMS>() as ULONG,
        Status: STATUS_SUCCESS,
        ..Default::default()
    };
    let _ =
        unsafe { wdf!(WdfRequestReuseTableIndex: PFN_WDFREQUESTREUSE(request, &raw mut params)) };
}

/// The part of a raw call that depends on the kind of buffer: runs `$send` with a pointer to the
/// descriptor.
macro_rules! raw_buffer {
    (none, $world:ident, |$descriptor:ident| $send:expr) => {{
        let $descriptor: PWDF_MEMORY_DESCRIPTOR = ptr::null_mut();
        $send
    }};
    (bytes, $world:ident, |$descriptor:ident| $send:expr) => {{
        let mut place = WDF_MEMORY_DESCRIPTOR {
            Type: _WDF_MEMORY_DESCRIPTOR_TYPE::WdfMemoryDescriptorTypeBuffer,
            ..Default::default()
        };
        place.u.BufferType.Buffer = $world.bytes.as_ptr().cast_mut().cast();
        place.u.BufferType.Length = $world.bytes.len() as ULONG;
        let $descriptor = &raw mut place;
        $send
    }};
    (memory, $world:ident, |$descriptor:ident| $send:expr) => {{
        let mut place = WDF_MEMORY_DESCRIPTOR {
            Type: _WDF_MEMORY_DESCRIPTOR_TYPE::WdfMemoryDescriptorTypeHandle,
            ..Default::default()
        };
        place.u.HandleType.Memory = $world.raw.memory;
        place.u.HandleType.Offsets = ptr::null_mut();
        let $descriptor = &raw mut place;
        $send
    }};
    (range, $world:ident, |$descriptor:ident| $send:expr) => {{
        let mut offsets = WDFMEMORY_OFFSET {
            BufferOffset: 16,
            BufferLength: 512,
        };
        let mut place = WDF_MEMORY_DESCRIPTOR {
            Type: _WDF_MEMORY_DESCRIPTOR_TYPE::WdfMemoryDescriptorTypeHandle,
            ..Default::default()
        };
        place.u.HandleType.Memory = $world.raw.memory;
        place.u.HandleType.Offsets = &raw mut offsets;
        let $descriptor = &raw mut place;
        $send
    }};
    (mdl, $world:ident, |$descriptor:ident| $send:expr) => {{
        let mut place = WDF_MEMORY_DESCRIPTOR {
            Type: _WDF_MEMORY_DESCRIPTOR_TYPE::WdfMemoryDescriptorTypeMdl,
            ..Default::default()
        };
        place.u.MdlType.Mdl = $world.raw.mdl;
        place.u.MdlType.BufferLength = $world.raw.mdl_length;
        let $descriptor = &raw mut place;
        $send
    }};
}

/// The options of a raw call: runs `$send` with a pointer to them.
macro_rules! raw_options {
    (forever, |$options:ident| $send:expr) => {{
        let $options: PWDF_REQUEST_SEND_OPTIONS = ptr::null_mut();
        $send
    }};
    (timeout, |$options:ident| $send:expr) => {{
        let mut place = WDF_REQUEST_SEND_OPTIONS {
            Size: size_of::<WDF_REQUEST_SEND_OPTIONS>() as ULONG,
            Flags: _WDF_REQUEST_SEND_OPTIONS_FLAGS::WDF_REQUEST_SEND_OPTION_TIMEOUT as ULONG,
            Timeout: -10_000 * 500,
        };
        let $options = &raw mut place;
        $send
    }};
}

macro_rules! raw_request {
    (framework, $world:ident) => {
        ptr::null_mut()
    };
    (created, $world:ident) => {
        $world.raw.request
    };
}

macro_rules! raw_finish {
    (framework, $world:ident) => {};
    (created, $world:ident) => {
        unsafe { raw_reuse($world.raw.request) }
    };
}

macro_rules! raw_send {
    (target, $world:ident, $request:ident, $buffer:ident, $options:ident) => {
        raw_buffer!($buffer, $world, |descriptor| raw_options!($options, |options| {
            let mut offset: LONGLONG = 4096;
            let mut written: ULONG_PTR = 0;
            let status = unsafe {
                wdf!(WdfIoTargetSendWriteSynchronouslyTableIndex: PFN_WDFIOTARGETSENDWRITESYNCHRONOUSLY(
                    $world.raw.target, raw_request!($request, $world), descriptor, &raw mut offset, options, &raw mut written
                ))
            };
            raw_finish!($request, $world);
            (status, written as usize)
        }))
    };
    (pipe, $world:ident, $request:ident, $buffer:ident, $options:ident) => {
        raw_buffer!($buffer, $world, |descriptor| raw_options!($options, |options| {
            let mut written: ULONG = 0;
            let status = unsafe {
                wdf!(WdfUsbTargetPipeWriteSynchronouslyTableIndex: PFN_WDFUSBTARGETPIPEWRITESYNCHRONOUSLY(
                    $world.raw.pipe, raw_request!($request, $world), options, descriptor, &raw mut written
                ))
            };
            raw_finish!($request, $world);
            (status, written as usize)
        }))
    };
}

/// Bytes given, for `checked`.
macro_rules! raw_length {
    (none, $world:ident) => {
        0
    };
    (bytes, $world:ident) => {
        $world.bytes.len()
    };
    (memory, $world:ident) => {
        $world.raw.memory_length
    };
    (range, $world:ident) => {
        512
    };
    (mdl, $world:ident) => {
        $world.raw.mdl_length as usize
    };
}

/// A pipe that is stored is used only with the configuration it is of.
macro_rules! raw_configuration {
    (target, $world:ident) => {};
    (pipe, $world:ident) => {
        if $world.raw.pipe_configuration != $world.raw.configuration {
            return (STATUS_INVALID_DEVICE_STATE, 0);
        }
    };
}

/// A cancel handle that is out is spent when the send is over.
macro_rules! raw_cancellable {
    (framework, $world:ident) => {};
    (created, $world:ident) => {
        if $world.raw.cancellable {
            std::process::abort();
        }
    };
}

/// Status and count, checked as the library does: see `Transferred` and `TransferError`.
macro_rules! raw_outcome {
    (target, $status:ident, $written:ident, $given:ident) => {
        ($status, $written.min($given))
    };
    (pipe, $status:ident, $written:ident, $given:ident) => {
        if NT_SUCCESS($status) || $given == 0 || $written < $given {
            ($status, $written.min($given))
        } else {
            ($status, 0)
        }
    };
}

macro_rules! buffer {
    (none, $world:ident) => {
        MemoryDescriptor::NONE
    };
    (bytes, $world:ident) => {
        MemoryDescriptor::bytes(&$world.bytes)?
    };
    (memory, $world:ident) => {
        MemoryDescriptor::memory($world.memory)?
    };
    (range, $world:ident) => {
        MemoryDescriptor::memory_range($world.memory, 16..528)?
    };
    (mdl, $world:ident) => {
        MemoryDescriptor::mdl(&$world.mdl)
    };
}

macro_rules! options {
    (forever) => {
        &const { SendOptions::new() }
    };
    (timeout) => {
        &const { SendOptions::new().timeout(Duration::from_millis(500)) }
    };
}

macro_rules! request {
    (framework, $world:ident) => {
        SendRequest::Framework
    };
    (created, $world:ident) => {
        &mut $world.request
    };
}

macro_rules! send {
    (target, $world:ident, $request:ident, $buffer:ident, $options:ident) => {
        $world.target.send_write_sync(
            request!($request, $world),
            buffer!($buffer, $world),
            Some(4096),
            options!($options),
        )
    };
    (pipe, $world:ident, $request:ident, $buffer:ident, $options:ident) => {
        $world.configuration.pipe(&$world.key)?.pipe_write_sync(
            request!($request, $world),
            buffer!($buffer, $world),
            options!($options),
        )
    };
}

type Body = fn(&mut World) -> Outcome;

fn call((body, mut world): (Body, Box<World>)) -> (Outcome, Box<World>) {
    let outcome = body(&mut world);
    (outcome, world)
}

/// All combinations, each as a function of its own in the three manners, and as a benchmark of the
/// same id.
macro_rules! cases {
    ($($id:ident: $place:ident, $request:ident, $buffer:ident, $options:ident;)*) => {
        mod raw_body {
            use super::*;
            $(#[inline(never)] pub(super) fn $id(world: &mut World) -> Outcome {
                raw_send!($place, world, $request, $buffer, $options)
            })*
        }
        mod checked_body {
            use super::*;
            $(#[inline(never)] pub(super) fn $id(world: &mut World) -> Outcome {
                if unsafe { ntddk::KeGetCurrentIrql() } != PASSIVE_LEVEL as KIRQL {
                    return (STATUS_INVALID_DEVICE_REQUEST, 0);
                }
                let given = raw_length!($buffer, world);
                if given > ULONG::MAX as usize {
                    return (STATUS_INVALID_PARAMETER, 0);
                }
                raw_configuration!($place, world);
                let (status, written) = raw_send!($place, world, $request, $buffer, $options);
                raw_cancellable!($request, world);
                raw_outcome!($place, status, written, given)
            })*
        }
        mod safe_body {
            use super::*;
            $(#[inline(never)] pub(super) fn $id(world: &mut World) -> Outcome {
                fn send(world: &mut World) -> Result<Transferred, TransferError> {
                    send!($place, world, $request, $buffer, $options)
                }
                outcome(send(world))
            })*
        }

        #[library_benchmark]
        $(#[bench::$id((raw_body::$id as Body, world()))])*
        fn raw(case: (Body, Box<World>)) -> (Outcome, Box<World>) {
            call(case)
        }

        #[library_benchmark]
        $(#[bench::$id((checked_body::$id as Body, world()))])*
        fn checked(case: (Body, Box<World>)) -> (Outcome, Box<World>) {
            call(case)
        }

        #[library_benchmark]
        $(#[bench::$id((safe_body::$id as Body, world()))])*
        fn safe(case: (Body, Box<World>)) -> (Outcome, Box<World>) {
            call(case)
        }
    };
}

cases! {
    target_none_forever: target, framework, none, forever;
    target_none_timeout: target, framework, none, timeout;
    target_bytes_forever: target, framework, bytes, forever;
    target_bytes_timeout: target, framework, bytes, timeout;
    target_memory_forever: target, framework, memory, forever;
    target_memory_timeout: target, framework, memory, timeout;
    target_range_forever: target, framework, range, forever;
    target_range_timeout: target, framework, range, timeout;
    target_mdl_forever: target, framework, mdl, forever;
    target_mdl_timeout: target, framework, mdl, timeout;
    target_bytes_created: target, created, bytes, timeout;
    pipe_none_forever: pipe, framework, none, forever;
    pipe_none_timeout: pipe, framework, none, timeout;
    pipe_bytes_forever: pipe, framework, bytes, forever;
    pipe_bytes_timeout: pipe, framework, bytes, timeout;
    pipe_memory_forever: pipe, framework, memory, forever;
    pipe_memory_timeout: pipe, framework, memory, timeout;
    pipe_range_forever: pipe, framework, range, forever;
    pipe_range_timeout: pipe, framework, range, timeout;
    pipe_mdl_forever: pipe, framework, mdl, forever;
    pipe_mdl_timeout: pipe, framework, mdl, timeout;
    pipe_bytes_created: pipe, created, bytes, timeout;
}

library_benchmark_group!(
    name = sync_write,
    compare_by_id = true,
    benchmarks = [raw, checked, safe]
);
main!(library_benchmark_groups = sync_write);
