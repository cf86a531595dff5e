//! Slots that are used again, addressed by values that tell a stale name from a live one.
//!
//! Such a value is the size of a pointer and looks to a driver like one, but can never be dereferenced: its upper 16 bits
//! are not those of any user or kernel address on x86-64 or AArch64.

use core::cell::RefCell;

const INDEX_BITS: u32 = 22;
const GENERATION_BITS: u32 = 23;
const LOW_BITS: u32 = 3;
const TAG_SHIFT: u32 = 48;

/// Why an address names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotFound {
    /// It was never given out.
    Garbage,
    /// It named something that is gone.
    Stale,
}

struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

/// A table of values with generational addresses; `TAG` tells the tables apart.
pub(crate) struct Slab<T, const TAG: u16> {
    inner: RefCell<Slots<T>>,
}

impl<T: Clone, const TAG: u16> Slab<T, TAG> {
    pub(crate) const fn new() -> Self {
        Self {
            inner: RefCell::new(Slots {
                slots: Vec::new(),
                free: Vec::new(),
            }),
        }
    }

    pub(crate) fn insert(&self, value: T) -> usize {
        let mut inner = self.inner.borrow_mut();
        let index = match inner.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(inner.slots.len()).unwrap_or(u32::MAX);
                assert!(
                    index < 1 << INDEX_BITS,
                    "more than {} objects exist at once",
                    1u32 << INDEX_BITS
                );
                inner.slots.push(Slot {
                    generation: 1,
                    value: None,
                });
                index
            }
        };
        let slot = &mut inner.slots[index as usize];
        slot.value = Some(value);
        encode(TAG, slot.generation, index)
    }

    pub(crate) fn get(&self, address: usize) -> Result<T, NotFound> {
        let (generation, index) = decode(TAG, address).ok_or(NotFound::Garbage)?;
        let inner = self.inner.borrow();
        let slot = inner.slots.get(index as usize).ok_or(NotFound::Garbage)?;
        match &slot.value {
            Some(value) if slot.generation == generation => Ok(value.clone()),
            _ => Err(NotFound::Stale),
        }
    }

    pub(crate) fn remove(&self, address: usize) -> Option<T> {
        let (generation, index) = decode(TAG, address)?;
        let mut inner = self.inner.borrow_mut();
        let slot = inner.slots.get_mut(index as usize)?;
        if slot.generation != generation {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = next_generation(slot.generation);
        inner.free.push(index);
        Some(value)
    }

    /// All live values, in order of their slots.
    pub(crate) fn values(&self) -> Vec<T> {
        self.inner
            .borrow()
            .slots
            .iter()
            .filter_map(|slot| slot.value.clone())
            .collect()
    }

    pub(crate) fn clear(&self) -> Vec<T> {
        let mut inner = self.inner.borrow_mut();
        inner
            .slots
            .iter_mut()
            .filter_map(|slot| slot.value.take())
            .collect()
    }
}

const fn next_generation(generation: u32) -> u32 {
    let next = (generation + 1) & ((1 << GENERATION_BITS) - 1);
    if next == 0 { 1 } else { next }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "the crate needs 64-bit addresses; see lib.rs"
)]
const fn encode(tag: u16, generation: u32, index: u32) -> usize {
    let value = ((tag as u64) << TAG_SHIFT)
        | ((generation as u64) << (INDEX_BITS + LOW_BITS))
        | ((index as u64) << LOW_BITS);
    value as usize
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "masked to the width of the field"
)]
fn decode(tag: u16, address: usize) -> Option<(u32, u32)> {
    if !has_tag(tag, address) {
        return None;
    }
    let value = address as u64 >> LOW_BITS;
    let index = (value & ((1 << INDEX_BITS) - 1)) as u32;
    let generation = (value >> INDEX_BITS & ((1 << GENERATION_BITS) - 1)) as u32;
    Some((generation, index))
}

/// The place in its table of what `address` names, or named.
pub(crate) fn index(tag: u16, address: usize) -> Option<usize> {
    decode(tag, address).map(|(_, index)| index as usize)
}

/// Whether `address` belongs to tables of this tag.
pub(crate) const fn has_tag(tag: u16, address: usize) -> bool {
    address as u64 >> TAG_SHIFT == tag as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: u16 = 0xA55A;

    #[test]
    fn a_removed_name_stays_stale_when_its_slot_is_used_again() {
        let slab: Slab<u32, TAG> = Slab::new();
        let first = slab.insert(1);
        assert_eq!(slab.get(first), Ok(1));
        assert_eq!(slab.remove(first), Some(1));
        let second = slab.insert(2);
        assert_ne!(first, second);
        assert_eq!(slab.get(first), Err(NotFound::Stale));
        assert_eq!(slab.get(second), Ok(2));
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(0x1000), Err(NotFound::Garbage));
        assert_eq!(slab.get(encode(TAG, 1, 77)), Err(NotFound::Garbage));
    }

    #[test]
    fn low_bits_do_not_matter_and_names_are_never_user_addresses() {
        let slab: Slab<u32, TAG> = Slab::new();
        let name = slab.insert(9);
        assert_eq!(slab.get(name | 7), Ok(9));
        assert_eq!(name & 7, 0);
        assert_eq!(name >> 48, 0xA55A);
    }
}
