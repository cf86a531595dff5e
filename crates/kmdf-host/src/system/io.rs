//! Applications: files they have open and I/O they have handed in.

use core::cell::{Cell, RefCell};
use core::ffi::c_void;
use core::ptr;
use std::collections::BTreeMap;
use std::rc::Rc;

use kmdf_sys::{_FILE_OBJECT, NTSTATUS, PMDL};

use super::System;
use super::device::{DeviceObject, DeviceTable, IoType};
use super::irp::{Allocator, IRP_MJ_READ, IRP_MJ_WRITE, Irp, Method, Parameters};
use super::mdl::{Access, MdlOwner};
use super::scheduler::Thread;
use super::wait::{WaitReason, Wake};
use crate::report::Origin;
use crate::trace::Event;

/// How an application's I/O ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoResult {
    /// Final status.
    pub status: NTSTATUS,
    /// Bytes moved, or whatever else the request defines.
    pub information: u64,
}

/// An open file of an application.
pub(crate) struct FileObject {
    raw: Box<_FILE_OBJECT>,
    pub(crate) device: Rc<DeviceObject>,
    /// The lowest device of the stack that it was opened on.
    bottom: Rc<DeviceObject>,
}

impl FileObject {
    pub(crate) fn address(&self) -> usize {
        ptr::from_ref(&*self.raw).expose_provenance()
    }
}

/// One I/O of an application.
pub(crate) struct Io {
    pub(crate) id: Cell<u64>,
    device: RefCell<Option<Rc<DeviceObject>>>,
    parameters: Cell<Parameters>,
    user_mode: Cell<bool>,
    /// Data of a transfer, or input of a control code; both directions of a buffered control code.
    buffer: RefCell<Vec<u8>>,
    /// Output of a control code that is not buffered.
    output: RefCell<Vec<u8>>,
    mdl: Cell<PMDL>,
    pub(crate) irp: RefCell<Option<Rc<Irp>>>,
    pub(crate) result: Cell<Option<IoResult>>,
    /// The priority boost with which it was completed.
    pub(crate) boost: Cell<i8>,
    /// Called once it has completed.
    pub(crate) on_completion: RefCell<Option<Box<dyn FnOnce()>>>,
}

impl Io {
    fn empty() -> Self {
        Self {
            id: Cell::new(0),
            device: RefCell::new(None),
            parameters: Cell::new(Parameters::default()),
            user_mode: Cell::new(true),
            buffer: RefCell::new(Vec::new()),
            output: RefCell::new(Vec::new()),
            mdl: Cell::new(ptr::null_mut()),
            irp: RefCell::new(None),
            result: Cell::new(None),
            boost: Cell::new(0),
            on_completion: RefCell::new(None),
        }
    }

    /// The data area (the input of a control code), or the area of a control code's output.
    pub(crate) fn area(&self, output: bool) -> (*mut c_void, usize) {
        let parameters = self.parameters.get();
        let ioctl = parameters.is_ioctl();
        let own = output && ioctl && Method::of(parameters.code()) != Method::Buffered;
        let mut buffer = if own {
            self.output.borrow_mut()
        } else {
            self.buffer.borrow_mut()
        };
        let length = match (ioctl, output) {
            (true, true) => parameters.output_length() as usize,
            (true, false) => parameters.input_length() as usize,
            (false, _) => buffer.len(),
        };
        (address(&mut buffer), length)
    }

    pub(crate) fn mdl(&self) -> PMDL {
        self.mdl.get()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.result.get().is_some()
    }

    /// What came back: the bytes of a read, the output of a control code.
    pub(crate) fn with_returned<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        let parameters = self.parameters.get();
        let information = self.result.get().map_or(0, |result| result.information);
        let count = usize::try_from(information).unwrap_or(usize::MAX);
        let own = parameters.is_ioctl() && Method::of(parameters.code()) != Method::Buffered;
        let area = if own {
            self.output.borrow()
        } else {
            self.buffer.borrow()
        };
        let returns = parameters.is_ioctl() || parameters.major == IRP_MJ_READ;
        f(if returns {
            &area[..count.min(area.len())]
        } else {
            &[]
        })
    }

    pub(crate) fn describe(&self) -> String {
        let parameters = self.parameters.get();
        match parameters.major {
            IRP_MJ_READ => format!("a read of {} bytes", parameters.length()),
            IRP_MJ_WRITE => format!("a write of {} bytes", parameters.length()),
            _ if parameters.is_ioctl() => format!("control code {:#x}", parameters.code()),
            major => format!("a request with major function {major}"),
        }
    }
}

/// Files and I/O of a system.
pub(crate) struct IoTable {
    files: RefCell<Vec<Option<Rc<FileObject>>>>,
    spare: RefCell<Vec<Rc<Io>>>,
    submitted: RefCell<BTreeMap<u64, Rc<Io>>>,
    next: Cell<u64>,
    /// Threads that wait for an I/O to complete or for a file to be closed.
    waiters: RefCell<Vec<Rc<Thread>>>,
}

