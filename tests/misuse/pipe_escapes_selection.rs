//! While a configuration is being selected its pipes can only be chosen among, not taken away.
use kmdf::{Any, Device, UsbDevice, UsbPipe};

fn select<'a, D>(usb: UsbDevice, device: &'a Device<D>) -> Option<UsbPipe<'a, Any>> {
    let (_configuration, pipe) = usb.select_config(device, |interfaces| Ok(interfaces.pipes().next())).unwrap();
    pipe
}

fn main() {}
