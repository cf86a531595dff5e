//! `kmdf conformance`.
//!
//! The cases run in another process of this program. A case can bring a process down: it calls the model as a C driver
//! would, with any address. That is the failure of this case; the next ones run in a new process.

use std::env;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use kmdf_conformance::{Outcome, Progress, run_units};

use crate::args::ConformanceArgs;
use crate::output::{FAILED, Output};

/// How long a step may take. Time is virtual, so that no step takes more than a moment.
const PATIENCE: Duration = Duration::from_secs(60);

/// Before the section and the name of a case that begins.
const UNIT: &str = "> ";
/// Before the number of a step that begins.
const STEP: &str = ". ";

/// Runs the cases of the files.
pub(crate) fn command(args: &ConformanceArgs) -> Result<ExitCode, Box<dyn Error>> {
    if let Some(skip) = args.worker {
        work(args, skip)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = Output::stdout();
    let outcome = match worker(args, 0) {
        Ok(first) => Supervisor::default().run(args, first, &mut out)?,
        // Where no process can be started the cases run in this one.
        Err(_) => run_units(&args.files, 0, Progress::SILENT, &mut out)?,
    };
    report(args, &outcome, &mut out)
}

fn report(
    args: &ConformanceArgs,
    outcome: &Outcome,
    out: &mut Output,
) -> Result<ExitCode, Box<dyn Error>> {
    if args.sections {
        for (section, count) in &outcome.sections {
            writeln!(out, "section {section}: {count}")?;
        }
    }
    writeln!(out, "{}", outcome.total)?;
    out.flush()?;
    Ok(if outcome.is_success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    })
}

/// The process in which the cases run.
fn work(args: &ConformanceArgs, skip: usize) -> io::Result<()> {
    let progress = Progress {
        unit: |section, name| println!("{UNIT}{section} {name}"),
        step: |number| println!("{STEP}{number}"),
    };
    run_units(&args.files, skip, progress, &mut io::stdout()).map(drop)
}

fn worker(args: &ConformanceArgs, skip: usize) -> io::Result<Child> {
    Command::new(env::current_exe()?)
        .args(["conformance", "--worker", &skip.to_string(), "--"])
        .args(&args.files)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
}

/// A case that has begun, or a file that is none.
#[derive(Debug)]
struct Unit {
    section: String,
    name: String,
    step: usize,
}

/// Where the process is that runs the cases.
#[derive(Debug, Default)]
struct Supervisor {
    outcome: Outcome,
    begun: usize,
    current: Option<Unit>,
}

impl Supervisor {
    fn run(
        mut self,
        args: &ConformanceArgs,
        first: Child,
        out: &mut Output,
    ) -> Result<Outcome, Box<dyn Error>> {
        let mut child = first;
        loop {
            let before = self.begun;
            let ended = self.follow(&mut child, out)?;
            let Some(failure) = ended else {
                return Ok(self.outcome);
            };
            let Some(unit) = self.current.take() else {
                // It goes down without having begun a case: it would do so again.
                return Err(format!("the process that runs the cases ended: {failure}").into());
            };
            let (name, step) = (&unit.name, unit.step);
            writeln!(out, "FAIL {name}: step {step}: {failure}")?;
            self.count(&unit.section, false);
            debug_assert!(self.begun > before, "each process begins a case");
            child = worker(args, self.begun)?;
        }
    }

    /// Hands on what the process says until it ends; why, if that is not the end of the cases.
    fn follow(&mut self, child: &mut Child, out: &mut Output) -> io::Result<Option<String>> {
        let Some(stdout) = child.stdout.take() else {
            return Ok(Some("it says nothing".to_owned()));
        };
        let lines = lines_of(stdout);
        loop {
            match lines.recv_timeout(PATIENCE) {
                Ok(line) => self.hear(&line, out)?,
                Err(RecvTimeoutError::Disconnected) => {
                    let status = child.wait()?;
                    return Ok((!status.success()).then(|| format!("panic: {}", ending(status))));
                }
                Err(RecvTimeoutError::Timeout) => {
                    child.kill()?;
                    child.wait()?;
                    let found = format!("nothing for {} s", PATIENCE.as_secs());
                    return Ok(Some(format!("expected the step to end got {found}")));
                }
            }
        }
    }

    fn hear(&mut self, line: &str, out: &mut Output) -> io::Result<()> {
        if let Some(unit) = line.strip_prefix(UNIT) {
            let (section, name) = unit.split_once(' ').unwrap_or(("-", unit));
            self.begun += 1;
            self.current = Some(Unit {
                section: section.to_owned(),
                name: name.to_owned(),
                step: 1,
            });
            return Ok(());
        }
        if let Some(number) = line.strip_prefix(STEP) {
            if let (Some(unit), Ok(step)) = (&mut self.current, number.parse()) {
                unit.step = step;
            }
            return Ok(());
        }
        if let Some(unit) = self.current.take() {
            self.count(&unit.section, line.starts_with("PASS "));
        }
        writeln!(out, "{line}")?;
        out.flush()
    }

    fn count(&mut self, section: &str, passed: bool) {
        self.outcome.total.add(passed);
        if section != "-" {
            let section = self.outcome.sections.entry(section.to_owned());
            section.or_default().add(passed);
        }
    }
}

fn lines_of(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// How a process ended, for people.
fn ending(status: ExitStatus) -> String {
    format!("the process of the model ended, {status}")
}
