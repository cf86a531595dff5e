//! Endpoints of a USB device: where OUT data goes, where IN data comes from, and what goes wrong.

use core::fmt;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};

use kmdf_sys::missing::{
    USBD_STATUS_BABBLE_DETECTED, USBD_STATUS_CANCELED, USBD_STATUS_DEVICE_GONE,
    USBD_STATUS_ERROR_SHORT_TRANSFER, USBD_STATUS_INTERNAL_HC_ERROR, USBD_STATUS_INVALID_PARAMETER,
    USBD_STATUS_INVALID_PIPE_HANDLE, USBD_STATUS_INVALID_URB_FUNCTION, USBD_STATUS_NOT_SUPPORTED,
    USBD_STATUS_STALL_PID, USBD_STATUS_SUCCESS,
};
use kmdf_sys::{
    NTSTATUS, STATUS_CANCELLED, STATUS_DEVICE_DATA_ERROR, STATUS_DEVICE_NOT_CONNECTED,
    STATUS_INVALID_PARAMETER, STATUS_NOT_SUPPORTED, STATUS_SUCCESS, STATUS_UNSUCCESSFUL,
    USBD_STATUS,
};

use crate::time::Ticks;
use crate::usb::descriptor::Endpoint;

/// How a transfer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) usbd_status: USBD_STATUS,
    pub(super) status: NTSTATUS,
    /// Bytes that were moved.
    pub(super) moved: u32,
}

impl End {
    /// Ends with `usbd_status` and the status that the USB stack makes of it.
    pub(super) const fn new(usbd_status: USBD_STATUS, moved: u32) -> Self {
        Self {
            usbd_status,
            status: nt_status(usbd_status),
            moved,
        }
    }
}

/// The status with which the USB stack completes the IRP of a URB that ends so.
const fn nt_status(usbd_status: USBD_STATUS) -> NTSTATUS {
    match usbd_status {
        USBD_STATUS_SUCCESS => STATUS_SUCCESS,
        USBD_STATUS_CANCELED => STATUS_CANCELLED,
        USBD_STATUS_DEVICE_GONE => STATUS_DEVICE_NOT_CONNECTED,
        USBD_STATUS_NOT_SUPPORTED => STATUS_NOT_SUPPORTED,
        USBD_STATUS_INVALID_PARAMETER
        | USBD_STATUS_INVALID_PIPE_HANDLE
        | USBD_STATUS_INVALID_URB_FUNCTION => STATUS_INVALID_PARAMETER,
        USBD_STATUS_STALL_PID | USBD_STATUS_ERROR_SHORT_TRANSFER => STATUS_UNSUCCESSFUL,
        _ => STATUS_DEVICE_DATA_ERROR,
    }
}

/// What goes wrong with one transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsbFault {
    /// The endpoint stalls after so many bytes, and stays halted until it is reset.
    Stall {
        /// Bytes moved before.
        after: u32,
    },
    /// The transfer ends with these statuses after so many bytes.
    Fail {
        /// `UrbHeader.Status`.
        usbd_status: USBD_STATUS,
        /// Status of the IRP.
        status: NTSTATUS,
        /// Bytes moved before.
        after: u32,
    },
    /// The endpoint does not answer any more after so many bytes: the transfer stays pending until it is cancelled.
    Nak {
        /// Bytes moved before.
        after: u32,
    },
    /// The device sends more than was asked for, after so many bytes.
    Babble {
        /// Bytes moved before.
        after: u32,
    },
    /// The transfer succeeds, but only so many bytes are moved.
    Short {
        /// Bytes moved.
        length: u32,
    },
    /// The device is pulled out after so many bytes.
    Disconnect {
        /// Bytes moved before.
        after: u32,
    },
}

impl UsbFault {
    /// How many bytes are moved at most.
    pub(super) const fn limit(self) -> u32 {
        match self {
            Self::Stall { after }
            | Self::Nak { after }
            | Self::Babble { after }
            | Self::Disconnect { after }
            | Self::Fail { after, .. } => after,
            Self::Short { length } => length,
        }
    }
}

/// What an endpoint or a device has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsbCounters {
    /// URBs that reached it.
    pub urbs: u64,
    /// Packets that carried data or were of zero length.
    pub packets: u64,
    /// Packets of zero length.
    pub zero_length_packets: u64,
    /// Bytes moved, in either direction.
    pub bytes: u64,
    /// Transfers that ended with an error, cancelled ones included.
    pub failures: u64,
}

