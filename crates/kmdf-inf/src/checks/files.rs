//! Files: where they come from, where they go, and that the service's binary is among them.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::checks::Context;
use crate::checks::models::too_new;
use crate::decoration::ANY_ARCH;
use crate::directives::Kind;
use crate::document::Merged;
use crate::finding::Sink;
use crate::rule::{Level, Rule};
use crate::syntax::{Entry, Field};
use crate::text::Span;
use crate::values;
use crate::walk::{Install, Visit};

/// The driver store.
const DRIVER_STORE: u32 = 13;
const DRIVER_STORE_SINCE: u32 = 16299;
/// DIRIDs that a WHQL signature still tolerates.
const TOLERATED: &[u32] = &[
    10, 11, 12, 23, 51, 52, 55, 16422, 16425, 16426, 16427, 16428, 66000, 66001, 66002, 66003,
    66004,
];
/// DIRIDs below the Windows directory.
const SYSTEM: &[u32] = &[
    10, 11, 12, 13, 17, 18, 20, 21, 23, 50, 51, 52, 54, 55, 16425, 66000, 66001, 66002, 66003,
    66004,
];
/// Flags that replace or rename what is there; the driver store never does.
const REPLACING_FLAGS: u64 = 0x10 | 0x400 | 0x4000;

/// One file that an install copies.
#[derive(Debug)]
struct Copy {
    install: usize,
    name: String,
    source: String,
    span: Span,
    flags: u64,
    destination: Option<(u32, String)>,
    secured: Option<Span>,
}

pub(crate) fn check(context: &Context<'_, '_>, sink: &mut Sink<'_>) {
    sources(context, sink);
    let mut copies = Vec::new();
    for visit in &context.walk.visits {
        match visit.kind {
            Kind::FileList => list(context, visit, &mut copies, sink),
            Kind::Install | Kind::Directives => direct(context, visit, &mut copies, sink),
            _ => {}
        }
    }
    for copy in &copies {
        source_of(context, copy, sink);
        driver_store(context, copy, sink);
    }
    conflicts(&copies, sink);
    unused_sources(context, &copies, sink);
    for visit in context
        .walk
        .visits
        .iter()
        .filter(|visit| visit.kind == Kind::Service)
    {
        service_binary(context, visit, &copies, sink);
    }
}

/// `[SourceDisksFiles]` and its decorated forms; those for other architectures left out.
fn tables<'d>(
    context: &'d Context<'_, 'd>,
    base: &'static str,
    archs: Option<&'d BTreeSet<String>>,
) -> impl Iterator<Item = &'d Merged<'d>> {
    context
        .doc
        .sections
        .iter()
        .filter(move |(name, _)| {
            let Some(rest) = name.strip_prefix(base) else {
                return false;
            };
            let Some(arch) = rest.strip_prefix('.') else {
                return rest.is_empty();
            };
            archs.is_none_or(|archs| {
                archs.contains(arch) || archs.contains(ANY_ARCH) || arch == ANY_ARCH
            })
        })
        .map(|(_, section)| section)
}

fn sources(context: &Context<'_, '_>, sink: &mut Sink<'_>) {
    let mut disks = HashSet::new();
    for key in tables(context, "sourcedisksnames", None)
        .flat_map(|table| &table.entries)
        .filter_map(|entry| entry.key.as_ref())
    {
        let id = context.doc.resolve(key);
        if values::number(&id).is_none() {
            sink.add(
                Rule::DiskId,
                key.span.clone(),
                format!("'{id}' is not a disk id"),
                "number the disks: 1 = %Media%",
            );
        }
        disks.insert(id);
    }
    for entry in tables(context, "sourcedisksfiles", None).flat_map(|table| &table.entries) {
        let Some(key) = &entry.key else { continue };
        let name = key.value.to_lowercase();
        if name.ends_with(".cat") {
            sink.add(
                Rule::CatalogListed,
                key.span.clone(),
                "a catalog is not copied from [SourceDisksFiles]",
                "remove the line; CatalogFile names the catalog",
            );
        }
        if name.ends_with('_') {
            sink.add(
                Rule::SourceCompressed,
                key.span.clone(),
                format!("'{}' is the name of a compressed file", key.value),
                "list the file by its own name",
            );
        }
        let disk = context.doc.value(entry, 0);
        if values::number(&disk).is_none() {
            sink.add(
                Rule::DiskId,
                entry.span.clone(),
                format!("'{disk}' is not a disk id"),
                "write <file> = 1",
            );
        } else if !disks.contains(&disk) {
            sink.add(
                Rule::DiskUndefined,
                entry.span.clone(),
                format!("[SourceDisksNames] lists no disk {disk}"),
                format!("add {disk} = %Media% to [SourceDisksNames]"),
            );
        }
    }
}

