//! WDFMEMORY: objects of their own, and the memory inside a received request.

use core::cell::{Cell, RefCell};
use core::ffi::c_void;
use core::ptr;

use kmdf_sys::{
    _POOL_TYPE as pool_type, NTSTATUS, PMDL, POOL_TYPE, PVOID, PWDF_OBJECT_ATTRIBUTES,
    STATUS_ACCESS_VIOLATION, STATUS_BUFFER_TOO_SMALL, STATUS_INSUFFICIENT_RESOURCES,
    STATUS_INVALID_BUFFER_SIZE, STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER,
    STATUS_SUCCESS, ULONG, WDFMEMORY,
};

use super::attributes::{Attributes, Rules};
use super::class::{Class, Kind, Obj};
use super::handle::{OFFSET_HANDLE, OUTPUT_MEMORY};
use super::request::{Part, Request};
use crate::faults::Allocation;
use crate::report::{BugcheckKind, ViolationKind};
use crate::system::pool::Zeroed;
use crate::system::slab::NotFound;
use crate::system::{APC_LEVEL, DISPATCH_LEVEL, System};

/// Who owns the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bytes {
    Framework,
    Driver,
    /// User memory that was locked; the MDL goes with the object.
    Locked,
}

/// A WDFMEMORY object.
pub(crate) struct Memory {
    buffer: Cell<*mut c_void>,
    size: Cell<usize>,
    bytes: Bytes,
    /// The bytes of [`Bytes::Framework`].
    own: RefCell<Option<Zeroed>>,
    mdl: Cell<PMDL>,
    read_only: bool,
    tag: u32,
    /// The block of the driver's pool in which the buffer lies.
    block: Cell<Option<(usize, u64)>>,
}

impl Memory {
    /// Locked user memory, described by `mdl`.
    pub(crate) const fn locked(
        buffer: *mut c_void,
        size: usize,
        mdl: PMDL,
        read_only: bool,
    ) -> Self {
        Self {
            buffer: Cell::new(buffer),
            size: Cell::new(size),
            bytes: Bytes::Locked,
            own: RefCell::new(None),
            mdl: Cell::new(mdl),
            read_only,
            tag: 0,
            block: Cell::new(None),
        }
    }

    /// The first byte.
    pub(crate) const fn start(&self) -> PVOID {
        self.buffer.get()
    }

    /// Size and pool tag, for reports.
    pub(crate) const fn size_and_tag(&self) -> (usize, u32) {
        (self.size.get(), self.tag)
    }

    /// Gives the bytes back, when the object goes.
    pub(crate) fn free(&self, system: &System) {
        match self.bytes {
            Bytes::Framework => {
                self.buffer.set(ptr::null_mut());
                let own = self.own.borrow_mut().take();
                drop(own);
            }
            Bytes::Locked => {
                system.mdls.unlock(self.mdl.get());
                system.mdls.free(self.mdl.replace(ptr::null_mut()));
            }
            Bytes::Driver => {}
        }
    }
}

/// Bugcheck of an access to memory that is not there.
const PAGE_FAULT_IN_NONPAGED_AREA: u32 = 0x50;

/// A WDFMEMORY of either sort, as formats and copies see it.
#[derive(Clone)]
pub(crate) enum MemoryRef {
    Object(Obj<Memory>),
    /// The memory inside a received request.
    Request(Obj<Request>, Part),
}

impl MemoryRef {
    pub(crate) fn buffer(&self) -> *mut c_void {
        match self {
            Self::Object(memory) => memory.buffer.get(),
            Self::Request(request, part) => request.area(*part).buffer,
        }
    }

    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Object(memory) => memory.size.get(),
            Self::Request(request, part) => request.area(*part).length as usize,
        }
    }

    /// The MDL that describes it, if it has one.
    pub(crate) fn mdl(&self) -> PMDL {
        match self {
            Self::Object(memory) => memory.mdl.get(),
            Self::Request(request, part) => request.area(*part).mdl,
        }
    }

    fn is_read_only(&self) -> bool {
        match self {
            Self::Object(memory) => memory.read_only,
            Self::Request(request, part) => request.area(*part).read_only,
        }
    }

    pub(crate) fn handle(&self) -> WDFMEMORY {
        match self {
            Self::Object(memory) => memory.handle(),
            Self::Request(request, part) => memory_handle(request, *part),
        }
    }

    /// A formatted request keeps its memory.
    pub(crate) fn add_reference(&self, system: &System) {
        match self {
            Self::Object(memory) => system.add_reference(memory.rc()),
            Self::Request(request, _) => {
                request.irp_references.set(request.irp_references.get() + 1)
            }
        }
    }

    pub(crate) fn release(&self, system: &System) {
        match self {
            Self::Object(memory) => system.release(memory.rc()),
            Self::Request(request, _) => {
                request.irp_references.set(request.irp_references.get() - 1)
            }
        }
    }
}

