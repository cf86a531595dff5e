//! The one door to the bindings: wdk-sys with the WDK (feature `wdk`), kmdf-sys without it.
//!
//! Both have the same names and shapes. Every name that the library uses is listed here once, and
//! nothing else in this crate knows which of the two it is built on.
//!
//! Calls go through the function table here and not by `call_unsafe_wdf_function_binding!`: that
//! macro checks bounds with a panic, and a driver must not link panics.

#![allow(
    non_snake_case,
    missing_docs,
    reason = "C's names, so that a DDI is found by its header's name; documented there"
)]
#![allow(
    clippy::missing_safety_doc,
    clippy::too_many_arguments,
    reason = "the contract of a DDI is the one of its C function"
)]

#[cfg(not(feature = "wdk"))]
use kmdf_sys as bindings;
#[cfg(feature = "wdk")]
use wdk_sys as bindings;

use bindings::{
    _POOL_TYPE, _WDF_DEVICE_IO_TYPE, _WDF_EXECUTION_LEVEL, _WDF_IO_QUEUE_DISPATCH_TYPE,
    _WDF_IO_TARGET_OPEN_TYPE, _WDF_IO_TARGET_PURGE_IO_ACTION, _WDF_IO_TARGET_SENT_IO_ACTION,
    _WDF_IO_TARGET_STATE, _WDF_MEMORY_DESCRIPTOR_TYPE, _WDF_POWER_DEVICE_STATE,
    _WDF_REQUEST_SEND_OPTIONS_FLAGS, _WDF_REQUEST_TYPE, _WDF_SYNCHRONIZATION_SCOPE, _WDF_TRI_STATE,
    _WDF_USB_PIPE_TYPE, _WDFFUNCENUM, _WdfUsbTargetDeviceSelectConfigType, WdfDriverGlobals,
    WdfFunctions,
};
use pastey::paste;

