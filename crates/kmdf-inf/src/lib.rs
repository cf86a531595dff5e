//! kmdf-inf
