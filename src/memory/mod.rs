//! Buffers: framework memory objects, MDLs, and the descriptors that name what a send transfers.

mod descriptor;
mod mdl;
mod object;

pub use descriptor::MemoryDescriptor;
pub(crate) use descriptor::RawDescriptor;
pub use mdl::{Mdl, MemoryMdl};
pub use object::{Memory, PreallocatedMemory, RequestMemory, WdfMemory};
