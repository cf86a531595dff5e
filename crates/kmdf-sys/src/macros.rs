//! The macros of wdk-sys, and those that generated modules need.

/// Calls the WDF function of the given name, with the arguments it takes in C.
///
/// The call is that of an `unsafe fn`: arguments are coerced as function arguments are, and the caller
/// needs an `unsafe` block. The function is taken from the framework's table.
///
/// # Panics
///
/// When the framework has fewer functions than the table index demands.
///
/// # Examples
///
/// ```no_run
/// use kmdf_sys::{NTSTATUS, WDFREQUEST, call_unsafe_wdf_function_binding};
///
/// unsafe extern "C" fn complete(request: WDFREQUEST, status: NTSTATUS) {
///     // SAFETY: the driver owns the request.
///     unsafe { call_unsafe_wdf_function_binding!(WdfRequestComplete, request, status) };
/// }
/// ```
#[macro_export]
macro_rules! call_unsafe_wdf_function_binding {
    ($name:ident $(, $argument:expr)* $(,)?) => {
        $crate::wdf::__private::$name($($argument),*)
    };
}

/// Asserts, in debug builds, that the IRQL allows to touch pageable memory.
#[macro_export]
macro_rules! PAGED_CODE {
    () => {
        ::core::debug_assert!(
            // SAFETY: it can be called at any IRQL.
            u32::from(unsafe { $crate::ntddk::KeGetCurrentIrql() }) <= $crate::APC_LEVEL
        )
    };
}

/// Implements `Default` as all zeros for generated types, which C initializes so.
macro_rules! zeroed_default {
    ($($name:ident,)*) => {
        $(
            impl ::core::default::Default for $name {
                fn default() -> Self {
                    // SAFETY: integers, raw pointers, optional function pointers, and structures, unions
                    // and arrays of these: all that a generated type consists of may be zero.
                    unsafe { ::core::mem::zeroed() }
                }
            }
        )*
    };
}
pub(crate) use zeroed_default;
