//! What a guide's phases are, before there is a fleet: for showing a guide beside its page.

use crate::guide::Order;

/// A phase in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Its name.
    pub name: &'static str,
    /// What happens in it.
    pub does: &'static str,
    /// Kinds of its steps.
    pub kinds: &'static [&'static str],
}

/// The phases of a guide's own order.
#[must_use]
pub fn outline(order: Order) -> Vec<Outline> {
    let phase = |name, does, kinds| Outline { name, does, kinds };
    let (data, kinds): (_, &[&str]) = match order {
        Order::MigrateThenCopy => (
            "back up the databases, migrate production, copy it to staging, compare; copy directories",
            &[
                "backup-database",
                "migrate",
                "copy-database",
                "compare-databases",
                "repair",
                "copy-tree",
            ],
        ),
        Order::CopyThenMigrate => (
            "back up the databases, copy production to staging, compare, migrate staging; copy directories",
            &[
                "backup-database",
                "copy-database",
                "compare-databases",
                "migrate",
                "repair",
                "copy-tree",
            ],
        ),
        Order::CopyOnly => (
            "back up the databases, copy production to staging, compare; copy directories",
            &[
                "backup-database",
                "copy-database",
                "compare-databases",
                "copy-tree",
            ],
        ),
    };
    vec![
        phase(
            "preflight",
            "look again at nodes, configurations and databases, staging empty",
            &["inspect", "compare-config", "verify-databases"],
        ),
        phase(
            "prepare",
            "unpack or hold the new home, carry drivers and keystores, edit its configuration",
            &["unpack", "hold-server", "carry-files", "edit-xml"],
        ),
        phase("backup", "every old home, read back", &["backup-home"]),
        phase(
            "sync",
            "only with [downtime] mode sync or delta: copy the databases while production serves, and bring over what it \
             writes meanwhile, again behind the fence",
            &[
                "copy-database",
                "synchronise",
                "capture-manifest",
                "bring-delta",
                "compare-migrated",
            ],
        ),
        phase(
            "quiesce",
            "stop and hold every server, prove it by processes, ports and the databases' session lists, fence production",
            &["stop-server", "prove-stopped", "prove-alone", "fence"],
        ),
        phase("data", data, kinds),
        phase(
            "checkpoint",
            "tables, columns and row rules in staging",
            &["checkpoint"],
        ),
        phase(
            "cutover",
            "start the new servers, manager first, and prove them ready and on staging",
            &["prove-alone", "start-server", "prove-ready", "prove-serving"],
        ),
        phase(
            "validate",
            "the guide's tests through the admin services",
            &["smoke"],
        ),
        phase(
            "finalize",
            "approval, point of no return, journals removed",
            &["finalize"],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guide::lint::STEP_KINDS;

    #[test]
    fn kinds_when_outlined_then_every_one_that_a_guide_may_name_is_in_a_phase() {
        let phases = outline(Order::MigrateThenCopy);
        for kind in STEP_KINDS {
            assert!(phases.iter().any(|phase| phase.kinds.contains(kind)), "{kind}");
        }
    }
}
