//! `cutover guide`.

use std::fmt::Write as _;
use std::path::Path;

use cutover_proto::pb;
use cutover_proto::pb::lint_guide_request::Source;
use cutover_proto::view::{Finding, GuideSummary, GuideView};

use super::{Context, read_file, table};
use crate::args::GuideCommand;
use crate::error::CliError;
use crate::exit::Exit;
use crate::findings;
use crate::remote::read;
use crate::text::{Style, wrap};

pub(super) async fn run(context: &Context<'_>, command: GuideCommand) -> Result<Exit, CliError> {
    match command {
        GuideCommand::List => list(context).await,
        GuideCommand::Show { guide } => show(context, guide).await,
        GuideCommand::Lint { guide, page } => lint(context, guide, page.as_deref()).await,
    }
}

async fn list(context: &Context<'_>) -> Result<Exit, CliError> {
    let document = context
        .client()
        .await?
        .list_guides(pb::ListGuidesRequest {})
        .await?
        .into_inner();
    let guides: Vec<GuideSummary> = read("guide-list/1", &document)?;
    if context.console.json {
        context.console.print_json(&guides)?;
        return Ok(Exit::Done);
    }
    let rows = guides
        .into_iter()
        .map(|guide| vec![guide.name, guide.from, guide.to, guide.order, guide.title]);
    context.console.print(&table(
        context.console,
        &["GUIDE", "FROM", "TO", "ORDER", "TITLE"],
        rows.collect(),
    ))?;
    Ok(Exit::Done)
}

async fn show(context: &Context<'_>, guide: String) -> Result<Exit, CliError> {
    let document = context
        .client()
        .await?
        .show_guide(pb::ShowGuideRequest { guide })
        .await?
        .into_inner();
    let guide: GuideView = read("guide/1", &document)?;
    if context.console.json {
        context.console.print_json(&guide)?;
    } else {
        context.console.print(&render(&guide, context.console.style))?;
    }
    Ok(Exit::Done)
}

async fn lint(context: &Context<'_>, guide: String, page: Option<&Path>) -> Result<Exit, CliError> {
    let file = Path::new(&guide);
    let is_file = file.extension().is_some_and(|extension| extension == "toml") || file.is_file();
    let source = if is_file {
        Source::Text(read_file(file)?)
    } else {
        Source::Guide(guide)
    };
    let request = pb::LintGuideRequest {
        source: Some(source),
        page: page.map(read_file).transpose()?.unwrap_or_default(),
    };
    let document = context.client().await?.lint_guide(request).await?.into_inner();
    let found: Vec<Finding> = read("findings/1", &document)?;
    if context.console.json {
        context.console.print_json(&found)?;
    } else if found.is_empty() {
        context.console.print("nothing found")?;
    } else {
        context
            .console
            .print(&findings::render(&found, context.console.style))?;
    }
    Ok(if findings::any_error(&found) {
        Exit::BadInput
    } else {
        Exit::Done
    })
}

fn render(guide: &GuideView, style: Style) -> String {
    let summary = &guide.summary;
    let mut text = format!("{}: {}\n", summary.name, summary.title);
    writeln!(
        text,
        "from {} to {}, order {}",
        summary.from, summary.to, summary.order
    )
    .ok();
    text.push_str("\nWSO2's sentences, and the steps that carry them out\n");
    for sentence in &guide.sentences {
        let line = format!("[{}] {}", sentence.id, sentence.text);
        writeln!(text, "{}", wrap(&line, style.width, "  ", "    ")).ok();
        let fate = match &sentence.declined {
            Some(why) => format!("not carried out: {why}"),
            None => sentence.steps.join(", "),
        };
        let arrow = if style.unicode { "      → " } else { "      -> " };
        writeln!(text, "{}", wrap(&fate, style.width, arrow, "         ")).ok();
    }
    text.push_str("\nRunbook: phases, and the sentences carried out in each\n");
    for phase in &guide.phases {
        let line = format!("{}: {}", phase.name, phase.does);
        writeln!(text, "{}", wrap(&line, style.width, "  - ", "    ")).ok();
        for id in &phase.sentences {
            let said = guide.sentences.iter().find(|sentence| &sentence.id == id);
            let line = format!("[{id}] {}", said.map_or("", |sentence| &sentence.text));
            writeln!(text, "{}", wrap(&line, style.width, "      ", "        ")).ok();
        }
    }
    for (title, lines) in [
        ("Scripts", &guide.scripts),
        ("Edits", &guide.edits),
        ("Directories copied", &guide.directories),
        ("Checkpoints", &guide.checkpoints),
        ("Configuration that moved", &guide.moved),
        ("Notes", &guide.notes),
    ] {
        if !lines.is_empty() {
            writeln!(text, "\n{title}").ok();
        }
        for line in lines {
            writeln!(text, "{}", wrap(line, style.width, "  - ", "    ")).ok();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use cutover_proto::view::{GuidePhaseView, SentenceView};

    use super::*;

    #[test]
    fn declined_sentence_is_shown_with_its_reason() {
        let sentence = |id: &str, declined: Option<&str>| SentenceView {
            id: id.into(),
            text: "Stop all running instances.".into(),
            steps: vec!["stop-server".into()],
            declined: declined.map(Into::into),
        };
        let guide = GuideView {
            summary: GuideSummary {
                name: "dss-3.2.0".into(),
                title: "Upgrading DSS".into(),
                from: "DSS 3.0.1".into(),
                to: "DSS 3.2.0".into(),
                order: "migrate-then-copy".into(),
            },
            sentences: vec![sentence("s1", None), sentence("s2", Some("a person reads it"))],
            checkpoints: Vec::new(),
            edits: Vec::new(),
            directories: Vec::new(),
            scripts: Vec::new(),
            moved: Vec::new(),
            phases: vec![GuidePhaseView {
                name: "quiesce".into(),
                does: "stop the servers".into(),
                sentences: vec!["s1".into()],
            }],
            notes: Vec::new(),
        };
        let text = render(&guide, Style::new(90, false));
        assert!(text.contains("-> stop-server"), "{text}");
        assert!(text.contains("-> not carried out: a person reads it"), "{text}");
        assert!(!text.contains("Notes"), "{text}");
        let runbook = text.split("Runbook").last().unwrap();
        assert!(
            runbook.contains("quiesce: stop the servers\n      [s1] Stop all"),
            "{text}"
        );
    }
}
