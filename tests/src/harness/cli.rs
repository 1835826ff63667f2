//! The operator's command line, run as an operator runs it.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use cutover_proto::view::RunView;

/// `cutover` with a profile.
#[derive(Debug, Clone)]
pub struct Cli {
    program: PathBuf,
    profile: PathBuf,
}

/// How a command ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The command.
    pub command: String,
    /// Its exit code; -1 for one that was killed.
    pub code: i32,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Cli {
    /// The program, and the folder `cutover-coordinator init` wrote.
    #[must_use]
    pub fn new(program: PathBuf, profile: PathBuf) -> Self {
        Self { program, profile }
    }

    /// The command, to be given arguments and run by the caller.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env("CUTOVER_PROFILE", &self.profile)
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// When the program can't be run; a failure that it reports is an [`Outcome`].
    pub fn run(&self, args: &[&str]) -> Result<Outcome> {
        let output = self.command().args(args).output().context("run cutover")?;
        Ok(Outcome {
            command: format!("cutover {}", args.join(" ")),
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// The run as it stands.
    ///
    /// # Errors
    /// When the coordinator does not answer or there is no such run.
    pub fn view(&self, run: &str) -> Result<RunView> {
        let outcome = self.run(&["--json", "status", run])?.expect(0)?;
        serde_json::from_str(&outcome.out).with_context(|| format!("read {}", outcome.out))
    }
}

impl Outcome {
    /// Everything it wrote.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    /// The outcome, if it ended with this exit code.
    ///
    /// # Errors
    /// When it ended with another; the text shows what it wrote.
    pub fn expect(self, code: i32) -> Result<Self> {
        if self.code != code {
            bail!(
                "`{}` ended with {}, not {code}:\n{}\n{}",
                self.command,
                self.code,
                self.out,
                self.err
            );
        }
        Ok(self)
    }

    /// The outcome, if it wrote each of these texts.
    ///
    /// # Errors
    /// When one is missing.
    pub fn says(self, texts: &[&str]) -> Result<Self> {
        // Lines are wrapped to the terminal's width, so words are compared and not lines.
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let all = words(&self.text());
        for text in texts {
            if !all.contains(&words(text)) {
                bail!(
                    "`{}` does not say `{text}`:\n{}\n{}",
                    self.command,
                    self.out,
                    self.err
                );
            }
        }
        Ok(self)
    }
}
