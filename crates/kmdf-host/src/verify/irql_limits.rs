//! The highest IRQL at which each function may be called.
//!
//! Where the headers make it depend on an argument, the highest one stands here and the function itself looks at the
//! argument. Functions whose headers state none are with those of `HIGH_LEVEL`.

use crate::system::{APC_LEVEL, DISPATCH_LEVEL, PASSIVE_LEVEL};

/// The lowest level of devices' interrupts.
const DIRQL: u8 = DISPATCH_LEVEL + 1;
/// The highest level of all.
pub(super) const HIGH_LEVEL: u8 = 15;

/// The functions that may be called up to one level.
pub(super) struct Group {
    pub(super) limit: u8,
    pub(super) functions: &'static [&'static str],
}

macro_rules! limits {
    ($table:ident: $($limit:ident { $($function:ident)* })*) => {
        pub(super) static $table: &[Group] = &[
            $(Group { limit: $limit, functions: &[$(stringify!($function)),*] }),*
        ];
    };
}

limits! {
    FRAMEWORK:
    PASSIVE_LEVEL {
        WdfChildListCreate WdfCommonBufferCreate WdfCommonBufferCreateWithConfig
        WdfCompanionTargetSendTaskSynchronously WdfControlDeviceInitAllocate
        WdfControlDeviceInitSetShutdownNotification WdfDeviceAddQueryInterface WdfDeviceAllocAndQueryProperty
        WdfDeviceAssignMofResourceName WdfDeviceCreate WdfDeviceCreateDeviceInterface WdfDeviceCreateSymbolicLink
        WdfDeviceInitAssignName WdfDeviceInitAssignSDDLString WdfDeviceInitRegisterPnpStateChangeCallback
        WdfDeviceInitRegisterPowerPolicyStateChangeCallback WdfDeviceInitRegisterPowerStateChangeCallback
        WdfDeviceInitSetIoTypeEx WdfDeviceMiniportCreate WdfDeviceOpenDevicemapKey WdfDeviceOpenRegistryKey
        WdfDeviceQueryProperty WdfDeviceRetrieveCompanionTarget WdfDeviceRetrieveDeviceInterfaceString
        WdfDeviceRetrieveDeviceName WdfDeviceSetDeviceInterfaceState WdfDeviceSetDeviceInterfaceStateEx
        WdfDeviceWdmAssignPowerFrameworkSettings WdfDmaEnablerConfigureSystemProfile WdfDmaEnablerCreate
        WdfDmaEnablerSetMaximumScatterGatherElements WdfDriverCreate WdfDriverGetRegistryPath
        WdfDriverIsVersionAvailable WdfDriverOpenParametersRegistryKey WdfDriverOpenPersistentStateRegistryKey
        WdfDriverRegisterTraceInfo WdfDriverRetrieveVersionString WdfFdoInitAllocAndQueryProperty
        WdfFdoInitAllocAndQueryPropertyEx WdfFdoInitOpenRegistryKey WdfFdoInitQueryProperty
        WdfFdoInitQueryPropertyEx WdfFdoInitSetDefaultChildListConfig WdfFdoInitSetEventCallbacks
        WdfFdoInitSetFilter WdfFdoQueryForInterface WdfFileObjectGetFileName WdfInterruptDisable WdfInterruptEnable
        WdfInterruptTryToAcquireLock WdfIoQueueAssignForwardProgressPolicy WdfIoQueueDrainSynchronously
        WdfIoQueuePurgeSynchronously WdfIoQueueStopAndPurgeSynchronously WdfIoQueueStopSynchronously
        WdfIoTargetAllocAndQueryTargetProperty WdfIoTargetClose WdfIoTargetCloseForQueryRemove WdfIoTargetCreate
        WdfIoTargetOpen WdfIoTargetQueryForInterface WdfIoTargetQueryTargetProperty
        WdfIoTargetSendInternalIoctlOthersSynchronously WdfIoTargetSendInternalIoctlSynchronously
        WdfIoTargetSendIoctlSynchronously WdfIoTargetSendReadSynchronously WdfIoTargetSendWriteSynchronously
        WdfPdoInitAddCompatibleID WdfPdoInitAddDeviceText WdfPdoInitAddHardwareID WdfPdoInitAllocate
        WdfPdoInitAllowForwardingRequestToParent WdfPdoInitAssignContainerID WdfPdoInitAssignDeviceID
        WdfPdoInitAssignInstanceID WdfPdoInitAssignRawDevice WdfPdoInitRemovePowerDependencyOnParent
        WdfPdoInitSetDefaultLocale WdfPdoInitSetEventCallbacks WdfRegistryAssignMemory WdfRegistryAssignMultiString
        WdfRegistryAssignString WdfRegistryAssignULong WdfRegistryAssignUnicodeString WdfRegistryAssignValue
        WdfRegistryClose WdfRegistryCreateKey WdfRegistryOpenKey WdfRegistryQueryMemory WdfRegistryQueryMultiString
        WdfRegistryQueryString WdfRegistryQueryULong WdfRegistryQueryUnicodeString WdfRegistryQueryValue
        WdfRegistryRemoveKey WdfRegistryRemoveValue WdfRegistryWdmGetHandle WdfRequestProbeAndLockUserBufferForRead
        WdfRequestProbeAndLockUserBufferForWrite WdfRequestRetrieveUnsafeUserInputBuffer
        WdfRequestRetrieveUnsafeUserOutputBuffer WdfStringCreate WdfStringGetUnicodeString
        WdfUsbInterfaceSelectSetting WdfUsbTargetDeviceAllocAndQueryString WdfUsbTargetDeviceCreate
        WdfUsbTargetDeviceCreateWithParameters WdfUsbTargetDeviceCyclePortSynchronously
        WdfUsbTargetDeviceGetDeviceDescriptor WdfUsbTargetDeviceIsConnectedSynchronous WdfUsbTargetDeviceQueryString
        WdfUsbTargetDeviceQueryUsbCapability WdfUsbTargetDeviceResetPortSynchronously
        WdfUsbTargetDeviceRetrieveConfigDescriptor WdfUsbTargetDeviceSelectConfig
        WdfUsbTargetDeviceSendControlTransferSynchronously WdfUsbTargetDeviceSendUrbSynchronously
        WdfUsbTargetPipeAbortSynchronously WdfUsbTargetPipeReadSynchronously WdfUsbTargetPipeResetSynchronously
        WdfUsbTargetPipeSendUrbSynchronously WdfUsbTargetPipeWriteSynchronously WdfWmiInstanceDeregister
        WdfWmiInstanceRegister WdfWorkItemFlush
    }
    APC_LEVEL {
        WdfDeviceAllocAndQueryPropertyEx WdfDeviceAssignProperty WdfDeviceQueryPropertyEx
        WdfRequestIsFrom32BitProcess WdfWmiInstanceFireEvent
    }
    DISPATCH_LEVEL {
        WdfChildListAddOrUpdateChildDescriptionAsPresent WdfChildListBeginIteration WdfChildListBeginScan
        WdfChildListEndIteration WdfChildListEndScan WdfChildListGetDevice WdfChildListRequestChildEject
        WdfChildListRetrieveAddressDescription WdfChildListRetrieveNextDevice WdfChildListRetrievePdo
        WdfChildListUpdateAllChildDescriptionsAsPresent WdfChildListUpdateChildDescriptionAsMissing
        WdfCmResourceListAppendDescriptor WdfCmResourceListGetCount WdfCmResourceListGetDescriptor
        WdfCmResourceListInsertDescriptor WdfCmResourceListRemove WdfCmResourceListRemoveByDescriptor
        WdfCollectionAdd WdfCollectionCreate WdfCollectionGetCount WdfCollectionGetFirstItem WdfCollectionGetItem
        WdfCollectionGetLastItem WdfCollectionRemove WdfCollectionRemoveItem WdfCommonBufferGetAlignedLogicalAddress
        WdfCommonBufferGetAlignedVirtualAddress WdfCommonBufferGetLength WdfCompanionTargetWdmGetCompanionProcess
        WdfControlFinishInitializing WdfDeviceAddDependentUsageDeviceObject
        WdfDeviceAddRemovalRelationsPhysicalDevice WdfDeviceAssignS0IdleSettings WdfDeviceAssignSxWakeSettings
        WdfDeviceClearRemovalRelationsDevices WdfDeviceConfigureRequestDispatching
        WdfDeviceConfigureWdmIrpDispatchCallback WdfDeviceEnqueueRequest WdfDeviceGetAlignmentRequirement
        WdfDeviceGetCharacteristics WdfDeviceGetDefaultQueue WdfDeviceGetDevicePnpState
        WdfDeviceGetDevicePowerPolicyState WdfDeviceGetDevicePowerState WdfDeviceGetDeviceState WdfDeviceGetDriver
        WdfDeviceGetFileObject WdfDeviceGetIoTarget WdfDeviceGetSystemPowerAction WdfDeviceIndicateWakeStatus
        WdfDeviceInitAssignWdmIrpPreprocessCallback WdfDeviceInitFree WdfDeviceInitSetCharacteristics
        WdfDeviceInitSetDeviceClass WdfDeviceInitSetDeviceType WdfDeviceInitSetExclusive
        WdfDeviceInitSetFileObjectConfig WdfDeviceInitSetIoInCallerContextCallback WdfDeviceInitSetIoType
        WdfDeviceInitSetPnpPowerEventCallbacks WdfDeviceInitSetPowerInrush WdfDeviceInitSetPowerNotPageable
        WdfDeviceInitSetPowerPageable WdfDeviceInitSetPowerPolicyEventCallbacks WdfDeviceInitSetPowerPolicyOwnership
        WdfDeviceInitSetReleaseHardwareOrderOnFailure WdfDeviceInitSetRemoveLockOptions
        WdfDeviceInitSetRequestAttributes WdfDeviceRemoveDependentUsageDeviceObject
        WdfDeviceRemoveRemovalRelationsPhysicalDevice WdfDeviceResumeIdleActual WdfDeviceResumeIdleNoTrack
        WdfDeviceSetAlignmentRequirement WdfDeviceSetBusInformationForChildren WdfDeviceSetCharacteristics
        WdfDeviceSetDeviceState WdfDeviceSetFailed WdfDeviceSetPnpCapabilities WdfDeviceSetPowerCapabilities
        WdfDeviceSetSpecialFileSupport WdfDeviceSetStaticStopRemove WdfDeviceStopIdleActual WdfDeviceStopIdleNoTrack
        WdfDeviceWdmDispatchIrp WdfDeviceWdmDispatchIrpToIoQueue WdfDeviceWdmDispatchPreprocessedIrp
        WdfDeviceWdmGetAttachedDevice WdfDeviceWdmGetDeviceObject WdfDeviceWdmGetPhysicalDevice
        WdfDmaEnablerGetFragmentLength WdfDmaEnablerGetMaximumLength WdfDmaEnablerGetMaximumScatterGatherElements
        WdfDmaEnablerWdmGetDmaAdapter WdfDmaTransactionAllocateResources WdfDmaTransactionCancel
        WdfDmaTransactionCreate WdfDmaTransactionDmaCompleted WdfDmaTransactionDmaCompletedFinal
        WdfDmaTransactionDmaCompletedWithLength WdfDmaTransactionExecute WdfDmaTransactionFreeResources
        WdfDmaTransactionGetBytesTransferred WdfDmaTransactionGetCurrentDmaTransferLength WdfDmaTransactionGetDevice
        WdfDmaTransactionGetRequest WdfDmaTransactionGetTransferInfo WdfDmaTransactionInitialize
        WdfDmaTransactionInitializeUsingOffset WdfDmaTransactionInitializeUsingRequest WdfDmaTransactionRelease
        WdfDmaTransactionSetChannelConfigurationCallback WdfDmaTransactionSetDeviceAddressOffset
        WdfDmaTransactionSetImmediateExecution WdfDmaTransactionSetMaximumLength
        WdfDmaTransactionSetSingleTransferRequirement WdfDmaTransactionSetTransferCompleteCallback
        WdfDmaTransactionStopSystemTransfer WdfDmaTransactionWdmGetTransferContext WdfDpcCreate
        WdfDriverWdmGetDriverObject WdfFdoAddStaticChild WdfFdoGetDefaultChildList WdfFdoInitWdmGetPhysicalDevice
        WdfFdoLockStaticChildListForIteration WdfFdoRetrieveNextStaticChild WdfFdoUnlockStaticChildListFromIteration
        WdfFileObjectGetDevice WdfFileObjectGetFlags WdfFileObjectGetInitiatorProcessId
        WdfFileObjectWdmGetFileObject WdfInterruptCreate WdfInterruptGetInfo WdfInterruptReportActive
        WdfInterruptReportInactive WdfInterruptSetExtendedPolicy WdfInterruptSetPolicy WdfInterruptSynchronize
        WdfIoQueueCreate WdfIoQueueDrain WdfIoQueueFindRequest WdfIoQueueGetDevice WdfIoQueueGetState
        WdfIoQueuePurge WdfIoQueueReadyNotify WdfIoQueueRetrieveFoundRequest WdfIoQueueRetrieveNextRequest
        WdfIoQueueRetrieveRequestByFileObject WdfIoQueueStart WdfIoQueueStop WdfIoQueueStopAndPurge
        WdfIoResourceListAppendDescriptor WdfIoResourceListCreate WdfIoResourceListGetCount
        WdfIoResourceListGetDescriptor WdfIoResourceListInsertDescriptor WdfIoResourceListRemove
        WdfIoResourceListRemoveByDescriptor WdfIoResourceListUpdateDescriptor
        WdfIoResourceRequirementsListAppendIoResList WdfIoResourceRequirementsListGetCount
        WdfIoResourceRequirementsListGetIoResList WdfIoResourceRequirementsListInsertIoResList
        WdfIoResourceRequirementsListRemove WdfIoResourceRequirementsListRemoveByIoResList
        WdfIoResourceRequirementsListSetInterfaceType WdfIoResourceRequirementsListSetSlotNumber
        WdfIoTargetFormatRequestForInternalIoctl WdfIoTargetFormatRequestForInternalIoctlOthers
        WdfIoTargetFormatRequestForIoctl WdfIoTargetFormatRequestForRead WdfIoTargetFormatRequestForWrite
        WdfIoTargetGetDevice WdfIoTargetGetState WdfIoTargetPurge WdfIoTargetStart WdfIoTargetStop
        WdfIoTargetWdmGetTargetDeviceObject WdfIoTargetWdmGetTargetFileHandle WdfIoTargetWdmGetTargetFileObject
        WdfIoTargetWdmGetTargetPhysicalDevice WdfLookasideListCreate WdfMemoryAssignBuffer WdfMemoryCopyFromBuffer
        WdfMemoryCopyToBuffer WdfMemoryCreate WdfMemoryCreateFromLookaside WdfMemoryCreatePreallocated
        WdfMemoryGetBuffer WdfObjectAcquireLock WdfObjectAllocateContext WdfObjectCreate WdfObjectDelete
        WdfObjectDereferenceActual WdfObjectQuery WdfObjectReferenceActual WdfObjectReleaseLock
        WdfPdoAddEjectionRelationsPhysicalDevice WdfPdoClearEjectionRelationsDevices WdfPdoGetParent
        WdfPdoMarkMissing WdfPdoRemoveEjectionRelationsPhysicalDevice WdfPdoRequestEject
        WdfPdoRetrieveAddressDescription WdfPdoRetrieveIdentificationDescription WdfPdoUpdateAddressDescription
        WdfRequestAllocateTimer WdfRequestCancelSentRequest WdfRequestChangeTarget WdfRequestComplete
        WdfRequestCompleteWithInformation WdfRequestCompleteWithPriorityBoost WdfRequestCreate
        WdfRequestCreateFromIrp WdfRequestFormatRequestUsingCurrentType WdfRequestForwardToIoQueue
        WdfRequestForwardToParentDeviceIoQueue WdfRequestGetCompletionParams WdfRequestGetFileObject
        WdfRequestGetInformation WdfRequestGetIoQueue WdfRequestGetParameters WdfRequestGetRequestorMode
        WdfRequestGetRequestorProcessId WdfRequestGetStatus WdfRequestIsCanceled WdfRequestIsReserved
        WdfRequestMarkCancelable WdfRequestMarkCancelableEx WdfRequestRequeue WdfRequestRetrieveInputBuffer
        WdfRequestRetrieveInputMemory WdfRequestRetrieveInputWdmMdl WdfRequestRetrieveOutputBuffer
        WdfRequestRetrieveOutputMemory WdfRequestRetrieveOutputWdmMdl WdfRequestReuse WdfRequestSend
        WdfRequestSetCompletionRoutine WdfRequestSetInformation WdfRequestStopAcknowledge WdfRequestUnmarkCancelable
        WdfRequestWdmFormatUsingStackLocation WdfRequestWdmGetIrp WdfSpinLockAcquire WdfSpinLockCreate
        WdfSpinLockRelease WdfTimerCreate WdfTimerGetParentObject WdfTimerStart WdfTimerStop
        WdfUsbInterfaceGetConfiguredPipe WdfUsbInterfaceGetConfiguredSettingIndex WdfUsbInterfaceGetDescriptor
        WdfUsbInterfaceGetEndpointInformation WdfUsbInterfaceGetInterfaceNumber WdfUsbInterfaceGetNumConfiguredPipes
        WdfUsbInterfaceGetNumEndpoints WdfUsbInterfaceGetNumSettings WdfUsbTargetDeviceCreateIsochUrb
        WdfUsbTargetDeviceCreateUrb WdfUsbTargetDeviceFormatRequestForControlTransfer
        WdfUsbTargetDeviceFormatRequestForCyclePort WdfUsbTargetDeviceFormatRequestForString
        WdfUsbTargetDeviceFormatRequestForUrb WdfUsbTargetDeviceGetInterface WdfUsbTargetDeviceGetNumInterfaces
        WdfUsbTargetDeviceRetrieveCurrentFrameNumber WdfUsbTargetDeviceRetrieveInformation
        WdfUsbTargetDeviceWdmGetConfigurationHandle WdfUsbTargetPipeConfigContinuousReader
        WdfUsbTargetPipeFormatRequestForAbort WdfUsbTargetPipeFormatRequestForRead
        WdfUsbTargetPipeFormatRequestForReset WdfUsbTargetPipeFormatRequestForUrb
        WdfUsbTargetPipeFormatRequestForWrite WdfUsbTargetPipeGetInformation WdfUsbTargetPipeGetType
        WdfUsbTargetPipeIsInEndpoint WdfUsbTargetPipeIsOutEndpoint WdfUsbTargetPipeSetNoMaximumPacketSizeCheck
        WdfUsbTargetPipeWdmGetPipeHandle WdfWaitLockAcquire WdfWaitLockCreate WdfWaitLockRelease
        WdfWdmDeviceGetWdfDeviceHandle WdfWdmDriverGetWdfDriverHandle WdfWmiInstanceCreate WdfWmiInstanceGetDevice
        WdfWmiInstanceGetProvider WdfWmiProviderCreate WdfWmiProviderGetDevice WdfWmiProviderGetTracingHandle
        WdfWmiProviderIsEnabled WdfWorkItemCreate WdfWorkItemEnqueue WdfWorkItemGetParentObject
    }
    DIRQL {
        WdfDriverErrorReportApiMissing WdfInterruptAcquireLock WdfInterruptReleaseLock WdfObjectContextGetObject
        WdfObjectGetTypedContextWorker
    }
    HIGH_LEVEL {
        WdfCxDeviceInitAllocate WdfCxDeviceInitAllocateContext WdfCxDeviceInitAssignWdmIrpPreprocessCallback
        WdfCxDeviceInitGetTypedContextWorker WdfCxDeviceInitSetFileObjectConfig
        WdfCxDeviceInitSetIoInCallerContextCallback WdfCxDeviceInitSetPnpPowerEventCallbacks
        WdfCxDeviceInitSetPowerPolicyEventCallbacks WdfCxDeviceInitSetRequestAttributes WdfCxVerifierKeBugCheck
        WdfDeviceGetSelfIoTarget WdfDeviceInitAllowSelfIoTarget WdfDpcCancel WdfDpcEnqueue WdfDpcGetParentObject
        WdfDpcWdmGetDpc WdfDriverMiniportUnload WdfGetTriageInfo WdfInterruptGetDevice WdfInterruptQueueDpcForIsr
        WdfInterruptQueueWorkItemForIsr WdfInterruptWdmGetInterrupt WdfIoTargetSelfAssignDefaultIoQueue
        WdfVerifierDbgBreakPoint WdfVerifierKeBugCheck
    }
}

