//! What a script would do to the rows that are in a database now. The script alone says that a table is dropped;
//! only the database says whether anybody would miss it.

use cutover_sqlscript::{Script, Statement, TableName};

use crate::checkpoint::{ACTION, Checker};
use crate::connection::Connection;
use crate::error::DatabaseError;
use crate::literal;
use crate::target::{Engine, Target};

/// Something to decide about before a script runs on a database.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Hazard {
    /// Statement, from 1.
    pub statement: usize,
    /// Line it begins on.
    pub line: usize,
    /// Its SHA-256, to allow this one by an override or by name.
    pub statement_sha256: String,
    /// The table, as the server has it.
    pub table: String,
    /// What would happen.
    pub harm: Harm,
    /// The same in a sentence.
    pub text: String,
    /// What can be done.
    pub remedy: String,
}

/// What a statement would do.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Harm {
    /// `DROP TABLE` or `TRUNCATE` of a table that has rows.
    LosesRows {
        /// How many there are now.
        rows: u64,
    },
    /// MySQL sets a `TIMESTAMP` to the time of the `UPDATE`, because the column says so and the statement does not
    /// set it.
    OverwritesTimestamp {
        /// The column.
        column: String,
    },
}

/// Looks at what the script drops, empties and updates. Nothing is changed. What a script makes itself before it
/// drops it is not there yet and is no hazard; statements that the script builds as text are not seen.
///
/// # Errors
/// The database cannot be read.
pub async fn hazards(target: &Target, script: &Script) -> Result<Vec<Hazard>, DatabaseError> {
    let mut connection = Connection::open(target).await?;
    let found = async {
        let mut checker = Checker::new(&mut connection).await?;
        let mut hazards = Vec::new();
        for statement in &script.statements {
            losses(&mut checker, statement, &mut hazards).await?;
            timestamps(&mut checker, statement, &mut hazards).await?;
        }
        Ok(hazards)
    }
    .await;
    connection.close().await;
    found
}

async fn losses(
    checker: &mut Checker<'_>,
    statement: &Statement,
    hazards: &mut Vec<Hazard>,
) -> Result<(), DatabaseError> {
    if statement.destroys_all() {
        let tables = checker.tables();
        hazards.push(hazard(
            statement,
            "*",
            Harm::LosesRows { rows: tables },
            format!(
                "statement {} drops a whole database or schema",
                statement.index + 1
            ),
            "check that it is the right script for this database; leave this statement out by an override",
        ));
    }
    for name in statement.destroys() {
        let Some(table) = here(checker, &name) else {
            continue;
        };
        let rows = checker.count(&table, "").await?;
        if rows > 0 {
            hazards.push(hazard(
                statement,
                &table,
                Harm::LosesRows { rows },
                format!("statement {} loses the {rows} rows of {table}", statement.index + 1),
                "check that it is the right script for this database; if the rows may go, allow this statement by name",
            ));
        }
    }
    Ok(())
}

async fn timestamps(
    checker: &mut Checker<'_>,
    statement: &Statement,
    hazards: &mut Vec<Hazard>,
) -> Result<(), DatabaseError> {
    if checker.connection.engine() == Engine::Postgres {
        return Ok(());
    }
    for name in statement.updates() {
        let Some(table) = here(checker, &name) else {
            continue;
        };
        let sql = format!(
            "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {} \
             AND LOWER(EXTRA) LIKE '%on update%'",
            literal::text(Engine::MySql, &table)
        );
        for column in checker.connection.column(ACTION, &sql).await? {
            if mentions(&statement.text, &column) {
                continue;
            }
            let text = format!(
                "statement {} changes rows of {table}, and the server sets their {column} to the time of the run",
                statement.index + 1
            );
            let remedy = format!(
                "if the old times matter, replace the statement by one that also sets {column} = {column}"
            );
            hazards.push(hazard(
                statement,
                &table,
                Harm::OverwritesTimestamp { column },
                text,
                &remedy,
            ));
        }
    }
    Ok(())
}

/// The table in this database; a name of another one is not.
fn here(checker: &Checker<'_>, name: &TableName) -> Option<String> {
    let target = checker.connection.target();
    let elsewhere = target.engine == Engine::MySql
        && name
            .qualifier
            .as_ref()
            .is_some_and(|qualifier| !qualifier.eq_ignore_ascii_case(&target.database));
    if elsewhere {
        None
    } else if name.quoted {
        checker.find_exactly(&name.name)
    } else {
        checker.find_table(&name.name)
    }
}

fn mentions(text: &str, column: &str) -> bool {
    let cut = |c: char| !(c.is_alphanumeric() || c == '_' || c == '$');
    text.split(cut).any(|word| word.eq_ignore_ascii_case(column))
}

fn hazard(statement: &Statement, table: &str, harm: Harm, text: String, remedy: &str) -> Hazard {
    Hazard {
        statement: statement.index + 1,
        line: statement.line,
        statement_sha256: statement.sha256.clone(),
        table: table.to_owned(),
        harm,
        text,
        remedy: remedy.to_owned(),
    }
}
