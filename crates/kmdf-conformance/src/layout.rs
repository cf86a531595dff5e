//! The C structures that cases read and write, field by field.

use core::mem::offset_of;

use crate::callback::Signature;

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Holds {
    /// An integer, a handle or an address.
    Word,
    Function(Signature),
    TypeInfo,
    /// Cases leave it as it is, or write NULL.
    Nothing,
    /// The address of another structure.
    Structure(&'static Layout),
}

/// A field of a structure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    /// Its name, with those of the structures and unions it is in.
    pub(crate) path: &'static str,
    pub(crate) offset: usize,
    pub(crate) size: usize,
    pub(crate) holds: Holds,
}

/// A structure.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) name: &'static str,
    pub(crate) size: usize,
    pub(crate) fields: &'static [Field],
    /// What INIT sets besides `Size`.
    pub(crate) init: &'static [(&'static str, i32)],
}

impl Layout {
    pub(crate) fn field(&self, path: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.path == path)
    }
}

/// The structure of this name.
pub(crate) fn find(name: &str) -> Option<&'static Layout> {
    STRUCTURES
        .iter()
        .copied()
        .find(|layout| layout.name == name)
}

macro_rules! holds {
    () => {
        Holds::Word
    };
    (type) => {
        Holds::TypeInfo
    };
    (null) => {
        Holds::Nothing
    };
    (fn $signature:ident) => {
        Holds::Function(Signature::$signature)
    };
    (to $layout:ident) => {
        Holds::Structure(&$layout)
    };
}

macro_rules! structure {
    ($layout:ident = $name:literal $type:ident {
        $($path:literal $($field:ident).+: $size:literal $([$($holds:tt)+])?;)*
    } $($init:tt)*) => {
        pub(crate) static $layout: Layout = Layout {
            name: $name,
            size: size_of::<kmdf_sys::$type>(),
            fields: &[$(Field {
                path: $path,
                offset: offset_of!(kmdf_sys::$type, $($field).+),
                size: $size,
                holds: holds!($($($holds)+)?),
            }),*],
            init: structure!(@init $($init)*),
        };
    };
    (@init) => { &[] };
    (@init init $($path:literal = $module:ident::$value:ident),+) => {
        &[$(($path, kmdf_sys::$module::$value)),+]
    };
}

static STRUCTURES: &[&Layout] = &[
    &ATTRIBUTES,
    &REUSE_PARAMS,
    &COMPLETION_PARAMS,
    &REQUEST_PARAMETERS,
    &QUEUE_CONFIG,
    &OPEN_PARAMS,
    &DRIVER_CONFIG,
    &PIPE_INFORMATION,
    &SELECT_CONFIG,
    &SELECT_SETTING,
    &SETUP_PACKET,
];

structure!(ATTRIBUTES = "WDF_OBJECT_ATTRIBUTES" _WDF_OBJECT_ATTRIBUTES {
    "Size" Size: 4;
    "EvtCleanupCallback" EvtCleanupCallback: 8 [fn Object];
    "EvtDestroyCallback" EvtDestroyCallback: 8 [fn Object];
    "ExecutionLevel" ExecutionLevel: 4;
    "SynchronizationScope" SynchronizationScope: 4;
    "ParentObject" ParentObject: 8;
    "ContextSizeOverride" ContextSizeOverride: 8;
    "ContextTypeInfo" ContextTypeInfo: 8 [type];
} init
    "ExecutionLevel" = _WDF_EXECUTION_LEVEL::WdfExecutionLevelInheritFromParent,
    "SynchronizationScope" =
        _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeInheritFromParent
);

structure!(REUSE_PARAMS = "WDF_REQUEST_REUSE_PARAMS" _WDF_REQUEST_REUSE_PARAMS {
    "Size" Size: 4;
    "Flags" Flags: 4;
    "Status" Status: 4;
    "NewIrp" NewIrp: 8;
});

