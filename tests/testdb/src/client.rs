//! Running SQL through the engine's own client program.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Gives `sql` to the client on its standard input and returns what it printed.
pub(crate) fn run_sql(client: Command, sql: &str) -> Result<String> {
    // A file instead of a pipe: neither side can block on the other, however large the text.
    let mut input = tempfile::tempfile()?;
    input.write_all(sql.as_bytes())?;
    input.rewind()?;
    run_input(client, input, || first_line(sql))
}

/// Gives the file at `path` to the client.
pub(crate) fn run_file(client: Command, path: &Path) -> Result<String> {
    let input = File::open(path).with_context(|| format!("open {}", path.display()))?;
    run_input(client, input, || path.display().to_string())
}

fn run_input(mut client: Command, input: File, what: impl Fn() -> String) -> Result<String> {
    let program = client.get_program().to_string_lossy().into_owned();
    let output = client
        .stdin(Stdio::from(input))
        .output()
        .with_context(|| format!("run {program}"))?;
    if !output.status.success() {
        bail!(
            "{} failed: {}",
            what(),
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("{program} printed text that is not UTF-8"))
}

fn first_line(sql: &str) -> String {
    let line = sql
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    let short: String = line.chars().take(120).collect();
    format!("`{short}`")
}

/// `text` as an SQL string literal; standard quoting, which both engines take when no backslash is inside.
pub(crate) fn literal(text: &str) -> Result<String> {
    if text.contains(['\\', '\0']) {
        bail!("names and passwords given to a test database must not contain a backslash or NUL");
    }
    Ok(format!("'{}'", text.replace('\'', "''")))
}
