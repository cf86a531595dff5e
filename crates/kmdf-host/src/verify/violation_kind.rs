//! The sorts of findings that do not end a run.

super::findings! {
    /// The sort of a finding that does not end the run.
    ///
    /// A sort is a broken rule: [`ViolationKind::rule`] names it, [`ViolationKind::explanation`] states it and
    /// [`ViolationKind::advice`] says what to do. Several sorts may break one rule.
    enum ViolationKind;

    /// An object of the driver's outlived the driver.
    ObjectLeak: "ObjectLeak",
        "Every object that a driver creates is deleted by the driver, or with its parent, before the driver is gone.",
        "Delete the object with WdfObjectDelete, or create it below a parent that is deleted in time.";
    /// A reference the driver took was not given back.
    ReferenceLeak: "ReferenceLeak",
        "Every WdfObjectReference has its WdfObjectDereference; until then the object's memory stays.",
        "Give the reference back on every path, also on those of failure and cancellation.";
    /// Pool memory was not freed.
    MemoryLeak: "PoolLeak",
        "All pool that a driver allocates is freed before it is unloaded; Driver Verifier stops the system (0xC4, 0x62) for less.",
        "Free the block on every path; memory that belongs to an object is better a WDFMEMORY below it.";
    /// An MDL the driver allocated was not freed.
    MdlLeak: "MdlLeak",
        "Every MDL is unlocked if it was locked, and freed, by whoever allocated it.",
        "Free the MDL when the transfer it describes has completed, also if it failed; complete or delete the request that holds it.";
    /// A request was never completed.
    RequestLost: "RequestCompleted",
        "Every request that is presented to a driver is completed, forwarded, sent and forgotten, or given back to the framework, exactly once.",
        "Complete the request on every path of the callback it was presented in, also when something failed.";
    /// A request that a callback kept for later was never completed.
    DeferredRequestLost: "DeferredRequestCompleted",
        "A request that a callback returns without completing is completed later, by whoever it was handed to: a completion routine, timer, work item or DPC, or the callbacks that stop the queue.",
        "Look for the path on which nobody completes it: a send that failed, a cancelled timer, a queue that was stopped; complete it there, or acknowledge it in EvtIoStop.";
    /// A received request was dropped by the driver instead of being completed.
    RequestDropped: "RequestCompleted",
        "A request that a safe driver owns is completed, forwarded or stored; to drop it completes it with STATUS_DRIVER_INTERNAL_ERROR.",
        "Complete the request with the status that the application should see.";
    /// A callback returned with a request that it neither completed nor marked cancelable nor passed on.
    RequestNotCompletedLocal: "RequestCompletedLocal",
        "A callback that is presented with a request and does not complete it passes it on or makes it cancelable; else an application that gives up waits until the driver is done.",
        "Complete the request, forward it, send it, or mark it cancelable before the callback returns.";
    /// A completed request was completed again, or completed by two paths.
    DoubleCompletion: "DoubleCompletion",
        "A request is completed once. With the framework's verifier on the second completion is ignored; without it, memory that is no longer the driver's is used.",
        "Decide who completes: WdfRequestUnmarkCancelable, a flag under a lock, or ownership that is moved.";
    /// A driver completed a request or IRP with `STATUS_PENDING`.
    CompletedPending: "CompletedPending",
        "STATUS_PENDING says that a request is not complete; Driver Verifier stops the system when one is completed with it.",
        "Complete with the final status, or keep the request and complete it later.";
    /// `Information` of a successful completion is larger than the request's buffer.
    InformationTooLarge: "InformationLength",
        "The bytes that a successful completion reports are no more than the buffer holds: the I/O manager copies that many to the application.",
        "Report the bytes that were really transferred, at most the length of the request.";
    /// A request was completed that is still cancelable.
    CompletedCancelable: "CompletedCancelable",
        "A request that was marked cancelable is unmarked before it is completed, and completed only if WdfRequestUnmarkCancelable succeeded; else EvtRequestCancel may run for a request that is gone.",
        "Call WdfRequestUnmarkCancelable first; when it returns STATUS_CANCELLED, leave the request to EvtRequestCancel.";
    /// A request was completed while an I/O target still has it.
    CompletedInFlight: "CompletedInFlight",
        "A request that was sent belongs to the lower driver until its completion routine is called.",
        "Complete the request in its completion routine; to end it sooner, call WdfRequestCancelSentRequest and wait for the routine.";
    /// A request was completed that the driver itself created.
    CompletedOwnRequest: "CompletedOwnRequest",
        "Only requests that came from a queue are completed; one from WdfRequestCreate is reused or deleted.",
        "Call WdfObjectDelete or WdfRequestReuse when the driver's own request has come back.";
    /// A request was used that the driver does not own at the moment.
    NotOwned: "RequestOwned",
        "A driver completes, forwards, marks or acknowledges only requests that it owns: presented or retrieved, and not completed, forwarded or returned since.",
        "Do not touch a request after it was completed, forwarded or requeued.";
    /// A request was marked or unmarked cancelable out of turn.
    CancelState: "CancelState",
        "WdfRequestMarkCancelable and WdfRequestUnmarkCancelable come in pairs, on a request that the driver owns.",
        "Mark a request once, when it is stored, and unmark it once, before it is completed.";
    /// A cancel was asked of a request that is not sent.
    StaleCancel: "StaleCancel",
        "WdfRequestCancelSentRequest marks a request as cancelled even when it is not sent; its next send then fails with STATUS_CANCELLED until WdfRequestReuse.",
        "Cancel only while the completion routine has not run, under the lock that tells so, and reuse the request before it is sent again.";

    /// A request was sent that is not formatted for the target.
    Unformatted: "RequestFormattedValid",
        "A request is formatted for the I/O target before every send.",
        "Call a WdfIoTargetFormatRequest function, or WdfRequestFormatRequestUsingCurrentType to pass a received request on unchanged.";
    /// A request was sent again, or formatted, while an I/O target still has it.
    FormattedInFlight: "RequestInFlight",
        "A request is not formatted while it is sent: the framework takes its IRP apart under the lower driver.",
        "Wait for the completion routine, or use a second request.";
    /// `WdfRequestReuse` of a request that is still sent.
    ReusedInFlight: "RequestInFlight",
        "A request is reused only after its completion routine has been called.",
        "Reuse it in the completion routine, or cancel it and wait for the routine.";
    /// A request was deleted while an I/O target still has it.
    DeletedInFlight: "RequestInFlight",
        "A request is deleted only after its completion routine has been called.",
        "Cancel the request, wait for its completion routine, and delete it there.";
    /// An IRP was freed while a lower driver had it.
    IrpFreedInFlight: "RequestInFlight",
        "The IRP of a request that is sent belongs to the lower driver; to format or send the request again frees it there.",
        "Use a request again only when it has completed.";
    /// `WdfObjectDelete` of a request that came from a queue.
    ReceivedRequestDeleted: "ReqDelete",
        "A request that came from a queue is completed, never deleted.",
        "Complete the request.";
    /// A received request was sent without a completion routine.
    NoCompletionRoutine: "CompletionRoutine",
        "A received request that is sent comes back to the driver, whose completion routine completes it; only with WDF_REQUEST_SEND_OPTION_SEND_AND_FORGET it does not.",
        "Call WdfRequestSetCompletionRoutine before WdfRequestSend, or send and forget.";
    /// Send options that contradict each other or the call.
    SendOptions: "SendOptions",
        "WDF_REQUEST_SEND_OPTION_SEND_AND_FORGET goes with no other option and with no synchronous call, and a time-out with its flag.",
        "Initialize WDF_REQUEST_SEND_OPTIONS with its INIT function and set only what the call can do.";
    /// A time-out of 0, which means for ever.
    TimeoutZero: "TimeoutZero",
        "With WDF_REQUEST_SEND_OPTION_TIMEOUT a Timeout of 0 is no time-out at all: the call waits for ever.",
        "Give a relative time-out (negative, in units of 100 ns), or leave the flag out.";
    /// A synchronous send without a time-out.
    SyncWithoutTimeout: "SyncReqSend",
        "A synchronous send has a time-out other than 0; without one the thread stalls when the hardware does not answer.",
        "Pass send options with WDF_REQUEST_SEND_OPTION_TIMEOUT and a relative time-out.";
    /// A received read request was given to a call that sends something else.
    ReadMisused: "ReadReqs",
        "A request from EvtIoRead is a read; it is not handed to a synchronous call that writes or sends a control code.",
        "Give the call no request, or one from WdfRequestCreate.";
    /// A received write request was given to a call that sends something else.
    WriteMisused: "WriteReqs",
        "A request from EvtIoWrite is a write; it is not handed to a synchronous call that reads or sends a control code.",
        "Give the call no request, or one from WdfRequestCreate.";
    /// A received control request was given to a call that sends something else.
    IoctlMisused: "IoctlReqs",
        "A request from EvtIoDeviceControl is a control request; it is not handed to a synchronous call that reads, writes, or sends an internal control code or a URB.",
        "Give the call no request, or one from WdfRequestCreate.";
    /// A received internal control request was given to a call that sends something else.
    InternalIoctlMisused: "InternalIoctlReqs",
        "A request from EvtIoInternalDeviceControl is an internal control request; it is not handed to a synchronous call that reads, writes or sends a control code.",
        "Give the call no request, or one from WdfRequestCreate.";

    /// A function was called at too high an IRQL.
    Irql: "KmdfIrql",
        "Every function has a highest IRQL at which it may be called. The framework checks few of them, and only with its verifier on.",
        "Call it at a lower IRQL: after the lock is released, in a work item, or in a callback of execution level WdfExecutionLevelPassive.";
    /// A function for `PASSIVE_LEVEL` was called in a callback that may come at `DISPATCH_LEVEL`.
    IrqlOfLevel: "KmdfIrql2",
        "The callbacks of a queue come at up to DISPATCH_LEVEL unless the execution level of queue, device or driver is WdfExecutionLevelPassive; what they call must be allowed there, although this time they were called lower.",
        "Set ExecutionLevel to WdfExecutionLevelPassive in the attributes of the device or queue, or hand the work to a work item.";
    /// A call had to wait while a spin lock was held.
    WaitUnderSpinLock: "WaitUnderSpinLock",
        "A thread that holds a spin lock is at DISPATCH_LEVEL, where no other thread can run: it must not wait, sleep or send synchronously.",
        "Release the lock before the call, or hold a wait lock instead.";
    /// A callback returned at another IRQL than it was called at.
    CallbackIrql: "CallbackIrql",
        "A callback returns at the IRQL at which it was called; the enhanced verifier stops the system (0x10D, 0xE) otherwise.",
        "Pair every KeRaiseIrql with KeLowerIrql, and every lock that is taken with its release.";
    /// A callback returned with critical regions entered or left.
    CriticalRegion: "CriticalRegion",
        "A callback leaves as many critical regions as it entered; the enhanced verifier stops the system (0x10D, 0xF) otherwise.",
        "Pair every KeEnterCriticalRegion with KeLeaveCriticalRegion.";
    /// A callback returned with a lock that it acquired.
    LockHeld: "LockReleased",
        "A lock is released in the callback in which it was acquired: a spin lock keeps the processor at DISPATCH_LEVEL, a wait lock belongs to its thread.",
        "Release the lock on every path before the callback returns.";
    /// A lock was used wrongly.
    Lock: "LockOwned",
        "A lock is released by the thread that acquired it, once.",
        "Pair acquisition and release on every path.";

    /// An object was deleted twice or deleted although it may not be.
    Delete: "ObjectDelete",
        "An object is deleted once, and only if the driver may: devices, default queues, pipes, interfaces, files and default targets are the framework's.",
        "Leave the framework's objects to it, and forget a handle when its object was deleted.";
    /// An object was used after the device it belongs to was removed.
    UseAfterRemoval: "UseAfterRemoval",
        "What belongs to a device is not used once the device's cleanup has begun; only the memory of its contexts is still there.",
        "Stop timers, work items and queues in EvtDeviceReleaseHardware or EvtDeviceSelfManagedIoCleanup, or in the object's own EvtCleanupCallback.";
    /// A timer was still running when its object went.
    TimerRunning: "TimerRunning",
        "A timer is stopped before what it works on is released.",
        "Call WdfTimerStop with Wait in EvtDeviceD0Exit or EvtDeviceSelfManagedIoSuspend.";
    /// The objects of one call grew in number with the requests.
    ObjectGrowth: "ObjectGrowth",
        "An object that is created for a request has the request, or another short-lived object, as its parent, or is deleted with the request; below the driver or the device it stays until these go.",
        "Set ParentObject in the attributes to the request, or delete the object when the request completes.";
    /// The context of an object was asked for by a type that it has not.
    WrongContext: "ContextType",
        "An object has the context types it was created with and those of WdfObjectAllocateContext; asked for another one, the framework answers NULL.",
        "Ask for the type that was given in the attributes; types are told apart by their WDF_OBJECT_CONTEXT_TYPE_INFO, not by their layout.";
    /// A call failed and its result was used as if it had not.
    IgnoredStatus: "StatusChecked",
        "The status of a call that can fail is looked at before its results are used.",
        "Test the status with NT_SUCCESS, and undo or complete what depends on it.";
    /// `WdfDriverCreate` was not called in `DriverEntry`, or its status was not passed on.
    DriverCreate: "DriverCreate",
        "DriverEntry calls WdfDriverCreate once and returns a failure when it fails.",
        "Return the status of WdfDriverCreate from DriverEntry.";
    /// A transfer or a copy would have gone beyond its memory.
    BufferOverrun: "BufferOverrun",
        "A transfer stays inside the memory that it was given.",
        "Give offset and length together, and no more than the memory has.";
    /// Memory was freed that is not allocated.
    BadFree: "BadFree",
        "Pool is freed once, with the tag that it was allocated with.",
        "Forget the pointer when the block is freed.";

    /// Memory was freed that a request in flight describes.
    BufferFreedInFlight: "BufferInFlight",
        "The memory and the MDL of a request that is sent belong to the lower driver until the completion routine is called.",
        "Free them in the completion routine, or use a WDFMEMORY, which the framework keeps for as long as a request is formatted with it.";
    /// A request in flight describes memory on the stack of a function that has returned.
    BufferOutOfScope: "BufferInFlight",
        "The buffer of an asynchronous request outlives the function that sends it: the lower driver uses it until the completion routine is called.",
        "Use a WDFMEMORY, or memory in the context of the request or the device.";
    /// A pipe was removed, or its device powered down, while its continuous reader was running.
    ReaderRunning: "ReaderStopped",
        "A pipe with a continuous reader is started in EvtDeviceD0Entry and stopped in EvtDeviceD0Exit.",
        "Call WdfIoTargetStop for the pipe's target in EvtDeviceD0Exit.";
    /// A structure was passed whose `Size` is not that of the structure.
    StructureSize: "StructureSize",
        "The Size of a structure tells the framework its version; with a wrong one the framework fails the call or ignores the structure.",
        "Initialize the structure with its INIT function.";
    /// A buffer was used against the direction of its request.
    BufferDirection: "BufferDirection",
        "A write and the input of a control code are read by the driver; a read and the output of a control code are written to.",
        "Retrieve the input of a write and the output of a read, and write to nothing but output.";
    /// An address of an application was asked for outside the application's context.
    UserAddress: "UserAddress",
        "An address of an application is valid only in its context: in EvtIoInCallerContext, where it is probed and locked.",
        "Retrieve and lock the buffer in EvtIoInCallerContext, or use a buffered or direct method.";
    /// An object was dereferenced with a tag that it was not referenced with.
    ReferenceTag: "ReferenceTag",
        "A reference is given back with the tag that it was taken with, so that the framework can tell whose is missing.",
        "Use one tag for each pair of WdfObjectReferenceWithTag and WdfObjectDereferenceWithTag.";
    /// A system thread of the driver's was still running when the driver was unloaded.
    ThreadRunning: "ThreadRunning",
        "The code of a system thread is gone with its driver: the driver ends the thread and waits for it before it is unloaded.",
        "Tell the thread to end, and wait for its object, in EvtDriverUnload or before.";
    /// An MDL was freed with its pages locked, or pages were unlocked that were not.
    MdlLocking: "MdlLocking",
        "Every MmProbeAndLockPages has its MmUnlockPages before the MDL is freed; the pages of nonpaged pool are never locked.",
        "Call MmUnlockPages once for each lock, also when the transfer failed.";
    /// An item was taken out of a collection that does not hold it.
    NotInCollection: "CollectionItem",
        "An item is removed from a collection once for each time that it was added.",
        "Remember who removes the item, or look it up before it is removed.";
    /// A thread never ended its wait.
    Blocked: "Blocked",
        "Every wait ends.",
        "Look at what it waits for: who should have set, released or completed it?";
    /// The references that keep a device in D0 do not balance.
    PowerReference: "PowerReference",
        "Every WdfDeviceStopIdle that succeeded or is pending is followed by one WdfDeviceResumeIdle.",
        "Pair the calls on every path; a failed WdfDeviceStopIdle takes no reference.";
    /// The processor was stalled for long.
    LongStall: "LongStall",
        "KeStallExecutionProcessor is for 50 microseconds at most: nothing else can run on that processor meanwhile.",
        "Wait with KeDelayExecutionThread at PASSIVE_LEVEL, or let a timer go on with the work.";
    /// The framework's verifier broke into the debugger.
    DebugBreak: "DebugBreak",
        "With VerifierOn the framework stops in the debugger where a driver calls it wrongly, and goes on without doing what was asked.",
        "Correct the call that is named.";
}
