//! A USB device with the bus below it, as a function driver's stack sees it: it answers URBs.

mod configuration;
mod control;
mod descriptors;
mod endpoint;
mod irp;
mod malformation;

use core::fmt;
use core::mem::offset_of;
use core::ptr;
use std::collections::BTreeMap;

use kmdf_sys::missing::{
    IOCTL_INTERNAL_USB_GET_PORT_STATUS, IOCTL_INTERNAL_USB_RESET_PORT, USBD_STATUS_CANCELED,
    USBD_STATUS_DEVICE_GONE, USBD_STATUS_INVALID_PARAMETER, USBD_STATUS_INVALID_PIPE_HANDLE,
    USBD_STATUS_INVALID_URB_FUNCTION, USBD_STATUS_SUCCESS,
};
use kmdf_sys::{
    _URB_CONTROL_DESCRIPTOR_REQUEST, _URB_GET_CURRENT_FRAME_NUMBER, _URB_PIPE_REQUEST, NT_SUCCESS,
    NTSTATUS, STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER, STATUS_NO_SUCH_DEVICE,
    STATUS_SUCCESS, ULONG, URB_FUNCTION_ABORT_PIPE, URB_FUNCTION_BULK_OR_INTERRUPT_TRANSFER,
    URB_FUNCTION_GET_CURRENT_FRAME_NUMBER, URB_FUNCTION_GET_DESCRIPTOR_FROM_DEVICE,
    URB_FUNCTION_GET_STATUS_FROM_DEVICE, URB_FUNCTION_SELECT_CONFIGURATION,
    URB_FUNCTION_SELECT_INTERFACE, URB_FUNCTION_SYNC_CLEAR_STALL, URB_FUNCTION_SYNC_RESET_PIPE,
    URB_FUNCTION_SYNC_RESET_PIPE_AND_CLEAR_STALL, USBD_PIPE_HANDLE, USBD_PORT_CONNECTED,
    USBD_PORT_ENABLED, USBD_SHORT_TRANSFER_OK, USBD_STATUS,
};

use super::{CancelDisposition, Disposition, LowerDevice, LowerIrp, Outcome};
use crate::fx::pnp_irp::PnpIrp;
use crate::time::Ticks;
use crate::trace::IrpId;
use crate::usb::urb::Urb;
use endpoint::{Data, End, Step};

pub use control::{ControlAnswer, Setup};
pub use descriptors::{UsbDescriptors, UsbInterface};
pub use endpoint::{UsbCounters, UsbEndpoint, UsbFault};
pub use malformation::Malformation;

/// The handle of the control pipe.
const CONTROL_PIPE: usize = 0x9000;
/// Bit of an endpoint's address.
const IN: u8 = 0x80;
/// A frame is a millisecond.
const TICKS_PER_FRAME: u64 = 10_000;

/// Why the device holds a transfer.
#[derive(Clone, Copy, Debug)]
enum Holding {
    /// The endpoint cannot answer yet.
    Waiting,
    /// The endpoint will never answer it; so many bytes were moved.
    ForEver { moved: u32 },
    /// Its time has come or is to come; `fault` is what goes wrong with it.
    Moving { fault: Option<UsbFault> },
    /// It is being ended like this.
    Ending(End),
}

#[derive(Clone, Copy, Debug)]
struct Held {
    irp: IrpId,
    endpoint: u8,
    holding: Holding,
}

impl Held {
    /// Bytes moved so far.
    const fn moved(&self) -> u32 {
        match self.holding {
            Holding::ForEver { moved } => moved,
            Holding::Waiting | Holding::Moving { .. } | Holding::Ending(_) => 0,
        }
    }
}

type ControlHandler = Box<dyn FnMut(&Setup, &[u8]) -> ControlAnswer>;

