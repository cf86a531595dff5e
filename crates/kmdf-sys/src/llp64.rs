//! The two C types whose size on Windows (LLP64) is not their size on other 64-bit hosts (LP64).

#![allow(non_camel_case_types, reason = "the names of C")]

/// `long`.
pub(crate) type c_long = i32;
/// `unsigned long`.
pub(crate) type c_ulong = u32;
