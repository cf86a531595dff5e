//! A raw driver for tests: its callbacks are Rust closures, its calls go through the function table as a C driver's do.

#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::missing_safety_doc, reason = "the functions of a test driver")]
#![allow(clippy::type_complexity, reason = "callbacks as closures")]

use std::cell::RefCell;
use std::ffi::c_void;
use std::ptr;
use std::rc::Rc;

use kmdf_host::{
    Host, HostConfig, LowerConfig, LowerDevice, LowerId, StackId, Stop, ViolationKind,
};
use kmdf_sys::*;

/// Calls a WDF function.
macro_rules! wdf {
    ($name:ident($($argument:expr),* $(,)?)) => {
        // SAFETY: a test calls what it means to call; the model checks the rest.
        unsafe { kmdf_sys::call_unsafe_wdf_function_binding!($name, $($argument),*) }
    };
}
pub(crate) use wdf;

/// What a test puts into the driver.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) filter: bool,
    pub(crate) io_type: Option<WDF_DEVICE_IO_TYPE>,
    pub(crate) queue: Option<Box<dyn Fn(WDFDEVICE)>>,
    pub(crate) init: Option<Box<dyn Fn(PWDFDEVICE_INIT)>>,
    pub(crate) write: Option<Rc<dyn Fn(WDFQUEUE, WDFREQUEST, usize)>>,
    pub(crate) read: Option<Rc<dyn Fn(WDFQUEUE, WDFREQUEST, usize)>>,
    pub(crate) control: Option<Rc<dyn Fn(WDFQUEUE, WDFREQUEST, usize, usize, u32)>>,
    pub(crate) default: Option<Rc<dyn Fn(WDFQUEUE, WDFREQUEST)>>,
    pub(crate) stop: Option<Rc<dyn Fn(WDFQUEUE, WDFREQUEST, u32)>>,
    pub(crate) resume: Option<Rc<dyn Fn(WDFQUEUE, WDFREQUEST)>>,
    pub(crate) cancelled: Option<Rc<dyn Fn(WDFREQUEST)>>,
    pub(crate) canceled_on_queue: Option<Rc<dyn Fn(WDFQUEUE, WDFREQUEST)>>,
    pub(crate) completed: Option<Rc<dyn Fn(WDFREQUEST, NTSTATUS, u64)>>,
    pub(crate) state: Option<Rc<dyn Fn(WDFQUEUE, WDFCONTEXT)>>,
}

thread_local! {
    static HOOKS: RefCell<Hooks> = RefCell::new(Hooks::default());
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static DEVICE: RefCell<WDFDEVICE> = const { RefCell::new(ptr::null_mut()) };
}

pub(crate) fn log(text: impl Into<String>) {
    LOG.with_borrow_mut(|log| log.push(text.into()));
}

pub(crate) fn take_log() -> Vec<String> {
    LOG.with_borrow_mut(std::mem::take)
}

pub(crate) fn device() -> WDFDEVICE {
    DEVICE.with_borrow(|device| *device)
}

pub(crate) fn hook(change: impl FnOnce(&mut Hooks)) {
    HOOKS.with_borrow_mut(change);
}

pub(crate) fn size<T>() -> u32 {
    u32::try_from(size_of::<T>()).unwrap()
}

pub(crate) fn attributes() -> WDF_OBJECT_ATTRIBUTES {
    WDF_OBJECT_ATTRIBUTES {
        Size: size::<WDF_OBJECT_ATTRIBUTES>(),
        ExecutionLevel: _WDF_EXECUTION_LEVEL::WdfExecutionLevelInheritFromParent,
        SynchronizationScope: _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeInheritFromParent,
        ..Default::default()
    }
}

pub(crate) fn queue_config(dispatch: WDF_IO_QUEUE_DISPATCH_TYPE) -> WDF_IO_QUEUE_CONFIG {
    let mut config = WDF_IO_QUEUE_CONFIG {
        Size: size::<WDF_IO_QUEUE_CONFIG>(),
        DispatchType: dispatch,
        PowerManaged: _WDF_TRI_STATE::WdfUseDefault,
        ..Default::default()
    };
    if dispatch == _WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchParallel {
        config.Settings.Parallel.NumberOfPresentedRequests = u32::MAX;
    }
    config
}

/// A default queue with a callback for every hook that is set.
pub(crate) fn default_queue(dispatch: WDF_IO_QUEUE_DISPATCH_TYPE) -> WDF_IO_QUEUE_CONFIG {
    let mut config = queue_config(dispatch);
    config.DefaultQueue = 1;
    fill(&mut config);
    config
}

