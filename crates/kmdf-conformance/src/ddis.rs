//! The DDIs that a case can call: their results and parameters, in the order of C.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::callback::Signature;
use crate::layout::{self, Layout};

/// What a DDI returns, by how it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Returns {
    Nothing,
    Status,
    Boolean,
    /// An integer or enumerator of so many bytes.
    Integer(usize),
    /// A handle or an address.
    Pointer,
}

/// What a parameter takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Takes {
    /// A handle, a number, an address or the address of a variable.
    Word,
    /// The address of a variable of 32 bits.
    Out32,
    /// An integer, by address.
    IntegerByAddress,
    Function(Signature),
    TypeInfo,
    Descriptor,
    SendOptions,
    Offsets,
    Structure(&'static Layout),
}

/// A parameter of a DDI.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) optional: bool,
    pub(crate) takes: Takes,
}

/// A DDI.
#[derive(Clone, Debug)]
pub(crate) struct Ddi {
    pub(crate) returns: Returns,
    pub(crate) parameters: Vec<Parameter>,
}

/// The DDI of this name, if cases can call it.
pub(crate) fn find(name: &str) -> Option<&'static Ddi> {
    static TABLE: OnceLock<BTreeMap<&'static str, Ddi>> = OnceLock::new();
    let table = TABLE.get_or_init(|| DDIS.lines().filter_map(ddi).collect());
    table.get(name)
}

fn ddi(line: &'static str) -> Option<(&'static str, Ddi)> {
    let mut words = line.split_whitespace();
    let name = words.next()?;
    let returns = match words.next()? {
        "VOID" => Returns::Nothing,
        "NTSTATUS" => Returns::Status,
        "BOOLEAN" => Returns::Boolean,
        "BYTE" | "UCHAR" | "KPROCESSOR_MODE" => Returns::Integer(1),
        "ULONG_PTR" => Returns::Integer(8),
        enumeration if enumeration.starts_with("WDF_") => Returns::Integer(4),
        _ => Returns::Pointer,
    };
    let parameters = words.map(parameter).collect();
    Some((
        name,
        Ddi {
            returns,
            parameters,
        },
    ))
}

fn parameter(word: &'static str) -> Parameter {
    let (name, takes) = word.split_once(':').unwrap_or((word, ""));
    let required = name.trim_end_matches('?');
    Parameter {
        name: required,
        optional: required != name,
        takes: match takes {
            "*" => Takes::IntegerByAddress,
            "fn" => Takes::Function(signature(required)),
            "type" => Takes::TypeInfo,
            "D" => Takes::Descriptor,
            "O" => Takes::SendOptions,
            "R" => Takes::Offsets,
            "" | "&" | "ptr" => Takes::Word,
            "&4" => Takes::Out32,
            structure => layout::find(structure).map_or(Takes::Word, Takes::Structure),
        },
    }
}

/// The type of the callback that a parameter takes.
fn signature(parameter: &str) -> Signature {
    match parameter {
        "CompletionRoutine" => Signature::Completion,
        "EvtRequestCancel" => Signature::Cancel,
        _ => Signature::QueueState,
    }
}

/// One line for each DDI: its name, what it returns, and its parameters.
///
/// A parameter is written as its name, `?` if it may be left out, and after a colon what it takes: `&` the address of a
/// variable, `&4` of one of 32 bits, `*` an integer by address, `fn` a callback, `ptr` an address, `type` a context type, `D` a memory descriptor,
/// `O` send options, `R` offsets, another word a structure; nothing for a handle or a number.
const DDIS: &str = "\
WdfDriverCreate NTSTATUS DriverObject:ptr RegistryPath:ptr DriverAttributes?:WDF_OBJECT_ATTRIBUTES \
    DriverConfig:WDF_DRIVER_CONFIG Driver?:&
WdfFdoInitSetFilter VOID DeviceInit:ptr
WdfDeviceGetIoTarget WDFIOTARGET Device
WdfDeviceConfigureRequestDispatching NTSTATUS Device Queue RequestType
WdfDeviceGetDefaultQueue WDFQUEUE Device
WdfIoQueueCreate NTSTATUS Device Config:WDF_IO_QUEUE_CONFIG QueueAttributes?:WDF_OBJECT_ATTRIBUTES \
    Queue?:&
