//! What all framework objects have in common, and the WdfObject DDIs.

use core::cell::{Cell, RefCell};
use core::ptr;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use kmdf_sys::{
    GUID, LONG, NTSTATUS, PCCH, PVOID, PWDF_OBJECT_ATTRIBUTES, STATUS_DELETE_PENDING,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_NOT_FOUND, STATUS_SUCCESS, ULONG, WDFOBJECT,
};

use super::attributes::{Attributes, Rules};
use super::class::{Class, Kind, Obj};
use super::context::Context;
use super::device::Device;
use super::driver::DriverNumber;
use super::handle::OFFSET_HANDLE;
use super::lock::CallbackLock;
use super::request::Request;
use crate::faults::Allocation;
use crate::report::{Origin, Subject, ViolationKind};
use crate::system::System;

/// Where an object stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Life {
    /// In use.
    Live,
    /// Deleted while its parent is being deleted: the parent will dispose of it in its turn.
    AwaitsParent,
    /// Deletion has begun; cleanup callbacks run.
    Disposing,
    /// Cleanup callbacks have run; references keep the memory.
    Disposed,
    /// Gone; the handle is stale.
    Destroyed,
}

/// Execution level, resolved against the parents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Passive,
    Dispatch,
}

/// Synchronization scope, resolved against the parents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Device,
    Queue,
    None,
}

/// How many references were taken with each tag; apart from the object, because few are.
#[derive(Default)]
struct Tags(BTreeMap<usize, i32>);

/// A framework object.
pub(crate) struct Object {
    pub(crate) handle: Cell<usize>,
    pub(crate) kind: Kind,
    pub(crate) references: Cell<i32>,
    /// References that drivers took with `WdfObjectReference` and have not given back.
    pub(crate) driver_references: Cell<i32>,
    /// Those of them that were taken with a tag, by tag; kept when the verifier is on.
    tags: RefCell<Option<Box<Tags>>>,
    pub(crate) life: Cell<Life>,
    pub(crate) parent: RefCell<Weak<Object>>,
    /// Children in order of creation; the number is this object's place in the parent's map.
    pub(crate) children: RefCell<BTreeMap<u64, Rc<Object>>>,
    next_child: Cell<u64>,
    place: Cell<u64>,
    pub(crate) contexts: RefCell<Vec<Context>>,
    pub(crate) no_delete: Cell<bool>,
    /// The driver called `WdfObjectDelete` on it.
    pub(crate) delete_called: Cell<bool>,
    /// Cleanup must run at `PASSIVE_LEVEL`.
    pub(crate) passive_dispose: Cell<bool>,
    pub(crate) driver: Cell<DriverNumber>,
    pub(crate) level: Cell<Level>,
    pub(crate) scope: Cell<Scope>,
    pub(crate) lock: RefCell<Option<Rc<CallbackLock>>>,
    pub(crate) origin: Origin,
    /// The callback of the driver's in which a DDI created it; empty outside callbacks.
    pub(crate) created_in: Cell<&'static str>,
}

/// Where the places of ordinary children begin.
const FIRST_PLACE: u64 = 1 << 32;

impl Object {
    /// An object that nobody knows yet.
    pub(crate) fn new(kind: Kind, driver: DriverNumber, origin: Origin) -> Self {
        Self {
            handle: Cell::new(0),
            kind,
            references: Cell::new(1),
            driver_references: Cell::new(0),
            tags: RefCell::new(None),
            life: Cell::new(Life::Live),
            parent: RefCell::new(Weak::new()),
            children: RefCell::new(BTreeMap::new()),
            next_child: Cell::new(FIRST_PLACE),
            place: Cell::new(0),
            contexts: RefCell::new(Vec::new()),
            no_delete: Cell::new(false),
            delete_called: Cell::new(false),
            passive_dispose: Cell::new(false),
            driver: Cell::new(driver),
            level: Cell::new(Level::Dispatch),
            scope: Cell::new(Scope::None),
            lock: RefCell::new(None),
            origin,
            created_in: Cell::new(""),
        }
    }

    pub(crate) fn handle<H>(&self) -> *mut H {
        ptr::without_provenance_mut(self.handle.get())
    }

