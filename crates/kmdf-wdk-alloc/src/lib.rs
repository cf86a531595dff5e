//! The names of Microsoft's crate `wdk-alloc`, for machines without a WDK: the allocator of drivers that use the crate `alloc`.
//!
//! ```
//! use kmdf_wdk_alloc as wdk_alloc;
//!
//! #[global_allocator]
//! static GLOBAL_ALLOCATOR: wdk_alloc::WdkAllocator = wdk_alloc::WdkAllocator;
//!
//! assert_eq!(vec![1, 2, 3].len(), 3);
//! ```
#![no_std]

use core::alloc::{GlobalAlloc, Layout};

/// What `#[global_allocator]` of a driver names.
///
/// In a driver image it is nonpaged pool with the tag `rust`. On a host the allocator is that of the whole program, the model
/// and the tests included, so there it is the standard library's: what a driver allocates through the crate `alloc` is not
/// accounted for.
///
/// Pool is aligned to 16 bytes: an allocation that asks for more fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct WdkAllocator;

#[cfg(kmdf_no_std)]
mod backend {
    use super::Layout;
    use kmdf_sys::ntddk::{ExAllocatePool2, ExFreePool};
    use kmdf_sys::{POOL_FLAG_NON_PAGED, ULONG};

    const TAG: ULONG = u32::from_ne_bytes(*b"rust");
    /// How pool of less than a page is aligned on 64-bit Windows.
    const ALIGNMENT: usize = 16;

    pub(super) unsafe fn allocate(layout: Layout) -> *mut u8 {
        if layout.align() > ALIGNMENT {
            return core::ptr::null_mut();
        }
        // SAFETY: nonpaged pool may be allocated up to DISPATCH_LEVEL, where alone a driver may allocate.
        unsafe { ExAllocatePool2(POOL_FLAG_NON_PAGED, layout.size() as u64, TAG) }.cast()
    }

    pub(super) unsafe fn free(memory: *mut u8, _layout: Layout) {
        // SAFETY: the caller's promise: the memory came from `allocate` and is no longer used.
        unsafe { ExFreePool(memory.cast()) };
    }
}

#[cfg(not(kmdf_no_std))]
mod backend {
    extern crate std;

    use super::{GlobalAlloc, Layout};
    use std::alloc::System;

    pub(super) unsafe fn allocate(layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise. Pool comes zeroed.
        unsafe { System.alloc_zeroed(layout) }
    }

    pub(super) unsafe fn free(memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise: the memory came from `allocate` with this layout and is no longer used.
        unsafe { System.dealloc(memory, layout) };
    }
}

// SAFETY: neither backend unwinds; both give memory of at least the size of the layout, aligned as it asks, that nobody else
// has until it is freed, or NULL.
unsafe impl GlobalAlloc for WdkAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the same contract.
        unsafe { backend::allocate(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the same contract.
        unsafe { backend::free(memory, layout) };
    }
}
