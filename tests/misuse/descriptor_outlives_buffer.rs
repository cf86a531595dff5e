//! A descriptor cannot outlive what it describes.
use kmdf::MemoryDescriptor;

fn describe() -> MemoryDescriptor<'static> {
    let buffer = [0_u8; 16];
    MemoryDescriptor::bytes(&buffer).unwrap()
}

fn main() {}
