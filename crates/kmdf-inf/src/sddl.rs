//! Security descriptor strings (SDDL): their grammar, and whether they let everyone write.

const ACE_TYPES: &[&str] = &[
    "A", "D", "OA", "OD", "AU", "AL", "OU", "OL", "ML", "XA", "XD", "ZA", "XU", "RA", "SP", "TL",
    "FL",
];
const ACE_FLAGS: &[&str] = &["CI", "OI", "NP", "IO", "ID", "SA", "FA", "TP", "CR"];
const RIGHTS: &[&str] = &[
    "GA", "GR", "GW", "GX", "RC", "SD", "WD", "WO", "RP", "WP", "CC", "DC", "LC", "SW", "LO", "DT",
    "CR", "FA", "FR", "FW", "FX", "KA", "KR", "KW", "KX", "NR", "NW", "NX",
];
const SIDS: &[&str] = &[
    "AA", "AC", "AN", "AO", "AP", "AS", "AU", "BA", "BG", "BO", "BU", "CA", "CD", "CG", "CN", "CO",
    "CY", "DA", "DC", "DD", "DG", "DU", "EA", "ED", "EK", "ER", "ES", "HA", "HI", "HO", "IS", "IU",
    "KA", "LA", "LG", "LS", "LU", "LW", "ME", "MP", "MS", "MU", "NO", "NS", "NU", "OW", "PA", "PO",
    "PS", "PU", "RA", "RC", "RD", "RE", "RM", "RO", "RS", "RU", "SA", "SI", "SO", "SS", "SU", "SY",
    "UD", "WD", "WR",
];
/// Everyone, anonymous, guests, and every application container.
const OPEN_SIDS: &[&str] = &["WD", "AN", "BG", "AC", "S-1-1-0", "S-1-5-7", "S-1-15-2-1"];
const WRITE_RIGHTS: &[&str] = &["GA", "GW", "WD", "WO", "FA", "FW", "KA", "KW"];
/// The same as access mask bits: generic all and write, `WRITE_DAC`, `WRITE_OWNER`, `FILE_WRITE_DATA`, `FILE_APPEND_DATA`.
const WRITE_MASK: u64 = 0x1000_0000 | 0x4000_0000 | 0x4_0000 | 0x8_0000 | 0x2 | 0x4;

/// What a well-formed descriptor grants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    /// Someone without an account of their own may write.
    pub(crate) open: bool,
}

/// Reads a descriptor, or says what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Descriptor, String> {
    let mut rest = text.trim();
    let mut seen = String::new();
    let mut open = false;
    while let Some(part) = rest.chars().next() {
        if !matches!(part, 'O' | 'G' | 'D' | 'S') || rest.get(1..2) != Some(":") {
            return Err(format!("'{rest}' does not start with O:, G:, D: or S:"));
        }
        if seen.contains(part) {
            return Err(format!("{part}: is given twice"));
        }
        seen.push(part);
        let body = rest.get(2..).unwrap_or_default();
        let next = part_end(body);
        let (mine, after) = body.split_at(next);
        rest = after;
        match part {
            'O' | 'G' => sid(mine)?,
            _ => open |= acl(mine)? && part == 'D',
        }
    }
    if seen.is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(Descriptor { open })
}

/// Where the next `O:`, `G:`, `D:` or `S:` outside parentheses begins.
fn part_end(body: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in body.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            'O' | 'G' | 'D' | 'S' if depth == 0 && body.get(at + 1..at + 2) == Some(":") => {
                return at;
            }
            _ => {}
        }
    }
    body.len()
}

fn sid(text: &str) -> Result<(), String> {
    let numeric = text.strip_prefix("S-1-").is_some_and(|rest| {
        rest.split('-')
            .all(|part| crate::values::number(part).is_some())
    });
    if numeric || SIDS.contains(&text) {
        Ok(())
    } else {
        Err(format!("'{text}' is not a SID"))
    }
}

