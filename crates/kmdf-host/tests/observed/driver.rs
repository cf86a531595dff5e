//! The driver of the cases: every callback records that it was called and does what the case says.

use kmdf_sys::*;

use crate::common::{attributes, null, queue_config, size, wdf};
use crate::script;
use crate::world::{World, log, world};

const DISPATCHING: [(&str, WDF_IO_QUEUE_DISPATCH_TYPE); 3] =
    [("sequential", 1), ("parallel", 2), ("manual", 3)];

/// A callback of Plug and Play or power was called; what it returns.
fn called(name: &str, state: Option<WDF_POWER_DEVICE_STATE>) -> NTSTATUS {
    let state = match state {
        None => "",
        Some(_WDF_POWER_DEVICE_STATE::WdfPowerDeviceD0) => " D0",
        Some(_WDF_POWER_DEVICE_STATE::WdfPowerDeviceD3) => " D3",
        Some(_WDF_POWER_DEVICE_STATE::WdfPowerDeviceD3Final) => " D3Final",
        Some(_) => " ?",
    };
    if world().fails("fail", name) {
        log(format!("{name}{state} = {STATUS_UNSUCCESSFUL:#x}"));
        return STATUS_UNSUCCESSFUL;
    }
    log(format!("{name}{state}"));
    STATUS_SUCCESS
}

macro_rules! callbacks {
    ($($function:ident $name:literal ($($argument:ident: $type:ty),*) $state:expr;)*) => {
        $(
            unsafe extern "C" fn $function(_: WDFDEVICE $(, $argument: $type)*) -> NTSTATUS {
                called($name, $state)
            }
        )*
    };
}

callbacks! {
    prepare "PrepareHardware" (_raw: WDFCMRESLIST, _translated: WDFCMRESLIST) None;
    release "ReleaseHardware" (_translated: WDFCMRESLIST) None;
    d0_entry "D0Entry" (state: WDF_POWER_DEVICE_STATE) Some(state);
    d0_entry_post "D0EntryPostInterruptsEnabled" (state: WDF_POWER_DEVICE_STATE) Some(state);
    d0_exit "D0Exit" (state: WDF_POWER_DEVICE_STATE) Some(state);
    d0_exit_pre "D0ExitPreInterruptsDisabled" (state: WDF_POWER_DEVICE_STATE) Some(state);
    init_self_managed_io "SelfManagedIoInit" () None;
    suspend "SelfManagedIoSuspend" () None;
    restart "SelfManagedIoRestart" () None;
    query_remove "QueryRemove" () None;
    query_stop "QueryStop" () None;
}

unsafe extern "C" fn flush(_: WDFDEVICE) {
    log("SelfManagedIoFlush");
}

unsafe extern "C" fn cleanup(_: WDFDEVICE) {
    log("SelfManagedIoCleanup");
}

unsafe extern "C" fn surprise(_: WDFDEVICE) {
    log("SurpriseRemoval");
}

macro_rules! object_callbacks {
    ($($cleanup:ident $destroy:ident $name:literal;)*) => {
        $(
            unsafe extern "C" fn $cleanup(_: WDFOBJECT) {
                log(concat!("cleanup ", $name));
            }

            unsafe extern "C" fn $destroy(_: WDFOBJECT) {
                log(concat!("destroy ", $name));
            }
        )*
    };
}

object_callbacks! {
    cleanup_device destroy_device "device";
    cleanup_device_child destroy_device_child "device.child";
    cleanup_queue destroy_queue "queue";
    cleanup_queue_child destroy_queue_child "queue.child";
    cleanup_file destroy_file "file";
}

fn named(
    cleanup: unsafe extern "C" fn(WDFOBJECT),
    destroy: unsafe extern "C" fn(WDFOBJECT),
) -> WDF_OBJECT_ATTRIBUTES {
    WDF_OBJECT_ATTRIBUTES {
        EvtCleanupCallback: Some(cleanup),
        EvtDestroyCallback: Some(destroy),
        ..attributes()
    }
}

fn child(
    parent: WDFOBJECT,
    cleanup: unsafe extern "C" fn(WDFOBJECT),
    destroy: unsafe extern "C" fn(WDFOBJECT),
) {
    let mut own = WDF_OBJECT_ATTRIBUTES {
        ParentObject: parent,
        ..named(cleanup, destroy)
    };
    let mut object = null();
    let status = wdf!(WdfObjectCreate(&raw mut own, &raw mut object));
    assert_eq!(status, STATUS_SUCCESS);
}

