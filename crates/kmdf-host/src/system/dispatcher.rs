//! What drivers of the kernel can wait for besides events: semaphores, mutexes, timers and threads; and spin locks and DPCs.
//!
//! As in Windows the state of each is in the driver's own memory. Here is only who waits, what is armed, and who owns what.

use core::cell::{Cell, RefCell};
use core::ffi::c_void;
use core::ptr;
use std::collections::BTreeMap;
use std::rc::Rc;

use kmdf_sys::{_DISPATCHER_HEADER, _KDPC, _KMUTANT, _KSEMAPHORE, _KTIMER, PDEVICE_OBJECT, PKDPC};

use super::System;
use super::clock::{Due, TimerId};
use super::scheduler::Thread;
use super::slab::Slab;
use super::wait::{WaitReason, Wake};
use crate::fx::driver::DriverNumber;
use crate::fx::lock::Exclusion;
use crate::report::{Origin, ViolationKind};
use crate::time::Ticks;

/// Marks handles of the object manager.
const HANDLE_TAG: u16 = 0xA55E;

/// `KOBJECTS`, the types of dispatcher objects.
pub(crate) mod object_type {
    pub(crate) const SYNCHRONIZATION_EVENT: u8 = 1;
    pub(crate) const MUTANT: u8 = 2;
    pub(crate) const SEMAPHORE: u8 = 5;
    pub(crate) const THREAD: u8 = 6;
    pub(crate) const TIMER_NOTIFICATION: u8 = 8;
    pub(crate) const TIMER_SYNCHRONIZATION: u8 = 9;
}

/// A system thread as the object manager shows it.
pub(crate) struct ThreadObject {
    header: Box<_DISPATCHER_HEADER>,
    origin: Origin,
    driver: DriverNumber,
    ended: Cell<bool>,
}

impl ThreadObject {
    pub(crate) fn address(&self) -> *mut c_void {
        ptr::from_ref(&*self.header).cast_mut().cast()
    }
}

/// What the kernel keeps beside the objects in drivers' memory.
pub(crate) struct KernelObjects {
    /// Threads that wait for any object but a single event, by the object's address.
    waiters: RefCell<BTreeMap<usize, Vec<Rc<Thread>>>>,
    /// Spin locks that are held, by address, with the number of the acquisition, which names them in every run alike.
    spin_locks: RefCell<BTreeMap<usize, (usize, Rc<Exclusion>)>>,
    acquisitions: Cell<usize>,
    timers: RefCell<BTreeMap<usize, SetTimer>>,
    handles: Slab<Rc<ThreadObject>, HANDLE_TAG>,
    threads: RefCell<Vec<Rc<ThreadObject>>>,
    /// The objects of system threads that run, by the number of the logical thread.
    running: RefCell<BTreeMap<u32, Rc<ThreadObject>>>,
    /// The device objects of work items, by the item's address.
    pub(crate) work_items: RefCell<BTreeMap<usize, PDEVICE_OBJECT>>,
}

impl KernelObjects {
    pub(crate) const fn new() -> Self {
        Self {
            waiters: RefCell::new(BTreeMap::new()),
            spin_locks: RefCell::new(BTreeMap::new()),
            acquisitions: Cell::new(0),
            timers: RefCell::new(BTreeMap::new()),
            handles: Slab::new(),
            threads: RefCell::new(Vec::new()),
            running: RefCell::new(BTreeMap::new()),
            work_items: RefCell::new(BTreeMap::new()),
        }
    }

    pub(crate) fn clear(&self) {
        self.waiters.borrow_mut().clear();
        self.spin_locks.borrow_mut().clear();
        drop(self.handles.clear());
    }

    /// A kernel timer that is armed inside a block of memory.
    pub(crate) fn has_timer_in(&self, start: usize, size: usize) -> bool {
        let timers = self.timers.borrow();
        timers
            .range(start..start.saturating_add(size))
            .next()
            .is_some()
    }