/// A DACL or SACL; true when an allowing entry is open.
fn acl(text: &str) -> Result<bool, String> {
    let (flags, mut entries) = text.split_at(text.find('(').unwrap_or(text.len()));
    let mut left = flags;
    while !left.is_empty() {
        left = ["NO_ACCESS_CONTROL", "AR", "AI", "P"]
            .iter()
            .find_map(|flag| left.strip_prefix(flag))
            .ok_or_else(|| format!("'{left}' is not an ACL flag"))?;
    }
    let mut open = flags.contains("NO_ACCESS_CONTROL");
    while !entries.is_empty() {
        let inner = entries
            .strip_prefix('(')
            .ok_or_else(|| format!("an ACE must start with '(' at '{entries}'"))?;
        let close = closing(inner).ok_or_else(|| format!("the ACE '({inner}' is not closed"))?;
        open |= ace(&inner[..close])?;
        entries = inner[close + 1..].trim_start();
    }
    Ok(open)
}

/// The parenthesis that closes an ACE; conditional ACEs nest them.
fn closing(inner: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in inner.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return Some(at),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn ace(text: &str) -> Result<bool, String> {
    let fields: Vec<&str> = text.splitn(7, ';').map(str::trim).collect();
    let &[
        kind,
        flags,
        rights,
        object,
        inherited,
        account,
        ref condition @ ..,
    ] = fields.as_slice()
    else {
        return Err(format!("the ACE '({text})' does not have six fields"));
    };
    if !ACE_TYPES.contains(&kind) {
        return Err(format!("'{kind}' is not an ACE type"));
    }
    let conditional = kind.starts_with(['X', 'Z']) || kind == "RA";
    if !condition.is_empty() && !conditional {
        return Err(format!("the ACE '({text})' has more than six fields"));
    }
    words(flags, ACE_FLAGS).ok_or_else(|| format!("'{flags}' are not ACE flags"))?;
    let mask = crate::values::number(rights);
    let names = words(rights, RIGHTS);
    if mask.is_none() && names.is_none() {
        return Err(format!("'{rights}' are not access rights"));
    }
    for guid in [object, inherited] {
        if !guid.is_empty() && !crate::values::is_guid(&format!("{{{guid}}}")) {
            return Err(format!("'{guid}' is not a GUID"));
        }
    }
    sid(account)?;
    let writes = mask.is_some_and(|mask| mask & WRITE_MASK != 0)
        || (mask.is_none()
            && names.is_some_and(|names| names.iter().any(|name| WRITE_RIGHTS.contains(name))));
    Ok(kind == "A" && writes && OPEN_SIDS.contains(&account))
}

/// Cuts `text` into two-letter words that all are in `known`.
fn words<'t>(text: &'t str, known: &[&str]) -> Option<Vec<&'t str>> {
    let mut found = Vec::new();
    let mut left = text;
    while !left.is_empty() {
        let word = left.get(..2).filter(|word| known.contains(word))?;
        found.push(word);
        left = &left[2..];
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_descriptors() {
        for text in [
            "D:P(A;;GA;;;SY)(A;;GA;;;BA)",
            "O:BAG:SYD:(A;CIOI;GA;;;SY)S:(ML;;NW;;;LW)",
            "D:P(A;;0x1200a9;;;S-1-5-32-545)",
            "D:(XA;;GR;;;BA;(WIN://SYSAPPID Contains \"x\"))",
            "D:PAI",
        ] {
            assert_eq!(parse(text), Ok(Descriptor { open: false }), "{text}");
        }
    }

    #[test]
    fn open_descriptors() {
        for text in [
            "D:(A;;GA;;;WD)",
            "D:(A;;0x40000000;;;WD)",
            "D:(A;;GRGW;;;AN)",
            "D:NO_ACCESS_CONTROL",
        ] {
            assert_eq!(parse(text), Ok(Descriptor { open: true }), "{text}");
        }
        assert_eq!(parse("D:(D;;GA;;;WD)"), Ok(Descriptor { open: false }));
        assert_eq!(parse("D:(A;;GR;;;WD)"), Ok(Descriptor { open: false }));
    }

    #[test]
    fn bad_descriptors() {
        for text in [
            "",
            "(A;;GA;;;SY)",
            "D:(A;;GA;;;SY",
            "D:(A;;GA;;SY)",
            "D:(A;;GA;;;QQ)",
            "D:(Q;;GA;;;SY)",
            "D:(A;;GQ;;;SY)",
            "D:(A;ZZ;GA;;;SY)",
            "D:D:",
            "D:Z(A;;GA;;;SY)",
            "O:XX",
            "D:(A;;GA;x;;SY)",
            "D:(A;;GA;;;SY;x)",
            "D:(A;;\u{e9}\u{e9};;;SY)",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