// Scalars, strings and kernel structures.
pub use bindings::{
    BOOLEAN, CHAR, DRIVER_OBJECT, GUID, KPROCESSOR_MODE, LARGE_INTEGER, LONG, MDL, NTSTATUS,
    PCUNICODE_STRING, PDEVICE_OBJECT, PDRIVER_OBJECT, PLONGLONG, PMDL, PULONG, PULONG_PTR, PVOID,
    ULONG, ULONG_PTR, UNICODE_STRING,
};
// Handles.
pub use bindings::{
    PWDFDEVICE_INIT, WDFCMRESLIST, WDFDEVICE, WDFDEVICE__, WDFDRIVER, WDFIOTARGET, WDFIOTARGET__,
    WDFKEY, WDFKEY__, WDFMEMORY, WDFMEMORY__, WDFOBJECT, WDFQUEUE, WDFQUEUE__, WDFREQUEST,
    WDFREQUEST__, WDFUSBDEVICE, WDFUSBDEVICE__, WDFUSBINTERFACE, WDFUSBINTERFACE__, WDFUSBPIPE,
    WDFUSBPIPE__,
};
// Structures, and the enumerations that stand in callbacks and fields.
pub use bindings::{
    POOL_TYPE, PWDF_DRIVER_CONFIG, PWDF_IO_QUEUE_CONFIG, PWDF_IO_TARGET_OPEN_PARAMS,
    PWDF_MEMORY_DESCRIPTOR, PWDF_OBJECT_ATTRIBUTES, PWDF_PNPPOWER_EVENT_CALLBACKS,
    PWDF_REQUEST_PARAMETERS, PWDF_REQUEST_REUSE_PARAMS, PWDF_REQUEST_SEND_OPTIONS,
    PWDF_USB_DEVICE_CREATE_CONFIG, PWDF_USB_DEVICE_SELECT_CONFIG_PARAMS, PWDF_USB_PIPE_INFORMATION,
    WDF_DEVICE_IO_TYPE, WDF_DRIVER_CONFIG, WDF_IO_QUEUE_CONFIG, WDF_IO_QUEUE_DISPATCH_TYPE,
    WDF_IO_TARGET_OPEN_PARAMS, WDF_IO_TARGET_PURGE_IO_ACTION, WDF_IO_TARGET_SENT_IO_ACTION,
    WDF_IO_TARGET_STATE, WDF_MEMORY_DESCRIPTOR, WDF_OBJECT_ATTRIBUTES,
    WDF_OBJECT_CONTEXT_TYPE_INFO, WDF_PNPPOWER_EVENT_CALLBACKS, WDF_POWER_DEVICE_STATE,
    WDF_REQUEST_PARAMETERS, WDF_REQUEST_REUSE_PARAMS, WDF_REQUEST_SEND_OPTIONS,
    WDF_USB_DEVICE_CREATE_CONFIG, WDF_USB_DEVICE_SELECT_CONFIG_PARAMS, WDF_USB_PIPE_INFORMATION,
    WDFMEMORY_OFFSET,
};
// Callbacks that are parameters.
pub use bindings::PFN_WDF_IO_IN_CALLER_CONTEXT;
// Statuses.
pub use bindings::{
    STATUS_ACCESS_DENIED, STATUS_ACCESS_VIOLATION, STATUS_BUFFER_OVERFLOW, STATUS_BUFFER_TOO_SMALL,
    STATUS_CANCELLED, STATUS_DELETE_PENDING, STATUS_DEVICE_BUSY, STATUS_DEVICE_DATA_ERROR,
    STATUS_DEVICE_DOES_NOT_EXIST, STATUS_DEVICE_NOT_CONNECTED, STATUS_DEVICE_NOT_READY,
    STATUS_DEVICE_POWER_FAILURE, STATUS_DEVICE_REMOVED, STATUS_DRIVER_INTERNAL_ERROR,
    STATUS_END_OF_FILE, STATUS_INFO_LENGTH_MISMATCH, STATUS_INSUFFICIENT_RESOURCES,
    STATUS_INTEGER_OVERFLOW, STATUS_INTERNAL_ERROR, STATUS_INVALID_BUFFER_SIZE,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_DEVICE_STATE, STATUS_INVALID_HANDLE,
    STATUS_INVALID_PARAMETER, STATUS_INVALID_USER_BUFFER, STATUS_IO_DEVICE_ERROR,
    STATUS_IO_TIMEOUT, STATUS_MEDIA_WRITE_PROTECTED, STATUS_NO_MORE_ENTRIES, STATUS_NO_SUCH_DEVICE,
    STATUS_NOT_FOUND, STATUS_NOT_IMPLEMENTED, STATUS_NOT_SUPPORTED, STATUS_OBJECT_NAME_COLLISION,
    STATUS_OBJECT_NAME_EXISTS, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_PENDING,
    STATUS_REQUEST_NOT_ACCEPTED, STATUS_SUCCESS, STATUS_TIMEOUT, STATUS_UNSUCCESSFUL,
};
// Constants.
pub use bindings::{
    DO_BUFFERED_IO, DO_DIRECT_IO, FILE_ATTRIBUTE_NORMAL, FILE_NON_DIRECTORY_FILE, FILE_OPEN,
    FILE_SHARE_READ, FILE_SHARE_WRITE, GENERIC_READ, GENERIC_WRITE, METHOD_IN_DIRECT,
    USBD_CLIENT_CONTRACT_VERSION_602,
};
// Kernel functions.
pub use bindings::ntddk::{
    IoAllocateMdl, IoFreeMdl, KeDelayExecutionThread, KeGetCurrentIrql, KeQuerySystemTimePrecise,
    MmBuildMdlForNonPagedPool,
};
// What wdk-sys lacks, in either world.
pub use kmdf_sys::missing::{
    STATUS_WDF_BUSY, STATUS_WDF_DEVICE_REMOVED_NOT_SENT, STATUS_WDF_INTERNAL_ERROR,
    STATUS_WDF_PAUSED, STATUS_WDF_REQUEST_INVALID_STATE,
};

/// Enumerators, under names of their own: they are used in patterns and struct fields, where a path
/// as long as C's reads badly.
macro_rules! enumerators {
    ($($name:ident: $type:ty = $module:ident::$enumerator:ident;)*) => {
        $(pub const $name: $type = $module::$enumerator;)*
    };
}