    /// Where the system threads of a driver were made that have not ended.
    pub(crate) fn threads_of(&self, driver: DriverNumber) -> Vec<Origin> {
        let threads = self.threads.borrow();
        let running = threads
            .iter()
            .filter(|thread| thread.driver == driver && !thread.ended.get());
        running.map(|thread| thread.origin).collect()
    }

    /// Where the timers of a driver were set that still are.
    pub(crate) fn timers_of(&self, driver: DriverNumber) -> Vec<Origin> {
        let timers = self.timers.borrow();
        let mut set: Vec<Origin> = timers
            .values()
            .filter(|timer| timer.driver == driver)
            .map(|timer| timer.origin)
            .collect();
        // Not in the order of their addresses, which differ from run to run.
        set.sort_by_key(|origin| (origin.time, origin.ddi));
        set
    }

    /// What drivers should have given back.
    pub(crate) fn left_over(&self) -> Vec<(ViolationKind, String)> {
        let handles = self.handles.values().into_iter().map(|thread| {
            (
                ViolationKind::ReferenceLeak,
                format!(
                    "a handle of a thread, made by {}, was never closed with ZwClose",
                    thread.origin
                ),
            )
        });
        let timers = self.timers.borrow().len();
        let armed = (timers > 0).then(|| {
            (
                ViolationKind::ObjectLeak,
                format!("{timers} kernel timers are still set: KeCancelTimer was not called"),
            )
        });
        handles.chain(armed).collect()
    }

    pub(crate) fn thread_of(&self, handle: usize) -> Option<Rc<ThreadObject>> {
        self.handles.get(handle).ok()
    }

    pub(crate) fn close_handle(&self, handle: usize) -> bool {
        self.handles.remove(handle).is_some()
    }

    fn add_waiter(&self, object: usize, thread: &Rc<Thread>) {
        let mut waiters = self.waiters.borrow_mut();
        waiters.entry(object).or_default().push(Rc::clone(thread));
    }

    fn remove_waiter(&self, object: usize, thread: &Rc<Thread>) {
        let mut waiters = self.waiters.borrow_mut();
        if let Some(queue) = waiters.get_mut(&object) {
            queue.retain(|waiter| !Rc::ptr_eq(waiter, thread));
            if queue.is_empty() {
                waiters.remove(&object);
            }
        }
    }
}

/// A dispatcher object of a driver's.
#[derive(Clone, Copy)]
pub(crate) struct Dispatcher(*mut _DISPATCHER_HEADER);

impl Dispatcher {
    /// # Safety
    ///
    /// `object` must point to an initialized dispatcher object that stays valid while it is used.
    pub(crate) const unsafe fn new(object: *mut c_void) -> Self {
        Self(object.cast())
    }

    /// Initializes the header in a driver's memory.
    ///
    /// # Safety
    ///
    /// `object` must point to memory for a dispatcher object of type `T`.
    pub(crate) unsafe fn initialize<T>(object: *mut T, kind: u8, state: i32) -> Self {
        // SAFETY: the caller promises memory of this size.
        unsafe { ptr::write_bytes(object, 0, 1) };
        let own = Self(object.cast());
        // SAFETY: the type is the first byte of the header, the first member of every dispatcher object.
        unsafe { own.0.cast::<u8>().write(kind) };
        own.set_state(state);
        own
    }

    fn address(self) -> usize {
        self.0.addr()
    }

    fn kind(self) -> u8 {
        // SAFETY: the memory is a dispatcher object by the promise of `new`; the type is its first byte.
        unsafe { self.0.cast::<u8>().read() }
    }

    /// Whether it is an event, of either type.
    pub(crate) fn is_event(self) -> bool {
        self.kind() <= object_type::SYNCHRONIZATION_EVENT
    }

    pub(crate) fn state(self) -> i32 {
        // SAFETY: the memory is a dispatcher object by the promise of `new`.
        unsafe { (*self.0).SignalState }
    }

