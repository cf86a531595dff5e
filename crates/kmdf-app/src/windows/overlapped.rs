//! `WriteFile` with `OVERLAPPED`.

use std::io;
use std::marker::PhantomData;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, HANDLE};
use windows_sys::Win32::Storage::FileSystem::WriteFile;
use windows_sys::Win32::System::IO::{GetOverlappedResult, OVERLAPPED, OVERLAPPED_0_0};
use windows_sys::Win32::System::Threading::CreateEventW;

use crate::Write;

/// A write that was started.
///
/// # Invariants
///
/// Until `finished` the system may write to `overlapped` and read `'a`: `overlapped` stays where it
/// is, in its box, and neither it nor `'a` ends before the system is done, which `Drop` waits for.
struct Pending<'a> {
    file: HANDLE,
    overlapped: Box<OVERLAPPED>,
    /// What `overlapped` refers to.
    _event: OwnedHandle,
    finished: bool,
    _data: PhantomData<&'a [u8]>,
}

fn event() -> io::Result<OwnedHandle> {
    // SAFETY: no security attributes and no name; both may be null.
    let event = unsafe { CreateEventW(ptr::null(), 1, 0, ptr::null()) };
    if event.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was just created and belongs to nobody else.
    Ok(unsafe { OwnedHandle::from_raw_handle(event) })
}

impl<'a> Pending<'a> {
    fn start(file: BorrowedHandle<'a>, write: Write<'a>) -> io::Result<Self> {
        let too_long = || {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "one write takes less than 4 GiB",
            )
        };
        let length = u32::try_from(write.data.len()).map_err(|_| too_long())?;
        let event = event()?;
        let mut overlapped = Box::new(OVERLAPPED {
            hEvent: event.as_raw_handle(),
            ..OVERLAPPED::default()
        });
        let [low, high] = halves(write.offset);
        overlapped.Anonymous.Anonymous = OVERLAPPED_0_0 {
            Offset: low,
            OffsetHigh: high,
        };
        let mut pending = Self {
            file: file.as_raw_handle(),
            overlapped,
            _event: event,
            finished: false,
            _data: PhantomData,
        };
        // SAFETY: the handle is open for `'a`, the data are readable for `'a`, and OVERLAPPED stays
        // in its box; none of them ends before the write does, by the type's invariant.
        let started = unsafe {
            WriteFile(
                pending.file,
                write.data.as_ptr(),
                length,
                ptr::null_mut(),
                &raw mut *pending.overlapped,
            )
        };
        if started == 0 {
            let error = io::Error::last_os_error();
            if error.raw_os_error() != Some(ERROR_IO_PENDING.cast_signed()) {
                pending.finished = true;
                return Err(error);
            }
        }
        Ok(pending)
    }

    /// Waits for the end of the write: the bytes that were taken.
    fn finish(&mut self) -> io::Result<usize> {
        let mut taken = 0;
        // SAFETY: the write was started with this handle and this OVERLAPPED, which are both still
        // there.
        let succeeded = unsafe {
            GetOverlappedResult(self.file, &raw const *self.overlapped, &raw mut taken, 1)
        };
        // It has waited: whether the write failed or not, the system is done with it.
        self.finished = true;
        if succeeded == 0 {
            return Err(io::Error::last_os_error());
        }
        usize::try_from(taken).map_err(io::Error::other)
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.finished {
            // Nobody asks for the result any more; the buffer and OVERLAPPED must not go before the
            // system is done.
            let _result = self.finish();
        }
    }
}

/// The low and the high half.
const fn halves(offset: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = offset.to_le_bytes();
    [
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    ]
}

/// Starts all, then waits for all.
pub(super) fn write(file: BorrowedHandle<'_>, writes: &[Write<'_>]) -> Vec<io::Result<usize>> {
    let pending: Vec<_> = writes
        .iter()
        .map(|&write| Pending::start(file, write))
        .collect();
    pending
        .into_iter()
        .map(|started| started.and_then(|mut pending| pending.finish()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::halves;

    #[test]
    fn halves_of_an_offset() {
        assert_eq!(halves(0), [0, 0]);
        assert_eq!(halves(0x1234_5678_9ABC_DEF0), [0x9ABC_DEF0, 0x1234_5678]);
    }
}
