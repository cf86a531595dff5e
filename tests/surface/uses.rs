//! What the library uses of the bindings.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Expr, ExprField, ExprStruct, Item, Macro, Member, PatStruct, Token, UseTree};

use super::Result;
use super::table::Surface;

/// One thing that is used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Use {
    /// At the root of the bindings.
    Name(String),
    /// In a module of the bindings.
    Member(String, String),
    /// A DDI, called through the function table.
    Function(String),
    /// From `kmdf_sys::missing`.
    Missing(String),
    /// A field in a literal or a pattern.
    RecordField(String, String),
    /// Fields one after the other, as in `u.BufferType.Length`.
    FieldPath(Vec<String>),
}

/// What `ffi.rs` names.
pub(crate) fn of_ffi(source: &str) -> Result<BTreeSet<Use>> {
    let file = syn::parse_file(source)?;
    let mut uses = BTreeSet::new();
    for item in &file.items {
        if let Item::Use(item) = item {
            imports(&item.tree, &mut Vec::new(), &mut uses);
        }
    }
    let modules: BTreeSet<String> = uses
        .iter()
        .filter_map(|used| match used {
            Use::Name(name) => Some(name.clone()),
            _ => None,
        })
        .collect();
    paths(source.parse()?, &modules, &mut uses);
    for item in &file.items {
        if let Item::Macro(item) = item
            && item.mac.path.is_ident("wdf_functions")
        {
            functions(item.mac.tokens.clone(), &mut uses);
        }
    }
    Ok(uses)
}

/// The leaves of a `use` of the bindings.
fn imports(tree: &UseTree, path: &mut Vec<String>, uses: &mut BTreeSet<Use>) {
    match tree {
        UseTree::Path(tree) => {
            path.push(tree.ident.to_string());
            imports(&tree.tree, path, uses);
            path.pop();
        }
        UseTree::Group(group) => {
            for tree in &group.items {
                imports(tree, path, uses);
            }
        }
        UseTree::Name(leaf) => import(path, &leaf.ident.to_string(), uses),
        UseTree::Rename(leaf) => import(path, &leaf.ident.to_string(), uses),
        // Would hide what is used.
        UseTree::Glob(_) => import(path, "*", uses),
    }
}

fn import(path: &[String], name: &str, uses: &mut BTreeSet<Use>) {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["bindings"] => uses.insert(Use::Name(name.to_owned())),
        ["bindings", module] => uses.insert(Use::Member((*module).to_owned(), name.to_owned())),
        ["kmdf_sys", "missing"] => uses.insert(Use::Missing(name.to_owned())),
        _ => false,
    };
}

/// Paths in code and in the arguments of macros: `bindings::name`, and `module::name` of a module
/// that was imported.
fn paths(tokens: TokenStream, modules: &BTreeSet<String>, uses: &mut BTreeSet<Use>) {
    let mut path: Vec<String> = Vec::new();
    let mut colons = 0;
    let mut finish = |path: &mut Vec<String>| {
        let names: Vec<&str> = path
            .iter()
            .map(String::as_str)
            .skip_while(|name| ["super", "crate", "self"].contains(name))
            .collect();
        match names.as_slice() {
            ["bindings", name] => {
                uses.insert(Use::Name((*name).to_owned()));
            }
            ["bindings", module, name] => {
                uses.insert(Use::Member((*module).to_owned(), (*name).to_owned()));
            }
            [module, name] if modules.contains(*module) => {
                uses.insert(Use::Member((*module).to_owned(), (*name).to_owned()));
            }
            _ => {}
        }
        path.clear();
    };
    let mut groups = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
            TokenTree::Ident(ident) => {
                if colons != 2 {
                    finish(&mut path);
                }
                path.push(ident.to_string());
                colons = 0;
            }
            TokenTree::Group(group) => {
                finish(&mut path);
                colons = 0;
                groups.push(group.stream());
            }
            _ => {
                finish(&mut path);
                colons = 0;
            }
        }
    }
    finish(&mut path);
    for group in groups {
        paths(group, modules, uses);
    }
}

/// The names after `fn`.
fn functions(tokens: TokenStream, uses: &mut BTreeSet<Use>) {
    let mut after_fn = false;
    for token in tokens {
        let TokenTree::Ident(ident) = token else {
            continue;
        };
        if after_fn {
            uses.insert(Use::Function(ident.to_string()));
        }
        after_fn = ident == "fn";
    }
}

/// The fields of C's records that a file of the library reads or writes.
pub(crate) fn of_fields(source: &str, surface: &Surface) -> Result<BTreeSet<Use>> {
    let mut fields = FieldUses {
        surface,
        uses: BTreeSet::new(),
    };
    fields.visit_file(&syn::parse_file(source)?);
    Ok(fields.uses)
}

struct FieldUses<'a> {
    surface: &'a Surface,
    uses: BTreeSet<Use>,
}

/// Rust's fields are in snake case, C's are not; `u` is C's.
fn is_c(field: &str) -> bool {
    field == "u" || field.starts_with("__bindgen") || field.starts_with(char::is_uppercase)
}

impl FieldUses<'_> {
    fn record<'m>(&mut self, path: &syn::Path, members: impl Iterator<Item = &'m Member>) {
        let Some(record) = path.segments.last().map(|last| last.ident.to_string()) else {
            return;
        };
        // The library's own records have fields in snake case.
        for member in members {
            if let Member::Named(field) = member
                && (self.surface.is_record(&record) || is_c(&field.to_string()))
            {
                let used = Use::RecordField(record.clone(), field.to_string());
                self.uses.insert(used);
            }
        }
    }
}

impl<'ast> Visit<'ast> for FieldUses<'_> {
    fn visit_expr_struct(&mut self, node: &'ast ExprStruct) {
        self.record(&node.path, node.fields.iter().map(|field| &field.member));
        visit::visit_expr_struct(self, node);
    }

    fn visit_pat_struct(&mut self, node: &'ast PatStruct) {
        self.record(&node.path, node.fields.iter().map(|field| &field.member));
        visit::visit_pat_struct(self, node);
    }

    fn visit_expr_field(&mut self, node: &'ast ExprField) {
        let mut path = Vec::new();
        let mut field = node;
        loop {
            if let Member::Named(name) = &field.member {
                path.push(name.to_string());
            }
            match &*field.base {
                Expr::Field(base) => field = base,
                _ => break,
            }
        }
        path.reverse();
        let path: Vec<String> = path.into_iter().skip_while(|name| !is_c(name)).collect();
        if !path.is_empty() {
            self.uses.insert(Use::FieldPath(path));
        }
        visit::visit_expr_field(self, node);
    }

    /// Arguments of macros are tokens; most are expressions.
    fn visit_macro(&mut self, node: &'ast Macro) {
        let parsed = node.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated);
        for expression in parsed.iter().flatten() {
            // The tokens do not live as long as the file does; what is found in them is kept by
            // value.
            let mut inner = FieldUses {
                surface: self.surface,
                uses: BTreeSet::new(),
            };
            inner.visit_expr(expression);
            self.uses.extend(inner.uses);
        }
    }
}