/// The destination of a file list, or of single files.
fn destination(context: &Context<'_, '_>, list: Option<&str>) -> Option<(u32, String, Span)> {
    let table = context.doc.section("destinationdirs")?;
    let entry = list
        .and_then(|list| table.get(list))
        .or_else(|| table.get("defaultdestdir"))?;
    let id = u32::try_from(values::number(&context.doc.value(entry, 0))?).ok()?;
    Some((
        id,
        context.doc.value(entry, 1).trim_matches('\\').to_owned(),
        entry.span.clone(),
    ))
}

/// The destination, after what is to be said of it.
fn checked_destination(
    context: &Context<'_, '_>,
    list: Option<&Merged<'_>>,
    reference: Span,
    install: usize,
    sink: &mut Sink<'_>,
) -> Option<(u32, String)> {
    let name = list.map(|list| list.name.value.as_str());
    let install = context.walk.installs.get(install)?;
    let Some((id, path, span)) = destination(context, name) else {
        let table = context.doc.section("destinationdirs");
        let entry = table.and_then(|table| {
            name.and_then(|name| table.get(name))
                .or_else(|| table.get("defaultdestdir"))
        });
        match entry {
            Some(entry) => {
                let text = context.doc.value(entry, 0);
                sink.add(
                    Rule::DestinationId,
                    entry.span.clone(),
                    format!("'{text}' is not a DIRID"),
                    "write DefaultDestDir = 13",
                );
            }
            None => sink.add(
                Rule::DestinationMissing,
                reference,
                "no destination directory for these files",
                "add [DestinationDirs] with DefaultDestDir = 13",
            ),
        }
        return None;
    };
    if id == DRIVER_STORE {
        if install.min_build < DRIVER_STORE_SINCE {
            too_new(sink, span, "DIRID 13", DRIVER_STORE_SINCE, install);
        }
    } else if !(context.options.level == Level::Signature && TOLERATED.contains(&id)) {
        let help = "write 13: the file then stays in, and runs from, the driver store";
        sink.add(
            Rule::DestinationIsolated,
            span.clone(),
            format!("DIRID {id} is outside the driver store"),
            help,
        );
        if !SYSTEM.contains(&id) {
            sink.add(
                Rule::DestinationSystem,
                span,
                format!("DIRID {id} is outside the Windows directory"),
                help,
            );
        }
    }
    Some((id, path))
}

fn list(
    context: &Context<'_, '_>,
    visit: &Visit<'_, '_>,
    copies: &mut Vec<Copy>,
    sink: &mut Sink<'_>,
) {
    let reference = visit.from.map_or_else(
        || visit.section.name.span.clone(),
        |entry| entry.span.clone(),
    );
    let destination =
        checked_destination(context, Some(visit.section), reference, visit.install, sink);
    let secured = context
        .doc
        .section(&format!("{}.security", visit.section.name.value))
        .map(|section| section.name.span.clone());
    for entry in &visit.section.entries {
        let Some(field) = entry.value(0) else {
            continue;
        };
        let name = context.doc.resolve(field);
        let source = context.doc.value(entry, 1);
        copies.push(Copy {
            install: visit.install,
            source: if source.is_empty() {
                name.clone()
            } else {
                source
            },
            name,
            span: field.span.clone(),
            flags: context.doc.number(entry, 3).unwrap_or(0),
            destination: destination.clone(),
            secured: secured.clone(),
        });
    }
}