/// How a request was presented.
fn presented(queue: WDFQUEUE, request: WDFREQUEST, callback: &str, length: Option<usize>) {
    let world = world();
    let number = world.hold(request);
    let second = if queue == world.second.get() {
        "Q2 "
    } else {
        ""
    };
    if world.case.brief {
        log(format!("{callback} {number}"));
        return kept(&world, request);
    }
    if world.case.flag("silent") == Some(true) {
        return script::body(&format!("{callback} {number}"), request);
    }
    let length = length.map_or_else(String::new, |length| format!(" {length}"));
    log(format!("{second}{callback} {number}{length}{}", level()));
    script::body(&format!("{second}{callback} {number}"), request);
    log(format!("/{second}{callback} {number}"));
}

/// The IRQL where it is not `PASSIVE_LEVEL`.
pub(crate) fn level() -> &'static str {
    match world().host.irql() {
        0 => "",
        2 => " DISPATCH",
        _ => " ?",
    }
}

fn kept(world: &World, request: WDFREQUEST) {
    match world.case.word("write") {
        None => {}
        Some("mark") => {
            let status = wdf!(WdfRequestMarkCancelableEx(request, Some(evt_cancel)));
            assert_eq!(status, STATUS_SUCCESS);
        }
        Some("send") => {
            wdf!(WdfRequestFormatRequestUsingCurrentType(request));
            wdf!(WdfRequestSetCompletionRoutine(
                request,
                Some(evt_completed),
                null()
            ));
            let target = wdf!(WdfDeviceGetIoTarget(world.device.get()));
            let sent = wdf!(WdfRequestSend(request, target, null()));
            log(format!("WdfRequestSend = {sent}"));
        }
        other => panic!("write = {other:?}"),
    }
}

unsafe extern "C" fn evt_completed(
    request: WDFREQUEST,
    _: WDFIOTARGET,
    params: PWDF_REQUEST_COMPLETION_PARAMS,
    _: WDFCONTEXT,
) {
    // SAFETY: the framework passes valid parameters.
    let params = unsafe { params.read() };
    // SAFETY: the status is what the framework stores in the union.
    let status = unsafe { params.IoStatus.__bindgen_anon_1.Status };
    let number = world().number_of(request);
    log(format!("EvtRequestCompletion {number} {status:#x}"));
    wdf!(WdfRequestComplete(request, status));
}

unsafe extern "C" fn evt_write(queue: WDFQUEUE, request: WDFREQUEST, length: usize) {
    presented(queue, request, "EvtIoWrite", Some(length));
}

unsafe extern "C" fn evt_read(queue: WDFQUEUE, request: WDFREQUEST, length: usize) {
    presented(queue, request, "EvtIoRead", Some(length));
}

unsafe extern "C" fn evt_default(queue: WDFQUEUE, request: WDFREQUEST) {
    presented(queue, request, "EvtIoDefault", None);
}

unsafe extern "C" fn evt_canceled_on_queue(_: WDFQUEUE, request: WDFREQUEST) {
    let number = world().hold(request);
    log(format!("EvtIoCanceledOnQueue {number}{}", level()));
    script::body(&format!("EvtIoCanceledOnQueue {number}"), request);
}

unsafe extern "C" fn evt_resume(_: WDFQUEUE, request: WDFREQUEST) {
    log(format!("EvtIoResume {}", world().number_of(request)));
}

unsafe extern "C" fn evt_stop(_: WDFQUEUE, request: WDFREQUEST, flags: ULONG) {
    let world = world();
    log(format!("EvtIoStop {} {flags:#x}", world.number_of(request)));
    match world.case.word("stop") {
        Some("acknowledge" | "requeue") => {
            if flags & 0x1000_0000 != 0 {
                let status = wdf!(WdfRequestUnmarkCancelable(request));
                log(format!("WdfRequestUnmarkCancelable = {status:#x}"));
            }
            let requeue = world.case.word("stop") == Some("requeue");
            if requeue {
                let mut held = world.held.borrow_mut();
                held.retain(|(_, held)| *held != request);
            }
            wdf!(WdfRequestStopAcknowledge(request, requeue.into()));
            let requeue = if requeue { "TRUE" } else { "FALSE" };
            log(format!("WdfRequestStopAcknowledge {requeue}"));
        }
        Some("complete") => wdf!(WdfRequestComplete(request, STATUS_CANCELLED)),
        Some("later") => script::complete_later(request),
        Some("cancel_sent") => {
            let called = wdf!(WdfRequestCancelSentRequest(request));
            log(format!("WdfRequestCancelSentRequest = {called}"));
        }
        _ => {}
    }
}