impl UsbCounters {
    pub(super) const fn add(&mut self, other: &Self) {
        self.urbs += other.urbs;
        self.packets += other.packets;
        self.zero_length_packets += other.zero_length_packets;
        self.bytes += other.bytes;
        self.failures += other.failures;
    }
}

enum Sink {
    Memory { bytes: Vec<u8>, packets: Vec<u32> },
    Writer(Box<dyn Write>),
}

impl Sink {
    fn packet(&mut self, data: &[u8]) -> io::Result<()> {
        match self {
            Self::Memory { bytes, packets } => {
                bytes.extend_from_slice(data);
                packets.push(u32::try_from(data.len()).unwrap_or(u32::MAX));
                Ok(())
            }
            Self::Writer(writer) => writer.write_all(data),
        }
    }
}

/// The memory of a transfer.
pub(super) enum Data<'a> {
    Out(&'a [u8]),
    In { area: &'a mut [u8], short_ok: bool },
}

/// What becomes of a transfer at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It can end; `fault` is what goes wrong with it.
    Go { fault: Option<UsbFault> },
    /// It waits: for data, or until the endpoint answers again.
    Wait,
    /// It waits until it is cancelled, having moved so many bytes.
    WaitForEver { moved: u32 },
}

/// An endpoint.
pub struct UsbEndpoint {
    address: u8,
    max_packet: u16,
    /// Transactions in one micro-frame, for high-bandwidth endpoints.
    transactions: u16,
    sink: Sink,
    sink_error: Option<io::Error>,
    input: VecDeque<Vec<u8>>,
    halted: bool,
    silent: bool,
    delay: Ticks,
    faults: BTreeMap<u64, UsbFault>,
    transfers: u64,
    pub(super) counters: UsbCounters,
}

