//! String descriptors.

use core::ptr;

use kmdf_sys::{
    _POOL_TYPE as pool_type, NT_SUCCESS, NTSTATUS, PUSHORT, PWDF_OBJECT_ATTRIBUTES,
    PWDF_REQUEST_SEND_OPTIONS, STATUS_BUFFER_OVERFLOW, STATUS_DEVICE_DATA_ERROR,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_DEVICE_REQUEST, STATUS_SUCCESS, UCHAR,
    USB_STRING_DESCRIPTOR_TYPE, USHORT, WDFMEMORY, WDFREQUEST, WDFUSBDEVICE,
};

use super::device::descriptor_urb;
use super::{Descriptors, UsbDevice, own_options, seconds};
use crate::fx::attributes::Rules;
use crate::fx::class::Obj;
use crate::fx::memory::copy;
use crate::fx::target::submit::SendOptions;
use crate::system::{PASSIVE_LEVEL, System};

/// `bLength` and `bDescriptorType`.
const HEADER: u16 = 2;
/// Bytes of a UTF-16 unit.
const UNIT: u16 = 2;

/// Which string.
#[derive(Clone, Copy)]
struct Which {
    index: u8,
    language: u16,
}

impl System {
    /// `WdfUsbTargetDeviceQueryString`.
    #[allow(clippy::too_many_arguments, reason = "the DDI has them")]
    pub(crate) fn wdf_usb_target_device_query_string(
        &self,
        usb: WDFUSBDEVICE,
        request: WDFREQUEST,
        options: PWDF_REQUEST_SEND_OPTIONS,
        string: PUSHORT,
        characters: PUSHORT,
        index: UCHAR,
        language: USHORT,
    ) -> NTSTATUS {
        let usb: Obj<UsbDevice> = self.object(usb);
        self.require(characters, "NumCharacters");
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let given = match self.send_options(options) {
            Ok(given) => (!options.is_null()).then_some(given),
            Err(status) => return status,
        };
        self.fetch_string(
            &usb,
            request,
            given,
            string,
            characters,
            Which { index, language },
        )
    }

    /// `WdfUsbTargetDeviceAllocAndQueryString`.
    pub(crate) fn wdf_usb_target_device_alloc_and_query_string(
        &self,
        usb: WDFUSBDEVICE,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        out: *mut WDFMEMORY,
        characters: PUSHORT,
        index: UCHAR,
        language: USHORT,
    ) -> NTSTATUS {
        let usb: Obj<UsbDevice> = self.object(usb);
        self.require(out, "StringMemory");
        self.put(out, ptr::null_mut());
        self.put(characters, 0);
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        if let Err(status) = self.attributes(attributes, Rules::CHILD) {
            return status;
        }
        let which = Which { index, language };
        let mut count: u16 = 0;
        let status = self.fetch_string(
            &usb,
            ptr::null_mut(),
            None,
            ptr::null_mut(),
            &raw mut count,
            which,
        );
        if !NT_SUCCESS(status) || count == 0 {
            return status;
        }
        let mut memory: WDFMEMORY = ptr::null_mut();
        let mut buffer = ptr::null_mut();
        let size = usize::from(count) * usize::from(UNIT);
        let pool = pool_type::NonPagedPool;
        let created =
            self.wdf_memory_create(attributes, pool, 0, size, &raw mut memory, &raw mut buffer);
        if !NT_SUCCESS(created) {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        let status = self.fetch_string(
            &usb,
            ptr::null_mut(),
            None,
            buffer.cast(),
            &raw mut count,
            which,
        );
        if NT_SUCCESS(status) {
            self.put(characters, count);
            self.put(out, memory);
        } else {
            self.discard(&self.any_object(memory));
        }
        status
    }

    /// Asks for a string, or only for its length when there is no place for it.
    fn fetch_string(
        &self,
        usb: &Obj<UsbDevice>,
        request: WDFREQUEST,
        options: Option<SendOptions>,
        string: PUSHORT,
        characters: PUSHORT,
        which: Which,
    ) -> NTSTATUS {
        let request = self.begin_sync_request(request);
        let result = self.validate_target(&request, &usb.target).and_then(|irp| {
            let room = self.get(characters);
            let length = if string.is_null() {
                HEADER
            } else {
                room.saturating_mul(UNIT).saturating_add(HEADER)
            };
            if !string.is_null() {
                self.pool_allocation()?;
            }
            let answer = Descriptors::new(length).ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
            let memory = descriptor_urb(
                USB_STRING_DESCRIPTOR_TYPE,
                which.index,
                which.language,
                &answer,
            );
            let memory = memory.ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
            irp.set_next(super::format::parameters(memory.urb()));
            request.formatted.set(true);
            let options = options.unwrap_or(own_options(false, seconds(2)));
            let status = self.submit_and_wait(&request, &usb.io_target(), options);
            if NT_SUCCESS(status) {
                Ok(answer)
            } else {
                Err(status)
            }
        });
        let status = match result {
            Ok(answer) => self.put_string(&answer, string, characters),
            Err(status) => status,
        };
        self.end_sync_request(&request);
        status
    }

    fn put_string(&self, answer: &Descriptors, string: PUSHORT, characters: PUSHORT) -> NTSTATUS {
        let length = u16::from(answer.bytes().first().copied().unwrap_or(0));
        if length % UNIT != 0 || length < HEADER {
            return STATUS_DEVICE_DATA_ERROR;
        }
        let count = (length - HEADER) / UNIT;
        let mut status = STATUS_SUCCESS;
        if !string.is_null() {
            let room = self.get(characters);
            if room < count {
                status = STATUS_BUFFER_OVERFLOW;
            }
            let text = answer.bytes().get(usize::from(HEADER)..).unwrap_or(&[]);
            let bytes = usize::from(count.min(room)) * usize::from(UNIT);
            copy(text.as_ptr().cast(), string.cast(), bytes.min(text.len()));
        }
        self.put(characters, count);
        status
    }
}
