//! What the framework's loader fills in before `DriverEntry`, and constants that C writes as casts.

#![allow(non_upper_case_globals, reason = "the names of C")]

use core::ptr;

use crate::{BOOLEAN, PVOID, PWDF_DRIVER_GLOBALS, PWDF_OBJECT_ATTRIBUTES, ULONG};
use crate::{WDF_STRUCT_INFO, WDFFUNC};

unsafe extern "C" {
    /// The WDF function table of KMDF 1.33.
    #[link_name = "WdfFunctions_01033"]
    pub static mut WdfFunctions: *const WDFFUNC;
    /// What every WDF function takes as its first argument.
    pub static mut WdfDriverGlobals: PWDF_DRIVER_GLOBALS;
    /// The number of entries of the function table.
    pub static mut WdfFunctionCount: ULONG;
    /// The number of entries of [`WdfStructures`].
    pub static mut WdfStructureCount: ULONG;
    /// The sizes that the framework gives to its structures.
    pub static mut WdfStructures: WDF_STRUCT_INFO;
    /// Whether the driver was built for a later version than the framework is.
    pub static mut WdfClientVersionHigherThanFramework: BOOLEAN;
    /// The unload function of a miniport driver.
    pub static mut WdfDriverMiniportUnloadOverride: WDFFUNC;
}

/// The minor version of KMDF that a driver needs at least.
pub const WdfMinimumVersionRequired: ULONG = 33;

/// No attributes (wdftypes.h).
pub const WDF_NO_OBJECT_ATTRIBUTES: PWDF_OBJECT_ATTRIBUTES = ptr::null_mut();
/// No callback (wdftypes.h).
pub const WDF_NO_EVENT_CALLBACK: PVOID = ptr::null_mut();
/// No handle (wdftypes.h).
pub const WDF_NO_HANDLE: PVOID = ptr::null_mut();
/// No context (wdftypes.h).
pub const WDF_NO_CONTEXT: PVOID = ptr::null_mut();
/// No send options (wdftypes.h).
pub const WDF_NO_SEND_OPTIONS: PVOID = ptr::null_mut();
