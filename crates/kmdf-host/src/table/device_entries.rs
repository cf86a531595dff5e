//! The DDIs of control devices, idling, device properties, the registry and lookaside lists, as [`super::entries`] declares
//! the others.

use kmdf_sys::*;

super::ddi_table! {
    WdfControlDeviceInitAllocate(
        driver: WDFDRIVER, sddl_string: *const UNICODE_STRING
    ) -> PWDFDEVICE_INIT = wdf_control_device_init_allocate;
    WdfControlDeviceInitSetShutdownNotification(
        device_init: PWDFDEVICE_INIT, notification: PFN_WDF_DEVICE_SHUTDOWN_NOTIFICATION, flags: UCHAR
    ) = wdf_control_device_init_set_shutdown_notification;
    WdfControlFinishInitializing(device: WDFDEVICE) = wdf_control_finish_initializing;
    WdfDeviceAssignS0IdleSettings(
        device: WDFDEVICE, settings: PWDF_DEVICE_POWER_POLICY_IDLE_SETTINGS
    ) -> NTSTATUS = wdf_device_assign_s0_idle_settings;
    WdfDeviceAssignSxWakeSettings(
        device: WDFDEVICE, settings: PWDF_DEVICE_POWER_POLICY_WAKE_SETTINGS
    ) -> NTSTATUS = wdf_device_assign_sx_wake_settings;
    WdfDeviceStopIdleActual(
        device: WDFDEVICE, wait_for_d0: BOOLEAN, tag: PVOID, line: LONG, file: PCCH
    ) -> NTSTATUS = wdf_device_stop_idle;
    WdfDeviceStopIdleNoTrack(
        device: WDFDEVICE, wait_for_d0: BOOLEAN
    ) -> NTSTATUS = wdf_device_stop_idle_no_track;
    WdfDeviceResumeIdleActual(device: WDFDEVICE, tag: PVOID, line: LONG, file: PCCH) = wdf_device_resume_idle;
    WdfDeviceResumeIdleNoTrack(device: WDFDEVICE) = wdf_device_resume_idle_no_track;
    WdfDeviceSetDeviceState(device: WDFDEVICE, device_state: PWDF_DEVICE_STATE) = wdf_device_set_device_state;
    WdfDeviceGetDeviceState(device: WDFDEVICE, device_state: PWDF_DEVICE_STATE) = wdf_device_get_device_state;
    WdfDeviceSetCharacteristics(
        device: WDFDEVICE, device_characteristics: ULONG
    ) = wdf_device_set_characteristics;
    WdfDeviceGetCharacteristics(device: WDFDEVICE) -> ULONG = wdf_device_get_characteristics;
    WdfDeviceSetAlignmentRequirement(
        device: WDFDEVICE, alignment_requirement: ULONG
    ) = wdf_device_set_alignment_requirement;
    WdfDeviceGetAlignmentRequirement(device: WDFDEVICE) -> ULONG = wdf_device_get_alignment_requirement;
    WdfDeviceSetPowerCapabilities(
        device: WDFDEVICE, power_capabilities: PWDF_DEVICE_POWER_CAPABILITIES
    ) = wdf_device_set_power_capabilities;
    WdfDeviceSetStaticStopRemove(device: WDFDEVICE, stoppable: BOOLEAN) = wdf_device_set_static_stop_remove;
    WdfDeviceSetSpecialFileSupport(
        device: WDFDEVICE, file_type: WDF_SPECIAL_FILE_TYPE, file_type_is_supported: BOOLEAN
    ) = wdf_device_set_special_file_support;
    WdfDeviceRetrieveDeviceName(
        device: WDFDEVICE, string: WDFSTRING
    ) -> NTSTATUS = wdf_device_retrieve_device_name;
    WdfDeviceSetDeviceInterfaceStateEx(
        device: WDFDEVICE, interface_class_guid: *const GUID, reference_string: PCUNICODE_STRING,
        is_interface_enabled: BOOLEAN
    ) = wdf_device_set_device_interface_state_ex;
    WdfDeviceInitSetPowerNotPageable(device_init: PWDFDEVICE_INIT) = wdf_device_init_set_power_flag;
    WdfDeviceInitSetPowerPageable(device_init: PWDFDEVICE_INIT) = wdf_device_init_set_power_flag;
    WdfDeviceInitSetPowerInrush(device_init: PWDFDEVICE_INIT) = wdf_device_init_set_power_flag;
    WdfDeviceInitSetDeviceClass(
        device_init: PWDFDEVICE_INIT, device_class_guid: *const GUID
    ) = wdf_device_init_set_device_class;
    WdfDeviceQueryProperty(
        device: WDFDEVICE, device_property: DEVICE_REGISTRY_PROPERTY::Type, buffer_length: ULONG,
        property_buffer: PVOID, result_length: PULONG
    ) -> NTSTATUS = wdf_device_query_property;
    WdfDeviceAllocAndQueryProperty(
        device: WDFDEVICE, device_property: DEVICE_REGISTRY_PROPERTY::Type, pool_type: POOL_TYPE,
        property_memory_attributes: PWDF_OBJECT_ATTRIBUTES, property_memory: *mut WDFMEMORY
    ) -> NTSTATUS = wdf_device_alloc_and_query_property;
    WdfFdoInitQueryProperty(
        device_init: PWDFDEVICE_INIT, device_property: DEVICE_REGISTRY_PROPERTY::Type, buffer_length: ULONG,
        property_buffer: PVOID, result_length: PULONG
    ) -> NTSTATUS = wdf_fdo_init_query_property;
    WdfFdoInitAllocAndQueryProperty(
        device_init: PWDFDEVICE_INIT, device_property: DEVICE_REGISTRY_PROPERTY::Type, pool_type: POOL_TYPE,
        property_memory_attributes: PWDF_OBJECT_ATTRIBUTES, property_memory: *mut WDFMEMORY
    ) -> NTSTATUS = wdf_fdo_init_alloc_and_query_property;
    WdfIoTargetQueryTargetProperty(
        io_target: WDFIOTARGET, device_property: DEVICE_REGISTRY_PROPERTY::Type, buffer_length: ULONG,
        property_buffer: PVOID, result_length: PULONG
    ) -> NTSTATUS = wdf_io_target_query_target_property;
    WdfIoTargetAllocAndQueryTargetProperty(
        io_target: WDFIOTARGET, device_property: DEVICE_REGISTRY_PROPERTY::Type, pool_type: POOL_TYPE,
        property_memory_attributes: PWDF_OBJECT_ATTRIBUTES, property_memory: *mut WDFMEMORY
    ) -> NTSTATUS = wdf_io_target_alloc_and_query_target_property;
    WdfIoTargetWdmGetTargetPhysicalDevice(
        io_target: WDFIOTARGET
    ) -> PDEVICE_OBJECT = wdf_io_target_wdm_get_target_physical_device;
    WdfLookasideListCreate(
        lookaside_attributes: PWDF_OBJECT_ATTRIBUTES, buffer_size: usize, pool_type: POOL_TYPE,
        memory_attributes: PWDF_OBJECT_ATTRIBUTES, pool_tag: ULONG, lookaside: *mut WDFLOOKASIDE
    ) -> NTSTATUS = wdf_lookaside_list_create;
    WdfMemoryCreateFromLookaside(
        lookaside: WDFLOOKASIDE, memory: *mut WDFMEMORY
    ) -> NTSTATUS = wdf_memory_create_from_lookaside;
    WdfRegistryOpenKey(
        parent_key: WDFKEY, key_name: PCUNICODE_STRING, desired_access: ACCESS_MASK,
        key_attributes: PWDF_OBJECT_ATTRIBUTES, key: *mut WDFKEY
    ) -> NTSTATUS = wdf_registry_open_key;
    WdfRegistryCreateKey(
        parent_key: WDFKEY, key_name: PCUNICODE_STRING, desired_access: ACCESS_MASK, create_options: ULONG,
        create_disposition: PULONG, key_attributes: PWDF_OBJECT_ATTRIBUTES, key: *mut WDFKEY
    ) -> NTSTATUS = wdf_registry_create_key;
    WdfRegistryRemoveKey(key: WDFKEY) -> NTSTATUS = wdf_registry_remove_key;
    WdfRegistryRemoveValue(
        key: WDFKEY, value_name: PCUNICODE_STRING
    ) -> NTSTATUS = wdf_registry_remove_value;
    WdfRegistryQueryValue(
        key: WDFKEY, value_name: PCUNICODE_STRING, value_length: ULONG, value: PVOID,
        value_length_queried: PULONG, value_type: PULONG
    ) -> NTSTATUS = wdf_registry_query_value;
    WdfRegistryQueryMemory(
        key: WDFKEY, value_name: PCUNICODE_STRING, pool_type: POOL_TYPE, memory_attributes: PWDF_OBJECT_ATTRIBUTES,
        memory: *mut WDFMEMORY, value_type: PULONG
    ) -> NTSTATUS = wdf_registry_query_memory;
    WdfRegistryQueryUnicodeString(
        key: WDFKEY, value_name: PCUNICODE_STRING, value_byte_length: PUSHORT, value: PUNICODE_STRING
    ) -> NTSTATUS = wdf_registry_query_unicode_string;
    WdfRegistryQueryString(
        key: WDFKEY, value_name: PCUNICODE_STRING, string: WDFSTRING
    ) -> NTSTATUS = wdf_registry_query_string;
    WdfRegistryAssignValue(
        key: WDFKEY, value_name: PCUNICODE_STRING, value_type: ULONG, value_length: ULONG, value: PVOID
    ) -> NTSTATUS = wdf_registry_assign_value;
    WdfRegistryAssignUnicodeString(
        key: WDFKEY, value_name: PCUNICODE_STRING, value: PCUNICODE_STRING
    ) -> NTSTATUS = wdf_registry_assign_unicode_string;
    WdfRegistryAssignString(
        key: WDFKEY, value_name: PCUNICODE_STRING, string: WDFSTRING
    ) -> NTSTATUS = wdf_registry_assign_string;
    WdfDeviceOpenRegistryKey(
        device: WDFDEVICE, device_instance_key_type: ULONG, desired_access: ACCESS_MASK,
        key_attributes: PWDF_OBJECT_ATTRIBUTES, key: *mut WDFKEY
    ) -> NTSTATUS = wdf_device_open_registry_key;
    WdfFdoInitOpenRegistryKey(
        device_init: PWDFDEVICE_INIT, device_instance_key_type: ULONG, desired_access: ACCESS_MASK,
        key_attributes: PWDF_OBJECT_ATTRIBUTES, key: *mut WDFKEY
    ) -> NTSTATUS = wdf_fdo_init_open_registry_key;
    WdfCmResourceListGetCount(list: WDFCMRESLIST) -> ULONG = wdf_cm_resource_list_get_count;
    WdfCmResourceListGetDescriptor(
        list: WDFCMRESLIST, index: ULONG
    ) -> PCM_PARTIAL_RESOURCE_DESCRIPTOR = wdf_cm_resource_list_get_descriptor;
    WdfVerifierDbgBreakPoint() = wdf_verifier_dbg_break_point;
    WdfVerifierKeBugCheck(
        bug_check_code: ULONG, bug_check_parameter1: ULONG_PTR, bug_check_parameter2: ULONG_PTR,
        bug_check_parameter3: ULONG_PTR, bug_check_parameter4: ULONG_PTR
    ) = wdf_verifier_ke_bug_check;
}
