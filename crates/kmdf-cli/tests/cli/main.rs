//! The command as its users see it.

mod folder;
mod inf;
mod run;
