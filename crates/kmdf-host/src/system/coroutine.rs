//! One logical thread's stack and registers.

use core::cell::Cell;
use core::ptr;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};

/// A coroutine whose stack is abandoned, never unwound, when it is dropped half-way: between its frames stand C frames of
/// drivers, through which no unwinding may pass.
pub(crate) struct Fiber {
    coroutine: Coroutine<(), (), (), DefaultStack>,
}

impl Fiber {
    /// A fiber that will run `body`, which must never return to be reused; `None` when there is no memory for its stack.
    pub(crate) fn new(
        stack_bytes: usize,
        body: impl FnOnce(Suspender<'_>) + 'static,
    ) -> Option<Self> {
        let stack = DefaultStack::new(stack_bytes).ok()?;
        let coroutine = Coroutine::with_stack(stack, move |yielder: &Yielder<(), ()>, ()| {
            body(Suspender { yielder })
        });
        Some(Self { coroutine })
    }

    /// Runs until the next suspension; `false` when the body has ended.
    pub(crate) fn resume(&mut self) -> bool {
        matches!(self.coroutine.resume(()), CoroutineResult::Yield(()))
    }
}

impl Drop for Fiber {
    fn drop(&mut self) {
        if self.coroutine.started() && !self.coroutine.done() {
            // SAFETY: the objects on the abandoned stack are leaked, not dropped. Nothing refers to the stack's memory any
            // more when a fiber is dropped: the thread's suspend point is cleared with it, and the host that could reach
            // driver data on it runs no driver code afterwards.
            unsafe { self.coroutine.force_reset() }
        }
    }
}

/// The inside of a running fiber.
#[derive(Clone, Copy)]
pub(crate) struct Suspender<'a> {
    yielder: &'a Yielder<(), ()>,
}

/// Where a fiber can be suspended from, kept in its thread.
#[derive(Debug)]
pub(crate) struct SuspendPoint(Cell<*const Yielder<(), ()>>);

impl SuspendPoint {
    pub(crate) const fn none() -> Self {
        Self(Cell::new(ptr::null()))
    }

    pub(crate) fn set(&self, suspender: Suspender<'_>) {
        self.0.set(ptr::from_ref(suspender.yielder));
    }

    /// Gives control back to the scheduler until it resumes this fiber.
    ///
    /// # Safety
    ///
    /// The fiber that called `set` last must be the one that is running now.
    pub(crate) unsafe fn suspend(&self) {
        // SAFETY: by the caller's promise the fiber whose yielder this is runs now, so the yielder, which lives at the root
        // of that fiber's stack, is alive.
        let yielder = unsafe { self.0.get().as_ref() };
        if let Some(yielder) = yielder {
            yielder.suspend(());
        }
    }
}
