//! NTSTATUS values, and the errors made of them.

use core::fmt;
use core::num::NonZeroI32;

use crate::ffi;

/// The library's result: the error is an NTSTATUS that is not `NT_SUCCESS`.
pub type Result<T = (), E = Error> = core::result::Result<T, E>;

/// Any NTSTATUS value, success or not.
///
/// Reference: [NTSTATUS
/// values](https://learn.microsoft.com/windows-hardware/drivers/kernel/ntstatus-values).
///
/// ```
/// use kmdf::{NtStatus, Severity};
///
/// let status = NtStatus::from_raw(0x8000_0005_u32.cast_signed());
/// assert_eq!(status, NtStatus::BUFFER_OVERFLOW);
/// assert_eq!(status.severity(), Severity::Warning);
/// assert!(!status.is_success());
/// assert_eq!(status.to_string(), "STATUS_BUFFER_OVERFLOW (0x80000005)");
/// ```
#[doc(alias = "NTSTATUS")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct NtStatus(i32);

/// The two top bits of an NTSTATUS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// 0x00000000 to 0x3FFFFFFF. `NT_SUCCESS`.
    Success,
    /// 0x40000000 to 0x7FFFFFFF. `NT_SUCCESS` too.
    Informational,
    /// 0x80000000 to 0xBFFFFFFF. Not `NT_SUCCESS`.
    Warning,
    /// 0xC0000000 to 0xFFFFFFFF. Not `NT_SUCCESS`.
    Error,
}

impl NtStatus {
    /// Takes a status as the framework gives it.
    #[must_use]
    pub const fn from_raw(status: ffi::NTSTATUS) -> Self {
        Self(status)
    }

    /// The status as the framework takes it.
    #[must_use]
    pub const fn into_raw(self) -> ffi::NTSTATUS {
        self.0
    }

    /// Success or informational, as the macro `NT_SUCCESS` has it.
    ///
    /// `STATUS_TIMEOUT` (0x102), which a wait returns, is a success in this sense: compare a wait's
    /// status by value.
    #[doc(alias = "NT_SUCCESS")]
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 >= 0
    }

    /// What the two top bits say.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self.0.cast_unsigned() >> 30 {
            0 => Severity::Success,
            1 => Severity::Informational,
            2 => Severity::Warning,
            _ => Severity::Error,
        }
    }

    /// Bits 16 to 27: which component defined the status. The framework's own statuses have
    /// [`FACILITY_DRIVER_FRAMEWORK`](Self::FACILITY_DRIVER_FRAMEWORK).
    #[must_use]
    pub const fn facility(self) -> u32 {
        (self.0.cast_unsigned() >> 16) & 0xFFF
    }

    /// The facility of `STATUS_WDF_*`.
    pub const FACILITY_DRIVER_FRAMEWORK: u32 = 0x20;

    /// `Ok` for every status that is [`is_success`](Self::is_success), the error otherwise.
    ///
    /// # Errors
    ///
    /// The status itself, unchanged, when it is not a success.
    pub const fn ok(self) -> Result<Self> {
        match Error::new(self) {
            Some(error) => Err(error),
            None => Ok(self),
        }
    }
}

impl fmt::Debug for NtStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for NtStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} (0x{:08X})", self.0),
            None => write!(f, "NTSTATUS 0x{:08X}", self.0),
        }
    }
}

impl From<NtStatus> for ffi::NTSTATUS {
    fn from(status: NtStatus) -> Self {
        status.0
    }
}

impl From<Error> for NtStatus {
    fn from(error: Error) -> Self {
        error.status()
    }
}

