//! While a configuration is being selected its pipes can only be chosen among, not taken away.
use kmdf::{Any, UsbDevice, UsbPipe};

fn select<'a>(usb: UsbDevice<'a>) -> Option<UsbPipe<'a, Any>> {
    let (_configuration, pipe) = usb.select_config(|interfaces| Ok(interfaces.pipes().next())).unwrap();
    pipe
}

fn main() {}
