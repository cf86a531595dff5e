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
}