pub(crate) fn fill(config: &mut WDF_IO_QUEUE_CONFIG) {
    HOOKS.with_borrow(|hooks| {
        config.EvtIoWrite = hooks.write.is_some().then_some(evt_write as _);
        config.EvtIoRead = hooks.read.is_some().then_some(evt_read as _);
        config.EvtIoDeviceControl = hooks.control.is_some().then_some(evt_control as _);
        config.EvtIoDefault = hooks.default.is_some().then_some(evt_default as _);
        config.EvtIoStop = hooks.stop.is_some().then_some(evt_stop as _);
        config.EvtIoResume = hooks.resume.is_some().then_some(evt_resume as _);
        config.EvtIoCanceledOnQueue = hooks
            .canceled_on_queue
            .is_some()
            .then_some(evt_canceled_on_queue as _);
    });
}

pub(crate) fn create_queue(device: WDFDEVICE, mut config: WDF_IO_QUEUE_CONFIG) -> WDFQUEUE {
    let mut queue = ptr::null_mut();
    let status = wdf!(WdfIoQueueCreate(
        device,
        &raw mut config,
        ptr::null_mut(),
        &raw mut queue
    ));
    assert_eq!(status, STATUS_SUCCESS);
    queue
}

macro_rules! hooked {
    ($field:ident($($argument:expr),*)) => {{
        let hook = HOOKS.with_borrow(|hooks| hooks.$field.clone());
        if let Some(hook) = hook {
            hook($($argument),*);
        }
    }};
}

unsafe extern "C" fn evt_write(queue: WDFQUEUE, request: WDFREQUEST, length: usize) {
    hooked!(write(queue, request, length));
}

unsafe extern "C" fn evt_read(queue: WDFQUEUE, request: WDFREQUEST, length: usize) {
    hooked!(read(queue, request, length));
}

unsafe extern "C" fn evt_control(
    queue: WDFQUEUE,
    request: WDFREQUEST,
    output: usize,
    input: usize,
    code: ULONG,
) {
    hooked!(control(queue, request, output, input, code));
}

unsafe extern "C" fn evt_default(queue: WDFQUEUE, request: WDFREQUEST) {
    hooked!(default(queue, request));
}

unsafe extern "C" fn evt_stop(queue: WDFQUEUE, request: WDFREQUEST, flags: ULONG) {
    hooked!(stop(queue, request, flags));
}

unsafe extern "C" fn evt_resume(queue: WDFQUEUE, request: WDFREQUEST) {
    hooked!(resume(queue, request));
}

unsafe extern "C" fn evt_canceled_on_queue(queue: WDFQUEUE, request: WDFREQUEST) {
    hooked!(canceled_on_queue(queue, request));
}

pub(crate) unsafe extern "C" fn evt_cancel(request: WDFREQUEST) {
    hooked!(cancelled(request));
}

pub(crate) unsafe extern "C" fn evt_state(queue: WDFQUEUE, context: WDFCONTEXT) {
    hooked!(state(queue, context));
}

pub(crate) unsafe extern "C" fn evt_completed(
    request: WDFREQUEST,
    _target: WDFIOTARGET,
    params: PWDF_REQUEST_COMPLETION_PARAMS,
    _context: WDFCONTEXT,
) {
    // SAFETY: the framework passes valid parameters.
    let params = unsafe { params.read() };
    // SAFETY: the status is what the framework stores in the union.
    let status = unsafe { params.IoStatus.__bindgen_anon_1.Status };
    hooked!(completed(request, status, params.IoStatus.Information));
}

pub(crate) unsafe extern "system" fn driver_entry(
    driver: PDRIVER_OBJECT,
    path: PCUNICODE_STRING,
) -> NTSTATUS {
    let mut config = WDF_DRIVER_CONFIG {
        Size: size::<WDF_DRIVER_CONFIG>(),
        EvtDriverDeviceAdd: Some(evt_device_add),
        EvtDriverUnload: Some(evt_unload),
        ..Default::default()
    };
    wdf!(WdfDriverCreate(
        driver,
        path,
        ptr::null_mut(),
        &raw mut config,
        ptr::null_mut()
    ))
}

unsafe extern "C" fn evt_unload(_driver: WDFDRIVER) {
    log("EvtDriverUnload");
}

