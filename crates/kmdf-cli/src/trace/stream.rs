//! A trace that is written while the run goes on.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use kmdf_host::Record;

use super::Renderer;

/// A renderer and where it writes to. The host has one half of it, [`Stream::sink`].
pub(crate) struct Stream(Rc<RefCell<State>>);

struct State {
    renderer: Box<dyn Renderer>,
    out: Box<dyn Write>,
    records: u64,
    /// The first that went wrong; nothing is written after it.
    error: Option<io::Error>,
}

impl State {
    fn unless_failed(
        &mut self,
        act: impl FnOnce(&mut dyn Renderer, &mut dyn Write) -> io::Result<()>,
    ) {
        if self.error.is_none() {
            self.error = act(&mut *self.renderer, &mut *self.out).err();
        }
    }
}

impl Stream {
    pub(crate) fn new(renderer: Box<dyn Renderer>, out: Box<dyn Write>) -> Self {
        Self(Rc::new(RefCell::new(State {
            renderer,
            out,
            records: 0,
            error: None,
        })))
    }

    /// What the host hands its records to.
    pub(crate) fn sink(&self) -> impl FnMut(&[Record]) + 'static {
        let state = Rc::clone(&self.0);
        move |records| {
            let mut state = state.borrow_mut();
            state.records += records.len() as u64;
            state.unless_failed(|renderer, out| renderer.records(records, out));
        }
    }

    /// Writes what ends the trace; fails if anything of it could not be written.
    pub(crate) fn finish(&self) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        let records = state.records;
        state.unless_failed(|renderer, out| {
            renderer.finish(records, out)?;
            out.flush()
        });
        state.error.take().map_or(Ok(()), Err)
    }
}
