//! Power policy, device state, properties and lookaside lists.

mod common;

use std::ptr;

use common::{
    Hooks, attributes, bench, delete, device, ignore, log, null, on_thread, plain, size, take_log,
    target, wdf,
};
use kmdf_host::{Allocation, HostConfig, Loopback, Stop, ViolationKind};
use kmdf_sys::*;

const STATUS_POWER_STATE_INVALID: NTSTATUS = 0xC000_02D3_u32.cast_signed();

fn function_driver(config: HostConfig) -> common::Bench {
    bench(config, Loopback::new(), Hooks::default())
}

fn idle_settings() -> WDF_DEVICE_POWER_POLICY_IDLE_SETTINGS {
    WDF_DEVICE_POWER_POLICY_IDLE_SETTINGS {
        Size: size::<WDF_DEVICE_POWER_POLICY_IDLE_SETTINGS>(),
        IdleCaps: _WDF_POWER_POLICY_S0_IDLE_CAPABILITIES::IdleUsbSelectiveSuspend,
        DxState: _DEVICE_POWER_STATE::PowerDeviceMaximum,
        IdleTimeout: 10_000,
        UserControlOfIdleSettings: _WDF_POWER_POLICY_S0_IDLE_USER_CONTROL::IdleAllowUserControl,
        Enabled: _WDF_TRI_STATE::WdfTrue,
        PowerUpIdleDeviceOnSystemWake: _WDF_TRI_STATE::WdfUseDefault,
        ..Default::default()
    }
}

fn assign_idle(mut settings: WDF_DEVICE_POWER_POLICY_IDLE_SETTINGS) -> NTSTATUS {
    wdf!(WdfDeviceAssignS0IdleSettings(device(), &raw mut settings))
}

#[test]
fn idle_settings_are_checked_in_the_framework_s_order() {
    let bench = function_driver(HostConfig::new().verifier(true));
    on_thread(&bench.host, || {
        assert_eq!(assign_idle(idle_settings()), STATUS_SUCCESS);
        let wrong = |change: fn(&mut WDF_DEVICE_POWER_POLICY_IDLE_SETTINGS)| {
            let mut settings = idle_settings();
            change(&mut settings);
            assign_idle(settings)
        };
        assert_eq!(
            wrong(|settings| {
                settings.Size = 7;
                settings.DxState = 0;
            }),
            STATUS_INFO_LENGTH_MISMATCH
        );
        for change in [
            (|settings| settings.DxState = _DEVICE_POWER_STATE::PowerDeviceD0)
                as fn(&mut WDF_DEVICE_POWER_POLICY_IDLE_SETTINGS),
            |settings| settings.IdleCaps = 0,
            |settings| settings.UserControlOfIdleSettings = 3,
            |settings| settings.Enabled = 9,
            |settings| settings.PowerUpIdleDeviceOnSystemWake = _WDF_TRI_STATE::WdfTrue,
            |settings| settings.IdleTimeoutType = 3,
        ] {
            assert_eq!(wrong(change), STATUS_INVALID_PARAMETER);
        }
        assert_eq!(
            wrong(|settings| settings.DxState = _DEVICE_POWER_STATE::PowerDeviceD3),
            STATUS_POWER_STATE_INVALID
        );
        // The structure of KMDF 1.7 has none of the later members.
        assert_eq!(
            wrong(|settings| {
                settings.Size = 24;
                settings.PowerUpIdleDeviceOnSystemWake = 77;
            }),
            STATUS_SUCCESS
        );
        let mut wake = WDF_DEVICE_POWER_POLICY_WAKE_SETTINGS {
            Size: size::<WDF_DEVICE_POWER_POLICY_WAKE_SETTINGS>(),
            DxState: _DEVICE_POWER_STATE::PowerDeviceMaximum,
            UserControlOfWakeSettings: _WDF_POWER_POLICY_SX_WAKE_USER_CONTROL::WakeAllowUserControl,
            Enabled: _WDF_TRI_STATE::WdfUseDefault,
            ..Default::default()
        };
        let mut assign = |state| {
            wake.DxState = state;
            wdf!(WdfDeviceAssignSxWakeSettings(device(), &raw mut wake))
        };
        assert_eq!(
            assign(_DEVICE_POWER_STATE::PowerDeviceMaximum),
            STATUS_SUCCESS
        );
        assert_eq!(
            assign(_DEVICE_POWER_STATE::PowerDeviceD0),
            STATUS_INVALID_PARAMETER
        );
    });
    assert!(bench.host.finish().is_clean());
}

#[test]
fn a_filter_has_no_power_policy() {
    let bench = plain(HostConfig::new(), Loopback::new());
    on_thread(&bench.host, || {
        assert_eq!(assign_idle(idle_settings()), STATUS_INVALID_DEVICE_REQUEST);
        assert_eq!(stop_idle(false), STATUS_INVALID_DEVICE_STATE);
        resume_idle();
    });
    assert!(bench.host.finish().is_clean());
}

