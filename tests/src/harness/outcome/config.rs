//! What must hold for the configuration of a new home: values are edited in, files are never copied.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use walkdir::WalkDir;

use crate::harness::{AgentHost, PRODUCTION, STAGING, tree};

const DATASOURCES: &str = "datasources/master-datasources.xml";
/// What every guide edits, and what Storage Server's edits beside.
const EDITED: [&str; 6] = [
    DATASOURCES,
    // Ports, names and key stores of the site.
    "carbon.xml",
    "user-mgt.xml",
    "registry.xml",
    "etc/persistence.xml",
    "etc/rss-config.xml",
];

pub(super) fn check(host: &AgentHost) -> Result<()> {
    let (old, new) = (host.old.file("repository/conf"), host.new.file("repository/conf"));
    let stock = host.stock.join("repository/conf");
    let old_stock = host.old_stock.join("repository/conf");
    for entry in WalkDir::new(&new) {
        let entry = entry?;
        if !entry.file_type().is_file() {
            continue;
        }
        let path = entry.path().strip_prefix(&new)?;
        let content = fs::read(entry.path())?;
        let original = fs::read(stock.join(path))
            .with_context(|| format!("{} is not of the version", path.display()))?;
        if let Ok(theirs) = fs::read(old.join(path))
            && theirs == content
        {
            let both_stock =
                content == original && fs::read(old_stock.join(path)).is_ok_and(|stock| stock == theirs);
            ensure!(both_stock, "{} is the old home's", path.display());
        }
        let edited = EDITED.iter().any(|name| path == Path::new(name));
        if edited {
            edited_in(&original, &content).with_context(|| format!("{}", path.display()))?;
        } else {
            ensure!(content == original, "{} was changed", path.display());
        }
    }
    ensure!(
        tree(&new)?.len() == tree(&stock)?.len(),
        "files of the new version are missing"
    );
    let datasources = fs::read_to_string(new.join(DATASOURCES))?;
    ensure!(
        datasources.contains(&format!("/{STAGING}?")),
        "the new home is not connected to staging"
    );
    ensure!(
        !datasources.contains(&format!("/{PRODUCTION}?")),
        "the new home names production"
    );
    Ok(())
}

/// Outside of the texts of single elements and of values of attributes, every byte is the one it was; elements may
/// have come in between.
fn edited_in(original: &[u8], content: &[u8]) -> Result<()> {
    let (before, after) = (skeleton(original)?, skeleton(content)?);
    let mut rest = after.split('\n');
    for line in before.split('\n') {
        ensure!(
            rest.any(|other| other == line),
            "`{line}` is not where it was:\n{before}\n--- became\n{after}"
        );
    }
    // Lines that came in end as the file's own do.
    let carriage = |bytes: &[u8]| bytes.windows(2).filter(|pair| pair == b"\r\n").count();
    let lines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
    if carriage(original) == lines(original) || carriage(original) == 0 {
        let all = carriage(original) > 0;
        ensure!(
            carriage(content) == if all { lines(content) } else { 0 },
            "its line ends are mixed"
        );
    }
    Ok(())
}

/// The file without the texts of elements and the values of attributes `value`: markup, comments, white space stay.
fn skeleton(bytes: &[u8]) -> Result<String> {
    let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
    let mut skeleton = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find('<') {
        let (value, markup) = rest.split_at(at);
        if value.trim().is_empty() {
            skeleton.push_str(value);
        }
        let end = if markup.starts_with("<!--") {
            markup.find("-->").map(|at| at + 3)
        } else {
            markup.find('>').map(|at| at + 1)
        };
        let end = end.context("markup without an end")?;
        skeleton.push_str(&without_value(markup.get(..end).unwrap_or_default()));
        rest = markup.get(end..).unwrap_or_default();
    }
    skeleton.push_str(rest);
    Ok(skeleton)
}

/// A tag without the value of its attribute `value`; a comment stays as it is.
fn without_value(markup: &str) -> String {
    if markup.starts_with("<!--") {
        return markup.to_owned();
    }
    let Some((before, after)) = markup.split_once("value=\"") else {
        return markup.to_owned();
    };
    let end = after.find('"').unwrap_or(after.len());
    format!("{before}value=\"{}", after.get(end..).unwrap_or_default())
}
