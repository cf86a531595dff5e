//! The command `kmdf`.

mod args;
mod conformance;
mod explore;
mod faults;
mod inf;
mod output;
mod progress;
mod run;
mod status;
mod stress;
mod trace;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => run::command(args),
        Command::Explore(args) => explore::command(&args),
        Command::Faults(args) => faults::command(&args),
        Command::Inf(args) => inf::command(&args),
        Command::Conformance(args) => conformance::command(&args),
    };
    result.unwrap_or_else(|error| {
        output::complain(&error.to_string());
        ExitCode::from(output::UNUSABLE)
    })
}
