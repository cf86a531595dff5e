//! kmdf
#![no_std]
