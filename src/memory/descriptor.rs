//! WDF_MEMORY_DESCRIPTOR.

use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ops::Range;
use core::ptr::{self, NonNull};

use zerocopy::{Immutable, IntoBytes};

use super::mdl::Mdl;
use super::object::WdfMemory;
use crate::ffi;
use crate::status::{Error, Result};

/// What a write takes its data from: nothing, a local buffer, a memory object, or an MDL.
///
/// It borrows what it describes. Data of length 0, however described, is the NULL descriptor: a
/// write of no bytes, which is sent (one zero-length packet on a pipe). The framework's limit of 4
/// GiB for one transfer is checked here; the framework itself would truncate.
///
/// C:
/// [`WDF_MEMORY_DESCRIPTOR`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfmemory/ns-wdfmemory-_wdf_memory_descriptor).
///
/// ```
/// use kmdf::MemoryDescriptor;
///
/// let greeting = MemoryDescriptor::bytes(b"hello")?;
/// assert_eq!(greeting.len(), 5);
/// assert!(MemoryDescriptor::bytes(&[])?.is_empty());
/// # Ok::<(), kmdf::Error>(())
/// ```
///
/// # When the data is read
///
/// A target that does buffered I/O copies the data before the request is sent; direct, neither and
/// USB targets see live memory until the request completes.
#[doc(alias = "WDF_MEMORY_DESCRIPTOR")]
#[derive(Clone, Copy)]
pub struct MemoryDescriptor<'a> {
    kind: Kind,
    _data: PhantomData<&'a [u8]>,
}

/// # Invariants
///
/// Every length is at least 1, and within what is described.
#[derive(Clone, Copy)]
enum Kind {
    None,
    Buffer {
        buffer: NonNull<u8>,
        length: u32,
    },
    Memory {
        memory: ffi::WDFMEMORY,
        length: u32,
    },
    Range {
        memory: ffi::WDFMEMORY,
        offset: usize,
        length: u32,
    },
    Mdl {
        mdl: ffi::PMDL,
        length: u32,
    },
}

