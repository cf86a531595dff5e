//! IRPs: allocation, stack locations, passing down, completion, cancellation.

use core::cell::{Cell, RefCell};
use core::ffi::c_void;
use core::ptr;
use std::rc::Rc;

use kmdf_sys::{NTSTATUS, PIRP, PMDL, STATUS_PENDING};

use super::System;
use super::device::{DeviceKind, DeviceObject};
use super::io::Io;
use super::slab::{NotFound, Slab};
use crate::fx::driver::DriverNumber;
use crate::fx::object::Object;
use crate::lower::Lower;
use crate::report::{BugcheckKind, ViolationKind};
use crate::system::wait::WaitReason;
use crate::trace::{Actor, Event, IrpId, ThreadId};

/// Marks addresses of IRPs.
const IRP_TAG: u16 = 0xA55B;

pub(crate) const IRP_MJ_CREATE: u8 = 0;
pub(crate) const IRP_MJ_CLOSE: u8 = 2;
pub(crate) const IRP_MJ_READ: u8 = 3;
pub(crate) const IRP_MJ_WRITE: u8 = 4;
pub(crate) const IRP_MJ_DEVICE_CONTROL: u8 = 14;
pub(crate) const IRP_MJ_INTERNAL_DEVICE_CONTROL: u8 = 15;
pub(crate) const IRP_MJ_CLEANUP: u8 = 18;

/// `IOCTL_INTERNAL_USB_SUBMIT_URB`.
pub(crate) const IOCTL_SUBMIT_URB: u32 = 0x0022_0003;

/// Transfer method of a control code, its two lowest bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Buffered,
    InDirect,
    OutDirect,
    Neither,
}

impl Method {
    pub(crate) const fn of(code: u32) -> Self {
        match code & 3 {
            0 => Self::Buffered,
            1 => Self::InDirect,
            2 => Self::OutDirect,
            _ => Self::Neither,
        }
    }
}

/// The parameters of a stack location. As in the C structure the four arguments are shared by all kinds of request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters {
    pub(crate) major: u8,
    pub(crate) minor: u8,
    pub(crate) flags: u8,
    /// The file object's address.
    pub(crate) file: usize,
    pub(crate) arguments: [u64; 4],
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "the 32-bit fields lie in the low halves of the arguments"
)]
impl Parameters {
    pub(crate) fn transfer(major: u8, length: u32, byte_offset: i64) -> Self {
        Self {
            major,
            arguments: [u64::from(length), 0, byte_offset.cast_unsigned(), 0],
            ..Self::default()
        }
    }

    pub(crate) fn ioctl(major: u8, code: u32, input: u32, output: u32, type3: *mut c_void) -> Self {
        let arguments = [
            u64::from(output),
            u64::from(input),
            u64::from(code),
            type3.expose_provenance() as u64,
        ];
        Self {
            major,
            arguments,
            ..Self::default()
        }
    }

    /// Length of a read or write.
    pub(crate) const fn length(&self) -> u32 {
        self.arguments[0] as u32
    }

    pub(crate) const fn byte_offset(&self) -> i64 {
        self.arguments[2].cast_signed()
    }

    pub(crate) const fn output_length(&self) -> u32 {
        self.arguments[0] as u32
    }

    pub(crate) const fn input_length(&self) -> u32 {
        self.arguments[1] as u32
    }

    pub(crate) const fn code(&self) -> u32 {
        self.arguments[2] as u32
    }

    pub(crate) fn type3_input(&self) -> *mut c_void {
        self.argument(3)
    }

    /// `Parameters.Others.Argument1` is number 0, and so on.
    pub(crate) fn argument(&self, number: usize) -> *mut c_void {
        ptr::with_exposed_provenance_mut(self.arguments[number] as usize)
    }

    pub(crate) const fn is_ioctl(&self) -> bool {
        matches!(
            self.major,
            IRP_MJ_DEVICE_CONTROL | IRP_MJ_INTERNAL_DEVICE_CONTROL
        )
    }

    pub(crate) const fn is_transfer(&self) -> bool {
        matches!(self.major, IRP_MJ_READ | IRP_MJ_WRITE)
    }

    pub(crate) const fn is_urb(&self) -> bool {
        self.major == IRP_MJ_INTERNAL_DEVICE_CONTROL && self.code() == IOCTL_SUBMIT_URB
    }
}