pub(crate) unsafe extern "C" fn evt_cancel(request: WDFREQUEST) {
    let number = world().number_of(request);
    assert_ne!(wdf!(WdfRequestIsCanceled(request)), 0);
    log(format!("EvtRequestCancel {number}{}", level()));
    script::body(&format!("EvtRequestCancel {number}"), request);
    log("/EvtRequestCancel");
}

pub(crate) unsafe extern "C" fn evt_state(_: WDFQUEUE, context: WDFCONTEXT) {
    let name = char::from(u8::try_from(context.addr()).expect("a letter"));
    log(format!("EvtIoQueueState {name}{}", level()));
}

unsafe extern "C" fn file_create(_: WDFDEVICE, request: WDFREQUEST, _: WDFFILEOBJECT) {
    let number = world().hold(request);
    log(format!("FileCreate {number}"));
    script::body(&format!("FileCreate {number}"), request);
}

unsafe extern "C" fn file_cleanup(_: WDFFILEOBJECT) {
    log("EvtFileCleanup");
}

unsafe extern "C" fn file_close(_: WDFFILEOBJECT) {
    log("EvtFileClose");
}

fn handlers(case: &str, config: &mut WDF_IO_QUEUE_CONFIG) {
    for handler in case.split_whitespace() {
        match handler {
            "write" => config.EvtIoWrite = Some(evt_write),
            "read" => config.EvtIoRead = Some(evt_read),
            "default" => config.EvtIoDefault = Some(evt_default),
            _ => panic!("no handler {handler}"),
        }
    }
}

/// The case's default queue.
pub(crate) fn default_queue_config(world: &World) -> WDF_IO_QUEUE_CONFIG {
    let case = &world.case;
    let dispatch = case.word("dispatch").unwrap_or("parallel");
    let dispatch = DISPATCHING.iter().find(|(name, _)| *name == dispatch);
    let mut config = queue_config(dispatch.expect("a dispatch type").1);
    config.DefaultQueue = 1;
    if config.DispatchType != 3 {
        handlers(case.word("handlers").unwrap_or("write"), &mut config);
    }
    if let Some(limit) = case.number("limit") {
        config.Settings.Parallel.NumberOfPresentedRequests = limit;
    }
    config.AllowZeroLengthRequests = case.flag("allow_zero_length").unwrap_or(false).into();
    config.PowerManaged = match case.flag("power_managed") {
        None => _WDF_TRI_STATE::WdfUseDefault,
        Some(false) => _WDF_TRI_STATE::WdfFalse,
        Some(true) => _WDF_TRI_STATE::WdfTrue,
    };
    if case.word("stop").is_some() {
        config.EvtIoStop = Some(evt_stop);
        config.EvtIoResume = Some(evt_resume);
    }
    if case.flag("canceled_on_queue") == Some(true) {
        config.EvtIoCanceledOnQueue = Some(evt_canceled_on_queue);
    }
    config
}

fn create_queues(world: &World, device: WDFDEVICE) {
    let case = &world.case;
    if case.word("dispatch") != Some("none") {
        let mut config = default_queue_config(world);
        let mut own = if case.brief {
            named(cleanup_queue, destroy_queue)
        } else {
            attributes()
        };
        if case.word("scope") == Some("queue") {
            own.SynchronizationScope = _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeQueue;
        }
        if case.word("level") == Some("passive") {
            own.ExecutionLevel = _WDF_EXECUTION_LEVEL::WdfExecutionLevelPassive;
        }
        let mut queue = null();
        let status = wdf!(WdfIoQueueCreate(
            device,
            &raw mut config,
            &raw mut own,
            &raw mut queue
        ));
        assert_eq!(status, STATUS_SUCCESS);
        world.queue.set(queue);
        if case.brief {
            child(queue.cast(), cleanup_queue_child, destroy_queue_child);
        }
    }
    if let Some(second) = case.word("second") {
        let dispatch = DISPATCHING.iter().find(|(name, _)| *name == second);
        let mut config = queue_config(dispatch.expect("a dispatch type").1);
        if second != "manual" {
            config.EvtIoWrite = Some(evt_write);
        }
        let mut queue = null();
        let status = wdf!(WdfIoQueueCreate(
            device,
            &raw mut config,
            null(),
            &raw mut queue
        ));
        assert_eq!(status, STATUS_SUCCESS);
        world.second.set(queue);
    }
}

