//! Tests of the severity of an `NTSTATUS`.

#![allow(non_snake_case, reason = "the names of C")]

use crate::NTSTATUS;

/// The severity, the two highest bits.
const fn severity(status: NTSTATUS) -> u32 {
    status.cast_unsigned() >> 30
}

/// Whether the status is one of success or information.
#[must_use]
pub const fn NT_SUCCESS(status: NTSTATUS) -> bool {
    status >= 0
}

/// Whether the status is one of information.
#[must_use]
pub const fn NT_INFORMATION(status: NTSTATUS) -> bool {
    severity(status) == 1
}

/// Whether the status is a warning.
#[must_use]
pub const fn NT_WARNING(status: NTSTATUS) -> bool {
    severity(status) == 2
}

/// Whether the status is an error.
#[must_use]
pub const fn NT_ERROR(status: NTSTATUS) -> bool {
    severity(status) == 3
}

#[cfg(test)]
mod tests {
    use super::{NT_ERROR, NT_INFORMATION, NT_SUCCESS, NT_WARNING};
    use crate::{
        NTSTATUS, STATUS_BUFFER_OVERFLOW, STATUS_PENDING, STATUS_SUCCESS, STATUS_UNSUCCESSFUL,
    };

    fn classes(status: NTSTATUS) -> [bool; 4] {
        [
            NT_SUCCESS(status),
            NT_INFORMATION(status),
            NT_WARNING(status),
            NT_ERROR(status),
        ]
    }

    #[test]
    fn every_severity_is_told_apart() {
        assert_eq!(classes(STATUS_SUCCESS), [true, false, false, false]);
        assert_eq!(classes(STATUS_PENDING), [true, false, false, false]);
        assert_eq!(classes(0x4000_0000), [true, true, false, false]);
        assert_eq!(classes(STATUS_BUFFER_OVERFLOW), [false, false, true, false]);
        assert_eq!(classes(STATUS_UNSUCCESSFUL), [false, false, false, true]);
    }
}