/// A USB device, built from its descriptors, and the bus and host-controller drivers between it and a function driver.
///
/// It answers the URBs of enumeration itself: descriptors, status, configurations, settings. OUT data is kept with its
/// endpoint or written to a file, packet by packet; IN transfers are answered with the messages that were given to
/// [`UsbEndpoint::send`], and wait for one where there is none. Vendor and class requests go to [`UsbDevice::on_control`].
///
/// It fails as devices do, by [`UsbEndpoint::fault`], [`UsbEndpoint::stall`], [`UsbEndpoint::set_nak`] and
/// [`UsbDevice::disconnect`]. Endpoint 0, the control endpoint, can be used in the same way.
///
/// ```
/// use kmdf_host::{UsbDescriptors, UsbDevice, UsbFault, UsbInterface};
///
/// let descriptors = UsbDescriptors::new(0x1209, 0x0001).interface(UsbInterface::new(0).bulk(0x01, 512));
/// let mut device = UsbDevice::new(descriptors);
/// device.endpoint_mut(0x01).fault(3, UsbFault::Stall { after: 512 });
/// assert_eq!(device.endpoint(0x01).unwrap().packets(), []);
/// ```
pub struct UsbDevice {
    descriptors: UsbDescriptors,
    endpoints: BTreeMap<u8, UsbEndpoint>,
    maximum_transfer_sizes: BTreeMap<u8, u32>,
    high_speed: bool,
    connected: bool,
    configuration: u8,
    /// The alternate setting of each configured interface.
    settings: BTreeMap<u8, u8>,
    /// The pipe handles that are valid, with their endpoints.
    pipes: BTreeMap<usize, u8>,
    selections: usize,
    configuration_requests: usize,
    held: Vec<Held>,
    /// Held transfers that have just come to their end.
    ended: Vec<(IrpId, Ticks, Outcome)>,
    control: Option<ControlHandler>,
    behind: Option<Box<dyn LowerDevice>>,
    reports_enumeration: bool,
    counters: UsbCounters,
    /// The URB at which it is pulled out, by its number; 0 for none.
    disconnects_at: u64,
}

