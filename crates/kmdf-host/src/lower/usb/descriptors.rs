//! The descriptors a USB device answers with.

use std::collections::BTreeMap;

use crate::usb::descriptor::{CONFIGURATION_LENGTH, Configuration, types};

const SELF_POWERED: u8 = 0x40;
const REMOTE_WAKE_UP: u8 = 0x20;
/// American English, the language of the strings.
const LANGUAGE: u16 = 0x0409;

/// The alternate settings of one interface, in order.
///
/// Endpoint addresses are those of the descriptors: bit 7 is set for IN.
#[derive(Clone, Debug)]
pub struct UsbInterface {
    number: u8,
    class: [u8; 3],
    settings: Vec<Vec<[u8; 7]>>,
}

impl UsbInterface {
    /// A vendor-specific interface with one setting and no endpoint yet.
    #[must_use]
    pub fn new(number: u8) -> Self {
        Self {
            number,
            class: [0xFF, 0, 0],
            settings: vec![Vec::new()],
        }
    }

    /// Its class, subclass and protocol.
    #[must_use]
    pub const fn class(mut self, class: u8, sub_class: u8, protocol: u8) -> Self {
        self.class = [class, sub_class, protocol];
        self
    }

    /// The endpoints that follow belong to one more alternate setting.
    #[must_use]
    pub fn alternate(mut self) -> Self {
        self.settings.push(Vec::new());
        self
    }

    /// A bulk endpoint.
    #[must_use]
    pub fn bulk(self, address: u8, max_packet: u16) -> Self {
        self.endpoint(address, 2, max_packet, 0)
    }

    /// An interrupt endpoint.
    #[must_use]
    pub fn interrupt(self, address: u8, max_packet: u16, interval: u8) -> Self {
        self.endpoint(address, 3, max_packet, interval)
    }

    /// An endpoint with these descriptor fields; `attributes` is 0 for control, 1 isochronous, 2 bulk, 3 interrupt.
    #[must_use]
    pub fn endpoint(mut self, address: u8, attributes: u8, max_packet: u16, interval: u8) -> Self {
        let [low, high] = max_packet.to_le_bytes();
        if let Some(setting) = self.settings.last_mut() {
            setting.push([7, types::ENDPOINT, address, attributes, low, high, interval]);
        }
        self
    }

    fn append_to(&self, configuration: &mut Vec<u8>) {
        let [class, sub_class, protocol] = self.class;
        for (alternate, endpoints) in (0_u8..).zip(&self.settings) {
            let count = u8::try_from(endpoints.len()).unwrap_or(u8::MAX);
            configuration.extend([
                9,
                types::INTERFACE,
                self.number,
                alternate,
                count,
                class,
                sub_class,
                protocol,
                0,
            ]);
            configuration.extend(endpoints.iter().flatten());
        }
    }
}

/// A device descriptor, a configuration and strings.
///
/// ```
/// use kmdf_host::{UsbDescriptors, UsbInterface};
///
/// let printer = UsbDescriptors::new(0x1209, 0x0001)
///     .interface(UsbInterface::new(0).class(7, 1, 2).bulk(0x01, 512).bulk(0x81, 512))
///     .string(1, "Example");
/// assert_eq!(printer.configuration().len(), 32);
/// ```
#[derive(Clone, Debug)]
pub struct UsbDescriptors {
    device: Vec<u8>,
    /// What requests for the configuration get: the first, the second, and so on; the last for all later ones.
    configurations: Vec<Vec<u8>>,
    strings: BTreeMap<u8, String>,
}

impl UsbDescriptors {
    /// A bus-powered USB 2.0 device with one configuration and no interface yet.
    #[must_use]
    pub fn new(vendor: u16, product: u16) -> Self {
        let mut device = vec![18, types::DEVICE, 0x00, 0x02, 0, 0, 0, 64];
        device.extend(vendor.to_le_bytes());
        device.extend(product.to_le_bytes());
        device.extend([0x00, 0x01, 0, 0, 0, 1]);
        let configuration = vec![9, types::CONFIGURATION, 9, 0, 0, 1, 0, 0x80, 50];
        Self {
            device,
            configurations: vec![configuration],
            strings: BTreeMap::new(),
        }
    }

    /// Descriptors as a real device sent them, or as none should: the bytes are not looked at.
    #[must_use]
    pub fn from_bytes(device: &[u8], configuration: &[u8]) -> Self {
        Self {
            device: device.to_vec(),
            configurations: vec![configuration.to_vec()],
            strings: BTreeMap::new(),
        }
    }

