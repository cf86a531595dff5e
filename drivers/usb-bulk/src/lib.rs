//! A function driver for a USB device with a bulk OUT endpoint: what is written to the device goes
//! out there.
//!
//! A write larger than `MaximumPiece`, or than what the USB stack takes at once, goes out in
//! pieces. What the application gets:
//!
//! | what happened | status |
//! |---|---|
//! | the pipe stalled or the bus failed | the USB stack's; the pipe is reset, so that the next write starts afresh |
//! | the device took nothing for `TimeoutMs` | `STATUS_IO_TIMEOUT` |
//! | the device was removed, or is powering down | `STATUS_DEVICE_NOT_CONNECTED` |
//!
//! Parameters, `REG_DWORD` values in the key `Parameters` of the driver's service:
//!
//! | value | meaning | default |
//! |---|---|---|
//! | `MaximumPiece` | bytes in one transfer, 1 to 4,294,967,295 | 65,536 |
//! | `TimeoutMs` | milliseconds until a transfer is cancelled; 0: never | 5,000 |
#![no_std]
#![forbid(unsafe_code)]

extern crate kmdf_panic as _;

use core::num::NonZeroU32;
use core::time::Duration;

use kmdf::{
    Device, DeviceInit, Driver, Error, ErrorKind, EvtIoWrite, Guid, IoTargetState, IoType,
    MemoryDescriptor, NtStatus, Out, Parameters, PipeKey, PipeType, PnpPowerCallbacks, PowerState,
    Queue, QueueConfig, Received, Result, Rundown, SendOptions, SendRequest, TransferError,
    UsbConfiguration, UsbDevice, UsbPipe, send_in_pieces, utf16str,
};

/// The driver: the settings that all its devices share.
#[derive(Debug, Clone, Copy)]
pub struct UsbBulk {
    maximum_piece: NonZeroU32,
    options: SendOptions,
}

kmdf::driver!(UsbBulk);

const MAXIMUM_PIECE: NonZeroU32 = NonZeroU32::new(64 * 1024).unwrap();
const TIMEOUT_MS: u32 = 5_000;
/// By which applications find the device: `{5d9f1c3e-0b52-4c1e-9a63-2f8d7b1e4a60}`.
pub const INTERFACE_CLASS: Guid = Guid::from_u128(0x5d9f1c3e_0b52_4c1e_9a63_2f8d7b1e4a60);
/// Clearing a stall is one control transfer; the USB specification gives those 5 seconds.
const RESET: SendOptions = SendOptions::new().timeout(Duration::from_secs(5));

impl Driver for UsbBulk {
    type Device = BulkDevice;

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

    fn evt_device_add(&self, mut init: DeviceInit<'_, BulkDevice>) -> Result {
        init.set_io_type(IoType::Direct);
        init.set_pnp_power_callbacks();
        let device = init.create(BulkDevice {
            settings: *self,
            hardware: Rundown::new(),
        })?;
        device.create_device_interface(&INTERFACE_CLASS)?;
        // One write at a time, in order: pieces of two writes must not mix.
        Queue::create(
            device,
            QueueConfig::sequential()
                .default_queue()
                .passive_level()
                .synchronized()
                .allow_zero_length()
                .write(),
        )?;
        Ok(())
    }
}

/// One device.
#[derive(Debug)]
pub struct BulkDevice {
    settings: UsbBulk,
    hardware: Rundown<Hardware>,
}

kmdf::context!(BulkDevice);

/// What is there from PrepareHardware to ReleaseHardware.
#[derive(Debug)]
struct Hardware {
    configuration: UsbConfiguration,
    bulk_out: PipeKey<Out>,
}

impl Hardware {
    fn bulk_out(&self) -> Result<UsbPipe<'_, Out>> {
        self.configuration.pipe(&self.bulk_out)
    }
}

impl PnpPowerCallbacks for BulkDevice {
    fn evt_device_prepare_hardware(&self, device: &Device<Self>) -> Result {
        let (configuration, bulk_out) = UsbDevice::create(device)?.select_config(|interfaces| {
            interfaces
                .pipes()
                .filter(|pipe| pipe.information().pipe_type == PipeType::Bulk)
                .find_map(UsbPipe::into_out)
                .map(|pipe| pipe.key())
                .ok_or(Error::NOT_FOUND)
        })?;
        self.hardware
            .publish(Hardware {
                configuration,
                bulk_out,
            })
            .map_err(|_in_use| Error::DEVICE_BUSY)
    }

    fn evt_device_release_hardware(&self, _device: &Device<Self>) -> Result {
        self.hardware.run_down();
        Ok(())
    }

    fn evt_device_d0_entry(&self, _device: &Device<Self>, _previous: PowerState) -> Result {
        self.with_pipe(|pipe| pipe.start())
    }

    /// Nothing else makes a write come back that the device does not take, and the queue waits for
    /// it.
    fn evt_device_self_managed_io_suspend(&self, _device: &Device<Self>) -> Result {
        self.with_pipe(|pipe| pipe.purge())
    }

    fn evt_device_surprise_removal(&self, _device: &Device<Self>) {
        // Fails only where there is no pipe, or not at PASSIVE_LEVEL, where this is called.
        let _no_pipe = self.with_pipe(|pipe| pipe.purge());
    }
}

impl EvtIoWrite for BulkDevice {
    fn evt_io_write(&self, _queue: &Queue<Self>, request: Received<'_>, length: usize) {
        match self.write(&request, length) {
            Ok(written) => request.complete_with_information(NtStatus::SUCCESS, written),
            Err(failed) => {
                request.complete_with_information(failed.error(), failed.bytes().unwrap_or(0))
            }
        }
    }
}

impl BulkDevice {
    fn with_pipe(&self, act: impl FnOnce(UsbPipe<'_, Out>) -> Result) -> Result {
        let hardware = self.hardware.acquire().ok_or(Error::DEVICE_NOT_CONNECTED)?;
        act(hardware.bulk_out()?)
    }

    fn write(&self, request: &Received<'_>, length: usize) -> Result<usize, TransferError> {
        let hardware = self.hardware.acquire().ok_or(Error::DEVICE_NOT_CONNECTED)?;
        let pipe = hardware.bulk_out()?;
        let written = if length == 0 {
            // One zero-length packet.
            pipe.pipe_write_sync(
                SendRequest::Framework,
                MemoryDescriptor::NONE,
                &self.settings.options,
            )
            .map(|sent| sent.bytes())
        } else {
            let memory = request.input_memory()?;
            let maximum = self
                .settings
                .maximum_piece
                .min(pipe.maximum_transfer_size());
            send_in_pieces(&memory, maximum, |piece, _done| {
                pipe.pipe_write_sync(SendRequest::Framework, piece, &self.settings.options)
            })
        };
        written.map_err(|failed| match failed.kind() {
            // Cancelled by the purge of a removal or power-down, or refused after it; the
            // application cancels nothing here, since no request of its own is sent.
            ErrorKind::Cancelled | ErrorKind::InvalidDeviceState | ErrorKind::DeviceGone => {
                failed.with_error(Error::DEVICE_NOT_CONNECTED)
            }
            ErrorKind::DeviceError => {
                // A stalled pipe stays stalled until it is reset. If that fails too, the next
                // write says so.
                let _still_stalled = pipe.reset_sync(&RESET);
                failed
            }
            _ => failed,
        })
    }
}