macro_rules! statuses {
    ($($(#[$meta:meta])* $short:ident = $path:path;)*) => {
        impl NtStatus {
            $(
                #[doc = concat!("`", stringify!($path), "`.")]
                $(#[$meta])*
                pub const $short: Self = Self($path);
            )*

            /// The name in `ntstatus.h`, for the statuses that drivers meet; `None` for any other.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$short => Some(concat!("STATUS_", stringify!($short))),)*
                    _ => None,
                }
            }
        }
    };
}

statuses! {
    SUCCESS = ffi::STATUS_SUCCESS;
    /// A wait ran out. A success code: not what a timed-out send returns, see
    /// [`IO_TIMEOUT`](Self::IO_TIMEOUT).
    TIMEOUT = ffi::STATUS_TIMEOUT;
    PENDING = ffi::STATUS_PENDING;
    OBJECT_NAME_EXISTS = ffi::STATUS_OBJECT_NAME_EXISTS;
    BUFFER_OVERFLOW = ffi::STATUS_BUFFER_OVERFLOW;
    DEVICE_BUSY = ffi::STATUS_DEVICE_BUSY;
    NO_MORE_ENTRIES = ffi::STATUS_NO_MORE_ENTRIES;
    UNSUCCESSFUL = ffi::STATUS_UNSUCCESSFUL;
    NOT_IMPLEMENTED = ffi::STATUS_NOT_IMPLEMENTED;
    INFO_LENGTH_MISMATCH = ffi::STATUS_INFO_LENGTH_MISMATCH;
    ACCESS_VIOLATION = ffi::STATUS_ACCESS_VIOLATION;
    INVALID_HANDLE = ffi::STATUS_INVALID_HANDLE;
    INVALID_PARAMETER = ffi::STATUS_INVALID_PARAMETER;
    NO_SUCH_DEVICE = ffi::STATUS_NO_SUCH_DEVICE;
    INVALID_DEVICE_REQUEST = ffi::STATUS_INVALID_DEVICE_REQUEST;
    END_OF_FILE = ffi::STATUS_END_OF_FILE;
    ACCESS_DENIED = ffi::STATUS_ACCESS_DENIED;
    BUFFER_TOO_SMALL = ffi::STATUS_BUFFER_TOO_SMALL;
    OBJECT_NAME_NOT_FOUND = ffi::STATUS_OBJECT_NAME_NOT_FOUND;
    OBJECT_NAME_COLLISION = ffi::STATUS_OBJECT_NAME_COLLISION;
    DELETE_PENDING = ffi::STATUS_DELETE_PENDING;
    INTEGER_OVERFLOW = ffi::STATUS_INTEGER_OVERFLOW;
    INSUFFICIENT_RESOURCES = ffi::STATUS_INSUFFICIENT_RESOURCES;
    DEVICE_DATA_ERROR = ffi::STATUS_DEVICE_DATA_ERROR;
    DEVICE_NOT_CONNECTED = ffi::STATUS_DEVICE_NOT_CONNECTED;
    DEVICE_POWER_FAILURE = ffi::STATUS_DEVICE_POWER_FAILURE;
    MEDIA_WRITE_PROTECTED = ffi::STATUS_MEDIA_WRITE_PROTECTED;
    DEVICE_NOT_READY = ffi::STATUS_DEVICE_NOT_READY;
    /// What a send returns when its time-out ran out and the lower driver cancelled the request.
    IO_TIMEOUT = ffi::STATUS_IO_TIMEOUT;
    NOT_SUPPORTED = ffi::STATUS_NOT_SUPPORTED;
    DEVICE_DOES_NOT_EXIST = ffi::STATUS_DEVICE_DOES_NOT_EXIST;
    REQUEST_NOT_ACCEPTED = ffi::STATUS_REQUEST_NOT_ACCEPTED;
    INTERNAL_ERROR = ffi::STATUS_INTERNAL_ERROR;
    INVALID_USER_BUFFER = ffi::STATUS_INVALID_USER_BUFFER;
    CANCELLED = ffi::STATUS_CANCELLED;
    /// What the library completes a [`Received`](crate::Received) with that the driver dropped.
    DRIVER_INTERNAL_ERROR = ffi::STATUS_DRIVER_INTERNAL_ERROR;
    INVALID_DEVICE_STATE = ffi::STATUS_INVALID_DEVICE_STATE;
    IO_DEVICE_ERROR = ffi::STATUS_IO_DEVICE_ERROR;
    INVALID_BUFFER_SIZE = ffi::STATUS_INVALID_BUFFER_SIZE;
    NOT_FOUND = ffi::STATUS_NOT_FOUND;
    DEVICE_REMOVED = ffi::STATUS_DEVICE_REMOVED;
    WDF_INTERNAL_ERROR = ffi::STATUS_WDF_INTERNAL_ERROR;
    WDF_PAUSED = ffi::STATUS_WDF_PAUSED;
    WDF_BUSY = ffi::STATUS_WDF_BUSY;
    /// The target was purged, closed or removed before the request was handed to the lower driver.
    WDF_DEVICE_REMOVED_NOT_SENT = ffi::STATUS_WDF_DEVICE_REMOVED_NOT_SENT;
    WDF_REQUEST_INVALID_STATE = ffi::STATUS_WDF_REQUEST_INVALID_STATE;
}

/// An NTSTATUS that is not `NT_SUCCESS`: a warning or an error.
///
/// Every status is kept as it came; [`kind`](Self::kind) groups those that drivers tell apart.
///
/// ```
/// use kmdf::{Error, ErrorKind, NtStatus};
///
/// let error = NtStatus::IO_TIMEOUT.ok().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Timeout);
/// assert_eq!(NtStatus::from(error), NtStatus::IO_TIMEOUT);
/// assert_eq!(Error::new(NtStatus::SUCCESS), None);
/// ```
///
/// # Invariants
///
/// The value is negative: `NT_SUCCESS` is false for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Error(NonZeroI32);

/// What an [`Error`] means to a driver.
///
/// The first six are all that Microsoft documents for `WdfIoTargetSendWriteSynchronously` and
/// `WdfUsbTargetPipeWriteSynchronously`; any other status of theirs is the lower driver's.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// `STATUS_INVALID_PARAMETER`: a parameter, a descriptor or the flags of the options are wrong.
    InvalidParameter,
    /// `STATUS_INFO_LENGTH_MISMATCH`: a structure's `Size` is not what the framework expects.
    InfoLengthMismatch,
    /// `STATUS_INVALID_DEVICE_REQUEST`: not at `PASSIVE_LEVEL`, a pipe of the wrong type or
    /// direction, or the lower driver does not take this request.
    InvalidDeviceRequest,
    /// `STATUS_INSUFFICIENT_RESOURCES`: no memory for the request, the buffer or the MDL.
    InsufficientResources,
    /// `STATUS_IO_TIMEOUT`: the time-out ran out and the request was cancelled. Data may have been
    /// moved.
    Timeout,
    /// `STATUS_REQUEST_NOT_ACCEPTED`: the request's IRP has too few stack locations for the target.
    RequestNotAccepted,
    /// `STATUS_CANCELLED`: somebody cancelled the request; never the time-out.
    Cancelled,
    /// The device is gone or going: `STATUS_DEVICE_REMOVED`, `STATUS_NO_SUCH_DEVICE`,
    /// `STATUS_DEVICE_NOT_CONNECTED`, `STATUS_DEVICE_DOES_NOT_EXIST`, `STATUS_DELETE_PENDING`,
    /// `STATUS_WDF_DEVICE_REMOVED_NOT_SENT`.
    DeviceGone,
    /// `STATUS_INVALID_DEVICE_STATE`: the target is purged or closed.
    InvalidDeviceState,
    /// `STATUS_INTEGER_OVERFLOW`: a range goes past the end of its memory object.
    IntegerOverflow,
    /// `STATUS_BUFFER_TOO_SMALL`, `STATUS_INVALID_BUFFER_SIZE`, `STATUS_INVALID_USER_BUFFER`: the
    /// buffer does not fit.
    BufferSize,
    /// `STATUS_BUFFER_OVERFLOW`, a warning: what did fit was delivered.
    BufferOverflow,
    /// `STATUS_DEVICE_NOT_READY`, `STATUS_DEVICE_BUSY`, `STATUS_WDF_BUSY`, `STATUS_WDF_PAUSED`: not
    /// now.
    NotReady,
    /// `STATUS_IO_DEVICE_ERROR`, `STATUS_DEVICE_DATA_ERROR`, `STATUS_UNSUCCESSFUL`: the device or
    /// its bus failed.
    DeviceError,
    /// `STATUS_END_OF_FILE`: there is no such place on the device.
    EndOfMedia,
    /// `STATUS_ACCESS_DENIED`, `STATUS_ACCESS_VIOLATION`, `STATUS_MEDIA_WRITE_PROTECTED`.
    AccessDenied,
    /// `STATUS_OBJECT_NAME_NOT_FOUND`, `STATUS_NOT_FOUND`, `STATUS_NO_MORE_ENTRIES`.
    NotFound,
    /// `STATUS_NOT_SUPPORTED`, `STATUS_NOT_IMPLEMENTED`.
    NotSupported,
    /// Any other status; [`Error::status`] has it.
    Other,
}

