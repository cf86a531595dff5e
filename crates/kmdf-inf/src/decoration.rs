//! Target OS decorations: `NT[arch][.major[.minor[.product[.suite[.build]]]]]`.

/// The architecture of an INX, decided when it is stamped.
pub(crate) const ANY_ARCH: &str = "$arch$";
const ARCHITECTURES: &[&str] = &["x86", "ia64", "amd64", "arm", "arm64", ANY_ARCH];
/// Windows 10 version 1507, the first with version 10.0.
const FIRST_10: u32 = 10240;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decoration {
    pub(crate) arch: Option<String>,
    pub(crate) version: Option<(u32, u32)>,
    /// ProductType or SuiteMask is given.
    pub(crate) product: bool,
    pub(crate) build: Option<u32>,
}

impl Decoration {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let lower = text.to_lowercase();
        let mut parts = lower.strip_prefix("nt")?.split('.');
        let arch = parts.next().filter(|arch| !arch.is_empty());
        if arch.is_some_and(|arch| !ARCHITECTURES.contains(&arch)) {
            return None;
        }
        let numbers: Vec<Option<u32>> = parts
            .map(|part| {
                if part.is_empty() {
                    Some(None)
                } else {
                    number(part).map(Some)
                }
            })
            .collect::<Option<_>>()?;
        if numbers.len() > 5 || numbers.last().is_some_and(Option::is_none) {
            return None;
        }
        let at = |index: usize| numbers.get(index).copied().flatten();
        let version = at(0).map(|major| (major, at(1).unwrap_or(0)));
        if version.is_none() && !numbers.is_empty() {
            return None;
        }
        Some(Self {
            arch: arch.map(str::to_owned),
            version,
            product: at(2).is_some() || at(3).is_some(),
            build: at(4),
        })
    }

    /// The oldest build on which the section is used.
    pub(crate) fn min_build(&self) -> u32 {
        match self.version {
            Some(version) if version >= (10, 0) => self.build.unwrap_or(FIRST_10),
            _ => 0,
        }
    }

    /// Whether a section decorated so is used on `arch`.
    pub(crate) fn fits(&self, arch: &str) -> bool {
        self.arch
            .as_deref()
            .is_none_or(|own| own == arch || own == ANY_ARCH || arch == ANY_ARCH)
    }
}

fn number(text: &str) -> Option<u32> {
    let hex = text.strip_prefix("0x");
    hex.map_or_else(
        || text.parse().ok(),
        |digits| u32::from_str_radix(digits, 16).ok(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let full = Decoration::parse("NT$ARCH$.10.0...20348").unwrap();
        assert_eq!(
            (full.arch.as_deref(), full.version, full.build),
            (Some(ANY_ARCH), Some((10, 0)), Some(20348))
        );
        assert_eq!(full.min_build(), 20348);
        assert_eq!(Decoration::parse("ntamd64.6.1").unwrap().min_build(), 0);
        assert_eq!(Decoration::parse("NT").unwrap(), Decoration::default());
        assert!(Decoration::parse("NTamd64.10.0.1").unwrap().product);
        for bad in [
            "amd64",
            "NTx64",
            "NTamd64.",
            "NTamd64.10.0...",
            "NTamd64.10.0....1",
            "NTamd64.x",
            "NTamd64..0",
        ] {
            assert_eq!(Decoration::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn architectures_fit() {
        let amd64 = Decoration::parse("NTamd64").unwrap();
        assert!(amd64.fits("amd64") && amd64.fits(ANY_ARCH) && !amd64.fits("arm64"));
        assert!(Decoration::parse("NT").unwrap().fits("x86"));
    }
}
