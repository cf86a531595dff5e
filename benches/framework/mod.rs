//! A framework that does nothing: a function table whose two synchronous writes return at once, and
//! whose other entries do just enough to make the objects that are written to. It stands in for
//! Wdf01000.sys, so that what is counted is the caller's own cost.

use core::ffi::c_void;
use core::ptr::{self, NonNull};
use core::sync::atomic::AtomicPtr;
use core::sync::atomic::Ordering::Relaxed;

use kmdf_sys::*;

/// A handle like any other: not null, and never looked into.
const HANDLE: usize = 0x1238;

unsafe extern "C" fn send_write(
    _: PWDF_DRIVER_GLOBALS,
    _: WDFIOTARGET,
    _: WDFREQUEST,
    _: PWDF_MEMORY_DESCRIPTOR,
    _: PLONGLONG,
    _: PWDF_REQUEST_SEND_OPTIONS,
    _: PULONG_PTR,
) -> NTSTATUS {
    STATUS_SUCCESS
}

unsafe extern "C" fn pipe_write(
    _: PWDF_DRIVER_GLOBALS,
    _: WDFUSBPIPE,
    _: WDFREQUEST,
    _: PWDF_REQUEST_SEND_OPTIONS,
    _: PWDF_MEMORY_DESCRIPTOR,
    _: PULONG,
) -> NTSTATUS {
    STATUS_SUCCESS
}

unsafe extern "C" fn request_reuse(
    _: PWDF_DRIVER_GLOBALS,
    _: WDFREQUEST,
    _: PWDF_REQUEST_REUSE_PARAMS,
) -> NTSTATUS {
    STATUS_SUCCESS
}

unsafe extern "C" fn request_create(
    _: PWDF_DRIVER_GLOBALS,
    _: PWDF_OBJECT_ATTRIBUTES,
    _: WDFIOTARGET,
    request: *mut WDFREQUEST,
) -> NTSTATUS {
    // SAFETY: the library passes a place for the handle.
    unsafe { *request = ptr::without_provenance_mut(HANDLE) };
    STATUS_SUCCESS
}

static mut BUFFER: [u8; 4096] = [0; 4096];

unsafe extern "C" fn memory_create(
    _: PWDF_DRIVER_GLOBALS,
    _: PWDF_OBJECT_ATTRIBUTES,
    _: POOL_TYPE,
    _: ULONG,
    _: usize,
    memory: *mut WDFMEMORY,
    buffer: *mut PVOID,
) -> NTSTATUS {
    // SAFETY: the library passes a place for the handle.
    unsafe { *memory = ptr::without_provenance_mut(HANDLE) };
    // SAFETY: the library passes a place for the buffer, of which there is one at a time here.
    unsafe { *buffer = (&raw mut BUFFER).cast() };
    STATUS_SUCCESS
}

unsafe extern "C" fn usb_device_create(
    _: PWDF_DRIVER_GLOBALS,
    _: WDFDEVICE,
    _: PWDF_USB_DEVICE_CREATE_CONFIG,
    _: PWDF_OBJECT_ATTRIBUTES,
    usb_device: *mut WDFUSBDEVICE,
) -> NTSTATUS {
    // SAFETY: the library passes a place for the handle.
    unsafe { *usb_device = ptr::without_provenance_mut(HANDLE) };
    STATUS_SUCCESS
}

unsafe extern "C" fn select_config(
    _: PWDF_DRIVER_GLOBALS,
    _: WDFUSBDEVICE,
    _: PWDF_OBJECT_ATTRIBUTES,
    _: PWDF_USB_DEVICE_SELECT_CONFIG_PARAMS,
) -> NTSTATUS {
    STATUS_SUCCESS
}

unsafe extern "C" fn one(_: PWDF_DRIVER_GLOBALS, _: *mut c_void) -> u8 {
    1
}

