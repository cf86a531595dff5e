//! A USB device is of a device that is there.
use kmdf::{Device, UsbDevice};

fn keep<D>(device: &Device<D>) -> UsbDevice<'static> {
    UsbDevice::create(device).unwrap()
}

fn main() {}
