//! kmdf-sys-gen
