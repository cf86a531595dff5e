//! The events of the format, as far as they are used here.

use kmdf_host::Ticks;
use serde::Serialize;
use serde_json::{Map, Value, json};

const PROCESS: u32 = 1;
/// What the duration of a step of an IRP is shown as, in microseconds: until the next record at most.
const STEP: f64 = 0.001;

/// Where and when something happened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) track: usize,
    pub(super) nanoseconds: u64,
    /// The virtual time, where it is to be said.
    pub(super) time: Option<Ticks>,
}

impl Place {
    /// The same place, for what would only say the virtual time again.
    pub(super) fn silent(self) -> Self {
        Self { time: None, ..self }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "exact for the first 104 days of a run"
    )]
    fn microseconds(self) -> f64 {
        self.nanoseconds as f64 / 1_000.0
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Entry<'a> {
    ph: &'static str,
    pid: u32,
    tid: usize,
    /// Microseconds.
    ts: f64,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bp: Option<&'static str>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    args: Map<String, Value>,
}

impl<'a> Entry<'a> {
    pub(super) fn new(place: Place, ph: &'static str, name: &'a str, args: Value) -> Self {
        let mut args = if let Value::Object(args) = args {
            args
        } else {
            Map::new()
        };
        if let Some(time) = place.time {
            args.insert("at".to_owned(), time.to_string().into());
        }
        Self {
            ph,
            pid: PROCESS,
            tid: place.track,
            ts: place.microseconds(),
            name,
            dur: None,
            cat: None,
            id: None,
            s: None,
            bp: None,
            args,
        }
    }

    /// One of several that belong together.
    pub(super) fn of(mut self, category: &'static str, id: u64) -> Self {
        self.cat = Some(category);
        self.id = Some(id);
        self
    }

    /// With a duration, the shortest there is.
    pub(super) fn lasting(mut self) -> Self {
        self.dur = Some(STEP);
        self
    }

    /// Without a duration, marked on its track (`t`) or through the whole process (`p`).
    pub(super) fn scoped(mut self, scope: &'static str) -> Self {
        self.s = Some(scope);
        self
    }

    /// The end of a flow, at the span around it instead of the next.
    pub(super) fn binding(mut self, around: bool) -> Self {
        self.bp = around.then_some("e");
        self
    }
}

/// The name of the process or of a track.
pub(super) fn metadata(what: &str, track: usize, name: &str) -> Value {
    json!({"ph": "M", "pid": PROCESS, "tid": track, "name": what, "args": {"name": name}})
}
