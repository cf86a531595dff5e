//! The statics that drivers link against.

use kmdf_sys::{BOOLEAN, PWDF_DRIVER_GLOBALS, ULONG, WDF_STRUCT_INFO, WDFFUNC};

use super::{FUNCTION_COUNT, GLOBALS, Globals, TABLE};

/// A static that drivers see as a C pointer variable; they never write to it.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(super) struct Shared<T>(T);

// SAFETY: the values are written by nobody; what they point to is a table of functions or a block of atomics.
unsafe impl<T> Sync for Shared<T> {}

/// The WDF function table of KMDF 1.33.
#[unsafe(no_mangle)]
pub(super) static WdfFunctions_01033: Shared<*const WDFFUNC> = Shared(TABLE.as_ptr());

/// The driver's globals.
#[unsafe(no_mangle)]
pub(super) static WdfDriverGlobals: Shared<PWDF_DRIVER_GLOBALS> =
    Shared((&raw const GLOBALS).cast::<Globals>().cast_mut().cast());

/// Number of functions.
#[unsafe(no_mangle)]
#[allow(clippy::cast_possible_truncation, reason = "458")]
pub(super) static WdfFunctionCount: ULONG = FUNCTION_COUNT as ULONG;

/// Number of structures whose sizes the framework publishes.
#[unsafe(no_mangle)]
pub(super) static WdfStructureCount: ULONG = 0;

/// Sizes of structures.
#[unsafe(no_mangle)]
pub(super) static WdfStructures: Shared<WDF_STRUCT_INFO> = Shared(core::ptr::null_mut());

/// The driver is never newer than the framework.
#[unsafe(no_mangle)]
pub(super) static WdfClientVersionHigherThanFramework: BOOLEAN = 0;

/// The unload function of a miniport driver: none.
#[unsafe(no_mangle)]
pub(super) static WdfDriverMiniportUnloadOverride: WDFFUNC = None;
