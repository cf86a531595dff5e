//! Memory accesses that no mapping serves: NULL, freed memory, the page behind a block.
//!
//! While a host with special pool is alive, faults of its logical threads are turned into the crash that Windows would
//! show: the handler lets the interrupted thread go on in [`landed`], which ends the run. Every other fault goes to the
//! handler that was there before.

use core::cell::Cell;

use crate::report::{BugcheckKind, Subject};
use crate::system::special_pool::{Guarded, Spot};
use crate::system::{DISPATCH_LEVEL, System, current, try_current};

/// Addresses below this are never mapped, in Windows as here.
const NULL_PAGES: usize = 0x1_0000;

/// A fault that was taken.
#[derive(Clone, Copy, Debug)]
struct Fault {
    address: usize,
    /// No address at all, such as a handle: the processor does not say which.
    wild: bool,
}

thread_local! {
    static FAULT: Cell<Fault> = const { Cell::new(Fault { address: 0, wild: false }) };
}

/// Whether a fault at `address` is a driver's, and what the model makes of it. Runs in a signal handler.
#[cfg_attr(not(unix), expect(dead_code, reason = "no handler on this system"))]
fn take(address: usize, wild: bool) -> bool {
    let Some(system) = try_current() else {
        return false;
    };
    let Some(pool) = &system.special_pool else {
        return false;
    };
    if system.scheduler.current_id().is_none() {
        return false;
    }
    if !wild && address >= NULL_PAGES && !pool.contains(address) {
        return false;
    }
    FAULT.set(Fault { address, wild });
    true
}

/// Where an interrupted logical thread goes on.
#[cfg_attr(not(unix), expect(dead_code, reason = "no handler on this system"))]
extern "C" fn landed() -> ! {
    current("a memory access").memory_fault(FAULT.get())
}

impl System {
    fn memory_fault(&self, fault: Fault) -> ! {
        let high = self.irql() >= DISPATCH_LEVEL;
        let at = self.ddi();
        let block = |block: &Guarded| Subject {
            class: "block of memory",
            handle: 0,
            origin: block.allocated,
            ended: block.freed,
        };
        let general = if high { 0xD1 } else { 0x50 };
        let spot = match &self.special_pool {
            Some(pool) if pool.contains(fault.address) => pool.spot(fault.address),
            _ => Spot::Nowhere,
        };
        // Addresses differ from run to run, so none is in the parameters but those next to NULL.
        let (kind, code, p1, object, explanation) = match spot {
            Spot::Freed(freed) => {
                let when = freed
                    .freed
                    .map_or_else(String::new, |freed| format!(" by {freed}"));
                (
                    BugcheckKind::FreedMemory,
                    if high { 0xD5 } else { 0xCC },
                    0,
                    Some(block(&freed)),
                    format!(
                        "{at} used a block of {} bytes that was allocated by {} and freed{when}",
                        freed.size, freed.allocated
                    ),
                )
            }
            Spot::Beyond(beyond, by) => (
                BugcheckKind::BeyondBlock,
                if high { 0xD6 } else { 0xCD },
                0,
                Some(block(&beyond)),
                format!(
                    "{at} used the byte {by} behind the end of a block of {} bytes that was allocated by {}",
                    beyond.size, beyond.allocated
                ),
            ),
            Spot::Nowhere if fault.wild || fault.address >= NULL_PAGES => (
                BugcheckKind::WildPointer,
                general,
                0,
                None,
                format!(
                    "{at} used an address that nothing can have, such as a handle taken for a pointer"
                ),
            ),
            Spot::Nowhere => {
                self.blame_wrong_context();
                self.blame_ignored_status();
                (
                    BugcheckKind::NullPointer,
                    general,
                    fault.address as u64,
                    None,
                    format!("{at} used the address {:#x}: a NULL pointer", fault.address),
                )
            }
        };
        self.crash(
            kind,
            code,
            [p1, 0, 0, u64::from(self.irql())],
            explanation,
            object,
        )
    }
}

#[cfg(unix)]
pub(crate) use unix::install;

/// There is no handler on this system; faults end the process.
#[cfg(not(unix))]
pub(crate) fn install() {}

#[cfg(unix)]
mod unix {
    use core::ffi::{c_int, c_void};
    use core::mem;
    use core::ptr;
    use std::sync::Once;
    use std::sync::OnceLock;

    use super::{landed, take};

    /// Bytes of the stack of a signal handler that is made where the thread has none.
    const STACK: usize = 64 << 10;

    static INSTALLED: Once = Once::new();
    static PREVIOUS: [OnceLock<libc::sigaction>; 2] = [OnceLock::new(), OnceLock::new()];

