//! Every modelled DDI, once: name, parameters and result as in the headers, and the method that does it.

use kmdf_sys::*;

super::ddi_table! {
    WdfCollectionCreate(
        collection_attributes: PWDF_OBJECT_ATTRIBUTES, collection: *mut WDFCOLLECTION
    ) -> NTSTATUS = wdf_collection_create;
    WdfCollectionGetCount(collection: WDFCOLLECTION) -> ULONG = wdf_collection_get_count;
    WdfCollectionAdd(collection: WDFCOLLECTION, object: WDFOBJECT) -> NTSTATUS = wdf_collection_add;
    WdfCollectionRemove(collection: WDFCOLLECTION, item: WDFOBJECT) = wdf_collection_remove;
    WdfCollectionRemoveItem(collection: WDFCOLLECTION, index: ULONG) = wdf_collection_remove_item;
    WdfCollectionGetItem(collection: WDFCOLLECTION, index: ULONG) -> WDFOBJECT = wdf_collection_get_item;
    WdfCollectionGetFirstItem(collection: WDFCOLLECTION) -> WDFOBJECT = wdf_collection_get_first_item;
    WdfCollectionGetLastItem(collection: WDFCOLLECTION) -> WDFOBJECT = wdf_collection_get_last_item;
    WdfWdmDeviceGetWdfDeviceHandle(
        device_object: PDEVICE_OBJECT
    ) -> WDFDEVICE = wdf_wdm_device_get_wdf_device_handle;
    WdfDeviceWdmGetDeviceObject(device: WDFDEVICE) -> PDEVICE_OBJECT = wdf_device_wdm_get_device_object;
    WdfDeviceWdmGetAttachedDevice(device: WDFDEVICE) -> PDEVICE_OBJECT = wdf_device_wdm_get_attached_device;
    WdfDeviceWdmGetPhysicalDevice(device: WDFDEVICE) -> PDEVICE_OBJECT = wdf_device_wdm_get_physical_device;
    WdfDeviceGetDriver(device: WDFDEVICE) -> WDFDRIVER = wdf_device_get_driver;
    WdfDeviceGetIoTarget(device: WDFDEVICE) -> WDFIOTARGET = wdf_device_get_io_target;
    WdfDeviceCreate(
        device_init: *mut PWDFDEVICE_INIT, device_attributes: PWDF_OBJECT_ATTRIBUTES, device: *mut WDFDEVICE
    ) -> NTSTATUS = wdf_device_create;
    WdfDeviceCreateDeviceInterface(
        device: WDFDEVICE, interface_class_guid: *const GUID, reference_string: PCUNICODE_STRING
    ) -> NTSTATUS = wdf_device_create_device_interface;
    WdfDeviceSetDeviceInterfaceState(
        device: WDFDEVICE, interface_class_guid: *const GUID, reference_string: PCUNICODE_STRING,
        is_interface_enabled: BOOLEAN
    ) = wdf_device_set_device_interface_state;
    WdfDeviceCreateSymbolicLink(
        device: WDFDEVICE, symbolic_link_name: PCUNICODE_STRING
    ) -> NTSTATUS = wdf_device_create_symbolic_link;
    WdfDeviceGetDefaultQueue(device: WDFDEVICE) -> WDFQUEUE = wdf_device_get_default_queue;
    WdfDeviceConfigureRequestDispatching(
        device: WDFDEVICE, queue: WDFQUEUE, request_type: WDF_REQUEST_TYPE
    ) -> NTSTATUS = wdf_device_configure_request_dispatching;
    WdfDeviceInitFree(device_init: PWDFDEVICE_INIT) = wdf_device_init_free;
    WdfDeviceInitSetPnpPowerEventCallbacks(
        device_init: PWDFDEVICE_INIT, pnp_power_event_callbacks: PWDF_PNPPOWER_EVENT_CALLBACKS
    ) = wdf_device_init_set_pnp_power_event_callbacks;
    WdfDeviceInitSetPowerPolicyEventCallbacks(
        device_init: PWDFDEVICE_INIT, power_policy_event_callbacks: PWDF_POWER_POLICY_EVENT_CALLBACKS
    ) = wdf_device_init_set_power_policy_event_callbacks;
    WdfDeviceInitSetPowerPolicyOwnership(
        device_init: PWDFDEVICE_INIT, is_power_policy_owner: BOOLEAN
    ) = wdf_device_init_set_power_policy_ownership;
    WdfDeviceInitSetIoType(device_init: PWDFDEVICE_INIT, io_type: WDF_DEVICE_IO_TYPE) = wdf_device_init_set_io_type;
    WdfDeviceInitSetExclusive(device_init: PWDFDEVICE_INIT, is_exclusive: BOOLEAN) = wdf_device_init_set_exclusive;
    WdfDeviceInitSetDeviceType(device_init: PWDFDEVICE_INIT, device_type: ULONG) = wdf_device_init_set_device_type;
    WdfDeviceInitAssignName(
        device_init: PWDFDEVICE_INIT, device_name: PCUNICODE_STRING
    ) -> NTSTATUS = wdf_device_init_assign_name;
    WdfDeviceInitAssignSDDLString(
        device_init: PWDFDEVICE_INIT, sddl_string: PCUNICODE_STRING
    ) -> NTSTATUS = wdf_device_init_assign_sddl_string;
    WdfDeviceInitSetCharacteristics(
        device_init: PWDFDEVICE_INIT, device_characteristics: ULONG, or_in_values: BOOLEAN
    ) = wdf_device_init_set_characteristics;
    WdfDeviceInitSetFileObjectConfig(
        device_init: PWDFDEVICE_INIT, file_object_config: PWDF_FILEOBJECT_CONFIG,
        file_object_attributes: PWDF_OBJECT_ATTRIBUTES
    ) = wdf_device_init_set_file_object_config;
    WdfDeviceInitSetRequestAttributes(
        device_init: PWDFDEVICE_INIT, request_attributes: PWDF_OBJECT_ATTRIBUTES
    ) = wdf_device_init_set_request_attributes;
    WdfDeviceInitSetIoInCallerContextCallback(
        device_init: PWDFDEVICE_INIT, evt_io_in_caller_context: PFN_WDF_IO_IN_CALLER_CONTEXT
    ) = wdf_device_init_set_io_in_caller_context_callback;
    WdfFdoInitWdmGetPhysicalDevice(
        device_init: PWDFDEVICE_INIT
    ) -> PDEVICE_OBJECT = wdf_fdo_init_wdm_get_physical_device;
    WdfFdoInitSetFilter(device_init: PWDFDEVICE_INIT) = wdf_fdo_init_set_filter;
    WdfDeviceInitSetIoTypeEx(
        device_init: PWDFDEVICE_INIT, io_type_config: PWDF_IO_TYPE_CONFIG
    ) = wdf_device_init_set_io_type_ex;
    WdfDeviceSetPnpCapabilities(
        device: WDFDEVICE, pnp_capabilities: PWDF_DEVICE_PNP_CAPABILITIES
    ) = wdf_device_set_pnp_capabilities;
    WdfDeviceSetFailed(device: WDFDEVICE, failed_action: WDF_DEVICE_FAILED_ACTION) = wdf_device_set_failed;
    WdfDeviceGetFileObject(
        device: WDFDEVICE, file_object: PFILE_OBJECT
    ) -> WDFFILEOBJECT = wdf_device_get_file_object;
    WdfFileObjectGetFileName(file_object: WDFFILEOBJECT) -> PUNICODE_STRING = wdf_file_object_get_file_name;
    WdfFileObjectGetFlags(file_object: WDFFILEOBJECT) -> ULONG = wdf_file_object_get_flags;
    WdfFileObjectGetDevice(file_object: WDFFILEOBJECT) -> WDFDEVICE = wdf_file_object_get_device;
    WdfFileObjectWdmGetFileObject(file_object: WDFFILEOBJECT) -> PFILE_OBJECT = wdf_file_object_wdm_get_file_object;
    WdfRequestGetFileObject(request: WDFREQUEST) -> WDFFILEOBJECT = wdf_request_get_file_object;
    WdfDeviceEnqueueRequest(device: WDFDEVICE, request: WDFREQUEST) -> NTSTATUS = wdf_device_enqueue_request;
    WdfDpcCreate(
        config: PWDF_DPC_CONFIG, attributes: PWDF_OBJECT_ATTRIBUTES, dpc: *mut WDFDPC
    ) -> NTSTATUS = wdf_dpc_create;
    WdfDpcEnqueue(dpc: WDFDPC) -> BOOLEAN = wdf_dpc_enqueue;
    WdfDpcCancel(dpc: WDFDPC, wait: BOOLEAN) -> BOOLEAN = wdf_dpc_cancel;
    WdfDpcGetParentObject(dpc: WDFDPC) -> WDFOBJECT = wdf_dpc_get_parent_object;
    WdfWorkItemCreate(
        config: PWDF_WORKITEM_CONFIG, attributes: PWDF_OBJECT_ATTRIBUTES, work_item: *mut WDFWORKITEM
    ) -> NTSTATUS = wdf_work_item_create;
    WdfWorkItemEnqueue(work_item: WDFWORKITEM) = wdf_work_item_enqueue;
    WdfWorkItemGetParentObject(work_item: WDFWORKITEM) -> WDFOBJECT = wdf_work_item_get_parent_object;
    WdfWorkItemFlush(work_item: WDFWORKITEM) = wdf_work_item_flush;
    WdfDriverCreate(
        driver_object: PDRIVER_OBJECT, registry_path: PCUNICODE_STRING,
        driver_attributes: PWDF_OBJECT_ATTRIBUTES, driver_config: PWDF_DRIVER_CONFIG, driver: *mut WDFDRIVER
    ) -> NTSTATUS = wdf_driver_create;
    WdfDriverGetRegistryPath(driver: WDFDRIVER) -> PWSTR = wdf_driver_get_registry_path;
    WdfDriverWdmGetDriverObject(driver: WDFDRIVER) -> PDRIVER_OBJECT = wdf_driver_wdm_get_driver_object;
    WdfWdmDriverGetWdfDriverHandle(
        driver_object: PDRIVER_OBJECT
    ) -> WDFDRIVER = wdf_wdm_driver_get_wdf_driver_handle;
    WdfDriverRetrieveVersionString(
        driver: WDFDRIVER, string: WDFSTRING
    ) -> NTSTATUS = wdf_driver_retrieve_version_string;
    WdfDriverIsVersionAvailable(
        driver: WDFDRIVER, version_available_params: PWDF_DRIVER_VERSION_AVAILABLE_PARAMS
    ) -> BOOLEAN = wdf_driver_is_version_available;
    WdfDriverOpenParametersRegistryKey(
        driver: WDFDRIVER, desired_access: ACCESS_MASK, key_attributes: PWDF_OBJECT_ATTRIBUTES, key: *mut WDFKEY
    ) -> NTSTATUS = wdf_driver_open_parameters_registry_key;
    WdfRegistryClose(key: WDFKEY) = wdf_registry_close;
    WdfRegistryQueryULong(
        key: WDFKEY, value_name: PCUNICODE_STRING, value: PULONG
    ) -> NTSTATUS = wdf_registry_query_ulong;
    WdfRegistryAssignULong(
        key: WDFKEY, value_name: PCUNICODE_STRING, value: ULONG
    ) -> NTSTATUS = wdf_registry_assign_ulong;
    WdfIoQueueCreate(
        device: WDFDEVICE, config: PWDF_IO_QUEUE_CONFIG, queue_attributes: PWDF_OBJECT_ATTRIBUTES,
        queue: *mut WDFQUEUE
    ) -> NTSTATUS = wdf_io_queue_create;
    WdfIoQueueGetState(
        queue: WDFQUEUE, queue_requests: PULONG, driver_requests: PULONG
    ) -> WDF_IO_QUEUE_STATE = wdf_io_queue_get_state;
    WdfIoQueueGetDevice(queue: WDFQUEUE) -> WDFDEVICE = wdf_io_queue_get_device;
    WdfIoQueueStart(queue: WDFQUEUE) = wdf_io_queue_start;
    WdfIoQueueStop(queue: WDFQUEUE, stop_complete: PFN_WDF_IO_QUEUE_STATE, context: WDFCONTEXT) = wdf_io_queue_stop;
    WdfIoQueueStopSynchronously(queue: WDFQUEUE) = wdf_io_queue_stop_synchronously;
    WdfIoQueueDrainSynchronously(queue: WDFQUEUE) = wdf_io_queue_drain_synchronously;
    WdfIoQueueDrain(
        queue: WDFQUEUE, drain_complete: PFN_WDF_IO_QUEUE_STATE, context: WDFCONTEXT
    ) = wdf_io_queue_drain;
    WdfIoQueuePurgeSynchronously(queue: WDFQUEUE) = wdf_io_queue_purge_synchronously;
    WdfIoQueuePurge(
        queue: WDFQUEUE, purge_complete: PFN_WDF_IO_QUEUE_STATE, context: WDFCONTEXT
    ) = wdf_io_queue_purge;
    WdfIoQueueReadyNotify(
        queue: WDFQUEUE, queue_ready: PFN_WDF_IO_QUEUE_STATE, context: WDFCONTEXT
    ) -> NTSTATUS = wdf_io_queue_ready_notify;
    WdfIoQueueStopAndPurge(
        queue: WDFQUEUE, stop_and_purge_complete: PFN_WDF_IO_QUEUE_STATE, context: WDFCONTEXT
    ) = wdf_io_queue_stop_and_purge;
    WdfIoQueueStopAndPurgeSynchronously(queue: WDFQUEUE) = wdf_io_queue_stop_and_purge_synchronously;
    WdfIoQueueRetrieveNextRequest(
        queue: WDFQUEUE, out_request: *mut WDFREQUEST
    ) -> NTSTATUS = wdf_io_queue_retrieve_next_request;
    WdfIoQueueRetrieveRequestByFileObject(
        queue: WDFQUEUE, file_object: WDFFILEOBJECT, out_request: *mut WDFREQUEST
    ) -> NTSTATUS = wdf_io_queue_retrieve_request_by_file_object;
    WdfIoQueueFindRequest(
        queue: WDFQUEUE, found_request: WDFREQUEST, file_object: WDFFILEOBJECT,
        parameters: PWDF_REQUEST_PARAMETERS, out_request: *mut WDFREQUEST
    ) -> NTSTATUS = wdf_io_queue_find_request;
    WdfIoQueueRetrieveFoundRequest(
        queue: WDFQUEUE, found_request: WDFREQUEST, out_request: *mut WDFREQUEST
    ) -> NTSTATUS = wdf_io_queue_retrieve_found_request;
    WdfIoTargetCreate(
        device: WDFDEVICE, io_target_attributes: PWDF_OBJECT_ATTRIBUTES, io_target: *mut WDFIOTARGET
    ) -> NTSTATUS = wdf_io_target_create;
    WdfIoTargetOpen(
        io_target: WDFIOTARGET, open_params: PWDF_IO_TARGET_OPEN_PARAMS
    ) -> NTSTATUS = wdf_io_target_open;
    WdfIoTargetCloseForQueryRemove(io_target: WDFIOTARGET) = wdf_io_target_close_for_query_remove;
    WdfIoTargetClose(io_target: WDFIOTARGET) = wdf_io_target_close;
    WdfIoTargetStart(io_target: WDFIOTARGET) -> NTSTATUS = wdf_io_target_start;
    WdfIoTargetStop(io_target: WDFIOTARGET, action: WDF_IO_TARGET_SENT_IO_ACTION) = wdf_io_target_stop;
    WdfIoTargetPurge(io_target: WDFIOTARGET, action: WDF_IO_TARGET_PURGE_IO_ACTION) = wdf_io_target_purge;
    WdfIoTargetGetState(io_target: WDFIOTARGET) -> WDF_IO_TARGET_STATE = wdf_io_target_get_state;
    WdfIoTargetGetDevice(io_target: WDFIOTARGET) -> WDFDEVICE = wdf_io_target_get_device;
    WdfIoTargetWdmGetTargetDeviceObject(
        io_target: WDFIOTARGET
    ) -> PDEVICE_OBJECT = wdf_io_target_wdm_get_target_device_object;
    WdfIoTargetWdmGetTargetFileObject(
        io_target: WDFIOTARGET
    ) -> PFILE_OBJECT = wdf_io_target_wdm_get_target_file_object;
    WdfIoTargetSendReadSynchronously(
        io_target: WDFIOTARGET, request: WDFREQUEST, output_buffer: PWDF_MEMORY_DESCRIPTOR,
        device_offset: PLONGLONG, request_options: PWDF_REQUEST_SEND_OPTIONS, bytes_read: PULONG_PTR
    ) -> NTSTATUS = wdf_io_target_send_read_synchronously;
    WdfIoTargetSendWriteSynchronously(
        io_target: WDFIOTARGET, request: WDFREQUEST, input_buffer: PWDF_MEMORY_DESCRIPTOR,
        device_offset: PLONGLONG, request_options: PWDF_REQUEST_SEND_OPTIONS, bytes_written: PULONG_PTR
    ) -> NTSTATUS = wdf_io_target_send_write_synchronously;
    WdfIoTargetSendIoctlSynchronously(
        io_target: WDFIOTARGET, request: WDFREQUEST, ioctl_code: ULONG, input_buffer: PWDF_MEMORY_DESCRIPTOR,
        output_buffer: PWDF_MEMORY_DESCRIPTOR, request_options: PWDF_REQUEST_SEND_OPTIONS,
        bytes_returned: PULONG_PTR
    ) -> NTSTATUS = wdf_io_target_send_ioctl_synchronously;
    WdfIoTargetSendInternalIoctlSynchronously(
        io_target: WDFIOTARGET, request: WDFREQUEST, ioctl_code: ULONG, input_buffer: PWDF_MEMORY_DESCRIPTOR,
        output_buffer: PWDF_MEMORY_DESCRIPTOR, request_options: PWDF_REQUEST_SEND_OPTIONS,
        bytes_returned: PULONG_PTR
    ) -> NTSTATUS = wdf_io_target_send_internal_ioctl_synchronously;
    WdfIoTargetSendInternalIoctlOthersSynchronously(
        io_target: WDFIOTARGET, request: WDFREQUEST, ioctl_code: ULONG, other_arg1: PWDF_MEMORY_DESCRIPTOR,
        other_arg2: PWDF_MEMORY_DESCRIPTOR, other_arg4: PWDF_MEMORY_DESCRIPTOR,
        request_options: PWDF_REQUEST_SEND_OPTIONS, bytes_returned: PULONG_PTR
    ) -> NTSTATUS = wdf_io_target_send_internal_ioctl_others_synchronously;
    WdfIoTargetFormatRequestForRead(
        io_target: WDFIOTARGET, request: WDFREQUEST, output_buffer: WDFMEMORY,
        output_buffer_offset: PWDFMEMORY_OFFSET, device_offset: PLONGLONG
    ) -> NTSTATUS = wdf_io_target_format_request_for_read;
    WdfIoTargetFormatRequestForWrite(
        io_target: WDFIOTARGET, request: WDFREQUEST, input_buffer: WDFMEMORY,
        input_buffer_offset: PWDFMEMORY_OFFSET, device_offset: PLONGLONG
    ) -> NTSTATUS = wdf_io_target_format_request_for_write;
    WdfIoTargetFormatRequestForIoctl(
        io_target: WDFIOTARGET, request: WDFREQUEST, ioctl_code: ULONG, input_buffer: WDFMEMORY,
        input_buffer_offset: PWDFMEMORY_OFFSET, output_buffer: WDFMEMORY, output_buffer_offset: PWDFMEMORY_OFFSET
    ) -> NTSTATUS = wdf_io_target_format_request_for_ioctl;
    WdfIoTargetFormatRequestForInternalIoctl(
        io_target: WDFIOTARGET, request: WDFREQUEST, ioctl_code: ULONG, input_buffer: WDFMEMORY,
        input_buffer_offset: PWDFMEMORY_OFFSET, output_buffer: WDFMEMORY, output_buffer_offset: PWDFMEMORY_OFFSET
    ) -> NTSTATUS = wdf_io_target_format_request_for_internal_ioctl;
    WdfIoTargetFormatRequestForInternalIoctlOthers(
        io_target: WDFIOTARGET, request: WDFREQUEST, ioctl_code: ULONG, other_arg1: WDFMEMORY,
        other_arg1_offset: PWDFMEMORY_OFFSET, other_arg2: WDFMEMORY, other_arg2_offset: PWDFMEMORY_OFFSET,
        other_arg4: WDFMEMORY, other_arg4_offset: PWDFMEMORY_OFFSET
    ) -> NTSTATUS = wdf_io_target_format_request_for_internal_ioctl_others;
    WdfMemoryCreate(
        attributes: PWDF_OBJECT_ATTRIBUTES, pool_type: POOL_TYPE, pool_tag: ULONG, buffer_size: usize,
        memory: *mut WDFMEMORY, buffer: *mut PVOID
    ) -> NTSTATUS = wdf_memory_create;
    WdfMemoryCreatePreallocated(
        attributes: PWDF_OBJECT_ATTRIBUTES, buffer: PVOID, buffer_size: usize, memory: *mut WDFMEMORY
    ) -> NTSTATUS = wdf_memory_create_preallocated;
    WdfMemoryGetBuffer(memory: WDFMEMORY, buffer_size: *mut usize) -> PVOID = wdf_memory_get_buffer;
    WdfMemoryAssignBuffer(
        memory: WDFMEMORY, buffer: PVOID, buffer_size: usize
    ) -> NTSTATUS = wdf_memory_assign_buffer;
    WdfMemoryCopyToBuffer(
        source_memory: WDFMEMORY, source_offset: usize, buffer: PVOID, num_bytes_to_copy_to: usize
    ) -> NTSTATUS = wdf_memory_copy_to_buffer;
    WdfMemoryCopyFromBuffer(
        destination_memory: WDFMEMORY, destination_offset: usize, buffer: PVOID, num_bytes_to_copy_from: usize
    ) -> NTSTATUS = wdf_memory_copy_from_buffer;
    WdfObjectGetTypedContextWorker(
        handle: WDFOBJECT, type_info: PCWDF_OBJECT_CONTEXT_TYPE_INFO
    ) -> PVOID = wdf_object_get_typed_context;
    WdfObjectAllocateContext(
        handle: WDFOBJECT, context_attributes: PWDF_OBJECT_ATTRIBUTES, context: *mut PVOID
    ) -> NTSTATUS = wdf_object_allocate_context;
    WdfObjectContextGetObject(context_pointer: PVOID) -> WDFOBJECT = wdf_object_context_get_object;
    WdfObjectReferenceActual(handle: WDFOBJECT, tag: PVOID, line: LONG, file: PCCH) = wdf_object_reference;
    WdfObjectDereferenceActual(handle: WDFOBJECT, tag: PVOID, line: LONG, file: PCCH) = wdf_object_dereference;
    WdfObjectCreate(attributes: PWDF_OBJECT_ATTRIBUTES, object: *mut WDFOBJECT) -> NTSTATUS = wdf_object_create;
    WdfObjectQuery(
        object: WDFOBJECT, guid: *const GUID, query_buffer_length: ULONG, query_buffer: PVOID
    ) -> NTSTATUS = wdf_object_query;
    WdfObjectDelete(object: WDFOBJECT) = wdf_object_delete;
    WdfRequestCreate(
        request_attributes: PWDF_OBJECT_ATTRIBUTES, io_target: WDFIOTARGET, request: *mut WDFREQUEST
    ) -> NTSTATUS = wdf_request_create;
    WdfRequestCreateFromIrp(
        request_attributes: PWDF_OBJECT_ATTRIBUTES, irp: PIRP, request_frees_irp: BOOLEAN,
        request: *mut WDFREQUEST
    ) -> NTSTATUS = wdf_request_create_from_irp;
    WdfRequestReuse(request: WDFREQUEST, reuse_params: PWDF_REQUEST_REUSE_PARAMS) -> NTSTATUS = wdf_request_reuse;
    WdfRequestChangeTarget(request: WDFREQUEST, io_target: WDFIOTARGET) -> NTSTATUS = wdf_request_change_target;
    WdfRequestFormatRequestUsingCurrentType(request: WDFREQUEST) = wdf_request_format_request_using_current_type;
    WdfRequestWdmFormatUsingStackLocation(
        request: WDFREQUEST, stack: PIO_STACK_LOCATION
    ) = wdf_request_wdm_format_using_stack_location;
    WdfRequestSend(
        request: WDFREQUEST, target: WDFIOTARGET, options: PWDF_REQUEST_SEND_OPTIONS
    ) -> BOOLEAN = wdf_request_send;
    WdfRequestGetStatus(request: WDFREQUEST) -> NTSTATUS = wdf_request_get_status;
    WdfRequestSetCompletionRoutine(
        request: WDFREQUEST, completion_routine: PFN_WDF_REQUEST_COMPLETION_ROUTINE,
        completion_context: WDFCONTEXT
    ) = wdf_request_set_completion_routine;
    WdfRequestGetCompletionParams(
        request: WDFREQUEST, params: PWDF_REQUEST_COMPLETION_PARAMS
    ) = wdf_request_get_completion_params;
    WdfRequestAllocateTimer(request: WDFREQUEST) -> NTSTATUS = wdf_request_allocate_timer;
    WdfRequestGetParameters(request: WDFREQUEST, parameters: PWDF_REQUEST_PARAMETERS) = wdf_request_get_parameters;
    WdfRequestSetInformation(request: WDFREQUEST, information: ULONG_PTR) = wdf_request_set_information;
    WdfRequestGetInformation(request: WDFREQUEST) -> ULONG_PTR = wdf_request_get_information;
    WdfRequestGetRequestorMode(request: WDFREQUEST) -> KPROCESSOR_MODE = wdf_request_get_requestor_mode;
    WdfRequestGetIoQueue(request: WDFREQUEST) -> WDFQUEUE = wdf_request_get_io_queue;
    WdfRequestWdmGetIrp(request: WDFREQUEST) -> PIRP = wdf_request_wdm_get_irp;
    WdfRequestIsReserved(request: WDFREQUEST) -> BOOLEAN = wdf_request_is_reserved;
    WdfRequestMarkCancelable(
        request: WDFREQUEST, evt_request_cancel: PFN_WDF_REQUEST_CANCEL
    ) = wdf_request_mark_cancelable;
    WdfRequestUnmarkCancelable(request: WDFREQUEST) -> NTSTATUS = wdf_request_unmark_cancelable;
    WdfRequestIsCanceled(request: WDFREQUEST) -> BOOLEAN = wdf_request_is_canceled;
    WdfRequestCancelSentRequest(request: WDFREQUEST) -> BOOLEAN = wdf_request_cancel_sent_request;
    WdfRequestMarkCancelableEx(
        request: WDFREQUEST, evt_request_cancel: PFN_WDF_REQUEST_CANCEL
    ) -> NTSTATUS = wdf_request_mark_cancelable_ex;
    WdfRequestComplete(request: WDFREQUEST, status: NTSTATUS) = wdf_request_complete;
    WdfRequestCompleteWithPriorityBoost(
        request: WDFREQUEST, status: NTSTATUS, priority_boost: CCHAR
    ) = wdf_request_complete_with_priority_boost;
    WdfRequestCompleteWithInformation(
        request: WDFREQUEST, status: NTSTATUS, information: ULONG_PTR
    ) = wdf_request_complete_with_information;
    WdfRequestRetrieveInputMemory(
        request: WDFREQUEST, memory: *mut WDFMEMORY
    ) -> NTSTATUS = wdf_request_retrieve_input_memory;
    WdfRequestRetrieveOutputMemory(
        request: WDFREQUEST, memory: *mut WDFMEMORY
    ) -> NTSTATUS = wdf_request_retrieve_output_memory;
    WdfRequestRetrieveInputBuffer(
        request: WDFREQUEST, minimum_required_length: usize, buffer: *mut PVOID, length: *mut usize
    ) -> NTSTATUS = wdf_request_retrieve_input_buffer;
    WdfRequestRetrieveOutputBuffer(
        request: WDFREQUEST, minimum_required_size: usize, buffer: *mut PVOID, length: *mut usize
    ) -> NTSTATUS = wdf_request_retrieve_output_buffer;
    WdfRequestRetrieveInputWdmMdl(
        request: WDFREQUEST, mdl: *mut PMDL
    ) -> NTSTATUS = wdf_request_retrieve_input_wdm_mdl;
    WdfRequestRetrieveOutputWdmMdl(
        request: WDFREQUEST, mdl: *mut PMDL
    ) -> NTSTATUS = wdf_request_retrieve_output_wdm_mdl;
    WdfRequestRetrieveUnsafeUserInputBuffer(
        request: WDFREQUEST, minimum_required_length: usize, input_buffer: *mut PVOID, length: *mut usize
    ) -> NTSTATUS = wdf_request_retrieve_unsafe_user_input_buffer;
    WdfRequestRetrieveUnsafeUserOutputBuffer(
        request: WDFREQUEST, minimum_required_length: usize, output_buffer: *mut PVOID, length: *mut usize
    ) -> NTSTATUS = wdf_request_retrieve_unsafe_user_output_buffer;
    WdfRequestProbeAndLockUserBufferForRead(
        request: WDFREQUEST, buffer: PVOID, length: usize, memory_object: *mut WDFMEMORY
    ) -> NTSTATUS = wdf_request_probe_and_lock_user_buffer_for_read;
    WdfRequestProbeAndLockUserBufferForWrite(
        request: WDFREQUEST, buffer: PVOID, length: usize, memory_object: *mut WDFMEMORY
    ) -> NTSTATUS = wdf_request_probe_and_lock_user_buffer_for_write;
    WdfRequestForwardToIoQueue(
        request: WDFREQUEST, destination_queue: WDFQUEUE
    ) -> NTSTATUS = wdf_request_forward_to_io_queue;
    WdfRequestRequeue(request: WDFREQUEST) -> NTSTATUS = wdf_request_requeue;
    WdfRequestStopAcknowledge(request: WDFREQUEST, requeue: BOOLEAN) = wdf_request_stop_acknowledge;
    WdfStringCreate(
        unicode_string: PCUNICODE_STRING, string_attributes: PWDF_OBJECT_ATTRIBUTES, string: *mut WDFSTRING
    ) -> NTSTATUS = wdf_string_create;
    WdfStringGetUnicodeString(string: WDFSTRING, unicode_string: PUNICODE_STRING) = wdf_string_get_unicode_string;
    WdfObjectAcquireLock(object: WDFOBJECT) = wdf_object_acquire_lock;
    WdfObjectReleaseLock(object: WDFOBJECT) = wdf_object_release_lock;
    WdfWaitLockCreate(
        lock_attributes: PWDF_OBJECT_ATTRIBUTES, lock: *mut WDFWAITLOCK
    ) -> NTSTATUS = wdf_wait_lock_create;
    WdfWaitLockAcquire(lock: WDFWAITLOCK, timeout: PLONGLONG) -> NTSTATUS = wdf_wait_lock_acquire;
    WdfWaitLockRelease(lock: WDFWAITLOCK) = wdf_wait_lock_release;
    WdfSpinLockCreate(
        spin_lock_attributes: PWDF_OBJECT_ATTRIBUTES, spin_lock: *mut WDFSPINLOCK
    ) -> NTSTATUS = wdf_spin_lock_create;
    WdfSpinLockAcquire(spin_lock: WDFSPINLOCK) = wdf_spin_lock_acquire;
    WdfSpinLockRelease(spin_lock: WDFSPINLOCK) = wdf_spin_lock_release;
    WdfTimerCreate(
        config: PWDF_TIMER_CONFIG, attributes: PWDF_OBJECT_ATTRIBUTES, timer: *mut WDFTIMER
    ) -> NTSTATUS = wdf_timer_create;
    WdfTimerStart(timer: WDFTIMER, due_time: LONGLONG) -> BOOLEAN = wdf_timer_start;
    WdfTimerStop(timer: WDFTIMER, wait: BOOLEAN) -> BOOLEAN = wdf_timer_stop;
    WdfTimerGetParentObject(timer: WDFTIMER) -> WDFOBJECT = wdf_timer_get_parent_object;
}
