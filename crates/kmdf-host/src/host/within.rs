//! What a conformance test needs of the machine: IRPs of a given shape, time that is let pass step by step, and a look at
//! every state that a case can name. Functions that say so are called from a logical thread of the host; the others too.

use core::ffi::c_void;
use std::rc::Rc;

use kmdf_sys::{
    NTSTATUS, PCUNICODE_STRING, PDEVICE_OBJECT, PDRIVER_OBJECT, PIRP, PMDL, STATUS_INVALID_HANDLE,
    STATUS_INVALID_PARAMETER, STATUS_NO_SUCH_DEVICE, STATUS_SUCCESS, WDF_IO_TARGET_STATE,
    WDFDEVICE, WDFDRIVER, WDFFUNC,
};

use super::{DriverId, FileId, Host, IoId};
use crate::fx::class::Obj;
use crate::fx::device::Device;
use crate::fx::driver::DriverNumber;
use crate::fx::queue::Queue;
use crate::fx::target::IoTarget;
use crate::lower::{LowerId, Outcome};
use crate::stop::Stop;
use crate::system::device::{DeviceObject, DeviceTable};
use crate::system::irp::{IRP_MJ_READ, Parameters};
use crate::system::mdl::{Access, Mdl};
use crate::system::scheduler;
use crate::system::wait::WaitReason;
use crate::time::Ticks;
use crate::usb::{ConfiguredPipe, UsbDevice};

/// An IRP that somebody above sends straight to one device.
#[derive(Clone, Debug, Default)]
pub struct IrpSpec {
    /// `IRP_MJ_` code.
    pub major: u8,
    /// Length of a read or write; of a control code's output.
    pub length: u32,
    /// Device offset of a read or write.
    pub offset: i64,
    /// Control code.
    pub code: u32,
    /// Data of a write, input of a control code.
    pub data: Vec<u8>,
    /// Whether the request comes from user mode.
    pub user_mode: bool,
    /// Stack locations of the IRP, that of the device included.
    pub stack_count: usize,
    /// `IoStatus.Status` on arrival.
    pub status: NTSTATUS,
    /// `IoStatus.Information` on arrival.
    pub information: u64,
    /// The file it is for; `None` for one of its own.
    pub file: Option<FileId>,
}

/// What an MDL describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MdlState {
    /// The address of its first byte.
    pub address: *mut c_void,
    /// Its length.
    pub length: u32,
    /// With which access its pages are locked.
    pub locked: Option<Access>,
}

/// What binding to the library left in the driver's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoundTable {
    /// The driver's pointer refers to the library's table.
    Library,
    /// The library's table was copied.
    Copied,
    /// Nothing was done.
    Untouched,
}

/// Numbers of functions with which KMDF versions up to 1.33 were released.
const RELEASED_COUNTS: [usize; 12] = [383, 386, 387, 396, 432, 438, 444, 446, 448, 451, 453, 454];
/// Up to this number (KMDF 1.13) the table is copied.
const LAST_COPIED: usize = 438;

impl Host {
    /// Runs until `done`; `false` when nothing is left to run before.
    ///
    /// # Errors
    ///
    /// Whatever ends the run.
    pub fn run_until(&self, done: impl Fn() -> bool) -> Result<bool, Stop> {
        let outcome = self.system.run_until(None, &done)?;
        Ok(outcome == scheduler::Outcome::Done)
    }

    /// In a logical thread: lets everything else run that is due now, without time passing.
    pub fn settle(&self) {
        let due = || {
            let now = self.system.now();
            self.system.scheduler.has_ready()
                || self.system.clock.next().is_some_and(|(at, _)| at <= now)
        };
        while due() {
            self.pass(Ticks::ZERO);
        }
    }

    /// In a logical thread: lets time pass, at whatever IRQL.
    pub fn pass(&self, span: Ticks) {
        let until = self.system.now() + span;
        self.system
            .wait_for_lock(WaitReason::Sleep, true, Some(until));
    }

    /// The IRQL of the running logical thread.
    #[must_use]
    pub fn irql(&self) -> u8 {
        self.system.irql()
    }

    /// Sets the IRQL of the running logical thread.
    pub fn set_irql(&self, irql: u8) {
        self.system.set_irql(irql);
    }

    /// In a logical thread: completes the `index`-th IRP that a lower device holds, as its interrupt would.
    pub fn complete_now(&self, lower: LowerId, index: usize, outcome: Outcome) -> bool {
        let lower = self.system.lower(lower);
        self.system.complete_lower_at(&lower, index, outcome)
    }

