//! Whether a staging database may take the place of production, and how to make it empty again.

mod drop;

use std::fmt;

use crate::facts::{DatabaseFacts, ServerIdentity};

pub use drop::drop_all_objects;
pub(crate) use drop::empty;

/// Why a staging database cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Problem {
    /// Which rule.
    pub code: ProblemCode,
    /// What is wrong, with both values.
    pub text: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.text, self.remedy)
    }
}

/// The rules of promise 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// Staging and production are one database.
    SameDatabase,
    /// Another engine family.
    Engine,
    /// MariaDB against MySQL.
    Flavour,
    /// Staging's server is older.
    Version,
    /// Another character set or encoding.
    Charset,
    /// Another collation or locale.
    Collation,
    /// Table names are folded differently.
    TableNameCase,
    /// Staging cannot take the largest rows that production can send.
    PacketSize,
    /// Staging holds objects.
    NotEmpty,
    /// Staging has an extension that production lacks.
    Extension,
    /// A server has room for too few locks to look at all tables in one transaction.
    Locks,
}

/// What keeps staging from taking production's place; empty when nothing does.
#[must_use]
pub fn compatible(production: &DatabaseFacts, staging: &DatabaseFacts) -> Vec<Problem> {
    let mut problems = Vec::new();
    if production.engine != staging.engine {
        // Nothing else can be compared across engines.
        return vec![problem(
            ProblemCode::Engine,
            format!(
                "production is {} and staging is {}",
                production.flavour.name(),
                staging.flavour.name()
            ),
            "create staging on a server of production's type",
        )];
    }
    if let Some(same) = one_and_the_same(production, staging) {
        return vec![same];
    }
    problems.extend(server_problems(production, staging));
    problems.extend(text_problems(production, staging));
    problems.extend(content_problems(production, staging));
    problems.extend(lock_problems(production, staging));
    problems
}

/// Locks that a table, its indexes and what lies outside of it take in a transaction that looks at all tables.
const LOCKS_PER_TABLE: u64 = 6;

/// PostgreSQL keeps the locks of all transactions in one table of fixed size: one that looks at thousands of tables in one
/// state could take the room of the application's.
fn lock_problems(production: &DatabaseFacts, staging: &DatabaseFacts) -> Vec<Problem> {
    let wanted = production.tables() * LOCKS_PER_TABLE;
    [("production", production.locks), ("staging", staging.locks)]
        .into_iter()
        .filter_map(|(role, locks)| Some((role, locks.filter(|locks| *locks < wanted)?)))
        .map(|(role, locks)| {
            problem(
                ProblemCode::Locks,
                format!(
                    "{} tables want up to {wanted} locks at once, and the server of {role} has room for {locks}",
                    production.tables()
                ),
                "raise max_locks_per_transaction there, which wants a restart of the server",
            )
        })
        .collect()
}

fn problem(code: ProblemCode, text: String, remedy: &str) -> Problem {
    Problem {
        code,
        text,
        remedy: remedy.to_owned(),
    }
}

fn one_and_the_same(production: &DatabaseFacts, staging: &DatabaseFacts) -> Option<Problem> {
    production.same_database(staging).then(|| {
        problem(
            ProblemCode::SameDatabase,
            format!(
                "production and staging are the same database `{}` on the same server",
                production.database
            ),
            "name another, empty database as staging",
        )
    })
}

fn server_problems(production: &DatabaseFacts, staging: &DatabaseFacts) -> Vec<Problem> {
    let mut problems = Vec::new();
    if production.flavour != staging.flavour {
        problems.push(problem(
            ProblemCode::Flavour,
            format!(
                "production runs on {} and staging on {}",
                production.flavour.name(),
                staging.flavour.name()
            ),
            "create staging on a server of production's type",
        ));
    } else if leading(&staging.version) < leading(&production.version) {
        problems.push(problem(
            ProblemCode::Version,
            format!(
                "staging's server {} is older than production's {}",
                staging.version, production.version
            ),
            "create staging on a server of at least production's version",
        ));
    }
    if production.lower_case_table_names != staging.lower_case_table_names {
        let mode = |facts: &DatabaseFacts| facts.lower_case_table_names.unwrap_or_default();
        problems.push(problem(
            ProblemCode::TableNameCase,
            format!(
                "lower_case_table_names is {} on production's server and {} on staging's",
                mode(production),
                mode(staging)
            ),
            "create staging on a server that is set up with production's value",
        ));
    }
    if let (Some(sends), Some(takes)) = (production.max_allowed_packet, staging.max_allowed_packet)
        && takes < sends
    {
        problems.push(problem(
            ProblemCode::PacketSize,
            format!("max_allowed_packet is {takes} on staging's server and {sends} on production's"),
            "raise it on staging's server to production's value",
        ));
    }
    problems
}

