//! What a synchronous write costs in the model: straight through the DDI, and from an application through a filter driver;
//! and what a schedule of an exploration costs.
//!
//! The cost of a write must not depend on how many requests went before, so each is measured over growing numbers.

#[path = "../tests/common/mod.rs"]
mod common;
mod support;

use std::time::Instant;

use common::*;
use kmdf_host::{Explore, Failure, Host, HostConfig, LowerConfig, Strategy};
use support::{Sink, application_writes, driver_writes, forwards, machine};

/// Two applications write through the filter, each on a host of its own and in another schedule.
fn two_writers(host: &Host) -> Result<(), Failure> {
    hook(|hooks| *hooks = forwards());
    let driver = host.load("filter", driver_entry)?;
    let lower = host.add_lower(Sink, LowerConfig::new("disk"));
    let stack = host.plug(lower, &[driver])?;
    for _ in 0..2 {
        host.thread("application", move |thread| {
            let file = thread.open(stack).expect("the device is there");
            for _ in 0..2 {
                assert_eq!(thread.write(file, 0, &[0; 16]).information, 16);
            }
            thread.close(file);
        });
    }
    host.run()?;
    Ok(())
}

fn schedules() {
    const COUNT: u64 = 20_000;
    for (name, strategy) in [
        ("random", Strategy::Random),
        ("PCT", Strategy::PCT),
        ("exhaustive", Strategy::Exhaustive { bound: 3 }),
    ] {
        let explore = Explore::new(HostConfig::new())
            .strategy(strategy)
            .schedules(COUNT);
        let start = Instant::now();
        let exploration = Host::explore(&explore, two_writers);
        let took = start.elapsed();
        assert!(exploration.is_clean());
        let each = took / u32::try_from(exploration.schedules).expect("a few");
        println!(
            "schedules, {name:>10}: {each:?} each, at most {} choices",
            exploration.most_choices
        );
    }
}

fn main() {
    schedules();
    let machine = machine(1);
    for count in [1_000u32, 100_000, 1_000_000] {
        let start = Instant::now();
        driver_writes(&machine, count);
        println!("DDI, {count:>7} writes: {:?} each", start.elapsed() / count);
        let start = Instant::now();
        application_writes(&machine, count);
        println!(
            "application through a filter, {count:>7} writes: {:?} each",
            start.elapsed() / count
        );
    }
}
