//! How a request is sent.

use core::time::Duration;

use crate::ffi;
use crate::object::size_of_u32;
use crate::time::Timeout;

/// The options of one send: a time-out, and whether the target's state matters.
///
/// Flags that a synchronous call forbids or ignores (`SEND_AND_FORGET`, `SYNCHRONOUS`) are not to
/// be had here; [`Received::pass_down`](crate::Received::pass_down) is send-and-forget.
///
/// C:
/// [`WDF_REQUEST_SEND_OPTIONS`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/ns-wdfrequest-_wdf_request_send_options).
///
/// ```
/// use core::time::Duration;
/// use kmdf::SendOptions;
///
/// const PATIENT: SendOptions = SendOptions::new().timeout(Duration::from_secs(5));
/// ```
///
/// # What a time-out means
///
/// It bounds when the framework starts to *cancel* the request, not how long the call takes: the
/// call returns when the lower driver lets go of the request. A lower driver that ignores the
/// cancel keeps the caller waiting; one that succeeds while being cancelled makes the call succeed.
/// Data may have been moved although the call reports
/// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout).
#[doc(alias = "WDF_REQUEST_SEND_OPTIONS")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SendOptions {
    timeout: Option<Timeout>,
    ignore_target_state: bool,
}

impl SendOptions {
    /// Waits for ever, and respects the target's state.
    #[doc(alias = "WDF_REQUEST_SEND_OPTIONS_INIT")]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            timeout: None,
            ignore_target_state: false,
        }
    }

    /// Gives up after `duration`, see [`Timeout::relative`]: rounded up to 100 ns, never "for
    /// ever".
    #[doc(alias = "WDF_REQUEST_SEND_OPTION_TIMEOUT")]
    #[doc(alias = "WDF_REQUEST_SEND_OPTIONS_SET_TIMEOUT")]
    #[must_use]
    pub const fn timeout(self, duration: Duration) -> Self {
        self.timeout_at(Timeout::relative(duration))
    }

    /// Gives up at `timeout`, relative or absolute.
    #[must_use]
    pub const fn timeout_at(self, timeout: Timeout) -> Self {
        Self {
            timeout: Some(timeout),
            ..self
        }
    }

    /// Sends even while the target is stopped or purged.
    ///
    /// Such a request is neither cancelled nor waited for when the target is stopped or purged,
    /// only when it is closed or removed. A closed target still fails with
    /// [`ErrorKind::InvalidDeviceState`](crate::ErrorKind::InvalidDeviceState).
    #[doc(alias = "WDF_REQUEST_SEND_OPTION_IGNORE_TARGET_STATE")]
    #[must_use]
    pub const fn ignore_target_state(self) -> Self {
        Self {
            ignore_target_state: true,
            ..self
        }
    }

    /// Whether a time-out is set.
    pub(crate) const fn has_timeout(&self) -> bool {
        self.timeout.is_some()
    }

    /// The options as the framework takes them; `None` stands for the NULL pointer, which is the
    /// default.
    #[inline]
    pub(crate) const fn to_raw(self) -> Option<ffi::WDF_REQUEST_SEND_OPTIONS> {
        let (mut flags, mut ticks) = (0, 0);
        if let Some(timeout) = self.timeout {
            flags |= ffi::SEND_OPTION_TIMEOUT;
            ticks = timeout.ticks();
        }
        if self.ignore_target_state {
            flags |= ffi::SEND_OPTION_IGNORE_TARGET_STATE;
        }
        if flags == 0 {
            return None;
        }
        Some(ffi::WDF_REQUEST_SEND_OPTIONS {
            Size: size_of_u32::<ffi::WDF_REQUEST_SEND_OPTIONS>(),
            Flags: flags,
            Timeout: ticks,
        })
    }
}
