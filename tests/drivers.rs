//! The two drivers, as an application and PnP meet them.

use kmdf::NtStatus;
use kmdf_host::{
    Delayed, DriverEntry, FailNth, FileId, Host, HostConfig, IoResult, IoType, Loopback,
    LowerConfig, LowerDevice, LowerId, Mode, Reply, Report, Scripted, StackId, Ticks,
    UsbDescriptors, UsbDevice, UsbFault, UsbInterface,
};

struct World {
    host: Host,
    lower: LowerId,
    stack: StackId,
    file: FileId,
}

/// A driver with these parameters over `device`, started and opened.
fn world(
    service: &str,
    entry: DriverEntry,
    parameters: &[(&str, u32)],
    io_type: IoType,
    device: impl LowerDevice,
) -> World {
    let host = Host::new(HostConfig::new().verifier(true).seed(3));
    for (name, value) in parameters {
        host.set_parameter(service, name, *value);
    }
    let driver = host.load(service, entry).unwrap();
    let lower = host.add_lower(device, LowerConfig::new("lower").io_type(io_type));
    let stack = host.plug(lower, &[driver]).unwrap();
    let file = host.open(stack).unwrap();
    World {
        host,
        lower,
        stack,
        file,
    }
}

fn filter(parameters: &[(&str, u32)], io_type: IoType, device: impl LowerDevice) -> World {
    world(
        "write-filter",
        write_filter::driver_entry,
        parameters,
        io_type,
        device,
    )
}

fn usb(parameters: &[(&str, u32)]) -> World {
    let interface = UsbInterface::new(0).bulk(0x81, 512).bulk(0x01, 512);
    let device = UsbDevice::new(UsbDescriptors::new(0x1209, 0x0001).interface(interface));
    world(
        "usb-bulk",
        usb_bulk::driver_entry,
        parameters,
        IoType::Direct,
        device,
    )
}

impl World {
    fn write_at(&self, offset: u64, data: &[u8]) -> (NtStatus, u64) {
        outcome(self.host.write(self.file, offset, data).unwrap())
    }

    fn write(&self, data: &[u8]) -> (NtStatus, u64) {
        self.write_at(0, data)
    }

    fn with_endpoint<R>(&self, f: impl FnOnce(&mut kmdf_host::UsbEndpoint) -> R) -> R {
        self.host.with_lower(self.lower, |device: &mut UsbDevice| {
            f(device.endpoint_mut(1))
        })
    }

    #[track_caller]
    fn finish(self) -> Report {
        let report = self.host.finish();
        assert!(report.is_clean(), "{report}");
        report
    }
}

fn outcome(result: IoResult) -> (NtStatus, u64) {
    (NtStatus::from_raw(result.status), result.information)
}

fn ramp(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}

mod write_filter_driver {
    use super::*;

    /// Whatever the length of write and piece, and however the device does I/O: the same bytes at the same places, in as few pieces as can be.
    #[test]
    fn divides_writes() {
        for io_type in [IoType::Buffered, IoType::Direct, IoType::Neither] {
            for piece in [1, 7, 512, 4096, u32::MAX] {
                for len in [1, 6, 7, 8, 512, 1000, 4096, 5000] {
                    let world = filter(&[("MaximumPiece", piece)], io_type, Scripted::new(vec![]));
                    let data = ramp(len);
                    assert_eq!(
                        world.write_at(1 << 40, &data),
                        (NtStatus::SUCCESS, len as u64)
                    );
                    let (pieces, bytes) =
                        world.host.with_lower(world.lower, |device: &mut Scripted| {
                            let pieces: Vec<_> = device
                                .seen()
                                .iter()
                                .map(|irp| (irp.offset, irp.length))
                                .collect();
                            (
                                pieces,
                                device
                                    .seen()
                                    .iter()
                                    .flat_map(|irp| irp.data.clone())
                                    .collect::<Vec<_>>(),
                            )
                        });
                    assert_eq!(bytes, data, "{io_type:?}, piece {piece}, length {len}");
                    let expected: Vec<_> = data
                        .chunks(piece as usize)
                        .scan(1_i64 << 40, |offset, chunk| {
                            let here = *offset;
                            *offset += i64::try_from(chunk.len()).unwrap();
                            Some((here, u32::try_from(chunk.len()).unwrap()))
                        })
                        .collect();
                    assert_eq!(pieces, expected);
                    world.finish();
                }
            }
        }
    }

