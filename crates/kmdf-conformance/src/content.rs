//! Contents of memory, as cases write them.

use toml::Value;

use crate::error::{Malformed, malformed};
use crate::keys::{known_keys, size, table};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Bytes {
    Every(u8),
    Ramp(u8),
    First(Vec<u8>),
}

impl Bytes {
    /// The byte at a place; `None` where nothing is said.
    #[allow(clippy::cast_possible_truncation, reason = "a ramp is modulo 256")]
    fn at(&self, place: usize) -> Option<u8> {
        match self {
            Self::Every(byte) => Some(*byte),
            Self::Ramp(start) => Some(start.wrapping_add(place as u8)),
            Self::First(bytes) => bytes.get(place).copied(),
        }
    }
}

/// A part of a content: what its bytes are from a place on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    at: usize,
    length: Option<usize>,
    is: Bytes,
}

/// What the bytes of an area are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content(Vec<Part>);

impl Content {
    pub(crate) fn ramp() -> Self {
        Self::whole(Bytes::Ramp(0))
    }

    fn whole(is: Bytes) -> Self {
        Self(vec![Part {
            at: 0,
            length: None,
            is,
        }])
    }

    pub(crate) fn parse(value: &Value) -> Result<Self, Malformed> {
        match value {
            Value::Array(parts) => parts.iter().map(part).collect::<Result<_, _>>().map(Self),
            simple => bytes(simple).map(Self::whole),
        }
    }

    /// Writes the content over `area`, leaving what it says nothing about.
    pub(crate) fn fill(&self, area: &mut [u8]) {
        for part in &self.0 {
            let rest = area.get_mut(part.at..).unwrap_or_default();
            let count = part.length.unwrap_or(rest.len()).min(rest.len());
            for (place, byte) in rest[..count].iter_mut().enumerate() {
                *byte = part.is.at(place).unwrap_or(*byte);
            }
        }
    }

    /// So many bytes of this content, zero where it says nothing.
    pub(crate) fn bytes(&self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.fill(&mut bytes);
        bytes
    }

    /// Where `area` first differs from the content: what was expected and what is there.
    pub(crate) fn difference(&self, area: &[u8]) -> Option<(String, String)> {
        for part in &self.0 {
            let said = match &part.is {
                Bytes::First(bytes) => bytes.len(),
                _ => area.len().saturating_sub(part.at),
            };
            for place in 0..part.length.unwrap_or(said) {
                let at = part.at + place;
                let Some(expected) = part.is.at(place) else {
                    continue;
                };
                let found = area.get(at).copied();
                if found != Some(expected) {
                    let found = found.map_or("the end".to_owned(), |byte| format!("{byte:#04x}"));
                    return Some((
                        format!("{expected:#04x} at byte {at}"),
                        format!("{found} (area of {} bytes)", area.len()),
                    ));
                }
            }
        }
        None
    }
}

fn part(value: &Value) -> Result<Part, Malformed> {
    let part = table(value)?;
    known_keys(part, &["at", "len", "is"])?;
    let required = |key: &str| {
        let value = part.get(key);
        value.ok_or_else(|| malformed(format!("a content's part without {key}")))
    };
    Ok(Part {
        at: size(required("at")?)?,
        length: Some(size(required("len")?)?),
        is: bytes(required("is")?)?,
    })
}

fn bytes(value: &Value) -> Result<Bytes, Malformed> {
    let wrong = || malformed(format!("{value} is no content"));
    match value {
        Value::Integer(byte) => u8::try_from(*byte).map(Bytes::Every).map_err(|_| wrong()),
        Value::String(text) if text == "ramp" => Ok(Bytes::Ramp(0)),
        Value::String(text) => {
            if let Some(start) = text.strip_prefix("ramp:") {
                let start: u64 = start.parse().map_err(|_| wrong())?;
                return Ok(Bytes::Ramp(start.to_le_bytes()[0]));
            }
            let digits = text.strip_prefix("hex:").ok_or_else(wrong)?;
            if digits.len() % 2 != 0 || !digits.is_ascii() {
                return Err(wrong());
            }
            let pairs = (0..digits.len()).step_by(2).map(|at| &digits[at..at + 2]);
            pairs
                .map(|pair| u8::from_str_radix(pair, 16).map_err(|_| wrong()))
                .collect::<Result<_, _>>()
                .map(Bytes::First)
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> Content {
        let table: toml::Table = format!("c = {text}").parse().unwrap();
        Content::parse(&table["c"]).unwrap()
    }

    #[test]
    fn contents_fill_and_compare() {
        assert_eq!(content("\"ramp:254\"").bytes(4), [254, 255, 0, 1]);
        assert_eq!(content("7").bytes(2), [7, 7]);
        assert_eq!(content("\"hex:0a1b\"").bytes(3), [0x0a, 0x1b, 0]);
        let parts = content("[{ at = 1, len = 2, is = \"ramp:5\" }, { at = 3, len = 2, is = 9 }]");
        assert_eq!(parts.bytes(5), [0, 5, 6, 9, 9]);
        assert_eq!(parts.difference(&[1, 5, 6, 9, 9]), None);
        assert!(parts.difference(&[1, 5, 6, 9, 8]).is_some());
        assert!(content("\"hex:0a1b\"").difference(&[0x0a]).is_some());
        assert_eq!(content("\"hex:0a1b\"").difference(&[0x0a, 0x1b, 3]), None);
    }

    #[test]
    fn nonsense_is_malformed() {
        for text in [
            "256",
            "-1",
            "\"rampe\"",
            "\"hex:0\"",
            "[{ at = 1 }]",
            "[{ at = 0, len = 1, is = 1, to = 2 }]",
        ] {
            let table: toml::Table = format!("c = {text}").parse().unwrap();
            assert!(Content::parse(&table["c"]).is_err(), "{text}");
        }
    }
}
