//! `WDF_OBJECT_ATTRIBUTES`: checks in the framework's order.

use core::ptr;
use std::rc::Rc;

use kmdf_sys::{
    _WDF_EXECUTION_LEVEL as level, _WDF_OBJECT_ATTRIBUTES, _WDF_OBJECT_CONTEXT_TYPE_INFO,
    _WDF_SYNCHRONIZATION_SCOPE as scope, NTSTATUS, PCWDF_OBJECT_CONTEXT_TYPE_INFO,
    PWDF_OBJECT_ATTRIBUTES, STATUS_INFO_LENGTH_MISMATCH, WDFOBJECT,
};

use kmdf_sys::missing::{
    STATUS_WDF_EXECUTION_LEVEL_INVALID, STATUS_WDF_OBJECT_ATTRIBUTES_INVALID,
    STATUS_WDF_PARENT_ASSIGNMENT_NOT_ALLOWED, STATUS_WDF_PARENT_NOT_SPECIFIED,
    STATUS_WDF_SYNCHRONIZATION_SCOPE_INVALID,
};

use super::object::{Level, Object, Scope};
use crate::system::System;

/// What a DDI accepts in attributes.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    parent_allowed: bool,
    parent_required: bool,
    attributes_required: bool,
    scope_allowed: bool,
    level_allowed: bool,
}

impl Rules {
    /// The same, with a parent allowed.
    pub(crate) const fn with_parent(mut self) -> Self {
        self.parent_allowed = true;
        self
    }

    /// Memory, requests, I/O targets, locks, ...: a parent, neither level nor scope.
    pub(crate) const CHILD: Self = Self {
        parent_allowed: true,
        parent_required: false,
        attributes_required: false,
        scope_allowed: false,
        level_allowed: false,
    };
    /// General objects: a parent, level and scope.
    pub(crate) const GENERAL: Self = Self {
        scope_allowed: true,
        level_allowed: true,
        ..Self::CHILD
    };
    /// Queues: as general objects.
    pub(crate) const QUEUE: Self = Self::GENERAL;
    /// Drivers and devices: level and scope, no parent.
    pub(crate) const DEVICE: Self = Self {
        parent_allowed: false,
        ..Self::GENERAL
    };
    /// Timers: a parent is required, and a level allowed.
    pub(crate) const TIMER: Self = Self {
        level_allowed: true,
        ..Self::WORK
    };
    /// DPCs and work items: a parent is required.
    pub(crate) const WORK: Self = Self {
        parent_required: true,
        attributes_required: true,
        ..Self::CHILD
    };
    /// `WdfObjectAllocateContext`: attributes, but no parent.
    pub(crate) const CONTEXT: Self = Self {
        parent_allowed: false,
        attributes_required: true,
        ..Self::GENERAL
    };
    /// Contexts of received requests and file objects: neither parent, level nor scope.
    pub(crate) const REQUEST: Self = Self {
        parent_allowed: false,
        ..Self::CHILD
    };
}

/// Attributes that passed the checks.
#[derive(Clone)]
pub(crate) struct Attributes {
    pub(crate) cleanup: Option<unsafe extern "C" fn(WDFOBJECT)>,
    pub(crate) destroy: Option<unsafe extern "C" fn(WDFOBJECT)>,
    /// `None` is inherited.
    pub(crate) level: Option<Level>,
    /// `None` is inherited.
    pub(crate) scope: Option<Scope>,
    pub(crate) parent: Option<Rc<Object>>,
    pub(crate) type_info: PCWDF_OBJECT_CONTEXT_TYPE_INFO,
    pub(crate) context_size: usize,
}

impl Attributes {
    /// What no attributes mean.
    pub(crate) const NONE: Self = Self {
        cleanup: None,
        destroy: None,
        level: None,
        scope: None,
        parent: None,
        type_info: ptr::null(),
        context_size: 0,
    };

    /// The parent that was given, or the driver that is calling.
    pub(crate) fn parent_or_driver(&self, system: &System) -> Rc<Object> {
        match &self.parent {
            Some(parent) => Rc::clone(parent),
            None => system.calling_driver(),
        }
    }
}

