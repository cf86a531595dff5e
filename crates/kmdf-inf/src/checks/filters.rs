//! Declarative filters, and what an INF says of the framework.

use crate::checks::Context;
use crate::checks::services::{self, KERNEL_DRIVER};
use crate::directives::{Kind, Scope, Sub};
use crate::document::Merged;
use crate::finding::Sink;
use crate::rule::Rule;
use crate::syntax::Entry;
use crate::values;
use crate::walk::{Install, Visit};

/// KMDF versions by minor number, with the first build that ships each.
const KMDF: &[(u16, u32)] = &[
    (1, 0),
    (5, 0),
    (7, 0),
    (9, 0),
    (11, 0),
    (13, 0),
    (15, 10240),
    (17, 10586),
    (19, 14393),
    (21, 15063),
    (23, 16299),
    (25, 17134),
    (27, 17763),
    (29, 18362),
    (31, 19041),
    (33, 20348),
];

pub(crate) fn check(context: &Context<'_, '_>, sink: &mut Sink<'_>) {
    let services = services::names(context);
    for visit in &context.walk.visits {
        match visit.kind {
            Kind::Sub(Sub::Filters) => {
                for entry in visit.section.all("addfilter") {
                    add_filter(context, visit, entry, &services, sink);
                }
            }
            Kind::Filter => filter(context, visit.section, sink),
            Kind::Sub(Sub::Wdf) => {
                for entry in visit.section.all("kmdfservice") {
                    let name = context.doc.value(entry, 0);
                    service_exists(context, visit, entry, &name, &services, sink);
                    services::kmdf_name(entry, &name, sink);
                }
            }
            Kind::Kmdf => library(context, visit, sink),
            _ => {}
        }
    }
    for (index, install) in context.walk.installs.iter().enumerate() {
        kmdf_missing(context, index, install, sink);
    }
}

fn add_filter(
    context: &Context<'_, '_>,
    visit: &Visit<'_, '_>,
    entry: &Entry,
    services: &[String],
    sink: &mut Sink<'_>,
) {
    if context.doc.number(entry, 1) != Some(0) {
        sink.add(
            Rule::FilterFlags,
            entry.span.clone(),
            "AddFilter has no flags yet",
            "leave the second value empty",
        );
    }
    let name = context.doc.value(entry, 0);
    service_exists(context, visit, entry, &name, services, sink);
}

/// Reports a service name that no AddService of the file has, or has in another spelling.
fn service_exists(
    context: &Context<'_, '_>,
    visit: &Visit<'_, '_>,
    entry: &Entry,
    name: &str,
    services: &[String],
    sink: &mut Sink<'_>,
) {
    let others = context
        .walk
        .installs
        .get(visit.install)
        .is_some_and(Install::needs_others);
    if services.iter().any(|service| service == name) {
        return;
    }
    if let Some(other) = services
        .iter()
        .find(|service| service.eq_ignore_ascii_case(name))
    {
        sink.add(
            Rule::ServiceNameCase,
            entry.span.clone(),
            format!("AddService spells it '{other}'"),
            "use one spelling of the service's name",
        );
    } else if !others {
        let help = crate::document::suggest(
            name,
            services.iter().map(String::as_str),
            "add AddService for it",
        );
        sink.add(
            Rule::ServiceNotInFile,
            entry.span.clone(),
            format!("no AddService adds '{name}'"),
            help,
        );
    }
}

fn filter(context: &Context<'_, '_>, section: &Merged<'_>, sink: &mut Sink<'_>) {
    let (level, position) = (section.get("filterlevel"), section.get("filterposition"));
    if let (Some(level), Some(position)) = (level, position) {
        let later = if level.span.start > position.span.start {
            level
        } else {
            position
        };
        sink.add(
            Rule::FilterBoth,
            later.span.clone(),
            "FilterLevel and FilterPosition exclude each other",
            "keep one of the two",
        );
    }
    if level.is_none() && position.is_none() {
        let help =
            "add FilterPosition = Upper or Lower, or FilterLevel with a level of the base INF";
        sink.add(
            Rule::FilterNeither,
            section.name.span.clone(),
            format!(
                "[{}] says nowhere where the filter goes",
                section.name.value
            ),
            help,
        );
    }
    if let Some(entry) = position {
        let value = context.doc.value(entry, 0);
        if !["upper", "lower"].contains(&value.to_lowercase().as_str()) {
            sink.add(
                Rule::FilterPosition,
                entry.span.clone(),
                format!("'{value}' is not a position"),
                "write Upper or Lower",
            );
        }
    }
    // Only the base INF defines levels, so those of an extension cannot be seen here.
    if let (Some(entry), false) = (level, context.extension) {
        let value = context.doc.value(entry, 0);
        if !levels(context)
            .iter()
            .any(|level| level.eq_ignore_ascii_case(&value))
        {
            let help = "define it: HKR,,UpperFilterLevels,0x00010000,... in the AddReg of the .HW section; Windows leaves the filter out otherwise";
            sink.add(
                Rule::FilterLevel,
                entry.span.clone(),
                format!("no filter level is named '{value}'"),
                help,
            );
        }
    }
}

