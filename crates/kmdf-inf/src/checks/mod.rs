//! The rules, by what they are about.

mod conflicts;
mod files;
mod filters;
mod models;
mod registry;
mod services;
mod strings;
mod structure;
mod version;

use crate::Options;
use crate::document::Document;
use crate::finding::Sink;
use crate::walk::Walk;

/// What a rule looks at.
#[derive(Debug)]
pub(crate) struct Context<'a, 'd> {
    pub(crate) text: &'a str,
    pub(crate) doc: &'d Document<'a>,
    pub(crate) walk: &'d Walk<'a, 'd>,
    pub(crate) options: &'d Options,
    /// The file is still to be stamped.
    pub(crate) inx: bool,
    pub(crate) extension: bool,
}

pub(crate) fn all(context: &Context<'_, '_>, sink: &mut Sink<'_>) {
    version::check(context, sink);
    structure::check(context, sink);
    strings::check(context, sink);
    models::check(context, sink);
    services::check(context, sink);
    conflicts::check(context, sink);
    filters::check(context, sink);
    files::check(context, sink);
    registry::check(context, sink);
}
