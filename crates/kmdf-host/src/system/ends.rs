//! Lists from which mostly the oldest or the newest is taken.

use std::collections::VecDeque;

/// Takes the item out that `is` it. Looks from both ends at once, so that the length of the list does not matter to those
/// who come and go in order, or like a stack.
pub(crate) fn take<T>(items: &mut VecDeque<T>, is: impl Fn(&T) -> bool) -> Option<T> {
    let count = items.len();
    let both = |step| [count - 1 - step, step];
    let place = (0..count.div_ceil(2))
        .flat_map(both)
        .find(|&place| items.get(place).is_some_and(&is))?;
    items.remove(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_found_wherever_it_is() {
        for count in 0..6 {
            for wanted in 0..count {
                let mut items: VecDeque<usize> = (0..count).collect();
                assert_eq!(take(&mut items, |&item| item == wanted), Some(wanted));
                let rest: Vec<usize> = (0..count).filter(|&item| item != wanted).collect();
                assert_eq!(items, rest);
            }
            let mut items: VecDeque<usize> = (0..count).collect();
            assert_eq!(take(&mut items, |&item| item == count), None);
            assert_eq!(items.len(), count);
        }
    }
}
