//! What people and tools get to see.

use std::path::Path;

use kmdf_inf::{Format, Options, Outcome, Rule, lint, render, run_files, to_json};

const BAD: &str = "[Version]
Signature   = \"$Windows NT$\"
Class       = USBDevice
ClassGuid   = {88BAE032-5A81-49f0-BC3D-A4FF138216D6}
Provider    = %Org%
CatalogFile = acme.cat

[Manufacturer]
%Org% = Models, NT$ARCH$.10.0...20348

[Models.NT$ARCH$.10.0...20348]
%Dev\u{e9}% = Dev, USB\\VID_1209&PID_0001

[Dev.NT]

[Dev.NT.Services]
AddService = ,2

[Strings]
Org = \"Acme\"
";

#[test]
fn for_people() {
    let report = lint("acme.inx", BAD.as_bytes(), &Options::default());
    insta::assert_snapshot!(render(&report, false));
}

#[test]
fn colour_only_when_asked() {
    let report = lint("acme.inx", BAD.as_bytes(), &Options::default());
    assert!(!render(&report, false).contains('\u{1b}'));
    assert!(render(&report, true).contains('\u{1b}'));
}

#[test]
fn for_tools() {
    let report = lint("acme.inx", BAD.as_bytes(), &Options::default());
    insta::assert_snapshot!(to_json(&[report]).expect("serializes"));
}

fn run(names: &[&str], format: Format) -> (Outcome, String, String) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let paths: Vec<_> = names.iter().map(|name| corpus.join(name)).collect();
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    let outcome = run_files(
        &paths,
        &Options::default(),
        format,
        false,
        &mut out,
        &mut errors,
    )
    .expect("writes");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (outcome, text(out), text(errors))
}

#[test]
fn outcomes() {
    let (outcome, out, errors) = run(&["good/function.inx", "good/utf16.inx"], Format::Human);
    assert_eq!(
        (outcome, out.as_str(), errors.as_str()),
        (Outcome::Clean, "2 files: 0 errors, 0 warnings\n", "")
    );
    let (outcome, out, _) = run(
        &["good/function.inx", "bad/source_unused.inx"],
        Format::Human,
    );
    assert_eq!(outcome, Outcome::Findings);
    assert!(out.ends_with("2 files: 0 errors, 1 warning\n"), "{out}");
    let (outcome, out, errors) = run(&["bad/source_unused.inx", "bad/none.inx"], Format::Json);
    assert_eq!(outcome, Outcome::Unreadable);
    assert!(errors.contains("none.inx"));
    let json: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(json[0]["findings"][0]["rule"], Rule::SourceUnused.id());
}

/// The table of rules in the README is the table of rules in the code.
#[test]
fn readme_lists_every_rule() {
    let readme = include_str!("../README.md");
    let mark = |severity: Option<kmdf_inf::Severity>| match severity {
        Some(kmdf_inf::Severity::Error) => "error",
        Some(kmdf_inf::Severity::Warning) => "warning",
        None => "-",
    };
    let mut table =
        String::from("| Rule | InfVerif | /u | /h | /w | Finds |\n|---|---|---|---|---|---|\n");
    for rule in Rule::ALL {
        let number = rule
            .infverif()
            .map_or_else(|| "-".to_owned(), |number| number.to_string());
        let [u, h, w] = [
            kmdf_inf::Level::Universal,
            kmdf_inf::Level::Signature,
            kmdf_inf::Level::WindowsDriver,
        ]
        .map(|level| mark(rule.severity(level)));
        table += &format!(
            "| `{rule}` | {number} | {u} | {h} | {w} | {} |\n",
            rule.title()
        );
    }
    assert!(
        readme.replace('\r', "").contains(&table),
        "the table should be\n{table}"
    );
}