fn levels(context: &Context<'_, '_>) -> Vec<String> {
    let hardware = context
        .walk
        .visits
        .iter()
        .filter(|visit| visit.kind == Kind::Registry(Scope::Hardware));
    let entries = hardware
        .flat_map(|visit| &visit.section.entries)
        .filter(|entry| {
            let name = context.doc.value(entry, 2).to_lowercase();
            name == "upperfilterlevels" || name == "lowerfilterlevels"
        });
    entries
        .flat_map(|entry| entry.values.iter().skip(4))
        .map(|field| context.doc.resolve(field))
        .collect()
}

fn library(context: &Context<'_, '_>, visit: &Visit<'_, '_>, sink: &mut Sink<'_>) {
    let Some(entry) = visit.section.get("kmdflibraryversion") else {
        let message = format!("[{}] has no KmdfLibraryVersion", visit.section.name.value);
        sink.add(
            Rule::KmdfVersionMissing,
            visit.section.name.span.clone(),
            message,
            "add KmdfLibraryVersion = $KMDFVERSION$",
        );
        return;
    };
    let text = context.doc.value(entry, 0);
    let version = if text == "$KMDFVERSION$" {
        context.options.kmdf
    } else {
        values::major_minor(&text)
    };
    if text == "$KMDFVERSION$" && version.is_none() {
        return;
    }
    let known = version
        .filter(|(major, _)| *major == 1)
        .and_then(|(_, minor)| KMDF.iter().find(|(known, _)| *known == minor));
    let Some((minor, floor)) = known else {
        // A variable that is misspelled is a finding of its own.
        if !text.starts_with('$') {
            sink.add(
                Rule::KmdfVersion,
                entry.span.clone(),
                format!("'{text}' is not a released KMDF version"),
                "write $KMDFVERSION$, or 1.33 at most",
            );
        }
        return;
    };
    if let Some(install) = context
        .walk
        .installs
        .get(visit.install)
        .filter(|install| install.min_build < *floor)
    {
        let message = format!(
            "KMDF 1.{minor} comes with build {floor}; [{}] also installs on earlier ones",
            install.name
        );
        let help = format!(
            "decorate the models section NT$ARCH$.10.0...{floor}, or target an earlier KMDF; the driver cannot load there"
        );
        sink.add(Rule::KmdfOsFloor, entry.span.clone(), message, help);
    }
}

fn kmdf_missing(
    context: &Context<'_, '_>,
    index: usize,
    install: &Install<'_, '_>,
    sink: &mut Sink<'_>,
) {
    if context.options.kmdf.is_none()
        || !install.hardware
        || install.needs_others()
        || install.sub(Sub::Wdf).is_some()
    {
        return;
    }
    let kernel = context
        .walk
        .visits
        .iter()
        .filter(|visit| visit.install == index && visit.kind == Kind::Service)
        .any(|visit| {
            let kind = visit
                .section
                .get("servicetype")
                .map(|entry| context.doc.value(entry, 0));
            kind.and_then(|kind| values::number(&kind)) == Some(KERNEL_DRIVER)
        });
    if kernel {
        let help = "add KmdfService = <service>, <section> and there KmdfLibraryVersion = $KMDFVERSION$; for drivers without KMDF switch the rule off";
        let name = &install.section.name;
        sink.add(
            Rule::KmdfMissing,
            name.span.clone(),
            format!("there is no [{}.Wdf]", install.name),
            help,
        );
    }
}
