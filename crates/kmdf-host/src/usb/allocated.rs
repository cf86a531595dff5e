//! URBs that the USB stack allocates for a driver, and what the stack is asked besides transfers.

use core::mem::offset_of;
use core::ptr;
use std::rc::Rc;

use kmdf_sys::{
    _URB, _URB_GET_CURRENT_FRAME_NUMBER, _URB_ISOCH_TRANSFER, _USBD_ISO_PACKET_DESCRIPTOR, GUID,
    NT_SUCCESS, NTSTATUS, PULONG, PURB, PVOID, PWDF_OBJECT_ATTRIBUTES,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_DEVICE_STATE, STATUS_INVALID_PARAMETER,
    STATUS_NOT_SUPPORTED, STATUS_SUCCESS, ULONG, URB_FUNCTION_GET_CURRENT_FRAME_NUMBER, WDFMEMORY,
    WDFUSBDEVICE,
};

use super::urb::UrbMemory;
use super::{UsbDevice, own_options};
use crate::faults::Allocation;
use crate::fx::attributes::Rules;
use crate::fx::class::Obj;
use crate::fx::device::Device;
use crate::fx::object::Object;
use crate::system::System;

/// Pool tag of what the USB stack allocates.
const TAG: u32 = u32::from_le_bytes(*b"UsbD");

impl System {
    /// `WdfUsbTargetDeviceCreateUrb`.
    pub(crate) fn wdf_usb_target_device_create_urb(
        &self,
        usb: WDFUSBDEVICE,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        memory: *mut WDFMEMORY,
        urb: *mut PURB,
    ) -> NTSTATUS {
        self.create_urb(usb, attributes, size_of::<_URB>(), memory, urb)
    }

    /// `WdfUsbTargetDeviceCreateIsochUrb`.
    pub(crate) fn wdf_usb_target_device_create_isoch_urb(
        &self,
        usb: WDFUSBDEVICE,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        packets: ULONG,
        memory: *mut WDFMEMORY,
        urb: *mut PURB,
    ) -> NTSTATUS {
        let packets = size_of::<_USBD_ISO_PACKET_DESCRIPTOR>().saturating_mul(packets as usize);
        let size = size_of::<_URB_ISOCH_TRANSFER>().saturating_add(packets);
        self.create_urb(usb, attributes, size, memory, urb)
    }

    fn create_urb(
        &self,
        usb: WDFUSBDEVICE,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        size: usize,
        memory: *mut WDFMEMORY,
        urb: *mut PURB,
    ) -> NTSTATUS {
        let usb: Obj<UsbDevice> = self.object(usb);
        self.require(memory, "UrbMemory");
        if !usb.has_contract {
            return STATUS_INVALID_DEVICE_STATE;
        }
        let mut attributes = match self.attributes(attributes, Rules::CHILD) {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        // What the stack allocates must be gone before the device is.
        match &attributes.parent {
            Some(parent) if Object::ancestor::<Device>(parent).is_none() => {
                return STATUS_INVALID_PARAMETER;
            }
            Some(_) => {}
            None => attributes.parent = Some(Rc::clone(usb.rc())),
        }
        self.put(memory, ptr::null_mut());
        if self.faults.fails(Allocation::Urb) {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        match self.new_memory(&attributes, false, TAG, size) {
            Ok(created) => {
                self.put(memory, created.handle());
                self.put(urb, created.start().cast());
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// `WdfUsbTargetDeviceRetrieveCurrentFrameNumber`.
    pub(crate) fn wdf_usb_target_device_retrieve_current_frame_number(
        &self,
        usb: WDFUSBDEVICE,
        number: PULONG,
    ) -> NTSTATUS {
        let usb: Obj<UsbDevice> = self.object(usb);
        self.require(number, "CurrentFrameNumber");
        let length = size_of::<_URB_GET_CURRENT_FRAME_NUMBER>();
        let Some(memory) = UrbMemory::new(length) else {
            return STATUS_INSUFFICIENT_RESOURCES;
        };
        let urb = memory.begin(URB_FUNCTION_GET_CURRENT_FRAME_NUMBER, length);
        let request = self.take_internal_request();
        let status = match self.validate_target(&request, &usb.target) {
            Ok(_) => self.submit_own_urb(&request, &usb, urb, own_options(false, None)),
            Err(status) => status,
        };
        self.return_internal_request(&request);
        if NT_SUCCESS(status)
            && let Some(found) = urb.field(offset_of!(_URB_GET_CURRENT_FRAME_NUMBER, FrameNumber))
        {
            self.put(number, found);
        }
        status
    }

    /// `WdfUsbTargetDeviceQueryUsbCapability`: the stack of the model has none of the capabilities that can be asked for.
    pub(crate) fn wdf_usb_target_device_query_usb_capability(
        &self,
        usb: WDFUSBDEVICE,
        _capability: *const GUID,
        length: ULONG,
        buffer: PVOID,
        result: PULONG,
    ) -> NTSTATUS {
        let usb: Obj<UsbDevice> = self.object(usb);
        if length > 0 {
            self.require(buffer, "CapabilityBuffer");
        }
        self.put(result, 0);
        if usb.has_contract {
            STATUS_NOT_SUPPORTED
        } else {
            STATUS_INVALID_DEVICE_STATE
        }
    }
}
