//! The conformance runner: cases that say what KMDF does, run against the model.
//!
//! A case is data in TOML: a small world, a list of steps, and what must be observed. The runner plays the driver. It calls
//! the model through the WDF function table with raw handles and C structures, as a driver in C does, plays the application
//! above and the drivers below, and compares. The format is described in `tests/conformance/FORMAT.md` of the repository.
//!
//! ```
//! let file = std::env::temp_dir().join(format!("kmdf-case-{}.toml", std::process::id()));
//! std::fs::write(
//!     &file,
//!     r#"
//!     format = 1
//!     [[case]]
//!     id = "X1"
//!     what = "a new target reports started"
//!     section = "6.1"
//!     step = [
//!       { call = "WdfIoTargetCreate", Device = "dev", IoTarget = "&t", expect = { t = "set" } },
//!       { call = "WdfIoTargetGetState", IoTarget = "t", expect = { returns = "WdfIoTargetStarted" } },
//!     ]
//!     "#,
//! )?;
//! let mut output = Vec::new();
//! let outcome = kmdf_conformance::run_files([&file], &mut output)?;
//! std::fs::remove_file(&file)?;
//! assert_eq!(output, b"PASS X1\n1 passed, 0 failed\n");
//! assert!(outcome.is_success());
//! # Ok::<(), std::io::Error>(())
//! ```

mod call;
mod callback;
mod case_run;
mod cases;
mod constants;
mod content;
mod ddis;
mod driver;
mod error;
mod expect;
mod expect_irp;
mod files;
mod keys;
mod layout;
mod lower;
mod memory;
mod names;
mod step;
mod structures;
mod world;
mod world_usb;

pub use files::{Count, Outcome, Progress, run_files, run_units};
