//! What each command does. Each takes what was parsed and returns how it ended.

mod act;
mod apply;
mod audit;
mod backup;
mod config;
mod control;
mod guide;
mod letters;
mod node;
mod plan;
mod rehearse;
mod resolve;
mod sql;
mod status;
mod verify;

use std::path::{Path, PathBuf};

use clap::CommandFactory as _;

use crate::args::{Cli, Command};
use crate::console::Console;
use crate::error::CliError;
use crate::exit::Exit;
use crate::profile::Profile;
use crate::remote::{self, Client};
use crate::watch::{Watch, follow};

/// What commands work with.
pub(crate) struct Context<'a> {
    console: &'a Console,
    profile: Option<PathBuf>,
}

impl Context<'_> {
    /// The operator's profile; some commands need none.
    fn profile(&self) -> Result<Profile, CliError> {
        Profile::locate(self.profile.as_deref())
    }

    /// A connection to the coordinator.
    async fn client(&self) -> Result<Client, CliError> {
        remote::dial(self.console, &self.profile()?).await
    }
}

/// Carries out the command.
pub(crate) async fn run(console: &Console, cli: Cli) -> Result<Exit, CliError> {
    let context = &Context {
        console,
        profile: cli.profile,
    };
    match cli.command {
        Command::Guide(command) => guide::run(context, command).await,
        Command::Init(args) => plan::init(context, args).await,
        Command::Check(args) => plan::check(context, &args.file).await,
        Command::Config(command) => config::run(context, command).await,
        Command::Plan(args) => plan::plan(context, args).await,
        Command::Show(args) => plan::show(context, &args.plan).await,
        Command::Apply(args) => apply::run(context, args).await,
        Command::Status(args) => status::run(context, args.run).await,
        Command::Watch(args) => {
            let watch = Watch {
                run: &args.run,
                plain: args.plain,
                from_start: false,
            };
            follow(console, &mut context.client().await?, watch).await
        }
        Command::Pause(args) => control::pause(context, args).await,
        Command::Resume(args) => control::resume(context, args).await,
        Command::Approve(args) => control::approve(context, args).await,
        Command::Abort(args) => control::abort(context, args).await,
        Command::Retry(args) => control::retry(context, args).await,
        Command::Skip(args) => control::skip(context, args).await,
        Command::Rehearse(args) => rehearse::run(context, args).await,
        Command::DeadLetters(args) => letters::run(context, args).await,
        Command::Resolve(args) => resolve::run(context, args).await,
        Command::Unfence(args) => resolve::unfence(context, args).await,
        Command::Backup(command) => backup::run(context, command).await,
        Command::Node(command) => node::run(context, command).await,
        Command::Do(args) => act::run(context, args).await,
        Command::Audit(command) => audit::run(context, command).await,
        Command::Sql(command) => sql::run(console, &command),
        Command::Completions { shell } => completions(console, shell),
    }
}

fn completions(console: &Console, shell: clap_complete::Shell) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "cutover", &mut script);
    console.print_bytes(&script)?;
    Ok(Exit::Done)
}

/// Reads a file that the operator named.
fn read_file(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path).map_err(|error| {
        CliError::input(format!("cannot read {}", path.display()))
            .why(error)
            .next("check the name and its rights")
    })
}

/// A table without lines, as people pipe it.
fn table(console: &Console, heads: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    table.set_width(u16::try_from(console.style.width).unwrap_or(u16::MAX));
    table.set_header(heads);
    for row in rows {
        table.add_row(row);
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}
