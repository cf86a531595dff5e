//! A parsed file as Windows sees it: sections of one name merged, strings to be looked up.

use std::collections::HashSet;

use indexmap::IndexMap;

use crate::syntax::{Entry, Field, Inf};
use crate::text::Span;

/// Sections of one name, merged.
#[derive(Debug)]
pub(crate) struct Merged<'a> {
    /// The name where it first stands.
    pub(crate) name: &'a Field,
    /// Where the name stands again.
    pub(crate) repeated: Vec<&'a Field>,
    pub(crate) entries: Vec<&'a Entry>,
}

impl<'a> Merged<'a> {
    /// The entries whose key is `key`.
    pub(crate) fn all(&self, key: &str) -> impl Iterator<Item = &'a Entry> {
        self.entries
            .iter()
            .copied()
            .filter(move |entry| entry.key_is(key))
    }

    /// The entry that counts: the first.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Entry> {
        self.all(key).next()
    }
}

#[derive(Debug)]
pub(crate) struct Document<'a> {
    /// By name in lower case.
    pub(crate) sections: IndexMap<String, Merged<'a>>,
    /// The strings of `[Strings]` and of every `[Strings.LanguageID]`, by name in lower case.
    strings: IndexMap<String, &'a str>,
}

impl<'a> Document<'a> {
    pub(crate) fn new(inf: &'a Inf) -> Self {
        let mut sections: IndexMap<String, Merged<'a>> = IndexMap::new();
        for section in &inf.sections {
            let merged = sections
                .entry(section.name.value.to_lowercase())
                .or_insert_with(|| Merged {
                    name: &section.name,
                    repeated: Vec::new(),
                    entries: Vec::new(),
                });
            if !std::ptr::eq(merged.name, &section.name) {
                merged.repeated.push(&section.name);
            }
            merged.entries.extend(&section.entries);
        }
        let mut strings = IndexMap::new();
        let tables = sections.iter().filter(|(name, _)| is_strings(name));
        for entry in tables.flat_map(|(_, section)| &section.entries) {
            if let Some(key) = &entry.key {
                let value = entry
                    .values
                    .first()
                    .map_or("", |value| value.value.as_str());
                strings.entry(key.value.to_lowercase()).or_insert(value);
            }
        }
        Self { sections, strings }
    }

    pub(crate) fn section(&self, name: &str) -> Option<&Merged<'a>> {
        self.sections.get(&name.to_lowercase())
    }

    pub(crate) fn is_string(&self, name: &str) -> bool {
        self.strings.contains_key(&name.to_lowercase())
    }

    /// The names of all strings, in lower case.
    pub(crate) fn string_names(&self) -> impl Iterator<Item = &str> {
        self.strings.keys().map(String::as_str)
    }

    /// The field's value with its tokens replaced. DIRIDs (`%13%`) and undefined tokens stay as they are.
    pub(crate) fn resolve(&self, field: &Field) -> String {
        let mut resolved = String::new();
        let mut rest = field.value.as_str();
        while let Some((before, after)) = rest.split_once('%') {
            resolved.push_str(before);
            let Some((name, tail)) = after.split_once('%') else {
                resolved.push('%');
                rest = after;
                continue;
            };
            match self.strings.get(&name.to_lowercase()) {
                _ if name.is_empty() => resolved.push('%'),
                Some(value) => resolved.push_str(value),
                None => {
                    resolved.push('%');
                    resolved.push_str(name);
                    resolved.push('%');
                }
            }
            rest = tail;
        }
        resolved.push_str(rest);
        resolved
    }

    /// The value at `index` of an entry, tokens replaced; empty when it is left out.
    pub(crate) fn value(&self, entry: &Entry, index: usize) -> String {
        entry
            .values
            .get(index)
            .map(|field| self.resolve(field))
            .unwrap_or_default()
    }

    /// The value at `index` as a number; `None` when it is there and is none, 0 when it is left out.
    pub(crate) fn number(&self, entry: &Entry, index: usize) -> Option<u64> {
        let value = self.value(entry, index);
        if value.is_empty() {
            Some(0)
        } else {
            crate::values::number(&value)
        }
    }

    pub(crate) fn is_extension(&self) -> bool {
        let class = self
            .section("version")
            .and_then(|version| version.get("class"));
        class.is_some_and(|class| self.value(class, 0).eq_ignore_ascii_case("extension"))
    }
}

/// `[Strings]` or `[Strings.LanguageID]`.
pub(crate) fn is_strings(name: &str) -> bool {
    let name = name.to_lowercase();
    name == "strings"
        || name
            .strip_prefix("strings.")
            .is_some_and(|id| u16::from_str_radix(id, 16).is_ok())
}

/// The one of `known` that `name` is likely meant to be.
pub(crate) fn closest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let name = name.to_lowercase();
    known
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&name, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|&(distance, _)| distance > 0 && distance <= name.len() / 4)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// What to do about an unknown name: the one it is likely meant to be, or `otherwise`.
pub(crate) fn suggest<'n>(
    name: &str,
    known: impl IntoIterator<Item = &'n str>,
    otherwise: &str,
) -> String {
    closest(name, known).map_or_else(
        || otherwise.to_owned(),
        |known| format!("did you mean '{known}'? If not, {otherwise}"),
    )
}

/// Repeats among `items`, each with the place of its repetition.
pub(crate) fn repeats(items: impl IntoIterator<Item = (String, Span)>) -> Vec<(String, Span)> {
    let mut seen = HashSet::new();
    items
        .into_iter()
        .filter(|(name, _)| !seen.insert(name.to_lowercase()))
        .collect()
}