/// `CopyFiles = @file`.
fn direct(
    context: &Context<'_, '_>,
    visit: &Visit<'_, '_>,
    copies: &mut Vec<Copy>,
    sink: &mut Sink<'_>,
) {
    for field in visit
        .section
        .all("copyfiles")
        .flat_map(|entry| &entry.values)
    {
        let Some(name) = context
            .doc
            .resolve(field)
            .strip_prefix('@')
            .map(str::to_owned)
        else {
            continue;
        };
        let destination =
            checked_destination(context, None, field.span.clone(), visit.install, sink);
        copies.push(Copy {
            install: visit.install,
            source: name.clone(),
            name,
            span: field.span.clone(),
            flags: 0,
            destination,
            secured: None,
        });
    }
}

fn install<'d>(context: &'d Context<'_, 'd>, copy: &Copy) -> Option<&'d Install<'d, 'd>> {
    context.walk.installs.get(copy.install)
}

/// The `[SourceDisksFiles]` entry of a copied file.
fn source_entry<'d>(context: &'d Context<'_, 'd>, copy: &Copy) -> Option<&'d Entry> {
    let archs = install(context, copy).map(|install| &install.archs);
    tables(context, "sourcedisksfiles", archs).find_map(|table| table.get(&copy.source))
}

fn source_of(context: &Context<'_, '_>, copy: &Copy, sink: &mut Sink<'_>) {
    // With Include the file may be another INF's.
    let includes =
        install(context, copy).is_some_and(|install| install.section.get("include").is_some());
    if source_entry(context, copy).is_none() && !includes {
        let tables = tables(context, "sourcedisksfiles", None)
            .flat_map(|table| &table.entries)
            .filter_map(|entry| entry.key.as_ref());
        let names: Vec<&str> = tables.map(|key| key.value.as_str()).collect();
        let help = crate::document::suggest(
            &copy.source,
            names,
            &format!("add {} = 1 to [SourceDisksFiles]", copy.source),
        );
        sink.add(
            Rule::SourceMissing,
            copy.span.clone(),
            format!("[SourceDisksFiles] does not list '{}'", copy.source),
            help,
        );
    }
}

fn driver_store(context: &Context<'_, '_>, copy: &Copy, sink: &mut Sink<'_>) {
    let Some((DRIVER_STORE, path)) = &copy.destination else {
        return;
    };
    let help = "list the file under one name and one directory in [SourceDisksFiles], the file list and [DestinationDirs]";
    if !copy.name.eq_ignore_ascii_case(&copy.source) {
        sink.add(
            Rule::DestinationRename,
            copy.span.clone(),
            format!("'{}' cannot be renamed in the driver store", copy.source),
            help,
        );
    } else if let Some(entry) = source_entry(context, copy) {
        let from = context.doc.value(entry, 1);
        let from = from.trim_matches('\\');
        if !from.eq_ignore_ascii_case(path) {
            let message = format!(
                "'{}' stands in '{from}' of the package and cannot move to '{path}'",
                copy.name
            );
            sink.add(Rule::DestinationRename, copy.span.clone(), message, help);
        }
    }
    if copy.flags & REPLACING_FLAGS != 0 {
        sink.add(
            Rule::CopyFlags,
            copy.span.clone(),
            format!(
                "flags {:#x} have no meaning in the driver store",
                copy.flags
            ),
            "leave the flags empty",
        );
    }
    if let Some(secured) = &copy.secured {
        sink.add(
            Rule::DestinationSecurity,
            secured.clone(),
            "files in the driver store have the store's security",
            "remove the section",
        );
    }
}

fn conflicts(copies: &[Copy], sink: &mut Sink<'_>) {
    let mut known: HashMap<(u32, String, usize), &Copy> = HashMap::new();
    for copy in copies {
        let Some((id, path)) = &copy.destination else {
            continue;
        };
        let key = (
            *id,
            format!("{path}\\{}", copy.name).to_lowercase(),
            copy.install,
        );
        let first = known.entry(key).or_insert(copy);
        if !first.source.eq_ignore_ascii_case(&copy.source) {
            let message = format!(
                "'{}' and '{}' are both copied to '{}'",
                first.source, copy.source, copy.name
            );
            sink.add(
                Rule::CopyConflict,
                copy.span.clone(),
                message,
                "give each file its own name",
            );
        }
    }
}

