//! Sweeps: a scenario once for everything that can fail in it. The drivers here are right, or wrong in one place that
//! only a fault shows.

mod common;

use std::rc::Rc;

use common::*;
use kmdf_host::{
    Allocation, Disk, Failure, Fault, FaultKind, Host, HostConfig, LowerConfig, LowerFault,
    Problem, Stop, Sweep, SweepReport, ViolationKind,
};
use kmdf_sys::*;

/// What a driver does with a write.
type OnWrite = fn(WDFREQUEST);

/// Memory of the driver's own, as large as the write.
fn memory_of(length: usize) -> Result<WDFMEMORY, NTSTATUS> {
    let (mut memory, mut buffer) = (null(), null());
    let status = wdf!(WdfMemoryCreate(
        null(),
        _POOL_TYPE::NonPagedPoolNx,
        0,
        length,
        &raw mut memory,
        &raw mut buffer
    ));
    if NT_SUCCESS(status) {
        Ok(memory)
    } else {
        Err(status)
    }
}

fn complete(request: WDFREQUEST, status: NTSTATUS, written: u64) {
    wdf!(WdfRequestCompleteWithInformation(request, status, written));
}

fn forward(memory: WDFMEMORY, timeout: Option<i64>) -> (NTSTATUS, u64) {
    let mut descriptor = memory_descriptor(memory, null());
    let mut written = 0;
    let mut options = timeout.map(|timeout| options(TIMEOUT, timeout));
    let options = options.as_mut().map_or(null(), |options| &raw mut *options);
    let status = wdf!(WdfIoTargetSendWriteSynchronously(
        target(),
        null(),
        &raw mut descriptor,
        null(),
        options,
        &raw mut written
    ));
    (status, written)
}

/// Sends a copy of the write down.
fn right(request: WDFREQUEST) {
    let memory = match memory_of(8) {
        Ok(memory) => memory,
        Err(status) => return complete(request, status, 0),
    };
    let (status, written) = forward(memory, Some(ms(10)));
    delete(memory);
    complete(request, status, written.min(8));
}

/// Forgets its own pool when the write fails.
fn leaks(request: WDFREQUEST) {
    const TAG: u32 = u32::from_le_bytes(*b"leak");
    // SAFETY: no precondition.
    let pool = unsafe { ntddk::ExAllocatePool2(POOL_FLAG_NON_PAGED, 8, TAG) };
    if pool.is_null() {
        return complete(request, STATUS_INSUFFICIENT_RESOURCES, 0);
    }
    let mut descriptor = buffer_descriptor(pool.cast(), 8);
    let mut options = options(TIMEOUT, ms(10));
    let mut written = 0;
    let status = wdf!(WdfIoTargetSendWriteSynchronously(
        target(),
        null(),
        &raw mut descriptor,
        null(),
        &raw mut options,
        &raw mut written
    ));
    if NT_SUCCESS(status) {
        // SAFETY: it is the pool from above, which nobody uses any more.
        unsafe { ntddk::ExFreePoolWithTag(pool, TAG) };
    }
    complete(request, status, written.min(8));
}

/// Forgets the request when there is no memory.
fn forgets(request: WDFREQUEST) {
    let Ok(memory) = memory_of(8) else {
        return;
    };
    let (status, written) = forward(memory, Some(ms(10)));
    delete(memory);
    complete(request, status, written.min(8));
}

/// Waits for ever.
fn waits(request: WDFREQUEST) {
    let memory = match memory_of(8) {
        Ok(memory) => memory,
        Err(status) => return complete(request, status, 0),
    };
    let (status, written) = forward(memory, None);
    delete(memory);
    complete(request, status, written.min(8));
}

/// Does not look whether there is memory.
fn looks_not(request: WDFREQUEST) {
    let memory = memory_of(8).unwrap_or_else(|_| null());
    let (status, written) = forward(memory, Some(ms(10)));
    delete(memory);
    complete(request, status, written.min(8));
}

