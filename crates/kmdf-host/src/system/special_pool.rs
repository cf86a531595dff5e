//! Special pool: every block ends at a page that nobody may touch, and what was freed stays out of reach.

use core::cell::{Cell, RefCell};
use core::ffi::c_void;
use core::ptr;
use std::collections::BTreeMap;

use crate::report::Origin;

/// Address space of one host; only what is in use takes memory.
const LENGTH: usize = 16 << 30;
/// What stands around a block inside its pages, to see what was written there.
const FILL: u8 = 0xB5;
/// How blocks are aligned, as pool is on 64-bit Windows.
const ALIGNMENT: usize = 16;

/// A block, in use or freed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guarded {
    pub(crate) size: usize,
    pub(crate) allocated: Origin,
    pub(crate) freed: Option<Origin>,
    /// The first byte of its pages.
    first: usize,
    /// The first byte of the page after them, which guards its end.
    guard: usize,
}

/// Where an address lies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Spot {
    /// In a block that was freed, or around it.
    Freed(Guarded),
    /// So many bytes behind the end of a block.
    Beyond(Guarded, usize),
    /// Elsewhere in the special pool.
    Nowhere,
}

/// The special pool of one host.
pub(crate) struct SpecialPool {
    base: usize,
    page: usize,
    next: Cell<usize>,
    blocks: RefCell<BTreeMap<usize, Guarded>>,
}

impl SpecialPool {
    /// Reserves the address space; `None` where there is none, or no such thing on this system.
    pub(crate) fn new() -> Option<Self> {
        let (base, page) = os::reserve(LENGTH)?;
        Some(Self {
            base,
            page,
            next: Cell::new(base + page),
            blocks: RefCell::new(BTreeMap::new()),
        })
    }

    /// Whether an address is one of the special pool's. Safe to ask in a signal handler.
    pub(crate) const fn contains(&self, address: usize) -> bool {
        address >= self.base && address - self.base < LENGTH
    }

    /// Zeroed memory that ends at an inaccessible page, as near as its alignment lets it; `None` when there is no more.
    pub(crate) fn allocate(&self, size: usize, allocated: Origin) -> Option<*mut c_void> {
        let rounded = size.max(1).checked_next_multiple_of(ALIGNMENT)?;
        let span = rounded.checked_next_multiple_of(self.page)?;
        let first = self.next.get();
        let guard = first.checked_add(span)?;
        if guard.checked_add(self.page)? > self.base + LENGTH || !os::open(first, span) {
            return None;
        }
        self.next.set(guard + self.page);
        let address = guard - rounded;
        fill(first, address - first);
        fill(address + size, rounded - size);
        let block = Guarded {
            size,
            allocated,
            freed: None,
            first,
            guard,
        };
        self.blocks.borrow_mut().insert(address, block);
        Some(ptr::with_exposed_provenance_mut(address))
    }

    /// Puts a block out of reach; tells whether something was written around it.
    pub(crate) fn free(&self, address: usize, freed: Option<Origin>) -> bool {
        let mut blocks = self.blocks.borrow_mut();
        let Some(block) = blocks.get_mut(&address) else {
            return false;
        };
        let end = address + block.size;
        let damaged =
            !is_filled(block.first, address - block.first) || !is_filled(end, block.guard - end);
        block.freed = Some(freed.unwrap_or(block.allocated));
        os::close(block.first, block.guard - block.first);
        damaged
    }

    /// What an address that was not to be touched belongs to.
    pub(crate) fn spot(&self, address: usize) -> Spot {
        let blocks = self.blocks.borrow();
        let around = blocks
            .values()
            .filter(|block| (block.first..block.guard + self.page).contains(&address));
        let place = blocks
            .range(..=address)
            .next_back()
            .map(|(start, _)| *start);
        match around.copied().next() {
            Some(block) if block.freed.is_some() => Spot::Freed(block),
            Some(block) => {
                let start = place.unwrap_or(block.first);
                Spot::Beyond(block, address.saturating_sub(start + block.size))
            }
            None => Spot::Nowhere,
        }
    }
}

impl Drop for SpecialPool {
    fn drop(&mut self) {
        os::release(self.base, LENGTH);
    }
}

/// Fills bytes of pages that were just opened, or of a block before it is given out.
fn fill(address: usize, count: usize) {
    let memory: *mut u8 = ptr::with_exposed_provenance_mut(address);
    // SAFETY: the bytes lie inside the pages that `os::open` made writable, outside the block.
    unsafe { memory.write_bytes(FILL, count) };
}

fn is_filled(address: usize, count: usize) -> bool {
    let memory: *const u8 = ptr::with_exposed_provenance(address);
    // SAFETY: the bytes lie inside the pages of a block that is in use, outside the block itself.
    let bytes = unsafe { core::slice::from_raw_parts(memory, count) };
    bytes.iter().all(|byte| *byte == FILL)
}

/// Pages of the operating system.
#[cfg(unix)]
mod os {
    use core::ptr;

    /// Address space without memory: its first byte, and the size of a page.
    pub(super) fn reserve(length: usize) -> Option<(usize, usize)> {
        // SAFETY: no precondition.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let page = usize::try_from(page).ok().filter(|page| *page > 0)?;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE;
        // SAFETY: a new mapping at an address of the system's choice touches no memory in use.
        let memory = unsafe { libc::mmap(ptr::null_mut(), length, libc::PROT_NONE, flags, -1, 0) };
        (memory != libc::MAP_FAILED).then(|| (memory.expose_provenance(), page))
    }

    /// Makes pages accessible; they are zeroed.
    pub(super) fn open(address: usize, length: usize) -> bool {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let memory = ptr::with_exposed_provenance_mut(address);
        // SAFETY: the pages belong to a mapping of `reserve` and are not in use.
        unsafe { libc::mprotect(memory, length, access) == 0 }
    }

    /// Makes pages inaccessible and gives their memory back.
    pub(super) fn close(address: usize, length: usize) {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE | libc::MAP_FIXED;
        let memory = ptr::with_exposed_provenance_mut(address);
        // SAFETY: the pages belong to a mapping of `reserve`; whoever uses them from now on is to fault.
        unsafe { libc::mmap(memory, length, libc::PROT_NONE, flags, -1, 0) };
    }

    /// Gives the address space back.
    pub(super) fn release(base: usize, length: usize) {
        let memory = ptr::with_exposed_provenance_mut(base);
        // SAFETY: the mapping is that of `reserve`; the host that used it is gone.
        unsafe { libc::munmap(memory, length) };
    }
}

/// Not modelled here: allocations are ordinary ones.
#[cfg(not(unix))]
mod os {
    pub(super) fn reserve(_: usize) -> Option<(usize, usize)> {
        None
    }

    pub(super) fn open(_: usize, _: usize) -> bool {
        false
    }

    pub(super) fn close(_: usize, _: usize) {}

    pub(super) fn release(_: usize, _: usize) {}
}
