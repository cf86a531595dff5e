//! There is no target but those that the framework gives: none is null.
use kmdf::IoTarget;

fn make() -> IoTarget {
    IoTarget { _handle: [] }
}

fn main() {}
