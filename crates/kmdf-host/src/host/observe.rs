//! Looking at the framework without touching it.

use kmdf_sys::{NTSTATUS, PIRP};

use super::{Host, IoId};
use crate::fx::class::Obj;
use crate::fx::handle::OFFSET_HANDLE;
use crate::fx::request::{Place, Request};
use crate::system::irp::Allocator;

/// What the framework knows of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectState {
    /// The C name of its handle type.
    pub class: &'static str,
    /// Its reference count; for the memory inside a received request, references on the IRP's memory.
    pub references: i32,
    /// Its children.
    pub children: usize,
}

/// Where a received request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestPlace {
    /// The framework holds it.
    Queued,
    /// The driver has it, also while it is at an I/O target.
    Driver,
    /// It was passed down for good, or is not the framework's yet.
    Below,
    /// It was completed.
    Completed,
}

impl Host {
    /// The state of the object with this handle, `None` once its memory is gone.
    #[must_use]
    pub fn object_state<H>(&self, handle: *mut H) -> Option<ObjectState> {
        let object = self.system.framework.objects.get(handle.addr()).ok()?;
        let mut references = object.references.get();
        if handle.addr() & OFFSET_HANDLE != 0 {
            references = Obj::<Request>::new(&object)?.irp_references.get();
        } else if let Some(request) = Obj::<Request>::new(&object) {
            // The framework's lists hold references: that of a queue, and that of the requests that can be cancelled.
            references += i32::from(request.place.get() == Place::Queued);
            references += i32::from(request.cancelable.get());
        }
        Some(ObjectState {
            class: object.class_name(),
            references,
            children: object.children.borrow().len(),
        })
    }

    /// References on the memory of a received request.
    #[must_use]
    pub fn irp_references(&self, request: kmdf_sys::WDFREQUEST) -> Option<i32> {
        let object = self.system.framework.objects.get(request.addr()).ok()?;
        Some(Obj::<Request>::new(&object)?.irp_references.get())
    }

    /// Status and information in the IRP of a request.
    #[must_use]
    pub fn request_status(&self, request: kmdf_sys::WDFREQUEST) -> Option<(NTSTATUS, u64)> {
        let object = self.system.framework.objects.get(request.addr()).ok()?;
        let irp = Obj::<Request>::new(&object)?.irp()?;
        Some((irp.status.get(), irp.information.get()))
    }

    /// The WDFREQUEST that the framework made for an application's I/O, while there is one.
    #[must_use]
    pub fn request_of(&self, io: IoId) -> Option<kmdf_sys::WDFREQUEST> {
        self.request_object(io).map(|request| request.handle())
    }

    /// Where an application's I/O is.
    #[must_use]
    pub fn place_of(&self, io: IoId) -> RequestPlace {
        if self.result(io).is_some() {
            return RequestPlace::Completed;
        }
        let Some(request) = self.request_object(io) else {
            return RequestPlace::Below;
        };
        match request.place.get() {
            Place::Arriving | Place::Queued => RequestPlace::Queued,
            Place::Driver => RequestPlace::Driver,
            // Being completed: the IRP has not left the device yet.
            Place::Gone if Self::is_at_its_device(&request) => RequestPlace::Driver,
            Place::Gone => RequestPlace::Below,
        }
    }

    fn is_at_its_device(request: &Obj<Request>) -> bool {
        let at = request.irp().and_then(|irp| irp.device());
        let own = request.typed_device();
        matches!((at, own), (Some(at), Some(own)) if std::rc::Rc::ptr_eq(&at, &own.object))
    }

    fn request_object(&self, io: IoId) -> Option<Obj<Request>> {
        let irp = self.system.ios.submitted(io.0)?.irp.borrow().clone()?;
        let objects = self.system.framework.objects.live();
        objects
            .iter()
            .filter_map(Obj::<Request>::new)
            .find(|request| {
                request.is_received()
                    && request
                        .irp()
                        .is_some_and(|own| std::rc::Rc::ptr_eq(&own, &irp))
            })
    }

    /// IRPs that the framework has allocated and not freed.
    #[must_use]
    pub fn framework_irps(&self) -> i64 {
        self.system.irps.framework_irps()
    }

    /// MDLs that the framework has allocated and not freed.
    #[must_use]
    pub fn framework_mdls(&self) -> i64 {
        self.system.mdls.framework_mdls()
    }

    /// MDLs whose pages the framework holds locked.
    #[must_use]
    pub fn locked_mdls(&self) -> usize {
        self.system.mdls.locked()
    }

    /// Allocates an IRP as a driver would, for `WdfRequestCreateFromIrp`.
    #[must_use]
    pub fn allocate_irp(&self, stack_size: usize) -> PIRP {
        self.system
            .irps
            .allocate(stack_size, Allocator::Driver)
            .address()
    }

    /// Frees an IRP that [`Host::allocate_irp`] allocated; `false` when there is none.
    pub fn free_irp(&self, irp: PIRP) -> bool {
        match self.system.irps.get(irp) {
            Ok(irp) => {
                self.system.irps.free(irp);
                true
            }
            Err(_) => false,
        }
    }
}
