//! The command as its users see it.

mod conformance;
mod explore;
mod faults;
mod folder;
mod inf;
mod run;
mod trace;
