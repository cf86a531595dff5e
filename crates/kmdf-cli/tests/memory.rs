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
    let untraced = peak();
    // 131,072 requests in 512 writes, then as many in one: the peak is that of all commands so far.
    for writes in ["64K", "32M"] {
        for form in ["table", "sequence", "json"] {
            let arguments = format!(
                "run write-filter -i medium -o output --trace {form} --piece 256 --write-size {writes}"
            );
            let mut traced = folder.kmdf(&arguments);
            let status = traced.stdout(Stdio::null()).stderr(Stdio::null()).status();
            assert!(status.expect("the command can be started").success());
            println!("{form}, writes of {writes}: at most {} KiB", peak());
            // The write itself is in memory: the application's data and the framework's copies.
            let data = if writes == "64K" { 0 } else { 3 * (32 << 10) };
            assert!(peak() < untraced + data + (4 << 10), "{} KiB", peak());
        }
    }
}
