//! Sections and directives as such: repeated, unused, in the wrong place, of another time.

use std::collections::HashMap;

use crate::checks::Context;
use crate::checks::version::is_catalog_key;
use crate::directives::{self, DIRECTIVES, Kind, Sub};
use crate::document::{Merged, closest, is_strings, repeats, suggest};
use crate::finding::Sink;
use crate::rule::Rule;
use crate::syntax::Entry;
use crate::text::Span;
use crate::values;

/// Sections whose keys are names; a second entry of one name is lost.
const TABLES: &[&str] = &[
    "sourcedisksnames",
    "sourcedisksfiles",
    "destinationdirs",
    "strings",
];

pub(crate) fn check(context: &Context<'_, '_>, sink: &mut Sink<'_>) {
    for section in context.doc.sections.values() {
        duplicate_section(section, sink);
        table(section, sink);
        if !context
            .walk
            .used
            .contains(&section.name.value.to_lowercase())
        {
            unused(context, section, sink);
        }
    }
    if let Some(version) = context.doc.section("version") {
        once(version, &[], sink);
        known(version, directives::VERSION, is_catalog_key, sink);
    }
    for visit in &context.walk.visits {
        match visit.kind {
            Kind::Service => {
                once(
                    visit.section,
                    &["AddReg", "AddTrigger", "DelReg", "BitReg"],
                    sink,
                );
                known(visit.section, directives::SERVICE, |_| false, sink);
            }
            Kind::Filter => {
                once(visit.section, &[], sink);
                known(visit.section, directives::FILTER, |_| false, sink);
            }
            Kind::Kmdf => {
                once(visit.section, &["KmdfExtensions"], sink);
                known(visit.section, directives::KMDF, |_| false, sink);
            }
            Kind::FileList => {
                let files = visit
                    .section
                    .entries
                    .iter()
                    .filter_map(|entry| named(context, entry));
                duplicates(Rule::DuplicateEntry, files, sink);
            }
            Kind::Install | Kind::Sub(_) | Kind::Directives => {
                install(context, visit.section, visit.kind, sink)
            }
            _ => {}
        }
    }
    two_kinds(context, sink);
}

fn duplicate_section(section: &Merged<'_>, sink: &mut Sink<'_>) {
    for again in &section.repeated {
        let help = "Windows merges the two; put the entries into one section, or rename one";
        sink.add(
            Rule::DuplicateSection,
            again.span.clone(),
            format!("section [{}] is defined again", again.value),
            help,
        );
    }
}

fn duplicates(rule: Rule, items: impl IntoIterator<Item = (String, Span)>, sink: &mut Sink<'_>) {
    for (name, span) in repeats(items) {
        sink.add(
            rule,
            span,
            format!("'{name}' stands here for the second time"),
            "keep one of the two",
        );
    }
}

fn named(context: &Context<'_, '_>, entry: &Entry) -> Option<(String, Span)> {
    entry
        .value(0)
        .map(|field| (context.doc.resolve(field), field.span.clone()))
}

fn keys<'e>(section: &'e Merged<'_>) -> impl Iterator<Item = (String, Span)> + 'e {
    section
        .entries
        .iter()
        .filter_map(|entry| entry.key.as_ref())
        .map(|key| (key.value.clone(), key.span.clone()))
}

fn table(section: &Merged<'_>, sink: &mut Sink<'_>) {
    let name = section.name.value.to_lowercase();
    let base = name.split_once('.').map_or(name.as_str(), |(base, _)| base);
    if TABLES.contains(&base) || is_strings(&name) {
        duplicates(Rule::DuplicateEntry, keys(section), sink);
    }
}

/// Reports directives that stand twice, `many` excepted.
fn once(section: &Merged<'_>, many: &[&str], sink: &mut Sink<'_>) {
    let single =
        keys(section).filter(|(key, _)| !many.iter().any(|name| name.eq_ignore_ascii_case(key)));
    duplicates(Rule::DuplicateDirective, single, sink);
}

