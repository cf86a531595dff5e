//! Keys and values of the registry, hardware resources, and the verifier's own DDIs.

mod common;

use std::cell::RefCell;

use common::{delete, device, null, on_thread, plain, wdf};
use kmdf_host::{BugcheckKind, HostConfig, Loopback, Stop};
use kmdf_sys::ntddk::RtlInitUnicodeString;
use kmdf_sys::*;

const REG_BINARY: u32 = 3;
const STATUS_RESOURCE_DATA_NOT_FOUND: NTSTATUS = 0xC000_0089_u32.cast_signed();

thread_local! {
    static NAMES: RefCell<Vec<Box<[u16]>>> = const { RefCell::new(Vec::new()) };
}

/// A counted string that lives as long as the test.
fn unicode(text: &str) -> UNICODE_STRING {
    let units: Box<[u16]> = text.encode_utf16().chain([0]).collect();
    let mut string = UNICODE_STRING::default();
    // SAFETY: the string is terminated and kept.
    unsafe { RtlInitUnicodeString(&raw mut string, units.as_ptr()) };
    NAMES.with_borrow_mut(|names| names.push(units));
    string
}

fn text_of(string: WDFSTRING) -> String {
    let mut counted = UNICODE_STRING::default();
    wdf!(WdfStringGetUnicodeString(string, &raw mut counted));
    // SAFETY: the string object has a buffer of this length.
    let units =
        unsafe { std::slice::from_raw_parts(counted.Buffer, usize::from(counted.Length) / 2) };
    String::from_utf16_lossy(units)
}

fn parameters() -> WDFKEY {
    let driver = wdf!(WdfDeviceGetDriver(device()));
    let mut key = null();
    let status = wdf!(WdfDriverOpenParametersRegistryKey(
        driver,
        0,
        null(),
        &raw mut key
    ));
    assert_eq!(status, STATUS_SUCCESS);
    key
}

fn query(key: WDFKEY, name: &str, buffer: &mut [u8]) -> (NTSTATUS, u32, u32) {
    let name = unicode(name);
    let (mut needed, mut kind) = (u32::MAX, u32::MAX);
    let start = if buffer.is_empty() {
        null()
    } else {
        buffer.as_mut_ptr().cast()
    };
    let status = wdf!(WdfRegistryQueryValue(
        key,
        &raw const name,
        u32::try_from(buffer.len()).unwrap(),
        start,
        &raw mut needed,
        &raw mut kind
    ));
    (status, needed, kind)
}

fn on_driver(f: impl FnOnce() + 'static) {
    let bench = plain(HostConfig::new().verifier(true), Loopback::new());
    let host = &bench.host;
    host.set_parameter("filter", "Number", 7);
    host.set_parameter_value("filter", "Binary", REG_BINARY, &[1, 2, 3]);
    host.set_parameter_value("filter", "Empty", REG_BINARY, &[]);
    let text: Vec<u8> = "text\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
    host.set_parameter_value("filter", "Text", REG_SZ, &text);
    on_thread(host, f);
    let report = bench.host.finish();
    assert!(report.is_clean(), "{report}");
}

#[test]
fn values_of_any_type() {
    on_driver(|| {
        let key = parameters();
        assert_eq!(
            query(key, "Binary", &mut []),
            (STATUS_BUFFER_OVERFLOW, 3, REG_BINARY)
        );
        let mut buffer = [0; 4];
        assert_eq!(
            query(key, "binary", &mut buffer),
            (STATUS_SUCCESS, 3, REG_BINARY)
        );
        assert_eq!(buffer, [1, 2, 3, 0]);
        assert_eq!(
            query(key, "Number", &mut buffer),
            (STATUS_SUCCESS, 4, REG_DWORD)
        );
        assert_eq!(buffer, [7, 0, 0, 0]);
        assert_eq!(
            query(key, "Nothing", &mut buffer).0,
            STATUS_OBJECT_NAME_NOT_FOUND
        );
        let (text, mut number) = (unicode("Text"), 0);
        let status = wdf!(WdfRegistryQueryULong(key, &raw const text, &raw mut number));
        assert_eq!(status, STATUS_OBJECT_TYPE_MISMATCH);
        let (name, mut value) = (unicode("New"), [9u8, 8]);
        let status = wdf!(WdfRegistryAssignValue(
            key,
            &raw const name,
            REG_BINARY,
            2,
            value.as_mut_ptr().cast()
        ));
        assert_eq!(status, STATUS_SUCCESS);
        assert_eq!(
            query(key, "New", &mut buffer),
            (STATUS_SUCCESS, 2, REG_BINARY)
        );
        assert_eq!(
            wdf!(WdfRegistryRemoveValue(key, &raw const name)),
            STATUS_SUCCESS
        );
        assert_eq!(
            wdf!(WdfRegistryRemoveValue(key, &raw const name)),
            STATUS_OBJECT_NAME_NOT_FOUND
        );
        wdf!(WdfRegistryClose(key));
    });
}

