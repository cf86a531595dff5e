//! The bindings agree with what wdk-sys shows to Rust.
//!
//! `surface/*.txt` holds facts about wdk-sys 0.5.2 for KMDF 1.33, an item a line: the functions as its
//! macro shows them, types with what is derived for them, and functions of the kernel.

use std::collections::BTreeMap;
use std::error::Error;

use quote::ToTokens;
use syn::{Fields, FnArg, ForeignItem, GenericArgument, Item, PathArguments, ReturnType, Type};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The generated items by name, each printed in the way of [`print`].
struct Bindings {
    items: BTreeMap<String, String>,
    functions: BTreeMap<String, syn::TypeBareFn>,
}

/// A type or item as text without what does not distinguish it: spaces, paths to C types, visibility, a comma at an end.
fn print(tokens: &impl ToTokens) -> String {
    let mut text: String = tokens
        .to_token_stream()
        .to_string()
        .split_whitespace()
        .collect();
    for noise in ["::core::ffi::", "::core::option::", "crate::llp64::", "pub"] {
        text = text.replace(noise, "");
    }
    text.replace(",}", "}")
        .replace(",)", ")")
        .replace(",>", ">")
}

/// A record: its kind, `repr`, fields, and how it comes by `Default`.
fn print_record(item: &Item, zeroed: &[String]) -> Option<(String, String)> {
    let (kind, name, attributes, fields) = match item {
        Item::Struct(item) => (
            "struct",
            &item.ident,
            &item.attrs,
            item.fields.to_token_stream(),
        ),
        Item::Union(item) => (
            "union",
            &item.ident,
            &item.attrs,
            item.fields.to_token_stream(),
        ),
        _ => return None,
    };
    let mut repr = String::new();
    let mut derives = String::new();
    for attribute in attributes {
        if attribute.path().is_ident("repr") {
            repr += &print(&attribute.meta.require_list().ok()?.tokens);
        } else if attribute.path().is_ident("derive") {
            derives = print(&attribute.meta.require_list().ok()?.tokens);
        }
    }
    if zeroed.contains(&name.to_string()) {
        derives += "+zeroed";
    }
    let repr = repr.trim_start_matches("C").trim_start_matches(',');
    Some((
        name.to_string(),
        format!("{kind} {} [{derives}] [{repr}]", print(&fields)),
    ))
}

/// The constants of a module as a text, without documentation.
fn print_module(module: &syn::ItemMod) -> String {
    let items = module.content.iter().flat_map(|(_, items)| items);
    items
        .filter_map(|item| match item {
            Item::Const(item) => Some(format!(
                "{}:{}={}",
                item.ident,
                print(&item.ty),
                print(&item.expr)
            )),
            Item::Type(item) => Some(format!("type {}={}", item.ident, print(&item.ty))),
            _ => None,
        })
        .collect::<Vec<_>>()
        .join(";")
}

/// The function type in `Option<unsafe extern "C" fn(..) -> ..>`.
fn optional_function(ty: &Type) -> Option<&syn::TypeBareFn> {
    let Type::Path(path) = ty else { return None };
    let PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else {
        return None;
    };
    match arguments.args.first()? {
        GenericArgument::Type(Type::BareFn(function)) => Some(function),
        _ => None,
    }
}

impl Bindings {
    fn generate() -> Result<Self> {
        let mut files = Vec::new();
        for file in kmdf_sys_gen::generate()? {
            files.push(syn::parse_file(&file.text)?);
        }
        let all = || files.iter().flat_map(|file| &file.items);
        let zeroed: Vec<String> = all()
            .filter_map(|item| match item {
                Item::Macro(item) if item.mac.path.is_ident("zeroed_default") => {
                    Some(item.mac.tokens.to_string())
                }
                _ => None,
            })
            .flat_map(|names| {
                names
                    .split(',')
                    .map(|name| name.trim().to_owned())
                    .collect::<Vec<_>>()
            })
            .collect();
        let mut bindings = Self {
            items: BTreeMap::new(),
            functions: BTreeMap::new(),
        };
        for item in all() {
            bindings.add(item, &zeroed);
        }
        Ok(bindings)
    }

