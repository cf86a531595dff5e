//! Kernel events and who waits for them. The state is in the driver's `KEVENT`, as in Windows; only the waiters are here.
//! What else can be waited for is in [`super::dispatcher`].

use core::cell::RefCell;
use core::ptr;
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::rc::Rc;

use kmdf_sys::_KEVENT;

use super::System;
use super::scheduler::Thread;
use super::wait::{WaitReason, Wake};
use crate::time::Ticks;

/// Threads that wait for kernel events, by the event's address.
pub(crate) struct DispatcherObjects {
    waiters: RefCell<BTreeMap<usize, VecDeque<Rc<Thread>>>>,
}

impl DispatcherObjects {
    pub(crate) const fn new() -> Self {
        Self {
            waiters: RefCell::new(BTreeMap::new()),
        }
    }

    fn first(&self, event: usize) -> Option<Rc<Thread>> {
        let mut waiters = self.waiters.borrow_mut();
        let queue = waiters.get_mut(&event)?;
        let first = queue.pop_front();
        if queue.is_empty() {
            waiters.remove(&event);
        }
        first
    }

    fn add(&self, event: usize, thread: Rc<Thread>) {
        self.waiters
            .borrow_mut()
            .entry(event)
            .or_default()
            .push_back(thread);
    }

    fn remove(&self, event: usize, thread: &Rc<Thread>) {
        let mut waiters = self.waiters.borrow_mut();
        if let Some(queue) = waiters.get_mut(&event) {
            queue.retain(|waiter| !Rc::ptr_eq(waiter, thread));
            if queue.is_empty() {
                waiters.remove(&event);
            }
        }
    }

    pub(crate) fn clear(&self) {
        self.waiters.borrow_mut().clear();
    }
}

/// A driver's `KEVENT`.
#[derive(Clone, Copy)]
pub(crate) struct KernelEvent(*mut _KEVENT);

impl KernelEvent {
    /// # Safety
    ///
    /// `event` must point to memory for a `KEVENT` that stays valid while it is waited for.
    pub(crate) const unsafe fn new(event: *mut _KEVENT) -> Self {
        Self(event)
    }

    fn address(self) -> usize {
        self.0.addr()
    }

    fn is_synchronization(self) -> bool {
        // SAFETY: the memory is a `KEVENT` by the promise of `new`; the type is its first byte.
        unsafe { self.0.cast::<u8>().read() == 1 }
    }

    fn state(self) -> i32 {
        // SAFETY: the memory is a `KEVENT` by the promise of `new`.
        unsafe { (*self.0).Header.SignalState }
    }

    fn set_state(self, state: i32) -> i32 {
        let before = self.state();
        // SAFETY: the memory is a `KEVENT` by the promise of `new`; only one logical thread runs.
        unsafe { (*self.0).Header.SignalState = state };
        before
    }

    pub(crate) fn initialize(self, synchronization: bool, signaled: bool) {
        // SAFETY: the memory has the size of a `KEVENT` by the promise of `new`.
        unsafe { ptr::write_bytes(self.0, 0, 1) };
        // SAFETY: the type is the first byte of a `KEVENT`.
        unsafe { self.0.cast::<u8>().write(u8::from(synchronization)) };
        self.set_state(i32::from(signaled));
    }

    pub(crate) fn reset(self) -> i32 {
        self.set_state(0)
    }
}

impl System {
    /// `KeSetEvent`; returns the state before.
    pub(crate) fn set_event(&self, event: KernelEvent) -> i32 {
        let before = event.set_state(1);
        if before == 0 {
            if event.is_synchronization() {
                while let Some(thread) = self.dispatchers.first(event.address()) {
                    // A waiter whose time-out came first leaves the event to the next.
                    if self.wake(&thread, Wake::Signaled) {
                        event.set_state(0);
                        break;
                    }
                }
            } else {
                while let Some(thread) = self.dispatchers.first(event.address()) {
                    self.wake(&thread, Wake::Signaled);
                }
            }
        }
        if event.state() != 0 {
            self.dispatcher_signaled(event.address());
        }
        before
    }

    /// `KeWaitForSingleObject` on an event; `deadline` of now or earlier only looks.
    pub(crate) fn wait_event(&self, event: KernelEvent, deadline: Option<Ticks>) -> Wake {
        if event.state() != 0 {
            if event.is_synchronization() {
                event.set_state(0);
            }
            return Wake::Signaled;
        }
        if deadline.is_some_and(|deadline| deadline <= self.now()) {
            return Wake::Timeout;
        }
        let thread = self.running_thread();
        self.dispatchers.add(event.address(), Rc::clone(&thread));
        let wake = self.wait(WaitReason::Event(event.address()), deadline);
        if wake == Wake::Timeout {
            self.dispatchers.remove(event.address(), &thread);
        }
        wake
    }

    /// Lets virtual time pass for the running thread.
    pub(crate) fn sleep(&self, until: Ticks) {
        self.wait(WaitReason::Sleep, Some(until));
    }
}
