//! Observed timers and work items.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use kmdf_sys::*;

use crate::common::{attributes, ignore, ms, null, queue_config, size, sleep, wdf};
use crate::driver::level;
use crate::named::{delete, name, on_cleanup, recorded};
use crate::world::{log, world};

/// What runs in a thread of the driver.
pub(crate) const INSIDE: [(&str, fn()); 27] = [
    ("o2.t.oneshot", one_shot),
    ("o2.t.stop", stop_pending),
    ("o2.t.stop_wait_running", stop_running),
    ("o2.t.stop_in_cb", stop_in_callback),
    ("o2.t.stop_wait_in_cb_passive", stop_and_wait_in_callback),
    ("o2.t.stop_wait_dispatch_vf", stop_and_wait_at_dispatch),
    ("o2.t.periodic_due0", periodic_at_once),
    ("o2.t.due0", one_shot_at_once),
    ("o2.t.start_in_cb", start_in_callback),
    ("o2.t.passive_periodic", passive_periodic),
    ("o2.t.autoser", serialized_without_scope),
    ("o2.t.parent_driver", timer_of_driver),
    ("o2.t.parent_request", timer_of_request),
    ("o2.t.cfg_bad", timer_configurations),
    ("o2.t.delete_running", delete_running_timer),
    ("o2.t.delete_in_cb_passive", delete_timer_in_callback),
    ("o2.t.fail_object", timer_without_memory),
    ("o2.t.start_in_cleanup", start_in_cleanup),
    ("o2.t.autoser_lock", serialized_with_queue),
    ("o2.w.while_running", enqueue_while_running),
    ("o2.w.autoser", serialized_work_items),
    ("o2.w.parent_null", work_item_without_parent),
    ("o2.w.cfg_bad", work_item_configurations),
    ("o2.w.flush", flush_running),
    ("o2.w.flush_in_cb", flush_in_callback),
    ("o2.w.delete_in_cb", delete_work_item_in_callback),
    ("o2.w.dispatch", enqueue_at_dispatch),
];

type Body<H> = RefCell<Option<Rc<dyn Fn(H, u32)>>>;

thread_local! {
    static TIMER: Body<WDFTIMER> = const { RefCell::new(None) };
    static WORK: Body<WDFWORKITEM> = const { RefCell::new(None) };
    static COUNT: Cell<u32> = const { Cell::new(0) };
}

/// Forgets what the last case did.
pub(crate) fn reset() {
    TIMER.take();
    WORK.take();
    COUNT.set(0);
}

fn counted() -> u32 {
    COUNT.set(COUNT.get() + 1);
    COUNT.get()
}

fn log_count() {
    log(format!("count {}", COUNT.get()));
}

unsafe extern "C" fn evt_timer(timer: WDFTIMER) {
    let number = counted();
    log(format!("EvtTimerFunc {number}{}", level()));
    let body = TIMER.with_borrow(Clone::clone);
    if let Some(body) = body {
        body(timer, number);
    }
}

unsafe extern "C" fn evt_work(item: WDFWORKITEM) {
    let number = counted();
    log(format!("EvtWorkItem {number}"));
    let body = WORK.with_borrow(Clone::clone);
    if let Some(body) = body {
        body(item, number);
    }
    log(format!("/EvtWorkItem {number}"));
}

fn on_timer(body: impl Fn(WDFTIMER, u32) + 'static) {
    TIMER.set(Some(Rc::new(body)));
}

fn on_work(body: impl Fn(WDFWORKITEM, u32) + 'static) {
    WORK.set(Some(Rc::new(body)));
}

fn device() -> WDFOBJECT {
    world().device.get().cast()
}

fn of_device() -> WDF_OBJECT_ATTRIBUTES {
    WDF_OBJECT_ATTRIBUTES {
        ParentObject: device(),
        ..attributes()
    }
}

fn passive() -> WDF_OBJECT_ATTRIBUTES {
    WDF_OBJECT_ATTRIBUTES {
        ExecutionLevel: _WDF_EXECUTION_LEVEL::WdfExecutionLevelPassive,
        ..of_device()
    }
}

/// Keeps time passing in a callback, at whatever IRQL.
fn busy(milliseconds: u64) {
    world()
        .host
        .pass(kmdf_host::Ticks::from_millis(milliseconds));
}

pub(crate) fn timer_config(period: u32) -> WDF_TIMER_CONFIG {
    WDF_TIMER_CONFIG {
        Size: size::<WDF_TIMER_CONFIG>(),
        EvtTimerFunc: Some(evt_timer),
        Period: period,
        AutomaticSerialization: 1,
        ..Default::default()
    }
}

fn try_timer(config: WDF_TIMER_CONFIG, own: &mut WDF_OBJECT_ATTRIBUTES) -> WDFTIMER {
    let mut config = config;
    let mut timer = null();
    let status = wdf!(WdfTimerCreate(
        &raw mut config,
        &raw mut *own,
        &raw mut timer
    ));
    log(format!("WdfTimerCreate = {status:#x}"));
    timer
}

