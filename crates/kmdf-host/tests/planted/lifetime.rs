//! Objects: used while they exist, deleted once and by whoever may, below a parent that goes in time.

use std::ptr;

use kmdf_host::{BugcheckKind, Disk, Host, Stop, ViolationKind};
use kmdf_sys::*;

use crate::common::*;
use crate::kit::*;
use crate::table::{Finding, Planted};

pub(crate) const PLANTED: &[Planted] = &[
    Planted {
        name: "use after delete",
        mistake: "WdfMemoryGetBuffer of a WDFMEMORY that was deleted",
        finding: Finding::Bugcheck(BugcheckKind::StaleHandle),
        seeds: 1,
        run: use_after_delete,
    },
    Planted {
        name: "use after the parent was deleted",
        mistake: "a WDFMEMORY is used although the object it was created below is gone",
        finding: Finding::Bugcheck(BugcheckKind::StaleHandle),
        seeds: 1,
        run: use_after_parent,
    },
    Planted {
        name: "double delete",
        mistake: "an object that a collection keeps alive is deleted twice",
        finding: Finding::Violation(ViolationKind::Delete),
        seeds: 1,
        run: double_delete,
    },
    Planted {
        name: "delete of a framework object",
        mistake: "WdfObjectDelete of the device's own I/O target",
        finding: Finding::Violation(ViolationKind::Delete),
        seeds: 1,
        run: framework_object_deleted,
    },
    Planted {
        name: "delete of a received request",
        mistake: "a request from a queue is deleted instead of completed",
        finding: Finding::Violation(ViolationKind::ReceivedRequestDeleted),
        seeds: 1,
        run: received_deleted,
    },
    Planted {
        name: "handle of the wrong type",
        mistake: "the handle of a WDFMEMORY is passed where a WDFREQUEST is required",
        finding: Finding::Bugcheck(BugcheckKind::WrongHandleType),
        seeds: 1,
        run: wrong_handle_type,
    },
    Planted {
        name: "reference leak",
        mistake: "a work item is referenced when it is queued and never dereferenced",
        finding: Finding::Violation(ViolationKind::ReferenceLeak),
        seeds: 1,
        run: reference_leak,
    },
    Planted {
        name: "one dereference too many",
        mistake: "WdfObjectDereference without a reference of the driver's",
        finding: Finding::Bugcheck(BugcheckKind::OverDereference),
        seeds: 1,
        run: over_dereference,
    },
    Planted {
        name: "leak of WDFMEMORY",
        mistake: "each write creates a WDFMEMORY below the device and does not delete it",
        finding: Finding::Violation(ViolationKind::ObjectGrowth),
        seeds: 1,
        run: memory_per_request,
    },
    Planted {
        name: "leak of requests",
        mistake: "each write creates a WDFREQUEST below the driver and does not delete it",
        finding: Finding::Violation(ViolationKind::ObjectGrowth),
        seeds: 1,
        run: request_per_request,
    },
    Planted {
        name: "leak of strings",
        mistake: "each write creates a WDFSTRING below the driver and does not delete it",
        finding: Finding::Violation(ViolationKind::ObjectGrowth),
        seeds: 1,
        run: string_per_request,
    },
    Planted {
        name: "leak of registry keys",
        mistake: "each write opens the driver's parameters key and does not close it",
        finding: Finding::Violation(ViolationKind::ObjectGrowth),
        seeds: 1,
        run: key_per_request,
    },
    Planted {
        name: "collection item removed twice",
        mistake: "the same item is removed from a collection twice",
        finding: Finding::Violation(ViolationKind::NotInCollection),
        seeds: 1,
        run: item_removed_twice,
    },
    Planted {
        name: "collection item used after its removal",
        mistake: "the collection held the last reference of the object that is removed and then used",
        finding: Finding::Bugcheck(BugcheckKind::StaleHandle),
        seeds: 1,
        run: item_used_after_removal,
    },
];

/// What a driver does while its device is started.
fn at_work(host: &Host, work: impl FnOnce() + 'static) -> Result<(), Stop> {
    let driver = Hooks {
        filter: true,
        ..Hooks::default()
    };
    on(host, Disk::in_memory(), driver, |machine| {
        machine.thread(work);
        machine.host.run()
    })
}

fn buffer_of(memory: WDFMEMORY) {
    ignore(wdf!(WdfMemoryGetBuffer(memory, null())));
}

fn object_below<H>(parent: *mut H) -> WDFOBJECT {
    let mut object = null();
    let status = wdf!(WdfObjectCreate(&mut child_of(parent), &raw mut object));
    assert_eq!(status, STATUS_SUCCESS);
    object
}

fn use_after_delete(host: &Host, wrong: bool) -> Result<(), Stop> {
    at_work(host, move || {
        let memory = create_memory(b"data");
        if !wrong {
            buffer_of(memory);
        }
        delete(memory);
        if wrong {
            buffer_of(memory);
        }
    })
}

