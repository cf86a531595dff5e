//! The framework's USB targets: WDFUSBDEVICE, WDFUSBINTERFACE and WDFUSBPIPE.
//!
//! Devices and pipes are I/O targets: they have an [`IoTarget`], and everything that holds for targets holds for them.

pub(crate) mod allocated;
pub(crate) mod configuration;
pub(crate) mod control;
pub(crate) mod descriptor;
pub(crate) mod device;
pub(crate) mod format;
pub(crate) mod interface;
pub(crate) mod pipe;
pub(crate) mod reader;
pub(crate) mod string;
pub(crate) mod urb;

use core::cell::{Cell, RefCell};
use core::ffi::c_void;
use core::ptr;
use core::slice;
use std::rc::Rc;

use kmdf_sys::{_URB, _USB_DEVICE_DESCRIPTOR, _USBD_PIPE_INFORMATION, NTSTATUS};

use crate::fx::class::Obj;
use crate::fx::object::Object;
use crate::fx::request::Request;
use crate::fx::target::IoTarget;
use crate::fx::target::submit::SendOptions;
use crate::system::System;
use crate::system::device::DeviceObject;
use crate::system::pool::Zeroed;

use descriptor::{Configuration, Setting};
use reader::Reader;
use urb::UrbMemory;

/// A WDFUSBDEVICE.
pub(crate) struct UsbDevice {
    pub(crate) target: IoTarget,
    /// Created with a client contract, so that requests may carry URBs that the USB stack allocates.
    has_contract: bool,
    descriptor: Cell<_USB_DEVICE_DESCRIPTOR>,
    configuration: RefCell<Option<Descriptors>>,
    interfaces: RefCell<Vec<Obj<UsbInterface>>>,
    /// There are interface descriptors although the configuration declares none.
    mismatched: Cell<bool>,
    traits: Cell<u32>,
    /// The stack below has no bus interface: control transfers need the handle of the control pipe.
    on_usbd: Cell<bool>,
    control_pipe: Cell<*mut c_void>,
    configuration_handle: Cell<*mut c_void>,
}

/// A pipe of a selected setting.
#[derive(Clone, Copy, Debug)]
pub struct ConfiguredPipe {
    /// Its handle.
    pub pipe: kmdf_sys::WDFUSBPIPE,
    /// The handle that URBs carry.
    pub usbd_handle: kmdf_sys::USBD_PIPE_HANDLE,
    /// Index of its interface.
    pub interface: u8,
    /// Index of the setting.
    pub setting: u8,
    /// Address of its endpoint.
    pub address: u8,
}

impl UsbDevice {
    /// The pipes of all selected settings.
    pub(crate) fn configured_pipes(&self) -> Vec<ConfiguredPipe> {
        let mut found = Vec::new();
        for (index, interface) in (0..).zip(self.interfaces.borrow().iter()) {
            found.extend(interface.pipes().iter().map(|pipe| ConfiguredPipe {
                pipe: pipe.handle(),
                usbd_handle: pipe.information.get().PipeHandle,
                interface: index,
                setting: interface.current.get(),
                address: pipe.information.get().EndpointAddress,
            }));
        }
        found
    }

    fn new(below: &Rc<DeviceObject>, has_contract: bool) -> Self {
        Self {
            target: IoTarget::in_stack(below),
            has_contract,
            descriptor: Cell::new(_USB_DEVICE_DESCRIPTOR::default()),
            configuration: RefCell::new(None),
            interfaces: RefCell::new(Vec::new()),
            mismatched: Cell::new(false),
            traits: Cell::new(0),
            on_usbd: Cell::new(false),
            control_pipe: Cell::new(ptr::null_mut()),
            configuration_handle: Cell::new(ptr::null_mut()),
        }
    }

    fn interfaces(&self) -> Vec<Obj<UsbInterface>> {
        self.interfaces.borrow().clone()
    }

    fn interface_numbered(&self, number: u8) -> Option<Obj<UsbInterface>> {
        self.interfaces
            .borrow()
            .iter()
            .find(|interface| interface.number == number)
            .cloned()
    }

    /// All configured pipes, interface by interface.
    fn pipes(&self) -> Vec<Obj<UsbPipe>> {
        self.interfaces
            .borrow()
            .iter()
            .flat_map(|interface| interface.pipes())
            .collect()
    }

    /// Breaks reference cycles at the end of a system.
    pub(crate) fn unlink(&self) {
        self.interfaces.borrow_mut().clear();
    }
}

/// A WDFUSBINTERFACE.
pub(crate) struct UsbInterface {
    number: u8,
    settings: Vec<Setting>,
    /// The pipes of the current setting; `None` before a configuration is selected.
    pipes: RefCell<Option<Vec<Obj<UsbPipe>>>>,
    current: Cell<u8>,
}

