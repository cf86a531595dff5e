//! kmdf-sys
