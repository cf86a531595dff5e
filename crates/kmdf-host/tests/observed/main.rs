//! What KMDF 1.33 was seen to do, done again with the model and compared event by event.

#[path = "../common/mod.rs"]
mod common;

mod case;
mod driver;
mod locks;
mod named;
mod objects;
mod script;
mod services;
mod world;

use case::Case;
use world::World;

const FILES: [&str; 6] = [
    include_str!("pnp.toml"),
    include_str!("io_stop.toml"),
    include_str!("queues.toml"),
    include_str!("completion.toml"),
    include_str!("objects.toml"),
    include_str!("services.toml"),
];

fn cases() -> Vec<Case> {
    FILES.iter().flat_map(|text| case::read(text)).collect()
}

/// What the model does in a case.
fn run(case: &Case) -> Vec<String> {
    let world = World::set_up(case);
    let seen = script::run(&world);
    world.tear_down();
    seen
}

fn agrees(case: &Case, seen: &[String]) -> bool {
    if case.order_varies {
        let sorted = |events: &[String]| {
            let mut events = events.to_vec();
            events.sort();
            events
        };
        sorted(&case.seen) == sorted(seen)
    } else {
        case.seen == seen
    }
}

#[test]
fn the_model_does_what_the_framework_was_seen_to_do() {
    let only = std::env::var("OBSERVED").unwrap_or_default();
    let mut wrong = 0;
    let mut total = 0;
    for case in cases() {
        if !case.id.contains(&only) {
            continue;
        }
        total += 1;
        let seen = run(&case);
        if agrees(&case, &seen) != case.differs.is_none() {
            wrong += 1;
            println!("{} {:?}", case.id, case.run);
            let at = case
                .seen
                .iter()
                .zip(&seen)
                .take_while(|(a, b)| a == b)
                .count();
            println!("  same: {at}");
            println!("  framework: {:?}", &case.seen[at.min(case.seen.len())..]);
            println!("  model:     {:?}", &seen[at.min(seen.len())..]);
        }
    }
    println!("{total} staged, {wrong} differ");
    assert_eq!(wrong, 0);
}
