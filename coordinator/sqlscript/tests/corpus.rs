//! Every SQL script of the corpus of real Carbon distributions, in its own dialect.
//!
//! The corpus is not part of this repository: it is looked for in `CUTOVER_CORPUS`, or beside the workspace.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cutover_sqlscript::{Dialect, Rule, Script, StatementKind, lint, split};

fn corpus() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = match std::env::var_os("CUTOVER_CORPUS") {
        Some(path) => root.join(path),
        None => root.join("../shared/carbon-corpus"),
    };
    if path.is_dir() {
        return Some(path);
    }
    eprintln!(
        "SKIPPED: no corpus of Carbon scripts at {}; set CUTOVER_CORPUS",
        path.display()
    );
    None
}

fn scripts(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            scripts(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "sql") {
            found.push(path);
        }
    }
    Ok(())
}

/// The dialect a file is written in, told from its name, or from the folder's when the name says nothing.
fn dialect(path: &Path) -> Option<Dialect> {
    let of = |part: &str| {
        let prefixes = [
            ("mysql", Dialect::MySql),
            ("postgres", Dialect::Postgres),
            ("oracle", Dialect::Oracle),
            ("mssql", Dialect::Mssql),
            ("sqlserver", Dialect::Mssql),
            ("db2", Dialect::Db2),
            ("h2", Dialect::H2),
        ];
        prefixes
            .into_iter()
            .find(|(prefix, _)| part.starts_with(prefix))
            .map(|(_, dialect)| dialect)
    };
    let file = path.file_stem()?.to_str()?;
    of(file).or_else(|| of(path.parent()?.file_name()?.to_str()?))
}

