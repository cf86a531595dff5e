//! What the cases do, step by step.

use std::rc::Rc;

use kmdf_host::{IrpSpec, PnpIrp, Stop};
use kmdf_sys::*;

use crate::common::{sleep, wdf};
use crate::driver;
use crate::world::{MAJORS, World, log, world};
use crate::{locks, named, objects, sends, services, steps};

/// A case that is code of its own, run inside a thread of the driver.
fn inside(id: &str) -> Option<fn()> {
    let cases = objects::INSIDE
        .iter()
        .chain(&services::INSIDE)
        .chain(&sends::INSIDE)
        .chain(&locks::INSIDE);
    cases
        .into_iter()
        .find(|(own, _)| *own == id)
        .map(|(_, code)| *code)
}

fn outside(id: &str) -> Option<objects::Outside> {
    let mut cases = objects::OUTSIDE.iter().chain(&sends::OUTSIDE);
    cases.find(|(own, _)| *own == id).map(|(_, code)| *code)
}

/// Runs a case and gives what was recorded.
pub(crate) fn run(world: &Rc<World>) -> Vec<String> {
    named::reset();
    services::reset();
    if let Some(code) = outside(&world.case.id) {
        if let Err(stop) = code(world) {
            world.log(format!("stopped: {stop}"));
        }
        return world.take_log();
    }
    let ended = set_up(world).and_then(|added| {
        if !added {
            return Ok(());
        }
        if world.case.flag("started") != Some(false) && !world.case.brief {
            start(world)?;
            world.take_log();
        }
        if let Some(code) = inside(&world.case.id) {
            world.host.spawn("test", code);
            world.run()?;
        } else {
            assert!(
                !world.case.run.is_empty(),
                "{}: nothing to do",
                world.case.id
            );
        }
        for step in &world.case.run {
            if !one(world, step)? {
                world.log("hangs");
                break;
            }
        }
        Ok(())
    });
    if let Err(stop) = ended {
        if !matches!(stop, Stop::Bugcheck(_)) {
            world.log(format!("stopped: {stop}"));
        }
    } else if !world.case.brief && world.is_blocked() {
        world.log("hangs");
    }
    world.take_log()
}

/// Loads the driver and adds the device; `false` when there is none and the case ends.
pub(crate) fn set_up(world: &Rc<World>) -> Result<bool, Stop> {
    let below = crate::world::add_below(world);
    let driver = world.host.load("driver", driver::entry)?;
    if world
        .case
        .word("fail")
        .is_some_and(|fail| fail.starts_with("DeviceAdd"))
    {
        let inner = Rc::clone(world);
        world.host.spawn("pnp", move || {
            let (status, device) = inner.host.add_device_now(driver, below);
            assert!(device.is_none());
            log(format!("< AddDevice {status:#x}"));
        });
        world.run()?;
        return Ok(false);
    }
    world
        .stack
        .set(Some(world.host.add_devices(below, &[driver])?));
    if world.case.brief {
        log("< AddDevice 0x0");
    }
    Ok(true)
}

pub(crate) fn start(world: &World) -> Result<(), Stop> {
    let stack = world.stack.get().expect("a stack");
    world.host.start(stack)
}

/// The words of the observations for PnP and power requests.
fn pnp_irp(step: &str) -> Option<PnpIrp> {
    Some(match step {
        "START" => PnpIrp::StartDevice,
        "QSTOP" => PnpIrp::QueryStopDevice,
        "CSTOP" => PnpIrp::CancelStopDevice,
        "STOP" => PnpIrp::StopDevice,
        "QREMOVE" => PnpIrp::QueryRemoveDevice,
        "CREMOVE" => PnpIrp::CancelRemoveDevice,
        "SURPRISE" => PnpIrp::SurpriseRemoval,
        "REMOVE" => PnpIrp::RemoveDevice,
        "PS" => PnpIrp::QueryPnpDeviceState,
        _ => {
            let (kind, state) = step.split_at_checked(1)?;
            let state = state.parse().ok()?;
            match kind {
                "S" => PnpIrp::SetSystemPower(state),
                "D" => PnpIrp::SetDevicePower(state),
                _ => return None,
            }
        }
    })
}

