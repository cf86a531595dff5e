//! Counted strings: appending, comparing, converting. "ANSI" is Windows' code page for Western Europe as far as it equals
//! Latin-1.

use kmdf_sys::{
    _GUID, _STRING, _UNICODE_STRING, BOOLEAN, GUID, NTSTATUS, PANSI_STRING, PCANSI_STRING, PCSTR,
    PCUNICODE_STRING, PCWSTR, PULONG, PUNICODE_STRING, STATUS_BUFFER_OVERFLOW,
    STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_PARAMETER, STATUS_NO_MEMORY, STATUS_SUCCESS, ULONG,
    WCHAR,
};

use super::enter;
use crate::faults::Allocation;
use crate::report::BugcheckKind;
use crate::system::System;

/// Tag of strings that these functions allocate.
const STRING_TAG: u32 = u32::from_le_bytes(*b"RtlS");
/// Characters of a GUID as text, with its braces.
const GUID_LENGTH: usize = 38;

/// The bytes of a counted string.
fn bytes(string: &_STRING) -> Vec<u8> {
    if string.Buffer.is_null() {
        return Vec::new();
    }
    // SAFETY: a counted string has a buffer of its length, which nobody changes during the call.
    let bytes = unsafe {
        core::slice::from_raw_parts(string.Buffer.cast::<u8>(), usize::from(string.Length))
    };
    bytes.to_vec()
}

/// The units of a terminated string.
fn terminated<U: Copy + PartialEq>(start: *const U, end: U) -> Vec<U> {
    let mut units = Vec::new();
    if start.is_null() {
        return units;
    }
    loop {
        // SAFETY: the callers promise a terminated string, and no terminator was found before.
        let unit = unsafe { start.wrapping_add(units.len()).read() };
        if unit == end {
            return units;
        }
        units.push(unit);
    }
}

fn short(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

/// Makes a counted string of a terminated one.
///
/// # Safety
///
/// `target` must point to memory for a counted string, `source` be NULL or a terminated string that outlives it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn RtlInitAnsiString(target: PANSI_STRING, source: PCSTR) {
    enter("RtlInitAnsiString", |system| {
        let length = short(terminated(source, 0).len().min(usize::from(u16::MAX) - 1));
        let string = _STRING {
            Length: length,
            MaximumLength: if source.is_null() { 0 } else { length + 1 },
            Buffer: source.cast_mut(),
        };
        system.put(target, string);
    });
}

/// Appends a counted string.
///
/// # Safety
///
/// Both must be valid counted strings, the target with a buffer of its maximum length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn RtlAppendUnicodeStringToString(
    target: PUNICODE_STRING,
    source: PCUNICODE_STRING,
) -> NTSTATUS {
    enter("RtlAppendUnicodeStringToString", |system| {
        append(system, target, &system.units(source).unwrap_or_default())
    })
}

/// Appends a terminated string.
///
/// # Safety
///
/// `target` must be a valid counted string with a buffer of its maximum length, `source` NULL or a terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn RtlAppendUnicodeToString(
    target: PUNICODE_STRING,
    source: PCWSTR,
) -> NTSTATUS {
    enter("RtlAppendUnicodeToString", |system| {
        append(system, target, &terminated(source, 0))
    })
}

fn append(system: &System, target: PUNICODE_STRING, units: &[u16]) -> NTSTATUS {
    let mut string = system.get(target);
    let (used, capacity) = (
        usize::from(string.Length) / 2,
        usize::from(string.MaximumLength) / 2,
    );
    if used + units.len() > capacity {
        return STATUS_BUFFER_TOO_SMALL;
    }
    write_units(string.Buffer.wrapping_add(used), units);
    // A terminator follows where there is room for one.
    if used + units.len() < capacity && !units.is_empty() {
        write_units(string.Buffer.wrapping_add(used + units.len()), &[0]);
    }
    string.Length = short((used + units.len()) * 2);
    system.put(target, string);
    STATUS_SUCCESS
}

fn write_units(start: *mut u16, units: &[u16]) {
    for (place, unit) in units.iter().enumerate() {
        // SAFETY: the callers have compared the number of units with the buffer's length.
        unsafe { start.wrapping_add(place).write(*unit) };
    }
}

/// Upper case as the kernel has it: one character for one.
fn upcase(unit: u16) -> u16 {
    let Some(letter) = char::from_u32(u32::from(unit)) else {
        return unit;
    };
    let mut upper = letter.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(single), None) => u16::try_from(u32::from(single)).unwrap_or(unit),
        _ => unit,
    }
}

fn folded(units: &[u16], ignore_case: BOOLEAN) -> Vec<u16> {
    if ignore_case == 0 {
        units.to_vec()
    } else {
        units.iter().copied().map(upcase).collect()
    }
}

