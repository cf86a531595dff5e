//! What a synchronous write costs in the model, in instructions: as often as one likes, and with as many devices.

#![allow(missing_docs, reason = "a program")]

#[path = "../tests/common/mod.rs"]
mod common;
mod support;

use gungraun::{library_benchmark, library_benchmark_group, main};

use support::{Machine, application_writes, complete, driver_writes, hold, machine};

/// A machine in which everything is made that is made only once, and so many writes are under way.
fn warm(devices: u32, held: u32) -> Machine {
    let machine = machine(devices);
    driver_writes(&machine, 10);
    application_writes(&machine, 10);
    hold(&machine, held);
    machine
}

// From a driver's thread, straight through the function table.
#[library_benchmark]
#[bench::devices_1_held_0_writes_1000(warm(1, 0), 1_000)]
#[bench::devices_1_held_0_writes_10000(warm(1, 0), 10_000)]
#[bench::devices_1_held_0_writes_100000(warm(1, 0), 100_000)]
#[bench::devices_10_held_0_writes_1000(warm(10, 0), 1_000)]
#[bench::devices_100_held_0_writes_1000(warm(100, 0), 1_000)]
#[bench::devices_1_held_1000_writes_1000(warm(1, 1_000), 1_000)]
fn driver(machine: Machine, count: u32) -> Machine {
    driver_writes(&machine, count);
    machine
}

// From an application, through the filter.
#[library_benchmark]
#[bench::devices_1_held_0_writes_1000(warm(1, 0), 1_000)]
#[bench::devices_1_held_0_writes_10000(warm(1, 0), 10_000)]
#[bench::devices_1_held_0_writes_100000(warm(1, 0), 100_000)]
#[bench::devices_10_held_0_writes_1000(warm(10, 0), 1_000)]
#[bench::devices_100_held_0_writes_1000(warm(100, 0), 1_000)]
#[bench::devices_1_held_1000_writes_1000(warm(1, 1_000), 1_000)]
fn application(machine: Machine, count: u32) -> Machine {
    application_writes(&machine, count);
    machine
}

// The completion alone of writes that the device holds, the oldest first.
#[library_benchmark]
#[bench::devices_1_held_100_writes_100(warm(1, 100), 100)]
#[bench::devices_1_held_1000_writes_100(warm(1, 1_000), 100)]
fn completion(machine: Machine, count: u32) -> Machine {
    complete(&machine, count);
    machine
}

library_benchmark_group!(name = cost, benchmarks = [driver, application, completion]);
main!(library_benchmark_groups = cost);
