//! What wdk-sys shows to Rust, from the tables of facts.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::Visit;
use syn::{Fields, ForeignItem, Item, TraitItemFn, Type, TypePath};

use super::Result;
use super::uses::Use;

/// The types in a signature.
#[derive(Default)]
struct TypeNames(BTreeSet<String>);

impl<'ast> Visit<'ast> for TypeNames {
    fn visit_type_path(&mut self, node: &'ast TypePath) {
        self.0.extend(
            node.path
                .segments
                .first()
                .map(|name| name.ident.to_string()),
        );
    }
}

/// Names by where they are.
#[derive(Default)]
pub(crate) struct Surface {
    /// At the root of the crate.
    names: BTreeSet<String>,
    /// In a module: the enumerators of an enumeration, the functions of `ntddk`.
    members: BTreeMap<String, BTreeSet<String>>,
    /// The fields of a record, each with its type where that has a name.
    fields: BTreeMap<String, BTreeMap<String, Option<String>>>,
    /// What an alias stands for.
    aliases: BTreeMap<String, String>,
    /// DDIs of the function table.
    functions: BTreeSet<String>,
}

/// The name of a type that is a path.
fn type_name(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => Some(path.path.segments.last()?.ident.to_string()),
        _ => None,
    }
}

impl Surface {
    /// Reads the tables: types and functions as the tests of kmdf-sys have them, and the names that
    /// those do not need.
    pub(crate) fn read() -> Result<Self> {
        let mut surface = Self::default();
        for line in include_str!("../../crates/kmdf-sys-gen/tests/surface/types.txt").lines() {
            let code = line.split_once("// ").map_or(line, |(code, _)| code);
            surface.add(&syn::parse_str(code).map_err(|error| format!("{line}: {error}"))?);
        }
        let functions = include_str!("../../crates/kmdf-sys-gen/tests/surface/functions.txt");
        for line in functions.lines() {
            let function: TraitItemFn = syn::parse_str(&format!("fn {line};"))?;
            surface.add_function(&function.sig.ident.to_string());
            // What stands in a signature is there.
            let mut types = TypeNames::default();
            types.visit_trait_item_fn(&function);
            surface.names.extend(types.0);
        }
        let kernel = include_str!("../../crates/kmdf-sys-gen/tests/surface/ntddk.txt");
        for line in kernel.lines() {
            let ForeignItem::Fn(function) = syn::parse_str(line)? else {
                return Err(line.into());
            };
            surface.add_member("ntddk", &function.sig.ident.to_string());
        }
        for line in include_str!("wdk-sys.txt").lines() {
            let line = line.split_once('#').map_or(line, |(name, _)| name).trim();
            if let Some(function) = line.strip_prefix("fn ") {
                surface.add_function(function);
            } else if let Some((module, name)) = line.split_once("::") {
                surface.add_member(module, name);
            } else if !line.is_empty() {
                surface.add_name(line);
            }
        }
        Ok(surface)
    }

    /// A DDI of the function table, with its index and the type of its pointer.
    fn add_function(&mut self, name: &str) {
        self.functions.insert(name.to_owned());
        self.add_member("_WDFFUNCENUM", &format!("{name}TableIndex"));
        self.names.insert(format!("PFN_{}", name.to_uppercase()));
    }

    fn add_member(&mut self, module: &str, name: &str) {
        self.names.insert(module.to_owned());
        let members = self.members.entry(module.to_owned()).or_default();
        members.insert(name.to_owned());
    }

    /// A name, and those that bindgen makes with it: of a tag `_X` the alias `X` and the pointer
    /// `PX`.
    fn add_name(&mut self, name: &str) {
        self.names.insert(name.to_owned());
        if let Some(alias) = name.strip_prefix('_')
            && !alias.contains("__bindgen")
        {
            self.names.insert(alias.to_owned());
            self.names.insert(format!("P{alias}"));
            self.aliases.insert(alias.to_owned(), name.to_owned());
        }
    }

