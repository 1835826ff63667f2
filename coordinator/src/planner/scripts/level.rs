//! Whether the migration of a role has to run on a database: its tables say.

use cutover_database::{RssLevel, SchemaLevel};

use crate::guide::{GuideScript, Role};
use crate::planner::DatabaseProbe;

/// How far a database is.
pub(super) enum Level {
    /// The script has to run.
    Needed,
    /// It has run, for this reason.
    Done(String),
    /// Nothing can be planned on it.
    Wrong(Problem),
}

/// What is wrong with a database.
pub(super) struct Problem {
    pub(super) code: &'static str,
    pub(super) text: String,
    pub(super) remedy: &'static str,
}

/// How far a database is with a role's tables.
pub(super) fn of(script: &GuideScript, probe: &DatabaseProbe) -> Level {
    // The steps to Carbon 4.2.0 and to RSS of 1.1.0 change columns too, and a script may have died between them.
    if script.role == Role::UserManagement && script.makes.iter().any(|table| table == "UM_DOMAIN") {
        return user_store(&probe.level);
    }
    if script.role == Role::Product && script.makes.iter().any(|table| table == "RM_ENVIRONMENT") {
        return rss(&probe.rss);
    }
    let has = |table: &&String| probe.tables.contains(*table);
    let (present, absent): (Vec<&String>, Vec<&String>) = script.makes.iter().partition(has);
    let lacking: Vec<&String> = script.needs.iter().filter(|table| !has(table)).collect();
    match (present.is_empty(), absent.is_empty()) {
        (false, true) => Level::Done("its tables are at the new version's level already".to_owned()),
        (false, false) => half(&owned(&present), &owned(&absent)),
        (true, _) if lacking.is_empty() => Level::Needed,
        (true, _) => Level::Wrong(Problem {
            code: "tables-missing",
            text: format!(
                "it is used for {} and lacks {}",
                script.role,
                words(&owned(&lacking))
            ),
            remedy: "name the database that the servers really use for it",
        }),
    }
}

fn user_store(level: &SchemaLevel) -> Level {
    match level {
        SchemaLevel::Before42 => Level::Needed,
        SchemaLevel::At42 => Level::Done("its schema is at the level of Carbon 4.2.0 already".to_owned()),
        SchemaLevel::Mixed { present, absent } => half(present, absent),
        SchemaLevel::NoUserStore => Level::Wrong(Problem {
            code: "no-user-store",
            text: "the servers use it for users, and it holds no user-management tables".to_owned(),
            remedy: "name the database that the servers really use for users",
        }),
    }
}

fn rss(level: &RssLevel) -> Level {
    match level {
        RssLevel::At103 => Level::Needed,
        RssLevel::At110 => Level::Done("its tables are those of Storage Server 1.1.0 already".to_owned()),
        RssLevel::Mixed { present, absent } => half(present, absent),
        RssLevel::None => Level::Wrong(Problem {
            code: "tables-missing",
            text: "the servers use it for RSS, and it holds no RSS tables".to_owned(),
            remedy: "name the database that the servers really use for it",
        }),
    }
}

fn half(present: &[String], absent: &[String]) -> Level {
    Level::Wrong(Problem {
        code: "half-migrated",
        text: format!(
            "production is half migrated: {} of the new version there, {} missing",
            words(present),
            words(absent)
        ),
        remedy: "a migration died half-way before: restore the backup taken before it, then plan again",
    })
}

fn owned(names: &[&String]) -> Vec<String> {
    names.iter().map(|name| (*name).clone()).collect()
}

fn words(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
