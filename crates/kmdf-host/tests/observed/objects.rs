//! Observed ends of objects and of drivers.

use std::rc::Rc;

use kmdf_host::Stop;
use kmdf_sys::*;

use crate::common::{attributes, dereference, null, reference, size, wdf};
use crate::named::{delete, delete_at_dispatch, name, object, on_cleanup, recorded};
use crate::services::{create_timer, create_work_item, timer_config};
use crate::world::{World, log, world};

/// What runs in a thread of the driver.
pub(crate) const INSIDE: [(&str, fn()); 20] = [
    ("o2.o.tree", || delete(tree().p)),
    ("o2.o.tree_grandref", tree_grandref),
    ("o2.o.child_first", child_first),
    ("o2.o.ctx_dup", context_twice),
    ("o2.o.ctx_deleted", context_of_deleted),
    ("o2.o.ctx_noattr", context_attributes),
    ("o2.o.ctx_override", context_size_override),
    ("o2.o.ctx_getobject", context_to_object),
    ("o2.o.del_self_in_cleanup_vf", delete_self_in_cleanup),
    ("o2.o.del_sibling_in_cleanup", delete_sibling_in_cleanup),
    ("o2.o.create_in_cleanup", create_in_cleanup),
    ("o2.o.ref_in_cleanup", reference_in_cleanup),
    ("o2.o.delete_twice_vf", delete_twice),
    ("o2.o.disp.general", || {
        delete_at_dispatch(object("obj", null()))
    }),
    ("o2.o.disp.workitem", work_item_at_dispatch),
    ("o2.o.disp.waitlock", wait_lock_at_dispatch),
    ("o2.o.disp.target", target_at_dispatch),
    ("o2.o.disp.parent_of_timer", parent_of_timer_at_dispatch),
    ("o2.o.delete_driver", delete_driver),
    ("o2.o.lock_queue", lock_queue),
];

/// What a case does to the machine from outside.
pub(crate) type Outside = fn(&Rc<World>) -> Result<(), Stop>;

/// What is done to the machine from outside.
pub(crate) const OUTSIDE: [(&str, Outside); 5] = [
    ("o2.u.clean", |world| {
        unload(world, |driver, _| {
            object("driver.child", driver);
        })
    }),
    ("o2.u.leak_ref", |world| {
        unload(world, |driver, _| reference(object("leaked", driver)))
    }),
    ("o2.u.leak_devref", |world| {
        unload(world, |_, device| reference(object("leaked", device)))
    }),
    ("o2.u.leak_device", |world| {
        unload(world, |_, device| reference(device))
    }),
    ("o2.u.memory_noparent", |world| {
        unload(world, memory_and_request)
    }),
];

struct Tree {
    p: WDFOBJECT,
    c1: WDFOBJECT,
    c2: WDFOBJECT,
    g1: WDFOBJECT,
}

fn tree() -> Tree {
    let p = object("P", null());
    let c1 = object("P.c1", p);
    let g1 = object("P.c1.g1", c1);
    object("P.c1.g2", c1);
    let c2 = object("P.c2", p);
    Tree { p, c1, c2, g1 }
}

fn tree_grandref() {
    let tree = tree();
    reference(tree.g1);
    delete(tree.p);
    dereference(tree.g1);
}

fn child_first() {
    let tree = tree();
    delete(tree.c1);
    delete(tree.p);
}

#[repr(transparent)]
struct TypeInfo(WDF_OBJECT_CONTEXT_TYPE_INFO);

// SAFETY: it is never written.
unsafe impl Sync for TypeInfo {}

static FIRST: TypeInfo = TypeInfo(WDF_OBJECT_CONTEXT_TYPE_INFO {
    Size: 40,
    ContextName: c"First".as_ptr(),
    ContextSize: 16,
    UniqueType: &raw const FIRST.0,
    EvtDriverGetUniqueContextType: None,
});

static SECOND: TypeInfo = TypeInfo(WDF_OBJECT_CONTEXT_TYPE_INFO {
    Size: 40,
    ContextName: c"Second".as_ptr(),
    ContextSize: 16,
    UniqueType: &raw const SECOND.0,
    EvtDriverGetUniqueContextType: None,
});

fn with_context(mut own: WDF_OBJECT_ATTRIBUTES, info: &'static TypeInfo) -> WDF_OBJECT_ATTRIBUTES {
    own.ContextTypeInfo = &raw const info.0;
    own
}