impl Error {
    /// The error for `status`; `None` when it is a success.
    #[must_use]
    pub const fn new(status: NtStatus) -> Option<Self> {
        // INVARIANT: only a negative value becomes an error.
        match NonZeroI32::new(status.0) {
            Some(value) if value.is_negative() => Some(Self(value)),
            _ => None,
        }
    }

    /// The status, unchanged.
    #[must_use]
    pub const fn status(self) -> NtStatus {
        NtStatus(self.0.get())
    }

    /// What the status means to a driver.
    #[must_use]
    pub const fn kind(self) -> ErrorKind {
        match self.status() {
            NtStatus::INVALID_PARAMETER => ErrorKind::InvalidParameter,
            NtStatus::INFO_LENGTH_MISMATCH => ErrorKind::InfoLengthMismatch,
            NtStatus::INVALID_DEVICE_REQUEST => ErrorKind::InvalidDeviceRequest,
            NtStatus::INSUFFICIENT_RESOURCES => ErrorKind::InsufficientResources,
            NtStatus::IO_TIMEOUT => ErrorKind::Timeout,
            NtStatus::REQUEST_NOT_ACCEPTED => ErrorKind::RequestNotAccepted,
            NtStatus::CANCELLED => ErrorKind::Cancelled,
            NtStatus::DEVICE_REMOVED
            | NtStatus::NO_SUCH_DEVICE
            | NtStatus::DEVICE_NOT_CONNECTED
            | NtStatus::DEVICE_DOES_NOT_EXIST
            | NtStatus::DELETE_PENDING
            | NtStatus::WDF_DEVICE_REMOVED_NOT_SENT => ErrorKind::DeviceGone,
            NtStatus::INVALID_DEVICE_STATE => ErrorKind::InvalidDeviceState,
            NtStatus::INTEGER_OVERFLOW => ErrorKind::IntegerOverflow,
            NtStatus::BUFFER_TOO_SMALL
            | NtStatus::INVALID_BUFFER_SIZE
            | NtStatus::INVALID_USER_BUFFER => ErrorKind::BufferSize,
            NtStatus::BUFFER_OVERFLOW => ErrorKind::BufferOverflow,
            NtStatus::DEVICE_NOT_READY
            | NtStatus::DEVICE_BUSY
            | NtStatus::WDF_BUSY
            | NtStatus::WDF_PAUSED => ErrorKind::NotReady,
            NtStatus::IO_DEVICE_ERROR | NtStatus::DEVICE_DATA_ERROR | NtStatus::UNSUCCESSFUL => {
                ErrorKind::DeviceError
            }
            NtStatus::END_OF_FILE => ErrorKind::EndOfMedia,
            NtStatus::ACCESS_DENIED
            | NtStatus::ACCESS_VIOLATION
            | NtStatus::MEDIA_WRITE_PROTECTED => ErrorKind::AccessDenied,
            NtStatus::OBJECT_NAME_NOT_FOUND | NtStatus::NOT_FOUND | NtStatus::NO_MORE_ENTRIES => {
                ErrorKind::NotFound
            }
            NtStatus::NOT_SUPPORTED | NtStatus::NOT_IMPLEMENTED => ErrorKind::NotSupported,
            _ => ErrorKind::Other,
        }
    }
}

