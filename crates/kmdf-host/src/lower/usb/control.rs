//! Requests to the control endpoint.

use core::mem::offset_of;

use kmdf_sys::missing::USBD_STATUS_STALL_PID;
use kmdf_sys::missing::USBD_STATUS_SUCCESS;
use kmdf_sys::{
    _URB_CONTROL_DESCRIPTOR_REQUEST, _URB_CONTROL_FEATURE_REQUEST,
    _URB_CONTROL_GET_INTERFACE_REQUEST, _URB_CONTROL_GET_STATUS_REQUEST, _URB_CONTROL_TRANSFER,
    _URB_CONTROL_TRANSFER_EX, _URB_CONTROL_VENDOR_OR_CLASS_REQUEST, URB_FUNCTION_CLASS_DEVICE,
    URB_FUNCTION_CLASS_ENDPOINT, URB_FUNCTION_CLASS_INTERFACE, URB_FUNCTION_CLASS_OTHER,
    URB_FUNCTION_CLEAR_FEATURE_TO_DEVICE, URB_FUNCTION_CLEAR_FEATURE_TO_ENDPOINT,
    URB_FUNCTION_CLEAR_FEATURE_TO_INTERFACE, URB_FUNCTION_CONTROL_TRANSFER,
    URB_FUNCTION_CONTROL_TRANSFER_EX, URB_FUNCTION_GET_CONFIGURATION,
    URB_FUNCTION_GET_DESCRIPTOR_FROM_DEVICE, URB_FUNCTION_GET_DESCRIPTOR_FROM_INTERFACE,
    URB_FUNCTION_GET_INTERFACE, URB_FUNCTION_GET_STATUS_FROM_DEVICE,
    URB_FUNCTION_GET_STATUS_FROM_ENDPOINT, URB_FUNCTION_GET_STATUS_FROM_INTERFACE,
    URB_FUNCTION_SET_FEATURE_TO_DEVICE, URB_FUNCTION_SET_FEATURE_TO_ENDPOINT,
    URB_FUNCTION_SET_FEATURE_TO_INTERFACE, URB_FUNCTION_VENDOR_DEVICE,
    URB_FUNCTION_VENDOR_ENDPOINT, URB_FUNCTION_VENDOR_INTERFACE, URB_FUNCTION_VENDOR_OTHER,
    USBD_TRANSFER_DIRECTION_IN,
};

use super::UsbDevice;
use super::endpoint::{Data, End, UsbFault};
use crate::usb::descriptor::{Endpoint, types};
use crate::usb::urb::Urb;

/// The control endpoint, which no configuration describes.
pub(super) const CONTROL: Endpoint = Endpoint {
    address: 0,
    attributes: 0,
    max_packet: 64,
    interval: 0,
};

const GET_STATUS: u8 = 0;
const CLEAR_FEATURE: u8 = 1;
const SET_FEATURE: u8 = 3;
const GET_DESCRIPTOR: u8 = 6;
const GET_CONFIGURATION: u8 = 8;
const GET_INTERFACE: u8 = 10;
/// Bits 5 and 6 of the request type tell standard, class and vendor apart.
const CLASS: u8 = 0x20;
const VENDOR: u8 = 0x40;
const IN: u8 = 0x80;
const TO_DEVICE: u8 = 0;
const TO_INTERFACE: u8 = 1;
const TO_ENDPOINT: u8 = 2;
const TO_OTHER: u8 = 3;
/// Feature selector `ENDPOINT_HALT`.
const ENDPOINT_HALT: u16 = 0;

/// The setup packet of a control request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// `bmRequestType`.
    pub request_type: u8,
    /// `bRequest`.
    pub request: u8,
    /// `wValue`.
    pub value: u16,
    /// `wIndex`.
    pub index: u16,
    /// `wLength`.
    pub length: u16,
}

impl Setup {
    const fn new(request_type: u8, request: u8, value: u16, index: u16, length: u16) -> Self {
        Self {
            request_type,
            request,
            value,
            index,
            length,
        }
    }

    const fn from_bytes(bytes: [u8; 8]) -> Self {
        let [request_type, request, v0, v1, i0, i1, l0, l1] = bytes;
        let value = u16::from_le_bytes([v0, v1]);
        Self::new(
            request_type,
            request,
            value,
            u16::from_le_bytes([i0, i1]),
            u16::from_le_bytes([l0, l1]),
        )
    }

    /// Whether the device sends data.
    #[must_use]
    pub const fn is_in(&self) -> bool {
        self.request_type & IN != 0
    }

    const fn is_standard(&self) -> bool {
        self.request_type & (CLASS | VENDOR) == 0
    }

