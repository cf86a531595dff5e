//! A received request cannot be completed while its data is in use: that is a bugcheck
//! (WDF_VIOLATION 3).
use kmdf::{MemoryDescriptor, NtStatus, Received};

fn evt_io_write(request: Received<'_>) {
    let memory = request.input_memory().unwrap();
    let descriptor = MemoryDescriptor::memory(&memory).unwrap();
    request.complete(NtStatus::SUCCESS);
    let _ = descriptor.len();
}

fn main() {}
