//! Section 1: synchronous sends to a general target, check by check.

mod common;

use std::ptr;
use std::rc::Rc;

use common::*;
use kmdf_host::{
    Allocation, Disk, HostConfig, IoType, LowerConfig, OnCancel, Outcome, Reply, Scripted, Ticks,
    ViolationKind,
};
use kmdf_sys::missing::STATUS_WDF_DEVICE_REMOVED_NOT_SENT;
use kmdf_sys::*;

const UNTOUCHED: u64 = u64::MAX;

/// The kinds of buffer a write can be given.
#[derive(Clone, Copy, Debug)]
enum Buffer {
    None,
    Local,
    Empty,
    Memory,
    Range(usize, usize),
    Mdl,
}

/// Writes 16 bytes 0..16 from the given kind of buffer, in driver code.
fn write_from(buffer: Buffer) -> (NTSTATUS, u64) {
    let bytes: Vec<u8> = (0..16).collect();
    let mut range;
    let mut memory = ptr::null_mut();
    let mut mdl = ptr::null_mut();
    let mut descriptor = match buffer {
        Buffer::None => WDF_MEMORY_DESCRIPTOR::default(),
        Buffer::Local => buffer_descriptor(bytes.as_ptr(), 16),
        Buffer::Empty => buffer_descriptor(bytes.as_ptr(), 0),
        Buffer::Memory => {
            memory = create_memory(&bytes);
            memory_descriptor(memory, ptr::null_mut())
        }
        Buffer::Range(offset, length) => {
            memory = create_memory(&bytes);
            range = WDFMEMORY_OFFSET {
                BufferOffset: offset,
                BufferLength: length,
            };
            memory_descriptor(memory, &raw mut range)
        }
        Buffer::Mdl => {
            // SAFETY: the memory outlives the MDL.
            mdl = unsafe {
                ntddk::IoAllocateMdl(bytes.as_ptr().cast_mut().cast(), 16, 0, 0, ptr::null_mut())
            };
            // SAFETY: the MDL was allocated above.
            unsafe { ntddk::MmBuildMdlForNonPagedPool(mdl) };
            let mut descriptor = WDF_MEMORY_DESCRIPTOR {
                Type: _WDF_MEMORY_DESCRIPTOR_TYPE::WdfMemoryDescriptorTypeMdl,
                ..Default::default()
            };
            descriptor.u.MdlType.Mdl = mdl;
            descriptor.u.MdlType.BufferLength = 16;
            descriptor
        }
    };
    let descriptor = if matches!(buffer, Buffer::None) {
        ptr::null_mut()
    } else {
        &raw mut descriptor
    };
    let mut written = UNTOUCHED;
    let mut offset = 512i64;
    let status = wdf!(WdfIoTargetSendWriteSynchronously(
        target(),
        ptr::null_mut(),
        descriptor,
        &raw mut offset,
        ptr::null_mut(),
        &raw mut written
    ));
    if !memory.is_null() {
        delete(memory);
    }
    if !mdl.is_null() {
        // SAFETY: the MDL was allocated above and is not used any more.
        unsafe { ntddk::IoFreeMdl(mdl) };
    }
    (status, written)
}

