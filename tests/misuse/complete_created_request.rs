//! A request of the driver's own is nobody's to complete.
use kmdf::{NtStatus, Request};

fn complete(request: Request) {
    request.complete(NtStatus::SUCCESS);
}

fn main() {}