/// One step of the main sequence; `false` when it never ends.
fn one(world: &Rc<World>, step: &str) -> Result<bool, Stop> {
    if let Some(irp) = pnp_irp(step) {
        return pnp(world, step, irp);
    }
    if step == "CL" {
        let request = world.held.borrow_mut().remove(0).1;
        complete_later(request);
        return Ok(true);
    }
    let owned = step.to_owned();
    if let Some((delay, step)) = owned.strip_prefix("after ").and_then(|s| s.split_once(' ')) {
        let delay = delay.parse().expect("milliseconds");
        let step = step.to_owned();
        world.host.spawn("other", move || {
            sleep(delay);
            act(&step, None);
        });
        return Ok(true);
    }
    world.host.spawn("test", move || act(&owned, None));
    world.run()?;
    Ok(true)
}

fn pnp(world: &World, step: &str, irp: PnpIrp) -> Result<bool, Stop> {
    let stack = world.stack.get().expect("a stack");
    let quiet = !world.case.brief;
    if !quiet {
        world.log(format!("> {step}"));
    }
    let status = match world.host.pnp(stack, irp) {
        Ok(status) => status,
        Err(Stop::Deadlock(_)) => return Ok(false),
        Err(stop) => return Err(stop),
    };
    let state = match irp {
        PnpIrp::QueryPnpDeviceState => {
            format!(" state {:#x}", world.host.pnp_device_state(stack))
        }
        _ => String::new(),
    };
    world.log(format!("< {step} {status:#x}{state}"));
    world.run()?;
    Ok(true)
}

/// The body of a callback.
pub(crate) fn body(callback: &str, request: WDFREQUEST) {
    let steps = world().case.on.get(callback).cloned();
    for step in steps.unwrap_or_default() {
        act(&step, Some(request));
    }
}

/// Completes a request 150 ms later, from another thread.
pub(crate) fn complete_later(request: WDFREQUEST) {
    let request = request.addr();
    world().host.spawn("other", move || {
        sleep(150);
        log("later");
        wdf!(WdfRequestComplete(
            std::ptr::without_provenance_mut::<WDFREQUEST__>(request),
            STATUS_SUCCESS
        ));
    });
}

/// Does one step; `it` is the request of the callback whose body it belongs to.
fn act(step: &str, it: Option<WDFREQUEST>) {
    let quiet = step.starts_with('~');
    let step = step.trim_start_matches('~');
    let (step, raised) = match step.strip_suffix(" DISPATCH") {
        Some(step) => (step, true),
        None => (step, false),
    };
    let world = world();
    if raised {
        world.host.set_irql(2);
    }
    let words: Vec<&str> = step.split_whitespace().collect();
    let logged = !quiet
        && (words[0].starts_with("Wdf") || words[0] == "IoCancelIrp")
        && !has_result(words[0]);
    if logged {
        log(format!("> {step}"));
    }
    let answer = perform(&world, &words, it);
    if logged {
        let answer = answer.map_or_else(String::new, |answer| format!(" {answer}"));
        let second = if words.get(1) == Some(&"Q2") {
            " Q2"
        } else {
            ""
        };
        log(format!("< {}{second}{answer}", words[0]));
    } else if let Some(answer) = answer
        && !quiet
    {
        log(answer);
    }
    if raised {
        world.host.set_irql(0);
    }
}

/// Calls that are recorded in one line, with their result.
fn has_result(name: &str) -> bool {
    matches!(
        name,
        "WdfRequestMarkCancelableEx" | "WdfRequestUnmarkCancelable"
    )
}