/// The handle of memory inside a received request.
pub(crate) fn memory_handle(request: &Obj<Request>, part: Part) -> WDFMEMORY {
    let bits = match part {
        Part::System => OFFSET_HANDLE,
        Part::Output => OFFSET_HANDLE | OUTPUT_MEMORY,
    };
    ptr::without_provenance_mut(request.rc().handle.get() | bits)
}

impl System {
    /// The request whose memory `handle` names.
    pub(crate) fn request_of_memory<H>(&self, handle: *mut H) -> Obj<Request> {
        match self.framework.objects.get(handle.addr()) {
            Ok(object) => match Obj::new(&object) {
                Some(request) => request,
                None => {
                    self.bad_handle(handle.addr(), Memory::TYPE, Memory::NAME, NotFound::Garbage)
                }
            },
            Err(why) => self.bad_handle(handle.addr(), Memory::TYPE, Memory::NAME, why),
        }
    }

    pub(crate) fn memory(&self, handle: WDFMEMORY) -> MemoryRef {
        if handle.addr() & OFFSET_HANDLE != 0 {
            let part = if handle.addr() & OUTPUT_MEMORY == 0 {
                Part::System
            } else {
                Part::Output
            };
            MemoryRef::Request(self.request_of_memory(handle), part)
        } else {
            MemoryRef::Object(self.object(handle))
        }
    }

    pub(crate) fn memory_or_null(&self, handle: WDFMEMORY) -> Option<MemoryRef> {
        if handle.is_null() {
            None
        } else {
            Some(self.memory(handle))
        }
    }

    pub(crate) fn tag_or_default(&self, tag: u32) -> u32 {
        if tag != 0 {
            return tag;
        }
        let driver = self
            .module(self.scheduler.context.driver.get())
            .and_then(|module| module.driver());
        driver.map_or(0, |driver| driver.pool_tag)
    }