    fn set_state(self, state: i32) {
        // SAFETY: the memory is a dispatcher object by the promise of `new`; only one logical thread runs.
        unsafe { (*self.0).SignalState = state };
    }

    fn mutant(self) -> *mut _KMUTANT {
        self.0.cast()
    }

    /// Who owns a mutex, as a number that is never an address.
    fn owner(self) -> usize {
        // SAFETY: only called for a mutex, which is such a structure by the promise of `new`.
        unsafe { (*self.mutant()).OwnerThread }.addr()
    }

    fn set_owner(self, owner: usize) {
        // SAFETY: as in `owner`.
        unsafe { (*self.mutant()).OwnerThread = ptr::without_provenance_mut(owner) };
    }

    fn is_signaled_for(self, thread: &Thread) -> bool {
        self.state() > 0 || self.kind() == object_type::MUTANT && self.owner() == owner_of(thread)
    }

    /// What a satisfied wait does to the object.
    fn consume(self, thread: &Thread) {
        match self.kind() {
            object_type::SYNCHRONIZATION_EVENT | object_type::TIMER_SYNCHRONIZATION => {
                self.set_state(0);
            }
            object_type::SEMAPHORE => self.set_state(self.state() - 1),
            object_type::MUTANT => {
                self.set_state(self.state() - 1);
                self.set_owner(owner_of(thread));
            }
            _ => {}
        }
    }
}

fn owner_of(thread: &Thread) -> usize {
    thread.id.0 as usize + 1
}

/// How a wait for several objects ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitEnd {
    /// The object of this number was signaled; 0 when all were waited for.
    Object(usize),
    Timeout,
}

impl System {
    /// Whoever waits for the object looks at it again.
    pub(crate) fn dispatcher_signaled(&self, object: usize) {
        let waiters = self.kernel.waiters.borrow().get(&object).cloned();
        for thread in waiters.unwrap_or_default() {
            self.wake(&thread, Wake::Signaled);
        }
    }

    /// `KeWaitForMultipleObjects`, and `KeWaitForSingleObject` on what is no event.
    pub(crate) fn wait_objects(
        &self,
        objects: &[Dispatcher],
        all: bool,
        deadline: Option<Ticks>,
    ) -> WaitEnd {
        let thread = self.running_thread();
        let mut expired = deadline.is_some_and(|deadline| deadline <= self.now());
        loop {
            let mut signaled = objects.iter().map(|object| object.is_signaled_for(&thread));
            if all {
                if signaled.all(|signaled| signaled) {
                    for object in objects {
                        object.consume(&thread);
                    }
                    return WaitEnd::Object(0);
                }
            } else if let Some(first) = signaled.position(|signaled| signaled) {
                objects[first].consume(&thread);
                return WaitEnd::Object(first);
            }
            if expired {
                return WaitEnd::Timeout;
            }
            for object in objects {
                self.kernel.add_waiter(object.address(), &thread);
            }
            let wake = self.wait(WaitReason::Objects(objects.len()), deadline);
            for object in objects {
                self.kernel.remove_waiter(object.address(), &thread);
            }
            expired = wake == Wake::Timeout;
        }
    }

    /// Adds to the count of a semaphore; `None` when that would exceed its limit.
    pub(crate) fn release_semaphore(&self, semaphore: *mut _KSEMAPHORE, by: i32) -> Option<i32> {
        // SAFETY: the driver passes an initialized semaphore.
        let own = unsafe { Dispatcher::new(semaphore.cast()) };
        let before = own.state();
        // SAFETY: the same.
        let limit = unsafe { (*semaphore).Limit };
        let after = before
            .checked_add(by)
            .filter(|count| by > 0 && *count <= limit)?;
        own.set_state(after);
        self.dispatcher_signaled(own.address());
        Some(before)
    }

