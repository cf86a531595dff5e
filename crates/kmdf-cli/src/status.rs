//! Names of statuses.

use std::fmt;
use std::str::FromStr;

use kmdf_sys::{NT_SUCCESS, NTSTATUS};

macro_rules! names {
    ($($($module:ident)::+ { $($name:ident)* })*) => {{
        $(use $($module)::+::{$($name),*};)*
        &[$($((stringify!($name), $name),)*)*]
    }};
}

/// Every status that the bindings name. Of two names of one value the first is printed.
const NAMES: &[(&str, NTSTATUS)] = names! {
    kmdf_sys {
        STATUS_SUCCESS STATUS_WAIT_0 STATUS_WAIT_1 STATUS_ABANDONED_WAIT_0 STATUS_USER_APC
        STATUS_ALERTED STATUS_TIMEOUT STATUS_PENDING STATUS_REPARSE STATUS_MORE_ENTRIES
        STATUS_SOME_NOT_MAPPED STATUS_NOTIFY_CLEANUP STATUS_NOTIFY_ENUM_DIR
        STATUS_OBJECT_NAME_EXISTS STATUS_DATATYPE_MISALIGNMENT STATUS_BREAKPOINT STATUS_SINGLE_STEP
        STATUS_BUFFER_OVERFLOW STATUS_NO_MORE_FILES STATUS_PARTIAL_COPY STATUS_DEVICE_POWERED_OFF
        STATUS_DEVICE_OFF_LINE STATUS_DEVICE_BUSY STATUS_VERIFY_REQUIRED STATUS_NO_MORE_ENTRIES
        STATUS_ALREADY_DISCONNECTED STATUS_PLUGPLAY_QUERY_VETOED STATUS_DEVICE_SUPPORT_IN_PROGRESS
        STATUS_DEVICE_RESET_REQUIRED STATUS_DEVICE_REQUIRES_CLEANING STATUS_UNSUCCESSFUL
        STATUS_NOT_IMPLEMENTED STATUS_INVALID_INFO_CLASS STATUS_INFO_LENGTH_MISMATCH
        STATUS_ACCESS_VIOLATION STATUS_INVALID_HANDLE STATUS_INVALID_PARAMETER
        STATUS_NO_SUCH_DEVICE STATUS_NO_SUCH_FILE STATUS_INVALID_DEVICE_REQUEST STATUS_END_OF_FILE
        STATUS_WRONG_VOLUME STATUS_NO_MEDIA_IN_DEVICE STATUS_UNRECOGNIZED_MEDIA
        STATUS_NONEXISTENT_SECTOR STATUS_MORE_PROCESSING_REQUIRED STATUS_NO_MEMORY
        STATUS_INVALID_SYSTEM_SERVICE STATUS_INVALID_LOCK_SEQUENCE STATUS_ALREADY_COMMITTED
        STATUS_ACCESS_DENIED STATUS_BUFFER_TOO_SMALL STATUS_OBJECT_TYPE_MISMATCH
        STATUS_INVALID_PARAMETER_MIX STATUS_OBJECT_NAME_INVALID STATUS_OBJECT_NAME_NOT_FOUND
        STATUS_OBJECT_NAME_COLLISION STATUS_DEVICE_ALREADY_ATTACHED STATUS_OBJECT_PATH_INVALID
        STATUS_OBJECT_PATH_NOT_FOUND STATUS_OBJECT_PATH_SYNTAX_BAD STATUS_DATA_OVERRUN
        STATUS_DATA_LATE_ERROR STATUS_DATA_ERROR STATUS_CRC_ERROR STATUS_SHARING_VIOLATION
        STATUS_QUOTA_EXCEEDED STATUS_INVALID_PAGE_PROTECTION STATUS_MUTANT_NOT_OWNED
        STATUS_SEMAPHORE_LIMIT_EXCEEDED STATUS_PORT_ALREADY_SET STATUS_FILE_LOCK_CONFLICT
        STATUS_DELETE_PENDING STATUS_REVISION_MISMATCH STATUS_INVALID_OWNER
        STATUS_PRIVILEGE_NOT_HELD STATUS_INTEGER_DIVIDE_BY_ZERO STATUS_INTEGER_OVERFLOW
        STATUS_FILE_INVALID STATUS_INSUFFICIENT_RESOURCES STATUS_DEVICE_DATA_ERROR
        STATUS_DEVICE_NOT_CONNECTED STATUS_DEVICE_POWER_FAILURE STATUS_MEDIA_WRITE_PROTECTED
        STATUS_DEVICE_NOT_READY STATUS_INSTANCE_NOT_AVAILABLE STATUS_PIPE_NOT_AVAILABLE
        STATUS_PIPE_BUSY STATUS_ILLEGAL_FUNCTION STATUS_PIPE_DISCONNECTED STATUS_INVALID_READ_MODE
        STATUS_IO_TIMEOUT STATUS_FILE_FORCED_CLOSED STATUS_NOT_SUPPORTED STATUS_NETWORK_BUSY
        STATUS_DEVICE_DOES_NOT_EXIST STATUS_TOO_MANY_COMMANDS STATUS_ADAPTER_HARDWARE_ERROR
        STATUS_REQUEST_NOT_ACCEPTED STATUS_NOT_SAME_DEVICE STATUS_INTERNAL_ERROR
        STATUS_INVALID_USER_BUFFER STATUS_UNEXPECTED_IO_ERROR STATUS_INVALID_PARAMETER_1
        STATUS_INVALID_PARAMETER_2 STATUS_INVALID_PARAMETER_3 STATUS_INVALID_PARAMETER_4
        STATUS_INVALID_PARAMETER_5 STATUS_INVALID_PARAMETER_6 STATUS_STACK_OVERFLOW
        STATUS_CANCELLED STATUS_FILE_DELETED STATUS_FILE_CLOSED STATUS_INVALID_CONNECTION
        STATUS_INVALID_ADDRESS STATUS_PIPE_BROKEN STATUS_INVALID_BLOCK_LENGTH
        STATUS_UNABLE_TO_UNLOAD_MEDIA STATUS_DEVICE_CONFIGURATION_ERROR
        STATUS_DRIVER_INTERNAL_ERROR STATUS_INVALID_DEVICE_STATE STATUS_IO_DEVICE_ERROR
        STATUS_DEVICE_PROTOCOL_ERROR STATUS_IO_DEVICE_INVALID_DATA STATUS_INVALID_BUFFER_SIZE
        STATUS_CONNECTION_RESET STATUS_TRANSACTION_ABORTED STATUS_TRANSACTION_TIMED_OUT
        STATUS_NOT_FOUND STATUS_RETRY STATUS_HANDLE_NOT_CLOSABLE STATUS_REQUEST_ABORTED
        STATUS_CONNECTION_ABORTED STATUS_PLUGPLAY_NO_DEVICE STATUS_DRIVER_UNABLE_TO_LOAD
        STATUS_NO_MATCH STATUS_NOT_A_REPARSE_POINT STATUS_DEVICE_REMOVED STATUS_REG_NAT_CONSUMPTION
        STATUS_PNP_RESTART_ENUMERATION STATUS_PNP_REBOOT_REQUIRED STATUS_POWER_STATE_INVALID
        STATUS_INSUFFICIENT_POWER STATUS_MULTIPLE_FAULT_VIOLATION STATUS_FAILED_DRIVER_ENTRY
        STATUS_DEVICE_ENUMERATION_ERROR STATUS_HUNG_DISPLAY_DRIVER_THREAD
        STATUS_IMPLEMENTATION_LIMIT STATUS_DRIVER_PROCESS_TERMINATED
        STATUS_DEVICE_FEATURE_NOT_SUPPORTED STATUS_DEVICE_INSUFFICIENT_RESOURCES
        STATUS_OPERATION_IN_PROGRESS STATUS_DEVICE_HARDWARE_ERROR STATUS_ALREADY_INITIALIZED
        STATUS_REQUEST_CANCELED STATUS_PNP_INVALID_ID STATUS_ACPI_INVALID_DATA
    }
    kmdf_sys::missing {
        STATUS_WDF_QUEUED STATUS_WDF_POSTED STATUS_NO_SUCH_LOGON_SESSION STATUS_WDF_NO_PACKAGE
        STATUS_WDF_INTERNAL_ERROR STATUS_WDF_PAUSED STATUS_WDF_BUSY STATUS_WDF_IO_TIMEOUT_NOT_SENT
        STATUS_WDF_DEVICE_REMOVED_NOT_SENT STATUS_WDF_REQUEST_ALREADY_PENDING
        STATUS_WDF_REQUEST_INVALID_STATE STATUS_WDF_OBJECT_ATTRIBUTES_INVALID
        STATUS_WDF_TOO_FRAGMENTED STATUS_WDF_NO_CALLBACK STATUS_WDF_INCOMPATIBLE_EXECUTION_LEVEL
        STATUS_WDF_PARENT_ALREADY_ASSIGNED STATUS_WDF_PARENT_IS_SELF
        STATUS_WDF_PARENT_ASSIGNMENT_NOT_ALLOWED STATUS_WDF_SYNCHRONIZATION_SCOPE_INVALID
        STATUS_WDF_EXECUTION_LEVEL_INVALID STATUS_WDF_PARENT_NOT_SPECIFIED
        STATUS_WDF_TOO_MANY_TRANSFERS STATUS_WDF_NOT_ENOUGH_MAP_REGISTERS
    }
};

