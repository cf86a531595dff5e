//! `UNICODE_STRING` and WDFSTRING.

use core::cell::RefCell;
use core::slice;

use kmdf_sys::{
    _UNICODE_STRING, NTSTATUS, PCUNICODE_STRING, PUNICODE_STRING, PWDF_OBJECT_ATTRIBUTES,
    STATUS_INVALID_PARAMETER, STATUS_SUCCESS, WDFSTRING,
};

use super::attributes::Rules;
use super::class::{Kind, Obj};
use crate::system::System;

/// A WDFSTRING: a copy, which only the framework changes.
pub(crate) struct Text {
    units: RefCell<Box<[u16]>>,
}

impl Text {
    /// A copy with a terminating zero behind it; of nothing for no string at all.
    fn new(units: Option<Vec<u16>>) -> Self {
        let units = units.map_or_else(Vec::new, |mut units| {
            units.push(0);
            units
        });
        Self {
            units: RefCell::new(units.into()),
        }
    }

    /// Puts another text in place of the old one.
    pub(crate) fn assign(&self, text: &str) {
        *self.units.borrow_mut() = utf16z(text);
    }

    pub(crate) fn as_unicode(&self) -> _UNICODE_STRING {
        let units = self.units.borrow();
        if units.is_empty() {
            return _UNICODE_STRING::default();
        }
        unicode_over(&units)
    }
}

/// A counted string over `units`, which must outlive it; its length excludes a terminating zero.
pub(crate) fn unicode_over(units: &[u16]) -> _UNICODE_STRING {
    let text = units.strip_suffix(&[0]).unwrap_or(units);
    _UNICODE_STRING {
        Length: u16::try_from(size_of_val(text)).unwrap_or(u16::MAX - 1),
        MaximumLength: u16::try_from(size_of_val(units)).unwrap_or(u16::MAX - 1),
        Buffer: units.as_ptr().cast_mut(),
    }
}

/// `text` in UTF-16 with a terminating zero.
pub(crate) fn utf16z(text: &str) -> Box<[u16]> {
    text.encode_utf16().chain([0]).collect()
}

impl System {
    /// The code units of a counted string; `None` when it is NULL or malformed.
    pub(crate) fn units(&self, string: PCUNICODE_STRING) -> Option<Vec<u16>> {
        if string.is_null() {
            return None;
        }
        let string = self.get(string);
        if !string.Length.is_multiple_of(2) || string.Length > string.MaximumLength {
            return None;
        }
        if string.Length == 0 {
            return Some(Vec::new());
        }
        if string.Buffer.is_null() {
            return None;
        }
        // SAFETY: a counted string's buffer holds `Length` bytes; its owner does not change it during the call.
        let units = unsafe { slice::from_raw_parts(string.Buffer, usize::from(string.Length) / 2) };
        Some(units.to_vec())
    }

    pub(crate) fn text(&self, string: PCUNICODE_STRING) -> Option<String> {
        self.units(string)
            .map(|units| String::from_utf16_lossy(&units))
    }

    /// `WdfStringCreate`.
    pub(crate) fn wdf_string_create(
        &self,
        string: PCUNICODE_STRING,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        out: *mut WDFSTRING,
    ) -> NTSTATUS {
        self.require(out, "String");
        self.put(out, core::ptr::null_mut());
        let attributes = match self.attributes(attributes, Rules::CHILD) {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        let units = self.units(string);
        if units.is_none() && !string.is_null() {
            return STATUS_INVALID_PARAMETER;
        }
        // The copy; of no string there is none.
        if !string.is_null()
            && let Err(status) = self.pool_allocation()
        {
            return status;
        }
        let parent = attributes.parent_or_driver(self);
        match self.create_object(Kind::String(Text::new(units)), &parent, &attributes) {
            Ok(object) => {
                self.put(out, object.handle());
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// `WdfStringGetUnicodeString`.
    pub(crate) fn wdf_string_get_unicode_string(&self, string: WDFSTRING, out: PUNICODE_STRING) {
        let string: Obj<Text> = self.object(string);
        self.require(out, "UnicodeString");
        self.put(out, string.as_unicode());
    }
}
