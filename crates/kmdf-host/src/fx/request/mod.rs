//! WDFREQUEST: received from a queue, created by a driver, or internal to a synchronous send.

pub(crate) mod cancel;
pub(crate) mod complete;
pub(crate) mod create;
pub(crate) mod format;
pub(crate) mod parameters;
pub(crate) mod probe;
pub(crate) mod retrieve;
pub(crate) mod send;

use core::cell::{Cell, RefCell};
use core::ffi::c_void;
use core::ptr;
use std::rc::Rc;

use kmdf_sys::{PMDL, PWDF_REQUEST_COMPLETION_PARAMS, WDFCONTEXT, WDFIOTARGET, WDFREQUEST};

use super::class::Obj;
use super::device::Device;
use super::object::Object;
use super::queue::Queue;
use crate::system::clock::TimerId;
use crate::system::device::IoType;
use crate::system::irp::{IRP_MJ_READ, IRP_MJ_WRITE, Irp, Method};
use crate::system::mdl::Mdl;
use crate::system::scheduler::Thread;

use format::Format;

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// An IRP that arrived at a device.
    Received,
    /// `WdfRequestCreate`.
    Created,
    /// `WdfRequestCreateFromIrp`.
    FromIrp,
    /// A synchronous send without a request.
    Internal,
}

/// Who is told when a sent request completes.
#[derive(Clone, Copy)]
pub(crate) enum Routine {
    None,
    /// The driver's completion routine and its context.
    Driver(CompletionFunction, WDFCONTEXT),
    /// The waiting synchronous send; with the driver's routine, which `WdfRequestSend` calls first.
    Sync(Option<(CompletionFunction, WDFCONTEXT)>),
    /// What a failed synchronous send leaves behind: its stack frame is gone.
    DeadSync,
    /// The continuous reader of a USB pipe.
    Reader,
}

/// The type of a driver's completion routine.
pub(crate) type CompletionFunction =
    unsafe extern "C" fn(WDFREQUEST, WDFIOTARGET, PWDF_REQUEST_COMPLETION_PARAMS, WDFCONTEXT);

/// Where a received request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Not yet on a queue.
    Arriving,
    /// On its queue, not presented.
    Queued,
    /// The driver has it.
    Driver,
    /// Completed, or passed down for good.
    Gone,
}

/// How far the power-down protocol has got with a driver-owned request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopState {
    /// Not being stopped.
    None,
    /// `EvtIoStop` is to be called for it.
    ToNotify,
    /// `EvtIoStop` has been called and has not been answered.
    Notified,
    /// `WdfRequestStopAcknowledge(FALSE)`.
    Acknowledged,
    /// `WdfRequestStopAcknowledge(TRUE)`.
    Requeue,
}

/// Part of a received request's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The data of a read or write, or the input of a control code.
    System,
    /// The output of a control code.
    Output,
}

/// Memory of a received request.
#[derive(Clone, Copy)]
pub(crate) struct Area {
    pub(crate) buffer: *mut c_void,
    pub(crate) length: u32,
    pub(crate) mdl: PMDL,
    pub(crate) read_only: bool,
}

impl Area {
    const NONE: Self = Self {
        buffer: ptr::null_mut(),
        length: 0,
        mdl: ptr::null_mut(),
        read_only: false,
    };

    fn over_mdl(mdl: PMDL, length: u32, read_only: bool) -> Self {
        let buffer = if mdl.is_null() {
            ptr::null_mut()
        } else {
            Mdl::at(mdl).system_address()
        };
        Self {
            buffer,
            length,
            mdl,
            read_only,
        }
    }
}

/// A WDFREQUEST.
pub(crate) struct Request {
    pub(crate) source: Source,
    irp: RefCell<Option<Rc<Irp>>>,
    /// The IRP goes with the request although a driver allocated it.
    pub(crate) frees_irp: Cell<bool>,
    /// References on the IRP's memory.
    pub(crate) irp_references: Cell<i32>,

