//! The WDF function table: the seam between drivers and the model.
//!
//! [`entries`], [`device_entries`] and [`usb_entries`] declare each modelled DDI once. From it come the functions that drivers
//! call, in the host's C convention, and the static table; every other place of the table holds a function that stops the
//! run and names itself. The table is the same for all hosts; a call finds its host through the operating-system thread it is
//! made on.

#[cfg(test)]
mod coverage;
mod device_entries;
mod entries;
mod symbols;
mod usb_entries;

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use kmdf_sys::{_WDF_DRIVER_GLOBALS, NT_SUCCESS, WDFDRIVER, WDFDRIVER__, WDFFUNC};

use crate::stop::Stop;
use crate::system::{DISPATCH_LEVEL, System, current};
use crate::trace::{Event, Traced, Value, status_value};
use crate::verify::stack::here;

/// Number of entries of the table of KMDF 1.33.
pub(crate) const FUNCTION_COUNT: usize = 458;

/// The table.
pub(crate) static TABLE: [WDFFUNC; FUNCTION_COUNT] =
    device_entries::fill(usb_entries::fill(entries::fill(table_of_missing())));

/// `WDF_DRIVER_GLOBALS`, one block for all drivers and hosts of the process.
///
/// Drivers only read it. Its first member, the WDFDRIVER, is written when a driver object is made; hosts give equal values
/// to the driver they load first.
#[repr(C)]
struct Globals {
    driver: AtomicPtr<WDFDRIVER__>,
    rest: [u8; size_of::<_WDF_DRIVER_GLOBALS>() - size_of::<WDFDRIVER>()],
}

static GLOBALS: Globals = Globals {
    driver: AtomicPtr::new(ptr::null_mut()),
    rest: [0; size_of::<_WDF_DRIVER_GLOBALS>() - size_of::<WDFDRIVER>()],
};

const _: () = assert!(size_of::<Globals>() == size_of::<_WDF_DRIVER_GLOBALS>());
const _: () = assert!(core::mem::offset_of!(_WDF_DRIVER_GLOBALS, Driver) == 0);

pub(crate) fn set_driver(driver: WDFDRIVER) {
    GLOBALS.driver.store(driver, Ordering::Relaxed);
}

/// The address that framework bugchecks carry as their last parameter.
pub(crate) fn globals_address() -> u64 {
    debug_assert!(GLOBALS.rest.iter().all(|byte| *byte == 0));
    ptr::from_ref(&GLOBALS).addr() as u64
}

/// What a DDI does around its work.
#[inline]
pub(crate) fn enter<R: Traced>(
    ddi: &'static str,
    limit: u8,
    returns_status: bool,
    arguments: impl FnOnce() -> Vec<(&'static str, Value)>,
    work: impl FnOnce(&System) -> R,
) -> R {
    let system = current(ddi);
    let caller = system.scheduler.context.ddi.replace(ddi);
    system
        .counters
        .ddi_calls
        .set(system.counters.ddi_calls.get() + 1);
    system.trace(|| Event::Call {
        driver: system.actor(system.scheduler.context.driver.get()),
        ddi,
        arguments: arguments(),
    });
    system.preemption_point();
    system.check_stack_buffers(here());
    if system.irql() > limit {
        system.irql_too_high(limit);
    } else if limit < DISPATCH_LEVEL && system.config.compliance {
        system.check_level(limit);
    }
    let guard = PanicGuard { system, ddi };
    let result = work(system);
    core::mem::forget(guard);
    // What the driver learns is decided, but it has not learnt it yet.
    system.preemption_point();
    if returns_status
        && let Value::Status(status) = value(true, &result)
        && !NT_SUCCESS(status)
    {
        system.ddi_failed(ddi, status);
    }
    system.trace(|| Event::Return {
        ddi,
        result: value(returns_status, &result),
    });
    system.scheduler.context.ddi.set(caller);
    result
}

/// Ends the run when a DDI of the model panics: the unwinding must not reach the caller, which is C.
struct PanicGuard<'a> {
    system: &'a System,
    ddi: &'static str,
}

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        self.system.stop_for_ever(Stop::Panic { ddi: self.ddi });
    }
}

