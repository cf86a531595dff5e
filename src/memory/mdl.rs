//! Memory descriptor lists.

use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::{self, NonNull};

use super::object::{Memory, WdfMemory};
use crate::ffi;
use crate::object::private;
use crate::status::{Error, Result};

/// A memory descriptor list whose pages are resident: a received request's, or one made by
/// [`MemoryMdl::build`].
///
/// A `&Mdl` is the `PMDL`.
///
/// C: [`MDL`](https://learn.microsoft.com/windows-hardware/drivers/kernel/using-mdls).
#[doc(alias = "PMDL")]
#[repr(C)]
pub struct Mdl {
    _mdl: [u8; 0],
    _raw: PhantomData<*mut ffi::MDL>,
}

impl private::Sealed for Mdl {}

impl Mdl {
    /// # Safety
    ///
    /// `mdl` describes locked or nonpaged memory, and both live at least as long as `'a`.
    pub(crate) unsafe fn from_raw<'a>(mdl: NonNull<ffi::MDL>) -> &'a Self {
        // SAFETY: `Self` has size 0 and alignment 1, so that every non-null address is one; the
        // caller answers for `'a`.
        unsafe { mdl.cast::<Self>().as_ref() }
    }

    pub(crate) fn as_raw(&self) -> ffi::PMDL {
        ptr::from_ref(self).cast_mut().cast()
    }

    /// Bytes that the MDL describes.
    #[doc(alias = "MmGetMdlByteCount")]
    #[must_use]
    pub fn byte_count(&self) -> u32 {
        // SAFETY: `self` stands for an MDL that exists (the contract of `from_raw`); the field is
        // written before anybody gets to see it.
        unsafe { (*self.as_raw()).ByteCount }
    }
}

impl fmt::Debug for Mdl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mdl")
            .field("byte_count", &self.byte_count())
            .finish_non_exhaustive()
    }
}

/// An MDL over a memory object's nonpaged buffer. Freed when dropped.
///
/// ```
/// # #[allow(dead_code)]
/// # mod common { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/mod.rs")); }
/// # use common::{Setup, World};
/// # let world = World::filter(Setup::default(), kmdf_host::Loopback::new());
/// # world.in_driver(|device, request| -> kmdf::Result<(), kmdf::TransferError> {
/// # let _ = (&device, &request);
/// use kmdf::{Memory, MemoryDescriptor, MemoryMdl};
///
/// let memory = Memory::create(4096)?;
/// let mdl = MemoryMdl::build(&memory)?;
/// assert_eq!(mdl.byte_count(), 4096);
/// let descriptor = MemoryDescriptor::mdl_prefix(&mdl, 100)?;
/// assert_eq!(descriptor.len(), 100);
/// # Ok(())
/// # }).unwrap();
/// # world.finish();
/// ```
///
/// # Invariants
///
/// `mdl` was allocated by IoAllocateMdl and describes the buffer that is borrowed for `'m`.
pub struct MemoryMdl<'m> {
    mdl: NonNull<ffi::MDL>,
    _memory: PhantomData<&'m Memory>,
}

// SAFETY: an MDL belongs to no thread. It is not `Sync`: those below map it, which changes it, and
// may not do so for two threads at once.
unsafe impl Send for MemoryMdl<'_> {}

impl<'m> MemoryMdl<'m> {
    /// Makes an MDL over all of `memory`.
    ///
    /// C:
    /// [`IoAllocateMdl`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-ioallocatemdl)
    /// and
    /// [`MmBuildMdlForNonPagedPool`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-mmbuildmdlfornonpagedpool).
    /// IRQL: up to `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// * `STATUS_INVALID_PARAMETER`: `memory` has 4 GiB or more.
    /// * `STATUS_INSUFFICIENT_RESOURCES`: no pool for the MDL.
    #[doc(alias = "IoAllocateMdl")]
    #[doc(alias = "MmBuildMdlForNonPagedPool")]
    pub fn build(memory: &'m Memory) -> Result<Self> {
        let length = u32::try_from(memory.len()).map_err(|_| Error::INVALID_PARAMETER)?;
        let no = ffi::BOOLEAN::from(false);
        // SAFETY: the buffer has `length` bytes; no IRP is associated.
        let mdl = unsafe {
            ffi::IoAllocateMdl(
                memory.buffer().as_ptr().cast(),
                length,
                no,
                no,
                ptr::null_mut(),
            )
        };
        let mdl = NonNull::new(mdl).ok_or(Error::INSUFFICIENT_RESOURCES)?;
        // SAFETY: the MDL was just allocated for a buffer in nonpaged pool: `Memory` has no other.
        unsafe { ffi::MmBuildMdlForNonPagedPool(mdl.as_ptr()) };
        // INVARIANT: allocated just above.
        Ok(Self {
            mdl,
            _memory: PhantomData,
        })
    }
}

impl Deref for MemoryMdl<'_> {
    type Target = Mdl;

    fn deref(&self) -> &Mdl {
        // SAFETY: by the type's invariant, the MDL and its buffer live as long as `self`.
        unsafe { Mdl::from_raw(self.mdl) }
    }
}

impl Drop for MemoryMdl<'_> {
    #[doc(alias = "IoFreeMdl")]
    fn drop(&mut self) {
        // SAFETY: by the type's invariant it came from IoAllocateMdl; it is freed once, and no send
        // uses it: a send borrows it until it is done.
        unsafe { ffi::IoFreeMdl(self.mdl.as_ptr()) };
    }
}

impl fmt::Debug for MemoryMdl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
