//! Nor one whose type and direction nobody looked at.
use kmdf::{Any, MemoryDescriptor, SendOptions, SendRequest, UsbPipe};

fn write(pipe: UsbPipe<'_, Any>) {
    let _ = pipe.pipe_write_sync(SendRequest::Framework, MemoryDescriptor::NONE, &SendOptions::new());
}

fn main() {}
