//! usb-bulk
#![no_std]
#![forbid(unsafe_code)]