fn hooks(on_write: OnWrite) -> Hooks {
    Hooks {
        filter: true,
        write: Some(Rc::new(move |_, request, _| on_write(request))),
        queue: Some(Box::new(|device| {
            let dispatch = _WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchParallel;
            let mut config = default_queue(dispatch);
            // Without a queue the filter lets everything pass.
            ignore(wdf!(WdfIoQueueCreate(
                device,
                &raw mut config,
                null(),
                null()
            )));
        })),
        ..Hooks::default()
    }
}

fn scenario(host: &Host, on_write: OnWrite) -> Result<(), Stop> {
    hook(|hooks| *hooks = self::hooks(on_write));
    let driver = host.load("filter", driver_entry)?;
    let disk = host.add_lower(Disk::in_memory(), LowerConfig::new("disk"));
    let stack = host.plug(disk, &[driver])?;
    let file = host.open(stack)?;
    for offset in [0, 8] {
        host.write(file, offset, b"12345678")?;
    }
    host.close(file)?;
    host.stop(stack)?;
    host.start(stack)?;
    host.remove(stack)
}

fn sweep(on_write: OnWrite) -> SweepReport {
    let config = HostConfig::new().seed(3).verifier(true);
    let sweep = Sweep::new(config).pairs(40);
    Host::sweep_faults(&sweep, |host| scenario(host, on_write))
}

/// The first failure, of a driver that has one.
fn first(report: &SweepReport) -> (String, Problem, Vec<ViolationKind>) {
    let failure = &report.failures[0];
    assert!(!failure.trace.records.is_empty(), "the run is recorded");
    (
        failure.fault.as_ref().unwrap().to_string(),
        failure.problem.clone(),
        failure
            .report
            .violations
            .iter()
            .map(|violation| violation.kind)
            .collect(),
    )
}

#[test]
fn a_right_driver_survives_everything() {
    let report = sweep(right);
    assert!(report.is_clean(), "{report}");
    let count = |kind| report.kinds.get(&kind).map_or(0, |count| count.injected);
    // Two writes, each with an IRP and a buffer; two starts and the question before the stop.
    for kind in [Allocation::Irp, Allocation::Buffer] {
        assert_eq!(count(FaultKind::Allocation(kind)), 2, "{kind}");
    }
    assert_eq!(count(FaultKind::Pnp), 3);
    for fault in LowerFault::all() {
        assert_eq!(count(FaultKind::Lower(fault)), 2, "{fault}");
    }
    let several = &report.kinds[&FaultKind::Several];
    assert_eq!(several.injected + report.unreached.len() as u64, 40);
    assert_eq!(several.survived, several.injected);
    assert_eq!(
        report.runs,
        1 + report.injected() + report.unreached.len() as u64
    );
    // What the application saw.
    let saw = |kind| {
        report.kinds[&kind]
            .statuses
            .keys()
            .copied()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        saw(FaultKind::Allocation(Allocation::Irp)),
        [STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS]
    );
    assert_eq!(
        saw(FaultKind::Lower(LowerFault::Never)),
        [STATUS_IO_TIMEOUT, STATUS_SUCCESS]
    );
    assert_eq!(
        saw(FaultKind::Lower(LowerFault::Status(STATUS_BUFFER_OVERFLOW))),
        [STATUS_BUFFER_OVERFLOW, STATUS_SUCCESS]
    );
    let pnp = &report.kinds[&FaultKind::Pnp];
    assert_eq!(pnp.failed_steps[&STATUS_INSUFFICIENT_RESOURCES], 3);
}

#[test]
fn two_sweeps_are_the_same() {
    let [first, second] = [sweep(leaks), sweep(leaks)];
    assert_eq!(first.to_string(), second.to_string());
    assert_eq!(first.kinds, second.kinds);
    assert!(!first.is_clean());
    for (first, second) in first.failures.iter().zip(&second.failures) {
        assert_eq!(first.trace, second.trace);
    }
}

