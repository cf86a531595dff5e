//! The driver on the model.

use echo_raw as _;
use kmdf_host::{Disk, FileId, Host, HostConfig, LowerConfig, Mode, StackId, Stop, Ticks};
use wdk_sys::{NTSTATUS, PCUNICODE_STRING, PDRIVER_OBJECT};

const STATUS_SUCCESS: NTSTATUS = wdk_sys::STATUS_SUCCESS;
const STATUS_CANCELLED: NTSTATUS = wdk_sys::STATUS_CANCELLED;

unsafe extern "system" {
    // As the loader finds it.
    fn DriverEntry(driver: PDRIVER_OBJECT, path: PCUNICODE_STRING) -> NTSTATUS;
}

struct Bench {
    host: Host,
    driver: kmdf_host::DriverId,
    stack: StackId,
}

fn bench(config: HostConfig) -> Result<Bench, Stop> {
    let host = Host::new(config);
    let driver = host.load("echo", DriverEntry)?;
    let lower = host.add_lower(Disk::in_memory(), LowerConfig::new("bus"));
    let stack = host.plug(lower, &[driver])?;
    Ok(Bench {
        host,
        driver,
        stack,
    })
}

fn strict(seed: u64) -> HostConfig {
    HostConfig::new().seed(seed).verifier(true).preempt(true)
}

impl Bench {
    fn clean(self) {
        let report = self.host.finish();
        assert!(report.is_clean(), "{report}");
    }

    /// Writes and reads back.
    fn echoes(&self, file: FileId, data: &[u8]) -> Result<(), Stop> {
        let written = self.host.write(file, 0, data)?;
        assert_eq!(
            (written.status, written.information),
            (STATUS_SUCCESS, data.len() as u64)
        );
        let mut buffer = vec![0; data.len() + 3];
        let read = self.host.read(file, 0, &mut buffer)?;
        assert_eq!(
            (read.status, read.information),
            (STATUS_SUCCESS, data.len() as u64)
        );
        assert_eq!(&buffer[..data.len()], data);
        assert_eq!(&buffer[data.len()..], [0; 3]);
        Ok(())
    }
}

#[test]
fn what_is_written_is_read_when_the_timer_says_so() -> Result<(), Stop> {
    let bench = bench(HostConfig::new())?;
    let file = bench.host.open(bench.stack)?;
    let mut buffer = [0; 4];
    let read = bench.host.read(file, 0, &mut buffer)?;
    assert_eq!((read.status, read.information), (STATUS_SUCCESS, 0));
    bench.echoes(file, b"hello")?;
    // The first tick is after 100 ms, each further one 10 s later: one for the write, one for the read.
    assert_eq!(bench.host.now(), Ticks::from_millis(10_100));
    bench.host.close(file)?;
    bench.clean();
    Ok(())
}

#[test]
fn the_longest_write_fits_and_a_longer_one_is_refused() -> Result<(), Stop> {
    let bench = bench(strict(1))?;
    let file = bench.host.open(bench.stack)?;
    bench.echoes(file, &vec![7; 40 * 1024])?;
    let refused = bench.host.write(file, 0, &vec![8; 40 * 1024 + 1])?;
    assert_eq!(refused.status, wdk_sys::STATUS_BUFFER_OVERFLOW);
    bench.host.close(file)?;
    bench.clean();
    Ok(())
}

#[test]
fn a_waiting_write_is_cancelled() -> Result<(), Stop> {
    let bench = bench(strict(2))?;
    let file = bench.host.open(bench.stack)?;
    let io = bench.host.submit_write(file, 0, b"never mind", Mode::User);
    bench.host.run_for(Ticks::from_millis(50))?;
    assert!(bench.host.cancel(io)?);
    let result = bench.host.wait(io)?;
    assert_eq!((result.status, result.information), (STATUS_CANCELLED, 0));
    bench.host.close(file)?;
    bench.clean();
    Ok(())
}

/// Everything at once: requests that wait, a cancel that meets the timer, a stop with a request in flight, sleep, removal.
fn busy(seed: u64) -> Result<(Bench, NTSTATUS), Stop> {
    let bench = bench(strict(seed).trace(seed == 0))?;
    let host = &bench.host;
    let file = host.open(bench.stack)?;
    bench.echoes(file, b"one")?;
    let first = host.submit_write(file, 0, b"first", Mode::User);
    let second = host.submit_read(file, 0, 8, Mode::Kernel);
    let third = host.submit_write(file, 0, b"third", Mode::Kernel);
    // Just before, at, or just after the tick that completes the first.
    let tick = Ticks::from_millis(10_000);
    host.run_for(tick - Ticks(1) + Ticks(seed % 3))?;
    host.cancel(first)?;
    let result = host.wait(first)?;
    assert!(
        [STATUS_SUCCESS, STATUS_CANCELLED].contains(&result.status),
        "{:#x}",
        result.status
    );
    host.stop(bench.stack)?;
    host.start(bench.stack)?;
    host.cancel(third)?;
    let read = host.wait(second)?;
    assert_eq!(read.status, STATUS_SUCCESS);
    // The three were submitted at the same time.
    let read = host.returned(second);
    assert!([&b"one"[..], b"first", b"third"].contains(&&read[..]));
    host.wait(third)?;
    host.sleep(bench.stack)?;
    let late = host.submit_write(file, 0, b"late", Mode::User);
    host.run_for(Ticks::from_millis(5))?;
    assert!(host.result(late).is_none(), "the device sleeps");
    host.wake(bench.stack)?;
    if seed.is_multiple_of(2) {
        assert_eq!(host.wait(late)?.status, STATUS_SUCCESS);
    }
    host.close(file)?;
    host.remove(bench.stack)?;
    host.unload(bench.driver)?;
    assert!(host.result(late).is_some(), "removal leaves nothing behind");
    Ok((bench, result.status))
}

#[test]
fn a_thousand_seeds_are_clean() -> Result<(), Stop> {
    let mut cancelled = 0;
    for seed in 0..1000 {
        let (bench, status) = match busy(seed) {
            Ok(ended) => ended,
            Err(stop) => panic!("seed {seed}: {stop}"),
        };
        cancelled += u32::from(status == STATUS_CANCELLED);
        let report = bench.host.finish();
        assert!(report.is_clean(), "seed {seed}: {report}");
    }
    // The race between the timer and the cancellation goes both ways.
    assert!((100..900).contains(&cancelled), "{cancelled}");
    Ok(())
}

#[test]
fn the_same_seed_gives_the_same_trace() -> Result<(), Stop> {
    let traces = [busy(0)?.0.host.trace(), busy(0)?.0.host.trace()];
    assert!(!traces[0].records.is_empty());
    assert!(traces[0] == traces[1]);
    Ok(())
}

#[test]
fn no_failed_allocation_leaks() -> Result<(), Stop> {
    use kmdf_host::Allocation;
    for kind in [Allocation::Object, Allocation::Pool, Allocation::Timer] {
        for nth in 1..12 {
            let host = Host::new(strict(3));
            host.fail_allocation(kind, nth);
            let lower = host.add_lower(Disk::in_memory(), LowerConfig::new("bus"));
            let plugged = host
                .load("echo", DriverEntry)
                .and_then(|driver| host.plug(lower, &[driver]));
            if let Ok(stack) = plugged {
                let file = host.open(stack)?;
                host.write(file, 0, b"data")?;
                host.close(file)?;
            }
            let report = host.finish();
            assert!(report.is_clean(), "{kind:?} {nth}: {report}");
        }
    }
    Ok(())
}
