//! `cargo xtask test`: every test of the workspace, and one line that says how it went.

use std::io::{BufRead as _, BufReader};
use std::process::{ExitCode, Stdio};

use anyhow::{Context as _, Result};

use crate::shell::{cargo, say};
use crate::{binaries, engines};

/// What the output of `cargo test` says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    failures: Vec<String>,
    skipped: Vec<String>,
}

impl Tally {
    fn read(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.passed += number_before(counts, " passed");
            self.failed += number_before(counts, " failed");
            self.ignored += number_before(counts, " ignored");
        } else if let Some(name) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.failures.push(name.to_owned());
        } else if let Some(at) = line.find("skipped: ") {
            // A test that lacks what it needs says so, wherever the line begins.
            self.skipped.extend(line.get(at..).map(str::to_owned));
        }
    }
}

fn number_before(text: &str, word: &str) -> u64 {
    let before = text.split_once(word).map_or("", |(before, _)| before);
    let digits = before
        .rsplit(|c: char| !c.is_ascii_digit())
        .next()
        .unwrap_or_default();
    digits.parse().unwrap_or(0)
}

pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    engines::ensure()?;
    let dir = binaries::build("e2e-bin", &[binaries::FAILPOINTS])?;
    let threads = std::thread::available_parallelism()
        .map_or(2, usize::from)
        .min(4)
        .to_string();
    let mut test = cargo(&[
        "test",
        "--workspace",
        "--no-fail-fast",
        "--features",
        binaries::FAILPOINTS,
    ]);
    // Whole fleets with database servers run in single tests: more at once than cores only makes them time out.
    test.args(args)
        .args(["--", "--show-output", "--test-threads", &threads]);
    test.env("CUTOVER_BIN_DIR", &dir).stdout(Stdio::piped());
    say("$ cargo test --workspace")?;
    let mut child = test.spawn().context("run cargo test")?;
    let mut tally = Tally::default();
    let output = child.stdout.take().context("the output of cargo test")?;
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        tally.read(&line);
        say(&line)?;
    }
    let status = child.wait()?;
    report(&tally)?;
    let good = status.success() && tally.failed == 0 && tally.passed > 0;
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn report(tally: &Tally) -> Result<()> {
    say("")?;
    for failure in &tally.failures {
        say(&format!("failed: {failure}"))?;
    }
    for skipped in &tally.skipped {
        say(skipped)?;
    }
    if tally.ignored > 0 {
        say(&format!("ignored: {} tests or examples", tally.ignored))?;
    }
    say(&format!("{} passed, {} failed", tally.passed, tally.failed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tally_when_several_programs_report_then_added_up() {
        let mut tally = Tally::default();
        for line in [
            "test a::b ... ok",
            "test a::c ... FAILED",
            "test result: FAILED. 1 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "skipped: corpus: there is no CUTOVER_CORPUS",
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s",
        ] {
            tally.read(line);
        }
        let expected = Tally {
            passed: 13,
            failed: 1,
            ignored: 2,
            failures: vec!["a::c".to_owned()],
            skipped: vec!["skipped: corpus: there is no CUTOVER_CORPUS".to_owned()],
        };
        assert_eq!(tally, expected);
    }
}