WdfIoQueueGetState WDF_IO_QUEUE_STATE Queue QueueRequests?:&4 DriverRequests?:&4
WdfIoQueueGetDevice WDFDEVICE Queue
WdfIoQueueStart VOID Queue
WdfIoQueueStop VOID Queue StopComplete?:fn Context?:ptr
WdfIoQueueStopSynchronously VOID Queue
WdfIoQueueStopAndPurge VOID Queue StopAndPurgeComplete?:fn Context?:ptr
WdfIoQueueStopAndPurgeSynchronously VOID Queue
WdfIoQueueDrain VOID Queue DrainComplete?:fn Context?:ptr
WdfIoQueueDrainSynchronously VOID Queue
WdfIoQueuePurge VOID Queue PurgeComplete?:fn Context?:ptr
WdfIoQueuePurgeSynchronously VOID Queue
WdfIoQueueReadyNotify NTSTATUS Queue QueueReady?:fn Context?:ptr
WdfIoQueueRetrieveNextRequest NTSTATUS Queue OutRequest:&
WdfIoQueueFindRequest NTSTATUS Queue FoundRequest? FileObject? Parameters?:WDF_REQUEST_PARAMETERS \
    OutRequest:&
WdfIoQueueRetrieveFoundRequest NTSTATUS Queue FoundRequest OutRequest:&
WdfIoTargetCreate NTSTATUS Device IoTargetAttributes?:WDF_OBJECT_ATTRIBUTES IoTarget:&
WdfIoTargetOpen NTSTATUS IoTarget OpenParams:WDF_IO_TARGET_OPEN_PARAMS
WdfIoTargetClose VOID IoTarget
WdfIoTargetCloseForQueryRemove VOID IoTarget
WdfIoTargetStart NTSTATUS IoTarget
WdfIoTargetStop VOID IoTarget Action
WdfIoTargetPurge VOID IoTarget Action
WdfIoTargetGetState WDF_IO_TARGET_STATE IoTarget
WdfIoTargetGetDevice WDFDEVICE IoTarget
WdfIoTargetSendReadSynchronously NTSTATUS IoTarget Request? OutputBuffer?:D DeviceOffset?:* \
    RequestOptions?:O BytesRead?:&
WdfIoTargetSendWriteSynchronously NTSTATUS IoTarget Request? InputBuffer?:D DeviceOffset?:* \
    RequestOptions?:O BytesWritten?:&
WdfIoTargetSendIoctlSynchronously NTSTATUS IoTarget Request? IoctlCode InputBuffer?:D \
    OutputBuffer?:D RequestOptions?:O BytesReturned?:&
WdfIoTargetSendInternalIoctlSynchronously NTSTATUS IoTarget Request? IoctlCode InputBuffer?:D \
    OutputBuffer?:D RequestOptions?:O BytesReturned?:&
WdfIoTargetSendInternalIoctlOthersSynchronously NTSTATUS IoTarget Request? IoctlCode OtherArg1?:D \
    OtherArg2?:D OtherArg4?:D RequestOptions?:O BytesReturned?:&
WdfIoTargetFormatRequestForRead NTSTATUS IoTarget Request OutputBuffer? OutputBufferOffset?:R \
    DeviceOffset?:*
WdfIoTargetFormatRequestForWrite NTSTATUS IoTarget Request InputBuffer? InputBufferOffset?:R \
    DeviceOffset?:*
WdfIoTargetFormatRequestForIoctl NTSTATUS IoTarget Request IoctlCode InputBuffer? \
    InputBufferOffset?:R OutputBuffer? OutputBufferOffset?:R
WdfIoTargetFormatRequestForInternalIoctl NTSTATUS IoTarget Request IoctlCode InputBuffer? \
    InputBufferOffset?:R OutputBuffer? OutputBufferOffset?:R
WdfIoTargetFormatRequestForInternalIoctlOthers NTSTATUS IoTarget Request IoctlCode OtherArg1? \
    OtherArg1Offset?:R OtherArg2? OtherArg2Offset?:R OtherArg4? OtherArg4Offset?:R
WdfRequestCreate NTSTATUS RequestAttributes?:WDF_OBJECT_ATTRIBUTES IoTarget? Request:&
WdfRequestCreateFromIrp NTSTATUS RequestAttributes?:WDF_OBJECT_ATTRIBUTES Irp:ptr RequestFreesIrp \
    Request:&
