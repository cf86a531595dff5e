//! `[Version]`: who made the package, for which class, and how it is signed.

use crate::checks::Context;
use crate::classes;
use crate::directives::Kind;
use crate::document::Merged;
use crate::finding::Sink;
use crate::rule::Rule;
use crate::syntax::Entry;
use crate::values;

const NIL_GUID: &str = "{00000000-0000-0000-0000-000000000000}";
/// What templates leave for the author to fill in.
const PLACEHOLDERS: &[&str] = &[
    "TODO-Set-Provider",
    "TODO-Set-Manufacturer",
    "<Your manufacturer name>",
    "ManufacturerName",
];

pub(crate) fn check(context: &Context<'_, '_>, sink: &mut Sink<'_>) {
    let Some(version) = context.doc.section("version") else {
        return;
    };
    required(context, version, sink);
    provider(context, version, sink);
    catalog(context, version, sink);
    driver_ver(context, version, sink);
    class(context, version, sink);
    class_install(context, version, sink);
    extension_id(context, version, sink);
    extension_sections(context, sink);
    let lockdown = version.get("pnplockdown");
    if lockdown.map(|entry| context.doc.value(entry, 0)).as_deref() != Some("1") {
        let span = lockdown.map_or_else(|| version.name.span.clone(), |entry| entry.span.clone());
        sink.add(
            Rule::PnpLockdown,
            span,
            "PnpLockdown = 1 is missing",
            "add it to [Version]: other programs then cannot change the installed files",
        );
    }
}

fn required(context: &Context<'_, '_>, version: &Merged<'_>, sink: &mut Sink<'_>) {
    // stampinf writes DriverVer.
    let names: &[&str] = if context.inx {
        &["Class", "ClassGuid", "Provider"]
    } else {
        &["Class", "ClassGuid", "Provider", "DriverVer"]
    };
    for name in names {
        let entry = version.get(name);
        if entry.is_none_or(|entry| context.doc.value(entry, 0).is_empty()) {
            let span = entry.map_or_else(|| version.name.span.clone(), |entry| entry.span.clone());
            sink.add(
                Rule::VersionDirective,
                span,
                format!("[Version] has no {name}"),
                format!("add {name} = ..."),
            );
        }
    }
}

fn provider(context: &Context<'_, '_>, version: &Merged<'_>, sink: &mut Sink<'_>) {
    let provider = version.get("provider");
    if let Some(entry) = provider
        && context
            .doc
            .value(entry, 0)
            .to_lowercase()
            .starts_with("microsoft")
    {
        sink.add(
            Rule::ProviderMicrosoft,
            entry.span.clone(),
            "Provider is Microsoft",
            "name the organisation that wrote this file",
        );
    }
    let manufacturers = context
        .doc
        .section("manufacturer")
        .map(|section| section.entries.as_slice())
        .unwrap_or_default();
    let names = provider
        .into_iter()
        .filter_map(|entry| entry.values.first());
    for field in names.chain(manufacturers.iter().filter_map(|entry| entry.key.as_ref())) {
        let name = context.doc.resolve(field);
        if PLACEHOLDERS
            .iter()
            .any(|placeholder| placeholder.eq_ignore_ascii_case(&name))
        {
            sink.add(
                Rule::PlaceholderProvider,
                field.span.clone(),
                format!("'{name}' is a placeholder"),
                "name your organisation, in [Strings]",
            );
        }
    }
}

fn catalog(context: &Context<'_, '_>, version: &Merged<'_>, sink: &mut Sink<'_>) {
    let catalogs: Vec<&Entry> = version
        .entries
        .iter()
        .copied()
        .filter(|entry| {
            entry
                .key
                .as_ref()
                .is_some_and(|key| is_catalog_key(&key.value))
        })
        .collect();
    if catalogs.is_empty() {
        let help = "add CatalogFile = <package>.cat; `cargo wdk build` stamps the same name";
        sink.add(
            Rule::CatalogMissing,
            version.name.span.clone(),
            "[Version] names no catalog",
            help,
        );
    }
    for entry in catalogs {
        let name = context.doc.value(entry, 0).to_lowercase();
        let stem = name.strip_suffix(".cat").unwrap_or_default();
        if stem.is_empty() || stem.contains(['\\', '/', ':', '*', '?', '<', '>', '|']) {
            sink.add(
                Rule::CatalogName,
                entry.span.clone(),
                format!("'{name}' is not the name of a catalog"),
                "write the bare file name, ending in .cat",
            );
        }
    }
}

pub(crate) fn is_catalog_key(key: &str) -> bool {
    let key = key.to_lowercase();
    key == "catalogfile" || key.starts_with("catalogfile.")
}

fn driver_ver(context: &Context<'_, '_>, version: &Merged<'_>, sink: &mut Sink<'_>) {
    let installs = context
        .walk
        .installs
        .iter()
        .filter_map(|install| install.section.get("driverver"));
    for entry in version.get("driverver").into_iter().chain(installs) {
        let (date, number) = (context.doc.value(entry, 0), context.doc.value(entry, 1));
        // Left empty for stampinf, or `*` as its command line has it.
        if context.inx && number.is_empty() && (date.is_empty() || date == "*") {
            continue;
        }
        if !date.is_empty() && !values::is_date(&date) {
            sink.add(
                Rule::DriverDate,
                entry.span.clone(),
                format!("'{date}' is not a date"),
                "write mm/dd/yyyy",
            );
        }
        if !date.is_empty() && !values::is_version(&number) {
            let help = "write DriverVer = mm/dd/yyyy,w.x.y.z with fields below 65536, not all 0";
            sink.add(
                Rule::DriverVersion,
                entry.span.clone(),
                format!("'{number}' is not a version"),
                help,
            );
        }
    }
}

