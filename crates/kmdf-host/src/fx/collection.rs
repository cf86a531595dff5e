//! WDFCOLLECTION.

use core::cell::RefCell;
use core::ptr;
use std::rc::Rc;

use kmdf_sys::{
    NTSTATUS, PWDF_OBJECT_ATTRIBUTES, STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS, ULONG,
    WDFCOLLECTION, WDFOBJECT,
};

use super::attributes::Rules;
use super::class::{Kind, Obj};
use super::object::Object;
use crate::faults::Allocation;
use crate::report::ViolationKind;
use crate::system::System;

/// References to objects, in order of addition.
#[derive(Default)]
pub(crate) struct Collection {
    items: RefCell<Vec<Rc<Object>>>,
}

impl System {
    /// `WdfCollectionCreate`.
    pub(crate) fn wdf_collection_create(
        &self,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        out: *mut WDFCOLLECTION,
    ) -> NTSTATUS {
        self.require(out, "Collection");
        self.put(out, ptr::null_mut());
        let attributes = match self.attributes(attributes, Rules::CHILD) {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        let parent = attributes.parent_or_driver(self);
        match self.create_object(
            Kind::Collection(Collection::default()),
            &parent,
            &attributes,
        ) {
            Ok(object) => {
                self.put(out, object.handle());
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// `WdfCollectionAdd`: the collection references the object.
    pub(crate) fn wdf_collection_add(
        &self,
        collection: WDFCOLLECTION,
        item: WDFOBJECT,
    ) -> NTSTATUS {
        let collection: Obj<Collection> = self.object(collection);
        let item = self.any_object(item);
        if self.faults.fails(Allocation::Pool) {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        self.add_reference(&item);
        collection.items.borrow_mut().push(item);
        STATUS_SUCCESS
    }

    /// `WdfCollectionGetCount`.
    pub(crate) fn wdf_collection_get_count(&self, collection: WDFCOLLECTION) -> ULONG {
        let collection: Obj<Collection> = self.object(collection);
        let count = collection.items.borrow().len();
        ULONG::try_from(count).unwrap_or(ULONG::MAX)
    }

    /// `WdfCollectionGetItem`.
    pub(crate) fn wdf_collection_get_item(
        &self,
        collection: WDFCOLLECTION,
        index: ULONG,
    ) -> WDFOBJECT {
        let collection: Obj<Collection> = self.object(collection);
        let items = collection.items.borrow();
        items
            .get(index as usize)
            .map_or(ptr::null_mut(), |item| item.handle())
    }

    /// `WdfCollectionGetFirstItem`.
    pub(crate) fn wdf_collection_get_first_item(&self, collection: WDFCOLLECTION) -> WDFOBJECT {
        self.wdf_collection_get_item(collection, 0)
    }

    /// `WdfCollectionGetLastItem`.
    pub(crate) fn wdf_collection_get_last_item(&self, collection: WDFCOLLECTION) -> WDFOBJECT {
        let collection: Obj<Collection> = self.object(collection);
        let items = collection.items.borrow();
        items.last().map_or(ptr::null_mut(), |item| item.handle())
    }

    /// `WdfCollectionRemove`.
    pub(crate) fn wdf_collection_remove(&self, collection: WDFCOLLECTION, item: WDFOBJECT) {
        let collection: Obj<Collection> = self.object(collection);
        let item = self.any_object(item);
        let index = collection
            .items
            .borrow()
            .iter()
            .position(|known| Rc::ptr_eq(known, &item));
        match index {
            Some(index) => self.remove_from_collection(&collection, index),
            None => self.misuse(
                ViolationKind::NotInCollection,
                collection.rc(),
                "the object is not in the collection",
            ),
        }
    }

    /// `WdfCollectionRemoveItem`.
    pub(crate) fn wdf_collection_remove_item(&self, collection: WDFCOLLECTION, index: ULONG) {
        let collection: Obj<Collection> = self.object(collection);
        let index = index as usize;
        if index < collection.items.borrow().len() {
            self.remove_from_collection(&collection, index);
        } else {
            self.misuse(
                ViolationKind::NotInCollection,
                collection.rc(),
                "the index is beyond the end of the collection",
            );
        }
    }

    fn remove_from_collection(&self, collection: &Collection, index: usize) {
        let item = collection.items.borrow_mut().remove(index);
        self.release(&item);
    }

    pub(crate) fn empty_collection(&self, collection: &Collection) {
        let items = core::mem::take(&mut *collection.items.borrow_mut());
        for item in items {
            self.release(&item);
        }
    }
}
