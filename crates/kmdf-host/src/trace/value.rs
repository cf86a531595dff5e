//! Arguments and results in a trace.

use kmdf_sys::NTSTATUS;

/// An argument or result. Addresses are reduced to NULL or not, so that traces of equal runs are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// No result.
    Unit,
    /// An integer.
    Integer(i64),
    /// A status.
    Status(NTSTATUS),
    /// A handle, by its stable value.
    Handle(u64),
    /// A pointer that is NULL or not.
    Pointer {
        /// Whether it is NULL.
        null: bool,
    },
}

/// What a DDI's parameter or result looks like in a trace.
pub(crate) trait Traced {
    fn traced(&self) -> Value;
}

/// What a driver's callback returned: a `LONG` there is an `NTSTATUS`, there are no others.
pub(crate) fn returned_value<R: Traced + 'static>(result: &R) -> Value {
    if core::any::TypeId::of::<R>() == core::any::TypeId::of::<NTSTATUS>() {
        status_value(result)
    } else {
        result.traced()
    }
}

/// What is known to be an `NTSTATUS`, which to the bindings is an integer like any other.
pub(crate) fn status_value(value: &impl Traced) -> Value {
    match value.traced() {
        Value::Integer(number) => {
            i32::try_from(number).map_or(Value::Integer(number), Value::Status)
        }
        other => other,
    }
}

impl Traced for () {
    fn traced(&self) -> Value {
        Value::Unit
    }
}

impl<T> Traced for *mut T {
    fn traced(&self) -> Value {
        pointer_value(self.addr())
    }
}

impl<T> Traced for *const T {
    fn traced(&self) -> Value {
        pointer_value(self.addr())
    }
}

impl<T> Traced for Option<T> {
    fn traced(&self) -> Value {
        Value::Pointer {
            null: self.is_none(),
        }
    }
}

fn pointer_value(address: usize) -> Value {
    if crate::fx::handle::is_handle(address) {
        Value::Handle(address as u64)
    } else {
        Value::Pointer { null: address == 0 }
    }
}

macro_rules! traced_integers {
    ($($integer:ty),*) => {$(
        impl Traced for $integer {
            fn traced(&self) -> Value {
                Value::Integer(i64::from(*self))
            }
        }
    )*};
}

traced_integers!(u8, i8, u16, i32, u32, i64);

impl Traced for u64 {
    fn traced(&self) -> Value {
        Value::Integer(self.cast_signed())
    }
}

impl Traced for usize {
    fn traced(&self) -> Value {
        Value::Integer((*self as u64).cast_signed())
    }
}
