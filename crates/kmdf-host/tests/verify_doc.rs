//! `docs/violations.md` is what the code says.

use kmdf_host::{BugcheckKind, ViolationKind};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/violations.md");

fn row([name, meaning, rule, explanation, advice]: [&str; 5]) -> String {
    format!("| `{name}` | {meaning} | {rule}: {explanation} | {advice} |\n")
}

fn table(kind: &str, rows: impl Iterator<Item = [&'static str; 5]>) -> String {
    let rows: String = rows.map(row).collect();
    format!("| `{kind}` | what happened | the rule | what to do |\n|---|---|---|---|\n{rows}")
}

fn document() -> String {
    let violations = ViolationKind::ALL.iter().map(|kind| {
        [
            kind.name(),
            kind.meaning(),
            kind.rule(),
            kind.explanation(),
            kind.advice(),
        ]
    });
    let bugchecks = BugcheckKind::ALL.iter().map(|kind| {
        [
            kind.name(),
            kind.meaning(),
            kind.rule(),
            kind.explanation(),
            kind.advice(),
        ]
    });
    format!(
        "# What the model finds\n\n\
         Written by `UPDATE_DOCS=1 cargo test -p kmdf-host --test verify_doc`; a test holds it equal to the code.\n\n\
         ## Violations\n\n\
         What a driver did wrong and the run survived is in `Report::violations`, each with the object, the place and the\n\
         rule. A rule that Microsoft's tools check under a name has that name.\n\n{}\n\
         ## Crashes\n\n\
         Where Windows would crash the run ends with `Stop::Bugcheck`, whose `kind` is the cause.\n\n{}",
        table("ViolationKind", violations),
        table("BugcheckKind", bugchecks),
    )
}

#[test]
fn the_document_is_what_the_code_says() {
    let text = document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PATH, &text).expect("the document can be written");
    }
    let written = std::fs::read_to_string(PATH).expect("docs/violations.md exists");
    // A checkout may have the line ends of Windows.
    assert_eq!(
        written.replace("\r\n", "\n"),
        text,
        "run with UPDATE_DOCS=1 to write it anew"
    );
}

/// No sentence is empty or could break the table.
#[test]
fn every_sort_is_explained() {
    let violations = ViolationKind::ALL.iter().map(|kind| {
        (
            kind.rule(),
            kind.meaning(),
            kind.explanation(),
            kind.advice(),
        )
    });
    let bugchecks = BugcheckKind::ALL.iter().map(|kind| {
        (
            kind.rule(),
            kind.meaning(),
            kind.explanation(),
            kind.advice(),
        )
    });
    for (rule, meaning, explanation, advice) in violations.chain(bugchecks) {
        assert!(rule.chars().all(|letter| letter.is_ascii_alphanumeric()));
        for sentence in [meaning, explanation, advice] {
            assert!(sentence.ends_with(['.', '?']), "{rule}: {sentence}");
            assert!(!sentence.contains(['|', '\n']), "{rule}: {sentence}");
        }
    }
}