impl IoTable {
    pub(crate) const fn new() -> Self {
        Self {
            files: RefCell::new(Vec::new()),
            spare: RefCell::new(Vec::new()),
            submitted: RefCell::new(BTreeMap::new()),
            next: Cell::new(1),
            waiters: RefCell::new(Vec::new()),
        }
    }

    pub(crate) fn open(&self, device: &Rc<DeviceObject>) -> usize {
        let raw = Box::new(_FILE_OBJECT {
            DeviceObject: device.address(),
            ..Default::default()
        });
        let mut files = self.files.borrow_mut();
        files.push(Some(Rc::new(FileObject {
            raw,
            device: Rc::clone(device),
            bottom: DeviceTable::bottom(device),
        })));
        files.len() - 1
    }

    pub(crate) fn file(&self, index: usize) -> Option<Rc<FileObject>> {
        self.files.borrow().get(index).cloned().flatten()
    }

    pub(crate) fn close(&self, index: usize) {
        if let Some(slot) = self.files.borrow_mut().get_mut(index) {
            *slot = None;
        }
    }

    /// Whether an application has a file open on a device or on one that stood above it.
    pub(crate) fn is_open_above(&self, bottom: &Rc<DeviceObject>) -> bool {
        let files = self.files.borrow();
        files
            .iter()
            .flatten()
            .any(|file| Rc::ptr_eq(&file.bottom, bottom))
    }

    /// An I/O to be issued on `device`, with `data` for the device and room for `output` bytes from it.
    pub(crate) fn prepare(
        &self,
        device: &Rc<DeviceObject>,
        parameters: Parameters,
        user_mode: bool,
        data: &[u8],
        output: usize,
    ) -> Rc<Io> {
        let spare = self.spare.borrow_mut().pop();
        let io = spare.unwrap_or_else(|| Rc::new(Io::empty()));
        let id = self.next.get();
        self.next.set(id + 1);
        io.id.set(id);
        *io.device.borrow_mut() = Some(Rc::clone(device));
        io.parameters.set(parameters);
        io.user_mode.set(user_mode);
        io.result.set(None);
        io.boost.set(0);
        *io.on_completion.borrow_mut() = None;
        {
            let separate =
                parameters.is_ioctl() && Method::of(parameters.code()) != Method::Buffered;
            let mut buffer = io.buffer.borrow_mut();
            buffer.clear();
            buffer.extend_from_slice(data);
            if !separate && buffer.len() < output {
                buffer.resize(output, 0);
            }
            let mut own = io.output.borrow_mut();
            own.clear();
            own.resize(if separate { output } else { 0 }, 0);
        }
        io
    }

    /// Gives a finished I/O back.
    pub(crate) fn recycle(&self, io: Rc<Io>) {
        if Rc::strong_count(&io) == 1 {
            self.spare.borrow_mut().push(io);
        }
    }

    pub(crate) fn remember(&self, io: &Rc<Io>) {
        self.submitted
            .borrow_mut()
            .insert(io.id.get(), Rc::clone(io));
    }

    pub(crate) fn submitted(&self, id: u64) -> Option<Rc<Io>> {
        self.submitted.borrow().get(&id).cloned()
    }

    pub(crate) fn clear(&self) {
        self.files.borrow_mut().clear();
        self.spare.borrow_mut().clear();
        self.submitted.borrow_mut().clear();
        self.waiters.borrow_mut().clear();
    }
}

impl System {
    /// Sends an application's I/O down its stack, in the application's thread.
    pub(crate) fn issue(&self, io: &Rc<Io>) {
        let Some(device) = io.device.borrow().clone() else {
            return;
        };
        self.scheduler.context.ddi.set("an application's I/O");
        let top = DeviceTable::top(&device);
        let irp = self.make_irp(io, &top, top.stack_size);
        self.send_made_irp(io, &irp, &top);
    }

    /// The IRP of an I/O to `device`, with so many stack locations.
    pub(crate) fn make_irp(
        &self,
        io: &Rc<Io>,
        device: &DeviceObject,
        stack_count: usize,
    ) -> Rc<Irp> {
        let irp = self.irps.allocate(stack_count, Allocator::IoManager);
        irp.user_mode.set(io.user_mode.get());
        self.describe_buffers(io, &irp, device, io.parameters.get());
        *irp.io.borrow_mut() = Some(Rc::clone(io));
        *io.irp.borrow_mut() = Some(Rc::clone(&irp));
        irp
    }

    /// Sends what [`System::make_irp`] made; gives what the dispatch routine returns.
    pub(crate) fn send_made_irp(
        &self,
        io: &Io,
        irp: &Rc<Irp>,
        device: &Rc<DeviceObject>,
    ) -> NTSTATUS {
        let parameters = io.parameters.get();
        self.trace(|| Event::IoSubmitted {
            irp: irp.id(),
            major: parameters.major,
            length: parameters.length(),
            offset: parameters.byte_offset().cast_unsigned(),
        });
        if irp.user_mode.get() {
            let thread = self.running_thread();
            irp.thread.set(Some((thread.id, thread.jobs.get())));
        }
        self.call_driver(irp, device, &self.actors.app)
    }