/// Who is told when a device below completes the IRP.
pub(crate) enum Completion {
    /// The request that was sent with the IRP; it takes the IRP back.
    Request(Rc<Object>),
}

/// Who is told when the IRP is to be cancelled.
pub(crate) enum CancelRoutine {
    /// A lower device holds it.
    Lower(Rc<Lower>),
    /// A queue holds it and the driver has not got it.
    Queued(Rc<Object>),
    /// The driver has it and marked it cancelable.
    Driver(Rc<Object>),
    /// A stopped I/O target holds it.
    Pended(Rc<Object>),
}

#[derive(Default)]
struct Location {
    parameters: Parameters,
    device: Option<Rc<DeviceObject>>,
    completion: Option<Completion>,
}

/// Who allocated an IRP and frees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allocator {
    /// The I/O manager, for an application.
    IoManager,
    /// The framework.
    Framework,
    /// A driver.
    Driver,
}

/// An I/O request packet.
pub(crate) struct Irp {
    address: Cell<usize>,
    id: Cell<IrpId>,
    allocator: Cell<Allocator>,
    locations: RefCell<Vec<Location>>,
    /// As in Windows: counts down from the number of locations + 1 with every call down.
    current: Cell<usize>,
    pub(crate) status: Cell<NTSTATUS>,
    pub(crate) information: Cell<u64>,
    pub(crate) system_buffer: Cell<*mut c_void>,
    pub(crate) user_buffer: Cell<*mut c_void>,
    pub(crate) mdl: Cell<PMDL>,
    pub(crate) flags: Cell<u32>,
    pub(crate) user_mode: Cell<bool>,
    /// The thread that sent it, and which of that thread's jobs: only there are a user's addresses valid.
    pub(crate) thread: Cell<Option<(ThreadId, u64)>>,
    pub(crate) cancel: Cell<bool>,
    pub(crate) cancel_routine: RefCell<Option<CancelRoutine>>,
    pub(crate) io: RefCell<Option<Rc<Io>>>,
    /// Set between the completion at one level and the next call down.
    completed: Cell<bool>,
    /// The lower device that holds it.
    pub(crate) holder: RefCell<Option<Actor>>,
}

impl Irp {
    fn empty() -> Self {
        Self {
            address: Cell::new(0),
            id: Cell::new(IrpId(0)),
            allocator: Cell::new(Allocator::Framework),
            locations: RefCell::new(Vec::new()),
            current: Cell::new(1),
            status: Cell::new(0),
            information: Cell::new(0),
            system_buffer: Cell::new(ptr::null_mut()),
            user_buffer: Cell::new(ptr::null_mut()),
            mdl: Cell::new(ptr::null_mut()),
            flags: Cell::new(0),
            user_mode: Cell::new(false),
            thread: Cell::new(None),
            cancel: Cell::new(false),
            cancel_routine: RefCell::new(None),
            io: RefCell::new(None),
            completed: Cell::new(false),
            holder: RefCell::new(None),
        }
    }

    pub(crate) fn id(&self) -> IrpId {
        self.id.get()
    }

    pub(crate) fn address(&self) -> PIRP {
        ptr::without_provenance_mut(self.address.get())
    }

    pub(crate) fn allocator(&self) -> Allocator {
        self.allocator.get()
    }

    pub(crate) fn stack_count(&self) -> usize {
        self.locations.borrow().len()
    }

    /// Whether the current location is one of the IRP's.
    pub(crate) fn has_current(&self) -> bool {
        (1..=self.stack_count()).contains(&self.current.get())
    }

    /// Whether there is a location for a driver below.
    pub(crate) fn has_next(&self) -> bool {
        self.current.get() >= 2
    }

    /// Stack locations left for drivers below.
    pub(crate) fn room(&self) -> usize {
        self.current.get() - 1
    }

    /// The current location's parameters; zeros when no driver has the IRP.
    pub(crate) fn parameters(&self) -> Parameters {
        let locations = self.locations.borrow();
        locations
            .get(self.current.get() - 1)
            .map_or_else(Parameters::default, |location| location.parameters)
    }

    pub(crate) fn set_next(&self, parameters: Parameters) {
        self.locations.borrow_mut()[self.current.get() - 2].parameters = parameters;
    }

    pub(crate) fn set_next_completion(&self, completion: Completion) {
        self.locations.borrow_mut()[self.current.get() - 2].completion = Some(completion);
    }