#[test]
fn every_buffer_arrives_by_every_io_type() {
    let cases: [(Buffer, &[u8]); 7] = [
        (Buffer::None, &[]),
        (
            Buffer::Local,
            &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        ),
        (
            Buffer::Memory,
            &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        ),
        (
            Buffer::Range(0, 0),
            &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        ),
        (Buffer::Range(12, 0), &[12, 13, 14, 15]),
        (Buffer::Range(3, 2), &[3, 4]),
        (
            Buffer::Mdl,
            &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        ),
    ];
    for io_type in [IoType::Buffered, IoType::Direct, IoType::Neither] {
        for (buffer, expected) in cases {
            let on = LowerConfig::new("disk").io_type(io_type);
            let bench = bench_on(
                HostConfig::new(),
                Scripted::default(),
                on,
                Hooks {
                    filter: true,
                    ..Hooks::default()
                },
            );
            let result = on_thread(&bench.host, move || write_from(buffer));
            assert_eq!(
                result,
                (STATUS_SUCCESS, expected.len() as u64),
                "{io_type:?} {buffer:?}"
            );
            bench.host.with_lower(bench.lower, |lower: &mut Scripted| {
                let seen = &lower.seen()[0];
                assert_eq!(
                    (seen.major, seen.offset, seen.length as usize),
                    (4, 512, expected.len())
                );
                assert_eq!(seen.data, expected, "{io_type:?} {buffer:?}");
                let set = [
                    !seen.system_buffer.is_null(),
                    !seen.mdl.is_null(),
                    !seen.user_buffer.is_null(),
                ];
                let any = !expected.is_empty();
                let wanted = match io_type {
                    IoType::Buffered => [any, false, false],
                    IoType::Direct => [false, any, false],
                    IoType::Neither => [false, false, any],
                };
                assert_eq!(set, wanted, "{io_type:?} {buffer:?}");
            });
            assert_eq!(
                (
                    bench.host.framework_irps(),
                    bench.host.framework_mdls(),
                    bench.host.locked_mdls()
                ),
                (0, 0, 0)
            );
            assert!(bench.host.finish().is_clean());
        }
    }
}

#[test]
fn an_empty_buffer_is_a_zero_length_write() {
    for io_type in [IoType::Buffered, IoType::Neither] {
        let on = LowerConfig::new("disk").io_type(io_type);
        let bench = bench_on(
            HostConfig::new(),
            Scripted::default(),
            on,
            Hooks {
                filter: true,
                ..Hooks::default()
            },
        );
        assert_eq!(
            on_thread(&bench.host, || write_from(Buffer::Empty)),
            (STATUS_SUCCESS, 0)
        );
    }
}

#[test]
fn descriptors_are_checked() {
    let bench = plain(HostConfig::new(), Scripted::default());
    on_thread(&bench.host, || {
        let bytes = [0u8; 16];
        let memory = create_memory(&bytes);
        let send = |mut descriptor: WDF_MEMORY_DESCRIPTOR| {
            let mut written = UNTOUCHED;
            let status = wdf!(WdfIoTargetSendWriteSynchronously(
                target(),
                null(),
                &raw mut descriptor,
                null(),
                null(),
                &raw mut written
            ));
            assert_eq!(written, UNTOUCHED);
            status
        };
        let of_type = |number| WDF_MEMORY_DESCRIPTOR {
            Type: number,
            ..Default::default()
        };
        assert_eq!(
            send(buffer_descriptor(ptr::null(), 4)),
            STATUS_INVALID_PARAMETER
        );
        assert_eq!(
            send(buffer_descriptor(ptr::null(), 0)),
            STATUS_INVALID_PARAMETER
        );
        assert_eq!(
            send(of_type(
                _WDF_MEMORY_DESCRIPTOR_TYPE::WdfMemoryDescriptorTypeMdl
            )),
            STATUS_INVALID_PARAMETER
        );
        assert_eq!(
            send(memory_descriptor(null(), null())),
            STATUS_INVALID_PARAMETER
        );
        assert_eq!(send(of_type(0)), STATUS_INVALID_PARAMETER);
        assert_eq!(send(of_type(4)), STATUS_INVALID_PARAMETER);
        for (offset, length) in [(8, 9), (17, 0), (usize::MAX, 2), (0, 17)] {
            let mut range = WDFMEMORY_OFFSET {
                BufferOffset: offset,
                BufferLength: length,
            };
            assert_eq!(
                send(memory_descriptor(memory, &raw mut range)),
                STATUS_INTEGER_OVERFLOW
            );
        }
    });
    bench.host.with_lower(bench.lower, |lower: &mut Scripted| {
        assert!(lower.seen().is_empty())
    });
}

