use super::*;

#[test]
fn report_when_rendered_then_files_changes_reasons_and_answers() {
    insta::assert_snapshot!(render(&example::report(), Style::new(100, false)));
}

#[test]
fn report_of_one_node_when_rendered_then_nothing_of_the_others() {
    let text = render(&only(example::report(), "dss-1"), Style::new(100, false));
    assert!(!text.contains("dss-2") && !text.contains("[[decide]]"), "{text}");
    assert!(text.contains("/Server/HostName"), "{text}");
    let two = only(example::report(), "dss-2");
    assert_eq!(two.undecided, 1);
    assert!(two.answers.contains("[[decide]]") && two.secrets.is_empty());
}

#[test]
fn report_when_nothing_was_changed_then_said() {
    let text = render(&ConfigReport::default(), Style::new(100, false));
    assert!(text.contains("The site changed nothing."));
}
