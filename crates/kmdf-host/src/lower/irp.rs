//! What a lower device sees of an IRP.

use core::ffi::c_void;
use core::fmt;
use core::slice;
use std::rc::Rc;

use kmdf_sys::{PMDL, PURB};

use super::urb;
use crate::report::ViolationKind;
use crate::system::System;
use crate::system::choice::ChoiceKind;
use crate::system::device::IoType;
use crate::system::irp::{IRP_MJ_READ, Irp, Method, Parameters};
use crate::system::mdl::Mdl;
use crate::time::Ticks;
use crate::trace::IrpId;

/// An IRP that a lower device has been given.
pub struct LowerIrp<'a> {
    system: &'a System,
    irp: &'a Rc<Irp>,
    parameters: Parameters,
    io_type: IoType,
    ignores_cancel: bool,
    completes_twice: bool,
}

impl fmt::Debug for LowerIrp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LowerIrp")
            .field("id", &self.irp.id())
            .field("major", &self.parameters.major)
            .field("length", &self.length())
            .field("offset", &self.offset())
            .finish_non_exhaustive()
    }
}

impl<'a> LowerIrp<'a> {
    pub(crate) fn new(system: &'a System, irp: &'a Rc<Irp>, io_type: IoType) -> Self {
        Self {
            system,
            irp,
            parameters: irp.parameters(),
            io_type,
            ignores_cancel: false,
            completes_twice: false,
        }
    }

    /// Its number in the trace.
    #[must_use]
    pub fn id(&self) -> IrpId {
        self.irp.id()
    }

    /// The address by which drivers know it; never dereference it.
    #[must_use]
    pub fn address(&self) -> usize {
        self.irp.address().addr()
    }

    /// `IRP_MJ_READ`, `IRP_MJ_WRITE`, `IRP_MJ_DEVICE_CONTROL` or `IRP_MJ_INTERNAL_DEVICE_CONTROL`.
    #[must_use]
    pub const fn major(&self) -> u8 {
        self.parameters.major
    }

    /// Length of a read or write.
    #[must_use]
    pub const fn length(&self) -> u32 {
        self.parameters.length()
    }

    /// Device offset of a read or write.
    #[must_use]
    pub const fn offset(&self) -> i64 {
        self.parameters.byte_offset()
    }

    /// Control code.
    #[must_use]
    pub const fn code(&self) -> u32 {
        self.parameters.code()
    }

    /// Length of a control code's input.
    #[must_use]
    pub const fn input_length(&self) -> u32 {
        self.parameters.input_length()
    }

    /// Length of a control code's output.
    #[must_use]
    pub const fn output_length(&self) -> u32 {
        self.parameters.output_length()
    }

    /// `Parameters.Others.Argument1`, `2`, `3` or `4`.
    ///
    /// # Panics
    ///
    /// When `number` is not 1 to 4.
    #[must_use]
    pub fn argument(&self, number: usize) -> *mut c_void {
        assert!((1..=4).contains(&number), "there are four arguments");
        self.parameters.argument(number - 1)
    }

    /// The stack location's `Type3InputBuffer`.
    #[must_use]
    pub fn type3_input(&self) -> *mut c_void {
        self.parameters.type3_input()
    }

    /// The IRP's `AssociatedIrp.SystemBuffer`.
    #[must_use]
    pub fn system_buffer(&self) -> *mut c_void {
        self.irp.system_buffer.get()
    }

    /// The IRP's `UserBuffer`.
    #[must_use]
    pub fn user_buffer(&self) -> *mut c_void {
        self.irp.user_buffer.get()
    }

    /// The IRP's `MdlAddress`.
    #[must_use]
    pub fn mdl(&self) -> PMDL {
        self.irp.mdl.get()
    }

    /// The IRP's `IoStatus.Information` now.
    #[must_use]
    pub fn information(&self) -> u64 {
        self.irp.information.get()
    }

    /// Stack locations of the IRP.
    #[must_use]
    pub fn stack_count(&self) -> usize {
        self.irp.stack_count()
    }

    /// The stack location's flags.
    #[must_use]
    pub const fn stack_flags(&self) -> u8 {
        self.parameters.flags
    }

    /// The stack location's file object, 0 for none.
    #[must_use]
    pub const fn file_object(&self) -> usize {
        self.parameters.file
    }

    /// Whether the request came from user mode.
    #[must_use]
    pub fn is_user_mode(&self) -> bool {
        self.irp.user_mode.get()
    }