    /// The control request a URB stands for.
    pub(super) fn of(urb: Urb) -> Option<Self> {
        let length = u16::try_from(urb.transfer_length()).unwrap_or(u16::MAX);
        match urb.function() {
            URB_FUNCTION_CONTROL_TRANSFER => {
                Self::in_urb(urb, offset_of!(_URB_CONTROL_TRANSFER, SetupPacket))
            }
            URB_FUNCTION_CONTROL_TRANSFER_EX => {
                Self::in_urb(urb, offset_of!(_URB_CONTROL_TRANSFER_EX, SetupPacket))
            }
            URB_FUNCTION_GET_DESCRIPTOR_FROM_DEVICE => Self::descriptor(urb, TO_DEVICE, length),
            URB_FUNCTION_GET_DESCRIPTOR_FROM_INTERFACE => {
                Self::descriptor(urb, TO_INTERFACE, length)
            }
            URB_FUNCTION_GET_STATUS_FROM_DEVICE => Self::status(urb, TO_DEVICE, length),
            URB_FUNCTION_GET_STATUS_FROM_INTERFACE => Self::status(urb, TO_INTERFACE, length),
            URB_FUNCTION_GET_STATUS_FROM_ENDPOINT => Self::status(urb, TO_ENDPOINT, length),
            URB_FUNCTION_SET_FEATURE_TO_DEVICE => Self::feature(urb, TO_DEVICE, SET_FEATURE),
            URB_FUNCTION_SET_FEATURE_TO_INTERFACE => Self::feature(urb, TO_INTERFACE, SET_FEATURE),
            URB_FUNCTION_SET_FEATURE_TO_ENDPOINT => Self::feature(urb, TO_ENDPOINT, SET_FEATURE),
            URB_FUNCTION_CLEAR_FEATURE_TO_DEVICE => Self::feature(urb, TO_DEVICE, CLEAR_FEATURE),
            URB_FUNCTION_CLEAR_FEATURE_TO_INTERFACE => {
                Self::feature(urb, TO_INTERFACE, CLEAR_FEATURE)
            }
            URB_FUNCTION_CLEAR_FEATURE_TO_ENDPOINT => {
                Self::feature(urb, TO_ENDPOINT, CLEAR_FEATURE)
            }
            URB_FUNCTION_VENDOR_DEVICE => Self::vendor_or_class(urb, VENDOR | TO_DEVICE, length),
            URB_FUNCTION_VENDOR_INTERFACE => {
                Self::vendor_or_class(urb, VENDOR | TO_INTERFACE, length)
            }
            URB_FUNCTION_VENDOR_ENDPOINT => {
                Self::vendor_or_class(urb, VENDOR | TO_ENDPOINT, length)
            }
            URB_FUNCTION_VENDOR_OTHER => Self::vendor_or_class(urb, VENDOR | TO_OTHER, length),
            URB_FUNCTION_CLASS_DEVICE => Self::vendor_or_class(urb, CLASS | TO_DEVICE, length),
            URB_FUNCTION_CLASS_INTERFACE => {
                Self::vendor_or_class(urb, CLASS | TO_INTERFACE, length)
            }
            URB_FUNCTION_CLASS_ENDPOINT => Self::vendor_or_class(urb, CLASS | TO_ENDPOINT, length),
            URB_FUNCTION_CLASS_OTHER => Self::vendor_or_class(urb, CLASS | TO_OTHER, length),
            URB_FUNCTION_GET_CONFIGURATION => Some(Self::new(IN, GET_CONFIGURATION, 0, 0, length)),
            URB_FUNCTION_GET_INTERFACE => {
                let index = urb.field(offset_of!(_URB_CONTROL_GET_INTERFACE_REQUEST, Interface))?;
                Some(Self::new(
                    IN | TO_INTERFACE,
                    GET_INTERFACE,
                    0,
                    index,
                    length,
                ))
            }
            _ => None,
        }
    }

    fn in_urb(urb: Urb, offset: usize) -> Option<Self> {
        urb.field::<[u8; 8]>(offset).map(Self::from_bytes)
    }

    fn descriptor(urb: Urb, recipient: u8, length: u16) -> Option<Self> {
        let index: u8 = urb.field(offset_of!(_URB_CONTROL_DESCRIPTOR_REQUEST, Index))?;
        let kind: u8 = urb.field(offset_of!(_URB_CONTROL_DESCRIPTOR_REQUEST, DescriptorType))?;
        let language = urb.field(offset_of!(_URB_CONTROL_DESCRIPTOR_REQUEST, LanguageId))?;
        Some(Self::new(
            IN | recipient,
            GET_DESCRIPTOR,
            u16::from_le_bytes([index, kind]),
            language,
            length,
        ))
    }

    fn status(urb: Urb, recipient: u8, length: u16) -> Option<Self> {
        let index = urb.field(offset_of!(_URB_CONTROL_GET_STATUS_REQUEST, Index))?;
        Some(Self::new(IN | recipient, GET_STATUS, 0, index, length))
    }

    fn feature(urb: Urb, recipient: u8, request: u8) -> Option<Self> {
        let selector = urb.field(offset_of!(_URB_CONTROL_FEATURE_REQUEST, FeatureSelector))?;
        let index = urb.field(offset_of!(_URB_CONTROL_FEATURE_REQUEST, Index))?;
        Some(Self::new(recipient, request, selector, index, 0))
    }