    pub(crate) const fn class_name(&self) -> &'static str {
        self.kind.name()
    }

    /// What a finding says about it.
    pub(crate) fn subject(&self) -> Subject {
        Subject {
            class: self.class_name(),
            handle: self.handle.get() as u64,
            origin: self.origin,
            ended: None,
        }
    }

    pub(crate) fn parent(&self) -> Option<Rc<Object>> {
        self.parent.borrow().upgrade()
    }

    pub(crate) fn is_live(&self) -> bool {
        self.life.get() == Life::Live
    }

    pub(crate) fn adopt(&self, parent: &Rc<Object>, child: &Rc<Object>) {
        debug_assert!(ptr::eq(self, &raw const **parent));
        let place = self.next_child.get();
        self.next_child.set(place + 1);
        child.place.set(place);
        *child.parent.borrow_mut() = Rc::downgrade(parent);
        self.children.borrow_mut().insert(place, Rc::clone(child));
    }

    /// Puts a child ahead of those that [`Object::adopt`] adopted, behind those that were put ahead before it.
    ///
    /// A device's queues belong to its I/O package, which is older than the device's own children.
    pub(crate) fn put_ahead(&self, child: &Object) {
        let mut children = self.children.borrow_mut();
        let Some(own) = children.remove(&child.place.get()) else {
            return;
        };
        let last = children.range(..FIRST_PLACE).next_back();
        let place = last.map_or(0, |(place, _)| place + 1);
        child.place.set(place);
        children.insert(place, own);
    }

    /// Takes the object out of its parent's children.
    pub(crate) fn leave_parent(&self) {
        let parent = self.parent.replace(Weak::new()).upgrade();
        if let Some(parent) = parent {
            let own = parent.children.borrow_mut().remove(&self.place.get());
            drop(own);
        }
    }

    pub(crate) fn children(&self) -> Vec<Rc<Object>> {
        self.children.borrow().values().cloned().collect()
    }

    /// The nearest object of kind `T` among this one and its ancestors.
    pub(crate) fn ancestor<T: Class>(object: &Rc<Object>) -> Option<Obj<T>> {
        let mut next = Some(Rc::clone(object));
        while let Some(object) = next {
            if let Some(found) = Obj::new(&object) {
                return Some(found);
            }
            next = object.parent();
        }
        None
    }

    /// Breaks the cycles between objects, at the end of a system.
    pub(crate) fn unlink(&self) {
        let children = core::mem::take(&mut *self.children.borrow_mut());
        drop(children);
        let contexts = core::mem::take(&mut *self.contexts.borrow_mut());
        drop(contexts);
        if let Kind::Request(request) = &self.kind {
            request.unlink();
        }
        if let Some(target) = super::target::IoTarget::of(self) {
            target.unlink();
        }
        if let Kind::Queue(queue) = &self.kind {
            queue.unlink();
        }
        match &self.kind {
            Kind::UsbDevice(device) => device.unlink(),
            Kind::UsbInterface(interface) => interface.unlink(),
            Kind::UsbPipe(pipe) => pipe.unlink(),
            _ => {}
        }
        if let Kind::Device(device) = &self.kind {
            device.unlink();
        }
    }
}

impl System {
    pub(crate) fn origin(&self) -> Origin {
        Origin {
            ddi: self.ddi(),
            time: self.now(),
        }
    }

    /// Makes an object below `parent`, as a DDI does: allocation, context, commit.
    pub(crate) fn create_object(
        &self,
        kind: Kind,
        parent: &Rc<Object>,
        attributes: &Attributes,
    ) -> Result<Rc<Object>, NTSTATUS> {
        if self.faults.fails(Allocation::Object) {
            return Err(STATUS_INSUFFICIENT_RESOURCES);
        }
        let contexts =
            Context::for_attributes(attributes).map_err(|()| STATUS_INSUFFICIENT_RESOURCES)?;
        if !parent.is_live() {
            return Err(STATUS_DELETE_PENDING);
        }
        let object = Rc::new(Object::new(kind, parent.driver.get(), self.origin()));
        object.level.set(parent.level.get());
        object.created_in.set(self.scheduler.context.callback.get());
        self.framework.objects.insert(&object);
        if let Some(context) = contexts {
            context.belongs_to(object.handle.get());
            object.contexts.borrow_mut().push(context);
        }
        parent.adopt(parent, &object);
        Ok(object)
    }