enumerators! {
    NON_PAGED_POOL_NX: POOL_TYPE = _POOL_TYPE::NonPagedPoolNx;
    KERNEL_MODE: KPROCESSOR_MODE = kernel_mode::KERNEL_MODE;
    EXECUTION_LEVEL_INHERIT: _WDF_EXECUTION_LEVEL::Type = _WDF_EXECUTION_LEVEL::WdfExecutionLevelInheritFromParent;
    EXECUTION_LEVEL_PASSIVE: _WDF_EXECUTION_LEVEL::Type = _WDF_EXECUTION_LEVEL::WdfExecutionLevelPassive;
    SYNCHRONIZATION_SCOPE_INHERIT: _WDF_SYNCHRONIZATION_SCOPE::Type = _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeInheritFromParent;
    SYNCHRONIZATION_SCOPE_QUEUE: _WDF_SYNCHRONIZATION_SCOPE::Type = _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeQueue;
    TRI_STATE_FALSE: _WDF_TRI_STATE::Type = _WDF_TRI_STATE::WdfFalse;
    TRI_STATE_TRUE: _WDF_TRI_STATE::Type = _WDF_TRI_STATE::WdfTrue;
    USE_DEFAULT: _WDF_TRI_STATE::Type = _WDF_TRI_STATE::WdfUseDefault;
    DESCRIPTOR_BUFFER: _WDF_MEMORY_DESCRIPTOR_TYPE::Type = _WDF_MEMORY_DESCRIPTOR_TYPE::WdfMemoryDescriptorTypeBuffer;
    DESCRIPTOR_MDL: _WDF_MEMORY_DESCRIPTOR_TYPE::Type = _WDF_MEMORY_DESCRIPTOR_TYPE::WdfMemoryDescriptorTypeMdl;
    DESCRIPTOR_HANDLE: _WDF_MEMORY_DESCRIPTOR_TYPE::Type = _WDF_MEMORY_DESCRIPTOR_TYPE::WdfMemoryDescriptorTypeHandle;
    DISPATCH_SEQUENTIAL: WDF_IO_QUEUE_DISPATCH_TYPE = _WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchSequential;
    DISPATCH_PARALLEL: WDF_IO_QUEUE_DISPATCH_TYPE = _WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchParallel;
    IO_NEITHER: WDF_DEVICE_IO_TYPE = _WDF_DEVICE_IO_TYPE::WdfDeviceIoNeither;
    IO_BUFFERED: WDF_DEVICE_IO_TYPE = _WDF_DEVICE_IO_TYPE::WdfDeviceIoBuffered;
    IO_DIRECT: WDF_DEVICE_IO_TYPE = _WDF_DEVICE_IO_TYPE::WdfDeviceIoDirect;
    TARGET_STARTED: WDF_IO_TARGET_STATE = _WDF_IO_TARGET_STATE::WdfIoTargetStarted;
    TARGET_STOPPED: WDF_IO_TARGET_STATE = _WDF_IO_TARGET_STATE::WdfIoTargetStopped;
    TARGET_CLOSED_FOR_QUERY_REMOVE: WDF_IO_TARGET_STATE = _WDF_IO_TARGET_STATE::WdfIoTargetClosedForQueryRemove;
    TARGET_CLOSED: WDF_IO_TARGET_STATE = _WDF_IO_TARGET_STATE::WdfIoTargetClosed;
    TARGET_DELETED: WDF_IO_TARGET_STATE = _WDF_IO_TARGET_STATE::WdfIoTargetDeleted;
    TARGET_PURGED: WDF_IO_TARGET_STATE = _WDF_IO_TARGET_STATE::WdfIoTargetPurged;
    OPEN_USE_EXISTING_DEVICE: _WDF_IO_TARGET_OPEN_TYPE::Type = _WDF_IO_TARGET_OPEN_TYPE::WdfIoTargetOpenUseExistingDevice;
    OPEN_BY_NAME: _WDF_IO_TARGET_OPEN_TYPE::Type = _WDF_IO_TARGET_OPEN_TYPE::WdfIoTargetOpenByName;
    CANCEL_SENT_IO: WDF_IO_TARGET_SENT_IO_ACTION = _WDF_IO_TARGET_SENT_IO_ACTION::WdfIoTargetCancelSentIo;
    WAIT_FOR_SENT_IO_TO_COMPLETE: WDF_IO_TARGET_SENT_IO_ACTION = _WDF_IO_TARGET_SENT_IO_ACTION::WdfIoTargetWaitForSentIoToComplete;
    LEAVE_SENT_IO_PENDING: WDF_IO_TARGET_SENT_IO_ACTION = _WDF_IO_TARGET_SENT_IO_ACTION::WdfIoTargetLeaveSentIoPending;
    PURGE_IO_AND_WAIT: WDF_IO_TARGET_PURGE_IO_ACTION = _WDF_IO_TARGET_PURGE_IO_ACTION::WdfIoTargetPurgeIoAndWait;
    REQUEST_TYPE_READ: _WDF_REQUEST_TYPE::Type = _WDF_REQUEST_TYPE::WdfRequestTypeRead;
    REQUEST_TYPE_WRITE: _WDF_REQUEST_TYPE::Type = _WDF_REQUEST_TYPE::WdfRequestTypeWrite;
    REQUEST_TYPE_DEVICE_CONTROL: _WDF_REQUEST_TYPE::Type = _WDF_REQUEST_TYPE::WdfRequestTypeDeviceControl;
    REQUEST_TYPE_DEVICE_CONTROL_INTERNAL: _WDF_REQUEST_TYPE::Type = _WDF_REQUEST_TYPE::WdfRequestTypeDeviceControlInternal;
    POWER_DEVICE_D0: WDF_POWER_DEVICE_STATE = _WDF_POWER_DEVICE_STATE::WdfPowerDeviceD0;
    POWER_DEVICE_D1: WDF_POWER_DEVICE_STATE = _WDF_POWER_DEVICE_STATE::WdfPowerDeviceD1;
    POWER_DEVICE_D2: WDF_POWER_DEVICE_STATE = _WDF_POWER_DEVICE_STATE::WdfPowerDeviceD2;
    POWER_DEVICE_D3: WDF_POWER_DEVICE_STATE = _WDF_POWER_DEVICE_STATE::WdfPowerDeviceD3;
    POWER_DEVICE_D3_FINAL: WDF_POWER_DEVICE_STATE = _WDF_POWER_DEVICE_STATE::WdfPowerDeviceD3Final;
    POWER_DEVICE_PREPARE_FOR_HIBERNATION: WDF_POWER_DEVICE_STATE = _WDF_POWER_DEVICE_STATE::WdfPowerDevicePrepareForHibernation;
    PIPE_TYPE_CONTROL: _WDF_USB_PIPE_TYPE::Type = _WDF_USB_PIPE_TYPE::WdfUsbPipeTypeControl;
    PIPE_TYPE_ISOCHRONOUS: _WDF_USB_PIPE_TYPE::Type = _WDF_USB_PIPE_TYPE::WdfUsbPipeTypeIsochronous;
    PIPE_TYPE_BULK: _WDF_USB_PIPE_TYPE::Type = _WDF_USB_PIPE_TYPE::WdfUsbPipeTypeBulk;
    PIPE_TYPE_INTERRUPT: _WDF_USB_PIPE_TYPE::Type = _WDF_USB_PIPE_TYPE::WdfUsbPipeTypeInterrupt;
    SELECT_CONFIG_SINGLE_INTERFACE: _WdfUsbTargetDeviceSelectConfigType::Type =
        _WdfUsbTargetDeviceSelectConfigType::WdfUsbTargetDeviceSelectConfigTypeSingleInterface;
    SELECT_CONFIG_MULTI_INTERFACE: _WdfUsbTargetDeviceSelectConfigType::Type =
        _WdfUsbTargetDeviceSelectConfigType::WdfUsbTargetDeviceSelectConfigTypeMultiInterface;
}

