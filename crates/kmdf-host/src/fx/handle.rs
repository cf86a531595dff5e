//! Handles: how a driver's value is taken back to an object, and what a wrong one does.

use std::rc::Rc;

use super::class::{Class, Obj};
use super::object::Object;
use crate::system::System;
use crate::system::fail::code;
use crate::system::slab::{NotFound, Slab, has_tag};

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

/// All objects with handles.
pub(crate) struct ObjectTable {
    slab: Slab<Rc<Object>, OBJECT_TAG>,
}

impl ObjectTable {
    pub(crate) const fn new() -> Self {
        Self { slab: Slab::new() }
    }

    pub(crate) fn insert(&self, object: &Rc<Object>) {
        object.handle.set(self.slab.insert(Rc::clone(object)));
    }

    pub(crate) fn remove(&self, object: &Object) {
        self.slab.remove(object.handle.get());
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
                    None => self.wrong_type(address, T::TYPE, T::NAME, object.class_name()),
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
    fn wrong_type(&self, handle: usize, required: u16, name: &str, is: &str) -> ! {
        self.bugcheck(
            code::INVALID_HANDLE,
            handle as u64,
            u64::from(required),
            format!(
                "{} was given the handle of a {is} where a {name} is required",
                self.ddi()
            ),
        )
    }

    #[cold]
    pub(crate) fn bad_handle(&self, handle: usize, required: u16, name: &str, why: NotFound) -> ! {
        let ddi = self.ddi();
        let explanation = match why {
            _ if handle == 0 => format!("{ddi} was given a NULL handle where a {name} is required"),
            NotFound::Stale => {
                format!("{ddi}: the {name} was used after delete: the object no longer exists")
            }
            NotFound::Garbage => format!(
                "{ddi} was given {handle:#x}, which is no handle, where a {name} is required"
            ),
        };
        self.bugcheck(
            code::INVALID_HANDLE,
            handle as u64,
            u64::from(required),
            explanation,
        )
    }

    /// The framework's `FxPointerNotNull`.
    pub(crate) fn require<T>(&self, pointer: *const T, parameter: &str) {
        if pointer.is_null() {
            self.null_parameter(parameter);
        }
    }

    #[cold]
    pub(crate) fn null_parameter(&self, parameter: &str) -> ! {
        let explanation = format!("{}: the required parameter {parameter} is NULL", self.ddi());
        self.bugcheck(code::REQUIRED_PARAMETER_IS_NULL, 0, 0, explanation)
    }
}
