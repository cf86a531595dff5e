//! As much of a framework as the driver calls: it notes each call.
//!
//! It is what the statics of kmdf-sys are linked to.

use std::cell::{Cell, RefCell};
use std::mem::transmute;
use std::ptr;

use wdk_sys::{
    _WDF_REQUEST_TYPE, _WDFFUNCENUM, BOOLEAN, KIRQL, LONGLONG, NT_SUCCESS, NTSTATUS,
    PCUNICODE_STRING, PDRIVER_OBJECT, PFN_WDF_IO_QUEUE_IO_WRITE, PFN_WDFDEVICECREATE,
    PFN_WDFDEVICEGETIOTARGET, PFN_WDFDRIVERCREATE, PFN_WDFFDOINITSETFILTER, PFN_WDFIOQUEUECREATE,
    PFN_WDFIOTARGETSENDWRITESYNCHRONOUSLY, PFN_WDFREQUESTCOMPLETEWITHINFORMATION,
    PFN_WDFREQUESTGETPARAMETERS, PFN_WDFREQUESTRETRIEVEINPUTMEMORY, PLONGLONG, PULONG_PTR,
    PWDF_DRIVER_CONFIG, PWDF_DRIVER_GLOBALS, PWDF_IO_QUEUE_CONFIG, PWDF_MEMORY_DESCRIPTOR,
    PWDF_OBJECT_ATTRIBUTES, PWDF_REQUEST_PARAMETERS, PWDF_REQUEST_SEND_OPTIONS, PWDFDEVICE_INIT,
    STATUS_SUCCESS, ULONG, ULONG_PTR, WDF_STRUCT_INFO, WDFDEVICE, WDFDRIVER, WDFFUNC, WDFIOTARGET,
    WDFMEMORY, WDFQUEUE, WDFREQUEST,
};

/// A call of the driver.
#[derive(Debug, PartialEq)]
pub(crate) enum Call {
    DriverCreate,
    FdoInitSetFilter,
    DeviceCreate,
    IoQueueCreate,
    DeviceGetIoTarget,
    RequestGetParameters,
    RequestRetrieveInputMemory,
    SendWrite {
        offset: LONGLONG,
        timeout: LONGLONG,
    },
    Complete {
        status: NTSTATUS,
        information: ULONG_PTR,
    },
}

/// Where the request of [`deliver_write`] writes.
pub(crate) const FILE_OFFSET: LONGLONG = 0x1_2345_6789;
/// How many bytes the target accepts.
pub(crate) const WRITE_LENGTH: ULONG_PTR = 512;

// Values that stand for objects; none is ever dereferenced.
const GLOBALS: PWDF_DRIVER_GLOBALS = ptr::without_provenance_mut(0x10);
const DEVICE: WDFDEVICE = ptr::without_provenance_mut(0x20);
const TARGET: WDFIOTARGET = ptr::without_provenance_mut(0x30);
const REQUEST: WDFREQUEST = ptr::without_provenance_mut(0x40);
const MEMORY: WDFMEMORY = ptr::without_provenance_mut(0x50);

thread_local! {
    static CALLS: RefCell<Vec<Call>> = const { RefCell::new(Vec::new()) };
    static IO_WRITE: Cell<PFN_WDF_IO_QUEUE_IO_WRITE> = const { Cell::new(None) };
    static SEND_STATUS: Cell<NTSTATUS> = const { Cell::new(STATUS_SUCCESS) };
    static IRQL: Cell<u32> = const { Cell::new(0) };
}

/// The calls since the last time.
pub(crate) fn calls() -> Vec<Call> {
    CALLS.take()
}

/// Lets the next sends fail.
pub(crate) fn fail_send(status: NTSTATUS) {
    SEND_STATUS.set(status);
}

/// Sets the current IRQL.
pub(crate) fn set_irql(irql: u32) {
    IRQL.set(irql);
}

/// Hands a write request to the driver's queue.
pub(crate) fn deliver_write() {
    let io_write = IO_WRITE.get().expect("the driver has a queue for writes");
    // SAFETY: the driver passes the handles back, and does nothing else with them.
    unsafe { io_write(DEVICE.cast(), REQUEST, 512) };
}

