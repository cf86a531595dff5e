//! The library's public functions that can fail, from its source.

use std::collections::BTreeSet;
use std::fs;

use syn::visit::{self, Visit};
use syn::{
    ImplItemFn, ItemFn, ItemImpl, ItemTrait, ReturnType, Signature, TraitItemFn, Type, Visibility,
};
use walkdir::WalkDir;

type Error = Box<dyn std::error::Error>;

/// `Type::function` of each, `function` of those that belong to no type.
pub(crate) fn fallible() -> Result<BTreeSet<String>, Error> {
    let mut found = Fallible::default();
    for entry in WalkDir::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")) {
        let entry = entry?;
        let rust = entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "rs");
        // The door to the bindings has C's functions, which return statuses.
        if rust && entry.file_name() != "ffi.rs" {
            found.visit_file(&syn::parse_file(&fs::read_to_string(entry.path())?)?);
        }
    }
    Ok(found.names)
}

#[derive(Default)]
struct Fallible {
    names: BTreeSet<String>,
    /// The type or trait whose functions are being visited, if they are public by themselves or by `pub`.
    owner: Option<String>,
}

/// Whether a function returns a `Result`, by whatever path.
fn can_fail(signature: &Signature) -> bool {
    let ReturnType::Type(_, returned) = &signature.output else {
        return false;
    };
    let Type::Path(path) = &**returned else {
        return false;
    };
    path.path
        .segments
        .last()
        .is_some_and(|last| last.ident == "Result")
}

impl Fallible {
    fn add(&mut self, signature: &Signature) {
        if can_fail(signature) {
            let name = &signature.ident;
            self.names.insert(match &self.owner {
                Some(owner) => format!("{owner}::{name}"),
                None => name.to_string(),
            });
        }
    }

    fn within(&mut self, owner: Option<String>, visit: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.owner, owner);
        visit(self);
        self.owner = outer;
    }
}

impl<'ast> Visit<'ast> for Fallible {
    fn visit_item_impl(&mut self, node: &'ast ItemImpl) {
        // What a trait asks for is counted once, where the trait is.
        if node.trait_.is_some() {
            return;
        }
        let Type::Path(path) = &*node.self_ty else {
            return;
        };
        let owner = path.path.segments.last().map(|last| last.ident.to_string());
        self.within(owner, |this| visit::visit_item_impl(this, node));
    }

    fn visit_impl_item_fn(&mut self, node: &'ast ImplItemFn) {
        if matches!(node.vis, Visibility::Public(_)) {
            self.add(&node.sig);
        }
    }

    fn visit_item_trait(&mut self, node: &'ast ItemTrait) {
        if matches!(node.vis, Visibility::Public(_)) {
            let owner = Some(node.ident.to_string());
            self.within(owner, |this| visit::visit_item_trait(this, node));
        }
    }

    fn visit_trait_item_fn(&mut self, node: &'ast TraitItemFn) {
        // Callbacks: the driver has them, the library calls them.
        let name = node.sig.ident.to_string();
        if name != "load" && !name.starts_with("evt_") {
            self.add(&node.sig);
        }
    }

    fn visit_item_fn(&mut self, node: &'ast ItemFn) {
        if matches!(node.vis, Visibility::Public(_)) {
            self.within(None, |this| this.add(&node.sig));
        }
    }
}
