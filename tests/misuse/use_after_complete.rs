//! A completed request is gone.
use kmdf::{NtStatus, Received};

fn evt_io_write(request: Received<'_>) {
    request.complete(NtStatus::SUCCESS);
    let _ = request.parameters();
}

fn main() {}
