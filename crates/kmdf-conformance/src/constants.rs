//! The names of values that a case can use.

use kmdf_host::Status;
use kmdf_sys::NTSTATUS;

macro_rules! enumerators {
    ($($module:ident: $($name:ident)*;)*) => {
        /// The enumerators.
        const ENUMERATORS: &[(&str, i32)] =
            &[$($((stringify!($name), kmdf_sys::$module::$name)),*),*];
    };
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
    if name.starts_with("STATUS_") {
        return status(name);
    }
    [ENUMERATORS, SEND_OPTIONS, MAJOR_FUNCTIONS]
        .iter()
        .find_map(|names| {
            let (_, value) = names.iter().find(|(known, _)| *known == name)?;
            Some(*value)
        })
}

/// The value of a status by its name, to the letter.
fn status(name: &str) -> Option<NTSTATUS> {
    let exact = !name.contains(|letter: char| letter.is_ascii_lowercase());
    let Status(value) = name.parse().ok().filter(|_| exact)?;
    Some(value)
}

/// A status as people read it.
pub(crate) fn status_name(status: NTSTATUS) -> String {
    match Status(status).name() {
        Some(name) => name.to_owned(),
        None => format!("{status:#010X}"),
    }
}