/// Enumerators whose C type is `int` where the place they go to is a `ULONG` or a `CCHAR`.
mod kernel_mode {
    pub(super) const KERNEL_MODE: super::KPROCESSOR_MODE = {
        assert!(super::bindings::_MODE::KernelMode == 0);
        0
    };
}

/// The flag of WDF_REQUEST_SEND_OPTIONS: an enumerator of type `int`, for a field of type `ULONG`.
const fn send_option(flag: _WDF_REQUEST_SEND_OPTIONS_FLAGS::Type) -> ULONG {
    flag.cast_unsigned()
}
pub const SEND_OPTION_TIMEOUT: ULONG =
    send_option(_WDF_REQUEST_SEND_OPTIONS_FLAGS::WDF_REQUEST_SEND_OPTION_TIMEOUT);
pub const SEND_OPTION_IGNORE_TARGET_STATE: ULONG =
    send_option(_WDF_REQUEST_SEND_OPTIONS_FLAGS::WDF_REQUEST_SEND_OPTION_IGNORE_TARGET_STATE);
pub const SEND_OPTION_SEND_AND_FORGET: ULONG =
    send_option(_WDF_REQUEST_SEND_OPTIONS_FLAGS::WDF_REQUEST_SEND_OPTION_SEND_AND_FORGET);

