//! I/O queues, and the callbacks that take their requests.

use core::fmt;
use core::marker::PhantomData;
use core::num::NonZeroU32;
use core::ptr::{self, NonNull};

use crate::device::Device;
use crate::ffi;
use crate::object::{Context, Object, attributes, object, size_of_u32};
use crate::request::Received;
use crate::status::{Error, NtStatus, Result};

object! {
    /// A queue of a device whose context is of type `D`. Borrowed for a callback, or from its
    /// device.
    #[doc(alias = "WDFQUEUE")]
    pub struct Queue<D> = ffi::WDFQUEUE__;
}

/// Takes the writes of a queue.
pub trait EvtIoWrite: Context {
    /// A write of `length` bytes. Its data: [`Received::input_memory`]. It is completed or
    /// passed on before the callback returns.
    ///
    /// C:
    /// [`EVT_WDF_IO_QUEUE_IO_WRITE`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfio/nc-wdfio-evt_wdf_io_queue_io_write).
    /// IRQL: up to `DISPATCH_LEVEL`; `PASSIVE_LEVEL` with [`QueueConfig::passive_level`].
    #[doc(alias = "EVT_WDF_IO_QUEUE_IO_WRITE")]
    fn evt_io_write(&self, queue: &Queue<Self>, request: Received<'_>, length: usize);
}

/// Takes the reads of a queue.
pub trait EvtIoRead: Context {
    /// A read of `length` bytes.
    ///
    /// C:
    /// [`EVT_WDF_IO_QUEUE_IO_READ`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfio/nc-wdfio-evt_wdf_io_queue_io_read).
    /// IRQL: as for [`EvtIoWrite`].
    #[doc(alias = "EVT_WDF_IO_QUEUE_IO_READ")]
    fn evt_io_read(&self, queue: &Queue<Self>, request: Received<'_>, length: usize);
}

/// Takes the device-control requests of a queue.
pub trait EvtIoDeviceControl: Context {
    /// The control code is in [`Received::parameters`], with both lengths.
    ///
    /// C:
    /// [`EVT_WDF_IO_QUEUE_IO_DEVICE_CONTROL`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfio/nc-wdfio-evt_wdf_io_queue_io_device_control).
    /// IRQL: as for [`EvtIoWrite`].
    #[doc(alias = "EVT_WDF_IO_QUEUE_IO_DEVICE_CONTROL")]
    fn evt_io_device_control(&self, queue: &Queue<Self>, request: Received<'_>, control_code: u32);
}

/// What a queue will be.
///
/// The callbacks are those of the device's context `D`: [`write`](Self::write) and the others name
/// which of them this queue uses.
///
/// C:
/// [`WDF_IO_QUEUE_CONFIG`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfio/ns-wdfio-_wdf_io_queue_config).
#[doc(alias = "WDF_IO_QUEUE_CONFIG")]
#[must_use]
pub struct QueueConfig<D> {
    config: ffi::WDF_IO_QUEUE_CONFIG,
    passive_level: bool,
    synchronized: bool,
    _context: PhantomData<fn() -> D>,
}

impl<D: Context> QueueConfig<D> {
    /// Hands out requests as they come, any number at a time.
    #[doc(alias = "WdfIoQueueDispatchParallel")]
    #[doc(alias = "WDF_IO_QUEUE_CONFIG_INIT")]
    pub fn parallel() -> Self {
        let mut this = Self::new(ffi::DISPATCH_PARALLEL);
        // As WDF_IO_QUEUE_CONFIG_INIT: no limit. 0 would mean that no request is ever handed out.
        this.config.Settings.Parallel.NumberOfPresentedRequests = u32::MAX;
        this
    }

    /// Hands out requests as they come, at most `limit` at a time.
    pub fn parallel_limited(limit: NonZeroU32) -> Self {
        let mut this = Self::new(ffi::DISPATCH_PARALLEL);
        this.config.Settings.Parallel.NumberOfPresentedRequests = limit.get();
        this
    }

