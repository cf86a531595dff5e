//! What the benchmarks of the write path share: a filter that writes what it gets, above a device that takes it at once.
//!
//! A write of one byte takes another way: it is sent on asynchronously, and the device holds it.

#![allow(dead_code, reason = "each benchmark uses a part")]

use std::rc::Rc;

use kmdf_host::{
    Disposition, FileId, Host, HostConfig, LowerConfig, LowerDevice, LowerId, LowerIrp, Mode,
    Outcome,
};
use kmdf_sys::{IRP_MJ_WRITE, STATUS_SUCCESS};

use crate::common::*;

/// Bytes of every write.
pub(crate) const LENGTH: usize = 512;

/// Bytes of a write that is held.
pub(crate) const HELD: usize = 1;

/// Completes everything at once but what is to be held.
pub(crate) struct Sink;

impl LowerDevice for Sink {
    fn dispatch(&mut self, irp: &mut LowerIrp<'_>) -> Disposition {
        if u32::from(irp.major()) == IRP_MJ_WRITE && irp.length() as usize == HELD {
            return Disposition::Pend;
        }
        Disposition::Complete(Outcome::new(STATUS_SUCCESS, u64::from(irp.length())))
    }
}

/// The filter, which writes synchronously what the application writes.
pub(crate) fn forwards() -> Hooks {
    Hooks {
        filter: true,
        completed: Some(Rc::new(|request, status, information| {
            wdf!(WdfRequestCompleteWithInformation(
                request,
                status,
                information
            ));
        })),
        write: Some(Rc::new(|_, request, length| {
            if length == HELD {
                wdf!(WdfRequestFormatRequestUsingCurrentType(request));
                with_routine(request);
                assert!(send(request, target(), None));
                return;
            }
            let mut memory = null();
            assert_eq!(
                wdf!(WdfRequestRetrieveInputMemory(request, &raw mut memory)),
                STATUS_SUCCESS
            );
            let mut descriptor = memory_descriptor(memory, null());
            let mut written = 0;
            let status = wdf!(WdfIoTargetSendWriteSynchronously(
                target(),
                null(),
                &raw mut descriptor,
                null(),
                null(),
                &raw mut written
            ));
            wdf!(WdfRequestCompleteWithInformation(request, status, written));
        })),
        ..Hooks::default()
    }
}

/// A machine with the filter on so many devices, of which the last is used.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) host: Host,
    pub(crate) lower: LowerId,
    pub(crate) file: FileId,
}

/// Makes one.
pub(crate) fn machine(devices: u32) -> Machine {
    hook(|hooks| *hooks = forwards());
    let host = Host::new(HostConfig::new());
    let driver = host.load("filter", driver_entry).expect("the driver loads");
    let stacks = (0..devices).map(|_| {
        let lower = host.add_lower(Sink, LowerConfig::new("disk"));
        (
            lower,
            host.plug(lower, &[driver]).expect("the stack starts"),
        )
    });
    let stacks: Vec<_> = stacks.collect();
    let &(lower, last) = stacks.last().expect("a device");
    let file = host.open(last).expect("the file opens");
    Machine { host, lower, file }
}

/// So many synchronous writes of a driver's thread, straight through the function table.
pub(crate) fn driver_writes(machine: &Machine, count: u32) {
    on_thread(&machine.host, move || {
        let (target, data) = (target(), [0u8; LENGTH]);
        for _ in 0..count {
            assert_eq!(
                sync_write(target, null(), &data, None),
                (STATUS_SUCCESS, LENGTH as u64)
            );
        }
    });
}

/// So many writes of an application, through the filter.
pub(crate) fn application_writes(machine: &Machine, count: u32) {
    for _ in 0..count {
        let result = machine.host.write(machine.file, 0, &[0; LENGTH]);
        assert!(result.is_ok_and(|result| result.information == LENGTH as u64));
    }
}

/// Lets the device hold so many writes.
pub(crate) fn hold(machine: &Machine, count: u32) {
    for _ in 0..count {
        ignore(
            machine
                .host
                .submit_write(machine.file, 0, &[0; HELD], Mode::User),
        );
        machine.host.run().expect("the host runs on");
    }
}

/// Completes so many of the writes that the device holds, the oldest first.
pub(crate) fn complete(machine: &Machine, count: u32) {
    for _ in 0..count {
        let outcome = Outcome::new(STATUS_SUCCESS, HELD as u64);
        let completed = machine.host.complete_lower(machine.lower, 0, outcome);
        assert_eq!(completed, Ok(true));
    }
}
