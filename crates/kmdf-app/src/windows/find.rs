//! Paths of devices: by the interface that a driver registers, or without one.

use std::ffi::OsString;
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::path::PathBuf;
use std::ptr;

use windows_sys::Win32::Devices::DeviceAndDriverInstallation::{
    CM_GET_DEVICE_INTERFACE_LIST_PRESENT, CM_Get_DevNode_PropertyW,
    CM_Get_Device_Interface_List_SizeW, CM_Get_Device_Interface_ListW, CM_LOCATE_DEVNODE_NORMAL,
    CM_Locate_DevNodeW, CM_MapCrToWin32Err, CONFIGRET, CR_BUFFER_SMALL, CR_SUCCESS,
};
use windows_sys::Win32::Devices::Properties::{DEVPKEY_Device_PDOName, DEVPROP_TYPE_STRING};
use windows_sys::Win32::Foundation::ERROR_GEN_FAILURE;
use windows_sys::core::GUID;

fn check(result: CONFIGRET) -> io::Result<()> {
    if result == CR_SUCCESS {
        return Ok(());
    }
    // SAFETY: takes any two numbers.
    let code = unsafe { CM_MapCrToWin32Err(result, ERROR_GEN_FAILURE) };
    Err(io::Error::from_raw_os_error(code.cast_signed()))
}

/// The path by which `CreateFile` opens the top of the stack of the device with this instance ID,
/// such as `ROOT\DEVGEN\{...}`: the name of its physical device object, seen from the root of the
/// object manager. The device has to be started; who may open it is said by its security
/// descriptor.
///
/// # Errors
///
/// When there is no such device, or it has no physical device object.
pub fn path_of_instance(instance: &str) -> io::Result<PathBuf> {
    let id: Vec<u16> = instance.encode_utf16().chain([0]).collect();
    let mut node = 0;
    // SAFETY: `id` ends with a zero, and `node` takes the handle.
    let located =
        unsafe { CM_Locate_DevNodeW(&raw mut node, id.as_ptr(), CM_LOCATE_DEVNODE_NORMAL) };
    check(located)?;

    let mut kind = 0;
    let mut size = 0;
    // SAFETY: with a size of zero there is no buffer to write to.
    let asked = unsafe {
        CM_Get_DevNode_PropertyW(
            node,
            &DEVPKEY_Device_PDOName,
            &raw mut kind,
            ptr::null_mut(),
            &raw mut size,
            0,
        )
    };
    if asked != CR_BUFFER_SMALL {
        check(asked)?;
    }
    let mut name = vec![0_u16; usize::try_from(size).map_err(io::Error::other)?.div_ceil(2)];
    // SAFETY: the buffer has at least `size` bytes, and is aligned for the characters that are
    // written to it.
    let read = unsafe {
        CM_Get_DevNode_PropertyW(
            node,
            &DEVPKEY_Device_PDOName,
            &raw mut kind,
            name.as_mut_ptr().cast(),
            &raw mut size,
            0,
        )
    };
    check(read)?;
    if kind != DEVPROP_TYPE_STRING {
        return Err(io::Error::other(
            "the name of the device object is no string",
        ));
    }
    let end = name
        .iter()
        .position(|&unit| unit == 0)
        .unwrap_or(name.len());
    let mut path = OsString::from(r"\\?\GLOBALROOT");
    path.push(OsString::from_wide(&name[..end]));
    Ok(path.into())
}

/// The paths of all started devices with an interface of this class, by which `CreateFile` opens
/// them.
///
/// # Errors
///
/// What the configuration manager says.
pub fn paths_of_interface(class: uuid::Uuid) -> io::Result<Vec<PathBuf>> {
    let class = GUID::from_u128(class.as_u128());
    loop {
        let mut length = 0;
        // SAFETY: all pointers are to locals, and no device is named.
        let asked = unsafe {
            CM_Get_Device_Interface_List_SizeW(
                &raw mut length,
                &raw const class,
                ptr::null(),
                CM_GET_DEVICE_INTERFACE_LIST_PRESENT,
            )
        };
        check(asked)?;
        let mut list = vec![0_u16; usize::try_from(length).map_err(io::Error::other)?];
        // SAFETY: as above; the buffer has `length` characters.
        let read = unsafe {
            CM_Get_Device_Interface_ListW(
                &raw const class,
                ptr::null(),
                list.as_mut_ptr(),
                length,
                CM_GET_DEVICE_INTERFACE_LIST_PRESENT,
            )
        };
        // One more has come in between.
        if read == CR_BUFFER_SMALL {
            continue;
        }
        check(read)?;
        return Ok(list
            .split(|&unit| unit == 0)
            .filter(|path| !path.is_empty())
            .map(|path| OsString::from_wide(path).into())
            .collect());
    }
}
