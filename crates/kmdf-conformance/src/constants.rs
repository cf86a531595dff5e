//! The names of values that a case can use.

use kmdf_sys::NTSTATUS;

macro_rules! statuses {
    ($($name:ident)*) => {
        /// The named statuses.
        const STATUSES: &[(&str, NTSTATUS)] = {
            use kmdf_sys::missing::*;
            use kmdf_sys::*;
            &[$((stringify!($name), $name)),*]
        };
    };
}

macro_rules! enumerators {
    ($($module:ident: $($name:ident)*;)*) => {
        /// The enumerators.
        const ENUMERATORS: &[(&str, i32)] =
            &[$($((stringify!($name), kmdf_sys::$module::$name)),*),*];
    };
}

statuses! {
    STATUS_SUCCESS STATUS_TIMEOUT STATUS_PENDING STATUS_OBJECT_NAME_EXISTS STATUS_WDF_QUEUED
    STATUS_WDF_POSTED STATUS_BUFFER_OVERFLOW STATUS_DEVICE_BUSY STATUS_NO_MORE_ENTRIES
    STATUS_UNSUCCESSFUL STATUS_NOT_IMPLEMENTED STATUS_INFO_LENGTH_MISMATCH STATUS_ACCESS_VIOLATION
    STATUS_INVALID_HANDLE STATUS_INVALID_PARAMETER STATUS_NO_SUCH_DEVICE
    STATUS_INVALID_DEVICE_REQUEST STATUS_END_OF_FILE STATUS_ACCESS_DENIED STATUS_BUFFER_TOO_SMALL
    STATUS_OBJECT_TYPE_MISMATCH STATUS_OBJECT_NAME_INVALID STATUS_OBJECT_NAME_NOT_FOUND
    STATUS_OBJECT_PATH_INVALID STATUS_DELETE_PENDING STATUS_INTEGER_OVERFLOW
    STATUS_INSUFFICIENT_RESOURCES STATUS_DEVICE_DATA_ERROR STATUS_DEVICE_NOT_CONNECTED
    STATUS_DEVICE_NOT_READY STATUS_IO_TIMEOUT STATUS_NOT_SUPPORTED STATUS_REQUEST_NOT_ACCEPTED
    STATUS_INTERNAL_ERROR STATUS_INVALID_USER_BUFFER STATUS_INVALID_PARAMETER_4 STATUS_CANCELLED
    STATUS_DRIVER_INTERNAL_ERROR STATUS_INVALID_DEVICE_STATE STATUS_IO_DEVICE_ERROR
    STATUS_INVALID_BUFFER_SIZE STATUS_NOT_FOUND STATUS_DEVICE_REMOVED STATUS_WDF_INTERNAL_ERROR
    STATUS_WDF_PAUSED STATUS_WDF_BUSY STATUS_WDF_IO_TIMEOUT_NOT_SENT
    STATUS_WDF_DEVICE_REMOVED_NOT_SENT STATUS_WDF_REQUEST_ALREADY_PENDING
    STATUS_WDF_REQUEST_INVALID_STATE STATUS_WDF_OBJECT_ATTRIBUTES_INVALID
    STATUS_WDF_TOO_FRAGMENTED STATUS_WDF_NO_CALLBACK STATUS_WDF_INCOMPATIBLE_EXECUTION_LEVEL
    STATUS_WDF_PARENT_ALREADY_ASSIGNED STATUS_WDF_PARENT_IS_SELF
    STATUS_WDF_PARENT_ASSIGNMENT_NOT_ALLOWED STATUS_WDF_SYNCHRONIZATION_SCOPE_INVALID
    STATUS_WDF_EXECUTION_LEVEL_INVALID STATUS_WDF_PARENT_NOT_SPECIFIED
    STATUS_WDF_TOO_MANY_TRANSFERS STATUS_WDF_NOT_ENOUGH_MAP_REGISTERS
}

