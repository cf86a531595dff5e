//! WDFTIMER.

use core::cell::Cell;
use core::ptr;
use std::rc::Rc;

use kmdf_sys::{
    _WDF_TIMER_CONFIG, BOOLEAN, LONGLONG, NTSTATUS, PFN_WDF_TIMER, PWDF_OBJECT_ATTRIBUTES,
    PWDF_TIMER_CONFIG, STATUS_INFO_LENGTH_MISMATCH, STATUS_INVALID_DEVICE_REQUEST,
    STATUS_INVALID_PARAMETER, STATUS_NOT_SUPPORTED, STATUS_SUCCESS, WDFOBJECT, WDFTIMER,
};

use kmdf_sys::missing::STATUS_WDF_INCOMPATIBLE_EXECUTION_LEVEL;

use super::attributes::Rules;
use super::class::{Kind, Obj};
use super::device::Device;
use super::lock::CallbackLock;
use super::object::{Level, Object};
use super::work::Runs;
use crate::system::clock::{Due, TimerId};
use crate::system::wait::WaitReason;
use crate::system::{PASSIVE_LEVEL, System};
use crate::time::{Ticks, due};
use crate::trace::{Event, TimerChange};

/// Sizes of the configuration in KMDF 1.11 and 1.7.
const CONFIG_1_11: usize = 32;
const CONFIG_1_7: usize = 24;

/// A WDFTIMER.
pub(crate) struct Timer {
    callback: PFN_WDF_TIMER,
    period: u32,
    lock: Option<Rc<CallbackLock>>,
    passive: bool,
    armed: Cell<Option<TimerId>>,
    /// Fired, and its callback is on its way on another thread. Stopping the timer does not take that back.
    queued: Cell<bool>,
    /// Threads that stop the timer and wait: it cannot be started meanwhile.
    stopping: Cell<u32>,
    /// It was to be started meanwhile; to whoever stops it, it was running.
    start_aborted: Cell<bool>,
    stopped_for_good: Cell<bool>,
    runs: Runs,
}

