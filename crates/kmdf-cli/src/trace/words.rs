//! What all forms of the trace say in the same words.

use std::fmt::Write;

use indicatif::HumanCount;
use kmdf_host::{Event, IrpId, Value};

use crate::status::Status;

/// The name of a major function code.
pub(super) fn major(code: u8) -> String {
    let name = match code {
        0x00 => "IRP_MJ_CREATE",
        0x02 => "IRP_MJ_CLOSE",
        0x03 => "IRP_MJ_READ",
        0x04 => "IRP_MJ_WRITE",
        0x0E => "IRP_MJ_DEVICE_CONTROL",
        0x0F => "IRP_MJ_INTERNAL_DEVICE_CONTROL",
        0x12 => "IRP_MJ_CLEANUP",
        0x16 => "IRP_MJ_POWER",
        0x1B => "IRP_MJ_PNP",
        _ => return format!("IRP_MJ {code:#04x}"),
    };
    name.to_owned()
}

/// Whether the length and offset of a request with this major function mean anything.
fn transfers(code: u8) -> bool {
    matches!(code, 0x03 | 0x04)
}

/// The name of a URB function.
fn urb(function: u16) -> String {
    let name = match function {
        0x0000 => "URB select configuration",
        0x0001 => "URB select interface",
        0x0002 => "URB abort pipe",
        0x0008 | 0x0032 => "URB control transfer",
        0x0009 => "URB bulk or interrupt transfer",
        0x000B => "URB get descriptor",
        0x001E => "URB sync reset pipe and clear stall",
        0x0030 => "URB sync reset pipe",
        0x0031 => "URB sync clear stall",
        _ => return format!("URB {function:#06x}"),
    };
    name.to_owned()
}

/// What is asked: `IRP_MJ_WRITE, 4,096 bytes at 0`.
pub(super) fn request(code: u8, length: u32, offset: u64, carried: Option<(u16, u32)>) -> String {
    match carried {
        Some((function, 0)) => urb(function),
        Some((function, bytes)) => format!("{}, {} bytes", urb(function), HumanCount(bytes.into())),
        None if transfers(code) => {
            format!(
                "{}, {} bytes at {}",
                major(code),
                HumanCount(length.into()),
                HumanCount(offset)
            )
        }
        None => major(code),
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

/// The same with the name of the status alone, where there is little room.
pub(super) fn short_outcome(status: i32, information: u64) -> String {
    let status = Status(status);
    match status.name() {
        Some(name) => format!("{name}, {}", HumanCount(information)),
        None => format!("{status}, {}", HumanCount(information)),
    }
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

fn status(number: i64) -> String {
    i32::try_from(number).map_or_else(|_| number.to_string(), |value| Status(value).to_string())
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
        let argument = match argument {
            // To the bindings a status is an integer like any other.
            Value::Integer(number) if *name == "status" => status(*number),
            other => value(other),
        };
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
        Event::IrpCancel {
            irp: id,
            routine: true,
        } => format!("{}: cancelled", irp(*id)),
        Event::IrpCancel {
            irp: id,
            routine: false,
        } => format!("{}: cancelled, without a cancel routine", irp(*id)),
        Event::Wait { what } => format!("waits for {what}"),
        Event::Resume { timeout: true } => "goes on, the time is up".to_owned(),
        Event::Resume { timeout: false } => "goes on".to_owned(),
        Event::DebugBreak { reason } => format!("debug break: {reason}"),
        Event::Bugcheck { code, p1 } => format!("bugcheck {code:#X}, first parameter {p1:#x}"),
    }
}
