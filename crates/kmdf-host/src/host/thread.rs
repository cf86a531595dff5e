//! The machine, seen from inside one of its threads: applications that block, and PnP while I/O goes on.

use core::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use kmdf_sys::{NT_SUCCESS, NTSTATUS, STATUS_NO_SUCH_DEVICE, STATUS_PLUGPLAY_QUERY_VETOED};

use super::Host;
use super::io::{self, FileId, IoId, Mode};
use super::pnp::{StackId, Stacks};
use crate::fx::pnp_irp::PnpIrp;
use crate::lower::{LowerDevice, LowerId};
use crate::system::choice::ChoiceKind;
use crate::system::io::{Io, IoResult};
use crate::system::irp::{IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE, IRP_MJ_WRITE, Parameters};
use crate::system::scheduler::{Job, Thread};
use crate::system::wait::{WaitReason, Wake};
use crate::system::{PASSIVE_LEVEL, System};
use crate::time::Ticks;
use crate::trace::ThreadId;

/// What a thread of the machine can do: an application's calls, which block as they do in Windows, and those of the PnP and
/// power managers, which go on while other threads use the device.
///
/// ```
/// use kmdf_host::{Disk, Host, HostConfig, LowerConfig, PnpIrp, Ticks};
///
/// # fn main() -> Result<(), kmdf_host::Stop> {
/// let host = Host::new(HostConfig::new().seed(7));
/// let disk = host.add_lower(Disk::in_memory(), LowerConfig::new("disk"));
/// let stack = host.plug(disk, &[])?;
/// host.thread("application", move |thread| {
///     let file = thread.open(stack).expect("a disk lets itself be opened");
///     assert_eq!(thread.write(file, 0, b"hello").information, 5);
///     thread.close(file);
/// });
/// host.thread("pnp", move |thread| {
///     thread.sleep(Ticks::from_millis(thread.choose(3) as u64));
///     thread.pnp(stack, PnpIrp::SetDevicePower(3));
///     thread.pnp(stack, PnpIrp::SetDevicePower(0));
/// });
/// host.run()?;
/// # assert!(host.finish().is_clean());
/// # Ok(())
/// # }
/// ```
pub struct HostThread<'a> {
    system: &'a System,
    stacks: &'a Stacks,
}

impl core::fmt::Debug for HostThread<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("HostThread")
            .field("id", &self.system.scheduler.current_id())
            .finish_non_exhaustive()
    }
}

/// The PnP and power managers do one thing at a time to a stack.
#[derive(Debug, Default)]
pub(super) struct Turn {
    taken: Cell<bool>,
    waiters: RefCell<VecDeque<Rc<Thread>>>,
}

impl Turn {
    fn take(&self, system: &System, stack: usize) {
        if self.taken.replace(true) {
            self.waiters.borrow_mut().push_back(system.running_thread());
            // Whoever gives it up hands it on.
            system.wait(WaitReason::PnpTurn(stack), None);
        }
    }

    fn give_up(&self, system: &System) {
        let next = self.waiters.borrow_mut().pop_front();
        match next {
            Some(next) => {
                system.wake(&next, Wake::Signaled);
            }
            None => self.taken.set(false),
        }
    }
}

impl Host {
    /// Starts a thread of the machine. It runs when the host runs.
    pub fn thread(&self, name: &str, f: impl FnOnce(&HostThread<'_>) + 'static) -> ThreadId {
        let stacks = Rc::clone(&self.stacks);
        let job = Job::Call(Box::new(move |system: &System| {
            let stacks = &*stacks;
            f(&HostThread { system, stacks });
        }));
        let started = self.system.start_thread(name, PASSIVE_LEVEL, job);
        started.thread_id()
    }

    /// One of `count` alternatives, 0 to `count` - 1, by the seed or schedule of the run: a race of the scenario. In order it
    /// is 0, and so it is of fewer than two.
    #[must_use]
    pub fn choose(&self, count: usize) -> usize {
        self.system.choose(ChoiceKind::Scenario, count)
    }

    /// Counts something that happened: an outcome, or who won a race. An exploration adds up what its runs have counted, so
    /// that one sees what was explored.
    pub fn tally(&self, what: &'static str) {
        self.system.counters.tally(what);
    }

    /// What was counted, in the order of first occurrence.
    #[must_use]
    pub fn tallies(&self) -> Vec<(&'static str, u64)> {
        self.system.counters.tallies()
    }

    /// The choices of the run so far, if [`HostConfig::record_choices`](crate::HostConfig::record_choices) is on.
    #[must_use]
    pub fn choices(&self) -> Vec<crate::Choice> {
        self.system.scheduler.chooser.recorded()
    }
}

impl HostThread<'_> {
    /// One of `count` alternatives, as [`Host::choose`].
    #[must_use]
    pub fn choose(&self, count: usize) -> usize {
        self.system.choose(ChoiceKind::Scenario, count)
    }

