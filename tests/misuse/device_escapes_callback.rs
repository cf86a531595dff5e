//! A device is borrowed for the callback.
use std::sync::Mutex;

use kmdf::{Device, DeviceInit};

struct Context;
kmdf::context!(Context);

static KEPT: Mutex<Option<&'static Device<Context>>> = Mutex::new(None);

fn evt_device_add(init: DeviceInit<'_, Context>) {
    *KEPT.lock().unwrap() = Some(init.create(Context).unwrap());
}

fn main() {}
