//! `cutover`: the operator's command line. It talks to the coordinator and to nothing else.

mod args;
mod commands;
mod configview;
mod console;
mod error;
mod evidence;
mod exit;
mod findings;
mod human;
mod profile;
mod rehearsal;
mod remote;
mod runbook;
mod runview;
mod text;
mod upgrade;
mod upload;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Cli;
use crate::console::Console;
use crate::error::CliError;
use crate::exit::Exit;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let console = Console::detect(cli.json);
    let exit = run(&console, cli).unwrap_or_else(|error| {
        console.error(&error);
        error.exit()
    });
    exit.into()
}

fn run(console: &Console, cli: Cli) -> Result<Exit, CliError> {
    cutover_channel::install_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| CliError::failed("cannot start the runtime").why(error))?;
    let exit = runtime.block_on(commands::run(console, cli));
    // A thread may still wait for a key on standard input; it must not keep the process.
    runtime.shutdown_background();
    exit
}
