//! Chores of the workspace: `cargo xtask check|test|demo|dev`.

mod binaries;
mod check;
mod demo;
mod dev;
mod engines;
mod shell;
mod test;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Result, bail};

const HELP: &str = "\
Usage: cargo xtask COMMAND

  check   formatting, clippy, documentation, dependencies (cargo-deny when it is installed)
  test    every test, on real MariaDB and PostgreSQL servers; installs them first when it may
  demo    [--guide NAME] [--engine mariadb|postgres] [--order guide|copy-first] [--keep]
          upgrades a fleet of three nodes on this machine before your eyes
  dev     a coordinator and three agents on loopback, with a throw-away certificate authority, until Ctrl-C";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(code) => code,
        Err(error) => {
            writeln!(std::io::stderr(), "xtask: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<ExitCode> {
    let Some((command, rest)) = args.split_first() else {
        shell::say(HELP)?;
        return Ok(ExitCode::from(2));
    };
    match command.as_str() {
        "check" => none(rest).and_then(|()| check::run()),
        "test" => test::run(rest),
        "demo" => demo::run(rest),
        "dev" => none(rest).and_then(|()| dev::run()),
        "help" | "--help" | "-h" => shell::say(HELP).map(|()| ExitCode::SUCCESS),
        other => bail!("there is no command {other}\n\n{HELP}"),
    }
}

fn none(args: &[String]) -> Result<()> {
    match args.first() {
        Some(arg) => bail!("there is no argument {arg}\n\n{HELP}"),
        None => Ok(()),
    }
}