    fn add(&mut self, item: &Item, zeroed: &[String]) {
        let (name, text) = match item {
            Item::Type(item) => {
                if let Some(function) = optional_function(&item.ty) {
                    self.functions
                        .insert(item.ident.to_string(), function.clone());
                }
                (item.ident.to_string(), print(&item.ty))
            }
            Item::Mod(item) => (item.ident.to_string(), print_module(item)),
            Item::Use(item) => {
                let text = print(&item.tree);
                let Some((_, name)) = text.rsplit_once("Typeas") else {
                    return;
                };
                (name.to_owned(), text.clone())
            }
            Item::ForeignMod(item) => {
                for item in &item.items {
                    if let ForeignItem::Fn(function) = item {
                        let (name, text) = print_foreign(function);
                        self.items.insert(name, text);
                    }
                }
                return;
            }
            _ => match print_record(item, zeroed) {
                Some(record) => record,
                None => return,
            },
        };
        self.items.insert(name, text);
    }

    /// What differs between an item of the surface and the one of the same name.
    fn compare(&self, name: &str, expected: &str) -> Option<String> {
        match self.items.get(name) {
            Some(found) if found == expected => None,
            Some(found) => Some(format!(
                "{name}\n  wdk-sys:  {expected}\n  kmdf-sys: {found}"
            )),
            None => Some(format!("{name} is missing")),
        }
    }
}

fn print_foreign(function: &syn::ForeignItemFn) -> (String, String) {
    let must_use = function
        .attrs
        .iter()
        .any(|attribute| attribute.path().is_ident("must_use"));
    let text = format!(
        "{}{}",
        if must_use { "must_use " } else { "" },
        print(&function.sig)
    );
    (function.sig.ident.to_string(), text)
}

/// A line of `types.txt` as the name of an item and its text.
fn parse_type(line: &str) -> Result<(String, String)> {
    let (code, comment) = line.split_once("// ").unwrap_or((line, ""));
    let item: Item = syn::parse_str(code).map_err(|error| format!("{line}: {error}"))?;
    Ok(match &item {
        Item::Type(item) => (item.ident.to_string(), print(&item.ty)),
        Item::Mod(item) => (item.ident.to_string(), print_module(item)),
        Item::Use(item) => {
            let text = print(&item.tree);
            let name = text.rsplit_once("Typeas").ok_or("no alias")?.1.to_owned();
            (name, text)
        }
        _ => {
            // What follows the fields as a comment is, in Rust, before the item.
            let derives = comment
                .split_once("derive(")
                .and_then(|(_, rest)| rest.split_once(')'))
                .ok_or("no derive")?
                .0;
            let repr: Vec<&str> = comment
                .split("#[repr(")
                .skip(1)
                .filter_map(|rest| rest.rsplit_once(")]").map(|(repr, _)| repr))
                .collect();
            let repr = if repr.is_empty() {
                "C".to_owned()
            } else {
                repr.join(", ")
            };
            let item: Item =
                syn::parse_str(&format!("#[repr({repr})]\n#[derive({derives})]\n{code}"))?;
            let zeroed: Vec<String> = match comment.contains("impl Default(zeroed)") {
                true => match &item {
                    Item::Struct(item) => vec![item.ident.to_string()],
                    Item::Union(item) => vec![item.ident.to_string()],
                    _ => vec![],
                },
                false => vec![],
            };
            print_record(&item, &zeroed).ok_or("neither a structure nor a union")?
        }
    })
}

