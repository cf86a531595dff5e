//! Where the lifelines of the picture stand.
//!
//! All text is of one width a character, so that its length is known without a font.

use std::collections::BTreeSet;

use super::super::FRAMEWORK;
use super::super::diagram::{Step, What, label as label_of};

/// Width of a character, a little more than that of the fonts in use.
pub(super) const CHARACTER: f64 = 7.3;
/// Room between a lifeline and a text right of it.
pub(super) const BESIDE: f64 = 16.0;
/// Least and most between two lifelines; a text that has no room is cut.
const GAP_AT_LEAST: f64 = 110.0;
const GAP_AT_MOST: f64 = 560.0;
/// Around the label of an arrow: its head, and some of its shaft.
const AROUND_LABEL: f64 = 44.0;

/// Width of a text.
#[expect(
    clippy::cast_precision_loss,
    reason = "no text has more than 2^52 characters"
)]
pub(super) fn width(text: &str) -> f64 {
    text.chars().count() as f64 * CHARACTER
}

/// The characters that have room in a width.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the width of a picture, not negative"
)]
pub(super) fn room(width: f64) -> usize {
    (width.max(0.0) / CHARACTER) as usize
}

/// The lifelines, from the left.
#[derive(Debug)]
pub(super) struct Columns {
    names: Vec<String>,
    centres: Vec<f64>,
    /// Right of everything.
    pub(super) right: f64,
}

impl Columns {
    /// Lifelines for all who appear in the steps, the first at `left` or right of it.
    pub(super) fn new(known: &[String], steps: &[&Step], left: f64) -> Self {
        let names = order(known, steps);
        let mut gaps = vec![GAP_AT_LEAST; names.len()];
        for (index, pair) in names.windows(2).enumerate() {
            if let (Some(gap), [one, other]) = (gaps.get_mut(index), pair) {
                *gap = gap.max((box_width(one) + box_width(other)) / 2.0 + 16.0);
            }
        }
        let place = |name: &str| names.iter().position(|known| known == name);
        // Texts between neighbours first, then what is still missing for those that reach further.
        let mut needs: Vec<(usize, usize, f64)> = steps
            .iter()
            .filter_map(|step| {
                let (from, to, need) = need(step)?;
                let (from, to) = (place(from)?, to.map_or(Some(place(from)? + 1), place)?);
                Some((from.min(to), from.max(to), need.min(GAP_AT_MOST)))
            })
            .collect();
        needs.sort_by_key(|(from, to, _)| to - from);
        for (from, to, need) in needs {
            let Some(span) = gaps.get_mut(from..to) else {
                continue;
            };
            let missing = need - span.iter().sum::<f64>();
            if missing > 0.0 {
                #[expect(clippy::cast_precision_loss, reason = "a few lifelines")]
                let share = missing / span.len().max(1) as f64;
                for gap in span {
                    *gap += share;
                }
            }
        }
        let mut centre = left + names.first().map_or(0.0, |name| box_width(name)) / 2.0;
        let mut centres = Vec::new();
        for gap in &gaps {
            centres.push(centre);
            centre += gap.ceil();
        }
        Self {
            names,
            centres,
            right: centre,
        }
    }

    /// The lifelines with their names.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, f64)> {
        let names = self.names.iter().map(String::as_str);
        names.zip(self.centres.iter().copied())
    }

    /// Where somebody's lifeline is.
    pub(super) fn centre(&self, name: &str) -> f64 {
        let found = self.all().find(|(known, _)| *known == name);
        found.map_or(self.right, |(_, centre)| centre)
    }

    /// The lifeline right of another.
    pub(super) fn next(&self, centre: f64) -> Option<f64> {
        self.centres.iter().find(|&&other| other > centre).copied()
    }

    /// All but the drivers, which are seen in callbacks, and the framework: what they do with a
    /// request is to hold it.
    pub(super) fn holders(&self, steps: &[&Step]) -> BTreeSet<String> {
        let drivers = drivers(steps);
        let names = self.names.iter();
        names
            .filter(|name| *name != FRAMEWORK && !drivers.contains(name.as_str()))
            .cloned()
            .collect()
    }
}

/// Width of the box with a name.
pub(super) fn box_width(name: &str) -> f64 {
    width(name) + 24.0
}

/// The width that a step's text needs right of somebody, or between two.
fn need(step: &Step) -> Option<(&str, Option<&str>, f64)> {
    match &step.what {
        What::Arrow {
            from,
            to,
            label,
            irp,
            ..
        } => {
            let label = width(&label_of(*irp, label));
            let to = (from != to).then(|| to.name());
            Some((from.name(), to, label + AROUND_LABEL))
        }
        What::Note { actor, text }
        | What::Enter { actor, text }
        | What::Leave {
            actor,
            text: Some(text),
        } => Some((actor.name(), None, width(text) + 2.0 * BESIDE)),
        What::Leave { text: None, .. } | What::Banner { .. } => None,
    }
}

/// Everybody who appears, from the left: those who are known in their order, then the others as
/// they appear, and the framework between the drivers and the devices below them.
fn order(known: &[String], steps: &[&Step]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let drivers = drivers(steps);
    let mut seen = BTreeSet::new();
    let mut in_order = Vec::new();
    for step in steps {
        let (one, other) = match &step.what {
            What::Arrow { from, to, .. } => (from, Some(to)),
            What::Note { actor, .. } | What::Enter { actor, .. } | What::Leave { actor, .. } => {
                (actor, None)
            }
            What::Banner { .. } => continue,
        };
        for actor in [Some(one), other].into_iter().flatten() {
            if seen.insert(actor.name()) {
                in_order.push(actor.name());
            }
        }
    }
    let known_and_seen = known.iter().map(String::as_str);
    for name in known_and_seen.chain(in_order) {
        if seen.contains(name) && name != FRAMEWORK && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    if seen.contains(FRAMEWORK) {
        let after = names
            .iter()
            .rposition(|name| drivers.contains(name.as_str()));
        names.insert(after.map_or(0, |last| last + 1), FRAMEWORK.to_owned());
    }
    names
}

/// Those who are called back.
fn drivers<'a>(steps: &[&'a Step]) -> BTreeSet<&'a str> {
    let entered = steps.iter().filter_map(|step| match &step.what {
        What::Enter { actor, .. } => Some(actor.name()),
        _ => None,
    });
    entered.collect()
}
