//! Locks: the callback lock of devices, queues and general objects, WDFSPINLOCK and WDFWAITLOCK.

use core::cell::{Cell, RefCell};
use core::ptr;
use std::collections::VecDeque;
use std::rc::Rc;

use kmdf_sys::{
    NTSTATUS, PLONGLONG, PWDF_OBJECT_ATTRIBUTES, STATUS_INVALID_DEVICE_REQUEST, STATUS_SUCCESS,
    STATUS_TIMEOUT, WDFOBJECT, WDFSPINLOCK, WDFWAITLOCK,
};

use super::attributes::{Attributes, Rules};
use super::class::{Class, Kind, Obj};
use super::object::{Level, Object, Scope};
use crate::report::{BugcheckKind, ViolationKind};
use crate::system::fail::code;
use crate::system::scheduler::Thread;
use crate::system::wait::{WaitReason, Wake};
use crate::system::{DISPATCH_LEVEL, PASSIVE_LEVEL, System};
use crate::time::{Ticks, due};

/// Mutual exclusion between logical threads.
#[derive(Default)]
pub(crate) struct Exclusion {
    owner: RefCell<Option<Rc<Thread>>>,
    waiters: RefCell<VecDeque<Rc<Thread>>>,
}

impl Exclusion {
    pub(crate) fn is_owned(&self) -> bool {
        self.owner.borrow().is_some()
    }

    pub(crate) fn is_owned_by(&self, thread: &Rc<Thread>) -> bool {
        self.owner
            .borrow()
            .as_ref()
            .is_some_and(|owner| Rc::ptr_eq(owner, thread))
    }

    /// Takes it, waiting if it must. A spin lock's waiter spins on another processor, so it may wait at any IRQL.
    pub(crate) fn acquire(
        &self,
        system: &System,
        name: usize,
        spin: bool,
        deadline: Option<Ticks>,
    ) -> Wake {
        let thread = system.running_thread();
        if !self.is_owned() {
            *self.owner.borrow_mut() = Some(thread);
            return Wake::Signaled;
        }
        if deadline.is_some_and(|deadline| deadline <= system.now()) {
            return Wake::Timeout;
        }
        self.waiters.borrow_mut().push_back(Rc::clone(&thread));
        let wake = system.wait_for_lock(WaitReason::Lock(name), spin, deadline);
        if wake == Wake::Timeout {
            self.waiters
                .borrow_mut()
                .retain(|waiter| !Rc::ptr_eq(waiter, &thread));
        }
        wake
    }

    /// Gives it up: to the thread that has waited longest, as the kernel's events and queued locks do.
    pub(crate) fn release(&self, system: &System) {
        loop {
            let next = self.waiters.borrow_mut().pop_front();
            *self.owner.borrow_mut() = next.clone();
            // A waiter whose time-out came first does not want it any more.
            if next.is_none_or(|next| system.wake(&next, Wake::Signaled)) {
                return;
            }
        }
    }
}

/// The lock behind synchronization scopes and `WdfObjectAcquireLock`: a spin lock, or a mutex at passive level.
pub(crate) struct CallbackLock {
    exclusion: Exclusion,
    passive: bool,
    irql: Cell<u8>,
    name: usize,
}

impl CallbackLock {
    pub(crate) fn new(level: Level, name: usize) -> Self {
        Self {
            exclusion: Exclusion::default(),
            passive: level == Level::Passive,
            irql: Cell::new(0),
            name,
        }
    }

    pub(crate) fn is_owner(&self, system: &System) -> bool {
        self.exclusion.is_owned_by(&system.running_thread())
    }

    pub(crate) fn acquire(&self, system: &System) {
        if self.is_owner(system) {
            system.recursive_lock(self.name);
        }
        if self.passive {
            self.exclusion.acquire(system, self.name, false, None);
        } else {
            let irql = system.irql();
            system.set_irql(irql.max(DISPATCH_LEVEL));
            self.exclusion.acquire(system, self.name, true, None);
            self.irql.set(irql);
        }
        system.lock_acquired("lock of object", self.name, !self.passive);
    }

