//! The one binary: reads its arguments, does what they ask, and ends with an exit code that says how it went.

use std::process::ExitCode;

use clap::Parser as _;
use quartermaster::cli::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprint!("{failure}");
            ExitCode::from(failure.exit)
        }
    }
}