enumerators! {
    _WDF_IO_TARGET_STATE: WdfIoTargetStateUndefined WdfIoTargetStarted WdfIoTargetStopped
        WdfIoTargetClosedForQueryRemove WdfIoTargetClosed WdfIoTargetDeleted WdfIoTargetPurged;
    _WDF_IO_TARGET_SENT_IO_ACTION: WdfIoTargetSentIoUndefined WdfIoTargetCancelSentIo
        WdfIoTargetWaitForSentIoToComplete WdfIoTargetLeaveSentIoPending;
    _WDF_IO_TARGET_PURGE_IO_ACTION: WdfIoTargetPurgeIoUndefined WdfIoTargetPurgeIoAndWait
        WdfIoTargetPurgeIo;
    _WDF_IO_TARGET_OPEN_TYPE: WdfIoTargetOpenUndefined WdfIoTargetOpenUseExistingDevice
        WdfIoTargetOpenByName WdfIoTargetOpenReopen WdfIoTargetOpenLocalTargetByFile;
    _WDF_REQUEST_TYPE: WdfRequestTypeCreate WdfRequestTypeClose WdfRequestTypeRead
        WdfRequestTypeWrite WdfRequestTypeDeviceControl WdfRequestTypeDeviceControlInternal
        WdfRequestTypeOther WdfRequestTypeUsb WdfRequestTypeNoFormat;
    _WDF_USB_REQUEST_TYPE: WdfUsbRequestTypeInvalid WdfUsbRequestTypeNoFormat
        WdfUsbRequestTypeDeviceString WdfUsbRequestTypeDeviceControlTransfer
        WdfUsbRequestTypeDeviceUrb WdfUsbRequestTypePipeWrite WdfUsbRequestTypePipeRead
        WdfUsbRequestTypePipeAbort WdfUsbRequestTypePipeReset WdfUsbRequestTypePipeUrb;
    _WDF_USB_PIPE_TYPE: WdfUsbPipeTypeInvalid WdfUsbPipeTypeControl WdfUsbPipeTypeIsochronous
        WdfUsbPipeTypeBulk WdfUsbPipeTypeInterrupt;
    _WdfUsbTargetDeviceSelectConfigType: WdfUsbTargetDeviceSelectConfigTypeInvalid
        WdfUsbTargetDeviceSelectConfigTypeDeconfig
        WdfUsbTargetDeviceSelectConfigTypeSingleInterface
        WdfUsbTargetDeviceSelectConfigTypeMultiInterface;
    _WdfUsbTargetDeviceSelectSettingType: WdfUsbInterfaceSelectSettingTypeDescriptor
        WdfUsbInterfaceSelectSettingTypeSetting WdfUsbInterfaceSelectSettingTypeUrb;
    _WDF_EXECUTION_LEVEL: WdfExecutionLevelInvalid WdfExecutionLevelInheritFromParent
        WdfExecutionLevelPassive WdfExecutionLevelDispatch;
    _WDF_SYNCHRONIZATION_SCOPE: WdfSynchronizationScopeInvalid
        WdfSynchronizationScopeInheritFromParent WdfSynchronizationScopeDevice
        WdfSynchronizationScopeQueue WdfSynchronizationScopeNone;
    _WDF_IO_QUEUE_DISPATCH_TYPE: WdfIoQueueDispatchInvalid WdfIoQueueDispatchSequential
        WdfIoQueueDispatchParallel WdfIoQueueDispatchManual;
    _WDF_IO_QUEUE_STATE: WdfIoQueueAcceptRequests WdfIoQueueDispatchRequests WdfIoQueueNoRequests
        WdfIoQueueDriverNoRequests WdfIoQueuePnpHeld;
    _WDF_TRI_STATE: WdfFalse WdfTrue WdfUseDefault;
    _POOL_TYPE: NonPagedPool PagedPool NonPagedPoolNx;
    _MODE: KernelMode UserMode;
}

/// Flags of `WDF_REQUEST_SEND_OPTIONS`, by the short names of the format.
const SEND_OPTIONS: &[(&str, i32)] = {
    use kmdf_sys::_WDF_REQUEST_SEND_OPTIONS_FLAGS as flags;
    &[
        ("TIMEOUT", flags::WDF_REQUEST_SEND_OPTION_TIMEOUT),
        ("SYNCHRONOUS", flags::WDF_REQUEST_SEND_OPTION_SYNCHRONOUS),
        (
            "IGNORE_TARGET_STATE",
            flags::WDF_REQUEST_SEND_OPTION_IGNORE_TARGET_STATE,
        ),
        (
            "SEND_AND_FORGET",
            flags::WDF_REQUEST_SEND_OPTION_SEND_AND_FORGET,
        ),
    ]
};

/// Major functions of reported IRPs.
const MAJOR_FUNCTIONS: &[(&str, i32)] = &[
    ("IRP_MJ_READ", 3),
    ("IRP_MJ_WRITE", 4),
    ("IRP_MJ_DEVICE_CONTROL", 14),
    ("IRP_MJ_INTERNAL_DEVICE_CONTROL", 15),
];

/// The value of a status, an enumerator, a flag or a major function.
pub(crate) fn value(name: &str) -> Option<i32> {
    [STATUSES, ENUMERATORS, SEND_OPTIONS, MAJOR_FUNCTIONS]
        .iter()
        .find_map(|names| {
            let (_, value) = names.iter().find(|(known, _)| *known == name)?;
            Some(*value)
        })
}

/// A status as people read it.
pub(crate) fn status_name(status: NTSTATUS) -> String {
    STATUSES
        .iter()
        .find(|(_, value)| *value == status)
        .map_or_else(|| format!("{status:#010X}"), |(name, _)| (*name).to_owned())
}
