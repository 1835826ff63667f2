//! `cutover init`, and what a person then fills in.

use anyhow::{Context as _, Result, ensure};

use super::Fleet;
use crate::harness::Account;
use crate::harness::database::APP;

const BLANK: &str = "FILL IN";

impl Fleet {
    /// Takes the file that `cutover init` drafts, with its blanks filled in, as this fleet's upgrade file.
    ///
    /// # Errors
    /// When the command fails, or leaves a blank that nobody here knows how to fill.
    pub fn draft_upgrade(&mut self) -> Result<()> {
        let select = format!("cluster={}", self.spec.hop.cluster());
        let init = ["init", self.spec.hop.guide, "--select", &select];
        let draft = self.cli.run(&init)?.expect(0)?.out;
        let filled = self.fill_in(&draft)?;
        let name = filled
            .lines()
            .find_map(|line| line.strip_prefix("name  = "))
            .context("the draft has no name")?;
        self.upgrade.name = name.trim_matches('"').to_owned();
        self.upgrade.raw = Some(filled);
        Ok(())
    }

    fn fill_in(&self, draft: &str) -> Result<String> {
        let mut filled = String::new();
        let mut admin = false;
        for line in draft.lines() {
            // The last part proposes an answer to every question that is left, each as a comment.
            let line = self.fill_line(line, &mut admin)?;
            for line in line {
                let (code, _) = line.split_once(" #").unwrap_or((&line, ""));
                ensure!(
                    line.starts_with('#') || !code.contains(BLANK),
                    "nobody knows how to fill in `{line}` of\n{draft}"
                );
                filled.push_str(&line);
                filled.push('\n');
            }
        }
        filled.push_str(&self.upgrade.limits()?);
        Ok(filled)
    }

    fn fill_line(&self, line: &str, admin: &mut bool) -> Result<Vec<String>> {
        let (upgrade, blank) = (&self.upgrade, format!("file:/{BLANK}"));
        let archive = |key: &str, of: &Option<(String, String)>| {
            let given = of
                .iter()
                .map(|(file, sha256)| format!("{key} = {{ file = \"{file}\", sha256 = \"{sha256}\" }}"));
            given.collect::<Vec<_>>()
        };
        if line.starts_with("production") || line.starts_with("staging") {
            return Ok(vec![self.address(line).replace(&blank, &upgrade.password)]);
        }
        if let Some(application) = line.strip_prefix("# application") {
            let wanted = self.databases.account() == Account::Administrator;
            let reference = self.secrets.reference("app");
            let line = format!("application{}", application.replace(&blank, &reference));
            return Ok(wanted.then_some(line).into_iter().collect());
        }
        if line.starts_with("scripts") {
            let names: Vec<String> = upgrade
                .scripts
                .iter()
                .map(|script| format!("\"{}\"", script.display()))
                .collect();
            return Ok(vec![format!("scripts = [{}]", names.join(", "))]);
        }
        if line.starts_with("distribution") {
            return Ok(archive("distribution", &upgrade.distribution));
        }
        if line.starts_with("# old_distribution") {
            return Ok(archive("old_distribution", &upgrade.old_distribution));
        }
        if line.starts_with("new = ") && line.contains(BLANK) {
            return Ok(vec![format!("new = \"{}\"", upgrade.new)]);
        }
        if line == "[copy]" {
            let without = format!("without_directory = {:?}", upgrade.without_directory);
            return Ok(vec![line.to_owned(), without]);
        }
        if line == "# [admin]" {
            *admin = true;
            return Ok(vec!["[admin]".to_owned()]);
        }
        if *admin && line.starts_with("# password") {
            *admin = false;
            return Ok(vec![format!("password = \"{}\"", upgrade.admin)]);
        }
        if *admin {
            return Ok(vec![line.trim_start_matches("# ").to_owned()]);
        }
        Ok(vec![line.to_owned()])
    }

    /// The account of the databases that Cutover uses, and the name of staging.
    fn address(&self, line: &str) -> String {
        let mut line = line.to_owned();
        for pair in self.databases.pairs() {
            let found = self
                .databases
                .url(pair.production)
                .replace(crate::harness::database::DBA, APP);
            line = line
                .replace(
                    &format!("\"{found}_FILL_IN\""),
                    &format!("\"{}\"", self.databases.url(pair.staging)),
                )
                .replace(
                    &format!("\"{found}\""),
                    &format!("\"{}\"", self.databases.url(pair.production)),
                );
        }
        line
    }
}
