//! What each kind of section is, and which of its directives lead to other sections.

/// What a section is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// `DDInstall`, or one of the sections that stand in its place.
    Install,
    /// `DDInstall.Services` and its like.
    Sub(Sub),
    FileList,
    /// Files to delete or rename.
    DeleteList,
    Registry(Scope),
    DeleteRegistry,
    Service,
    Filter,
    Kmdf,
    Umdf,
    /// Any other section that can carry directives.
    Directives,
    /// Data that no rule looks into.
    Data,
}

/// The sections that belong to a `DDInstall` section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sub {
    Services,
    Hardware,
    Filters,
    Wdf,
    Interfaces,
    Events,
    Components,
    Software,
    Com,
    Wmi,
    CoInstallers,
    /// Resources and positions of pre-Plug and Play devices.
    Legacy,
}

impl Sub {
    pub(crate) const ALL: &[(&str, Self)] = &[
        ("Services", Self::Services),
        ("HW", Self::Hardware),
        ("Filters", Self::Filters),
        ("Wdf", Self::Wdf),
        ("Interfaces", Self::Interfaces),
        ("Events", Self::Events),
        ("Components", Self::Components),
        ("Software", Self::Software),
        ("COM", Self::Com),
        ("WMI", Self::Wmi),
        ("CoInstallers", Self::CoInstallers),
        ("FactDef", Self::Legacy),
        ("LogConfigOverride", Self::Legacy),
        ("PosDup", Self::Legacy),
    ];
}

/// Which key `HKR` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    /// The device's software key.
    Software,
    /// The device's hardware key.
    Hardware,
    Service,
    Other,
}

/// A directive that names sections.
#[derive(Debug)]
pub(crate) struct Directive {
    pub(crate) name: &'static str,
    pub(crate) sections: Sections,
    pub(crate) kind: Kind,
    /// The section must be given.
    pub(crate) required: bool,
    /// The only section of a `DDInstall` that takes the directive.
    pub(crate) home: Option<Sub>,
    /// How many values it takes at most.
    pub(crate) values: usize,
}

/// Where in a directive's values its sections stand.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sections {
    All,
    At(usize),
}

const fn list(name: &'static str, kind: Kind) -> Directive {
    Directive {
        name,
        sections: Sections::All,
        kind,
        required: true,
        home: None,
        values: usize::MAX,
    }
}

const fn one(name: &'static str, at: usize, kind: Kind, home: Sub, values: usize) -> Directive {
    Directive {
        name,
        sections: Sections::At(at),
        kind,
        required: true,
        home: Some(home),
        values,
    }
}

const fn optional(directive: Directive) -> Directive {
    Directive {
        required: false,
        ..directive
    }
}

/// Every directive that leads to a section. `AddReg` gets its scope from the section it stands in.
pub(crate) const DIRECTIVES: &[Directive] = &[
    list("CopyFiles", Kind::FileList),
    list("DelFiles", Kind::DeleteList),
    list("RenFiles", Kind::DeleteList),
    list("AddReg", Kind::Registry(Scope::Other)),
    list("DelReg", Kind::DeleteRegistry),
    list("AddProperty", Kind::Data),
    list("DelProperty", Kind::Data),
    list("BitReg", Kind::Data),
    list("LogConfig", Kind::Data),
    list("ProfileItems", Kind::Data),
    list("UpdateInis", Kind::Data),
    list("UpdateIniFields", Kind::Data),
    list("Ini2Reg", Kind::Data),
    list("RegisterDlls", Kind::Data),
    list("UnregisterDlls", Kind::Data),
    list("AddTrigger", Kind::Data),
    list("AddPowerSetting", Kind::Data),
    optional(one("AddService", 2, Kind::Service, Sub::Services, 6)),
    optional(one("AddService", 3, Kind::Directives, Sub::Services, 6)),
    optional(one("AddInterface", 2, Kind::Directives, Sub::Interfaces, 4)),
    one("AddFilter", 2, Kind::Filter, Sub::Filters, 3),
    one("KmdfService", 1, Kind::Kmdf, Sub::Wdf, 2),
    one("UmdfService", 1, Kind::Umdf, Sub::Wdf, 2),
    one("AddEventProvider", 1, Kind::Directives, Sub::Events, 2),
    one("AddAutoLogger", 2, Kind::Directives, Sub::Events, 3),
    one("UpdateAutoLogger", 1, Kind::Directives, Sub::Events, 2),
    one("AddComponent", 2, Kind::Directives, Sub::Components, 3),
    one("AddSoftware", 2, Kind::Directives, Sub::Software, 3),
    one("AddComServer", 2, Kind::Directives, Sub::Com, 3),
    one("WMIInterface", 2, Kind::Directives, Sub::Wmi, 3),
    Directive {
        home: None,
        ..optional(one("AddChannel", 2, Kind::Data, Sub::Events, 3))
    },
    Directive {
        home: None,
        ..one("AddAutoLoggerProvider", 1, Kind::Data, Sub::Events, 2)
    },
    Directive {
        home: None,
        ..one("AddComClass", 2, Kind::Directives, Sub::Com, 3)
    },
];

