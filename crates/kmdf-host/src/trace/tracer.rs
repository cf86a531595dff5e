//! Where records go.

use core::cell::{Cell, RefCell};
use core::fmt;
use core::mem;

use super::Record;

/// Takes records as they come.
pub(crate) type Sink = Box<dyn FnMut(&[Record])>;

/// Records that a sink gets at once.
const BATCH: usize = 1_024;

/// Collects records, or hands them on; costs one branch when off.
pub(crate) struct Tracer {
    on: Cell<bool>,
    records: RefCell<Vec<Record>>,
    sink: RefCell<Option<Sink>>,
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer")
            .field("on", &self.on)
            .finish_non_exhaustive()
    }
}

impl Tracer {
    pub(crate) const fn new(on: bool) -> Self {
        Self {
            on: Cell::new(on),
            records: RefCell::new(Vec::new()),
            sink: RefCell::new(None),
        }
    }

    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.on.get()
    }

    #[cold]
    pub(crate) fn push(&self, record: Record) {
        let mut records = self.records.borrow_mut();
        records.push(record);
        let full = records.len() >= BATCH;
        drop(records);
        if full {
            self.flush();
        }
    }

    /// Everything that is kept.
    pub(crate) fn records(&self) -> Vec<Record> {
        self.records.borrow().clone()
    }

    /// The same, and keeps it no longer.
    pub(crate) fn take(&self) -> Vec<Record> {
        self.records.take()
    }

    /// From now on everything is recorded and goes to `sink`, also what is kept so far.
    pub(crate) fn set_sink(&self, sink: Sink) {
        self.on.set(true);
        self.sink.replace(Some(sink));
    }

    /// Hands what is kept to the sink, if there is one.
    pub(crate) fn flush(&self) {
        // Taken out: whatever the sink does, nothing here is borrowed meanwhile.
        let Some(mut sink) = self.sink.take() else {
            return;
        };
        let mut records = self.records.take();
        if !records.is_empty() {
            sink(&records);
        }
        records.clear();
        let meanwhile = mem::replace(&mut *self.records.borrow_mut(), records);
        self.records.borrow_mut().extend(meanwhile);
        self.sink.replace(Some(sink));
    }
}
