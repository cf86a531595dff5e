//! Memory: freed once, used while it is allocated and no further than it reaches.

use kmdf_host::{Allocation, BugcheckKind, Disk, Host, Stop, ViolationKind};
use kmdf_sys::*;

use crate::common::*;
use crate::kit::*;
use crate::table::{Finding, Planted};

pub(crate) const PLANTED: &[Planted] = &[
    Planted {
        name: "leak of pool",
        mistake: "each write allocates pool and does not free it",
        finding: Finding::Violation(ViolationKind::MemoryLeak),
        seeds: 1,
        run: pool_leak,
    },
    Planted {
        name: "double free",
        mistake: "a block of pool is freed twice",
        finding: Finding::Bugcheck(BugcheckKind::BadFree),
        seeds: 1,
        run: double_free,
    },
    Planted {
        name: "free of a WDFMEMORY's buffer",
        mistake: "the buffer of a WDFMEMORY is given to ExFreePoolWithTag",
        finding: Finding::Bugcheck(BugcheckKind::BadFree),
        seeds: 1,
        run: memory_buffer_freed,
    },
    Planted {
        name: "leak of an MDL",
        mistake: "IoAllocateMdl without IoFreeMdl",
        finding: Finding::Violation(ViolationKind::MdlLeak),
        seeds: 1,
        run: mdl_leak,
    },
    Planted {
        name: "status of a creation ignored",
        mistake: "WdfMemoryCreate fails for want of memory and the NULL handle is used",
        finding: Finding::Violation(ViolationKind::IgnoredStatus),
        seeds: 1,
        run: creation_ignored,
    },
];

fn pool_leak(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let block = allocate(16);
        if !wrong {
            free(block);
        }
        complete(request, STATUS_SUCCESS);
    });
    one_write(host, driver)
}

fn double_free(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let block = allocate(16);
        free(block);
        if wrong {
            free(block);
        }
        complete(request, STATUS_SUCCESS);
    });
    one_write(host, driver)
}

fn memory_buffer_freed(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let memory = memory_below(request, 16);
        if wrong {
            free(wdf!(WdfMemoryGetBuffer(memory, null())).cast());
        } else {
            delete(memory);
        }
        complete(request, STATUS_SUCCESS);
    });
    one_write(host, driver)
}

fn mdl_leak(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let block = allocate(16);
        // SAFETY: the block is 16 bytes long.
        let mdl = unsafe { ntddk::IoAllocateMdl(block.cast(), 16, 0, 0, null()) };
        if !wrong {
            // SAFETY: the MDL was just allocated.
            unsafe { ntddk::IoFreeMdl(mdl) };
        }
        free(block);
        complete(request, STATUS_SUCCESS);
    });
    one_write(host, driver)
}

fn creation_ignored(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let (mut memory, mut buffer) = (null(), null());
        let status = wdf!(WdfMemoryCreate(
            &mut child_of(request),
            _POOL_TYPE::NonPagedPoolNx,
            TAG,
            16,
            &raw mut memory,
            &raw mut buffer
        ));
        if NT_SUCCESS(status) || wrong {
            ignore(wdf!(WdfMemoryGetBuffer(memory, null())));
        }
        complete(request, status);
    });
    on(host, Disk::in_memory(), driver, |machine| {
        machine.host.fail_allocation(Allocation::Pool, 1);
        machine.host.write(machine.file, 0, b"data").map(ignore)
    })
}
