//! The formats of the kernel's `DbgPrint`.

use core::ffi::c_char;

use kmdf_sys::{_STRING, _UNICODE_STRING};

use super::arguments::Arguments;
use super::debug::address;

/// The most bytes that one call can print.
pub(super) const MESSAGE_LIMIT: usize = 512;

/// A formatted message.
pub(super) struct Message {
    pub(super) text: String,
    /// Whether the format names wide characters.
    pub(super) wide: bool,
}

/// How an argument is to be printed, as a `%` specification says.
#[derive(Default)]
struct Spec {
    left: bool,
    sign: Option<char>,
    alternate: bool,
    zeros: bool,
    width: usize,
    precision: Option<usize>,
    size: Size,
}

/// The size of an argument; `int` and `long` both have 32 bits.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Size {
    #[default]
    Normal,
    Short,
    Byte,
    /// `l` or `w`: a wide character or string; nothing for an integer.
    Wide,
    Quad,
}

impl Message {
    /// # Safety
    ///
    /// `format` must be NULL or a terminated string, and the arguments those that it names.
    pub(super) unsafe fn format(format: *const c_char, arguments: &mut Arguments) -> Self {
        // SAFETY: the caller's promise.
        let format = unsafe { narrow(format, usize::MAX) };
        let mut out = Self {
            text: String::new(),
            wide: false,
        };
        let mut rest = format.chars().peekable();
        while let Some(letter) = rest.next() {
            if letter != '%' {
                out.text.push(letter);
                continue;
            }
            // SAFETY: the caller promises the arguments that the format names.
            unsafe { out.specification(&mut rest, arguments) };
        }
        out.truncate();
        out
    }

    fn truncate(&mut self) {
        let mut end = MESSAGE_LIMIT.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        self.text.truncate(end);
    }

    /// # Safety
    ///
    /// The arguments must be those that the format names.
    unsafe fn specification(
        &mut self,
        rest: &mut core::iter::Peekable<core::str::Chars<'_>>,
        arguments: &mut Arguments,
    ) {
        let mut spec = Spec::default();
        while let Some(flag) = rest.next_if(|letter| "-+ #0".contains(*letter)) {
            match flag {
                '-' => spec.left = true,
                '#' => spec.alternate = true,
                '0' => spec.zeros = true,
                sign if spec.sign != Some('+') => spec.sign = Some(sign),
                _ => {}
            }
        }
        // SAFETY: the caller's promise holds for a width that is an argument, too.
        if let Some(width) = unsafe { number(rest, arguments) } {
            spec.left |= width < 0;
            spec.width = magnitude(width);
        }
        if rest.next_if_eq(&'.').is_some() {
            // SAFETY: as for the width.
            let precision = unsafe { number(rest, arguments) }.unwrap_or(0);
            spec.precision = (precision >= 0).then(|| magnitude(precision));
        }
        spec.size = size(rest);
        let Some(kind) = rest.next() else {
            return;
        };
        if kind == '%' {
            self.text.push('%');
            return;
        }
        let wide_kind = matches!(kind, 'C' | 'S')
            || (kind == 's' || kind == 'c' || kind == 'Z') && spec.size == Size::Wide;
        let narrow_kind = matches!(kind, 'C' | 'S') && matches!(spec.size, Size::Short);
        let wide = wide_kind && !narrow_kind;
        if !"diuoxXpcCsSZ".contains(kind) {
            // The kernel prints what it does not know as it stands and takes no argument.
            self.text.push(kind);
            return;
        }
        self.wide |= wide;
        // SAFETY: the caller promises an argument for the specification.
        let value = unsafe { arguments.next() };
        let text = match kind {
            'd' | 'i' => signed(spec.sign_extended(value), &spec),
            'u' => digits(spec.masked(value).to_string(), "", &spec),
            'o' => digits(
                format!("{:o}", spec.masked(value)),
                if spec.alternate { "0" } else { "" },
                &spec,
            ),
            'x' => digits(
                format!("{:x}", spec.masked(value)),
                spec.prefix(value, "0x"),
                &spec,
            ),
            'X' => digits(
                format!("{:X}", spec.masked(value)),
                spec.prefix(value, "0X"),
                &spec,
            ),
            'p' => pointer(value),
            'c' | 'C' => character(value, wide),
            // SAFETY: the caller promises a string of this sort, of as many units as the precision says or terminated.
            's' | 'S' => unsafe { string(value, wide, spec.precision) },
            // SAFETY: the caller promises a counted string of this sort.
            _ => unsafe { counted(value, wide) },
        };
        let zeros = spec.zeros
            && !spec.left
            && matches!(kind, 'd' | 'i' | 'u' | 'o' | 'x' | 'X' | 'p')
            && spec.precision.is_none();
        self.pad(&text, &spec, zeros);
    }

