//! Neither is a received one forwarded by two.
use kmdf::{IoTarget, MemoryDescriptor, Received, SendOptions};

fn forward(target: &IoTarget, request: &Received<'_>) {
    std::thread::scope(|scope| {
        scope.spawn(|| target.send_write_sync(request, MemoryDescriptor::NONE, None, &SendOptions::new()));
        scope.spawn(|| target.send_write_sync(request, MemoryDescriptor::NONE, None, &SendOptions::new()));
    });
}

fn main() {}
