//! Memory does not grow with the file. The only test of its program: the peak it reads is that of
//! all its child processes, and a child begins with what its parent has, so that this program
//! itself holds no file in memory.
#![cfg(target_os = "linux")]

#[path = "cli/folder.rs"]
mod folder;

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::process::Stdio;

use folder::{Folder, byte, ended};
use nix::sys::resource::{UsageWho, getrusage};

/// Largest resident set of the commands that have run so far, in KiB.
fn peak() -> i64 {
    getrusage(UsageWho::RUSAGE_CHILDREN)
        .expect("known for one's own children")
        .max_rss()
}

fn put(folder: &Folder, name: &str, length: usize) {
    let mut file = BufWriter::new(File::create(folder.path(name)).expect("room for a file"));
    (0..length)
        .try_for_each(|place| file.write_all(&[byte(place)]))
        .expect("room in the file");
    file.flush().expect("room in the file");
}

fn equal(folder: &Folder, one: &str, other: &str) -> bool {
    let bytes = |name| {
        let file = File::open(folder.path(name)).expect("written by the test");
        BufReader::with_capacity(1 << 20, file)
            .bytes()
            .map(|byte| byte.expect("readable"))
    };
    bytes(one).eq(bytes(other))
}

#[test]
#[ignore = "long without optimisation: .ci/run runs it in release"]
fn memory_is_flat() {
    let folder = Folder::new();
    put(&folder, "small", 1 << 20);
    put(&folder, "medium", 32 << 20);
    put(&folder, "large", 256 << 20);
    for driver in ["write-filter", "usb-bulk"] {
        let mut peaks = Vec::new();
        for input in ["small", "large"] {
            let run = ended(&mut folder.kmdf(&format!("run {driver} -i {input} -o output")));
            assert_eq!(run.code, 0, "{}", run.err);
            assert!(equal(&folder, input, "output"), "{}", run.out);
            peaks.push(peak());
        }
        println!(
            "{driver}: at most {} KiB for 1 MiB, {} KiB for 256 MiB",
            peaks[0], peaks[1]
        );
        assert!(peaks[1] < peaks[0] + (4 << 10), "{driver}: {peaks:?} KiB");
    }
    // Nearly the longest trace that there can be: it has 32,768 requests of 50,000.
    let arguments = "run write-filter -i medium -o output --trace json --piece 1K";
    let mut traced = folder.kmdf(arguments);
    let status = traced.stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(status.expect("the command can be started").success());
    println!("with a trace: at most {} KiB", peak());
    assert!(peak() < 256 << 10, "{} KiB", peak());
}
