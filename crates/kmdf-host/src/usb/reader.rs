//! Continuous readers: reads that the framework keeps pending on an IN pipe.

use core::cell::{Cell, RefCell};
use core::ptr;
use std::rc::Rc;

use kmdf_sys::{
    _POOL_TYPE as pool_type, _WDF_OBJECT_ATTRIBUTES, _WDF_USB_CONTINUOUS_READER_CONFIG, NT_SUCCESS,
    NTSTATUS, PFN_WDF_USB_READER_COMPLETION_ROUTINE, PFN_WDF_USB_READERS_FAILED,
    PWDF_USB_CONTINUOUS_READER_CONFIG, STATUS_CANCELLED, STATUS_INFO_LENGTH_MISMATCH,
    STATUS_INTEGER_OVERFLOW, STATUS_INVALID_BUFFER_SIZE, STATUS_INVALID_DEVICE_REQUEST,
    STATUS_INVALID_DEVICE_STATE, STATUS_INVALID_PARAMETER, STATUS_SUCCESS, STATUS_UNSUCCESSFUL,
    USBD_STATUS, WDFCONTEXT, WDFMEMORY, WDFUSBPIPE,
};

use super::UsbPipe;
use crate::fx::attributes::Rules;
use crate::fx::class::{Kind, Obj};
use crate::fx::object::Object;
use crate::fx::request::{Request, Routine, Source};
use crate::fx::target::buffer::{Range, RequestBuffer};
use crate::fx::target::submit::{SendOptions, Submitted};
use crate::fx::target::{IoTarget, TargetState};
use crate::report::ViolationKind;
use crate::system::System;
use crate::system::scheduler::Thread;
use crate::system::wait::{WaitReason, Wake};

const DEFAULT_READS: u8 = 2;
const MAXIMUM_READS: u8 = 10;

/// A continuous reader.
pub(crate) struct Reader {
    transfer: Range,
    total: usize,
    attributes: _WDF_OBJECT_ATTRIBUTES,
    complete: PFN_WDF_USB_READER_COMPLETION_ROUTINE,
    context: WDFCONTEXT,
    failed: PFN_WDF_USB_READERS_FAILED,
    repeaters: RefCell<Vec<Rc<Repeater>>>,
    /// The reads were sent since the pipe was last started.
    submitted: Cell<bool>,
    /// A recovery is queued or runs, and holds up resubmission.
    recovery_queued: Cell<bool>,
    recovering: Cell<bool>,
    /// A read that failed while a recovery ran.
    again: RefCell<Option<Rc<Repeater>>>,
    unformatted: Cell<usize>,
    waiters: RefCell<Vec<Rc<Thread>>>,
}

/// One of the reads.
struct Repeater {
    request: Obj<Request>,
    /// It was submitted and has not completed since.
    busy: Cell<bool>,
    memory: Cell<WDFMEMORY>,
}

impl Reader {
    fn repeaters(&self) -> Vec<Rc<Repeater>> {
        self.repeaters.borrow().clone()
    }

    fn repeater_of(&self, request: &Obj<Request>) -> Option<Rc<Repeater>> {
        self.repeaters
            .borrow()
            .iter()
            .find(|repeater| repeater.request.is(request))
            .cloned()
    }

    fn is_idle(&self) -> bool {
        !self.recovering.get()
            && self
                .repeaters
                .borrow()
                .iter()
                .all(|repeater| !repeater.busy.get())
    }
}

impl System {
    /// `WdfUsbTargetPipeConfigContinuousReader`.
    pub(crate) fn wdf_usb_target_pipe_config_continuous_reader(
        &self,
        pipe: WDFUSBPIPE,
        config: PWDF_USB_CONTINUOUS_READER_CONFIG,
    ) -> NTSTATUS {
        let pipe: Obj<UsbPipe> = self.object(pipe);
        self.require(config, "Config");
        let config = self.get(config);
        match self.configure_reader(&pipe, &config) {
            Ok(()) => STATUS_SUCCESS,
            Err(status) => status,
        }
    }