fn class(context: &Context<'_, '_>, version: &Merged<'_>, sink: &mut Sink<'_>) {
    let text = |name: &str| {
        version
            .get(name)
            .map(|entry| (entry, context.doc.value(entry, 0)))
    };
    let guid = text("classguid").filter(|(_, guid)| !guid.is_empty());
    let guid = match guid {
        Some((entry, guid)) if !values::is_guid(&guid) => {
            let help = "write {xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx}, braces included";
            sink.add(
                Rule::ClassGuid,
                entry.span.clone(),
                format!("'{guid}' is not a GUID"),
                help,
            );
            None
        }
        other => other,
    };
    let Some((entry, name)) = text("class") else {
        return;
    };
    let of_guid = guid.as_ref().and_then(|(_, guid)| classes::by_guid(guid));
    let of_name = classes::by_name(&name);
    match (of_guid, of_name) {
        (Some(expected), _) if !expected.0.eq_ignore_ascii_case(&name) => {
            let help = format!(
                "write Class = {}, or the GUID of the class you mean",
                expected.0
            );
            sink.add(
                Rule::ClassName,
                entry.span.clone(),
                format!("ClassGuid belongs to class {}, not to {name}", expected.0),
                help,
            );
        }
        (None, Some(expected)) => {
            if let Some((entry, _)) = guid {
                let help = format!("write ClassGuid = {{{}}}", expected.1);
                sink.add(
                    Rule::ClassGuidMismatch,
                    entry.span.clone(),
                    format!("this is not the GUID of class {name}"),
                    help,
                );
            }
        }
        _ => {}
    }
    match of_name.or(of_guid) {
        Some(class) if class.0 == classes::SAMPLE => {
            let help = "choose the class of the device; for USB devices without one: USBDevice";
            sink.add(
                Rule::SampleClass,
                entry.span.clone(),
                "class Sample is reserved for Microsoft's samples",
                help,
            );
        }
        Some((system, _, true)) => {
            let help = if *system == "USB" {
                "a USB device that is no hub or host controller: Class = USBDevice"
            } else {
                "choose a class that is open to vendors"
            };
            sink.add(
                Rule::SystemClass,
                entry.span.clone(),
                format!("class {system} is reserved for the system"),
                help,
            );
        }
        _ => {}
    }
}

fn class_install(context: &Context<'_, '_>, version: &Merged<'_>, sink: &mut Sink<'_>) {
    let guid = version
        .get("classguid")
        .map(|entry| context.doc.value(entry, 0))
        .unwrap_or_default();
    let known = classes::by_guid(&guid);
    for visit in &context.walk.visits {
        let name = &visit.section.name;
        if visit.kind != Kind::Install || !name.value.to_lowercase().starts_with("classinstall32") {
            continue;
        }
        let help = "remove the section; use a class that Windows defines as it is";
        match known {
            Some(class) => sink.add(
                Rule::ClassInstaller,
                name.span.clone(),
                format!("class {} is defined by Windows", class.0),
                help,
            ),
            None => sink.add(
                Rule::PrivateClass,
                name.span.clone(),
                "a class of its own is not valid in a universal package",
                help,
            ),
        }
    }
}

fn extension_id(context: &Context<'_, '_>, version: &Merged<'_>, sink: &mut Sink<'_>) {
    let new_guid = "make one GUID for this extension and keep it for its whole life";
    match (version.get("extensionid"), context.extension) {
        (None, true) => sink.add(
            Rule::ExtensionIdMissing,
            version.name.span.clone(),
            "an extension INF needs an ExtensionId",
            new_guid,
        ),
        (Some(entry), true) => {
            let guid = context.doc.value(entry, 0);
            if !values::is_guid(&guid) || guid == NIL_GUID {
                sink.add(
                    Rule::ExtensionIdInvalid,
                    entry.span.clone(),
                    format!("'{guid}' is not an ExtensionId"),
                    new_guid,
                );
            }
        }
        (Some(entry), false) => {
            let help =
                "remove it, or make this an extension INF: Class = Extension and its ClassGuid";
            sink.add(
                Rule::ExtensionIdBase,
                entry.span.clone(),
                "only extension INFs have an ExtensionId",
                help,
            );
        }
        (None, false) => {}
    }
}

/// What only the base package of a device can say.
fn extension_sections(context: &Context<'_, '_>, sink: &mut Sink<'_>) {
    let help = "leave it to the base INF";
    let sections = context.doc.sections.iter().filter(|(name, _)| {
        let base = name.split('.').next().unwrap_or_default();
        ["classinstall32", "controlflags", "defaultinstall"].contains(&base)
    });
    for (_, section) in sections.filter(|_| context.extension) {
        let message = format!("an extension INF has no [{}]", section.name.value);
        sink.add(
            Rule::ExtensionDirective,
            section.name.span.clone(),
            message,
            help,
        );
    }
}
