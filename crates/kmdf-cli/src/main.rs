//! The command `kmdf`.

fn main() {}