/// The function in a slot of the framework's table.
///
/// # Safety
///
/// `F` is the function-pointer type of slot `index`, and the framework is bound: this is code of a
/// driver whose DriverEntry was called.
#[inline(always)]
unsafe fn function<F: Copy>(index: _WDFFUNCENUM::Type) -> F {
    let index = index.cast_unsigned() as usize;
    // SAFETY: written once, by the framework's loader, before it calls DriverEntry.
    let table = unsafe { WdfFunctions };
    // SAFETY: the bound version, 1.33, has all functions that are listed here (the lowest of
    // kmdf-sys's 458 and more).
    let slot = unsafe { table.add(index) };
    // SAFETY: the slot holds a function of type `F`, by the caller's word; the framework leaves no
    // slot empty, so that it is a valid `F`.
    unsafe { slot.cast::<F>().read() }
}

/// Declares DDIs as functions: looks up the slot by the DDI's name, and calls it with the driver's
/// globals. The compiler compares the signature with the bindings' PFN type.
macro_rules! wdf_functions {
    ($(fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $return:ty)?;)*) => { paste! {$(
        #[doc = concat!("`", stringify!($name), "`, as in C.")]
        #[inline(always)]
        pub unsafe fn $name($($argument: $type),*) $(-> $return)? {
            const INDEX: _WDFFUNCENUM::Type = _WDFFUNCENUM::[<$name TableIndex>];
            // SAFETY: index and type are made from one name, of which the bindings have both.
            let function: bindings::[<PFN_ $name:upper>] = unsafe { function(INDEX) };
            // SAFETY: the framework leaves no slot empty.
            let function = unsafe { function.unwrap_unchecked() };
            // SAFETY: written once, by the framework's loader, before it calls DriverEntry.
            let globals = unsafe { WdfDriverGlobals };
            // SAFETY: the caller keeps the C function's contract.
            unsafe { function(globals, $($argument),*) }
        }
    )*}};
}

