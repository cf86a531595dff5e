//! The rules: one line each, with their number in InfVerif and their weight at each level.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// Which rules count, and how much: the modes of InfVerif.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Level {
    /// InfVerif `/u`: universal.
    Universal,
    /// InfVerif `/h`: what a WHQL signature asks for today.
    Signature,
    /// InfVerif `/w`: Windows Driver, that is universal and isolated to its driver package.
    #[default]
    WindowsDriver,
}

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(name: &str) -> Result<Self, UnknownLevel> {
        match name {
            "u" => Ok(Self::Universal),
            "h" => Ok(Self::Signature),
            "w" => Ok(Self::WindowsDriver),
            _ => Err(UnknownLevel),
        }
    }
}

/// A level other than `u`, `h` and `w` was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownLevel;

impl fmt::Display for UnknownLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the levels are w, h and u")
    }
}

impl std::error::Error for UnknownLevel {}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Likely a mistake; the file installs.
    Warning,
    /// The file is refused, or does not do what it says.
    Error,
}

const E: Option<Severity> = Some(Severity::Error);
const W: Option<Severity> = Some(Severity::Warning);
const N: Option<Severity> = None;

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $infverif:expr, [$u:ident $h:ident $w:ident], $title:literal;)*) => {
        /// A rule of the linter.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $(#[doc = $title] $name,)*
        }

        impl Rule {
            /// Every rule, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The rule's name in reports.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// What the rule finds, in a few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// The number under which InfVerif reports the same, where it does.
            #[must_use]
            pub const fn infverif(self) -> Option<u16> {
                match self { $(Self::$name => $infverif,)* }
            }

            /// The weight of a finding at `level`; `None` where the rule does not apply.
            #[must_use]
            pub const fn severity(self, level: Level) -> Option<Severity> {
                let (u, h, w): (Option<Severity>, Option<Severity>, Option<Severity>) =
                    match self { $(Self::$name => ($u, $h, $w),)* };
                match level {
                    Level::Universal => u,
                    Level::Signature => h,
                    Level::WindowsDriver => w,
                }
            }
        }
    };
}

