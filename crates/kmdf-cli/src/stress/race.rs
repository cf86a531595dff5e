//! Everything at once: applications, a device that answers when it likes, cancels, power and PnP.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use kmdf_host::{
    FileId, Host, HostThread, IoId, IoResult, LowerConfig, LowerId, PnpIrp, StackId, Ticks,
};
use kmdf_sys::{
    NT_SUCCESS, NTSTATUS, STATUS_CANCELLED, STATUS_DEVICE_NOT_CONNECTED,
    STATUS_INVALID_DEVICE_STATE, STATUS_IO_DEVICE_ERROR, STATUS_IO_TIMEOUT, STATUS_NO_SUCH_DEVICE,
    STATUS_SUCCESS, STATUS_UNSUCCESSFUL,
};

use super::device::{AT_TIMEOUT, EARLY, RacyDisk, RacyUsb};
use super::medium::Write;
use super::{Flaw, set_parameters};
use crate::args::Driver;
use crate::status::Status;

/// Threads of applications.
const APPLICATIONS: u8 = 2;
/// Writes of each.
const WRITES: u8 = 2;
/// Two pieces, none, three, and one.
const LENGTHS: [usize; 4] = [12, 0, 20, 8];
/// When something happens that races: before all else, with a device that answers early, with the time-out.
const MOMENTS: [Ticks; 3] = [Ticks::ZERO, EARLY, AT_TIMEOUT];

/// Loads the driver and lets applications write, a device answer, and PnP and power act, in whatever order the run
/// chooses. In order nothing goes wrong and PnP does nothing.
pub(crate) fn race(driver: Driver, host: &Host) -> Result<(), Flaw> {
    set_parameters(driver, host);
    let id = host.load(driver.service(), driver.entry())?;
    let config = LowerConfig::new(driver.lower());
    let lower = match driver {
        Driver::WriteFilter => host.add_lower(RacyDisk::new(), config),
        Driver::UsbBulk => host.add_lower(RacyUsb::new(), config),
    };
    let stack = host.plug(lower, &[id])?;
    let course = Rc::new(Course {
        driver,
        lower,
        stack,
        phase: Cell::new(Phase::Working),
        writes: RefCell::default(),
    });
    for number in 0..APPLICATIONS {
        let course = Rc::clone(&course);
        host.thread("application", move |thread| {
            course.application(thread, number);
        });
    }
    let pnp = Rc::clone(&course);
    host.thread("pnp", move |thread| pnp.pnp(thread));
    host.run()?;
    course.check(host)
}

/// What PnP and power are doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Working,
    /// On the way to D3 or to a stop for rebalancing.
    GoingDown,
    Down,
    /// In D0 again, or on the way.
    Back,
    GoingAway,
    Gone,
}

/// What becomes of a write.
enum Ended {
    Known(IoResult),
    /// It was not waited for.
    Open(IoId),
}

struct Written {
    write: Write,
    ended: Ended,
    cancelled: bool,
}

struct Course {
    driver: Driver,
    lower: LowerId,
    stack: StackId,
    phase: Cell<Phase>,
    writes: RefCell<Vec<Written>>,
}

impl Course {
    fn application(&self, thread: &HostThread<'_>, number: u8) {
        let Ok(file) = thread.open(self.stack) else {
            thread.tally("open: refused, the device is gone");
            return;
        };
        for nth in 0..WRITES {
            let length = LENGTHS[thread.choose(LENGTHS.len())];
            self.write(thread, file, Write::new(number * WRITES + nth, length));
        }
        thread.close(file);
    }