/// Fails with all differences, if there are any.
fn report(compared: usize, differences: &[String]) {
    assert!(compared > 20, "only {compared} items were compared");
    assert!(
        differences.is_empty(),
        "{} of {compared} differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

#[test]
fn types_agree() -> Result<()> {
    let bindings = Bindings::generate()?;
    let mut differences = Vec::new();
    let mut compared = 0;
    for line in include_str!("surface/types.txt").lines() {
        let (name, expected) = parse_type(line)?;
        compared += 1;
        differences.extend(bindings.compare(&name, &expected));
    }
    report(compared, &differences);
    Ok(())
}

#[test]
fn kernel_functions_agree() -> Result<()> {
    let bindings = Bindings::generate()?;
    let mut differences = Vec::new();
    let mut compared = 0;
    for line in include_str!("surface/ntddk.txt").lines() {
        let function: ForeignItem = syn::parse_str(line)?;
        let ForeignItem::Fn(function) = function else {
            return Err(line.into());
        };
        let (name, expected) = print_foreign(&function);
        compared += 1;
        differences.extend(bindings.compare(&name, &expected));
    }
    report(compared, &differences);
    Ok(())
}

/// Names of parameters are C's here and in snake case there.
fn same_name(left: &str, right: &str) -> bool {
    let plain = |name: &str| name.replace('_', "").to_lowercase();
    plain(left) == plain(right)
}

fn compare_function(line: &str, bindings: &Bindings) -> Result<Option<String>> {
    let expected: syn::TraitItemFn = syn::parse_str(&format!("fn {line};"))?;
    let name = expected.sig.ident.to_string();
    let Some(found) = bindings
        .functions
        .get(&format!("PFN_{}", name.to_uppercase()))
    else {
        return Ok(Some(format!("{name} is missing")));
    };
    let mut inputs = found.inputs.iter();
    let globals = inputs.next().map(|globals| print(&globals.ty));
    let found_params: Vec<(String, String)> = inputs
        .map(|input| {
            let name = input.name.as_ref().map(|(name, _)| name.to_string());
            (name.unwrap_or_default(), print(&input.ty))
        })
        .collect();
    let expected_params: Vec<(String, String)> = expected
        .sig
        .inputs
        .iter()
        .filter_map(|input| match input {
            FnArg::Typed(input) => Some((print(&input.pat), print(&input.ty))),
            FnArg::Receiver(_) => None,
        })
        .collect();
    let result = |output: &ReturnType| match output {
        ReturnType::Default => String::new(),
        ReturnType::Type(_, ty) => print(ty),
    };
    let same = globals.as_deref() == Some("PWDF_DRIVER_GLOBALS")
        && found_params.len() == expected_params.len()
        && found_params
            .iter()
            .zip(&expected_params)
            .all(|(found, expected)| same_name(&found.0, &expected.0) && found.1 == expected.1)
        && result(&found.output) == result(&expected.sig.output);
    Ok((!same).then(|| format!("{line}\n  kmdf-sys: {}", print(found))))
}

#[test]
fn functions_agree() -> Result<()> {
    let bindings = Bindings::generate()?;
    let mut differences = Vec::new();
    let lines: Vec<&str> = include_str!("surface/functions.txt").lines().collect();
    for line in &lines {
        differences.extend(compare_function(line, &bindings)?);
    }
    report(lines.len(), &differences);
    Ok(())
}

#[test]
fn a_difference_is_seen() -> Result<()> {
    let bindings = Bindings::generate()?;
    let wrong = "WdfDriverCreate(driver_object: PDRIVER_OBJECT) -> NTSTATUS";
    assert!(compare_function(wrong, &bindings)?.is_some());
    let (name, text) = parse_type(
        "pub struct _WDFMEMORY_OFFSET { pub BufferOffset: usize, pub BufferLength: u32, } // derive(Debug, Default, Copy, Clone)",
    )?;
    assert!(bindings.compare(&name, &text).is_some());
    let fields = match syn::parse_str::<Item>("struct S { a: u8 }")? {
        Item::Struct(item) => item.fields,
        _ => Fields::Unit,
    };
    assert_eq!(print(&fields), "{a:u8}");
    Ok(())
}
