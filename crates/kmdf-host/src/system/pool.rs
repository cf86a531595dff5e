//! Pool memory of drivers, accounted by address.

use core::cell::{Cell, RefCell};
use core::ffi::c_void;
use core::ptr;
use std::alloc::Layout;
use std::collections::BTreeMap;

use crate::report::Origin;

/// One block of pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    /// Its place in the order of allocation, which addresses do not tell.
    number: u64,
    pub(crate) size: usize,
    pub(crate) tag: u32,
    pub(crate) origin: Origin,
}

/// All pool that drivers hold.
pub(crate) struct Pool {
    blocks: RefCell<BTreeMap<usize, Block>>,
    allocated: Cell<u64>,
}

impl Pool {
    pub(crate) const fn new() -> Self {
        Self {
            blocks: RefCell::new(BTreeMap::new()),
            allocated: Cell::new(0),
        }
    }

    pub(crate) fn allocate(&self, size: usize, tag: u32, origin: Origin) -> *mut c_void {
        let memory = zeroed(size);
        if !memory.is_null() {
            let number = self.allocated.get();
            self.allocated.set(number + 1);
            let block = Block {
                number,
                size,
                tag,
                origin,
            };
            self.blocks.borrow_mut().insert(memory.addr(), block);
        }
        memory
    }

    /// Frees a block; `false` when there is none at this address.
    pub(crate) fn free(&self, memory: *mut c_void) -> bool {
        let Some(block) = self.blocks.borrow_mut().remove(&memory.addr()) else {
            return false;
        };
        // SAFETY: the block was in the table, so `zeroed(block.size)` returned it and nobody freed it since.
        unsafe { release(memory, block.size) };
        true
    }

    /// The block that begins at this address.
    pub(crate) fn at(&self, memory: *mut c_void) -> Option<Block> {
        self.blocks.borrow().get(&memory.addr()).copied()
    }

    /// The block in which this address lies, by its address and number.
    pub(crate) fn around(&self, memory: *mut c_void) -> Option<(usize, u64)> {
        let blocks = self.blocks.borrow();
        let (&start, block) = blocks.range(..=memory.addr()).next_back()?;
        (memory.addr() - start < block.size).then_some((start, block.number))
    }

    /// Whether the block of this address and number is still allocated.
    pub(crate) fn has(&self, (start, number): (usize, u64)) -> bool {
        let blocks = self.blocks.borrow();
        blocks
            .get(&start)
            .is_some_and(|block| block.number == number)
    }

    /// What was not freed, in the order of allocation.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = self.blocks.borrow().values().copied().collect();
        blocks.sort_unstable_by_key(|block| block.number);
        blocks
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let blocks = core::mem::take(self.blocks.get_mut());
        for (address, block) in blocks {
            // SAFETY: as in `free`; the table was emptied, so no block is freed twice.
            unsafe { release(ptr::with_exposed_provenance_mut(address), block.size) };
        }
    }
}

fn layout(size: usize) -> Option<Layout> {
    Layout::from_size_align(size.max(1), 16).ok()
}

/// Zeroed memory aligned to 16 bytes, as pool is on 64-bit Windows; NULL when there is none.
pub(crate) fn zeroed(size: usize) -> *mut c_void {
    let Some(layout) = layout(size) else {
        return ptr::null_mut();
    };
    // SAFETY: the size of the layout is at least 1.
    let memory: *mut c_void = unsafe { std::alloc::alloc_zeroed(layout) }.cast();
    memory.expose_provenance();
    memory
}

/// Gives memory back.
///
/// # Safety
///
/// `memory` must have come from [`zeroed`] with the same `size` and not have been released.
pub(crate) unsafe fn release(memory: *mut c_void, size: usize) {
    if let Some(layout) = layout(size) {
        // SAFETY: `zeroed` allocated it with the same layout, and the caller promises that it is released once.
        unsafe { std::alloc::dealloc(memory.cast(), layout) };
    }
}

/// Memory of the model's own, freed with it.
pub(crate) struct Zeroed {
    memory: *mut c_void,
    size: usize,
}

impl Zeroed {
    pub(crate) fn new(size: usize) -> Option<Self> {
        let memory = zeroed(size);
        (!memory.is_null()).then_some(Self { memory, size })
    }

    pub(crate) const fn as_ptr(&self) -> *mut c_void {
        self.memory
    }

    pub(crate) const fn size(&self) -> usize {
        self.size
    }
}

impl Drop for Zeroed {
    fn drop(&mut self) {
        // SAFETY: `new` got the memory from `zeroed` with this size.
        unsafe { release(self.memory, self.size) };
    }
}
