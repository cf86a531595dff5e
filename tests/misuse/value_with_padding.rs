//! A value with padding would send what happened to lie in memory.
use kmdf::MemoryDescriptor;

#[repr(C)]
struct Padded {
    small: u8,
    large: u64,
}

fn describe(value: &Padded) -> MemoryDescriptor<'_> {
    MemoryDescriptor::value(value).unwrap()
}

fn main() {}
