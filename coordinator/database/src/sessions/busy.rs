//! Sessions that MariaDB could not look at: their data was locked at that moment, and the list tells neither their
//! database nor their statement.

use std::collections::BTreeSet;

use super::Session;

/// What MariaDB says instead of what such a session is doing.
const BUSY: &str = "Busy";

/// Whether the list does not say on which database a session with this command is.
pub(super) fn hides_its_database(command: &str) -> bool {
    command == BUSY
}

pub(super) fn is_busy(session: &Session) -> bool {
    session.state == BUSY || session.state.starts_with("Busy, ")
}

/// What several looks at the list, one after the other, tell together.
#[derive(Debug, Default)]
pub(super) struct Glances {
    /// Busy at every look so far.
    unclear: Option<BTreeSet<String>>,
    /// Seen clearly, on the database or of one of the accounts.
    seen: BTreeSet<String>,
}

impl Glances {
    /// Takes one look's sessions by id, and leaves those that may be on the database. One that is busy now was seen clearly
    /// elsewhere before, or came after the first look, unless it was busy from the first look on, was seen on the database,
    /// or is of one of the accounts.
    pub(super) fn judge(
        &mut self,
        mut listed: Vec<(String, Session)>,
        accounts: &[String],
    ) -> Vec<(String, Session)> {
        let ids = |busy: bool| -> BTreeSet<String> {
            let wanted = listed.iter().filter(|(_, session)| is_busy(session) == busy);
            wanted.map(|(id, _)| id.clone()).collect()
        };
        let (busy, clear) = (ids(true), ids(false));
        self.seen.extend(clear);
        let unclear = self.unclear.get_or_insert_with(|| busy.clone());
        unclear.retain(|id| busy.contains(id));
        listed.retain(|(id, session)| {
            !is_busy(session)
                || unclear.contains(id)
                || self.seen.contains(id)
                || accounts.contains(&session.user)
        });
        listed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(sessions: &[(&str, &str, &str)]) -> Vec<(String, Session)> {
        let session = |(id, user, state): &(&str, &str, &str)| {
            let session = Session {
                id: (*id).to_owned(),
                user: (*user).to_owned(),
                address: String::new(),
                state: (*state).to_owned(),
                since_secs: 0,
                application: String::new(),
                query_kind: String::new(),
            };
            ((*id).to_owned(), session)
        };
        sessions.iter().map(session).collect()
    }

    fn left(glances: &mut Glances, sessions: &[(&str, &str, &str)]) -> Vec<String> {
        let left = glances.judge(look(sessions), &["wso2".to_owned()]);
        left.into_iter().map(|(id, _)| id).collect()
    }

    #[test]
    fn session_when_busy_then_kept_until_it_was_seen_clearly() {
        assert!(hides_its_database("Busy") && !hides_its_database("Sleep"));
        let mut glances = Glances::default();
        let first = [("1", "dba", "Busy"), ("2", "dba", "Sleep"), ("3", "dba", "Busy")];
        assert_eq!(left(&mut glances, &first), ["1", "2", "3"]);
        // 1 is elsewhere and listed no more; 2 was seen here; 4 is another's that came later; 5 is the application's.
        let second = [
            ("2", "dba", "Busy"),
            ("3", "dba", "Busy"),
            ("4", "dba", "Busy"),
            ("5", "wso2", "Busy, login"),
        ];
        assert_eq!(left(&mut glances, &second), ["2", "3", "5"]);
        let third = [("1", "dba", "Busy"), ("3", "dba", "Sleep")];
        assert_eq!(left(&mut glances, &third), ["3"]);
    }
}
