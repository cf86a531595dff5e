//! Objects that record their end under a name, and what their cleanup does.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use kmdf_sys::*;

use crate::common::{attributes, null, wdf};
use crate::driver::level;
use crate::world::log;

type Action = Rc<dyn Fn(WDFOBJECT)>;

thread_local! {
    static NAMES: RefCell<BTreeMap<usize, &'static str>> = const { RefCell::new(BTreeMap::new()) };
    static ON_CLEANUP: RefCell<BTreeMap<&'static str, Action>> = const { RefCell::new(BTreeMap::new()) };
}

/// Forgets the names of the last case.
pub(crate) fn reset() {
    NAMES.take();
    ON_CLEANUP.take();
}

/// What the cleanup callback of an object does.
pub(crate) fn on_cleanup(name: &'static str, action: impl Fn(WDFOBJECT) + 'static) {
    ON_CLEANUP.with_borrow_mut(|actions| actions.insert(name, Rc::new(action)));
}

/// Gives an object its name.
pub(crate) fn name<H>(object: *mut H, name: &'static str) {
    NAMES.with_borrow_mut(|names| names.insert(object.addr(), name));
}

fn name_of(object: WDFOBJECT) -> &'static str {
    NAMES.with_borrow(|names| names.get(&object.addr()).copied().unwrap_or("?"))
}

unsafe extern "C" fn cleanup(object: WDFOBJECT) {
    let name = name_of(object);
    log(format!("cleanup {name}{}", level()));
    let action = ON_CLEANUP.with_borrow(|actions| actions.get(name).cloned());
    if let Some(action) = action {
        action(object);
    }
}

unsafe extern "C" fn destroy(object: WDFOBJECT) {
    log(format!("destroy {}{}", name_of(object), level()));
}

/// Attributes of an object that records its end.
pub(crate) fn recorded(parent: WDFOBJECT) -> WDF_OBJECT_ATTRIBUTES {
    WDF_OBJECT_ATTRIBUTES {
        EvtCleanupCallback: Some(cleanup),
        EvtDestroyCallback: Some(destroy),
        ParentObject: parent,
        ..attributes()
    }
}

/// A general object that records its end.
pub(crate) fn object(called: &'static str, parent: WDFOBJECT) -> WDFOBJECT {
    let mut own = recorded(parent);
    let mut object = null();
    let status = wdf!(WdfObjectCreate(&raw mut own, &raw mut object));
    assert_eq!(status, STATUS_SUCCESS);
    name(object, called);
    object
}

/// Deletes an object, recording the call.
pub(crate) fn delete<H>(object: *mut H) {
    log("> WdfObjectDelete");
    wdf!(WdfObjectDelete(object.cast()));
    log("< WdfObjectDelete");
}

/// Deletes an object at `DISPATCH_LEVEL` and lets what was put off happen.
pub(crate) fn delete_at_dispatch<H>(object: *mut H) {
    let world = crate::world::world();
    world.host.set_irql(2);
    delete(object);
    world.host.set_irql(0);
    world.host.settle();
}
