//! What a format stores with a request, and how it is taken back.

use core::ffi::c_void;
use core::ptr;

use kmdf_sys::{
    _WDF_REQUEST_COMPLETION_PARAMS, _WDF_REQUEST_TYPE as request_type, NTSTATUS, PMDL,
    STATUS_INSUFFICIENT_RESOURCES,
};

use super::Request;
use crate::faults::Allocation;
use crate::fx::memory::{MemoryRef, copy};
use crate::system::System;
use crate::system::irp::Irp;
use crate::system::mdl::{Access, MdlOwner};
use crate::system::pool::Zeroed;

/// Fields of an IRP that a format overwrites.
#[derive(Clone, Copy)]
struct Saved {
    system_buffer: *mut c_void,
    user_buffer: *mut c_void,
    mdl: PMDL,
    flags: u32,
}

/// What special kinds of format add: called when the request completes, before the driver is told.
pub(crate) trait FormatExtra {
    /// Puts results into the completion parameters.
    fn completed(&mut self, irp: &Irp, params: &mut _WDF_REQUEST_COMPLETION_PARAMS);
}

/// What a context is for. A request has one; a format of another type replaces it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ContextType {
    /// Reads, writes and control codes.
    #[default]
    Io,
    /// Control codes whose arguments are pointers.
    Others,
    UsbTransfer,
    UsbPipe,
    UsbUrb,
    UsbControl,
}

/// The format context of a request.
pub(crate) struct Format {
    /// A context was attached at some time and not detached since; reuse and completion keep it.
    pub(crate) exists: bool,
    context_type: ContextType,
    /// A synchronous send brings its context along, on its stack.
    on_stack: bool,
    saved: Option<Saved>,
    memories: [Option<MemoryRef>; 3],
    double_buffer: Option<Zeroed>,
    /// Where the double buffer's content goes on completion.
    copy_back: Option<*mut c_void>,
    /// An MDL that the framework made. One for reads, writes and control codes stays with the context, to be used again.
    own_mdl: PMDL,
    pub(crate) params: _WDF_REQUEST_COMPLETION_PARAMS,
    pub(crate) extra: Option<Box<dyn FormatExtra>>,
}

impl Format {
    pub(crate) fn new() -> Self {
        Self {
            exists: false,
            context_type: ContextType::default(),
            on_stack: false,
            saved: None,
            memories: [None, None, None],
            double_buffer: None,
            copy_back: None,
            own_mdl: ptr::null_mut(),
            params: empty_params(),
            extra: None,
        }
    }

    pub(crate) fn unlink(&mut self) {
        self.memories = [None, None, None];
        self.extra = None;
    }
}

/// Completion parameters of a request that was never formatted.
pub(crate) fn empty_params() -> _WDF_REQUEST_COMPLETION_PARAMS {
    _WDF_REQUEST_COMPLETION_PARAMS {
        Size: u32::try_from(size_of::<_WDF_REQUEST_COMPLETION_PARAMS>()).unwrap_or(0),
        Type: request_type::WdfRequestTypeNoFormat,
        ..Default::default()
    }
}

impl System {
    /// Attaches a context to a request whose earlier formatting has been undone.
    pub(crate) fn begin_format(
        &self,
        request: &Request,
        irp: &Irp,
        context_type: ContextType,
    ) -> Result<(), NTSTATUS> {
        let mut format = request.format.borrow_mut();
        if !format.exists || format.context_type != context_type {
            let on_stack = format.on_stack || request.source == super::Source::Internal;
            if !on_stack && self.faults.fails(Allocation::Context) {
                return Err(STATUS_INSUFFICIENT_RESOURCES);
            }
            if format.exists {
                // The old context goes, with what it had kept to be used again.
                format.double_buffer = None;
                self.free_own_mdl(&mut format);
            }
            format.exists = true;
            format.context_type = context_type;
        }
        format.saved = Some(Saved {
            system_buffer: irp.system_buffer.get(),
            user_buffer: irp.user_buffer.get(),
            mdl: irp.mdl.get(),
            flags: irp.flags.get(),
        });
        format.params = empty_params();
        Ok(())
    }

