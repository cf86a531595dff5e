//! Finds mistakes in driver INF and INX files, on any machine.
//!
//! [`lint`] reads a file as Windows would and applies the rules of [`Rule`]; those that InfVerif has carry its
//! number. What is in the file is checked, and nothing else: that a catalog exists, that the files of the package are
//! there, or that an included INF has the sections it is asked for, only Windows can tell. A file without a finding
//! is therefore ready for InfVerif, and no more.
//!
//! ```
//! use kmdf_inf::{Options, Rule, lint};
//!
//! let report = lint("acme.inx", b"[Version]\nSignature = \"$Windows 95$\"\n", &Options::default());
//! assert_eq!(report.findings[0].rule, Rule::Signature);
//! assert_eq!((report.findings[0].line, report.findings[0].column), (2, 1));
//! ```

mod checks;
mod classes;
mod decoration;
mod directives;
mod document;
mod finding;
mod render;
mod rule;
mod run;
mod sddl;
mod syntax;
mod text;
mod values;
mod walk;

pub use finding::{Finding, Report};
pub use render::{render, to_json};
pub use rule::{Level, Rule, Severity, UnknownLevel};
pub use run::{Format, Outcome, UnknownFormat, run_files};
pub use text::Encoding;

use checks::Context;
use document::Document;
use finding::Sink;
use text::Text;

/// How a file is to be judged.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The InfVerif mode to follow.
    pub level: Level,
    /// The KMDF version that stampinf will write for `$KMDFVERSION$`; `None` if the drivers do not use KMDF, which
    /// switches off the rules that ask for it.
    pub kmdf: Option<(u16, u16)>,
}

impl Default for Options {
    /// Level `/w`, KMDF 1.33.
    fn default() -> Self {
        Self {
            level: Level::default(),
            kmdf: Some((1, 33)),
        }
    }
}

impl Options {
    /// The default rules at `level`.
    #[must_use]
    pub fn at(level: Level) -> Self {
        Self {
            level,
            ..Self::default()
        }
    }
}

/// Judges one file. `name` is for the report, and its ending tells INX (to be stamped) from INF (stamped).
#[must_use]
pub fn lint(name: &str, bytes: &[u8], options: &Options) -> Report {
    let text = Text::decode(bytes);
    let mut sink = Sink::new(&text, options.level);
    characters(&text, &mut sink);
    let inf = syntax::parse(&text.text, &mut sink);
    let doc = Document::new(&inf);
    if signature(&doc, &mut sink) {
        let walk = walk::walk(&doc, &mut sink);
        let context = Context {
            text: &text.text,
            doc: &doc,
            walk: &walk,
            options,
            inx: !name.to_lowercase().ends_with(".inf"),
            extension: doc.is_extension(),
        };
        checks::all(&context, &mut sink);
    }
    let findings = sink.finish();
    Report {
        file: name.to_owned(),
        encoding: text.encoding,
        findings,
        text: text.text,
    }
}

fn characters(text: &Text, sink: &mut Sink<'_>) {
    let save = "save the file as ASCII or UTF-16 LE";
    match text.encoding {
        Encoding::Utf8Bom => sink.add(Rule::Encoding, 0..0, "UTF-8 with a byte-order mark", save),
        Encoding::Utf16Be => sink.add(Rule::Encoding, 0..0, "UTF-16 in big-endian order", save),
        Encoding::Utf16LeUnmarked => sink.add(
            Rule::Encoding,
            0..0,
            "UTF-16 without a byte-order mark",
            save,
        ),
        _ if text.damaged => sink.add(
            Rule::Encoding,
            0..0,
            "bytes that are no characters in this encoding",
            save,
        ),
        Encoding::Utf8 | Encoding::Ansi => {
            let at = text.text.find(|c: char| !c.is_ascii()).unwrap_or_default();
            let message = "Windows reads this character by the code page of the machine";
            sink.add(Rule::AnsiCodePage, at..at, message, save);
        }
        Encoding::Ascii | Encoding::Utf16Le => {}
    }
    // One is enough: a file with NULs has thousands.
    let strange = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{1a}');
    if let Some((at, c)) = text.text.char_indices().find(|&(_, c)| strange(c)) {
        sink.add(
            Rule::ControlCharacter,
            at..at + c.len_utf8(),
            format!("character U+{:04X}", u32::from(c)),
            "remove it",
        );
    }
}

/// Whether the file is an INF at all; what is none gets no further findings.
fn signature(doc: &Document<'_>, sink: &mut Sink<'_>) -> bool {
    let help = "start the file with [Version] and Signature = \"$Windows NT$\"";
    let Some(version) = doc.section("version") else {
        sink.add(Rule::Signature, 0..0, "there is no [Version] section", help);
        return false;
    };
    let entry = version.get("signature");
    let value = entry.map(|entry| doc.value(entry, 0).to_lowercase());
    if matches!(value.as_deref(), Some("$windows nt$" | "$chicago$")) {
        return true;
    }
    let span = entry.map_or_else(|| version.name.span.clone(), |entry| entry.span.clone());
    sink.add(
        Rule::Signature,
        span,
        "the signature is missing or not one of Windows",
        help,
    );
    false
}

/// The README's example is tested as those here are.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
