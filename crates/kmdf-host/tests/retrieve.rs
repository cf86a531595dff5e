//! Section 4: the memory of received requests.

mod common;

use std::rc::Rc;

use common::*;
use kmdf_host::{Allocation, HostConfig, IoType, LowerConfig, Mode, Scripted};
use kmdf_sys::*;

/// What a driver got when it asked for one direction of a request's memory in all three ways.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answers {
    memory: NTSTATUS,
    buffer: NTSTATUS,
    length: usize,
    null: bool,
    mdl: NTSTATUS,
}

fn ask(request: WDFREQUEST, input: bool) -> Answers {
    let mut memory: WDFMEMORY = null();
    let mut buffer: PVOID = std::ptr::without_provenance_mut(1);
    let mut length = 77usize;
    let mut mdl: PMDL = std::ptr::without_provenance_mut(1);
    let (of_memory, of_buffer, of_mdl) = if input {
        (
            wdf!(WdfRequestRetrieveInputMemory(request, &raw mut memory)),
            wdf!(WdfRequestRetrieveInputBuffer(
                request,
                0,
                &raw mut buffer,
                &raw mut length
            )),
            wdf!(WdfRequestRetrieveInputWdmMdl(request, &raw mut mdl)),
        )
    } else {
        (
            wdf!(WdfRequestRetrieveOutputMemory(request, &raw mut memory)),
            wdf!(WdfRequestRetrieveOutputBuffer(
                request,
                0,
                &raw mut buffer,
                &raw mut length
            )),
            wdf!(WdfRequestRetrieveOutputWdmMdl(request, &raw mut mdl)),
        )
    };
    if of_memory == STATUS_SUCCESS {
        let mut size = 0usize;
        assert_eq!(wdf!(WdfMemoryGetBuffer(memory, &raw mut size)), buffer);
        assert_eq!(size, length);
        assert_eq!(memory.addr() & 1, 1, "an offset handle");
    }
    Answers {
        memory: of_memory,
        buffer: of_buffer,
        length,
        null: buffer.is_null(),
        mdl: of_mdl,
    }
}