    /// Keeps a memory for as long as the format lasts.
    pub(crate) fn keep_memory(&self, request: &Request, memory: &MemoryRef) {
        self.check_backing(memory);
        memory.add_reference(self);
        let mut format = request.format.borrow_mut();
        if let Some(slot) = format.memories.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some(memory.clone());
        }
    }

    /// A nonpaged buffer of at least `length` bytes that goes with the format.
    pub(crate) fn double_buffer(
        &self,
        request: &Request,
        length: usize,
    ) -> Result<*mut c_void, NTSTATUS> {
        let mut format = request.format.borrow_mut();
        let enough = format
            .double_buffer
            .as_ref()
            .filter(|buffer| buffer.size() >= length);
        // An internal request is a new one to the framework each time: its buffer is the model's to use again.
        let is_new = enough.is_none() || request.source == super::Source::Internal;
        if is_new && self.faults.fails(Allocation::Buffer) {
            return Err(STATUS_INSUFFICIENT_RESOURCES);
        }
        if let Some(buffer) = enough {
            return Ok(buffer.as_ptr());
        }
        let buffer = Zeroed::new(length).ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
        let address = buffer.as_ptr();
        format.double_buffer = Some(buffer);
        Ok(address)
    }

    pub(crate) fn copy_back_to(&self, request: &Request, user: *mut c_void) {
        request.format.borrow_mut().copy_back = Some(user);
    }

    /// An MDL over a buffer that goes with the format: the context's own, if that is large enough.
    pub(crate) fn own_mdl(
        &self,
        request: &Request,
        address: *mut c_void,
        length: u32,
    ) -> Result<PMDL, NTSTATUS> {
        let mut format = request.format.borrow_mut();
        if !format.own_mdl.is_null() {
            if self.mdls.describe_again(format.own_mdl, address, length) {
                return Ok(format.own_mdl);
            }
            self.free_own_mdl(&mut format);
        }
        if self.faults.fails(Allocation::Mdl) {
            return Err(STATUS_INSUFFICIENT_RESOURCES);
        }
        format.own_mdl = self
            .mdls
            .allocate(address, length, MdlOwner::Framework, self.origin());
        Ok(format.own_mdl)
    }

    /// Such an MDL with its pages locked.
    pub(crate) fn own_locked_mdl(
        &self,
        request: &Request,
        (address, length): (*mut c_void, u32),
        access: Access,
    ) -> Result<PMDL, NTSTATUS> {
        let before = request.format.borrow().own_mdl;
        let mdl = self.own_mdl(request, address, length)?;
        if self.faults.fails(Allocation::Probe) {
            if mdl != before {
                self.free_own_mdl(&mut request.format.borrow_mut());
            }
            return Err(self.faults.probe_status());
        }
        self.mdls.lock(mdl, access);
        Ok(mdl)
    }

    fn free_own_mdl(&self, format: &mut Format) {
        let mdl = core::mem::replace(&mut format.own_mdl, ptr::null_mut());
        if !mdl.is_null() {
            self.mdls.unlock(mdl);
            self.mdls.free(mdl);
        }
    }

    /// Copies what a buffered read or control code returned, as many bytes as the lower driver says.
    pub(crate) fn copy_back(&self, request: &Request, irp: &Irp) {
        let format = request.format.borrow();
        let (Some(user), Some(buffer)) = (format.copy_back, &format.double_buffer) else {
            return;
        };
        let claimed = usize::try_from(irp.information.get()).unwrap_or(usize::MAX);
        let count = claimed.min(buffer.size());
        if claimed > count {
            self.violation(
                crate::report::ViolationKind::BufferOverrun,
                format!("the driver below returned {claimed} bytes for a buffer of {count}; the framework would copy them all"),
            );
        }
        // The address is taken away from the IRP when the driver frees the memory too early.
        if count > 0 && !user.is_null() && !irp.user_buffer.get().is_null() {
            copy(buffer.as_ptr(), user, count);
        }
    }

    /// Undoes a format: memory references are given back, the IRP's buffer fields restored. The context itself stays.
    pub(crate) fn release_format(&self, request: &Request) {
        request.formatted.set(false);
        let (saved, memories) = {
            let mut format = request.format.borrow_mut();
            format.copy_back = None;
            format.extra = None;
            if !format.own_mdl.is_null() {
                self.mdls.unlock(format.own_mdl);
                if format.context_type != ContextType::Io {
                    self.free_own_mdl(&mut format);
                }
            }
            let mut memories = core::mem::take(&mut format.memories);
            // The first one is given back last.
            memories.rotate_left(1);
            (format.saved.take(), memories)
        };
        if let (Some(saved), Some(irp)) = (saved, request.irp()) {
            irp.system_buffer.set(saved.system_buffer);
            irp.user_buffer.set(saved.user_buffer);
            irp.mdl.set(saved.mdl);
            irp.flags.set(saved.flags);
        }
        for memory in memories.into_iter().flatten() {
            memory.release(self);
        }
    }

    /// Gives a request the context on the stack of a synchronous send in place of its own.
    pub(crate) fn put_context_on_stack(&self, request: &Request) {
        self.detach_format(request);
        request.format.borrow_mut().on_stack = true;
    }

    /// Undoes a format and forgets that there ever was one.
    pub(crate) fn detach_format(&self, request: &Request) {
        self.release_format(request);
        let mut format = request.format.borrow_mut();
        format.exists = false;
        format.on_stack = false;
        if !format.own_mdl.is_null() {
            self.free_own_mdl(&mut format);
        }
        format.params = empty_params();
        if request.source != super::Source::Internal {
            format.double_buffer = None;
        }
    }
}