    /// `WdfObjectCreate`.
    pub(crate) fn wdf_object_create(
        &self,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        out: *mut WDFOBJECT,
    ) -> NTSTATUS {
        self.require(out, "Object");
        self.put(out, ptr::null_mut());
        let attributes = match self.attributes(attributes, Rules::GENERAL) {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        let parent = attributes.parent_or_driver(self);
        match self.create_object(Kind::General, &parent, &attributes) {
            Ok(object) => {
                self.assign_lock(&object, &attributes);
                self.put(out, object.handle());
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// `WdfObjectReferenceActual`.
    pub(crate) fn wdf_object_reference(
        &self,
        handle: WDFOBJECT,
        tag: PVOID,
        _line: LONG,
        _file: PCCH,
    ) {
        self.require(handle, "Handle");
        if handle.addr() & OFFSET_HANDLE != 0 {
            let request: Obj<Request> = self.request_of_memory(handle);
            request.irp_references.set(request.irp_references.get() + 1);
            return;
        }
        let object = self.any_object(handle);
        object
            .driver_references
            .set(object.driver_references.get() + 1);
        if self.verifier() && !tag.is_null() {
            let mut tags = object.tags.borrow_mut();
            *tags
                .get_or_insert_default()
                .0
                .entry(tag.addr())
                .or_insert(0) += 1;
        }
        self.add_reference(&object);
    }

    /// Takes one reference of this tag away; those without a tag are the rest.
    fn give_tag_back(&self, object: &Object, tag: usize) {
        let all = object.driver_references.get();
        let others = {
            let mut tags = object.tags.borrow_mut();
            let tagged = tags.as_ref().map_or(0, |tags| tags.0.values().sum());
            match tags.as_mut().and_then(|tags| tags.0.get_mut(&tag)) {
                Some(count) if *count > 0 => {
                    *count -= 1;
                    0
                }
                // One without a tag is there to be given back.
                _ if tag == 0 && all > tagged => 0,
                _ => all,
            }
        };
        // When there is none at all, that is another finding.
        if others > 0 {
            self.violation_on(
                ViolationKind::ReferenceTag,
                object,
                format!(
                    "{}: no reference was taken with tag {tag:#x}, but {others} with others",
                    self.ddi()
                ),
            );
        }
    }

    /// `WdfObjectDereferenceActual`.
    pub(crate) fn wdf_object_dereference(
        &self,
        handle: WDFOBJECT,
        tag: PVOID,
        _line: LONG,
        _file: PCCH,
    ) {
        self.require(handle, "Handle");
        if handle.addr() & OFFSET_HANDLE != 0 {
            let request: Obj<Request> = self.request_of_memory(handle);
            request.irp_references.set(request.irp_references.get() - 1);
            return;
        }
        let object = self.any_object(handle);
        if self.verifier() {
            self.give_tag_back(&object, tag.addr());
        }
        object
            .driver_references
            .set(object.driver_references.get() - 1);
        self.release(&object);
    }

    /// `WdfObjectQuery`: no interface of the framework's can be queried.
    pub(crate) fn wdf_object_query(
        &self,
        handle: WDFOBJECT,
        guid: *const GUID,
        _length: ULONG,
        buffer: PVOID,
    ) -> NTSTATUS {
        self.any_object(handle);
        self.require(guid, "Guid");
        self.require(buffer, "QueryBuffer");
        STATUS_NOT_FOUND
    }

    /// The device an object belongs to.
    pub(crate) fn device_of(&self, object: &Rc<Object>) -> Option<Obj<Device>> {
        Object::ancestor(object)
    }

    /// Writes through a driver's out-pointer, which may be NULL.
    pub(crate) fn put<T>(&self, out: *mut T, value: T) {
        if !out.is_null() {
            // SAFETY: the driver passes the address of a variable of its own for the result; the DDI's contract.
            unsafe { out.write(value) };
        }
    }

    /// Reads a structure or value that a driver passes by address.
    pub(crate) fn get<T: Copy>(&self, input: *const T) -> T {
        // SAFETY: callers check for NULL; the driver passes the address of a valid value, as the DDI's contract demands.
        unsafe { input.read() }
    }
}
