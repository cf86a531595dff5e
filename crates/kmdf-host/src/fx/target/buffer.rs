//! What a DDI was given as a buffer: nothing, memory, an MDL or a WDFMEMORY.

use core::ffi::c_void;
use core::ptr;

use kmdf_sys::{
    _WDF_MEMORY_DESCRIPTOR_TYPE as descriptor_type, _WDFMEMORY_OFFSET, NTSTATUS, PMDL,
    PWDF_MEMORY_DESCRIPTOR, PWDFMEMORY_OFFSET, STATUS_INTEGER_OVERFLOW, STATUS_INVALID_PARAMETER,
    WDFMEMORY,
};

use crate::fx::memory::MemoryRef;
use crate::system::System;
use crate::system::mdl::Mdl;

/// A checked buffer.
#[derive(Clone)]
pub(crate) enum RequestBuffer {
    /// A zero-length transfer.
    None,
    Buffer(*mut c_void, u32),
    Mdl(PMDL, u32),
    Memory(MemoryRef, Option<Range>),
}

/// `WDFMEMORY_OFFSET`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) offset: usize,
    pub(crate) length: usize,
}

/// Whether a descriptor may describe nothing, as only control transfers allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nothing {
    Allowed,
    Refused,
}

impl RequestBuffer {
    /// The length the framework transfers, cut to 32 bits without a check as it does.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the framework's own conversion; see semantics 1.2"
    )]
    pub(crate) fn length(&self) -> u32 {
        match self {
            Self::None => 0,
            Self::Buffer(_, length) | Self::Mdl(_, length) => *length,
            Self::Memory(memory, range) => effective_length(memory.size(), *range) as u32,
        }
    }

    /// The address the data is at.
    pub(crate) fn address(&self) -> *mut c_void {
        match self {
            Self::None => ptr::null_mut(),
            Self::Buffer(buffer, _) => *buffer,
            Self::Mdl(mdl, _) => Mdl::at(*mdl).system_address(),
            Self::Memory(memory, range) => {
                let start = memory.buffer();
                if start.is_null() {
                    start
                } else {
                    start.wrapping_byte_add(range.map_or(0, |range| range.offset))
                }
            }
        }
    }

    pub(crate) fn memory(&self) -> Option<&MemoryRef> {
        match self {
            Self::Memory(memory, _) => Some(memory),
            _ => None,
        }
    }

    /// The handle and offset that completion parameters show.
    pub(crate) fn shown(&self) -> (WDFMEMORY, usize) {
        match self {
            Self::Memory(memory, range) => (memory.handle(), range.map_or(0, |range| range.offset)),
            _ => (ptr::null_mut(), 0),
        }
    }
}

fn effective_length(size: usize, range: Option<Range>) -> usize {
    match range {
        None
        | Some(Range {
            offset: 0,
            length: 0,
        }) => size,
        Some(Range { offset, length: 0 }) => size.saturating_sub(offset),
        Some(Range { length, .. }) => length,
    }
}

impl System {
    /// Checks a memory descriptor.
    pub(crate) fn descriptor(
        &self,
        descriptor: PWDF_MEMORY_DESCRIPTOR,
        nothing: Nothing,
    ) -> Result<RequestBuffer, NTSTATUS> {
        if descriptor.is_null() {
            return Ok(RequestBuffer::None);
        }
        let descriptor = self.get(descriptor);
        match descriptor.Type {
            descriptor_type::WdfMemoryDescriptorTypeBuffer => {
                // SAFETY: the type says which member the driver set.
                let given = unsafe { descriptor.u.BufferType };
                if given.Buffer.is_null() && (nothing == Nothing::Refused || given.Length != 0) {
                    return Err(STATUS_INVALID_PARAMETER);
                }
                Ok(RequestBuffer::Buffer(given.Buffer, given.Length))
            }
            descriptor_type::WdfMemoryDescriptorTypeMdl => {
                // SAFETY: the type says which member the driver set.
                let given = unsafe { descriptor.u.MdlType };
                if !given.Mdl.is_null() {
                    return Ok(RequestBuffer::Mdl(given.Mdl, given.BufferLength));
                }
                if nothing == Nothing::Refused || given.BufferLength != 0 {
                    return Err(STATUS_INVALID_PARAMETER);
                }
                Ok(RequestBuffer::None)
            }
            descriptor_type::WdfMemoryDescriptorTypeHandle => {
                // SAFETY: the type says which member the driver set.
                let given = unsafe { descriptor.u.HandleType };
                if given.Memory.is_null() {
                    return if nothing == Nothing::Allowed {
                        Ok(RequestBuffer::None)
                    } else {
                        Err(STATUS_INVALID_PARAMETER)
                    };
                }
                self.memory_range(given.Memory, given.Offsets)
            }
            _ => Err(STATUS_INVALID_PARAMETER),
        }
    }

    /// A WDFMEMORY, which may be NULL, with offsets, which may be NULL.
    pub(crate) fn memory_range(
        &self,
        memory: WDFMEMORY,
        offsets: PWDFMEMORY_OFFSET,
    ) -> Result<RequestBuffer, NTSTATUS> {
        let Some(memory) = self.memory_or_null(memory) else {
            return Ok(RequestBuffer::None);
        };
        if offsets.is_null() {
            return Ok(RequestBuffer::Memory(memory, None));
        }
        let _WDFMEMORY_OFFSET {
            BufferOffset: offset,
            BufferLength: length,
        } = self.get(offsets);
        let end = offset.checked_add(length).ok_or(STATUS_INTEGER_OVERFLOW)?;
        if end > memory.size() {
            return Err(STATUS_INTEGER_OVERFLOW);
        }
        Ok(RequestBuffer::Memory(
            memory,
            Some(Range { offset, length }),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effective_lengths() {
        let range = |offset, length| Some(Range { offset, length });
        assert_eq!(effective_length(16, None), 16);
        assert_eq!(effective_length(16, range(0, 0)), 16);
        assert_eq!(effective_length(16, range(5, 0)), 11);
        assert_eq!(effective_length(16, range(5, 3)), 3);
        assert_eq!(effective_length(16, range(16, 0)), 0);
    }
}