/// A status, printed by name and value, read by name or value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status(pub(crate) NTSTATUS);

impl Status {
    pub(crate) const fn is_success(self) -> bool {
        NT_SUCCESS(self.0)
    }

    pub(crate) fn name(self) -> Option<&'static str> {
        NAMES
            .iter()
            .find(|&&(_, value)| value == self.0)
            .map(|&(name, _)| name)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} (0x{:08X})", self.0),
            None => write!(f, "NTSTATUS 0x{:08X}", self.0),
        }
    }
}

/// The text is not a status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no NTSTATUS: give a name such as STATUS_IO_DEVICE_ERROR, \
     or its value in hexadecimal such as 0xC0000185"
)]
pub(crate) struct UnknownStatus(String);

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        let unknown = || UnknownStatus(text.to_owned());
        if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            let value = u32::from_str_radix(digits, 16).map_err(|_| unknown())?;
            return Ok(Self(value.cast_signed()));
        }
        let upper = text.to_ascii_uppercase();
        let short = upper.strip_prefix("STATUS_").unwrap_or(&upper);
        let named = NAMES
            .iter()
            .find(|(name, _)| name.strip_prefix("STATUS_") == Some(short));
        named.map(|&(_, value)| Self(value)).ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_status_of_the_bindings_is_left_out() {
        let facts: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../../kmdf-sys-gen/abi/status.json")).unwrap();
        let facts: Vec<_> = facts
            .iter()
            .map(|fact| {
                (
                    fact["name"].as_str().unwrap(),
                    fact["value"].as_i64().unwrap(),
                )
            })
            .filter(|(name, _)| name.starts_with("STATUS_"))
            .collect();
        assert!(facts.len() > 100);
        for (name, value) in facts {
            let status: Status = name.parse().unwrap();
            assert_eq!(i64::from(status.0), value, "{name}");
        }
    }

    #[test]
    fn what_is_printed_can_be_read() {
        for &(name, value) in NAMES {
            assert_eq!(name.parse(), Ok(Status(value)));
            let printed = Status(value).to_string();
            let (_, hex) = printed.rsplit_once('(').unwrap();
            assert_eq!(hex.trim_end_matches(')').parse(), Ok(Status(value)));
        }
        assert_eq!(
            "io_device_error".parse(),
            Ok(Status(kmdf_sys::STATUS_IO_DEVICE_ERROR))
        );
        assert_eq!(
            Status(0xC000_FFFF_u32.cast_signed()).to_string(),
            "NTSTATUS 0xC000FFFF"
        );
        assert_eq!(Status(0).to_string(), "STATUS_SUCCESS (0x00000000)");
    }

    #[test]
    fn what_is_no_status_is_said() {
        for text in [
            "",
            "0x",
            "0x1C0000185",
            "STATUS_",
            "NO_SUCH_STATUS",
            "3221225861",
        ] {
            assert_eq!(text.parse::<Status>(), Err(UnknownStatus(text.to_owned())));
        }
    }
}
