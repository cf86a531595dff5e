//! `AddService` and the service-install sections.

use crate::checks::Context;
use crate::checks::models::too_new;
use crate::directives::{Kind, Sub};
use crate::document::Merged;
use crate::finding::Sink;
use crate::rule::Rule;
use crate::syntax::{Entry, Field};
use crate::values;
use crate::walk::Visit;

const ASSOCIATED: u64 = 0x2;
const START_SERVICE: u64 = 0x800;
pub(crate) const KERNEL_DRIVER: u64 = 1;
/// The framework's loader takes no longer service name.
const KMDF_NAME_MAX: usize = 31;

/// Names of the services in Microsoft's driver samples.
const SAMPLES: &[&str] = &[
    "avscamera",
    "avshws",
    "avssamp",
    "bthechosamplecli",
    "bthechosamplesrv",
    "defect_toastmon",
    "dynambus",
    "echo",
    "echo_2",
    "fakemdm",
    "firefly",
    "genpci",
    "hidusbfx2",
    "kbfiltr",
    "kmdf_enumswitches",
    "moufiltr",
    "msforwardext",
    "mspassthroughext",
    "ndislwf",
    "ndisprot60",
    "ndisprot630",
    "netvmini60",
    "netvmini620",
    "netvmini630",
    "netvmini680",
    "osrusbfx2",
    "pci9x5x",
    "sampledsm",
    "sdcavxu",
    "serialbuswdk",
    "simbatt",
    "simgpio",
    "simgpio_i2c",
    "simsensor",
    "skeletoni2c",
    "spbtesttool",
    "statbus",
    "toaster",
    "toasterfilter",
    "usbsamp",
    "vhidmini",
    "wdffeatured",
    "wdfmulticomp",
    "wdfsimple",
    "wdftoastmon",
    "wmisamp",
];
/// Names of services that every Windows has.
const SYSTEM: &[&str] = &[
    "acpi", "cdrom", "disk", "fltmgr", "hidusb", "i8042prt", "kbdclass", "kbdhid", "monitor",
    "mouclass", "mouhid", "mountmgr", "ndis", "ntfs", "partmgr", "pci", "serenum", "serial",
    "storahci", "storport", "stornvme", "tcpip", "usbccgp", "usbhub", "usbhub3", "usbstor",
    "usbxhci", "volmgr", "volsnap", "wdf01000",
];

/// Required directives with the usual value of a device driver, and all values that they take.
const REQUIRED: &[(&str, u64, &[u64])] = &[
    (
        "ServiceType",
        1,
        &[1, 2, 0x10, 0x20, 0x50, 0x60, 0x110, 0x120],
    ),
    ("StartType", 3, &[0, 1, 2, 3, 4]),
    ("ErrorControl", 1, &[0, 1, 2, 3]),
];

pub(crate) fn check(context: &Context<'_, '_>, sink: &mut Sink<'_>) {
    for visit in &context.walk.visits {
        match visit.kind {
            Kind::Sub(Sub::Services) => services(context, visit, sink),
            Kind::Service => {
                service(context, visit, sink);
            }
            _ => {}
        }
    }
}

/// The names of all services that the file adds.
pub(crate) fn names(context: &Context<'_, '_>) -> Vec<String> {
    let sections = context
        .walk
        .visits
        .iter()
        .filter(|visit| visit.kind == Kind::Sub(Sub::Services));
    let entries = sections.flat_map(|visit| visit.section.all("addservice"));
    entries
        .map(|entry| context.doc.value(entry, 0))
        .filter(|name| !name.is_empty())
        .collect()
}

fn services(context: &Context<'_, '_>, visit: &Visit<'_, '_>, sink: &mut Sink<'_>) {
    let mut associated: Option<String> = None;
    for entry in visit.section.all("addservice") {
        let name = context.doc.value(entry, 0);
        let Some(flags) = context.doc.number(entry, 1) else {
            let help = "write 0x2 for the function driver, nothing for a filter";
            sink.add(
                Rule::ServiceFlags,
                entry.span.clone(),
                format!("'{}' are not AddService flags", context.doc.value(entry, 1)),
                help,
            );
            continue;
        };
        if flags & START_SERVICE != 0 {
            let help = "remove 0x800; Plug and Play starts the driver with its device";
            sink.add(
                Rule::ServiceFlags,
                entry.span.clone(),
                "a device's driver cannot be started as a service",
                help,
            );
        }
        if flags & ASSOCIATED != 0 {
            association(context, visit, entry, &name, sink);
            if let Some(first) = associated.replace(name.clone()) {
                let help = "give 0x2 to the function driver's service only";
                sink.add(
                    Rule::ServicesAssociated,
                    entry.span.clone(),
                    format!("both '{first}' and '{name}' are associated services"),
                    help,
                );
            }
        }
        if name.is_empty() {
            if flags & ASSOCIATED == 0 {
                sink.add(
                    Rule::ServiceName,
                    entry.span.clone(),
                    "AddService names no service",
                    "write AddService = <name>, <flags>, <section>",
                );
            }
            continue;
        }
        if entry.value(2).is_none() {
            sink.add(
                Rule::SectionRequired,
                entry.span.clone(),
                "AddService names no section",
                "name the section that describes the service",
            );
        }
        reserved(entry, &name, sink);
    }
}