fn use_after_parent(host: &Host, wrong: bool) -> Result<(), Stop> {
    at_work(host, move || {
        let parent = object_below(device());
        let memory = memory_below(parent, 16);
        if !wrong {
            buffer_of(memory);
        }
        delete(parent);
        if wrong {
            buffer_of(memory);
        }
    })
}

fn collection() -> WDFCOLLECTION {
    let mut collection = null();
    let status = wdf!(WdfCollectionCreate(
        &mut child_of(device()),
        &raw mut collection
    ));
    assert_eq!(status, STATUS_SUCCESS);
    collection
}

fn double_delete(host: &Host, wrong: bool) -> Result<(), Stop> {
    at_work(host, move || {
        let (collection, object) = (collection(), object_below(device()));
        assert_eq!(wdf!(WdfCollectionAdd(collection, object)), STATUS_SUCCESS);
        delete(object);
        if wrong {
            delete(object);
        }
        wdf!(WdfCollectionRemove(collection, object));
    })
}

fn framework_object_deleted(host: &Host, wrong: bool) -> Result<(), Stop> {
    at_work(host, move || {
        let target = if wrong { target() } else { remote_target() };
        delete(target);
    })
}

fn received_deleted(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        if wrong {
            delete(request);
        } else {
            complete(request, STATUS_SUCCESS);
        }
    });
    one_write(host, driver)
}

fn wrong_handle_type(host: &Host, wrong: bool) -> Result<(), Stop> {
    at_work(host, move || {
        let memory = create_memory(b"data");
        let request = create_request(target());
        let asked: WDFREQUEST = if wrong { memory.cast() } else { request };
        ignore(wdf!(WdfRequestGetStatus(asked)));
        delete(request);
        delete(memory);
    })
}

fn reference_leak(host: &Host, wrong: bool) -> Result<(), Stop> {
    at_work(host, move || {
        let item = slot::<WDFWORKITEM__>();
        let own = item.clone();
        item.set(work_item(move || {
            if !wrong {
                dereference(own.get().cast());
            }
        }));
        reference(item.get().cast());
        enqueue(item.get());
    })
}

fn over_dereference(host: &Host, wrong: bool) -> Result<(), Stop> {
    at_work(host, move || {
        let object = object_below(device());
        if !wrong {
            reference(object);
        }
        dereference(object);
    })
}

/// Many writes to a driver that does `work` for each.
fn per_write(host: &Host, work: impl Fn() + 'static) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        work();
        complete(request, STATUS_SUCCESS);
    });
    on(host, Disk::in_memory(), driver, |machine| {
        (0..MANY).try_for_each(|_| machine.write())
    })
}

fn memory_per_request(host: &Host, wrong: bool) -> Result<(), Stop> {
    per_write(host, move || {
        let memory = memory_below(device(), 16);
        if !wrong {
            delete(memory);
        }
    })
}

fn request_per_request(host: &Host, wrong: bool) -> Result<(), Stop> {
    per_write(host, move || {
        let request = create_request(target());
        if !wrong {
            delete(request);
        }
    })
}

fn string_per_request(host: &Host, wrong: bool) -> Result<(), Stop> {
    per_write(host, move || {
        let mut string = null();
        let status = wdf!(WdfStringCreate(ptr::null(), null(), &raw mut string));
        assert_eq!(status, STATUS_SUCCESS);
        if !wrong {
            delete(string);
        }
    })
}

fn key_per_request(host: &Host, wrong: bool) -> Result<(), Stop> {
    per_write(host, move || {
        let driver = wdf!(WdfDeviceGetDriver(device()));
        let mut key = null();
        let status = wdf!(WdfDriverOpenParametersRegistryKey(
            driver,
            0x2_0019,
            null(),
            &raw mut key
        ));
        assert_eq!(status, STATUS_SUCCESS);
        if !wrong {
            wdf!(WdfRegistryClose(key));
        }
    })
}

fn item_used_after_removal(host: &Host, wrong: bool) -> Result<(), Stop> {
    at_work(host, move || {
        let (collection, memory) = (collection(), create_memory(b"data"));
        let status = wdf!(WdfCollectionAdd(collection, memory.cast()));
        assert_eq!(status, STATUS_SUCCESS);
        delete(memory);
        if !wrong {
            buffer_of(memory);
        }
        wdf!(WdfCollectionRemoveItem(collection, 0));
        if wrong {
            buffer_of(memory);
        }
    })
}

fn item_removed_twice(host: &Host, wrong: bool) -> Result<(), Stop> {
    at_work(host, move || {
        let (collection, memory) = (collection(), create_memory(b"data"));
        let status = wdf!(WdfCollectionAdd(collection, memory.cast()));
        assert_eq!(status, STATUS_SUCCESS);
        wdf!(WdfCollectionRemove(collection, memory.cast()));
        if wrong {
            wdf!(WdfCollectionRemove(collection, memory.cast()));
        }
        delete(memory);
    })
}
