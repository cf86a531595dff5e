//! Text of a file: from bytes to UTF-8, from offsets to lines and columns.

use std::ops::Range;

use encoding_rs::{UTF_16BE, UTF_16LE, WINDOWS_1252};
use serde::Serialize;

/// A range of bytes in the decoded text.
pub(crate) type Span = Range<usize>;

/// How the bytes of a file stand for characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Encoding {
    /// 7-bit characters only: the same text under every code page.
    Ascii,
    /// 8-bit characters without a mark; Windows reads them by the code page of the machine it runs on.
    Ansi,
    /// UTF-8 without a mark and with characters beyond ASCII; Windows reads it as [`Encoding::Ansi`].
    Utf8,
    /// UTF-8 with a byte-order mark; Windows refuses it.
    Utf8Bom,
    /// UTF-16, little endian, with a byte-order mark.
    Utf16Le,
    /// UTF-16, little endian, without a mark.
    Utf16LeUnmarked,
    /// UTF-16, big endian; Windows refuses it.
    Utf16Be,
}

/// The decoded text of one file.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) encoding: Encoding,
    /// The bytes were not all valid in `encoding`; they stand as U+FFFD.
    pub(crate) damaged: bool,
    line_starts: Vec<usize>,
}

impl Text {
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let (text, encoding, damaged) = decode(bytes);
        let mut line_starts = vec![0];
        let mut end_of_line = text
            .char_indices()
            .filter(|&(at, c)| c == '\n' || (c == '\r' && !text[at + 1..].starts_with('\n')))
            .map(|(at, _)| at + 1)
            .collect();
        line_starts.append(&mut end_of_line);
        Self {
            text,
            encoding,
            damaged,
            line_starts,
        }
    }

    /// Line and column, both from 1; a column is a character.
    pub(crate) fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|&start| start <= offset);
        let start = self.line_starts[line.saturating_sub(1)];
        let column = self
            .text
            .get(start..offset)
            .map_or(0, |before| before.chars().count());
        (line, column + 1)
    }
}

fn decode(bytes: &[u8]) -> (String, Encoding, bool) {
    if let Some(rest) = bytes.strip_prefix(b"\xEF\xBB\xBF") {
        let text = String::from_utf8_lossy(rest);
        let damaged = text.len() != rest.len();
        return (text.into_owned(), Encoding::Utf8Bom, damaged);
    }
    if let Some(rest) = bytes.strip_prefix(b"\xFF\xFE") {
        let (text, damaged) = UTF_16LE.decode_without_bom_handling(rest);
        return (text.into_owned(), Encoding::Utf16Le, damaged);
    }
    if let Some(rest) = bytes.strip_prefix(b"\xFE\xFF") {
        let (text, damaged) = UTF_16BE.decode_without_bom_handling(rest);
        return (text.into_owned(), Encoding::Utf16Be, damaged);
    }
    if let Some(high) = unmarked_utf16(bytes) {
        let (codec, encoding) = if high == 0 {
            (UTF_16BE, Encoding::Utf16Be)
        } else {
            (UTF_16LE, Encoding::Utf16LeUnmarked)
        };
        let (text, damaged) = codec.decode_without_bom_handling(bytes);
        return (text.into_owned(), encoding, damaged);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => (text.to_owned(), Encoding::Ascii, false),
        Ok(text) => (text.to_owned(), Encoding::Utf8, false),
        Err(_) => {
            let (text, _) = WINDOWS_1252.decode_without_bom_handling(bytes);
            (text.into_owned(), Encoding::Ansi, false)
        }
    }
}

/// Which byte of each pair is zero, when the start of the file is plainly ASCII in 16-bit units.
fn unmarked_utf16(bytes: &[u8]) -> Option<usize> {
    let head = bytes.get(..bytes.len().min(64) & !1)?;
    let zeros = |side: usize| head.iter().skip(side).step_by(2).all(|&b| b == 0);
    let plain = |side: usize| head.iter().skip(side).step_by(2).all(|&b| b != 0);
    if head.is_empty() {
        None
    } else if zeros(0) && plain(1) {
        Some(0)
    } else if zeros(1) && plain(0) {
        Some(1)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, big: bool) -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|unit| {
                if big {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            })
            .collect()
    }

    #[test]
    fn encodings_are_told_apart() {
        let cases: [(Vec<u8>, Encoding); 7] = [
            (b"[Version]".to_vec(), Encoding::Ascii),
            (b"; caf\xE9".to_vec(), Encoding::Ansi),
            ("; caf\u{e9}".as_bytes().to_vec(), Encoding::Utf8),
            (b"\xEF\xBB\xBF[Version]".to_vec(), Encoding::Utf8Bom),
            (
                [b"\xFF\xFE".to_vec(), utf16("[V]", false)].concat(),
                Encoding::Utf16Le,
            ),
            (
                [b"\xFE\xFF".to_vec(), utf16("[V]", true)].concat(),
                Encoding::Utf16Be,
            ),
            (utf16("[Version]", false), Encoding::Utf16LeUnmarked),
        ];
        for (bytes, encoding) in cases {
            assert_eq!(Text::decode(&bytes).encoding, encoding, "{bytes:x?}");
        }
    }

    #[test]
    fn an_odd_byte_of_utf16_is_damage() {
        assert!(Text::decode(b"\xFF\xFE[\0V").damaged);
    }

    #[test]
    fn positions_count_characters_and_every_line_end() {
        let text = Text::decode("a\r\nb\u{e9}c\rd\ne".as_bytes());
        let at = |c: char| text.position(text.text.find(c).unwrap());
        assert_eq!(at('a'), (1, 1));
        assert_eq!(at('c'), (2, 3));
        assert_eq!(at('d'), (3, 1));
        assert_eq!(at('e'), (4, 1));
        assert_eq!(text.position(text.text.len()), (4, 2));
    }
}
