//! Framework objects: handles, references, contexts.
//!
//! Two ways to hold one: `&'cb T` is borrowed, for a callback or from an object that is; an object
//! that the driver created ([`Request`](crate::Request), [`Memory`](crate::Memory),
//! [`RemoteIoTarget`](crate::RemoteIoTarget)) is deleted when dropped.

use core::cell::UnsafeCell;
use core::ffi::CStr;
use core::fmt;
use core::marker::PhantomData;
use core::mem::{MaybeUninit, needs_drop};
use core::ops::Deref;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, Ordering};

use crate::ffi;
use crate::status::{Error, NtStatus, Result};

/// The size of `T`, as the `Size` field of a WDF structure has it.
pub(crate) const fn size_of_u32<T>() -> u32 {
    const {
        assert!(
            size_of::<T>() <= u32::MAX as usize,
            "a WDF structure is never that large"
        )
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked at compile time, just above"
    )]
    let size = size_of::<T>() as u32;
    size
}

pub(crate) mod private {
    /// Keeps the traits whose promises unsafe code trusts inside this crate.
    pub trait Sealed {}
}

/// A framework object whose handle has a type of its own.
///
/// A `&T` is the handle: its address is the handle's value, nothing lies behind it, and it costs
/// what the handle costs.
///
/// # Safety
///
/// `Self` has size 0 and alignment 1, and is never made by value. `Self::Raw` is what the bindings'
/// handle type points to.
pub unsafe trait Object: private::Sealed + Sized {
    /// What the bindings' handle type points to.
    #[doc(hidden)]
    type Raw;

    /// # Safety
    ///
    /// `handle` is a handle of this object type, and the object lives at least as long as `'a`.
    #[doc(hidden)]
    #[inline]
    unsafe fn from_raw<'a>(handle: NonNull<Self::Raw>) -> &'a Self {
        // SAFETY: `Self` has size 0 and alignment 1 (the trait's contract), so that every non-null
        // address is one; the caller answers for `'a`.
        unsafe { handle.cast::<Self>().as_ref() }
    }

    /// The handle.
    #[doc(hidden)]
    #[inline]
    fn as_raw(&self) -> *mut Self::Raw {
        ptr::from_ref(self).cast_mut().cast()
    }

    /// The handle, untyped.
    #[doc(hidden)]
    #[inline]
    fn as_object(&self) -> ffi::WDFOBJECT {
        self.as_raw().cast()
    }
}

/// Declares the type whose references are the handles of one WDF object type.
macro_rules! object {
    ($(#[$meta:meta])* $vis:vis struct $name:ident $(<$context:ident>)? = $raw:ty;) => {
        $(#[$meta])*
        #[repr(C)]
        $vis struct $name $(<$context>)? {
            _handle: [u8; 0],
            // Neither Send nor Sync by itself; `Sync` is implemented below, with the reason.
            _raw: core::marker::PhantomData<*mut $raw>,
            $(_context: core::marker::PhantomData<fn() -> $context>,)?
        }

        // SAFETY: a WDF handle may be used from any thread; the framework locks its objects itself.
        unsafe impl $(<$context>)? Sync for $name $(<$context>)? {}

        impl $(<$context>)? $crate::object::private::Sealed for $name $(<$context>)? {}

        // SAFETY: only an empty array and PhantomData, with no constructor; `$raw` is what the
        // handle type of this object points to.
        unsafe impl $(<$context>)? $crate::object::Object for $name $(<$context>)? {
            type Raw = $raw;
        }

        impl $(<$context>)? core::fmt::Debug for $name $(<$context>)? {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "{}({:p})", stringify!($name), self)
            }
        }
    };
}
pub(crate) use object;

/// An object that may be referenced, and stored by the reference.
///
/// # Safety
///
/// Every safe call on the object is sound while a reference is held, even after the framework
/// deleted the object.
pub(crate) unsafe trait Referenceable: Object {}

/// A framework reference to an object, taken by `WdfObjectReference` and given back when dropped.
///
/// The object's memory stays; the object itself may be deleted meanwhile, and then answers with an
/// error.
///
/// # Invariants
///
/// `object` is a handle of type `T` on which one reference is held.
#[doc(alias = "WdfObjectReference")]
#[doc(alias = "WdfObjectReferenceActual")]
pub(crate) struct ObjectRef<T: Referenceable> {
    object: NonNull<T>,
}

