// A driver whose write callback does what a test says, in the model, over a device that the test
// chooses. Included by the examples of the documentation too, therefore no inner attributes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use kmdf::{
    Device, DeviceInit, Driver, Error, EvtIoDeviceControl, EvtIoWrite, IoType, MemoryDescriptor,
    NtStatus, Out, Parameters, PipeKey, PipeType, PnpPowerCallbacks, Queue, QueueConfig, Received,
    Result, Rundown, SendOptions, SendRequest, TransferError, Transferred, UsbConfiguration,
    UsbDevice, UsbPipe, Utf16Str, utf16str,
};
use kmdf_host::{
    FileId, Host, HostConfig, IoResult, LowerConfig, LowerDevice, LowerId, Report, StackId, Ticks,
    UsbDescriptors, UsbInterface,
};
use kmdf_sys::ntddk::{KeLowerIrql, KfRaiseIrql};

/// What [`Setup`] asks of the driver, and what its callbacks do. All logical threads of a host run on one thread, the test's.
#[derive(Clone)]
struct Plan {
    setup: Setup,
    on_write: Rc<OnWrite>,
    on_control: Rc<OnControl>,
}

type OnWrite = dyn Fn(&Queue<Probe>, Received<'_>);
type OnControl = dyn Fn(&Queue<Probe>, Received<'_>, u32);

thread_local! {
    static PLAN: RefCell<Option<Plan>> = const { RefCell::new(None) };
}

fn plan() -> Plan {
    PLAN.with_borrow(|plan| plan.clone().expect("a World exists"))
}

/// The world of a test.
#[derive(Clone, Copy)]
pub struct Setup {
    pub seed: u64,
    pub io_type: IoType,
    pub verifier: bool,
    pub trace: bool,
    pub preempt: bool,
    /// Locks the buffers of neither I/O in the caller's context.
    pub lock_caller_buffers: bool,
    pub allow_zero_length: bool,
    /// Queue callbacks at PASSIVE_LEVEL.
    pub passive_level: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            seed: 1,
            io_type: IoType::Buffered,
            verifier: true,
            trace: false,
            preempt: false,
            lock_caller_buffers: true,
            allow_zero_length: false,
            passive_level: true,
        }
    }
}

impl Setup {
    fn host(self) -> Host {
        Host::new(
            HostConfig::new()
                .seed(self.seed)
                .verifier(self.verifier)
                .trace(self.trace)
                .preempt(self.preempt),
        )
    }

    pub fn host_io_type(self) -> kmdf_host::IoType {
        match self.io_type {
            IoType::Buffered => kmdf_host::IoType::Buffered,
            IoType::Direct => kmdf_host::IoType::Direct,
            IoType::Neither => kmdf_host::IoType::Neither,
        }
    }
}

/// A filter over a general device.
mod filter {
    use super::*;

    pub(super) struct FilterDriver;
    kmdf::driver!(FilterDriver);

    impl Driver for FilterDriver {
        type Device = Probe;

        fn load(_parameters: &Parameters<'_>) -> Result<Self> {
            Ok(Self)
        }

        fn evt_device_add(&self, mut init: DeviceInit<'_, Probe>) -> Result {
            init.set_filter();
            add(init)
        }
    }
}

/// A function driver for a USB device.
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
            init.set_io_type(plan().setup.io_type);
            init.set_pnp_power_callbacks();
            add(init)
        }
    }
}

fn add(mut init: DeviceInit<'_, Probe>) -> Result {
    let setup = plan().setup;
    if setup.lock_caller_buffers {
        init.lock_caller_buffers();
    }
    let device = init.create(Probe {
        usb: Rundown::new(),
    })?;
    let mut config = QueueConfig::parallel()
        .default_queue()
        .write()
        .device_control();
    if setup.passive_level {
        config = config.passive_level();
    }
    if setup.allow_zero_length {
        config = config.allow_zero_length();
    }
    Queue::create(device, config)?;
    Ok(())
}

/// Context of the device.
pub struct Probe {
    pub usb: Rundown<Usb>,
}
kmdf::context!(Probe);

/// A selected configuration and its first bulk or interrupt OUT pipe.
pub struct Usb {
    pub configuration: UsbConfiguration,
    pub out: PipeKey<Out>,
}

impl Usb {
    pub fn pipe(&self) -> UsbPipe<'_, Out> {
        self.configuration
            .pipe(&self.out)
            .expect("the key is of this configuration")
    }
}

impl PnpPowerCallbacks for Probe {
    fn evt_device_prepare_hardware(&self, device: &Device<Self>) -> Result {
        let (configuration, out) = UsbDevice::create(device)?.select_config(|interfaces| {
            let mut pipes = interfaces.pipes().filter_map(UsbPipe::into_out);
            let pipe = pipes.find(|pipe| {
                matches!(
                    pipe.information().pipe_type,
                    PipeType::Bulk | PipeType::Interrupt
                )
            });
            pipe.map(|pipe| pipe.key()).ok_or(Error::NOT_FOUND)
        })?;
        self.usb
            .publish(Usb { configuration, out })
            .map_err(|_in_use| Error::DEVICE_BUSY)
    }

    fn evt_device_release_hardware(&self, _device: &Device<Self>) -> Result {
        self.usb.run_down();
        Ok(())
    }
}

impl EvtIoWrite for Probe {
    fn evt_io_write(&self, queue: &Queue<Self>, request: Received<'_>, _length: usize) {
        (plan().on_write)(queue, request);
    }
}

impl EvtIoDeviceControl for Probe {
    fn evt_io_device_control(&self, queue: &Queue<Self>, request: Received<'_>, control_code: u32) {
        (plan().on_control)(queue, request, control_code);
    }
}

