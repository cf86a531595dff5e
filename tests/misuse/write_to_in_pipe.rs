//! A pipe from the device cannot be written.
use kmdf::{In, MemoryDescriptor, SendOptions, SendRequest, UsbPipe};

fn write(pipe: UsbPipe<'_, In>) {
    let _ = pipe.pipe_write_sync(SendRequest::Framework, MemoryDescriptor::NONE, &SendOptions::new());
}

fn main() {}
