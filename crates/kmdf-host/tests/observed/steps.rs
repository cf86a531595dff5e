//! The steps about requests and queues.

use std::rc::Rc;

use kmdf_sys::*;

use crate::common::{null, wdf};
use crate::driver;
use crate::objects;
use crate::world::World;

fn status_of(word: &str) -> NTSTATUS {
    let bits = u32::from_str_radix(word.trim_start_matches("0x"), 16).expect("a status");
    bits.cast_signed()
}

/// The request that a step means: one of those that the driver has, its own, or that of the callback.
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

/// A step about one request.
pub(crate) fn of_request(
    world: &Rc<World>,
    words: &[&str],
    it: Option<WDFREQUEST>,
) -> Option<String> {
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

/// A step about a queue.
pub(crate) fn of_queue(world: &Rc<World>, words: &[&str]) -> Option<String> {
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
pub(crate) fn change_queue(world: &World, words: &[&str]) {
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