fn created(own: WDF_OBJECT_ATTRIBUTES) -> WDFOBJECT {
    let mut own = own;
    let mut object = null();
    let status = wdf!(WdfObjectCreate(&raw mut own, &raw mut object));
    assert_eq!(status, STATUS_SUCCESS);
    name(object, "obj");
    object
}

fn allocate_context(object: WDFOBJECT, own: Option<WDF_OBJECT_ATTRIBUTES>) -> PVOID {
    let mut own = own;
    let own = own.as_mut().map_or(null(), |own| &raw mut *own);
    let mut context = null();
    let status = wdf!(WdfObjectAllocateContext(object, own, &raw mut context));
    log(format!("WdfObjectAllocateContext = {status:#x}"));
    context
}

fn context_twice() {
    let object = created(with_context(recorded(null()), &FIRST));
    let own = wdf!(WdfObjectGetTypedContextWorker(object, &raw const FIRST.0));
    let again = allocate_context(object, Some(with_context(recorded(null()), &FIRST)));
    if own == again {
        log("same");
    }
    delete(object);
}

fn context_of_deleted() {
    let object = created(with_context(recorded(null()), &FIRST));
    reference(object);
    wdf!(WdfObjectDelete(object));
    allocate_context(object, Some(with_context(attributes(), &SECOND)));
    dereference(object);
}

fn context_attributes() {
    let object = created(attributes());
    allocate_context(object, None);
    allocate_context(object, Some(attributes()));
    let parent = crate::named::object("parent", null());
    let own = WDF_OBJECT_ATTRIBUTES {
        ParentObject: parent,
        ..attributes()
    };
    allocate_context(object, Some(with_context(own, &FIRST)));
}

fn context_size_override() {
    for override_size in [32, 8] {
        let mut own = with_context(attributes(), &FIRST);
        own.ContextSizeOverride = override_size;
        let mut object = null();
        let status = wdf!(WdfObjectCreate(&raw mut own, &raw mut object));
        log(format!("WdfObjectCreate = {status:#x}"));
    }
}

fn context_to_object() {
    let object = created(with_context(attributes(), &FIRST));
    let context = wdf!(WdfObjectGetTypedContextWorker(object, &raw const FIRST.0));
    if wdf!(WdfObjectContextGetObject(context)) == object {
        log("same");
    }
}

fn delete_self_in_cleanup() {
    on_cleanup("obj", delete);
    delete(object("obj", null()));
}

fn delete_sibling_in_cleanup() {
    let tree = tree();
    let sibling = tree.c2.addr();
    on_cleanup("P.c1", move |_| {
        delete(std::ptr::without_provenance_mut::<std::ffi::c_void>(
            sibling,
        ));
    });
    delete(tree.p);
}

fn create_in_cleanup() {
    let tree = tree();
    let parent = tree.p.addr();
    let create = move |_: WDFOBJECT| {
        let mut own = attributes();
        own.ParentObject = std::ptr::without_provenance_mut(parent);
        let mut object = null();
        let status = wdf!(WdfObjectCreate(&raw mut own, &raw mut object));
        log(format!("WdfObjectCreate = {status:#x}"));
    };
    on_cleanup("P.c1", create);
    on_cleanup("P", create);
    delete(tree.p);
}

fn reference_in_cleanup() {
    on_cleanup("obj", reference);
    let object = object("obj", null());
    delete(object);
    dereference(object);
}

fn delete_twice() {
    let object = object("obj", null());
    reference(object);
    delete(object);
    delete(object);
    dereference(object);
}

fn work_item_at_dispatch() {
    let item = create_work_item(&mut recorded(world().device.get().cast()));
    name(item, "workitem");
    delete_at_dispatch(item);
}

fn wait_lock_at_dispatch() {
    let mut own = recorded(null());
    let mut lock = null();
    let status = wdf!(WdfWaitLockCreate(&raw mut own, &raw mut lock));
    assert_eq!(status, STATUS_SUCCESS);
    name(lock, "waitlock");
    delete_at_dispatch(lock);
}

fn target_at_dispatch() {
    let device = world().device.get();
    let mut own = recorded(null());
    let mut target = null();
    let status = wdf!(WdfIoTargetCreate(device, &raw mut own, &raw mut target));
    assert_eq!(status, STATUS_SUCCESS);
    name(target, "target");
    let mut params = WDF_IO_TARGET_OPEN_PARAMS {
        Size: size::<WDF_IO_TARGET_OPEN_PARAMS>(),
        Type: _WDF_IO_TARGET_OPEN_TYPE::WdfIoTargetOpenUseExistingDevice,
        TargetDeviceObject: wdf!(WdfDeviceWdmGetAttachedDevice(device)),
        ..Default::default()
    };
    let status = wdf!(WdfIoTargetOpen(target, &raw mut params));
    log(format!("WdfIoTargetOpen = {status:#x}"));
    delete_at_dispatch(target);
}

