//! The DDIs of USB devices, interfaces and pipes, as [`super::entries`] declares the others.

use kmdf_sys::*;

super::ddi_table! {
    WdfUsbTargetDeviceCreate(
        device: WDFDEVICE, attributes: PWDF_OBJECT_ATTRIBUTES, usb_device: *mut WDFUSBDEVICE
    ) -> NTSTATUS = wdf_usb_target_device_create;
    WdfUsbTargetDeviceRetrieveInformation(
        usb_device: WDFUSBDEVICE, information: PWDF_USB_DEVICE_INFORMATION
    ) -> NTSTATUS = wdf_usb_target_device_retrieve_information;
    WdfUsbTargetDeviceGetDeviceDescriptor(
        usb_device: WDFUSBDEVICE, usb_device_descriptor: PUSB_DEVICE_DESCRIPTOR
    ) = wdf_usb_target_device_get_device_descriptor;
    WdfUsbTargetDeviceRetrieveConfigDescriptor(
        usb_device: WDFUSBDEVICE, config_descriptor: PVOID, config_descriptor_length: PUSHORT
    ) -> NTSTATUS = wdf_usb_target_device_retrieve_config_descriptor;
    WdfUsbTargetDeviceQueryString(
        usb_device: WDFUSBDEVICE, request: WDFREQUEST, request_options: PWDF_REQUEST_SEND_OPTIONS,
        string: PUSHORT, num_characters: PUSHORT, string_index: UCHAR, lang_id: USHORT
    ) -> NTSTATUS = wdf_usb_target_device_query_string;
    WdfUsbTargetDeviceAllocAndQueryString(
        usb_device: WDFUSBDEVICE, string_memory_attributes: PWDF_OBJECT_ATTRIBUTES,
        string_memory: *mut WDFMEMORY, num_characters: PUSHORT, string_index: UCHAR, lang_id: USHORT
    ) -> NTSTATUS = wdf_usb_target_device_alloc_and_query_string;
    WdfUsbTargetDeviceGetNumInterfaces(usb_device: WDFUSBDEVICE) -> UCHAR = wdf_usb_target_device_get_num_interfaces;
    WdfUsbTargetDeviceSelectConfig(
        usb_device: WDFUSBDEVICE, pipe_attributes: PWDF_OBJECT_ATTRIBUTES,
        params: PWDF_USB_DEVICE_SELECT_CONFIG_PARAMS
    ) -> NTSTATUS = wdf_usb_target_device_select_config;
    WdfUsbTargetDeviceWdmGetConfigurationHandle(
        usb_device: WDFUSBDEVICE
    ) -> USBD_CONFIGURATION_HANDLE = wdf_usb_target_device_wdm_get_configuration_handle;
    WdfUsbTargetDeviceSendControlTransferSynchronously(
        usb_device: WDFUSBDEVICE, request: WDFREQUEST, request_options: PWDF_REQUEST_SEND_OPTIONS,
        setup_packet: PWDF_USB_CONTROL_SETUP_PACKET, memory_descriptor: PWDF_MEMORY_DESCRIPTOR,
        bytes_transferred: PULONG
    ) -> NTSTATUS = wdf_usb_target_device_send_control_transfer_synchronously;
    WdfUsbTargetDeviceFormatRequestForControlTransfer(
        usb_device: WDFUSBDEVICE, request: WDFREQUEST, setup_packet: PWDF_USB_CONTROL_SETUP_PACKET,
        transfer_memory: WDFMEMORY, transfer_offset: PWDFMEMORY_OFFSET
    ) -> NTSTATUS = wdf_usb_target_device_format_request_for_control_transfer;
    WdfUsbTargetDeviceIsConnectedSynchronous(
        usb_device: WDFUSBDEVICE
    ) -> NTSTATUS = wdf_usb_target_device_is_connected_synchronous;
    WdfUsbTargetDeviceResetPortSynchronously(
        usb_device: WDFUSBDEVICE
    ) -> NTSTATUS = wdf_usb_target_device_reset_port_synchronously;
    WdfUsbTargetDeviceCyclePortSynchronously(
        usb_device: WDFUSBDEVICE
    ) -> NTSTATUS = wdf_usb_target_device_cycle_port_synchronously;
    WdfUsbTargetDeviceSendUrbSynchronously(
        usb_device: WDFUSBDEVICE, request: WDFREQUEST, request_options: PWDF_REQUEST_SEND_OPTIONS, urb: PURB
    ) -> NTSTATUS = wdf_usb_target_device_send_urb_synchronously;
    WdfUsbTargetDeviceFormatRequestForUrb(
        usb_device: WDFUSBDEVICE, request: WDFREQUEST, urb_memory: WDFMEMORY,
        urb_memory_offset: PWDFMEMORY_OFFSET
    ) -> NTSTATUS = wdf_usb_target_device_format_request_for_urb;
    WdfUsbTargetPipeGetInformation(
        pipe: WDFUSBPIPE, pipe_information: PWDF_USB_PIPE_INFORMATION
    ) = wdf_usb_target_pipe_get_information;
    WdfUsbTargetPipeIsInEndpoint(pipe: WDFUSBPIPE) -> BOOLEAN = wdf_usb_target_pipe_is_in_endpoint;
    WdfUsbTargetPipeIsOutEndpoint(pipe: WDFUSBPIPE) -> BOOLEAN = wdf_usb_target_pipe_is_out_endpoint;
    WdfUsbTargetPipeGetType(pipe: WDFUSBPIPE) -> WDF_USB_PIPE_TYPE = wdf_usb_target_pipe_get_type;
    WdfUsbTargetPipeSetNoMaximumPacketSizeCheck(
        pipe: WDFUSBPIPE
    ) = wdf_usb_target_pipe_set_no_maximum_packet_size_check;
    WdfUsbTargetPipeWriteSynchronously(
        pipe: WDFUSBPIPE, request: WDFREQUEST, request_options: PWDF_REQUEST_SEND_OPTIONS,
        memory_descriptor: PWDF_MEMORY_DESCRIPTOR, bytes_written: PULONG
    ) -> NTSTATUS = wdf_usb_target_pipe_write_synchronously;
    WdfUsbTargetPipeFormatRequestForWrite(
        pipe: WDFUSBPIPE, request: WDFREQUEST, write_memory: WDFMEMORY, write_offset: PWDFMEMORY_OFFSET
    ) -> NTSTATUS = wdf_usb_target_pipe_format_request_for_write;
    WdfUsbTargetPipeReadSynchronously(
        pipe: WDFUSBPIPE, request: WDFREQUEST, request_options: PWDF_REQUEST_SEND_OPTIONS,
        memory_descriptor: PWDF_MEMORY_DESCRIPTOR, bytes_read: PULONG
    ) -> NTSTATUS = wdf_usb_target_pipe_read_synchronously;
    WdfUsbTargetPipeFormatRequestForRead(
        pipe: WDFUSBPIPE, request: WDFREQUEST, read_memory: WDFMEMORY, read_offset: PWDFMEMORY_OFFSET
    ) -> NTSTATUS = wdf_usb_target_pipe_format_request_for_read;
    WdfUsbTargetPipeConfigContinuousReader(
        pipe: WDFUSBPIPE, config: PWDF_USB_CONTINUOUS_READER_CONFIG
    ) -> NTSTATUS = wdf_usb_target_pipe_config_continuous_reader;
    WdfUsbTargetPipeAbortSynchronously(
        pipe: WDFUSBPIPE, request: WDFREQUEST, request_options: PWDF_REQUEST_SEND_OPTIONS
    ) -> NTSTATUS = wdf_usb_target_pipe_abort_synchronously;
    WdfUsbTargetPipeFormatRequestForAbort(
        pipe: WDFUSBPIPE, request: WDFREQUEST
    ) -> NTSTATUS = wdf_usb_target_pipe_format_request_for_abort;
    WdfUsbTargetPipeResetSynchronously(
        pipe: WDFUSBPIPE, request: WDFREQUEST, request_options: PWDF_REQUEST_SEND_OPTIONS
    ) -> NTSTATUS = wdf_usb_target_pipe_reset_synchronously;
    WdfUsbTargetPipeFormatRequestForReset(
        pipe: WDFUSBPIPE, request: WDFREQUEST
    ) -> NTSTATUS = wdf_usb_target_pipe_format_request_for_reset;
    WdfUsbTargetPipeSendUrbSynchronously(
        pipe: WDFUSBPIPE, request: WDFREQUEST, request_options: PWDF_REQUEST_SEND_OPTIONS, urb: PURB
    ) -> NTSTATUS = wdf_usb_target_pipe_send_urb_synchronously;
    WdfUsbTargetPipeFormatRequestForUrb(
        pipe: WDFUSBPIPE, request: WDFREQUEST, urb_memory: WDFMEMORY, urb_memory_offset: PWDFMEMORY_OFFSET
    ) -> NTSTATUS = wdf_usb_target_pipe_format_request_for_urb;
    WdfUsbInterfaceGetInterfaceNumber(usb_interface: WDFUSBINTERFACE) -> BYTE = wdf_usb_interface_get_interface_number;
    WdfUsbInterfaceGetNumEndpoints(
        usb_interface: WDFUSBINTERFACE, setting_index: UCHAR
    ) -> BYTE = wdf_usb_interface_get_num_endpoints;
    WdfUsbInterfaceGetDescriptor(
        usb_interface: WDFUSBINTERFACE, setting_index: UCHAR, interface_descriptor: PUSB_INTERFACE_DESCRIPTOR
    ) = wdf_usb_interface_get_descriptor;
    WdfUsbInterfaceSelectSetting(
        usb_interface: WDFUSBINTERFACE, pipes_attributes: PWDF_OBJECT_ATTRIBUTES,
        params: PWDF_USB_INTERFACE_SELECT_SETTING_PARAMS
    ) -> NTSTATUS = wdf_usb_interface_select_setting;
    WdfUsbInterfaceGetEndpointInformation(
        usb_interface: WDFUSBINTERFACE, setting_index: UCHAR, endpoint_index: UCHAR,
        endpoint_info: PWDF_USB_PIPE_INFORMATION
    ) = wdf_usb_interface_get_endpoint_information;
    WdfUsbTargetDeviceGetInterface(
        usb_device: WDFUSBDEVICE, interface_index: UCHAR
    ) -> WDFUSBINTERFACE = wdf_usb_target_device_get_interface;
    WdfUsbInterfaceGetConfiguredSettingIndex(
        interface: WDFUSBINTERFACE
    ) -> BYTE = wdf_usb_interface_get_configured_setting_index;
    WdfUsbInterfaceGetNumConfiguredPipes(
        usb_interface: WDFUSBINTERFACE
    ) -> BYTE = wdf_usb_interface_get_num_configured_pipes;
    WdfUsbInterfaceGetConfiguredPipe(
        usb_interface: WDFUSBINTERFACE, pipe_index: UCHAR, pipe_info: PWDF_USB_PIPE_INFORMATION
    ) -> WDFUSBPIPE = wdf_usb_interface_get_configured_pipe;
    WdfUsbTargetPipeWdmGetPipeHandle(
        usb_pipe: WDFUSBPIPE
    ) -> USBD_PIPE_HANDLE = wdf_usb_target_pipe_wdm_get_pipe_handle;
    WdfUsbInterfaceGetNumSettings(usb_interface: WDFUSBINTERFACE) -> BYTE = wdf_usb_interface_get_num_settings;
    WdfUsbTargetDeviceCreateUrb(
        usb_device: WDFUSBDEVICE, attributes: PWDF_OBJECT_ATTRIBUTES, urb_memory: *mut WDFMEMORY, urb: *mut PURB
    ) -> NTSTATUS = wdf_usb_target_device_create_urb;
    WdfUsbTargetDeviceCreateIsochUrb(
        usb_device: WDFUSBDEVICE, attributes: PWDF_OBJECT_ATTRIBUTES, number_of_isoch_packets: ULONG,
        urb_memory: *mut WDFMEMORY, urb: *mut PURB
    ) -> NTSTATUS = wdf_usb_target_device_create_isoch_urb;
    WdfUsbTargetDeviceRetrieveCurrentFrameNumber(
        usb_device: WDFUSBDEVICE, current_frame_number: PULONG
    ) -> NTSTATUS = wdf_usb_target_device_retrieve_current_frame_number;
    WdfUsbTargetDeviceQueryUsbCapability(
        usb_device: WDFUSBDEVICE, capability_type: *const GUID, capability_buffer_length: ULONG,
        capability_buffer: PVOID, result_length: PULONG
    ) -> NTSTATUS = wdf_usb_target_device_query_usb_capability;
    WdfUsbTargetDeviceCreateWithParameters(
        device: WDFDEVICE, config: PWDF_USB_DEVICE_CREATE_CONFIG, attributes: PWDF_OBJECT_ATTRIBUTES,
        usb_device: *mut WDFUSBDEVICE
    ) -> NTSTATUS = wdf_usb_target_device_create_with_parameters;
}