impl fmt::Debug for UsbDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsbDevice")
            .field("descriptors", &self.descriptors)
            .field("endpoints", &self.endpoints)
            .field("connected", &self.connected)
            .field("configuration", &self.configuration)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl UsbDevice {
    /// A high-speed device with these descriptors.
    #[must_use]
    pub fn new(descriptors: UsbDescriptors) -> Self {
        let settings = descriptors.parsed().settings();
        let all = settings
            .iter()
            .flat_map(|setting| &setting.endpoints)
            .chain([&control::CONTROL]);
        let endpoints = all
            .map(|endpoint| (endpoint.address, UsbEndpoint::new(endpoint)))
            .collect();
        Self {
            descriptors,
            endpoints,
            maximum_transfer_sizes: BTreeMap::new(),
            high_speed: true,
            connected: true,
            configuration: 0,
            settings: BTreeMap::new(),
            pipes: BTreeMap::new(),
            selections: 0,
            configuration_requests: 0,
            held: Vec::new(),
            ended: Vec::new(),
            control: None,
            behind: None,
            reports_enumeration: false,
            counters: UsbCounters::default(),
            disconnects_at: 0,
        }
    }

    /// The same device on a full-speed port.
    #[must_use]
    pub const fn full_speed(mut self) -> Self {
        self.high_speed = false;
        self
    }

    /// What the bus driver reports as `MaximumTransferSize` of the endpoint's pipes. Windows leaves what the framework asks
    /// for, which is no limit.
    #[must_use]
    pub fn maximum_transfer_size(mut self, address: u8, bytes: u32) -> Self {
        self.maximum_transfer_sizes.insert(address, bytes);
        self
    }

    /// Who answers vendor and class requests; without it they stall. The second argument is the data of an OUT request.
    #[must_use]
    pub fn on_control(
        mut self,
        handler: impl FnMut(&Setup, &[u8]) -> ControlAnswer + 'static,
    ) -> Self {
        self.control = Some(Box::new(handler));
        self
    }

    /// Gives every IRP that does not belong to enumeration to `device` instead of the endpoints.
    #[must_use]
    pub fn with_transfers_to(mut self, device: impl LowerDevice) -> Self {
        self.behind = Some(Box::new(device));
        self
    }

    /// Whether the device of [`UsbDevice::with_transfers_to`] is given the URBs of enumeration too. What it completes with
    /// success is still answered here.
    pub fn report_enumeration(&mut self, on: bool) {
        self.reports_enumeration = on;
    }

    /// The device of [`UsbDevice::with_transfers_to`], if it is a `T`.
    pub fn transfers<T: LowerDevice>(&mut self) -> Option<&mut T> {
        let device: &mut dyn core::any::Any = &mut **self.behind.as_mut()?;
        device.downcast_mut()
    }

    /// The endpoint with this address, in whatever setting it is; 0 is the control endpoint.
    #[must_use]
    pub fn endpoint(&self, address: u8) -> Option<&UsbEndpoint> {
        self.endpoints.get(&address)
    }

    /// As [`UsbDevice::endpoint`], to change what it does.
    ///
    /// # Panics
    ///
    /// When the descriptors have no such endpoint.
    pub fn endpoint_mut(&mut self, address: u8) -> &mut UsbEndpoint {
        match self.endpoints.get_mut(&address) {
            Some(endpoint) => endpoint,
            None => panic!("the descriptors have no endpoint {address:#04x}"),
        }
    }

    /// Pulls the device out. Transfers under way end with `STATUS_DEVICE_NOT_CONNECTED`, all later requests with
    /// `STATUS_NO_SUCH_DEVICE`, both with `USBD_STATUS_DEVICE_GONE`.
    pub fn disconnect(&mut self) {
        self.connected = false;
        self.end_held(|_| true, USBD_STATUS_DEVICE_GONE);
    }

    /// Pulls the device out when the `nth` URB from now arrives, whatever it is for; 1 is the next.
    pub const fn disconnect_at(&mut self, nth: u64) {
        self.disconnects_at = self.counters.urbs + nth;
    }

    /// Whether it is plugged in.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        self.connected
    }

    /// The configuration that was selected, 0 for none.
    #[must_use]
    pub const fn configuration(&self) -> u8 {
        self.configuration
    }

    /// The alternate setting of a configured interface.
    #[must_use]
    pub fn setting(&self, interface: u8) -> Option<u8> {
        self.settings.get(&interface).copied()
    }

    /// What the device has seen: all URBs, and the rest of all endpoints except the control endpoint.
    #[must_use]
    pub fn counters(&self) -> UsbCounters {
        let mut total = UsbCounters::default();
        for endpoint in self
            .endpoints
            .values()
            .filter(|endpoint| endpoint.address() != control::CONTROL.address)
        {
            total.add(&endpoint.counters);
        }
        total.urbs = self.counters.urbs;
        total
    }

    pub(crate) const fn is_high_speed(&self) -> bool {
        self.high_speed
    }

    /// Ends transfers that the device holds.
    fn end_held(&mut self, which: impl Fn(&Held) -> bool, usbd_status: USBD_STATUS) {
        for held in self.held.iter_mut().filter(|held| which(held)) {
            if !matches!(held.holding, Holding::Ending(_)) {
                held.holding = Holding::Ending(End::new(usbd_status, held.moved()));
                self.ended
                    .push((held.irp, Ticks::ZERO, Outcome::cancelled()));
            }
        }
    }

    fn take_held(&mut self, irp: IrpId) -> Option<Held> {
        let index = self.held.iter().position(|held| held.irp == irp)?;
        Some(self.held.remove(index))
    }

    fn endpoint_of(&self, urb: Urb) -> Option<u8> {
        self.pipes.get(&pipe_handle(urb)?).copied()
    }

    fn urb(&mut self, irp: &mut LowerIrp<'_>, urb: Urb) -> Disposition {
        self.counters.urbs += 1;
        if !self.connected {
            urb.set_status(USBD_STATUS_DEVICE_GONE);
            urb.set_transfer_length(0);
            return Disposition::Complete(Outcome::new(STATUS_NO_SUCH_DEVICE, 0));
        }
        if self.counters.urbs == self.disconnects_at {
            self.disconnect();
            return finish(urb, End::new(USBD_STATUS_DEVICE_GONE, 0));
        }
        if let Some(behind) = &mut self.behind {
            if !is_enumeration(urb) {
                return behind.dispatch(irp);
            }
            if self.reports_enumeration {
                let disposition = behind.dispatch(irp);
                if succeeds(disposition) {
                    self.answer(irp, urb);
                }
                return disposition;
            }
        }
        self.answer(irp, urb)
    }

    fn answer(&mut self, irp: &mut LowerIrp<'_>, urb: Urb) -> Disposition {
        if urb.function() == URB_FUNCTION_BULK_OR_INTERRUPT_TRANSFER {
            return match self.endpoint_of(urb) {
                Some(address) => self.begin(irp, urb, address),
                None => finish(urb, End::new(USBD_STATUS_INVALID_PIPE_HANDLE, 0)),
            };
        }
        if Setup::of(urb).is_some() {
            return self.begin(irp, urb, control::CONTROL.address);
        }
        let usbd_status = self.request(urb, irp.now());
        finish(urb, End::new(usbd_status, 0))
    }

    /// Requests that concern the bus driver, not the wire.
    fn request(&mut self, urb: Urb, now: Ticks) -> USBD_STATUS {
        match urb.function() {
            URB_FUNCTION_SELECT_CONFIGURATION => self.select_configuration(urb),
            URB_FUNCTION_SELECT_INTERFACE => self.select_interface(urb),
            URB_FUNCTION_ABORT_PIPE => self.with_pipe(urb, |device, address| {
                device.end_held(|held| held.endpoint == address, USBD_STATUS_CANCELED);
            }),
            URB_FUNCTION_SYNC_RESET_PIPE_AND_CLEAR_STALL | URB_FUNCTION_SYNC_CLEAR_STALL => self
                .with_pipe(urb, |device, address| {
                    device.endpoint_mut(address).clear_halt()
                }),
            URB_FUNCTION_SYNC_RESET_PIPE => self.with_pipe(urb, |_, _| {}),
            URB_FUNCTION_GET_CURRENT_FRAME_NUMBER => {
                let frame = u32::try_from(now.0 / TICKS_PER_FRAME).unwrap_or(u32::MAX);
                urb.write(
                    offset_of!(_URB_GET_CURRENT_FRAME_NUMBER, FrameNumber),
                    frame,
                );
                USBD_STATUS_SUCCESS
            }
            _ => USBD_STATUS_INVALID_URB_FUNCTION,
        }
    }

    fn with_pipe(&mut self, urb: Urb, act: impl FnOnce(&mut Self, u8)) -> USBD_STATUS {
        match self.endpoint_of(urb) {
            Some(address) => {
                act(self, address);
                USBD_STATUS_SUCCESS
            }
            None => USBD_STATUS_INVALID_PIPE_HANDLE,
        }
    }

    /// A transfer or control request arrives at an endpoint.
    fn begin(&mut self, irp: &mut LowerIrp<'_>, urb: Urb, address: u8) -> Disposition {
        if urb.transfer_length() != 0 && irp.input().is_empty() {
            return finish(urb, End::new(USBD_STATUS_INVALID_PARAMETER, 0));
        }
        let queued = self.queued(address);
        let endpoint = self.endpoint_mut(address);
        let delay = endpoint.delay();
        let data = if address & IN == 0 { irp.input() } else { &[] };
        let (holding, disposition) = match endpoint.begin(data, queued) {
            Step::Go { fault } if delay == Ticks::ZERO => {
                return finish(urb, self.finish_transfer(irp, urb, address, fault));
            }
            Step::Go { fault } => (
                Holding::Moving { fault },
                Disposition::CompleteAfter(delay, Outcome::cancelled()),
            ),
            Step::Wait => (Holding::Waiting, Disposition::Pend),
            Step::WaitForEver { moved } => (Holding::ForEver { moved }, Disposition::Pend),
        };
        self.held.push(Held {
            irp: irp.id(),
            endpoint: address,
            holding,
        });
        disposition
    }

    /// Transfers on an endpoint that have yet to get their data.
    fn queued(&self, address: u8) -> usize {
        let due = |held: &&Held| matches!(held.holding, Holding::Waiting | Holding::Moving { .. });
        self.held
            .iter()
            .filter(|held| held.endpoint == address)
            .filter(due)
            .count()
    }

    /// Moves the data of a transfer whose time has come.
    fn finish_transfer(
        &mut self,
        irp: &mut LowerIrp<'_>,
        urb: Urb,
        address: u8,
        fault: Option<UsbFault>,
    ) -> End {
        let setup = Setup::of(urb);
        let is_in = setup.map_or(address & IN != 0, |setup| setup.is_in());
        let short_ok = urb
            .transfer()
            .is_some_and(|transfer| transfer.TransferFlags & USBD_SHORT_TRANSFER_OK != 0);
        let data = if is_in {
            Data::In {
                area: irp.output(),
                short_ok,
            }
        } else {
            Data::Out(irp.input())
        };
        let end = match setup {
            Some(setup) => self.control_request(&setup, data, fault),
            None => self.endpoint_mut(address).transfer(data, fault),
        };
        if matches!(fault, Some(UsbFault::Disconnect { .. })) {
            self.disconnect();
        }
        end
    }

    fn port_status(&self) -> ULONG {
        if self.connected {
            USBD_PORT_ENABLED | USBD_PORT_CONNECTED
        } else {
            0
        }
    }

    fn control_code(&mut self, irp: &LowerIrp<'_>) -> Outcome {
        if !self.connected {
            return Outcome::new(STATUS_NO_SUCH_DEVICE, 0);
        }
        match irp.code() {
            IOCTL_INTERNAL_USB_GET_PORT_STATUS => {
                let place: *mut ULONG = irp.argument(1).cast();
                if place.is_null() {
                    return Outcome::new(STATUS_INVALID_PARAMETER, 0);
                }
                // SAFETY: the sender of this control code passes the address of a ULONG of its own for the answer.
                unsafe { place.write_unaligned(self.port_status()) };
                Outcome::new(STATUS_SUCCESS, 0)
            }
            IOCTL_INTERNAL_USB_RESET_PORT => {
                for endpoint in self.endpoints.values_mut() {
                    endpoint.clear_halt();
                }
                Outcome::new(STATUS_SUCCESS, 0)
            }
            _ => Outcome::new(STATUS_INVALID_DEVICE_REQUEST, 0),
        }
    }
}

