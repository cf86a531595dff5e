//! USB descriptors as bytes: what the framework and the modelled device both read.

/// `bDescriptorType` of the descriptors of the USB specification's chapter 9.
pub(crate) mod types {
    pub(crate) const DEVICE: u8 = byte(kmdf_sys::USB_DEVICE_DESCRIPTOR_TYPE);
    pub(crate) const CONFIGURATION: u8 = byte(kmdf_sys::USB_CONFIGURATION_DESCRIPTOR_TYPE);
    pub(crate) const STRING: u8 = byte(kmdf_sys::USB_STRING_DESCRIPTOR_TYPE);
    pub(crate) const INTERFACE: u8 = byte(kmdf_sys::USB_INTERFACE_DESCRIPTOR_TYPE);
    pub(crate) const ENDPOINT: u8 = byte(kmdf_sys::USB_ENDPOINT_DESCRIPTOR_TYPE);

    const fn byte(constant: u32) -> u8 {
        constant.to_le_bytes()[0]
    }
}

/// Length of a configuration descriptor without what follows it.
pub(crate) const CONFIGURATION_LENGTH: usize = 9;
const INTERFACE_LENGTH: usize = 9;
/// `bLength` and `bDescriptorType`.
const HEADER_LENGTH: usize = 2;

/// A descriptor inside a configuration.
#[derive(Clone, Copy)]
struct Descriptor<'a> {
    offset: usize,
    bytes: &'a [u8],
}

impl Descriptor<'_> {
    fn is(&self, kind: u8) -> bool {
        self.bytes.get(1) == Some(&kind)
    }
}

/// The descriptors of a configuration in order, up to the first whose length cannot be right.
struct Descriptors<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Iterator for Descriptors<'a> {
    type Item = Descriptor<'a>;

    fn next(&mut self) -> Option<Descriptor<'a>> {
        let rest = self.bytes.get(self.offset..)?;
        let length = usize::from(*rest.first()?);
        if length < 1 || rest.len() < HEADER_LENGTH {
            return None;
        }
        let bytes = rest.get(..length)?;
        let descriptor = Descriptor {
            offset: self.offset,
            bytes,
        };
        self.offset += length;
        Some(descriptor)
    }
}

/// What is wrong with a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// A descriptor is cut off, has no length, or is too short for its type.
    Length,
    /// The alternate settings of an interface are not numbered from 0 without a gap.
    Settings,
    /// Interfaces are declared, but there is none.
    NoInterface,
}

/// An endpoint of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) address: u8,
    pub(crate) attributes: u8,
    pub(crate) max_packet: u16,
    pub(crate) interval: u8,
}

impl Endpoint {
    /// The endpoint descriptor at `offset`; one that is too short goes on in what follows it, and then in zeros.
    fn at(configuration: &[u8], offset: usize) -> Self {
        let byte = |index: usize| configuration.get(offset + index).copied().unwrap_or(0);
        let max_packet = u16::from_le_bytes([byte(4), byte(5)]);
        Self {
            address: byte(2),
            attributes: byte(3),
            max_packet,
            interval: byte(6),
        }
    }

    /// `USBD_PIPE_TYPE`: control 0, isochronous 1, bulk 2, interrupt 3.
    pub(crate) const fn transfer_type(&self) -> u8 {
        self.attributes & 3
    }
}

/// An alternate setting of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Where its descriptor is in the configuration.
    pub(crate) offset: usize,
    pub(crate) interface: u8,
    pub(crate) alternate: u8,
    /// `bNumEndpoints`, which may differ from what follows.
    pub(crate) declared_endpoints: u8,
    pub(crate) class: [u8; 3],
    pub(crate) endpoints: Vec<Endpoint>,
}

/// An interface with its alternate settings, by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) number: u8,
    pub(crate) settings: Vec<Setting>,
}

impl Interface {
    fn new(number: u8, all: &[Setting]) -> Result<Self, Malformed> {
        let mut settings: Vec<Setting> = all
            .iter()
            .filter(|setting| setting.interface == number)
            .cloned()
            .collect();
        settings.sort_by_key(|setting| setting.alternate);
        let contiguous = settings
            .iter()
            .enumerate()
            .all(|(index, setting)| usize::from(setting.alternate) == index);
        if contiguous {
            Ok(Self { number, settings })
        } else {
            Err(Malformed::Settings)
        }
    }
}

/// A configuration descriptor and what follows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Configuration<'a>(&'a [u8]);