    #[test]
    fn says_what_arrived_when_a_piece_fails() {
        let device = FailNth::new(Loopback::new(), NtStatus::IO_DEVICE_ERROR.into_raw(), 3);
        let world = filter(&[("MaximumPiece", 10)], IoType::Buffered, device);
        assert_eq!(world.write(&ramp(35)), (NtStatus::IO_DEVICE_ERROR, 20));
        assert_eq!(world.write(&ramp(35)), (NtStatus::SUCCESS, 35));
        world.finish();
    }

    /// A piece that is taken only in part ends the write, as it would without the filter.
    #[test]
    fn stops_at_a_short_piece() {
        let replies = vec![
            Reply::default(),
            Reply::default().information(4),
            Reply::default(),
        ];
        let world = filter(
            &[("MaximumPiece", 10)],
            IoType::Buffered,
            Scripted::new(replies),
        );
        assert_eq!(world.write(&ramp(30)), (NtStatus::SUCCESS, 14));
        assert_eq!(
            world
                .host
                .with_lower(world.lower, |device: &mut Scripted| device.seen().len()),
            2
        );
        world.finish();
    }

    #[test]
    fn a_piece_that_times_out_fails_the_write() {
        let replies = vec![Reply::default(), Reply::default().pend()];
        let world = filter(
            &[("MaximumPiece", 10), ("TimeoutMs", 250)],
            IoType::Buffered,
            Scripted::new(replies),
        );
        let before = world.host.now();
        assert_eq!(world.write(&ramp(30)), (NtStatus::IO_TIMEOUT, 10));
        assert_eq!(world.host.now() - before, Ticks::from_millis(250));
        world.finish();
    }

    /// A time-out of 0 is none.
    #[test]
    fn without_a_time_out_it_waits() {
        let device = Delayed::new(Loopback::new(), Ticks::from_millis(60_000));
        let world = filter(&[("TimeoutMs", 0)], IoType::Direct, device);
        assert_eq!(world.write(b"patience"), (NtStatus::SUCCESS, 8));
        world.finish();
    }

    /// The application gives up: the piece under way is finished, no other is begun.
    #[test]
    fn a_cancelled_write_ends_between_pieces() {
        let device = Delayed::new(Loopback::new(), Ticks::from_millis(10));
        let world = filter(&[("MaximumPiece", 4)], IoType::Buffered, device);
        let io = world
            .host
            .submit_write(world.file, 0, &ramp(40), Mode::User);
        world.host.run_for(Ticks::from_millis(25)).unwrap();
        world.host.cancel(io).unwrap();
        world.host.run().unwrap();
        assert_eq!(
            outcome(world.host.result(io).unwrap()),
            (NtStatus::CANCELLED, 12)
        );
        world.finish();
    }

    #[test]
    fn everything_else_passes_through() {
        let world = filter(&[], IoType::Buffered, Loopback::new());
        assert_eq!(world.write(b"first in"), (NtStatus::SUCCESS, 8));
        let mut read = [0; 8];
        let result = world.host.read(world.file, 0, &mut read).unwrap();
        assert_eq!(
            (outcome(result), &read),
            ((NtStatus::SUCCESS, 8), b"first in")
        );
        // Nobody below takes this one; the answer is the lower driver's.
        let mut answer = [0; 4];
        let direct = Host::new(HostConfig::new());
        let below = direct.add_lower(Loopback::new(), LowerConfig::new("alone"));
        let alone = direct.plug(below, &[]).unwrap();
        let file = direct.open(alone).unwrap();
        assert_eq!(
            world
                .host
                .ioctl(world.file, 0x0022_2000, b"?", &mut answer)
                .unwrap(),
            direct.ioctl(file, 0x0022_2000, b"?", &mut answer).unwrap()
        );
        world.finish();
    }