impl LowerDevice for UsbDevice {
    fn dispatch(&mut self, irp: &mut LowerIrp<'_>) -> Disposition {
        if let Some(urb) = urb_of(irp) {
            return self.urb(irp, urb);
        }
        match &mut self.behind {
            Some(behind) => behind.dispatch(irp),
            None => Disposition::Complete(self.control_code(irp)),
        }
    }

    fn cancelled(&mut self, irp: &mut LowerIrp<'_>) -> CancelDisposition {
        let Some(held) = self.take_held(irp.id()) else {
            return match &mut self.behind {
                Some(behind) => behind.cancelled(irp),
                None => CancelDisposition::Complete(Outcome::cancelled()),
            };
        };
        self.endpoint_mut(held.endpoint).counters.failures += 1;
        let end = End::new(USBD_STATUS_CANCELED, held.moved());
        CancelDisposition::Complete(end_of(irp, end))
    }

    fn completing(&mut self, irp: &mut LowerIrp<'_>, outcome: Outcome) -> Outcome {
        let Some(held) = self.take_held(irp.id()) else {
            return match &mut self.behind {
                Some(behind) => behind.completing(irp, outcome),
                None => outcome,
            };
        };
        match (held.holding, urb_of(irp)) {
            (Holding::Moving { fault }, Some(urb)) => {
                let end = self.finish_transfer(irp, urb, held.endpoint, fault);
                end_of(irp, end)
            }
            (Holding::Ending(end), Some(_)) => {
                self.endpoint_mut(held.endpoint).counters.failures += 1;
                end_of(irp, end)
            }
            // Completed from outside.
            _ => outcome,
        }
    }