    fn configure_reader(
        &self,
        pipe: &Obj<UsbPipe>,
        config: &_WDF_USB_CONTINUOUS_READER_CONFIG,
    ) -> Result<(), NTSTATUS> {
        if config.Size as usize != size_of::<_WDF_USB_CONTINUOUS_READER_CONFIG>() {
            return Err(STATUS_INFO_LENGTH_MISMATCH);
        }
        if config.EvtUsbTargetPipeReadComplete.is_none() || config.TransferLength == 0 {
            return Err(STATUS_INVALID_PARAMETER);
        }
        let total = config.HeaderLength.checked_add(config.TransferLength);
        let total = total
            .and_then(|total| total.checked_add(config.TrailerLength))
            .ok_or(STATUS_INTEGER_OVERFLOW)?;
        self.attributes(config.BufferAttributes, Rules::REQUEST)?;
        if !pipe.takes_transfers() || pipe.is_out() {
            return Err(STATUS_INVALID_DEVICE_REQUEST);
        }
        if !pipe.allows_length(config.TransferLength) {
            return Err(STATUS_INVALID_BUFFER_SIZE);
        }
        if pipe.reader().is_some() {
            return Err(STATUS_INVALID_DEVICE_STATE);
        }
        self.pool_allocation()?;
        let mut attributes = if config.BufferAttributes.is_null() {
            plain_attributes()
        } else {
            self.get(config.BufferAttributes)
        };
        attributes.ParentObject = pipe.handle();
        let reader = Rc::new(Reader {
            transfer: Range {
                offset: config.HeaderLength,
                length: config.TransferLength,
            },
            total,
            attributes,
            complete: config.EvtUsbTargetPipeReadComplete,
            context: config.EvtUsbTargetPipeReadCompleteContext,
            failed: config.EvtUsbTargetPipeReadersFailed,
            repeaters: RefCell::new(Vec::new()),
            submitted: Cell::new(false),
            recovery_queued: Cell::new(false),
            recovering: Cell::new(false),
            again: RefCell::new(None),
            unformatted: Cell::new(0),
            waiters: RefCell::new(Vec::new()),
        });
        let result = self.create_repeaters(pipe, &reader, config.NumPendingReads);
        match result {
            Ok(()) => *pipe.reader.borrow_mut() = Some(reader),
            Err(_) => self.delete_repeaters(&reader),
        }
        result
    }

    fn create_repeaters(
        &self,
        pipe: &Obj<UsbPipe>,
        reader: &Rc<Reader>,
        wanted: u8,
    ) -> Result<(), NTSTATUS> {
        let count = if wanted == 0 {
            DEFAULT_READS
        } else {
            wanted.min(MAXIMUM_READS)
        };
        for _ in 0..count {
            let request = Request::new(Source::Created, None);
            let driver = pipe.rc().driver.get();
            // Drivers never see it, so it has no handle.
            let object = Rc::new(Object::new(
                Kind::Request(Box::new(request)),
                driver,
                self.origin(),
            ));
            let request = Obj::new(&object).expect("it was made a request");
            let repeater = Rc::new(Repeater {
                request,
                busy: Cell::new(false),
                memory: Cell::new(ptr::null_mut()),
            });
            reader.repeaters.borrow_mut().push(Rc::clone(&repeater));
            self.format_repeater(pipe, reader, &repeater)?;
        }
        Ok(())
    }

    /// Gives a read fresh memory and formats it.
    fn format_repeater(
        &self,
        pipe: &Obj<UsbPipe>,
        reader: &Reader,
        repeater: &Repeater,
    ) -> Result<(), NTSTATUS> {
        let request = &repeater.request;
        self.release_format(request);
        self.delete_memory_of(repeater);
        if let Some(irp) = request.irp() {
            irp.reuse(kmdf_sys::STATUS_NOT_SUPPORTED);
        }
        request.sticky_cancel.set(false);
        let mut attributes = reader.attributes;
        let mut memory: WDFMEMORY = ptr::null_mut();
        let pool = pool_type::NonPagedPoolNx;
        let status = self.wdf_memory_create(
            &raw mut attributes,
            pool,
            0,
            reader.total,
            &raw mut memory,
            ptr::null_mut(),
        );
        if !NT_SUCCESS(status) {
            return Err(status);
        }
        repeater.memory.set(memory);
        let buffer = RequestBuffer::Memory(self.memory(memory), Some(reader.transfer));
        self.format_reader(request, pipe, &buffer)?;
        request.routine.set(Routine::Reader);
        Ok(())
    }

