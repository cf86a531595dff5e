//! Names of schedules.

use core::fmt;
use core::str::FromStr;

use crate::config::{Deviation, HostConfig, Policy};

/// How many ordering constraints [`Strategy::Pct`](super::Strategy::Pct) looks for unless it is told.
pub(super) const DEPTH: u32 = 3;
/// Steps of a run, where a name of a schedule leaves them out.
const LENGTH: u32 = 1024;

/// Which choices a run makes: everything that is needed to run it again.
///
/// As text it is what a person pastes: `42` is a seed, `pct:42:3:1024` a seed with the depth and the length of
/// [`Policy::Pct`] (which may be left out), and `path:12=1,40=2` the in-order run that takes alternative 1 in choice 12 and
/// alternative 2 in choice 40. `in-order` takes the first alternative everywhere.
///
/// ```
/// use kmdf_host::Schedule;
///
/// let schedule: Schedule = "path:12=1,40=2".parse().unwrap();
/// assert_eq!(schedule.to_string(), "path:12=1,40=2");
/// assert_eq!("42".parse(), Ok(Schedule::Random { seed: 42 }));
/// assert!("42=1".parse::<Schedule>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Schedule {
    /// [`Policy::Random`] with this seed.
    Random {
        /// The seed.
        seed: u64,
    },
    /// [`Policy::Pct`] with this seed.
    Pct {
        /// The seed.
        seed: u64,
        /// Ordering constraints.
        depth: u32,
        /// Steps of a run.
        length: u32,
    },
    /// [`Policy::InOrder`] but for these choices, by position.
    Path(Vec<Deviation>),
}

impl HostConfig {
    /// Makes the choices of a schedule.
    #[must_use]
    pub fn schedule(self, schedule: &Schedule) -> Self {
        match schedule {
            Schedule::Random { seed } => self.seed(*seed).policy(Policy::Random),
            Schedule::Pct {
                seed,
                depth,
                length,
            } => self.seed(*seed).policy(Policy::Pct {
                depth: *depth,
                length: *length,
            }),
            Schedule::Path(deviations) => self.policy(Policy::InOrder).deviations(deviations),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random { seed } => write!(f, "{seed}"),
            Self::Pct {
                seed,
                depth,
                length,
            } => write!(f, "pct:{seed}:{depth}:{length}"),
            Self::Path(deviations) => {
                if deviations.is_empty() {
                    return f.write_str("in-order");
                }
                f.write_str("path:")?;
                for (number, deviation) in deviations.iter().enumerate() {
                    let comma = if number == 0 { "" } else { "," };
                    write!(f, "{comma}{}={}", deviation.position, deviation.taken)?;
                }
                Ok(())
            }
        }
    }
}

/// A text that names no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no schedule; give a seed such as 42, a seed of PCT such as pct:42:3:1024, or deviations such as path:12=1,40=2"
)]
pub struct UnknownSchedule(String);

impl FromStr for Schedule {
    type Err = UnknownSchedule;

    fn from_str(text: &str) -> Result<Self, UnknownSchedule> {
        let parsed = match text.split_once(':') {
            None if text == "in-order" => Some(Self::Path(Vec::new())),
            None => text.parse().ok().map(|seed| Self::Random { seed }),
            Some(("pct", rest)) => pct(rest),
            Some(("path", rest)) => path(rest),
            Some(_) => None,
        };
        parsed.ok_or_else(|| UnknownSchedule(text.to_owned()))
    }
}

fn pct(text: &str) -> Option<Schedule> {
    let mut parts = text.split(':');
    let seed = parts.next()?.parse().ok()?;
    let mut number = |default| parts.next().map_or(Some(default), |part| part.parse().ok());
    let depth = number(DEPTH)?;
    let length = number(LENGTH)?;
    let schedule = Schedule::Pct {
        seed,
        depth,
        length,
    };
    parts.next().is_none().then_some(schedule)
}

fn path(text: &str) -> Option<Schedule> {
    let deviations = text.split(',').map(|part| {
        let (position, taken) = part.split_once('=')?;
        Some(Deviation {
            position: position.parse().ok()?,
            taken: taken.parse().ok().filter(|&taken: &u32| taken > 0)?,
        })
    });
    let deviations: Vec<_> = deviations.collect::<Option<_>>()?;
    deviations
        .is_sorted_by(|one, next| one.position < next.position)
        .then_some(Schedule::Path(deviations))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_read() {
        for text in [
            "0",
            "42",
            "pct:7:3:1024",
            "path:0=1",
            "path:1=1,5=2,9=1",
            "in-order",
        ] {
            let schedule: Schedule = text.parse().unwrap();
            assert_eq!(schedule.to_string(), text);
        }
        assert_eq!(
            "pct:7".parse::<Schedule>().unwrap().to_string(),
            "pct:7:3:1024"
        );
        assert_eq!(
            "pct:7:2".parse::<Schedule>().unwrap().to_string(),
            "pct:7:2:1024"
        );
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "x",
            "-1",
            "pct:",
            "pct:1:2:3:4",
            "path:",
            "path:1",
            "path:1=0",
            "path:5=1,5=2",
            "path:5=1,4=1",
            "seed:1",
        ] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
    }
}
