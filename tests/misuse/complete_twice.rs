//! A request is completed once.
use kmdf::{NtStatus, Received};

fn evt_io_write(request: Received<'_>) {
    request.complete(NtStatus::SUCCESS);
    request.complete(NtStatus::CANCELLED);
}

fn main() {}
