//! Follows the file from `[Manufacturer]` to every section that an installation reads.
//!
//! What is reached is what Windows would read; the rest is unused. References that lead nowhere are reported here.

use std::collections::{BTreeSet, HashSet, VecDeque};

use crate::decoration::{ANY_ARCH, Decoration};
use crate::directives::{DIRECTIVES, Directive, Kind, Scope, Sections, Sub};
use crate::document::{Document, Merged, suggest};
use crate::finding::Sink;
use crate::rule::Rule;
use crate::syntax::{Entry, Field};

/// A section that an installation reads, and for what.
#[derive(Debug)]
pub(crate) struct Visit<'a, 'd> {
    pub(crate) kind: Kind,
    pub(crate) section: &'d Merged<'a>,
    /// Index into [`Walk::installs`].
    pub(crate) install: usize,
    /// The directive that led here.
    pub(crate) from: Option<&'a Entry>,
}

/// A `DDInstall` section as Windows picks it for some target.
#[derive(Debug)]
pub(crate) struct Install<'a, 'd> {
    /// The section's name with the decoration it has in the file.
    pub(crate) name: String,
    pub(crate) section: &'d Merged<'a>,
    pub(crate) archs: BTreeSet<String>,
    /// The oldest Windows build on which it installs.
    pub(crate) min_build: u32,
    /// Reached from `[Manufacturer]`, so that it has hardware.
    pub(crate) hardware: bool,
    pub(crate) subs: Vec<(Sub, &'d Merged<'a>)>,
}

impl<'a, 'd> Install<'a, 'd> {
    pub(crate) fn sub(&self, sub: Sub) -> Option<&'d Merged<'a>> {
        self.subs
            .iter()
            .find(|(own, _)| *own == sub)
            .map(|(_, section)| *section)
    }

    /// The install section and all that belong to it.
    pub(crate) fn sections(&self) -> impl Iterator<Item = &'d Merged<'a>> {
        std::iter::once(self.section).chain(self.subs.iter().map(|(_, section)| *section))
    }

    /// Whether part of the installation comes from another INF.
    pub(crate) fn needs_others(&self) -> bool {
        self.sections()
            .any(|section| section.get("needs").is_some())
    }
}

#[derive(Debug)]
pub(crate) struct Walk<'a, 'd> {
    pub(crate) installs: Vec<Install<'a, 'd>>,
    pub(crate) visits: Vec<Visit<'a, 'd>>,
    /// Names in lower case.
    pub(crate) used: HashSet<String>,
    /// Models sections with the decoration they are used under.
    pub(crate) models: Vec<(&'d Merged<'a>, Decoration)>,
}

/// Sections with a fixed name that Windows looks for; each may carry a suffix.
const FIXED: &[&str] = &[
    "version",
    "manufacturer",
    "strings",
    "sourcedisksnames",
    "sourcedisksfiles",
    "destinationdirs",
    "controlflags",
    "signatureattributes",
    "interfaceinstall32",
    "deviceinstall32",
];
/// Install sections with a fixed name.
const FIXED_INSTALLS: &[&str] = &["defaultinstall", "defaultuninstall", "classinstall32"];

pub(crate) fn walk<'a, 'd>(doc: &'d Document<'a>, sink: &mut Sink<'_>) -> Walk<'a, 'd> {
    let mut walker = Walker {
        doc,
        sink,
        seen: HashSet::new(),
        pending: VecDeque::new(),
        walk: Walk {
            installs: Vec::new(),
            visits: Vec::new(),
            used: HashSet::new(),
            models: Vec::new(),
        },
    };
    walker.fixed();
    walker.manufacturers();
    walker.fixed_installs();
    for install in 0..walker.walk.installs.len() {
        walker.install(install);
    }
    walker.walk
}

struct Walker<'a, 'd, 's, 't> {
    doc: &'d Document<'a>,
    sink: &'s mut Sink<'t>,
    /// What was already followed: section, kind, install.
    seen: HashSet<(String, Kind, usize)>,
    /// What is still to be followed. A queue, so that no file can exhaust the stack.
    pending: VecDeque<Visit<'a, 'd>>,
    walk: Walk<'a, 'd>,
}