fn note(globals: PWDF_DRIVER_GLOBALS, call: Call) {
    assert_eq!(
        globals, GLOBALS,
        "every call passes the globals of the driver"
    );
    CALLS.with_borrow_mut(|calls| calls.push(call));
}

unsafe extern "C" fn driver_create(
    globals: PWDF_DRIVER_GLOBALS,
    _driver_object: PDRIVER_OBJECT,
    _registry_path: PCUNICODE_STRING,
    _attributes: PWDF_OBJECT_ATTRIBUTES,
    config: PWDF_DRIVER_CONFIG,
    _driver: *mut WDFDRIVER,
) -> NTSTATUS {
    note(globals, Call::DriverCreate);
    // SAFETY: the driver passes its configuration.
    let config = unsafe { *config };
    assert_eq!(config.Size, 32);
    let device_add = config.EvtDriverDeviceAdd.expect("a driver for devices");
    // SAFETY: the driver passes the pointers back, and does nothing else with them.
    unsafe { device_add(ptr::null_mut(), ptr::null_mut()) }
}

unsafe extern "C" fn fdo_init_set_filter(globals: PWDF_DRIVER_GLOBALS, _init: PWDFDEVICE_INIT) {
    note(globals, Call::FdoInitSetFilter);
}

unsafe extern "C" fn device_create(
    globals: PWDF_DRIVER_GLOBALS,
    _init: *mut PWDFDEVICE_INIT,
    attributes: PWDF_OBJECT_ATTRIBUTES,
    device: *mut WDFDEVICE,
) -> NTSTATUS {
    note(globals, Call::DeviceCreate);
    // SAFETY: the driver passes attributes.
    let info = unsafe { *attributes }.ContextTypeInfo;
    // SAFETY: the driver gives its context a type.
    let info = unsafe { *info };
    assert_eq!(info.Size, 40);
    // SAFETY: the driver passes a place for the handle.
    unsafe { device.write(DEVICE) };
    STATUS_SUCCESS
}

unsafe extern "C" fn io_queue_create(
    globals: PWDF_DRIVER_GLOBALS,
    device: WDFDEVICE,
    config: PWDF_IO_QUEUE_CONFIG,
    _attributes: PWDF_OBJECT_ATTRIBUTES,
    _queue: *mut WDFQUEUE,
) -> NTSTATUS {
    note(globals, Call::IoQueueCreate);
    assert_eq!(device, DEVICE);
    // SAFETY: the driver passes its configuration.
    let config = unsafe { *config };
    assert_eq!(config.Size, 96);
    IO_WRITE.set(config.EvtIoWrite);
    STATUS_SUCCESS
}

unsafe extern "C" fn device_get_io_target(
    globals: PWDF_DRIVER_GLOBALS,
    device: WDFDEVICE,
) -> WDFIOTARGET {
    note(globals, Call::DeviceGetIoTarget);
    assert_eq!(device, DEVICE);
    TARGET
}

unsafe extern "C" fn request_get_parameters(
    globals: PWDF_DRIVER_GLOBALS,
    request: WDFREQUEST,
    parameters: PWDF_REQUEST_PARAMETERS,
) {
    note(globals, Call::RequestGetParameters);
    assert_eq!(request, REQUEST);
    // SAFETY: the driver passes a structure of its own.
    let parameters = unsafe { &mut *parameters };
    assert_eq!(parameters.Size, 40);
    parameters.Type = _WDF_REQUEST_TYPE::WdfRequestTypeWrite;
    parameters.Parameters.Write.DeviceOffset = FILE_OFFSET;
}

unsafe extern "C" fn request_retrieve_input_memory(
    globals: PWDF_DRIVER_GLOBALS,
    request: WDFREQUEST,
    memory: *mut WDFMEMORY,
) -> NTSTATUS {
    note(globals, Call::RequestRetrieveInputMemory);
    assert_eq!(request, REQUEST);
    // SAFETY: the driver passes a place for the handle.
    unsafe { memory.write(MEMORY) };
    STATUS_SUCCESS
}