unsafe extern "C" fn interface(
    _: PWDF_DRIVER_GLOBALS,
    _: WDFUSBDEVICE,
    _: UCHAR,
) -> WDFUSBINTERFACE {
    ptr::without_provenance_mut(HANDLE)
}

unsafe extern "C" fn configured_pipe(
    _: PWDF_DRIVER_GLOBALS,
    _: WDFUSBINTERFACE,
    _: UCHAR,
    information: PWDF_USB_PIPE_INFORMATION,
) -> WDFUSBPIPE {
    // SAFETY: the library passes a place for the information.
    let information = unsafe { &mut *information };
    information.EndpointAddress = 1;
    information.PipeType = _WDF_USB_PIPE_TYPE::WdfUsbPipeTypeBulk;
    information.MaximumPacketSize = 512;
    information.MaximumTransferSize = 65_536;
    ptr::without_provenance_mut(HANDLE)
}

unsafe extern "C" fn reference(_: PWDF_DRIVER_GLOBALS, _: WDFOBJECT, _: PVOID, _: LONG, _: PCCH) {}
unsafe extern "C" fn delete(_: PWDF_DRIVER_GLOBALS, _: WDFOBJECT) {}
/// The one context that is allocated after its object, zeroed as the framework does.
#[repr(align(16))]
struct Context(#[allow(dead_code, reason = "the library's")] [u64; 8]);
static mut CONTEXT: Context = Context([0; 8]);
/// Of which type it is; none before it is allocated.
static CONTEXT_TYPE: AtomicPtr<WDF_OBJECT_CONTEXT_TYPE_INFO> = AtomicPtr::new(ptr::null_mut());

unsafe extern "C" fn allocate_context(
    _: PWDF_DRIVER_GLOBALS,
    _: WDFOBJECT,
    attributes: PWDF_OBJECT_ATTRIBUTES,
    _: *mut PVOID,
) -> NTSTATUS {
    // SAFETY: the library passes attributes.
    let attributes = unsafe { &*attributes };
    CONTEXT_TYPE.store(attributes.ContextTypeInfo.cast_mut(), Relaxed);
    STATUS_SUCCESS
}

unsafe extern "C" fn typed_context(
    _: PWDF_DRIVER_GLOBALS,
    _: WDFOBJECT,
    wanted: PCWDF_OBJECT_CONTEXT_TYPE_INFO,
) -> PVOID {
    if ptr::eq(CONTEXT_TYPE.load(Relaxed), wanted) {
        (&raw mut CONTEXT).cast()
    } else {
        ptr::null_mut()
    }
}

unsafe extern "C" fn missing() {
    std::process::abort()
}

const SLOTS: usize = 458;

struct Table([WDFFUNC; SLOTS]);

/// The table's entry of a DDI, whatever its signature.
macro_rules! slots {
    ($($index:ident = $function:expr => $type:ty;)*) => {{
        let mut slots: [WDFFUNC; SLOTS] = [Some(missing); SLOTS];
        $(
            let function: $type = Some($function);
            // SAFETY: function pointers of one size; callers cast back to `$type`, which is what
            // the index stands for.
            slots[_WDFFUNCENUM::$index as usize] = unsafe { core::mem::transmute::<$type, WDFFUNC>(function) };
        )*
        Table(slots)
    }};
}

static TABLE: Table = slots! {
    WdfIoTargetSendWriteSynchronouslyTableIndex = send_write => PFN_WDFIOTARGETSENDWRITESYNCHRONOUSLY;
    WdfUsbTargetPipeWriteSynchronouslyTableIndex = pipe_write => PFN_WDFUSBTARGETPIPEWRITESYNCHRONOUSLY;
    WdfRequestReuseTableIndex = request_reuse => PFN_WDFREQUESTREUSE;
    WdfRequestCreateTableIndex = request_create => PFN_WDFREQUESTCREATE;
    WdfMemoryCreateTableIndex = memory_create => PFN_WDFMEMORYCREATE;
    WdfUsbTargetDeviceCreateWithParametersTableIndex = usb_device_create => PFN_WDFUSBTARGETDEVICECREATEWITHPARAMETERS;
    WdfUsbTargetDeviceSelectConfigTableIndex = select_config => PFN_WDFUSBTARGETDEVICESELECTCONFIG;
    WdfUsbTargetDeviceGetInterfaceTableIndex = interface => PFN_WDFUSBTARGETDEVICEGETINTERFACE;
    WdfUsbInterfaceGetConfiguredPipeTableIndex = configured_pipe => PFN_WDFUSBINTERFACEGETCONFIGUREDPIPE;
    WdfObjectReferenceActualTableIndex = reference => PFN_WDFOBJECTREFERENCEACTUAL;
    WdfObjectDereferenceActualTableIndex = reference => PFN_WDFOBJECTDEREFERENCEACTUAL;
    WdfObjectDeleteTableIndex = delete => PFN_WDFOBJECTDELETE;
    WdfObjectAllocateContextTableIndex = allocate_context => PFN_WDFOBJECTALLOCATECONTEXT;
    WdfObjectGetTypedContextWorkerTableIndex = typed_context => PFN_WDFOBJECTGETTYPEDCONTEXTWORKER;
    WdfUsbTargetDeviceGetNumInterfacesTableIndex = number_of_interfaces => PFN_WDFUSBTARGETDEVICEGETNUMINTERFACES;
    WdfUsbInterfaceGetNumConfiguredPipesTableIndex = number_of_pipes => PFN_WDFUSBINTERFACEGETNUMCONFIGUREDPIPES;
};

unsafe extern "C" fn number_of_interfaces(
    globals: PWDF_DRIVER_GLOBALS,
    device: WDFUSBDEVICE,
) -> UCHAR {
    // SAFETY: looks at neither argument.
    unsafe { one(globals, device.cast()) }
}

unsafe extern "C" fn number_of_pipes(
    globals: PWDF_DRIVER_GLOBALS,
    interface: WDFUSBINTERFACE,
) -> BYTE {
    // SAFETY: looks at neither argument.
    unsafe { one(globals, interface.cast()) }
}

// What the framework's loader defines in a driver.

/// The bound table.
// SAFETY: the only definition in this program; kmdf-sys declares it with this type.
#[unsafe(no_mangle)]
pub(crate) static mut WdfFunctions_01033: *const WDFFUNC = (&raw const TABLE.0).cast();

/// The driver's globals, which nobody looks at.
// SAFETY: as above.
#[unsafe(no_mangle)]
pub(crate) static mut WdfDriverGlobals: PWDF_DRIVER_GLOBALS = ptr::null_mut();

/// On Windows a read of a register in a function of the kernel's; here a value that the optimiser
/// cannot see, in a function that it cannot inline.
// SAFETY: the only definition in this program; kmdf-sys declares it with this signature.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn KeGetCurrentIrql() -> KIRQL {
    std::hint::black_box(0)
}

static mut THE_MDL: MDL = MDL {
    Next: ptr::null_mut(),
    Size: 0,
    MdlFlags: 0,
    Process: ptr::null_mut(),
    MappedSystemVa: ptr::null_mut(),
    StartVa: ptr::null_mut(),
    ByteCount: 4096,
    ByteOffset: 0,
};

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn IoAllocateMdl(_: PVOID, _: ULONG, _: BOOLEAN, _: BOOLEAN, _: PIRP) -> PMDL {
    &raw mut THE_MDL
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn IoFreeMdl(_: PMDL) {}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn MmBuildMdlForNonPagedPool(_: PMDL) {}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn KeDelayExecutionThread(
    _: KPROCESSOR_MODE,
    _: BOOLEAN,
    _: PLARGE_INTEGER,
) -> NTSTATUS {
    STATUS_SUCCESS
}

/// A handle of any type.
pub(crate) fn handle<T>() -> NonNull<T> {
    NonNull::without_provenance(HANDLE.try_into().expect("not zero"))
}
