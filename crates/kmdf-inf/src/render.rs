//! Reports for people and for tools.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::finding::{Finding, Report};
use crate::rule::Severity;

/// The findings as text, each under its source line. Empty when there are none.
#[must_use]
pub fn render(report: &Report, colour: bool) -> String {
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut out = String::new();
    for finding in &report.findings {
        out.push_str(&renderer.render(&[one(report, finding)]));
        out.push_str("\n\n");
    }
    out
}

fn one<'r>(report: &'r Report, finding: &'r Finding) -> annotate_snippets::Group<'r> {
    let level = match finding.severity {
        Severity::Warning => Level::WARNING,
        Severity::Error => Level::ERROR,
    };
    let id = finding.infverif.map_or_else(
        || finding.rule.id().to_owned(),
        |number| format!("{}, InfVerif {number}", finding.rule),
    );
    // Only the lines around the place: the whole file would be read again for each finding.
    let span = finding.span.clone();
    let start = report.text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let end = report.text[span.end..]
        .find('\n')
        .map_or(report.text.len(), |at| span.end + at);
    let lines = report.text[start..end].trim_end_matches('\r');
    let mark =
        AnnotationKind::Primary.span(span.start - start..(span.end - start).min(lines.len()));
    let snippet = Snippet::source(lines)
        .line_start(finding.line)
        .path(report.file.as_str())
        .annotation(mark);
    level
        .primary_title(finding.message.as_str())
        .id(id)
        .element(snippet)
        .element(Level::HELP.message(finding.help.as_str()))
}

/// All reports as one JSON array.
///
/// # Errors
///
/// None in practice; the serializer's signature has it.
pub fn to_json(reports: &[Report]) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(reports)
}