    fn pnp(&mut self, irp: PnpIrp) -> NTSTATUS {
        match &mut self.behind {
            Some(behind) => behind.pnp(irp),
            None => STATUS_SUCCESS,
        }
    }

    fn ready(&mut self) -> Vec<(IrpId, Ticks, Outcome)> {
        let mut ready = core::mem::take(&mut self.ended);
        for index in 0..self.held.len() {
            let held = self.held[index];
            let before = self.held[..index]
                .iter()
                .filter(|other| other.endpoint == held.endpoint);
            let queued = before
                .filter(|other| matches!(other.holding, Holding::Moving { .. }))
                .count();
            if matches!(held.holding, Holding::Waiting)
                && self.endpoint_mut(held.endpoint).can_answer(queued)
            {
                self.held[index].holding = Holding::Moving { fault: None };
                ready.push((
                    held.irp,
                    self.endpoint_mut(held.endpoint).delay(),
                    Outcome::cancelled(),
                ));
            }
        }
        if let Some(behind) = &mut self.behind {
            ready.extend(behind.ready());
        }
        ready
    }
}

/// The pipe that a URB is for; all URBs for pipes have its handle at the same place.
fn pipe_handle(urb: Urb) -> Option<usize> {
    urb.field(offset_of!(_URB_PIPE_REQUEST, PipeHandle))
}

