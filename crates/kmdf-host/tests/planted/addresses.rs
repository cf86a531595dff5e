//! Addresses: only memory that is allocated, and no further than it reaches. These need the special pool.

use std::ptr;

use kmdf_host::{BugcheckKind, Disk, Host, Stop, ViolationKind};
use kmdf_sys::*;

use crate::common::*;
use crate::kit::*;
use crate::table::{Finding, Planted};

pub(crate) const PLANTED: &[Planted] = &[
    Planted {
        name: "status of a retrieval ignored",
        mistake: "WdfRequestRetrieveInputBuffer fails because the buffer is too small, and NULL is read",
        finding: Finding::Violation(ViolationKind::IgnoredStatus),
        seeds: 1,
        run: retrieval_ignored,
    },
    Planted {
        name: "use after free",
        mistake: "a block of pool is read after it was freed",
        finding: Finding::Bugcheck(BugcheckKind::FreedMemory),
        seeds: 1,
        run: use_after_free,
    },
    Planted {
        name: "context used after its object",
        mistake: "the driver keeps the address of a context longer than the object it belongs to",
        finding: Finding::Bugcheck(BugcheckKind::FreedMemory),
        seeds: 1,
        run: context_after_object,
    },
    Planted {
        name: "overrun by one",
        mistake: "one byte too many is written to a block of pool",
        finding: Finding::Bugcheck(BugcheckKind::BeyondBlock),
        seeds: 1,
        run: overrun,
    },
    Planted {
        name: "context of the wrong type",
        mistake: "the context of an object is asked for by the type of another, and the NULL that comes is written to",
        finding: Finding::Violation(ViolationKind::WrongContext),
        seeds: 1,
        run: wrong_context,
    },
];

fn poke(at: *mut u8) {
    // SAFETY: an address that is not the driver's is what the model looks for.
    unsafe { ptr::write_volatile(at, 1) };
}

fn retrieval_ignored(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let mut buffer = null();
        let status = wdf!(WdfRequestRetrieveInputBuffer(
            request,
            64,
            &raw mut buffer,
            null()
        ));
        if NT_SUCCESS(status) || wrong {
            poke(buffer.cast());
        }
        complete(request, status);
    });
    on(host, Disk::in_memory(), driver, |machine| {
        machine.host.write(machine.file, 0, b"data").map(ignore)
    })
}

fn use_after_free(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let block = allocate(16);
        if !wrong {
            poke(block);
        }
        free(block);
        if wrong {
            poke(block);
        }
        complete(request, STATUS_SUCCESS);
    });
    one_write(host, driver)
}

fn context_after_object(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let mut object = null();
        let mut attributes = WDF_OBJECT_ATTRIBUTES {
            ContextTypeInfo: &raw const CONTEXT.0,
            ..child_of(request)
        };
        let status = wdf!(WdfObjectCreate(&raw mut attributes, &raw mut object));
        assert_eq!(status, STATUS_SUCCESS);
        let context = wdf!(WdfObjectGetTypedContextWorker(object, &raw const CONTEXT.0));
        if !wrong {
            poke(context.cast());
        }
        delete(object);
        if wrong {
            poke(context.cast());
        }
        complete(request, STATUS_SUCCESS);
    });
    one_write(host, driver)
}

fn overrun(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let block = allocate(16);
        for place in 0..if wrong { 17 } else { 16 } {
            poke(block.wrapping_add(place));
        }
        free(block);
        complete(request, STATUS_SUCCESS);
    });
    one_write(host, driver)
}

fn wrong_context(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let mut object = null();
        let mut attributes = WDF_OBJECT_ATTRIBUTES {
            ContextTypeInfo: &raw const CONTEXT.0,
            ..child_of(request)
        };
        let status = wdf!(WdfObjectCreate(&raw mut attributes, &raw mut object));
        assert_eq!(status, STATUS_SUCCESS);
        let asked = if wrong { &OTHER_CONTEXT } else { &CONTEXT };
        let context = wdf!(WdfObjectGetTypedContextWorker(object, &raw const asked.0));
        poke(context.cast());
        complete(request, STATUS_SUCCESS);
    });
    one_write(host, driver)
}