// SAFETY: `T: Sync` makes `&T` usable from any thread, and the reference count is the framework's,
// which is atomic.
unsafe impl<T: Referenceable + Sync> Send for ObjectRef<T> {}
// SAFETY: as for Send; all that a shared `ObjectRef` gives is `&T` and another reference.
unsafe impl<T: Referenceable + Sync> Sync for ObjectRef<T> {}

impl<T: Referenceable> ObjectRef<T> {
    /// Takes a reference.
    ///
    /// C:
    /// [`WdfObjectReference`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfobject/nf-wdfobject-wdfobjectreference).
    /// IRQL: up to `DISPATCH_LEVEL`.
    #[must_use]
    pub(crate) fn new(object: &T) -> Self {
        reference(object.as_object());
        // INVARIANT: the reference was just taken.
        Self {
            object: NonNull::from(object),
        }
    }
}

impl<T: Referenceable> Clone for ObjectRef<T> {
    fn clone(&self) -> Self {
        Self::new(self)
    }
}

impl<T: Referenceable> Deref for ObjectRef<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: by the type's invariant the object's memory exists as long as `self`.
        unsafe { self.object.as_ref() }
    }
}

impl<T: Referenceable> Drop for ObjectRef<T> {
    #[doc(alias = "WdfObjectDereference")]
    fn drop(&mut self) {
        let object = self.as_object();
        // SAFETY: by the type's invariant one reference is ours, and it is not used again.
        unsafe { dereference(object) };
    }
}

impl<T: Referenceable> fmt::Debug for ObjectRef<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ObjectRef").field(&self.as_object()).finish()
    }
}

/// `object` is the handle of a live object: callers pass what a `&T` or an owner gives.
fn reference(object: ffi::WDFOBJECT) {
    // SAFETY: `object` is a handle of an object whose memory exists; tag, line and file are for
    // debugging and optional.
    unsafe { ffi::WdfObjectReferenceActual(object, ptr::null_mut(), 0, ptr::null()) };
}

/// # Safety
///
/// The caller holds one reference on `object`, and gives it up.
unsafe fn dereference(object: ffi::WDFOBJECT) {
    // SAFETY: the reference that is given back is the caller's; the rest is optional.
    unsafe { ffi::WdfObjectDereferenceActual(object, ptr::null_mut(), 0, ptr::null()) };
}

/// An object that the driver created and that is deleted when this is dropped.
///
/// Besides the creation's own reference it holds one more. The framework deletes an object with its
/// parent, and does so before the parent's context, where the driver may keep this, is dropped;
/// with a reference held the handle stays valid, and the late `WdfObjectDelete` is ignored.
///
/// # Invariants
///
/// `handle` is a handle of an object that this driver created, on which one reference besides the
/// creation's is held.
pub(crate) struct Created<R> {
    handle: NonNull<R>,
}

impl<R> Created<R> {
    /// # Safety
    ///
    /// `handle` is the handle of an object which the caller just created and of which nobody else
    /// will delete it but its parent.
    pub(crate) unsafe fn new(handle: NonNull<R>) -> Self {
        reference(handle.as_ptr().cast());
        // INVARIANT: created by the caller; the reference was just taken.
        Self { handle }
    }

    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut R {
        self.handle.as_ptr()
    }

    #[inline]
    pub(crate) fn as_non_null(&self) -> NonNull<R> {
        self.handle
    }
}

impl<R> Drop for Created<R> {
    fn drop(&mut self) {
        let object = self.handle.as_ptr().cast();
        // SAFETY: the driver created the object and deletes it here, once; when its parent was
        // first, the extra reference keeps the handle valid and the framework ignores the call.
        unsafe { ffi::WdfObjectDelete(object) };
        // SAFETY: the extra reference of the invariant, given back once.
        unsafe { dereference(object) };
    }
}

impl<R> fmt::Debug for Created<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:p}", self.handle)
    }
}

/// A type that can be the context of a framework object. Implemented by
/// [`context!`](crate::context).
///
/// A context is made with its object, shared from then on (`&C`), and dropped when the object is
/// destroyed.
///
/// # Safety
///
/// `context_type` returns one and the same static for `Self`, made by [`ContextType::new`] for
/// `Self`.
#[doc(alias = "WDF_DECLARE_CONTEXT_TYPE")]
#[doc(alias = "WDF_DECLARE_CONTEXT_TYPE_WITH_NAME")]
pub unsafe trait Context: Sized + Send + Sync + 'static {
    /// The type's identity for the framework.
    #[doc(hidden)]
    fn context_type() -> &'static ContextType;
}

