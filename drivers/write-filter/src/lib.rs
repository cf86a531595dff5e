//! An upper filter that divides writes.
//!
//! Every write to the device is sent to the next-lower driver in pieces of at most `MaximumPiece`
//! bytes, straight from the request's memory, each with a time-out. The write is completed with the
//! sum, or with the failing piece's status and what had arrived before. Every other request passes
//! through.
//!
//! Parameters, `REG_DWORD` values in the key `Parameters` of the driver's service:
//!
//! | value | meaning | default |
//! |---|---|---|
//! | `MaximumPiece` | bytes in one piece, 1 to 4,294,967,295 | 65,536 |
//! | `TimeoutMs` | milliseconds until a piece is cancelled; 0: never | 5,000 |
#![no_std]
#![forbid(unsafe_code)]

extern crate kmdf_panic as _;

use core::num::NonZeroU32;
use core::time::Duration;

use kmdf::{
    Device, DeviceInit, Driver, EvtIoWrite, NtStatus, Parameters, Queue, QueueConfig, Received,
    RequestParameters, Result, SendOptions, SendRequest, TransferError, send_in_pieces, utf16str,
};

/// The driver: the settings that all its devices share.
#[derive(Debug, Clone, Copy)]
pub struct WriteFilter {
    maximum_piece: NonZeroU32,
    options: SendOptions,
}

kmdf::driver!(WriteFilter);

const MAXIMUM_PIECE: NonZeroU32 = NonZeroU32::new(64 * 1024).unwrap();
const TIMEOUT_MS: u32 = 5_000;

impl Driver for WriteFilter {
    type Device = Filter;

    fn load(parameters: &Parameters<'_>) -> Result<Self> {
        let maximum_piece = parameters.query_u32(utf16str!("MaximumPiece"))?;
        let timeout_ms = parameters
            .query_u32(utf16str!("TimeoutMs"))?
            .unwrap_or(TIMEOUT_MS);
        Ok(Self {
            maximum_piece: maximum_piece
                .and_then(NonZeroU32::new)
                .unwrap_or(MAXIMUM_PIECE),
            options: match timeout_ms {
                0 => SendOptions::new(),
                ms => SendOptions::new().timeout(Duration::from_millis(u64::from(ms))),
            },
        })
    }

    fn evt_device_add(&self, mut init: DeviceInit<'_, Filter>) -> Result {
        init.set_filter();
        // The device below may do neither I/O: then the data has to be locked in the caller's
        // context.
        init.lock_caller_buffers();
        let device = init.create(Filter(*self))?;
        // A zero-length write means something to some devices: it passes through like any other.
        Queue::create(
            device,
            QueueConfig::parallel()
                .default_queue()
                .passive_level()
                .allow_zero_length()
                .write(),
        )?;
        Ok(())
    }
}

/// One filtered device.
#[derive(Debug)]
pub struct Filter(WriteFilter);

kmdf::context!(Filter);

impl EvtIoWrite for Filter {
    fn evt_io_write(&self, queue: &Queue<Self>, request: Received<'_>, length: usize) {
        if length == 0 {
            if let Err((request, error)) = request.pass_down() {
                request.complete(error);
            }
            return;
        }
        match queue
            .device()
            .map_err(TransferError::from)
            .and_then(|device| self.write(device, &request))
        {
            Ok(written) => request.complete_with_information(NtStatus::SUCCESS, written),
            Err(failed) => {
                request.complete_with_information(failed.error(), failed.bytes().unwrap_or(0))
            }
        }
    }
}

impl Filter {
    fn write(&self, device: &Device<Self>, request: &Received<'_>) -> Result<usize, TransferError> {
        let RequestParameters::Write { device_offset, .. } = request.parameters() else {
            return Err(kmdf::Error::INVALID_DEVICE_REQUEST.into());
        };
        let target = device.io_target()?;
        let memory = request.input_memory()?;
        send_in_pieces(&memory, self.0.maximum_piece, |piece, done| {
            let offset = i64::try_from(done)
                .ok()
                .and_then(|done| device_offset.checked_add(done));
            let Some(offset) = offset else {
                return Err(kmdf::Error::INVALID_PARAMETER.into());
            };
            if request.is_cancelled() {
                return Err(kmdf::Error::CANCELLED.into());
            }
            target.send_write_sync(SendRequest::Framework, piece, Some(offset), &self.0.options)
        })
    }
}
