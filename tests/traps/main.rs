//! The tests of docs/traps.md, by the numbers of its table.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
#[path = "../common/mod.rs"]
mod common;
mod memory;
mod object;
mod send;
mod target;

/// Every row of the table names a test that exists.
#[test]
fn the_table_is_true() {
    let table = include_str!("../../docs/traps.md");
    let tests = [
        include_str!("memory.rs"),
        include_str!("object.rs"),
        include_str!("send.rs"),
        include_str!("target.rs"),
    ]
    .concat();
    let mut numbers = Vec::new();
    for row in table
        .lines()
        .filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit())
    {
        let cells: Vec<_> = row.split(" | ").collect();
        numbers.push(cells[0].trim_start_matches("| ").parse::<u32>().unwrap());
        let named = cells.last().unwrap().trim_end_matches(" |");
        for name in named.split('`').skip(1).step_by(2) {
            let exists = match name.strip_prefix("misuse/") {
                Some(program) => std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join("tests/misuse")
                    .join(program)
                    .exists(),
                None => tests.contains(&format!("fn {name}()")),
            };
            assert!(exists, "{row}: there is no {name}");
        }
    }
    assert_eq!(numbers, (1..=42).collect::<Vec<_>>());
}
