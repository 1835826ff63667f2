//! What of a step's evidence stands beside it: that by which a person judges the step. All of it is in
//! `cutover audit show` and `--json`.

use cutover_proto::report::Receipt;
use cutover_proto::view::RunStepView;

use crate::text::{Style, one_line, shorten};

use self::Show::{Always, IfAny};

/// One name of evidence. A `*` stands for any text.
#[derive(Debug, Clone, Copy)]
enum Show {
    /// Shown whenever it is there.
    Always(&'static str),
    /// Shown unless it says that there is nothing, such as no file lost.
    IfAny(&'static str),
}

/// The evidence of one kind of step.
#[derive(Debug)]
struct Choice {
    /// The middle part of the steps' ids, as upgrades and single actions name them. A `*` stands for any text.
    kinds: &'static [&'static str],
    /// In the step's line, in this order.
    brief: &'static [Show],
}

const CHOICES: &[Choice] = &[
    Choice {
        kinds: &["inspect"],
        brief: &[Always("homes"), Always("servers"), IfAny("problems")],
    },
    Choice {
        kinds: &["verify"],
        brief: &[
            Always("server"),
            Always("charset"),
            Always("tables"),
            Always("bytes"),
        ],
    },
    Choice {
        kinds: &["unpack"],
        brief: &[Always("files"), Always("bytes"), IfAny("reused")],
    },
    Choice {
        kinds: &["hold-new", "hold-server"],
        brief: &[Always("guard"), IfAny("running")],
    },
    Choice {
        kinds: &["edit-*"],
        brief: &[
            Always("changed"),
            Always("edits"),
            IfAny("carried"),
            IfAny("absent"),
            IfAny("left_protected"),
        ],
    },
    Choice {
        kinds: &["compare-config"],
        brief: &[
            Always("files"),
            Always("changes"),
            IfAny("stock_unknown"),
            IfAny("malformed"),
            IfAny("unread"),
        ],
    },
    Choice {
        kinds: &["home", "backup-home"],
        brief: &[
            Always("file"),
            Always("bytes"),
            Always("entries"),
            IfAny("server_running"),
            IfAny("changed_while_read"),
            IfAny("vanished"),
            IfAny("skipped"),
        ],
    },
    Choice {
        kinds: &["stop", "stop-server"],
        brief: &[Always("pid"), Always("killed"), Always("millis")],
    },
    Choice {
        kinds: &["prove-stopped"],
        brief: &[Always("processes"), Always("ports"), Always("port_*")],
    },
    Choice {
        kinds: &["prove-alone"],
        brief: &[Always("foreign_sessions")],
    },
    Choice {
        kinds: &["backup"],
        brief: &[Always("file"), Always("rows"), Always("restored_millis")],
    },
    Choice {
        kinds: &["migrate"],
        brief: &[
            Always("script*_executed_now"),
            Always("script*_rows"),
            Always("script*_resumed_at"),
            IfAny("script*_warnings"),
        ],
    },
    Choice {
        kinds: &["copy"],
        brief: &[
            Always("way"),
            Always("tables"),
            Always("rows"),
            Always("bytes"),
            IfAny("tables_as_files"),
            IfAny("disabled_events"),
        ],
    },
    Choice {
        kinds: &["compare"],
        brief: &[Always("tables"), Always("rows")],
    },
    Choice {
        kinds: &["export"],
        brief: &[Always("tables"), Always("bytes"), IfAny("not_locked")],
    },
    Choice {
        kinds: &["copy-tablespaces-*"],
        brief: &[Always("tables"), Always("bytes"), IfAny("left_out")],
    },
    // Directories; the copy of a database is named `copy` alone.
    Choice {
        kinds: &["carry", "carry-files", "copy-*"],
        brief: &[
            Always("absent"),
            Always("files"),
            Always("bytes"),
            IfAny("overwritten"),
            IfAny("kept"),
            IfAny("kept_of_the_target"),
            IfAny("withdrawn"),
            IfAny("set_aside"),
            IfAny("attributes_lost"),
            IfAny("unmatched_patterns"),
        ],
    },
    Choice {
        kinds: &["check"],
        brief: &[Always("passed"), Always("warnings")],
    },
    Choice {
        kinds: &["start", "start-server"],
        brief: &[Always("pid"), IfAny("already_running"), Always("millis")],
    },
    Choice {
        kinds: &["ready", "prove-ready"],
        brief: &[Always("https"), Always("server_status"), Always("log")],
    },
    Choice {
        kinds: &["prove-serving"],
        brief: &[Always("sessions_on_staging"), Always("sessions_on_production")],
    },
    Choice {
        kinds: &["smoke"],
        brief: &[Always("left_behind")],
    },
    Choice {
        kinds: &["release-hold"],
        brief: &[Always("was_held"), Always("held_by_run")],
    },
    Choice {
        kinds: &["finalize"],
        brief: &[
            Always("journals"),
            Always("old_servers"),
            IfAny("*_events_enabled"),
        ],
    },
];

/// Evidence that gets a line of its own beneath the step: what each checkpoint found, and what a copy remarks.
const BENEATH: &[(&str, &str)] = &[("check", "check*"), ("copy", "note*")];

/// Of a kind of step that this version does not know.
const UNKNOWN_SHOWN: usize = 4;
const UNKNOWN_VALUE_MAX: usize = 40;

/// What belongs into the step's own line; empty when there is nothing.
pub(crate) fn brief(step: &RunStepView) -> String {
    let Some(receipt) = &step.receipt else {
        return String::new();
    };
    let pairs: Vec<String> = match choice(kind(step)) {
        Some(choice) => choice
            .brief
            .iter()
            .flat_map(|show| chosen(receipt, *show))
            .map(|(name, value)| format!("{name}={}", one_line(value)))
            .collect(),
        None => receipt
            .evidence
            .iter()
            .filter(|(name, _)| name.as_str() != "diff")
            .take(UNKNOWN_SHOWN)
            .map(|(name, value)| format!("{name}={}", shorten(&one_line(value), UNKNOWN_VALUE_MAX)))
            .collect(),
    };
    pairs.join(" ")
}

/// What has lines of its own, whole: nobody can judge half a checkpoint. Warnings are marked.
pub(crate) fn beneath(step: &RunStepView, style: Style) -> Vec<String> {
    let Some(receipt) = &step.receipt else {
        return Vec::new();
    };
    BENEATH
        .iter()
        .filter(|(of, _)| *of == kind(step))
        .flat_map(|(_, pattern)| named(receipt, pattern))
        .map(|(name, value)| {
            let text = format!("{name}={}", one_line(value));
            if value.starts_with("WARNING") || value.starts_with("FAIL") {
                style.warning(&format!("    ! {text}"))
            } else {
                format!("      {text}")
            }
        })
        .collect()
}

/// `stop` of `quiesce.stop@dss-1`.
fn kind(step: &RunStepView) -> &str {
    let id = step.id.as_str();
    let what = id.split_once('@').map_or(id, |(what, _)| what);
    what.split_once('.').map_or(what, |(_, kind)| kind)
}

fn choice(kind: &str) -> Option<&'static Choice> {
    CHOICES
        .iter()
        .find(|choice| choice.kinds.iter().any(|pattern| matches(pattern, kind)))
}