    fn write(&self, thread: &HostThread<'_>, file: FileId, write: Write) {
        let began = self.phase.get();
        let (offset, data) = (write.offset(), write.data());
        let mut cancelled = false;
        let ended = match thread.choose(4) {
            0 => Ended::Known(thread.write(file, offset, &data)),
            1 => {
                let io = thread.submit_write(file, offset, &data);
                thread.sleep(moment(thread));
                cancelled = true;
                if thread.result(io).is_some() {
                    thread.tally("race of completion and cancel: completion first");
                }
                thread.cancel(io);
                let result = thread.wait(io);
                if result.status == STATUS_CANCELLED {
                    thread.tally("race of completion and cancel: cancel first");
                }
                Ended::Known(result)
            }
            2 => {
                let io = thread.begin_write(file, offset, &data);
                Ended::Known(thread.wait(io))
            }
            // Left to itself: closing the file cancels it, if it is still in a queue.
            _ => {
                cancelled = true;
                Ended::Open(thread.submit_write(file, offset, &data))
            }
        };
        if let Ended::Known(result) = ended {
            self.tally_race(thread, began, result);
        }
        self.writes.borrow_mut().push(Written {
            write,
            ended,
            cancelled,
        });
    }

    /// Who won between a write and what PnP or power did meanwhile.
    fn tally_race(&self, thread: &HostThread<'_>, began: Phase, result: IoResult) {
        let ended = self.phase.get();
        let success = NT_SUCCESS(result.status);
        let gone = matches!(
            result.status,
            STATUS_DEVICE_NOT_CONNECTED | STATUS_NO_SUCH_DEVICE
        );
        // Only the function driver stops for power: it purges its pipe, and then its queue is held.
        let stops = self.driver == Driver::UsbBulk;
        match (began, ended) {
            (Phase::Working, Phase::GoingDown) if stops && success => {
                thread.tally("race of completion and purge for power-down: completion first");
            }
            (Phase::Working, Phase::GoingDown | Phase::Down) if stops && gone => {
                thread.tally("race of completion and purge for power-down: purge first");
            }
            (Phase::GoingDown, Phase::GoingDown | Phase::Down) if stops && gone => {
                thread.tally("race of write and queue stop: presented first");
            }
            (Phase::GoingDown | Phase::Down, Phase::Back) if stops && success => {
                thread.tally("race of write and queue stop: stop first, held until power-up");
            }
            (Phase::Working, Phase::GoingAway) if success => {
                thread.tally("race of completion and removal: completion first");
            }
            (began, Phase::GoingAway | Phase::Gone) if gone && began < Phase::GoingAway => {
                thread.tally("race of completion and removal: removal first");
            }
            _ => {}
        }
    }

    fn pnp(&self, thread: &HostThread<'_>) {
        let action = thread.choose(5);
        if action == 0 {
            return;
        }
        thread.sleep(moment(thread));
        match action {
            1 => {
                thread.tally("power: down and up");
                self.phase.set(Phase::GoingDown);
                thread.pnp(self.stack, PnpIrp::SetDevicePower(3));
                self.phase.set(Phase::Down);
                thread.sleep(moment(thread));
                self.phase.set(Phase::Back);
                thread.pnp(self.stack, PnpIrp::SetDevicePower(0));
            }
            2 => {
                thread.tally("pnp: stopped and started for rebalancing");
                self.phase.set(Phase::GoingDown);
                let agreed = NT_SUCCESS(thread.pnp(self.stack, PnpIrp::QueryStopDevice));
                if agreed {
                    thread.pnp(self.stack, PnpIrp::StopDevice);
                }
                self.phase.set(Phase::Down);
                thread.sleep(moment(thread));
                self.phase.set(Phase::Back);
                if agreed && !NT_SUCCESS(thread.pnp(self.stack, PnpIrp::StartDevice)) {
                    thread.tally("pnp: did not start again");
                    self.surprise_remove(thread);
                }
            }
            3 => {
                thread.tally("pnp: surprise-removed");
                self.unplug(thread);
                // The bus driver notices later.
                thread.sleep(moment(thread));
                self.surprise_remove(thread);
            }
            // Nobody removes a device in an orderly way while it is open.
            _ => {
                thread.tally("pnp: removed when closed");
                thread.wait_closed(self.stack);
                if NT_SUCCESS(thread.pnp(self.stack, PnpIrp::QueryRemoveDevice)) {
                    self.remove(thread);
                } else {
                    thread.tally("pnp: not removed, opened again");
                }
            }
        }
    }

