//! What KMDF 1.33 was seen to do, done again with the model and compared event by event.

#[path = "../common/mod.rs"]
mod common;
#[path = "../usb_support/mod.rs"]
mod usb_support;

mod case;
mod driver;
mod locks;
mod named;
mod objects;
mod script;
mod sends;
mod services;
mod steps;
mod table;
mod world;

use case::Case;
use table::Observed;
use world::World;

const FILES: [&str; 7] = [
    include_str!("pnp.toml"),
    include_str!("io_stop.toml"),
    include_str!("queues.toml"),
    include_str!("completion.toml"),
    include_str!("objects.toml"),
    include_str!("services.toml"),
    include_str!("sends.toml"),
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

/// Where the event lists part: for a reader of a failure.
fn difference(case: &Case, seen: &[String]) -> String {
    let same = case
        .seen
        .iter()
        .zip(seen)
        .take_while(|(a, b)| a == b)
        .count();
    format!(
        "{}: the same for {same} events, then\n  framework: {:?}\n  model:     {:?}",
        case.id,
        &case.seen[same.min(case.seen.len())..],
        &seen[same.min(seen.len())..]
    )
}

/// `OBSERVED=part-of-a-name` runs those cases alone.
#[test]
fn the_model_does_what_the_framework_was_seen_to_do() {
    let only = std::env::var("OBSERVED").unwrap_or_default();
    let mut wrong = Vec::new();
    for case in cases().iter().filter(|case| case.id.contains(&only)) {
        let seen = run(case);
        match (&case.differs, agrees(case, &seen)) {
            (None, true) | (Some(_), false) => {}
            (None, false) => wrong.push(difference(case, &seen)),
            (Some(_), true) => wrong.push(format!("{} agrees: it no longer differs", case.id)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `UPDATE_DOCS=1` writes the page anew.
#[test]
fn every_observation_is_accounted_for() {
    let mut observed = Observed::default();
    for case in cases() {
        observed.staged(&case.id, case.differs.as_deref());
    }
    observed.add_conformance();
    observed.add_not_staged(include_str!("not_staged.toml"));
    observed.check();
    observed.print();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/observed.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, observed.page()).expect("the page can be written");
    }
    let page = std::fs::read_to_string(path).expect("the page is there");
    assert_eq!(page, observed.page(), "UPDATE_DOCS=1 writes it anew");
}

/// A comparison that cannot fail would prove nothing.
#[test]
fn a_missing_event_is_a_difference() {
    let case = cases().into_iter().next().expect("there are cases");
    let mut seen = case.seen.clone();
    assert!(agrees(&case, &seen));
    seen.pop();
    assert!(!agrees(&case, &seen));
}