fn stop_idle(wait: bool) -> NTSTATUS {
    wdf!(WdfDeviceStopIdleActual(
        device(),
        u8::from(wait),
        null(),
        0,
        ptr::null()
    ))
}

fn resume_idle() {
    wdf!(WdfDeviceResumeIdleActual(device(), null(), 0, ptr::null()));
}

#[test]
fn a_power_reference_waits_for_d0() -> Result<(), Stop> {
    for seed in 0..50 {
        let config = HostConfig::new().seed(seed).verifier(true).preempt(true);
        let bench = function_driver(config);
        let host = &bench.host;
        on_thread(host, || {
            assert_eq!(stop_idle(true), STATUS_SUCCESS);
            resume_idle();
        });
        host.sleep(bench.stack)?;
        on_thread(host, || {
            assert_eq!(stop_idle(false), STATUS_PENDING);
            resume_idle();
        });
        host.spawn("waiter", || {
            assert_eq!(stop_idle(true), STATUS_SUCCESS);
            log("in D0");
            resume_idle();
        });
        host.run_for(kmdf_host::Ticks::from_millis(5))?;
        assert!(take_log().is_empty());
        host.wake(bench.stack)?;
        host.run()?;
        assert_eq!(take_log(), ["in D0"]);
        let report = bench.host.finish();
        assert!(report.is_clean(), "seed {seed}: {report}");
    }
    Ok(())
}

#[test]
fn power_references_balance() {
    for (stops, resumes) in [(1, 0), (0, 1)] {
        let bench = function_driver(HostConfig::new());
        on_thread(&bench.host, move || {
            for _ in 0..stops {
                assert_eq!(stop_idle(false), STATUS_SUCCESS);
            }
            for _ in 0..resumes {
                resume_idle();
            }
        });
        let report = bench.host.finish();
        let kinds: Vec<_> = report.violations.iter().map(|found| found.kind).collect();
        assert_eq!(kinds, [ViolationKind::PowerReference]);
    }
}

#[test]
fn device_state_is_kept_for_both_versions_of_the_structure() {
    let bench = plain(HostConfig::new().verifier(true), Loopback::new());
    on_thread(&bench.host, || {
        let mut state = WDF_DEVICE_STATE {
            Size: size::<WDF_DEVICE_STATE>(),
            ..Default::default()
        };
        wdf!(WdfDeviceGetDeviceState(device(), &raw mut state));
        assert_eq!(state.Failed, _WDF_TRI_STATE::WdfUseDefault);
        state.NotDisableable = _WDF_TRI_STATE::WdfTrue;
        state.AssignedToGuest = _WDF_TRI_STATE::WdfFalse;
        wdf!(WdfDeviceSetDeviceState(device(), &raw mut state));
        let mut older = WDF_DEVICE_STATE {
            Size: 28,
            Failed: _WDF_TRI_STATE::WdfTrue,
            AssignedToGuest: 99,
            ..Default::default()
        };
        wdf!(WdfDeviceGetDeviceState(device(), &raw mut older));
        assert_eq!(older.NotDisableable, _WDF_TRI_STATE::WdfTrue);
        // Beyond the older structure nothing is written.
        assert_eq!(older.AssignedToGuest, 99);
        older.NotDisableable = _WDF_TRI_STATE::WdfFalse;
        wdf!(WdfDeviceSetDeviceState(device(), &raw mut older));
        wdf!(WdfDeviceGetDeviceState(device(), &raw mut state));
        assert_eq!(state.NotDisableable, _WDF_TRI_STATE::WdfFalse);
        assert_eq!(state.AssignedToGuest, _WDF_TRI_STATE::WdfFalse);
        wdf!(WdfDeviceSetCharacteristics(device(), 0x100));
        assert_eq!(wdf!(WdfDeviceGetCharacteristics(device())), 0x100);
        wdf!(WdfDeviceSetAlignmentRequirement(device(), 63));
        assert_eq!(wdf!(WdfDeviceGetAlignmentRequirement(device())), 63);
    });
    assert!(bench.host.finish().is_clean());
}

#[test]
fn a_device_state_out_of_range_is_a_break() {
    for change in [
        (|state| state.Size = 4) as fn(&mut WDF_DEVICE_STATE),
        |state| state.Removed = 17,
    ] {
        let bench = plain(HostConfig::new().verifier(true), Loopback::new());
        on_thread(&bench.host, move || {
            let mut state = WDF_DEVICE_STATE {
                Size: size::<WDF_DEVICE_STATE>(),
                ..Default::default()
            };
            change(&mut state);
            wdf!(WdfDeviceSetDeviceState(device(), &raw mut state));
        });
        assert_eq!(bench.host.breaks(), 1);
        ignore(bench.host.finish());
    }
}

