//! Pool memory of drivers, accounted by address.

use core::cell::{Cell, RefCell};
use core::ffi::c_void;
use core::fmt;
use core::ptr;
use std::alloc::Layout;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::special_pool::SpecialPool;
use super::{System, try_current};
use crate::report::{Origin, ViolationKind};

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
    blocks: RefCell<BTreeMap<usize, (Block, Zeroed)>>,
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
        let Some(memory) = Zeroed::new(size) else {
            return ptr::null_mut();
        };
        let number = self.allocated.get();
        self.allocated.set(number + 1);
        let block = Block {
            number,
            size,
            tag,
            origin,
        };
        let address = memory.as_ptr();
        self.blocks
            .borrow_mut()
            .insert(address.addr(), (block, memory));
        address
    }

    /// Frees a block; `false` when there is none at this address.
    pub(crate) fn free(&self, memory: *mut c_void) -> bool {
        let block = self.blocks.borrow_mut().remove(&memory.addr());
        block.is_some()
    }

    /// The block that begins at this address.
    pub(crate) fn at(&self, memory: *mut c_void) -> Option<Block> {
        let blocks = self.blocks.borrow();
        blocks.get(&memory.addr()).map(|(block, _)| *block)
    }

    /// The block in which this address lies, by its address and number.
    pub(crate) fn around(&self, memory: *mut c_void) -> Option<(usize, u64)> {
        let blocks = self.blocks.borrow();
        let (&start, (block, _)) = blocks.range(..=memory.addr()).next_back()?;
        (memory.addr() - start < block.size).then_some((start, block.number))
    }

    /// Whether the block of this address and number is still allocated.
    pub(crate) fn has(&self, (start, number): (usize, u64)) -> bool {
        let blocks = self.blocks.borrow();
        blocks
            .get(&start)
            .is_some_and(|(block, _)| block.number == number)
    }

    /// What was not freed, in the order of allocation.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let held = self.blocks.borrow();
        let mut blocks: Vec<Block> = held.values().map(|(block, _)| *block).collect();
        blocks.sort_unstable_by_key(|block| block.number);
        blocks
    }
}

fn layout(size: usize) -> Option<Layout> {
    Layout::from_size_align(size.max(1), 16).ok()
}

/// Zeroed memory aligned to 16 bytes, as pool is on 64-bit Windows; NULL when there is none.
fn zeroed(size: usize) -> *mut c_void {
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
unsafe fn release(memory: *mut c_void, size: usize) {
    if let Some(layout) = layout(size) {
        // SAFETY: `zeroed` allocated it with the same layout, and the caller promises that it is released once.
        unsafe { std::alloc::dealloc(memory.cast(), layout) };
    }
}

/// Zeroed memory that is freed with this: special pool if the running system has it.
pub(crate) struct Zeroed {
    memory: *mut c_void,
    size: usize,
    special: Option<Rc<SpecialPool>>,
}

impl fmt::Debug for Zeroed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zeroed({} bytes)", self.size)
    }
}

impl Zeroed {
    pub(crate) fn new(size: usize) -> Option<Self> {
        if let Some(system) = try_current()
            && let Some(special) = &system.special_pool
        {
            if let Some(memory) = special.allocate(size, system.origin()) {
                let special = Some(Rc::clone(special));
                return Some(Self {
                    memory,
                    size,
                    special,
                });
            }
            let unguarded = &system.counters.unguarded;
            unguarded.set(unguarded.get() + 1);
        }
        let memory = zeroed(size);
        (!memory.is_null()).then_some(Self {
            memory,
            size,
            special: None,
        })
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
        let Some(special) = &self.special else {
            // SAFETY: `new` got the memory from `zeroed` with this size.
            return unsafe { release(self.memory, self.size) };
        };
        let system = try_current();
        let damaged = special.free(self.memory.addr(), system.map(System::origin));
        if damaged && let Some(system) = system {
            system.violation(
                ViolationKind::BufferOverrun,
                format!(
                    "a block of {} bytes was freed, and the bytes before it or behind it were overwritten",
                    self.size
                ),
            );
        }
    }
}