impl<'a> Configuration<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn total_length(&self) -> u16 {
        let byte = |index| self.0.get(index).copied().unwrap_or(0);
        u16::from_le_bytes([byte(2), byte(3)])
    }

    pub(crate) fn declared_interfaces(&self) -> u8 {
        self.0.get(4).copied().unwrap_or(0)
    }

    pub(crate) fn value(&self) -> u8 {
        self.0.get(5).copied().unwrap_or(0)
    }

    /// `bmAttributes`: bit 5 is remote wake-up, bit 6 self-powered.
    pub(crate) fn attributes(&self) -> u8 {
        self.0.get(7).copied().unwrap_or(0)
    }

    fn descriptors(&self) -> Descriptors<'a> {
        Descriptors {
            bytes: self.0,
            offset: 0,
        }
    }

    /// All alternate settings in order, with the endpoints up to the next interface. Skips what is malformed.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        let mut settings: Vec<Setting> = Vec::new();
        for descriptor in self.descriptors() {
            if descriptor.is(types::INTERFACE) {
                let &[
                    _,
                    _,
                    interface,
                    alternate,
                    declared_endpoints,
                    class,
                    sub_class,
                    protocol,
                    ..,
                ] = descriptor.bytes
                else {
                    continue;
                };
                settings.push(Setting {
                    offset: descriptor.offset,
                    interface,
                    alternate,
                    declared_endpoints,
                    class: [class, sub_class, protocol],
                    endpoints: Vec::new(),
                });
            } else if descriptor.is(types::ENDPOINT)
                && let Some(setting) = settings.last_mut()
            {
                setting
                    .endpoints
                    .push(Endpoint::at(self.0, descriptor.offset));
            }
        }
        settings
    }

    /// The interfaces as the framework takes them from a configuration, with its checks in its order.
    pub(crate) fn interfaces(&self) -> Result<Vec<Interface>, Malformed> {
        self.check_lengths()?;
        let settings = self.settings();
        let declared = usize::from(self.declared_interfaces());
        let mut interfaces: Vec<Interface> = Vec::new();
        for first in &settings {
            if interfaces.len() == declared {
                break;
            }
            if interfaces
                .iter()
                .all(|known| known.number != first.interface)
            {
                interfaces.push(Interface::new(first.interface, &settings)?);
            }
        }
        if interfaces.is_empty() && declared > 0 {
            return Err(Malformed::NoInterface);
        }
        Ok(interfaces)
    }

    /// Whether there are interface descriptors although none is declared.
    pub(crate) fn has_undeclared_interfaces(&self) -> bool {
        self.declared_interfaces() == 0
            && self
                .descriptors()
                .any(|descriptor| descriptor.is(types::INTERFACE))
    }

    /// Every descriptor lies inside, and every interface descriptor is long enough. Endpoint descriptors are not looked
    /// at: the framework means to, but the range it searches is empty.
    fn check_lengths(&self) -> Result<(), Malformed> {
        let mut end = 0;
        for descriptor in self.descriptors() {
            if descriptor.is(types::INTERFACE) && descriptor.bytes.len() < INTERFACE_LENGTH {
                return Err(Malformed::Length);
            }
            end = descriptor.offset + descriptor.bytes.len();
        }
        if end == self.0.len() {
            Ok(())
        } else {
            Err(Malformed::Length)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_SETTINGS: &[u8] = &[
        9, 2, 34, 0, 1, 1, 0, 0xA0, 50, // configuration
        9, 4, 0, 0, 1, 0xFF, 1, 2, 0, // interface 0, setting 0
        7, 5, 0x01, 2, 0x00, 0x02, 0, // bulk OUT, 512 bytes
        9, 4, 0, 1, 0, 0xFF, 1, 2, 0, // setting 1
    ];

    fn with(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = TWO_SETTINGS.to_vec();
        change(&mut bytes);
        bytes
    }

    #[test]
    fn settings_own_the_endpoints_that_follow_them() {
        let interfaces = Configuration::new(TWO_SETTINGS).interfaces().unwrap();
        assert_eq!(interfaces.len(), 1);
        let [first, second] = &interfaces[0].settings[..] else {
            panic!("two settings");
        };
        let endpoint = Endpoint {
            address: 1,
            attributes: 2,
            max_packet: 512,
            interval: 0,
        };
        assert_eq!(first.endpoints, [endpoint]);
        assert_eq!(endpoint.transfer_type(), 2);
        assert_eq!((second.alternate, second.endpoints.len()), (1, 0));
        assert_eq!(first.class, [0xFF, 1, 2]);
    }

    #[test]
    fn malformed_configurations_are_told_apart() {
        let cases = [
            (
                "cut off",
                with(|bytes| bytes.truncate(30)),
                Malformed::Length,
            ),
            ("no length", with(|bytes| bytes[18] = 0), Malformed::Length),
            (
                "one stray byte",
                with(|bytes| bytes.push(1)),
                Malformed::Length,
            ),
            (
                "short interface",
                with(|bytes| bytes[25] = 8),
                Malformed::Length,
            ),
            (
                "gap in the settings",
                with(|bytes| bytes[28] = 2),
                Malformed::Settings,
            ),
            (
                "no interface at all",
                TWO_SETTINGS[..9].to_vec(),
                Malformed::NoInterface,
            ),
        ];
        for (what, bytes, expected) in cases {
            assert_eq!(
                Configuration::new(&bytes).interfaces(),
                Err(expected),
                "{what}"
            );
        }
    }

    #[test]
    fn a_short_endpoint_descriptor_is_taken_as_it_is() {
        let short = with(|bytes| {
            bytes[18] = 6;
            bytes.remove(24);
        });
        let interfaces = Configuration::new(&short).interfaces().unwrap();
        // Its interval is the length of the descriptor that follows.
        assert_eq!(interfaces[0].settings[0].endpoints[0].interval, 9);
    }

    #[test]
    fn interfaces_beyond_the_declared_number_are_not_taken() {
        let none = with(|bytes| bytes[4] = 0);
        let none = Configuration::new(&none);
        assert_eq!(none.interfaces(), Ok(Vec::new()));
        assert!(none.has_undeclared_interfaces());
        let more = with(|bytes| bytes[4] = 3);
        assert_eq!(Configuration::new(&more).interfaces().unwrap().len(), 1);
    }
}
