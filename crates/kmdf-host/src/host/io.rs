//! Applications.

use std::rc::Rc;

use kmdf_sys::{NT_SUCCESS, NTSTATUS};

use super::{Host, StackId};
use crate::stop::Stop;
use crate::system::device::{DeviceObject, DeviceTable};
use crate::system::io::{Io, IoResult};
use crate::system::irp::{
    IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE, IRP_MJ_DEVICE_CONTROL,
    IRP_MJ_INTERNAL_DEVICE_CONTROL, IRP_MJ_READ, IRP_MJ_WRITE, Parameters,
};
use crate::system::scheduler::{self, Job};
use crate::system::{PASSIVE_LEVEL, System};

/// Names an open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId(pub(super) usize);

impl FileId {
    pub(super) const fn new(index: usize) -> Self {
        Self(index)
    }

    pub(super) const fn index(self) -> usize {
        self.0
    }
}

/// Names an I/O that was handed in and may not have completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IoId(pub(super) u64);

/// Requestor mode of an I/O.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// From an application.
    User,
    /// From a driver or the system.
    Kernel,
}

pub(super) fn length32(length: usize) -> u32 {
    u32::try_from(length).expect("one request moves less than 4 GiB")
}

/// An I/O on an open file, to be issued.
pub(super) fn prepare(
    system: &System,
    file: FileId,
    mut parameters: Parameters,
    mode: Mode,
    data: &[u8],
    output: usize,
) -> Rc<Io> {
    let open = system.ios.file(file.0).expect("the file is open");
    parameters.file = open.address();
    system
        .ios
        .prepare(&open.device, parameters, mode == Mode::User, data, output)
}

impl Host {
    /// Opens the top of a stack.
    ///
    /// # Errors
    ///
    /// [`Stop::Status`] when the create request fails; whatever ends the run.
    pub fn open(&self, stack: StackId) -> Result<FileId, Stop> {
        let device = self.top_of(stack);
        self.open_object(&device)
    }

    fn open_object(&self, device: &Rc<DeviceObject>) -> Result<FileId, Stop> {
        let file = FileId(self.system.ios.open(device));
        let status = self.file_request(file, IRP_MJ_CREATE)?;
        if NT_SUCCESS(status) {
            Ok(file)
        } else {
            self.system.ios.close(file.0);
            Err(self.failed("opening the device", status))
        }
    }

    /// Opens a device by one of its names: that of the device object, or a symbolic link to it.
    ///
    /// # Errors
    ///
    /// [`Stop::Status`] when there is no such device, or it is not yet initialized, or the create request fails; whatever ends
    /// the run.
    pub fn open_name(&self, name: &str) -> Result<FileId, Stop> {
        let what = "opening the device";
        // Two names for one directory of the object manager.
        let other = name
            .strip_prefix("\\DosDevices\\")
            .map(|rest| format!("\\??\\{rest}"))
            .or_else(|| {
                let rest = name.strip_prefix("\\??\\")?;
                Some(format!("\\DosDevices\\{rest}"))
            });
        let devices = &self.system.devices;
        let found = devices.by_name(name).or_else(|| devices.by_name(&other?));
        let Some(device) = found else {
            return Err(self.failed(what, kmdf_sys::STATUS_OBJECT_NAME_NOT_FOUND));
        };
        if self.system.is_initializing(&device) {
            return Err(self.failed(what, kmdf_sys::STATUS_NO_SUCH_DEVICE));
        }
        let top = DeviceTable::top(&device);
        self.open_object(&top)
    }

    /// Closes a file: cleanup, then close.
    ///
    /// # Errors
    ///
    /// Whatever ends the run.
    pub fn close(&self, file: FileId) -> Result<(), Stop> {
        self.file_request(file, IRP_MJ_CLEANUP)?;
        self.file_request(file, IRP_MJ_CLOSE)?;
        self.system.ios.close(file.0);
        Ok(())
    }

