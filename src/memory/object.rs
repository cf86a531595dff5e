//! WDFMEMORY.

use core::fmt;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};
use core::slice;

use crate::ffi;
use crate::object::{Created, attributes, private};
use crate::status::{Error, NtStatus, Result};

/// A WDFMEMORY, whoever made it: what a [`MemoryDescriptor`](crate::MemoryDescriptor) can name.
///
/// # Safety
///
/// `handle` is a WDFMEMORY with a buffer of exactly `len` bytes, valid as long as `self`.
#[expect(clippy::len_without_is_empty, reason = "a WDFMEMORY is never empty")]
pub unsafe trait WdfMemory: private::Sealed {
    /// The handle.
    #[doc(hidden)]
    fn handle(&self) -> ffi::WDFMEMORY;

    /// Size in bytes, at least 1.
    fn len(&self) -> usize;

    /// Copies `destination.len()` bytes from `offset` on.
    ///
    /// C:
    /// [`WdfMemoryCopyToBuffer`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfmemory/nf-wdfmemory-wdfmemorycopytobuffer).
    /// IRQL: up to `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// * `STATUS_BUFFER_TOO_SMALL`: the memory ends before `offset + destination.len()`. Nothing
    ///   was copied.
    #[doc(alias = "WdfMemoryCopyToBuffer")]
    fn copy_to(&self, offset: usize, destination: &mut [u8]) -> Result {
        if destination.is_empty() {
            // The framework takes a length of 0 for a mistake.
            return if offset <= self.len() {
                Ok(())
            } else {
                Err(Error::BUFFER_TOO_SMALL)
            };
        }
        // SAFETY: the handle is valid (the trait's contract); the framework checks the range
        // against the memory, and writes at most `destination.len()` bytes to `destination`.
        let status = unsafe {
            ffi::WdfMemoryCopyToBuffer(
                self.handle(),
                offset,
                destination.as_mut_ptr().cast(),
                destination.len(),
            )
        };
        NtStatus::from_raw(status).ok().map(drop)
    }
}

/// A memory object of the driver's own, in nonpaged pool. Deleted when dropped.
///
/// ```
/// # #[allow(dead_code)]
/// # mod common { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/mod.rs")); }
/// # use common::{Setup, World};
/// # let world = World::filter(Setup::default(), kmdf_host::Loopback::new());
/// # world.in_driver(|device, request| -> kmdf::Result<(), kmdf::TransferError> {
/// # let _ = (&device, &request);
/// use kmdf::{Memory, MemoryDescriptor, WdfMemory};
///
/// let mut block = Memory::create(512)?;
/// block.as_mut_slice()[..4].copy_from_slice(b"KMDF");
/// let header = MemoryDescriptor::memory_range(&block, 0..16)?;
/// assert_eq!(header.len(), 16);
/// # Ok(())
/// # }).unwrap();
/// # world.finish();
/// ```
///
/// # Invariants
///
/// `buffer` is the memory object's buffer of `len` initialised bytes, which nobody but the
/// framework, on this object's behalf, accesses.
#[doc(alias = "WDFMEMORY")]
pub struct Memory {
    object: Created<ffi::WDFMEMORY__>,
    buffer: NonNull<u8>,
    len: usize,
}

// SAFETY: the object is the framework's, which locks it; the buffer is reached only through `&self`
// and `&mut self`.
unsafe impl Send for Memory {}
// SAFETY: as for Send; a shared `Memory` is only read.
unsafe impl Sync for Memory {}

