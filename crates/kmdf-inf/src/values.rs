//! Values that INF directives take: numbers, GUIDs, dates, versions, DIRID paths.

/// A number as SetupAPI reads it: decimal, or hexadecimal after `0x`.
pub(crate) fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match digits {
        Some(digits) if digits.starts_with('+') => None,
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None if text.starts_with('+') => None,
        None => text.parse().ok(),
    }
}

/// `{8-4-4-4-12}`.
pub(crate) fn is_guid(text: &str) -> bool {
    let Some(inner) = text
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
    else {
        return false;
    };
    let lengths = inner.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && inner.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

/// `mm/dd/yyyy`, a day that exists.
pub(crate) fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    let [month, day, year] = parts.as_slice() else {
        return false;
    };
    let digits = |part: &str, lengths: &[usize]| {
        let valid = lengths.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        if valid {
            part.parse::<u32>().ok()
        } else {
            None
        }
    };
    let (Some(month), Some(day), Some(year)) = (
        digits(month, &[1, 2]),
        digits(day, &[1, 2]),
        digits(year, &[4]),
    ) else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=last).contains(&day) && year > 0
}

/// `w.x.y.z`, each below 65536, not all zero.
pub(crate) fn is_version(text: &str) -> bool {
    let fields: Vec<Option<u16>> = text
        .split('.')
        .map(|part| {
            part.bytes()
                .all(|b| b.is_ascii_digit())
                .then(|| part.parse().ok())
                .flatten()
        })
        .collect();
    fields.len() == 4
        && fields.iter().all(Option::is_some)
        && fields.iter().any(|&field| field != Some(0))
}

/// `1.33` into its two numbers.
pub(crate) fn major_minor(text: &str) -> Option<(u16, u16)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// `%13%\dir\file` into the DIRID and the path below it.
pub(crate) fn dirid_path(text: &str) -> Option<(u32, &str)> {
    let (id, path) = text.strip_prefix('%')?.split_once('%')?;
    let path = path.strip_prefix('\\')?;
    if path.is_empty() {
        return None;
    }
    Some((id.parse().ok()?, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(number("0x10001"), Some(0x10001));
        assert_eq!(number(" 3 "), Some(3));
        for bad in ["", "x", "0x", "0xg", "-1", "+1", "0x+1"] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }

    #[test]
    fn guids() {
        assert!(is_guid("{e2f84ce7-8efa-411c-aa69-97454ca4cb57}"));
        for bad in [
            "e2f84ce7-8efa-411c-aa69-97454ca4cb57",
            "{e2f84ce7-8efa-411c-aa69-97454ca4cb5}",
            "{e2f84ce7-8efa-411c-aa69-97454ca4cb5g}",
        ] {
            assert!(!is_guid(bad), "{bad}");
        }
    }

    #[test]
    fn dates() {
        assert!(is_date("02/29/2024"));
        for bad in [
            "02/29/2023",
            "13/01/2024",
            "2024/01/01",
            "04/31/2024",
            "1/1/24",
            "+1/01/2024",
            "",
        ] {
            assert!(!is_date(bad), "{bad}");
        }
    }

    #[test]
    fn versions() {
        assert!(is_version("1.0.0.65535"));
        for bad in [
            "0.0.0.0",
            "1.0.0",
            "1.0.0.65536",
            "1.0.0.x",
            "1.0.0.0.0",
            "+1.0.0.0",
        ] {
            assert!(!is_version(bad), "{bad}");
        }
        assert_eq!(major_minor("1.33"), Some((1, 33)));
        assert_eq!(major_minor("1"), None);
    }

    #[test]
    fn dirid_paths() {
        assert_eq!(dirid_path("%13%\\a\\b.sys"), Some((13, "a\\b.sys")));
        for bad in ["13\\b.sys", "%13%b.sys", "%x%\\b.sys", "%13%\\", "\\b.sys"] {
            assert_eq!(dirid_path(bad), None, "{bad}");
        }
    }
}
