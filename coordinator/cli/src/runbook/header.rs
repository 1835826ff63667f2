//! The top of a runbook: which guide, which nodes, which databases, how long production is away.

use std::fmt::Write as _;

use cutover_proto::ids::NodeName;
use cutover_proto::plan::{DataPlan, ModeForecast, Plan, PlanDatabase, PlanScript};

use crate::human;
use crate::text::{Style, wrap};

/// Name to summary.
pub(super) fn render(plan: &Plan, style: Style) -> String {
    let mut text = String::new();
    let guide = if plan.guide.is_empty() {
        "a single action"
    } else {
        &plan.guide
    };
    writeln!(text, "{}: {guide}", plan.name).ok();
    writeln!(
        text,
        "{}",
        "=".repeat(plan.name.chars().count() + 2 + guide.chars().count())
    )
    .ok();
    field(&mut text, "Plan", plan.hash().short(), style);
    if !plan.order.is_empty() {
        field(&mut text, "Order", &plan.order, style);
    }
    let names: Vec<&str> = plan.nodes.iter().map(NodeName::as_str).collect();
    let nodes = format!("{}: {}", plan.nodes.len(), names.join(", "));
    field(&mut text, "Nodes", &nodes, style);
    field(&mut text, "Limits", &limits(plan), style);
    if let Some(window) = &plan.window {
        field(
            &mut text,
            "Window",
            &format!("{}, for {}", window.open, window.length),
            style,
        );
    }
    for database in &plan.databases {
        render_database(&mut text, database, style);
    }
    if let Some(forecast) = &plan.downtime {
        let parts: Vec<String> = forecast
            .parts
            .iter()
            .map(|(name, secs)| format!("{name} {}", human::seconds(*secs)))
            .collect();
        let line = format!(
            "about {} predicted: {}",
            human::seconds(forecast.secs),
            parts.join("; ")
        );
        field(&mut text, "Downtime", &line, style);
    }
    if let Some(data) = &plan.data {
        render_way(&mut text, data, style);
    }
    if !plan.summary.is_empty() {
        writeln!(text, "\n{}", wrap(&plan.summary, style.width, "", "")).ok();
    }
    text
}

/// Which way the data takes, why, and what the other ways would cost.
fn render_way(text: &mut String, data: &DataPlan, style: Style) {
    field(text, "Data", &format!("{}: {}", data.mode, data.why), style);
    let rests_on = match &data.rehearsal {
        Some(run) => format!("rehearsal {run}"),
        None => "sizes, nothing was rehearsed".to_owned(),
    };
    let line = format!("{} (from {rests_on})", modes(&data.forecasts));
    writeln!(text, "{}", wrap(&line, style.width, INDENT, INDENT)).ok();
}

/// The downtime of every mode, in one line.
fn modes(forecasts: &[ModeForecast]) -> String {
    let modes: Vec<String> = forecasts
        .iter()
        .map(|forecast| {
            format!(
                "{} about {}",
                forecast.mode,
                human::seconds(forecast.downtime.secs)
            )
        })
        .collect();
    modes.join("; ")
}

fn limits(plan: &Plan) -> String {
    let failures = match plan.failures {
        0 => "the first node failure holds a phase".to_owned(),
        count => format!(
            "{} tolerated before a phase holds",
            human::count(count as usize, "node failure")
        ),
    };
    format!(
        "{} at work at the same time; {failures}",
        human::count(plan.parallel as usize, "step")
    )
}

fn render_database(text: &mut String, database: &PlanDatabase, style: Style) {
    let arrow = if style.unicode { "→" } else { "->" };
    let from_to = format!(
        "{} ({}, {}): {} {arrow} {}",
        database.name, database.datasource, database.engine, database.production.url, database.staging.url
    );
    field(text, "Database", &from_to, style);
    let scripts: Vec<String> = database.scripts.iter().map(script).collect();
    let scripts = if scripts.is_empty() {
        "none".to_owned()
    } else {
        scripts.join(", then ")
    };
    let line = format!("scripts: {scripts}. {}", database.scripts_why);
    writeln!(text, "{}", wrap(&line, style.width, INDENT, INDENT)).ok();
    for script in &database.scripts {
        for decision in &script.overrides {
            let line = format!(
                "override: statement {} of {}: {} ({})",
                decision.statement,
                script.blob.name,
                decision.action.as_str(),
                decision.reason
            );
            writeln!(text, "{}", wrap(&line, style.width, INDENT, INDENT)).ok();
        }
    }
}

fn script(script: &PlanScript) -> String {
    let origin = if script.bundled {
        ", ships with the guide"
    } else {
        ""
    };
    let count = human::count(script.statements as usize, "statement");
    format!(
        "{} ({count}, sha256 {}{origin})",
        script.blob.name,
        script.blob.sha256.short()
    )
}

const INDENT: &str = "          ";

fn field(text: &mut String, name: &str, value: &str, style: Style) {
    writeln!(
        text,
        "{}",
        wrap(value, style.width, &format!("{name:<9} "), INDENT)
    )
    .ok();
}
