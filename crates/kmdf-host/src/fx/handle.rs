//! Handles: how a driver's value is taken back to an object, and what a wrong one does.

use core::cell::RefCell;
use std::rc::Rc;

use super::class::{Class, Kind, Obj};
use super::object::Object;
use crate::report::{BugcheckKind, Origin, Subject};
use crate::system::System;
use crate::system::fail::code;
use crate::system::slab::{NotFound, Slab, has_tag, index};

/// Marks handles of framework objects.
const OBJECT_TAG: u16 = 0xA55A;

/// A handle of memory inside a received request has this bit, as an "offset handle" has in WDF.
pub(crate) const OFFSET_HANDLE: usize = 1;
/// Of such a handle: the output memory, not the system buffer.
pub(crate) const OUTPUT_MEMORY: usize = 2;

/// Whether `address` looks like a handle of the model.
pub(crate) const fn is_handle(address: usize) -> bool {
    has_tag(OBJECT_TAG, address)
}

/// What is remembered of an object that is gone, as long as its place is not used again and ends once more.
#[derive(Clone, Copy)]
struct Tombstone {
    subject: Subject,
    /// It was a request that was completed: in which callback, if in one.
    completed_in: Option<&'static str>,
}

/// All objects with handles.
pub(crate) struct ObjectTable {
    slab: Slab<Rc<Object>, OBJECT_TAG>,
    tombstones: RefCell<Vec<Option<Tombstone>>>,
}

impl ObjectTable {
    pub(crate) const fn new() -> Self {
        Self {
            slab: Slab::new(),
            tombstones: RefCell::new(Vec::new()),
        }
    }

    pub(crate) fn insert(&self, object: &Rc<Object>) {
        object.handle.set(self.slab.insert(Rc::clone(object)));
    }

    pub(crate) fn remove(&self, object: &Object, ended: Origin) {
        let handle = object.handle.get();
        if self.slab.remove(handle).is_none() {
            return;
        }
        let Some(index) = index(OBJECT_TAG, handle) else {
            return;
        };
        let mut tombstones = self.tombstones.borrow_mut();
        if tombstones.len() <= index {
            tombstones.resize(index + 1, None);
        }
        tombstones[index] = Some(Tombstone {
            subject: Subject {
                ended: Some(ended),
                ..object.subject()
            },
            completed_in: match &object.kind {
                Kind::Request(request) if request.completed.get() => {
                    Some(request.completed_in.get())
                }
                _ => None,
            },
        });
    }

    /// What is still known of the object that a stale handle named.
    fn tombstone(&self, handle: usize) -> Option<Tombstone> {
        let tombstone = *self.tombstones.borrow().get(index(OBJECT_TAG, handle)?)?;
        tombstone.filter(|tombstone| tombstone.subject.handle == (handle & !7) as u64)
    }

    pub(crate) fn get(&self, handle: usize) -> Result<Rc<Object>, NotFound> {
        self.slab.get(handle)
    }

    pub(crate) fn live(&self) -> Vec<Rc<Object>> {
        self.slab.values()
    }

    pub(crate) fn clear(&self) -> Vec<Rc<Object>> {
        self.slab.clear()
    }
}

impl System {
    /// The object of a handle that must be one of type `T`; anything else is a bugcheck.
    pub(crate) fn object<T: Class, H>(&self, handle: *mut H) -> Obj<T> {
        let address = handle.addr();
        if address & OFFSET_HANDLE == 0 {
            match self.framework.objects.get(address) {
                Ok(object) => match Obj::new(&object) {
                    Some(object) => return object,
                    None => self.wrong_type(&object, T::TYPE, T::NAME),
                },
                Err(not_found) => self.bad_handle(address, T::TYPE, T::NAME, not_found),
            }
        }
        self.bad_handle(address, T::TYPE, T::NAME, NotFound::Garbage)
    }