    fn unplug(&self, thread: &HostThread<'_>) {
        self.phase.set(Phase::GoingAway);
        thread.unplug(self.stack);
        if self.driver == Driver::UsbBulk {
            thread.with_lower(self.lower, RacyUsb::disconnect);
        }
    }

    fn surprise_remove(&self, thread: &HostThread<'_>) {
        self.phase.set(Phase::GoingAway);
        thread.pnp(self.stack, PnpIrp::SurpriseRemoval);
        thread.wait_closed(self.stack);
        self.remove(thread);
    }

    fn remove(&self, thread: &HostThread<'_>) {
        self.phase.set(Phase::GoingAway);
        thread.pnp(self.stack, PnpIrp::RemoveDevice);
        self.phase.set(Phase::Gone);
    }

    fn check(&self, host: &Host) -> Result<(), Flaw> {
        self.check_order(host)?;
        let last = self.phase.get();
        let mut reasons = Ok(());
        for written in &*self.writes.borrow() {
            let write = written.write;
            let result = match written.ended {
                Ended::Known(result) => Some(result),
                Ended::Open(io) => host.result(io),
            };
            let Some(result) = result else {
                return Err(Flaw::Wrong(format!("{write} was never completed")));
            };
            write.check_result(result)?;
            self.check_medium(host, write, result)?;
            let reason = self.check_status(host, written, result.status, last);
            reasons = reasons.and(reason);
        }
        reasons
    }

    /// The function driver promises that pieces of two writes do not mix.
    fn check_order(&self, host: &Host) -> Result<(), Flaw> {
        if self.driver == Driver::UsbBulk
            && host.with_lower(self.lower, |usb: &mut RacyUsb| usb.overlapped())
        {
            return Err(Flaw::Wrong(
                "two writes were at the pipe at once, so that their pieces may mix".to_owned(),
            ));
        }
        Ok(())
    }

    fn check_medium(&self, host: &Host, write: Write, result: IoResult) -> Result<(), Flaw> {
        let told = result.information;
        match self.driver {
            Driver::WriteFilter => host.with_lower(self.lower, |disk: &mut RacyDisk| {
                write.check_disk(told, disk.bytes())
            }),
            Driver::UsbBulk => host.with_lower(self.lower, |usb: &mut RacyUsb| {
                write.check_stream(told, usb.stream())
            }),
        }
    }

    /// Every status must have a reason.
    fn check_status(
        &self,
        host: &Host,
        written: &Written,
        status: NTSTATUS,
        last: Phase,
    ) -> Result<(), Flaw> {
        let (what, may_be) = match status {
            STATUS_SUCCESS => ("write: written", true),
            STATUS_IO_TIMEOUT => ("write: timed out", true),
            STATUS_IO_DEVICE_ERROR => ("write: device error", self.driver == Driver::WriteFilter),
            STATUS_UNSUCCESSFUL => ("write: pipe stalled", self.driver == Driver::UsbBulk),
            STATUS_CANCELLED => (
                "write: cancelled",
                written.cancelled || last >= Phase::GoingAway,
            ),
            STATUS_DEVICE_NOT_CONNECTED => ("write: device not connected", last != Phase::Working),
            STATUS_NO_SUCH_DEVICE => ("write: no such device", last >= Phase::GoingAway),
            STATUS_INVALID_DEVICE_STATE => {
                ("write: invalid device state", last >= Phase::GoingAway)
            }
            _ => ("write: another status", false),
        };
        host.tally(what);
        if may_be {
            return Ok(());
        }
        Err(Flaw::NoReason(format!(
            "{} ended with {}, for which there was no reason",
            written.write,
            Status(status)
        )))
    }
}

