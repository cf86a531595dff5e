//! One request is sent by one thread at a time.
use kmdf::{IoTarget, MemoryDescriptor, Request, SendOptions};

fn send(target: &IoTarget, request: &mut Request) {
    std::thread::scope(|scope| {
        scope.spawn(|| target.send_write_sync(&mut *request, MemoryDescriptor::NONE, None, &SendOptions::new()));
        scope.spawn(|| target.send_write_sync(&mut *request, MemoryDescriptor::NONE, None, &SendOptions::new()));
    });
}

fn main() {}
