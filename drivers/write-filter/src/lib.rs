//! write-filter
#![no_std]
#![forbid(unsafe_code)]