fn read(corpus: &Path, name: &str, dialect: Dialect) -> Script {
    let text = std::fs::read_to_string(corpus.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    split(&text, dialect).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_script_when_split_then_loses_nothing() {
    let Some(corpus) = corpus() else { return };
    let mut paths = Vec::new();
    scripts(&corpus, &mut paths).unwrap();
    paths.sort();
    assert!(!paths.is_empty(), "the corpus has no scripts");
    let mut seen: BTreeMap<Dialect, usize> = BTreeMap::new();
    for path in &paths {
        let Some(dialect) = dialect(path) else {
            eprintln!(
                "SKIPPED: {} is of a dialect that is not supported",
                path.display()
            );
            continue;
        };
        let text = String::from_utf8(std::fs::read(path).unwrap()).unwrap();
        let script = split(&text, dialect).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let joined: String = script.pieces.iter().map(|piece| piece.text.as_str()).collect();
        assert_eq!(joined, text, "{}", path.display());
        let known: Vec<usize> = lint(&script)
            .into_iter()
            .filter(|finding| finding.rule == Rule::StrayTerminator)
            .map(|finding| finding.line)
            .collect();
        for statement in &script.statements {
            assert_ne!(
                statement.kind,
                StatementKind::Other,
                "{}: {}",
                path.display(),
                statement.text
            );
            let lines = statement.line..=statement.line + statement.text.matches('\n').count();
            let reported = known.iter().filter(|line| lines.contains(line)).count();
            let creates = statement
                .text
                .to_ascii_uppercase()
                .matches("CREATE TABLE")
                .count();
            assert!(
                creates <= 1 + reported,
                "{}: two statements in one: {}",
                path.display(),
                statement.text
            );
        }
        *seen.entry(dialect).or_default() += 1;
    }
    eprintln!("split {seen:?}");
}

const KNOWN: &[(&str, Dialect, usize)] = &[
    ("carbon-4.1.0/dbscripts/mysql.sql", Dialect::MySql, 62),
    ("carbon-4.2.0/dbscripts/mysql.sql", Dialect::MySql, 69),
    ("carbon-4.4.7/dbscripts/mysql5.7.sql", Dialect::MySql, 73),
    ("migration/4.1.0-4.2.0/mysql/migration.sql", Dialect::MySql, 42),
    ("carbon-4.1.0/dbscripts/postgresql.sql", Dialect::Postgres, 144),
    ("carbon-4.2.0/dbscripts/postgresql.sql", Dialect::Postgres, 172),
    ("carbon-4.1.0/dbscripts/h2.sql", Dialect::H2, 62),
    ("migration/4.1.0-4.2.0/h2/migration.sql", Dialect::H2, 33),
    ("carbon-4.1.0/dbscripts/oracle.sql", Dialect::Oracle, 104),
    ("carbon-4.4.7/dbscripts/oracle.sql", Dialect::Oracle, 128),
    // 38 that end with `;` and 9 PL/SQL blocks.
    ("migration/4.1.0-4.2.0/oracle/migration.sql", Dialect::Oracle, 47),
    ("carbon-4.1.0/dbscripts/db2.sql", Dialect::Db2, 103),
    ("carbon-4.4.7/dbscripts/db2.sql", Dialect::Db2, 128),
    ("carbon-4.1.0/dbscripts/mssql.sql", Dialect::Mssql, 61),
    ("carbon-4.4.7/dbscripts/mssql.sql", Dialect::Mssql, 73),
    // 35 terminators; two batches of three statements each share a variable, one terminator is missing.
    ("migration/4.1.0-4.2.0/mssql/migration.sql", Dialect::Mssql, 32),
];

/// Counted apart from the splitter: terminators left after removing literals and comments.
#[test]
fn known_scripts_when_split_then_give_the_known_number_of_statements() {
    let Some(corpus) = corpus() else { return };
    for (name, dialect, count) in KNOWN {
        assert_eq!(read(&corpus, name, *dialect).statements.len(), *count, "{name}");
    }
}

#[test]
fn carbons_own_line_rule_when_applied_then_agrees_with_the_dialects() {
    let Some(corpus) = corpus() else { return };
    for (name, dialect) in [
        ("carbon-4.2.0/dbscripts/mysql.sql", Dialect::MySql),
        ("carbon-4.2.0/dbscripts/postgresql.sql", Dialect::Postgres),
        ("carbon-4.2.0/dbscripts/h2.sql", Dialect::H2),
        ("carbon-4.2.0/dbscripts/db2.sql", Dialect::Db2),
    ] {
        let ours = read(&corpus, name, dialect).statements.len();
        assert_eq!(
            read(&corpus, name, Dialect::Wso2Compat).statements.len(),
            ours,
            "{name}"
        );
    }
}

#[test]
fn the_mysql_migration_when_split_then_shows_its_session_state() {
    let Some(corpus) = corpus() else { return };
    let script = read(
        &corpus,
        "migration/4.1.0-4.2.0/mysql/migration.sql",
        Dialect::MySql,
    );
    let find = |start: &str| {
        script
            .statements
            .iter()
            .position(|s| s.text.starts_with(start))
            .unwrap()
    };
    let execute = find("EXECUTE STMT2");
    assert_eq!(script.statements[execute].kind, StatementKind::Ddl);
    let replayed = script.session_prerequisites(execute);
    let texts: Vec<&str> = replayed
        .iter()
        .map(|index| &script.statements[*index].text[..12])
        .collect();
    assert_eq!(
        texts,
        ["SELECT DATAB", "select CONST", "SET @STMT = ", "PREPARE STMT"]
    );
    // Only the name of the database is read after the first of the two keys was dropped.
    assert_eq!(
        script.session_prerequisites(execute + 1),
        [find("SELECT DATABASE()")]
    );
    let rules: Vec<Rule> = lint(&script).into_iter().map(|finding| finding.rule).collect();
    assert_eq!(
        rules
            .iter()
            .filter(|rule| **rule == Rule::SelectIntoRowCount)
            .count(),
        2
    );
    assert_eq!(
        rules
            .iter()
            .filter(|rule| **rule == Rule::InsertNotRerunnable)
            .count(),
        6
    );
    assert_eq!(rules.iter().filter(|rule| **rule == Rule::DropTable).count(), 1);
    assert!(!rules.contains(&Rule::OtherSchema));
}

#[test]
fn the_oracle_migration_when_linted_then_shows_its_defects() {
    let Some(corpus) = corpus() else { return };
    let script = read(
        &corpus,
        "migration/4.1.0-4.2.0/oracle/migration.sql",
        Dialect::Oracle,
    );
    let lines = |rule: Rule| -> Vec<usize> {
        lint(&script)
            .into_iter()
            .filter(|finding| finding.rule == rule)
            .map(|finding| finding.line)
            .collect()
    };
    assert_eq!(lines(Rule::OracleEndLoopTwice), [88, 165, 182]);
    assert_eq!(lines(Rule::OracleSlashAfterStatement), [79, 154, 172]);
}