impl<'a, 'd> Walker<'a, 'd, '_, '_> {
    fn mark(&mut self, section: &Merged<'_>) {
        self.walk.used.insert(section.name.value.to_lowercase());
    }

    fn fixed(&mut self) {
        for (name, section) in &self.doc.sections {
            let base = name.split_once('.').map_or(name.as_str(), |(base, _)| base);
            if FIXED.contains(&base) {
                self.mark(section);
            }
        }
        for field in self.named_in("signatureattributes", usize::MAX) {
            if let Some(section) = self.named(field) {
                self.mark(section);
            }
        }
    }

    /// The first `values` values of each entry of a section.
    fn named_in(&self, section: &str, values: usize) -> Vec<&'a Field> {
        let section = self.doc.section(section);
        let entries = section.into_iter().flat_map(|section| &section.entries);
        let fields = entries.flat_map(|entry| entry.values.iter().take(values));
        fields.filter(|field| !field.value.is_empty()).collect()
    }

    /// The section that a field names; reported when there is none.
    fn named(&mut self, field: &Field) -> Option<&'d Merged<'a>> {
        let name = self.doc.resolve(field);
        let section = self.doc.section(&name);
        if section.is_none() {
            let help = self.suggestion(&name, "write the section");
            let message = format!("there is no section [{name}]");
            self.sink
                .add(Rule::SectionNotFound, field.span.clone(), message, help);
        }
        section
    }

    fn manufacturers(&mut self) {
        let Some(manufacturer) = self.doc.section("manufacturer") else {
            return;
        };
        for entry in &manufacturer.entries {
            let Some(name) = entry.value(0) else {
                let help = "write %Manufacturer% = ModelsSection, NT$ARCH$.10.0...BUILD";
                self.sink.add(
                    Rule::ModelsName,
                    entry.span.clone(),
                    "this manufacturer has no models section",
                    help,
                );
                continue;
            };
            let base = self.doc.resolve(name);
            let decorations = entry
                .values
                .iter()
                .skip(1)
                .filter(|field| !field.value.is_empty());
            let mut targets: Vec<(String, &Field, Option<Decoration>)> = decorations
                .map(|field| {
                    let text = self.doc.resolve(field);
                    let decoration = Decoration::parse(&text);
                    (format!("{base}.{text}"), field, decoration)
                })
                .collect();
            // The undecorated models section counts where no decoration is given, and beside them where it exists.
            if targets.is_empty() || self.doc.section(&base).is_some() {
                targets.push((base.clone(), name, Some(Decoration::default())));
            }
            for (section, field, decoration) in targets {
                self.models(&section, field, decoration);
            }
        }
    }

    fn models(&mut self, name: &str, field: &Field, decoration: Option<Decoration>) {
        let Some(section) = self.doc.section(name) else {
            let help = self.suggestion(
                name,
                "write the models section under this name, decoration included",
            );
            self.sink.add(
                Rule::SectionNotFound,
                field.span.clone(),
                format!("the models section [{name}] does not exist"),
                help,
            );
            return;
        };
        self.mark(section);
        let Some(decoration) = decoration else {
            let help = "write NT$ARCH$.10.0...BUILD, or NTamd64.10.0...BUILD and so on";
            self.sink.add(
                Rule::Decoration,
                field.span.clone(),
                format!("'{}' is not a target OS decoration", field.value),
                help,
            );
            return;
        };
        for entry in &section.entries {
            let Some(install) = entry.value(0) else {
                let help = "write %Description% = InstallSection, HardwareId";
                self.sink.add(
                    Rule::InstallName,
                    entry.span.clone(),
                    "this model has no install section",
                    help,
                );
                continue;
            };
            self.model(install, &decoration);
        }
        self.walk.models.push((section, decoration));
    }

    /// Finds what Windows would install under `field` on `target`.
    fn model(&mut self, field: &Field, target: &Decoration) {
        let name = self.doc.resolve(field);
        let arch = target.arch.clone().unwrap_or_else(|| ANY_ARCH.to_owned());
        let found = self.pick(&name, &arch);
        if found.is_empty() {
            let help = self.suggestion(
                &name,
                "write the install section, for example with the decoration .NT",
            );
            self.sink.add(
                Rule::SectionNotFound,
                field.span.clone(),
                format!("the install section [{name}] does not exist"),
                help,
            );
        }
        for (section, decoration) in found {
            let build = target.min_build().max(decoration.min_build());
            self.add_install(section, &arch, build, true);
        }
    }

    /// The sections that stand for the install section `name` on `arch`: those for one OS version each, and the most
    /// specific of the others.
    fn pick(&self, name: &str, arch: &str) -> Vec<(&'d Merged<'a>, Decoration)> {
        let lower = name.to_lowercase();
        let fitting = self.doc.sections.iter().filter_map(|(own, section)| {
            let rest = own.strip_prefix(&lower)?;
            let decoration = match rest.strip_prefix('.') {
                Some(decoration) => Decoration::parse(decoration)?,
                None if rest.is_empty() => Decoration::default(),
                None => return None,
            };
            decoration
                .fits(arch)
                .then_some((section, decoration, rest.is_empty()))
        });
        let (versioned, mut plain): (Vec<_>, Vec<_>) =
            fitting.partition(|(_, decoration, _)| decoration.version.is_some());
        let rank = |(_, decoration, bare): &(&Merged<'_>, Decoration, bool)| {
            (decoration.arch.is_none(), *bare)
        };
        plain.sort_by_key(rank);
        // Before it is stamped an INX can stand for several architectures, each with a section of its own.
        let best = plain.first().map(rank);
        let plain = plain
            .into_iter()
            .filter(|candidate| Some(rank(candidate)) == best);
        versioned
            .into_iter()
            .chain(plain)
            .map(|(section, decoration, _)| (section, decoration))
            .collect()
    }

    fn fixed_installs(&mut self) {
        for field in self.named_in("interfaceinstall32", 1) {
            if let Some(section) = self.named(field) {
                // It is installed with the devices of this file, whatever they are for.
                self.add_install(section, ANY_ARCH, u32::MAX, false);
            }
        }
        for (name, section) in &self.doc.sections {
            let (base, decoration) = name
                .split_once('.')
                .map_or((name.as_str(), None), |(base, rest)| (base, Some(rest)));
            if !FIXED_INSTALLS.contains(&base) {
                continue;
            }
            let decoration = match decoration {
                None => Decoration::default(),
                Some(text) => match Decoration::parse(text) {
                    Some(decoration) => decoration,
                    None => continue,
                },
            };
            let arch = decoration
                .arch
                .clone()
                .unwrap_or_else(|| ANY_ARCH.to_owned());
            self.add_install(section, &arch, decoration.min_build(), false);
        }
    }

    fn add_install(&mut self, section: &'d Merged<'a>, arch: &str, min_build: u32, hardware: bool) {
        self.mark(section);
        let name = section.name.value.clone();
        if let Some(known) = self
            .walk
            .installs
            .iter_mut()
            .find(|known| known.name.eq_ignore_ascii_case(&name))
        {
            known.archs.insert(arch.to_owned());
            known.min_build = known.min_build.min(min_build);
            return;
        }
        let subs = Sub::ALL.iter().filter_map(|&(suffix, sub)| {
            Some((sub, self.doc.section(&format!("{name}.{suffix}"))?))
        });
        let subs: Vec<_> = subs.collect();
        for (_, section) in &subs {
            self.mark(section);
        }
        let archs = BTreeSet::from([arch.to_owned()]);
        self.walk.installs.push(Install {
            name,
            section,
            archs,
            min_build,
            hardware,
            subs,
        });
    }

    fn install(&mut self, install: usize) {
        let Some(this) = self.walk.installs.get(install) else {
            return;
        };
        let (section, subs) = (this.section, this.subs.clone());
        self.reach(section, Kind::Install, install, None);
        for (sub, section) in subs {
            self.reach(section, Kind::Sub(sub), install, None);
        }
        while let Some(visit) = self.pending.pop_front() {
            self.visit(&visit);
            self.walk.visits.push(visit);
        }
    }

    fn reach(
        &mut self,
        section: &'d Merged<'a>,
        kind: Kind,
        install: usize,
        from: Option<&'a Entry>,
    ) {
        self.mark(section);
        if self
            .seen
            .insert((section.name.value.to_lowercase(), kind, install))
        {
            self.pending.push_back(Visit {
                kind,
                section,
                install,
                from,
            });
        }
    }

    fn visit(&mut self, visit: &Visit<'a, 'd>) {
        let &Visit {
            kind,
            section,
            install,
            ..
        } = visit;
        let secured = format!("{}.security", section.name.value.to_lowercase());
        if matches!(kind, Kind::FileList | Kind::Registry(_)) {
            self.walk
                .used
                .extend(self.doc.sections.contains_key(&secured).then_some(secured));
        }
        if matches!(
            kind,
            Kind::FileList
                | Kind::DeleteList
                | Kind::Registry(_)
                | Kind::DeleteRegistry
                | Kind::Data
        ) {
            return;
        }
        for &entry in &section.entries {
            let directives = DIRECTIVES
                .iter()
                .filter(|directive| entry.key_is(directive.name));
            for directive in directives {
                self.follow(section, entry, directive, kind, install);
            }
            if entry.key_is("needs") {
                for field in &entry.values {
                    if let Some(needed) = self.doc.section(&self.doc.resolve(field)) {
                        self.reach(needed, kind, install, Some(entry));
                    }
                }
            }
        }
    }

    fn follow(
        &mut self,
        section: &Merged<'_>,
        entry: &'a Entry,
        directive: &Directive,
        parent: Kind,
        install: usize,
    ) {
        let fields: Vec<&Field> = match directive.sections {
            Sections::All => entry
                .values
                .iter()
                .filter(|field| !field.value.is_empty())
                .collect(),
            Sections::At(index) => entry.value(index).into_iter().collect(),
        };
        if fields.is_empty() && directive.required {
            let help = format!("name the section that {} is about", directive.name);
            self.sink.add(
                Rule::SectionRequired,
                entry.span.clone(),
                format!("{} names no section", directive.name),
                help,
            );
        }
        let included = section.get("include").is_some();
        let kind = match (directive.kind, parent) {
            (Kind::Registry(_), Kind::Install) => Kind::Registry(Scope::Software),
            (Kind::Registry(_), Kind::Sub(Sub::Hardware)) => Kind::Registry(Scope::Hardware),
            (Kind::Registry(_), Kind::Service) => Kind::Registry(Scope::Service),
            (kind, _) => kind,
        };
        for field in fields {
            let name = self.doc.resolve(field);
            if kind == Kind::FileList && name.starts_with('@') {
                continue;
            }
            match self.doc.section(&name) {
                Some(section) => self.reach(section, kind, install, Some(entry)),
                None => self.lost(field, &name, directive, kind, included),
            }
        }
    }

    fn lost(
        &mut self,
        field: &Field,
        name: &str,
        directive: &Directive,
        kind: Kind,
        included: bool,
    ) {
        let rule = match kind {
            _ if included => Rule::IncludedSection,
            Kind::Service => Rule::ServiceUndefined,
            _ => Rule::SectionNotFound,
        };
        let help = if kind == Kind::FileList && name.contains('.') {
            format!("to copy one file, write CopyFiles = @{name}")
        } else {
            self.suggestion(name, "write the section")
        };
        self.sink.add(
            rule,
            field.span.clone(),
            format!(
                "{} refers to [{name}], which is not in this file",
                directive.name
            ),
            help,
        );
    }

    fn suggestion(&self, name: &str, otherwise: &str) -> String {
        suggest(
            name,
            self.doc
                .sections
                .values()
                .map(|section| section.name.value.as_str()),
            otherwise,
        )
    }
}