macro_rules! error_constants {
    ($($name:ident)*) => {
        /// Errors the library itself raises; all are statuses that the framework uses for the same
        /// thing.
        impl Error {
            $(
                #[doc = concat!("`STATUS_", stringify!($name), "`.")]
                pub const $name: Self = match Self::new(NtStatus::$name) {
                    Some(error) => error,
                    None => panic!("not an error status"),
                };
            )*
        }
    };
}

error_constants! {
    UNSUCCESSFUL INVALID_PARAMETER INVALID_DEVICE_REQUEST INVALID_DEVICE_STATE INSUFFICIENT_RESOURCES INTEGER_OVERFLOW
    BUFFER_TOO_SMALL CANCELLED DEVICE_NOT_READY DEVICE_NOT_CONNECTED DEVICE_BUSY NOT_FOUND NOT_SUPPORTED DRIVER_INTERNAL_ERROR
    INTERNAL_ERROR
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.status(), f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.status(), f)
    }
}

impl core::error::Error for Error {}

/// A transfer that ended well: how much was moved, and which of the success statuses it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transferred {
    bytes: usize,
    status: NtStatus,
}

impl Transferred {
    pub(crate) const fn new(bytes: usize, status: NtStatus) -> Self {
        Self { bytes, status }
    }

    /// Bytes the lower driver says it took, never more than it was given. Fewer than given is not
    /// an error.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.bytes
    }

    /// The status, a success one.
    #[must_use]
    pub const fn status(self) -> NtStatus {
        self.status
    }
}

/// A transfer that failed: why, and how much was moved before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferError {
    error: Error,
    bytes: Option<usize>,
}

impl TransferError {
    pub(crate) const fn new(error: Error, bytes: Option<usize>) -> Self {
        Self { error, bytes }
    }

    /// Why it failed.
    #[must_use]
    pub const fn error(self) -> Error {
        self.error
    }

    /// Shorthand for [`Error::kind`].
    #[must_use]
    pub const fn kind(self) -> ErrorKind {
        self.error.kind()
    }

    /// The same bytes, with another reason: for a driver that says in its own terms what a target's
    /// status means.
    #[must_use]
    pub const fn with_error(self, error: Error) -> Self {
        Self { error, ..self }
    }

    /// Bytes moved before it failed, where that is known: 0 when nothing was sent, else what the
    /// lower driver reported. `None` on a pipe when the count cannot be told from the one
    /// requested, which the framework leaves in place when a URB was never sent.
    #[must_use]
    pub const fn bytes(self) -> Option<usize> {
        self.bytes
    }
}

/// The request never reached the lower driver.
impl From<Error> for TransferError {
    fn from(error: Error) -> Self {
        Self::new(error, Some(0))
    }
}

impl From<TransferError> for Error {
    fn from(error: TransferError) -> Self {
        error.error
    }
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bytes {
            Some(bytes) => write!(f, "{} after {bytes} bytes", self.error),
            None => write!(f, "{} after an unknown number of bytes", self.error),
        }
    }
}

impl core::error::Error for TransferError {}
