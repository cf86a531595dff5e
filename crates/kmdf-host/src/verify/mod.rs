//! The verifier of the model: what can be wrong, what the rule is, and what to do about it.

mod bugcheck_kind;
mod callback;
mod driver_entry;
pub(crate) mod fault;
mod growth;
mod in_flight;
pub(crate) mod irql;
mod irql_limits;
mod locks;
mod objects;
mod requests;
pub(crate) mod stack;
mod state;
mod unload;
mod violation;
mod violation_kind;

pub(crate) use locks::HeldLock;
pub(crate) use state::State;

pub use bugcheck_kind::BugcheckKind;
pub use violation::{Place, Subject, Violation};
pub use violation_kind::ViolationKind;

/// Declares an enum of findings: each variant with its meaning (its documentation), its rule and advice.
macro_rules! findings {
    (
        $(#[$meta:meta])*
        enum $name:ident;
        $($(#[doc = $meaning:literal])+ $variant:ident: $rule:literal, $explanation:literal, $advice:literal;)*
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[doc = $meaning])+ $variant,)*
        }

        impl $name {
            /// All of them, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name, that of the variant.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($variant),)*
                }
            }

            /// What happened, in one sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($meaning),+).trim_ascii(),)*
                }
            }

            /// The stable name of the rule that was broken; that of Microsoft's rule where there is one.
            #[must_use]
            pub const fn rule(self) -> &'static str {
                match self {
                    $(Self::$variant => $rule,)*
                }
            }

            /// What the rule is and why.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self {
                    $(Self::$variant => $explanation,)*
                }
            }

            /// What to do about it.
            #[must_use]
            pub const fn advice(self) -> &'static str {
                match self {
                    $(Self::$variant => $advice,)*
                }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

use findings;

/// Whether a function may have to wait for something.
fn waits(function: &str) -> bool {
    const WAITING: [&str; 12] = [
        "KeWaitForSingleObject",
        "KeWaitForMultipleObjects",
        "KeDelayExecutionThread",
        "KeFlushQueuedDpcs",
        "WdfRequestSend",
        "WdfWaitLockAcquire",
        "WdfWorkItemFlush",
        "WdfTimerStop",
        "WdfDpcCancel",
        "WdfIoTargetStop",
        "WdfIoTargetPurge",
        "WdfIoTargetClose",
    ];
    function.contains("Synchronous") || WAITING.contains(&function)
}