/// Makes a type usable as the context of a framework object.
///
/// C: `WDF_DECLARE_CONTEXT_TYPE_WITH_NAME`.
///
/// ```
/// struct Filter {
///     maximum_piece: u32,
/// }
/// kmdf::context!(Filter);
/// ```
#[macro_export]
macro_rules! context {
    ($type:ty) => {
        // SAFETY: the static is the only one, is made for this type, and refers to itself.
        unsafe impl $crate::Context for $type {
            fn context_type() -> &'static $crate::object::ContextType {
                static TYPE: $crate::object::ContextType =
                    $crate::object::ContextType::new::<$type>(concat!(stringify!($type), "\0"), &raw const TYPE);
                &TYPE
            }
        }
    };
}

/// `WDF_OBJECT_CONTEXT_TYPE_INFO` of one context type, at one address for the whole life of the
/// driver.
#[doc(hidden)]
#[repr(transparent)]
pub struct ContextType(ffi::WDF_OBJECT_CONTEXT_TYPE_INFO);

// SAFETY: never written after it was made; its pointers refer to itself and to a string literal.
unsafe impl Sync for ContextType {}

impl ContextType {
    /// `name` ends in a NUL. `this` is where the result will stand: the framework compares that
    /// address.
    #[must_use]
    pub const fn new<C: Context>(name: &'static str, this: *const Self) -> Self {
        const {
            assert!(
                align_of::<Slot<C>>() <= 16,
                "the framework aligns contexts to 16 bytes"
            )
        };
        let name = match CStr::from_bytes_until_nul(name.as_bytes()) {
            Ok(name) => name,
            Err(_) => c"context",
        };
        Self(ffi::WDF_OBJECT_CONTEXT_TYPE_INFO {
            Size: size_of_u32::<ffi::WDF_OBJECT_CONTEXT_TYPE_INFO>(),
            ContextName: name.as_ptr(),
            ContextSize: size_of::<Slot<C>>(),
            UniqueType: this.cast(),
            EvtDriverGetUniqueContextType: None,
        })
    }

    fn as_ptr(&self) -> *const ffi::WDF_OBJECT_CONTEXT_TYPE_INFO {
        &raw const self.0
    }
}

impl fmt::Debug for ContextType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextType")
            .field("size", &self.0.ContextSize)
            .finish()
    }
}

/// What the framework's context memory holds: zeroed at first, which is a `Slot` without a value.
///
/// # Invariants
///
/// `value` is initialised if and only if `ready` is true, which it becomes once.
#[repr(C)]
struct Slot<C> {
    ready: AtomicBool,
    value: UnsafeCell<MaybeUninit<C>>,
}

/// The attributes of an object: its context, and the levels inherited.
///
/// C: `WDF_OBJECT_ATTRIBUTES_INIT`. All zero but `Size`, the levels would be invalid.
pub(crate) fn attributes() -> ffi::WDF_OBJECT_ATTRIBUTES {
    ffi::WDF_OBJECT_ATTRIBUTES {
        Size: size_of_u32::<ffi::WDF_OBJECT_ATTRIBUTES>(),
        ExecutionLevel: ffi::EXECUTION_LEVEL_INHERIT,
        SynchronizationScope: ffi::SYNCHRONIZATION_SCOPE_INHERIT,
        ..Default::default()
    }
}

/// Attributes that give the object a context of type `C`, empty until [`initialise`] fills it.
pub(crate) fn attributes_with_context<C: Context>() -> ffi::WDF_OBJECT_ATTRIBUTES {
    ffi::WDF_OBJECT_ATTRIBUTES {
        // Without it there is nothing to do when the object is destroyed, which every request is.
        EvtDestroyCallback: if needs_drop::<C>() {
            Some(destroy::<C>)
        } else {
            None
        },
        ContextTypeInfo: C::context_type().as_ptr(),
        ..attributes()
    }
}