/// The length as the framework has it, unless that would truncate it.
#[inline]
const fn length(bytes: usize) -> Result<u32> {
    if bytes > u32::MAX as usize {
        return Err(Error::INVALID_PARAMETER);
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked just above")]
    let bytes = bytes as u32;
    Ok(bytes)
}

impl<'a> MemoryDescriptor<'a> {
    /// No data: a write of length 0.
    pub const NONE: Self = Self::of(Kind::None);

    const fn of(kind: Kind) -> Self {
        Self {
            kind,
            _data: PhantomData,
        }
    }

    /// A local buffer.
    ///
    /// # Errors
    ///
    /// * `STATUS_INVALID_PARAMETER`: 4 GiB or more.
    #[doc(alias = "WDF_MEMORY_DESCRIPTOR_INIT_BUFFER")]
    #[inline]
    pub const fn bytes(data: &'a [u8]) -> Result<Self> {
        Ok(Self::of(match length(data.len()) {
            Err(error) => return Err(error),
            Ok(0) => Kind::None,
            Ok(length) => Kind::Buffer {
                // SAFETY: a slice's pointer is never null.
                buffer: unsafe { NonNull::new_unchecked(data.as_ptr().cast_mut()) },
                length,
            },
        }))
    }

    /// A typed value, sent as its bytes; zerocopy proves that it has no padding.
    ///
    /// # Errors
    ///
    /// * `STATUS_INVALID_PARAMETER`: 4 GiB or more.
    #[inline]
    pub fn value<T: IntoBytes + Immutable + ?Sized>(value: &'a T) -> Result<Self> {
        Self::bytes(value.as_bytes())
    }

    /// All of a memory object.
    ///
    /// # Errors
    ///
    /// * `STATUS_INVALID_PARAMETER`: 4 GiB or more.
    #[doc(alias = "WDF_MEMORY_DESCRIPTOR_INIT_HANDLE")]
    #[inline]
    pub fn memory(memory: &'a impl WdfMemory) -> Result<Self> {
        // INVARIANT: a memory object is never empty.
        let length = length(memory.len())?;
        Ok(Self::of(Kind::Memory {
            memory: memory.handle(),
            length,
        }))
    }

    /// A range of a memory object.
    ///
    /// # Errors
    ///
    /// * `STATUS_INTEGER_OVERFLOW`: the range is not within the object. (The framework has the same
    ///   status for it.)
    /// * `STATUS_INVALID_PARAMETER`: 4 GiB or more.
    #[doc(alias = "WDFMEMORY_OFFSET")]
    #[inline]
    pub fn memory_range(memory: &'a impl WdfMemory, range: Range<usize>) -> Result<Self> {
        if range.start > range.end || range.end > memory.len() {
            return Err(Error::INTEGER_OVERFLOW);
        }
        Ok(Self::of(match length(range.end - range.start)? {
            0 => Kind::None,
            length => Kind::Range {
                memory: memory.handle(),
                offset: range.start,
                length,
            },
        }))
    }

    /// All that an MDL describes.
    #[doc(alias = "WDF_MEMORY_DESCRIPTOR_INIT_MDL")]
    #[inline]
    #[must_use]
    pub fn mdl(mdl: &'a Mdl) -> Self {
        Self::of(match mdl.byte_count() {
            0 => Kind::None,
            length => Kind::Mdl {
                mdl: mdl.as_raw(),
                length,
            },
        })
    }

    /// The first `length` bytes that an MDL describes.
    ///
    /// # Errors
    ///
    /// * `STATUS_INTEGER_OVERFLOW`: the MDL describes fewer. (The framework never compares.)
    #[inline]
    pub fn mdl_prefix(mdl: &'a Mdl, length: u32) -> Result<Self> {
        match length {
            length if length > mdl.byte_count() => Err(Error::INTEGER_OVERFLOW),
            0 => Ok(Self::NONE),
            length => Ok(Self::of(Kind::Mdl {
                mdl: mdl.as_raw(),
                length,
            })),
        }
    }

    /// Bytes described.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> u32 {
        match self.kind {
            Kind::None => 0,
            Kind::Buffer { length, .. }
            | Kind::Memory { length, .. }
            | Kind::Range { length, .. }
            | Kind::Mdl { length, .. } => length,
        }
    }

    /// Whether it describes no data.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        matches!(self.kind, Kind::None)
    }

    /// The descriptor as the framework takes it, written to `place`; NULL for no data.
    #[inline(always)]
    pub(crate) fn write_to(self, place: &mut RawDescriptor) -> ffi::PWDF_MEMORY_DESCRIPTOR {
        let mut raw = ffi::WDF_MEMORY_DESCRIPTOR::default();
        match self.kind {
            Kind::None => return ptr::null_mut(),
            Kind::Buffer { buffer, length } => {
                raw.Type = ffi::DESCRIPTOR_BUFFER;
                raw.u.BufferType.Buffer = buffer.as_ptr().cast();
                raw.u.BufferType.Length = length;
            }
            Kind::Memory { memory, .. } => {
                raw.Type = ffi::DESCRIPTOR_HANDLE;
                raw.u.HandleType.Memory = memory;
                raw.u.HandleType.Offsets = ptr::null_mut();
            }
            Kind::Range {
                memory,
                offset,
                length,
            } => {
                // The framework reads the offsets again when it formats the request: they have to
                // stay where they are.
                let offsets = place.offsets.write(ffi::WDFMEMORY_OFFSET {
                    BufferOffset: offset,
                    BufferLength: length as usize,
                });
                raw.Type = ffi::DESCRIPTOR_HANDLE;
                raw.u.HandleType.Memory = memory;
                raw.u.HandleType.Offsets = offsets;
            }
            Kind::Mdl { mdl, length } => {
                raw.Type = ffi::DESCRIPTOR_MDL;
                raw.u.MdlType.Mdl = mdl;
                raw.u.MdlType.BufferLength = length;
            }
        }
        place.descriptor.write(raw)
    }
}

impl fmt::Debug for MemoryDescriptor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::None => "none",
            Kind::Buffer { .. } => "buffer",
            Kind::Memory { .. } => "memory",
            Kind::Range { .. } => "memory range",
            Kind::Mdl { .. } => "MDL",
        };
        f.debug_struct("MemoryDescriptor")
            .field("kind", &kind)
            .field("len", &self.len())
            .finish()
    }
}

/// Room on the caller's stack for the descriptor and the offsets it may point to.
pub(crate) struct RawDescriptor {
    descriptor: MaybeUninit<ffi::WDF_MEMORY_DESCRIPTOR>,
    offsets: MaybeUninit<ffi::WDFMEMORY_OFFSET>,
}

impl RawDescriptor {
    #[inline(always)]
    pub(crate) const fn new() -> Self {
        Self {
            descriptor: MaybeUninit::uninit(),
            offsets: MaybeUninit::uninit(),
        }
    }
}