#[test]
fn texts() {
    on_driver(|| {
        let key = parameters();
        let name = unicode("Text");
        let mut buffer = [0xFFFF_u16; 8];
        let mut counted = UNICODE_STRING {
            Length: 0,
            MaximumLength: 8,
            Buffer: buffer.as_mut_ptr(),
        };
        let mut length = 0;
        let mut query_text = |counted: *mut UNICODE_STRING| {
            let status = wdf!(WdfRegistryQueryUnicodeString(
                key,
                &raw const name,
                &raw mut length,
                counted
            ));
            (status, length)
        };
        assert_eq!(query_text(null()), (STATUS_BUFFER_OVERFLOW, 10));
        assert_eq!(query_text(&raw mut counted), (STATUS_BUFFER_OVERFLOW, 10));
        counted.MaximumLength = 16;
        assert_eq!(query_text(&raw mut counted), (STATUS_SUCCESS, 10));
        assert_eq!(counted.Length, 8);
        assert_eq!(String::from_utf16_lossy(&buffer[..5]), "text\0");

        let mut string = null();
        let initial = unicode("other");
        assert_eq!(
            wdf!(WdfStringCreate(&raw const initial, null(), &raw mut string)),
            STATUS_SUCCESS
        );
        let written = unicode("Written");
        assert_eq!(
            wdf!(WdfRegistryAssignString(key, &raw const written, string)),
            STATUS_SUCCESS
        );
        assert_eq!(
            wdf!(WdfRegistryQueryString(key, &raw const name, string)),
            STATUS_SUCCESS
        );
        assert_eq!(text_of(string), "text");
        assert_eq!(
            wdf!(WdfRegistryQueryString(key, &raw const written, string)),
            STATUS_SUCCESS
        );
        assert_eq!(text_of(string), "other");
        let number = unicode("Number");
        let status = wdf!(WdfRegistryQueryString(key, &raw const number, string));
        assert_eq!(status, STATUS_OBJECT_TYPE_MISMATCH);
        delete(string);
        wdf!(WdfRegistryClose(key));
    });
}

#[test]
fn values_as_memory() {
    on_driver(|| {
        let key = parameters();
        let mut memory = null();
        let mut kind = 0;
        let mut query_memory = |name: &str| {
            let name = unicode(name);
            wdf!(WdfRegistryQueryMemory(
                key,
                &raw const name,
                _POOL_TYPE::PagedPool,
                null(),
                &raw mut memory,
                &raw mut kind
            ))
        };
        assert_eq!(query_memory("Empty"), STATUS_RESOURCE_DATA_NOT_FOUND);
        assert_eq!(query_memory("Binary"), STATUS_SUCCESS);
        assert_eq!(kind, REG_BINARY);
        let mut length = 0;
        assert!(!wdf!(WdfMemoryGetBuffer(memory, &raw mut length)).is_null());
        assert_eq!(length, 3);
        delete(memory);
        wdf!(WdfRegistryClose(key));
    });
}

#[test]
fn keys_are_created_opened_and_removed() {
    on_driver(|| {
        let parent = parameters();
        let name = unicode("Sub");
        let open = |out: &mut WDFKEY| {
            wdf!(WdfRegistryOpenKey(
                parent,
                &raw const name,
                0,
                null(),
                &raw mut *out
            ))
        };
        let mut key = null();
        assert_eq!(open(&mut key), STATUS_OBJECT_NAME_NOT_FOUND);
        assert!(key.is_null());
        for expected in [1, 2] {
            let mut disposition = 0;
            let status = wdf!(WdfRegistryCreateKey(
                parent,
                &raw const name,
                0,
                0,
                &raw mut disposition,
                null(),
                &raw mut key
            ));
            assert_eq!((status, disposition), (STATUS_SUCCESS, expected));
            wdf!(WdfRegistryClose(key));
        }
        assert_eq!(open(&mut key), STATUS_SUCCESS);
        assert_eq!(wdf!(WdfRegistryRemoveKey(key)), STATUS_SUCCESS);
        assert_eq!(open(&mut key), STATUS_OBJECT_NAME_NOT_FOUND);
        wdf!(WdfRegistryClose(parent));
    });
}

