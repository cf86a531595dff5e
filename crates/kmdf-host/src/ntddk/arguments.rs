//! The arguments of a variadic C function. Rust cannot define one on a stable toolchain; a few instructions that save the
//! registers of arguments can, and then every argument lies in memory.
//!
//! Only integers and pointers are saved: the kernel's formats have no floating point. Each takes one slot of 64 bits in all
//! conventions here.

/// Registers of integer arguments: System V on x86-64 has 6, Windows 4, AArch64 8.
pub(super) const REGISTERS: usize = if cfg!(target_arch = "aarch64") {
    8
} else if cfg!(windows) {
    4
} else {
    6
};

/// Apple's AArch64 convention passes what the ellipsis stands for on the stack alone.
const VARIADIC_ON_STACK: bool = cfg!(all(target_arch = "aarch64", target_vendor = "apple"));

/// What the caller of a variadic function passed.
pub(super) struct Arguments {
    registers: *const u64,
    stack: *const u64,
    /// Slots taken so far; from [`REGISTERS`] on they lie on the stack.
    taken: usize,
}

impl Arguments {
    /// # Safety
    ///
    /// `registers` must point to the saved registers of arguments and `stack` to the caller's arguments on the stack, both
    /// valid as long as this is used; `fixed` parameters stand before the ellipsis.
    pub(super) const unsafe fn new(registers: *const u64, stack: *const u64, fixed: usize) -> Self {
        Self {
            registers,
            stack,
            taken: if VARIADIC_ON_STACK { REGISTERS } else { fixed },
        }
    }

    /// A parameter before the ellipsis. Those of the kernel's functions fit into registers.
    pub(super) fn fixed(&self, place: usize) -> u64 {
        assert!(place < REGISTERS);
        // SAFETY: all registers were saved, by the promise of `new`.
        unsafe { self.registers.wrapping_add(place).read() }
    }

    /// The next argument that the ellipsis stands for.
    ///
    /// # Safety
    ///
    /// The caller of the variadic function must have passed one more.
    pub(super) unsafe fn next(&mut self) -> u64 {
        let place = self.taken;
        self.taken += 1;
        let slot = if place < REGISTERS {
            self.registers.wrapping_add(place)
        } else {
            self.stack.wrapping_add(place - REGISTERS)
        };
        // SAFETY: the caller promises that there is such an argument; it is in a saved register or on the stack.
        unsafe { slot.read() }
    }
}

/// Defines variadic functions. Each saves its registers and passes their address and that of the arguments on the stack to
/// the function named last, whose result it returns.
macro_rules! variadic {
    ($($(#[$meta:meta])* pub unsafe extern "C" fn $name:ident($($parameter:ident: $type:ty),+, ...) -> $result:ty
        = $fixed:literal, $implementation:ident;)*) => {
        $(
            $(#[$meta])*
            #[unsafe(no_mangle)]
            #[unsafe(naked)]
            pub unsafe extern "C" fn $name($($parameter: $type),+) -> $result {
                $crate::ntddk::arguments::trampoline!($implementation)
            }
            // The fixed parameters are declared, so that they are counted once only.
            const _: () = assert!([$(stringify!($parameter)),+].len() == $fixed);
            const _: unsafe extern "C" fn(*const u64, *const u64) -> $result = $implementation;
        )*
    };
}

#[cfg(all(target_arch = "x86_64", not(windows)))]
macro_rules! trampoline {
    ($implementation:ident) => {
        core::arch::naked_asm!(
            "push rbp",
            "mov rbp, rsp",
            "sub rsp, 48",
            "mov [rsp], rdi",
            "mov [rsp + 8], rsi",
            "mov [rsp + 16], rdx",
            "mov [rsp + 24], rcx",
            "mov [rsp + 32], r8",
            "mov [rsp + 40], r9",
            "mov rdi, rsp",
            "lea rsi, [rbp + 16]",
            "call {implementation}",
            "leave",
            "ret",
            implementation = sym $implementation,
        )
    };
}

// The caller has left room for the four registers just below its own arguments.
#[cfg(all(target_arch = "x86_64", windows))]
macro_rules! trampoline {
    ($implementation:ident) => {
        core::arch::naked_asm!(
            "mov [rsp + 8], rcx",
            "mov [rsp + 16], rdx",
            "mov [rsp + 24], r8",
            "mov [rsp + 32], r9",
            "lea rcx, [rsp + 8]",
            "lea rdx, [rsp + 40]",
            "sub rsp, 40",
            "call {implementation}",
            "add rsp, 40",
            "ret",
            implementation = sym $implementation,
        )
    };
}

#[cfg(target_arch = "aarch64")]
macro_rules! trampoline {
    ($implementation:ident) => {
        core::arch::naked_asm!(
            "stp x29, x30, [sp, #-80]!",
            "mov x29, sp",
            "stp x0, x1, [sp, #16]",
            "stp x2, x3, [sp, #32]",
            "stp x4, x5, [sp, #48]",
            "stp x6, x7, [sp, #64]",
            "add x0, sp, #16",
            "add x1, sp, #80",
            "bl {implementation}",
            "ldp x29, x30, [sp], #80",
            "ret",
            implementation = sym $implementation,
        )
    };
}

pub(super) use {trampoline, variadic};