fn moment(thread: &HostThread<'_>) -> Ticks {
    MOMENTS[thread.choose(MOMENTS.len())]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kmdf_host::{Explore, Failure, HostConfig, Policy, Strategy};

    use super::*;

    /// Requests that are cancelled as they arrive at a queue that others wait in.
    fn crowd(host: &Host) -> Result<(), Failure> {
        let driver = Driver::UsbBulk;
        set_parameters(driver, host);
        let id = host.load(driver.service(), driver.entry())?;
        let lower = host.add_lower(RacyUsb::new(), LowerConfig::new(driver.lower()));
        let stack = host.plug(lower, &[id])?;
        let course = Rc::new(Course {
            driver,
            lower,
            stack,
            phase: Cell::new(Phase::Working),
            writes: RefCell::default(),
        });
        for number in 0..4 {
            host.thread("application", move |thread| {
                let file = thread.open(stack).expect("nobody removes it");
                for nth in 0..2 {
                    let write = Write::new(number * 2 + nth, 8);
                    // Together with what the device completes.
                    thread.sleep([Ticks::ZERO, EARLY][thread.choose(2)]);
                    let io = thread.submit_write(file, write.offset(), &write.data());
                    thread.sleep(Ticks::ZERO);
                    thread.cancel(io);
                    thread.wait(io);
                }
                thread.close(file);
            });
        }
        host.run()?;
        Ok(course.check(host)?)
    }

    #[test]
    fn writes_of_a_crowd_do_not_mix() {
        for strategy in [Strategy::Random, Strategy::PCT] {
            let explore = Explore::new(HostConfig::new().verifier(true))
                .strategy(strategy)
                .schedules(3_000);
            let exploration = Host::explore(&explore, crowd);
            if let Some(failed) = exploration.failures.first() {
                panic!(
                    "{strategy:?}, after {} schedules, {}: {}",
                    exploration.schedules, failed.schedule, failed.failure
                );
            }
        }
    }

    fn run(driver: Driver, config: HostConfig) -> Vec<(&'static str, u64)> {
        let host = Host::new(config.clone());
        if let Err(flaw) = race(driver, &host) {
            let again = Host::new(config.trace(true));
            let _same = race(driver, &again);
            let records = again.trace().records;
            let lines: Vec<_> = records
                .iter()
                .map(|record| format!("{record:?}\n"))
                .collect();
            panic!("{driver:?}: {flaw}\n{}", lines.concat());
        }
        let tallies = host.tallies();
        let report = host.finish();
        assert!(report.is_clean(), "{driver:?}: {report}");
        tallies
    }

    #[test]
    fn in_order_all_is_written() {
        for driver in [Driver::WriteFilter, Driver::UsbBulk] {
            let config = HostConfig::new().verifier(true).policy(Policy::InOrder);
            let writes = u64::from(APPLICATIONS * WRITES);
            let tallies = run(driver, config);
            assert!(tallies.contains(&("write: written", writes)), "{tallies:?}");
        }
    }

    /// Races of both drivers, and who wins them.
    const RACES: [&str; 6] = [
        "race of completion and time-out: completion first",
        "race of completion and time-out: time-out first",
        "race of completion and cancel: completion first",
        "race of completion and cancel: cancel first",
        "race of completion and removal: completion first",
        "race of completion and removal: removal first",
    ];

    /// Races of a driver that stops for power.
    const POWER_RACES: [&str; 4] = [
        "race of completion and purge for power-down: completion first",
        "race of completion and purge for power-down: purge first",
        "race of write and queue stop: presented first",
        "race of write and queue stop: stop first, held until power-up",
    ];

    #[test]
    fn races_end_both_ways() {
        for driver in [Driver::WriteFilter, Driver::UsbBulk] {
            let mut seen = BTreeMap::new();
            for seed in 0..500 {
                let config = HostConfig::new().seed(seed).verifier(true).preempt(true);
                for (what, count) in run(driver, config) {
                    *seen.entry(what).or_insert(0) += count;
                }
            }
            let power = match driver {
                Driver::WriteFilter => &[][..],
                Driver::UsbBulk => &POWER_RACES,
            };
            for way in RACES.iter().chain(power) {
                assert!(seen.contains_key(way), "{driver:?}, {way}: {seen:#?}");
            }
        }
    }
}
