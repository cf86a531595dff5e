//! Statuses that the bindings do not list.

use kmdf_sys::NTSTATUS;

pub(crate) const STATUS_INVALID_SECURITY_DESCR: NTSTATUS = 0xC000_0079_u32.cast_signed();
pub(crate) const STATUS_DISK_FULL: NTSTATUS = 0xC000_007F_u32.cast_signed();
pub(crate) const STATUS_DEVICE_POWER_FAILURE: NTSTATUS = 0xC000_009E_u32.cast_signed();
pub(crate) const STATUS_MUTANT_NOT_OWNED: NTSTATUS = 0xC000_0046_u32.cast_signed();
pub(crate) const STATUS_SEMAPHORE_LIMIT_EXCEEDED: NTSTATUS = 0xC000_0047_u32.cast_signed();
pub(crate) const STATUS_POWER_STATE_INVALID: NTSTATUS = 0xC000_02D3_u32.cast_signed();
pub(crate) const STATUS_RESOURCE_DATA_NOT_FOUND: NTSTATUS = 0xC000_0089_u32.cast_signed();
