//! What the planted drivers have in common: callbacks as closures, and a machine to use a driver in.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ptr;
use std::rc::Rc;

use kmdf_host::{
    Disk, FileId, Host, IoId, IoType, LowerConfig, LowerDevice, Mode, Reply, Scripted, StackId,
    Stop, Ticks,
};
use kmdf_sys::*;

use crate::common::*;
use crate::start;

thread_local! {
    /// Callbacks of timers, work items and DPCs, by handle.
    static CALLBACKS: RefCell<BTreeMap<usize, Rc<dyn Fn()>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Forgets what an earlier run left behind.
pub(crate) fn reset() {
    CALLBACKS.take();
    hook(|hooks| *hooks = Hooks::default());
    start::reset();
}

/// A variable in the driver's context.
pub(crate) fn slot<T>() -> Rc<Cell<*mut T>> {
    Rc::new(Cell::new(ptr::null_mut()))
}

/// A driver of writes.
pub(crate) fn on_write(f: impl Fn(WDFREQUEST) + 'static) -> Hooks {
    Hooks {
        write: Some(Rc::new(move |_, request, _| f(request))),
        ..Hooks::default()
    }
}

/// As [`on_write`], with a manual queue beside the default one.
pub(crate) fn with_manual_queue(hooks: Hooks, manual: &Rc<Cell<WDFQUEUE>>) -> Hooks {
    let manual = Rc::clone(manual);
    let create = move |device| {
        create_queue(device, default_queue(PARALLEL));
        manual.set(create_queue(device, queue_config(MANUAL)));
    };
    Hooks {
        queue: Some(Box::new(create)),
        ..hooks
    }
}

pub(crate) const PARALLEL: WDF_IO_QUEUE_DISPATCH_TYPE =
    _WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchParallel;
pub(crate) const MANUAL: WDF_IO_QUEUE_DISPATCH_TYPE =
    _WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchManual;

/// A started stack with an open file.
pub(crate) struct Machine<'h> {
    pub(crate) host: &'h Host,
    pub(crate) stack: StackId,
    pub(crate) file: FileId,
}

impl Machine<'_> {
    /// A write that must succeed.
    pub(crate) fn write(&self) -> Result<(), Stop> {
        let result = self.host.write(self.file, 0, b"data")?;
        succeeded("the write", result.status)
    }

    /// A write that is on its way.
    pub(crate) fn submit(&self) -> IoId {
        self.host.submit_write(self.file, 0, b"data", Mode::User)
    }

    /// A thread of the driver's.
    pub(crate) fn thread(&self, f: impl FnOnce() + 'static) {
        self.host.spawn("thread", f);
    }
}

pub(crate) fn succeeded(what: &str, status: NTSTATUS) -> Result<(), Stop> {
    if status == STATUS_SUCCESS {
        Ok(())
    } else {
        Err(Stop::Status {
            what: what.to_owned(),
            status,
        })
    }
}

/// Starts `hooks` on a lower device, opens it, uses it, closes it.
pub(crate) fn on<'h>(
    host: &'h Host,
    lower: impl LowerDevice + 'static,
    hooks: Hooks,
    work: impl FnOnce(&Machine<'h>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    on_as(host, lower, LowerConfig::new("lower"), hooks, work)
}

/// As [`on`], on a lower device with direct I/O.
pub(crate) fn on_direct<'h>(
    host: &'h Host,
    lower: impl LowerDevice + 'static,
    hooks: Hooks,
    work: impl FnOnce(&Machine<'h>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let config = LowerConfig::new("lower").io_type(IoType::Direct);
    on_as(host, lower, config, hooks, work)
}

fn on_as<'h>(
    host: &'h Host,
    lower: impl LowerDevice + 'static,
    config: LowerConfig,
    hooks: Hooks,
    work: impl FnOnce(&Machine<'h>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let (stack, _) = attach(host, lower, config, hooks)?;
    let file = host.open(stack)?;
    let machine = Machine { host, stack, file };
    work(&machine)?;
    host.run()?;
    host.close(file)
}

/// One write to a driver on a disk.
pub(crate) fn one_write(host: &Host, hooks: Hooks) -> Result<(), Stop> {
    on(host, Disk::in_memory(), hooks, Machine::write)
}

/// A lower device that completes everything a millisecond later.
pub(crate) fn slow() -> Scripted {
    Scripted::new(vec![Reply::default().after(Ticks::from_millis(1))])
}

