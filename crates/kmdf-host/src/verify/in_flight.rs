//! Memory that a request in flight describes, and that its driver gives up too early.

use core::ffi::c_void;
use core::ptr;
use std::rc::Rc;

use kmdf_sys::PMDL;

use super::ViolationKind;
use crate::system::System;
use crate::system::irp::Irp;
use crate::system::mdl::Mdl;
use crate::trace::Actor;

impl System {
    /// A driver frees `length` bytes at `memory`, which no lower device may still be using.
    pub(crate) fn check_freed_memory(&self, memory: *mut c_void, length: usize) {
        let inside = |address: *mut c_void| {
            !address.is_null() && (memory.addr()..memory.addr() + length).contains(&address.addr())
        };
        for irp in self.irps_in_flight() {
            let mdl = irp.mdl.get();
            let described = self.mdls.info(mdl).map(|_| Mdl::at(mdl).va());
            let plain = [irp.system_buffer.get(), irp.user_buffer.get()];
            if plain.into_iter().chain(described).any(inside) {
                self.freed_in_flight(&irp, "the buffer");
                // The device must not touch it; what it would do to Windows is beyond a model.
                irp.system_buffer.set(ptr::null_mut());
                irp.user_buffer.set(ptr::null_mut());
                irp.mdl.set(ptr::null_mut());
            }
        }
    }

    /// A driver frees an MDL, which no lower device may still be using.
    pub(crate) fn check_freed_mdl(&self, mdl: PMDL) {
        for irp in self.irps_in_flight() {
            if ptr::eq(irp.mdl.get(), mdl) {
                self.freed_in_flight(&irp, "the MDL");
                irp.mdl.set(ptr::null_mut());
            }
        }
    }

    fn irps_in_flight(&self) -> Vec<Rc<Irp>> {
        let lowers = self.lowers.borrow();
        lowers.iter().flat_map(|lower| lower.held()).collect()
    }

    fn freed_in_flight(&self, irp: &Irp, what: &str) {
        let holder = irp.holder.borrow();
        let holder = holder.as_ref().map_or("the lower device", Actor::name);
        self.violation(
            ViolationKind::BufferFreedInFlight,
            format!(
                "{} frees {what} of IRP {}, which {holder} has not completed yet",
                self.ddi(),
                irp.id().0
            ),
        );
    }
}