    pub(crate) fn release(&self, system: &System) {
        if !self.is_owner(system) {
            system.not_locked(self.name);
        }
        system.lock_released(self.name);
        self.exclusion.release(system);
        if !self.passive {
            system.set_irql(self.irql.get());
        }
    }
}

/// A WDFSPINLOCK.
#[derive(Default)]
pub(crate) struct SpinLock {
    exclusion: Exclusion,
    irql: Cell<u8>,
}

/// A WDFWAITLOCK.
#[derive(Default)]
pub(crate) struct WaitLock {
    exclusion: Exclusion,
}

impl System {
    #[cold]
    pub(crate) fn recursive_lock(&self, lock: usize) -> ! {
        let deadlock = crate::stop::Deadlock {
            threads: vec![crate::stop::Blocked {
                thread: self.running_thread().name.borrow().to_string(),
                waits_for: format!("the lock of object {lock:#x}, which it holds itself"),
                awaited: crate::stop::Awaited::Lock,
            }],
            io: Vec::new(),
        };
        self.stop_for_ever(crate::stop::Stop::Deadlock(deadlock))
    }

    #[cold]
    pub(crate) fn not_locked(&self, lock: usize) -> ! {
        let explanation = format!(
            "{} releases a lock that the calling thread does not hold",
            self.ddi()
        );
        self.bugcheck(
            BugcheckKind::NotLocked,
            code::INVALID_LOCK_OPERATION,
            lock as u64,
            1,
            explanation,
        )
    }

    /// Gives an object its level, scope and the lock that goes with them.
    pub(crate) fn assign_lock(&self, object: &Rc<Object>, attributes: &Attributes) {
        let parent = object.parent();
        let inherited = parent.as_ref().map_or((Level::Dispatch, Scope::None), |p| {
            (p.level.get(), p.scope.get())
        });
        let level = attributes.level.unwrap_or(inherited.0);
        let scope = attributes.scope.unwrap_or(inherited.1);
        object.level.set(level);
        object.scope.set(scope);
        let own = || Rc::new(CallbackLock::new(level, object.handle.get()));
        let lock = match &object.kind {
            Kind::Device(_) => Some(own()),
            Kind::Queue(_) => match scope {
                Scope::Device => Object::ancestor::<super::device::Device>(object)
                    .and_then(|device| device.rc().lock.borrow().clone()),
                _ => Some(own()),
            },
            // A general object has the lock of the parent whose scope it is in, and none of its own.
            _ => match scope {
                Scope::None => None,
                _ => parent.and_then(|parent| parent.lock.borrow().clone()),
            },
        };
        *object.lock.borrow_mut() = lock;
    }

    /// The lock that is held around callbacks of a queue, if its scope asks for one.
    pub(crate) fn callback_lock(object: &Object) -> Option<Rc<CallbackLock>> {
        if object.scope.get() == Scope::None {
            None
        } else {
            object.lock.borrow().clone()
        }
    }

    /// `WdfObjectAcquireLock`.
    pub(crate) fn wdf_object_acquire_lock(&self, handle: WDFOBJECT) {
        let object = self.any_object(handle);
        let lock = self.lock_of(&object);
        if lock.passive && !self.irql_at_most(PASSIVE_LEVEL) {
            return;
        }
        lock.acquire(self);
    }

    /// `WdfObjectReleaseLock`.
    pub(crate) fn wdf_object_release_lock(&self, handle: WDFOBJECT) {
        let object = self.any_object(handle);
        let lock = self.lock_of(&object);
        if lock.passive && !self.irql_at_most(PASSIVE_LEVEL) {
            return;
        }
        lock.release(self);
    }

