//! `WdfUsbTargetDeviceSelectConfig`.

use core::mem::offset_of;

use kmdf_sys::{
    _URB_SELECT_CONFIGURATION, _URB_SELECT_INTERFACE, _USBD_INTERFACE_INFORMATION,
    _USBD_PIPE_INFORMATION, _WDF_USB_DEVICE_SELECT_CONFIG_PARAMS,
    _WDF_USB_DEVICE_SELECT_CONFIG_PARAMS__bindgen_ty_1__bindgen_ty_3,
    _WDF_USB_DEVICE_SELECT_CONFIG_PARAMS__bindgen_ty_1__bindgen_ty_4,
    _WdfUsbTargetDeviceSelectConfigType as types, NT_SUCCESS, NTSTATUS,
    PUSB_CONFIGURATION_DESCRIPTOR, PVOID, PWDF_OBJECT_ATTRIBUTES,
    PWDF_USB_DEVICE_SELECT_CONFIG_PARAMS, STATUS_INFO_LENGTH_MISMATCH,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER,
    STATUS_SUCCESS, URB_FUNCTION_SELECT_CONFIGURATION, WDFUSBDEVICE,
};

use super::interface::{information_size, write_information};
use super::urb::{Urb, UrbMemory};
use super::{Descriptors, UsbDevice, UsbInterface, UsbPipe, own_options, seconds};
use crate::fx::attributes::{Attributes, Rules};
use crate::fx::class::Obj;
use crate::fx::request::Request;
use crate::system::{PASSIVE_LEVEL, System};

/// The longest pipe array an interface may have.
const MAXIMUM_PIPES: u32 = 0xFF;
const FIRST_INTERFACE: usize = offset_of!(_URB_SELECT_CONFIGURATION, Interface);

/// A setting to select.
#[derive(Clone, Copy, Debug)]
struct Choice {
    interface: u8,
    alternate: u8,
    endpoints: u8,
}

/// An interface's information in the URB, with the pipes that were made for it.
struct Selected {
    place: usize,
    interface: Obj<UsbInterface>,
    pipes: Vec<Obj<UsbPipe>>,
}