    const SIGNALS: [c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

    /// Handles faults of this process, and gives the calling thread a stack to do it on if it has none.
    pub(crate) fn install() {
        INSTALLED.call_once(|| {
            for (signal, previous) in SIGNALS.into_iter().zip(&PREVIOUS) {
                // SAFETY: a `sigaction` of zeros is a valid value.
                let mut action: libc::sigaction = unsafe { mem::zeroed() };
                action.sa_sigaction = handler as *const () as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
                // SAFETY: a `sigaction` of zeros is a valid value.
                let mut old: libc::sigaction = unsafe { mem::zeroed() };
                // SAFETY: both are valid, and the handler does nothing that a handler may not.
                if unsafe { libc::sigaction(signal, &raw const action, &raw mut old) } == 0 {
                    let _ = previous.set(old);
                }
            }
        });
        give_stack();
    }

    /// Logical threads have small stacks, and a fault may be that a stack has ended.
    fn give_stack() {
        // SAFETY: a `stack_t` of zeros is a valid value.
        let mut now: libc::stack_t = unsafe { mem::zeroed() };
        // SAFETY: asks for the stack of this thread.
        unsafe { libc::sigaltstack(ptr::null(), &raw mut now) };
        if now.ss_flags & libc::SS_DISABLE == 0 {
            return;
        }
        let memory = vec![0u8; STACK].leak();
        let own = libc::stack_t {
            ss_sp: memory.as_mut_ptr().cast(),
            ss_flags: 0,
            ss_size: STACK,
        };
        // SAFETY: the memory is leaked, so the thread may use it as long as it lives.
        unsafe { libc::sigaltstack(&raw const own, ptr::null_mut()) };
    }

    unsafe extern "C" fn handler(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
        // SAFETY: the system passes valid information about a fault.
        let fault = unsafe { &*info };
        let code = fault.si_code;
        // SAFETY: SIGSEGV and SIGBUS have an address.
        let address = unsafe { fault.si_addr() }.addr();
        // Positive codes are faults; others were sent by somebody.
        let wild = cfg!(target_os = "linux") && code == SI_KERNEL;
        // SAFETY: the context is that of the interrupted thread.
        if code > 0 && take(address, wild) && unsafe { redirect(context.cast()) } {
            return;
        }
        // SAFETY: the arguments are those of the system.
        unsafe { pass_on(signal, info, context) };
    }

    /// The processor found no address, only that one cannot be: Linux.
    const SI_KERNEL: c_int = 0x80;

    /// Calls the handler that was there before, or lets the fault happen again without one.
    ///
    /// # Safety
    ///
    /// The arguments are those of a signal handler.
    unsafe fn pass_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
        let index = usize::from(signal == libc::SIGBUS);
        let previous = PREVIOUS[index].get();
        let handler = previous.map_or(libc::SIG_DFL, |previous| previous.sa_sigaction);
        if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
            // SAFETY: the default action is always valid; the access is repeated and ends the process.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
            return;
        }
        if previous.is_some_and(|previous| previous.sa_flags & libc::SA_SIGINFO != 0) {
            type WithInfo = unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);
            // SAFETY: the flag says that the handler is of this type.
            let handler = unsafe { mem::transmute::<usize, WithInfo>(handler) };
            // SAFETY: the arguments are those of the system.
            unsafe { handler(signal, info, context) };
        } else {
            // SAFETY: without the flag the handler is of this type.
            let handler = unsafe { mem::transmute::<usize, unsafe extern "C" fn(c_int)>(handler) };
            // SAFETY: the argument is that of the system.
            unsafe { handler(signal) };
        }
    }

    /// Below what a function may keep under its stack pointer without moving it.
    const RED_ZONE: u64 = 512;

    /// Lets the interrupted thread go on in [`landed`], on its own stack, as if it were called there.
    ///
    /// # Safety
    ///
    /// `context` is that of the interrupted thread.
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    unsafe fn redirect(context: *mut libc::ucontext_t) -> bool {
        // SAFETY: the promise of this function.
        let registers = unsafe { &mut (*context).uc_mcontext.gregs };
        let stack = registers[libc::REG_RSP as usize].cast_unsigned();
        // At the entry of a function the stack pointer is 8 less than a multiple of 16.
        let below = ((stack - RED_ZONE) & !15) - 8;
        registers[libc::REG_RSP as usize] = below.cast_signed();
        registers[libc::REG_RIP as usize] = (landed as *const () as u64).cast_signed();
        true
    }

    /// As above.
    ///
    /// # Safety
    ///
    /// `context` is that of the interrupted thread.
    #[cfg(all(target_os = "linux", target_arch = "aarch64"))]
    unsafe fn redirect(context: *mut libc::ucontext_t) -> bool {
        // SAFETY: the promise of this function.
        let registers = unsafe { &mut (*context).uc_mcontext };
        registers.sp = (registers.sp - RED_ZONE) & !15;
        registers.pc = landed as *const () as u64;
        true
    }

    /// As above.
    ///
    /// # Safety
    ///
    /// `context` is that of the interrupted thread.
    #[cfg(target_os = "macos")]
    unsafe fn redirect(context: *mut libc::ucontext_t) -> bool {
        // SAFETY: the promise of this function; the system fills the pointer.
        let machine = unsafe { (*context).uc_mcontext };
        // SAFETY: as above.
        let state = unsafe { &mut (*machine).__ss };
        #[cfg(target_arch = "x86_64")]
        {
            state.__rsp = ((state.__rsp - RED_ZONE) & !15) - 8;
            state.__rip = landed as *const () as u64;
        }
        #[cfg(target_arch = "aarch64")]
        {
            state.__sp = (state.__sp - RED_ZONE) & !15;
            state.__pc = landed as *const () as u64;
        }
        true
    }

    /// Elsewhere a fault ends the process.
    ///
    /// # Safety
    ///
    /// None.
    #[cfg(not(any(
        target_os = "macos",
        all(
            target_os = "linux",
            any(target_arch = "x86_64", target_arch = "aarch64")
        )
    )))]
    unsafe fn redirect(_: *mut libc::ucontext_t) -> bool {
        false
    }
}