WdfRequestReuse NTSTATUS Request ReuseParams:WDF_REQUEST_REUSE_PARAMS
WdfRequestChangeTarget NTSTATUS Request IoTarget
WdfRequestFormatRequestUsingCurrentType VOID Request
WdfRequestSend BOOLEAN Request Target Options?:O
WdfRequestGetStatus NTSTATUS Request
WdfRequestMarkCancelable VOID Request EvtRequestCancel:fn
WdfRequestMarkCancelableEx NTSTATUS Request EvtRequestCancel:fn
WdfRequestUnmarkCancelable NTSTATUS Request
WdfRequestIsCanceled BOOLEAN Request
WdfRequestCancelSentRequest BOOLEAN Request
WdfRequestSetCompletionRoutine VOID Request CompletionRoutine?:fn CompletionContext?:ptr
WdfRequestGetCompletionParams VOID Request Params:WDF_REQUEST_COMPLETION_PARAMS
WdfRequestAllocateTimer NTSTATUS Request
WdfRequestComplete VOID Request Status
WdfRequestCompleteWithPriorityBoost VOID Request Status PriorityBoost
WdfRequestCompleteWithInformation VOID Request Status Information
WdfRequestGetParameters VOID Request Parameters:WDF_REQUEST_PARAMETERS
WdfRequestRetrieveInputMemory NTSTATUS Request Memory:&
WdfRequestRetrieveOutputMemory NTSTATUS Request Memory:&
WdfRequestRetrieveInputBuffer NTSTATUS Request MinimumRequiredLength Buffer:& Length?:&
WdfRequestRetrieveOutputBuffer NTSTATUS Request MinimumRequiredSize Buffer:& Length?:&
WdfRequestRetrieveInputWdmMdl NTSTATUS Request Mdl:&
WdfRequestRetrieveOutputWdmMdl NTSTATUS Request Mdl:&
WdfRequestRetrieveUnsafeUserInputBuffer NTSTATUS Request MinimumRequiredLength InputBuffer?:& \
    Length?:&
WdfRequestRetrieveUnsafeUserOutputBuffer NTSTATUS Request MinimumRequiredLength OutputBuffer?:& \
    Length?:&
WdfRequestProbeAndLockUserBufferForRead NTSTATUS Request Buffer:ptr Length MemoryObject:&
WdfRequestProbeAndLockUserBufferForWrite NTSTATUS Request Buffer:ptr Length MemoryObject:&
WdfRequestSetInformation VOID Request Information
WdfRequestGetInformation ULONG_PTR Request
WdfRequestGetRequestorMode KPROCESSOR_MODE Request
WdfRequestForwardToIoQueue NTSTATUS Request DestinationQueue
WdfRequestGetIoQueue WDFQUEUE Request
WdfRequestRequeue NTSTATUS Request
WdfRequestStopAcknowledge VOID Request Requeue
WdfRequestWdmGetIrp PIRP Request
WdfMemoryCreate NTSTATUS Attributes?:WDF_OBJECT_ATTRIBUTES PoolType PoolTag? BufferSize Memory:& \
    Buffer?:&
WdfMemoryCreatePreallocated NTSTATUS Attributes?:WDF_OBJECT_ATTRIBUTES Buffer:ptr BufferSize \
    Memory:&
WdfMemoryGetBuffer PVOID Memory BufferSize?:&
WdfMemoryAssignBuffer NTSTATUS Memory Buffer:ptr BufferSize
WdfMemoryCopyToBuffer NTSTATUS SourceMemory SourceOffset Buffer:ptr NumBytesToCopyTo
WdfMemoryCopyFromBuffer NTSTATUS DestinationMemory DestinationOffset Buffer:ptr NumBytesToCopyFrom
WdfObjectCreate NTSTATUS Attributes?:WDF_OBJECT_ATTRIBUTES Object:&
WdfObjectDelete VOID Object
WdfObjectReferenceActual VOID Handle Tag?:ptr Line? File?:ptr
WdfObjectDereferenceActual VOID Handle Tag?:ptr Line? File?:ptr
WdfObjectAllocateContext NTSTATUS Handle ContextAttributes:WDF_OBJECT_ATTRIBUTES Context?:&
WdfObjectGetTypedContextWorker PVOID Handle TypeInfo:type
WdfObjectContextGetObject WDFOBJECT ContextPointer:ptr
WdfObjectAcquireLock VOID Object
WdfObjectReleaseLock VOID Object
WdfUsbTargetDeviceCreate NTSTATUS Device Attributes?:WDF_OBJECT_ATTRIBUTES UsbDevice:&
WdfUsbTargetDeviceSelectConfig NTSTATUS UsbDevice PipeAttributes?:WDF_OBJECT_ATTRIBUTES \
    Params:WDF_USB_DEVICE_SELECT_CONFIG_PARAMS