    /// As [`System::object`] for a handle that may be NULL.
    pub(crate) fn object_or_null<T: Class, H>(&self, handle: *mut H) -> Option<Obj<T>> {
        if handle.is_null() {
            None
        } else {
            Some(self.object(handle))
        }
    }

    /// The object of a handle of any type.
    pub(crate) fn any_object<H>(&self, handle: *mut H) -> Rc<Object> {
        match self.framework.objects.get(handle.addr()) {
            Ok(object) => object,
            Err(not_found) => self.bad_handle(handle.addr(), 0x1000, "WDFOBJECT", not_found),
        }
    }

    #[cold]
    fn wrong_type(&self, object: &Object, required: u16, name: &str) -> ! {
        self.bugcheck_on(
            BugcheckKind::WrongHandleType,
            [
                code::INVALID_HANDLE,
                object.handle.get() as u64,
                u64::from(required),
            ],
            Some(object.subject()),
            format!(
                "{} was given the handle of a {} where a {name} is required",
                self.ddi(),
                object.class_name()
            ),
        )
    }

    #[cold]
    pub(crate) fn bad_handle(&self, handle: usize, required: u16, name: &str, why: NotFound) -> ! {
        let ddi = self.ddi();
        if handle == 0 {
            self.blame_ignored_status();
        }
        let tombstone = match why {
            NotFound::Stale => self.framework.objects.tombstone(handle),
            NotFound::Garbage => None,
        };
        let first = tombstone.and_then(|tombstone| tombstone.completed_in);
        let (kind, explanation) = match (why, first) {
            _ if handle == 0 => (
                BugcheckKind::NullHandle,
                format!("{ddi} was given a NULL handle where a {name} is required"),
            ),
            (NotFound::Stale, Some(first)) if is_completion(ddi) => self.completed_again(first),
            (NotFound::Stale, _) => (
                BugcheckKind::StaleHandle,
                format!("{ddi}: the {name} was used after delete: the object no longer exists"),
            ),
            (NotFound::Garbage, _) => (
                BugcheckKind::NotAHandle,
                format!(
                    "{ddi} was given {handle:#x}, which is no handle, where a {name} is required"
                ),
            ),
        };
        self.bugcheck_on(
            kind,
            [code::INVALID_HANDLE, handle as u64, u64::from(required)],
            tombstone.map(|tombstone| tombstone.subject),
            explanation,
        )
    }

    /// A request is completed that is gone because it was completed.
    pub(crate) fn completed_again(&self, first: &'static str) -> (BugcheckKind, String) {
        const CANCEL: &str = "EvtRequestCancel";
        let ddi = self.ddi();
        let now = self.scheduler.context.callback.get();
        let name = |callback: &'static str| match callback {
            "" => "a thread of the driver's",
            callback => callback,
        };
        let kind = if (first == CANCEL) == (now == CANCEL) {
            BugcheckKind::DoubleCompletion
        } else {
            BugcheckKind::CancelRace
        };
        let explanation = format!(
            "{ddi}: the request was completed first in {} and now in {}",
            name(first),
            name(now)
        );
        (kind, explanation)
    }

    /// The framework's `FxPointerNotNull`.
    pub(crate) fn require<T>(&self, pointer: *const T, parameter: &str) {
        if pointer.is_null() {
            self.null_parameter(parameter);
        }
    }

    #[cold]
    pub(crate) fn null_parameter(&self, parameter: &str) -> ! {
        self.blame_ignored_status();
        let explanation = format!("{}: the required parameter {parameter} is NULL", self.ddi());
        self.bugcheck(
            BugcheckKind::NullParameter,
            code::REQUIRED_PARAMETER_IS_NULL,
            0,
            0,
            explanation,
        )
    }
}

/// Whether a DDI completes a request.
pub(crate) fn is_completion(ddi: &str) -> bool {
    ddi.starts_with("WdfRequestComplete")
}
