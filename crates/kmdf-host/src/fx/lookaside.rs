//! WDFLOOKASIDE: memory objects of one size. The model allocates each anew: what a lookaside list saves is time.

use core::ptr;

use kmdf_sys::{
    _POOL_TYPE as pool_type, NTSTATUS, POOL_TYPE, PWDF_OBJECT_ATTRIBUTES,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER, STATUS_SUCCESS, ULONG, WDFLOOKASIDE,
    WDFMEMORY,
};

use super::attributes::{Attributes, Rules};
use super::class::{Kind, Obj};
use super::device::Device;
use super::object::Object;
use crate::system::{PASSIVE_LEVEL, System};

/// A WDFLOOKASIDE.
pub(crate) struct Lookaside {
    size: usize,
    paged: bool,
    tag: u32,
    memory: Attributes,
}

impl System {
    /// `WdfLookasideListCreate`.
    pub(crate) fn wdf_lookaside_list_create(
        &self,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        size: usize,
        pool: POOL_TYPE,
        memory_attributes: PWDF_OBJECT_ATTRIBUTES,
        tag: ULONG,
        out: *mut WDFLOOKASIDE,
    ) -> NTSTATUS {
        self.require(out, "Lookaside");
        self.put(out, ptr::null_mut());
        if size == 0 {
            return STATUS_INVALID_PARAMETER;
        }
        let attributes = match self.attributes(attributes, Rules::CHILD) {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        let memory = match self.attributes(memory_attributes, Rules::CHILD) {
            Ok(memory) => memory,
            Err(status) => return status,
        };
        let paged = pool & pool_type::PagedPool != 0;
        if paged {
            if !self.irql_at_most(PASSIVE_LEVEL) {
                return STATUS_INVALID_DEVICE_REQUEST;
            }
            let device = |attributes: &Attributes| {
                attributes
                    .parent
                    .as_ref()
                    .and_then(Object::ancestor::<Device>)
            };
            if let (Some(own), Some(of_memory)) = (device(&attributes), device(&memory))
                && !own.is(&of_memory)
            {
                return STATUS_INVALID_PARAMETER;
            }
        }
        let lookaside = Lookaside {
            size,
            paged,
            tag: self.tag_or_default(tag),
            memory,
        };
        let parent = attributes.parent_or_driver(self);
        match self.create_object(Kind::Lookaside(lookaside), &parent, &attributes) {
            Ok(object) => {
                object.passive_dispose.set(paged);
                self.put(out, object.handle());
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// `WdfMemoryCreateFromLookaside`.
    pub(crate) fn wdf_memory_create_from_lookaside(
        &self,
        lookaside: WDFLOOKASIDE,
        out: *mut WDFMEMORY,
    ) -> NTSTATUS {
        let lookaside: Obj<Lookaside> = self.object(lookaside);
        self.require(out, "Memory");
        self.put(out, ptr::null_mut());
        match self.new_memory(
            &lookaside.memory,
            lookaside.paged,
            lookaside.tag,
            lookaside.size,
        ) {
            Ok(memory) => {
                self.put(out, memory.handle());
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }
}
