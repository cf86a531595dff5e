//! kmdf-host
