//! Framework objects, under the names that the crate `wdk` gives them.

mod spin_lock;
mod timer;

pub use spin_lock::SpinLock;
pub use timer::Timer;
