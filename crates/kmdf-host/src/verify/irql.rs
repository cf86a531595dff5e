//! IRQL: the limits of functions, checked at their entry.

use std::rc::Rc;

use super::irql_limits::{FRAMEWORK, Group, HIGH_LEVEL, KERNEL};
use crate::fx::class::Obj;
use crate::fx::object::Level;
use crate::fx::request::Request;
use crate::report::ViolationKind;
use crate::system::{DISPATCH_LEVEL, System};

/// The limit of a function of the framework, for the entry of its DDI; not to know one is an error at compile time.
pub(crate) const fn limit(function: &str) -> u8 {
    match find(FRAMEWORK, function) {
        Some(limit) => limit,
        None => panic!("the function has no IRQL limit in verify/irql_limits.rs"),
    }
}

/// The limit of a kernel function; those that only the model itself enters have none.
fn kernel_limit(function: &str) -> u8 {
    find(KERNEL, function).unwrap_or(HIGH_LEVEL)
}

const fn find(groups: &[Group], function: &str) -> Option<u8> {
    let mut group = 0;
    while group < groups.len() {
        let functions = groups[group].functions;
        let mut place = 0;
        while place < functions.len() {
            if equal(functions[place].as_bytes(), function.as_bytes()) {
                return Some(groups[group].limit);
            }
            place += 1;
        }
        group += 1;
    }
    None
}

/// `==` on strings, which constants cannot use. Names differ most often at their ends.
const fn equal(first: &[u8], second: &[u8]) -> bool {
    if first.len() != second.len() {
        return false;
    }
    let mut place = first.len();
    while place > 0 {
        place -= 1;
        if first[place] != second[place] {
            return false;
        }
    }
    true
}

/// A level as drivers' writers call it.
pub(crate) fn level_name(irql: u8) -> String {
    match irql {
        0 => "PASSIVE_LEVEL".to_owned(),
        1 => "APC_LEVEL".to_owned(),
        2 => "DISPATCH_LEVEL".to_owned(),
        other => format!("IRQL {other}"),
    }
}

impl System {
    /// At the entry of a kernel function.
    #[inline]
    pub(crate) fn check_kernel_irql(&self, function: &'static str) {
        if self.irql() > 0 {
            let limit = kernel_limit(function);
            if self.irql() > limit {
                self.irql_too_high(limit);
            }
        }
    }

    /// A function was called above its limit. Who waits under a lock is told so.
    #[cold]
    pub(crate) fn irql_too_high(&self, limit: u8) {
        let ddi = self.ddi();
        let irql = level_name(self.irql());
        if limit < DISPATCH_LEVEL
            && super::waits(ddi)
            && let Some(lock) = self.held_spin_lock()
        {
            return self.violation_about(
                ViolationKind::WaitUnderSpinLock,
                Some(lock.subject()),
                format!("{ddi} may wait and was called while {lock} is held, so at {irql}"),
            );
        }
        let because = match self.held_spin_lock() {
            Some(lock) => format!(", since {lock} is held"),
            None => String::new(),
        };
        self.violation(
            ViolationKind::Irql,
            format!(
                "{ddi} was called at {irql}{because}; the highest allowed is {}",
                level_name(limit)
            ),
        );
    }

    /// KmdfIrql2: a function for less than `DISPATCH_LEVEL` is called in a callback of a queue whose execution level lets
    /// it come at `DISPATCH_LEVEL`.
    #[cold]
    pub(crate) fn check_level(&self, limit: u8) {
        let context = &self.scheduler.context;
        let callback = context.callback.get();
        let of_queue = callback == "EvtRequestCancel"
            || (callback.starts_with("EvtIo") && !callback.starts_with("EvtIoTarget"));
        if !of_queue || callback == "EvtIoInCallerContext" {
            return;
        }
        let Ok(object) = self.framework.objects.get(context.object.get()) else {
            return;
        };
        let queue = match Obj::<Request>::new(&object) {
            Some(request) => request.current_queue().map(|queue| Rc::clone(queue.rc())),
            None => Some(object),
        };
        if queue.is_some_and(|queue| queue.level.get() == Level::Dispatch) {
            self.advise(ViolationKind::IrqlOfLevel, || {
                format!(
                    "{} may be called up to {}, and {callback} of a queue with execution level dispatch may come at \
                     DISPATCH_LEVEL",
                    self.ddi(),
                    level_name(limit)
                )
            });
        }
    }

    /// The limit of the framework's function that is running, if it is one.
    pub(crate) fn entry_limit(&self) -> u8 {
        find(FRAMEWORK, self.ddi()).unwrap_or(HIGH_LEVEL)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A file of the ABI that `kmdf-sys` is generated from, an item a line.
    fn abi(file: &str) -> String {
        let path = format!("{}/../kmdf-sys-gen/abi/{file}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).expect("the ABI is in the repository")
    }

    fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
        let (_, rest) = line.split_once(&format!("\"{name}\": \""))?;
        rest.split('"').next()
    }

    /// The limits that the headers state, without those that depend on arguments.
    fn stated(lines: &str) -> BTreeMap<&str, u8> {
        let known = |line| {
            let limit = match field(line, "irql_max")? {
                "PASSIVE_LEVEL" => 0,
                "APC_LEVEL" => 1,
                "DISPATCH_LEVEL" => 2,
                "DISPATCH_LEVEL+1" => 3,
                "HIGH_LEVEL" => HIGH_LEVEL,
                _ => return None,
            };
            Some((field(line, "name")?, limit))
        };
        lines.lines().filter_map(known).collect()
    }

    #[test]
    fn the_limits_are_those_of_the_headers() {
        let text = abi("functions.json");
        let stated = stated(&text);
        assert!(stated.len() > 400);
        for (function, limit) in stated {
            assert_eq!(find(FRAMEWORK, function), Some(limit), "{function}");
        }
        let count: usize = FRAMEWORK.iter().map(|group| group.functions.len()).sum();
        assert_eq!(count, crate::table::FUNCTION_COUNT);
    }

    #[test]
    fn the_kernel_functions_have_the_limits_of_the_headers() {
        let text = abi("kernel.json");
        let (_, functions) = text.split_once("\"ntddk\": [").expect("the list is there");
        let (functions, _) = functions.split_once("\n ]").expect("the list ends");
        let stated = stated(functions);
        assert!(stated.len() > 25);
        for (function, limit) in stated {
            assert_eq!(find(KERNEL, function), Some(limit), "{function}");
        }
    }

    /// Every function that the model exports under a kernel name has a limit.
    #[test]
    fn every_modelled_kernel_function_has_a_limit() {
        fn sources(folder: &std::path::Path, found: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).expect("the sources are there") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    sources(&path, found);
                } else {
                    found.push(std::fs::read_to_string(path).expect("a source"));
                }
            }
        }
        let mut texts = Vec::new();
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        sources(&folder, &mut texts);
        let mut count = 0;
        for text in &texts {
            for export in text.split("#[unsafe(no_mangle)]\n").skip(1) {
                let Some((_, rest)) = export.split_once("extern \"C\" fn ") else {
                    continue;
                };
                let name = rest.split(['(', '<']).next().expect("a name");
                // A macro that defines functions names them elsewhere.
                if name.starts_with('$') {
                    continue;
                }
                assert!(find(KERNEL, name).is_some(), "{name} has no IRQL limit");
                count += 1;
            }
        }
        assert!(count >= 30, "only {count} functions were found");
    }
}