unsafe extern "C" fn evt_device_add(_driver: WDFDRIVER, mut init: PWDFDEVICE_INIT) -> NTSTATUS {
    let (filter, io_type, queue, more) = HOOKS.with_borrow_mut(|hooks| {
        (
            hooks.filter,
            hooks.io_type,
            hooks.queue.take(),
            hooks.init.take(),
        )
    });
    if filter {
        wdf!(WdfFdoInitSetFilter(init));
    }
    if let Some(io_type) = io_type {
        wdf!(WdfDeviceInitSetIoType(init, io_type));
    }
    if let Some(more) = more {
        more(init);
    }
    let mut device = ptr::null_mut();
    let status = wdf!(WdfDeviceCreate(
        &raw mut init,
        ptr::null_mut(),
        &raw mut device
    ));
    if status != STATUS_SUCCESS {
        return status;
    }
    DEVICE.set(device);
    match queue {
        Some(queue) => queue(device),
        None => {
            let any = HOOKS.with_borrow(|hooks| {
                hooks.write.is_some()
                    || hooks.read.is_some()
                    || hooks.control.is_some()
                    || hooks.default.is_some()
            });
            if any {
                create_queue(
                    device,
                    default_queue(_WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchParallel),
                );
            }
        }
    }
    STATUS_SUCCESS
}

/// A machine with one driver on one lower device.
pub(crate) struct Bench {
    pub(crate) host: Host,
    pub(crate) stack: StackId,
    pub(crate) lower: LowerId,
}

pub(crate) fn bench(config: HostConfig, lower: impl LowerDevice + 'static, hooks: Hooks) -> Bench {
    bench_on(config, lower, LowerConfig::new("disk"), hooks)
}

pub(crate) fn bench_on(
    config: HostConfig,
    lower: impl LowerDevice + 'static,
    on: LowerConfig,
    hooks: Hooks,
) -> Bench {
    let host = Host::new(config);
    let (stack, lower) = attach(&host, lower, on, hooks).expect("the stack starts");
    Bench { host, stack, lower }
}

/// Loads the driver into a machine and starts a stack of it on a lower device.
pub(crate) fn attach(
    host: &Host,
    lower: impl LowerDevice + 'static,
    on: LowerConfig,
    hooks: Hooks,
) -> Result<(StackId, LowerId), Stop> {
    HOOKS.set(hooks);
    LOG.set(Vec::new());
    let driver = host.load("filter", driver_entry)?;
    let lower = host.add_lower(lower, on);
    let stack = host.plug(lower, &[driver])?;
    Ok((stack, lower))
}

/// Runs `f` as driver code and returns its result.
pub(crate) fn on_thread<R: 'static>(host: &Host, f: impl FnOnce() -> R + 'static) -> R {
    let slot = Rc::new(RefCell::new(None));
    let result = Rc::clone(&slot);
    host.spawn("test", move || {
        let value = f();
        *result.borrow_mut() = Some(value);
    });
    host.run().expect("the host runs on");
    slot.borrow_mut().take().expect("the thread ended")
}

pub(crate) fn target() -> WDFIOTARGET {
    wdf!(WdfDeviceGetIoTarget(device()))
}

pub(crate) fn buffer_descriptor(buffer: *const u8, length: u32) -> WDF_MEMORY_DESCRIPTOR {
    let mut descriptor = WDF_MEMORY_DESCRIPTOR {
        Type: _WDF_MEMORY_DESCRIPTOR_TYPE::WdfMemoryDescriptorTypeBuffer,
        ..Default::default()
    };
    descriptor.u.BufferType.Buffer = buffer.cast_mut().cast();
    descriptor.u.BufferType.Length = length;
    descriptor
}

pub(crate) fn memory_descriptor(
    memory: WDFMEMORY,
    offsets: *mut WDFMEMORY_OFFSET,
) -> WDF_MEMORY_DESCRIPTOR {
    let mut descriptor = WDF_MEMORY_DESCRIPTOR {
        Type: _WDF_MEMORY_DESCRIPTOR_TYPE::WdfMemoryDescriptorTypeHandle,
        ..Default::default()
    };
    descriptor.u.HandleType.Memory = memory;
    descriptor.u.HandleType.Offsets = offsets;
    descriptor
}

pub(crate) fn options(flags: i32, timeout: i64) -> WDF_REQUEST_SEND_OPTIONS {
    WDF_REQUEST_SEND_OPTIONS {
        Size: size::<WDF_REQUEST_SEND_OPTIONS>(),
        Flags: flags.cast_unsigned(),
        Timeout: timeout,
    }
}

