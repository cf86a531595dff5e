//! Memory that the model takes for an idle object of each class and for a request under way: docs/model-cost.md states it.
//!
//! The only test of its program: it counts what the whole program allocates.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write;
use std::rc::Rc;
use std::sync::atomic::{AtomicIsize, Ordering};

use common::*;
use kmdf_host::{Disposition, Host, HostConfig, LowerConfig, LowerDevice, LowerIrp, Mode};
use kmdf_sys::*;

/// Counts the bytes that are allocated and not freed.
struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);

fn count(by: isize) {
    LIVE.fetch_add(by, Ordering::Relaxed);
}

// SAFETY: every call goes to the system's allocator with its own arguments; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// So many of each: what grows by doubling is a part of every one then, as in a long run.
const COUNT: usize = 1 << 12;

/// Bytes for each of `COUNT` things.
fn bytes_each(make: impl FnOnce()) -> isize {
    let before = LIVE.load(Ordering::Relaxed);
    make();
    (LIVE.load(Ordering::Relaxed) - before) / COUNT.cast_signed()
}

/// Makes one object of a class.
type Make = fn();

/// The attributes of an object below the device.
fn below_device() -> WDF_OBJECT_ATTRIBUTES {
    WDF_OBJECT_ATTRIBUTES {
        ParentObject: device().cast(),
        ..attributes()
    }
}

macro_rules! made {
    ($create:ident($($argument:expr),*)) => {{
        let mut object = null();
        assert_eq!(wdf!($create($($argument,)* &raw mut object)), STATUS_SUCCESS);
    }};
}

const CLASSES: [(&str, Make); 12] = [
    ("WDFOBJECT", || made!(WdfObjectCreate(&mut below_device()))),
    ("WDFMEMORY of 64 bytes", || {
        let mut buffer = null();
        let mut memory = null();
        let status = wdf!(WdfMemoryCreate(
            &mut below_device(),
            _POOL_TYPE::NonPagedPoolNx,
            0,
            64,
            &raw mut memory,
            &raw mut buffer
        ));
        assert_eq!(status, STATUS_SUCCESS);
    }),
    ("WDFREQUEST", || {
        made!(WdfRequestCreate(&mut below_device(), target()));
    }),
    ("WDFQUEUE, manual", || {
        let mut config = queue_config(_WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchManual);
        made!(WdfIoQueueCreate(device(), &raw mut config, null()));
    }),
    ("WDFIOTARGET", || {
        ignore(remote_target());
    }),
    ("WDFTIMER", || {
        let mut config = WDF_TIMER_CONFIG {
            Size: size::<WDF_TIMER_CONFIG>(),
            EvtTimerFunc: Some(evt_timer),
            ..Default::default()
        };
        made!(WdfTimerCreate(&raw mut config, &mut below_device()));
    }),
    ("WDFDPC", || {
        let mut config = WDF_DPC_CONFIG {
            Size: size::<WDF_DPC_CONFIG>(),
            EvtDpcFunc: Some(evt_dpc),
            ..Default::default()
        };
        made!(WdfDpcCreate(&raw mut config, &mut below_device()));
    }),
    ("WDFWORKITEM", || {
        let mut config = WDF_WORKITEM_CONFIG {
            Size: size::<WDF_WORKITEM_CONFIG>(),
            EvtWorkItemFunc: Some(evt_work_item),
            ..Default::default()
        };
        made!(WdfWorkItemCreate(&raw mut config, &mut below_device()));
    }),
    ("WDFSPINLOCK", || {
        made!(WdfSpinLockCreate(&mut below_device()));
    }),
    ("WDFWAITLOCK", || {
        made!(WdfWaitLockCreate(&mut below_device()));
    }),
    ("WDFCOLLECTION, empty", || {
        made!(WdfCollectionCreate(&mut below_device()));
    }),
    ("WDFSTRING, empty", || {
        made!(WdfStringCreate(std::ptr::null(), &mut below_device()));
    }),
];