fn parent_of_timer_at_dispatch() {
    let parent = object("obj", world().device.get().cast());
    let timer = create_timer(timer_config(0), &mut recorded(parent));
    name(timer, "timer");
    delete_at_dispatch(parent);
}

/// Gives a request children and completes it.
pub(crate) fn request_children(request: WDFREQUEST) {
    object("request.child", request.cast());
    let mut own = recorded(request.cast());
    let mut memory = null();
    let status = wdf!(WdfMemoryCreate(
        &raw mut own,
        _POOL_TYPE::NonPagedPoolNx,
        0,
        16,
        &raw mut memory,
        null()
    ));
    assert_eq!(status, STATUS_SUCCESS);
    name(memory, "request.memory");
    log("> WdfRequestComplete");
    wdf!(WdfRequestComplete(request, STATUS_SUCCESS));
    log("< WdfRequestComplete");
}

fn delete_driver() {
    delete(wdf!(WdfDeviceGetDriver(world().device.get())));
}

fn lock_queue() {
    let world = world();
    let queue: WDFOBJECT = world.queue.get().cast();
    log("> WdfObjectAcquireLock");
    wdf!(WdfObjectAcquireLock(queue));
    log("< WdfObjectAcquireLock");
    let level = |irql| if irql == 2 { "DISPATCH" } else { "PASSIVE" };
    log(format!("irql {}", level(world.host.irql())));
    log("> WdfObjectReleaseLock");
    wdf!(WdfObjectReleaseLock(queue));
    log("< WdfObjectReleaseLock");
    log(format!("irql {}", level(world.host.irql())));
}

fn memory_and_request(_: WDFOBJECT, _: WDFOBJECT) {
    let mut own = recorded(null());
    let mut memory = null();
    let status = wdf!(WdfMemoryCreate(
        &raw mut own,
        _POOL_TYPE::NonPagedPoolNx,
        0,
        16,
        &raw mut memory,
        null()
    ));
    assert_eq!(status, STATUS_SUCCESS);
    name(memory, "memory");
    let mut request = null();
    let status = wdf!(WdfRequestCreate(&raw mut own, null(), &raw mut request));
    assert_eq!(status, STATUS_SUCCESS);
    name(request, "request");
}

unsafe extern "C" fn evt_unload(_: WDFDRIVER) {
    log("EvtDriverUnload");
}

unsafe extern "C" fn device_add(_: WDFDRIVER, mut init: PWDFDEVICE_INIT) -> NTSTATUS {
    wdf!(WdfFdoInitSetFilter(init));
    let mut own = recorded(null());
    let mut device = null();
    let status = wdf!(WdfDeviceCreate(
        &raw mut init,
        &raw mut own,
        &raw mut device
    ));
    assert_eq!(status, STATUS_SUCCESS);
    name(device, "device");
    world().device.set(device);
    status
}

unsafe extern "system" fn entry(driver: PDRIVER_OBJECT, path: PCUNICODE_STRING) -> NTSTATUS {
    let mut config = WDF_DRIVER_CONFIG {
        Size: size::<WDF_DRIVER_CONFIG>(),
        EvtDriverDeviceAdd: Some(device_add),
        EvtDriverUnload: Some(evt_unload),
        ..Default::default()
    };
    let mut own = recorded(null());
    let mut handle = null();
    let status = wdf!(WdfDriverCreate(
        driver,
        path,
        &raw mut own,
        &raw mut config,
        &raw mut handle
    ));
    assert_eq!(status, STATUS_SUCCESS);
    name(handle, "driver");
    status
}

/// Loads a driver, does something with it, removes its device and unloads it.
fn unload(world: &Rc<World>, prepare: fn(WDFOBJECT, WDFOBJECT)) -> Result<(), Stop> {
    let below = crate::world::add_below(world);
    let driver = world.host.load("driver", entry)?;
    let stack = world.host.plug(below, &[driver])?;
    world.host.spawn("test", move || {
        let device = self::world().device.get();
        prepare(wdf!(WdfDeviceGetDriver(device)).cast(), device.cast());
    });
    world.run()?;
    world.take_log();
    log("> remove");
    world.host.query_remove(stack)?;
    world.host.remove(stack)?;
    log("< remove");
    log("> unload");
    world.host.unload(driver)?;
    log("< unload");
    Ok(())
}