pub(crate) const TIMEOUT: i32 = _WDF_REQUEST_SEND_OPTIONS_FLAGS::WDF_REQUEST_SEND_OPTION_TIMEOUT;
pub(crate) const SYNCHRONOUS: i32 =
    _WDF_REQUEST_SEND_OPTIONS_FLAGS::WDF_REQUEST_SEND_OPTION_SYNCHRONOUS;
pub(crate) const IGNORE_STATE: i32 =
    _WDF_REQUEST_SEND_OPTIONS_FLAGS::WDF_REQUEST_SEND_OPTION_IGNORE_TARGET_STATE;
pub(crate) const FORGET: i32 =
    _WDF_REQUEST_SEND_OPTIONS_FLAGS::WDF_REQUEST_SEND_OPTION_SEND_AND_FORGET;

pub(crate) fn ms(milliseconds: i64) -> i64 {
    -10_000 * milliseconds
}

/// A synchronous write of `data` with everything else at its simplest; status and bytes written (`u64::MAX` when untouched).
pub(crate) fn sync_write(
    target: WDFIOTARGET,
    request: WDFREQUEST,
    data: &[u8],
    options: Option<WDF_REQUEST_SEND_OPTIONS>,
) -> (NTSTATUS, u64) {
    let mut descriptor = buffer_descriptor(data.as_ptr(), u32::try_from(data.len()).unwrap());
    let mut written = u64::MAX;
    let mut options = options;
    let options = options
        .as_mut()
        .map_or(ptr::null_mut(), |options| &raw mut *options);
    let status = wdf!(WdfIoTargetSendWriteSynchronously(
        target,
        request,
        &raw mut descriptor,
        ptr::null_mut(),
        options,
        &raw mut written
    ));
    (status, written)
}

pub(crate) fn create_request(target: WDFIOTARGET) -> WDFREQUEST {
    let mut request = ptr::null_mut();
    let status = wdf!(WdfRequestCreate(ptr::null_mut(), target, &raw mut request));
    assert_eq!(status, STATUS_SUCCESS);
    request
}

pub(crate) fn reuse(request: WDFREQUEST, status: NTSTATUS) -> NTSTATUS {
    let mut params = WDF_REQUEST_REUSE_PARAMS {
        Size: size::<WDF_REQUEST_REUSE_PARAMS>(),
        Status: status,
        ..Default::default()
    };
    wdf!(WdfRequestReuse(request, &raw mut params))
}

pub(crate) fn create_memory(bytes: &[u8]) -> WDFMEMORY {
    let mut memory = ptr::null_mut();
    let mut buffer: *mut c_void = ptr::null_mut();
    let status = wdf!(WdfMemoryCreate(
        ptr::null_mut(),
        _POOL_TYPE::NonPagedPoolNx,
        0,
        bytes.len(),
        &raw mut memory,
        &raw mut buffer
    ));
    assert_eq!(status, STATUS_SUCCESS);
    let mut copy = bytes.to_vec();
    let status = wdf!(WdfMemoryCopyFromBuffer(
        memory,
        0,
        copy.as_mut_ptr().cast(),
        bytes.len()
    ));
    assert_eq!(status, STATUS_SUCCESS);
    memory
}

pub(crate) fn delete<H>(object: *mut H) {
    wdf!(WdfObjectDelete(object.cast()));
}

/// Runs `f` as driver code and returns the bugcheck it must end in.
pub(crate) fn bugcheck(bench: &Bench, f: impl FnOnce() + 'static) -> kmdf_host::Bugcheck {
    bench.host.spawn("test", f);
    match bench.host.run() {
        Err(Stop::Bugcheck(bugcheck)) => *bugcheck,
        other => panic!("expected a bugcheck, got {other:?}"),
    }
}

/// Ends the run, which nothing stopped, and gives what was found wrong.
pub(crate) fn found(bench: Bench) -> Vec<ViolationKind> {
    let report = bench.host.finish();
    assert_eq!(report.stop, None);
    let found = report.violations.iter();
    found.map(|violation| violation.kind).collect()
}

/// A bench without a driver's queue, for tests that call DDIs from a thread.
pub(crate) fn plain(config: HostConfig, lower: impl LowerDevice + 'static) -> Bench {
    bench(
        config,
        lower,
        Hooks {
            filter: true,
            ..Hooks::default()
        },
    )
}

