//! Cuts a script into pieces, by the rules of its dialect.

use crate::assemble::Assembler;
use crate::dialect::Dialect;
use crate::error::{Fault, SplitError};
use crate::script::Script;

mod db2;
mod h2;
mod mssql;
mod mysql;
mod oracle;
mod postgres;
#[cfg(test)]
mod tests;
mod wso2;

/// Cuts `text` into statements and what stands between them.
///
/// # Errors
/// When a quote, comment or block is never closed, or when the script asks the client program for something
/// that only that program can do, such as reading another file.
pub fn split(text: &str, dialect: Dialect) -> Result<Script, SplitError> {
    assemble(text, dialect)
        .map(Assembler::into_script)
        .map_err(|fault| fault.locate(text))
}

fn assemble(text: &str, dialect: Dialect) -> Result<Assembler<'_>, Fault> {
    match dialect {
        Dialect::MySql => mysql::split(text),
        Dialect::Postgres => postgres::split(text),
        Dialect::Oracle => oracle::split(text),
        Dialect::Mssql => mssql::split(text),
        Dialect::Db2 => db2::split(text),
        Dialect::H2 => h2::split(text),
        Dialect::Wso2Compat => Ok(wso2::split(text)),
    }
}

/// The error for a client command that would make the script depend on more than itself.
fn refused_command(at: usize, command: &str) -> Fault {
    Fault::new(
        at,
        format!("client command `{command}`"),
        "it is carried out by the interactive client, not by the server, and cannot be journaled or resumed",
        "write its effect as SQL, add the included file to the list of scripts, or remove the line",
    )
}
