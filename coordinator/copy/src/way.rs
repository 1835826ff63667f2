//! Which way the rows travel, and why: a pure choice that a plan can show before anything is copied.

use cutover_database::Engine;

use crate::CopyWay;

/// What the choice depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WayFacts {
    /// Engine of both databases.
    pub engine: Engine,
    /// The caller lets the server copy by itself ([`crate::CopyOptions::same_server`]).
    pub wanted: bool,
    /// Both databases lie on one server.
    pub same_server: bool,
    /// What keeps the server from copying by itself, if anything is known to.
    pub obstacle: Option<String>,
    /// The target takes LOAD DATA LOCAL; of MySQL and MariaDB alone.
    pub local_infile: bool,
}

/// The fastest way that is possible, and why it is this one.
#[must_use]
pub fn choose_way(facts: &WayFacts) -> (CopyWay, String) {
    let because = match (facts.same_server, facts.wanted, &facts.obstacle) {
        (true, true, None) => return inside(facts.engine),
        (false, _, _) => "the databases lie on two servers".to_owned(),
        (true, false, _) => "copying inside the server is switched off".to_owned(),
        (true, true, Some(obstacle)) => format!("not copied inside the server: {obstacle}"),
    };
    match (facts.engine, facts.local_infile) {
        (Engine::Postgres, _) => (
            CopyWay::Stream,
            format!("{because}; rows are streamed as COPY sends them"),
        ),
        (Engine::MySql, true) => (
            CopyWay::Stream,
            format!("{because}; rows are streamed into LOAD DATA LOCAL"),
        ),
        (Engine::MySql, false) => {
            let slow =
                "the target's local_infile is OFF, so rows are sent as INSERT statements, which is slower";
            (CopyWay::Insert, format!("{because}; {slow}"))
        }
    }
}

fn inside(engine: Engine) -> (CopyWay, String) {
    match engine {
        Engine::Postgres => (
            CopyWay::Template,
            "both databases lie on one server, which copies the files of the database".to_owned(),
        ),
        Engine::MySql => (
            CopyWay::SameServer,
            "both databases lie on one server, so the rows do not leave it (INSERT ... SELECT)".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn way_when_facts_differ_then_the_fastest_possible_with_its_reason() {
        let facts = |engine, wanted, same_server, obstacle: Option<&str>, local_infile| WayFacts {
            engine,
            wanted,
            same_server,
            obstacle: obstacle.map(str::to_owned),
            local_infile,
        };
        let cases = [
            (
                facts(Engine::MySql, true, true, None, false),
                CopyWay::SameServer,
                "one server",
            ),
            (
                facts(Engine::Postgres, true, true, None, false),
                CopyWay::Template,
                "one server",
            ),
            (
                facts(Engine::MySql, true, false, None, true),
                CopyWay::Stream,
                "two servers",
            ),
            (
                facts(Engine::MySql, false, true, None, true),
                CopyWay::Stream,
                "switched off",
            ),
            (
                facts(Engine::MySql, true, true, Some("no right"), false),
                CopyWay::Insert,
                "no right",
            ),
            (
                facts(Engine::MySql, true, false, None, false),
                CopyWay::Insert,
                "local_infile is OFF",
            ),
            (
                facts(Engine::Postgres, true, true, Some("someone"), false),
                CopyWay::Stream,
                "someone",
            ),
        ];
        for (facts, way, word) in cases {
            let (chosen, why) = choose_way(&facts);
            assert_eq!(chosen, way, "{facts:?}");
            assert!(why.contains(word), "{why} lacks {word}");
        }
    }
}
