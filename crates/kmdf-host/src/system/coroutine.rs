//! One logical thread's stack and registers.

use core::cell::{Cell, RefCell};
use core::ptr;

use corosensei::stack::{DefaultStack, Stack, StackPointer};
use corosensei::{Coroutine, CoroutineResult, Yielder};

/// Stacks that an operating-system thread keeps for its next hosts. A host of an exploration lives for microseconds; mapping
/// stacks for it would take longer than the run.
const KEPT: usize = 64;

thread_local! {
    static SPARE: RefCell<Vec<(usize, DefaultStack)>> = const { RefCell::new(Vec::new()) };
}

/// A stack that goes back to the spare ones when it is dropped.
struct PooledStack {
    bytes: usize,
    /// Taken only when it is dropped.
    stack: Option<DefaultStack>,
}

impl PooledStack {
    fn new(bytes: usize) -> Option<Self> {
        let spare = SPARE.with_borrow_mut(|spare| {
            let index = spare.iter().rposition(|(size, _)| *size == bytes)?;
            Some(spare.swap_remove(index).1)
        });
        let stack = match spare {
            Some(stack) => stack,
            None => DefaultStack::new(bytes).ok()?,
        };
        Some(Self {
            bytes,
            stack: Some(stack),
        })
    }

    fn stack(&self) -> &DefaultStack {
        self.stack.as_ref().expect("taken only when dropped")
    }
}

impl Drop for PooledStack {
    fn drop(&mut self) {
        let Some(stack) = self.stack.take() else {
            return;
        };
        let bytes = self.bytes;
        // At the end of the operating-system thread there is no place for it any more: then it is unmapped here.
        let _at_the_end = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < KEPT {
                spare.push((bytes, stack));
            }
        });
    }
}

// SAFETY: base and limit are those of a stack that is owned and does not move while this exists.
unsafe impl Stack for PooledStack {
    fn base(&self) -> StackPointer {
        self.stack().base()
    }

    fn limit(&self) -> StackPointer {
        self.stack().limit()
    }

    #[cfg(windows)]
    fn teb_fields(&self) -> corosensei::stack::StackTebFields {
        self.stack().teb_fields()
    }

    #[cfg(windows)]
    fn update_teb_fields(&mut self, stack_limit: usize, guaranteed_stack_bytes: usize) {
        if let Some(stack) = &mut self.stack {
            stack.update_teb_fields(stack_limit, guaranteed_stack_bytes);
        }
    }
}

/// A coroutine whose stack is abandoned, never unwound, when it is dropped half-way: between its frames stand C frames of
/// drivers, through which no unwinding may pass.
pub(crate) struct Fiber {
    coroutine: Coroutine<(), (), (), PooledStack>,
}

impl Fiber {
    /// A fiber that will run `body`, which must never return to be reused; `None` when there is no memory for its stack.
    pub(crate) fn new(
        stack_bytes: usize,
        body: impl FnOnce(Suspender<'_>) + 'static,
    ) -> Option<Self> {
        let stack = PooledStack::new(stack_bytes)?;
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
