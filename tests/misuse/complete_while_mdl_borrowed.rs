//! The same for the request's MDL.
use kmdf::{NtStatus, Received};

fn evt_io_write(request: Received<'_>) {
    let mdl = request.input_mdl().unwrap();
    request.complete(NtStatus::SUCCESS);
    let _ = mdl.byte_count();
}

fn main() {}