/// A lower device that completes everything ten milliseconds later.
pub(crate) fn very_slow() -> Scripted {
    Scripted::new(vec![Reply::default().after(Ticks::from_millis(10))])
}

/// A lower device that completes nothing before it is cancelled.
pub(crate) fn holding() -> Scripted {
    Scripted::new(vec![Reply::default().pend()])
}

pub(crate) fn complete(request: WDFREQUEST, status: NTSTATUS) {
    wdf!(WdfRequestComplete(request, status));
}

pub(crate) fn complete_with(request: WDFREQUEST, status: NTSTATUS, information: u64) {
    wdf!(WdfRequestCompleteWithInformation(
        request,
        status,
        information
    ));
}

pub(crate) fn input_memory(request: WDFREQUEST) -> WDFMEMORY {
    let mut memory = ptr::null_mut();
    let status = wdf!(WdfRequestRetrieveInputMemory(request, &raw mut memory));
    assert_eq!(status, STATUS_SUCCESS);
    memory
}

pub(crate) fn mark_cancelable(request: WDFREQUEST) {
    wdf!(WdfRequestMarkCancelable(request, Some(evt_cancel)));
}

pub(crate) fn unmark_cancelable(request: WDFREQUEST) -> NTSTATUS {
    wdf!(WdfRequestUnmarkCancelable(request))
}

pub(crate) fn cancel_sent(request: WDFREQUEST) {
    ignore(wdf!(WdfRequestCancelSentRequest(request)));
}

/// `WDF_OBJECT_ATTRIBUTES` with a parent.
pub(crate) fn child_of<H>(parent: *mut H) -> WDF_OBJECT_ATTRIBUTES {
    WDF_OBJECT_ATTRIBUTES {
        ParentObject: parent.cast(),
        ..attributes()
    }
}

fn call_back(handle: usize) {
    let callback = CALLBACKS.with_borrow(|callbacks| callbacks.get(&handle).cloned());
    if let Some(callback) = callback {
        callback();
    }
}

fn set_callback<H>(handle: *mut H, f: impl Fn() + 'static) {
    CALLBACKS.with_borrow_mut(|callbacks| callbacks.insert(handle.addr(), Rc::new(f)));
}

unsafe extern "C" fn evt_timer(timer: WDFTIMER) {
    call_back(timer.addr());
}

unsafe extern "C" fn evt_work_item(item: WDFWORKITEM) {
    call_back(item.addr());
}

/// A timer of the device.
pub(crate) fn timer(f: impl Fn() + 'static) -> WDFTIMER {
    let mut config = WDF_TIMER_CONFIG {
        Size: size::<WDF_TIMER_CONFIG>(),
        EvtTimerFunc: Some(evt_timer),
        ..Default::default()
    };
    let mut timer = ptr::null_mut();
    let status = wdf!(WdfTimerCreate(
        &raw mut config,
        &mut child_of(device()),
        &raw mut timer
    ));
    assert_eq!(status, STATUS_SUCCESS);
    set_callback(timer, f);
    timer
}

pub(crate) fn start_timer(timer: WDFTIMER, milliseconds: i64) {
    ignore(wdf!(WdfTimerStart(timer, ms(milliseconds))));
}

/// A work item of the device.
pub(crate) fn work_item(f: impl Fn() + 'static) -> WDFWORKITEM {
    let mut config = WDF_WORKITEM_CONFIG {
        Size: size::<WDF_WORKITEM_CONFIG>(),
        EvtWorkItemFunc: Some(evt_work_item),
        ..Default::default()
    };
    let mut item = ptr::null_mut();
    let status = wdf!(WdfWorkItemCreate(
        &raw mut config,
        &mut child_of(device()),
        &raw mut item
    ));
    assert_eq!(status, STATUS_SUCCESS);
    set_callback(item, f);
    item
}

pub(crate) fn enqueue(item: WDFWORKITEM) {
    wdf!(WdfWorkItemEnqueue(item));
}

/// A spin lock of the device.
pub(crate) fn spin_lock() -> WDFSPINLOCK {
    let mut lock = ptr::null_mut();
    let status = wdf!(WdfSpinLockCreate(&mut child_of(device()), &raw mut lock));
    assert_eq!(status, STATUS_SUCCESS);
    lock
}