    fn pad(&mut self, text: &str, spec: &Spec, zeros: bool) {
        let missing = spec
            .width
            .min(MESSAGE_LIMIT)
            .saturating_sub(text.chars().count());
        if spec.left {
            self.text.push_str(text);
            self.text.extend(core::iter::repeat_n(' ', missing));
        } else if zeros {
            // Zeros come after the sign and the prefix.
            let digits = text.trim_start_matches(['-', '+', ' ']);
            let (sign, digits) = text.split_at(text.len() - digits.len());
            let split = if digits.starts_with("0x") || digits.starts_with("0X") {
                2
            } else {
                0
            };
            let (prefix, digits) = digits.split_at(split);
            self.text.push_str(sign);
            self.text.push_str(prefix);
            self.text.extend(core::iter::repeat_n('0', missing));
            self.text.push_str(digits);
        } else {
            self.text.extend(core::iter::repeat_n(' ', missing));
            self.text.push_str(text);
        }
    }
}

impl Spec {
    /// The argument without what does not belong to it.
    const fn masked(&self, value: u64) -> u64 {
        match self.size {
            Size::Quad => value,
            Size::Short => value & 0xFFFF,
            Size::Byte => value & 0xFF,
            Size::Normal | Size::Wide => value & 0xFFFF_FFFF,
        }
    }

    const fn sign_extended(&self, value: u64) -> i64 {
        let unused = match self.size {
            Size::Quad => 0,
            Size::Short => 48,
            Size::Byte => 56,
            Size::Normal | Size::Wide => 32,
        };
        (value << unused).cast_signed() >> unused
    }

