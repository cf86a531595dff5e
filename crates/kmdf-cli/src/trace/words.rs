//! What all forms of the trace say in the same words.

use std::fmt::Write;

use indicatif::HumanCount;
use kmdf_host::{Event, IrpId, TimerChange, Value};

use crate::status::Status;

macro_rules! name {
    ($value:expr; $($name:ident)*) => {
        match $value {
            $(kmdf_sys::$name => Some(stringify!($name)),)*
            _ => None,
        }
    };
}

/// The name of a major function code.
pub(super) fn major(code: u8) -> String {
    let name = name!(u32::from(code);
        IRP_MJ_CREATE IRP_MJ_CLOSE IRP_MJ_READ IRP_MJ_WRITE IRP_MJ_FLUSH_BUFFERS IRP_MJ_SHUTDOWN
        IRP_MJ_DEVICE_CONTROL IRP_MJ_INTERNAL_DEVICE_CONTROL IRP_MJ_CLEANUP IRP_MJ_POWER
        IRP_MJ_SYSTEM_CONTROL IRP_MJ_PNP
    );
    name.map_or_else(|| format!("major function {code:#04x}"), str::to_owned)
}

/// The name of a URB function.
fn urb(function: u16) -> String {
    let name = name!(u32::from(function);
        URB_FUNCTION_SELECT_CONFIGURATION URB_FUNCTION_SELECT_INTERFACE URB_FUNCTION_ABORT_PIPE
        URB_FUNCTION_GET_CURRENT_FRAME_NUMBER URB_FUNCTION_CONTROL_TRANSFER
        URB_FUNCTION_CONTROL_TRANSFER_EX URB_FUNCTION_BULK_OR_INTERRUPT_TRANSFER
        URB_FUNCTION_ISOCH_TRANSFER URB_FUNCTION_GET_CONFIGURATION URB_FUNCTION_GET_INTERFACE
        URB_FUNCTION_GET_DESCRIPTOR_FROM_DEVICE URB_FUNCTION_GET_DESCRIPTOR_FROM_ENDPOINT
        URB_FUNCTION_GET_DESCRIPTOR_FROM_INTERFACE URB_FUNCTION_GET_STATUS_FROM_DEVICE
        URB_FUNCTION_GET_STATUS_FROM_ENDPOINT URB_FUNCTION_GET_STATUS_FROM_INTERFACE
        URB_FUNCTION_SYNC_CLEAR_STALL URB_FUNCTION_SYNC_RESET_PIPE
        URB_FUNCTION_SYNC_RESET_PIPE_AND_CLEAR_STALL URB_FUNCTION_CLASS_DEVICE
        URB_FUNCTION_CLASS_ENDPOINT URB_FUNCTION_CLASS_INTERFACE URB_FUNCTION_CLASS_OTHER
        URB_FUNCTION_VENDOR_DEVICE URB_FUNCTION_VENDOR_ENDPOINT URB_FUNCTION_VENDOR_INTERFACE
        URB_FUNCTION_VENDOR_OTHER
    );
    name.map_or_else(|| format!("URB function {function:#06x}"), str::to_owned)
}

/// Whether the length and offset of a request with this major function mean anything.
fn transfers(code: u8) -> bool {
    matches!(
        u32::from(code),
        kmdf_sys::IRP_MJ_READ | kmdf_sys::IRP_MJ_WRITE
    )
}

/// What is asked: `IRP_MJ_WRITE, 4,096 bytes at 0`.
pub(super) fn request(code: u8, length: u32, offset: u64, carried: Option<(u16, u32)>) -> String {
    match carried {
        Some((function, 0)) => urb(function),
        Some((function, bytes)) => {
            format!("{}, {} bytes", urb(function), HumanCount(bytes.into()))
        }
        None if transfers(code) => format!(
            "{}, {} bytes at {}",
            major(code),
            HumanCount(length.into()),
            HumanCount(offset)
        ),
        None => major(code),
    }
}

/// The same where there is little room: `write 4,096 at 0`.
pub(super) fn short_request(
    code: u8,
    length: u32,
    offset: u64,
    carried: Option<(u16, u32)>,
) -> String {
    match (carried, u32::from(code)) {
        (Some((function, bytes)), _)
            if u32::from(function) == kmdf_sys::URB_FUNCTION_BULK_OR_INTERRUPT_TRANSFER =>
        {
            format!("transfer {}", HumanCount(bytes.into()))
        }
        (Some((function, _)), _) => {
            let name = urb(function);
            let name = name.strip_prefix("URB_FUNCTION_").unwrap_or(&name);
            name.to_ascii_lowercase().replace('_', " ")
        }
        (None, kmdf_sys::IRP_MJ_READ) => {
            format!(
                "read {} at {}",
                HumanCount(length.into()),
                HumanCount(offset)
            )
        }
        (None, kmdf_sys::IRP_MJ_WRITE) => {
            format!(
                "write {} at {}",
                HumanCount(length.into()),
                HumanCount(offset)
            )
        }
        (None, _) => major(code),
    }
}

/// How it ended: `STATUS_SUCCESS (0x00000000), information 4,096`.
pub(super) fn outcome(status: i32, information: u64) -> String {
    format!(
        "{}, information {}",
        Status(status),
        HumanCount(information)
    )
}