    /// Counts something, as [`Host::tally`].
    pub fn tally(&self, what: &'static str) {
        self.system.counters.tally(what);
    }

    /// Virtual time.
    #[must_use]
    pub fn now(&self) -> Ticks {
        self.system.now()
    }

    /// Lets time pass for this thread; none at all lets everything else run that is ready.
    pub fn sleep(&self, span: Ticks) {
        self.system.sleep(self.now() + span);
    }

    /// Opens the top of a stack.
    ///
    /// # Errors
    ///
    /// The status of a create request that failed; `STATUS_NO_SUCH_DEVICE` once the stack is being removed.
    pub fn open(&self, stack: StackId) -> Result<FileId, NTSTATUS> {
        if self.stacks.refuses_opens(stack) {
            return Err(STATUS_NO_SUCH_DEVICE);
        }
        let device = self.stacks.top(self.system, stack);
        let file = FileId::new(self.system.ios.open(&device));
        let status = self.file_request(file, IRP_MJ_CREATE);
        if NT_SUCCESS(status) {
            Ok(file)
        } else {
            self.forget(file);
            Err(status)
        }
    }

    /// Closes a file: cleanup, then, when the I/O on it has completed, close.
    ///
    /// Whoever waits for I/O on the file by [`HostThread::wait`] does so before.
    pub fn close(&self, file: FileId) {
        // Neither can fail for the application; a device that is gone fails both.
        let _gone = self.file_request(file, IRP_MJ_CLEANUP);
        self.system.wait_for_file(file.index());
        let _gone = self.file_request(file, IRP_MJ_CLOSE);
        self.forget(file);
    }

    fn forget(&self, file: FileId) {
        self.system.ios.close(file.index());
        self.system.wake_io_waiters();
    }

    /// Writes and waits until the request has completed.
    pub fn write(&self, file: FileId, offset: u64, data: &[u8]) -> IoResult {
        let io = self.prepare_write(file, offset, data);
        self.system.issue(&io);
        self.finish(io)
    }

    /// Writes without waiting, as with an `OVERLAPPED`: sent from this thread now.
    pub fn begin_write(&self, file: FileId, offset: u64, data: &[u8]) -> IoId {
        let io = self.prepare_write(file, offset, data);
        self.system.ios.remember(&io);
        let id = IoId(io.id.get());
        self.system.issue(&io);
        id
    }

    /// Has another thread of the application write: sent when that runs.
    pub fn submit_write(&self, file: FileId, offset: u64, data: &[u8]) -> IoId {
        let io = self.prepare_write(file, offset, data);
        self.system.ios.remember(&io);
        let id = IoId(io.id.get());
        self.system.start_thread("app", PASSIVE_LEVEL, Job::Io(io));
        id
    }

    /// Waits until an I/O has completed.
    ///
    /// # Panics
    ///
    /// When the I/O is not one of this host.
    pub fn wait(&self, io: IoId) -> IoResult {
        let io = self.system.ios.submitted(io.0);
        self.wait_for(&io.expect("the I/O was handed in to this host"))
    }

    /// How an I/O ended, or `None` while it has not.
    #[must_use]
    pub fn result(&self, io: IoId) -> Option<IoResult> {
        self.system.ios.submitted(io.0)?.result.get()
    }

