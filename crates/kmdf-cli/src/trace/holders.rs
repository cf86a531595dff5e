//! Who has which IRP.

use std::collections::BTreeMap;

use kmdf_host::{Actor, IrpId};

/// An IRP was passed from one to another and has not come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pass {
    pub(super) from: Actor,
    pub(super) to: Actor,
}

/// The IRPs under way; a completed one is forgotten.
#[derive(Debug, Default)]
pub(super) struct Holders(BTreeMap<IrpId, Vec<Pass>>);

impl Holders {
    /// `from` passed the IRP to `to`.
    pub(super) fn down(&mut self, irp: IrpId, from: &Actor, to: &Actor) {
        self.0.entry(irp).or_default().push(Pass {
            from: from.clone(),
            to: to.clone(),
        });
    }

    /// Who has it now.
    pub(super) fn of(&self, irp: IrpId) -> Option<&Actor> {
        self.0.get(&irp)?.last().map(|pass| &pass.to)
    }

    /// How many are under way.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The IRPs that are under way.
    pub(super) fn irps(&self) -> Vec<IrpId> {
        self.0.keys().copied().collect()
    }

    /// `by` completed the IRP: returns, innermost first, how it got to all below who did not wait
    /// for it, and to `by`.
    pub(super) fn up(&mut self, irp: IrpId, by: &Actor) -> Vec<Pass> {
        let Some(passes) = self.0.get_mut(&irp) else {
            return Vec::new();
        };
        let mut back = match passes.iter().rposition(|pass| pass.to == *by) {
            Some(index) => passes.split_off(index),
            None => Vec::new(),
        };
        if passes.is_empty() {
            self.0.remove(&irp);
        }
        back.reverse();
        back
    }

    /// The IRP is gone: returns the passes, innermost first, that nobody reported as completed.
    pub(super) fn end(&mut self, irp: IrpId) -> Vec<Pass> {
        let mut passes = self.0.remove(&irp).unwrap_or_default();
        passes.reverse();
        passes
    }
}