pub(crate) fn create_timer(config: WDF_TIMER_CONFIG, own: &mut WDF_OBJECT_ATTRIBUTES) -> WDFTIMER {
    let timer = try_timer(config, own);
    assert!(!timer.is_null());
    timer
}

fn timer(own: WDF_OBJECT_ATTRIBUTES) -> WDFTIMER {
    let mut own = own;
    // Passive callbacks cannot be serialized with a device of dispatch level.
    let mut config = timer_config(0);
    if own.ExecutionLevel == _WDF_EXECUTION_LEVEL::WdfExecutionLevelPassive {
        config.AutomaticSerialization = 0;
    }
    create_timer(config, &mut own)
}

fn start(timer: WDFTIMER, milliseconds: i64) {
    let pending = wdf!(WdfTimerStart(timer, ms(milliseconds)));
    log(format!("WdfTimerStart = {pending}"));
}

/// Starts a timer without recording it.
fn start_quietly(timer: WDFTIMER, milliseconds: i64) {
    ignore(wdf!(WdfTimerStart(timer, ms(milliseconds))));
}

fn stop(timer: WDFTIMER, wait: bool) {
    let pending = wdf!(WdfTimerStop(timer, wait.into()));
    let wait = if wait { "TRUE" } else { "FALSE" };
    log(format!("WdfTimerStop {wait} = {pending}"));
}

fn one_shot() {
    let timer = timer(of_device());
    start(timer, 30);
    sleep(60);
    log_count();
    stop(timer, false);
}

fn stop_pending() {
    let timer = timer(of_device());
    start(timer, 60);
    stop(timer, false);
    stop(timer, false);
    stop(timer, true);
    log_count();
}

fn stop_running() {
    on_timer(|_, _| {
        busy(60);
        log("/EvtTimerFunc");
    });
    let timer = timer(of_device());
    start_quietly(timer, 10);
    sleep(30);
    stop(timer, true);
}

fn stop_in_callback() {
    on_timer(|timer, _| stop(timer, false));
    start_quietly(timer(of_device()), 10);
    sleep(30);
}

fn stop_and_wait_in_callback() {
    on_timer(|timer, _| {
        stop(timer, true);
        log("/EvtTimerFunc");
    });
    start_quietly(timer(passive()), 10);
    sleep(30);
}

fn stop_and_wait_at_dispatch() {
    let timer = timer(of_device());
    start_quietly(timer, 60);
    world().host.set_irql(2);
    stop(timer, true);
    world().host.set_irql(0);
    ignore(wdf!(WdfTimerStop(timer, 0)));
}

fn periodic_at_once() {
    let timer = create_timer(timer_config(200), &mut of_device());
    start(timer, 0);
    sleep(50);
    log_count();
    stop(timer, true);
}

fn one_shot_at_once() {
    start(timer(of_device()), 0);
    sleep(50);
    log_count();
}

fn start_in_callback() {
    on_timer(|timer, number| {
        if number < 3 {
            start(timer, 10);
        }
    });
    start_quietly(timer(of_device()), 10);
    sleep(100);
    log_count();
}

fn passive_periodic() {
    let mut config = timer_config(20);
    config.AutomaticSerialization = 0;
    try_timer(config, &mut passive());
}

fn serialized_without_scope() {
    start_quietly(timer(of_device()), 10);
    sleep(30);
}

fn timer_of(parent: WDFOBJECT) {
    let mut config = timer_config(0);
    config.AutomaticSerialization = 0;
    let mut own = WDF_OBJECT_ATTRIBUTES {
        ParentObject: parent,
        ..attributes()
    };
    try_timer(config, &mut own);
}

fn timer_of_driver() {
    timer_of(wdf!(WdfDeviceGetDriver(device().cast())).cast());
}

fn timer_of_request() {
    timer_of(crate::common::create_request(null()).cast());
}

fn timer_configurations() {
    let good = timer_config(0);
    let wrong = [
        WDF_TIMER_CONFIG { Size: 3, ..good },
        WDF_TIMER_CONFIG {
            EvtTimerFunc: None,
            ..good
        },
        WDF_TIMER_CONFIG {
            Period: u32::MAX,
            ..good
        },
        WDF_TIMER_CONFIG {
            UseHighResolutionTimer: 1,
            TolerableDelay: 10,
            ..good
        },
        WDF_TIMER_CONFIG {
            Period: i32::MAX.cast_unsigned(),
            ..good
        },
    ];
    for config in wrong {
        try_timer(config, &mut of_device());
    }
}

fn delete_running_timer() {
    on_timer(|_, _| {
        busy(80);
        log("/EvtTimerFunc");
    });
    let timer = timer(recorded(device()));
    name(timer, "timer");
    start_quietly(timer, 10);
    sleep(30);
    delete(timer);
}