    fn describe_buffers(
        &self,
        io: &Io,
        irp: &Irp,
        device: &DeviceObject,
        mut parameters: Parameters,
    ) {
        let mut buffer = io.buffer.borrow_mut();
        let data = address(&mut buffer);
        if parameters.is_transfer() {
            let length = parameters.length();
            match device.io_type {
                _ if length == 0 => {}
                IoType::Buffered => irp.system_buffer.set(data),
                IoType::Neither => irp.user_buffer.set(data),
                IoType::Direct => {
                    let access = if parameters.major == IRP_MJ_READ {
                        Access::Write
                    } else {
                        Access::Read
                    };
                    irp.mdl.set(self.app_mdl(io, data, length, access));
                }
            }
        } else if parameters.is_ioctl() {
            let mut own = io.output.borrow_mut();
            let output = address(&mut own);
            let method = Method::of(parameters.code());
            let either = parameters.input_length() != 0 || parameters.output_length() != 0;
            match method {
                Method::Buffered if either => irp.system_buffer.set(data),
                Method::Buffered => {}
                Method::Neither => {
                    parameters.arguments[3] = data.expose_provenance() as u64;
                    irp.user_buffer.set(output);
                }
                Method::InDirect | Method::OutDirect => {
                    irp.system_buffer.set(data);
                    if parameters.output_length() != 0 {
                        let access = if method == Method::InDirect {
                            Access::Read
                        } else {
                            Access::Write
                        };
                        irp.mdl
                            .set(self.app_mdl(io, output, parameters.output_length(), access));
                    }
                }
            }
        }
        irp.set_next(parameters);
    }

    fn app_mdl(&self, io: &Io, va: *mut c_void, length: u32, access: Access) -> PMDL {
        let origin = Origin {
            ddi: "an application's I/O",
            time: self.now(),
        };
        let mdl = self.mdls.allocate(va, length, MdlOwner::IoManager, origin);
        self.mdls.lock(mdl, access);
        io.mdl.set(mdl);
        mdl
    }

    /// The I/O manager's end of an IRP: everybody above the completing driver has been told.
    pub(crate) fn io_manager_completed(&self, irp: &Rc<Irp>) {
        let io = irp.io.borrow_mut().take();
        let Some(io) = io else {
            return;
        };
        let result = IoResult {
            status: irp.status.get(),
            information: irp.information.get(),
        };
        self.trace(|| Event::IoCompleted {
            irp: irp.id(),
            status: result.status,
            information: result.information,
        });
        if self.faults.watching() {
            self.faults.ended(result.status);
        }
        let mdl = io.mdl.replace(ptr::null_mut());
        if !mdl.is_null() {
            self.mdls.free(mdl);
        }
        *io.irp.borrow_mut() = None;
        io.result.set(Some(result));
        self.irps.free(Rc::clone(irp));
        let on_completion = io.on_completion.borrow_mut().take();
        if let Some(on_completion) = on_completion {
            on_completion();
        }
        self.wake_io_waiters();
    }

    /// Waits until an I/O has completed or a file was closed; whoever waits looks for himself whether it was his.
    pub(crate) fn wait_for_io(&self, reason: WaitReason) {
        self.ios.waiters.borrow_mut().push(self.running_thread());
        self.wait(reason, None);
    }

    pub(crate) fn wake_io_waiters(&self) {
        if self.ios.waiters.borrow().is_empty() {
            return;
        }
        let waiters = core::mem::take(&mut *self.ios.waiters.borrow_mut());
        for waiter in waiters {
            self.wake(&waiter, Wake::Signaled);
        }
    }

    /// Waits until no I/O is outstanding on a file; each keeps a reference on its file object.
    pub(crate) fn wait_for_file(&self, index: usize) {
        let Some(file) = self.ios.file(index) else {
            return;
        };
        let outstanding = || {
            // What another thread has yet to send counts: a handle is not closed under it.
            let submitted = self.ios.submitted.borrow();
            if submitted
                .values()
                .any(|io| !io.is_done() && io.parameters.get().file == file.address())
            {
                return true;
            }
            drop(submitted);
            let live = self.irps.live();
            live.iter().any(|irp| {
                let io = irp.io.borrow();
                io.as_ref()
                    .is_some_and(|io| io.parameters.get().file == file.address())
            })
        };
        while outstanding() {
            self.wait_for_io(WaitReason::FileIo(index));
        }
    }
}

fn address(buffer: &mut Vec<u8>) -> *mut c_void {
    if buffer.is_empty() {
        return ptr::null_mut();
    }
    let start: *mut c_void = buffer.as_mut_ptr().cast();
    start.expose_provenance();
    start
}
