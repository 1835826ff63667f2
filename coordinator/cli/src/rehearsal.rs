//! What a rehearsal found, for people.

use std::fmt::Write as _;

use cutover_proto::view::RehearsalView;

use crate::human;
use crate::text::{Style, wrap};

/// Durations, predicted downtime, and what would fail.
pub(crate) fn render(view: &RehearsalView, style: Style) -> String {
    let mut text = String::new();
    let head = format!(
        "Rehearsal of {} (plan {}), ended {}",
        view.upgrade,
        view.plan_hash.short(),
        human::time(&view.at)
    );
    writeln!(text, "{head}").ok();
    for step in &view.steps {
        let line = format!("{:>10}  {} ({})", human::millis(step.millis), step.id, step.kind);
        writeln!(text, "{}", wrap(&line, style.width, "  ", "              ")).ok();
    }
    for place in &view.kept {
        let line = format!("kept: {place}; the next rehearsal of {} removes it", view.upgrade);
        writeln!(text, "{}", wrap(&line, style.width, "", "      ")).ok();
    }
    if let Some(failed) = &view.failed {
        let line = format!("It would fail: {failed}");
        write!(text, "{}", wrap(&line, style.width, "", "  ")).ok();
        return text;
    }
    if let Some(rows) = &view.delta_held {
        let line = format!("The way `delta` would be held: {rows}");
        writeln!(text, "{}", wrap(&line, style.width, "", "  ")).ok();
    }
    writeln!(text, "Predicted downtime:").ok();
    for forecast in &view.forecasts {
        let parts: Vec<String> = forecast
            .downtime
            .parts
            .iter()
            .map(|(name, secs)| format!("{name} {}", human::seconds(*secs)))
            .collect();
        let line = format!(
            "{:<12} about {}: {}",
            forecast.mode.as_str(),
            human::seconds(forecast.downtime.secs),
            parts.join("; ")
        );
        writeln!(text, "{}", wrap(&line, style.width, "  ", "               ")).ok();
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use cutover_proto::ids::{RunId, Sha256Hex};
    use cutover_proto::plan::{DataMode, DowntimeForecast, ModeForecast, Place};
    use cutover_proto::view::RehearsedStep;

    use super::*;

    fn view() -> RehearsalView {
        let forecast = |mode, secs| ModeForecast {
            mode,
            downtime: DowntimeForecast {
                secs,
                parts: vec![("stop the servers".into(), 60), ("start the servers".into(), 120)],
            },
        };
        RehearsalView {
            upgrade: "dss-prod".into(),
            run: RunId::new("018f0000-0000-7000-8000-000000000001".parse().unwrap()),
            plan_hash: Sha256Hex::of(b"plan"),
            at: "2026-01-01T00:00:00Z".into(),
            failed: None,
            broken_off: false,
            delta_held: None,
            steps: vec![RehearsedStep {
                id: "rehearse.copy@carbon".parse().unwrap(),
                kind: "copy-database".into(),
                place: Place::Database("carbon".into()),
                millis: 61_500,
            }],
            forecasts: vec![forecast(DataMode::StopCopy, 900), forecast(DataMode::Sync, 240)],
            kept: Vec::new(),
        }
    }

    fn plain() -> Style {
        Style {
            width: 100,
            columns: None,
            colour: false,
            unicode: false,
        }
    }

    #[test]
    fn rehearsal_that_went_well() {
        insta::assert_snapshot!(render(&view(), plain()));
    }

    #[test]
    fn rehearsal_that_failed_then_what_would_fail_and_no_prediction() {
        let failed = RehearsalView {
            failed: Some("rehearse.migrate@carbon: script `migration.sql` stopped at statement 3".into()),
            forecasts: Vec::new(),
            kept: vec!["mysql://dba@db1/cutover_rehearsal_12ab".into()],
            ..view()
        };
        insta::assert_snapshot!(render(&failed, plain()));
    }
}
