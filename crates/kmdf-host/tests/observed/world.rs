//! The machine of one case, and the record of what happens on it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ptr;
use std::rc::Rc;

use kmdf_host::{
    CancelDisposition, Disposition, Event, Host, HostConfig, IoId, IoType, LowerConfig,
    LowerDevice, LowerIrp, Outcome, PnpIrp, StackId, Stop,
};
use kmdf_sys::*;

use crate::case::Case;
use crate::common::wdf;

/// Everything about the case that runs.
pub(crate) struct World {
    pub(crate) host: Host,
    pub(crate) case: Case,
    pub(crate) stack: Cell<Option<StackId>>,
    pub(crate) device: Cell<WDFDEVICE>,
    pub(crate) queue: Cell<WDFQUEUE>,
    pub(crate) second: Cell<WDFQUEUE>,
    pub(crate) created: Cell<WDFREQUEST>,
    pub(crate) found: Cell<WDFREQUEST>,
    /// IRPs by number.
    pub(crate) ios: RefCell<BTreeMap<u32, IoId>>,
    pub(crate) files: RefCell<BTreeMap<u32, kmdf_host::FileId>>,
    /// Requests that the driver has been given and has, by the number of their IRP.
    pub(crate) held: RefCell<Vec<(u32, WDFREQUEST)>>,
    log: RefCell<Vec<String>>,
    recorded: Cell<usize>,
    calls: RefCell<BTreeMap<String, u32>>,
}