fn urb_of(irp: &LowerIrp<'_>) -> Option<Urb> {
    let urb = irp.urb()?;
    // SAFETY: the IRP carries the URB as a URB; its sender keeps it valid until the IRP is completed, and looks at it only
    // then.
    unsafe { Urb::new(urb) }
}

/// Stores how a transfer ended in its URB.
fn store(urb: Urb, end: End) {
    urb.set_status(end.usbd_status);
    urb.set_transfer_length(end.moved);
    if end.usbd_status == USBD_STATUS_SUCCESS && Setup::of(urb).is_some() {
        // The way in which clients learn the handle of the control pipe.
        let handle: USBD_PIPE_HANDLE = ptr::without_provenance_mut(CONTROL_PIPE);
        urb.write(
            offset_of!(_URB_CONTROL_DESCRIPTOR_REQUEST, Reserved),
            handle,
        );
    }
}

fn finish(urb: Urb, end: End) -> Disposition {
    store(urb, end);
    Disposition::Complete(Outcome::new(end.status, 0))
}

fn end_of(irp: &LowerIrp<'_>, end: End) -> Outcome {
    if let Some(urb) = urb_of(irp) {
        store(urb, end);
    }
    Outcome::new(end.status, 0)
}

/// Whether a URB is one of those by which a device is taken into use.
fn is_enumeration(urb: Urb) -> bool {
    matches!(
        urb.function(),
        URB_FUNCTION_SELECT_CONFIGURATION
            | URB_FUNCTION_SELECT_INTERFACE
            | URB_FUNCTION_GET_DESCRIPTOR_FROM_DEVICE
            | URB_FUNCTION_GET_STATUS_FROM_DEVICE
    )
}

fn succeeds(disposition: Disposition) -> bool {
    match disposition {
        Disposition::Complete(outcome) | Disposition::CompleteAfter(_, outcome) => {
            NT_SUCCESS(outcome.status)
        }
        Disposition::Pend => false,
    }
}