/// Whether two counted strings are equal.
///
/// # Safety
///
/// Both must be valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn RtlEqualUnicodeString(
    first: PCUNICODE_STRING,
    second: PCUNICODE_STRING,
    ignore_case: BOOLEAN,
) -> BOOLEAN {
    enter("RtlEqualUnicodeString", |system| {
        let fold = |string| folded(&system.units(string).unwrap_or_default(), ignore_case);
        u8::from(fold(first) == fold(second))
    })
}

/// Whether the second counted string begins with the first.
///
/// # Safety
///
/// Both must be valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn RtlPrefixUnicodeString(
    first: PCUNICODE_STRING,
    second: PCUNICODE_STRING,
    ignore_case: BOOLEAN,
) -> BOOLEAN {
    enter("RtlPrefixUnicodeString", |system| {
        let fold = |string| folded(&system.units(string).unwrap_or_default(), ignore_case);
        u8::from(fold(second).starts_with(&fold(first)))
    })
}

/// A character in upper case.
#[unsafe(no_mangle)]
pub extern "C" fn RtlUpcaseUnicodeChar(letter: WCHAR) -> WCHAR {
    enter("RtlUpcaseUnicodeChar", |_| upcase(letter))
}

/// Pool for a string, or NULL.
fn allocate(system: &System, size: usize) -> *mut core::ffi::c_void {
    if system.faults.fails(Allocation::Pool) {
        return core::ptr::null_mut();
    }
    system.pool.allocate(size, STRING_TAG, system.origin())
}

/// Sees to it that a conversion has room for `needed` bytes.
fn make_room<T>(
    system: &System,
    buffer: &mut *mut T,
    room: &mut u16,
    needed: usize,
    allocates: bool,
) -> Result<(), NTSTATUS> {
    let needed = u16::try_from(needed).map_err(|_| STATUS_INVALID_PARAMETER)?;
    if allocates {
        *buffer = allocate(system, usize::from(needed)).cast();
        *room = needed;
        if buffer.is_null() {
            return Err(STATUS_NO_MEMORY);
        }
    } else if *room < needed {
        return Err(STATUS_BUFFER_OVERFLOW);
    }
    Ok(())
}

/// Converts to ANSI; what does not exist there becomes a question mark.
///
/// # Safety
///
/// `source` must be valid; `target` must have a buffer of its maximum length unless one is to be allocated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn RtlUnicodeStringToAnsiString(
    target: PANSI_STRING,
    source: PCUNICODE_STRING,
    allocate_buffer: BOOLEAN,
) -> NTSTATUS {
    enter("RtlUnicodeStringToAnsiString", |system| {
        let units = system.units(source).unwrap_or_default();
        let needed = units.len() + 1;
        let mut string = system.get(target);
        let allocates = allocate_buffer != 0;
        let (buffer, room) = (&mut string.Buffer, &mut string.MaximumLength);
        if let Err(status) = make_room(system, buffer, room, needed, allocates) {
            return status;
        }
        let letters = units.iter().map(|unit| u8::try_from(*unit).unwrap_or(b'?'));
        for (place, byte) in letters.chain([0]).enumerate() {
            // SAFETY: the buffer has the length that was just compared or allocated.
            unsafe { string.Buffer.cast::<u8>().wrapping_add(place).write(byte) };
        }
        string.Length = short(units.len());
        system.put(target, string);
        STATUS_SUCCESS
    })
}

/// Converts from ANSI.
///
/// # Safety
///
/// `source` must be valid; `target` must have a buffer of its maximum length unless one is to be allocated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn RtlAnsiStringToUnicodeString(
    target: PUNICODE_STRING,
    source: PCANSI_STRING,
    allocate_buffer: BOOLEAN,
) -> NTSTATUS {
    enter("RtlAnsiStringToUnicodeString", |system| {
        let units: Vec<u16> = bytes(&system.get(source))
            .into_iter()
            .map(u16::from)
            .collect();
        let mut string = system.get(target);
        let needed = units.len() * 2 + 2;
        let allocates = allocate_buffer != 0;
        let (buffer, room) = (&mut string.Buffer, &mut string.MaximumLength);
        if let Err(status) = make_room(system, buffer, room, needed, allocates) {
            return status;
        }
        write_units(string.Buffer, &units);
        write_units(string.Buffer.wrapping_add(units.len()), &[0]);
        string.Length = short(units.len() * 2);
        system.put(target, string);
        STATUS_SUCCESS
    })
}

fn free(system: &System, buffer: *mut core::ffi::c_void) {
    if !buffer.is_null() && !system.pool.free(buffer) {
        system.bugcheck_os(
            BugcheckKind::BadFree,
            0xC2,
            [0x46, 0, 0, 0],
            format!(
                "{} was given a string that Rtl did not allocate",
                system.ddi()
            ),
        );
    }
}

/// Frees a string that was allocated by a conversion.
///
/// # Safety
///
/// The string must not be used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn RtlFreeUnicodeString(string: PUNICODE_STRING) {
    enter("RtlFreeUnicodeString", |system| {
        free(system, system.get(string).Buffer.cast());
        system.put(string, _UNICODE_STRING::default());
    });
}