    fn vendor_or_class(urb: Urb, request_type: u8, length: u16) -> Option<Self> {
        let request = urb.field(offset_of!(_URB_CONTROL_VENDOR_OR_CLASS_REQUEST, Request))?;
        let value = urb.field(offset_of!(_URB_CONTROL_VENDOR_OR_CLASS_REQUEST, Value))?;
        let index = urb.field(offset_of!(_URB_CONTROL_VENDOR_OR_CLASS_REQUEST, Index))?;
        let flags = urb.transfer()?.TransferFlags;
        let direction = if flags & USBD_TRANSFER_DIRECTION_IN == 0 {
            0
        } else {
            IN
        };
        Some(Self::new(
            direction | request_type,
            request,
            value,
            index,
            length,
        ))
    }
}

/// What a device answers to a control request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlAnswer {
    /// It takes the request and, of an OUT request, the data.
    Accept,
    /// It sends these bytes, of which the host takes as many as it asked for.
    Data(Vec<u8>),
    /// It does not know the request: `USBD_STATUS_STALL_PID`.
    Stall,
}

impl UsbDevice {
    /// Serves a control request that has come to its end.
    pub(super) fn control_request(
        &mut self,
        setup: &Setup,
        data: Data<'_>,
        fault: Option<UsbFault>,
    ) -> End {
        let control = self.endpoint_mut(CONTROL.address);
        if let Some(end) = fault.and_then(|fault| control.end_of(fault, 0)) {
            control.counters.failures += 1;
            return end;
        }
        let limit = fault.map_or(usize::MAX, |fault| fault.limit() as usize);
        let answer = match &data {
            _ if setup.is_standard() => self.standard_request(setup),
            Data::Out(sent) => self.vendor_request(setup, sent),
            Data::In { .. } => self.vendor_request(setup, &[]),
        };
        let moved = match (answer, data) {
            (ControlAnswer::Stall, _) => {
                self.endpoint_mut(CONTROL.address).counters.failures += 1;
                return End::new(USBD_STATUS_STALL_PID, 0);
            }
            (ControlAnswer::Data(bytes), Data::In { area, .. }) => {
                let count = bytes.len().min(area.len()).min(limit);
                area[..count].copy_from_slice(&bytes[..count]);
                count
            }
            (ControlAnswer::Accept, Data::In { .. }) => 0,
            (_, Data::Out(sent)) => sent.len().min(limit),
        };
        self.endpoint_mut(CONTROL.address).counters.bytes += moved as u64;
        End::new(
            USBD_STATUS_SUCCESS,
            u32::try_from(moved).unwrap_or(u32::MAX),
        )
    }

    fn vendor_request(&mut self, setup: &Setup, sent: &[u8]) -> ControlAnswer {
        self.control
            .as_mut()
            .map_or(ControlAnswer::Stall, |control| control(setup, sent))
    }

    fn standard_request(&mut self, setup: &Setup) -> ControlAnswer {
        let [low, high] = setup.value.to_le_bytes();
        let [index, _] = setup.index.to_le_bytes();
        match (setup.request_type, setup.request) {
            (0x80 | 0x81, GET_DESCRIPTOR) => {
                let answer = self
                    .descriptors
                    .answer(high, low, self.configuration_requests);
                if high == types::CONFIGURATION {
                    self.configuration_requests += 1;
                }
                answer.map_or(ControlAnswer::Stall, ControlAnswer::Data)
            }
            (0x80, GET_STATUS) => {
                ControlAnswer::Data(vec![u8::from(self.descriptors.is_self_powered()), 0])
            }
            (0x81, GET_STATUS) => ControlAnswer::Data(vec![0, 0]),
            (0x82, GET_STATUS) => match self.endpoints.get(&index) {
                Some(endpoint) => ControlAnswer::Data(vec![u8::from(endpoint.is_halted()), 0]),
                None => ControlAnswer::Stall,
            },
            (0x80, GET_CONFIGURATION) => ControlAnswer::Data(vec![self.configuration]),
            (0x81, GET_INTERFACE) => match self.settings.get(&index) {
                Some(&setting) => ControlAnswer::Data(vec![setting]),
                None => ControlAnswer::Stall,
            },
            (TO_ENDPOINT, SET_FEATURE | CLEAR_FEATURE) if setup.value == ENDPOINT_HALT => {
                match self.endpoints.get_mut(&index) {
                    Some(endpoint) if setup.request == SET_FEATURE => endpoint.stall(),
                    Some(endpoint) => endpoint.clear_halt(),
                    None => return ControlAnswer::Stall,
                }
                ControlAnswer::Accept
            }
            (TO_DEVICE | TO_INTERFACE, SET_FEATURE | CLEAR_FEATURE) => ControlAnswer::Accept,
            _ => ControlAnswer::Stall,
        }
    }
}