    /// Hands out one request at a time: the next when the one before is completed or passed on, and
    /// its callback has returned. Nearly so: see [`synchronized`](Self::synchronized).
    #[doc(alias = "WdfIoQueueDispatchSequential")]
    pub fn sequential() -> Self {
        Self::new(ffi::DISPATCH_SEQUENTIAL)
    }

    fn new(dispatch_type: ffi::WDF_IO_QUEUE_DISPATCH_TYPE) -> Self {
        Self {
            config: ffi::WDF_IO_QUEUE_CONFIG {
                Size: size_of_u32::<ffi::WDF_IO_QUEUE_CONFIG>(),
                DispatchType: dispatch_type,
                PowerManaged: ffi::USE_DEFAULT,
                ..Default::default()
            },
            passive_level: false,
            synchronized: false,
            _context: PhantomData,
        }
    }

    /// Makes it the device's default queue: it gets every request that has no queue of its own. To
    /// be made before the device starts.
    #[doc(alias = "WDF_IO_QUEUE_CONFIG_INIT_DEFAULT_QUEUE")]
    pub fn default_queue(mut self) -> Self {
        self.config.DefaultQueue = ffi::BOOLEAN::from(true);
        self
    }

    /// Has the callbacks run at `PASSIVE_LEVEL`, where synchronous sends are allowed. Without it
    /// they run at up to `DISPATCH_LEVEL`.
    #[doc(alias = "WdfExecutionLevelPassive")]
    pub fn passive_level(mut self) -> Self {
        self.passive_level = true;
        self
    }

    /// Has the framework hold the queue's lock around each callback, so that no two of them run at
    /// the same time: together with [`passive_level`](Self::passive_level) a lock under which one
    /// may wait, without it a spin lock.
    ///
    /// A driver whose callbacks must never overlap needs this even on a
    /// [`sequential`](Self::sequential) queue: the framework may hand out a second request when one
    /// that arrives has been cancelled already.
    #[doc(alias = "WdfSynchronizationScopeQueue")]
    pub fn synchronized(mut self) -> Self {
        self.synchronized = true;
        self
    }

    /// Whether requests are handed out only in D0; when not called, as is usual: yes, but for
    /// filters no.
    pub fn power_managed(mut self, power_managed: bool) -> Self {
        self.config.PowerManaged = if power_managed {
            ffi::TRI_STATE_TRUE
        } else {
            ffi::TRI_STATE_FALSE
        };
        self
    }

    /// Hands out reads and writes of length 0 too, which the framework otherwise completes by
    /// itself: a filter that takes writes hides them from the device below, unless it asks for them
    /// here.
    pub fn allow_zero_length(mut self) -> Self {
        self.config.AllowZeroLengthRequests = ffi::BOOLEAN::from(true);
        self
    }

    /// Writes go to [`EvtIoWrite`].
    pub fn write(mut self) -> Self
    where
        D: EvtIoWrite,
    {
        self.config.EvtIoWrite = Some(evt_io_write::<D>);
        self
    }

    /// Reads go to [`EvtIoRead`].
    pub fn read(mut self) -> Self
    where
        D: EvtIoRead,
    {
        self.config.EvtIoRead = Some(evt_io_read::<D>);
        self
    }