fn chosen(receipt: &Receipt, show: Show) -> Vec<(&str, &str)> {
    match show {
        Always(pattern) => named(receipt, pattern),
        IfAny(pattern) => {
            let mut found = named(receipt, pattern);
            found.retain(|(_, value)| !is_nothing(value));
            found
        }
    }
}

/// The evidence of a name, or of all that a pattern stands for: `check9` before `check10`.
fn named<'a>(receipt: &'a Receipt, pattern: &str) -> Vec<(&'a str, &'a str)> {
    let mut found: Vec<(&str, &str)> = receipt
        .evidence
        .iter()
        .filter(|(name, _)| matches(pattern, name))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    found.sort_by_key(|(name, _)| (name.len(), *name));
    found
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        Some((before, after)) => name
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(after))
            .is_some_and(|middle| !middle.is_empty()),
        None => name == pattern,
    }
}

fn is_nothing(value: &str) -> bool {
    matches!(value, "" | "0" | "false" | "no" | "[]")
}

#[cfg(test)]
mod tests {
    use cutover_proto::view::StepStateView;

    use super::*;
    use crate::runview::example;

    fn step(id: &str, evidence: &[(&str, &str)]) -> RunStepView {
        RunStepView {
            id: id.parse().unwrap(),
            receipt: Some(
                evidence
                    .iter()
                    .fold(Receipt::new(), |receipt, (name, value)| receipt.with(name, value)),
            ),
            ..example::step("dss-1", StepStateView::Succeeded)
        }
    }

    fn shown(id: &str, evidence: &[(&str, &str)]) -> String {
        brief(&step(id, evidence))
    }