/// The name of a status alone, where there is little room.
pub(super) fn short_status(status: i32) -> String {
    let status = Status(status);
    status
        .name()
        .map_or_else(|| status.to_string(), ToString::to_string)
}

/// The same as [`outcome`] where there is little room.
pub(super) fn short_outcome(status: i32, information: u64) -> String {
    format!("{}, {}", short_status(status), HumanCount(information))
}

/// How many records a trace has, which all its forms agree on.
pub(super) fn records(count: u64) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} record{plural}", HumanCount(count))
}

pub(super) fn irp(irp: IrpId) -> String {
    format!("IRP {}", irp.0)
}

pub(super) fn value(value: &Value) -> String {
    match value {
        Value::Unit => String::new(),
        Value::Integer(value) => value.to_string(),
        Value::Status(status) => Status(*status).to_string(),
        Value::Handle(handle) => format!("{handle:#x}"),
        Value::Pointer { null: true } => "NULL".to_owned(),
        Value::Pointer { null: false } => "&".to_owned(),
    }
}

pub(super) fn timer(change: TimerChange) -> String {
    match change {
        TimerChange::Set { due } => format!("set, due at {due}"),
        TimerChange::Stopped => "stopped".to_owned(),
        TimerChange::Fired => "fired".to_owned(),
    }
}

fn returned(result: &Value) -> String {
    match result {
        Value::Unit => String::new(),
        other => format!(": {}", value(other)),
    }
}

/// A call as in C, with the names of the parameters.
pub(super) fn call(ddi: &str, arguments: &[(&'static str, Value)]) -> String {
    let mut text = format!("{ddi}(");
    for (index, (name, argument)) in arguments.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let argument = value(argument);
        let _infallible = write!(text, "{comma}{name} {argument}");
    }
    text.push(')');
    text
}

/// What happened, in a line.
pub(super) fn event(event: &Event) -> String {
    match event {
        Event::Call {
            driver,
            ddi,
            arguments,
        } => format!("{driver} calls {}", call(ddi, arguments)),
        Event::Return { ddi, result } => format!("{ddi} returns{}", returned(result)),
        Event::CallbackEnter {
            driver,
            callback,
            object,
        } => format!("{driver} is called: {callback}({object:#x})"),
        Event::CallbackLeave {
            driver,
            callback,
            result,
        } => {
            format!("{driver} leaves {callback}{}", returned(result))
        }
        Event::IoSubmitted {
            irp: id,
            major,
            length,
            offset,
        } => {
            format!(
                "{}: made for the application, {}",
                irp(*id),
                request(*major, *length, *offset, None)
            )
        }
        Event::IoCompleted {
            irp: id,
            status,
            information,
        } => {
            format!(
                "{}: given back to the application, {}",
                irp(*id),
                outcome(*status, *information)
            )
        }
        Event::IrpDown {
            irp: id,
            from,
            to,
            major,
            length,
            offset,
            urb,
        } => {
            format!(
                "{}: {from} -> {to}, {}",
                irp(*id),
                request(*major, *length, *offset, *urb)
            )
        }
        Event::IrpUp {
            irp: id,
            from,
            status,
            information,
        } => {
            format!(
                "{}: completed by {from}, {}",
                irp(*id),
                outcome(*status, *information)
            )
        }
        Event::TimeOut { irp: Some(id) } => format!("{}: the time is up", irp(*id)),
        Event::TimeOut { irp: None } => "a request: the time is up".to_owned(),
        Event::IrpCancel {
            irp: id,
            by,
            routine,
        } => {
            let without = if *routine {
                ""
            } else {
                ", without a cancel routine"
            };
            format!("{}: cancelled by {by}{without}", irp(*id))
        }
        Event::Wait { what } => format!("waits for {what}"),
        Event::Resume { timeout: true } => "goes on, the time is up".to_owned(),
        Event::Resume { timeout: false } => "goes on".to_owned(),
        Event::KernelRoutine { routine } => (*routine).to_owned(),
        Event::PnpDown { request, to } => format!("{request} -> {to}"),
        Event::PnpUp {
            request,
            from,
            status,
        } => format!("{request}: answered by {from}, {}", Status(*status)),
        Event::Power {
            driver,
            device,
            from,
            to,
        } => format!("{driver}: device {device:#x} goes from {from} to {to}"),
        Event::Queue { queue, state } => format!("queue {queue:#x}: {state}"),
        Event::Timer { timer: id, change } => format!("timer {id:#x} {}", timer(*change)),
        Event::Enqueued { callback, object } => format!("{callback} of {object:#x} queued"),
        Event::Choice {
            what,
            among,
            chosen,
        } => format!("choice between {among} {what}: number {}", chosen + 1),
        Event::Violation { kind, explanation } => format!("violation, {kind:?}: {explanation}"),
        Event::Stopped { reason } => format!("stopped: {reason}"),
        Event::DebugBreak { reason } => format!("debug break: {reason}"),
        Event::DebugPrint { driver, text, .. } => format!("{driver} prints: {}", text.trim_end()),
        Event::Bugcheck { code, p1 } => format!("bugcheck {code:#X}, first parameter {p1:#x}"),
    }
}