impl Memory {
    /// Allocates `len` bytes of nonpaged, non-executable pool, all zero. The pool tag is the
    /// driver's.
    ///
    /// C:
    /// [`WdfMemoryCreate`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfmemory/nf-wdfmemory-wdfmemorycreate).
    /// IRQL: up to `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// * `STATUS_INVALID_PARAMETER`: `len` is 0.
    /// * `STATUS_INSUFFICIENT_RESOURCES`: no pool.
    #[doc(alias = "WdfMemoryCreate")]
    pub fn create(len: usize) -> Result<Self> {
        let mut attributes = attributes();
        let mut handle = ptr::null_mut();
        let mut buffer = ptr::null_mut();
        // SAFETY: all pointers are to locals that live through the call; tag 0 stands for the
        // driver's.
        let status = unsafe {
            ffi::WdfMemoryCreate(
                &raw mut attributes,
                ffi::NON_PAGED_POOL_NX,
                0,
                len,
                &raw mut handle,
                &raw mut buffer,
            )
        };
        NtStatus::from_raw(status).ok()?;
        let (Some(handle), Some(buffer)) =
            (NonNull::new(handle), NonNull::new(buffer.cast::<u8>()))
        else {
            return Err(Error::INTERNAL_ERROR);
        };
        // SAFETY: the framework just made the object for us.
        let object = unsafe { Created::new(handle) };
        // SAFETY: the buffer has `len` bytes, and nobody else knows it yet.
        unsafe { buffer.as_ptr().write_bytes(0, len) };
        // INVARIANT: initialised just above.
        Ok(Self {
            object,
            buffer,
            len,
        })
    }

    /// The bytes.
    #[doc(alias = "WdfMemoryGetBuffer")]
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: by the type's invariant `len` initialised bytes, written only through `&mut
        // self`.
        unsafe { slice::from_raw_parts(self.buffer.as_ptr(), self.len) }
    }

    /// The bytes, to be changed.
    #[doc(alias = "WdfMemoryCopyFromBuffer")]
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: by the type's invariant `len` initialised bytes, and `&mut self` makes this the
        // only access.
        unsafe { slice::from_raw_parts_mut(self.buffer.as_ptr(), self.len) }
    }

    /// Where the nonpaged buffer starts.
    pub(super) fn buffer(&self) -> NonNull<u8> {
        self.buffer
    }
}

impl private::Sealed for Memory {}

// SAFETY: the handle and the length are those of the object that `self` owns.
unsafe impl WdfMemory for Memory {
    fn handle(&self) -> ffi::WDFMEMORY {
        self.object.as_ptr()
    }

    fn len(&self) -> usize {
        self.len
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("handle", &self.object)
            .field("len", &self.len)
            .finish()
    }
}

/// A memory object over a buffer that the driver already has. The object is deleted when dropped,
/// the buffer is left as it is.
pub struct PreallocatedMemory<'b> {
    object: Created<ffi::WDFMEMORY__>,
    len: usize,
    _buffer: PhantomData<&'b [u8]>,
}

// SAFETY: the object is the framework's, which locks it; the buffer is only read.
unsafe impl Send for PreallocatedMemory<'_> {}
// SAFETY: as for Send.
unsafe impl Sync for PreallocatedMemory<'_> {}

impl<'b> PreallocatedMemory<'b> {
    /// Makes a memory object over `buffer`, to be written from.
    ///
    /// C:
    /// [`WdfMemoryCreatePreallocated`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfmemory/nf-wdfmemory-wdfmemorycreatepreallocated).
    /// IRQL: up to `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// * `STATUS_INVALID_PARAMETER`: `buffer` is empty.
    /// * `STATUS_INSUFFICIENT_RESOURCES`: no pool for the object.
    #[doc(alias = "WdfMemoryCreatePreallocated")]
    pub fn create(buffer: &'b [u8]) -> Result<Self> {
        let mut attributes = attributes();
        let mut handle = ptr::null_mut();
        // SAFETY: the pointers are to locals and to a buffer that lives through `'b`; the library
        // passes this object only to sends that read, so that the buffer is not written although
        // the framework takes it as mutable.
        let status = unsafe {
            ffi::WdfMemoryCreatePreallocated(
                &raw mut attributes,
                buffer.as_ptr().cast_mut().cast(),
                buffer.len(),
                &raw mut handle,
            )
        };
        NtStatus::from_raw(status).ok()?;
        let handle = NonNull::new(handle).ok_or(Error::INTERNAL_ERROR)?;
        // SAFETY: the framework just made the object for us.
        let object = unsafe { Created::new(handle) };
        Ok(Self {
            object,
            len: buffer.len(),
            _buffer: PhantomData,
        })
    }
}

