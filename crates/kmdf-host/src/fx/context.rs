//! Object contexts: real memory behind an object.

use core::ffi::c_void;
use core::ptr;

use kmdf_sys::{
    NTSTATUS, PCWDF_OBJECT_CONTEXT_TYPE_INFO, PVOID, PWDF_OBJECT_ATTRIBUTES, STATUS_DELETE_PENDING,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_OBJECT_NAME_EXISTS, STATUS_OBJECT_NAME_INVALID,
    STATUS_OBJECT_PATH_INVALID, STATUS_SUCCESS, WDFOBJECT,
};

use super::attributes::{Attributes, Rules};
use super::handle::OFFSET_HANDLE;
use crate::faults::Allocation;
use crate::system::System;
use crate::system::fail::code;
use crate::system::pool::Zeroed;

/// What stands in front of a context: whose it is.
#[repr(C, align(16))]
#[derive(Clone, Copy)]
struct Header {
    magic: u64,
    handle: usize,
}

const MAGIC: u64 = 0x7874_6E6F_4366_644B;

/// One context of an object, or a pair of callbacks without memory.
pub(crate) struct Context {
    type_info: PCWDF_OBJECT_CONTEXT_TYPE_INFO,
    memory: Option<Zeroed>,
    pub(crate) cleanup: Option<unsafe extern "C" fn(WDFOBJECT)>,
    pub(crate) destroy: Option<unsafe extern "C" fn(WDFOBJECT)>,
}

impl Context {
    /// The context that attributes ask for; none when they ask for neither memory nor callbacks.
    pub(crate) fn for_attributes(attributes: &Attributes) -> Result<Option<Self>, ()> {
        if attributes.type_info.is_null()
            && attributes.cleanup.is_none()
            && attributes.destroy.is_none()
        {
            return Ok(None);
        }
        Self::new(attributes).map(Some)
    }

    fn new(attributes: &Attributes) -> Result<Self, ()> {
        let memory = if attributes.type_info.is_null() {
            None
        } else {
            let size = attributes
                .context_size
                .checked_add(size_of::<Header>())
                .ok_or(())?;
            Some(Zeroed::new(size).ok_or(())?)
        };
        Ok(Self {
            type_info: attributes.type_info,
            memory,
            cleanup: attributes.cleanup,
            destroy: attributes.destroy,
        })
    }

    /// Ties the memory to its object.
    pub(crate) fn belongs_to(&self, handle: usize) {
        if let Some(memory) = &self.memory {
            // SAFETY: the memory is at least a header long and aligned to 16 bytes.
            unsafe {
                memory.as_ptr().cast::<Header>().write(Header {
                    magic: MAGIC,
                    handle,
                })
            };
        }
    }

    pub(crate) fn address(&self) -> *mut c_void {
        match &self.memory {
            Some(memory) => memory.as_ptr().wrapping_byte_add(size_of::<Header>()),
            None => ptr::null_mut(),
        }
    }

    /// Takes the callbacks away, as from a request that was never presented.
    pub(crate) fn forget_callbacks(&mut self) {
        self.cleanup = None;
        self.destroy = None;
    }
}

impl System {
    /// `WdfObjectGetTypedContextWorker`.
    pub(crate) fn wdf_object_get_typed_context(
        &self,
        handle: WDFOBJECT,
        type_info: PCWDF_OBJECT_CONTEXT_TYPE_INFO,
    ) -> PVOID {
        self.require(handle, "Handle");
        self.require(type_info, "TypeInfo");
        if handle.addr() & OFFSET_HANDLE != 0 {
            return ptr::null_mut();
        }
        let object = self.any_object(handle);
        let contexts = object.contexts.borrow();
        let found = contexts
            .iter()
            .find(|context| ptr::eq(context.type_info, type_info));
        if found.is_none() {
            self.context_missing(&object);
        }
        found.map_or(ptr::null_mut(), Context::address)
    }

    /// `WdfObjectContextGetObject`.
    pub(crate) fn wdf_object_context_get_object(&self, context: PVOID) -> WDFOBJECT {
        self.require(context, "ContextPointer");
        let header = context
            .wrapping_byte_sub(size_of::<Header>())
            .cast::<Header>();
        // SAFETY: the driver passes the address of a context, in front of which `belongs_to` wrote a header.
        let header = unsafe { header.read_unaligned() };
        if header.magic != MAGIC {
            self.bugcheck(
                crate::report::BugcheckKind::NotAContext,
                code::INVALID_HANDLE,
                context.addr() as u64,
                0,
                "WdfObjectContextGetObject was given an address that is no object context"
                    .to_owned(),
            );
        }
        ptr::without_provenance_mut(header.handle)
    }

    /// `WdfObjectAllocateContext`.
    pub(crate) fn wdf_object_allocate_context(
        &self,
        handle: WDFOBJECT,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        out: *mut PVOID,
    ) -> NTSTATUS {
        self.require(handle, "Handle");
        if handle.addr() & OFFSET_HANDLE != 0 {
            return STATUS_OBJECT_PATH_INVALID;
        }
        let object = self.any_object(handle);
        let rules = if self.client_at_least(11) {
            Rules::CONTEXT
        } else {
            Rules::CONTEXT.with_parent()
        };
        let attributes = match self.attributes(attributes, rules) {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        if attributes.type_info.is_null() {
            return STATUS_OBJECT_NAME_INVALID;
        }
        if self.faults.fails(Allocation::Pool) {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        let Ok(context) = Context::new(&attributes) else {
            return STATUS_INSUFFICIENT_RESOURCES;
        };
        if !object.is_live() {
            return STATUS_DELETE_PENDING;
        }
        let existing = {
            let contexts = object.contexts.borrow();
            contexts
                .iter()
                .find(|known| ptr::eq(known.type_info, attributes.type_info))
                .map(Context::address)
        };
        if let Some(existing) = existing {
            self.put(out, existing);
            return STATUS_OBJECT_NAME_EXISTS;
        }
        context.belongs_to(object.handle.get());
        self.put(out, context.address());
        object.contexts.borrow_mut().push(context);
        STATUS_SUCCESS
    }
}