#[test]
fn properties_of_the_physical_device() {
    let bench = plain(HostConfig::new().verifier(true), Loopback::new());
    let property = DEVICE_REGISTRY_PROPERTY::DevicePropertyFriendlyName;
    let text: Vec<u8> = "A disk\0"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    bench.host.set_property(bench.lower, property, &text);
    on_thread(&bench.host, move || {
        let mut needed = 0;
        let status = wdf!(WdfDeviceQueryProperty(
            device(),
            property,
            0,
            null(),
            &raw mut needed
        ));
        assert_eq!((status, needed), (STATUS_BUFFER_TOO_SMALL, 14));
        let mut buffer = [0u8; 20];
        let mut query = |length| {
            wdf!(WdfIoTargetQueryTargetProperty(
                target(),
                property,
                length,
                buffer.as_mut_ptr().cast(),
                &raw mut needed
            ))
        };
        assert_eq!(query(13), STATUS_BUFFER_TOO_SMALL);
        assert_eq!(query(20), STATUS_SUCCESS);
        assert_eq!(buffer[..14], text);
        let mut memory = null();
        let mut attributes = attributes();
        attributes.ParentObject = device().cast();
        let status = wdf!(WdfDeviceAllocAndQueryProperty(
            device(),
            property,
            _POOL_TYPE::NonPagedPoolNx,
            &raw mut attributes,
            &raw mut memory
        ));
        assert_eq!(status, STATUS_SUCCESS);
        let mut length = 0;
        let start = wdf!(WdfMemoryGetBuffer(memory, &raw mut length));
        // SAFETY: the memory object has a buffer of this length.
        let found = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) };
        assert_eq!(found, text);
        let status = wdf!(WdfDeviceQueryProperty(
            device(),
            DEVICE_REGISTRY_PROPERTY::DevicePropertyManufacturer,
            0,
            null(),
            &raw mut needed
        ));
        assert_eq!(status, STATUS_OBJECT_NAME_NOT_FOUND);
        assert!(!wdf!(WdfIoTargetWdmGetTargetPhysicalDevice(target())).is_null());
    });
    assert!(bench.host.finish().is_clean());
}

#[test]
fn a_property_can_be_asked_for_before_there_is_a_device() {
    let hooks = Hooks {
        init: Some(Box::new(|init| {
            let mut needed = 0;
            let status = wdf!(WdfFdoInitQueryProperty(
                init,
                DEVICE_REGISTRY_PROPERTY::DevicePropertyHardwareID,
                0,
                null(),
                &raw mut needed
            ));
            assert_eq!(status, STATUS_OBJECT_NAME_NOT_FOUND);
        })),
        ..Hooks::default()
    };
    let bench = bench(HostConfig::new().verifier(true), Loopback::new(), hooks);
    assert!(bench.host.finish().is_clean());
}

#[test]
fn memory_from_a_lookaside_list() {
    let bench = plain(HostConfig::new().verifier(true), Loopback::new());
    on_thread(&bench.host, || {
        let mut lookaside = null();
        let mut create = |size| {
            wdf!(WdfLookasideListCreate(
                null(),
                size,
                _POOL_TYPE::NonPagedPoolNx,
                null(),
                0,
                &raw mut lookaside
            ))
        };
        assert_eq!(create(0), STATUS_INVALID_PARAMETER);
        assert_eq!(create(100), STATUS_SUCCESS);
        let mut memory = null();
        assert_eq!(
            wdf!(WdfMemoryCreateFromLookaside(lookaside, &raw mut memory)),
            STATUS_SUCCESS
        );
        let mut length = 0;
        assert!(!wdf!(WdfMemoryGetBuffer(memory, &raw mut length)).is_null());
        assert_eq!(length, 100);
        delete(memory);
        delete(lookaside);
    });
    assert!(bench.host.finish().is_clean());
}

#[test]
fn a_lookaside_list_can_be_empty() {
    let bench = plain(HostConfig::new(), Loopback::new());
    let lookaside = on_thread(&bench.host, || {
        let mut lookaside = null();
        let status = wdf!(WdfLookasideListCreate(
            null(),
            8,
            _POOL_TYPE::PagedPool,
            null(),
            1,
            &raw mut lookaside
        ));
        assert_eq!(status, STATUS_SUCCESS);
        lookaside
    });
    bench.host.fail_allocation(Allocation::Pool, 1);
    on_thread(&bench.host, move || {
        let mut memory = null();
        assert_eq!(
            wdf!(WdfMemoryCreateFromLookaside(lookaside, &raw mut memory)),
            STATUS_INSUFFICIENT_RESOURCES
        );
        assert!(memory.is_null());
        delete(lookaside);
    });
    assert!(bench.host.finish().is_clean());
}
