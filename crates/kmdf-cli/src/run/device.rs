//! The device below the driver.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use kmdf_host::{
    Delayed, Disk, FailNth, Host, IoType, LowerConfig, LowerDevice, LowerId, Ticks, UsbDescriptors,
    UsbDevice, UsbFault, UsbInterface,
};
use kmdf_sys::missing::USBD_STATUS_INTERNAL_HC_ERROR;

use super::scenario::Scenario;
use crate::args::{Driver, Io, LowerFail};

/// Identifiers that the pid.codes registry keeps for tests.
const VENDOR: u16 = 0x1209;
const PRODUCT: u16 = 0x0001;
/// Endpoint 1, OUT.
const BULK_OUT: u8 = 0x01;
/// The maximum packet size of every high-speed bulk endpoint.
const PACKET: u16 = 512;

/// The device, in the host.
#[derive(Clone, Copy, Debug)]
pub(super) struct Below {
    id: LowerId,
    driver: Driver,
}

/// What an endpoint saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Transfers {
    /// Transfers that the driver sent to it.
    pub(crate) urbs: u64,
    /// Packets on the bus.
    pub(crate) packets: u64,
}

impl Below {
    pub(super) const fn id(&self) -> LowerId {
        self.id
    }

    /// What the bulk endpoint saw; `None` of a disk.
    pub(super) fn transfers(&self, host: &Host) -> Option<Transfers> {
        match self.driver {
            Driver::WriteFilter => None,
            Driver::UsbBulk => host.with_lower(self.id, |device: &mut UsbDevice| {
                let counters = device.endpoint(BULK_OUT)?.counters();
                Some(Transfers {
                    urbs: counters.urbs,
                    packets: counters.packets,
                })
            }),
        }
    }
}

/// Adds the device that the scenario's driver is for, on the file `output`.
pub(super) fn add(scenario: &Scenario, host: &Host, output: &Path) -> io::Result<Below> {
    let config = LowerConfig::new(scenario.driver.lower());
    let id = match scenario.driver {
        Driver::WriteFilter => add_disk(scenario, host, config, Disk::on_file(output)?),
        Driver::UsbBulk => host.add_lower(usb_device(scenario, output)?, config),
    };
    Ok(Below {
        id,
        driver: scenario.driver,
    })
}

fn add_disk(scenario: &Scenario, host: &Host, config: LowerConfig, disk: Disk) -> LowerId {
    let config = config.io_type(match scenario.io {
        Io::Buffered => IoType::Buffered,
        Io::Direct => IoType::Direct,
        Io::Neither => IoType::Neither,
    });
    match scenario.lower_fail {
        Some(LowerFail { status, nth }) => {
            let failing = FailNth::new(disk, status.0, nth);
            add_delayed(scenario, host, config, failing)
        }
        None => add_delayed(scenario, host, config, disk),
    }
}

/// Without a delay requests are completed inside the dispatch routine, which a delay of zero would
/// not do.
fn add_delayed(
    scenario: &Scenario,
    host: &Host,
    config: LowerConfig,
    device: impl LowerDevice,
) -> LowerId {
    match scenario.lower_delay {
        Some(delay) => host.add_lower(Delayed::new(device, Ticks::from_duration(delay)), config),
        None => host.add_lower(device, config),
    }
}

fn usb_device(scenario: &Scenario, output: &Path) -> io::Result<UsbDevice> {
    let interface = UsbInterface::new(0)
        .class(0xFF, 0, 0)
        .bulk(BULK_OUT, PACKET);
    let mut device = UsbDevice::new(UsbDescriptors::new(VENDOR, PRODUCT).interface(interface));
    let endpoint = device.endpoint_mut(BULK_OUT);
    endpoint.write_to(OpenOptions::new().write(true).open(output)?);
    if let Some(delay) = scenario.lower_delay {
        endpoint.set_delay(Ticks::from_duration(delay));
    }
    if let Some(LowerFail { status, nth }) = scenario.lower_fail {
        let usbd_status = USBD_STATUS_INTERNAL_HC_ERROR;
        endpoint.fault(
            nth,
            UsbFault::Fail {
                usbd_status,
                status: status.0,
                after: 0,
            },
        );
    }
    Ok(device)
}