#[test]
fn the_keys_of_a_device() {
    on_driver(|| {
        let mut key = null();
        let mut open = |which| {
            wdf!(WdfDeviceOpenRegistryKey(
                device(),
                which,
                0,
                null(),
                &raw mut key
            ))
        };
        assert_eq!(open(0), STATUS_INVALID_PARAMETER);
        assert_eq!(open(PLUGPLAY_REGKEY_DEVICE), STATUS_SUCCESS);
        let name = unicode("Number");
        assert_eq!(
            wdf!(WdfRegistryAssignULong(key, &raw const name, 5)),
            STATUS_SUCCESS
        );
        wdf!(WdfRegistryClose(key));
        // The driver's key is another.
        let mut open = |which| {
            wdf!(WdfDeviceOpenRegistryKey(
                device(),
                which,
                0,
                null(),
                &raw mut key
            ))
        };
        assert_eq!(open(PLUGPLAY_REGKEY_DRIVER), STATUS_SUCCESS);
        let mut value = 0;
        let status = wdf!(WdfRegistryQueryULong(key, &raw const name, &raw mut value));
        assert_eq!(status, STATUS_OBJECT_NAME_NOT_FOUND);
        wdf!(WdfRegistryClose(key));
    });
}

thread_local! {
    static RESOURCES: RefCell<Vec<(u32, bool)>> = const { RefCell::new(Vec::new()) };
}

fn look(list: WDFCMRESLIST) {
    let count = wdf!(WdfCmResourceListGetCount(list));
    let first = wdf!(WdfCmResourceListGetDescriptor(list, 0)).is_null();
    RESOURCES.with_borrow_mut(|seen| seen.push((count, first)));
}

unsafe extern "C" fn prepare(
    _: WDFDEVICE,
    raw: WDFCMRESLIST,
    translated: WDFCMRESLIST,
) -> NTSTATUS {
    look(raw);
    look(translated);
    STATUS_SUCCESS
}

unsafe extern "C" fn release(_: WDFDEVICE, translated: WDFCMRESLIST) -> NTSTATUS {
    look(translated);
    STATUS_SUCCESS
}

#[test]
fn a_driver_may_look_for_its_resources() {
    let hooks = common::Hooks {
        filter: true,
        init: Some(Box::new(|init| {
            let mut callbacks = WDF_PNPPOWER_EVENT_CALLBACKS {
                Size: common::size::<WDF_PNPPOWER_EVENT_CALLBACKS>(),
                EvtDevicePrepareHardware: Some(prepare),
                EvtDeviceReleaseHardware: Some(release),
                ..Default::default()
            };
            wdf!(WdfDeviceInitSetPnpPowerEventCallbacks(
                init,
                &raw mut callbacks
            ));
        })),
        ..Default::default()
    };
    let bench = common::bench(HostConfig::new().verifier(true), Loopback::new(), hooks);
    assert!(bench.host.finish().is_clean());
    assert_eq!(RESOURCES.take(), [(0, true); 3]);
}

#[test]
fn the_verifier_s_own_functions() {
    let bench = plain(HostConfig::new().verifier(true), Loopback::new());
    on_thread(&bench.host, || wdf!(WdfVerifierDbgBreakPoint()));
    assert_eq!(bench.host.breaks(), 1);
    bench
        .host
        .spawn("test", || wdf!(WdfVerifierKeBugCheck(0x10D, 1, 2, 3, 4)));
    match bench.host.run() {
        Err(Stop::Bugcheck(bugcheck)) => {
            assert_eq!(bugcheck.kind, BugcheckKind::ByDriver);
            assert_eq!((bugcheck.code, bugcheck.p1, bugcheck.p4), (0x10D, 1, 4));
        }
        other => panic!("{other:?}"),
    }
}