impl UsbInterface {
    fn new(interface: descriptor::Interface) -> Self {
        Self {
            number: interface.number,
            settings: interface.settings,
            pipes: RefCell::new(None),
            current: Cell::new(0),
        }
    }

    fn is_configured(&self) -> bool {
        self.pipes.borrow().is_some()
    }

    fn pipes(&self) -> Vec<Obj<UsbPipe>> {
        self.pipes.borrow().clone().unwrap_or_default()
    }

    fn setting(&self, index: u8) -> Option<&Setting> {
        self.settings.get(usize::from(index))
    }

    /// Breaks reference cycles at the end of a system.
    pub(crate) fn unlink(&self) {
        *self.pipes.borrow_mut() = None;
    }
}

/// A WDFUSBPIPE.
pub(crate) struct UsbPipe {
    pub(crate) target: IoTarget,
    information: Cell<_USBD_PIPE_INFORMATION>,
    check_packet_size: Cell<bool>,
    reader: RefCell<Option<Rc<Reader>>>,
}

impl UsbPipe {
    fn new(below: &Rc<DeviceObject>, information: _USBD_PIPE_INFORMATION) -> Self {
        Self {
            target: IoTarget::in_stack(below),
            information: Cell::new(information),
            check_packet_size: Cell::new(true),
            reader: RefCell::new(None),
        }
    }

    fn reader(&self) -> Option<Rc<Reader>> {
        self.reader.borrow().clone()
    }

    /// Breaks reference cycles at the end of a system.
    pub(crate) fn unlink(&self) {
        let reader = self.reader.borrow_mut().take();
        drop(reader);
    }
}

impl Obj<UsbDevice> {
    fn io_target(&self) -> Obj<IoTarget> {
        io_target(self.rc())
    }
}

impl Obj<UsbPipe> {
    fn io_target(&self) -> Obj<IoTarget> {
        io_target(self.rc())
    }

    fn interface(&self) -> Option<Obj<UsbInterface>> {
        Object::ancestor(self.rc())
    }
}

fn io_target(object: &Rc<Object>) -> Obj<IoTarget> {
    Obj::new(object).expect("USB devices and pipes are I/O targets")
}

/// A configuration descriptor and what follows it, in memory that URBs can point to.
struct Descriptors {
    memory: Zeroed,
    length: usize,
}

impl Descriptors {
    /// Memory for `length` bytes, followed by as many zeros as a reader of a truncated last descriptor could reach.
    fn new(length: u16) -> Option<Self> {
        let length = usize::from(length);
        let memory = Zeroed::new(length + size_of::<_USB_DEVICE_DESCRIPTOR>())?;
        Some(Self { memory, length })
    }

    fn as_ptr(&self) -> *mut c_void {
        self.memory.as_ptr()
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: the memory is at least that long and initialised; only the request that fetches the descriptors writes to
        // it, and it has completed before anybody reads.
        unsafe { slice::from_raw_parts(self.memory.as_ptr().cast(), self.length) }
    }

    fn parsed(&self) -> Configuration<'_> {
        Configuration::new(self.bytes())
    }
}

/// What the USB targets of a system share.
pub(crate) struct UsbState {
    /// URBs of synchronous sends, used again.
    spare: RefCell<Vec<UrbMemory>>,
}

impl UsbState {
    pub(crate) const fn new() -> Self {
        Self {
            spare: RefCell::new(Vec::new()),
        }
    }
}

/// A relative time-out in seconds.
const fn seconds(count: i64) -> Option<i64> {
    Some(-10_000_000 * count)
}

/// Options of the framework's own requests.
const fn own_options(ignores_state: bool, timeout: Option<i64>) -> SendOptions {
    SendOptions {
        synchronous: false,
        ignores_state,
        send_and_forget: false,
        timeout,
    }
}

impl System {
    /// A URB for a synchronous send, zeroed. In the framework it is on the sender's stack.
    fn take_urb(&self) -> UrbMemory {
        match self.framework.usb.spare.borrow_mut().pop() {
            Some(mut urb) => {
                urb.zero();
                urb
            }
            None => UrbMemory::new(size_of::<_URB>()).expect("the size of a URB is not zero"),
        }
    }

    fn give_urb(&self, urb: UrbMemory) {
        self.framework.usb.spare.borrow_mut().push(urb);
    }

    /// Submits and waits; the status of the driver below, or the one with which the target refused the request.
    fn submit_and_wait(
        &self,
        request: &Obj<Request>,
        target: &Obj<IoTarget>,
        options: SendOptions,
    ) -> NTSTATUS {
        match self.submit_sync(request, target, options, false) {
            Ok(status) | Err(status) => status,
        }
    }

    /// The WDFUSBDEVICE that an interface or pipe belongs to.
    fn usb_device_of(&self, object: &Rc<Object>) -> Obj<UsbDevice> {
        Object::ancestor(object).expect("interfaces and pipes are below their device")
    }
}