    /// In a logical thread: `AddDevice` of a driver, above a lower device; gives its status and the device it made.
    pub fn add_device_now(
        &self,
        driver: DriverId,
        lower: LowerId,
    ) -> (NTSTATUS, Option<WDFDEVICE>) {
        let below = DeviceTable::top(&self.system.lower(lower).object());
        let (status, device) = self.system.add_device(DriverNumber(driver.0), &below);
        (status, device.map(|device| device.handle()))
    }

    /// In a logical thread: starts a device that was added.
    pub fn start_device_now(&self, device: WDFDEVICE) -> NTSTATUS {
        match self.find::<Device, _>(device) {
            Some(device) => self.system.start_device(&device),
            None => STATUS_INVALID_HANDLE,
        }
    }

    /// A file on a device for IRPs that are made one by one; nothing is sent.
    pub fn new_file(&self, device: WDFDEVICE) -> Option<FileId> {
        let device = Rc::clone(&self.find::<Device, _>(device)?.object);
        Some(FileId(self.system.ios.open(&device)))
    }

    /// The priority boost with which a received request was completed.
    #[must_use]
    pub fn priority_boost(&self, io: IoId) -> Option<i8> {
        self.system.ios.submitted(io.0).map(|io| io.boost.get())
    }

    /// Makes an IRP for a device, without sending it.
    pub fn make_irp(&self, device: WDFDEVICE, spec: &IrpSpec) -> Option<IoId> {
        let device = Rc::clone(&self.find::<Device, _>(device)?.object);
        let open = spec
            .file
            .map_or_else(|| self.system.ios.open(&device), |file| file.0);
        let parameters = Parameters {
            file: self.system.ios.file(open)?.address(),
            ..spec.parameters()
        };
        let output = if spec.major == IRP_MJ_READ || parameters.is_ioctl() {
            spec.length as usize
        } else {
            0
        };
        let ios = &self.system.ios;
        let io = ios.prepare(&device, parameters, spec.user_mode, &spec.data, output);
        ios.remember(&io);
        let irp = self.system.make_irp(&io, &device, spec.stack_count);
        irp.status.set(spec.status);
        irp.information.set(spec.information);
        Some(IoId(io.id.get()))
    }

    /// In a logical thread: sends an IRP that [`Host::make_irp`] made, and gives what the dispatch routine returns.
    pub fn send_irp(
        &self,
        device: WDFDEVICE,
        io: IoId,
        on_completion: impl FnOnce() + 'static,
    ) -> NTSTATUS {
        let device: Option<Rc<DeviceObject>> = self
            .find::<Device, _>(device)
            .map(|device| Rc::clone(&device.object));
        let io = self.system.ios.submitted(io.0);
        let (Some(device), Some(io)) = (device, io) else {
            return STATUS_NO_SUCH_DEVICE;
        };
        let Some(irp) = io.irp.borrow().clone() else {
            return STATUS_NO_SUCH_DEVICE;
        };
        *io.on_completion.borrow_mut() = Some(Box::new(on_completion));
        self.system.send_made_irp(&io, &irp, &device)
    }

    /// In a logical thread: `IoCancelIrp`; tells whether a cancel routine was called.
    pub fn cancel_now(&self, io: IoId) -> bool {
        let io = self.system.ios.submitted(io.0);
        let irp = io.and_then(|io| io.irp.borrow().clone());
        irp.is_some_and(|irp| self.system.cancel_irp(&irp))
    }

    /// The IRP of an I/O, until it has completed.
    #[must_use]
    pub fn irp_of(&self, io: IoId) -> Option<PIRP> {
        let io = self.system.ios.submitted(io.0)?;
        let irp = io.irp.borrow();
        irp.as_ref().map(|irp| irp.address())
    }

    /// Status and information in the IRP of an I/O, final ones once it has completed.
    #[must_use]
    pub fn io_status(&self, io: IoId) -> Option<(NTSTATUS, u64)> {
        if let Some(result) = self.result(io) {
            return Some((result.status, result.information));
        }
        let io = self.system.ios.submitted(io.0)?;
        let irp = io.irp.borrow();
        irp.as_ref()
            .map(|irp| (irp.status.get(), irp.information.get()))
    }

