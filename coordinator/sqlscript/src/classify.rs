//! What running a statement does, told from its words.

use crate::code::Code;
use crate::dialect::Dialect;
use crate::script::StatementKind;

/// The kind of a statement.
pub(crate) fn kind(dialect: Dialect, code: Code<'_>) -> StatementKind {
    match dialect {
        Dialect::MySql => mysql(code),
        Dialect::Postgres => postgres(code),
        Dialect::Oracle => oracle(code),
        Dialect::Mssql => mssql(code),
        Dialect::Db2 | Dialect::H2 | Dialect::Wso2Compat => common(code),
    }
}

/// Whether the server refuses the statement inside a transaction block.
pub(crate) fn refuses_transaction(dialect: Dialect, code: Code<'_>) -> bool {
    if dialect != Dialect::Postgres {
        return false;
    }
    match code.word(0).as_str() {
        "VACUUM" => true,
        "CREATE" | "DROP" => {
            code.is_any(1, &["DATABASE", "TABLESPACE", "SUBSCRIPTION"])
                || code
                    .find(1, &["INDEX"])
                    .is_some_and(|index| code.is(index + 1, "CONCURRENTLY"))
        }
        "REINDEX" => code
            .find_anywhere(1, &["CONCURRENTLY", "DATABASE", "SYSTEM"])
            .is_some(),
        "ALTER" => {
            code.is(1, "SYSTEM") || (code.is(1, "DATABASE") && code.find(2, &["TABLESPACE"]).is_some())
        }
        _ => false,
    }
}

fn mysql(code: Code<'_>) -> StatementKind {
    let first = code.first();
    let second = first + 1;
    match code.word(first).as_str() {
        "SET" if code.is(second, "PASSWORD") => StatementKind::Ddl,
        "SET" if code.is_any(second, &["GLOBAL", "PERSIST", "PERSIST_ONLY"]) => StatementKind::Other,
        "SET"
            if code
                .find(second, &["TRANSACTION"])
                .is_some_and(|at| at <= second + 1) =>
        {
            StatementKind::Transaction
        }
        "SET" | "PREPARE" | "DEALLOCATE" | "USE" => StatementKind::Session,
        "DROP" if code.is(second, "PREPARE") => StatementKind::Session,
        // A prepared statement or a routine can hold an ALTER, which commits by itself.
        "EXECUTE" | "CALL" => StatementKind::Ddl,
        "SELECT" | "WITH" if assigns_variable(code) => StatementKind::Session,
        "BEGIN" if code.is(second, "NOT") => StatementKind::Ddl,
        "RENAME" | "ANALYZE" | "OPTIMIZE" | "REPAIR" | "CHECK" | "LOCK" | "UNLOCK" | "INSTALL"
        | "UNINSTALL" | "FLUSH" | "CACHE" | "RESET" => StatementKind::Ddl,
        "REPLACE" | "LOAD" | "DO" => StatementKind::Dml,
        _ => common(code),
    }
}

/// `SELECT … INTO @v`, or `SELECT @v := …`.
fn assigns_variable(code: Code<'_>) -> bool {
    (0..code.len()).any(|index| {
        let into = code.is(index, "INTO") && code.symbol(index + 1, b'@');
        into || (code.symbol(index, b':') && code.symbol(index + 1, b'='))
    })
}

fn postgres(code: Code<'_>) -> StatementKind {
    match code.word(0).as_str() {
        "SET" if code.is_any(1, &["TRANSACTION", "CONSTRAINTS"]) => StatementKind::Transaction,
        "SET" | "RESET" | "PREPARE" | "DEALLOCATE" | "DISCARD" | "LISTEN" | "UNLISTEN" | "LOAD"
        | "DECLARE" | "CLOSE"
            if !(code.is(0, "PREPARE") && code.is(1, "TRANSACTION")) =>
        {
            StatementKind::Session
        }
        "SELECT" if code.find_anywhere(1, &["SET_CONFIG"]).is_some() => StatementKind::Session,
        "SELECT" if code.find_anywhere(1, &["SETVAL", "NEXTVAL"]).is_some() => StatementKind::Dml,
        "SELECT" | "WITH"
            if code
                .find(1, &["INTO"])
                .is_some_and(|into| !code.is(into - 1, "INSERT")) =>
        {
            StatementKind::Ddl
        }
        "EXECUTE" | "COPY" => StatementKind::Dml,
        "ABORT" => StatementKind::Transaction,
        "FETCH" | "MOVE" => StatementKind::Query,
        "REFRESH" | "REINDEX" | "CLUSTER" | "SECURITY" | "REASSIGN" | "IMPORT" | "VACUUM" | "ANALYZE" => {
            StatementKind::Ddl
        }
        _ => common(code),
    }
}

fn oracle(code: Code<'_>) -> StatementKind {
    match code.word(code.first()).as_str() {
        "BEGIN" | "DECLARE" if code.find_anywhere(0, &["IMMEDIATE", "DBMS_SQL"]).is_some() => {
            StatementKind::Ddl
        }
        "BEGIN" | "DECLARE" => StatementKind::Dml,
        "RENAME" | "PURGE" | "ANALYZE" | "AUDIT" | "NOAUDIT" | "FLASHBACK" => StatementKind::Ddl,
        "SET" if code.is(1, "ROLE") => StatementKind::Session,
        "SET" => StatementKind::Transaction,
        _ => common(code),
    }
}

/// A batch is what its strongest statement is.
fn mssql(code: Code<'_>) -> StatementKind {
    let has = |words: &[&str]| code.find_anywhere(0, words).is_some();
    if has(&[
        "CREATE", "ALTER", "DROP", "EXEC", "EXECUTE", "TRUNCATE", "GRANT", "REVOKE", "DENY",
    ]) {
        StatementKind::Ddl
    } else if has(&["INSERT", "UPDATE", "DELETE", "MERGE"]) {
        StatementKind::Dml
    } else if code.is(0, "BEGIN") && !has(&["END"]) {
        StatementKind::Transaction
    } else if has(&["SELECT"]) && !has(&["DECLARE"]) {
        StatementKind::Query
    } else if code.is_any(0, &["SET", "DECLARE", "USE"]) {
        StatementKind::Session
    } else {
        common(code)
    }
}

fn common(code: Code<'_>) -> StatementKind {
    let first = code.first();
    match code.word(first).as_str() {
        "SELECT" | "SHOW" | "DESC" | "DESCRIBE" | "EXPLAIN" | "VALUES" | "TABLE" => StatementKind::Query,
        "WITH" => match code.find(first, &["INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"]) {
            Some(_) => StatementKind::Dml,
            None => StatementKind::Query,
        },
        "INSERT" | "UPDATE" | "DELETE" | "MERGE" => StatementKind::Dml,
        "CREATE" | "ALTER" | "DROP" | "TRUNCATE" | "GRANT" | "REVOKE" | "COMMENT" | "RENAME" => {
            StatementKind::Ddl
        }
        "BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "SAVEPOINT" | "RELEASE" | "XA" => {
            StatementKind::Transaction
        }
        "SET" | "USE" | "DECLARE" => StatementKind::Session,
        "" if code.symbol(first, b'(') => StatementKind::Query,
        _ => StatementKind::Other,
    }
}