/// An argument or result in the trace; whether it is an `NTSTATUS` only the DDI's signature tells.
pub(crate) fn value(is_status: bool, value: &impl Traced) -> Value {
    if is_status {
        status_value(value)
    } else {
        value.traced()
    }
}

/// Stops the run at a DDI that the model does not have.
fn not_modelled(place: usize) -> ! {
    let name = NAMES[place];
    current(name).not_modelled(name)
}

/// What stands at every place of the table that has no model.
unsafe extern "C" fn missing<const PLACE: usize>() {
    not_modelled(PLACE)
}

macro_rules! names {
    ($($place:literal $name:ident $pfn:ident $index:ident($($parameter:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        const fn names() -> [&'static str; FUNCTION_COUNT] {
            let mut names = ["a WDF function that no public header declares"; FUNCTION_COUNT];
            $(names[$place] = stringify!($name);)*
            names
        }
    };
}

kmdf_sys::for_each_wdf_function!(names);

/// The names of all functions, by place.
static NAMES: [&str; FUNCTION_COUNT] = names();

/// Fills a table with the functions that stop the run; in powers of two, for want of a loop over constants.
macro_rules! missing_table {
    ($table:ident: $($bit:literal)*) => {
        missing_table!(@ $table (0) $($bit)*)
    };
    (@ $table:ident ($place:expr)) => {
        if $place < FUNCTION_COUNT {
            $table[if $place < FUNCTION_COUNT { $place } else { 0 }] = Some(missing::<{ $place }>);
        }
    };
    (@ $table:ident ($place:expr) $bit:literal $($rest:literal)*) => {
        missing_table!(@ $table ($place) $($rest)*);
        missing_table!(@ $table ($place + $bit) $($rest)*);
    };
}

const fn table_of_missing() -> [WDFFUNC; FUNCTION_COUNT] {
    let mut table: [WDFFUNC; FUNCTION_COUNT] = [None; FUNCTION_COUNT];
    missing_table!(table: 256 128 64 32 16 8 4 2 1);
    table
}

/// Declares DDIs: makes their functions, and `fill`, which puts them at their places in a table.
macro_rules! ddi_table {
    ($($name:ident($($parameter:ident: $type:ty),* $(,)?) $(-> $result:ty)? = $method:ident;)*) => {
        pastey::paste! {
            $(
                #[allow(non_snake_case, reason = "the name of C")]
                unsafe extern "C" fn $name(_: PWDF_DRIVER_GLOBALS, $($parameter: $type),*) $(-> $result)? {
                    $crate::table::enter(
                        stringify!($name),
                        const { $crate::verify::irql::limit(stringify!($name)) },
                        $crate::table::is_status(stringify!($($result)?)),
                        || vec![$((
                            stringify!($parameter),
                            $crate::table::value($crate::table::is_status(stringify!($type)), &$parameter),
                        )),*],
                        |system| system.$method($($parameter),*),
                    )
                }
            )*

            /// The table with these functions at their places.
            pub(super) const fn fill(
                mut table: [WDFFUNC; $crate::table::FUNCTION_COUNT],
            ) -> [WDFFUNC; $crate::table::FUNCTION_COUNT] {
                $({
                    // The type check against the header's pointer type.
                    let function: [<PFN_ $name:upper>] = Some($name);
                    // SAFETY: both are optional function pointers; drivers convert it back to its own type before calling.
                    let untyped = unsafe { core::mem::transmute::<[<PFN_ $name:upper>], WDFFUNC>(function) };
                    table[_WDFFUNCENUM::[<$name TableIndex>] as usize] = untyped;
                })*
                table
            }
        }
    };
}

use ddi_table;

const fn is_status(result: &str) -> bool {
    matches!(result.as_bytes(), b"NTSTATUS")
}

#[cfg(test)]
mod tests {
    use crate::{Host, HostConfig};

    #[test]
    fn a_panic_of_the_model_ends_the_run() {
        let host = Host::new(HostConfig::new());
        host.spawn("caller", || {
            super::enter("WdfPanics", 15, false, Vec::new, |_| -> () {
                panic!("on purpose")
            });
        });
        assert_eq!(host.run(), Err(super::Stop::Panic { ddi: "WdfPanics" }));
    }
}
