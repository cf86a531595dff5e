//! The kinds of framework objects and typed references to them.

use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;
use std::rc::Rc;

use super::collection::Collection;
use super::device::Device;
use super::driver::Driver;
use super::file::File;
use super::lock::{SpinLock, WaitLock};
use super::lookaside::Lookaside;
use super::memory::Memory;
use super::object::Object;
use super::queue::Queue;
use super::registry::Key;
use super::request::Request;
use super::resources::ResourceList;
use super::string::Text;
use super::target::IoTarget;
use super::timer::Timer;
use super::work::{Dpc, WorkItem};
use crate::usb::{UsbDevice, UsbInterface, UsbPipe};

/// What is special to an object's kind.
pub(crate) enum Kind {
    General,
    Driver(Driver),
    Device(Box<Device>),
    Queue(Queue),
    Request(Box<Request>),
    Memory(Memory),
    Target(IoTarget),
    SpinLock(SpinLock),
    WaitLock(WaitLock),
    Timer(Timer),
    WorkItem(WorkItem),
    Dpc(Dpc),
    Collection(Collection),
    String(Text),
    Key(Key),
    Lookaside(Lookaside),
    ResourceList(ResourceList),
    File(File),
    UsbDevice(UsbDevice),
    UsbInterface(UsbInterface),
    UsbPipe(UsbPipe),
}

/// A kind of object as the framework's handle check knows it.
pub(crate) trait Class {
    /// The framework's internal type number, the third parameter of its bugchecks.
    const TYPE: u16;
    /// The C name of the handle.
    const NAME: &'static str;
    /// The special part of `object`, if it is of this kind.
    fn of(object: &Object) -> Option<&Self>;
}

macro_rules! classes {
    ($($type:ident $number:literal $name:literal $variant:ident $(and $($other:ident).+)*;)*) => {
        $(
            impl Class for $type {
                const TYPE: u16 = $number;
                const NAME: &'static str = $name;
                fn of(object: &Object) -> Option<&Self> {
                    match &object.kind {
                        Kind::$variant(special) => Some(special),
                        $(classes!(@pattern $($other).+ special) => Some(classes!(@field $($other).+ special)),)*
                        _ => None,
                    }
                }
            }
        )*

        impl Kind {
            pub(crate) const fn name(&self) -> &'static str {
                match self {
                    Self::General => "WDFOBJECT",
                    $(Self::$variant(_) => $name,)*
                }
            }
        }
    };
    (@pattern $variant:ident.$field:ident $special:ident) => { Kind::$variant($special) };
    (@field $variant:ident.$field:ident $special:ident) => { &$special.$field };
}

classes! {
    Driver 0x1001 "WDFDRIVER" Driver;
    Device 0x1002 "WDFDEVICE" Device;
    Queue 0x1003 "WDFQUEUE" Queue;
    Key 0x1006 "WDFKEY" Key;
    Text 0x1007 "WDFSTRING" String;
    Request 0x1008 "WDFREQUEST" Request;
    Lookaside 0x1009 "WDFLOOKASIDE" Lookaside;
    Memory 0x100A "WDFMEMORY" Memory;
    Collection 0x100E "WDFCOLLECTION" Collection;
    Dpc 0x1015 "WDFDPC" Dpc;
    File 0x1018 "WDFFILEOBJECT" File;
    WaitLock 0x1023 "WDFWAITLOCK" WaitLock;
    SpinLock 0x1024 "WDFSPINLOCK" SpinLock;
    ResourceList 0x1036 "WDFCMRESLIST" ResourceList;
    WorkItem 0x1025 "WDFWORKITEM" WorkItem;
    Timer 0x1028 "WDFTIMER" Timer;
    // USB devices and pipes are I/O targets too.
    IoTarget 0x1200 "WDFIOTARGET" Target and UsbDevice.target and UsbPipe.target;
    UsbDevice 0x1202 "WDFUSBDEVICE" UsbDevice;
    UsbPipe 0x1203 "WDFUSBPIPE" UsbPipe;
    UsbInterface 0x1204 "WDFUSBINTERFACE" UsbInterface;
}

/// A reference to an object that is known to be a `T`.
pub(crate) struct Obj<T> {
    object: Rc<Object>,
    class: PhantomData<fn() -> T>,
}

impl<T: Class> Obj<T> {
    pub(crate) fn new(object: &Rc<Object>) -> Option<Self> {
        T::of(object)?;
        Some(Self {
            object: Rc::clone(object),
            class: PhantomData,
        })
    }

    pub(crate) fn rc(&self) -> &Rc<Object> {
        &self.object
    }

    /// The handle as the pointer type a DDI wants.
    pub(crate) fn handle<H>(&self) -> *mut H {
        self.object.handle()
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.object, &other.object)
    }
}

impl<T> Clone for Obj<T> {
    fn clone(&self) -> Self {
        Self {
            object: Rc::clone(&self.object),
            class: PhantomData,
        }
    }
}

impl<T: Class> Deref for Obj<T> {
    type Target = T;

    fn deref(&self) -> &T {
        T::of(&self.object).expect("an object never changes its kind")
    }
}

impl<T> fmt::Debug for Obj<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.object.handle.get())
    }
}