/// An I/O target of its own on the device's lower device.
pub(crate) fn remote_target() -> WDFIOTARGET {
    let mut target = ptr::null_mut();
    assert_eq!(
        wdf!(WdfIoTargetCreate(
            device(),
            ptr::null_mut(),
            &raw mut target
        )),
        STATUS_SUCCESS
    );
    target
}

pub(crate) fn open_existing(target: WDFIOTARGET) -> NTSTATUS {
    let mut params = WDF_IO_TARGET_OPEN_PARAMS {
        Size: size::<WDF_IO_TARGET_OPEN_PARAMS>(),
        Type: _WDF_IO_TARGET_OPEN_TYPE::WdfIoTargetOpenUseExistingDevice,
        TargetDeviceObject: wdf!(WdfDeviceWdmGetAttachedDevice(device())),
        ..Default::default()
    };
    wdf!(WdfIoTargetOpen(target, &raw mut params))
}

pub(crate) fn null<T>() -> *mut T {
    ptr::null_mut()
}

/// Throws a result away on purpose.
pub(crate) fn ignore<T>(_: T) {}

/// Formats a request for a write.
pub(crate) fn format_write(
    target: WDFIOTARGET,
    request: WDFREQUEST,
    memory: WDFMEMORY,
) -> NTSTATUS {
    wdf!(WdfIoTargetFormatRequestForWrite(
        target,
        request,
        memory,
        null(),
        null()
    ))
}

/// Sends a request.
pub(crate) fn send(
    request: WDFREQUEST,
    target: WDFIOTARGET,
    options: Option<WDF_REQUEST_SEND_OPTIONS>,
) -> bool {
    let mut options = options;
    let options = options.as_mut().map_or(null(), |options| &raw mut *options);
    wdf!(WdfRequestSend(request, target, options)) != 0
}

/// Registers the logging completion routine.
pub(crate) fn with_routine(request: WDFREQUEST) {
    wdf!(WdfRequestSetCompletionRoutine(
        request,
        Some(evt_completed),
        null()
    ));
}

/// Logs how each asynchronous send completes.
pub(crate) fn logs_completion() -> Hooks {
    Hooks {
        filter: true,
        completed: Some(Rc::new(|_, status, information| {
            // SAFETY: no precondition.
            let irql = unsafe { ntddk::KeGetCurrentIrql() };
            log(format!("{status:#x} {information} irql {irql}"));
        })),
        ..Hooks::default()
    }
}

thread_local! {
    static NAMES: RefCell<Vec<(usize, &'static str)>> = const { RefCell::new(Vec::new()) };
}

fn name_of(object: WDFOBJECT) -> &'static str {
    NAMES.with_borrow(|names| {
        names
            .iter()
            .rev()
            .find(|(handle, _)| *handle == object.addr())
            .map_or("?", |(_, name)| name)
    })
}

unsafe extern "C" fn named_cleanup(object: WDFOBJECT) {
    log(format!("cleanup {}", name_of(object)));
}

unsafe extern "C" fn named_destroy(object: WDFOBJECT) {
    log(format!("destroy {}", name_of(object)));
}

/// A general object that logs its cleanup and destruction.
pub(crate) fn named(name: &'static str, parent: WDFOBJECT) -> WDFOBJECT {
    let mut attributes = WDF_OBJECT_ATTRIBUTES {
        EvtCleanupCallback: Some(named_cleanup),
        EvtDestroyCallback: Some(named_destroy),
        ParentObject: parent,
        ..attributes()
    };
    let mut object = null();
    assert_eq!(
        wdf!(WdfObjectCreate(&raw mut attributes, &raw mut object)),
        STATUS_SUCCESS
    );
    NAMES.with_borrow_mut(|names| names.push((object.addr(), name)));
    object
}

pub(crate) fn reference(object: WDFOBJECT) {
    wdf!(WdfObjectReferenceActual(object, null(), 0, ptr::null()));
}

pub(crate) fn dereference(object: WDFOBJECT) {
    wdf!(WdfObjectDereferenceActual(object, null(), 0, ptr::null()));
}

/// Lets virtual time pass for the calling thread.
pub(crate) fn sleep(milliseconds: i64) {
    let mut interval = LARGE_INTEGER {
        QuadPart: ms(milliseconds),
    };
    // SAFETY: the interval is valid.
    let status = unsafe { ntddk::KeDelayExecutionThread(0, 0, &raw mut interval) };
    assert_eq!(status, STATUS_SUCCESS);
}
