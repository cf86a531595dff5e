//! `print!`, `println!` and `dbg!` over `DbgPrint`.

use core::fmt::{self, Write};

use kmdf_sys::ntddk::DbgPrint;

/// Prints to the debugger, as `std::print!` does to the standard output.
///
/// Text that is longer than the 512 bytes of one `DbgPrint` goes out in pieces.
#[macro_export]
macro_rules! print {
    ($($argument:tt)*) => {
        $crate::_print(::core::format_args!($($argument)*))
    };
}

/// As [`print!`], with a new line at the end.
#[macro_export]
macro_rules! println {
    () => {
        $crate::print!("\n")
    };
    ($($argument:tt)*) => {
        $crate::print!("{}\n", ::core::format_args!($($argument)*))
    };
}

/// Prints the value of an expression with its place in the source, and gives the value back.
#[macro_export]
macro_rules! dbg {
    () => {
        $crate::println!("[{}:{}:{}]", ::core::file!(), ::core::line!(), ::core::column!())
    };
    ($value:expr $(,)?) => {
        match $value {
            value => {
                $crate::println!(
                    "[{}:{}:{}] {} = {:#?}",
                    ::core::file!(),
                    ::core::line!(),
                    ::core::column!(),
                    ::core::stringify!($value),
                    &value
                );
                value
            }
        }
    };
    ($($value:expr),+ $(,)?) => {
        ($($crate::dbg!($value)),+,)
    };
}

/// What one `DbgPrint` can take, its terminator included.
const PIECE: usize = 512;

/// Text on its way to the debugger.
struct Printer {
    piece: [u8; PIECE],
    used: usize,
}

impl Printer {
    fn flush(&mut self) {
        if self.used == 0 {
            return;
        }
        self.piece[self.used] = 0;
        self.used = 0;
        // SAFETY: the format names one terminated string, and the piece was terminated just now.
        unsafe { DbgPrint(c"%s".as_ptr(), self.piece.as_ptr()) };
    }
}

impl Write for Printer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            if self.used + letter.len_utf8() >= PIECE {
                self.flush();
            }
            letter.encode_utf8(&mut self.piece[self.used..]);
            self.used += letter.len_utf8();
        }
        Ok(())
    }
}

/// What the macros expand to.
#[doc(hidden)]
pub fn _print(arguments: fmt::Arguments<'_>) {
    let mut printer = Printer {
        piece: [0; PIECE],
        used: 0,
    };
    // The printer takes everything; a value that fails to format itself ends the text there.
    let _ = printer.write_fmt(arguments);
    printer.flush();
}
