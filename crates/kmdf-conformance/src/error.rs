//! What can be wrong with a case.

/// The case does not follow the format, or asks for something that the format does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(String);

pub(crate) fn malformed(why: impl Into<String>) -> Malformed {
    Malformed(why.into())
}

/// Why a step ended a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    Malformed(Malformed),
    /// Something else than what was expected was found.
    Differs {
        expected: String,
        found: String,
    },
    /// The model panicked.
    Panic(String),
}

impl From<Malformed> for Problem {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

pub(crate) fn differs(expected: impl Into<String>, found: impl Into<String>) -> Problem {
    Problem::Differs {
        expected: expected.into(),
        found: found.into(),
    }
}
