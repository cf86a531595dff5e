//! One thing after the other: every path through a driver, without races.

use kmdf_host::{Disk, Host, IoResult, LowerConfig, LowerId, Mode, StackId};

use super::medium::Write;
use super::{Flaw, PIECE, device, failed, set_parameters};
use crate::args::Driver;
use crate::status::Status;

/// A step and how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) what: &'static str,
    pub(crate) status: Status,
}

/// Loads the driver, starts its device, writes to it, puts it to sleep and wakes it, stops and starts it for rebalancing,
/// closes, removes and unloads, as far as the driver lets itself. Gives the steps and their statuses; a step that fails is
/// no flaw, a write that is not where the application was told it is, or that never ends, is one.
pub(crate) fn steady(driver: Driver, host: &Host) -> Result<Vec<Step>, Flaw> {
    let mut course = Course {
        driver,
        host,
        driven: false,
        steps: Vec::new(),
        written: Vec::new(),
    };
    course.run()?;
    Ok(course.steps)
}

struct Course<'a> {
    driver: Driver,
    host: &'a Host,
    /// Whether the driver has a device: a filter without one leaves the application to the disk.
    driven: bool,
    steps: Vec<Step>,
    written: Vec<(Write, IoResult)>,
}

impl Course<'_> {
    fn run(&mut self) -> Result<(), Flaw> {
        let host = self.host;
        set_parameters(self.driver, host);
        let loaded = host.load(self.driver.service(), self.driver.entry());
        let Some(driver) = self.step("load", loaded)? else {
            return Ok(());
        };
        let lower = self.add_device();
        let plugged = host.plug(lower, &[driver]);
        let Some(stack) = self.step("start", plugged)? else {
            return Ok(());
        };
        self.use_device(stack)?;
        let removed = host.remove(stack);
        self.step("remove", removed)?;
        self.check_medium(lower)?;
        let unloaded = host.unload(driver);
        self.step("unload", unloaded)?;
        Ok(())
    }

    fn use_device(&mut self, stack: StackId) -> Result<(), Flaw> {
        let host = self.host;
        self.driven = !host.device_handles(stack).is_empty();
        let piece = PIECE as usize;
        let opened = host.open(stack);
        let Some(file) = self.step("open", opened)? else {
            return Ok(());
        };
        for length in [piece, 0, 1, piece + 1, 3 * piece] {
            self.write("write", file, length)?;
        }
        let slept = host.sleep(stack);
        self.step("sleep", slept)?;
        let woken = host.wake(stack);
        self.step("wake", woken)?;
        self.write("write after wake", file, 2 * piece)?;
        let stopped = host.stop(stack);
        // What was not stopped is not started.
        if self.step("stop", stopped)?.is_some() {
            let restarted = host.start(stack);
            self.step("restart", restarted)?;
        }
        self.write("write after restart", file, 2 * piece)?;
        let closed = host.close(file);
        self.step("close", closed)?;
        Ok(())
    }

    fn add_device(&self) -> LowerId {
        let config = LowerConfig::new(self.driver.lower());
        match self.driver {
            Driver::WriteFilter => self.host.add_lower(Disk::in_memory(), config),
            Driver::UsbBulk => self.host.add_lower(device::usb_device(), config),
        }
    }

    fn step<T>(
        &mut self,
        what: &'static str,
        result: Result<T, kmdf_host::Stop>,
    ) -> Result<Option<T>, Flaw> {
        let (status, value) = match result {
            Ok(value) => (Status(kmdf_sys::STATUS_SUCCESS), Some(value)),
            Err(stop) => (failed(stop)?, None),
        };
        self.steps.push(Step { what, status });
        Ok(value)
    }

    /// Writes; cancels, as the user of an application would, when nothing comes of it.
    fn write(
        &mut self,
        what: &'static str,
        file: kmdf_host::FileId,
        length: usize,
    ) -> Result<(), Flaw> {
        let number = u8::try_from(self.written.len()).unwrap_or(u8::MAX);
        let write = Write::new(number, length);
        let host = self.host;
        let io = host.submit_write(file, write.offset(), &write.data(), Mode::User);
        let done = || host.result(io).is_some();
        if !host.run_until(done)? {
            host.cancel(io)?;
            host.run_until(done)?;
        }
        let Some(result) = host.result(io) else {
            return Err(Flaw::Wrong(format!(
                "{write} never ends, though the application has cancelled it"
            )));
        };
        if self.driven {
            write.check_count(result)?;
        }
        self.written.push((write, result));
        let status = Status(result.status);
        self.steps.push(Step { what, status });
        Ok(())
    }

    fn check_medium(&self, lower: LowerId) -> Result<(), Flaw> {
        self.written.iter().try_for_each(|&(write, result)| {
            let told = result.information;
            match self.driver {
                Driver::WriteFilter => self.host.with_lower(lower, |disk: &mut Disk| {
                    write.check_disk(told, disk.bytes())
                }),
                Driver::UsbBulk => self
                    .host
                    .with_lower(lower, |usb| write.check_stream(told, device::stream(usb))),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use kmdf_host::HostConfig;

    use super::*;

    #[test]
    fn every_step_succeeds() {
        for driver in [Driver::WriteFilter, Driver::UsbBulk] {
            let host = Host::new(HostConfig::new().verifier(true));
            let steps = steady(driver, &host).unwrap();
            assert_eq!(steps.len(), 17, "{steps:?}");
            assert!(
                steps.iter().all(|step| step.status.is_success()),
                "{steps:?}"
            );
            let report = host.finish();
            assert!(report.is_clean(), "{report}");
        }
    }
}