    fn lock_of(&self, object: &Rc<Object>) -> Rc<CallbackLock> {
        let lock = object.lock.borrow().clone();
        match lock {
            Some(lock) => lock,
            None => self.bugcheck(
                BugcheckKind::NoLock,
                code::INVALID_LOCK_OPERATION,
                object.handle.get() as u64,
                0,
                format!("{}: a {} has no lock here", self.ddi(), object.class_name()),
            ),
        }
    }

    fn create_simple<H>(
        &self,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        out: *mut *mut H,
        kind: Kind,
    ) -> NTSTATUS {
        self.require(out, "the address for the handle");
        self.put(out, ptr::null_mut());
        let attributes = match self.attributes(attributes, Rules::CHILD) {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        let parent = attributes.parent_or_driver(self);
        match self.create_object(kind, &parent, &attributes) {
            Ok(object) => {
                self.put(out, object.handle());
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// `WdfSpinLockCreate`.
    pub(crate) fn wdf_spin_lock_create(
        &self,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        out: *mut WDFSPINLOCK,
    ) -> NTSTATUS {
        self.create_simple(attributes, out, Kind::SpinLock(SpinLock::default()))
    }

    /// `WdfSpinLockAcquire`.
    pub(crate) fn wdf_spin_lock_acquire(&self, lock: WDFSPINLOCK) {
        let lock: Obj<SpinLock> = self.object(lock);
        if lock.exclusion.is_owned_by(&self.running_thread()) {
            self.recursive_lock(lock.rc().handle.get());
        }
        let irql = self.irql();
        self.set_irql(irql.max(DISPATCH_LEVEL));
        let handle = lock.rc().handle.get();
        lock.exclusion.acquire(self, handle, true, None);
        lock.irql.set(irql);
        self.lock_acquired(SpinLock::NAME, handle, true);
    }

    /// `WdfSpinLockRelease`.
    pub(crate) fn wdf_spin_lock_release(&self, lock: WDFSPINLOCK) {
        let lock: Obj<SpinLock> = self.object(lock);
        if !lock.exclusion.is_owned_by(&self.running_thread()) {
            self.not_locked(lock.rc().handle.get());
        }
        self.lock_released(lock.rc().handle.get());
        lock.exclusion.release(self);
        self.set_irql(lock.irql.get());
    }

    /// `WdfWaitLockCreate`.
    pub(crate) fn wdf_wait_lock_create(
        &self,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        out: *mut WDFWAITLOCK,
    ) -> NTSTATUS {
        self.create_simple(attributes, out, Kind::WaitLock(WaitLock::default()))
    }

    /// `WdfWaitLockAcquire`.
    pub(crate) fn wdf_wait_lock_acquire(&self, lock: WDFWAITLOCK, timeout: PLONGLONG) -> NTSTATUS {
        let lock: Obj<WaitLock> = self.object(lock);
        let timeout = (!timeout.is_null()).then(|| self.get(timeout));
        if timeout != Some(0) && !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let deadline = timeout.map(|timeout| {
            if timeout == 0 {
                self.now()
            } else {
                due(self.now(), timeout)
            }
        });
        let handle = lock.rc().handle.get();
        match lock.exclusion.acquire(self, handle, false, deadline) {
            Wake::Signaled => {
                self.lock_acquired(WaitLock::NAME, handle, false);
                STATUS_SUCCESS
            }
            Wake::Timeout => STATUS_TIMEOUT,
        }
    }

    /// `WdfWaitLockRelease`.
    pub(crate) fn wdf_wait_lock_release(&self, lock: WDFWAITLOCK) {
        let lock: Obj<WaitLock> = self.object(lock);
        if !lock.exclusion.is_owned_by(&self.running_thread()) {
            self.violation(
                ViolationKind::Lock,
                format!(
                    "a {} was released by a thread that does not hold it",
                    WaitLock::NAME
                ),
            );
        }
        self.lock_released(lock.rc().handle.get());
        lock.exclusion.release(self);
    }
}
