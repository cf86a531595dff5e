//! `AddReg`: where values go, of which type, and who may then open the device.

use crate::checks::Context;
use crate::directives::{Kind, Scope};
use crate::finding::Sink;
use crate::rule::{Level, Rule};
use crate::sddl;
use crate::syntax::{Entry, Field};
use crate::values;
use crate::walk::Visit;

const APPEND: u64 = 0x8;
const KEY_ONLY: u64 = 0x10;
const DELETE: u64 = 0x4;
/// The bits that make up the value's type.
const TYPE: u64 = 0xffff_0001;
const SZ: u64 = 0;
const BINARY: u64 = 0x1;
const MULTI_SZ: u64 = 0x0001_0000;
const DWORD: u64 = 0x0001_0001;
const QWORD: u64 = 0x000b_0001;
const ROOTS: &[&str] = &["HKCR", "HKCU", "HKLM", "HKU", "HKR"];

/// Values that Windows reads from a device's hardware key, with their types.
const WELL_KNOWN: &[(&str, &[u64])] = &[
    ("DeviceType", &[DWORD]),
    ("DeviceCharacteristics", &[DWORD]),
    ("Exclusive", &[DWORD]),
    ("Security", &[SZ, BINARY]),
    ("UpperFilters", &[MULTI_SZ]),
    ("LowerFilters", &[MULTI_SZ]),
    ("UpperFilterLevels", &[MULTI_SZ]),
    ("LowerFilterLevels", &[MULTI_SZ]),
    ("UpperFilterDefaultLevel", &[SZ]),
    ("LowerFilterDefaultLevel", &[SZ]),
];
/// Values by which a base INF defines filter levels.
const FILTER_LEVELS: &[&str] = &[
    "UpperFilterLevels",
    "LowerFilterLevels",
    "UpperFilterDefaultLevel",
    "LowerFilterDefaultLevel",
];
/// Settings under `Parameters\Wdf` that are for a developer's machine.
const DEBUGGING: &[&str] = &[
    "VerifierOn",
    "VerifyOn",
    "DbgBreakOnError",
    "DbgWaitForSignalTimeoutInSec",
    "VerboseOn",
    "TrackHandles",
    "VerifierAllocateFailCount",
    "EnhancedVerifierOptions",
    "ObjectLeakDetectionLimit",
    "ObjectsForLeakDetection",
];
/// Keys below HKLM that a WHQL signature still tolerates; all of HKCR besides.
const TOLERATED: &[&str] = &[
    r"system\currentcontrolset",
    r"software\classes",
    r"software\khronos",
    r"software\microsoft\analog\providers",
    r"software\microsoft\cellular\mvsettings\devicespecific\cellux",
    r"software\microsoft\cryptography\calais\readers",
    r"software\microsoft\cryptography\calais\smartcards",
    r"software\microsoft\cryptography\drm_rng",
    r"software\microsoft\eapol",
    r"software\microsoft\palm\delaymanipulationduration",
    r"software\microsoft\shell\oem\quickactions\colorprofilequickaction",
    r"software\microsoft\speech_onecore\audioinput",
    r"software\microsoft\windows media foundation",
    r"software\microsoft\windows nt\currentversion\adaptivedisplaybrightness",
    r"software\microsoft\windows nt\currentversion\drivers.desc",
    r"software\microsoft\windows nt\currentversion\drivers32",
    r"software\microsoft\windows nt\currentversion\icm",
    r"software\microsoft\windows nt\currentversion\opengldrivers",
    r"software\microsoft\windows nt\currentversion\winlogon\notify\sccertprop",
    r"software\microsoft\windows\currentversion\app paths",
    r"software\microsoft\windows\currentversion\audio",
    r"software\microsoft\windows\currentversion\authentication",
    r"software\microsoft\windows\currentversion\control panel",
    r"software\microsoft\windows\currentversion\controls folder",
    r"software\microsoft\windows\currentversion\explorer",
    r"software\microsoft\windows\currentversion\reliability\userdefined",
    r"software\microsoft\windows\currentversion\run",
    r"software\microsoft\windows\currentversion\runonce",
    r"software\microsoft\windows\currentversion\uninstall",
    r"software\wow6432node\microsoft\windows media foundation",
    r"software\wow6432node\khronos",
    r"software\wowaa32node\microsoft\windows media foundation",
    r"software\wowaa32node\khronos",
];

pub(crate) fn check(context: &Context<'_, '_>, sink: &mut Sink<'_>) {
    for visit in &context.walk.visits {
        match visit.kind {
            Kind::Registry(scope) => {
                for entry in &visit.section.entries {
                    line(context, visit, entry, scope, sink);
                }
                let security = context
                    .doc
                    .section(&format!("{}.security", visit.section.name.value));
                for field in security
                    .into_iter()
                    .flat_map(|section| &section.entries)
                    .filter_map(|entry| entry.value(0))
                {
                    descriptor(context, field, sink);
                }
            }
            Kind::Service => {
                for field in visit
                    .section
                    .all("security")
                    .filter_map(|entry| entry.value(0))
                {
                    descriptor(context, field, sink);
                }
            }
            _ => {}
        }
    }
}