unsafe extern "C" fn send_write(
    globals: PWDF_DRIVER_GLOBALS,
    target: WDFIOTARGET,
    request: WDFREQUEST,
    input: PWDF_MEMORY_DESCRIPTOR,
    offset: PLONGLONG,
    options: PWDF_REQUEST_SEND_OPTIONS,
    written: PULONG_PTR,
) -> NTSTATUS {
    assert_eq!((target, request), (TARGET, ptr::null_mut()));
    // SAFETY: the driver passes a descriptor.
    let input = unsafe { (*input).u };
    // SAFETY: the driver describes a memory object.
    assert_eq!(unsafe { input.HandleType }.Memory, MEMORY);
    // SAFETY: the driver passes an offset.
    let offset = unsafe { *offset };
    // SAFETY: the driver passes options.
    let timeout = unsafe { *options }.Timeout;
    note(globals, Call::SendWrite { offset, timeout });
    let status = SEND_STATUS.get();
    if NT_SUCCESS(status) {
        // SAFETY: the driver passes a place for the number.
        unsafe { written.write(WRITE_LENGTH) };
    }
    status
}

unsafe extern "C" fn request_complete(
    globals: PWDF_DRIVER_GLOBALS,
    request: WDFREQUEST,
    status: NTSTATUS,
    information: ULONG_PTR,
) {
    assert_eq!(request, REQUEST);
    note(
        globals,
        Call::Complete {
            status,
            information,
        },
    );
}

const ENTRIES: usize = _WDFFUNCENUM::WdfFunctionTableNumEntries.cast_unsigned() as usize;

/// Puts functions of the given types at their places in a table.
macro_rules! table {
    ($($index:ident: $pfn:ident = $function:expr,)*) => {{
        let mut table: [WDFFUNC; ENTRIES] = [None; ENTRIES];
        $(
            // SAFETY: both are optional function pointers; it is called as what it was.
            let function = unsafe { transmute::<$pfn, WDFFUNC>(Some($function)) };
            table[_WDFFUNCENUM::$index.cast_unsigned() as usize] = function;
        )*
        table
    }};
}

static TABLE: [WDFFUNC; ENTRIES] = table! {
    WdfDriverCreateTableIndex: PFN_WDFDRIVERCREATE = driver_create,
    WdfFdoInitSetFilterTableIndex: PFN_WDFFDOINITSETFILTER = fdo_init_set_filter,
    WdfDeviceCreateTableIndex: PFN_WDFDEVICECREATE = device_create,
    WdfIoQueueCreateTableIndex: PFN_WDFIOQUEUECREATE = io_queue_create,
    WdfDeviceGetIoTargetTableIndex: PFN_WDFDEVICEGETIOTARGET = device_get_io_target,
    WdfRequestGetParametersTableIndex: PFN_WDFREQUESTGETPARAMETERS = request_get_parameters,
    WdfRequestRetrieveInputMemoryTableIndex: PFN_WDFREQUESTRETRIEVEINPUTMEMORY = request_retrieve_input_memory,
    WdfIoTargetSendWriteSynchronouslyTableIndex: PFN_WDFIOTARGETSENDWRITESYNCHRONOUSLY = send_write,
    WdfRequestCompleteWithInformationTableIndex: PFN_WDFREQUESTCOMPLETEWITHINFORMATION = request_complete,
};

/// The statics that kmdf-sys declares, under the names that the linker looks for.
mod statics {
    use super::{BOOLEAN, ENTRIES, GLOBALS, PWDF_DRIVER_GLOBALS, TABLE, ULONG, WDF_STRUCT_INFO};
    use super::{WDFFUNC, ptr};

    #[unsafe(no_mangle)]
    static mut WdfFunctions_01033: *const WDFFUNC = TABLE.as_ptr();
    #[unsafe(no_mangle)]
    static mut WdfDriverGlobals: PWDF_DRIVER_GLOBALS = GLOBALS;
    #[unsafe(no_mangle)]
    #[expect(clippy::cast_possible_truncation, reason = "the table has 458 entries")]
    static mut WdfFunctionCount: ULONG = ENTRIES as ULONG;
    #[unsafe(no_mangle)]
    static mut WdfStructureCount: ULONG = 0;
    #[unsafe(no_mangle)]
    static mut WdfStructures: WDF_STRUCT_INFO = ptr::null_mut();
    #[unsafe(no_mangle)]
    static mut WdfClientVersionHigherThanFramework: BOOLEAN = 0;
}

#[unsafe(no_mangle)]
extern "C" fn KeGetCurrentIrql() -> KIRQL {
    KIRQL::try_from(IRQL.get()).expect("an IRQL has 8 bits")
}