    /// Gives a mutex up; `None` when the running thread does not own it.
    pub(crate) fn release_mutex(&self, mutex: *mut _KMUTANT) -> Option<i32> {
        // SAFETY: the driver passes an initialized mutex.
        let own = unsafe { Dispatcher::new(mutex.cast()) };
        let before = own.state();
        if before > 0 || own.owner() != owner_of(&self.running_thread()) {
            return None;
        }
        own.set_state(before + 1);
        if before == 0 {
            own.set_owner(0);
            self.dispatcher_signaled(own.address());
        }
        Some(before)
    }

    /// The spin lock at an address, and the name of this acquisition of it.
    fn spin_lock(&self, lock: usize) -> (usize, Rc<Exclusion>) {
        let mut locks = self.kernel.spin_locks.borrow_mut();
        let (name, exclusion) = locks.entry(lock).or_insert_with(|| {
            let name = self.kernel.acquisitions.get() + 1;
            self.kernel.acquisitions.set(name);
            (name, Rc::new(Exclusion::default()))
        });
        (*name, Rc::clone(exclusion))
    }

    /// Whether somebody holds the spin lock.
    pub(crate) fn spin_lock_is_held(&self, lock: usize) -> bool {
        self.kernel.spin_locks.borrow().contains_key(&lock)
    }

    /// Spins for a lock at the IRQL that the caller has set.
    pub(crate) fn acquire_spin_lock(&self, lock: usize) {
        let (name, exclusion) = self.spin_lock(lock);
        if exclusion.is_owned_by(&self.running_thread()) {
            self.recursive_lock(name);
        }
        exclusion.acquire(self, name, true, None);
        self.lock_acquired("KSPIN_LOCK", name, true);
    }

    /// Gives a spin lock up; `false` when the running thread does not hold it.
    pub(crate) fn release_spin_lock(&self, lock: usize) -> bool {
        let held = self.kernel.spin_locks.borrow().get(&lock).cloned();
        let Some((name, exclusion)) = held else {
            return false;
        };
        if !exclusion.is_owned_by(&self.running_thread()) {
            return false;
        }
        self.lock_released(name);
        exclusion.release(self);
        if !exclusion.is_owned() {
            self.kernel.spin_locks.borrow_mut().remove(&lock);
        }
        true
    }

    /// `KeSetTimerEx`; whether it was set already.
    pub(crate) fn set_kernel_timer(
        &self,
        timer: *mut _KTIMER,
        at: Ticks,
        period: u32,
        dpc: PKDPC,
    ) -> bool {
        let was_set = self.cancel_kernel_timer(timer);
        // SAFETY: the driver passes an initialized timer.
        unsafe { Dispatcher::new(timer.cast()) }.set_state(0);
        let driver = self.scheduler.context.driver.get();
        self.arm_kernel_timer(
            KernelTimer {
                timer,
                period,
                dpc,
                driver,
            },
            at,
            false,
        );
        was_set
    }

    fn arm_kernel_timer(&self, timer: KernelTimer, at: Ticks, recurring: bool) {
        let address = timer.timer.addr();
        let due = Due::Call(
            "kernel timer",
            Box::new(move |system: &System| system.kernel_timer_fired(timer)),
        );
        let id = if recurring {
            self.clock.arm_recurring(at, due)
        } else {
            self.clock.arm(at, due)
        };
        let set = SetTimer {
            id,
            driver: timer.driver,
            origin: self.origin(),
        };
        self.kernel.timers.borrow_mut().insert(address, set);
    }

    fn kernel_timer_fired(&self, timer: KernelTimer) {
        let address = timer.timer.addr();
        // Cancelled between its time and now.
        if self.kernel.timers.borrow_mut().remove(&address).is_none() {
            return;
        }
        if timer.period > 0 {
            let next = self.now() + Ticks::from_millis(u64::from(timer.period));
            self.arm_kernel_timer(timer, next, true);
        }
        // SAFETY: the driver keeps a timer valid as long as it is set; freeing its memory is caught.
        unsafe { Dispatcher::new(timer.timer.cast()) }.set_state(1);
        self.dispatcher_signaled(address);
        if !timer.dpc.is_null() {
            self.insert_dpc(timer.dpc, timer.driver, ptr::null_mut(), ptr::null_mut());
        }
    }