thread_local! {
    static WORLD: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

/// The world of the case that runs.
pub(crate) fn world() -> Rc<World> {
    WORLD.with_borrow(|world| Rc::clone(world.as_ref().expect("a case runs")))
}

/// Records what the harness sees.
pub(crate) fn log(text: impl Into<String>) {
    world().log(text);
}

impl World {
    /// An empty machine for a case.
    pub(crate) fn set_up(case: &Case) -> Rc<Self> {
        let verifier = case.flag("verifier") == Some(true);
        let world = Rc::new(Self {
            host: Host::new(HostConfig::new().trace(true).verifier(verifier)),
            case: case.clone(),
            stack: Cell::new(None),
            device: Cell::new(ptr::null_mut()),
            queue: Cell::new(ptr::null_mut()),
            second: Cell::new(ptr::null_mut()),
            created: Cell::new(ptr::null_mut()),
            found: Cell::new(ptr::null_mut()),
            ios: RefCell::new(BTreeMap::new()),
            files: RefCell::new(BTreeMap::new()),
            held: RefCell::new(Vec::new()),
            log: RefCell::new(Vec::new()),
            recorded: Cell::new(0),
            calls: RefCell::new(BTreeMap::new()),
        });
        WORLD.set(Some(Rc::clone(&world)));
        world
    }

    /// Lets go of the machine.
    pub(crate) fn tear_down(self: Rc<Self>) {
        self.host.shut_down();
        WORLD.set(None);
    }

    pub(crate) fn log(&self, text: impl Into<String>) {
        self.take_records();
        self.log.borrow_mut().push(text.into());
    }

    /// What was recorded.
    pub(crate) fn take_log(&self) -> Vec<String> {
        self.take_records();
        self.log.take()
    }

    /// Adds what only the model's own record tells: the kernel's routines, and IRPs that reach the device below.
    fn take_records(&self) {
        let records = self.host.trace().records;
        let new = &records[self.recorded.replace(records.len())..];
        let mut log = self.log.borrow_mut();
        for record in new {
            match &record.event {
                Event::KernelRoutine { routine } => log.push((*routine).to_owned()),
                Event::DebugBreak { .. } => log.push("break".to_owned()),
                Event::Bugcheck { p1, .. } => log.push(format!("bugcheck {p1:#x}")),
                Event::IrpCancel { routine, .. } => {
                    let routine = if *routine { "yes" } else { "no" };
                    log.push(format!("IoCancelIrp routine={routine}"));
                }
                Event::IrpDown {
                    to, major, length, ..
                } if to.name() == "below" => {
                    let name = major_name(*major);
                    log.push(match *major {
                        3 | 4 => format!("low {name} {length}"),
                        14 => format!("low {name} {length} {length}"),
                        _ => format!("low {name}"),
                    });
                }
                _ => {}
            }
        }
    }

    /// Whether this call of a callback is the one that the case lets fail.
    pub(crate) fn fails(&self, key: &str, callback: &str) -> bool {
        let Some((name, nth)) = self.case.word(key).and_then(|fail| fail.split_once(' ')) else {
            return false;
        };
        if name != callback {
            return false;
        }
        let mut calls = self.calls.borrow_mut();
        let count = calls.entry(callback.to_owned()).or_default();
        *count += 1;
        nth.parse() == Ok(*count)
    }

    /// The number of a request's IRP; 0 when it is none that was sent here.
    pub(crate) fn number_of(&self, request: WDFREQUEST) -> u32 {
        let irp = wdf!(WdfRequestWdmGetIrp(request));
        let ios = self.ios.borrow();
        ios.iter()
            .find(|(_, io)| self.host.irp_of(**io) == Some(irp))
            .map_or(0, |(number, _)| *number)
    }

    /// The driver has got a request.
    pub(crate) fn hold(&self, request: WDFREQUEST) -> u32 {
        let number = self.number_of(request);
        self.held.borrow_mut().push((number, request));
        number
    }

    /// The request of an IRP that the driver has.
    pub(crate) fn request(&self, number: u32) -> WDFREQUEST {
        let held = self.held.borrow();
        let found = held.iter().rev().find(|(of, _)| *of == number);
        found.expect("the driver has the request").1
    }

    pub(crate) fn queue_of(&self, name: &str) -> WDFQUEUE {
        match name {
            "Q" => self.queue.get(),
            "Q2" => self.second.get(),
            _ => panic!("no queue {name}"),
        }
    }

    /// Lets everything run. A thread that can never go on is no failure here: the case says what hangs.
    pub(crate) fn run(&self) -> Result<(), Stop> {
        match self.host.run() {
            Ok(()) | Err(Stop::Deadlock(_)) => Ok(()),
            Err(stop) => Err(stop),
        }
    }
}

/// The device below: completes everything with success, or holds it until it is cancelled.
struct Below {
    pends: bool,
}

impl LowerDevice for Below {
    fn dispatch(&mut self, irp: &mut LowerIrp<'_>) -> Disposition {
        if self.pends {
            Disposition::Pend
        } else {
            Disposition::Complete(Outcome::new(STATUS_SUCCESS, u64::from(irp.length())))
        }
    }

    fn cancelled(&mut self, _: &mut LowerIrp<'_>) -> CancelDisposition {
        log("low cancelled 0xc0000120 0");
        CancelDisposition::Complete(Outcome::cancelled())
    }

    fn pnp(&mut self, irp: PnpIrp) -> NTSTATUS {
        let name = irp.to_string();
        let name = name.trim_start_matches("IRP_MN_");
        if world().fails("fail_below", name) {
            log(format!("low {name} = {STATUS_UNSUCCESSFUL:#x}"));
            return STATUS_UNSUCCESSFUL;
        }
        if world().case.brief {
            log(format!("low {name}"));
        }
        STATUS_SUCCESS
    }
}

/// The device below a case's driver.
pub(crate) fn add_below(world: &World) -> kmdf_host::LowerId {
    let pends = world.case.word("write") == Some("send");
    let io_type = match world.case.word("below") {
        Some("neither") => IoType::Neither,
        _ => IoType::Buffered,
    };
    let config = LowerConfig::new("below").io_type(io_type);
    world.host.add_lower(Below { pends }, config)
}

/// `IRP_MJ_` codes by the names of the data files.
pub(crate) const MAJORS: [(&str, u8); 9] = [
    ("create", 0),
    ("close", 2),
    ("read", 3),
    ("write", 4),
    ("set_information", 6),
    ("flush", 9),
    ("ioctl", 14),
    ("internal_ioctl", 15),
    ("cleanup", 18),
];

fn major_name(major: u8) -> &'static str {
    MAJORS
        .iter()
        .find(|(_, code)| *code == major)
        .map_or("?", |(name, _)| name)
}