wdf_functions! {
    fn WdfDriverCreate(driver_object: PDRIVER_OBJECT, registry_path: PCUNICODE_STRING, attributes: PWDF_OBJECT_ATTRIBUTES, config: PWDF_DRIVER_CONFIG, driver: *mut WDFDRIVER) -> NTSTATUS;
    fn WdfDriverOpenParametersRegistryKey(driver: WDFDRIVER, desired_access: ULONG, attributes: PWDF_OBJECT_ATTRIBUTES, key: *mut WDFKEY) -> NTSTATUS;
    fn WdfRegistryQueryULong(key: WDFKEY, value_name: PCUNICODE_STRING, value: PULONG) -> NTSTATUS;
    fn WdfRegistryClose(key: WDFKEY);

    fn WdfFdoInitSetFilter(init: PWDFDEVICE_INIT);
    fn WdfDeviceInitSetIoType(init: PWDFDEVICE_INIT, io_type: WDF_DEVICE_IO_TYPE);
    fn WdfDeviceInitSetPnpPowerEventCallbacks(init: PWDFDEVICE_INIT, callbacks: *mut WDF_PNPPOWER_EVENT_CALLBACKS);
    fn WdfDeviceInitSetRequestAttributes(init: PWDFDEVICE_INIT, attributes: PWDF_OBJECT_ATTRIBUTES);
    fn WdfDeviceInitSetIoInCallerContextCallback(init: PWDFDEVICE_INIT, callback: PFN_WDF_IO_IN_CALLER_CONTEXT);
    fn WdfDeviceCreate(init: *mut PWDFDEVICE_INIT, attributes: PWDF_OBJECT_ATTRIBUTES, device: *mut WDFDEVICE) -> NTSTATUS;
    fn WdfDeviceCreateDeviceInterface(device: WDFDEVICE, class: *const GUID, reference_string: PCUNICODE_STRING) -> NTSTATUS;
    fn WdfDeviceGetIoTarget(device: WDFDEVICE) -> WDFIOTARGET;
    fn WdfDeviceWdmGetDeviceObject(device: WDFDEVICE) -> PDEVICE_OBJECT;
    fn WdfDeviceWdmGetAttachedDevice(device: WDFDEVICE) -> PDEVICE_OBJECT;
    fn WdfDeviceEnqueueRequest(device: WDFDEVICE, request: WDFREQUEST) -> NTSTATUS;

    fn WdfIoQueueCreate(device: WDFDEVICE, config: PWDF_IO_QUEUE_CONFIG, attributes: PWDF_OBJECT_ATTRIBUTES, queue: *mut WDFQUEUE) -> NTSTATUS;
    fn WdfIoQueueGetDevice(queue: WDFQUEUE) -> WDFDEVICE;

    fn WdfObjectGetTypedContextWorker(object: WDFOBJECT, type_info: *const WDF_OBJECT_CONTEXT_TYPE_INFO) -> PVOID;
    fn WdfObjectAllocateContext(object: WDFOBJECT, attributes: PWDF_OBJECT_ATTRIBUTES, context: *mut PVOID) -> NTSTATUS;
    fn WdfObjectDelete(object: WDFOBJECT);
    fn WdfObjectReferenceActual(object: WDFOBJECT, tag: PVOID, line: LONG, file: *const CHAR);
    fn WdfObjectDereferenceActual(object: WDFOBJECT, tag: PVOID, line: LONG, file: *const CHAR);

    fn WdfMemoryCreate(attributes: PWDF_OBJECT_ATTRIBUTES, pool_type: POOL_TYPE, pool_tag: ULONG, size: usize, memory: *mut WDFMEMORY, buffer: *mut PVOID) -> NTSTATUS;
    fn WdfMemoryCreatePreallocated(attributes: PWDF_OBJECT_ATTRIBUTES, buffer: PVOID, size: usize, memory: *mut WDFMEMORY) -> NTSTATUS;
    fn WdfMemoryGetBuffer(memory: WDFMEMORY, size: *mut usize) -> PVOID;
    fn WdfMemoryCopyToBuffer(source: WDFMEMORY, offset: usize, buffer: PVOID, size: usize) -> NTSTATUS;
    fn WdfMemoryCopyFromBuffer(destination: WDFMEMORY, offset: usize, buffer: PVOID, size: usize) -> NTSTATUS;

    fn WdfRequestCreate(attributes: PWDF_OBJECT_ATTRIBUTES, target: WDFIOTARGET, request: *mut WDFREQUEST) -> NTSTATUS;
    fn WdfRequestReuse(request: WDFREQUEST, params: PWDF_REQUEST_REUSE_PARAMS) -> NTSTATUS;
    fn WdfRequestFormatRequestUsingCurrentType(request: WDFREQUEST);
    fn WdfRequestSend(request: WDFREQUEST, target: WDFIOTARGET, options: PWDF_REQUEST_SEND_OPTIONS) -> BOOLEAN;
    fn WdfRequestGetStatus(request: WDFREQUEST) -> NTSTATUS;
    fn WdfRequestCancelSentRequest(request: WDFREQUEST) -> BOOLEAN;
    fn WdfRequestIsCanceled(request: WDFREQUEST) -> BOOLEAN;
    fn WdfRequestGetParameters(request: WDFREQUEST, parameters: PWDF_REQUEST_PARAMETERS);
    fn WdfRequestGetRequestorMode(request: WDFREQUEST) -> KPROCESSOR_MODE;
    fn WdfRequestSetInformation(request: WDFREQUEST, information: ULONG_PTR);
    fn WdfRequestComplete(request: WDFREQUEST, status: NTSTATUS);
    fn WdfRequestCompleteWithInformation(request: WDFREQUEST, status: NTSTATUS, information: ULONG_PTR);
    fn WdfRequestRetrieveInputMemory(request: WDFREQUEST, memory: *mut WDFMEMORY) -> NTSTATUS;
    fn WdfRequestRetrieveOutputMemory(request: WDFREQUEST, memory: *mut WDFMEMORY) -> NTSTATUS;
    fn WdfRequestRetrieveInputWdmMdl(request: WDFREQUEST, mdl: *mut PMDL) -> NTSTATUS;
    fn WdfRequestRetrieveUnsafeUserInputBuffer(request: WDFREQUEST, minimum: usize, buffer: *mut PVOID, length: *mut usize) -> NTSTATUS;
    fn WdfRequestProbeAndLockUserBufferForRead(request: WDFREQUEST, buffer: PVOID, length: usize, memory: *mut WDFMEMORY) -> NTSTATUS;

    fn WdfIoTargetCreate(device: WDFDEVICE, attributes: PWDF_OBJECT_ATTRIBUTES, target: *mut WDFIOTARGET) -> NTSTATUS;
    fn WdfIoTargetOpen(target: WDFIOTARGET, params: PWDF_IO_TARGET_OPEN_PARAMS) -> NTSTATUS;
    fn WdfIoTargetStart(target: WDFIOTARGET) -> NTSTATUS;
    fn WdfIoTargetStop(target: WDFIOTARGET, action: WDF_IO_TARGET_SENT_IO_ACTION);
    fn WdfIoTargetPurge(target: WDFIOTARGET, action: WDF_IO_TARGET_PURGE_IO_ACTION);
    fn WdfIoTargetGetDevice(target: WDFIOTARGET) -> WDFDEVICE;
    fn WdfIoTargetGetState(target: WDFIOTARGET) -> WDF_IO_TARGET_STATE;
    fn WdfIoTargetSendWriteSynchronously(target: WDFIOTARGET, request: WDFREQUEST, input: PWDF_MEMORY_DESCRIPTOR, device_offset: PLONGLONG, options: PWDF_REQUEST_SEND_OPTIONS, bytes_written: PULONG_PTR) -> NTSTATUS;

    fn WdfUsbTargetDeviceCreateWithParameters(device: WDFDEVICE, config: PWDF_USB_DEVICE_CREATE_CONFIG, attributes: PWDF_OBJECT_ATTRIBUTES, usb_device: *mut WDFUSBDEVICE) -> NTSTATUS;
    fn WdfUsbTargetDeviceSelectConfig(usb_device: WDFUSBDEVICE, pipe_attributes: PWDF_OBJECT_ATTRIBUTES, params: PWDF_USB_DEVICE_SELECT_CONFIG_PARAMS) -> NTSTATUS;
    fn WdfUsbTargetDeviceGetNumInterfaces(usb_device: WDFUSBDEVICE) -> u8;
    fn WdfUsbTargetDeviceGetInterface(usb_device: WDFUSBDEVICE, index: u8) -> WDFUSBINTERFACE;
    fn WdfUsbInterfaceGetInterfaceNumber(usb_interface: WDFUSBINTERFACE) -> u8;
    fn WdfUsbInterfaceGetNumConfiguredPipes(usb_interface: WDFUSBINTERFACE) -> u8;
    fn WdfUsbInterfaceGetConfiguredPipe(usb_interface: WDFUSBINTERFACE, index: u8, information: PWDF_USB_PIPE_INFORMATION) -> WDFUSBPIPE;
    fn WdfUsbTargetPipeWriteSynchronously(pipe: WDFUSBPIPE, request: WDFREQUEST, options: PWDF_REQUEST_SEND_OPTIONS, descriptor: PWDF_MEMORY_DESCRIPTOR, bytes_written: PULONG) -> NTSTATUS;
    fn WdfUsbTargetPipeResetSynchronously(pipe: WDFUSBPIPE, request: WDFREQUEST, options: PWDF_REQUEST_SEND_OPTIONS) -> NTSTATUS;
}

