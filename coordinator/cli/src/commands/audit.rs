//! `cutover audit list`, `show`, `export`.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use cutover_proto::audit::{AuditLine, AuditRecord};
use cutover_proto::pb;
use serde_json::json;
use tonic::Streaming;

use super::{Context, verify};
use crate::args::AuditCommand;
use crate::error::CliError;
use crate::exit::Exit;
use crate::human;
use crate::text::one_line;

pub(super) async fn run(context: &Context<'_>, command: AuditCommand) -> Result<Exit, CliError> {
    match command {
        AuditCommand::List { run, node } => list(context, run, node).await,
        AuditCommand::Show { seq } => show(context, seq).await,
        AuditCommand::Export { out } => export(context, out.as_deref()).await,
        AuditCommand::Verify { file, key } => {
            let key = match key {
                Some(key) => key,
                None => context.profile()?.audit_key_file(),
            };
            verify::run(context.console, &file, &key)
        }
    }
}

/// A stream of lines from the coordinator.
struct Lines(Streaming<pb::ExportAuditResponse>);

impl Lines {
    async fn ask(context: &Context<'_>, request: pb::ExportAuditRequest) -> Result<Self, CliError> {
        Ok(Self(
            context.client().await?.export_audit(request).await?.into_inner(),
        ))
    }

    async fn next(&mut self) -> Result<Option<String>, CliError> {
        Ok(self.0.message().await?.map(|response| response.line))
    }

    /// The next record; the head is the end.
    async fn record(&mut self) -> Result<Option<AuditRecord>, CliError> {
        let Some(line) = self.next().await? else {
            return Ok(None);
        };
        match parse(&line)? {
            AuditLine::Record(record) => Ok(Some(*record)),
            AuditLine::Head(_) => Ok(None),
        }
    }
}

fn parse(line: &str) -> Result<AuditLine, CliError> {
    serde_json::from_str(line).map_err(|error| {
        CliError::failed("cannot read a record of the audit trail")
            .why(error)
            .next("use the `cutover` of the coordinator's version")
    })
}

async fn list(context: &Context<'_>, run: String, node: String) -> Result<Exit, CliError> {
    let console = context.console;
    let mut lines = Lines::ask(context, pb::ExportAuditRequest { run, node, first: 0 }).await?;
    while let Some(record) = lines.record().await? {
        if console.json {
            console.print_json(&record)?;
        } else {
            console.print(&record_line(&record))?;
        }
    }
    Ok(Exit::Done)
}

async fn show(context: &Context<'_>, seq: u64) -> Result<Exit, CliError> {
    let request = pb::ExportAuditRequest {
        first: seq,
        ..pb::ExportAuditRequest::default()
    };
    let mut lines = Lines::ask(context, request).await?;
    let record = lines
        .record()
        .await?
        .filter(|record| record.seq == seq)
        .ok_or_else(|| {
            CliError::input(format!("the audit trail has no record {seq}"))
                .next("list its records with: cutover audit list")
        })?;
    if context.console.json {
        context.console.print_json(&record)?;
    } else {
        context.console.print(&record_block(&record))?;
    }
    Ok(Exit::Done)
}

async fn export(context: &Context<'_>, out: Option<&Path>) -> Result<Exit, CliError> {
    let mut lines = Lines::ask(context, pb::ExportAuditRequest::default()).await?;
    let console = context.console;
    let records = match out {
        Some(path) => export_to_file(&mut lines, path).await?,
        None => export_to(&mut lines, |line| console.print(line)).await?,
    };
    if let Some(path) = out {
        if console.json {
            console.print_json(&json!({ "file": path, "records": records }))?;
        } else {
            let count = human::count(records, "record");
            console.print(&format!(
                "{count} and the signed head in {0}\nprove it with: cutover audit verify {0}",
                path.display()
            ))?;
        }
    }
    Ok(Exit::Done)
}