#[test]
fn options_are_checked_before_descriptors() {
    let bench = plain(HostConfig::new(), Scripted::default());
    on_thread(&bench.host, || {
        let mut bad_size = options(0, 0);
        bad_size.Size = 15;
        for (options, status) in [
            (bad_size, STATUS_INFO_LENGTH_MISMATCH),
            (options(0x10, 0), STATUS_INVALID_PARAMETER),
            (options(i32::MIN, 0), STATUS_INVALID_PARAMETER),
            (options(FORGET | TIMEOUT, 0), STATUS_INVALID_PARAMETER),
            (options(FORGET, 0), STATUS_SUCCESS),
            (options(SYNCHRONOUS, 0), STATUS_SUCCESS),
            (
                options(SYNCHRONOUS | TIMEOUT | IGNORE_STATE, ms(1)),
                STATUS_SUCCESS,
            ),
        ] {
            let (got, written) = sync_write(target(), null(), b"1234", Some(options));
            assert_eq!(got, status, "{:#x}", options.Flags);
            assert_eq!(
                written,
                if status == STATUS_SUCCESS {
                    4
                } else {
                    UNTOUCHED
                }
            );
        }
    });
}

#[test]
fn the_verifier_refuses_a_high_irql_first() {
    for (verifier, expected) in [
        (true, (STATUS_INVALID_DEVICE_REQUEST, UNTOUCHED)),
        (false, (STATUS_SUCCESS, 1)),
    ] {
        let bench = plain(HostConfig::new().verifier(verifier), Scripted::default());
        let result = on_thread(&bench.host, || {
            // SAFETY: no precondition.
            let old = unsafe { ntddk::KfRaiseIrql(2) };
            let result = sync_write(target(), null(), b"x", None);
            // SAFETY: no precondition.
            unsafe { ntddk::KeLowerIrql(old) };
            result
        });
        assert_eq!(result, expected);
        assert_eq!(bench.host.breaks(), u64::from(verifier));
        let report = bench.host.finish();
        assert!(
            report
                .violations
                .iter()
                .any(|violation| violation.kind == ViolationKind::Irql)
        );
    }
}

#[test]
fn a_time_out_cancels_and_is_renamed_but_does_not_bound_the_call() {
    let cancelled = Reply::default().pend();
    let later = Reply::default().pend().on_cancel(OnCancel::Complete {
        outcome: Outcome::new(STATUS_CANCELLED, 3),
        after: Ticks::from_millis(40),
    });
    let ignored = Reply::default()
        .after(Ticks::from_millis(100))
        .on_cancel(OnCancel::Ignore);
    let fails = Reply::new(STATUS_UNSUCCESSFUL)
        .information(2)
        .after(Ticks::from_millis(100))
        .on_cancel(OnCancel::Ignore);
    for (reply, timeout, expected, at) in [
        (cancelled.clone(), ms(10), (STATUS_IO_TIMEOUT, 0), 10),
        (later, ms(10), (STATUS_IO_TIMEOUT, 3), 50),
        (ignored, ms(10), (STATUS_SUCCESS, 4), 100),
        (fails, ms(10), (STATUS_UNSUCCESSFUL, 2), 100),
        (
            Reply::default().after(Ticks::from_millis(5)),
            ms(10),
            (STATUS_SUCCESS, 4),
            5,
        ),
        (
            Reply::default().after(Ticks::from_millis(5)),
            0,
            (STATUS_SUCCESS, 4),
            5,
        ),
        // An absolute time long gone.
        (cancelled, 1, (STATUS_IO_TIMEOUT, 0), 0),
        (
            Reply::default().after(Ticks::from_millis(5)),
            i64::MAX,
            (STATUS_SUCCESS, 4),
            5,
        ),
    ] {
        let bench = plain(HostConfig::new(), Scripted::new(vec![reply]));
        let result = on_thread(&bench.host, move || {
            sync_write(target(), null(), b"abcd", Some(options(TIMEOUT, timeout)))
        });
        assert_eq!((result, bench.host.now().as_millis()), (expected, at));
        let zero = (timeout == 0).then_some(ViolationKind::TimeoutZero);
        assert_eq!(found(bench), Vec::from_iter(zero));
    }
}

