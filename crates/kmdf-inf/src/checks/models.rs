//! From `[Manufacturer]` to the install sections: decorations, hardware IDs, and that each install is complete.

use std::collections::HashSet;

use crate::checks::Context;
use crate::decoration::Decoration;
use crate::directives::Sub;
use crate::finding::Sink;
use crate::rule::Rule;
use crate::walk::Install;

/// The first build that reads a build number in a decoration.
const FIRST_DECORATED_BUILD: u32 = 14310;
/// The longest hardware ID, its terminator left out.
const HARDWARE_ID_MAX: usize = 199;
/// Sections that a DDInstall may have since some build.
const SUB_SINCE: &[(Sub, u32)] = &[
    (Sub::Filters, 18362),
    (Sub::Events, 17763),
    (Sub::Components, 15063),
    (Sub::Software, 15063),
];

pub(crate) fn check(context: &Context<'_, '_>, sink: &mut Sink<'_>) {
    let defaults: Vec<&Install<'_, '_>> = context
        .walk
        .installs
        .iter()
        .filter(|install| install.name.to_lowercase().starts_with("defaultinstall"))
        .collect();
    no_device(context, defaults.is_empty(), sink);
    default_install(context, &defaults, sink);
    decorations(context, sink);
    hardware_ids(context, sink);
    for install in context
        .walk
        .installs
        .iter()
        .filter(|install| install.hardware)
    {
        if !context.extension && !without_device(context) {
            service(context, install, sink);
        }
        for (sub, since) in SUB_SINCE {
            if let Some(section) = install.sub(*sub).filter(|_| install.min_build < *since) {
                too_new(
                    sink,
                    section.name.span.clone(),
                    &format!("section [{}]", section.name.value),
                    *since,
                    install,
                );
            }
        }
        let loggers = install
            .sub(Sub::Events)
            .into_iter()
            .flat_map(|section| section.all("addautologger"));
        for entry in loggers.filter(|_| install.min_build < 22000) {
            too_new(sink, entry.span.clone(), "AddAutoLogger", 22000, install);
        }
    }
}

/// Reports syntax that Windows reads since build `since` only.
pub(crate) fn too_new(
    sink: &mut Sink<'_>,
    span: crate::text::Span,
    what: &str,
    since: u32,
    install: &Install<'_, '_>,
) {
    let oldest = if install.min_build == 0 {
        "before Windows 10".to_owned()
    } else {
        format!("{}", install.min_build)
    };
    let message = format!(
        "{what} needs build {since}; [{}] also installs on builds from {oldest}",
        install.name
    );
    sink.add(
        Rule::SyntaxTooNew,
        span,
        message,
        format!("decorate the models section NT$ARCH$.10.0...{since} or later"),
    );
}

fn no_device(context: &Context<'_, '_>, no_default: bool, sink: &mut Sink<'_>) {
    let manufacturer = context.doc.section("manufacturer");
    if manufacturer.is_some_and(|section| !section.entries.is_empty())
        || (manufacturer.is_none() && !no_default)
    {
        return;
    }
    let version = context.doc.section("version");
    let span = manufacturer
        .or(version)
        .map_or(0..0, |section| section.name.span.clone());
    let help = "add [Manufacturer] with a models section that names hardware IDs";
    sink.add(
        Rule::NoDevice,
        span,
        "this file installs on no device",
        help,
    );
}

fn default_install(context: &Context<'_, '_>, defaults: &[&Install<'_, '_>], sink: &mut Sink<'_>) {
    let mixed = context.doc.section("manufacturer").is_some();
    for install in defaults {
        let span = install.section.name.span.clone();
        if mixed {
            let help = "keep [Manufacturer] for a device driver, [DefaultInstall.NT<arch>] for a primitive driver";
            sink.add(
                Rule::DefaultInstallMixed,
                span.clone(),
                "[DefaultInstall] and [Manufacturer] exclude each other",
                help,
            );
        }
        let decoration = install.name.split_once('.').map(|(_, rest)| rest);
        if decoration
            .and_then(Decoration::parse)
            .is_none_or(|decoration| decoration.arch.is_none())
        {
            sink.add(
                Rule::DefaultInstallArch,
                span,
                "[DefaultInstall] has no architecture",
                "write [DefaultInstall.NT$ARCH$], or remove the section",
            );
        }
    }
}

