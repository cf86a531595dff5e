//! The driver on the model.

use std::cell::RefCell;

use kmdf_host::{Disk, Host, HostConfig, LowerConfig};
use sample_kmdf_raw as _;
use wdk_sys::{NTSTATUS, PCUNICODE_STRING, PDRIVER_OBJECT};

unsafe extern "system" {
    // As the loader finds it.
    fn DriverEntry(driver: PDRIVER_OBJECT, path: PCUNICODE_STRING) -> NTSTATUS;
}

thread_local! {
    static PRINTED: RefCell<String> = const { RefCell::new(String::new()) };
}

fn sink(text: &str) {
    PRINTED.with_borrow_mut(|printed| printed.push_str(text));
}

#[test]
fn load_start_remove_and_unload_are_clean() -> Result<(), kmdf_host::Stop> {
    for seed in 0..1000 {
        PRINTED.take();
        let config = HostConfig::new().seed(seed).verifier(true).preempt(true);
        let host = Host::new(config.debug_output(sink));
        let driver = host.load("sample", DriverEntry)?;
        let lower = host.add_lower(Disk::in_memory(), LowerConfig::new("bus"));
        let stack = host.plug(lower, &[driver])?;
        host.stop(stack)?;
        host.start(stack)?;
        host.remove(stack)?;
        host.unload(driver)?;
        let report = host.finish();
        assert!(report.is_clean(), "seed {seed}: {report}");
        assert_eq!(
            PRINTED.take(),
            "sample-kmdf-raw: the answer is 42\n\
             sample loaded from \\Registry\\Machine\\System\\CurrentControlSet\\Services\\sample\n\
             device added: 0x00000000\n\
             unloaded\n"
        );
    }
    Ok(())
}