/// One line of an add-registry section, taken apart.
struct Value<'e> {
    entry: &'e Entry,
    root: String,
    key: String,
    name: String,
    flags: u64,
}

impl Value<'_> {
    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    fn is_filter(&self) -> bool {
        self.is("UpperFilters") || self.is("LowerFilters")
    }

    fn is_filter_level(&self) -> bool {
        FILTER_LEVELS.iter().any(|name| self.is(name))
    }

    fn kind(&self) -> u64 {
        self.flags & TYPE
    }

    fn data(&self) -> impl Iterator<Item = &Field> {
        self.entry.values.iter().skip(4)
    }
}

fn line(
    context: &Context<'_, '_>,
    visit: &Visit<'_, '_>,
    entry: &Entry,
    scope: Scope,
    sink: &mut Sink<'_>,
) {
    let Some(flags) = context.doc.number(entry, 3) else {
        let text = context.doc.value(entry, 3);
        // What is undefined is reported where it stands.
        if !text.contains('%') {
            sink.add(
                Rule::RegistryFlags,
                entry.span.clone(),
                format!("'{text}' are not registry flags"),
                "write a number, for example 0x00010001 for REG_DWORD",
            );
        }
        return;
    };
    let value = Value {
        entry,
        root: context.doc.value(entry, 0).to_uppercase(),
        key: context
            .doc
            .value(entry, 1)
            .trim_matches('\\')
            .to_lowercase(),
        name: context.doc.value(entry, 2),
        flags,
    };
    if !ROOTS.contains(&value.root.as_str()) {
        sink.add(
            Rule::RegistryRoot,
            entry.span.clone(),
            format!("'{}' is not a registry root", value.root),
            "write HKR",
        );
        return;
    }
    isolation(context, &value, scope, sink);
    filters(context, &value, scope, sink);
    types(context, &value, scope, sink);
    if value.is("CoInstallers32") {
        sink.add(
            Rule::CoInstaller,
            entry.span.clone(),
            "co-installers are not supported",
            "remove the value; KMDF needs no co-installer",
        );
    }
    for field in value.data() {
        paths(context, field, sink);
    }
    let device = value.root == "HKR" && value.key.is_empty() && scope == Scope::Hardware;
    if device
        && value.is("Security")
        && value.kind() == SZ
        && let Some(field) = entry.value(4)
    {
        descriptor(context, field, sink);
    }
    if device && context.extension && value.is_filter_level() {
        let help = "name a level of the base INF by FilterLevel, or leave the place to it by FilterPosition";
        let message = "only a base INF defines filter levels";
        sink.add(Rule::ExtensionDirective, entry.span.clone(), message, help);
    }
    let hardware = context
        .walk
        .installs
        .get(visit.install)
        .is_some_and(|install| install.hardware);
    if device && value.is("Security") && context.extension && hardware {
        let help = "remove it; the base INF decides who may open the device";
        sink.add(
            Rule::ExtensionSecurity,
            entry.span.clone(),
            "a filter must not change the access to another driver's device",
            help,
        );
    }
}

fn isolation(context: &Context<'_, '_>, value: &Value<'_>, scope: Scope, sink: &mut Sink<'_>) {
    let span = value.entry.span.clone();
    if value.root != "HKR" {
        let tolerated = value.root == "HKCR"
            || (value.root == "HKLM" && TOLERATED.iter().any(|key| below(&value.key, key)));
        let help = if value.key.contains(r"control\class\") && value.is_filter() {
            "class filters have no declarative form; filter single devices by AddFilter"
        } else {
            "write HKR; settings of the driver go under Parameters of its service"
        };
        let message = format!(
            "{}\\{} is outside the driver's own keys",
            value.root,
            context.doc.value(value.entry, 1)
        );
        if !(context.options.level == Level::Signature && tolerated) {
            sink.add(Rule::RegistryIsolated, span.clone(), message.clone(), help);
        }
        sink.add(Rule::RegistryGlobal, span, message, help);
        return;
    }
    if scope != Scope::Service {
        return;
    }
    if !below(&value.key, "parameters") {
        let help = "write HKR,Parameters,<name>,...";
        sink.add(
            Rule::RegistryParameters,
            span.clone(),
            "a service's value must be under Parameters",
            help,
        );
    }
    if value.key == r"parameters\wdf" && DEBUGGING.iter().any(|name| value.is(name)) {
        let help = "set it on the test machine, not in the package";
        sink.add(
            Rule::RegistryDebug,
            span,
            format!("{} is a debugging setting", value.name),
            help,
        );
    }
}

/// Whether `key` is `ancestor` or below it.
fn below(key: &str, ancestor: &str) -> bool {
    key.strip_prefix(ancestor)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('\\'))
}

