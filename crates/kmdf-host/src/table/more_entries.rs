//! The DDIs of control devices, idling, properties, the registry, lookaside lists and interrupts, as [`super::entries`] declares
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
}