structure!(COMPLETION_PARAMS = "WDF_REQUEST_COMPLETION_PARAMS" _WDF_REQUEST_COMPLETION_PARAMS {
    "Size" Size: 4;
    "Type" Type: 4;
    "IoStatus.Status" IoStatus.__bindgen_anon_1.Status: 4;
    "IoStatus.Pointer" IoStatus.__bindgen_anon_1.Pointer: 8;
    "IoStatus.Information" IoStatus.Information: 8;
    "Parameters.Write.Buffer" Parameters.Write.Buffer: 8;
    "Parameters.Write.Length" Parameters.Write.Length: 8;
    "Parameters.Write.Offset" Parameters.Write.Offset: 8;
    "Parameters.Read.Buffer" Parameters.Read.Buffer: 8;
    "Parameters.Read.Length" Parameters.Read.Length: 8;
    "Parameters.Read.Offset" Parameters.Read.Offset: 8;
    "Parameters.Ioctl.IoControlCode" Parameters.Ioctl.IoControlCode: 4;
    "Parameters.Ioctl.Input.Buffer" Parameters.Ioctl.Input.Buffer: 8;
    "Parameters.Ioctl.Input.Offset" Parameters.Ioctl.Input.Offset: 8;
    "Parameters.Ioctl.Output.Buffer" Parameters.Ioctl.Output.Buffer: 8;
    "Parameters.Ioctl.Output.Offset" Parameters.Ioctl.Output.Offset: 8;
    "Parameters.Ioctl.Output.Length" Parameters.Ioctl.Output.Length: 8;
    "Parameters.Others.Argument1.Ptr" Parameters.Others.Argument1.Ptr: 8;
    "Parameters.Others.Argument1.Value" Parameters.Others.Argument1.Value: 8;
    "Parameters.Others.Argument2.Ptr" Parameters.Others.Argument2.Ptr: 8;
    "Parameters.Others.Argument2.Value" Parameters.Others.Argument2.Value: 8;
    "Parameters.Others.Argument3.Ptr" Parameters.Others.Argument3.Ptr: 8;
    "Parameters.Others.Argument3.Value" Parameters.Others.Argument3.Value: 8;
    "Parameters.Others.Argument4.Ptr" Parameters.Others.Argument4.Ptr: 8;
    "Parameters.Others.Argument4.Value" Parameters.Others.Argument4.Value: 8;
    "Parameters.Usb.Completion" Parameters.Usb.Completion: 8 [to USB_COMPLETION_PARAMS];
} init "Type" = _WDF_REQUEST_TYPE::WdfRequestTypeNoFormat);

structure!(
    USB_COMPLETION_PARAMS = "WDF_USB_REQUEST_COMPLETION_PARAMS" _WDF_USB_REQUEST_COMPLETION_PARAMS {
    "UsbdStatus" UsbdStatus: 4;
    "Type" Type: 4;
    "Parameters.DeviceString.Buffer" Parameters.DeviceString.Buffer: 8;
    "Parameters.DeviceString.LangID" Parameters.DeviceString.LangID: 2;
    "Parameters.DeviceString.StringIndex" Parameters.DeviceString.StringIndex: 1;
    "Parameters.DeviceString.RequiredSize" Parameters.DeviceString.RequiredSize: 1;
    "Parameters.DeviceControlTransfer.Buffer" Parameters.DeviceControlTransfer.Buffer: 8;
    "Parameters.DeviceControlTransfer.Length" Parameters.DeviceControlTransfer.Length: 4;
    "Parameters.DeviceUrb.Buffer" Parameters.DeviceUrb.Buffer: 8;
    "Parameters.PipeWrite.Buffer" Parameters.PipeWrite.Buffer: 8;
    "Parameters.PipeWrite.Length" Parameters.PipeWrite.Length: 8;
    "Parameters.PipeWrite.Offset" Parameters.PipeWrite.Offset: 8;
    "Parameters.PipeRead.Buffer" Parameters.PipeRead.Buffer: 8;
    "Parameters.PipeRead.Length" Parameters.PipeRead.Length: 8;
    "Parameters.PipeRead.Offset" Parameters.PipeRead.Offset: 8;
    "Parameters.PipeUrb.Buffer" Parameters.PipeUrb.Buffer: 8;
});