fn delete_timer_in_callback() {
    on_timer(|timer, _| delete(timer));
    start_quietly(timer(passive()), 10);
    sleep(1000);
}

fn timer_without_memory() {
    world()
        .host
        .fail_allocation(kmdf_host::Allocation::Object, 1);
    try_timer(timer_config(0), &mut of_device());
}

fn start_in_cleanup() {
    on_cleanup("timer", |timer| start(timer.cast(), 5));
    let timer = timer(recorded(device()));
    name(timer, "timer");
    delete(timer);
    sleep(20);
    log_count();
}

fn passive_queue(own: WDF_OBJECT_ATTRIBUTES) -> WDFQUEUE {
    let mut own = own;
    let mut config = queue_config(_WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchManual);
    let mut queue = null();
    let status = wdf!(WdfIoQueueCreate(
        device().cast(),
        &raw mut config,
        &raw mut own,
        &raw mut queue
    ));
    log(format!("WdfIoQueueCreate = {status:#x}"));
    queue
}

fn serialized_with_queue() {
    let queue: WDFOBJECT = passive_queue(WDF_OBJECT_ATTRIBUTES {
        SynchronizationScope: _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeQueue,
        ..attributes()
    })
    .cast();
    let mut own = WDF_OBJECT_ATTRIBUTES {
        ParentObject: queue,
        ..attributes()
    };
    let timer = create_timer(timer_config(0), &mut own);
    start_quietly(timer, 10);
    wdf!(WdfObjectAcquireLock(queue));
    busy(80);
    wdf!(WdfObjectReleaseLock(queue));
    sleep(30);
    log_count();
}

fn work_config() -> WDF_WORKITEM_CONFIG {
    WDF_WORKITEM_CONFIG {
        Size: size::<WDF_WORKITEM_CONFIG>(),
        EvtWorkItemFunc: Some(evt_work),
        AutomaticSerialization: 0,
    }
}

fn try_work_item(config: WDF_WORKITEM_CONFIG, own: &mut WDF_OBJECT_ATTRIBUTES) -> WDFWORKITEM {
    let mut config = config;
    let mut item = null();
    let status = wdf!(WdfWorkItemCreate(
        &raw mut config,
        &raw mut *own,
        &raw mut item
    ));
    log(format!("WdfWorkItemCreate = {status:#x}"));
    item
}

pub(crate) fn create_work_item(own: &mut WDF_OBJECT_ATTRIBUTES) -> WDFWORKITEM {
    let item = try_work_item(work_config(), own);
    assert!(!item.is_null());
    item
}

fn enqueue_while_running() {
    on_work(|_, _| busy(80));
    let item = create_work_item(&mut of_device());
    wdf!(WdfWorkItemEnqueue(item));
    sleep(20);
    for _ in 0..3 {
        wdf!(WdfWorkItemEnqueue(item));
    }
    sleep(300);
    log_count();
}

fn serialized_work_items() {
    let serialized = WDF_WORKITEM_CONFIG {
        AutomaticSerialization: 1,
        ..work_config()
    };
    try_work_item(serialized, &mut of_device());
    let queue = passive_queue(WDF_OBJECT_ATTRIBUTES {
        ExecutionLevel: _WDF_EXECUTION_LEVEL::WdfExecutionLevelPassive,
        SynchronizationScope: _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeQueue,
        ..attributes()
    });
    let mut own = WDF_OBJECT_ATTRIBUTES {
        ParentObject: queue.cast(),
        ..attributes()
    };
    try_work_item(serialized, &mut own);
}

fn work_item_without_parent() {
    try_work_item(work_config(), &mut attributes());
}

fn work_item_configurations() {
    let good = work_config();
    try_work_item(WDF_WORKITEM_CONFIG { Size: 3, ..good }, &mut of_device());
    let without = WDF_WORKITEM_CONFIG {
        EvtWorkItemFunc: None,
        ..good
    };
    try_work_item(without, &mut of_device());
}

fn flush(item: WDFWORKITEM) {
    log("> WdfWorkItemFlush");
    wdf!(WdfWorkItemFlush(item));
    log("< WdfWorkItemFlush");
}

fn flush_running() {
    on_work(|_, _| busy(80));
    let item = create_work_item(&mut of_device());
    wdf!(WdfWorkItemEnqueue(item));
    sleep(20);
    flush(item);
}

fn flush_in_callback() {
    on_work(|item, _| flush(item));
    let item = create_work_item(&mut of_device());
    wdf!(WdfWorkItemEnqueue(item));
    sleep(20);
}

fn delete_work_item_in_callback() {
    on_work(|item, _| delete(item));
    let item = create_work_item(&mut recorded(device()));
    name(item, "workitem");
    wdf!(WdfWorkItemEnqueue(item));
    sleep(20);
}

fn enqueue_at_dispatch() {
    let item = create_work_item(&mut of_device());
    world().host.set_irql(2);
    wdf!(WdfWorkItemEnqueue(item));
    world().host.set_irql(0);
    sleep(20);
}
