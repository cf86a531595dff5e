//! Requests arriving at a device of the framework.

use std::rc::Rc;

use kmdf_sys::{
    _WDF_TRI_STATE as tri_state, NTSTATUS, STATUS_INSUFFICIENT_RESOURCES,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_DEVICE_STATE, STATUS_PENDING, STATUS_SUCCESS,
    WDFDEVICE, WDFREQUEST,
};

use super::Queue;
use crate::faults::Allocation;
use crate::fx::class::{Kind, Obj};
use crate::fx::context::Context;
use crate::fx::device::Device;
use crate::fx::object::Object;
use crate::fx::request::{Place, Request, Source};
use crate::report::ViolationKind;
use crate::system::System;
use crate::system::irp::{
    IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE, IRP_MJ_DEVICE_CONTROL,
    IRP_MJ_INTERNAL_DEVICE_CONTROL, IRP_MJ_READ, IRP_MJ_WRITE, Irp,
};

impl System {
    /// The framework's dispatch routine.
    pub(crate) fn framework_dispatch(&self, object: &Rc<Object>, irp: &Rc<Irp>) -> NTSTATUS {
        let Some(device) = Obj::<Device>::new(object) else {
            return STATUS_INVALID_DEVICE_REQUEST;
        };
        match irp.parameters().major {
            IRP_MJ_CREATE => self.dispatch_create(&device, irp),
            IRP_MJ_CLEANUP => self.dispatch_cleanup(&device, irp),
            IRP_MJ_CLOSE => self.dispatch_close(&device, irp),
            IRP_MJ_READ | IRP_MJ_WRITE | IRP_MJ_DEVICE_CONTROL | IRP_MJ_INTERNAL_DEVICE_CONTROL => {
                self.dispatch_io(&device, irp)
            }
            _ => self.pass_on_or_fail(&device, irp, STATUS_INVALID_DEVICE_REQUEST),
        }
    }

    /// A filter forwards what its driver does not handle; a function driver completes it.
    fn pass_on_or_fail(&self, device: &Obj<Device>, irp: &Rc<Irp>, status: NTSTATUS) -> NTSTATUS {
        if device.filter {
            irp.skip_location();
            self.call_driver(irp, &device.attached, &device.object.actor)
        } else {
            self.complete_irp(irp, status, 0, &device.object.actor)
        }
    }

    fn dispatch_io(&self, device: &Obj<Device>, irp: &Rc<Irp>) -> NTSTATUS {
        let major = irp.parameters().major;
        let queue = device.queue_for(major);
        let unhandled = queue.as_ref().is_none_or(|queue| {
            device.filter
                && device.is_default_queue(queue)
                && !queue.is_manual()
                && !queue.handles(major)
        });
        if unhandled && device.in_caller_context.is_none() {
            return self.pass_on_or_fail(device, irp, STATUS_INVALID_DEVICE_REQUEST);
        }
        let Some(request) = self.receive(device, irp) else {
            if queue.is_none() && device.filter {
                return self.pass_on_or_fail(device, irp, STATUS_INSUFFICIENT_RESOURCES);
            }
            return self.complete_irp(irp, STATUS_INSUFFICIENT_RESOURCES, 0, &device.object.actor);
        };
        if device.in_caller_context.is_some() {
            return self.call_in_caller_context(device, &request);
        }
        match queue {
            Some(queue) => self.queue_request(&queue, &request),
            None => STATUS_INVALID_DEVICE_REQUEST,
        }
    }

    /// Makes the WDFREQUEST of an IRP that arrived.
    fn receive(&self, device: &Obj<Device>, irp: &Rc<Irp>) -> Option<Obj<Request>> {
        if self.faults.fails(Allocation::Object) {
            return None;
        }
        let attributes = &device.request_attributes;
        let context = Context::for_attributes(attributes).ok()?;
        let request = Request::new(Source::Received, Some(Rc::clone(irp)));
        *request.device.borrow_mut() = Some(Rc::clone(device.rc()));
        let driver = device.rc().driver.get();
        let object = Rc::new(Object::new(
            Kind::Request(Box::new(request)),
            driver,
            self.origin(),
        ));
        self.framework.objects.insert(&object);
        if let Some(context) = context {
            context.belongs_to(object.handle.get());
            object.contexts.borrow_mut().push(context);
        }
        Obj::new(&object)
    }

    fn call_in_caller_context(&self, device: &Obj<Device>, request: &Obj<Request>) -> NTSTATUS {
        let Some(callback) = device.in_caller_context else {
            return STATUS_INVALID_DEVICE_REQUEST;
        };
        request.in_caller_context.set(true);
        request.place.set(Place::Driver);
        request.presented.set(true);
        let irp = request.irp();
        self.callback(
            device.rc().driver.get(),
            "EvtIoInCallerContext",
            request.rc().handle.get(),
            || {
                // SAFETY: the driver registered this function for the device; both objects exist during the call.
                unsafe { callback(device.handle(), request.handle()) }
            },
        );
        request.in_caller_context.set(false);
        drop(irp);
        STATUS_PENDING
    }