WdfUsbTargetDeviceGetNumInterfaces UCHAR UsbDevice
WdfUsbTargetDeviceGetInterface WDFUSBINTERFACE UsbDevice InterfaceIndex
WdfUsbTargetDeviceSendControlTransferSynchronously NTSTATUS UsbDevice Request? RequestOptions?:O \
    SetupPacket:WDF_USB_CONTROL_SETUP_PACKET MemoryDescriptor?:D BytesTransferred?:&4
WdfUsbInterfaceSelectSetting NTSTATUS UsbInterface PipesAttributes?:WDF_OBJECT_ATTRIBUTES \
    Params:WDF_USB_INTERFACE_SELECT_SETTING_PARAMS
WdfUsbInterfaceGetNumConfiguredPipes BYTE UsbInterface
WdfUsbInterfaceGetConfiguredPipe WDFUSBPIPE UsbInterface PipeIndex \
    PipeInfo?:WDF_USB_PIPE_INFORMATION
WdfUsbInterfaceGetConfiguredSettingIndex BYTE Interface
WdfUsbInterfaceGetNumSettings BYTE UsbInterface
WdfUsbInterfaceGetNumEndpoints BYTE UsbInterface SettingIndex
WdfUsbInterfaceGetEndpointInformation VOID UsbInterface SettingIndex EndpointIndex \
    EndpointInfo:WDF_USB_PIPE_INFORMATION
WdfUsbInterfaceGetInterfaceNumber BYTE UsbInterface
WdfUsbTargetPipeGetInformation VOID Pipe PipeInformation:WDF_USB_PIPE_INFORMATION
WdfUsbTargetPipeIsInEndpoint BOOLEAN Pipe
WdfUsbTargetPipeIsOutEndpoint BOOLEAN Pipe
WdfUsbTargetPipeGetType WDF_USB_PIPE_TYPE Pipe
WdfUsbTargetPipeSetNoMaximumPacketSizeCheck VOID Pipe
WdfUsbTargetPipeWriteSynchronously NTSTATUS Pipe Request? RequestOptions?:O MemoryDescriptor?:D \
    BytesWritten?:&4
WdfUsbTargetPipeReadSynchronously NTSTATUS Pipe Request? RequestOptions?:O MemoryDescriptor?:D \
    BytesRead?:&4
WdfUsbTargetPipeFormatRequestForWrite NTSTATUS Pipe Request WriteMemory? WriteOffset?:R
WdfUsbTargetPipeFormatRequestForRead NTSTATUS Pipe Request ReadMemory? ReadOffset?:R
WdfUsbTargetPipeAbortSynchronously NTSTATUS Pipe Request? RequestOptions?:O
WdfUsbTargetPipeResetSynchronously NTSTATUS Pipe Request? RequestOptions?:O
WdfUsbTargetPipeFormatRequestForAbort NTSTATUS Pipe Request
WdfUsbTargetPipeFormatRequestForReset NTSTATUS Pipe Request
WdfUsbTargetPipeSendUrbSynchronously NTSTATUS Pipe Request? RequestOptions?:O Urb:ptr
WdfUsbTargetPipeFormatRequestForUrb NTSTATUS PIPE Request UrbMemory UrbMemoryOffset?:R
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_shape_of_the_function_table() {
        let names = DDIS
            .lines()
            .filter_map(|line| line.split_whitespace().next());
        for name in names {
            let ddi = find(name).expect("each line is a DDI");
            assert_eq!(
                crate::call::arity(name),
                Some(ddi.parameters.len()),
                "{name}"
            );
        }
    }

    #[test]
    fn structures_of_the_table_are_known() {
        for word in DDIS.split_whitespace() {
            if let Some((_, structure)) = word.split_once(":WDF_") {
                assert!(
                    layout::find(&format!("WDF_{structure}")).is_some(),
                    "{word}"
                );
            }
        }
    }
}
