//! WDFFILEOBJECT: a file an application has open on a device.

use core::ptr;
use std::rc::Rc;

use kmdf_sys::{PFILE_OBJECT, PUNICODE_STRING, ULONG, WDFDEVICE, WDFFILEOBJECT, WDFREQUEST};

use super::class::{Kind, Obj};
use super::device::Device;
use super::object::Object;
use super::request::Request;
use crate::system::System;

/// A WDFFILEOBJECT.
pub(crate) struct File {
    /// Address of the operating system's file object.
    pub(crate) address: usize,
    name: Box<kmdf_sys::_UNICODE_STRING>,
}

impl File {
    pub(crate) fn new(address: usize) -> Self {
        Self {
            address,
            name: Box::new(kmdf_sys::_UNICODE_STRING::default()),
        }
    }
}

impl System {
    /// The framework's object for a file, if the device keeps such objects.
    pub(crate) fn file_of(device: &Device, address: usize) -> Option<Obj<File>> {
        let files = device.files.borrow();
        files
            .iter()
            .filter_map(Obj::<File>::new)
            .find(|file| file.address == address)
    }

    /// Makes the framework's object for a file that is being opened.
    pub(crate) fn create_file(&self, device: &Obj<Device>, address: usize) -> Option<Rc<Object>> {
        let attributes = device.file_attributes.clone();
        let object = self
            .create_object(Kind::File(File::new(address)), device.rc(), &attributes)
            .ok()?;
        object.no_delete.set(true);
        device.files.borrow_mut().push(Rc::clone(&object));
        Some(object)
    }

    /// Ends the framework's object for a file.
    pub(crate) fn delete_file(&self, device: &Obj<Device>, address: usize) {
        if let Some(file) = Self::file_of(device, address) {
            device
                .files
                .borrow_mut()
                .retain(|known| !Rc::ptr_eq(known, file.rc()));
            self.delete_object(file.rc());
        }
    }

    /// `WdfRequestGetFileObject`.
    pub(crate) fn wdf_request_get_file_object(&self, request: WDFREQUEST) -> WDFFILEOBJECT {
        let request: Obj<Request> = self.object(request);
        let (Some(device), Some(irp)) = (request.device.borrow().clone(), request.irp()) else {
            return ptr::null_mut();
        };
        let Some(device) = Obj::<Device>::new(&device) else {
            return ptr::null_mut();
        };
        Self::file_of(&device, irp.parameters().file).map_or(ptr::null_mut(), |file| file.handle())
    }

    /// `WdfDeviceGetFileObject`.
    pub(crate) fn wdf_device_get_file_object(
        &self,
        device: WDFDEVICE,
        file: PFILE_OBJECT,
    ) -> WDFFILEOBJECT {
        let device: Obj<Device> = self.object(device);
        Self::file_of(&device, file.addr()).map_or(ptr::null_mut(), |file| file.handle())
    }

    /// `WdfFileObjectGetDevice`.
    pub(crate) fn wdf_file_object_get_device(&self, file: WDFFILEOBJECT) -> WDFDEVICE {
        let file: Obj<File> = self.object(file);
        self.device_of(file.rc())
            .map_or(ptr::null_mut(), |device| device.handle())
    }

    /// `WdfFileObjectGetFileName`.
    pub(crate) fn wdf_file_object_get_file_name(&self, file: WDFFILEOBJECT) -> PUNICODE_STRING {
        let file: Obj<File> = self.object(file);
        ptr::from_ref(&*file.name).cast_mut()
    }

    /// `WdfFileObjectGetFlags`.
    pub(crate) fn wdf_file_object_get_flags(&self, file: WDFFILEOBJECT) -> ULONG {
        let _: Obj<File> = self.object(file);
        0
    }

    /// `WdfFileObjectWdmGetFileObject`.
    pub(crate) fn wdf_file_object_wdm_get_file_object(&self, file: WDFFILEOBJECT) -> PFILE_OBJECT {
        let file: Obj<File> = self.object(file);
        ptr::with_exposed_provenance_mut(file.address)
    }
}
