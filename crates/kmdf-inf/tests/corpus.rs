//! The corpus: every bad file gets exactly the findings it states, good files get none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use kmdf_inf::{Level, Options, Rule, lint};

fn files(folder: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(folder);
    let entries = fs::read_dir(&folder).expect("the corpus is there");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let inf = |path: &PathBuf| {
        path.extension()
            .is_some_and(|ext| ext == "inx" || ext == "inf")
    };
    paths
        .filter(inf)
        .map(|path| {
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            (name, fs::read(&path).expect("readable"))
        })
        .collect()
}

/// `rule @ line, rule @ line`, in the order of the file.
fn found(name: &str, bytes: &[u8], level: Level) -> Vec<String> {
    let report = lint(name, bytes, &Options::at(level));
    let mut found: Vec<_> = report
        .findings
        .iter()
        .map(|f| (f.line, f.rule.id()))
        .collect();
    found.sort_unstable();
    found
        .iter()
        .map(|(line, rule)| format!("{rule} @ {line}"))
        .collect()
}

/// What a bad file states: in its first line, or in the table beside it where the first line cannot say it.
fn expected(name: &str, bytes: &[u8], table: &BTreeMap<String, String>) -> Vec<String> {
    let first = bytes
        .split(|&byte| byte == b'\n')
        .next()
        .unwrap_or_default();
    let stated = first
        .strip_prefix(b"; expect: ")
        .map(|text| String::from_utf8_lossy(text).into_owned());
    let stated = stated.or_else(|| table.get(name).cloned());
    let stated = stated.unwrap_or_else(|| panic!("{name} states no finding"));
    let mut expected: Vec<(usize, String)> = stated
        .split(", ")
        .map(|item| {
            let (rule, line) = item
                .split_once(" @ ")
                .unwrap_or_else(|| panic!("{name}: '{item}'"));
            (line.trim().parse().expect("a line number"), rule.to_owned())
        })
        .collect();
    expected.sort_unstable();
    expected
        .iter()
        .map(|(line, rule)| format!("{rule} @ {line}"))
        .collect()
}

fn table() -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/bad/EXPECTED");
    let text = fs::read_to_string(path).expect("the table is there");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, stated)| (name.to_owned(), stated.to_owned()))
        .collect()
}

#[test]
fn bad_files_get_exactly_their_findings() {
    let files = files("bad");
    assert!(files.len() >= 60, "{} files", files.len());
    let table = table();
    let wrong: Vec<String> = files
        .iter()
        .filter_map(|(name, bytes)| {
            let (expected, found) = (
                expected(name, bytes, &table),
                found(name, bytes, Level::WindowsDriver),
            );
            (expected != found)
                .then(|| format!("{name}\n  expected {expected:?}\n  found    {found:?}"))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} files\n{}",
        wrong.len(),
        files.len(),
        wrong.join("\n")
    );
}

#[test]
fn good_files_get_none() {
    let files = files("good");
    assert!(files.len() >= 12, "{} files", files.len());
    for (name, bytes) in &files {
        for level in [Level::WindowsDriver, Level::Signature, Level::Universal] {
            assert_eq!(found(name, bytes, level), [""; 0], "{name} at {level:?}");
        }
    }
}

/// Rules that do not count at `/w`, each with the bad file that shows it and the level where it counts.
const ELSEWHERE: &[(Rule, &str, Level)] = &[
    (Rule::RegistryGlobal, "registry_hklm.inx", Level::Universal),
    (Rule::DestinationSystem, "dirid_24.inx", Level::Universal),
    (
        Rule::ExtensionFilterRegistry,
        "extension_upper_filters.inx",
        Level::Universal,
    ),
];

#[test]
fn every_rule_is_shown_by_a_file() {
    let files = files("bad");
    let mut shown: BTreeSet<Rule> = files
        .iter()
        .flat_map(|(name, bytes)| lint(name, bytes, &Options::default()).findings)
        .map(|finding| finding.rule)
        .collect();
    for (rule, name, level) in ELSEWHERE {
        let report = lint(name, &files[*name], &Options::at(*level));
        assert!(
            report.findings.iter().any(|finding| finding.rule == *rule),
            "{name} does not show {rule}"
        );
        shown.insert(*rule);
    }
    let missing: Vec<_> = Rule::ALL
        .iter()
        .filter(|rule| !shown.contains(rule))
        .map(|rule| rule.id())
        .collect();
    assert!(missing.is_empty(), "no file shows {missing:?}");
}

#[test]
fn levels_differ_where_infverif_differs() {
    let files = files("bad");
    let at = |name: &str, level| found(name, &files[name], level);
    for (name, windows, signature, universal) in [
        ("dirid_12.inx", true, false, false),
        ("dirid_24.inx", true, true, true),
        ("service_value_outside.inx", true, false, false),
        ("filter_by_registry.inx", true, false, false),
        ("class_filter_hklm.inx", true, false, true),
        ("registry_hklm.inx", true, true, true),
    ] {
        let seen = [Level::WindowsDriver, Level::Signature, Level::Universal]
            .map(|level| !at(name, level).is_empty());
        assert_eq!(seen, [windows, signature, universal], "{name}");
    }
}

#[test]
fn rules_for_kmdf_can_be_switched_off() {
    let files = files("bad");
    let mut options = Options::default();
    options.kmdf = None;
    assert!(lint("x.inx", &files["kmdf_missing.inx"], &options).is_clean());
    assert!(lint("x.inx", &files["kmdf_on_windows_10.inx"], &options).is_clean());
}
