//! The causes of a crash.

super::findings! {
    /// Why the system would have crashed.
    ///
    /// Code and parameters of a bugcheck are what Windows shows; this is what the model knows besides.
    enum BugcheckKind;

    /// A required handle is NULL.
    NullHandle: "ValidHandle",
        "Every handle that a function requires names an object; the framework checks it, verifier or not.",
        "Look at the call that should have given the handle: did it fail, or was it never made?";
    /// A handle was used whose object no longer exists.
    StaleHandle: "UseAfterDelete",
        "A handle is used only while its object exists; the framework reads freed memory otherwise.",
        "Hold a reference as long as the handle is kept, or forget the handle when the object is deleted or completed.";
    /// A request was completed that had been completed before.
    DoubleCompletion: "DoubleCompletion",
        "A request is completed once.",
        "Decide who completes: ownership that is moved, or a flag under a lock.";
    /// A request was completed by `EvtRequestCancel` and by another path.
    CancelRace: "CompleteCanceledReq",
        "Once EvtRequestCancel may run, it alone completes the request; whoever else wants to completes it only if WdfRequestUnmarkCancelable succeeded.",
        "Call WdfRequestUnmarkCancelable before completing, and leave the request alone when it returns STATUS_CANCELLED.";
    /// A handle of another type of object was given.
    WrongHandleType: "ValidHandle",
        "Every handle is of the type that the function requires.",
        "Give the right handle; casts between handle types hide this from the compiler.";
    /// A value was given as a handle that never was one.
    NotAHandle: "ValidHandle",
        "Every handle comes from the framework.",
        "Look for memory that was not initialized or was overwritten.";
    /// A required pointer is NULL.
    NullParameter: "ValidParameter",
        "Pointers that are not optional are not NULL; the framework checks them, verifier or not.",
        "Give the address of a variable.";
    /// A request was used that has no IRP: it was completed, or never formatted.
    NoIrp: "RequestOwned",
        "A request has an IRP from its first formatting, or its arrival, until it is completed; the framework does not look before it reads it.",
        "Format a request before asking for its status, and leave a completed one alone.";
    /// A request was sent while it was sent already.
    AlreadySent: "RequestInFlight",
        "A request is sent again only after its completion routine has been called.",
        "Wait for the completion routine, or use a second request.";
    /// A request has no IRP that could be formatted.
    NoIrpToFormat: "RequestFormattedValid",
        "A request is formatted with its own IRP, which one from WdfRequestCreate without a target has not.",
        "Give WdfRequestCreate the I/O target.";
    /// An IRP has no stack location for the next driver.
    NoStackLocation: "StackLocations",
        "Every driver that an IRP passes needs a stack location of its own.",
        "Allocate the IRP for the target's stack, or send the request to the target it was created for.";
    /// `Information` of a successful completion is larger than the request's buffer.
    InformationTooLarge: "InformationLength",
        "The bytes that a successful completion reports are no more than the buffer holds.",
        "Report the bytes that were really transferred.";
    /// A request was completed while its memory is referenced.
    MemoryReferenced: "MemoryReferenced",
        "A received request is completed only when nobody refers to its memory: no other request is formatted with it and no WdfObjectReference is outstanding.",
        "Reuse or delete the request that was formatted with the memory before completing the received one.";
    /// A request was completed that the driver itself created.
    CompletedOwnRequest: "CompletedOwnRequest",
        "Only requests that came from a queue are completed.",
        "Call WdfObjectDelete or WdfRequestReuse.";
    /// The last reference of an object was given back although it was not deleted.
    OverDereference: "ReferenceLeak",
        "A driver gives back only references that it took.",
        "Remove the WdfObjectDereference, or call WdfObjectDelete where deletion is meant.";
    /// A framework function was called before `WdfDriverCreate`.
    NoDriver: "DriverCreate",
        "WdfDriverCreate comes first in DriverEntry; every object is below a driver.",
        "Call WdfDriverCreate before everything else.";
    /// A lock was released that the thread does not hold.
    NotLocked: "LockOwned",
        "A lock is released by the thread that acquired it, once.",
        "Pair acquisition and release on every path.";
    /// An object was locked that has no lock.
    NoLock: "LockOwned",
        "WdfObjectAcquireLock needs an object with a synchronization scope.",
        "Use a WDFSPINLOCK or WDFWAITLOCK of the driver's own.";
    /// A queue was stopped, drained or purged while an earlier change was not finished.
    QueueChange: "ChangeQueueState",
        "A queue has one outstanding state change with a completion callback.",
        "Wait for the callback before the next change.";
    /// An address was taken for an object's context that is none.
    NotAContext: "ContextType",
        "WdfObjectContextGetObject takes an address that the framework gave out as a context.",
        "Keep the pointer from WdfObjectGetTypedContext unchanged.";
    /// A buffer was assigned to memory that has its own.
    NotPreallocated: "ValidHandle",
        "WdfMemoryAssignBuffer takes memory from WdfMemoryCreatePreallocated.",
        "Create the memory with WdfMemoryCreatePreallocated.";
    /// The device's own I/O target was opened or closed.
    NotARemoteTarget: "ValidHandle",
        "Only targets from WdfIoTargetCreate are opened and closed.",
        "Use the device's own target as it is.";
    /// A request completed whose failed synchronous send left its completion routine behind.
    DeadSyncRoutine: "ReuseAfterSync",
        "After a synchronous send that failed, the framework's completion routine of that call is still registered.",
        "Call WdfRequestReuse before the request is sent again.";
    /// A wait at `DISPATCH_LEVEL`.
    WaitAtDispatch: "KmdfIrql",
        "At DISPATCH_LEVEL no other thread can be switched to; nobody could end the wait.",
        "Wait at PASSIVE_LEVEL, or send asynchronously.";
    /// A wait while a spin lock was held.
    WaitUnderSpinLock: "WaitUnderSpinLock",
        "A thread that holds a spin lock is at DISPATCH_LEVEL, where no other thread can run: it must not wait, sleep or send synchronously.",
        "Release the lock before the call, or hold a wait lock instead.";
    /// A callback returned at another IRQL than it was called at, under the enhanced verifier.
    CallbackIrql: "CallbackIrql",
        "A callback returns at the IRQL at which it was called.",
        "Pair every KeRaiseIrql with KeLowerIrql, and every lock that is taken with its release.";
    /// A callback returned with critical regions entered or left, under the enhanced verifier.
    CriticalRegion: "CriticalRegion",
        "A callback leaves as many critical regions as it entered.",
        "Pair every KeEnterCriticalRegion with KeLeaveCriticalRegion.";
    /// `KeRaiseIrql` to a lower IRQL.
    RaiseToLower: "IrqlOrder",
        "KeRaiseIrql does not lower the IRQL.",
        "Use KeLowerIrql with the value that KeRaiseIrql returned.";
    /// `KeLowerIrql` to a higher IRQL.
    LowerToHigher: "IrqlOrder",
        "KeLowerIrql does not raise the IRQL.",
        "Use KeRaiseIrql.";
    /// Memory or an MDL was freed that is not allocated.
    BadFree: "BadFree",
        "What is allocated is freed once, by its own address and with its own function.",
        "Forget the pointer when the block is freed.";
    /// A kernel function raised an exception that nobody handles.
    KernelException: "KernelException",
        "An exception that a driver of the kernel does not handle is a bugcheck.",
        "Look at the status: it names what the function was called for in vain.";
    /// More objects were waited for than there are wait blocks.
    TooManyWaitObjects: "WaitObjects",
        "A thread has wait blocks for 3 objects; for more, up to 64, the caller passes its own.",
        "Pass an array of wait blocks, or wait for fewer objects.";
    /// Memory was freed in which a timer is still set.
    TimerInFreedMemory: "KernelTimer",
        "A timer that is set lies in a list of the kernel, which would follow freed memory.",
        "Call KeCancelTimer, and KeFlushQueuedDpcs for its DPC, before the memory is freed.";
    /// An address was taken for an IRP that is none.
    BadIrp: "ValidIrp",
        "An IRP is used only until it is completed or freed.",
        "Forget the pointer when the IRP was passed on or completed.";
    /// An IRP was completed twice.
    IrpCompletedTwice: "DoubleCompletion",
        "An IRP is completed once.",
        "Decide who completes: the driver that owns it at the moment.";
    /// NULL, or an address next to it, was read, written or called.
    NullPointer: "ValidAddress",
        "NULL is not mapped; what a failed call left behind is not used.",
        "Look at the call that should have given the address: was its status tested?";
    /// Memory was used that had been freed.
    FreedMemory: "UseAfterFree",
        "Pool, contexts and memory buffers are used only until they are freed, or the object they belong to is gone.",
        "Hold a reference on the object, or order the release after the last use.";
    /// Memory beyond the end of a block was used.
    BeyondBlock: "BufferOverrun",
        "A block is as long as it was asked for.",
        "Check the length before the access.";
    /// An address was used that is nobody's.
    WildPointer: "ValidAddress",
        "An address comes from an allocation or from the framework; a handle is no address.",
        "Look for memory that was not initialized or was overwritten, and for a handle that was taken for a pointer.";
    /// The driver itself called `KeBugCheckEx`.
    ByDriver: "ByDriver",
        "A driver stops the system only where going on would destroy data.",
        "Fail the request instead.";
}