    /// The device that has the IRP.
    pub(crate) fn device(&self) -> Option<Rc<DeviceObject>> {
        let locations = self.locations.borrow();
        locations
            .get(self.current.get() - 1)
            .and_then(|location| location.device.clone())
    }

    /// The next driver gets this location instead of one of its own.
    pub(crate) fn skip_location(&self) {
        self.current.set(self.current.get() + 1);
    }

    /// As `IoReuseIrp`: everything but the allocation is as new.
    pub(crate) fn reuse(&self, status: NTSTATUS) {
        let mut locations = self.locations.borrow_mut();
        for location in locations.iter_mut() {
            *location = Location::default();
        }
        self.current.set(locations.len() + 1);
        self.status.set(status);
        self.information.set(0);
        self.system_buffer.set(ptr::null_mut());
        self.user_buffer.set(ptr::null_mut());
        self.mdl.set(ptr::null_mut());
        self.flags.set(0);
        self.cancel.set(false);
        self.completed.set(false);
    }
}

/// The IRPs of a system.
pub(crate) struct IrpTable {
    live: Slab<Rc<Irp>, IRP_TAG>,
    spare: RefCell<Vec<Rc<Irp>>>,
    next_id: Cell<u64>,
    framework_irps: Cell<i64>,
}

impl IrpTable {
    pub(crate) const fn new() -> Self {
        Self {
            live: Slab::new(),
            spare: RefCell::new(Vec::new()),
            next_id: Cell::new(1),
            framework_irps: Cell::new(0),
        }
    }

    pub(crate) fn allocate(&self, stack_count: usize, allocator: Allocator) -> Rc<Irp> {
        // One that somebody still refers to, as a lower device does to an IRP freed in flight, is not used again.
        let spare = self
            .spare
            .borrow_mut()
            .pop()
            .filter(|irp| Rc::strong_count(irp) == 1);
        let irp = spare.unwrap_or_else(|| Rc::new(Irp::empty()));
        irp.locations
            .borrow_mut()
            .resize_with(stack_count, Location::default);
        irp.reuse(0);
        irp.user_mode.set(false);
        irp.thread.set(None);
        irp.allocator.set(allocator);
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        irp.id.set(IrpId(id));
        irp.address.set(self.live.insert(Rc::clone(&irp)));
        if allocator == Allocator::Framework {
            self.framework_irps.set(self.framework_irps.get() + 1);
        }
        irp
    }

    pub(crate) fn free(&self, irp: Rc<Irp>) {
        if self.live.remove(irp.address.get()).is_none() {
            return;
        }
        if irp.allocator.get() == Allocator::Framework {
            self.framework_irps.set(self.framework_irps.get() - 1);
        }
        let io = irp.io.borrow_mut().take();
        drop(io);
        self.spare.borrow_mut().push(irp);
    }

    pub(crate) fn get(&self, irp: PIRP) -> Result<Rc<Irp>, NotFound> {
        self.live.get(irp.addr())
    }

    pub(crate) fn is_live(&self, irp: &Rc<Irp>) -> bool {
        self.live
            .get(irp.address.get())
            .is_ok_and(|live| Rc::ptr_eq(&live, irp))
    }

    /// IRPs that the framework has allocated and not freed.
    pub(crate) fn framework_irps(&self) -> i64 {
        self.framework_irps.get()
    }

    pub(crate) fn numbered(&self) -> u64 {
        self.next_id.get() - 1
    }

    pub(crate) fn live(&self) -> Vec<Rc<Irp>> {
        self.live.values()
    }

    pub(crate) fn clear(&self) {
        for irp in self.live.clear() {
            irp.cancel_routine.borrow_mut().take();
            irp.io.borrow_mut().take();
            irp.locations.borrow_mut().clear();
        }
        self.spare.borrow_mut().clear();
    }
}