impl fmt::Debug for UsbEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsbEndpoint")
            .field("address", &self.address)
            .field("max_packet", &self.max_packet)
            .field("halted", &self.halted)
            .field("silent", &self.silent)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl UsbEndpoint {
    pub(super) fn new(endpoint: &Endpoint) -> Self {
        Self {
            address: endpoint.address,
            max_packet: endpoint.max_packet & 0x7FF,
            transactions: ((endpoint.max_packet >> 11) & 3) + 1,
            sink: Sink::Memory {
                bytes: Vec::new(),
                packets: Vec::new(),
            },
            sink_error: None,
            input: VecDeque::new(),
            halted: false,
            silent: false,
            delay: Ticks::ZERO,
            faults: BTreeMap::new(),
            transfers: 0,
            counters: UsbCounters::default(),
        }
    }

    /// Its address; bit 7 is set for IN.
    #[must_use]
    pub const fn address(&self) -> u8 {
        self.address
    }

    /// What OUT data has arrived, unless it went to a writer.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.sink {
            Sink::Memory { bytes, .. } => bytes,
            Sink::Writer(_) => &[],
        }
    }

    /// The lengths of the OUT packets, unless they went to a writer.
    #[must_use]
    pub fn packets(&self) -> &[u32] {
        match &self.sink {
            Sink::Memory { packets, .. } => packets,
            Sink::Writer(_) => &[],
        }
    }

    /// What it has seen.
    #[must_use]
    pub const fn counters(&self) -> UsbCounters {
        self.counters
    }

    /// Whether it is halted by a stall.
    #[must_use]
    pub const fn is_halted(&self) -> bool {
        self.halted
    }

    /// Sends OUT data to `writer`, packet by packet, instead of keeping it.
    pub fn write_to(&mut self, writer: impl Write + 'static) {
        self.sink = Sink::Writer(Box::new(writer));
    }

    /// The error with which the writer refused a packet. The transfer failed with `USBD_STATUS_INTERNAL_HC_ERROR`.
    pub fn take_write_error(&mut self) -> Option<io::Error> {
        self.sink_error.take()
    }

    /// The device has data for the host: one message, which ends a transfer that asks for more.
    pub fn send(&mut self, message: &[u8]) {
        self.input.push_back(message.to_vec());
    }

    /// It takes its time for every transfer.
    pub fn set_delay(&mut self, delay: Ticks) {
        self.delay = delay;
    }

    pub(super) const fn delay(&self) -> Ticks {
        self.delay
    }

    /// It stalls now and is halted until it is reset.
    pub fn stall(&mut self) {
        self.halted = true;
    }

    /// Ends a halt, as resetting the pipe does.
    pub fn clear_halt(&mut self) {
        self.halted = false;
    }

    /// Whether it answers with NAK only, so that transfers stay pending.
    pub fn set_nak(&mut self, nak: bool) {
        self.silent = nak;
    }

    /// The `nth` transfer from now (1 is the next) goes wrong.
    pub fn fault(&mut self, nth: u64, fault: UsbFault) {
        self.faults.insert(self.transfers + nth, fault);
    }

    const fn is_in(&self) -> bool {
        self.address & 0x80 != 0
    }

    /// `USBD_PIPE_INFORMATION.MaximumPacketSize`.
    pub(super) const fn bytes_per_frame(&self) -> u16 {
        self.max_packet.saturating_mul(self.transactions)
    }

    /// A transfer arrives, behind `queued` others that have yet to get theirs.
    pub(super) fn begin(&mut self, data: &[u8], queued: usize) -> Step {
        self.transfers += 1;
        self.counters.urbs += 1;
        let fault = self.faults.remove(&self.transfers);
        if let Some(UsbFault::Nak { after }) = fault {
            let taken = data.get(..after as usize).unwrap_or(data);
            let moved = if taken.is_empty() {
                0
            } else {
                self.take(taken).moved
            };
            return Step::WaitForEver { moved };
        }
        if fault.is_none() && !self.halted && !self.can_answer(queued) {
            Step::Wait
        } else {
            Step::Go { fault }
        }
    }

    /// Whether one more transfer can be answered besides `queued` others.
    pub(super) fn can_answer(&self, queued: usize) -> bool {
        !self.silent && (!self.is_in() || self.input.len() > queued)
    }

    /// Moves data as far as `fault` lets it.
    pub(super) fn transfer(&mut self, data: Data<'_>, fault: Option<UsbFault>) -> End {
        let end = if self.halted {
            End::new(USBD_STATUS_STALL_PID, 0)
        } else {
            self.unhalted(data, fault)
        };
        if end.usbd_status != USBD_STATUS_SUCCESS {
            self.counters.failures += 1;
        }
        end
    }

    fn unhalted(&mut self, data: Data<'_>, fault: Option<UsbFault>) -> End {
        let limit = fault.map_or(usize::MAX, |fault| fault.limit() as usize);
        let end = match data {
            // Not even a packet of length zero.
            Data::Out(_) if limit == 0 => End::new(USBD_STATUS_SUCCESS, 0),
            Data::Out(data) => self.take(data.get(..limit).unwrap_or(data)),
            Data::In { area, short_ok } => self.give(area, short_ok || fault.is_some(), limit),
        };
        match fault {
            Some(fault) => self.end_of(fault, end.moved).unwrap_or(end),
            None => end,
        }
    }

    /// How a fault ends a transfer, if it does not leave it as it is.
    pub(super) fn end_of(&mut self, fault: UsbFault, moved: u32) -> Option<End> {
        match fault {
            UsbFault::Stall { .. } => {
                // A stall of the control endpoint ends with the next request.
                self.halted = self.address != 0;
                Some(End::new(USBD_STATUS_STALL_PID, moved))
            }
            UsbFault::Fail {
                usbd_status,
                status,
                ..
            } => Some(End {
                usbd_status,
                status,
                moved,
            }),
            UsbFault::Babble { .. } => Some(End::new(USBD_STATUS_BABBLE_DETECTED, moved)),
            UsbFault::Disconnect { .. } => Some(End::new(USBD_STATUS_DEVICE_GONE, moved)),
            UsbFault::Nak { .. } | UsbFault::Short { .. } => None,
        }
    }

    fn count_packet(&mut self, length: usize) {
        self.counters.packets += 1;
        self.counters.bytes += length as u64;
        self.counters.zero_length_packets += u64::from(length == 0);
    }

    /// The bus divides OUT data into packets; no data is one packet of length zero.
    fn take(&mut self, data: &[u8]) -> End {
        let mut moved = 0;
        let mut rest = data;
        loop {
            let length = rest.len().min(usize::from(self.max_packet.max(1)));
            let (packet, after) = rest.split_at(length);
            if let Err(error) = self.sink.packet(packet) {
                self.sink_error = Some(error);
                return End::new(USBD_STATUS_INTERNAL_HC_ERROR, moved);
            }
            self.count_packet(length);
            moved += u32::try_from(length).unwrap_or(u32::MAX);
            rest = after;
            if rest.is_empty() {
                return End::new(USBD_STATUS_SUCCESS, moved);
            }
        }
    }

    /// The device sends packets of the next message until it ends or `area` is full. A message goes no further than `limit`.
    fn give(&mut self, area: &mut [u8], short_ok: bool, limit: usize) -> End {
        let Some(mut message) = self.input.pop_front() else {
            return End::new(USBD_STATUS_SUCCESS, 0);
        };
        if limit < area.len() {
            message.truncate(limit);
        }
        let mut filled = 0;
        loop {
            let length = message.len().min(usize::from(self.max_packet.max(1)));
            if length > area.len() - filled {
                // The packet does not fit: what was sent of it is lost.
                return End::new(
                    USBD_STATUS_BABBLE_DETECTED,
                    u32::try_from(filled).unwrap_or(u32::MAX),
                );
            }
            area[filled..filled + length].copy_from_slice(&message[..length]);
            message.drain(..length);
            self.count_packet(length);
            filled += length;
            if message.is_empty() || filled == area.len() {
                break;
            }
        }
        if !message.is_empty() {
            self.input.push_front(message);
        }
        let moved = u32::try_from(filled).unwrap_or(u32::MAX);
        let short = filled < area.len() && !short_ok;
        End::new(
            if short {
                USBD_STATUS_ERROR_SHORT_TRANSFER
            } else {
                USBD_STATUS_SUCCESS
            },
            moved,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(address: u8, max_packet: u16) -> UsbEndpoint {
        UsbEndpoint::new(&Endpoint {
            address,
            attributes: 2,
            max_packet,
            interval: 0,
        })
    }

    fn read(endpoint: &mut UsbEndpoint, area: &mut [u8], short_ok: bool) -> End {
        endpoint.transfer(Data::In { area, short_ok }, None)
    }

    #[test]
    fn out_data_is_divided_into_packets() {
        for (length, packets) in [
            (0, vec![0]),
            (3, vec![3]),
            (8, vec![8]),
            (20, vec![8, 8, 4]),
        ] {
            let mut out = endpoint(1, 8);
            let data: Vec<u8> = (0..length).collect();
            let end = out.transfer(Data::Out(&data), None);
            assert_eq!(end, End::new(USBD_STATUS_SUCCESS, u32::from(length)));
            assert_eq!(out.packets(), packets, "{length} bytes");
            assert_eq!(out.bytes(), data);
            assert_eq!(out.counters().zero_length_packets, u64::from(length == 0));
        }
    }

    #[test]
    fn a_stall_lasts_until_the_halt_is_cleared() {
        let mut out = endpoint(1, 8);
        let end = out.transfer(Data::Out(&[7; 20]), Some(UsbFault::Stall { after: 8 }));
        assert_eq!(
            (end.usbd_status, end.status, end.moved),
            (USBD_STATUS_STALL_PID, STATUS_UNSUCCESSFUL, 8)
        );
        assert_eq!(out.transfer(Data::Out(&[7; 20]), None).moved, 0);
        out.clear_halt();
        assert_eq!(out.transfer(Data::Out(&[7; 20]), None).moved, 20);
        assert_eq!(
            (out.counters().failures, out.packets()),
            (2, &[8, 8, 8, 4][..])
        );
    }

    #[test]
    fn in_messages_end_transfers() {
        let mut input = endpoint(0x81, 4);
        input.send(b"0123456789");
        let mut area = [0; 8];
        assert_eq!(read(&mut input, &mut area, true).moved, 8);
        assert_eq!(read(&mut input, &mut area, true).moved, 2);
        assert_eq!(&area[..2], b"89");
        input.send(b"ab");
        assert_eq!(
            read(&mut input, &mut area, false).usbd_status,
            USBD_STATUS_ERROR_SHORT_TRANSFER
        );
        input.send(b"abcd");
        assert_eq!(
            read(&mut input, &mut area[..3], true).usbd_status,
            USBD_STATUS_BABBLE_DETECTED
        );
    }

    #[test]
    fn faults_name_a_transfer_and_a_number_of_bytes() {
        let mut out = endpoint(1, 8);
        out.fault(2, UsbFault::Short { length: 5 });
        out.fault(3, UsbFault::Nak { after: 9 });
        assert_eq!(out.begin(&[0; 20], 0), Step::Go { fault: None });
        assert_eq!(
            out.begin(&[0; 20], 0),
            Step::Go {
                fault: Some(UsbFault::Short { length: 5 })
            }
        );
        let short = out.transfer(Data::Out(&[0; 20]), Some(UsbFault::Short { length: 5 }));
        assert_eq!(short, End::new(USBD_STATUS_SUCCESS, 5));
        assert_eq!(out.begin(&[0; 20], 0), Step::WaitForEver { moved: 9 });
        out.set_nak(true);
        assert_eq!(out.begin(&[0; 20], 0), Step::Wait);
    }
}
