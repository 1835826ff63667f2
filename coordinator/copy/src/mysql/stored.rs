//! Views, routines, triggers, events and sequences.

use cutover_database::Target;
use sqlx::mysql::MySqlConnection;

use super::catalog::{Names, stored_names};
use super::session::{Writer, rows, run, text};
use super::syntax::{definer, ident, requalify};
use crate::{CopyError, CopyOptions};

/// An object as the server describes it, with the session it was created in.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    /// In the character set of its creator.
    pub(crate) create: Vec<u8>,
    pub(crate) sql_mode: String,
    pub(crate) time_zone: Option<String>,
    pub(crate) client: String,
    pub(crate) collation: String,
    pub(crate) database_collation: String,
}

impl Stored {
    /// Text that is the same on both sides when the objects do the same: accounts, database names and whether
    /// an event is enabled are not part of it.
    pub(crate) fn normalised(&self, database: &str) -> String {
        let mut create = requalify(&self.create, database, "");
        if let Some((range, _)) = definer(&create) {
            create.drain(range);
        }
        if self.kind == "event" {
            disable(&mut create);
        }
        let text = String::from_utf8_lossy(&create);
        format!("{text}\n{}\n{}\n{}", self.sql_mode, self.client, self.collation)
    }

    /// Whether a statement other than of this object's own text reaches into the production database.
    pub(crate) fn mentions(&self, database: &str) -> bool {
        let text = String::from_utf8_lossy(&self.create).to_lowercase();
        let name = database.to_lowercase();
        [format!("`{name}`."), format!("{name}.")]
            .iter()
            .any(|qualifier| text.contains(qualifier))
    }
}

/// All stored objects in the order in which they are created: routines, views, triggers, events.
pub(crate) async fn all(
    conn: &mut MySqlConnection,
    target: &Target,
    names: &Names,
    options: &CopyOptions,
) -> Result<Vec<Stored>, CopyError> {
    let stored = stored_names(conn, target, options).await?;
    let is_routine = |kind: &str| !matches!(kind, "trigger" | "event");
    let (routines, others): (Vec<_>, Vec<_>) = stored.into_iter().partition(|(kind, _)| is_routine(kind));
    let views = names.views.iter().map(|name| ("view", name.clone()));
    // The text of these objects is kept as bytes of its creator's character set.
    run(
        conn,
        target,
        "preparing the session",
        "SET SESSION character_set_results=NULL",
    )
    .await?;
    let mut found = Vec::new();
    for (kind, name) in routines.into_iter().chain(views).chain(others) {
        found.push(read(conn, target, kind, name).await?);
    }
    run(conn, target, "preparing the session", "SET NAMES utf8mb4").await?;
    Ok(found)
}

async fn read(
    conn: &mut MySqlConnection,
    target: &Target,
    kind: &'static str,
    name: String,
) -> Result<Stored, CopyError> {
    let what = format!("reading the definition of {kind} `{name}`");
    let sql = format!("SHOW CREATE {kind} {}", ident(&name));
    let found = rows(conn, target, &what, &sql).await?;
    let row = found.first().map(Vec::as_slice).unwrap_or_default();
    // Columns as documented for each SHOW CREATE statement.
    let (create, mode, zone, client) = match kind {
        "view" => (1, None, None, 2),
        "event" => (3, Some(1), Some(2), 4),
        _ => (2, Some(1), None, 3),
    };
    let Some(Some(create)) = row.get(create).cloned() else {
        return Err(CopyError::Unsupported {
            what: format!("{kind} `{name}`"),
            database: target.to_string(),
            why: "the account may not read its definition".to_owned(),
            remedy: "grant the account SELECT on mysql.proc (MariaDB) or SHOW_ROUTINE (MySQL)".to_owned(),
        });
    };
    Ok(Stored {
        kind,
        name,
        create,
        sql_mode: mode.map(|index| text(row, index)).unwrap_or_default(),
        time_zone: zone.map(|index| text(row, index)),
        client: text(row, client),
        collation: text(row, client + 1),
        database_collation: text(row, client + 2),
    })
}

/// Creates stored objects in staging and keeps what had to be changed for it.
pub(crate) struct Creator<'a> {
    pub(crate) writer: &'a mut Writer,
    pub(crate) from: &'a Target,
    pub(crate) to: &'a Target,
    /// Accounts of the target server; `None` when they may not be read.
    pub(crate) accounts: Option<Vec<String>>,
    pub(crate) collation: String,
    pub(crate) notes: Vec<String>,
    pub(crate) disabled_events: Vec<String>,
}