    #[test]
    fn a_zero_length_write_passes_through() {
        for io_type in [IoType::Buffered, IoType::Direct, IoType::Neither] {
            let world = filter(&[], io_type, Scripted::new(vec![]));
            assert_eq!(world.write(b""), (NtStatus::SUCCESS, 0));
            assert_eq!(
                world
                    .host
                    .with_lower(world.lower, |device: &mut Scripted| device.seen().len()),
                1,
                "{io_type:?}"
            );
            world.finish();
        }
    }

    /// Settings that make no sense are the defaults.
    #[test]
    fn a_maximum_piece_of_zero_is_the_default() {
        let world = filter(
            &[("MaximumPiece", 0)],
            IoType::Buffered,
            Scripted::new(vec![]),
        );
        assert_eq!(world.write(&ramp(100_000)), (NtStatus::SUCCESS, 100_000));
        let pieces = world.host.with_lower(world.lower, |device: &mut Scripted| {
            device
                .seen()
                .iter()
                .map(|irp| irp.length)
                .collect::<Vec<_>>()
        });
        assert_eq!(pieces, [65_536, 34_464]);
        world.finish();
    }

    #[test]
    fn surprise_removal_during_a_write() {
        let world = filter(
            &[],
            IoType::Direct,
            Scripted::new(vec![Reply::default().after(Ticks::from_millis(40))]),
        );
        let io = world.host.submit_write(world.file, 0, b"last", Mode::User);
        world.host.run_for(Ticks::from_millis(10)).unwrap();
        world.host.surprise_remove(world.stack).unwrap();
        world.host.run().unwrap();
        assert!(world.host.result(io).is_some(), "the write is answered");
        world.finish();
    }
}

mod usb_bulk_driver {
    use super::*;

    #[test]
    fn writes_go_out_in_packets() {
        let world = usb(&[]);
        assert_eq!(world.write(&ramp(1500)), (NtStatus::SUCCESS, 1500));
        assert_eq!(world.write(b""), (NtStatus::SUCCESS, 0));
        assert_eq!(world.write(&ramp(512)), (NtStatus::SUCCESS, 512));
        let (bytes, packets) = world
            .with_endpoint(|endpoint| (endpoint.bytes().to_vec(), endpoint.packets().to_vec()));
        assert_eq!(bytes, [ramp(1500), ramp(512)].concat());
        assert_eq!(packets, [512, 512, 476, 0, 512]);
        world.finish();
    }

    #[test]
    fn large_writes_are_divided() {
        let world = usb(&[("MaximumPiece", 1000)]);
        assert_eq!(world.write(&ramp(2500)), (NtStatus::SUCCESS, 2500));
        assert_eq!(
            world.with_endpoint(|endpoint| endpoint.bytes().to_vec()),
            ramp(2500)
        );
        let report = world.finish();
        assert_eq!(report.totals.breaks, 0);
    }

    /// The application gets the stack's status; the driver clears the stall, so that the next write goes out.
    #[test]
    fn a_stall_fails_one_write() {
        let world = usb(&[]);
        assert_eq!(world.write(b"before"), (NtStatus::SUCCESS, 6));
        world.with_endpoint(|endpoint| endpoint.stall());
        let (status, moved) = world.write(b"stalled");
        assert_eq!((status, moved), (NtStatus::UNSUCCESSFUL, 0));
        assert_eq!(world.write(b"after"), (NtStatus::SUCCESS, 5));
        assert_eq!(
            world.with_endpoint(|endpoint| endpoint.bytes().to_vec()),
            b"beforeafter"
        );
        world.finish();
    }

    /// A stall in the middle: what went out before is counted.
    #[test]
    fn a_stall_in_the_middle_says_what_went_out() {
        let world = usb(&[]);
        world.with_endpoint(|endpoint| endpoint.fault(1, UsbFault::Stall { after: 512 }));
        assert_eq!(world.write(&ramp(1500)), (NtStatus::UNSUCCESSFUL, 512));
        assert_eq!(world.write(b"after"), (NtStatus::SUCCESS, 5));
        world.finish();
    }