    fn delete_memory_of(&self, repeater: &Repeater) {
        let memory = repeater.memory.replace(ptr::null_mut());
        if let Ok(object) = self.framework.objects.get(memory.addr())
            && object.is_live()
        {
            self.delete_object(&object);
        }
    }

    fn delete_repeaters(&self, reader: &Reader) {
        let repeaters = core::mem::take(&mut *reader.repeaters.borrow_mut());
        for repeater in repeaters {
            self.free_request(&repeater.request);
            self.delete_memory_of(&repeater);
        }
    }

    /// The pipe was started: its reads are sent.
    pub(super) fn start_reader(&self, pipe: &Obj<UsbPipe>) -> NTSTATUS {
        let Some(reader) = pipe.reader() else {
            return STATUS_SUCCESS;
        };
        if reader.submitted.get() {
            return STATUS_SUCCESS;
        }
        let repeaters = reader.repeaters();
        for repeater in &repeaters {
            if let Err(status) = self.format_repeater(pipe, &reader, repeater) {
                return status;
            }
        }
        reader.unformatted.set(0);
        reader.submitted.set(true);
        for repeater in &repeaters {
            if self.submit_repeater(pipe, repeater) {
                self.send_down(&repeater.request, &pipe.target);
            }
        }
        STATUS_SUCCESS
    }

    /// Submits a formatted read; tells whether it is to be passed down. A target that is not started takes none.
    fn submit_repeater(&self, pipe: &Obj<UsbPipe>, repeater: &Repeater) -> bool {
        if pipe.target.state.get() != TargetState::Started {
            return false;
        }
        let submitted = self.submit(
            &repeater.request,
            &pipe.io_target(),
            SendOptions::default(),
            None,
        );
        let sends = submitted == Submitted::Send;
        repeater.busy.set(sends);
        sends
    }

    /// The completion routine of a reader's read.
    pub(crate) fn reader_completed(&self, request: &Obj<Request>, target: &Obj<IoTarget>) {
        let Some(pipe) = Obj::<UsbPipe>::new(target.rc()) else {
            return;
        };
        let Some(reader) = pipe.reader() else {
            return;
        };
        let (Some(repeater), Some(irp)) = (reader.repeater_of(request), request.irp()) else {
            return;
        };
        let status = irp.status.get();
        if NT_SUCCESS(status) {
            self.tell_reader(&pipe, &reader, &repeater);
            if self.resubmit_repeater(&pipe, &reader, &repeater) {
                self.send_repeater_later(&pipe, &repeater);
                return;
            }
        }
        repeater.busy.set(false);
        self.wake_reader_waiters(&reader);
        if !NT_SUCCESS(status) && status != STATUS_CANCELLED {
            self.queue_recovery(&pipe, &reader, &repeater);
        }
    }

    fn tell_reader(&self, pipe: &Obj<UsbPipe>, reader: &Reader, repeater: &Repeater) {
        let completion = repeater.request.format.borrow().params.IoStatus.Information;
        let length = usize::try_from(completion).unwrap_or(usize::MAX);
        if let Some(complete) = reader.complete {
            let object = pipe.rc();
            self.callback(
                object.driver.get(),
                "EvtUsbTargetPipeReadComplete",
                object.handle.get(),
                || {
                    // SAFETY: the driver registered this function for the reader; pipe and memory exist during the call.
                    unsafe {
                        complete(pipe.handle(), repeater.memory.get(), length, reader.context)
                    }
                },
            );
        }
    }

