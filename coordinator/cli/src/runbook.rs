//! A plan as a runbook: what happens, where, on which sentence of the guide, and where undo ends.

mod details;
mod group;
mod header;
mod phase;

#[cfg(test)]
pub(crate) mod example;

use cutover_proto::plan::Plan;

use crate::text::{Style, wrap};

/// The whole runbook.
pub(crate) fn render(plan: &Plan, style: Style) -> String {
    let mut text = header::render(plan, style);
    let groups = group::groups(plan);
    for (index, planned) in plan.phases.iter().enumerate() {
        text.push('\n');
        text.push_str(&phase::render(plan, planned, groups.of_phase(index), style));
    }
    if plan.point_of_no_return.is_none() {
        text.push_str("\nNo step is a point of no return: abort is offered until the end.\n");
    }
    if !plan.notes.is_empty() {
        text.push_str("\nNotes\n");
        for note in &plan.notes {
            text.push_str(&wrap(note, style.width, "  - ", "    "));
            text.push('\n');
        }
    }
    text
}

/// What somebody must know before they say yes: summary, databases, point of no return, downtime.
pub(crate) fn brief(plan: &Plan, style: Style) -> String {
    let mut text = header::render(plan, style);
    let point = plan.point_of_no_return.as_ref().and_then(|id| plan.step(id));
    let line = match point {
        Some(step) => {
            let title = step.title.trim_start_matches("the point of no return: ");
            format!("Point of no return: {} ({title})", step.id)
        }
        None => "Point of no return: none; abort is offered until the end".to_owned(),
    };
    text.push_str(&wrap(&line, style.width, "", "    "));
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLE: Style = Style::new(100, true);

    #[test]
    fn runbook_of_a_small_fleet() {
        insta::assert_snapshot!(render(&example::plan(), STYLE));
    }

    #[test]
    fn brief_says_what_must_be_known_before_yes() {
        insta::assert_snapshot!(brief(&example::plan(), STYLE));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_unless_a_word_is() {
        let text = render(&example::plan(), Style::new(80, false));
        for line in text.lines().filter(|line| line.chars().count() > 80) {
            assert!(line.split_whitespace().any(|word| word.len() > 60), "{line}");
        }
        assert!(text.is_ascii());
    }

    #[test]
    fn secret_of_an_edit_is_shown_as_its_reference() {
        let text = render(&example::plan(), STYLE);
        assert!(text.contains("the secret file:/etc/cutover/db1.pw"), "{text}");
    }

    #[test]
    fn ruler_stands_directly_before_the_point_of_no_return() {
        let text = render(&example::plan(), STYLE);
        let ruler = text.find("==== point of no return").unwrap();
        let rest = &text[ruler..];
        assert!(
            rest.lines()
                .nth(1)
                .unwrap()
                .contains("the point of no return: remove"),
            "{rest}"
        );
        assert!(!rest.contains("undo: stop it and hold it down"));
    }
}
