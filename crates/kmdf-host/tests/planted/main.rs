//! Small wrong drivers, each with one classic mistake, and their corrected twins: the model must name the mistake of the
//! one within the stated number of seeds and be silent about the other.
//!
//! Some are accesses to memory that is not theirs, which the model survives on Linux and macOS.

#![cfg(any(target_os = "linux", target_os = "macos"))]

#[path = "../common/mod.rs"]
mod common;
#[path = "../usb_support/mod.rs"]
mod usb_support;

mod addresses;
mod adversary;
mod cancelling;
mod completion;
mod kernel;
mod kit;
mod lifetime;
mod locks;
mod memory;
mod power;
mod sending;
mod setup;
mod start;
mod table;
