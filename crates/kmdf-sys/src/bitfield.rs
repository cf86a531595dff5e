//! The storage of C bit-fields.

/// Bytes that hold bit-fields, the lowest bits first.
///
/// It has bindgen's name because the fields of generated types are declared with it; use the accessor
/// methods of those types.
#[repr(C)]
#[derive(Debug, Copy, Clone, PartialEq, Eq, Hash)]
pub struct __BindgenBitfieldUnit<Storage> {
    storage: Storage,
}

impl<const N: usize> __BindgenBitfieldUnit<[u8; N]> {
    /// No integer of C that bit-fields are taken from has more bytes.
    const FITS: () = assert!(N <= 8);

    /// Storage with the given content.
    #[inline]
    #[must_use]
    pub const fn new(storage: [u8; N]) -> Self {
        Self { storage }
    }

    /// The `width` bits from bit `first` on.
    #[inline]
    #[must_use]
    pub const fn get(&self, first: usize, width: u8) -> u64 {
        (self.word() >> first) & Self::mask(width)
    }

    /// Sets the `width` bits from bit `first` on to the lowest bits of `value`.
    #[inline]
    pub const fn set(&mut self, first: usize, width: u8, value: u64) {
        let mask = Self::mask(width);
        let word = (self.word() & !(mask << first)) | ((value & mask) << first);
        let bytes = word.to_le_bytes();
        let mut at = 0;
        while at < N {
            self.storage[at] = bytes[at];
            at += 1;
        }
    }

    const fn mask(width: u8) -> u64 {
        u64::MAX >> (64 - width)
    }

    const fn word(&self) -> u64 {
        const { Self::FITS };
        let mut bytes = [0; 8];
        let mut at = 0;
        while at < N {
            bytes[at] = self.storage[at];
            at += 1;
        }
        u64::from_le_bytes(bytes)
    }
}

impl<const N: usize> Default for __BindgenBitfieldUnit<[u8; N]> {
    fn default() -> Self {
        Self::new([0; N])
    }
}

#[cfg(test)]
mod tests {
    use super::__BindgenBitfieldUnit as Unit;

    #[test]
    fn fields_do_not_disturb_each_other() {
        let mut unit = Unit::new([0xFF_u8; 1]);
        unit.set(2, 3, 0b010);
        assert_eq!(unit, Unit::new([0b1110_1011]));
        assert_eq!(unit.get(2, 3), 0b010);
        assert_eq!(unit.get(5, 3), 0b111);
    }

    #[test]
    fn only_the_lowest_bits_of_a_value_count() {
        let mut unit = Unit::new([0_u8; 4]);
        unit.set(8, 4, u64::MAX);
        assert_eq!(unit, Unit::new([0, 0x0F, 0, 0]));
    }

    #[test]
    fn a_field_can_be_the_whole_storage() {
        let mut unit = Unit::new([0_u8; 8]);
        unit.set(0, 64, 0x0123_4567_89AB_CDEF);
        assert_eq!(unit.get(0, 64), 0x0123_4567_89AB_CDEF);
        assert_eq!(unit.get(8, 56), 0x0001_2345_6789_ABCD);
    }
}
