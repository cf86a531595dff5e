//! The macros that list the function table agree with the pointer types and the indexes.

use kmdf_sys::{_WDFFUNCENUM, PWDF_DRIVER_GLOBALS};

/// Fails to compile unless signatures are those of the pointer types; makes a list of places and names.
macro_rules! declared {
    ($($place:literal $name:ident $pfn:ident $index:ident($($parameter:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        $(
            const _: kmdf_sys::$pfn =
                None::<unsafe extern "C" fn(PWDF_DRIVER_GLOBALS, $($type),*) $(-> $result)?>;
            const _: () = assert!(_WDFFUNCENUM::$index == $place);
        )*
        const DECLARED: &[(i32, &str)] = &[$(($place, stringify!($name))),*];
    };
}

macro_rules! private {
    ($($place:literal $name:ident;)*) => {
        const PRIVATE: &[(i32, &str)] = &[$(($place, stringify!($name))),*];
    };
}

kmdf_sys::for_each_wdf_function!(declared);
kmdf_sys::for_each_private_wdf_function!(private);

#[test]
fn both_lists_together_are_the_table() {
    let mut places: Vec<i32> = DECLARED
        .iter()
        .chain(PRIVATE)
        .map(|(place, _)| *place)
        .collect();
    places.sort_unstable();
    assert_eq!(
        places,
        (0.._WDFFUNCENUM::WdfFunctionTableNumEntries).collect::<Vec<_>>()
    );
    assert_eq!((DECLARED.len(), PRIVATE.len()), (445, 13));
    assert!(DECLARED.contains(&(116, "WdfDriverCreate")));
}