    fn add(&mut self, item: &Item) {
        match item {
            Item::Type(item) => {
                let name = item.ident.to_string();
                match &*item.ty {
                    // Of a handle, what it points to.
                    Type::Ptr(pointer) => {
                        if let Some(tag) = type_name(&pointer.elem)
                            && tag == format!("{name}__")
                        {
                            self.names.insert(tag);
                        }
                    }
                    ty => {
                        if let Some(target) = type_name(ty) {
                            self.aliases.insert(name.clone(), target);
                        }
                    }
                }
                self.names.insert(name);
            }
            Item::Mod(item) => {
                let module = item.ident.to_string();
                self.add_name(&module);
                for item in item.content.iter().flat_map(|(_, items)| items) {
                    match item {
                        Item::Const(item) => self.add_member(&module, &item.ident.to_string()),
                        Item::Type(item) => self.add_member(&module, &item.ident.to_string()),
                        _ => {}
                    }
                }
            }
            Item::Struct(item) => self.add_record(&item.ident.to_string(), &item.fields),
            Item::Union(item) => {
                let fields = Fields::Named(item.fields.clone());
                self.add_record(&item.ident.to_string(), &fields);
            }
            _ => {}
        }
    }

    fn add_record(&mut self, name: &str, fields: &Fields) {
        self.add_name(name);
        let fields = fields
            .iter()
            .filter_map(|field| Some((field.ident.as_ref()?.to_string(), type_name(&field.ty))))
            .collect();
        self.fields.insert(name.to_owned(), fields);
    }

    /// The fields of a record, under whichever of its names.
    fn record(&self, name: &str) -> Option<&BTreeMap<String, Option<String>>> {
        let mut name = name;
        loop {
            if let Some(fields) = self.fields.get(name) {
                return Some(fields);
            }
            name = self.aliases.get(name)?;
        }
    }

    /// Whether fields lead from one record to the next.
    fn has_path(&self, record: &str, path: &[String]) -> bool {
        let [first, rest @ ..] = path else {
            return true;
        };
        match self.record(record).and_then(|fields| fields.get(first)) {
            None => false,
            Some(_) if rest.is_empty() => true,
            Some(ty) => ty.as_ref().is_some_and(|ty| self.has_path(ty, rest)),
        }
    }

    /// What is wrong with a use, if anything.
    pub(crate) fn check(&self, used: &Use) -> Option<String> {
        let (is_there, complaint) = match used {
            Use::Name(name) => (
                self.names.contains(name),
                format!("wdk-sys has no `{name}`"),
            ),
            Use::Member(module, name) => (
                self.members
                    .get(module)
                    .is_some_and(|members| members.contains(name)),
                format!("wdk-sys has no `{module}::{name}`"),
            ),
            Use::Function(name) => (
                self.functions.contains(name),
                format!("the function table of KMDF 1.33 has no `{name}`"),
            ),
            Use::Missing(name) => (
                is_missing(name) && !self.names.contains(name),
                format!("wdk-sys has `{name}` itself"),
            ),
            Use::RecordField(record, field) => (
                self.has_path(record, std::slice::from_ref(field)),
                format!("in wdk-sys `{record}` has no field `{field}`"),
            ),
            Use::FieldPath(path) => (
                self.fields.keys().any(|record| self.has_path(record, path)),
                format!("in wdk-sys no record has `.{}`", path.join(".")),
            ),
        };
        (!is_there).then_some(complaint)
    }

    /// Whether a record is C's.
    pub(crate) fn is_record(&self, name: &str) -> bool {
        self.record(name).is_some()
    }
}

/// Whether bindgen makes nothing of a C macro of this name, and wdk-sys has not written it out by
/// hand: those with a cast, and those with parameters.
fn is_missing(name: &str) -> bool {
    ["STATUS_WDF_", "USBD_STATUS_", "IOCTL_", "WDF_TIMEOUT_TO_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}