impl private::Sealed for PreallocatedMemory<'_> {}

// SAFETY: the handle and the length are those of the object that `self` owns; the buffer outlives
// it.
unsafe impl WdfMemory for PreallocatedMemory<'_> {
    fn handle(&self) -> ffi::WDFMEMORY {
        self.object.as_ptr()
    }

    fn len(&self) -> usize {
        self.len
    }
}

impl fmt::Debug for PreallocatedMemory<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreallocatedMemory")
            .field("handle", &self.object)
            .field("len", &self.len)
            .finish()
    }
}

/// The data of a received request, as a memory object that is part of the request.
///
/// It borrows the request, so that the request cannot be completed while this is in use: completing
/// it then is a bugcheck. For direct and neither I/O the application can change the data at any
/// moment, therefore there is no slice of it, only [`copy_to`](WdfMemory::copy_to).
#[derive(Clone, Copy)]
pub struct RequestMemory<'r> {
    handle: NonNull<ffi::WDFMEMORY__>,
    len: usize,
    _request: PhantomData<&'r crate::Received<'r>>,
}

impl RequestMemory<'_> {
    /// Takes the memory that the framework keeps in a request.
    ///
    /// # Errors
    ///
    /// * `STATUS_INVALID_DEVICE_REQUEST`: it has no buffer. That is what the framework makes of
    ///   neither I/O from user mode.
    ///
    /// # Safety
    ///
    /// `handle` is null or a WDFMEMORY that exists as long as the request of this lifetime is not
    /// completed.
    pub(crate) unsafe fn new(handle: ffi::WDFMEMORY) -> Result<Self> {
        let handle = NonNull::new(handle).ok_or(Error::INVALID_DEVICE_REQUEST)?;
        let mut len = 0;
        // SAFETY: the handle is valid by the caller's word; `len` lives through the call.
        let buffer = unsafe { ffi::WdfMemoryGetBuffer(handle.as_ptr(), &raw mut len) };
        if buffer.is_null() {
            return Err(Error::INVALID_DEVICE_REQUEST);
        }
        Ok(Self {
            handle,
            len,
            _request: PhantomData,
        })
    }

    /// Copies as much of `source` as fits to the start, and says how much that was.
    ///
    /// # Errors
    ///
    /// * `STATUS_ACCESS_VIOLATION`: the memory is the request's input.
    pub(crate) fn fill_from(&self, source: &[u8]) -> Result<usize> {
        let len = source.len().min(self.len);
        if len > 0 {
            // SAFETY: the handle is valid (the trait's contract); `source` has at least `len`
            // bytes, and so has the memory.
            let status = unsafe {
                ffi::WdfMemoryCopyFromBuffer(
                    self.handle.as_ptr(),
                    0,
                    source.as_ptr().cast_mut().cast(),
                    len,
                )
            };
            NtStatus::from_raw(status).ok()?;
        }
        Ok(len)
    }
}

impl private::Sealed for RequestMemory<'_> {}

// SAFETY: the framework gave handle and length, and keeps both until the request is completed,
// which the lifetime forbids.
unsafe impl WdfMemory for RequestMemory<'_> {
    fn handle(&self) -> ffi::WDFMEMORY {
        self.handle.as_ptr()
    }

    fn len(&self) -> usize {
        self.len
    }
}

impl fmt::Debug for RequestMemory<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestMemory")
            .field("handle", &self.handle)
            .field("len", &self.len)
            .finish()
    }
}
