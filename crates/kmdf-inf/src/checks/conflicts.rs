//! One service, described twice: what is installed must not depend on which device came last.

use std::collections::HashMap;

use crate::checks::Context;
use crate::directives::Kind;
use crate::document::Merged;
use crate::finding::Sink;
use crate::rule::Rule;
use crate::syntax::Entry;

/// A service on one target: its name, the oldest build, the architecture. On another target it may differ.
type Target = (String, u32, String);

pub(crate) fn check(context: &Context<'_, '_>, sink: &mut Sink<'_>) {
    let mut configurations = HashMap::new();
    let mut values = HashMap::new();
    for visit in context
        .walk
        .visits
        .iter()
        .filter(|visit| visit.kind == Kind::Service)
    {
        let Some(from) = visit.from.filter(|entry| entry.key_is("addservice")) else {
            continue;
        };
        let Some(install) = context.walk.installs.get(visit.install) else {
            continue;
        };
        let name = context.doc.value(from, 0);
        for arch in &install.archs {
            let target = (name.to_lowercase(), install.min_build, arch.clone());
            configuration(
                context,
                visit.section,
                from,
                &target,
                &mut configurations,
                sink,
            );
            registry(context, visit.section, &target, &mut values, sink);
        }
    }
}

/// The service's own directives; what `AddReg` writes is compared value by value.
fn configuration<'a, 'd>(
    context: &Context<'_, '_>,
    section: &'d Merged<'a>,
    from: &Entry,
    target: &Target,
    known: &mut HashMap<Target, (&'d Merged<'a>, Vec<String>)>,
    sink: &mut Sink<'_>,
) {
    let mut lines: Vec<String> = section
        .entries
        .iter()
        .filter(|entry| !entry.key_is("addreg"))
        .map(|entry| joined(context, entry))
        .collect();
    lines.sort_unstable();
    let (first, expected) = known
        .entry(target.clone())
        .or_insert_with(|| (section, lines.clone()));
    if *expected != lines {
        let message = format!(
            "service '{}' is described by [{}] and differently by [{}]",
            target.0, first.name.value, section.name.value
        );
        let help = "let both refer to one section";
        sink.add(Rule::ServiceConflict, from.span.clone(), message, help);
    }
}

fn registry(
    context: &Context<'_, '_>,
    section: &Merged<'_>,
    target: &Target,
    known: &mut HashMap<(Target, [String; 3]), (String, String)>,
    sink: &mut Sink<'_>,
) {
    let names = section.all("addreg").flat_map(|entry| &entry.values);
    let sections = names.filter_map(|field| context.doc.section(&context.doc.resolve(field)));
    for (list, entry) in
        sections.flat_map(|list| list.entries.iter().map(move |entry| (list, *entry)))
    {
        let place = [0, 1, 2].map(|at| context.doc.value(entry, at).to_lowercase());
        let data = joined(context, entry);
        let (first, expected) = known
            .entry((target.clone(), place))
            .or_insert_with(|| (list.name.value.clone(), data.clone()));
        if *expected != data {
            let value = context.doc.value(entry, 2);
            let message = format!("service '{}' gets another '{value}' by [{first}]", target.0);
            let help = "write the value once, in a section that both refer to";
            sink.add(Rule::RegistryConflict, entry.span.clone(), message, help);
        }
    }
}

/// An entry as one text, to be compared.
fn joined(context: &Context<'_, '_>, entry: &Entry) -> String {
    let fields = entry
        .fields()
        .map(|field| context.doc.resolve(field).to_lowercase());
    fields.collect::<Vec<_>>().join(",")
}
