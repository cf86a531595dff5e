//! Buffers of requests in flight that lie on the stack of the thread that sent them.

use core::cell::{Cell, RefCell};
use core::ffi::c_void;
use core::hint::black_box;
use core::ptr;
use std::rc::Rc;

use super::ViolationKind;
use crate::system::System;
use crate::system::irp::Irp;
use crate::system::mdl::Mdl;
use crate::system::scheduler::Thread;

struct StackBuffer {
    thread: Rc<Thread>,
    address: usize,
    irp: Rc<Irp>,
}

/// The buffers on stacks that lower devices have been given and not given back.
pub(crate) struct StackBuffers {
    /// How many there are; the cheap question asked at every call.
    count: Cell<usize>,
    all: RefCell<Vec<StackBuffer>>,
}

impl StackBuffers {
    pub(crate) const fn new() -> Self {
        Self {
            count: Cell::new(0),
            all: RefCell::new(Vec::new()),
        }
    }

    pub(crate) fn clear(&self) {
        self.all.borrow_mut().clear();
        self.count.set(0);
    }
}

/// An address in the frame of the caller, or close below it. Stacks grow towards lower addresses.
#[inline]
pub(crate) fn here() -> usize {
    let mark = 0_u8;
    ptr::from_ref(black_box(&mark)).addr()
}

impl System {
    /// A lower device keeps an IRP that the running thread has sent.
    pub(crate) fn remember_stack_buffers(&self, irp: &Rc<Irp>) {
        let Some(thread) = self.scheduler.current() else {
            return;
        };
        let own = here()..thread.stack_top.get();
        let mdl = irp.mdl.get();
        let described = self.mdls.info(mdl).map(|_| Mdl::at(mdl).va());
        let plain = [irp.system_buffer.get(), irp.user_buffer.get()];
        for address in plain.into_iter().chain(described).map(<*mut c_void>::addr) {
            if own.contains(&address) {
                self.stack_buffers.all.borrow_mut().push(StackBuffer {
                    thread: Rc::clone(&thread),
                    address,
                    irp: Rc::clone(irp),
                });
            }
        }
        let count = self.stack_buffers.all.borrow().len();
        self.stack_buffers.count.set(count);
    }

    /// The device has given the IRP back.
    pub(crate) fn forget_stack_buffers(&self, irp: &Rc<Irp>) {
        if self.stack_buffers.count.get() > 0 {
            let mut all = self.stack_buffers.all.borrow_mut();
            all.retain(|buffer| !Rc::ptr_eq(&buffer.irp, irp));
            self.stack_buffers.count.set(all.len());
        }
    }

    /// The running thread's stack now ends at `here`: what was below is no buffer any more.
    #[inline]
    pub(crate) fn check_stack_buffers(&self, here: usize) {
        if self.stack_buffers.count.get() > 0 {
            self.find_dead_buffers(here);
        }
    }

    #[cold]
    fn find_dead_buffers(&self, here: usize) {
        let Some(thread) = self.scheduler.current() else {
            return;
        };
        let is_dead =
            |buffer: &StackBuffer| Rc::ptr_eq(&buffer.thread, &thread) && buffer.address < here;
        loop {
            let dead = {
                let all = self.stack_buffers.all.borrow();
                all.iter()
                    .find(|buffer| is_dead(buffer))
                    .map(|buffer| Rc::clone(&buffer.irp))
            };
            let Some(irp) = dead else {
                return;
            };
            self.forget_stack_buffers(&irp);
            let holder = irp
                .holder
                .borrow()
                .as_ref()
                .map_or_else(String::new, ToString::to_string);
            self.violation(
                ViolationKind::BufferOutOfScope,
                format!(
                    "the function returned on whose stack the buffer of IRP {} lies, which {holder} has not completed yet",
                    irp.id().0
                ),
            );
            // The device must not touch it: other functions use this part of the stack by now.
            irp.system_buffer.set(ptr::null_mut());
            irp.user_buffer.set(ptr::null_mut());
            irp.mdl.set(ptr::null_mut());
        }
    }
}