/// Directives that act on what other packages may use, with the rule's reason.
pub(crate) const DELETING: &[&str] = &["DelFiles", "RenFiles", "DelService"];
/// Directives that take away what Windows removes by itself when the driver goes.
pub(crate) const UNDOING: &[&str] = &["DelReg", "DelProperty"];
/// Directives and sections of earlier Windows.
pub(crate) const LEGACY: &[&str] = &[
    "LogConfig",
    "ProfileItems",
    "UpdateInis",
    "UpdateIniFields",
    "Ini2Reg",
    "BitReg",
    "RegisterDlls",
    "UnregisterDlls",
];

/// What a `DDInstall` section takes besides [`DIRECTIVES`].
pub(crate) const INSTALL: &[&str] = &[
    "DriverVer",
    "CopyINF",
    "Include",
    "Needs",
    "FeatureScore",
    "ExcludeID",
    "Reboot",
];
/// What each of these sections of a `DDInstall` takes besides `Include` and `Needs`.
pub(crate) const SUBS: &[(Sub, &[&str])] = &[
    (
        Sub::Services,
        &["AddService", "DelService", "LegacyUninstall"],
    ),
    (Sub::Filters, &["AddFilter"]),
    (
        Sub::Events,
        &["AddEventProvider", "AddAutoLogger", "UpdateAutoLogger"],
    ),
    (Sub::Components, &["AddComponent"]),
    (Sub::Software, &["AddSoftware"]),
];

/// The directives that `[Version]` knows.
pub(crate) const VERSION: &[&str] = &[
    "Signature",
    "Class",
    "ClassGuid",
    "Provider",
    "ExtensionId",
    "LayoutFile",
    "CatalogFile",
    "DriverVer",
    "PnpLockdown",
    "DriverPackageDisplayName",
    "DriverPackageType",
    "ExtendsInboxDriver",
    "TargetComputers",
    "ClassVer",
];
/// The directives that a service-install section knows.
pub(crate) const SERVICE: &[&str] = &[
    "DisplayName",
    "Description",
    "ServiceType",
    "StartType",
    "ErrorControl",
    "ServiceBinary",
    "StartName",
    "AddReg",
    "DelReg",
    "BitReg",
    "LoadOrderGroup",
    "Dependencies",
    "Security",
    "RequiredPrivileges",
    "ServiceSidType",
    "DelayedAutoStart",
    "AddTrigger",
    "BootFlags",
    "FailureActions",
    "LoadOrderGroupTag",
    "UserServiceFlags",
];
/// The directives that a filter-install section knows.
pub(crate) const FILTER: &[&str] = &["FilterLevel", "FilterPosition"];
/// The directives that a KMDF service section knows.
pub(crate) const KMDF: &[&str] = &["KmdfLibraryVersion", "KmdfExtensions"];