#[test]
fn a_leak_on_a_failed_write_is_found() {
    let report = sweep(leaks);
    let (fault, problem, kinds) = first(&report);
    assert_eq!(fault, "irp#1");
    assert!(
        matches!(problem, Problem::Failed(Failure::Violations(_))),
        "{problem}"
    );
    assert_eq!(kinds, [ViolationKind::MemoryLeak]);
    // And replayed by its name.
    let only = Sweep::new(HostConfig::new().seed(3).verifier(true)).only(fault.parse().unwrap());
    let again = Host::sweep_faults(&only, |host| scenario(host, leaks));
    assert_eq!(again.failures.len(), 1);
    assert_eq!(again.failures[0].trace, report.failures[0].trace);
}

#[test]
fn a_lost_request_is_found() {
    let report = sweep(forgets);
    // All that came before: what the driver and its device are made of, which the driver survives.
    let failure = &report.failures[0];
    let Problem::Failed(Failure::Stopped(Stop::Deadlock(deadlock))) = &failure.problem else {
        panic!("{failure}");
    };
    assert_eq!(deadlock.io[0].thread, "a write of 8 bytes");
    assert_eq!(deadlock.io[0].waits_for, "filter");
}

#[test]
fn a_wait_for_ever_is_found() {
    let report = sweep(waits);
    let hung: Vec<String> = report
        .failures
        .iter()
        .map(|failure| failure.fault.as_ref().unwrap().to_string())
        .filter(|fault| !fault.contains('+'))
        .collect();
    assert_eq!(
        hung,
        [
            "lower#1=never",
            "lower#1=slow-cancel",
            "lower#2=never",
            "lower#2=slow-cancel"
        ]
    );
    let (_, problem, _) = first(&report);
    assert!(
        matches!(
            problem,
            Problem::Failed(Failure::Stopped(Stop::Deadlock(_)))
        ),
        "{problem}"
    );
}

#[test]
fn a_status_that_is_not_looked_at_is_found() {
    let (_, problem, _) = first(&sweep(looks_not));
    let Problem::Failed(Failure::Stopped(Stop::Bugcheck(bugcheck))) = problem else {
        panic!("{problem}");
    };
    assert_eq!(bugcheck.code, kmdf_host::WDF_VIOLATION);
}

#[test]
fn a_fault_that_the_run_never_comes_to_is_reported() {
    let never: Fault = "lower#3".parse().unwrap();
    let sweep = Sweep::new(HostConfig::new()).only(never.clone());
    let report = Host::sweep_faults(&sweep, |host| scenario(host, right));
    assert_eq!(report.injected(), 0);
    assert_eq!(report.failures[0].problem, Problem::NotReached);
    assert_eq!(report.failures[0].fault, Some(never));
}

#[test]
fn what_the_scenario_finds_wrong_is_reported() {
    let report = Host::sweep_faults(&Sweep::new(HostConfig::new()), |host| {
        scenario(host, right)?;
        match host.allocations(Allocation::Mdl) {
            0 => Err(Failure::Wrong("no MDL".to_owned())),
            _ => Ok(()),
        }
    });
    assert_eq!(report.failures.len(), 1);
    assert_eq!(
        report.failures[0].problem,
        Problem::Failed(Failure::Wrong("no MDL".to_owned()))
    );
}

#[test]
fn a_run_can_be_looked_at() {
    let sweep = Sweep::new(HostConfig::new().seed(3));
    let fault: Fault = "lower#1=never".parse().unwrap();
    let run = Host::run_with_fault(&sweep, Some(&fault), |host| scenario(host, right));
    assert_eq!((run.reached, run.problem), (true, None));
    assert_eq!(run.statuses[&STATUS_IO_TIMEOUT], 1);
    assert!(!run.trace.records.is_empty());
    assert!(run.report.is_clean(), "{}", run.report);
}

#[test]
fn a_scenario_that_fails_by_itself_is_reported_once() {
    let report = Host::sweep_faults(&Sweep::new(HostConfig::new()), |_| -> Result<(), Stop> {
        panic!("of the test")
    });
    assert_eq!(report.failures.len(), 1);
    let failure = &report.failures[0];
    assert_eq!(failure.fault, None);
    assert_eq!(
        failure.problem,
        Problem::Failed(Failure::Panicked("of the test".to_owned()))
    );
}