rules! {
    // The file and its grammar.
    Signature = "signature", Some(1001), [E E E], "no `[Version]` section with Signature = \"$Windows NT$\"";
    Syntax = "syntax", Some(1002), [E E E], "a line that cannot be read";
    Encoding = "encoding", Some(1003), [E E E], "an encoding that Windows does not read";
    AnsiCodePage = "ansi-code-page", None, [W W W], "characters whose meaning depends on the code page";
    ControlCharacter = "control-character", None, [E E E], "a control character";
    FieldTooLong = "field-too-long", None, [E E E], "a field or section name that Windows cuts off";
    StrayPercent = "stray-percent", None, [E E E], "a percent sign that belongs to no token";
    UnknownVariable = "unknown-variable", None, [E E E], "an INX variable that stampinf does not replace";
    UnstampedVariable = "unstamped-variable", Some(1274), [E E E], "an INX variable that is left in place";
    // Sections, entries, references.
    DuplicateSection = "duplicate-section", Some(1209), [E E E], "a section is defined twice";
    DuplicateEntry = "duplicate-entry", Some(1294), [E E E], "an entry is repeated within its section";
    DuplicateDirective = "duplicate-directive", Some(1088), [E E E], "a directive that may stand once is repeated";
    DuplicateItem = "duplicate-item", Some(1086), [E E E], "the same service or filter is added twice";
    SectionNotFound = "section-not-found", Some(1203), [E E E], "a reference to a section that does not exist";
    IncludedSection = "included-section", Some(1220), [E E E], "a directive other than Needs refers to a section of an included INF";
    SectionRequired = "section-required", Some(1005), [E E E], "a directive lacks its section";
    SectionKind = "section-kind", Some(1206), [E E E], "one section is used for two purposes";
    UnusedSection = "unused-section", Some(2083), [W W W], "a section that nothing refers to";
    MisplacedDirective = "misplaced-directive", Some(1290), [E E E], "a directive in a section that does not take it";
    UnknownDirective = "unknown-directive", None, [W W W], "a directive that the section does not know";
    ExtraValue = "extra-value", Some(1201), [W W W], "more values than the directive takes";
    LegacyDirective = "legacy-directive", Some(1300), [E E E], "a directive that is no longer supported";
    LegacyDelete = "legacy-delete", Some(1302), [E E E], "a directive that deletes or renames";
    DeleteRegistry = "delete-registry", None, [E E E], "registry values or properties are deleted";
    InvalidGuid = "invalid-guid", Some(1019), [E E E], "a malformed GUID";
    NeedsWithoutInclude = "needs-without-include", Some(1319), [E E E], "Needs without the Include of its file";
    NeedsSuffix = "needs-suffix", Some(1313), [E E E], "Needs names a section of another kind";
    // Strings.
    UndefinedString = "undefined-string", Some(1235), [E E E], "a `%token%` that `[Strings]` does not define";
    UnusedString = "unused-string", None, [W W W], "a string that nothing uses";
    StringLanguages = "string-languages", Some(1295), [E E E], "languages with different sets of strings";
    // [Version].
    VersionDirective = "version-directive", Some(1234), [E E E], "a required directive of `[Version]` is missing or empty";
    ProviderMicrosoft = "provider-microsoft", Some(1204), [E E E], "Provider claims to be Microsoft";
    PlaceholderProvider = "placeholder-provider", None, [W W W], "a placeholder is left as the provider or manufacturer";
    CatalogMissing = "catalog-missing", Some(1233), [E E E], "no CatalogFile: the package counts as unsigned";
    CatalogName = "catalog-name", Some(1214), [E E E], "CatalogFile is not name.cat";
    CatalogListed = "catalog-listed", Some(1213), [E E E], "the catalog is listed in `[SourceDisksFiles]`";
    DriverVersion = "driver-version", Some(1217), [E E E], "a malformed version in DriverVer";
    DriverDate = "driver-date", Some(1218), [E E E], "a malformed date in DriverVer";
    PnpLockdown = "pnp-lockdown", Some(1324), [W E E], "PnpLockdown=1 is missing";
    ClassGuid = "class-guid", Some(1010), [E E E], "a malformed ClassGuid";
    ClassName = "class-name", Some(1280), [E E E], "Class is not the name that belongs to ClassGuid";
    ClassGuidMismatch = "class-guid-mismatch", Some(1281), [E E E], "ClassGuid is not the one that belongs to Class";
    SampleClass = "sample-class", Some(1284), [E E E], "the class Sample is reserved for Microsoft";
    SystemClass = "system-class", None, [W W W], "a class that is reserved for the system";
    ClassInstaller = "class-installer", Some(1285), [E E E], "`[ClassInstall32]` for a class that Windows defines";
    PrivateClass = "private-class", None, [E E E], "`[ClassInstall32]` is not valid in universal and Windows Driver packages";
    // Manufacturer and models.
    NoDevice = "no-device", Some(1297), [E E E], "the file installs on no device";
    ModelsName = "models-name", Some(1011), [E E E], "a manufacturer without a models section";
    InstallName = "install-name", Some(1271), [E E E], "a model without an install section";
    Decoration = "decoration", Some(1287), [E E E], "a malformed target OS decoration";
    DecorationBuild = "decoration-build", Some(1288), [E E E], "a build number below 14310";
    DecorationArch = "decoration-arch", Some(2010), [W W W], "a decoration without an architecture";
    DecorationProduct = "decoration-product", None, [E E E], "ProductType or SuiteMask in a decoration";
    DuplicateHardwareId = "duplicate-hardware-id", None, [W W W], "a hardware ID twice in one models section";
    HardwareId = "hardware-id", None, [E E E], "a hardware ID that no device can have";
    ServiceMissing = "service-missing", Some(1296), [E E E], "hardware without an associated service";
    DefaultInstallArch = "default-install-arch", Some(1421), [E E E], "`[DefaultInstall]` without an architecture";
    DefaultInstallMixed = "default-install-mixed", Some(1212), [E E E], "`[DefaultInstall]` beside `[Manufacturer]`";
    SyntaxTooNew = "syntax-too-new", Some(1199), [E E E], "syntax that the oldest targeted Windows does not know";
    // Extension INFs.
    ExtensionIdMissing = "extension-id-missing", Some(1381), [E E E], "an extension INF without ExtensionId";
    ExtensionIdInvalid = "extension-id-invalid", Some(1380), [E E E], "a malformed ExtensionId";
    ExtensionIdBase = "extension-id-base", None, [W W W], "ExtensionId in a base INF";
    ExtensionDirective = "extension-directive", Some(1382), [E E E], "a directive that an extension INF cannot have";
    ExtensionAssociated = "extension-associated", Some(1383), [E E E], "an associated service in an extension INF";
    ExtensionFilterRegistry = "extension-filter-registry", Some(1384), [W W N], "an extension INF adds a filter by registry";
    ExtensionSecurity = "extension-security", None, [W W W], "an extension INF changes the access to a device";
    // Services.
    ServiceUndefined = "service-undefined", Some(2006), [E E E], "AddService names a section that does not exist";
    ServiceNotInFile = "service-not-in-file", Some(2501), [E E E], "a reference to a service that the file does not add";
    ServiceName = "service-name", Some(1253), [E E E], "AddService without a service name";
    ServiceNameReserved = "service-name-reserved", Some(1017), [E E E], "a service name that Microsoft's samples use";
    ServiceNameSystem = "service-name-system", Some(1293), [E E E], "a service name that Windows uses";
    ServiceNameLong = "service-name-long", None, [E E E], "a KMDF service name longer than 31 characters";
    ServiceNameCase = "service-name-case", None, [W W W], "a service name in another spelling";
    ServiceDirective = "service-directive", Some(1289), [E E E], "a required directive of a service is missing";
    ServiceValue = "service-value", None, [E E E], "a value that a service directive does not take";
    ServiceAutoStart = "service-auto-start", None, [E E E], "StartType=2 for a Plug and Play driver";
    ServiceDisabled = "service-disabled", Some(1251), [W W W], "a disabled service is associated with hardware";
    ServiceErrorControl = "service-error-control", None, [W W W], "ErrorControl=3 for a driver that boot does not need";
    ServiceOrder = "service-order", None, [W W W], "LoadOrderGroup or Dependencies of a Plug and Play driver";
    ServiceFlags = "service-flags", None, [E E E], "a flag that a device driver's service cannot have";
    ServicesAssociated = "services-associated", Some(1211), [E E E], "two associated services";
    FilterAssociated = "filter-associated", None, [E E E], "a filter's service is the associated service";
    ServiceConflict = "service-conflict", Some(1333), [E E E], "one service is configured in two ways";
    ServiceBinaryQuotes = "service-binary-quotes", None, [E E E], "a ServiceBinary with blanks, without quotes of its own";
    ServiceBinaryPath = "service-binary-path", Some(2085), [E E E], "ServiceBinary is not under a DIRID";
    ServiceBinaryCopied = "service-binary-copied", Some(2084), [W E E], "ServiceBinary is not a file that the package copies";
    // Filters and WDF.
    FilterFlags = "filter-flags", Some(1083), [E E E], "AddFilter with flags";
    FilterBoth = "filter-both", Some(1087), [E E E], "FilterLevel and FilterPosition at once";
    FilterNeither = "filter-neither", Some(1289), [E E E], "a filter with neither FilterLevel nor FilterPosition";
    FilterPosition = "filter-position", None, [E E E], "FilterPosition is neither Upper nor Lower";
    FilterLevel = "filter-level", None, [E E E], "FilterLevel names a level that the base INF does not define";
    FilterRegistry = "filter-registry", Some(1329), [N N E], "a filter is added by registry";
    KmdfMissing = "kmdf-missing", None, [W W W], "no KmdfService for a kernel driver";
    KmdfVersionMissing = "kmdf-version-missing", Some(1084), [E E E], "KmdfService without KmdfLibraryVersion";
    KmdfVersion = "kmdf-version", None, [E E E], "KmdfLibraryVersion is not a released version";
    KmdfOsFloor = "kmdf-os-floor", None, [E E E], "KMDF is newer than the oldest targeted Windows";
    CoInstaller = "co-installer", Some(1303), [E E E], "a co-installer";
    // Files.
    SourceMissing = "source-missing", Some(1230), [E E E], "a copied file is not in `[SourceDisksFiles]`";
    SourceUnused = "source-unused", None, [W W W], "a file in `[SourceDisksFiles]` is never copied";
    SourceCompressed = "source-compressed", Some(1231), [E E E], "a compressed file name in `[SourceDisksFiles]`";
    DiskUndefined = "disk-undefined", Some(1273), [E E E], "a disk that `[SourceDisksNames]` does not list";
    DiskId = "disk-id", Some(1008), [E E E], "a disk id that is not a number";
    DestinationMissing = "destination-missing", Some(1275), [E E E], "a file list without a destination directory";
    DestinationId = "destination-id", Some(1243), [E E E], "a destination directory that is not a DIRID";
    DestinationIsolated = "destination-isolated", Some(1322), [N E E], "a file is copied out of the driver store";
    DestinationSystem = "destination-system", Some(1306), [E N N], "a file is copied outside the system directory";
    DestinationRename = "destination-rename", Some(1100), [E E E], "a file is renamed or moved within the driver store";
    DestinationSecurity = "destination-security", Some(1101), [E E E], "a security descriptor for a file in the driver store";
    CopyFlags = "copy-flags", Some(1103), [E E E], "a CopyFiles flag that the driver store does not take";
    CopyConflict = "copy-conflict", Some(1330), [E E E], "two files are copied to one place";
    // Registry.
    RegistryRoot = "registry-root", Some(1224), [E E E], "an unknown registry root";
    RegistryIsolated = "registry-isolated", Some(1321), [N E E], "a registry value outside HKR";
    RegistryGlobal = "registry-global", Some(1304), [E N N], "a registry value under a global key";
    RegistryParameters = "registry-parameters", Some(1323), [N N E], "a service value outside the Parameters key";
    RegistryAppend = "registry-append", Some(1305), [E E E], "a REG_MULTI_SZ value is appended to or deleted from";
    RegistryAppendType = "registry-append-type", Some(1265), [E E E], "the append flag on a value that is no REG_MULTI_SZ";
    RegistryConflict = "registry-conflict", Some(1332), [E E E], "a service's value is written in two ways";
    RegistryFlags = "registry-flags", None, [E E E], "registry flags that are not a number";
    RegistryNumber = "registry-number", Some(1268), [E E E], "a numeric value that is not a number of its size";
    RegistryBinary = "registry-binary", Some(1267), [E E E], "binary data that is not a list of bytes";
    RegistryType = "registry-type", Some(1431), [E E E], "a well-known value of the wrong type";
    RegistryWindowsPath = "registry-windows-path", Some(1257), [E E E], "a fixed Windows directory in a registry value";
    RegistryDirId = "registry-dirid", Some(1258), [E E E], "a system DIRID in a registry value";
    RegistryDebug = "registry-debug", None, [W W W], "a debugging setting of KMDF is shipped";
    SecurityDescriptor = "security-descriptor", None, [E E E], "a malformed security descriptor";
    SecurityOpen = "security-open", None, [W W W], "a security descriptor that lets everyone write";
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_every_rule_counts_somewhere() {
        let ids: HashSet<_> = Rule::ALL.iter().map(|rule| rule.id()).collect();
        assert_eq!(ids.len(), Rule::ALL.len());
        for rule in Rule::ALL {
            let levels = [Level::Universal, Level::Signature, Level::WindowsDriver];
            assert!(
                levels.iter().any(|&level| rule.severity(level).is_some()),
                "{rule}"
            );
        }
    }
}
