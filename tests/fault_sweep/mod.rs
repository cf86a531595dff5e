//! One driver for each sort of device, which does what an [`Operation`] says with every request, and its whole life as a
//! scenario that a sweep can repeat.

pub(crate) mod operations;
pub(crate) mod surface;

use std::cell::Cell;
use std::time::Duration;

use kmdf::{
    Device, DeviceInit, Driver, EvtIoDeviceControl, EvtIoRead, EvtIoWrite, Guid, NtStatus, Out,
    Parameters, PipeKey, PnpPowerCallbacks, Queue, QueueConfig, Received, Result, Rundown,
    SendOptions, TransferError, UsbConfiguration, UsbDevice, UsbPipe, Utf16Str, utf16str,
};
use kmdf_host::{
    Disk, Host, HostConfig, LowerConfig, StackId, Stop, Sweep, SweepReport, UsbDescriptors,
    UsbInterface,
};

pub(crate) type Done = Result<usize, TransferError>;

/// What an operation does with a request.
#[derive(Clone, Copy)]
pub(crate) enum Body {
    /// Uses it; it is completed with the result.
    Uses(fn(&Device<Probe>, &mut Received<'_>) -> Done),
    /// Gives it away.
    Consumes(fn(Received<'_>)),
}

/// What is below the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Below {
    Disk(kmdf_host::IoType),
    Usb,
}

/// What the application sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sends {
    Write,
    Read,
    Control,
}

/// One use of the library's public functions.
#[derive(Clone, Copy)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) below: Below,
    pub(crate) sends: Sends,
    pub(crate) body: Body,
}

thread_local! {
    static OPERATION: Cell<Option<Operation>> = const { Cell::new(None) };
}

fn operation() -> Operation {
    OPERATION.get().expect("a sweep goes on")
}

/// What the application writes.
pub(crate) const DATA: &[u8; 16] = b"sixteen bytes of";
/// A second device, which the driver can open.
pub(crate) const REMOTE: &str = r"\Device\Remote0";
/// The same, as the driver needs it.
pub(crate) const REMOTE_UTF16: &Utf16Str = utf16str!("\\Device\\Remote0");
/// METHOD_BUFFERED.
const CONTROL_CODE: u32 = 0x0022_2000;
const INTERFACE: Guid = Guid::from_u128(0x6b1d_2a3c_0f4e_4a5b_8c9d_1e2f_3a4b_5c6d);

/// A time-out for every send, since some faults are devices that never answer.
pub(crate) fn options() -> SendOptions {
    SendOptions::new().timeout(Duration::from_millis(10))
}

mod filter {
    use super::*;

    pub(super) struct FilterDriver;
    kmdf::driver!(FilterDriver);

    impl Driver for FilterDriver {
        type Device = Probe;

        fn load(parameters: &Parameters<'_>) -> Result<Self> {
            let _default = parameters.query_u32(utf16str!("MaximumPiece"))?;
            Ok(Self)
        }

        fn evt_device_add(&self, mut init: DeviceInit<'_, Probe>) -> Result {
            init.set_filter();
            init.lock_caller_buffers();
            add(init)
        }
    }
}

mod usb_function {
    use super::*;

    pub(super) struct UsbDriver;
    kmdf::driver!(UsbDriver);

    impl Driver for UsbDriver {
        type Device = Probe;

        fn load(_parameters: &Parameters<'_>) -> Result<Self> {
            Ok(Self)
        }

        fn evt_device_add(&self, mut init: DeviceInit<'_, Probe>) -> Result {
            init.set_io_type(kmdf::IoType::Direct);
            init.set_pnp_power_callbacks();
            add(init)
        }
    }
}

fn add(init: DeviceInit<'_, Probe>) -> Result {
    let device = init.create(Probe {
        usb: Rundown::new(),
    })?;
    device.create_device_interface(&INTERFACE)?;
    let config = QueueConfig::parallel()
        .default_queue()
        .passive_level()
        .write()
        .read()
        .device_control();
    Queue::create(device, config)?;
    Ok(())
}

pub(crate) struct Probe {
    usb: Rundown<Usb>,
}
kmdf::context!(Probe);

struct Usb {
    configuration: UsbConfiguration,
    out: PipeKey<Out>,
}

impl Probe {
    /// Calls `f` with the OUT pipe.
    pub(crate) fn with_pipe<R>(
        &self,
        f: impl FnOnce(UsbPipe<'_, Out>) -> Result<R, TransferError>,
    ) -> Result<R, TransferError> {
        let usb = self
            .usb
            .acquire()
            .ok_or(kmdf::Error::DEVICE_NOT_CONNECTED)?;
        f(usb.configuration.pipe(&usb.out)?)
    }
}

impl PnpPowerCallbacks for Probe {
    fn evt_device_prepare_hardware(&self, device: &Device<Self>) -> Result {
        let (configuration, out) = UsbDevice::create(device)?.select_config(|interfaces| {
            let pipe = interfaces.pipes().find_map(UsbPipe::into_out);
            pipe.map(|pipe| pipe.key()).ok_or(kmdf::Error::NOT_FOUND)
        })?;
        let published = self.usb.publish(Usb { configuration, out });
        published.map_err(|_in_use| kmdf::Error::DEVICE_BUSY)
    }