    #[test]
    fn edit_shows_whether_it_changed_the_file_and_never_the_diff() {
        let evidence = [
            ("changed", "true"),
            ("diff", "@@ -27,10 +27,10 @@ <password>"),
            ("edits", "5"),
            ("file", "repository/conf/user-mgt.xml"),
        ];
        assert_eq!(
            shown("prepare.edit-user-mgt@dss-1", &evidence),
            "changed=true edits=5"
        );
        let unknown = shown("later.patch@dss-1", &evidence);
        assert_eq!(unknown, "changed=true edits=5 file=repository/conf/user-mgt.xml");
    }

    #[test]
    fn losses_of_a_copied_directory_are_shown_only_when_there_are_any() {
        let mut evidence = vec![
            ("attributes_lost", "0"),
            ("bytes", "189"),
            ("bytes_copied", "189"),
            ("files", "13"),
            ("keep", "/var/lib/keep"),
            ("kept_of_the_target", "0"),
            ("overwritten", "0"),
        ];
        assert_eq!(shown("data.copy-server@dss-1", &evidence), "files=13 bytes=189");
        evidence[0].1 = "2";
        evidence[6].1 = "1: conf/a.xml";
        let expected = "files=13 bytes=189 overwritten=1: conf/a.xml attributes_lost=2";
        assert_eq!(shown("data.copy-server@dss-1", &evidence), expected);
        assert_eq!(shown("prepare.carry@dss-1", &evidence), expected);
    }

    #[test]
    fn copy_of_a_database_is_not_the_copy_of_a_directory() {
        let evidence = [
            ("bytes", "11419648"),
            ("disabled_events", "[]"),
            ("note1", "2 views were made again"),
            ("rows", "3908"),
            ("tables", "40"),
            ("way", "rows"),
        ];
        let copy = step("data.copy@carbon", &evidence);
        assert_eq!(brief(&copy), "way=rows tables=40 rows=3908 bytes=11419648");
        assert_eq!(
            beneath(&copy, Style::new(80, true)),
            ["      note1=2 views were made again"]
        );
    }

    #[test]
    fn same_action_shows_the_same_in_an_upgrade_and_alone() {
        let evidence = [
            ("guard", "x"),
            ("killed", "false"),
            ("millis", "247"),
            ("pid", "4711"),
        ];
        for id in ["quiesce.stop@dss-1", "do.stop-server@dss-1"] {
            assert_eq!(shown(id, &evidence), "pid=4711 killed=false millis=247");
        }
        let backup = [
            ("bytes", "9"),
            ("entries", "3"),
            ("file", "/b/a.tar.zst"),
            ("vanished", "0"),
        ];
        for id in ["backup.home@dss-1", "do.backup-home@dss-1"] {
            assert_eq!(shown(id, &backup), "file=/b/a.tar.zst bytes=9 entries=3");
        }
    }

    #[test]
    fn proofs_show_zero_and_ports_held_by_others() {
        let evidence = [("database", "mysql://x"), ("foreign_sessions", "0")];
        assert_eq!(
            shown("quiesce.prove-alone@carbon", &evidence),
            "foreign_sessions=0"
        );
        let evidence = [
            ("port_9443", "held by process 7"),
            ("ports", "[9443]"),
            ("processes", "0"),
        ];
        assert_eq!(
            shown("quiesce.prove-stopped@dss-1", &evidence),
            "processes=0 ports=[9443] port_9443=held by process 7"
        );
    }

    #[test]
    fn every_script_of_a_migration_is_counted() {
        let evidence = [
            ("role", "staging"),
            ("script1_executed_now", "30"),
            ("script1_rows", "12"),
            ("script1_warnings", "0"),
            ("script2_executed_now", "1"),
            ("script2_rows", "0"),
            ("script2_warnings", "3"),
        ];
        assert_eq!(
            shown("data.migrate@carbon", &evidence),
            "script1_executed_now=30 script2_executed_now=1 script1_rows=12 script2_rows=0 script2_warnings=3"
        );
    }

    #[test]
    fn checkpoints_stand_in_their_order_also_beyond_a_hundred() {
        let evidence = [
            ("check100", "pass: c"),
            ("check11", "pass: b"),
            ("check02", "WARNING: a"),
        ];
        assert_eq!(
            beneath(&step("checkpoint.check@carbon", &evidence), Style::new(80, true)),
            [
                "    ! check02=WARNING: a",
                "      check11=pass: b",
                "      check100=pass: c"
            ]
        );
    }

    #[test]
    fn control_characters_of_evidence_never_reach_the_terminal() {
        let evidence = [("left_behind", "a\u{1b}[2Jb\nc")];
        assert_eq!(shown("validate.smoke@dss-1", &evidence), "left_behind=a[2Jb c");
    }
}