/// Major version and, where a release series has two numbers, the second.
fn leading(version: &str) -> Vec<u32> {
    version
        .split(|c: char| !c.is_ascii_digit())
        .take(2)
        .filter_map(|part| part.parse().ok())
        .collect()
}

fn text_problems(production: &DatabaseFacts, staging: &DatabaseFacts) -> Vec<Problem> {
    let mut problems = Vec::new();
    let remedy = "drop staging and create it with production's character set and collation";
    if charset(&production.charset) != charset(&staging.charset) {
        problems.push(problem(
            ProblemCode::Charset,
            format!(
                "the character set is {} in production and {} in staging",
                production.charset, staging.charset
            ),
            remedy,
        ));
    }
    let rules = |facts: &DatabaseFacts| {
        let mut text = collation(&facts.collation);
        for part in [&facts.ctype, &facts.locale_provider].into_iter().flatten() {
            text.push_str(" / ");
            text.push_str(&collation(part));
        }
        text
    };
    if rules(production) != rules(staging) {
        problems.push(problem(
            ProblemCode::Collation,
            format!(
                "the collation is {} in production and {} in staging",
                rules(production),
                rules(staging)
            ),
            remedy,
        ));
    }
    problems
}

/// `utf8` and `utf8mb3` are one character set whose name changed with the server's version.
fn charset(name: &str) -> String {
    let name = name.to_lowercase();
    if name == "utf8mb3" {
        "utf8".to_owned()
    } else {
        name
    }
}

/// Names of one collation differ by that prefix and, on PostgreSQL, by how the operating system spells UTF-8.
fn collation(name: &str) -> String {
    name.to_lowercase()
        .replace("utf8mb3_", "utf8_")
        .replace("utf-8", "utf8")
}

fn content_problems(production: &DatabaseFacts, staging: &DatabaseFacts) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !staging.objects.is_empty() {
        let listed: Vec<String> = staging
            .objects
            .iter()
            .map(|(kind, number)| format!("{number} {kind}{}", if *number == 1 { "" } else { "s" }))
            .collect();
        problems.push(problem(
            ProblemCode::NotEmpty,
            format!(
                "staging `{}` is not empty: {}",
                staging.database,
                listed.join(", ")
            ),
            "make sure nobody needs what it holds, then name an empty database or have this one emptied",
        ));
    }
    let extra: Vec<&str> = staging
        .extensions
        .iter()
        .filter(|name| !production.extensions.contains(name))
        .map(String::as_str)
        .collect();
    if !extra.is_empty() {
        problems.push(problem(
            ProblemCode::Extension,
            format!(
                "staging has extensions that production lacks: {}",
                extra.join(", ")
            ),
            "drop them from staging",
        ));
    }
    problems
}

/// Leave to empty one certain database, because it was shown not to be production.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenStaging {
    database: String,
    server: ServerIdentity,
}

impl ProvenStaging {
    /// Compares both databases by what their servers say.
    ///
    /// # Errors
    /// They are the same database.
    pub fn prove(production: &DatabaseFacts, staging: &DatabaseFacts) -> Result<Self, Problem> {
        match one_and_the_same(production, staging) {
            Some(same) => Err(same),
            None => Ok(ProvenStaging {
                database: staging.database.clone(),
                server: staging.server.clone(),
            }),
        }
    }

    pub(crate) fn covers(&self, database: &str, server: &ServerIdentity) -> bool {
        self.database == database && self.server.same_server(server)
    }
}

#[cfg(test)]
mod tests;
