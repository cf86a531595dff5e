//! Framework objects, under the names and with the signatures that the crate `wdk` gives them, so that drivers written for it
//! compile. They are as safe as those, and no safer: what the structures of a caller point to is taken on trust, an object
//! must not be used when its parent is gone, and a lock is released only by who holds it. The crate `kmdf` does without such
//! promises.

mod spin_lock;
mod timer;

pub use spin_lock::SpinLock;
pub use timer::Timer;