#[test]
fn a_time_out_without_its_flag_is_none() {
    let bench = plain(
        HostConfig::new(),
        Scripted::new(vec![Reply::default().after(Ticks::from_millis(50))]),
    );
    let result = on_thread(&bench.host, || {
        sync_write(target(), null(), b"x", Some(options(0, ms(1))))
    });
    assert_eq!(result, (STATUS_SUCCESS, 1));
}

#[test]
fn the_cancel_flag_sticks_until_reuse() {
    let bench = plain(
        HostConfig::new(),
        Scripted::new(vec![Reply::default().pend(), Reply::default()]),
    );
    on_thread(&bench.host, || {
        let request = create_request(target());
        let short = Some(options(TIMEOUT, ms(1)));
        assert_eq!(
            sync_write(target(), request, b"1", short),
            (STATUS_IO_TIMEOUT, 0)
        );
        assert_eq!(
            sync_write(target(), request, b"2", None),
            (STATUS_CANCELLED, 0)
        );
        assert_eq!(wdf!(WdfRequestGetStatus(request)), STATUS_CANCELLED);
        assert_eq!(reuse(request, STATUS_SUCCESS), STATUS_SUCCESS);
        assert_eq!(
            sync_write(target(), request, b"3", None),
            (STATUS_SUCCESS, 1)
        );
        // Cancelling late does nothing to the write that is done, and everything to the next.
        assert_eq!(wdf!(WdfRequestCancelSentRequest(request)), 0);
        assert_eq!(
            sync_write(target(), request, b"4", None).0,
            STATUS_CANCELLED
        );
        delete(request);
    });
    bench.host.with_lower(bench.lower, |lower: &mut Scripted| {
        assert_eq!(lower.seen().len(), 2)
    });
    assert_eq!(found(bench), [ViolationKind::StaleCancel; 2]);
}

#[test]
fn another_thread_cancels_a_waiting_send() {
    let bench = plain(
        HostConfig::new(),
        Scripted::new(vec![Reply::default().pend()]),
    );
    let request = on_thread(&bench.host, || create_request(target()));
    bench.host.spawn("sender", move || {
        assert_eq!(
            sync_write(target(), request, b"1", None),
            (STATUS_CANCELLED, 0)
        );
        log("returned");
    });
    bench.host.run().unwrap();
    assert!(take_log().is_empty());
    on_thread(&bench.host, move || {
        assert_eq!(wdf!(WdfRequestCancelSentRequest(request)), 1);
        assert_eq!(wdf!(WdfRequestCancelSentRequest(request)), 0);
    });
    assert_eq!(take_log(), ["returned"]);
}

#[test]
fn a_supplied_request_loses_its_formatting_whatever_happens() {
    let bench = plain(HostConfig::new(), Scripted::default());
    on_thread(&bench.host, || {
        let request = create_request(target());
        let memory = create_memory(&[1; 8]);
        let format = || {
            wdf!(WdfIoTargetFormatRequestForWrite(
                target(),
                request,
                memory,
                null(),
                null()
            ))
        };
        let bad = {
            let mut options = options(0, 0);
            options.Size = 1;
            options
        };
        for options in [None, Some(bad)] {
            assert_eq!(format(), STATUS_SUCCESS);
            log("formatted");
            let _ = sync_write(target(), request, b"12", options);
            log("sent");
        }
        log(format!("{memory:p}"));
        let mut params = WDF_REQUEST_COMPLETION_PARAMS {
            Size: size::<WDF_REQUEST_COMPLETION_PARAMS>(),
            ..Default::default()
        };
        wdf!(WdfRequestGetCompletionParams(request, &raw mut params));
        assert_eq!(params.Type, _WDF_REQUEST_TYPE::WdfRequestTypeNoFormat);
        // Nothing holds the memory any more.
        delete(memory);
        delete(request);
    });
    assert!(bench.host.finish().is_clean());
}