    /// Whether its cancel flag is set.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.irp.cancel.get()
    }

    /// Virtual time.
    #[must_use]
    pub fn now(&self) -> Ticks {
        self.system.now()
    }

    /// The IRQL.
    #[must_use]
    pub fn irql(&self) -> u8 {
        self.system.irql()
    }

    /// One of `count` alternatives, as [`Host::choose`](crate::Host::choose): how this request races what may happen to it.
    #[must_use]
    pub fn choose(&self, count: usize) -> usize {
        self.system.choose(ChoiceKind::Lower, count)
    }

    /// Sets no cancel routine: a cancel will not reach this device.
    pub fn ignore_cancel(&mut self) {
        self.ignores_cancel = true;
    }

    pub(crate) const fn ignores_cancel(&self) -> bool {
        self.ignores_cancel
    }

    /// Completes it twice, as a broken driver does: the run ends there with bugcheck 0x44.
    pub fn complete_twice(&mut self) {
        self.completes_twice = true;
    }

    pub(crate) const fn completes_twice(&self) -> bool {
        self.completes_twice
    }

    /// The URB it carries.
    #[must_use]
    pub fn urb(&self) -> Option<PURB> {
        urb::of(&self.parameters)
    }

    /// Function and transfer length of the URB it carries.
    #[must_use]
    pub fn urb_summary(&self) -> Option<(u16, u32)> {
        urb::summary(&self.parameters)
    }

    /// Counts something for the statistics of an exploration, as [`Host::tally`](crate::Host::tally).
    pub fn tally(&self, what: &'static str) {
        self.system.counters.tally(what);
    }

    /// What the device is given: the data of a write, the input of a control code, the OUT data of a URB.
    #[must_use]
    pub fn input(&self) -> &[u8] {
        let (address, length) = self.input_area();
        // SAFETY: the sender describes memory of this length that stays valid until the IRP is completed, which happens
        // after this view is gone; nobody writes to it while the device looks.
        unsafe { bytes(address, length) }
    }

    /// Where the device puts what it returns: the data of a read, the output of a control code, the IN data of a URB.
    #[must_use]
    pub fn output(&mut self) -> &mut [u8] {
        let (address, length) = self.output_area();
        if address.is_null() || length == 0 {
            return &mut [];
        }
        // SAFETY: the sender describes writable memory of this length that stays valid until the IRP is completed; the
        // slice borrows this view mutably, so it is the only one, and no driver code runs meanwhile.
        unsafe { slice::from_raw_parts_mut(address.cast(), length) }
    }

    fn input_area(&self) -> (*mut c_void, usize) {
        if self.parameters.is_urb() {
            return self.urb().map_or((core::ptr::null_mut(), 0), |urb| {
                urb::transfer_area(self.system, urb)
            });
        }
        if !self.parameters.is_ioctl() {
            return if self.major() == IRP_MJ_READ {
                (core::ptr::null_mut(), 0)
            } else {
                self.transfer_area()
            };
        }
        let length = self.input_length() as usize;
        match Method::of(self.code()) {
            Method::Neither => (self.type3_input(), length),
            _ => (self.system_buffer(), length),
        }
    }

    fn output_area(&self) -> (*mut c_void, usize) {
        if self.parameters.is_urb() {
            return self.input_area();
        }
        if !self.parameters.is_ioctl() {
            return if self.major() == IRP_MJ_READ {
                self.transfer_area()
            } else {
                (core::ptr::null_mut(), 0)
            };
        }
        let length = self.output_length() as usize;
        match Method::of(self.code()) {
            Method::Buffered => (self.system_buffer(), length),
            Method::Neither => (self.user_buffer(), length),
            Method::InDirect | Method::OutDirect => mdl_area(self.system, self.mdl(), length),
        }
    }

    fn transfer_area(&self) -> (*mut c_void, usize) {
        let length = self.length() as usize;
        match self.io_type {
            IoType::Buffered => (self.system_buffer(), length),
            IoType::Neither => (self.user_buffer(), length),
            IoType::Direct => mdl_area(self.system, self.mdl(), length),
        }
    }
}

/// The memory an MDL describes, at most `length` bytes of it.
pub(crate) fn mdl_area(system: &System, mdl: PMDL, length: usize) -> (*mut c_void, usize) {
    if mdl.is_null() {
        return (core::ptr::null_mut(), 0);
    }
    let described = Mdl::at(mdl);
    let available = described.length() as usize;
    if length > available {
        system.violation(
            ViolationKind::BufferOverrun,
            format!("a transfer of {length} bytes was given an MDL of {available} bytes"),
        );
    }
    (described.system_address(), length.min(available))
}

/// # Safety
///
/// `address` is NULL, or `length` bytes at it are readable and not written to for the life of the result.
unsafe fn bytes<'b>(address: *mut c_void, length: usize) -> &'b [u8] {
    if address.is_null() || length == 0 {
        return &[];
    }
    // SAFETY: by the caller's promise.
    unsafe { slice::from_raw_parts(address.cast(), length) }
}
