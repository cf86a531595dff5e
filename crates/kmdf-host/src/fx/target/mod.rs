//! WDFIOTARGET.

pub(crate) mod buffer;
pub(crate) mod format;
pub(crate) mod format_ddi;
pub(crate) mod open;
pub(crate) mod state;
pub(crate) mod submit;
pub(crate) mod sync;

use core::cell::{Cell, RefCell};
use core::ptr;
use std::collections::VecDeque;
use std::rc::Rc;

use kmdf_sys::{
    _WDF_IO_TARGET_STATE as states, PDEVICE_OBJECT, PFILE_OBJECT, WDF_IO_TARGET_STATE, WDFDEVICE,
    WDFIOTARGET,
};

use super::class::Obj;
use super::object::Object;
use crate::system::System;
use crate::system::device::{DeviceObject, IoType};
use crate::system::ends;
use crate::system::scheduler::Thread;

/// Whether a target can be opened and closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetKind {
    /// The device's own, to the next lower driver.
    InStack,
    /// One that a driver created.
    Remote,
}

/// `WDF_IO_TARGET_STATE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetState {
    Started,
    Stopped,
    ClosedForQueryRemove,
    Closed,
    Deleted,
    Purged,
}

impl TargetState {
    pub(crate) const fn value(self) -> WDF_IO_TARGET_STATE {
        match self {
            Self::Started => states::WdfIoTargetStarted,
            Self::Stopped => states::WdfIoTargetStopped,
            Self::ClosedForQueryRemove => states::WdfIoTargetClosedForQueryRemove,
            Self::Closed => states::WdfIoTargetClosed,
            Self::Deleted => states::WdfIoTargetDeleted,
            Self::Purged => states::WdfIoTargetPurged,
        }
    }
}

/// A WDFIOTARGET.
pub(crate) struct IoTarget {
    pub(crate) kind: TargetKind,
    pub(crate) state: Cell<TargetState>,
    /// What it sends to, while it is open.
    pub(crate) device: RefCell<Option<Rc<DeviceObject>>>,
    pub(crate) stack_size: Cell<usize>,
    pub(crate) io_type: Cell<IoType>,
    pub(crate) file: Cell<usize>,
    /// The name it was opened by, for reopening.
    pub(crate) name: RefCell<Option<String>>,
    /// Requests sent and not completed, oldest first.
    pub(crate) sent: RefCell<VecDeque<Rc<Object>>>,
    /// Requests that wait for the target to be started, oldest first.
    pub(crate) pended: RefCell<VecDeque<Rc<Object>>>,
    /// Threads that wait for sent requests.
    pub(crate) waiters: RefCell<Vec<Rc<Thread>>>,
    /// Whether a stop or purge waits for what was sent.
    pub(crate) waits_for_sent: Cell<bool>,
    /// Whether it is closed or deleted and not all that was sent is back.
    pub(crate) removing: Cell<bool>,
    /// Those who wait need not any more.
    pub(crate) sent_event: Cell<bool>,
}

impl IoTarget {
    pub(crate) fn remote() -> Self {
        Self {
            kind: TargetKind::Remote,
            state: Cell::new(TargetState::Started),
            device: RefCell::new(None),
            stack_size: Cell::new(0),
            io_type: Cell::new(IoType::Neither),
            file: Cell::new(0),
            name: RefCell::new(None),
            sent: RefCell::new(VecDeque::new()),
            pended: RefCell::new(VecDeque::new()),
            waiters: RefCell::new(Vec::new()),
            waits_for_sent: Cell::new(false),
            removing: Cell::new(false),
            sent_event: Cell::new(false),
        }
    }

    pub(crate) fn in_stack(device: &Rc<DeviceObject>) -> Self {
        let mut target = Self::remote();
        target.kind = TargetKind::InStack;
        target.attach(device);
        target
    }

    /// Lets the target send to `device`.
    pub(crate) fn attach(&self, device: &Rc<DeviceObject>) {
        self.stack_size.set(device.stack_size);
        self.io_type.set(device.io_type);
        *self.device.borrow_mut() = Some(Rc::clone(device));
    }

    pub(crate) fn detach(&self) {
        self.stack_size.set(0);
        self.file.set(0);
        *self.device.borrow_mut() = None;
    }

    pub(crate) fn forget_sent(&self, request: &Rc<Object>) {
        ends::take(&mut self.sent.borrow_mut(), |sent| {
            Rc::ptr_eq(sent, request)
        });
    }

    pub(crate) fn forget_pended(&self, request: &Rc<Object>) {
        self.pended
            .borrow_mut()
            .retain(|pended| !Rc::ptr_eq(pended, request));
    }

    pub(crate) fn unlink(&self) {
        self.device.borrow_mut().take();
        self.sent.borrow_mut().clear();
        self.pended.borrow_mut().clear();
        self.waiters.borrow_mut().clear();
    }
}

impl System {
    /// `WdfIoTargetGetState`.
    pub(crate) fn wdf_io_target_get_state(&self, target: WDFIOTARGET) -> WDF_IO_TARGET_STATE {
        let target: Obj<IoTarget> = self.object(target);
        target.state.get().value()
    }

    /// `WdfIoTargetGetDevice`.
    pub(crate) fn wdf_io_target_get_device(&self, target: WDFIOTARGET) -> WDFDEVICE {
        let target: Obj<IoTarget> = self.object(target);
        self.device_of(target.rc())
            .map_or(ptr::null_mut(), |device| device.handle())
    }

    /// `WdfIoTargetWdmGetTargetDeviceObject`.
    pub(crate) fn wdf_io_target_wdm_get_target_device_object(
        &self,
        target: WDFIOTARGET,
    ) -> PDEVICE_OBJECT {
        let target: Obj<IoTarget> = self.object(target);
        let device = target.device.borrow();
        device
            .as_ref()
            .map_or(ptr::null_mut(), |device| device.address())
    }

    /// `WdfIoTargetWdmGetTargetFileObject`.
    pub(crate) fn wdf_io_target_wdm_get_target_file_object(
        &self,
        target: WDFIOTARGET,
    ) -> PFILE_OBJECT {
        let target: Obj<IoTarget> = self.object(target);
        ptr::with_exposed_provenance_mut(target.file.get())
    }
}