    /// Prepares a read to be sent again; tells whether it is to be passed down.
    fn resubmit_repeater(
        &self,
        pipe: &Obj<UsbPipe>,
        reader: &Rc<Reader>,
        repeater: &Rc<Repeater>,
    ) -> bool {
        let formatted = self.format_repeater(pipe, reader, repeater);
        if reader.recovery_queued.get() {
            return false;
        }
        if formatted.is_ok() {
            return self.submit_repeater(pipe, repeater);
        }
        if pipe.target.state.get() == TargetState::Started {
            reader.unformatted.set(reader.unformatted.get() + 1);
            if reader.unformatted.get() == reader.repeaters.borrow().len() {
                self.queue_recovery(pipe, reader, repeater);
            }
        }
        false
    }

    /// Sends from a DPC, so that a device which completes at once does not recurse without end.
    fn send_repeater_later(&self, pipe: &Obj<UsbPipe>, repeater: &Rc<Repeater>) {
        let (pipe, repeater) = (pipe.clone(), Rc::clone(repeater));
        self.queue_dpc(
            "continuous reader",
            Box::new(move |system: &System| system.send_down(&repeater.request, &pipe.target)),
        );
    }

    fn queue_recovery(&self, pipe: &Obj<UsbPipe>, reader: &Rc<Reader>, repeater: &Rc<Repeater>) {
        if pipe.target.state.get() != TargetState::Started || reader.recovery_queued.replace(true) {
            return;
        }
        let (pipe, reader, repeater) = (pipe.clone(), Rc::clone(reader), Rc::clone(repeater));
        self.queue_work("continuous reader", move |system| {
            system.run_recovery(&pipe, &reader, repeater)
        });
    }

    /// The work item: one recovery at a time, and one more if a read failed meanwhile.
    fn run_recovery(&self, pipe: &Obj<UsbPipe>, reader: &Rc<Reader>, failed: Rc<Repeater>) {
        if reader.recovering.replace(true) {
            *reader.again.borrow_mut() = Some(failed);
            return;
        }
        let mut failed = failed;
        loop {
            self.recover(pipe, reader, &failed);
            match reader.again.borrow_mut().take() {
                Some(next) => failed = next,
                None => break,
            }
        }
        reader.recovering.set(false);
        self.wake_reader_waiters(reader);
    }

    fn recover(&self, pipe: &Obj<UsbPipe>, reader: &Rc<Reader>, failed: &Rc<Repeater>) {
        let status = failed
            .request
            .irp()
            .map_or(STATUS_UNSUCCESSFUL, |irp| irp.status.get());
        let usbd_status = self.usbd_status_of(&failed.request);
        self.cancel_repeaters(reader);
        let restart = self.tell_readers_failed(pipe, reader, status, usbd_status);
        let device = self.usb_device_of(pipe.rc());
        let mut outcome = if restart {
            self.usb_is_connected(&device)
        } else {
            STATUS_UNSUCCESSFUL
        };
        if NT_SUCCESS(outcome) {
            if self.client_at_least(9) && self.usb_is_enabled(&device) {
                // Whether the reset succeeds is not looked at.
                self.cancel_repeaters(reader);
                self.reset_pipe(pipe);
            } else {
                outcome = self.reset_port(&device);
            }
        }
        reader.recovery_queued.set(false);
        if NT_SUCCESS(outcome) {
            reader.unformatted.set(0);
            for repeater in reader.repeaters() {
                if self.resubmit_repeater(pipe, reader, &repeater) {
                    self.send_down(&repeater.request, &pipe.target);
                }
            }
        }
    }

    fn usbd_status_of(&self, request: &Obj<Request>) -> USBD_STATUS {
        let format = request.format.borrow();
        // SAFETY: a reader's request is always formatted as a USB request.
        let completion = unsafe { format.params.Parameters.Usb.Completion };
        if completion.is_null() || format.extra.is_none() {
            STATUS_SUCCESS
        } else {
            self.get(completion).UsbdStatus
        }
    }

    fn tell_readers_failed(
        &self,
        pipe: &Obj<UsbPipe>,
        reader: &Reader,
        status: NTSTATUS,
        usbd_status: USBD_STATUS,
    ) -> bool {
        let Some(failed) = reader.failed else {
            return true;
        };
        let object = pipe.rc();
        let restart = self.callback(
            object.driver.get(),
            "EvtUsbTargetPipeReadersFailed",
            object.handle.get(),
            || {
                // SAFETY: the driver registered this function for the reader; the pipe exists during the call.
                unsafe { failed(pipe.handle(), status, usbd_status) }
            },
        );
        restart != 0
    }