/// DriverEntry of a driver image: found by the linker by its name.
#[cfg(feature = "image")]
#[doc(hidden)]
#[macro_export]
macro_rules! __driver_entry {
    ($type:ty) => {
        /// DriverEntry.
        ///
        /// # Safety
        ///
        /// For FxDriverEntry alone, which calls it once with a driver object and registry path that
        /// live through the call.
        // SAFETY: the one symbol of this name in the image; FxDriverEntry declares it with this
        // signature.
        #[unsafe(export_name = "DriverEntry")]
        pub unsafe extern "system" fn driver_entry(
            driver: $crate::ffi::PDRIVER_OBJECT,
            registry_path: $crate::ffi::PCUNICODE_STRING,
        ) -> $crate::ffi::NTSTATUS {
            // SAFETY: the contract of this function.
            unsafe { $crate::__entry::<$type>(driver, registry_path) }
        }
    };
}

/// DriverEntry outside a driver image: a plain function, several of which may stand in one program.
#[cfg(not(feature = "image"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __driver_entry {
    ($type:ty) => {
        /// DriverEntry.
        ///
        /// # Safety
        ///
        /// For a loader alone, which calls it once with a driver object and registry path that live
        /// through the call.
        pub unsafe extern "system" fn driver_entry(
            driver: $crate::ffi::PDRIVER_OBJECT,
            registry_path: $crate::ffi::PCUNICODE_STRING,
        ) -> $crate::ffi::NTSTATUS {
            // SAFETY: the contract of this function.
            unsafe { $crate::__entry::<$type>(driver, registry_path) }
        }
    };
}
