//! What wdk-sys has, and what the library uses of it.

pub(crate) mod table;
pub(crate) mod uses;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