fn known(
    section: &Merged<'_>,
    names: &[&'static str],
    also: impl Fn(&str) -> bool,
    sink: &mut Sink<'_>,
) {
    for entry in &section.entries {
        let Some(word) = entry.key.as_ref().or(entry.values.first()) else {
            continue;
        };
        if names.iter().any(|name| word.is(name)) || also(&word.value) {
            continue;
        }
        let help = suggest(&word.value, names.iter().copied(), "remove it");
        sink.add(
            Rule::UnknownDirective,
            word.span.clone(),
            format!("[{}] knows no '{}'", section.name.value, word.value),
            help,
        );
    }
}

fn unused(context: &Context<'_, '_>, section: &Merged<'_>, sink: &mut Sink<'_>) {
    let name = &section.name.value;
    let lower = name.to_lowercase();
    let suffixes = Sub::ALL
        .iter()
        .filter(|(suffix, _)| lower.ends_with(&format!(".{}", suffix.to_lowercase())));
    // A section of an install section with the wrong decoration is the usual case.
    let expected: Vec<String> = suffixes
        .flat_map(|(suffix, _)| {
            context
                .walk
                .installs
                .iter()
                .filter(|install| install.hardware)
                .map(move |install| format!("{}.{suffix}", install.name))
        })
        .filter(|expected| context.doc.section(expected).is_none())
        .collect();
    let help = match expected.as_slice() {
        [one] => format!("the install section needs it under the name [{one}]"),
        _ => {
            "remove it, or refer to it; a wrong decoration such as a missing .NT is the usual cause"
                .to_owned()
        }
    };
    sink.add(
        Rule::UnusedSection,
        section.name.span.clone(),
        format!("nothing refers to section [{name}]"),
        help,
    );
}

fn install(context: &Context<'_, '_>, section: &Merged<'_>, kind: Kind, sink: &mut Sink<'_>) {
    for &entry in &section.entries {
        let Some(key) = &entry.key else { continue };
        let directive = DIRECTIVES.iter().find(|directive| key.is(directive.name));
        if let Some(directive) = directive {
            if let (Some(home), Kind::Install | Kind::Sub(_)) = (directive.home, kind)
                && kind != Kind::Sub(home)
            {
                let suffix = Sub::ALL
                    .iter()
                    .find(|(_, sub)| *sub == home)
                    .map_or("", |(suffix, _)| suffix);
                let help = format!("move it to the section of the same name with .{suffix} added");
                sink.add(
                    Rule::MisplacedDirective,
                    entry.span.clone(),
                    format!(
                        "{} does not belong into [{}]",
                        directive.name, section.name.value
                    ),
                    help,
                );
            }
            if let Some(extra) = entry
                .values
                .iter()
                .skip(directive.values)
                .find(|field| !field.value.is_empty())
            {
                sink.add(
                    Rule::ExtraValue,
                    extra.span.clone(),
                    format!(
                        "{} takes at most {} values",
                        directive.name, directive.values
                    ),
                    "remove what follows",
                );
            }
        }
        guids(context, entry, sink);
        old(section, entry, sink);
    }
    match kind {
        Kind::Install => near_misses(section, sink),
        Kind::Sub(sub) => {
            let subs = directives::SUBS.iter().filter(|(own, _)| *own == sub);
            for (_, names) in subs {
                known(
                    section,
                    names,
                    |word| {
                        ["include", "needs"].contains(&word.to_lowercase().as_str())
                            || is_directive(word)
                    },
                    sink,
                );
                for name in *names {
                    let items = section.all(name).filter_map(|entry| named(context, entry));
                    duplicates(Rule::DuplicateItem, items, sink);
                }
            }
        }
        _ => {}
    }
    needs(context, section, kind, sink);
    if let Kind::Sub(sub @ (Sub::CoInstallers | Sub::Legacy)) = kind {
        let span = section.name.span.clone();
        if sub == Sub::CoInstallers {
            sink.add(
                Rule::CoInstaller,
                span,
                "co-installers are not supported",
                "remove the section; KMDF needs no co-installer",
            );
        } else {
            sink.add(
                Rule::LegacyDirective,
                span,
                format!("[{}] is a section of earlier Windows", section.name.value),
                "remove it",
            );
        }
    }
}

fn is_directive(word: &str) -> bool {
    DIRECTIVES
        .iter()
        .any(|directive| directive.name.eq_ignore_ascii_case(word))
}

/// A class may define directives of its own for `DDInstall`, so only a misspelled one is reported.
fn near_misses(section: &Merged<'_>, sink: &mut Sink<'_>) {
    let names: Vec<&'static str> = DIRECTIVES
        .iter()
        .map(|directive| directive.name)
        .chain(directives::INSTALL.iter().copied())
        .collect();
    for key in section
        .entries
        .iter()
        .filter_map(|entry| entry.key.as_ref())
    {
        if names.iter().any(|name| key.is(name)) {
            continue;
        }
        if let Some(meant) = closest(&key.value, names.iter().copied()) {
            let help = format!("did you mean {meant}?");
            sink.add(
                Rule::UnknownDirective,
                key.span.clone(),
                format!("'{}' is not a directive", key.value),
                help,
            );
        }
    }
}

fn old(section: &Merged<'_>, entry: &Entry, sink: &mut Sink<'_>) {
    let is_one_of = |names: &[&str]| names.iter().any(|name| entry.key_is(name));
    let name = entry.key.as_ref().map_or("", |key| &key.value);
    // Removing is what [DefaultUninstall] is for.
    if section
        .name
        .value
        .to_lowercase()
        .starts_with("defaultuninstall")
    {
        return;
    }
    if is_one_of(directives::LEGACY) {
        sink.add(
            Rule::LegacyDirective,
            entry.span.clone(),
            format!("{name} is a directive of earlier Windows"),
            "remove it; registry values go through AddReg",
        );
    } else if is_one_of(directives::DELETING) {
        let help = "remove it; Windows removes what the package installed";
        sink.add(
            Rule::LegacyDelete,
            entry.span.clone(),
            format!("{name} acts on what may belong to others"),
            help,
        );
    } else if is_one_of(directives::UNDOING) {
        sink.add(
            Rule::DeleteRegistry,
            entry.span.clone(),
            format!("{name} takes away instead of adding"),
            "remove it; a driver package only adds",
        );
    }
}

/// The directives that carry a GUID, and where.
const GUIDS: &[(&str, usize)] = &[
    ("AddInterface", 0),
    ("AddEventProvider", 0),
    ("AddAutoLogger", 1),
    ("WMIInterface", 0),
    ("AddAutoLoggerProvider", 0),
];

fn guids(context: &Context<'_, '_>, entry: &Entry, sink: &mut Sink<'_>) {
    for (_, at) in GUIDS.iter().filter(|(name, _)| entry.key_is(name)) {
        let Some(field) = entry.value(*at) else {
            continue;
        };
        let guid = context.doc.resolve(field);
        if !values::is_guid(&guid) && !guid.contains('%') {
            sink.add(
                Rule::InvalidGuid,
                field.span.clone(),
                format!("'{guid}' is not a GUID"),
                "write {xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx}, braces included",
            );
        }
    }
}

fn needs(context: &Context<'_, '_>, section: &Merged<'_>, kind: Kind, sink: &mut Sink<'_>) {
    let included = section.get("include").is_some();
    for field in section.all("needs").flat_map(|entry| &entry.values) {
        let name = context.doc.resolve(field);
        if !included && context.doc.section(&name).is_none() {
            let help = "add Include = <file>.inf to this very section";
            sink.add(
                Rule::NeedsWithoutInclude,
                field.span.clone(),
                format!("[{name}] is in no file that this section includes"),
                help,
            );
        }
        let suffix = |of: Option<Sub>| {
            Sub::ALL
                .iter()
                .find(|(_, sub)| Some(*sub) == of)
                .map(|(suffix, _)| format!(".{}", suffix.to_lowercase()))
        };
        let lower = name.to_lowercase();
        let own = if let Kind::Sub(sub) = kind {
            suffix(Some(sub))
        } else {
            None
        };
        let fits = match &own {
            Some(own) => lower.ends_with(own),
            None => !Sub::ALL
                .iter()
                .any(|(suffix, _)| lower.ends_with(&format!(".{}", suffix.to_lowercase()))),
        };
        if !fits {
            let help = own.map_or_else(
                || "needs an install section here".to_owned(),
                |own| format!("name a section that ends in {own}"),
            );
            sink.add(
                Rule::NeedsSuffix,
                field.span.clone(),
                format!(
                    "[{name}] is a section of another kind than [{}]",
                    section.name.value
                ),
                help,
            );
        }
    }
}

/// Reports sections that are read for two purposes.
fn two_kinds(context: &Context<'_, '_>, sink: &mut Sink<'_>) {
    let mut kinds: HashMap<&str, Kind> = HashMap::new();
    for visit in &context.walk.visits {
        // Where HKR points differs by the section that refers to the values; the values are the same.
        let kind = if let Kind::Registry(_) = visit.kind {
            Kind::Registry(directives::Scope::Other)
        } else {
            visit.kind
        };
        let first = *kinds
            .entry(visit.section.name.value.as_str())
            .or_insert(kind);
        if let (true, Some(from)) = (first != kind, visit.from) {
            let message = format!(
                "[{}] already serves another directive",
                visit.section.name.value
            );
            sink.add(
                Rule::SectionKind,
                from.span.clone(),
                message,
                "give each its own section",
            );
        }
    }
}