unsafe extern "C" fn evt_timer(_timer: WDFTIMER) {}
unsafe extern "C" fn evt_dpc(_dpc: WDFDPC) {}
unsafe extern "C" fn evt_work_item(_item: WDFWORKITEM) {}

/// Keeps everything.
struct Keeper;

impl LowerDevice for Keeper {
    fn dispatch(&mut self, _irp: &mut LowerIrp<'_>) -> Disposition {
        Disposition::Pend
    }
}

fn object(make: Make) -> isize {
    let bench = plain(HostConfig::new(), Keeper);
    on_thread(&bench.host, make);
    let host = &bench.host;
    bytes_each(|| on_thread(host, move || (0..COUNT).for_each(|_| make())))
}

/// Sends what it gets on, asynchronously.
fn forwards() -> Hooks {
    Hooks {
        filter: true,
        completed: Some(Rc::new(|request, status, _| {
            wdf!(WdfRequestComplete(request, status));
        })),
        write: Some(Rc::new(|_, request, _| {
            wdf!(WdfRequestFormatRequestUsingCurrentType(request));
            with_routine(request);
            assert!(send(request, target(), None));
        })),
        ..Hooks::default()
    }
}

/// Writes of an application of which the device below keeps all.
fn requests(hooks: Hooks) -> isize {
    let bench = bench(HostConfig::new(), Keeper, hooks);
    let file = bench.host.open(bench.stack).expect("the file opens");
    let write = |_| {
        ignore(bench.host.submit_write(file, 0, &[1; 512], Mode::User));
        bench.host.run().expect("the host runs on");
    };
    write(0);
    let each = bytes_each(|| (0..COUNT).for_each(write));
    assert_eq!(bench.host.held_by(bench.lower), COUNT + 1);
    each
}

/// A stack with a filter that has one queue.
fn devices() -> isize {
    let host = Host::new(HostConfig::new());
    hook(|hooks| *hooks = forwards());
    let driver = host.load("filter", driver_entry).expect("the driver loads");
    let plug = |_| {
        let lower = host.add_lower(Keeper, LowerConfig::new("disk"));
        host.plug(lower, &[driver]).expect("the stack starts");
    };
    plug(0);
    bytes_each(|| (0..COUNT).for_each(plug))
}

fn measure() -> Vec<(String, isize)> {
    let mut measured: Vec<(String, isize)> = CLASSES
        .iter()
        .map(|(class, make)| ((*class).to_owned(), object(*make)))
        .collect();
    let plain = || Hooks {
        filter: true,
        ..Hooks::default()
    };
    measured.push((
        "device with a filter, its queue and target".to_owned(),
        devices(),
    ));
    measured.push((
        "write of 512 bytes under way, passed by the filter".to_owned(),
        requests(plain()),
    ));
    measured.push((
        "write of 512 bytes under way, sent on by the filter".to_owned(),
        requests(forwards()),
    ));
    measured
}

/// What the document says may differ from what is measured by one in so many: compilers lay out types as they like.
const TOLERANCE: isize = 10;

#[test]
fn memory_is_what_the_document_says() {
    let measured = measure();
    let mut table = String::from("| what | bytes |\n|---|---:|\n");
    for (what, bytes) in &measured {
        writeln!(table, "| {what} | {bytes} |").expect("a string takes everything");
    }
    println!("{table}");
    let document = include_str!("../../../docs/model-cost.md");
    for (what, bytes) in &measured {
        let row = document
            .lines()
            .find_map(|line| line.strip_prefix(&format!("| {what} | ")))
            .unwrap_or_else(|| panic!("docs/model-cost.md lacks {what}:\n{table}"));
        let stated: isize = row
            .trim_end_matches(" |")
            .parse()
            .unwrap_or_else(|_| panic!("no number: {row}"));
        assert!(
            (bytes - stated).abs() * TOLERANCE <= stated,
            "docs/model-cost.md says {stated} for {what}:\n{table}"
        );
    }
}
