//! The command as its users see it.

mod faults;
mod folder;
mod inf;
mod run;
