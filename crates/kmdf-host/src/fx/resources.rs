//! WDFCMRESLIST: the hardware resources of a device. Devices of the model have none, so their lists are empty.

use core::ptr;
use std::rc::Rc;

use kmdf_sys::{PCM_PARTIAL_RESOURCE_DESCRIPTOR, ULONG, ULONG_PTR, WDFCMRESLIST};

use super::class::{Kind, Obj};
use super::device::Device;
use super::object::Object;
use crate::report::BugcheckKind;
use crate::system::System;

/// A WDFCMRESLIST.
pub(crate) struct ResourceList;

impl System {
    /// The raw and the translated resources of a device, made when a driver is first shown them.
    pub(crate) fn resource_lists(&self, device: &Obj<Device>) -> [WDFCMRESLIST; 2] {
        let mut lists = device.resources.borrow_mut();
        let [raw, translated] = lists.get_or_insert_with(|| {
            [(), ()].map(|()| {
                let driver = device.rc().driver.get();
                let list = Rc::new(Object::new(
                    Kind::ResourceList(ResourceList),
                    driver,
                    self.origin(),
                ));
                list.no_delete.set(true);
                self.framework.objects.insert(&list);
                device.rc().adopt(device.rc(), &list);
                list
            })
        });
        [raw.handle(), translated.handle()]
    }

    /// `WdfCmResourceListGetCount`.
    pub(crate) fn wdf_cm_resource_list_get_count(&self, list: WDFCMRESLIST) -> ULONG {
        let _: Obj<ResourceList> = self.object(list);
        0
    }

    /// `WdfCmResourceListGetDescriptor`: NULL beyond the end, which here is everywhere.
    pub(crate) fn wdf_cm_resource_list_get_descriptor(
        &self,
        list: WDFCMRESLIST,
        _index: ULONG,
    ) -> PCM_PARTIAL_RESOURCE_DESCRIPTOR {
        let _: Obj<ResourceList> = self.object(list);
        ptr::null_mut()
    }

    /// `WdfVerifierDbgBreakPoint`.
    pub(crate) fn wdf_verifier_dbg_break_point(&self) {
        self.debug_break("the driver itself called WdfVerifierDbgBreakPoint");
    }

    /// `WdfVerifierKeBugCheck`.
    pub(crate) fn wdf_verifier_ke_bug_check(
        &self,
        code: ULONG,
        p1: ULONG_PTR,
        p2: ULONG_PTR,
        p3: ULONG_PTR,
        p4: ULONG_PTR,
    ) {
        self.bugcheck_os(
            BugcheckKind::ByDriver,
            code,
            [p1, p2, p3, p4],
            "the driver itself called WdfVerifierKeBugCheck".to_owned(),
        )
    }
}