/// Frees a string that was allocated by a conversion.
///
/// # Safety
///
/// The string must not be used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn RtlFreeAnsiString(string: PANSI_STRING) {
    enter("RtlFreeAnsiString", |system| {
        free(system, system.get(string).Buffer.cast());
        system.put(string, _STRING::default());
    });
}

/// The digits of a number.
///
/// # Safety
///
/// `string` must be a valid counted string with a buffer of its maximum length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn RtlIntegerToUnicodeString(
    value: ULONG,
    base: ULONG,
    string: PUNICODE_STRING,
) -> NTSTATUS {
    enter("RtlIntegerToUnicodeString", |system| {
        let digits = match base {
            0 | 10 => format!("{value}"),
            2 => format!("{value:b}"),
            8 => format!("{value:o}"),
            16 => format!("{value:X}"),
            _ => return STATUS_INVALID_PARAMETER,
        };
        let mut target = system.get(string);
        if digits.len() * 2 > usize::from(target.MaximumLength) {
            return STATUS_BUFFER_OVERFLOW;
        }
        target.Length = 0;
        system.put(string, target);
        append(system, string, &digits.encode_utf16().collect::<Vec<_>>())
    })
}

/// The number that a string begins with: after spaces and a sign, in the base given or that of its prefix.
///
/// # Safety
///
/// `string` must be valid, `value` point to memory for a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn RtlUnicodeStringToInteger(
    string: PCUNICODE_STRING,
    base: ULONG,
    value: PULONG,
) -> NTSTATUS {
    enter("RtlUnicodeStringToInteger", |system| {
        let text = system.text(string).unwrap_or_default();
        let text = text.trim_start_matches(|letter| letter <= ' ');
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (radix, digits) = match base {
            0 => match text.get(..2) {
                Some("0x") => (16, &text[2..]),
                Some("0o") => (8, &text[2..]),
                Some("0b") => (2, &text[2..]),
                _ => (10, text),
            },
            2 | 8 | 10 | 16 => (base, text),
            _ => return STATUS_INVALID_PARAMETER,
        };
        let number = digits
            .chars()
            .map_while(|letter| letter.to_digit(radix))
            .fold(0u32, |number, digit| {
                number.wrapping_mul(radix).wrapping_add(digit)
            });
        system.put(
            value,
            if negative {
                number.wrapping_neg()
            } else {
                number
            },
        );
        STATUS_SUCCESS
    })
}

/// A GUID as text in braces, in pool that [`RtlFreeUnicodeString`] frees.
///
/// # Safety
///
/// `guid` must be valid, `string` point to memory for a counted string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn RtlStringFromGUID(guid: *const GUID, string: PUNICODE_STRING) -> NTSTATUS {
    enter("RtlStringFromGUID", |system| {
        let guid = system.get(guid);
        let [first, second, tail @ ..] = guid.Data4;
        let tail: String = tail.iter().map(|byte| format!("{byte:02X}")).collect();
        let text = format!(
            "{{{:08X}-{:04X}-{:04X}-{first:02X}{second:02X}-{tail}}}",
            guid.Data1, guid.Data2, guid.Data3
        );
        let size = (GUID_LENGTH + 1) * 2;
        let target = _UNICODE_STRING {
            Length: 0,
            MaximumLength: short(size),
            Buffer: allocate(system, size).cast(),
        };
        if target.Buffer.is_null() {
            return STATUS_NO_MEMORY;
        }
        system.put(string, target);
        append(system, string, &text.encode_utf16().collect::<Vec<_>>())
    })
}

/// The GUID that a text in braces means.
///
/// # Safety
///
/// `string` must be valid, `guid` point to memory for a GUID.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn RtlGUIDFromString(string: PCUNICODE_STRING, guid: *mut GUID) -> NTSTATUS {
    enter("RtlGUIDFromString", |system| {
        match system.text(string).and_then(|text| parse_guid(&text)) {
            Some(value) => {
                system.put(guid, value);
                STATUS_SUCCESS
            }
            None => STATUS_INVALID_PARAMETER,
        }
    })
}

fn parse_guid(text: &str) -> Option<_GUID> {
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    let parts: Vec<&str> = inner.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    if lengths != [8, 4, 4, 4, 12] || !inner.is_ascii() {
        return None;
    }
    let tail = u64::from_str_radix(parts[4], 16).ok()?.to_be_bytes();
    let middle = u16::from_str_radix(parts[3], 16).ok()?.to_be_bytes();
    let mut last = [0; 8];
    last[..2].copy_from_slice(&middle);
    last[2..].copy_from_slice(&tail[2..]);
    Some(_GUID {
        Data1: u32::from_str_radix(parts[0], 16).ok()?,
        Data2: u16::from_str_radix(parts[1], 16).ok()?,
        Data3: u16::from_str_radix(parts[2], 16).ok()?,
        Data4: last,
    })
}
