//! WDF_REQUEST_PARAMETERS.

use crate::ffi;

/// What a received request asks for.
///
/// C:
/// [`WDF_REQUEST_PARAMETERS`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/ns-wdfrequest-_wdf_request_parameters).
#[doc(alias = "WDF_REQUEST_PARAMETERS")]
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestParameters {
    /// `IRP_MJ_READ`.
    Read {
        /// Bytes asked for.
        length: usize,
        /// Where on the device, in bytes.
        device_offset: i64,
    },
    /// `IRP_MJ_WRITE`.
    Write {
        /// Bytes given.
        length: usize,
        /// Where on the device, in bytes.
        device_offset: i64,
    },
    /// `IRP_MJ_DEVICE_CONTROL` or `IRP_MJ_INTERNAL_DEVICE_CONTROL`.
    DeviceControl {
        /// The control code.
        code: u32,
        /// Bytes given.
        input_length: usize,
        /// Room for the answer, in bytes.
        output_length: usize,
        /// From another driver.
        internal: bool,
    },
    /// Any other major function.
    Other {
        /// `WDF_REQUEST_TYPE`, which is the major function.
        request_type: i32,
    },
}

impl RequestParameters {
    /// # Safety
    ///
    /// `raw` was filled by `WdfRequestGetParameters`.
    pub(super) unsafe fn from_raw(raw: &ffi::WDF_REQUEST_PARAMETERS) -> Self {
        match raw.Type {
            ffi::REQUEST_TYPE_READ => {
                // SAFETY: `Type` says that the union holds `Read`.
                let read = unsafe { raw.Parameters.Read };
                Self::Read {
                    length: read.Length,
                    device_offset: read.DeviceOffset,
                }
            }
            ffi::REQUEST_TYPE_WRITE => {
                // SAFETY: `Type` says that the union holds `Write`.
                let write = unsafe { raw.Parameters.Write };
                Self::Write {
                    length: write.Length,
                    device_offset: write.DeviceOffset,
                }
            }
            kind @ (ffi::REQUEST_TYPE_DEVICE_CONTROL
            | ffi::REQUEST_TYPE_DEVICE_CONTROL_INTERNAL) => {
                // SAFETY: `Type` says that the union holds `DeviceIoControl`.
                let control = unsafe { raw.Parameters.DeviceIoControl };
                Self::DeviceControl {
                    code: control.IoControlCode,
                    input_length: control.InputBufferLength,
                    output_length: control.OutputBufferLength,
                    internal: kind == ffi::REQUEST_TYPE_DEVICE_CONTROL_INTERNAL,
                }
            }
            request_type => Self::Other { request_type },
        }
    }

    /// The most that `Information` may be unless the request fails, when the driver wrote `written`
    /// bytes of output.
    pub(super) fn information_limit(&self, written: usize) -> usize {
        match *self {
            Self::Write { length, .. } => length,
            Self::Read { .. } | Self::DeviceControl { .. } => written,
            Self::Other { .. } => usize::MAX,
        }
    }

    /// Whether the control code's second buffer is one to read from (`METHOD_IN_DIRECT`).
    pub(super) fn output_is_input(&self) -> bool {
        matches!(*self, Self::DeviceControl { code, .. } if code & 3 == ffi::METHOD_IN_DIRECT)
    }
}
