//! UNICODE_STRING.

use core::marker::PhantomData;

use widestring::Utf16Str;

use crate::ffi;
use crate::status::{Error, Result};

/// A UNICODE_STRING that borrows its text.
#[doc(alias = "UNICODE_STRING")]
pub(crate) struct UnicodeString<'a> {
    raw: ffi::UNICODE_STRING,
    _text: PhantomData<&'a Utf16Str>,
}

impl<'a> UnicodeString<'a> {
    /// # Errors
    ///
    /// * `STATUS_INVALID_PARAMETER`: empty, or longer than 65,534 bytes.
    pub(crate) fn new(text: &'a Utf16Str) -> Result<Self> {
        let units = text.as_slice();
        let bytes = units
            .len()
            .checked_mul(2)
            .and_then(|bytes| u16::try_from(bytes).ok());
        match bytes {
            Some(bytes) if bytes > 0 => Ok(Self {
                // The framework only reads it.
                raw: ffi::UNICODE_STRING {
                    Length: bytes,
                    MaximumLength: bytes,
                    Buffer: units.as_ptr().cast_mut(),
                },
                _text: PhantomData,
            }),
            _ => Err(Error::INVALID_PARAMETER),
        }
    }

    /// A copy of the structure, valid as long as `self`'s text.
    pub(crate) fn as_raw(&self) -> ffi::UNICODE_STRING {
        self.raw
    }

    pub(crate) fn as_ptr(&self) -> ffi::PCUNICODE_STRING {
        &raw const self.raw
    }
}