/// Where the framework keeps the context of type `C`; `None` if the object has none.
///
/// # Safety
///
/// `object` is a handle of an object whose memory exists for `'a`.
unsafe fn slot<'a, C: Context>(object: ffi::WDFOBJECT) -> Option<&'a Slot<C>> {
    // SAFETY: the handle is valid by the caller's word, the type info is a static.
    let slot = unsafe { ffi::WdfObjectGetTypedContextWorker(object, C::context_type().as_ptr()) };
    NonNull::new(slot.cast::<Slot<C>>()).map(|slot| {
        // SAFETY: the framework compares the type info's address, so that this memory was made for
        // `Slot<C>`: large enough, aligned (checked in `ContextType::new`), zeroed at first, which
        // is a valid `Slot`, and kept as long as the object.
        unsafe { slot.as_ref() }
    })
}

/// Moves `value` into the object's context.
///
/// # Safety
///
/// `object` is live, its context of type `C` was just made, and no other code fills it or, before it
/// is ready, looks at it.
pub(crate) unsafe fn initialise<C: Context>(object: ffi::WDFOBJECT, value: C) {
    // SAFETY: the object is live, by the caller's word.
    if let Some(slot) = unsafe { slot::<C>(object) } {
        // SAFETY: `ready` is not set yet, so nobody reads the value, and nobody else writes it, by
        // the caller's word.
        unsafe { (*slot.value.get()).write(value) };
        // INVARIANT: the value was written just above.
        slot.ready.store(true, Ordering::Release);
    }
}

/// The context of type `C` of an object that others share, which is made at its first use.
///
/// # Errors
///
/// * `STATUS_INSUFFICIENT_RESOURCES`: no memory.
/// * `STATUS_DELETE_PENDING`: the object is being deleted.
/// * `STATUS_DEVICE_BUSY`: another thread is making it at this moment.
///
/// # Safety
///
/// `object` is a handle of an object that is not destroyed during `'a`. No other code makes a
/// context of type `C` for it.
pub(crate) unsafe fn context_at_first_use<'a, C: Context>(
    object: ffi::WDFOBJECT,
    value: impl FnOnce() -> C,
) -> Result<&'a C> {
    // SAFETY: the object lives for `'a`, by this function's contract.
    if let Some(context) = unsafe { context(object) } {
        return Ok(context);
    }
    let mut attributes = attributes_with_context::<C>();
    let mut place = ptr::null_mut();
    // SAFETY: the object is valid by the caller's word, the rest are locals.
    let status =
        unsafe { ffi::WdfObjectAllocateContext(object, &raw mut attributes, &raw mut place) };
    let status = NtStatus::from_raw(status).ok()?;
    // Of several threads the framework lets one make it; only that one fills it.
    if status != NtStatus::OBJECT_NAME_EXISTS {
        // SAFETY: this thread just made the context, and until it is ready nobody looks at it.
        unsafe { initialise(object, value()) };
    }
    // SAFETY: as above: contexts live as long as their object.
    unsafe { context(object) }.ok_or(Error::DEVICE_BUSY)
}

/// The context of type `C`; `None` if the object has none, or it was not initialised.
///
/// # Safety
///
/// `object` is a handle of an object that is not destroyed during `'a`.
#[inline]
pub(crate) unsafe fn context<'a, C: Context>(object: ffi::WDFOBJECT) -> Option<&'a C> {
    // SAFETY: the object's memory exists for `'a`, by the caller's word.
    let slot = unsafe { slot::<C>(object) }?;
    if !slot.ready.load(Ordering::Acquire) {
        return None;
    }
    // SAFETY: `ready`, so that the value was written and is only shared from then on, until
    // `destroy`.
    let value = unsafe { &*slot.value.get() };
    // SAFETY: by the invariant of `Slot` the value is initialised.
    Some(unsafe { value.assume_init_ref() })
}

/// EvtDestroyCallback: the last reference to the object is gone.
unsafe extern "C" fn destroy<C: Context>(object: ffi::WDFOBJECT) {
    // SAFETY: the framework keeps the context until this callback returns.
    let Some(slot) = (unsafe { slot::<C>(object) }) else {
        return;
    };
    if slot.ready.swap(false, Ordering::AcqRel) {
        // SAFETY: the object has no references left, so that nobody else can reach the value.
        let value = unsafe { &mut *slot.value.get() };
        // SAFETY: `ready` was true, so that the value is initialised; it is dropped once, since
        // `ready` is false now.
        unsafe { value.assume_init_drop() };
    }
}

/// Not `Send`, not `Sync`: the value belongs to the thread that has it.
pub(crate) type NotSync = PhantomData<core::cell::Cell<()>>;