limits! {
    KERNEL:
    PASSIVE_LEVEL {
        ExCreateCallback ExInitializePagedLookasideList ExLocalTimeToSystemTime ExRegisterCallback
        ExSystemTimeToLocalTime ExUnregisterCallback IoAttachDeviceToDeviceStack IoBuildDeviceIoControlRequest
        IoBuildSynchronousFsdRequest IoCreateDevice IoCreateSymbolicLink IoDeleteDevice IoDeleteSymbolicLink
        IoDetachDevice IoGetAttachedDeviceReference IoGetDeviceInterfaces IoGetDeviceObjectPointer
        IoGetDeviceProperty IoGetRequestorProcess IoOpenDeviceRegistryKey IoRegisterDeviceInterface
        IoRegisterDriverReinitialization IoRegisterPlugPlayNotification IoRegisterShutdownNotification
        IoSetDeviceInterfaceState IoUnregisterPlugPlayNotification IoUnregisterPlugPlayNotificationEx
        IoUnregisterShutdownNotification IoWMIRegistrationControl KeSetTargetProcessorDpc MmAllocateContiguousMemory
        MmGetSystemRoutineAddress MmLockPagableDataSection MmPageEntireDriver MmResetDriverPaging
        MmUnlockPagableImageSection ObReferenceObjectByHandle ObReferenceObjectByName PoRegisterPowerSettingCallback
        PoUnregisterPowerSettingCallback PsCreateSystemThread PsGetVersion PsTerminateSystemThread
        RtlAnsiStringToUnicodeString RtlAppendUnicodeStringToString RtlAppendUnicodeToString RtlCheckRegistryKey
        RtlCompareUnicodeString RtlCreateRegistryKey RtlDeleteRegistryValue RtlDowncaseUnicodeChar
        RtlDowncaseUnicodeString RtlDuplicateUnicodeString RtlEqualUnicodeString RtlFreeAnsiString
        RtlFreeUnicodeString RtlGUIDFromString RtlGetVersion RtlHashUnicodeString RtlInt64ToUnicodeString
        RtlIntegerToUnicodeString RtlPrefixUnicodeString RtlQueryRegistryValues RtlStringFromGUID
        RtlTimeFieldsToTime RtlTimeToTimeFields RtlUnicodeStringToAnsiString RtlUnicodeStringToInteger
        RtlUpcaseUnicodeChar RtlUpcaseUnicodeString RtlVerifyVersionInfo RtlWriteRegistryValue
        SeSinglePrivilegeCheck ZwClose ZwCreateEvent ZwCreateFile ZwCreateKey ZwDeleteKey ZwDeleteValueKey
        ZwEnumerateKey ZwEnumerateValueKey ZwFlushKey ZwOpenFile ZwOpenKey ZwQueryInformationFile ZwQueryKey
        ZwQueryValueKey ZwReadFile ZwSetEvent ZwSetInformationFile ZwSetValueKey ZwWaitForSingleObject ZwWriteFile
    }
    APC_LEVEL {
        ExAcquireFastMutex ExAcquireFastMutexUnsafe ExAcquireResourceExclusiveLite ExAcquireResourceSharedLite
        ExAcquireRundownProtection ExAllocateFromPagedLookasideList ExDeleteResourceLite ExFreeToPagedLookasideList
        ExInitializeResourceLite ExReleaseFastMutex ExReleaseFastMutexUnsafe ExTryToAcquireFastMutex
        ExWaitForRundownProtectionRelease IoGetDeviceInterfaceAlias IoSetDeviceInterfacePropertyData
        KeAcquireGuardedMutex KeAcquireInterruptSpinLockPassive KeDelayExecutionThread KeEnterCriticalRegion
        KeEnterGuardedRegion KeFlushQueuedDpcs KeLeaveGuardedRegion KeReleaseGuardedMutex
        KeRevertToUserAffinityThreadEx KeSetSystemAffinityThread KeSetSystemAffinityThreadEx MmMapViewInSystemSpace
        ProbeForRead ProbeForWrite PsGetCurrentThreadTeb
    }
    DISPATCH_LEVEL {
        KeLeaveCriticalRegion
        EtwRegister EtwUnregister ExAcquireSpinLockExclusive ExAcquireSpinLockShared ExAllocateFromLookasideListEx
        ExAllocateFromNPagedLookasideList ExAllocatePool2 ExAllocatePool3 ExAllocatePoolWithTag ExAllocatePoolZero
        ExAllocateTimer ExCancelTimer ExDeleteLookasideListEx ExDeleteNPagedLookasideList ExDeletePagedLookasideList
        ExDeleteTimer ExFreePool ExFreePool2 ExFreePoolWithTag ExFreeToLookasideListEx ExFreeToNPagedLookasideList
        ExInitializeFastMutex ExInitializeLookasideListEx ExInitializeNPagedLookasideList
        ExInitializeRundownProtection ExInterlockedInsertHeadList ExInterlockedInsertTailList
        ExInterlockedRemoveHeadList ExNotifyCallback ExQueueWorkItem ExReleaseRundownProtection
        ExReleaseSpinLockExclusive ExReleaseSpinLockShared ExRundownCompleted ExSetTimer ExSetTimerResolution
        ExUuidCreate ExpInterlockedPopEntrySList ExpInterlockedPushEntrySList IoAcquireCancelSpinLock
        IoAcquireRemoveLockEx IoAllocateErrorLogEntry IoAllocateIrp IoAllocateIrpEx IoAllocateMdl IoAllocateWorkItem
        IoBuildAsynchronousFsdRequest IoBuildPartialMdl IoCallDriver IoCancelIrp IoCompleteRequest IoCsqInitialize
        IoCsqInsertIrp IoCsqRemoveIrp IoCsqRemoveNextIrp IoFreeErrorLogEntry IoFreeIrp IoFreeMdl IoFreeWorkItem
        IoGetCurrentProcess IoGetInitialStack IoGetRemainingStackSize IoGetStackLimits IoInitializeIrp
        IoInitializeRemoveLockEx IoInvalidateDeviceRelations IoInvalidateDeviceState IoIs32bitProcess
        IoQueueWorkItem IoQueueWorkItemEx IoReleaseCancelSpinLock IoReleaseRemoveLockAndWaitEx IoReleaseRemoveLockEx
        IoReportTargetDeviceChangeAsynchronous IoRequestDeviceEject IoReuseIrp IoSetCompletionRoutineEx IoStartTimer
        IoStopTimer IoThreadToProcess IoWMIWriteEvent IoWriteErrorLogEntry IofCallDriver IofCompleteRequest
        KeAcquireInStackQueuedSpinLock KeAcquireSpinLockRaiseToDpc KeAreAllApcsDisabled KeAreApcsDisabled
        KeCancelTimer KeClearEvent KeExpandKernelStackAndCallout KeGetCurrentProcessorNumberEx KeInitializeMutex
        KeInitializeSemaphore KeInitializeTimer KeInitializeTimerEx KePulseEvent KeQueryActiveProcessorCount
        KeQueryActiveProcessorCountEx KeQueryMaximumProcessorCountEx KeQueryPriorityThread KeQueryRuntimeThread
        KeReadStateEvent KeReadStateMutex KeReadStateQueue KeReadStateSemaphore KeReadStateTimer
        KeReleaseInStackQueuedSpinLock KeReleaseMutex KeReleaseSemaphore KeReleaseSpinLock KeResetEvent
        KeSetBasePriorityThread KeSetCoalescableTimer KeSetEvent KeSetPriorityThread KeSetTimer KeSetTimerEx
        KeSetTimerResolution KeWaitForMultipleObjects KeWaitForSingleObject MmAllocateContiguousMemorySpecifyCache
        MmBuildMdlForNonPagedPool MmFreeContiguousMemory MmGetMdlPfnArray MmGetPhysicalAddress MmIsAddressValid
        MmMapIoSpace MmMapIoSpaceEx MmMapLockedPages MmMapLockedPagesSpecifyCache MmProbeAndLockPages MmSizeOfMdl
        MmUnlockPages MmUnmapIoSpace MmUnmapLockedPages ObDereferenceObjectDeferDelete ObReferenceObjectByPointer
        ObfDereferenceObject ObfReferenceObject PoCallDriver PoRequestPowerIrp PoSetPowerState PoStartNextPowerIrp
        PsGetCurrentProcess PsGetCurrentProcessId PsGetCurrentThreadId PsGetProcessId PsGetThreadId PsIsSystemThread
        RtlCopyString RtlCopyUnicodeString RtlInitAnsiString RtlInitString RtlInitUTF8String RtlInitUnicodeString
    }
    HIGH_LEVEL {
        DbgBreakPoint DbgBreakPointWithStatus DbgPrint DbgPrintEx DbgQueryDebugFilterState DbgSetDebugFilterState
        EtwEventEnabled EtwWrite EtwWriteTransfer ExQueryDepthSList ExQueryPoolBlockSize InitializeSListHead
        IoGetTopLevelIrp KeAcquireInStackQueuedSpinLockAtDpcLevel KeAcquireInterruptSpinLock
        KeAcquireSpinLockAtDpcLevel KeBugCheck KeBugCheckEx KeDeregisterBugCheckCallback
        KeDeregisterBugCheckReasonCallback KeFlushIoBuffers KeGetCurrentIrql KeGetCurrentThread
        KeGetRecommendedSharedDataAlignment KeInitializeCallbackRecord KeInitializeDpc KeInitializeEvent
        KeInitializeMutant KeInitializeSpinLock KeInitializeThreadedDpc KeInitializeTriageDumpDataArray
        KeInsertQueueDpc KeLowerIrql KeMemoryBarrier KeQueryInterruptTime KeQueryInterruptTimePrecise
        KeQueryPerformanceCounter KeQuerySystemTime KeQuerySystemTimePrecise KeQueryTickCount KeQueryTimeIncrement
        KeQueryUnbiasedInterruptTime KeRaiseIrqlToDpcLevel KeRegisterBugCheckCallback
        KeRegisterBugCheckReasonCallback KeReleaseInStackQueuedSpinLockFromDpcLevel KeReleaseInterruptSpinLock
        KeReleaseSpinLockFromDpcLevel KeRemoveQueueDpc KeRestoreFloatingPointState KeSaveFloatingPointState
        KeSetImportanceDpc KeStallExecutionProcessor KeSynchronizeExecution KeTestSpinLock
        KeTryToAcquireSpinLockAtDpcLevel KfRaiseIrql PsGetCurrentThread RtlAssert RtlCompareMemory RtlCopyMemory
        RtlFillMemory RtlMoveMemory RtlRandom RtlRandomEx RtlSecureZeroMemory RtlZeroMemory memchr memcmp memcpy
        memmove memset strlen vDbgPrintEx vDbgPrintExWithPrefix wcslen
    }
}