#[test]
fn information_is_what_the_lower_driver_says() {
    for (status, information) in [
        (STATUS_SUCCESS, 2),
        (STATUS_UNSUCCESSFUL, 3),
        (STATUS_BUFFER_OVERFLOW, 4),
        (STATUS_SUCCESS, 1 << 40),
    ] {
        let bench = plain(
            HostConfig::new(),
            Scripted::new(vec![Reply::new(status).information(information)]),
        );
        let result = on_thread(&bench.host, || sync_write(target(), null(), b"abcd", None));
        assert_eq!(result, (status, information));
    }
}

#[test]
fn allocations_that_fail_are_statuses_and_leave_nothing_behind() {
    for (kind, io_type, status) in [
        (
            Allocation::Irp,
            IoType::Buffered,
            STATUS_INSUFFICIENT_RESOURCES,
        ),
        (
            Allocation::Buffer,
            IoType::Buffered,
            STATUS_INSUFFICIENT_RESOURCES,
        ),
        (
            Allocation::Mdl,
            IoType::Direct,
            STATUS_INSUFFICIENT_RESOURCES,
        ),
        (Allocation::Probe, IoType::Direct, STATUS_ACCESS_VIOLATION),
    ] {
        let on = LowerConfig::new("disk").io_type(io_type);
        let bench = bench_on(
            HostConfig::new(),
            Disk::in_memory(),
            on,
            Hooks {
                filter: true,
                ..Hooks::default()
            },
        );
        bench.host.fail_allocation(kind, 2);
        let results = on_thread(&bench.host, || {
            [0, 1, 2].map(|_| sync_write(target(), null(), b"abcd", None))
        });
        assert_eq!(
            results,
            [
                (STATUS_SUCCESS, 4),
                (status, UNTOUCHED),
                (STATUS_SUCCESS, 4)
            ],
            "{kind:?}"
        );
        assert_eq!(
            (bench.host.framework_irps(), bench.host.framework_mdls()),
            (0, 0)
        );
        assert!(bench.host.finish().is_clean());
    }
}

#[test]
fn a_stopped_target_keeps_the_send_and_a_purged_one_refuses_it() {
    let stop = _WDF_IO_TARGET_SENT_IO_ACTION::WdfIoTargetLeaveSentIoPending;
    let purge = _WDF_IO_TARGET_PURGE_IO_ACTION::WdfIoTargetPurgeIo;
    let bench = plain(HostConfig::new(), Scripted::default());
    on_thread(&bench.host, move || {
        wdf!(WdfIoTargetPurge(target(), purge));
        assert_eq!(
            sync_write(target(), null(), b"1", None),
            (STATUS_INVALID_DEVICE_STATE, 0)
        );
        assert_eq!(
            sync_write(target(), null(), b"1", Some(options(IGNORE_STATE, 0))),
            (STATUS_SUCCESS, 1)
        );
        assert_eq!(wdf!(WdfIoTargetStart(target())), STATUS_SUCCESS);
        assert_eq!(
            sync_write(target(), null(), b"1", None),
            (STATUS_SUCCESS, 1)
        );
        wdf!(WdfIoTargetStop(target(), stop));
        assert_eq!(
            sync_write(target(), null(), b"1", Some(options(TIMEOUT, ms(2)))),
            (STATUS_IO_TIMEOUT, 0)
        );
        assert_eq!(
            sync_write(target(), null(), b"1", Some(options(IGNORE_STATE, 0))),
            (STATUS_SUCCESS, 1)
        );
    });
    for (end, expected) in [
        ("start", (STATUS_SUCCESS, 4)),
        ("purge", (STATUS_WDF_DEVICE_REMOVED_NOT_SENT, 0)),
    ] {
        bench.host.spawn("sender", move || {
            wdf!(WdfIoTargetStop(target(), stop));
            assert_eq!(sync_write(target(), null(), b"wait", None), expected);
            log(end);
        });
        let _ = bench.host.run();
        assert!(take_log().is_empty());
        on_thread(&bench.host, move || {
            if end == "start" {
                assert_eq!(wdf!(WdfIoTargetStart(target())), STATUS_SUCCESS);
            } else {
                wdf!(WdfIoTargetPurge(target(), purge));
            }
        });
        assert_eq!(take_log(), [end]);
    }
}