/// A host with one device of the probe driver, started, and open.
pub struct World {
    pub host: Host,
    pub lower: LowerId,
    pub stack: StackId,
    pub file: FileId,
}

/// The name of the second device, which the driver can open.
pub const REMOTE: &str = r"\Device\Remote0";
/// The same, as the driver needs it.
pub const REMOTE_UTF16: &Utf16Str = utf16str!("\\Device\\Remote0");

impl World {
    /// A filter over `device`.
    pub fn filter(setup: Setup, device: impl LowerDevice) -> Self {
        Self::new(setup, device, filter::driver_entry)
    }

    /// A function driver on `device`, a USB device.
    pub fn usb(setup: Setup, device: kmdf_host::UsbDevice) -> Self {
        Self::new(setup, device, usb_function::driver_entry)
    }

    fn new(setup: Setup, device: impl LowerDevice, entry: kmdf_host::DriverEntry) -> Self {
        PLAN.set(Some(Plan {
            setup,
            on_write: Rc::new(|_queue, request| request.complete(NtStatus::SUCCESS)),
            on_control: Rc::new(|_queue, request, _code| request.complete(NtStatus::SUCCESS)),
        }));
        let host = setup.host();
        let lower = host.add_lower(
            device,
            LowerConfig::new("lower").io_type(setup.host_io_type()),
        );
        let driver = host.load("probe", entry).unwrap();
        let stack = host.plug(lower, &[driver]).unwrap();
        let file = host.open(stack).unwrap();
        Self {
            host,
            lower,
            stack,
            file,
        }
    }

    /// Adds the second device, under the name [`REMOTE`].
    pub fn add_remote(&self, device: impl LowerDevice, stack_size: usize) -> LowerId {
        let io_type = plan().setup.host_io_type();
        self.host.add_lower(
            device,
            LowerConfig::new("remote")
                .io_type(io_type)
                .stack_size(stack_size)
                .named(REMOTE),
        )
    }

    /// What the driver does with writes from now on.
    pub fn on_write(&self, body: impl Fn(&Queue<Probe>, Received<'_>) + 'static) {
        PLAN.with_borrow_mut(|plan| {
            plan.as_mut().expect("a World exists").on_write = Rc::new(body)
        });
    }

    /// What the driver does with device controls from now on.
    pub fn on_control(&self, body: impl Fn(&Queue<Probe>, Received<'_>, u32) + 'static) {
        PLAN.with_borrow_mut(|plan| {
            plan.as_mut().expect("a World exists").on_control = Rc::new(body)
        });
    }

    /// An application writes `data`, at offset 0.
    pub fn write(&self, data: &[u8]) -> IoResult {
        self.host.write(self.file, 0, data).unwrap()
    }

    /// Runs `body` in the driver's write callback, for a write of `data`, which is completed with success afterwards.
    pub fn in_driver_with<R: 'static>(
        &self,
        data: &[u8],
        body: impl FnOnce(&Device<Probe>, &Received<'_>) -> R + 'static,
    ) -> R {
        let result = Rc::new(Cell::new(None));
        let body = Cell::new(Some(body));
        let place = Rc::clone(&result);
        self.on_write(move |queue, request| {
            let body = body.take().expect("one write");
            let device = queue.device().expect("a queue has a device");
            place.set(Some(body(device, &request)));
            request.complete(NtStatus::SUCCESS);
        });
        let written = self.write(data);
        assert_eq!(written.status, 0, "the probe's own request");
        result.take().expect("the write reached the driver")
    }

    /// Runs `body` in the driver's write callback.
    pub fn in_driver<R: 'static>(
        &self,
        body: impl FnOnce(&Device<Probe>, &Received<'_>) -> R + 'static,
    ) -> R {
        self.in_driver_with(b"?", body)
    }

    /// Removes the device and unloads the driver: nothing may be left over, and nothing may have gone wrong.
    #[track_caller]
    pub fn finish(self) -> Report {
        let report = self.host.finish();
        PLAN.set(None);
        assert!(report.is_clean(), "{report}");
        report
    }
}

pub type Sent = Result<Transferred, TransferError>;

/// A USB device with a bulk endpoint each way.
pub fn usb_device() -> kmdf_host::UsbDevice {
    let interface = UsbInterface::new(0).bulk(0x81, 512).bulk(0x01, 512);
    kmdf_host::UsbDevice::new(UsbDescriptors::new(0x1209, 0x0001).interface(interface))
}

pub fn ms(ms: u64) -> Ticks {
    Ticks::from_millis(ms)
}

/// A time-out of 10 ms.
pub fn soon() -> SendOptions {
    SendOptions::new().timeout(Duration::from_millis(10))
}

/// Writes `data` to the device below.
pub fn send<'r>(
    device: &Device<Probe>,
    request: impl Into<SendRequest<'r>>,
    data: &[u8],
    options: &SendOptions,
) -> Sent {
    device
        .io_target()?
        .send_write_sync(request, MemoryDescriptor::bytes(data)?, None, options)
}

/// Writes `data` to the USB device's pipe.
pub fn pipe_write(device: &Device<Probe>, data: &[u8], options: &SendOptions) -> Sent {
    let usb = device
        .context()?
        .usb
        .acquire()
        .ok_or(Error::DEVICE_NOT_CONNECTED)?;
    usb.pipe().pipe_write_sync(
        SendRequest::Framework,
        MemoryDescriptor::bytes(data)?,
        options,
    )
}

/// Runs `f` at `DISPATCH_LEVEL`.
pub fn raised<R>(f: impl FnOnce() -> R) -> R {
    // SAFETY: raised for `f` alone and lowered to what it was.
    let before = unsafe { KfRaiseIrql(2) };
    let result = f();
    // SAFETY: as above.
    unsafe { KeLowerIrql(before) };
    result
}
