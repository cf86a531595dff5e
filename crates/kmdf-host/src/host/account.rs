//! The end of a run: what is left over, and what that means.

use crate::fx::class::Kind;
use crate::report::{END, Origin, Report, Subject, Totals, Violation, ViolationKind};
use crate::stop::Stop;
use crate::system::System;
use crate::system::irp::Allocator;
use crate::system::mdl::MdlOwner;

use super::{DriverId, Host, StackId};

impl Host {
    /// Takes everything down in the proper order, as far as it goes.
    pub(crate) fn wind_up(&self) {
        if !self.system.stopped.get() {
            match self.take_down() {
                Ok(()) => self.system.account(),
                // What a removal waits for: requests that nobody will complete.
                Err(Stop::Deadlock(_)) => self.system.lost_requests(),
                Err(_) => {}
            }
        }
        self.system.tracer.flush();
    }

    fn take_down(&self) -> Result<(), Stop> {
        let result = self.take_down_stacks();
        if let Err(stop) = &result {
            let mut reason = self.system.stop.borrow_mut();
            if reason.is_none() {
                *reason = Some(stop.clone());
            }
        }
        result
    }

    fn take_down_stacks(&self) -> Result<(), Stop> {
        self.run()?;
        let count = self.stacks.count();
        for index in (0..count).rev() {
            self.remove(StackId(index))?;
        }
        let drivers = self.system.framework.modules.borrow().len();
        for number in (0..drivers).rev() {
            self.unload(DriverId(u32::try_from(number).unwrap_or(u32::MAX)))?;
        }
        self.run()
    }

    pub(crate) fn report(&self) -> Report {
        Report {
            violations: self.system.violations.borrow().clone(),
            stop: self.system.stop.borrow().clone(),
            totals: Totals::new(
                &self.system.counters,
                &self.system.faults,
                self.system.irps.numbered(),
            ),
            time: self.now(),
        }
    }
}

impl System {
    /// Lists what drivers left behind.
    fn account(&self) {
        let mut found = Vec::new();
        for object in self.framework.objects.live() {
            let (kind, how) = if object.driver_references.get() > 0 {
                (
                    ViolationKind::ReferenceLeak,
                    "a reference to it was never given back",
                )
            } else {
                (ViolationKind::ObjectLeak, "it was never deleted")
            };
            let what = match &object.kind {
                Kind::Memory(memory) => {
                    let (size, tag) = memory.size_and_tag();
                    format!("a WDFMEMORY of {size} bytes with tag {}", tag_text(tag))
                }
                _ => format!("a {}", object.class_name()),
            };
            found.push((
                kind,
                Some(object.subject()),
                format!("{what} created by {} still exists: {how}", object.origin),
            ));
        }
        for block in self.pool.blocks() {
            let tag = tag_text(block.tag);
            found.push((
                ViolationKind::MemoryLeak,
                Some(thing("pool", block.origin)),
                format!(
                    "{} bytes of pool with tag {tag}, allocated by {}, were never freed",
                    block.size, block.origin
                ),
            ));
        }
        for mdl in self.mdls.owned_by(MdlOwner::Driver) {
            found.push((
                ViolationKind::MdlLeak,
                Some(thing("MDL", mdl.origin)),
                format!("an MDL allocated by {} was never freed", mdl.origin),
            ));
        }
        for mdl in self.mdls.owned_by(MdlOwner::Framework) {
            found.push((
                ViolationKind::MdlLeak,
                Some(thing("MDL", mdl.origin)),
                format!("the framework still holds an MDL made in {}: a request was never completed or deleted", mdl.origin),
            ));
        }
        for (kind, explanation) in self.kernel.left_over() {
            found.push((kind, None, explanation));
        }
        let references = self.counters.os_references.get();
        if references > 0 {
            found.push((
                ViolationKind::ReferenceLeak,
                None,
                format!(
                    "{references} references on objects of the system, such as device and file objects, were never given \
                     back with ObDereferenceObject"
                ),
            ));
        }
        let irps = self.irps.live();
        for (allocator, whose) in [
            (Allocator::Driver, "allocated by the driver"),
            (Allocator::Framework, "of the framework's own"),
        ] {
            let left = irps.iter().filter(|irp| irp.allocator() == allocator);
            let left = left.count();
            if left > 0 {
                found.push((
                    ViolationKind::MemoryLeak,
                    None,
                    format!("{left} IRPs {whose} were never freed"),
                ));
            }
        }
        for irp in irps {
            let io = irp.io.borrow();
            if let Some(io) = io.as_ref() {
                found.push((
                    ViolationKind::RequestLost,
                    None,
                    format!("{} was never completed", io.describe()),
                ));
            }
        }
        for blocked in self.scheduler.blocked() {
            found.push((
                ViolationKind::Blocked,
                None,
                format!(
                    "thread {} waits for {} for ever",
                    blocked.thread, blocked.waits_for
                ),
            ));
        }
        let time = self.now();
        for (kind, object, explanation) in found {
            self.add_violation(Violation {
                object,
                ..Violation::new(kind, time, END, explanation)
            });
        }
    }

    /// Lets go of everything; nothing runs afterwards.
    pub(crate) fn tear_down(&self) {
        self.tracer.flush();
        self.stopped.set(true);
        self.clock.clear();
        self.scheduler.abandon();
        self.dispatchers.clear();
        self.kernel.clear();
        self.stack_buffers.clear();
        self.framework.clear();
        self.ios.clear();
        self.irps.clear();
        self.devices.clear();
        self.lowers.borrow_mut().clear();
    }
}

/// Something without a handle.
fn thing(class: &'static str, origin: Origin) -> Subject {
    Subject {
        class,
        handle: 0,
        origin,
        ended: None,
    }
}

/// A pool tag as debuggers show it.
fn tag_text(tag: u32) -> String {
    format!("{:?}", String::from_utf8_lossy(&tag.to_le_bytes()))
}