    fn file_request(&self, file: FileId, major: u8) -> Result<NTSTATUS, Stop> {
        let io = self.prepare(
            file,
            Parameters {
                major,
                ..Parameters::default()
            },
            Mode::User,
            &[],
            0,
        );
        let result = self.issue_and_wait(&io)?;
        self.system.ios.recycle(io);
        Ok(result.status)
    }

    /// Writes and waits until the request has completed.
    ///
    /// # Errors
    ///
    /// [`Stop::Deadlock`] when it can never complete; whatever ends the run.
    ///
    /// # Panics
    ///
    /// When `file` is closed.
    pub fn write(&self, file: FileId, offset: u64, data: &[u8]) -> Result<IoResult, Stop> {
        let parameters =
            Parameters::transfer(IRP_MJ_WRITE, length32(data.len()), offset.cast_signed());
        let io = self.prepare(file, parameters, Mode::User, data, 0);
        let result = self.issue_and_wait(&io)?;
        self.system.ios.recycle(io);
        Ok(result)
    }

    /// Reads and waits until the request has completed; what came back is at the start of `buffer`.
    ///
    /// # Errors
    ///
    /// [`Stop::Deadlock`] when it can never complete; whatever ends the run.
    pub fn read(&self, file: FileId, offset: u64, buffer: &mut [u8]) -> Result<IoResult, Stop> {
        let parameters =
            Parameters::transfer(IRP_MJ_READ, length32(buffer.len()), offset.cast_signed());
        let io = self.prepare(file, parameters, Mode::User, &[], buffer.len());
        let result = self.issue_and_wait(&io)?;
        io.with_returned(|bytes| buffer[..bytes.len()].copy_from_slice(bytes));
        self.system.ios.recycle(io);
        Ok(result)
    }

