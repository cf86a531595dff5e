//! Observed locks, collections and strings.

use kmdf_sys::*;

use crate::common::{ignore, ms, null, sleep, wdf};
use crate::driver::level;
use crate::named::{delete, object};
use crate::world::{log, world};

/// What runs in a thread of the driver.
pub(crate) const INSIDE: [(&str, fn()); 19] = [
    ("o2.l.spin_crossed", crossed_spin_locks),
    ("o2.l.spin_rec_vf", recursive_spin_lock),
    ("o2.l.spin_rel_vf", release_free_spin_lock),
    ("o2.l.wait_to0", || wait_lock_of_another(0, 1000)),
    ("o2.l.wait_to_ok", || wait_lock_of_another(200, 60)),
    ("o2.l.wait_rec0_vf", || recursive_wait_lock(Some(0))),
    ("o2.l.wait_rec_vf", || recursive_wait_lock(None)),
    ("o2.l.wait_rel_vf", || release_wait_lock(wait_lock())),
    ("o2.l.wait_rel_other_vf", release_anothers_wait_lock),
    ("o2.l.wait_dispatch", wait_lock_at_dispatch),
    ("o2.c.basic", collection_items),
    ("o2.c.dup", collection_duplicates),
    ("o2.c.remove_absent_vf", collection_remove_absent),
    ("o2.c.removeitem_oob_vf", collection_remove_behind_end),
    ("o2.c.delete_collection", collection_deleted),
    ("o2.c.add_null", collection_add_null),
    ("o2.s.null", || string_create(None)),
    ("o2.s.empty", || string_create(Some(0))),
    ("o2.s.noout", string_without_out),
];

fn spin_lock() -> WDFSPINLOCK {
    let mut lock = null();
    let status = wdf!(WdfSpinLockCreate(null(), &raw mut lock));
    assert_eq!(status, STATUS_SUCCESS);
    lock
}

fn crossed_spin_locks() {
    let (first, second) = (spin_lock(), spin_lock());
    wdf!(WdfSpinLockAcquire(first));
    wdf!(WdfSpinLockAcquire(second));
    wdf!(WdfSpinLockRelease(first));
    log(format!("released A{}", level()));
    wdf!(WdfSpinLockRelease(second));
    log(format!("released B{}", level()));
    world().host.set_irql(0);
}

fn recursive_spin_lock() {
    let lock = spin_lock();
    wdf!(WdfSpinLockAcquire(lock));
    log("> WdfSpinLockAcquire");
    wdf!(WdfSpinLockAcquire(lock));
    log("< WdfSpinLockAcquire");
}

fn release_free_spin_lock() {
    let lock = spin_lock();
    log("> WdfSpinLockRelease");
    wdf!(WdfSpinLockRelease(lock));
    log("< WdfSpinLockRelease");
}

fn wait_lock() -> WDFWAITLOCK {
    let mut lock = null();
    let status = wdf!(WdfWaitLockCreate(null(), &raw mut lock));
    assert_eq!(status, STATUS_SUCCESS);
    lock
}

/// Acquires a wait lock with a time-out in milliseconds, recording the result.
fn acquire(lock: WDFWAITLOCK, timeout: Option<i64>) {
    let mut span = timeout.map(ms);
    let span = span.as_mut().map_or(null(), |span| &raw mut *span);
    let status = wdf!(WdfWaitLockAcquire(lock, span));
    log(format!("WdfWaitLockAcquire = {status:#x}"));
}

/// Another thread acquires a lock and keeps it for some time.
fn held_by_another(lock: WDFWAITLOCK, milliseconds: i64) {
    let lock = lock.addr();
    world().host.spawn("other", move || {
        let lock = std::ptr::without_provenance_mut(lock);
        ignore(wdf!(WdfWaitLockAcquire(lock, null())));
        sleep(milliseconds);
        wdf!(WdfWaitLockRelease(lock));
    });
    sleep(1);
}

fn wait_lock_of_another(timeout: i64, held: i64) {
    let lock = wait_lock();
    held_by_another(lock, held);
    acquire(lock, Some(timeout));
}

fn recursive_wait_lock(timeout: Option<i64>) {
    let lock = wait_lock();
    ignore(wdf!(WdfWaitLockAcquire(lock, null())));
    acquire(lock, timeout);
}

fn release_wait_lock(lock: WDFWAITLOCK) {
    log("> WdfWaitLockRelease");
    wdf!(WdfWaitLockRelease(lock));
    log("< WdfWaitLockRelease");
}