fn unused_sources(context: &Context<'_, '_>, copies: &[Copy], sink: &mut Sink<'_>) {
    let copied: HashSet<String> = copies
        .iter()
        .map(|copy| copy.source.to_lowercase())
        .collect();
    // Files can also be named by CopyINF, by software components, and by event providers.
    let mentioned = |name: &str| {
        let sections = context
            .doc
            .sections
            .iter()
            .filter(|(section, _)| !section.starts_with("sourcedisksfiles"));
        let mut fields = sections
            .flat_map(|(_, section)| &section.entries)
            .flat_map(|entry| entry.fields());
        fields.any(|field: &Field| context.doc.resolve(field).to_lowercase().ends_with(name))
    };
    for key in tables(context, "sourcedisksfiles", None)
        .flat_map(|table| &table.entries)
        .filter_map(|entry| entry.key.as_ref())
    {
        let name = key.value.to_lowercase();
        let reported = name.ends_with(".cat") || name.ends_with('_');
        if !copied.contains(&name) && !reported && !mentioned(&name) {
            sink.add(
                Rule::SourceUnused,
                key.span.clone(),
                format!("'{}' is never copied", key.value),
                "copy it by CopyFiles, or remove it",
            );
        }
    }
}

fn service_binary(
    context: &Context<'_, '_>,
    visit: &Visit<'_, '_>,
    copies: &[Copy],
    sink: &mut Sink<'_>,
) {
    let Some(entry) = visit.section.get("servicebinary") else {
        return;
    };
    let text = context.doc.value(entry, 0);
    // Quotes within the value are for the service control manager; a command line may follow.
    let path = text
        .trim_start_matches('"')
        .split('"')
        .next()
        .unwrap_or_default();
    let kind = visit.section.get("servicetype");
    let kernel = kind.is_some_and(|entry| matches!(context.doc.number(entry, 0), Some(1 | 2)));
    // A program may have arguments; a driver cannot.
    let path = if kernel || text.starts_with('"') {
        path
    } else {
        path.split(' ').next().unwrap_or_default()
    };
    let Some((id, path)) = values::dirid_path(path) else {
        let help = "write ServiceBinary = %13%\\<file>.sys";
        sink.add(
            Rule::ServiceBinaryPath,
            entry.span.clone(),
            format!("'{text}' is not a path under a DIRID"),
            help,
        );
        return;
    };
    if kernel && path.contains(' ') && !text.starts_with('"') {
        sink.add(
            Rule::ServiceBinaryQuotes,
            entry.span.clone(),
            "a path with blanks needs quotes that stay in the value",
            format!("write \"\"\"{text}\"\"\""),
        );
    }
    let Some(install) = context.walk.installs.get(visit.install) else {
        return;
    };
    let path = path.to_lowercase();
    let mine = || copies.iter().filter(|copy| copy.install == visit.install);
    let copied = mine().any(|copy| {
        let place = copy.destination.as_ref();
        place.is_some_and(|(own, dir)| {
            *own == id
                && format!("{dir}\\{}", copy.name)
                    .trim_start_matches('\\')
                    .eq_ignore_ascii_case(&path)
        })
    });
    // A file without a destination is a finding of its own; what another INF copies cannot be seen here.
    if copied || install.needs_others() || mine().any(|copy| copy.destination.is_none()) {
        return;
    }
    let file = path.rsplit('\\').next().unwrap_or_default();
    let elsewhere = mine()
        .find(|copy| copy.name.eq_ignore_ascii_case(file))
        .and_then(|copy| copy.destination.as_ref());
    let help = elsewhere.map_or_else(
        || format!("copy {file} in [{}], or correct the name", install.name),
        |(id, dir)| format!("CopyFiles puts it into %{id}%\\{dir}"),
    );
    sink.add(
        Rule::ServiceBinaryCopied,
        entry.span.clone(),
        format!("'{text}' is not what [{}] copies", install.name),
        help,
    );
}
