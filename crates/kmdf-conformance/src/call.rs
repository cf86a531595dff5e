//! Calling a DDI by its name: through the function table, with arguments that are machine words.

use core::ffi::c_char;

use kmdf_sys::for_each_wdf_function;

/// What a case passes and gets back: integers, handles and addresses alike.
pub(crate) type Word = u64;

/// A C parameter made from a word.
trait FromWord {
    fn from_word(word: Word) -> Self;
}

/// A C result as a word.
trait IntoWord {
    fn into_word(self) -> Word;
}

macro_rules! integers {
    ($($type:ty => $unsigned:ty),*) => {$(
        impl FromWord for $type {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_possible_wrap,
                reason = "C converts arguments in this way"
            )]
            fn from_word(word: Word) -> Self {
                word as Self
            }
        }

        impl IntoWord for $type {
            #[allow(
                clippy::cast_sign_loss,
                clippy::cast_lossless,
                reason = "a signed result is kept in its own width"
            )]
            fn into_word(self) -> Word {
                self as $unsigned as Word
            }
        }
    )*};
}

integers!(u8 => u8, u16 => u16, u32 => u32, i32 => u32, u64 => u64, i64 => u64, usize => usize, c_char => u8);

impl<T> FromWord for *mut T {
    fn from_word(word: Word) -> Self {
        core::ptr::with_exposed_provenance_mut(usize::from_word(word))
    }
}

impl<T> FromWord for *const T {
    fn from_word(word: Word) -> Self {
        core::ptr::with_exposed_provenance(usize::from_word(word))
    }
}

impl<T> IntoWord for *mut T {
    fn into_word(self) -> Word {
        self.expose_provenance() as Word
    }
}

impl<T> IntoWord for *const T {
    fn into_word(self) -> Word {
        self.expose_provenance() as Word
    }
}

impl IntoWord for () {
    fn into_word(self) -> Word {
        0
    }
}

impl IntoWord for kmdf_sys::LARGE_INTEGER {
    fn into_word(self) -> Word {
        // SAFETY: every member of the union is plain data of the same 64 bits.
        unsafe { self.QuadPart }.into_word()
    }
}

macro_rules! function_pointers {
    ($(($($parameter:ident),*))*) => {$(
        impl<R, $($parameter),*> FromWord for Option<unsafe extern "C" fn($($parameter),*) -> R> {
            fn from_word(word: Word) -> Self {
                let address = <*const ()>::from_word(word);
                // SAFETY: an optional function pointer has the representation of a pointer, NULL being `None`. A word for
                // such a parameter is NULL or the address of a trampoline of exactly this type: the caller checks.
                unsafe { core::mem::transmute::<*const (), Self>(address) }
            }
        }
    )*};
}

function_pointers! {
    (A) (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) (A, B, C, D, E, F) (A, B, C, D, E, F, G)
}

macro_rules! dispatch {
    ($($place:literal $name:ident $pfn:ident $index:ident($($parameter:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        /// The number of parameters of a DDI, after the globals.
        #[cfg(test)]
        pub(crate) fn arity(name: &str) -> Option<usize> {
            match name {
                $(stringify!($name) => Some(0 $(+ { let _ = stringify!($parameter); 1 })*),)*
                _ => None,
            }
        }

        /// Calls a DDI. `None` when there is none of this name, or when it takes another number of arguments.
        ///
        /// # Safety
        ///
        /// Only in a logical thread. Each argument is what the DDI takes at its place, as far as the framework relies on it:
        /// an address is NULL or that of what the header says, a function that of the header's type.
        #[allow(non_snake_case, reason = "the names of C")]
        pub(crate) unsafe fn invoke(name: &str, arguments: &[Word]) -> Option<Word> {
            match (name, arguments) {
                $((stringify!($name), &[$($parameter),*]) => {
                    // SAFETY: by the caller's promise.
                    let result = unsafe {
                        kmdf_sys::call_unsafe_wdf_function_binding!(
                            $name, $(<$type as FromWord>::from_word($parameter)),*
                        )
                    };
                    Some(result.into_word())
                })*
                _ => None,
            }
        }
    };
}

for_each_wdf_function!(dispatch);