    /// Sends a control code and waits until the request has completed; what came back is at the start of `output`.
    ///
    /// # Errors
    ///
    /// [`Stop::Deadlock`] when it can never complete; whatever ends the run.
    pub fn ioctl(
        &self,
        file: FileId,
        code: u32,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<IoResult, Stop> {
        let io = self.prepare_ioctl(
            file,
            IRP_MJ_DEVICE_CONTROL,
            code,
            input,
            output.len(),
            Mode::User,
        );
        let result = self.issue_and_wait(&io)?;
        io.with_returned(|bytes| {
            let count = bytes.len().min(output.len());
            output[..count].copy_from_slice(&bytes[..count]);
        });
        self.system.ios.recycle(io);
        Ok(result)
    }

    /// Hands in a write; it is sent when the host runs.
    pub fn submit_write(&self, file: FileId, offset: u64, data: &[u8], mode: Mode) -> IoId {
        let parameters =
            Parameters::transfer(IRP_MJ_WRITE, length32(data.len()), offset.cast_signed());
        self.submit(self.prepare(file, parameters, mode, data, 0))
    }

    /// Hands in a read; it is sent when the host runs.
    pub fn submit_read(&self, file: FileId, offset: u64, length: usize, mode: Mode) -> IoId {
        let parameters = Parameters::transfer(IRP_MJ_READ, length32(length), offset.cast_signed());
        self.submit(self.prepare(file, parameters, mode, &[], length))
    }

    /// Hands in a control code; it is sent when the host runs.
    pub fn submit_ioctl(
        &self,
        file: FileId,
        code: u32,
        input: &[u8],
        output: usize,
        mode: Mode,
    ) -> IoId {
        self.submit(self.prepare_ioctl(file, IRP_MJ_DEVICE_CONTROL, code, input, output, mode))
    }

    /// Hands in an internal control code, as a driver above would; it is sent when the host runs.
    pub fn submit_internal_ioctl(
        &self,
        file: FileId,
        code: u32,
        input: &[u8],
        output: usize,
    ) -> IoId {
        self.submit(self.prepare_ioctl(
            file,
            IRP_MJ_INTERNAL_DEVICE_CONTROL,
            code,
            input,
            output,
            Mode::Kernel,
        ))
    }

    /// How an I/O ended, or `None` while it has not.
    #[must_use]
    pub fn result(&self, io: IoId) -> Option<IoResult> {
        self.system.ios.submitted(io.0)?.result.get()
    }

    /// What a completed read or control code returned.
    #[must_use]
    pub fn returned(&self, io: IoId) -> Vec<u8> {
        let io = self.system.ios.submitted(io.0);
        io.map_or_else(Vec::new, |io| io.with_returned(<[u8]>::to_vec))
    }

    /// Runs until an I/O has completed.
    ///
    /// # Errors
    ///
    /// [`Stop::Deadlock`] when it can never complete; whatever ends the run.
    pub fn wait(&self, io: IoId) -> Result<IoResult, Stop> {
        let io = self
            .system
            .ios
            .submitted(io.0)
            .expect("the I/O was handed in to this host");
        self.run_to_result(&io)
    }

    /// Cancels an I/O; tells whether a cancel routine was called.
    ///
    /// # Errors
    ///
    /// Whatever ends the run.
    pub fn cancel(&self, io: IoId) -> Result<bool, Stop> {
        match self.system.ios.submitted(io.0) {
            Some(io) => self.cancel_io(&io),
            None => Ok(false),
        }
    }

    /// In a sweep: cancels a request of an application that a lower device holds, as the end of the application's process
    /// would, when nothing else can happen; `false` when there is none. One that a driver holds, or waits for itself, stays.
    pub(super) fn applications_give_up(&self) -> Result<bool, Stop> {
        if !self.system.faults.watching() {
            return Ok(false);
        }
        let live = self.system.irps.live().into_iter();
        let mut held = live.filter(|irp| {
            irp.io.borrow().is_some() && irp.holder.borrow().is_some() && !irp.cancel.get()
        });
        let Some(irp) = held.next() else {
            return Ok(false);
        };
        self.call("canceller", move |system| system.cancel_irp(&irp))?;
        Ok(true)
    }

    fn cancel_io(&self, io: &Rc<Io>) -> Result<bool, Stop> {
        let io = Rc::clone(io);
        self.call("canceller", move |system| {
            let irp = io.irp.borrow().clone();
            irp.is_some_and(|irp| system.cancel_irp(&irp))
        })
    }

    fn prepare_ioctl(
        &self,
        file: FileId,
        major: u8,
        code: u32,
        input: &[u8],
        output: usize,
        mode: Mode,
    ) -> Rc<Io> {
        let parameters = Parameters::ioctl(
            major,
            code,
            length32(input.len()),
            length32(output),
            std::ptr::null_mut(),
        );
        self.prepare(file, parameters, mode, input, output)
    }

    fn prepare(
        &self,
        file: FileId,
        parameters: Parameters,
        mode: Mode,
        data: &[u8],
        output: usize,
    ) -> Rc<Io> {
        prepare(&self.system, file, parameters, mode, data, output)
    }

    fn submit(&self, io: Rc<Io>) -> IoId {
        let id = IoId(io.id.get());
        self.system.ios.remember(&io);
        self.system.start_thread("app", PASSIVE_LEVEL, Job::Io(io));
        id
    }

    fn issue_and_wait(&self, io: &Rc<Io>) -> Result<IoResult, Stop> {
        self.system
            .start_thread("app", PASSIVE_LEVEL, Job::Io(Rc::clone(io)));
        self.run_to_result(io)
    }

    fn run_to_result(&self, io: &Rc<Io>) -> Result<IoResult, Stop> {
        let mut outcome = self.system.run_until(None, &|| io.is_done())?;
        while outcome == scheduler::Outcome::Idle && self.applications_give_up()? {
            outcome = self.system.run_until(None, &|| io.is_done())?;
        }
        if outcome == scheduler::Outcome::Idle {
            return Err(self.deadlock());
        }
        io.result.get().ok_or_else(|| self.deadlock())
    }
}
