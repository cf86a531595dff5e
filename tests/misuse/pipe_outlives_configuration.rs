//! A pipe cannot be kept past its configuration.
use kmdf::{MemoryDescriptor, Out, PipeKey, SendOptions, SendRequest, UsbConfiguration};

fn deselect(configuration: UsbConfiguration, key: &PipeKey<Out>) {
    let pipe = configuration.pipe(key).unwrap();
    drop(configuration);
    let _ = pipe.pipe_write_sync(SendRequest::Framework, MemoryDescriptor::NONE, &SendOptions::new());
}

fn main() {}
