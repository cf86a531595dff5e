//! Memory descriptor lists: real `_MDL` structures over real memory.

use core::cell::{Cell, RefCell};
use core::ffi::c_void;
use core::ptr;
use std::collections::BTreeMap;

use kmdf_sys::{
    _MDL, MDL_MAPPED_TO_SYSTEM_VA, MDL_PAGES_LOCKED, MDL_PARTIAL, MDL_SOURCE_IS_NONPAGED_POOL, PMDL,
};

use crate::report::Origin;

const PAGE_SIZE: usize = 4096;

/// Who allocated an MDL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MdlOwner {
    IoManager,
    Framework,
    Driver,
}

/// With which access pages were locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `IoReadAccess`: the device reads the memory.
    Read,
    /// `IoWriteAccess`: the device writes it.
    Write,
}

/// What is known about an MDL besides its memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MdlInfo {
    /// Its place in the order of allocation, which addresses do not tell.
    number: u64,
    /// How many pages it was made for.
    pages: usize,
    pub(crate) owner: MdlOwner,
    pub(crate) locked: Option<Access>,
    pub(crate) origin: Origin,
}

/// All MDLs that exist.
pub(crate) struct MdlTable {
    live: RefCell<BTreeMap<usize, MdlInfo>>,
    allocated: Cell<u64>,
    framework: Cell<i64>,
}

impl MdlTable {
    pub(crate) const fn new() -> Self {
        Self {
            live: RefCell::new(BTreeMap::new()),
            allocated: Cell::new(0),
            framework: Cell::new(0),
        }
    }

    /// `IoAllocateMdl`.
    pub(crate) fn allocate(
        &self,
        va: *mut c_void,
        length: u32,
        owner: MdlOwner,
        origin: Origin,
    ) -> PMDL {
        let address = va.addr();
        let offset = address % PAGE_SIZE;
        let mdl = Box::new(_MDL {
            Size: mdl_size(offset, length),
            StartVa: va.wrapping_byte_sub(offset),
            ByteOffset: u32::try_from(offset).unwrap_or(0),
            ByteCount: length,
            ..Default::default()
        });
        let mdl = Box::into_raw(mdl);
        let number = self.allocated.get();
        self.allocated.set(number + 1);
        self.live.borrow_mut().insert(
            mdl.addr(),
            MdlInfo {
                number,
                pages: pages(length),
                owner,
                locked: None,
                origin,
            },
        );
        if owner == MdlOwner::Framework {
            self.framework.set(self.framework.get() + 1);
        }
        mdl
    }

    /// `MmPrepareMdlForReuse` and `MmInitializeMdl`; `false` when the MDL is too small for the pages of the buffer.
    pub(crate) fn describe_again(&self, mdl: PMDL, va: *mut c_void, length: u32) -> bool {
        // Where in its page the buffer begins is chance, and must decide nothing.
        if self.info(mdl).is_none_or(|info| info.pages < pages(length)) {
            return false;
        }
        let offset = va.addr() % PAGE_SIZE;
        // SAFETY: `mdl` is in the table, hence a live `_MDL`; no reference to it exists while this function runs.
        let mdl = unsafe { &mut *mdl };
        mdl.Size = mdl.Size.max(mdl_size(offset, length));
        mdl.StartVa = va.wrapping_byte_sub(offset);
        mdl.ByteOffset = u32::try_from(offset).unwrap_or(0);
        mdl.ByteCount = length;
        mdl.MappedSystemVa = ptr::null_mut();
        mdl.MdlFlags = 0;
        true
    }

    /// `IoFreeMdl`; `false` when there is no such MDL.
    pub(crate) fn free(&self, mdl: PMDL) -> bool {
        let Some(info) = self.live.borrow_mut().remove(&mdl.addr()) else {
            return false;
        };
        if info.owner == MdlOwner::Framework {
            self.framework.set(self.framework.get() - 1);
        }
        // SAFETY: the address was in the table, so it came from `Box::into_raw` in `allocate` and was not freed since.
        drop(unsafe { Box::from_raw(mdl) });
        true
    }

    pub(crate) fn info(&self, mdl: PMDL) -> Option<MdlInfo> {
        self.live.borrow().get(&mdl.addr()).copied()
    }

    /// Marks the pages locked and mapped, as `MmProbeAndLockPages` and a mapping do.
    pub(crate) fn lock(&self, mdl: PMDL, access: Access) {
        if let Some(info) = self.live.borrow_mut().get_mut(&mdl.addr()) {
            info.locked = Some(access);
        }
        self.map(mdl, MDL_PAGES_LOCKED | MDL_MAPPED_TO_SYSTEM_VA);
    }

    /// `MmUnlockPages`.
    pub(crate) fn unlock(&self, mdl: PMDL) {
        if let Some(info) = self.live.borrow_mut().get_mut(&mdl.addr()) {
            info.locked = None;
        }
    }