pub(crate) fn locked<R>(lock: WDFSPINLOCK, f: impl FnOnce() -> R) -> R {
    wdf!(WdfSpinLockAcquire(lock));
    let result = f();
    wdf!(WdfSpinLockRelease(lock));
    result
}

pub(crate) fn wait_lock() -> WDFWAITLOCK {
    let mut lock = ptr::null_mut();
    let status = wdf!(WdfWaitLockCreate(&mut child_of(device()), &raw mut lock));
    assert_eq!(status, STATUS_SUCCESS);
    lock
}

/// Formats a driver's own request for a write of four bytes and sends it, with the logging completion routine.
pub(crate) fn send_data(own: WDFREQUEST) {
    let memory = create_memory(b"data");
    assert_eq!(format_write(target(), own, memory), STATUS_SUCCESS);
    delete(memory);
    with_routine(own);
    assert!(send(own, target(), None));
}

pub(crate) fn format_read(own: WDFREQUEST, memory: WDFMEMORY) -> NTSTATUS {
    wdf!(WdfIoTargetFormatRequestForRead(
        target(),
        own,
        memory,
        null(),
        null()
    ))
}

/// A WDFMEMORY with a buffer of its own.
pub(crate) fn memory_below<H>(parent: *mut H, length: usize) -> WDFMEMORY {
    let mut memory = ptr::null_mut();
    let status = wdf!(WdfMemoryCreate(
        &mut child_of(parent),
        _POOL_TYPE::NonPagedPoolNx,
        0,
        length,
        &raw mut memory,
        null()
    ));
    assert_eq!(status, STATUS_SUCCESS);
    memory
}

/// A WDFMEMORY over a buffer of the driver's.
pub(crate) fn memory_over(buffer: *mut u8, length: usize) -> WDFMEMORY {
    let mut memory = ptr::null_mut();
    let status = wdf!(WdfMemoryCreatePreallocated(
        null(),
        buffer.cast(),
        length,
        &raw mut memory
    ));
    assert_eq!(status, STATUS_SUCCESS);
    memory
}

pub(crate) const TAG: u32 = u32::from_le_bytes(*b"Tag ");

pub(crate) fn allocate(size: u64) -> *mut u8 {
    // SAFETY: no precondition.
    let block = unsafe { ntddk::ExAllocatePool2(0x40, size, TAG) };
    assert!(!block.is_null());
    block.cast()
}

pub(crate) fn free(block: *mut u8) {
    // SAFETY: freeing what is not allocated is what the model looks for.
    unsafe { ntddk::ExFreePoolWithTag(block.cast(), TAG) };
}

/// An MDL over pool.
pub(crate) fn mdl_of(block: *mut u8, length: u32) -> PMDL {
    // SAFETY: the block has this length.
    let mdl = unsafe { ntddk::IoAllocateMdl(block.cast(), length, 0, 0, null()) };
    assert!(!mdl.is_null());
    // SAFETY: the MDL was just allocated.
    unsafe { ntddk::MmBuildMdlForNonPagedPool(mdl) };
    mdl
}

pub(crate) fn free_mdl(mdl: PMDL) {
    // SAFETY: freeing what is not allocated, or still used, is what the model looks for.
    unsafe { ntddk::IoFreeMdl(mdl) };
}

/// Enough of something for the model to see that it grows.
pub(crate) const MANY: usize = 32;

/// The type of a context of 24 bytes.
#[repr(transparent)]
pub(crate) struct ContextType(pub(crate) WDF_OBJECT_CONTEXT_TYPE_INFO);

// SAFETY: it is never written to.
unsafe impl Sync for ContextType {}

pub(crate) static CONTEXT: ContextType = ContextType(WDF_OBJECT_CONTEXT_TYPE_INFO {
    Size: 40,
    ContextName: c"CONTEXT".as_ptr(),
    ContextSize: 24,
    UniqueType: &raw const CONTEXT.0,
    EvtDriverGetUniqueContextType: None,
});
pub(crate) static OTHER_CONTEXT: ContextType = ContextType(WDF_OBJECT_CONTEXT_TYPE_INFO {
    Size: 40,
    ContextName: c"OTHER_CONTEXT".as_ptr(),
    ContextSize: 24,
    UniqueType: &raw const OTHER_CONTEXT.0,
    EvtDriverGetUniqueContextType: None,
});