fn association(
    context: &Context<'_, '_>,
    visit: &Visit<'_, '_>,
    entry: &Entry,
    name: &str,
    sink: &mut Sink<'_>,
) {
    if context.extension {
        let help = "leave the flags empty; the base INF associates the function driver";
        sink.add(
            Rule::ExtensionAssociated,
            entry.span.clone(),
            "an extension INF cannot associate a service",
            help,
        );
        return;
    }
    let install = context.walk.installs.get(visit.install);
    let filters = install
        .and_then(|install| install.sub(Sub::Filters))
        .into_iter()
        .flat_map(|section| section.all("addfilter"));
    if filters
        .into_iter()
        .any(|filter| context.doc.value(filter, 0).eq_ignore_ascii_case(name))
    {
        let help = "leave the flags of a filter's AddService empty";
        sink.add(
            Rule::FilterAssociated,
            entry.span.clone(),
            format!("'{name}' is a filter and the associated service"),
            help,
        );
    }
}

fn reserved(entry: &Entry, name: &str, sink: &mut Sink<'_>) {
    let lower = name.to_lowercase();
    let help = "choose a name that starts with your company's";
    if SAMPLES.contains(&lower.as_str()) {
        sink.add(
            Rule::ServiceNameReserved,
            entry.span.clone(),
            format!("'{name}' is the name of a Microsoft sample"),
            help,
        );
    } else if SYSTEM.contains(&lower.as_str()) {
        sink.add(
            Rule::ServiceNameSystem,
            entry.span.clone(),
            format!("'{name}' is a service of Windows"),
            help,
        );
    }
}

/// Reports a KMDF service name that the framework's loader cannot take.
pub(crate) fn kmdf_name(entry: &Entry, name: &str, sink: &mut Sink<'_>) {
    if name.encode_utf16().count() > KMDF_NAME_MAX {
        sink.add(
            Rule::ServiceNameLong,
            entry.span.clone(),
            format!("'{name}' has more than 31 characters"),
            "shorten the service's name",
        );
    }
}

fn service(context: &Context<'_, '_>, visit: &Visit<'_, '_>, sink: &mut Sink<'_>) {
    let section = visit.section;
    let value = |name: &str| {
        section
            .get(name)
            .and_then(|entry| values::number(&context.doc.value(entry, 0)))
    };
    for (name, usual, allowed) in REQUIRED {
        let Some(entry) = section.get(name) else {
            continue;
        };
        let text = context.doc.value(entry, 0);
        if !values::number(&text).is_some_and(|number| allowed.contains(&number)) {
            sink.add(
                Rule::ServiceValue,
                entry.span.clone(),
                format!("'{text}' is not a {name}"),
                format!("write {name} = {usual}, as for other device drivers"),
            );
        }
    }
    for name in ["ServiceType", "StartType", "ErrorControl", "ServiceBinary"] {
        if section.get(name).is_none() {
            sink.add(
                Rule::ServiceDirective,
                section.name.span.clone(),
                format!("[{}] has no {name}", section.name.value),
                format!("add {name} = ..."),
            );
        }
    }
    if value("ServiceType") != Some(KERNEL_DRIVER) {
        return;
    }
    let span = |name: &str| {
        section
            .get(name)
            .map_or_else(|| section.name.span.clone(), |entry| entry.span.clone())
    };
    let associated = visit
        .from
        .and_then(|entry| context.doc.number(entry, 1))
        .is_some_and(|flags| flags & ASSOCIATED != 0);
    match value("StartType") {
        Some(2) => sink.add(
            Rule::ServiceAutoStart,
            span("StartType"),
            "a Plug and Play driver cannot start automatically",
            "write StartType = 3",
        ),
        Some(4) if associated => sink.add(
            Rule::ServiceDisabled,
            span("StartType"),
            "the device's driver is disabled",
            "write StartType = 3",
        ),
        _ => {}
    }
    if value("ErrorControl") == Some(3) && value("StartType") != Some(0) {
        let help = "write ErrorControl = 1; 3 is for drivers without which Windows cannot boot";
        sink.add(
            Rule::ServiceErrorControl,
            span("ErrorControl"),
            "a failure of this driver would fail the boot",
            help,
        );
    }
    order(context, section, sink);
    let install = context.walk.installs.get(visit.install);
    if let (Some(entry), Some(install)) = (
        section.get("BootFlags"),
        install.filter(|install| install.min_build < 25398),
    ) {
        too_new(sink, entry.span.clone(), "BootFlags", 25398, install);
    }
}

fn order(context: &Context<'_, '_>, section: &Merged<'_>, sink: &mut Sink<'_>) {
    // A class extension (SpbCx, GpioClx) is no part of the stack: its client does depend on it.
    let extension = |field: &Field| {
        let name = context.doc.resolve(field).to_lowercase();
        name.ends_with("cx") || name.ends_with("clx")
    };
    let dependencies = section.get("Dependencies");
    let dependencies = dependencies.filter(|entry| !entry.values.iter().all(extension));
    for entry in section
        .get("LoadOrderGroup")
        .into_iter()
        .chain(dependencies)
    {
        let name = entry.key.as_ref().map_or("", |key| &key.value);
        sink.add(
            Rule::ServiceOrder,
            entry.span.clone(),
            format!("{name} has no effect on the order of Plug and Play drivers"),
            "remove it; the device stack decides the order",
        );
    }
}