impl System {
    /// The parent that attributes must name; looked at before anything else of the call.
    pub(crate) fn required_parent(
        &self,
        attributes: PWDF_OBJECT_ATTRIBUTES,
    ) -> Result<Rc<Object>, NTSTATUS> {
        if attributes.is_null() {
            return Err(STATUS_WDF_PARENT_NOT_SPECIFIED);
        }
        let given: _WDF_OBJECT_ATTRIBUTES = self.get(attributes);
        if given.Size as usize != size_of::<_WDF_OBJECT_ATTRIBUTES>() {
            return Err(STATUS_INFO_LENGTH_MISMATCH);
        }
        if given.ParentObject.is_null() {
            return Err(STATUS_WDF_PARENT_NOT_SPECIFIED);
        }
        Ok(self.any_object(given.ParentObject))
    }

    /// Checks attributes; the parent's handle is resolved first, as the framework does.
    pub(crate) fn attributes(
        &self,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        rules: Rules,
    ) -> Result<Attributes, NTSTATUS> {
        if attributes.is_null() {
            return if rules.attributes_required {
                Err(STATUS_WDF_PARENT_NOT_SPECIFIED)
            } else {
                Ok(Attributes::NONE)
            };
        }
        let given: _WDF_OBJECT_ATTRIBUTES = self.get(attributes);
        let parent_given = rules.parent_allowed && !given.ParentObject.is_null();
        let parent = parent_given.then(|| self.any_object(given.ParentObject));
        if given.Size as usize != size_of::<_WDF_OBJECT_ATTRIBUTES>() {
            return Err(STATUS_INFO_LENGTH_MISMATCH);
        }
        let context_size = self.context_size(&given)?;
        if !given.ParentObject.is_null() && !rules.parent_allowed {
            return Err(STATUS_WDF_PARENT_ASSIGNMENT_NOT_ALLOWED);
        }
        if given.ParentObject.is_null() && rules.parent_required {
            return Err(STATUS_WDF_PARENT_NOT_SPECIFIED);
        }
        let level = match given.ExecutionLevel {
            level::WdfExecutionLevelInheritFromParent => None,
            level::WdfExecutionLevelPassive => Some(Level::Passive),
            level::WdfExecutionLevelDispatch => Some(Level::Dispatch),
            _ => return Err(STATUS_WDF_OBJECT_ATTRIBUTES_INVALID),
        };
        let scope = match given.SynchronizationScope {
            scope::WdfSynchronizationScopeInheritFromParent => None,
            scope::WdfSynchronizationScopeDevice => Some(Scope::Device),
            scope::WdfSynchronizationScopeQueue => Some(Scope::Queue),
            scope::WdfSynchronizationScopeNone => Some(Scope::None),
            _ => return Err(STATUS_WDF_OBJECT_ATTRIBUTES_INVALID),
        };
        if !rules.scope_allowed && matches!(scope, Some(Scope::Device | Scope::Queue)) {
            return Err(STATUS_WDF_SYNCHRONIZATION_SCOPE_INVALID);
        }
        if !rules.level_allowed && level.is_some() {
            return Err(STATUS_WDF_EXECUTION_LEVEL_INVALID);
        }
        Ok(Attributes {
            cleanup: given.EvtCleanupCallback,
            destroy: given.EvtDestroyCallback,
            level,
            scope,
            parent,
            type_info: given.ContextTypeInfo,
            context_size,
        })
    }

    fn context_size(&self, given: &_WDF_OBJECT_ATTRIBUTES) -> Result<usize, NTSTATUS> {
        if given.ContextTypeInfo.is_null() {
            return if given.ContextSizeOverride > 0 {
                Err(STATUS_WDF_OBJECT_ATTRIBUTES_INVALID)
            } else {
                Ok(0)
            };
        }
        let info: _WDF_OBJECT_CONTEXT_TYPE_INFO = self.get(given.ContextTypeInfo);
        let size = info.Size as usize;
        // KMDF 1.0's structure ended before the function that makes the type unique.
        if size != size_of::<_WDF_OBJECT_CONTEXT_TYPE_INFO>() && size != CONTEXT_TYPE_INFO_1_0 {
            return Err(STATUS_INFO_LENGTH_MISMATCH);
        }
        if info.ContextSize > 0 && info.ContextName.is_null() {
            return Err(STATUS_WDF_OBJECT_ATTRIBUTES_INVALID);
        }
        if given.ContextSizeOverride > 0 {
            if given.ContextSizeOverride < info.ContextSize {
                return Err(STATUS_WDF_OBJECT_ATTRIBUTES_INVALID);
            }
            return Ok(given.ContextSizeOverride);
        }
        Ok(info.ContextSize)
    }
}

const CONTEXT_TYPE_INFO_1_0: usize =
    core::mem::offset_of!(_WDF_OBJECT_CONTEXT_TYPE_INFO, UniqueType);