#[test]
fn reads_come_back_by_every_io_type() {
    for io_type in [IoType::Buffered, IoType::Direct, IoType::Neither] {
        let on = LowerConfig::new("disk").io_type(io_type);
        let reply = Reply::new(STATUS_SUCCESS)
            .information(3)
            .data(&[7, 8, 9, 10]);
        let bench = bench_on(
            HostConfig::new(),
            Scripted::new(vec![reply]),
            on,
            Hooks {
                filter: true,
                ..Hooks::default()
            },
        );
        on_thread(&bench.host, || {
            let mut area = [0u8; 8];
            let mut descriptor = buffer_descriptor(area.as_mut_ptr(), 8);
            let mut read = UNTOUCHED;
            let status = wdf!(WdfIoTargetSendReadSynchronously(
                target(),
                null(),
                &raw mut descriptor,
                null(),
                null(),
                &raw mut read
            ));
            assert_eq!(
                (status, read, area),
                (STATUS_SUCCESS, 3, [7, 8, 9, 0, 0, 0, 0, 0])
            );
        });
    }
}

#[test]
fn control_codes_follow_their_method() {
    for (code, name) in [
        (0x22_2000u32, "buffered"),
        (0x22_2001, "in"),
        (0x22_2002, "out"),
        (0x22_2003, "neither"),
    ] {
        let bench = plain(
            HostConfig::new(),
            Scripted::new(vec![Reply::default().data(b"out!")]),
        );
        on_thread(&bench.host, move || {
            let input = *b"input";
            let mut output = [0u8; 4];
            let mut given = buffer_descriptor(input.as_ptr(), 5);
            let mut wanted = buffer_descriptor(output.as_mut_ptr(), 4);
            let mut returned = UNTOUCHED;
            let status = wdf!(WdfIoTargetSendIoctlSynchronously(
                target(),
                null(),
                code,
                &raw mut given,
                &raw mut wanted,
                null(),
                &raw mut returned
            ));
            assert_eq!(
                (status, returned, &output),
                (STATUS_SUCCESS, 4, b"out!"),
                "{name}"
            );
        });
        bench.host.with_lower(bench.lower, |lower: &mut Scripted| {
            let seen = &lower.seen()[0];
            assert_eq!(
                (seen.major, seen.code, seen.input_length, seen.output_length),
                (14, code, 5, 4)
            );
            assert_eq!(seen.data, b"input", "{name}");
        });
        assert!(bench.host.finish().is_clean());
    }
}

#[test]
fn others_pass_their_addresses() {
    let bench = plain(HostConfig::new(), Scripted::default());
    let address = Rc::new([5u8; 4]);
    let own = Rc::clone(&address);
    on_thread(&bench.host, move || {
        let mut first = buffer_descriptor(own.as_ptr(), 4);
        let status = wdf!(WdfIoTargetSendInternalIoctlOthersSynchronously(
            target(),
            null(),
            0x77,
            &raw mut first,
            null(),
            null(),
            null(),
            null()
        ));
        assert_eq!(status, STATUS_SUCCESS);
    });
    bench.host.with_lower(bench.lower, |lower: &mut Scripted| {
        let seen = &lower.seen()[0];
        assert_eq!((seen.major, seen.code), (15, 0x77));
        assert_eq!(
            seen.arguments[0].cast::<u8>().cast_const(),
            address.as_ptr()
        );
        assert!(seen.arguments[1].is_null() && seen.arguments[3].is_null());
    });
}
