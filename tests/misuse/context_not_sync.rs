//! A context is shared by all callbacks, which run at the same time.
use std::cell::Cell;

struct Counter(Cell<u32>);
kmdf::context!(Counter);

fn main() {}
