//! Object contexts.

use wdk_sys::{PCWDF_OBJECT_CONTEXT_TYPE_INFO, WDF_OBJECT_CONTEXT_TYPE_INFO};

/// A type of context, as a static that the framework tells apart by its address.
#[repr(transparent)]
pub(crate) struct ContextType(WDF_OBJECT_CONTEXT_TYPE_INFO);

// SAFETY: nobody changes it; its pointers refer to itself and to a constant.
unsafe impl Sync for ContextType {}

impl ContextType {
    pub(crate) const fn new(info: WDF_OBJECT_CONTEXT_TYPE_INFO) -> Self {
        Self(info)
    }

    /// What the attributes of an object name.
    pub(crate) const fn unique(&self) -> PCWDF_OBJECT_CONTEXT_TYPE_INFO {
        self.0.UniqueType
    }
}

/// Declares the context type of `$context` under the name `$info` and the function `$get` that finds the context of an object.
macro_rules! context_type {
    ($context:ident, $info:ident, $get:ident) => {
        pub(crate) static $info: $crate::context::ContextType =
            $crate::context::ContextType::new(wdk_sys::WDF_OBJECT_CONTEXT_TYPE_INFO {
                Size: const { $crate::size::<wdk_sys::WDF_OBJECT_CONTEXT_TYPE_INFO>() },
                ContextName: concat!(stringify!($context), "\0")
                    .as_ptr()
                    .cast_mut()
                    .cast(),
                ContextSize: size_of::<$context>(),
                UniqueType: (&raw const $info).cast(),
                EvtDriverGetUniqueContextType: None,
            });

        /// The context of an object that was created with one.
        ///
        /// # Safety
        ///
        /// The handle must be valid.
        pub(crate) unsafe fn $get(object: wdk_sys::WDFOBJECT) -> *mut $context {
            // SAFETY: the caller promises a valid handle.
            let context = unsafe {
                wdk_sys::call_unsafe_wdf_function_binding!(
                    WdfObjectGetTypedContextWorker,
                    object,
                    $info.unique(),
                )
            };
            context.cast()
        }
    };
}

pub(crate) use context_type;
