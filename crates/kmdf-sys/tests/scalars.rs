//! Scalars have the types that they have on Windows, whatever the host. Compiling is the test.

use core::ffi::{CStr, c_void};

use kmdf_sys::*;

/// Fails to compile unless both types are the same.
macro_rules! same_type {
    ($($name:ty = $rust:ty,)*) => {
        $(const _: fn($name) -> $rust = |value| value;)*
    };
}

same_type! {
    NTSTATUS = i32, LONG = i32, ULONG = u32, DWORD = u32, BOOL = i32,
    SHORT = i16, USHORT = u16, CSHORT = i16, WCHAR = u16,
    UCHAR = u8, BYTE = u8, BOOLEAN = u8, KIRQL = u8,
    CHAR = core::ffi::c_char, CCHAR = core::ffi::c_char, KPROCESSOR_MODE = core::ffi::c_char,
    LONGLONG = i64, ULONGLONG = u64, ULONG64 = u64, LONG_PTR = i64,
    ULONG_PTR = u64, SIZE_T = u64, KAFFINITY = u64, KSPIN_LOCK = u64, POOL_FLAGS = u64,
    PULONG_PTR = *mut u64, PLONGLONG = *mut i64, PULONG = *mut u32, WDF_STRUCT_INFO = *mut usize,
    PVOID = *mut c_void, HANDLE = *mut c_void, WDFOBJECT = *mut c_void, WDFCONTEXT = *mut c_void,
    WDFDEVICE = *mut WDFDEVICE__, USBD_PIPE_HANDLE = *mut c_void, USBD_STATUS = i32,
    ACCESS_MASK = u32, POOL_TYPE = i32, DEVICE_REGISTRY_PROPERTY::Type = i32,
    PCUNICODE_STRING = *const UNICODE_STRING, PCCH = *const core::ffi::c_char,
    WDFFUNC = Option<unsafe extern "C" fn()>,
}

/// Fails to compile unless a constant has the type and the value.
macro_rules! constants {
    ($($name:expr => $rust:ty = $value:expr,)*) => {
        $(const _: () = {
            let value: $rust = $name;
            assert!(value == $value);
        };)*
    };
}

constants! {
    TRUE => u32 = 1,
    FALSE => u32 = 0,
    DISPATCH_LEVEL => u32 = 2,
    IO_NO_INCREMENT => u32 = 0,
    IRP_MJ_MAXIMUM_FUNCTION => u32 = 27,
    USBD_DEFAULT_MAXIMUM_TRANSFER_SIZE => u32 = u32::MAX,
    USBD_CLIENT_CONTRACT_VERSION_602 => u32 = 0x602,
    STATUS_SUCCESS => i32 = 0,
    STATUS_PENDING => i32 = 0x103,
    STATUS_UNSUCCESSFUL => i32 = 0xC000_0001_u32.cast_signed(),
    POOL_FLAG_NON_PAGED => u64 = 0x40,
    POOL_FLAG_OPTIONAL_START => u64 = 1 << 32,
    _POOL_TYPE::NonPagedPoolNx => i32 = 512,
    WdfMinimumVersionRequired => u32 = 33,
    _WDFFUNCENUM::WdfDriverCreateTableIndex => i32 = 116,
    _WDFFUNCENUM::WdfFunctionTableNumEntries => i32 = 458,
    missing::STATUS_WDF_QUEUED => i32 = 0x4020_0000,
    missing::USBD_STATUS_STALL_PID => i32 = 0xC000_0004_u32.cast_signed(),
    missing::IOCTL_INTERNAL_USB_SUBMIT_URB => u32 = 0x22_0003,
    missing::WDF_TIMEOUT_TO_MS => i64 = 10_000,
}

const _: &CStr = WDF_TYPE_INIT_SECTION_NAME;

#[test]
fn wide_macros_are_narrow_as_in_wdk_sys() {
    assert_eq!(WDF_S0_IDLE_ENABLED_VALUE_NAME, c"IdleInWorkingState");
}

#[test]
fn bit_fields_have_accessors() {
    let mut packet = WDF_USB_CONTROL_SETUP_PACKET::default();
    // SAFETY: all bytes of the packet are set.
    let bm = unsafe { packet.Packet }.bm;
    // SAFETY: all bytes of the packet are set.
    let mut request = unsafe { bm.Request };
    request.set_Dir(1);
    request.set_Type(2);
    request.set_Recipient(3);
    let read = (request.Dir(), request.Type(), request.Recipient());
    assert_eq!(read, (1, 2, 3));
    packet.Packet.bm.Request = request;
    // SAFETY: all bytes of the packet are set.
    let bytes = unsafe { packet.Generic }.Bytes;
    assert_eq!(bytes, [0b1100_0011, 0, 0, 0, 0, 0, 0, 0]);
}
