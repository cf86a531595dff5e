//! The program as a user starts it, where there is no device.

use std::io::Write as _;

use assert_cmd::Command;
use predicates::str::contains;

fn app() -> Command {
    Command::new(env!("CARGO_BIN_EXE_kmdf-app"))
}

#[test]
fn help_names_every_option() {
    let mut help = app().arg("--help").assert().success();
    for option in [
        "--device",
        "--interface",
        "--instance",
        "--block",
        "--overlapped",
        "--offset",
        "--zero-at-end",
    ] {
        help = help.stdout(contains(option));
    }
}

#[test]
fn a_device_is_required() {
    app().arg("-").assert().code(2).stderr(contains(
        "--interface <CLASS>|--instance <ID>|--device <PATH>",
    ));
    app()
        .args(["-", "--device", "x", "--instance", "y"])
        .assert()
        .code(2)
        .stderr(contains("cannot be used with"));
}

#[test]
fn an_interface_class_is_a_guid() {
    app()
        .args(["-", "--interface", "usb"])
        .assert()
        .code(2)
        .stderr(contains("--interface <CLASS>"));
}

#[test]
fn a_block_has_its_limits() {
    for size in ["0", "4G", "much"] {
        app()
            .args(["-", "--device", "x", "--block", size])
            .assert()
            .code(2);
    }
}

#[test]
fn a_missing_input_is_named() {
    app()
        .args(["no-such-file", "--device", "x"])
        .assert()
        .code(1)
        .stderr(contains("no-such-file"));
}

/// Elsewhere than on Windows there are no devices at all.
#[test]
fn a_missing_device_is_an_error() -> std::io::Result<()> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(b"data")?;
    app()
        .arg(file.path())
        .args(["--device", r"\\.\KmdfNoSuchDevice"])
        .assert()
        .code(1)
        .stderr(contains(if cfg!(windows) {
            "KmdfNoSuchDevice"
        } else {
            "Windows only"
        }));
    Ok(())
}