    /// `MmBuildMdlForNonPagedPool`.
    pub(crate) fn build_nonpaged(&self, mdl: PMDL) {
        self.map(mdl, MDL_SOURCE_IS_NONPAGED_POOL);
    }

    /// `IoBuildPartialMdl`: `target` describes `length` bytes at `va` of what `source` describes; 0 is the rest.
    pub(crate) fn build_partial(&self, source: PMDL, target: PMDL, va: *mut c_void, length: u32) {
        let from = Mdl::at(source);
        let offset = va.addr().wrapping_sub(from.va().addr());
        let rest = from
            .length()
            .saturating_sub(u32::try_from(offset).unwrap_or(u32::MAX));
        let in_page = va.addr() % PAGE_SIZE;
        let Some(info) = self.info(target) else {
            return;
        };
        debug_assert!(info.locked.is_none());
        // SAFETY: `target` is in the table, hence a live `_MDL`; no reference to it exists while this function runs.
        let target = unsafe { &mut *target };
        target.StartVa = va.wrapping_byte_sub(in_page);
        target.ByteOffset = u32::try_from(in_page).unwrap_or(0);
        target.ByteCount = if length == 0 { rest } else { length };
        target.MappedSystemVa = from.system_address().wrapping_byte_add(offset);
        target.MdlFlags |= flags(MDL_PARTIAL | MDL_MAPPED_TO_SYSTEM_VA);
    }

    fn map(&self, mdl: PMDL, with: u32) {
        if self.info(mdl).is_none() {
            return;
        }
        // SAFETY: `mdl` is in the table, hence a live `_MDL`; no reference to it exists while this function runs.
        let mdl = unsafe { &mut *mdl };
        mdl.MappedSystemVa = mdl.StartVa.wrapping_byte_add(mdl.ByteOffset as usize);
        mdl.MdlFlags |= flags(with);
    }

    /// MDLs that the framework has allocated and not freed.
    pub(crate) fn framework_mdls(&self) -> i64 {
        self.framework.get()
    }

    pub(crate) fn locked(&self) -> usize {
        self.live
            .borrow()
            .values()
            .filter(|info| info.locked.is_some() && info.owner == MdlOwner::Framework)
            .count()
    }

    /// The MDLs of an owner, in the order of allocation.
    pub(crate) fn owned_by(&self, owner: MdlOwner) -> Vec<MdlInfo> {
        let live = self.live.borrow();
        let of_owner = live.values().filter(|info| info.owner == owner);
        let mut owned: Vec<MdlInfo> = of_owner.copied().collect();
        owned.sort_unstable_by_key(|info| info.number);
        owned
    }

    pub(crate) fn clear(&self) {
        let all: Vec<usize> = self.live.borrow().keys().copied().collect();
        for address in all {
            self.free(ptr::with_exposed_provenance_mut(address));
        }
    }
}

impl Drop for MdlTable {
    fn drop(&mut self) {
        self.clear();
    }
}

fn pages(length: u32) -> usize {
    (length as usize).div_ceil(PAGE_SIZE)
}

/// `MmSizeOfMdl`, of a buffer that begins at this offset in its page.
fn mdl_size(offset: usize, length: u32) -> i16 {
    let pages = (offset + length as usize).div_ceil(PAGE_SIZE);
    i16::try_from(size_of::<_MDL>() + pages * size_of::<usize>()).unwrap_or(i16::MAX)
}

fn flags(bits: u32) -> i16 {
    i16::try_from(bits).unwrap_or(0)
}

/// A look at an MDL, of the model's or a driver's making.
#[derive(Clone, Copy)]
pub(crate) struct Mdl(_MDL);

impl Mdl {
    /// Reads the MDL at `mdl`, which must not be NULL.
    pub(crate) fn at(mdl: PMDL) -> Self {
        // SAFETY: a driver that hands an MDL to the framework owns a valid one, and nobody writes to it during this read,
        // because one logical thread runs at a time. The framework reads it in the same way.
        Self(unsafe { mdl.read() })
    }

    pub(crate) const fn length(&self) -> u32 {
        self.0.ByteCount
    }

    /// `MmGetMdlVirtualAddress`.
    pub(crate) const fn va(&self) -> *mut c_void {
        self.0.StartVa.wrapping_byte_add(self.0.ByteOffset as usize)
    }

    pub(crate) fn is_mapped(&self) -> bool {
        self.0.MdlFlags & flags(MDL_MAPPED_TO_SYSTEM_VA | MDL_SOURCE_IS_NONPAGED_POOL) != 0
    }

    /// `MmGetSystemAddressForMdlSafe`; the address space is one, so it never differs from the address described.
    pub(crate) fn system_address(&self) -> *mut c_void {
        if self.is_mapped() {
            self.0.MappedSystemVa
        } else {
            self.va()
        }
    }
}