impl System {
    /// `WdfUsbTargetDeviceSelectConfig`.
    pub(crate) fn wdf_usb_target_device_select_config(
        &self,
        usb: WDFUSBDEVICE,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        params: PWDF_USB_DEVICE_SELECT_CONFIG_PARAMS,
    ) -> NTSTATUS {
        let usb: Obj<UsbDevice> = self.object(usb);
        self.require(params, "Params");
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let mut given = self.get(params);
        if given.Size as usize != size_of::<_WDF_USB_DEVICE_SELECT_CONFIG_PARAMS>() {
            return STATUS_INFO_LENGTH_MISMATCH;
        }
        let known = types::WdfUsbTargetDeviceSelectConfigTypeDeconfig
            ..=types::WdfUsbTargetDeviceSelectConfigTypeUrb;
        if !known.contains(&given.Type) {
            return STATUS_INVALID_PARAMETER;
        }
        let attributes = match self.attributes(attributes, Rules::REQUEST) {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        if usb.mismatched.get() {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        if usb.interfaces.borrow().is_empty() {
            return STATUS_SUCCESS;
        }
        let result = self.select_config(&usb, &attributes, &mut given);
        self.put(params, given);
        match result {
            Ok(()) => STATUS_SUCCESS,
            Err(status) => status,
        }
    }

    fn select_config(
        &self,
        usb: &Obj<UsbDevice>,
        attributes: &Attributes,
        params: &mut _WDF_USB_DEVICE_SELECT_CONFIG_PARAMS,
    ) -> Result<(), NTSTATUS> {
        match params.Type {
            types::WdfUsbTargetDeviceSelectConfigTypeDeconfig => self.deconfigure(usb),
            types::WdfUsbTargetDeviceSelectConfigTypeInterfacesDescriptor => {
                self.select_by_descriptors(usb, attributes, params)
            }
            types::WdfUsbTargetDeviceSelectConfigTypeUrb => {
                // SAFETY: the type says which member the driver set.
                let urb = unsafe { params.Types.Urb.Urb };
                urb.expose_provenance();
                // SAFETY: the DDI's contract is that the driver passes a URB of the length its header says, valid during the
                // call.
                let urb = unsafe { Urb::new(urb) }.ok_or(STATUS_INVALID_PARAMETER)?;
                let shortest =
                    size_of::<_URB_SELECT_CONFIGURATION>() - size_of::<_USBD_PIPE_INFORMATION>();
                if urb.function() != URB_FUNCTION_SELECT_CONFIGURATION || urb.length() < shortest {
                    return Err(STATUS_INVALID_PARAMETER);
                }
                self.select_by_urb(usb, attributes, urb).map(drop)
            }
            types::WdfUsbTargetDeviceSelectConfigTypeSingleInterface => {
                self.select_single(usb, attributes, params)
            }
            _ => self.select_multi(usb, attributes, params),
        }
    }

    fn select_single(
        &self,
        usb: &Obj<UsbDevice>,
        attributes: &Attributes,
        params: &mut _WDF_USB_DEVICE_SELECT_CONFIG_PARAMS,
    ) -> Result<(), NTSTATUS> {
        params.Types.SingleInterface =
            _WDF_USB_DEVICE_SELECT_CONFIG_PARAMS__bindgen_ty_1__bindgen_ty_3::default();
        let interfaces = usb.interfaces();
        let [interface] = &interfaces[..] else {
            return Err(STATUS_INVALID_PARAMETER);
        };
        self.select_choices(usb, attributes, None, &[Choice::first_of(interface)?])?;
        params.Types.SingleInterface =
            _WDF_USB_DEVICE_SELECT_CONFIG_PARAMS__bindgen_ty_1__bindgen_ty_3 {
                NumberConfiguredPipes: interface.pipe_count(),
                ConfiguredUsbInterface: interface.handle(),
            };
        Ok(())
    }

    fn select_multi(
        &self,
        usb: &Obj<UsbDevice>,
        attributes: &Attributes,
        params: &mut _WDF_USB_DEVICE_SELECT_CONFIG_PARAMS,
    ) -> Result<(), NTSTATUS> {
        // SAFETY: both types use this member, and any bytes are a value of it.
        let mut given = unsafe { params.Types.MultiInterface };
        let pairs = params.Type == types::WdfUsbTargetDeviceSelectConfigTypeInterfacesPairs;
        let interfaces = usb.interfaces();
        if pairs
            && (given.Pairs.is_null() || usize::from(given.NumberInterfaces) != interfaces.len())
        {
            return Err(STATUS_INVALID_PARAMETER);
        }
        let chosen = self.setting_pairs(&given)?;
        given.NumberOfConfiguredInterfaces = 0;
        params.Types.MultiInterface = given;
        self.pool_allocation()?;
        let choices = if pairs {
            Choice::of_pairs(&chosen, interfaces.len())?
        } else {
            interfaces
                .iter()
                .map(Choice::first_of)
                .collect::<Result<_, _>>()?
        };
        let configured = self.select_choices(usb, attributes, None, &choices)?;
        given.NumberOfConfiguredInterfaces = configured;
        params.Types.MultiInterface = given;
        Ok(())
    }

    /// The interfaces and settings that a driver names, which are checked for every multi-interface type.
    fn setting_pairs(
        &self,
        given: &_WDF_USB_DEVICE_SELECT_CONFIG_PARAMS__bindgen_ty_1__bindgen_ty_4,
    ) -> Result<Vec<(Obj<UsbInterface>, u8)>, NTSTATUS> {
        let mut chosen = Vec::new();
        for index in 0..usize::from(given.NumberInterfaces) {
            let pair = self.get(given.Pairs.wrapping_add(index));
            let interface: Obj<UsbInterface> = self.object(pair.UsbInterface);
            if interface.setting(pair.SettingIndex).is_none() {
                return Err(STATUS_INVALID_PARAMETER);
            }
            chosen.push((interface, pair.SettingIndex));
        }
        Ok(chosen)
    }

    fn select_by_descriptors(
        &self,
        usb: &Obj<UsbDevice>,
        attributes: &Attributes,
        params: &_WDF_USB_DEVICE_SELECT_CONFIG_PARAMS,
    ) -> Result<(), NTSTATUS> {
        // SAFETY: the type says which member the driver set.
        let given = unsafe { params.Types.Descriptor };
        if given.InterfaceDescriptors.is_null() || given.NumInterfaceDescriptors == 0 {
            return Err(STATUS_INVALID_PARAMETER);
        }
        let mut choices = Vec::new();
        for index in 0..given.NumInterfaceDescriptors as usize {
            let descriptor = self.get(given.InterfaceDescriptors.wrapping_add(index));
            if descriptor.is_null() {
                return Err(STATUS_INVALID_PARAMETER);
            }
            let descriptor = self.get(descriptor);
            choices.push(Choice {
                interface: descriptor.bInterfaceNumber,
                alternate: descriptor.bAlternateSetting,
                endpoints: descriptor.bNumEndpoints,
            });
        }
        self.pool_allocation()?;
        self.select_choices(
            usb,
            attributes,
            Some(given.ConfigurationDescriptor),
            &choices,
        )
        .map(drop)
    }

    /// Selects the settings with a URB of the framework's; gives the number of interfaces that were configured.
    fn select_choices(
        &self,
        usb: &Obj<UsbDevice>,
        attributes: &Attributes,
        configuration: Option<PUSB_CONFIGURATION_DESCRIPTOR>,
        choices: &[Choice],
    ) -> Result<u8, NTSTATUS> {
        self.pool_allocation()?;
        let sizes = choices
            .iter()
            .map(|choice| information_size(usize::from(choice.endpoints)));
        let length = FIRST_INTERFACE + sizes.sum::<usize>();
        if u16::try_from(length).is_err() {
            return Err(STATUS_INSUFFICIENT_RESOURCES);
        }
        let memory = UrbMemory::new(length).ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
        let urb = memory.begin(URB_FUNCTION_SELECT_CONFIGURATION, length);
        let own: PVOID = usb
            .configuration
            .borrow()
            .as_ref()
            .map_or(core::ptr::null_mut(), Descriptors::as_ptr);
        let descriptor: PVOID = match configuration {
            Some(given) if !given.is_null() => given.cast(),
            _ => own,
        };
        urb.write(
            offset_of!(_URB_SELECT_CONFIGURATION, ConfigurationDescriptor),
            descriptor,
        );
        let mut place = FIRST_INTERFACE;
        for choice in choices {
            write_information(
                urb,
                place,
                choice.interface,
                choice.alternate,
                choice.endpoints,
            );
            place += information_size(usize::from(choice.endpoints));
        }
        self.select_by_urb(usb, attributes, urb)
    }

    fn select_by_urb(
        &self,
        usb: &Obj<UsbDevice>,
        attributes: &Attributes,
        urb: Urb,
    ) -> Result<u8, NTSTATUS> {
        let request = self.take_internal_request();
        let result = self.validate_target(&request, &usb.target).and_then(|_| {
            self.pool_allocation()?;
            let mut selected = Vec::new();
            let result = self
                .prepare_interfaces(usb, attributes, urb, &mut selected)
                .and_then(|()| self.configure(usb, &request, urb, &mut selected));
            // What no interface has taken was made in vain.
            for unused in selected {
                self.discard_pipes(unused.pipes);
            }
            result
        });
        self.return_internal_request(&request);
        result
    }

    /// Makes the pipes of every interface in the URB, and removes those it has now.
    fn prepare_interfaces(
        &self,
        usb: &Obj<UsbDevice>,
        attributes: &Attributes,
        urb: Urb,
        selected: &mut Vec<Selected>,
    ) -> Result<(), NTSTATUS> {
        let mut place = FIRST_INTERFACE;
        while place < urb.length() {
            let field = |at: usize| urb.field::<u8>(place + at).ok_or(STATUS_INVALID_PARAMETER);
            let number = field(offset_of!(_USBD_INTERFACE_INFORMATION, InterfaceNumber))?;
            let count =
                urb.field::<u32>(place + offset_of!(_USBD_INTERFACE_INFORMATION, NumberOfPipes));
            let count = count
                .filter(|count| *count <= MAXIMUM_PIPES)
                .ok_or(STATUS_INVALID_DEVICE_REQUEST)?;
            let interface = usb
                .interface_numbered(number)
                .ok_or(STATUS_INVALID_DEVICE_REQUEST)?;
            let pipes = self.create_pipes(&interface, count as usize, attributes)?;
            selected.push(Selected {
                place,
                interface: interface.clone(),
                pipes,
            });
            if interface.is_configured() {
                self.remove_pipes(&interface);
            }
            place += length_at(urb, place).ok_or(STATUS_INVALID_PARAMETER)?;
        }
        Ok(())
    }

    /// Sends the URB, and for the second interface and those after it one that selects its setting.
    fn configure(
        &self,
        usb: &Obj<UsbDevice>,
        request: &Obj<Request>,
        urb: Urb,
        selected: &mut Vec<Selected>,
    ) -> Result<u8, NTSTATUS> {
        let several = usb.interfaces.borrow().len() > 1;
        if several && selected.iter().any(|selected| !selected.pipes.is_empty()) {
            self.pool_allocation()?;
        }
        let options = own_options(true, seconds(2));
        let status = self.submit_own_urb(request, usb, urb, options);
        if !NT_SUCCESS(status) {
            return Err(status);
        }
        let handle = urb.field(offset_of!(_URB_SELECT_CONFIGURATION, ConfigurationHandle));
        usb.configuration_handle
            .set(handle.unwrap_or(core::ptr::null_mut()));
        let mut configured = 0;
        while !selected.is_empty() {
            if configured > 0 && !selected[0].pipes.is_empty() {
                self.select_again(usb, request, urb, &selected[0])?;
            }
            let next = selected.remove(0);
            self.take_setting(&next.interface, urb, next.place, next.pipes);
            configured += 1;
        }
        Ok(configured)
    }

    /// Selects a setting a second time, since a composite device's driver describes only the first interface's pipes.
    fn select_again(
        &self,
        usb: &Obj<UsbDevice>,
        request: &Obj<Request>,
        urb: Urb,
        selected: &Selected,
    ) -> Result<(), NTSTATUS> {
        let alternate = selected.place + offset_of!(_USBD_INTERFACE_INFORMATION, AlternateSetting);
        let alternate = urb.field(alternate).unwrap_or(0);
        let endpoints = u8::try_from(selected.pipes.len()).unwrap_or(u8::MAX);
        let memory = self.select_interface_urb(&selected.interface, alternate, endpoints);
        let memory = memory.ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
        let status = self.submit_own_urb(request, usb, memory.urb(), own_options(true, seconds(2)));
        if !NT_SUCCESS(status) {
            return Err(status);
        }
        let from = offset_of!(_URB_SELECT_INTERFACE, Interface);
        for index in 0..selected.pipes.len() {
            if let Some(information) = memory
                .urb()
                .field::<_USBD_PIPE_INFORMATION>(from + information_size(index))
            {
                urb.write(selected.place + information_size(index), information);
            }
        }
        Ok(())
    }

    fn deconfigure(&self, usb: &Obj<UsbDevice>) -> Result<(), NTSTATUS> {
        let request = self.take_internal_request();
        let result = self.validate_target(&request, &usb.target).and_then(|_| {
            for interface in usb.interfaces() {
                self.remove_pipes(&interface);
            }
            let length = size_of::<_URB_SELECT_CONFIGURATION>();
            let memory = UrbMemory::new(length).ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
            let urb = memory.begin(URB_FUNCTION_SELECT_CONFIGURATION, length);
            let status = self.submit_own_urb(&request, usb, urb, own_options(true, None));
            if NT_SUCCESS(status) {
                Ok(())
            } else {
                Err(status)
            }
        });
        self.return_internal_request(&request);
        result
    }
}

impl Choice {
    /// Setting 0 of an interface.
    fn first_of(interface: &Obj<UsbInterface>) -> Result<Self, NTSTATUS> {
        Self::setting(interface, 0)
    }

    fn setting(interface: &Obj<UsbInterface>, alternate: u8) -> Result<Self, NTSTATUS> {
        let setting = interface
            .setting(alternate)
            .ok_or(STATUS_INVALID_PARAMETER)?;
        Ok(Self {
            interface: interface.number,
            alternate,
            endpoints: setting.declared_endpoints,
        })
    }

    /// The settings a driver chose; each of the `count` interfaces must be among them.
    fn of_pairs(chosen: &[(Obj<UsbInterface>, u8)], count: usize) -> Result<Vec<Self>, NTSTATUS> {
        let mut choices: Vec<Self> = Vec::new();
        for (interface, setting) in chosen {
            if choices
                .iter()
                .all(|known| known.interface != interface.number)
            {
                choices.push(Self::setting(interface, *setting)?);
            }
        }
        if choices.len() < count {
            Err(STATUS_INVALID_PARAMETER)
        } else {
            Ok(choices)
        }
    }
}

/// The length of the interface information at `place`; without one there would be no end.
fn length_at(urb: Urb, place: usize) -> Option<usize> {
    let length = urb.field::<u16>(place + offset_of!(_USBD_INTERFACE_INFORMATION, Length))?;
    (length > 0).then_some(usize::from(length))
}
