//! References, deletion, cleanup and destruction.

use std::rc::Rc;

use kmdf_sys::WDFOBJECT;

use super::class::{Kind, Obj};
use super::device::Device;
use super::object::{Life, Object};
use crate::report::{BugcheckKind, ViolationKind};
use crate::system::fail::code;
use crate::system::{PASSIVE_LEVEL, System};

impl System {
    pub(crate) fn add_reference(&self, object: &Rc<Object>) {
        object.references.set(object.references.get() + 1);
    }

    /// Gives a reference back; the last one destroys the object.
    pub(crate) fn release(&self, object: &Rc<Object>) {
        let left = object.references.get() - 1;
        object.references.set(left);
        if left > 0 || object.life.get() == Life::Destroyed {
            return;
        }
        let never_deleted =
            object.is_live() && (object.parent().is_some() || !object.children.borrow().is_empty());
        self.finish_object(object);
        if never_deleted {
            self.bugcheck_on(
                BugcheckKind::OverDereference,
                [code::OBJECT_ERROR, object.handle.get() as u64, 0],
                Some(object.subject()),
                format!(
                    "the last reference of a {} was given back although it was never deleted: one WdfObjectDereference \
                     too many, or one where WdfObjectDelete was meant",
                    object.class_name()
                ),
            );
        }
    }

    fn finish_object(&self, object: &Rc<Object>) {
        if object.life.get() < Life::Disposed {
            self.run_cleanup(object);
        }
        object.life.set(Life::Destroyed);
        self.run_destroy(object);
        object.leave_parent();
        self.framework.objects.remove(object, self.origin());
        self.free_special(object);
        let contexts = core::mem::take(&mut *object.contexts.borrow_mut());
        drop(contexts);
    }

    /// `WdfObjectDelete`.
    pub(crate) fn wdf_object_delete(&self, handle: WDFOBJECT) {
        let object = self.any_object(handle);
        if object.no_delete.get() {
            self.violation_on(
                ViolationKind::Delete,
                &object,
                format!(
                    "WdfObjectDelete of a {}, which only the framework may delete",
                    object.class_name()
                ),
            );
            self.debug_break("WdfObjectDelete of an object that only the framework may delete");
            return;
        }
        if let Kind::Request(request) = &object.kind
            && request.is_received()
        {
            self.violation_on(
                ViolationKind::ReceivedRequestDeleted,
                &object,
                "WdfObjectDelete of a request that came from a queue".to_owned(),
            );
        }
        if object.delete_called.replace(true) {
            self.violation_on(
                ViolationKind::Delete,
                &object,
                format!("a {} was deleted a second time", object.class_name()),
            );
            return;
        }
        if let Some(device) = Obj::<Device>::new(&object) {
            self.delete_control_device(&device);
            return;
        }
        if let Kind::Request(request) = &object.kind
            && request.is_received()
        {
            self.violation_on(
                ViolationKind::ReceivedRequestDeleted,
                &object,
                "a request that came from a queue was deleted instead of being completed"
                    .to_owned(),
            );
        }
        self.delete_object(&object);
    }

    /// Deletes an object: dispose, destroy the children, give up the creation reference. One that
    /// was deleted with its parent, and whose memory a reference keeps, is left as it is.
    pub(crate) fn delete_object(&self, object: &Rc<Object>) {
        if !object.is_live() {
            return;
        }
        if object.parent().is_some_and(|parent| !parent.is_live()) {
            object.life.set(Life::AwaitsParent);
            return;
        }
        if self.irql() > PASSIVE_LEVEL && needs_passive(object) {
            let object = Rc::clone(object);
            self.queue_work("dispose", move |system| {
                if object.is_live() {
                    system.delete_now(&object);
                }
            });
            return;
        }
        self.delete_now(object);
    }

    fn delete_now(&self, object: &Rc<Object>) {
        self.dispose(object);
        self.destroy_children(object);
        object.leave_parent();
        self.release(object);
    }

    /// The dispose phase, depth first: children, the object itself, its cleanup callbacks.
    pub(crate) fn dispose(&self, object: &Rc<Object>) {
        if object.life.get() > Life::AwaitsParent {
            return;
        }
        object.life.set(Life::Disposing);
        for child in object.children() {
            self.dispose(&child);
        }
        if cleans_up_first(&object.kind) {
            self.run_cleanup(object);
            self.dispose_special(object);
        } else {
            self.dispose_special(object);
            self.run_cleanup(object);
        }
    }

    /// The children lose the parent's reference, the deepest first.
    pub(crate) fn destroy_children(&self, object: &Rc<Object>) {
        for child in object.children() {
            self.destroy_children(&child);
            child.leave_parent();
            self.release(&child);
        }
    }

    pub(crate) fn run_cleanup(&self, object: &Rc<Object>) {
        object.life.set(Life::Disposed);
        let count = object.contexts.borrow().len();
        for index in 0..count {
            let cleanup = object.contexts.borrow()[index].cleanup;
            if let Some(cleanup) = cleanup {
                self.call_object(object, "EvtCleanupCallback", cleanup);
            }
        }
    }

    fn run_destroy(&self, object: &Rc<Object>) {
        let count = object.contexts.borrow().len();
        for index in 0..count {
            let destroy = object.contexts.borrow()[index].destroy;
            if let Some(destroy) = destroy {
                self.call_object(object, "EvtDestroyCallback", destroy);
            }
        }
    }

    fn call_object(
        &self,
        object: &Rc<Object>,
        callback: &'static str,
        function: unsafe extern "C" fn(WDFOBJECT),
    ) {
        self.callback(object.driver.get(), callback, object.handle.get(), || {
            // SAFETY: the driver registered this function for this object; object and contexts exist during the call.
            unsafe { function(object.handle()) }
        });
    }

    /// What the object's kind does in the dispose phase.
    fn dispose_special(&self, object: &Rc<Object>) {
        match &object.kind {
            Kind::Target(_) | Kind::UsbDevice(_) => self.dispose_target(object),
            Kind::UsbPipe(_) => self.dispose_usb_pipe(object),
            Kind::Queue(_) => self.dispose_queue(object),
            Kind::Request(_) => self.dispose_request(object),
            Kind::Timer(timer) => {
                self.check_stopped(object, timer);
                self.dispose_timer(timer);
            }
            Kind::WorkItem(item) => self.dispose_work_item(item),
            Kind::Collection(collection) => self.empty_collection(collection),
            _ => {}
        }
    }

    /// What the object's kind does when its memory goes.
    fn free_special(&self, object: &Rc<Object>) {
        match &object.kind {
            Kind::Request(request) => self.free_request(request),
            Kind::Memory(memory) => memory.free(self),
            _ => {}
        }
    }
}

/// Whether the driver's cleanup callbacks come before what the framework itself does in dispose: they may still see, and end
/// in their own way, what a target has sent.
const fn cleans_up_first(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Target(_) | Kind::UsbDevice(_) | Kind::UsbPipe(_) | Kind::Request(_)
    )
}

/// Whether the cleanup of the object or of anything below it must run at `PASSIVE_LEVEL`.
fn needs_passive(object: &Object) -> bool {
    object.passive_dispose.get()
        || object
            .children
            .borrow()
            .values()
            .any(|child| needs_passive(child))
}