fn init_device(world: &World, init: PWDFDEVICE_INIT) {
    let case = &world.case;
    if case.brief {
        let mut callbacks = WDF_PNPPOWER_EVENT_CALLBACKS {
            Size: size::<WDF_PNPPOWER_EVENT_CALLBACKS>(),
            EvtDevicePrepareHardware: Some(prepare),
            EvtDeviceReleaseHardware: Some(release),
            EvtDeviceD0Entry: Some(d0_entry),
            EvtDeviceD0EntryPostInterruptsEnabled: Some(d0_entry_post),
            EvtDeviceD0Exit: Some(d0_exit),
            EvtDeviceD0ExitPreInterruptsDisabled: Some(d0_exit_pre),
            EvtDeviceSelfManagedIoInit: Some(init_self_managed_io),
            EvtDeviceSelfManagedIoSuspend: Some(suspend),
            EvtDeviceSelfManagedIoRestart: Some(restart),
            EvtDeviceSelfManagedIoFlush: Some(flush),
            EvtDeviceSelfManagedIoCleanup: Some(cleanup),
            EvtDeviceSurpriseRemoval: Some(surprise),
            EvtDeviceQueryRemove: Some(query_remove),
            EvtDeviceQueryStop: Some(query_stop),
            ..Default::default()
        };
        wdf!(WdfDeviceInitSetPnpPowerEventCallbacks(
            init,
            &raw mut callbacks
        ));
    }
    if let Some(which) = case.word("files") {
        let mut config = WDF_FILEOBJECT_CONFIG {
            Size: size::<WDF_FILEOBJECT_CONFIG>(),
            EvtDeviceFileCreate: which.contains("create").then_some(file_create as _),
            EvtFileClose: Some(file_close),
            EvtFileCleanup: Some(file_cleanup),
            AutoForwardCleanupClose: if which.contains("forward") {
                _WDF_TRI_STATE::WdfTrue
            } else {
                _WDF_TRI_STATE::WdfUseDefault
            },
            FileObjectClass: _WDF_FILEOBJECT_CLASS::WdfFileObjectWdfCannotUseFsContexts,
        };
        let mut own = named(cleanup_file, destroy_file);
        wdf!(WdfDeviceInitSetFileObjectConfig(
            init,
            &raw mut config,
            &raw mut own
        ));
    }
    if let Some(device_type) = case.number("device_type") {
        wdf!(WdfDeviceInitSetDeviceType(init, device_type));
    }
}

unsafe extern "C" fn device_add(_: WDFDRIVER, mut device_init: PWDFDEVICE_INIT) -> NTSTATUS {
    let world = world();
    if world.case.brief {
        log("DeviceAdd");
    }
    if world.case.word("role") == Some("filter") {
        wdf!(WdfFdoInitSetFilter(device_init));
    }
    if world.fails("fail", "DeviceAdd") {
        log(format!("DeviceAdd = {STATUS_UNSUCCESSFUL:#x}"));
        return STATUS_UNSUCCESSFUL;
    }
    init_device(&world, device_init);
    let mut own = if world.case.brief {
        named(cleanup_device, destroy_device)
    } else {
        attributes()
    };
    let mut device = null();
    let status = wdf!(WdfDeviceCreate(
        &raw mut device_init,
        &raw mut own,
        &raw mut device
    ));
    assert_eq!(status, STATUS_SUCCESS);
    world.device.set(device);
    create_queues(&world, device);
    if world.case.brief {
        child(device.cast(), cleanup_device_child, destroy_device_child);
    }
    STATUS_SUCCESS
}

pub(crate) unsafe extern "system" fn entry(
    driver: PDRIVER_OBJECT,
    path: PCUNICODE_STRING,
) -> NTSTATUS {
    let mut config = WDF_DRIVER_CONFIG {
        Size: size::<WDF_DRIVER_CONFIG>(),
        EvtDriverDeviceAdd: Some(device_add),
        ..Default::default()
    };
    wdf!(WdfDriverCreate(
        driver,
        path,
        null(),
        &raw mut config,
        null()
    ))
}
