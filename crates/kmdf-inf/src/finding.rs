//! Findings, and where the rules put them.

use std::collections::HashSet;

use serde::Serialize;

use crate::rule::{Level, Rule, Severity};
use crate::text::{Encoding, Span, Text};

/// One mistake, where it is, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The rule that found it.
    pub rule: Rule,
    /// The rule's number in InfVerif, where it has one.
    pub infverif: Option<u16>,
    /// The weight at the level that was asked for.
    pub severity: Severity,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
    /// The place in the decoded text.
    #[serde(skip)]
    pub(crate) span: Span,
}

/// What was found in one file.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The file, as the caller named it.
    pub file: String,
    /// How the file is encoded.
    pub encoding: Encoding,
    /// In the order of the file.
    pub findings: Vec<Finding>,
    /// The decoded text, for rendering.
    #[serde(skip)]
    pub(crate) text: String,
}

impl Report {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Collects findings; drops those that do not count at the level, and repetitions.
#[derive(Debug)]
pub(crate) struct Sink<'t> {
    text: &'t Text,
    level: Level,
    findings: Vec<Finding>,
    /// What is known is not said again: several installs can lead to the same line.
    known: HashSet<(Rule, Span, String)>,
}

impl<'t> Sink<'t> {
    pub(crate) fn new(text: &'t Text, level: Level) -> Self {
        Self {
            text,
            level,
            findings: Vec::new(),
            known: HashSet::new(),
        }
    }

    pub(crate) fn add(
        &mut self,
        rule: Rule,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let Some(severity) = rule.severity(self.level) else {
            return;
        };
        let message = message.into();
        if !self.known.insert((rule, span.clone(), message.clone())) {
            return;
        }
        let (line, column) = self.text.position(span.start);
        self.findings.push(Finding {
            rule,
            infverif: rule.infverif(),
            severity,
            line,
            column,
            message,
            help: help.into(),
            span,
        });
    }

    pub(crate) fn finish(mut self) -> Vec<Finding> {
        self.findings.sort_by_key(|a| (a.line, a.column, a.rule));
        self.findings
    }
}
