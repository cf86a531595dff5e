//! Objects that grow in number with the requests, because nobody deletes them before the device or the driver goes.

use std::collections::BTreeMap;

use super::ViolationKind;
use crate::fx::object::Object;
use crate::fx::queue::Queue;
use crate::system::System;

/// Fewer left-over objects than this may be a cache.
const MANY: u64 = 16;
/// Left-over objects for each request that the driver had at one time, which a pool of objects may well have.
const PER_REQUEST: u64 = 4;

/// Whether a callback comes again and again while a device works.
fn recurs(callback: &str) -> bool {
    ["EvtIo", "EvtRequest", "EvtTimer", "EvtDpc", "EvtWorkItem"]
        .iter()
        .any(|start| callback.starts_with(start))
}

impl System {
    /// A request was handed to the driver, which now has it with the others of the queue.
    pub(crate) fn count_presented(&self, queue: &Queue) {
        let counters = &self.counters;
        counters.presented.set(counters.presented.get() + 1);
        let owned = queue.owned() as u64;
        counters
            .most_owned
            .set(counters.most_owned.get().max(owned));
    }

    /// A device or driver is about to be deleted: what was created for requests should be gone by now.
    pub(crate) fn check_growth(&self, parent: &Object) {
        let (presented, most) = (
            self.counters.presented.get(),
            self.counters.most_owned.get(),
        );
        let mut left: BTreeMap<_, (u64, _)> = BTreeMap::new();
        for child in parent.children() {
            let callback = child.created_in.get();
            if recurs(callback) {
                left.entry((child.origin.ddi, callback))
                    .or_insert((0, child))
                    .0 += 1;
            }
        }
        for ((ddi, callback), (count, first)) in left {
            if count >= MANY && count > PER_REQUEST * most && 2 * count >= presented {
                self.violation_on(
                    ViolationKind::ObjectGrowth,
                    &first,
                    format!(
                        "{count} objects that {ddi} created in {callback} below the {} were still there when it was \
                         deleted; the driver was given {presented} requests and had {most} at most at one time",
                        parent.class_name()
                    ),
                );
            }
        }
    }
}