    /// Cancels the reads and waits until they are back.
    fn cancel_repeaters(&self, reader: &Reader) {
        for repeater in reader.repeaters() {
            self.cancel_sent_request(&repeater.request);
            while repeater.busy.get() {
                self.wait_for_reader(reader, &repeater.request);
            }
        }
    }

    /// The pipe was stopped, purged or removed: no read and no recovery may be under way.
    pub(super) fn stop_reader(&self, pipe: &Obj<UsbPipe>) {
        let Some(reader) = pipe.reader() else {
            return;
        };
        reader.submitted.set(false);
        self.cancel_sent(&pipe.target);
        while !reader.is_idle() {
            let pending = reader.repeaters();
            let Some(first) = pending.first() else {
                return;
            };
            for repeater in &pending {
                self.cancel_sent_request(&repeater.request);
            }
            if reader.is_idle() {
                return;
            }
            self.wait_for_reader(&reader, &first.request);
        }
    }

    fn wait_for_reader(&self, reader: &Reader, request: &Obj<Request>) {
        reader.waiters.borrow_mut().push(self.running_thread());
        let reason = match request.irp() {
            Some(irp) if request.in_flight.get() => Self::irp_wait_reason(&irp),
            _ => WaitReason::Callback(reader.attributes.ParentObject.addr()),
        };
        self.wait(reason, None);
    }

    fn wake_reader_waiters(&self, reader: &Reader) {
        let waiters = core::mem::take(&mut *reader.waiters.borrow_mut());
        for waiter in waiters {
            self.wake(&waiter, Wake::Signaled);
        }
    }

    /// Dispose of a pipe: its reader goes first.
    pub(crate) fn dispose_usb_pipe(&self, object: &Rc<Object>) {
        if let Some(pipe) = Obj::<UsbPipe>::new(object) {
            if pipe.reader().is_some_and(|reader| reader.submitted.get())
                && pipe.target.state.get() == TargetState::Started
            {
                self.misuse(
                    ViolationKind::ReaderRunning,
                    object,
                    "a pipe with a continuous reader was not stopped before it was removed",
                );
            }
            pipe.target.state.set(TargetState::Deleted);
            self.stop_reader(&pipe);
            self.dispose_target(object);
            let reader = pipe.reader.borrow_mut().take();
            if let Some(reader) = reader {
                self.delete_repeaters(&reader);
            }
        }
    }

    /// A target was started: a pipe's reader begins.
    pub(crate) fn usb_pipe_started(&self, target: &Obj<IoTarget>) -> NTSTATUS {
        Obj::<UsbPipe>::new(target.rc()).map_or(STATUS_SUCCESS, |pipe| self.start_reader(&pipe))
    }

    /// A target was stopped or purged: a pipe's reader ends.
    pub(crate) fn usb_pipe_halted(&self, target: &Obj<IoTarget>) {
        if let Some(pipe) = Obj::<UsbPipe>::new(target.rc()) {
            self.stop_reader(&pipe);
        }
    }

    /// The configured pipes of a USB device, as targets; none of another target.
    pub(crate) fn usb_pipes(&self, target: &Obj<IoTarget>) -> Vec<Obj<IoTarget>> {
        Obj::<super::UsbDevice>::new(target.rc()).map_or_else(Vec::new, |device| {
            let pipes = device.pipes();
            pipes.iter().map(Obj::<UsbPipe>::io_target).collect()
        })
    }
}

/// `WDF_OBJECT_ATTRIBUTES_INIT`.
fn plain_attributes() -> _WDF_OBJECT_ATTRIBUTES {
    _WDF_OBJECT_ATTRIBUTES {
        Size: u32::try_from(size_of::<_WDF_OBJECT_ATTRIBUTES>()).unwrap_or(0),
        ExecutionLevel: kmdf_sys::_WDF_EXECUTION_LEVEL::WdfExecutionLevelInheritFromParent,
        SynchronizationScope:
            kmdf_sys::_WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeInheritFromParent,
        ..Default::default()
    }
}
