//! `%token%` and `$VARIABLE$`: both must become something.

use std::collections::HashSet;

use crate::checks::Context;
use crate::document::{Merged, is_strings, suggest};
use crate::finding::Sink;
use crate::rule::Rule;
use crate::syntax::Field;

/// What stampinf replaces.
const VARIABLES: &[&str] = &[
    "$ARCH$",
    "$KMDFVERSION$",
    "$UMDFVERSION$",
    "$KMDFCOINSTALLERVERSION$",
    "$UMDFCOINSTALLERVERSION$",
];

pub(crate) fn check(context: &Context<'_, '_>, sink: &mut Sink<'_>) {
    tokens(context, sink);
    languages(context, sink);
    for section in context.doc.sections.values() {
        let names = std::iter::once(section.name).chain(section.repeated.iter().copied());
        let fields = section.entries.iter().flat_map(|entry| entry.fields());
        for field in names.chain(fields) {
            variables(context, field, sink);
        }
    }
}

fn tokens(context: &Context<'_, '_>, sink: &mut Sink<'_>) {
    let mut used = HashSet::new();
    let sections = context
        .doc
        .sections
        .iter()
        .filter(|(name, _)| !is_strings(name));
    let fields = sections
        .flat_map(|(_, section)| &section.entries)
        .flat_map(|entry| entry.fields());
    for token in fields.flat_map(|field| &field.tokens) {
        used.insert(token.name.to_lowercase());
        // A number is a DIRID.
        if context.doc.is_string(&token.name) || token.name.parse::<u32>().is_ok() {
            continue;
        }
        let literal = format!(
            "define it in [Strings]; for a literal percent sign write %%{}%%",
            token.name
        );
        let help = suggest(&token.name, context.doc.string_names(), &literal);
        sink.add(
            Rule::UndefinedString,
            token.span.clone(),
            format!("no string is named '{}'", token.name),
            help,
        );
    }
    let tables = context
        .doc
        .sections
        .iter()
        .filter(|(name, _)| *name == "strings")
        .map(|(_, table)| table);
    for key in tables
        .flat_map(|table| &table.entries)
        .filter_map(|entry| entry.key.as_ref())
    {
        if !used.contains(&key.value.to_lowercase()) {
            sink.add(
                Rule::UnusedString,
                key.span.clone(),
                format!("nothing uses the string '{}'", key.value),
                "remove it",
            );
        }
    }
}

fn languages(context: &Context<'_, '_>, sink: &mut Sink<'_>) {
    let keys = |table: &Merged<'_>| -> HashSet<String> {
        table
            .entries
            .iter()
            .filter_map(|entry| entry.key.as_ref())
            .map(|key| key.value.to_lowercase())
            .collect()
    };
    let Some(base) = context.doc.section("strings") else {
        return;
    };
    let expected = keys(base);
    let languages = context
        .doc
        .sections
        .iter()
        .filter(|(name, _)| is_strings(name) && *name != "strings");
    for (_, table) in languages {
        let own = keys(table);
        let mut differing: Vec<&str> = expected
            .symmetric_difference(&own)
            .map(String::as_str)
            .collect();
        differing.sort_unstable();
        if !differing.is_empty() {
            let message = format!(
                "[{}] and [Strings] differ in: {}",
                table.name.value,
                differing.join(", ")
            );
            sink.add(
                Rule::StringLanguages,
                table.name.span.clone(),
                message,
                "define the same names in every language",
            );
        }
    }
}

fn variables(context: &Context<'_, '_>, field: &Field, sink: &mut Sink<'_>) {
    let raw = context.text.get(field.span.clone()).unwrap_or_default();
    let mut from = 0;
    while let Some((start, end)) = next_variable(raw, from) {
        from = end;
        let name = &raw[start..end];
        let span = field.span.start + start..field.span.start + end;
        let exact = VARIABLES.contains(&name);
        let known = VARIABLES
            .iter()
            .find(|known| known.eq_ignore_ascii_case(name));
        if exact && !context.inx {
            sink.add(
                Rule::UnstampedVariable,
                span,
                format!("{name} is still in place"),
                "run stampinf, or name the file .inx",
            );
        } else if let (false, Some(known)) = (exact, known) {
            sink.add(
                Rule::UnstampedVariable,
                span,
                format!("stampinf does not replace {name}"),
                format!("write {known}"),
            );
        } else if !exact && context.inx && !name.eq_ignore_ascii_case("$chicago$") {
            let help = suggest(name, VARIABLES.iter().copied(), "remove it");
            sink.add(
                Rule::UnknownVariable,
                span,
                format!("stampinf does not know {name}"),
                help,
            );
        }
    }
}

/// The next `$WORD$` at or after `from`.
fn next_variable(raw: &str, mut from: usize) -> Option<(usize, usize)> {
    loop {
        let start = from + raw.get(from..)?.find('$')?;
        let rest = &raw[start + 1..];
        let word = rest.len()
            - rest
                .trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_')
                .len();
        if word > 0 && rest[word..].starts_with('$') {
            return Some((start, start + word + 2));
        }
        from = start + 1;
    }
}