    /// The data area of an I/O (the input of a control code), or a control code's output; it stays when the I/O completes.
    #[must_use]
    pub fn io_area(&self, io: IoId, output: bool) -> Option<(*mut c_void, usize)> {
        self.system.ios.submitted(io.0).map(|io| io.area(output))
    }

    /// The MDL over the data of an I/O, until it has completed.
    #[must_use]
    pub fn io_mdl(&self, io: IoId) -> Option<PMDL> {
        self.system.ios.submitted(io.0).map(|io| io.mdl())
    }

    /// Whether the cancel flag of an IRP is set; `None` when there is no such IRP.
    #[must_use]
    pub fn is_cancelled(&self, irp: PIRP) -> Option<bool> {
        self.system.irps.get(irp).ok().map(|irp| irp.cancel.get())
    }

    /// What `WdfIoTargetGetState` would return.
    #[must_use]
    pub fn target_state<H>(&self, target: *mut H) -> Option<WDF_IO_TARGET_STATE> {
        Some(self.find::<IoTarget, _>(target)?.state.get().value())
    }

    /// The pipes of the settings that are selected on a USB device.
    #[must_use]
    pub fn configured_pipes(&self, device: kmdf_sys::WDFUSBDEVICE) -> Vec<ConfiguredPipe> {
        let device = self.find::<UsbDevice, _>(device);
        device.map_or_else(Vec::new, |device| device.configured_pipes())
    }

    /// The two counts of `WdfIoQueueGetState`: requests in the queue, requests that the driver has.
    #[must_use]
    pub fn queue_counts<H>(&self, queue: *mut H) -> Option<(usize, usize)> {
        let queue = self.find::<Queue, _>(queue)?;
        Some((queue.queued(), queue.owned()))
    }

    /// What an MDL describes; `None` when there is no such MDL.
    #[must_use]
    pub fn mdl_state(&self, mdl: PMDL) -> Option<MdlState> {
        let info = self.system.mdls.info(mdl)?;
        let described = Mdl::at(mdl);
        Some(MdlState {
            address: described.va(),
            length: described.length(),
            locked: info.locked,
        })
    }

    /// The device object of a lower device.
    #[must_use]
    pub fn lower_object(&self, lower: LowerId) -> PDEVICE_OBJECT {
        self.system.lower(lower).object().address()
    }

    /// The driver object, the registry path and the WDFDRIVER of a driver.
    #[must_use]
    pub fn driver_of(
        &self,
        driver: DriverId,
    ) -> Option<(PDRIVER_OBJECT, PCUNICODE_STRING, WDFDRIVER)> {
        let module = self.system.module(DriverNumber(driver.0))?;
        let handle = module.driver()?.handle();
        Some((module.driver_object(), module.registry_string(), handle))
    }

    /// A second driver binds to the library as the version that had `count` functions.
    ///
    /// Gives the status, whether globals were handed out, and what became of `table`, an array of `count` entries.
    pub fn bind(&self, count: usize, table: &mut [WDFFUNC]) -> (NTSTATUS, bool, BoundTable) {
        let library = &crate::table::TABLE;
        if count != library.len() && !RELEASED_COUNTS.contains(&count) || table.len() != count {
            return (STATUS_INVALID_PARAMETER, false, BoundTable::Untouched);
        }
        if count > LAST_COPIED {
            return (STATUS_SUCCESS, true, BoundTable::Library);
        }
        table.copy_from_slice(&library[..count]);
        (STATUS_SUCCESS, true, BoundTable::Copied)
    }

    /// Lets go of everything at once, without taking the stacks down. Nothing runs afterwards.
    pub fn shut_down(&self) {
        self.system.tear_down();
    }

    fn find<T: crate::fx::class::Class, H>(&self, handle: *mut H) -> Option<Obj<T>> {
        Obj::new(&self.system.framework.objects.get(handle.addr()).ok()?)
    }
}

impl IrpSpec {
    fn parameters(&self) -> Parameters {
        let mut parameters = Parameters {
            major: self.major,
            ..Parameters::default()
        };
        if parameters.is_transfer() {
            parameters = Parameters::transfer(self.major, self.length, self.offset);
        } else if parameters.is_ioctl() {
            let input = u32::try_from(self.data.len()).unwrap_or(u32::MAX);
            parameters = Parameters::ioctl(
                self.major,
                self.code,
                input,
                self.length,
                core::ptr::null_mut(),
            );
        }
        parameters
    }
}