fn filters(context: &Context<'_, '_>, value: &Value<'_>, scope: Scope, sink: &mut Sink<'_>) {
    let span = value.entry.span.clone();
    if value.flags & APPEND != 0 {
        if value.kind() == MULTI_SZ {
            let help = "an INF must not append; filters go through AddFilter";
            sink.add(
                Rule::RegistryAppend,
                span.clone(),
                format!("'{}' is appended to", value.name),
                help,
            );
        } else {
            sink.add(
                Rule::RegistryAppendType,
                span.clone(),
                "only REG_MULTI_SZ values can be appended to",
                "remove the flag 0x8",
            );
        }
    }
    if value.root == "HKR"
        && value.key.is_empty()
        && value.is_filter()
        && matches!(scope, Scope::Hardware | Scope::Software)
    {
        let help = "add the filter by AddFilter in a [DDInstall.Filters] section";
        sink.add(
            Rule::FilterRegistry,
            span.clone(),
            format!("{} replaces what others added", value.name),
            help,
        );
        if context.extension {
            sink.add(
                Rule::ExtensionFilterRegistry,
                span,
                "extensions are applied in no defined order",
                help,
            );
        }
    }
}

fn types(context: &Context<'_, '_>, value: &Value<'_>, scope: Scope, sink: &mut Sink<'_>) {
    let span = value.entry.span.clone();
    if value.flags & (DELETE | KEY_ONLY) != 0 {
        return;
    }
    if scope == Scope::Hardware && value.root == "HKR" && value.key.is_empty() {
        let known = WELL_KNOWN.iter().find(|(name, _)| value.is(name));
        if let Some((name, kinds)) = known.filter(|(_, kinds)| !kinds.contains(&value.kind())) {
            let help = format!(
                "write the flags {:#010x}",
                kinds.first().copied().unwrap_or(SZ)
            );
            sink.add(
                Rule::RegistryType,
                span.clone(),
                format!("{name} has the wrong type"),
                help,
            );
        }
    }
    let data: Vec<String> = value
        .data()
        .map(|field| context.doc.resolve(field))
        .collect();
    let byte = |text: &String| {
        let digits = text.trim_start_matches("0x");
        text.is_empty() || (digits.len() <= 2 && u8::from_str_radix(digits, 16).is_ok())
    };
    let size: usize = match value.kind() {
        BINARY => {
            if !data.iter().all(byte) {
                sink.add(
                    Rule::RegistryBinary,
                    span,
                    "this is not a list of bytes",
                    "write bytes in hexadecimal: 00,1f,ff",
                );
            }
            return;
        }
        DWORD => 4,
        QWORD => 8,
        _ => return,
    };
    // A number may also be spelled out, byte by byte.
    let fits = match data.as_slice() {
        [] => true,
        [one] => {
            one.is_empty()
                || values::number(one)
                    .is_some_and(|number| size == 8 || u32::try_from(number).is_ok())
                || is_negative(one)
        }
        bytes => bytes.len() == size && bytes.iter().all(byte),
    };
    if !fits {
        sink.add(
            Rule::RegistryNumber,
            span,
            format!("'{}' is not a {}-bit number", data.join(","), size * 8),
            "write a decimal number, or 0x and hexadecimal digits",
        );
    }
}

/// Negative decimal numbers are taken as their two's complement.
fn is_negative(text: &str) -> bool {
    text.starts_with('-') && text.parse::<i32>().is_ok()
}

fn paths(context: &Context<'_, '_>, field: &Field, sink: &mut Sink<'_>) {
    if context
        .doc
        .resolve(field)
        .to_lowercase()
        .contains(":\\windows")
    {
        sink.add(
            Rule::RegistryWindowsPath,
            field.span.clone(),
            "Windows is not everywhere in this directory",
            "write %%SystemRoot%% with the flags 0x00020000",
        );
    }
    for token in field
        .tokens
        .iter()
        .filter(|token| ["10", "11", "12"].contains(&token.name.as_str()))
    {
        let help =
            "write %%SystemRoot%% with the flags 0x00020000, or %13% for files of the package";
        sink.add(
            Rule::RegistryDirId,
            token.span.clone(),
            format!(
                "%{}% is decided when the package is added, not when it is used",
                token.name
            ),
            help,
        );
    }
}

fn descriptor(context: &Context<'_, '_>, field: &Field, sink: &mut Sink<'_>) {
    match sddl::parse(&context.doc.resolve(field)) {
        Err(why) => {
            let help = "write for example D:P(A;;GA;;;SY)(A;;GA;;;BA): system and administrators";
            sink.add(
                Rule::SecurityDescriptor,
                field.span.clone(),
                format!("not a security descriptor: {why}"),
                help,
            );
        }
        Ok(descriptor) if descriptor.open => {
            let help = "grant GA to SY and BA, and others no more than they need";
            sink.add(
                Rule::SecurityOpen,
                field.span.clone(),
                "everyone may write",
                help,
            );
        }
        Ok(_) => {}
    }
}