structure!(REQUEST_PARAMETERS = "WDF_REQUEST_PARAMETERS" _WDF_REQUEST_PARAMETERS {
    "Size" Size: 2;
    "MinorFunction" MinorFunction: 1;
    "Type" Type: 4;
    "Parameters.Create.SecurityContext" Parameters.Create.SecurityContext: 8;
    "Parameters.Create.Options" Parameters.Create.Options: 4;
    "Parameters.Create.FileAttributes" Parameters.Create.FileAttributes: 2;
    "Parameters.Create.ShareAccess" Parameters.Create.ShareAccess: 2;
    "Parameters.Create.EaLength" Parameters.Create.EaLength: 4;
    "Parameters.Read.Length" Parameters.Read.Length: 8;
    "Parameters.Read.Key" Parameters.Read.Key: 4;
    "Parameters.Read.DeviceOffset" Parameters.Read.DeviceOffset: 8;
    "Parameters.Write.Length" Parameters.Write.Length: 8;
    "Parameters.Write.Key" Parameters.Write.Key: 4;
    "Parameters.Write.DeviceOffset" Parameters.Write.DeviceOffset: 8;
    "Parameters.DeviceIoControl.OutputBufferLength" Parameters.DeviceIoControl.OutputBufferLength: 8;
    "Parameters.DeviceIoControl.InputBufferLength" Parameters.DeviceIoControl.InputBufferLength: 8;
    "Parameters.DeviceIoControl.IoControlCode" Parameters.DeviceIoControl.IoControlCode: 4;
    "Parameters.DeviceIoControl.Type3InputBuffer" Parameters.DeviceIoControl.Type3InputBuffer: 8;
    "Parameters.Others.Arg1" Parameters.Others.Arg1: 8;
    "Parameters.Others.Arg2" Parameters.Others.Arg2: 8;
    "Parameters.Others.IoControlCode" Parameters.Others.IoControlCode: 4;
    "Parameters.Others.Arg4" Parameters.Others.Arg4: 8;
});

structure!(QUEUE_CONFIG = "WDF_IO_QUEUE_CONFIG" _WDF_IO_QUEUE_CONFIG {
    "Size" Size: 4;
    "DispatchType" DispatchType: 4;
    "PowerManaged" PowerManaged: 4;
    "AllowZeroLengthRequests" AllowZeroLengthRequests: 1;
    "DefaultQueue" DefaultQueue: 1;
    "EvtIoDefault" EvtIoDefault: 8 [fn QueueRequest];
    "EvtIoRead" EvtIoRead: 8 [fn QueueTransfer];
    "EvtIoWrite" EvtIoWrite: 8 [fn QueueTransfer];
    "EvtIoDeviceControl" EvtIoDeviceControl: 8 [fn QueueControl];
    "EvtIoInternalDeviceControl" EvtIoInternalDeviceControl: 8 [fn QueueControl];
    "EvtIoStop" EvtIoStop: 8 [fn QueueStop];
    "EvtIoResume" EvtIoResume: 8 [fn QueueRequest];
    "EvtIoCanceledOnQueue" EvtIoCanceledOnQueue: 8 [fn QueueRequest];
    "Settings.Parallel.NumberOfPresentedRequests" Settings.Parallel.NumberOfPresentedRequests: 4;
    "Driver" Driver: 8;
} init
    "DispatchType" = _WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchParallel,
    "PowerManaged" = _WDF_TRI_STATE::WdfUseDefault
);