    fn evt_device_release_hardware(&self, _device: &Device<Self>) -> Result {
        self.usb.run_down();
        Ok(())
    }
}

fn perform(queue: &Queue<Probe>, mut request: Received<'_>) {
    let done = match operation().body {
        Body::Consumes(body) => return body(request),
        Body::Uses(body) => queue
            .device()
            .map_err(TransferError::from)
            .and_then(|device| body(device, &mut request)),
    };
    match done {
        Ok(bytes) => request.complete_with_information(NtStatus::SUCCESS, bytes),
        Err(failed) => request.complete(failed.error()),
    }
}

impl EvtIoWrite for Probe {
    fn evt_io_write(&self, queue: &Queue<Self>, request: Received<'_>, _length: usize) {
        perform(queue, request);
    }
}

impl EvtIoRead for Probe {
    fn evt_io_read(&self, queue: &Queue<Self>, request: Received<'_>, _length: usize) {
        perform(queue, request);
    }
}

impl EvtIoDeviceControl for Probe {
    fn evt_io_device_control(&self, queue: &Queue<Self>, request: Received<'_>, _code: u32) {
        perform(queue, request);
    }
}

/// The driver's life: loaded, plugged in, used twice, stopped and started, used, removed, unloaded.
fn scenario(host: &Host) -> Result<(), Stop> {
    let Operation { below, sends, .. } = operation();
    let (lower, entry): (_, kmdf_host::DriverEntry) = match below {
        Below::Disk(io_type) => {
            let config = |name| LowerConfig::new(name).io_type(io_type);
            host.add_lower(Disk::in_memory(), config("remote").named(REMOTE));
            let disk = host.add_lower(Disk::in_memory(), config("disk"));
            (disk, filter::driver_entry)
        }
        Below::Usb => {
            let interface = UsbInterface::new(0).bulk(0x81, 512).bulk(0x01, 512);
            let device = UsbDescriptors::new(0x1209, 0x0001).interface(interface);
            let device = host.add_lower(
                kmdf_host::UsbDevice::new(device),
                LowerConfig::new("usb device"),
            );
            (device, usb_function::driver_entry)
        }
    };
    let driver = host.load("probe", entry)?;
    let used = host.plug(lower, &[driver]).and_then(|stack| {
        let used = use_device(host, stack, sends);
        host.remove(stack).and(used)
    });
    // What is left below the driver would be deleted with it, and yet was forgotten.
    let left = host
        .driver_of(driver)
        .map(|(_, _, driver)| children(host, driver));
    assert_eq!(left, Some(0), "objects were left when the device was gone");
    host.unload(driver)?;
    used
}

fn children<H>(host: &Host, object: *mut H) -> usize {
    host.object_state(object).map_or(0, |state| state.children)
}

fn use_device(host: &Host, stack: StackId, sends: Sends) -> Result<(), Stop> {
    let file = host.open(stack)?;
    let send = || {
        // A filter that has no device is not there.
        let devices = host.device_handles(stack);
        let count = || {
            devices
                .iter()
                .map(|&device| children(host, device))
                .sum::<usize>()
        };
        let before = count();
        match sends {
            Sends::Write => host.write(file, 0, DATA),
            Sends::Read => host.read(file, 0, &mut [0; DATA.len()]),
            Sends::Control => host.ioctl(file, CONTROL_CODE, DATA, &mut [0; DATA.len()]),
        }?;
        assert_eq!(
            count(),
            before,
            "objects were left when the request was done"
        );
        Ok(())
    };
    send()?;
    host.stop(stack)?;
    host.start(stack)?;
    send()?;
    host.close(file)
}

/// Everything that can fail around an operation, once each, and some pairs.
pub(crate) fn sweep(operation: Operation, seed: u64, pairs: usize) -> SweepReport {
    OPERATION.set(Some(operation));
    let config = HostConfig::new().seed(seed).verifier(true);
    let report = Host::sweep_faults(&Sweep::new(config).seed(seed).pairs(pairs), scenario);
    OPERATION.set(None);
    report
}

/// The operation without a fault: how the application's requests end.
pub(crate) fn undisturbed(operation: Operation) -> Vec<i32> {
    OPERATION.set(Some(operation));
    let host = Host::new(HostConfig::new().verifier(true).trace(true));
    scenario(&host).expect("nothing fails");
    let statuses = host
        .trace()
        .records
        .iter()
        .filter_map(|record| match record.event {
            kmdf_host::Event::IoCompleted { status, .. } => Some(status),
            _ => None,
        })
        .collect();
    let report = host.finish();
    assert!(report.is_clean(), "{}: {report}", operation.name);
    OPERATION.set(None);
    statuses
}
