//! Selecting configurations and settings: the URBs that describe interfaces and give out pipe handles.

use core::mem::offset_of;
use core::ptr;

use kmdf_sys::missing::{
    USBD_STATUS_BUFFER_TOO_SMALL, USBD_STATUS_INTERFACE_NOT_FOUND, USBD_STATUS_INVALID_PARAMETER,
    USBD_STATUS_SUCCESS,
};
use kmdf_sys::{
    _URB_SELECT_CONFIGURATION, _URB_SELECT_INTERFACE, _USBD_INTERFACE_INFORMATION,
    _USBD_PIPE_INFORMATION, USBD_CONFIGURATION_HANDLE, USBD_INTERFACE_HANDLE, USBD_PIPE_HANDLE,
    USBD_STATUS,
};

use super::UsbDevice;
use crate::usb::descriptor::Setting;
use crate::usb::urb::Urb;

/// Pipe handles are this, plus the endpoint's address, plus a number for the selection that made them.
const PIPE_HANDLES: usize = 0x9000;
const CONFIGURATION_HANDLES: usize = 0xC000;
const INTERFACE_HANDLES: usize = 0xA000;
/// Distance between the handles of two selections.
const SELECTION: usize = 0x1_0000;

impl UsbDevice {
    /// `URB_FUNCTION_SELECT_CONFIGURATION`; without a descriptor it means none.
    pub(super) fn select_configuration(&mut self, urb: Urb) -> USBD_STATUS {
        let descriptor = urb.field::<usize>(offset_of!(
            _URB_SELECT_CONFIGURATION,
            ConfigurationDescriptor
        ));
        self.pipes.clear();
        self.settings.clear();
        self.configuration = 0;
        self.selections += 1;
        if descriptor.unwrap_or(0) == 0 {
            return USBD_STATUS_SUCCESS;
        }
        let mut offset = offset_of!(_URB_SELECT_CONFIGURATION, Interface);
        while offset < urb.length() {
            match self.select_interface_at(urb, offset) {
                Ok(length) => offset += length,
                Err(status) => return status,
            }
        }
        self.configuration = self.descriptors.parsed().value();
        let handle: USBD_CONFIGURATION_HANDLE = self.handle(CONFIGURATION_HANDLES);
        urb.write(
            offset_of!(_URB_SELECT_CONFIGURATION, ConfigurationHandle),
            handle,
        );
        USBD_STATUS_SUCCESS
    }

    /// `URB_FUNCTION_SELECT_INTERFACE`.
    pub(super) fn select_interface(&mut self, urb: Urb) -> USBD_STATUS {
        if self.configuration == 0 {
            return USBD_STATUS_INVALID_PARAMETER;
        }
        self.selections += 1;
        match self.select_interface_at(urb, offset_of!(_URB_SELECT_INTERFACE, Interface)) {
            Ok(_) => USBD_STATUS_SUCCESS,
            Err(status) => status,
        }
    }

    /// Selects the setting that the structure at `offset` names, and completes the structure. Gives its length.
    fn select_interface_at(&mut self, urb: Urb, offset: usize) -> Result<usize, USBD_STATUS> {
        let field = |place: usize| {
            urb.field::<u8>(offset + place)
                .ok_or(USBD_STATUS_INVALID_PARAMETER)
        };
        let number = field(offset_of!(_USBD_INTERFACE_INFORMATION, InterfaceNumber))?;
        let alternate = field(offset_of!(_USBD_INTERFACE_INFORMATION, AlternateSetting))?;
        let length = urb.field::<u16>(offset + offset_of!(_USBD_INTERFACE_INFORMATION, Length));
        let length = usize::from(length.ok_or(USBD_STATUS_INVALID_PARAMETER)?);
        let settings = self.descriptors.parsed().settings();
        let wanted =
            |setting: &&Setting| setting.interface == number && setting.alternate == alternate;
        let setting = settings
            .iter()
            .find(wanted)
            .ok_or(USBD_STATUS_INTERFACE_NOT_FOUND)?;
        let needed = offset_of!(_USBD_INTERFACE_INFORMATION, Pipes)
            + setting.endpoints.len() * size_of::<_USBD_PIPE_INFORMATION>();
        if length < needed || offset + needed > urb.length() {
            return Err(USBD_STATUS_BUFFER_TOO_SMALL);
        }
        self.drop_pipes_of(number, &settings);
        let [class, sub_class, protocol] = setting.class;
        let interface: USBD_INTERFACE_HANDLE = self.handle(INTERFACE_HANDLES + usize::from(number));
        let count = u32::try_from(setting.endpoints.len()).unwrap_or(u32::MAX);
        urb.write(
            offset + offset_of!(_USBD_INTERFACE_INFORMATION, Class),
            class,
        );
        urb.write(
            offset + offset_of!(_USBD_INTERFACE_INFORMATION, SubClass),
            sub_class,
        );
        urb.write(
            offset + offset_of!(_USBD_INTERFACE_INFORMATION, Protocol),
            protocol,
        );
        urb.write(
            offset + offset_of!(_USBD_INTERFACE_INFORMATION, InterfaceHandle),
            interface,
        );
        urb.write(
            offset + offset_of!(_USBD_INTERFACE_INFORMATION, NumberOfPipes),
            count,
        );
        let mut pipe = offset + offset_of!(_USBD_INTERFACE_INFORMATION, Pipes);
        for endpoint in &setting.endpoints {
            let handle: USBD_PIPE_HANDLE =
                self.handle(PIPE_HANDLES + usize::from(endpoint.address));
            self.pipes.insert(handle.addr(), endpoint.address);
            let mut information: _USBD_PIPE_INFORMATION =
                urb.field(pipe).ok_or(USBD_STATUS_BUFFER_TOO_SMALL)?;
            information.MaximumPacketSize = self.endpoint_mut(endpoint.address).bytes_per_frame();
            information.EndpointAddress = endpoint.address;
            information.Interval = endpoint.interval;
            information.PipeType = i32::from(endpoint.transfer_type());
            information.PipeHandle = handle;
            if let Some(&size) = self.maximum_transfer_sizes.get(&endpoint.address) {
                information.MaximumTransferSize = size;
            }
            urb.write(pipe, information);
            pipe += size_of::<_USBD_PIPE_INFORMATION>();
        }
        self.settings.insert(number, alternate);
        Ok(length)
    }

    /// The pipes of an interface end with its setting.
    fn drop_pipes_of(&mut self, number: u8, settings: &[Setting]) {
        let Some(old) = self.settings.get(&number) else {
            return;
        };
        let setting = settings
            .iter()
            .find(|setting| setting.interface == number && setting.alternate == *old);
        if let Some(setting) = setting {
            self.pipes.retain(|_, address| {
                setting
                    .endpoints
                    .iter()
                    .all(|endpoint| endpoint.address != *address)
            });
        }
    }

    fn handle<T>(&self, kind: usize) -> *mut T {
        ptr::without_provenance_mut(kind + (self.selections - 1) * SELECTION)
    }
}
