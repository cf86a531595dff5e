//! The README's first driver is this one, and it runs.

use kmdf_host::{Host, HostConfig, Loopback, LowerConfig};

#[path = "readme/first_driver.rs"]
mod first_driver;

#[test]
fn the_first_driver_writes() {
    let host = Host::new(HostConfig::new().verifier(true));
    let driver = host.load("first", first_driver::driver_entry).unwrap();
    let disk = host.add_lower(Loopback::new(), LowerConfig::new("disk"));
    let stack = host.plug(disk, &[driver]).unwrap();
    let file = host.open(stack).unwrap();
    let written = host.write(file, 0, b"hello, disk").unwrap();
    assert_eq!((written.status, written.information), (0, 11));
    assert_eq!(
        host.with_lower(disk, |disk: &mut Loopback| disk.bytes()),
        b"hello, disk"
    );
    let report = host.finish();
    assert!(report.is_clean(), "{report}");
}

#[test]
fn the_readme_shows_it() {
    let readme = include_str!("../README.md");
    let driver = include_str!("readme/first_driver.rs");
    assert!(
        readme.contains(driver),
        "the code in README.md differs from tests/readme/first_driver.rs"
    );
    assert!(
        driver.lines().count() <= 52,
        "that is not a short first driver any more"
    );
}