impl Creator<'_> {
    /// Creates all; an object that needs another which comes later is tried again after it.
    pub(crate) async fn create_all(&mut self, objects: Vec<Stored>) -> Result<(), CopyError> {
        let mut waiting = objects;
        loop {
            let before = waiting.len();
            let mut failed = Vec::new();
            let mut first_error = None;
            for object in waiting {
                if let Err(error) = self.create(&object).await {
                    first_error.get_or_insert(error);
                    failed.push(object);
                }
            }
            match first_error {
                None => return Ok(()),
                Some(error) if failed.len() == before => return Err(error),
                Some(_) => waiting = failed,
            }
        }
    }

    async fn create(&mut self, object: &Stored) -> Result<(), CopyError> {
        let what = format!("creating {} `{}`", object.kind, object.name);
        let session = session_of(object);
        self.writer.run(&what, session.as_bytes()).await?;
        let other_collation =
            !object.database_collation.is_empty() && object.database_collation != self.collation;
        if other_collation {
            self.set_collation(&object.database_collation).await?;
        }
        let created = self.create_in_session(object, &what).await;
        if other_collation {
            let collation = self.collation.clone();
            self.set_collation(&collation).await?;
        }
        let reset = format!("SET SESSION sql_mode='{}'", super::session::LOAD_MODE);
        self.writer.run(&what, b"SET NAMES utf8mb4").await?;
        self.writer.run(&what, reset.as_bytes()).await?;
        created
    }

    async fn create_in_session(&mut self, object: &Stored, what: &str) -> Result<(), CopyError> {
        let mut create = requalify(&object.create, &self.from.database, &self.to.database);
        let mut notes = Vec::new();
        let enabled = object.kind == "event" && disable(&mut create);
        if let Some((range, account)) = definer(&create)
            && self.is_foreign(&account)
        {
            create.drain(range);
            notes.push(format!(
                "{} `{}`: its definer {account} has no account on the target server; defined by the staging account",
                object.kind, object.name
            ));
        }
        if let Err(error) = self.writer.run(what, &create).await {
            let Some((range, account)) = definer(&create).filter(|_| lacks_privilege(&error)) else {
                return Err(error);
            };
            create.drain(range);
            self.writer.run(what, &create).await?;
            notes.push(format!(
                "{} `{}`: the staging account may not define objects for {account}; defined by itself",
                object.kind, object.name
            ));
        }
        if object.kind != "view"
            && self.from.database != self.to.database
            && object.mentions(&self.from.database)
        {
            notes.push(format!(
                "{} `{}` names database `{}` in its body; look at it before staging is used",
                object.kind, object.name, self.from.database
            ));
        }
        if enabled {
            self.disabled_events.push(object.name.clone());
        }
        self.notes.append(&mut notes);
        Ok(())
    }

    fn is_foreign(&self, account: &str) -> bool {
        let known = self.accounts.as_ref();
        known.is_some_and(|accounts| !accounts.iter().any(|known| known == account))
    }

    /// As mysqldump does: the default collation is kept in the object at its creation.
    async fn set_collation(&mut self, collation: &str) -> Result<(), CopyError> {
        let sql = format!("ALTER DATABASE {} COLLATE {collation}", ident(&self.to.database));
        let what = "setting the database's collation for a stored object";
        self.writer.run(what, sql.as_bytes()).await
    }
}

fn session_of(object: &Stored) -> String {
    let mode = match object.kind {
        // A view is stored as a parse tree: the mode it was written in no longer matters.
        "view" => String::new(),
        _ => format!(", sql_mode='{}'", object.sql_mode),
    };
    let zone = object.time_zone.as_ref();
    let zone = zone
        .map(|zone| format!(", time_zone='{zone}'"))
        .unwrap_or_default();
    format!(
        "SET SESSION character_set_client={}, collation_connection={}{mode}{zone}",
        object.client, object.collation
    )
}

pub(crate) fn lacks_privilege(error: &CopyError) -> bool {
    const SPECIFIC_ACCESS_DENIED: u16 = 1227;
    const NO_SUCH_USER: u16 = 1449;
    let source = std::error::Error::source(error);
    match source.and_then(|source| source.downcast_ref::<mysql_async::Error>()) {
        Some(mysql_async::Error::Server(server)) => {
            matches!(server.code, SPECIFIC_ACCESS_DENIED | NO_SUCH_USER)
        }
        Some(_) | None => false,
    }
}

/// Turns ENABLE into DISABLE; says whether the event was enabled.
fn disable(create: &mut Vec<u8>) -> bool {
    const WORD: &[u8] = b" ENABLE ";
    // The body follows DO: what stands there is not ours.
    let head = create
        .windows(4)
        .position(|window| window == b" DO ")
        .unwrap_or(create.len());
    let head = create.get(..(head + 1).min(create.len())).unwrap_or_default();
    let Some(at) = head.windows(WORD.len()).position(|window| window == WORD) else {
        return false;
    };
    create.splice(at..at + WORD.len(), b" DISABLE ".iter().copied());
    true
}

/// The state of a MariaDB sequence, and the statement that sets it.
pub(crate) async fn sequence_state(
    conn: &mut MySqlConnection,
    target: &Target,
    name: &str,
) -> Result<(i128, i128, u64), CopyError> {
    let sql = format!(
        "SELECT next_not_cached_value, increment, cycle_count FROM {}",
        ident(name)
    );
    let found = rows(conn, target, &format!("reading sequence `{name}`"), &sql).await?;
    let row = found.first().map(Vec::as_slice).unwrap_or_default();
    let integer = |index| text(row, index).parse().unwrap_or(0);
    Ok((integer(0), integer(1), super::session::number(row, 2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_when_enabled_then_disabled_and_its_body_kept() {
        let mut create =
            b"CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY ON COMPLETION PRESERVE ENABLE DO SET @a=' ENABLE '"
                .to_vec();
        assert!(disable(&mut create));
        let text = String::from_utf8(create.clone()).unwrap();
        assert!(text.contains("PRESERVE DISABLE DO SET @a=' ENABLE '"), "{text}");
        assert!(!disable(&mut create));
    }
}