fn decorations(context: &Context<'_, '_>, sink: &mut Sink<'_>) {
    for (section, decoration) in &context.walk.models {
        let span = section.name.span.clone();
        let name = &section.name.value;
        if decoration.arch.is_none() {
            let help = "decorate it NT$ARCH$ here and in [Manufacturer]; without an architecture it is for x86";
            sink.add(
                Rule::DecorationArch,
                span.clone(),
                format!("[{name}] has no architecture"),
                help,
            );
        }
        if decoration.product {
            let help = "leave both fields empty: NT$ARCH$.10.0...BUILD";
            sink.add(
                Rule::DecorationProduct,
                span.clone(),
                format!("[{name}] is decorated with ProductType or SuiteMask"),
                help,
            );
        }
        if let Some(build) = decoration
            .build
            .filter(|build| *build < FIRST_DECORATED_BUILD)
        {
            let message =
                format!("Windows reads build numbers from {FIRST_DECORATED_BUILD} on, not {build}");
            sink.add(
                Rule::DecorationBuild,
                span,
                message,
                "write a later build, or none",
            );
        }
    }
}

fn hardware_ids(context: &Context<'_, '_>, sink: &mut Sink<'_>) {
    for (section, _) in &context.walk.models {
        let mut known = HashSet::new();
        for entry in &section.entries {
            let ids = || {
                entry
                    .values
                    .iter()
                    .skip(1)
                    .filter(|field| !field.value.is_empty())
            };
            if entry.value(0).is_some() && ids().next().is_none() {
                sink.add(
                    Rule::NoDevice,
                    entry.span.clone(),
                    "this model has no hardware ID",
                    "write %Description% = InstallSection, HardwareId",
                );
            }
            for field in ids() {
                let id = context.doc.resolve(field);
                let invalid = id.chars().any(|c| !c.is_ascii_graphic() || c == ',');
                if invalid || id.encode_utf16().count() > HARDWARE_ID_MAX {
                    let help =
                        "an ID has at most 199 printable characters, without blanks and commas";
                    sink.add(
                        Rule::HardwareId,
                        field.span.clone(),
                        format!("no device has the ID '{id}'"),
                        help,
                    );
                }
                if !known.insert(id.to_lowercase()) {
                    sink.add(
                        Rule::DuplicateHardwareId,
                        field.span.clone(),
                        format!("'{id}' is listed twice in [{}]", section.name.value),
                        "keep one of the two",
                    );
                }
            }
        }
    }
}

/// Whether the class is of network components that are no devices: they have services of their own.
fn without_device(context: &Context<'_, '_>) -> bool {
    let class = context
        .doc
        .section("version")
        .and_then(|version| version.get("class"));
    let class = class.map(|class| context.doc.value(class, 0).to_lowercase());
    matches!(
        class.as_deref(),
        Some("nettrans" | "netservice" | "netclient")
    )
}

fn service(context: &Context<'_, '_>, install: &Install<'_, '_>, sink: &mut Sink<'_>) {
    let Some(services) = install.sub(Sub::Services) else {
        let help = format!(
            "add [{}.Services] with AddService = <name>, 0x2, <section>; `AddService = ,2` if no driver is needed",
            install.name
        );
        sink.add(
            Rule::ServiceMissing,
            install.section.name.span.clone(),
            format!("[{}] has no .Services section", install.name),
            help,
        );
        return;
    };
    let needs = services.get("needs").is_some();
    let associated = |entry| {
        context
            .doc
            .number(entry, 1)
            .is_some_and(|flags| flags & 2 != 0)
    };
    if !needs && !services.all("addservice").any(associated) {
        let help = "give the function driver's AddService the flag 0x2; where only filters are installed add `AddService = ,2`";
        sink.add(
            Rule::ServiceMissing,
            services.name.span.clone(),
            format!("[{}] associates no service", services.name.value),
            help,
        );
    }
}