fn answers(memory: NTSTATUS, length: usize, null: bool, mdl: NTSTATUS) -> Answers {
    Answers {
        memory,
        buffer: memory,
        length,
        null,
        mdl,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Io {
    Write(usize),
    Read(usize),
    Control(u32, usize, usize),
}

/// Sends one I/O to a driver on a device of this type and returns its answers for input and output.
fn received(io_type: IoType, io: Io, mode: Mode, verifier: bool) -> (Answers, Answers) {
    let default: Rc<dyn Fn(WDFQUEUE, WDFREQUEST)> = Rc::new(|_, request| {
        let both = (ask(request, true), ask(request, false));
        log(format!("{both:?}"));
        GOT.set(Some(both));
        wdf!(WdfRequestComplete(request, STATUS_SUCCESS));
    });
    let on = LowerConfig::new("disk").io_type(io_type);
    let hooks = Hooks {
        filter: true,
        default: Some(default),
        queue: Some(Box::new(|device| {
            let mut config = default_queue(_WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchParallel);
            config.AllowZeroLengthRequests = 1;
            create_queue(device, config);
        })),
        ..Hooks::default()
    };
    let bench = bench_on(
        HostConfig::new().verifier(verifier),
        Scripted::default(),
        on,
        hooks,
    );
    let file = bench.host.open(bench.stack).unwrap();
    let id = match io {
        Io::Write(length) => bench.host.submit_write(file, 0, &vec![1; length], mode),
        Io::Read(length) => bench.host.submit_read(file, 0, length, mode),
        Io::Control(code, input, output) => {
            bench
                .host
                .submit_ioctl(file, code, &vec![1; input], output, mode)
        }
    };
    bench.host.wait(id).unwrap();
    assert_eq!(
        bench.host.framework_mdls(),
        0,
        "the framework's MDL goes with the request"
    );
    GOT.take().unwrap()
}

thread_local! {
    static GOT: std::cell::Cell<Option<(Answers, Answers)>> = const { std::cell::Cell::new(None) };
}

const OK: NTSTATUS = STATUS_SUCCESS;
const BAD: NTSTATUS = STATUS_INVALID_DEVICE_REQUEST;
const SMALL: NTSTATUS = STATUS_BUFFER_TOO_SMALL;

#[test]
fn reads_and_writes() {
    let refused = answers(BAD, 0, true, BAD);
    for (io_type, mode, verifier, expected) in [
        (
            IoType::Buffered,
            Mode::User,
            false,
            answers(OK, 8, false, OK),
        ),
        (IoType::Direct, Mode::User, false, answers(OK, 8, false, OK)),
        (
            IoType::Neither,
            Mode::Kernel,
            false,
            answers(OK, 8, false, BAD),
        ),
        // Without the verifier a user's address is answered by success, no address and the length.
        (
            IoType::Neither,
            Mode::User,
            false,
            answers(OK, 8, true, BAD),
        ),
        (
            IoType::Neither,
            Mode::User,
            true,
            answers(BAD, 0, true, BAD),
        ),
    ] {
        let case = format!("{io_type:?} {mode:?} {verifier}");
        let (input, output) = received(io_type, Io::Write(8), mode, verifier);
        assert_eq!(
            (input, output),
            (expected.clone(), refused.clone()),
            "write {case}"
        );
        let (input, output) = received(io_type, Io::Read(8), mode, verifier);
        assert_eq!((input, output), (refused.clone(), expected), "read {case}");
    }
    for io_type in [IoType::Buffered, IoType::Direct] {
        let (input, _) = received(io_type, Io::Write(0), Mode::User, false);
        assert_eq!(input, answers(SMALL, 0, true, SMALL), "{io_type:?}");
    }
}

#[test]
fn control_codes() {
    let (buffered, in_direct, out_direct, neither) = (0x22_2000, 0x22_2001, 0x22_2002, 0x22_2003);
    for (io, mode, expected) in [
        (
            Io::Control(buffered, 5, 4),
            Mode::User,
            (answers(OK, 5, false, OK), answers(OK, 4, false, OK)),
        ),
        (
            Io::Control(in_direct, 5, 4),
            Mode::User,
            (answers(OK, 5, false, OK), answers(OK, 4, false, OK)),
        ),
        (
            Io::Control(out_direct, 5, 4),
            Mode::User,
            (answers(OK, 5, false, OK), answers(OK, 4, false, OK)),
        ),
        (
            Io::Control(neither, 5, 4),
            Mode::Kernel,
            (answers(OK, 5, false, BAD), answers(OK, 4, false, BAD)),
        ),
        (
            Io::Control(neither, 5, 4),
            Mode::User,
            (answers(BAD, 0, true, BAD), answers(BAD, 0, true, BAD)),
        ),
        (
            Io::Control(buffered, 0, 4),
            Mode::User,
            (answers(SMALL, 0, true, SMALL), answers(OK, 4, false, OK)),
        ),
        (
            Io::Control(buffered, 5, 0),
            Mode::User,
            (answers(OK, 5, false, OK), answers(SMALL, 0, true, SMALL)),
        ),
        (
            Io::Control(out_direct, 5, 0),
            Mode::User,
            (answers(OK, 5, false, OK), answers(SMALL, 0, true, SMALL)),
        ),
    ] {
        assert_eq!(
            received(IoType::Buffered, io, mode, false),
            expected,
            "{io:?} {mode:?}"
        );
    }
}

#[test]
fn minimum_lengths_and_failing_maps() {
    let hooks = Hooks {
        filter: true,
        write: Some(Rc::new(|_, request, length| {
            let mut buffer: PVOID = null();
            for (minimum, status) in [(length, OK), (length + 1, SMALL)] {
                let mut got = 7usize;
                let answer = wdf!(WdfRequestRetrieveInputBuffer(
                    request,
                    minimum,
                    &raw mut buffer,
                    &raw mut got
                ));
                assert_eq!(
                    (answer, got),
                    (status, if status == OK { length } else { 0 })
                );
            }
            let mut memory: WDFMEMORY = null();
            log(format!(
                "{:#x}",
                wdf!(WdfRequestRetrieveInputMemory(request, &raw mut memory))
            ));
            wdf!(WdfRequestComplete(request, OK));
        })),
        ..Hooks::default()
    };
    let bench = bench_on(
        HostConfig::new(),
        Scripted::default(),
        LowerConfig::new("disk").io_type(IoType::Direct),
        hooks,
    );
    let file = bench.host.open(bench.stack).unwrap();
    bench.host.fail_allocation(Allocation::Map, 3);
    bench.host.write(file, 0, b"1234").unwrap();
    assert_eq!(take_log(), [format!("{STATUS_INSUFFICIENT_RESOURCES:#x}")]);
}

#[test]
fn a_buffered_control_code_has_one_mdl() {
    let hooks = Hooks {
        filter: true,
        control: Some(Rc::new(|_, request, _, _, _| {
            let (mut first, mut second): (PMDL, PMDL) = (null(), null());
            assert_eq!(
                wdf!(WdfRequestRetrieveInputWdmMdl(request, &raw mut first)),
                OK
            );
            assert_eq!(
                wdf!(WdfRequestRetrieveOutputWdmMdl(request, &raw mut second)),
                OK
            );
            assert_eq!(first, second);
            // SAFETY: the framework made the MDL.
            let length = unsafe { (*first).ByteCount };
            assert_eq!(length, 6);
            wdf!(WdfRequestComplete(request, OK));
        })),
        ..Hooks::default()
    };
    let bench = bench(HostConfig::new(), Scripted::default(), hooks);
    let file = bench.host.open(bench.stack).unwrap();
    let mut output = [0u8; 2];
    assert_eq!(
        bench
            .host
            .ioctl(file, 0x22_2000, &[1; 6], &mut output)
            .unwrap()
            .status,
        OK
    );
    assert!(bench.host.finish().is_clean());
}

#[test]
fn input_memory_is_read_only_and_its_data_is_the_applications() {
    let hooks = Hooks {
        filter: true,
        write: Some(Rc::new(|_, request, length| {
            let mut memory: WDFMEMORY = null();
            assert_eq!(
                wdf!(WdfRequestRetrieveInputMemory(request, &raw mut memory)),
                OK
            );
            let mut copy = [0u8; 8];
            assert_eq!(
                wdf!(WdfMemoryCopyToBuffer(
                    memory,
                    1,
                    copy.as_mut_ptr().cast(),
                    length - 1
                )),
                OK
            );
            assert_eq!(&copy[..length - 1], b"bcd");
            for offset in [0, 99] {
                let status = wdf!(WdfMemoryCopyFromBuffer(
                    memory,
                    offset,
                    copy.as_mut_ptr().cast(),
                    1
                ));
                assert_eq!(status, STATUS_ACCESS_VIOLATION);
            }
            assert_eq!(
                wdf!(WdfMemoryCopyToBuffer(
                    memory,
                    4,
                    copy.as_mut_ptr().cast(),
                    1
                )),
                STATUS_BUFFER_TOO_SMALL
            );
            wdf!(WdfRequestComplete(request, OK));
        })),
        read: Some(Rc::new(|_, request, length| {
            let mut memory: WDFMEMORY = null();
            assert_eq!(
                wdf!(WdfRequestRetrieveOutputMemory(request, &raw mut memory)),
                OK
            );
            let mut data = *b"read";
            assert_eq!(
                wdf!(WdfMemoryCopyFromBuffer(
                    memory,
                    0,
                    data.as_mut_ptr().cast(),
                    4
                )),
                OK
            );
            let status = wdf!(WdfMemoryCopyFromBuffer(
                memory,
                length,
                data.as_mut_ptr().cast(),
                1
            ));
            assert_eq!(status, STATUS_INVALID_BUFFER_SIZE);
            wdf!(WdfRequestCompleteWithInformation(request, OK, 4));
        })),
        ..Hooks::default()
    };
    let bench = bench(HostConfig::new(), Scripted::default(), hooks);
    let file = bench.host.open(bench.stack).unwrap();
    assert_eq!(bench.host.write(file, 0, b"abcd").unwrap().status, OK);
    let mut buffer = [0u8; 6];
    assert_eq!(
        bench.host.read(file, 0, &mut buffer).unwrap().information,
        4
    );
    assert_eq!(&buffer, b"read\0\0");
}

unsafe extern "C" fn in_caller_context(device: WDFDEVICE, request: WDFREQUEST) {
    let mut parameters = WDF_REQUEST_PARAMETERS {
        Size: u16::try_from(size_of::<WDF_REQUEST_PARAMETERS>()).unwrap(),
        ..Default::default()
    };
    wdf!(WdfRequestGetParameters(request, &raw mut parameters));
    if parameters.Type != _WDF_REQUEST_TYPE::WdfRequestTypeWrite {
        wdf!(WdfRequestComplete(request, OK));
        return;
    }
    let (mut buffer, mut length): (PVOID, usize) = (null(), 0);
    let status = wdf!(WdfRequestRetrieveUnsafeUserInputBuffer(
        request,
        0,
        &raw mut buffer,
        &raw mut length
    ));
    assert_eq!((status, length), (OK, 4));
    let mut memory: WDFMEMORY = null();
    let mut lock = |length| {
        wdf!(WdfRequestProbeAndLockUserBufferForRead(
            request,
            buffer,
            length,
            &raw mut memory
        ))
    };
    assert_eq!(lock(0), STATUS_INVALID_USER_BUFFER);
    assert_eq!(lock(length), OK);
    let mut copy = [0u8; 4];
    assert_eq!(
        wdf!(WdfMemoryCopyToBuffer(
            memory,
            0,
            copy.as_mut_ptr().cast(),
            4
        )),
        OK
    );
    log(String::from_utf8_lossy(&copy));
    assert_eq!(wdf!(WdfDeviceEnqueueRequest(device, request)), OK);
}

#[test]
fn user_addresses_are_locked_in_the_callers_context() {
    let hooks = Hooks {
        filter: true,
        init: Some(Box::new(|init| {
            wdf!(WdfDeviceInitSetIoInCallerContextCallback(
                init,
                Some(in_caller_context)
            ));
        })),
        write: Some(Rc::new(|_, request, _| {
            let (mut buffer, mut length): (PVOID, usize) = (null(), 0);
            let status = wdf!(WdfRequestRetrieveUnsafeUserInputBuffer(
                request,
                0,
                &raw mut buffer,
                &raw mut length
            ));
            assert_eq!(
                (status, buffer.is_null(), length),
                (BAD, true, 0),
                "too late"
            );
            log("EvtIoWrite");
            wdf!(WdfRequestComplete(request, OK));
        })),
        ..Hooks::default()
    };
    let on = LowerConfig::new("disk").io_type(IoType::Neither);
    let bench = bench_on(
        HostConfig::new().verifier(true),
        Scripted::default(),
        on,
        hooks,
    );
    let file = bench.host.open(bench.stack).unwrap();
    assert_eq!(bench.host.write(file, 0, b"user").unwrap().status, OK);
    assert_eq!(take_log(), ["user", "EvtIoWrite"]);
    assert_eq!(
        (bench.host.framework_mdls(), bench.host.locked_mdls()),
        (0, 0)
    );
}