    /// `WdfMemoryCreate`.
    pub(crate) fn wdf_memory_create(
        &self,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        pool: POOL_TYPE,
        tag: ULONG,
        size: usize,
        out: *mut WDFMEMORY,
        buffer: *mut PVOID,
    ) -> NTSTATUS {
        self.require(out, "Memory");
        // Paged pool types have the lowest bit.
        let paged = pool & pool_type::PagedPool != 0;
        if !self.irql_at_most(if paged { APC_LEVEL } else { DISPATCH_LEVEL }) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        if size == 0 {
            return STATUS_INVALID_PARAMETER;
        }
        self.put(out, ptr::null_mut());
        let attributes = match self.attributes(attributes, Rules::CHILD) {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        match self.new_memory(&attributes, paged, self.tag_or_default(tag), size) {
            Ok(memory) => {
                self.put(out, memory.handle());
                self.put(buffer, memory.buffer.get());
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// A memory object with bytes of its own.
    pub(crate) fn new_memory(
        &self,
        attributes: &Attributes,
        paged: bool,
        tag: u32,
        size: usize,
    ) -> Result<Obj<Memory>, NTSTATUS> {
        if self.faults.fails(Allocation::Pool) {
            return Err(STATUS_INSUFFICIENT_RESOURCES);
        }
        let Some(own) = Zeroed::new(size) else {
            return Err(STATUS_INSUFFICIENT_RESOURCES);
        };
        let bytes = own.as_ptr();
        let memory = Memory {
            buffer: Cell::new(bytes),
            size: Cell::new(size),
            bytes: Bytes::Framework,
            own: RefCell::new(Some(own)),
            mdl: Cell::new(ptr::null_mut()),
            read_only: false,
            tag,
            block: Cell::new(None),
        };
        let parent = attributes.parent_or_driver(self);
        let created = self.create_object(Kind::Memory(memory), &parent, attributes);
        match created.map(|object| (Obj::new(&object), object)) {
            Ok((Some(memory), object)) => {
                object.passive_dispose.set(paged);
                Ok(memory)
            }
            Ok((None, _)) => Err(STATUS_INVALID_PARAMETER),
            Err(status) => Err(status),
        }
    }

    /// A memory object that holds `value`, as a DDI gives one back.
    pub(crate) fn memory_with(
        &self,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        pool: POOL_TYPE,
        value: &[u8],
        out: *mut WDFMEMORY,
    ) -> NTSTATUS {
        let attributes = match self.attributes(attributes, Rules::CHILD) {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        let paged = pool & pool_type::PagedPool != 0;
        match self.new_memory(&attributes, paged, self.tag_or_default(0), value.len()) {
            Ok(memory) => {
                // SAFETY: the memory was made just now, of this size.
                unsafe {
                    ptr::copy_nonoverlapping(
                        value.as_ptr(),
                        memory.buffer.get().cast::<u8>(),
                        value.len(),
                    );
                };
                self.put(out, memory.handle());
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// `WdfMemoryCreatePreallocated`.
    pub(crate) fn wdf_memory_create_preallocated(
        &self,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        buffer: PVOID,
        size: usize,
        out: *mut WDFMEMORY,
    ) -> NTSTATUS {
        self.require(buffer, "Buffer");
        self.require(out, "Memory");
        self.put(out, ptr::null_mut());
        if size == 0 {
            return STATUS_INVALID_PARAMETER;
        }
        let attributes = match self.attributes(attributes, Rules::CHILD) {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        let memory = Memory {
            buffer: Cell::new(buffer),
            size: Cell::new(size),
            bytes: Bytes::Driver,
            own: RefCell::new(None),
            mdl: Cell::new(ptr::null_mut()),
            read_only: false,
            tag: 0,
            block: Cell::new(self.pool.around(buffer)),
        };
        let parent = attributes.parent_or_driver(self);
        match self.create_object(Kind::Memory(memory), &parent, &attributes) {
            Ok(object) => {
                self.put(out, object.handle());
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// `WdfMemoryAssignBuffer`.
    pub(crate) fn wdf_memory_assign_buffer(
        &self,
        memory: WDFMEMORY,
        buffer: PVOID,
        size: usize,
    ) -> NTSTATUS {
        let memory: Obj<Memory> = self.object(memory);
        if memory.bytes != Bytes::Driver {
            self.bugcheck(
                crate::report::BugcheckKind::NotPreallocated,
                crate::system::fail::code::INVALID_HANDLE,
                memory.rc().handle.get() as u64,
                0x1022,
                "WdfMemoryAssignBuffer of memory that was not created by WdfMemoryCreatePreallocated".to_owned(),
            );
        }
        self.require(buffer, "Buffer");
        if size == 0 {
            return STATUS_INVALID_PARAMETER;
        }
        memory.buffer.set(buffer);
        memory.size.set(size);
        memory.block.set(self.pool.around(buffer));
        STATUS_SUCCESS
    }

    /// The framework is about to use the buffer, which must still be there.
    pub(crate) fn check_backing(&self, memory: &MemoryRef) {
        if let MemoryRef::Object(memory) = memory
            && let Some(block) = memory.block.get()
            && !self.pool.has(block)
        {
            self.bugcheck_os(
                BugcheckKind::FreedMemory,
                PAGE_FAULT_IN_NONPAGED_AREA,
                // The first parameter is the address, which differs from run to run.
                [0, 0, 0, 0],
                format!(
                    "{}: the pool behind a WDFMEMORY that was made over it by {} has been freed",
                    self.ddi(),
                    memory.rc().origin
                ),
            );
        }
    }

    /// `WdfMemoryGetBuffer`.
    pub(crate) fn wdf_memory_get_buffer(&self, memory: WDFMEMORY, size: *mut usize) -> PVOID {
        let memory = self.memory(memory);
        self.put(size, memory.size());
        memory.buffer()
    }

    /// `WdfMemoryCopyToBuffer`.
    pub(crate) fn wdf_memory_copy_to_buffer(
        &self,
        source: WDFMEMORY,
        offset: usize,
        buffer: PVOID,
        count: usize,
    ) -> NTSTATUS {
        let source = self.memory(source);
        self.check_backing(&source);
        self.require(buffer, "Buffer");
        if count == 0 || source.buffer().is_null() {
            return STATUS_INVALID_PARAMETER;
        }
        if !fits(source.size(), offset, count) {
            return STATUS_BUFFER_TOO_SMALL;
        }
        copy(source.buffer().wrapping_byte_add(offset), buffer, count);
        STATUS_SUCCESS
    }

    /// `WdfMemoryCopyFromBuffer`.
    pub(crate) fn wdf_memory_copy_from_buffer(
        &self,
        target: WDFMEMORY,
        offset: usize,
        buffer: PVOID,
        count: usize,
    ) -> NTSTATUS {
        let target = self.memory(target);
        self.check_backing(&target);
        self.require(buffer, "Buffer");
        if count == 0 || target.buffer().is_null() {
            return STATUS_INVALID_PARAMETER;
        }
        if target.is_read_only() {
            self.misuse_of_call(
                ViolationKind::BufferDirection,
                "it copies into the input of a request",
            );
            return STATUS_ACCESS_VIOLATION;
        }
        if !fits(target.size(), offset, count) {
            return STATUS_INVALID_BUFFER_SIZE;
        }
        copy(buffer, target.buffer().wrapping_byte_add(offset), count);
        STATUS_SUCCESS
    }
}

const fn fits(size: usize, offset: usize, count: usize) -> bool {
    offset < size && count <= size - offset
}

/// Copies between memory the framework knows and a driver's.
pub(crate) fn copy(from: *const c_void, to: *mut c_void, count: usize) {
    // SAFETY: both ends are at least `count` bytes long: one is an area whose size was checked, the other a driver's buffer
    // of the length it gave; they may overlap.
    unsafe { ptr::copy(from.cast::<u8>(), to.cast::<u8>(), count) };
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_copy_must_lie_inside() {
        assert!(fits(16, 0, 16));
        assert!(fits(16, 15, 1));
        assert!(!fits(16, 16, 1));
        assert!(!fits(16, 8, 9));
        assert!(!fits(16, usize::MAX, 2));
    }
}