    const fn prefix(&self, value: u64, prefix: &'static str) -> &'static str {
        if self.alternate && self.masked(value) != 0 {
            prefix
        } else {
            ""
        }
    }
}

fn magnitude(value: i32) -> usize {
    usize::try_from(value.unsigned_abs()).unwrap_or(0)
}

/// A width or precision: digits, or `*` for an argument.
///
/// # Safety
///
/// There must be an argument if the format says so.
unsafe fn number(
    rest: &mut core::iter::Peekable<core::str::Chars<'_>>,
    arguments: &mut Arguments,
) -> Option<i32> {
    if rest.next_if_eq(&'*').is_some() {
        // SAFETY: the caller's promise.
        let value = unsafe { arguments.next() };
        return i32::try_from(Spec::default().sign_extended(value)).ok();
    }
    let mut value: Option<i32> = None;
    while let Some(digit) = rest.peek().and_then(|letter| letter.to_digit(10)) {
        rest.next();
        let digit = i32::try_from(digit).unwrap_or(0);
        value = Some(value.unwrap_or(0).saturating_mul(10).saturating_add(digit));
    }
    value
}

fn size(rest: &mut core::iter::Peekable<core::str::Chars<'_>>) -> Size {
    let mut size = Size::Normal;
    while let Some(letter) = rest.next_if(|letter| "hlwIzjtL".contains(*letter)) {
        size = match (letter, size) {
            ('h', Size::Short) => Size::Byte,
            ('h', _) => Size::Short,
            ('l', Size::Wide) | ('z' | 'j' | 't' | 'L', _) => Size::Quad,
            ('I', _) => bits(rest),
            _ => Size::Wide,
        };
    }
    size
}

/// What follows an `I`: 32, 64, or nothing for the size of a pointer.
fn bits(rest: &mut core::iter::Peekable<core::str::Chars<'_>>) -> Size {
    let mut ahead = rest.clone();
    let size = match (ahead.next(), ahead.next()) {
        (Some('3'), Some('2')) => Size::Normal,
        (Some('6'), Some('4')) => Size::Quad,
        _ => return Size::Quad,
    };
    *rest = ahead;
    size
}

fn signed(value: i64, spec: &Spec) -> String {
    let sign = match spec.sign {
        _ if value < 0 => "-",
        Some('+') => "+",
        Some(_) => " ",
        None => "",
    };
    digits(value.unsigned_abs().to_string(), sign, spec)
}

/// Digits with at least as many places as the precision says, after a sign or prefix.
fn digits(digits: String, before: &str, spec: &Spec) -> String {
    let places = spec.precision.unwrap_or(1).min(MESSAGE_LIMIT);
    format!("{before}{digits:0>places$}")
}

/// A pointer. Addresses differ from run to run, which no output of the model may; handles and NULL do not.
fn pointer(value: u64) -> String {
    let handle = usize::try_from(value).is_ok_and(crate::fx::handle::is_handle);
    if value == 0 || handle {
        format!("{value:016X}")
    } else {
        "*".repeat(16)
    }
}

fn character(value: u64, wide: bool) -> String {
    let unit = if wide {
        u32::try_from(value & 0xFFFF)
    } else {
        u32::try_from(value & 0xFF)
    };
    let letter = unit.ok().and_then(char::from_u32);
    letter.unwrap_or(char::REPLACEMENT_CHARACTER).to_string()
}

/// # Safety
///
/// `value` must be 0 or the address of a string that is terminated or has `precision` units.
unsafe fn string(value: u64, wide: bool, precision: Option<usize>) -> String {
    let limit = precision.unwrap_or(usize::MAX);
    if value == 0 {
        return "(null)".chars().take(limit).collect();
    }
    if !wide {
        // SAFETY: the caller's promise.
        return unsafe { narrow(address(value).cast(), limit) };
    }
    // SAFETY: the caller's promise.
    let units = unsafe { terminated(address(value).cast::<u16>(), limit, 0) };
    String::from_utf16_lossy(&units)
}

/// # Safety
///
/// `value` must be 0 or the address of a valid counted string.
unsafe fn counted(value: u64, wide: bool) -> String {
    if value == 0 {
        return "(null)".to_owned();
    }
    let (buffer, length) = if wide {
        // SAFETY: the caller's promise.
        let string = unsafe { address(value).cast::<_UNICODE_STRING>().read() };
        (string.Buffer.cast::<u8>(), string.Length)
    } else {
        // SAFETY: the caller's promise.
        let string = unsafe { address(value).cast::<_STRING>().read() };
        (string.Buffer.cast::<u8>(), string.Length)
    };
    if buffer.is_null() || length == 0 {
        return if buffer.is_null() {
            "(null)".to_owned()
        } else {
            String::new()
        };
    }
    if wide {
        // SAFETY: a counted string has a buffer of its length, aligned as its units are.
        let units =
            unsafe { core::slice::from_raw_parts(buffer.cast::<u16>(), usize::from(length) / 2) };
        String::from_utf16_lossy(units)
    } else {
        // SAFETY: a counted string has a buffer of its length.
        let bytes = unsafe { core::slice::from_raw_parts(buffer, usize::from(length)) };
        String::from_utf8_lossy(bytes).into_owned()
    }
}

/// # Safety
///
/// `start` must be NULL or the address of bytes that are terminated or at least `limit`.
unsafe fn narrow(start: *const c_char, limit: usize) -> String {
    if start.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    let bytes = unsafe { terminated(start.cast::<u8>(), limit, 0) };
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Units up to the first `end`, at most `limit`.
///
/// # Safety
///
/// `start` must be the address of units that are terminated or at least `limit`.
unsafe fn terminated<U: Copy + PartialEq>(start: *const U, limit: usize, end: U) -> Vec<U> {
    let mut units = Vec::new();
    for place in 0..limit {
        // SAFETY: the caller promises that there is a unit here, as no terminator was found before.
        let unit = unsafe { start.wrapping_add(place).read_unaligned() };
        if unit == end {
            break;
        }
        units.push(unit);
    }
    units
}