structure!(OPEN_PARAMS = "WDF_IO_TARGET_OPEN_PARAMS" _WDF_IO_TARGET_OPEN_PARAMS {
    "Size" Size: 4;
    "Type" Type: 4;
    "EvtIoTargetQueryRemove" EvtIoTargetQueryRemove: 8 [null];
    "EvtIoTargetRemoveCanceled" EvtIoTargetRemoveCanceled: 8 [null];
    "EvtIoTargetRemoveComplete" EvtIoTargetRemoveComplete: 8 [null];
    "TargetDeviceObject" TargetDeviceObject: 8;
    "TargetFileObject" TargetFileObject: 8 [null];
    "TargetDeviceName" TargetDeviceName: 16 [null];
    "DesiredAccess" DesiredAccess: 4;
    "ShareAccess" ShareAccess: 4;
    "FileAttributes" FileAttributes: 4;
    "CreateDisposition" CreateDisposition: 4;
    "CreateOptions" CreateOptions: 4;
    "EaBuffer" EaBuffer: 8 [null];
    "EaBufferLength" EaBufferLength: 4;
    "AllocationSize" AllocationSize: 8 [null];
    "FileInformation" FileInformation: 4;
    "FileName" FileName: 16 [null];
});

structure!(DRIVER_CONFIG = "WDF_DRIVER_CONFIG" _WDF_DRIVER_CONFIG {
    "Size" Size: 4;
    "EvtDriverDeviceAdd" EvtDriverDeviceAdd: 8 [fn DeviceAdd];
    "EvtDriverUnload" EvtDriverUnload: 8 [fn Unload];
    "DriverInitFlags" DriverInitFlags: 4;
    "DriverPoolTag" DriverPoolTag: 4;
});

structure!(PIPE_INFORMATION = "WDF_USB_PIPE_INFORMATION" _WDF_USB_PIPE_INFORMATION {
    "Size" Size: 4;
    "MaximumPacketSize" MaximumPacketSize: 4;
    "EndpointAddress" EndpointAddress: 1;
    "Interval" Interval: 1;
    "SettingIndex" SettingIndex: 1;
    "PipeType" PipeType: 4;
    "MaximumTransferSize" MaximumTransferSize: 4;
});

structure!(
    SELECT_CONFIG = "WDF_USB_DEVICE_SELECT_CONFIG_PARAMS" _WDF_USB_DEVICE_SELECT_CONFIG_PARAMS {
    "Size" Size: 4;
    "Type" Type: 4;
    "Types.SingleInterface.NumberConfiguredPipes"
        Types.SingleInterface.NumberConfiguredPipes: 1;
    "Types.SingleInterface.ConfiguredUsbInterface"
        Types.SingleInterface.ConfiguredUsbInterface: 8;
    "Types.MultiInterface.NumberInterfaces" Types.MultiInterface.NumberInterfaces: 1;
    "Types.MultiInterface.Pairs" Types.MultiInterface.Pairs: 8 [null];
    "Types.MultiInterface.NumberOfConfiguredInterfaces"
        Types.MultiInterface.NumberOfConfiguredInterfaces: 1;
});

structure!(
    SELECT_SETTING =
        "WDF_USB_INTERFACE_SELECT_SETTING_PARAMS" _WDF_USB_INTERFACE_SELECT_SETTING_PARAMS {
    "Size" Size: 4;
    "Type" Type: 4;
    "Types.Interface.SettingIndex" Types.Interface.SettingIndex: 1;
});

structure!(SETUP_PACKET = "WDF_USB_CONTROL_SETUP_PACKET" _WDF_USB_CONTROL_SETUP_PACKET {
    "Packet.bm.Byte" Packet.bm.Byte: 1;
    "Packet.bRequest" Packet.bRequest: 1;
    "Packet.wValue.Value" Packet.wValue.Value: 2;
    "Packet.wIndex.Value" Packet.wIndex.Value: 2;
    "Packet.wLength" Packet.wLength: 2;
});

structure!(URB = "URB" _URB_CONTROL_TRANSFER {
    "Length" Hdr.Length: 2;
    "Function" Hdr.Function: 2;
    "Status" Hdr.Status: 4;
    "PipeHandle" PipeHandle: 8;
    "TransferFlags" TransferFlags: 4;
    "TransferBufferLength" TransferBufferLength: 4;
    "TransferBuffer" TransferBuffer: 8;
    "TransferBufferMDL" TransferBufferMDL: 8;
    "UrbLink" UrbLink: 8;
    "SetupPacket" SetupPacket: 8;
});