    /// Cancels an I/O (`CancelIoEx`); tells whether a cancel routine was called.
    pub fn cancel(&self, io: IoId) -> bool {
        let io = self.system.ios.submitted(io.0);
        let irp = io.and_then(|io| io.irp.borrow().clone());
        irp.is_some_and(|irp| self.system.cancel_irp(&irp))
    }

    /// Looks at or changes a lower device, as [`Host::with_lower`].
    ///
    /// # Panics
    ///
    /// When the device is not a `T`.
    pub fn with_lower<T: LowerDevice, R>(&self, id: LowerId, f: impl FnOnce(&mut T) -> R) -> R {
        self.system.with_lower(id, f)
    }

    /// Waits until no file is open on a stack, as the PnP manager does before it removes a device that is gone.
    pub fn wait_closed(&self, stack: StackId) {
        let bottom = self.stacks.bottom(self.system, stack);
        while self.system.ios.is_open_above(&bottom) {
            self.system.wait_for_io(WaitReason::FilesClosed(stack.0));
        }
    }

    /// The hardware is gone: from now on the lower device fails what is sent to it. A surprise removal is how the drivers
    /// come to know.
    pub fn unplug(&self, stack: StackId) {
        self.stacks.path(self.system, stack).lower.remove();
    }

    /// Sends a request of the PnP or power manager to a stack, when an earlier one has come to its end; gives its final
    /// status.
    ///
    /// From the query or the surprise on, a stack that is to be removed is opened no more. The PnP manager itself refuses
    /// the query, with `STATUS_PLUGPLAY_QUERY_VETOED`, while a file is open.
    pub fn pnp(&self, stack: StackId, irp: PnpIrp) -> NTSTATUS {
        let turn = self.stacks.turn(stack);
        turn.take(self.system, stack.0);
        let status = self.send_pnp(stack, irp);
        turn.give_up(self.system);
        status
    }

    fn send_pnp(&self, stack: StackId, irp: PnpIrp) -> NTSTATUS {
        let path = self.stacks.path(self.system, stack);
        match irp {
            PnpIrp::QueryRemoveDevice => {
                let bottom = self.stacks.bottom(self.system, stack);
                if self.system.ios.is_open_above(&bottom) {
                    return STATUS_PLUGPLAY_QUERY_VETOED;
                }
                self.stacks.refuse_opens(stack, true);
                let status = self.system.send_pnp(&path, irp);
                if !NT_SUCCESS(status) {
                    self.stacks.refuse_opens(stack, false);
                }
                status
            }
            PnpIrp::CancelRemoveDevice => {
                let status = self.system.send_pnp(&path, irp);
                self.stacks.refuse_opens(stack, false);
                status
            }
            PnpIrp::SurpriseRemoval => {
                self.stacks.refuse_opens(stack, true);
                self.system.send_pnp(&path, irp)
            }
            PnpIrp::RemoveDevice => {
                self.stacks.refuse_opens(stack, true);
                let status = self.system.send_pnp(&path, irp);
                self.stacks.set_removed(stack);
                status
            }
            _ => self.system.send_pnp(&path, irp),
        }
    }

    fn prepare_write(&self, file: FileId, offset: u64, data: &[u8]) -> Rc<Io> {
        let length = io::length32(data.len());
        let parameters = Parameters::transfer(IRP_MJ_WRITE, length, offset.cast_signed());
        io::prepare(self.system, file, parameters, Mode::User, data, 0)
    }

    fn file_request(&self, file: FileId, major: u8) -> NTSTATUS {
        let parameters = Parameters {
            major,
            ..Parameters::default()
        };
        let io = io::prepare(self.system, file, parameters, Mode::User, &[], 0);
        self.system.issue(&io);
        self.finish(io).status
    }

    fn finish(&self, io: Rc<Io>) -> IoResult {
        let result = self.wait_for(&io);
        self.system.ios.recycle(io);
        result
    }

    fn wait_for(&self, io: &Rc<Io>) -> IoResult {
        loop {
            if let Some(result) = io.result.get() {
                return result;
            }
            self.system.wait_for_io(WaitReason::Io(io.id.get()));
        }
    }
}