fn perform(world: &Rc<World>, words: &[&str], it: Option<WDFREQUEST>) -> Option<String> {
    match words {
        ["W"] => {
            let number = u32::try_from(world.ios.borrow().len()).expect("few") + 1;
            send(world, number, 4, 16, 1);
        }
        ["C"] => {
            // As many as there are now: completing one may bring the next.
            let count = world.held.borrow().len();
            for _ in 0..count {
                log("complete held");
                let (_, request) = world.held.borrow_mut().remove(0);
                wdf!(WdfRequestComplete(request, STATUS_SUCCESS));
            }
        }
        ["X"] => {
            log("> IoCancelIrp 1");
            world.host.cancel_now(world.ios.borrow()[&1]);
        }
        ["FR" | "FN"] => {
            let action = if words[0] == "FR" { 1 } else { 2 };
            let name = if action == 1 {
                "AttemptRestart"
            } else {
                "NoRestart"
            };
            log(format!("> WdfDeviceSetFailed {name}"));
            wdf!(WdfDeviceSetFailed(world.device.get(), action));
            log("< WdfDeviceSetFailed");
        }
        ["send", number, what, length, file @ ..] => {
            let number = number.parse().expect("a number");
            let major = MAJORS.iter().find(|(name, _)| name == what);
            let length = length.parse().expect("a length");
            let file = file.first().map_or(1, |file| file.parse().expect("a file"));
            send(world, number, major.expect("a request").1, length, file);
        }
        ["sleep", span] => sleep(span.parse().expect("milliseconds")),
        ["thread", rest @ ..] => {
            let step = rest.join(" ");
            world.host.spawn("other", move || act(&step, None));
            world.host.settle();
        }
        ["IoCancelIrp", number] => {
            let io = world.ios.borrow()[&number.parse().expect("a number")];
            return Some(i32::from(world.host.cancel_now(io)).to_string());
        }
        [
            "state" | "retrieve" | "find" | "retrieve_found" | "ready_notify" | "configure"
            | "create_default" | "WdfObjectDelete",
            ..,
        ] => return steps::of_queue(world, words),
        [name, ..] if name.starts_with("WdfIoQueue") => steps::change_queue(world, words),
        _ => return steps::of_request(world, words, it),
    }
    None
}

fn send(world: &Rc<World>, number: u32, major: u8, length: u32, file: u32) {
    let name = MAJORS
        .iter()
        .find(|(_, code)| *code == major)
        .expect("known")
        .0;
    log(format!("send {number} {name} {length}"));
    let is_ioctl = matches!(major, 14 | 15);
    let file = *world
        .files
        .borrow_mut()
        .entry(file)
        .or_insert_with(|| world.host.new_file(world.device.get()).expect("a device"));
    let spec = IrpSpec {
        major,
        length,
        code: if is_ioctl { 0x22_2000 } else { 0 },
        data: vec![0; length as usize],
        user_mode: false,
        stack_count: 2,
        file: Some(file),
        ..IrpSpec::default()
    };
    let device = world.device.get();
    let io = world.host.make_irp(device, &spec).expect("a device");
    world.ios.borrow_mut().insert(number, io);
    let status = world.host.send_irp(device, io, move || {
        let world = self::world();
        world.held.borrow_mut().retain(|(held, _)| *held != number);
        let (status, information) = world.host.io_status(io).expect("it has completed");
        let boost = match world.host.priority_boost(io) {
            Some(0) | None => String::new(),
            Some(boost) => format!(" boost {boost}"),
        };
        log(format!("done {number} {status:#x} {information}{boost}"));
    });
    log(format!("sent {number} {status:#x}"));
}

impl World {
    /// A request that the driver has created itself.
    pub(crate) fn created(&self) -> WDFREQUEST {
        if self.created.get().is_null() {
            let target = wdf!(WdfDeviceGetIoTarget(self.device.get()));
            self.created.set(crate::common::create_request(target));
        }
        self.created.get()
    }

    /// Whether a thread can never go on.
    fn is_blocked(&self) -> bool {
        matches!(self.host.run(), Err(Stop::Deadlock(_)))
    }
}
