//! What the cases do, step by step.

use std::rc::Rc;

use kmdf_host::{IrpSpec, PnpIrp, Stop};
use kmdf_sys::*;

use crate::common::{null, sleep, wdf};
use crate::driver;
use crate::world::{MAJORS, World, log, world};
use crate::{locks, named, objects, services};

/// A case that is code of its own, run inside a thread of the driver.
fn inside(id: &str) -> Option<fn()> {
    let cases = objects::INSIDE
        .iter()
        .chain(&services::INSIDE)
        .chain(&locks::INSIDE);
    cases
        .into_iter()
        .find(|(own, _)| *own == id)
        .map(|(_, code)| *code)
}

fn outside(id: &str) -> Option<objects::Outside> {
    let mut cases = objects::OUTSIDE.iter();
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
fn set_up(world: &Rc<World>) -> Result<bool, Stop> {
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

fn start(world: &World) -> Result<(), Stop> {
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

fn status_of(word: &str) -> NTSTATUS {
    let bits = u32::from_str_radix(word.trim_start_matches("0x"), 16).expect("a status");
    bits.cast_signed()
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
        ] => return queue_step(world, words),
        [name, ..] if name.starts_with("WdfIoQueue") => change_queue(world, words),
        _ => return request_step(world, words, it),
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

fn held(world: &World, words: &[&str], it: Option<WDFREQUEST>) -> WDFREQUEST {
    match words {
        ["created", ..] => world.created(),
        [held, ..] if held.starts_with("held") => {
            let index: usize = held[4..].parse().expect("an index");
            world.held.borrow()[index].1
        }
        _ => it.unwrap_or_else(|| world.held.borrow()[0].1),
    }
}

fn request_step(world: &Rc<World>, words: &[&str], it: Option<WDFREQUEST>) -> Option<String> {
    let request = || held(world, &words[1..], it);
    match words {
        ["done", status @ ..] => {
            let status = status
                .first()
                .map_or(STATUS_SUCCESS, |word| status_of(word));
            wdf!(WdfRequestComplete(request(), status));
            None
        }
        ["children"] => {
            objects::request_children(held(world, &[], it));
            None
        }
        ["boost", boost] => {
            let boost = boost.parse().expect("a boost");
            wdf!(WdfRequestCompleteWithPriorityBoost(
                held(world, &[], it),
                STATUS_SUCCESS,
                boost
            ));
            None
        }
        ["WdfRequestComplete", number, status] => {
            let number = number.parse().expect("a number");
            wdf!(WdfRequestComplete(world.request(number), status_of(status)));
            None
        }
        ["WdfRequestMarkCancelableEx", ..] => {
            let status = wdf!(WdfRequestMarkCancelableEx(
                request(),
                Some(driver::evt_cancel)
            ));
            Some(format!("{} = {status:#x}", words[0]))
        }
        ["WdfRequestMarkCancelable", ..] => {
            wdf!(WdfRequestMarkCancelable(
                request(),
                Some(driver::evt_cancel)
            ));
            None
        }
        ["WdfRequestUnmarkCancelable", ..] => {
            let status = wdf!(WdfRequestUnmarkCancelable(request()));
            Some(format!("{} = {status:#x}", words[0]))
        }
        ["WdfRequestStopAcknowledge", _] => {
            wdf!(WdfRequestStopAcknowledge(held(world, &[], it), 1));
            None
        }
        ["is_canceled"] => Some(format!(
            "IsCanceled {}",
            wdf!(WdfRequestIsCanceled(request()))
        )),
        ["requeue", which] => {
            let status = wdf!(WdfRequestRequeue(request()));
            Some(format!("requeue {which} = {status:#x}"))
        }
        ["forward", which @ .., queue] => {
            let request = held(world, which, it);
            let status = wdf!(WdfRequestForwardToIoQueue(request, world.queue_of(queue)));
            let which = which.iter().filter(|word| **word != "created");
            let which: String = which.map(|word| format!("{word} ")).collect();
            Some(format!("forward {which}{queue} = {status:#x}"))
        }
        ["get_queue", ..] => {
            let queue = wdf!(WdfRequestGetIoQueue(request()));
            let name = if queue.is_null() {
                "NULL"
            } else if queue == world.queue.get() {
                "Q"
            } else {
                "Q2"
            };
            Some(format!("WdfRequestGetIoQueue = {name}"))
        }
        _ => panic!("no step {words:?}"),
    }
}

macro_rules! queue_changes {
    ($words:ident, $queue:ident, $context:ident; with $($asynchronous:ident)*; without $($synchronous:ident)*) => {
        match $words[0] {
            $(stringify!($asynchronous) => {
                let callback = (!$context.is_null()).then_some(driver::evt_state as _);
                wdf!($asynchronous($queue, callback, $context));
            })*
            $(stringify!($synchronous) => { wdf!($synchronous($queue)); })*
            _ => panic!("no step {:?}", $words),
        }
    };
}

fn queue_step(world: &Rc<World>, words: &[&str]) -> Option<String> {
    let queue = world.queue.get();
    match words {
        ["state", name] => {
            let (mut queued, mut owned) = (0, 0);
            let state = wdf!(WdfIoQueueGetState(
                world.queue_of(name),
                &raw mut queued,
                &raw mut owned
            ));
            Some(format!("state {name} {state:#x} {queued} {owned}"))
        }
        ["retrieve", name @ ..] => {
            let mut request = null();
            let from = name.first().map_or(queue, |name| world.queue_of(name));
            let status = wdf!(WdfIoQueueRetrieveNextRequest(from, &raw mut request));
            Some(if NT_SUCCESS(status) {
                format!("retrieve = {status:#x} {}", world.hold(request))
            } else {
                format!("retrieve = {status:#x}")
            })
        }
        ["find", size @ ..] => {
            let mut parameters = WDF_REQUEST_PARAMETERS {
                Size: if size.is_empty() {
                    u16::try_from(size_of::<WDF_REQUEST_PARAMETERS>()).expect("small")
                } else {
                    3
                },
                ..Default::default()
            };
            let mut found = null();
            let status = wdf!(WdfIoQueueFindRequest(
                queue,
                null(),
                null(),
                &raw mut parameters,
                &raw mut found
            ));
            if !NT_SUCCESS(status) {
                return Some(format!("find = {status:#x}"));
            }
            world.found.set(found);
            let number = world.number_of(found);
            // SAFETY: it is a write, whose parameters are these.
            let length = unsafe { parameters.Parameters.Write.Length };
            let kind = parameters.Type;
            Some(format!(
                "find = {status:#x} {number} type {kind} length {length}"
            ))
        }
        ["retrieve_found"] => {
            let mut request = null();
            let found = world.found.get();
            let status = wdf!(WdfIoQueueRetrieveFoundRequest(
                queue,
                found,
                &raw mut request
            ));
            let same = if !request.is_null() && request == found {
                " same"
            } else {
                ""
            };
            Some(format!("retrieve found = {status:#x}{same}"))
        }
        ["ready_notify"] => {
            let context = std::ptr::without_provenance_mut(usize::from(b'R'));
            let status = wdf!(WdfIoQueueReadyNotify(
                queue,
                Some(driver::evt_state),
                context
            ));
            Some(format!("WdfIoQueueReadyNotify = {status:#x}"))
        }
        ["configure", name, kind] => {
            let which = match *kind {
                "Read" => _WDF_REQUEST_TYPE::WdfRequestTypeRead,
                "Write" => _WDF_REQUEST_TYPE::WdfRequestTypeWrite,
                other => other.parse().expect("a number"),
            };
            let device = world.device.get();
            let status = wdf!(WdfDeviceConfigureRequestDispatching(
                device,
                world.queue_of(name),
                which
            ));
            Some(format!("configure {name} {kind} = {status:#x}"))
        }
        ["create_default"] => {
            let mut config = driver::default_queue_config(world);
            let mut queue = null();
            let status = wdf!(WdfIoQueueCreate(
                world.device.get(),
                &raw mut config,
                null(),
                &raw mut queue
            ));
            Some(format!("WdfIoQueueCreate = {status:#x}"))
        }
        ["WdfObjectDelete", name] => {
            wdf!(WdfObjectDelete(world.queue_of(name).cast()));
            None
        }
        _ => panic!("no step {words:?}"),
    }
}

/// A change of the default queue's state. The callback of an asynchronous one gets the letter A, unless it stands alone.
fn change_queue(world: &World, words: &[&str]) {
    let queue = if words.get(1) == Some(&"Q2") {
        world.second.get()
    } else {
        world.queue.get()
    };
    let context: WDFCONTEXT = if words.contains(&"alone") {
        null()
    } else {
        std::ptr::without_provenance_mut(usize::from(b'A'))
    };
    queue_changes!(words, queue, context;
        with WdfIoQueueStop WdfIoQueueStopAndPurge WdfIoQueueDrain WdfIoQueuePurge;
        without WdfIoQueueStart WdfIoQueueStopSynchronously WdfIoQueueStopAndPurgeSynchronously
            WdfIoQueueDrainSynchronously WdfIoQueuePurgeSynchronously);
}

impl World {
    /// A request that the driver has created itself.
    fn created(&self) -> WDFREQUEST {
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
