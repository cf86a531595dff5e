//! Descriptors as no device should have them, and some do.

use super::UsbDescriptors;
use crate::usb::descriptor::{CONFIGURATION_LENGTH, types};

/// A classic mistake in a configuration descriptor and what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Malformation {
    /// The device sends nothing for its configuration.
    NoConfiguration,
    /// The device sends less of its configuration descriptor than the header.
    ConfigurationCutOff,
    /// The configuration descriptor says that it is of another type.
    WrongType,
    /// `wTotalLength` is below the length of the configuration descriptor itself.
    TotalBelowHeader,
    /// `wTotalLength` is smaller than what follows, so that the last descriptor is cut off.
    TotalTooSmall,
    /// `wTotalLength` is larger than what follows.
    TotalTooLarge,
    /// `wTotalLength` is another one when the device is asked again.
    TotalChanges,
    /// The first interface descriptor has a `bLength` of 0.
    ZeroLength,
    /// The last descriptor's `bLength` goes beyond the end.
    LengthBeyondEnd,
    /// The first interface descriptor ends before its fields do.
    InterfaceTooShort,
    /// The last descriptor, an endpoint's, ends before its fields do.
    EndpointTooShort,
    /// An interface is declared, and there is none.
    NoInterface,
    /// More interfaces are declared than there are.
    MissingInterface,
    /// The alternate settings of the first interface begin with 1.
    MissingSetting,
    /// More endpoints are declared than follow.
    MissingEndpoint,
    /// An endpoint descriptor stands before the first interface.
    EndpointOutside,
    /// Two endpoints have one address.
    DuplicateEndpoint,
    /// The endpoints have a maximum packet size of 0.
    ZeroMaxPacket,
}

impl Malformation {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::NoConfiguration,
        Self::ConfigurationCutOff,
        Self::WrongType,
        Self::TotalBelowHeader,
        Self::TotalTooSmall,
        Self::TotalTooLarge,
        Self::TotalChanges,
        Self::ZeroLength,
        Self::LengthBeyondEnd,
        Self::InterfaceTooShort,
        Self::EndpointTooShort,
        Self::NoInterface,
        Self::MissingInterface,
        Self::MissingSetting,
        Self::MissingEndpoint,
        Self::EndpointOutside,
        Self::DuplicateEndpoint,
        Self::ZeroMaxPacket,
    ];
}

/// Offset of `wTotalLength`.
const TOTAL: usize = 2;
/// Offset of `bNumInterfaces`.
const INTERFACES: usize = 4;

impl UsbDescriptors {
    /// The same device with a mistake in its configuration, which must have an interface with an endpoint.
    ///
    /// # Panics
    ///
    /// When it has none.
    #[must_use]
    pub fn malformed(self, how: Malformation) -> Self {
        let good = self.configuration().to_vec();
        let mut bytes = good.clone();
        let interface = CONFIGURATION_LENGTH;
        let endpoints = offsets(&good, types::ENDPOINT);
        let (Some(&first), Some(&last)) = (endpoints.first(), endpoints.last()) else {
            panic!("there is no endpoint to be malformed");
        };
        match how {
            Malformation::NoConfiguration => bytes.clear(),
            Malformation::ConfigurationCutOff => bytes.truncate(CONFIGURATION_LENGTH - 1),
            Malformation::WrongType => bytes[1] = types::STRING,
            Malformation::TotalBelowHeader => set_total(&mut bytes, CONFIGURATION_LENGTH - 1),
            Malformation::TotalTooSmall => set_total(&mut bytes, good.len() - 1),
            Malformation::TotalTooLarge => set_total(&mut bytes, good.len() + 7),
            Malformation::TotalChanges => {
                set_total(&mut bytes, good.len() + 1);
                return self.then_configuration(&bytes);
            }
            Malformation::ZeroLength => bytes[interface] = 0,
            Malformation::LengthBeyondEnd => bytes[last] = u8::MAX,
            Malformation::InterfaceTooShort => {
                bytes.drain(interface + 4..interface + 9);
                bytes[interface] = 4;
                adjust_total(&mut bytes);
            }
            Malformation::EndpointTooShort => {
                bytes.truncate(last + 3);
                bytes[last] = 3;
                adjust_total(&mut bytes);
            }
            Malformation::NoInterface => {
                bytes.truncate(CONFIGURATION_LENGTH);
                adjust_total(&mut bytes);
            }
            Malformation::MissingInterface => bytes[INTERFACES] += 1,
            Malformation::MissingSetting => bytes[interface + 3] = 1,
            Malformation::MissingEndpoint => bytes[interface + 4] += 1,
            Malformation::EndpointOutside => {
                let endpoint = good[first..first + 7].to_vec();
                bytes.splice(interface..interface, endpoint);
                adjust_total(&mut bytes);
            }
            Malformation::DuplicateEndpoint => {
                let endpoint = good[first..first + 7].to_vec();
                bytes.extend(endpoint);
                bytes[interface + 4] += 1;
                adjust_total(&mut bytes);
            }
            Malformation::ZeroMaxPacket => {
                for endpoint in endpoints {
                    bytes[endpoint + 4..endpoint + 6].fill(0);
                }
            }
        }
        self.with_configuration(bytes)
    }
}

/// Where the descriptors of a type begin in a well-formed configuration.
fn offsets(configuration: &[u8], kind: u8) -> Vec<usize> {
    let mut found = Vec::new();
    let mut offset = 0;
    while let Some(&[length, of_kind, ..]) = configuration.get(offset..) {
        if of_kind == kind {
            found.push(offset);
        }
        offset += usize::from(length).max(1);
    }
    found
}

fn set_total(configuration: &mut [u8], total: usize) {
    let total = u16::try_from(total).unwrap_or(u16::MAX).to_le_bytes();
    configuration[TOTAL..TOTAL + 2].copy_from_slice(&total);
}

fn adjust_total(configuration: &mut [u8]) {
    set_total(configuration, configuration.len());
}