    /// `WdfDeviceEnqueueRequest`.
    pub(crate) fn wdf_device_enqueue_request(
        &self,
        device: WDFDEVICE,
        request: WDFREQUEST,
    ) -> NTSTATUS {
        let device: Obj<Device> = self.object(device);
        let request: Obj<Request> = self.object(request);
        if self.verifier() && !request.in_caller_context.get() {
            self.misuse(
                ViolationKind::NotOwned,
                request.rc(),
                "it is called outside EvtIoInCallerContext",
            );
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let Some(irp) = request.irp() else {
            self.null_irp(&request);
        };
        let major = irp.parameters().major;
        let Some(queue) = device.queue_for(major) else {
            return STATUS_INVALID_DEVICE_REQUEST;
        };
        request.in_caller_context.set(false);
        request.place.set(Place::Arriving);
        request.presented.set(false);
        if device.filter
            && device.is_default_queue(&queue)
            && !queue.is_manual()
            && !queue.handles(major)
        {
            let lower = Rc::clone(&device.attached);
            self.detach_received(&request);
            irp.skip_location();
            self.call_driver(&irp, &lower, &device.object.actor);
            self.release_received(&request, None);
            return STATUS_SUCCESS;
        }
        self.queue_request(&queue, &request);
        STATUS_SUCCESS
    }

    /// Gives an arrived request to its queue; the result of the dispatch routine.
    fn queue_request(&self, queue: &Obj<Queue>, request: &Obj<Request>) -> NTSTATUS {
        self.preemption_point();
        if !queue.accepts.get() {
            if let Some(irp) = request.irp() {
                irp.information.set(0);
            }
            self.complete_received(request, STATUS_INVALID_DEVICE_STATE);
            return STATUS_INVALID_DEVICE_STATE;
        }
        self.dispatch_events(queue, Some(request.clone()));
        STATUS_PENDING
    }

    fn dispatch_create(&self, device: &Obj<Device>, irp: &Rc<Irp>) -> NTSTATUS {
        let file = irp.parameters().file;
        let Some(config) = device.file_config else {
            // Without a queue configured for creates the framework answers by itself.
            if device.in_caller_context.is_some()
                && device.has_create_queue()
                && let Some(request) = self.receive(device, irp)
            {
                return self.call_in_caller_context(device, &request);
            }
            return self.pass_on_or_fail(device, irp, STATUS_SUCCESS);
        };
        let Some(object) = self.create_file(device, file) else {
            return self.complete_irp(irp, STATUS_INSUFFICIENT_RESOURCES, 0, &device.object.actor);
        };
        let Some(callback) = config.EvtDeviceFileCreate else {
            return self.pass_on_or_fail(device, irp, STATUS_SUCCESS);
        };
        let Some(request) = self.receive(device, irp) else {
            self.delete_file(device, file);
            return self.complete_irp(irp, STATUS_INSUFFICIENT_RESOURCES, 0, &device.object.actor);
        };
        request.place.set(Place::Driver);
        request.presented.set(true);
        self.callback(
            device.rc().driver.get(),
            "EvtDeviceFileCreate",
            request.rc().handle.get(),
            || {
                // SAFETY: the driver registered this function for the device; the objects exist during the call.
                unsafe { callback(device.handle(), request.handle(), object.handle()) }
            },
        );
        STATUS_PENDING
    }

    fn dispatch_cleanup(&self, device: &Obj<Device>, irp: &Rc<Irp>) -> NTSTATUS {
        let address = irp.parameters().file;
        if let (Some(config), Some(file)) = (device.file_config, Self::file_of(device, address))
            && let Some(callback) = config.EvtFileCleanup
        {
            self.callback(
                device.rc().driver.get(),
                "EvtFileCleanup",
                file.rc().handle.get(),
                || {
                    // SAFETY: the driver registered this function for the device's files; the file exists.
                    unsafe { callback(file.handle()) }
                },
            );
        }
        let queues = device.queues.borrow().clone();
        for queue in queues {
            self.flush_by_file(&queue, address);
        }
        self.forward_file_irp(device, irp)
    }

    fn dispatch_close(&self, device: &Obj<Device>, irp: &Rc<Irp>) -> NTSTATUS {
        let address = irp.parameters().file;
        if let (Some(config), Some(file)) = (device.file_config, Self::file_of(device, address))
            && let Some(callback) = config.EvtFileClose
        {
            self.callback(
                device.rc().driver.get(),
                "EvtFileClose",
                file.rc().handle.get(),
                || {
                    // SAFETY: the driver registered this function for the device's files; the file exists.
                    unsafe { callback(file.handle()) }
                },
            );
        }
        self.delete_file(device, address);
        self.forward_file_irp(device, irp)
    }

    fn forward_file_irp(&self, device: &Obj<Device>, irp: &Rc<Irp>) -> NTSTATUS {
        let forward = match device
            .file_config
            .map(|config| config.AutoForwardCleanupClose)
        {
            Some(tri_state::WdfTrue) => true,
            Some(tri_state::WdfFalse) => false,
            _ => device.filter,
        };
        if forward {
            irp.skip_location();
            self.call_driver(irp, &device.attached, &device.object.actor)
        } else {
            self.complete_irp(irp, STATUS_SUCCESS, 0, &device.object.actor)
        }
    }
}
