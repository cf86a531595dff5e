//! The driver's callbacks: fixed functions, each of which reports that it was called.

use kmdf_sys::{
    NTSTATUS, PWDF_REQUEST_COMPLETION_PARAMS, PWDFDEVICE_INIT, ULONG, WDFCONTEXT, WDFDRIVER,
    WDFIOTARGET, WDFOBJECT, WDFQUEUE, WDFREQUEST,
};

use crate::call::Word;
use crate::case_run::invoked;

/// How many callbacks of one signature a case can have.
pub(crate) const SLOTS: usize = 16;

/// The C type of a callback, as far as its parameters go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Signature {
    Completion,
    Cancel,
    Object,
    QueueRequest,
    QueueStop,
    QueueTransfer,
    QueueControl,
    QueueState,
    DeviceAdd,
    Unload,
}

impl Signature {
    /// The names of the parameters.
    pub(crate) const fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Completion => &["Request", "Target", "Params", "Context"],
            Self::Cancel => &["Request"],
            Self::Object => &["Object"],
            Self::QueueRequest => &["Queue", "Request"],
            Self::QueueStop => &["Queue", "Request", "ActionFlags"],
            Self::QueueTransfer => &["Queue", "Request", "Length"],
            Self::QueueControl => &[
                "Queue",
                "Request",
                "OutputBufferLength",
                "InputBufferLength",
                "IoControlCode",
            ],
            Self::QueueState => &["Queue", "Context"],
            Self::DeviceAdd => &["Driver", "DeviceInit"],
            Self::Unload => &["Driver"],
        }
    }

    /// The address of the function for a slot.
    pub(crate) fn function(self, slot: usize) -> Option<usize> {
        let pool: &[*const (); SLOTS] = match self {
            Self::Completion => &slots!(completion),
            Self::Cancel => &slots!(cancel),
            Self::Object => &slots!(object),
            Self::QueueRequest => &slots!(queue_request),
            Self::QueueStop => &slots!(queue_stop),
            Self::QueueTransfer => &slots!(queue_transfer),
            Self::QueueControl => &slots!(queue_control),
            Self::QueueState => &slots!(queue_state),
            Self::DeviceAdd => &slots!(device_add),
            Self::Unload => &slots!(unload),
        };
        pool.get(slot).map(|function| function.expose_provenance())
    }
}

macro_rules! slots {
    ($function:ident) => {
        slots!($function: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    ($function:ident: $($slot:literal)*) => {
        [$($function::<$slot> as *const ()),*]
    };
}
use slots;

fn word<T>(pointer: *mut T) -> Word {
    pointer.expose_provenance() as Word
}

unsafe extern "C" fn completion<const SLOT: usize>(
    request: WDFREQUEST,
    target: WDFIOTARGET,
    params: PWDF_REQUEST_COMPLETION_PARAMS,
    context: WDFCONTEXT,
) {
    invoked(
        Signature::Completion,
        SLOT,
        &[word(request), word(target), word(params), word(context)],
    );
}

unsafe extern "C" fn cancel<const SLOT: usize>(request: WDFREQUEST) {
    invoked(Signature::Cancel, SLOT, &[word(request)]);
}

unsafe extern "C" fn object<const SLOT: usize>(object: WDFOBJECT) {
    invoked(Signature::Object, SLOT, &[word(object)]);
}

unsafe extern "C" fn queue_request<const SLOT: usize>(queue: WDFQUEUE, request: WDFREQUEST) {
    invoked(Signature::QueueRequest, SLOT, &[word(queue), word(request)]);
}

unsafe extern "C" fn queue_stop<const SLOT: usize>(
    queue: WDFQUEUE,
    request: WDFREQUEST,
    flags: ULONG,
) {
    let arguments = [word(queue), word(request), flags.into()];
    invoked(Signature::QueueStop, SLOT, &arguments);
}

unsafe extern "C" fn queue_transfer<const SLOT: usize>(
    queue: WDFQUEUE,
    request: WDFREQUEST,
    length: usize,
) {
    let arguments = [word(queue), word(request), length as Word];
    invoked(Signature::QueueTransfer, SLOT, &arguments);
}

unsafe extern "C" fn queue_control<const SLOT: usize>(
    queue: WDFQUEUE,
    request: WDFREQUEST,
    output: usize,
    input: usize,
    code: ULONG,
) {
    let arguments = [
        word(queue),
        word(request),
        output as Word,
        input as Word,
        code.into(),
    ];
    invoked(Signature::QueueControl, SLOT, &arguments);
}

unsafe extern "C" fn queue_state<const SLOT: usize>(queue: WDFQUEUE, context: WDFCONTEXT) {
    invoked(Signature::QueueState, SLOT, &[word(queue), word(context)]);
}

unsafe extern "C" fn device_add<const SLOT: usize>(
    driver: WDFDRIVER,
    init: PWDFDEVICE_INIT,
) -> NTSTATUS {
    invoked(Signature::DeviceAdd, SLOT, &[word(driver), word(init)])
}

unsafe extern "C" fn unload<const SLOT: usize>(driver: WDFDRIVER) {
    invoked(Signature::Unload, SLOT, &[word(driver)]);
}
