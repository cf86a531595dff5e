//! Entry points and PnP callbacks of planted drivers, as closures.

use std::cell::RefCell;
use std::rc::Rc;

use kmdf_sys::*;

use crate::common::*;

type Entry = Rc<dyn Fn(PDRIVER_OBJECT, PCUNICODE_STRING) -> NTSTATUS>;
type DeviceAdd = Rc<dyn Fn(PWDFDEVICE_INIT) -> NTSTATUS>;

thread_local! {
    static ENTRY: RefCell<Option<Entry>> = const { RefCell::new(None) };
    static DEVICE_ADD: RefCell<Option<DeviceAdd>> = const { RefCell::new(None) };
    static PNP: RefCell<Pnp> = RefCell::new(Pnp::default());
}

/// Forgets what an earlier run left behind.
pub(crate) fn reset() {
    ENTRY.take();
    DEVICE_ADD.take();
    PNP.take();
}

/// What a planted driver does in [`entry_point`].
pub(crate) fn set_entry(f: impl Fn(PDRIVER_OBJECT, PCUNICODE_STRING) -> NTSTATUS + 'static) {
    ENTRY.set(Some(Rc::new(f)));
}

/// What a planted driver does in [`device_add`].
pub(crate) fn set_device_add(f: impl Fn(PWDFDEVICE_INIT) -> NTSTATUS + 'static) {
    DEVICE_ADD.set(Some(Rc::new(f)));
}

pub(crate) unsafe extern "system" fn entry_point(
    driver: PDRIVER_OBJECT,
    path: PCUNICODE_STRING,
) -> NTSTATUS {
    let entry = ENTRY.with_borrow(Clone::clone);
    entry.map_or(STATUS_UNSUCCESSFUL, |entry| entry(driver, path))
}

pub(crate) unsafe extern "C" fn device_add(_: WDFDRIVER, init: PWDFDEVICE_INIT) -> NTSTATUS {
    let add = DEVICE_ADD.with_borrow(Clone::clone);
    add.map_or(STATUS_UNSUCCESSFUL, |add| add(init))
}

/// PnP and power callbacks of the device.
#[derive(Clone, Default)]
pub(crate) struct Pnp {
    pub(crate) prepare_hardware: Option<Rc<dyn Fn()>>,
    pub(crate) d0_entry: Option<Rc<dyn Fn()>>,
    pub(crate) d0_exit: Option<Rc<dyn Fn()>>,
    pub(crate) release_hardware: Option<Rc<dyn Fn()>>,
}

macro_rules! callback {
    ($name:ident($($argument:ty),*)) => {
        unsafe extern "C" fn $name(_: WDFDEVICE $(, _: $argument)*) -> NTSTATUS {
            if let Some(callback) = PNP.with_borrow(|pnp| pnp.$name.clone()) {
                callback();
            }
            STATUS_SUCCESS
        }
    };
}

callback!(prepare_hardware(WDFCMRESLIST, WDFCMRESLIST));
callback!(d0_entry(WDF_POWER_DEVICE_STATE));
callback!(d0_exit(WDF_POWER_DEVICE_STATE));
callback!(release_hardware(WDFCMRESLIST));

/// A driver with PnP callbacks.
pub(crate) fn with_pnp(hooks: Hooks, pnp: Pnp) -> Hooks {
    PNP.set(pnp);
    let init = |init| {
        let mut callbacks = WDF_PNPPOWER_EVENT_CALLBACKS {
            Size: size::<WDF_PNPPOWER_EVENT_CALLBACKS>(),
            EvtDevicePrepareHardware: Some(prepare_hardware),
            EvtDeviceD0Entry: Some(d0_entry),
            EvtDeviceD0Exit: Some(d0_exit),
            EvtDeviceReleaseHardware: Some(release_hardware),
            ..Default::default()
        };
        wdf!(WdfDeviceInitSetPnpPowerEventCallbacks(
            init,
            &raw mut callbacks
        ));
    };
    Hooks {
        init: Some(Box::new(init)),
        ..hooks
    }
}
