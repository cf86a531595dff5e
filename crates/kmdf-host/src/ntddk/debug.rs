//! `DbgPrint` and its kin: the text goes to the trace and to the sink of the configuration.

use core::ffi::c_void;

use kmdf_sys::{PCSTR, ULONG};

use super::arguments::{Arguments, variadic};
use super::enter;
use super::format::{MESSAGE_LIMIT, Message};
use crate::report::ViolationKind;
use crate::system::{PASSIVE_LEVEL, System, try_current};
use crate::trace::Event;

/// `DPFLTR_DEFAULT_ID`, the component of `DbgPrint`.
const DEFAULT_COMPONENT: ULONG = 101;
/// `DPFLTR_INFO_LEVEL`, the level of `DbgPrint`.
const INFO_LEVEL: ULONG = 3;

variadic! {
    /// Sends a message to the debugger.
    ///
    /// # Safety
    ///
    /// `Format` must be a terminated string, and the arguments those that it names.
    pub unsafe extern "C" fn DbgPrint(Format: PCSTR, ...) -> ULONG = 1, dbg_print;

    /// Sends a message of a component to the debugger, which the model never filters by `Level`.
    ///
    /// # Safety
    ///
    /// As [`DbgPrint`].
    pub unsafe extern "C" fn DbgPrintEx(ComponentId: ULONG, Level: ULONG, Format: PCSTR, ...) -> ULONG = 3, dbg_print_ex;
}

unsafe extern "C" fn dbg_print(registers: *const u64, stack: *const u64) -> ULONG {
    // SAFETY: the trampoline of `DbgPrint` passes what it saved.
    let mut arguments = unsafe { Arguments::new(registers, stack, 1) };
    let format = arguments.fixed(0);
    print(
        "DbgPrint",
        DEFAULT_COMPONENT,
        INFO_LEVEL,
        format,
        &mut arguments,
    )
}

unsafe extern "C" fn dbg_print_ex(registers: *const u64, stack: *const u64) -> ULONG {
    // SAFETY: the trampoline of `DbgPrintEx` passes what it saved.
    let mut arguments = unsafe { Arguments::new(registers, stack, 3) };
    let (component, level) = (arguments.fixed(0), arguments.fixed(1));
    let format = arguments.fixed(2);
    print(
        "DbgPrintEx",
        low(component),
        low(level),
        format,
        &mut arguments,
    )
}

/// A 32-bit argument: the upper half of its register is undefined.
#[allow(clippy::cast_possible_truncation, reason = "what a 32-bit argument is")]
const fn low(value: u64) -> u32 {
    value as u32
}

fn print(
    function: &'static str,
    component: ULONG,
    level: ULONG,
    format: u64,
    arguments: &mut Arguments,
) -> ULONG {
    // SAFETY: the driver passes a terminated string and the arguments that it names.
    let message = unsafe { Message::format(address(format).cast(), arguments) };
    let Some(system) = try_current() else {
        // A driver's function that a test calls by itself: there is no machine, hence no debugger.
        eprint!("{}", message.text);
        return 0;
    };
    enter(function, |_| system.debug_print(component, level, message));
    0
}

/// An argument as the pointer it is.
#[allow(
    clippy::cast_possible_truncation,
    reason = "addresses have 64 bits, as the crate asserts"
)]
pub(super) const fn address(value: u64) -> *const c_void {
    core::ptr::with_exposed_provenance(value as usize)
}

impl System {
    fn debug_print(&self, component: ULONG, level: ULONG, message: Message) {
        if message.wide && self.irql() > PASSIVE_LEVEL {
            self.violation(
                ViolationKind::Irql,
                format!(
                    "{} was called at IRQL {} with a format of wide characters; those may be printed at PASSIVE_LEVEL only, \
                     because the tables that convert them are pageable",
                    self.ddi(),
                    self.irql()
                ),
            );
        }
        if let Some(sink) = self.config.debug_output {
            sink(&message.text);
        }
        self.trace(|| Event::DebugPrint {
            driver: self.actor(self.scheduler.context.driver.get()),
            component,
            level,
            text: message.text,
        });
    }
}

/// Breaks into the debugger. No debugger is attached to the model: the run goes on, and the break is in the report.
#[unsafe(no_mangle)]
pub extern "C" fn DbgBreakPoint() {
    enter("DbgBreakPoint", |system| {
        system.driver_break("the driver itself called DbgBreakPoint");
    });
}

/// As [`DbgBreakPoint`], with a status for the debugger.
#[unsafe(no_mangle)]
pub extern "C" fn DbgBreakPointWithStatus(_status: ULONG) {
    enter("DbgBreakPointWithStatus", |system| {
        system.driver_break("the driver itself called DbgBreakPointWithStatus");
    });
}

impl System {
    /// Without a debugger a break is an unhandled exception on Windows; here it is a finding.
    fn driver_break(&self, reason: &'static str) {
        self.counters.breaks.set(self.counters.breaks.get() + 1);
        self.trace(|| Event::DebugBreak { reason });
        self.violation(ViolationKind::DebugBreak, reason.to_owned());
    }
}

const _: () = assert!(MESSAGE_LIMIT == 512);