    pub(crate) device: RefCell<Option<Rc<Object>>>,
    pub(crate) queue: RefCell<Option<Obj<Queue>>>,
    pub(crate) place: Cell<Place>,
    pub(crate) presented: Cell<bool>,
    /// The queue considers it cancelled.
    pub(crate) canceled_on_queue: Cell<bool>,
    pub(crate) completed: Cell<bool>,
    /// The callback in which the driver completed it; empty outside callbacks.
    pub(crate) completed_in: Cell<&'static str>,
    /// The callback it was presented in first.
    pub(crate) presented_in: Cell<&'static str>,
    /// That callback has returned.
    pub(crate) returned: Cell<bool>,
    /// It returned and had passed the request on or made it cancelable.
    pub(crate) deferred: Cell<bool>,
    /// The DDI that would have passed it on and failed last, with the status.
    pub(crate) refused: Cell<Option<(&'static str, kmdf_sys::NTSTATUS)>>,
    pub(crate) in_caller_context: Cell<bool>,
    pub(crate) cancel_callback: Cell<Option<unsafe extern "C" fn(WDFREQUEST)>>,
    /// It is marked cancelable and nobody has cancelled it yet.
    pub(crate) cancelable: Cell<bool>,
    /// The driver marked it cancelable and has not unmarked it, whether or not it was cancelled; what the verifier knows.
    pub(crate) marked: Cell<bool>,
    pub(crate) stop_state: Cell<StopState>,
    /// The MDL the framework made over the system buffer.
    pub(crate) own_mdl: Cell<PMDL>,

    pub(crate) format: RefCell<Format>,
    pub(crate) formatted: Cell<bool>,
    pub(crate) routine: Cell<Routine>,
    pub(crate) target: RefCell<Option<Rc<Object>>>,
    pub(crate) in_flight: Cell<bool>,
    pub(crate) pended: Cell<bool>,
    pub(crate) ignores_state: Cell<bool>,
    /// Set by every cancel, cleared only by reuse.
    pub(crate) sticky_cancel: Cell<bool>,
    /// It was sent since it was made or reused.
    pub(crate) used: Cell<bool>,
    pub(crate) timed_out: Cell<bool>,
    pub(crate) timer_allocated: Cell<bool>,
    pub(crate) timer: Cell<Option<TimerId>>,
    pub(crate) waiter: RefCell<Option<Rc<Thread>>>,
    pub(crate) sync_done: Cell<bool>,
}

impl Request {
    pub(crate) fn new(source: Source, irp: Option<Rc<Irp>>) -> Self {
        Self {
            source,
            irp: RefCell::new(irp),
            frees_irp: Cell::new(false),
            irp_references: Cell::new(0),
            device: RefCell::new(None),
            queue: RefCell::new(None),
            place: Cell::new(Place::Arriving),
            presented: Cell::new(false),
            canceled_on_queue: Cell::new(false),
            completed: Cell::new(false),
            completed_in: Cell::new(""),
            presented_in: Cell::new(""),
            returned: Cell::new(false),
            deferred: Cell::new(false),
            refused: Cell::new(None),
            in_caller_context: Cell::new(false),
            cancel_callback: Cell::new(None),
            cancelable: Cell::new(false),
            marked: Cell::new(false),
            stop_state: Cell::new(StopState::None),
            own_mdl: Cell::new(ptr::null_mut()),
            format: RefCell::new(Format::new()),
            formatted: Cell::new(false),
            routine: Cell::new(Routine::None),
            target: RefCell::new(None),
            in_flight: Cell::new(false),
            pended: Cell::new(false),
            ignores_state: Cell::new(false),
            sticky_cancel: Cell::new(false),
            used: Cell::new(false),
            timed_out: Cell::new(false),
            timer_allocated: Cell::new(false),
            timer: Cell::new(None),
            waiter: RefCell::new(None),
            sync_done: Cell::new(false),
        }
    }

    pub(crate) fn irp(&self) -> Option<Rc<Irp>> {
        self.irp.borrow().clone()
    }

    pub(crate) fn set_irp(&self, irp: Option<Rc<Irp>>) -> Option<Rc<Irp>> {
        self.irp.replace(irp)
    }

    /// Whether the framework takes it for completed: also one without an IRP, which the first format brings.
    pub(crate) fn counts_as_completed(&self) -> bool {
        self.completed.get() || self.irp.borrow().is_none()
    }

    pub(crate) fn is_received(&self) -> bool {
        self.source == Source::Received
    }

    /// Whether the driver has it.
    pub(crate) fn is_driver_owned(&self) -> bool {
        self.place.get() == Place::Driver
    }

    pub(crate) fn typed_device(&self) -> Option<Obj<Device>> {
        self.device.borrow().as_ref().and_then(Obj::new)
    }

    pub(crate) fn current_queue(&self) -> Option<Obj<Queue>> {
        self.queue.borrow().clone()
    }

    /// Memory of a received request, as its IRP describes it now.
    pub(crate) fn area(&self, part: Part) -> Area {
        let irp = self.irp.borrow();
        let Some(irp) = irp.as_ref() else {
            return Area::NONE;
        };
        let parameters = irp.parameters();
        match (part, parameters.major) {
            (Part::System, IRP_MJ_READ | IRP_MJ_WRITE) => {
                let read_only = parameters.major == IRP_MJ_WRITE;
                let length = parameters.length();
                let io_type = self
                    .typed_device()
                    .map_or(IoType::Buffered, |device| device.io_type());
                match io_type {
                    IoType::Buffered => plain(irp.system_buffer.get(), length, read_only),
                    IoType::Direct => Area::over_mdl(irp.mdl.get(), length, read_only),
                    // The framework gives out a user's address only to kernel-mode requestors.
                    IoType::Neither if irp.user_mode.get() => {
                        plain(ptr::null_mut(), length, read_only)
                    }
                    IoType::Neither => plain(irp.user_buffer.get(), length, read_only),
                }
            }
            (Part::System, _) if parameters.is_ioctl() => {
                let length = parameters.input_length();
                match Method::of(parameters.code()) {
                    Method::Buffered => plain(irp.system_buffer.get(), length, false),
                    Method::InDirect | Method::OutDirect => {
                        plain(irp.system_buffer.get(), length, true)
                    }
                    Method::Neither => plain(parameters.type3_input(), length, false),
                }
            }
            (Part::Output, _) if parameters.is_ioctl() => {
                let length = parameters.output_length();
                match Method::of(parameters.code()) {
                    Method::Buffered => plain(irp.system_buffer.get(), length, false),
                    Method::InDirect => Area::over_mdl(irp.mdl.get(), length, true),
                    Method::OutDirect => Area::over_mdl(irp.mdl.get(), length, false),
                    Method::Neither => plain(irp.user_buffer.get(), length, false),
                }
            }
            _ => Area::NONE,
        }
    }

    /// Breaks reference cycles at the end of a system.
    pub(crate) fn unlink(&self) {
        self.irp.borrow_mut().take();
        self.device.borrow_mut().take();
        self.queue.borrow_mut().take();
        self.target.borrow_mut().take();
        self.waiter.borrow_mut().take();
        self.format.borrow_mut().unlink();
    }
}

const fn plain(buffer: *mut c_void, length: u32, read_only: bool) -> Area {
    Area {
        buffer,
        length,
        mdl: ptr::null_mut(),
        read_only,
    }
}