    /// Device-control requests go to [`EvtIoDeviceControl`].
    pub fn device_control(mut self) -> Self
    where
        D: EvtIoDeviceControl,
    {
        self.config.EvtIoDeviceControl = Some(evt_io_device_control::<D>);
        self
    }
}

impl<D> fmt::Debug for QueueConfig<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueConfig")
            .field("dispatch_type", &self.config.DispatchType)
            .field("default_queue", &self.config.DefaultQueue)
            .field("passive_level", &self.passive_level)
            .finish_non_exhaustive()
    }
}

impl<D: Context> Queue<D> {
    /// Makes a queue of `device`.
    ///
    /// C:
    /// [`WdfIoQueueCreate`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfio/nf-wdfio-wdfioqueuecreate).
    /// IRQL: up to `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// * `STATUS_WDF_NO_CALLBACK`: no callback was named.
    /// * `STATUS_INVALID_DEVICE_STATE`: a default queue, but the device has started.
    /// * `STATUS_UNSUCCESSFUL`: a second default queue.
    /// * `STATUS_INSUFFICIENT_RESOURCES`: no memory.
    #[doc(alias = "WdfIoQueueCreate")]
    pub fn create(device: &Device<D>, config: QueueConfig<D>) -> Result<&Self> {
        let mut raw = config.config;
        let mut attributes = attributes();
        if config.passive_level {
            attributes.ExecutionLevel = ffi::EXECUTION_LEVEL_PASSIVE;
        }
        if config.synchronized {
            attributes.SynchronizationScope = ffi::SYNCHRONIZATION_SCOPE_QUEUE;
        }
        let mut handle = ptr::null_mut();
        // SAFETY: the device is live; the rest are locals that live through the call.
        let status = unsafe {
            ffi::WdfIoQueueCreate(
                device.as_raw(),
                &raw mut raw,
                &raw mut attributes,
                &raw mut handle,
            )
        };
        NtStatus::from_raw(status).ok()?;
        let handle = NonNull::new(handle).ok_or(Error::INTERNAL_ERROR)?;
        // SAFETY: a queue is part of its device, and exists as long as it.
        Ok(unsafe { Self::from_raw(handle) })
    }

    /// The device whose queue it is.
    ///
    /// C:
    /// [`WdfIoQueueGetDevice`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfio/nf-wdfio-wdfioqueuegetdevice).
    ///
    /// # Errors
    ///
    /// None that the framework documents.
    #[doc(alias = "WdfIoQueueGetDevice")]
    pub fn device(&self) -> Result<&Device<D>> {
        // SAFETY: the queue is live.
        let device = unsafe { ffi::WdfIoQueueGetDevice(self.as_raw()) };
        let device = NonNull::new(device).ok_or(Error::INTERNAL_ERROR)?;
        // SAFETY: a queue's device exists as long as the queue; `Queue<D>` is made only for a
        // `Device<D>`.
        Ok(unsafe { Device::from_raw(device) })
    }
}

/// Calls `callback` with what the framework presented. When the device's context is not there the
/// request is completed with that error.
///
/// # Safety
///
/// `queue` and `request` are those of the queue callback that is running, for a queue that was made
/// for a `Device<D>`.
unsafe fn present<D: Context>(
    queue: ffi::WDFQUEUE,
    request: ffi::WDFREQUEST,
    callback: impl FnOnce(&D, &Queue<D>, Received<'_>),
) {
    let (Some(handle), Some(request)) = (NonNull::new(queue), NonNull::new(request)) else {
        return;
    };
    // SAFETY: the framework keeps a queue, and its device, until its callbacks have returned.
    let live = unsafe { Queue::<D>::from_raw(handle) };
    // SAFETY: the framework just presented the request.
    let request = unsafe { Received::from_raw(request, queue) };
    match live.device().and_then(Device::context) {
        Ok(context) => callback(context, live, request),
        Err(error) => request.complete(error),
    }
}

unsafe extern "C" fn evt_io_write<D: EvtIoWrite>(
    queue: ffi::WDFQUEUE,
    request: ffi::WDFREQUEST,
    length: usize,
) {
    // SAFETY: the framework calls this for queues that `Queue::create` made for a `Device<D>`.
    unsafe {
        present(queue, request, |context: &D, queue, request| {
            context.evt_io_write(queue, request, length)
        })
    };
}

unsafe extern "C" fn evt_io_read<D: EvtIoRead>(
    queue: ffi::WDFQUEUE,
    request: ffi::WDFREQUEST,
    length: usize,
) {
    // SAFETY: as in `evt_io_write`.
    unsafe {
        present(queue, request, |context: &D, queue, request| {
            context.evt_io_read(queue, request, length)
        })
    };
}

unsafe extern "C" fn evt_io_device_control<D: EvtIoDeviceControl>(
    queue: ffi::WDFQUEUE,
    request: ffi::WDFREQUEST,
    _output_length: usize,
    _input_length: usize,
    control_code: ffi::ULONG,
) {
    // SAFETY: as in `evt_io_write`.
    unsafe {
        present(queue, request, |context: &D, queue, request| {
            context.evt_io_device_control(queue, request, control_code)
        })
    };
}
