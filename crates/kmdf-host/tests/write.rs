//! A raw filter driver writes an application's file to a disk.

mod common;

use std::ptr;
use std::rc::Rc;

use common::*;
use kmdf_host::{Disk, HostConfig, IoType, LowerConfig, Report};
use kmdf_sys::*;

/// Sends each write in pieces from the received request's own memory and completes it with the sum.
fn write_in_pieces(request: WDFREQUEST, length: usize, piece: usize) {
    let mut memory = ptr::null_mut();
    let status = wdf!(WdfRequestRetrieveInputMemory(request, &raw mut memory));
    if status != STATUS_SUCCESS {
        wdf!(WdfRequestComplete(request, status));
        return;
    }
    let mut parameters = WDF_REQUEST_PARAMETERS {
        Size: u16::try_from(size_of::<WDF_REQUEST_PARAMETERS>()).unwrap(),
        ..Default::default()
    };
    wdf!(WdfRequestGetParameters(request, &raw mut parameters));
    // SAFETY: the request is a write.
    let start = unsafe { parameters.Parameters.Write.DeviceOffset };
    let target = wdf!(WdfDeviceGetIoTarget(device()));
    let mut done = 0usize;
    while done < length {
        let mut range = WDFMEMORY_OFFSET {
            BufferOffset: done,
            BufferLength: piece.min(length - done),
        };
        let mut descriptor = memory_descriptor(memory, &raw mut range);
        let mut offset = start + i64::try_from(done).unwrap();
        let mut written = 0u64;
        let status = wdf!(WdfIoTargetSendWriteSynchronously(
            target,
            ptr::null_mut(),
            &raw mut descriptor,
            &raw mut offset,
            ptr::null_mut(),
            &raw mut written
        ));
        if status != STATUS_SUCCESS {
            wdf!(WdfRequestCompleteWithInformation(
                request,
                status,
                done as u64
            ));
            return;
        }
        done += usize::try_from(written).unwrap();
    }
    wdf!(WdfRequestCompleteWithInformation(
        request,
        STATUS_SUCCESS,
        done as u64
    ));
}

fn filter(piece: usize) -> Hooks {
    Hooks {
        filter: true,
        write: Some(Rc::new(move |_, request, length| {
            write_in_pieces(request, length, piece)
        })),
        ..Hooks::default()
    }
}

fn run(io_type: IoType, piece: usize) -> (Vec<u8>, u64, Report) {
    let on = LowerConfig::new("disk").io_type(io_type);
    let bench = bench_on(HostConfig::new(), Disk::in_memory(), on, filter(piece));
    let file = bench.host.open(bench.stack).unwrap();
    let data: Vec<u8> = (0..10_000u32).map(|n| n.to_le_bytes()[0]).collect();
    for (index, chunk) in data.chunks(1000).enumerate() {
        let result = bench.host.write(file, index as u64 * 1000, chunk).unwrap();
        assert_eq!(
            (result.status, result.information),
            (STATUS_SUCCESS, chunk.len() as u64)
        );
    }
    let mut back = vec![0u8; 10_000];
    let result = bench.host.read(file, 0, &mut back).unwrap();
    assert_eq!(
        (result.status, result.information),
        (STATUS_SUCCESS, 10_000)
    );
    bench.host.close(file).unwrap();
    let (bytes, writes) = bench.host.with_lower(bench.lower, |disk: &mut Disk| {
        (disk.bytes().to_vec(), disk.writes())
    });
    assert_eq!(back, bytes);
    assert_eq!(bytes, data);
    (bytes, writes, bench.host.finish())
}

#[test]
fn bytes_arrive_on_buffered_and_direct_disks() {
    for io_type in [IoType::Buffered, IoType::Direct] {
        for (piece, writes) in [(1000, 10), (300, 40), (4096, 10), (1, 10_000)] {
            let (_, seen, report) = run(io_type, piece);
            assert_eq!(seen, writes, "{io_type:?} {piece}");
            assert!(report.is_clean(), "{report}");
            assert_eq!(report.totals.lower_irps, writes + 1);
        }
    }
}

#[test]
fn a_file_on_disk() {
    let path = std::env::temp_dir().join(format!("kmdf-host-write-{}.img", std::process::id()));
    let bench = bench(
        HostConfig::new(),
        Disk::on_file(&path).unwrap(),
        filter(512),
    );
    let file = bench.host.open(bench.stack).unwrap();
    for block in 0..64u64 {
        let data = [u8::try_from(block).unwrap(); 1500];
        assert_eq!(
            bench
                .host
                .write(file, block * 1500, &data)
                .unwrap()
                .information,
            1500
        );
    }
    bench.host.close(file).unwrap();
    let report = bench.host.finish();
    assert!(report.is_clean(), "{report}");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(bytes.len(), 64 * 1500);
    assert!(
        bytes
            .chunks(1500)
            .enumerate()
            .all(|(block, bytes)| bytes.iter().all(|byte| usize::from(*byte) == block))
    );
}