    #[test]
    fn a_device_that_takes_nothing_times_the_write_out() {
        let world = usb(&[("TimeoutMs", 300)]);
        world.with_endpoint(|endpoint| endpoint.set_nak(true));
        let before = world.host.now();
        assert_eq!(world.write(b"never").0, NtStatus::IO_TIMEOUT);
        assert_eq!(world.host.now() - before, Ticks::from_millis(300));
        world.with_endpoint(|endpoint| endpoint.set_nak(false));
        assert_eq!(world.write(b"again"), (NtStatus::SUCCESS, 5));
        world.finish();
    }

    /// The device is pulled out while a write waits: the write comes back at once, as disconnected, and nothing is left behind.
    #[test]
    fn removal_ends_a_waiting_write() {
        for surprise in [true, false] {
            let world = usb(&[("TimeoutMs", 0)]);
            world.with_endpoint(|endpoint| endpoint.set_nak(true));
            let io = world
                .host
                .submit_write(world.file, 0, b"waits for ever", Mode::User);
            world.host.run_for(Ticks::from_millis(10)).unwrap();
            assert!(world.host.result(io).is_none());
            let before = world.host.now();
            if surprise {
                world.host.surprise_remove(world.stack).unwrap();
            } else {
                world.host.remove(world.stack).unwrap();
            }
            world.host.run().unwrap();
            assert_eq!(
                outcome(world.host.result(io).unwrap()).0,
                NtStatus::DEVICE_NOT_CONNECTED,
                "surprise {surprise}"
            );
            assert_eq!(world.host.now(), before, "no time passed");
            world.finish();
        }
    }

    /// Power goes and comes back: the write that waits is given up, later ones go out.
    #[test]
    fn sleep_and_wake() {
        let world = usb(&[("TimeoutMs", 0)]);
        assert_eq!(world.write(b"before "), (NtStatus::SUCCESS, 7));
        world.with_endpoint(|endpoint| endpoint.set_nak(true));
        let io = world.host.submit_write(world.file, 0, b"waits", Mode::User);
        world.host.run_for(Ticks::from_millis(10)).unwrap();
        world.host.sleep(world.stack).unwrap();
        assert_eq!(
            outcome(world.host.result(io).unwrap()).0,
            NtStatus::DEVICE_NOT_CONNECTED
        );
        world.with_endpoint(|endpoint| endpoint.set_nak(false));
        world.host.wake(world.stack).unwrap();
        assert_eq!(world.write(b"after"), (NtStatus::SUCCESS, 5));
        assert_eq!(
            world.with_endpoint(|endpoint| endpoint.bytes().to_vec()),
            b"before after"
        );
        world.finish();
    }

    /// Stopped and started again by PnP, as for a rebalance: the hardware is prepared anew.
    #[test]
    fn stop_and_start() {
        let world = usb(&[]);
        assert_eq!(world.write(b"before "), (NtStatus::SUCCESS, 7));
        world.host.stop(world.stack).unwrap();
        world.host.start(world.stack).unwrap();
        assert_eq!(world.write(b"after"), (NtStatus::SUCCESS, 5));
        world.finish();
    }

    /// The device vanishes from the bus before PnP knows.
    #[test]
    fn a_device_that_is_gone() {
        let world = usb(&[]);
        world
            .host
            .with_lower(world.lower, |device: &mut UsbDevice| device.disconnect());
        assert_eq!(world.write(b"nobody").0, NtStatus::DEVICE_NOT_CONNECTED);
        world.host.surprise_remove(world.stack).unwrap();
        world.finish();
    }

    /// A device without a bulk OUT endpoint is not started.
    #[test]
    fn a_device_of_the_wrong_sort_is_refused() {
        let host = Host::new(HostConfig::new().verifier(true));
        let driver = host.load("usb-bulk", usb_bulk::driver_entry).unwrap();
        let descriptors = UsbDescriptors::new(0x1209, 0x0001)
            .interface(UsbInterface::new(0).interrupt(0x02, 64, 1));
        let lower = host.add_lower(UsbDevice::new(descriptors), LowerConfig::new("usb"));
        let refused = host.plug(lower, &[driver]).unwrap_err();
        assert!(
            matches!(refused, kmdf_host::Stop::Status { status, .. } if status == NtStatus::NOT_FOUND.into_raw()),
            "{refused}"
        );
        let report = host.finish();
        assert!(report.violations.is_empty(), "{report}");
    }
}
