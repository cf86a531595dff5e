//! WDF functions as Rust functions, for [`call_unsafe_wdf_function_binding!`](crate::call_unsafe_wdf_function_binding).

#![allow(non_snake_case, reason = "the names of C")]
#![expect(clippy::too_many_arguments, reason = "the signatures of C")]

use core::{mem, slice};

use crate::{WDFFUNC, WdfDriverGlobals, WdfFunctionCount, WdfFunctions};

/// The number of functions that the framework has.
///
/// # Safety
///
/// The framework must be bound.
#[must_use]
#[inline]
pub unsafe fn get_wdf_function_count() -> usize {
    // SAFETY: it is written only while the framework is being bound.
    let count = unsafe { WdfFunctionCount };
    count as usize
}

/// The function at a place of the function table.
///
/// # Safety
///
/// The framework must be bound.
#[inline(always)]
unsafe fn entry(place: usize) -> WDFFUNC {
    // SAFETY: the table is there once the framework is bound, and is not changed any more.
    let table = unsafe { WdfFunctions };
    // SAFETY: the caller promises that the framework is bound.
    let count = unsafe { get_wdf_function_count() };
    // SAFETY: the framework's table has so many entries, and lives as long as the driver.
    let table = unsafe { slice::from_raw_parts(table, count) };
    table[place]
}

macro_rules! functions {
    ($($place:literal $name:ident $pfn:ident $index:ident($($parameter:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        $(
            #[doc = concat!("Calls `", stringify!($name), "`.")]
            ///
            /// # Safety
            ///
            /// The framework must be bound, and what the function's documentation demands of the arguments
            /// and of the IRQL must hold.
            $(
                #[doc = concat!("\nReturns `", stringify!($result), "`.")]
                #[must_use]
            )?
            #[inline(always)]
            pub unsafe fn $name($($parameter: $type),*) $(-> $result)? {
                // SAFETY: the caller promises that the framework is bound.
                let function = unsafe { entry($place) };
                // SAFETY: the framework has a function of this type at this place.
                let function = unsafe { mem::transmute::<WDFFUNC, crate::$pfn>(function) };
                // SAFETY: it is written only while the framework is being bound.
                let globals = unsafe { WdfDriverGlobals };
                match function {
                    // SAFETY: the caller promises that the arguments are what the function demands.
                    Some(function) => unsafe { function(globals, $($parameter),*) },
                    None => unreachable!("the framework leaves no entry of its table empty"),
                }
            }
        )*
    };
}

for_each_wdf_function!(functions);