    /// `KeCancelTimer`; whether it was set.
    pub(crate) fn cancel_kernel_timer(&self, timer: *mut _KTIMER) -> bool {
        let armed = self.kernel.timers.borrow_mut().remove(&timer.addr());
        if let Some(set) = &armed {
            self.clock.disarm(set.id);
        }
        armed.is_some()
    }

    /// `KeInsertQueueDpc`; `false` when it is queued already.
    pub(crate) fn insert_dpc(
        &self,
        dpc: *mut _KDPC,
        driver: DriverNumber,
        first: *mut c_void,
        second: *mut c_void,
    ) -> bool {
        let mut state = self.get(dpc);
        if !state.DpcData.is_null() {
            return false;
        }
        state.DpcData = dpc.cast();
        state.SystemArgument1 = first;
        state.SystemArgument2 = second;
        self.put(dpc, state);
        let run = move |system: &System| {
            let mut state = system.get(dpc);
            if state.DpcData.is_null() {
                return;
            }
            state.DpcData = ptr::null_mut();
            system.put(dpc, state);
            if let Some(routine) = state.DeferredRoutine {
                system.callback(driver, "DeferredRoutine", 0, || {
                    // SAFETY: the driver set this routine, and keeps the DPC and what it points to valid while it is queued.
                    unsafe { routine(dpc, state.DeferredContext, first, second) };
                });
            }
        };
        self.queue_dpc("kernel dpc", Box::new(run));
        true
    }

    /// `KeRemoveQueueDpc`; whether it was queued.
    pub(crate) fn remove_dpc(&self, dpc: *mut _KDPC) -> bool {
        let mut state = self.get(dpc);
        let queued = !state.DpcData.is_null();
        state.DpcData = ptr::null_mut();
        self.put(dpc, state);
        queued
    }

    /// A new system thread, and a handle to it.
    pub(crate) fn new_thread_object(&self) -> (Rc<ThreadObject>, usize) {
        let mut header = Box::<_DISPATCHER_HEADER>::default();
        // SAFETY: the box is memory for a header, which every dispatcher object begins with.
        unsafe { Dispatcher::initialize(&raw mut *header, object_type::THREAD, 0) };
        let thread = Rc::new(ThreadObject {
            header,
            origin: self.origin(),
            driver: self.scheduler.context.driver.get(),
            ended: Cell::new(false),
        });
        self.kernel.threads.borrow_mut().push(Rc::clone(&thread));
        let handle = self.kernel.handles.insert(Rc::clone(&thread));
        (thread, handle)
    }

    /// The running logical thread is a system thread from now on.
    pub(crate) fn system_thread_started(&self, thread: &Rc<ThreadObject>) {
        let number = self.running_thread().id.0;
        let mut running = self.kernel.running.borrow_mut();
        running.insert(number, Rc::clone(thread));
    }

    /// Tells those who wait for the running system thread that it has ended; `false` when it is none.
    pub(crate) fn system_thread_ended(&self) -> bool {
        let number = self.running_thread().id.0;
        let Some(thread) = self.kernel.running.borrow_mut().remove(&number) else {
            return false;
        };
        thread.ended.set(true);
        // SAFETY: the header is a dispatcher object, which lives as long as the system.
        let own = unsafe { Dispatcher::new(thread.address()) };
        own.set_state(1);
        self.dispatcher_signaled(own.address());
        true
    }
}

/// What is known of a timer that is set.
struct SetTimer {
    id: TimerId,
    driver: DriverNumber,
    origin: Origin,
}

/// A timer that is set.
#[derive(Clone, Copy)]
struct KernelTimer {
    timer: *mut _KTIMER,
    period: u32,
    dpc: PKDPC,
    driver: DriverNumber,
}