impl System {
    /// `WdfTimerCreate`.
    pub(crate) fn wdf_timer_create(
        &self,
        config: PWDF_TIMER_CONFIG,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        out: *mut WDFTIMER,
    ) -> NTSTATUS {
        let parent = match self.required_parent(attributes) {
            Ok(parent) => parent,
            Err(status) => return status,
        };
        self.require(config, "Config");
        self.require(out, "Timer");
        self.put(out, ptr::null_mut());
        let config = self.get(config);
        if ![size_of::<_WDF_TIMER_CONFIG>(), CONFIG_1_11, CONFIG_1_7]
            .contains(&(config.Size as usize))
        {
            return STATUS_INFO_LENGTH_MISMATCH;
        }
        let high_resolution = config.UseHighResolutionTimer != 0;
        if config.Period.cast_signed() < 0 || (high_resolution && config.TolerableDelay != 0) {
            return STATUS_INVALID_PARAMETER;
        }
        let attributes = match self.attributes(attributes, Rules::TIMER) {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        let passive = attributes.level == Some(Level::Passive);
        if passive && config.Period > 0 {
            return STATUS_NOT_SUPPORTED;
        }
        if Object::ancestor::<Device>(&parent).is_none() {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let lock = self.serialization(config.AutomaticSerialization, &parent);
        if lock.is_some() && (parent.level.get() == Level::Passive) != passive {
            return STATUS_WDF_INCOMPATIBLE_EXECUTION_LEVEL;
        }
        // The kernel's timer, which older clients have inside the object, and the work item of one that runs at
        // PASSIVE_LEVEL.
        let wanted = [self.client_at_least(13), passive];
        for _ in wanted.into_iter().filter(|&wanted| wanted) {
            if let Err(status) = self.pool_allocation() {
                return status;
            }
        }
        let timer = Timer {
            callback: config.EvtTimerFunc,
            period: config.Period,
            lock,
            passive,
            armed: Cell::new(None),
            queued: Cell::new(false),
            stopping: Cell::new(0),
            start_aborted: Cell::new(false),
            stopped_for_good: Cell::new(false),
            runs: Runs::default(),
        };
        match self.create_object(Kind::Timer(timer), &parent, &attributes) {
            Ok(object) => {
                object.passive_dispose.set(true);
                self.put(out, object.handle());
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// `WdfTimerStart`.
    pub(crate) fn wdf_timer_start(&self, timer: WDFTIMER, due_time: LONGLONG) -> BOOLEAN {
        let timer: Obj<Timer> = self.object(timer);
        if timer.stopped_for_good.get() {
            self.used_after_removal(timer.rc());
            return 0;
        }
        if timer.stopping.get() > 0 {
            timer.start_aborted.set(true);
            return 0;
        }
        let was_armed = self.disarm_timer(&timer);
        // Its own callback starts it again, and will do so for ever.
        let recurring = timer.runs.is_inside(self);
        self.arm_timer(&timer, due(self.now(), due_time), recurring);
        u8::from(was_armed)
    }

    fn arm_timer(&self, timer: &Obj<Timer>, at: Ticks, recurring: bool) {
        self.trace_timer(timer, TimerChange::Set { due: at });
        let fired = timer.clone();
        let call = Box::new(move |system: &System| {
            if fired.armed.take().is_some() {
                system.timer_fired(&fired);
            }
        });
        let due = Due::Call("timer dpc", call);
        timer.armed.set(Some(if recurring {
            self.clock.arm_recurring(at, due)
        } else {
            self.clock.arm(at, due)
        }));
    }

    fn disarm_timer(&self, timer: &Timer) -> bool {
        timer.armed.take().is_some_and(|id| self.clock.disarm(id))
    }

    fn trace_timer(&self, timer: &Obj<Timer>, change: TimerChange) {
        self.trace(|| Event::Timer {
            timer: timer.rc().handle.get() as u64,
            change,
        });
    }

    /// The timer's DPC.
    fn timer_fired(&self, timer: &Obj<Timer>) {
        self.trace_timer(timer, TimerChange::Fired);
        if timer.period > 0 {
            self.arm_timer(
                timer,
                self.now() + Ticks::from_millis(u64::from(timer.period)),
                true,
            );
        }
        if timer.passive {
            timer.queued.set(true);
            let run = timer.clone();
            self.queue_work("timer work item", move |system| {
                if run.queued.replace(false) {
                    system.call_timer(&run);
                }
            });
        } else {
            self.call_timer(timer);
        }
    }

    fn call_timer(&self, timer: &Obj<Timer>) {
        self.add_reference(timer.rc());
        timer.runs.begin(self);
        if let Some(callback) = timer.callback {
            self.serialized(timer.lock.as_ref(), || {
                self.callback(
                    timer.rc().driver.get(),
                    "EvtTimerFunc",
                    timer.rc().handle.get(),
                    || {
                        // SAFETY: the driver registered this function for the timer, which exists.
                        unsafe { callback(timer.handle()) }
                    },
                );
            });
        }
        timer.runs.end(self);
        self.release(timer.rc());
    }

    /// `WdfTimerStop`.
    pub(crate) fn wdf_timer_stop(&self, timer: WDFTIMER, wait: BOOLEAN) -> BOOLEAN {
        let timer: Obj<Timer> = self.object(timer);
        if wait != 0 && !self.irql_at_most(PASSIVE_LEVEL) {
            return 0;
        }
        if wait != 0 && timer.runs.is_inside(self) {
            self.debug_break(
                "WdfTimerStop waits inside the timer's own callback: nothing is stopped",
            );
            return 0;
        }
        let was_armed = self.disarm_timer(&timer);
        if was_armed {
            self.trace_timer(&timer, TimerChange::Stopped);
        }
        u8::from(if wait != 0 {
            self.wait_for_timer(&timer, timer.rc().handle.get()) || was_armed
        } else {
            was_armed
        })
    }

    /// Waits for the callback of a stopped timer; whether it was to be started meanwhile.
    fn wait_for_timer(&self, timer: &Timer, name: usize) -> bool {
        timer.start_aborted.set(false);
        timer.stopping.set(timer.stopping.get() + 1);
        timer.runs.wait(self, name, || timer.queued.get());
        timer.stopping.set(timer.stopping.get() - 1);
        timer.start_aborted.replace(false)
    }

    /// Whether it will fire.
    pub(crate) fn is_armed(timer: &Timer) -> bool {
        let armed = timer.armed.take();
        timer.armed.set(armed);
        armed.is_some()
    }

    /// Dispose of a timer: it fires no more, and a running callback is waited for, in the callback itself for ever.
    pub(crate) fn dispose_timer(&self, timer: &Timer) {
        timer.stopped_for_good.set(true);
        self.disarm_timer(timer);
        if timer.runs.is_inside(self) {
            self.debug_break(
                "a timer was deleted inside its own callback, whose end the deletion waits for",
            );
            loop {
                self.wait(WaitReason::Callback(0), None);
            }
        }
        self.wait_for_timer(timer, 0);
    }

    /// `WdfTimerGetParentObject`.
    pub(crate) fn wdf_timer_get_parent_object(&self, timer: WDFTIMER) -> WDFOBJECT {
        let timer: Obj<Timer> = self.object(timer);
        timer
            .rc()
            .parent()
            .map_or(ptr::null_mut(), |parent| parent.handle())
    }
}