impl System {
    /// `IoCallDriver`.
    pub(crate) fn call_driver(
        &self,
        irp: &Rc<Irp>,
        device: &Rc<DeviceObject>,
        from: &Actor,
    ) -> NTSTATUS {
        self.preemption_point();
        if !irp.has_next() {
            self.bugcheck_os(
                BugcheckKind::NoStackLocation,
                0x35,
                [irp.address.get() as u64, 0, 0, 0],
                format!(
                    "IRP {} has no stack location left for the device of {}",
                    irp.id().0,
                    device.actor
                ),
            );
        }
        irp.current.set(irp.current.get() - 1);
        irp.completed.set(false);
        irp.locations.borrow_mut()[irp.current.get() - 1].device = Some(Rc::clone(device));
        self.trace(|| {
            let parameters = irp.parameters();
            Event::IrpDown {
                irp: irp.id(),
                from: from.clone(),
                to: device.actor.clone(),
                major: parameters.major,
                // Addresses, such as that of a URB, differ from run to run.
                length: u32::try_from(parameters.arguments[0]).unwrap_or(0),
                offset: parameters.byte_offset().cast_unsigned(),
                urb: crate::lower::urb::summary(&parameters),
            }
        });
        match &device.kind {
            DeviceKind::Lower(lower) => match lower.upgrade() {
                Some(lower) => self.lower_dispatch(&lower, irp),
                None => self.complete_irp(irp, kmdf_sys::STATUS_NO_SUCH_DEVICE, 0, &device.actor),
            },
            DeviceKind::Framework(owner) => match owner.borrow().upgrade() {
                Some(owner) => self.framework_dispatch(&owner, irp),
                None => self.complete_irp(irp, kmdf_sys::STATUS_NO_SUCH_DEVICE, 0, &device.actor),
            },
        }
    }

    /// Sets the final status and completes; returns the status, as dispatch routines do.
    pub(crate) fn complete_irp(
        &self,
        irp: &Rc<Irp>,
        status: NTSTATUS,
        information: u64,
        from: &Actor,
    ) -> NTSTATUS {
        irp.status.set(status);
        irp.information.set(information);
        self.complete_request(irp, from);
        status
    }

    /// `IoCompleteRequest`: tells those above, from the nearest to the application.
    pub(crate) fn complete_request(&self, irp: &Rc<Irp>, from: &Actor) {
        self.preemption_point();
        if irp.completed.replace(true) {
            self.bugcheck_os(
                BugcheckKind::IrpCompletedTwice,
                0x44,
                [irp.address.get() as u64, 0, 0, 0],
                format!(
                    "IRP {} was completed twice, the second time by {from}",
                    irp.id().0
                ),
            );
        }
        let (status, information) = (irp.status.get(), irp.information.get());
        if status == STATUS_PENDING {
            self.violation(
                ViolationKind::CompletedPending,
                format!(
                    "{from} completed IRP {} with STATUS_PENDING, which is no final status",
                    irp.id().0
                ),
            );
        }
        self.trace(|| Event::IrpUp {
            irp: irp.id(),
            from: from.clone(),
            status,
            information,
        });
        *irp.holder.borrow_mut() = None;
        loop {
            let at = irp.current.get();
            if at > irp.stack_count() {
                break;
            }
            let completion = {
                let mut locations = irp.locations.borrow_mut();
                let location = &mut locations[at - 1];
                location.device = None;
                location.completion.take()
            };
            irp.current.set(at + 1);
            if let Some(completion) = completion {
                // The one above takes the IRP back, to complete it again for those above itself.
                irp.completed.set(false);
                match completion {
                    Completion::Request(request) => self.sent_request_completed(&request, irp),
                }
                return;
            }
        }
        self.io_manager_completed(irp);
    }

    /// `IoCancelIrp`; tells whether there was a cancel routine to call.
    pub(crate) fn cancel_irp(&self, irp: &Rc<Irp>) -> bool {
        irp.cancel.set(true);
        let routine = irp.cancel_routine.borrow_mut().take();
        self.trace(|| Event::IrpCancel {
            irp: irp.id(),
            by: self.canceller(irp),
            routine: routine.is_some(),
        });
        let called = routine.is_some();
        match routine {
            Some(CancelRoutine::Lower(lower)) => self.lower_cancel(&lower, irp),
            Some(CancelRoutine::Queued(request)) => self.cancel_queued_request(&request),
            Some(CancelRoutine::Driver(request)) => self.cancel_driver_request(&request),
            Some(CancelRoutine::Pended(request)) => self.cancel_pended_request(&request),
            None => {}
        }
        called
    }

    fn canceller(&self, irp: &Irp) -> Actor {
        let driver = self.scheduler.context.driver.get();
        if driver == DriverNumber::NONE && irp.allocator.get() == Allocator::IoManager {
            self.actors.app.clone()
        } else {
            self.actor(driver)
        }
    }

    /// Why a thread that sent this IRP waits.
    pub(crate) fn irp_wait_reason(irp: &Irp) -> WaitReason {
        WaitReason::Irp(irp.id())
    }
}