fn release_anothers_wait_lock() {
    let lock = wait_lock();
    let address = lock.addr();
    world().host.spawn("other", move || {
        let lock = std::ptr::without_provenance_mut(address);
        ignore(wdf!(WdfWaitLockAcquire(lock, null())));
    });
    sleep(10);
    release_wait_lock(lock);
    acquire(lock, Some(0));
}

fn wait_lock_at_dispatch() {
    let lock = wait_lock();
    world().host.set_irql(2);
    acquire(lock, None);
    world().host.set_irql(0);
}

fn collection() -> WDFCOLLECTION {
    let mut collection = null();
    let status = wdf!(WdfCollectionCreate(null(), &raw mut collection));
    log(format!("WdfCollectionCreate = {status:#x}"));
    collection
}

fn add(collection: WDFCOLLECTION, object: WDFOBJECT) {
    let status = wdf!(WdfCollectionAdd(collection, object));
    log(format!("WdfCollectionAdd = {status:#x}"));
}

fn references(object: WDFOBJECT) -> i32 {
    let state = world().host.object_state(object);
    state.expect("the object exists").references
}

fn collection_items() {
    let collection = collection();
    let objects = ["a", "b", "c"].map(|name| (name, object(name, null())));
    let name_of = |item: WDFOBJECT| {
        let found = objects.iter().find(|(_, object)| *object == item);
        found.map_or("NULL", |(name, _)| name)
    };
    let describe = || {
        let count = wdf!(WdfCollectionGetCount(collection));
        let items: Vec<&str> = (0..=count)
            .map(|index| name_of(wdf!(WdfCollectionGetItem(collection, index))))
            .collect();
        let first = name_of(wdf!(WdfCollectionGetFirstItem(collection)));
        let last = name_of(wdf!(WdfCollectionGetLastItem(collection)));
        log(format!(
            "count {count} items {} first {first} last {last}",
            items.join(" ")
        ));
    };
    describe();
    for (_, object) in objects {
        add(collection, object);
    }
    describe();
}

fn collection_duplicates() {
    let collection = collection();
    let object = object("a", null());
    let describe = || {
        let count = wdf!(WdfCollectionGetCount(collection));
        log(format!("count {count} references {}", references(object)));
    };
    add(collection, object);
    add(collection, object);
    describe();
    log("> WdfCollectionRemove");
    wdf!(WdfCollectionRemove(collection, object));
    log("< WdfCollectionRemove");
    describe();
}

fn collection_remove_absent() {
    let collection = collection();
    let object = object("a", null());
    log("> WdfCollectionRemove");
    wdf!(WdfCollectionRemove(collection, object));
    log("< WdfCollectionRemove");
}

fn collection_remove_behind_end() {
    let collection = collection();
    let status = wdf!(WdfCollectionAdd(collection, object("a", null())));
    assert_eq!(status, STATUS_SUCCESS);
    log("> WdfCollectionRemoveItem");
    wdf!(WdfCollectionRemoveItem(collection, 1));
    log("< WdfCollectionRemoveItem");
    log(format!("count {}", wdf!(WdfCollectionGetCount(collection))));
}

fn collection_deleted() {
    let collection = collection();
    let members = [object("a", null()), object("b", null())];
    for member in members {
        let status = wdf!(WdfCollectionAdd(collection, member));
        assert_eq!(status, STATUS_SUCCESS);
    }
    log(format!("references {}", references(members[0])));
    delete(collection);
    log(format!("references {}", references(members[0])));
}

fn collection_add_null() {
    add(collection(), null());
}

fn string_create(length: Option<u16>) {
    let mut text = length.map(|length| UNICODE_STRING {
        Length: length,
        MaximumLength: 0,
        Buffer: null(),
    });
    let text = text.as_mut().map_or(null(), |text| &raw mut *text);
    let mut string = null();
    let status = wdf!(WdfStringCreate(text, null(), &raw mut string));
    log(format!("WdfStringCreate = {status:#x}"));
    let mut contents = UNICODE_STRING::default();
    wdf!(WdfStringGetUnicodeString(string, &raw mut contents));
    let buffer = if contents.Buffer.is_null() {
        "NULL"
    } else {
        "set"
    };
    let (length, maximum) = (contents.Length, contents.MaximumLength);
    log(format!("length {length} of {maximum} buffer {buffer}"));
}

fn string_without_out() {
    ignore(wdf!(WdfStringCreate(null(), null(), null())));
}