    /// Adds an interface.
    #[must_use]
    pub fn interface(mut self, interface: UsbInterface) -> Self {
        if let Some(configuration) = self.configurations.last_mut() {
            interface.append_to(configuration);
            let total = u16::try_from(configuration.len())
                .unwrap_or(u16::MAX)
                .to_le_bytes();
            if configuration.len() >= CONFIGURATION_LENGTH {
                configuration[2..4].copy_from_slice(&total);
                configuration[4] = configuration[4].saturating_add(1);
            }
        }
        self
    }

    /// The device has a supply of its own.
    #[must_use]
    pub fn self_powered(self) -> Self {
        self.attribute(SELF_POWERED)
    }

    /// The device can wake the system.
    #[must_use]
    pub fn remote_wake_up(self) -> Self {
        self.attribute(REMOTE_WAKE_UP)
    }

    fn attribute(mut self, bit: u8) -> Self {
        for attributes in self
            .configurations
            .iter_mut()
            .filter_map(|configuration| configuration.get_mut(7))
        {
            *attributes |= bit;
        }
        self
    }

    /// A string descriptor, in American English.
    #[must_use]
    pub fn string(mut self, index: u8, text: &str) -> Self {
        self.strings.insert(index, text.to_owned());
        self
    }

    /// From the next request on the device answers with this configuration: a device that changes its mind.
    #[must_use]
    pub fn then_configuration(mut self, configuration: &[u8]) -> Self {
        self.configurations.push(configuration.to_vec());
        self
    }

    /// The same with another configuration, whatever the bytes are.
    pub(super) fn with_configuration(mut self, configuration: Vec<u8>) -> Self {
        self.configurations = vec![configuration];
        self
    }

    /// The device descriptor.
    #[must_use]
    pub fn device(&self) -> &[u8] {
        &self.device
    }

    /// The configuration descriptor and what follows it.
    #[must_use]
    pub fn configuration(&self) -> &[u8] {
        self.configurations.last().map_or(&[], Vec::as_slice)
    }

    pub(super) fn parsed(&self) -> Configuration<'_> {
        Configuration::new(self.configuration())
    }

    pub(super) fn is_self_powered(&self) -> bool {
        self.parsed().attributes() & SELF_POWERED != 0
    }

    /// What the device sends for descriptor `index` of type `kind`; `None` when it has none. `request` counts the requests
    /// for the configuration.
    pub(super) fn answer(&self, kind: u8, index: u8, request: usize) -> Option<Vec<u8>> {
        match kind {
            types::DEVICE => Some(self.device.clone()),
            types::CONFIGURATION => self
                .configurations
                .get(request)
                .or(self.configurations.last())
                .filter(|_| index == 0)
                .cloned(),
            types::STRING if index == 0 => Some(string_descriptor([LANGUAGE])),
            types::STRING => Some(string_descriptor(self.strings.get(&index)?.encode_utf16())),
            _ => None,
        }
    }
}

fn string_descriptor(units: impl IntoIterator<Item = u16>) -> Vec<u8> {
    let mut bytes = vec![0, types::STRING];
    // A descriptor's length is a byte, so there is room for 126 units.
    bytes.extend(units.into_iter().take(126).flat_map(u16::to_le_bytes));
    bytes[0] = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_builder_makes_a_well_formed_configuration() {
        let built = UsbDescriptors::new(0x1209, 1)
            .interface(
                UsbInterface::new(0)
                    .bulk(0x01, 512)
                    .alternate()
                    .interrupt(0x82, 8, 4),
            )
            .interface(UsbInterface::new(1).class(3, 1, 2))
            .remote_wake_up();
        let configuration = built.parsed();
        assert_eq!(
            usize::from(configuration.total_length()),
            built.configuration().len()
        );
        assert_eq!(configuration.attributes(), 0xA0);
        let interfaces = configuration.interfaces().unwrap();
        assert_eq!(interfaces.len(), 2);
        assert_eq!(interfaces[0].settings[1].endpoints[0].address, 0x82);
        assert_eq!(interfaces[1].settings[0].class, [3, 1, 2]);
    }

    #[test]
    fn strings_and_changing_configurations() {
        let descriptors = UsbDescriptors::new(1, 2)
            .string(1, "Ab")
            .then_configuration(&[9, 2]);
        assert_eq!(
            descriptors.answer(3, 1, 0).unwrap(),
            [6, 3, b'A', 0, b'b', 0]
        );
        assert_eq!(descriptors.answer(3, 0, 0).unwrap(), [4, 3, 0x09, 0x04]);
        assert_eq!(descriptors.answer(3, 2, 0), None);
        assert_eq!(descriptors.answer(2, 0, 0).unwrap().len(), 9);
        assert_eq!(descriptors.answer(2, 0, 1).unwrap(), [9, 2]);
        assert_eq!(descriptors.answer(2, 0, 7).unwrap(), [9, 2]);
        assert_eq!(descriptors.answer(2, 1, 0), None);
    }
}