/// Passes every line on; an export that ends without its head was cut off on the way.
async fn export_to(
    lines: &mut Lines,
    mut write: impl FnMut(&str) -> Result<(), CliError>,
) -> Result<usize, CliError> {
    let mut records = 0;
    let mut head = false;
    while let Some(line) = lines.next().await? {
        match parse(&line)? {
            AuditLine::Record(_) => records += 1,
            AuditLine::Head(_) => head = true,
        }
        write(&line)?;
    }
    if !head {
        return Err(CliError::failed("the export is not whole")
            .why("the coordinator ended it without a signed head")
            .next("export again"));
    }
    Ok(records)
}

/// The file gets its name only when it is whole.
async fn export_to_file(lines: &mut Lines, path: &Path) -> Result<usize, CliError> {
    let failed = |error: std::io::Error| {
        CliError::failed(format!("cannot write {}", path.display()))
            .why(error)
            .next("give another file with --out")
    };
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let mut file = BufWriter::new(File::create(&partial).map_err(failed)?);
    let written = export_to(lines, |line| writeln!(file, "{line}").map_err(failed)).await;
    let records = match written {
        Ok(records) => records,
        Err(error) => {
            std::fs::remove_file(&partial).ok();
            return Err(error);
        }
    };
    file.into_inner()
        .map_err(|error| failed(error.into_error()))?
        .sync_all()
        .map_err(failed)?;
    std::fs::rename(&partial, path).map_err(failed)?;
    Ok(records)
}

fn record_line(record: &AuditRecord) -> String {
    let entry = &record.entry;
    let mut line = format!(
        "{:>6}  {}  {}  {}",
        record.seq,
        human::time(&entry.at),
        entry.actor,
        entry.action
    );
    let place = entry
        .step
        .as_ref()
        .or(entry.node.as_ref())
        .or(entry.database.as_ref());
    if let Some(place) = place {
        write!(line, "  {place}").ok();
    }
    if let Some(result) = &entry.result {
        write!(line, "  {}", one_line(result)).ok();
    }
    line
}

fn record_block(record: &AuditRecord) -> String {
    let entry = &record.entry;
    let mut text = format!("record {}\n", record.seq);
    let mut field = |name: &str, value: &str| {
        writeln!(text, "  {name:<10} {}", one_line(value)).ok();
    };
    field("at", &entry.at);
    field("actor", &entry.actor);
    field("action", &entry.action);
    let attempt = entry.attempt.map(|attempt| attempt.to_string());
    let took = entry.millis.map(human::millis);
    for (name, value) in [
        ("run", &entry.run),
        ("node", &entry.node),
        ("database", &entry.database),
        ("step", &entry.step),
        ("attempt", &attempt),
        ("result", &entry.result),
        ("took", &took),
    ] {
        if let Some(value) = value {
            field(name, value);
        }
    }
    for (name, value) in &entry.arguments {
        field("argument", &format!("{name} = {value}"));
    }
    for (name, value) in &entry.evidence {
        field("evidence", &format!("{name} = {value}"));
    }
    field("hash", &record.hash);
    field("previous", &record.prev);
    text
}

#[cfg(test)]
mod tests {
    use cutover_proto::audit::{AuditEntry, GENESIS};

    use super::*;

    #[test]
    fn record_is_shown_with_its_evidence_and_its_link() {
        let entry = AuditEntry {
            at: "2026-01-01T00:00:00Z".into(),
            actor: "node:dss-1".into(),
            action: "step.ended".into(),
            step: Some("quiesce.stop@dss-1".into()),
            result: Some("ok".into()),
            millis: Some(1234),
            evidence: [("pid".to_owned(), "4711".to_owned())].into(),
            ..AuditEntry::default()
        };
        let record = AuditRecord::chain(1, entry, GENESIS);
        assert_eq!(
            record_line(&record),
            "     1  2026-01-01 00:00:00Z  node:dss-1  step.ended  quiesce.stop@dss-1  ok"
        );
        let block = record_block(&record);
        for part in ["took       1.2 s", "evidence   pid = 4711", &record.hash, GENESIS] {
            assert!(block.contains(part), "{part} is missing in {block}");
        }
    }
}
