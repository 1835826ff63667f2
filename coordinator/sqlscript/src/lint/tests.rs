//! One case per rule, with its near misses.

use test_case::test_case;

use crate::{Dialect, Rule, Severity, lint, split};

fn rules(dialect: Dialect, input: &str) -> Vec<Rule> {
    let script = split(input, dialect).unwrap_or_else(|error| panic!("{error}\n{input}"));
    lint(&script).into_iter().map(|finding| finding.rule).collect()
}

#[test_case(Dialect::MySql, "DROP TABLE IF EXISTS t", &[Rule::DropTable])]
#[test_case(Dialect::MySql, "DROP TEMPORARY TABLE t", &[])]
#[test_case(Dialect::MySql, "DROP INDEX i ON t", &[])]
#[test_case(Dialect::MySql, "DROP DATABASE d", &[Rule::DropDatabase])]
#[test_case(Dialect::Postgres, "DROP SCHEMA s CASCADE", &[Rule::DropDatabase])]
#[test_case(Dialect::MySql, "TRUNCATE TABLE t", &[Rule::Truncate])]
#[test_case(Dialect::MySql, "SELECT TRUNCATE(a, 1) FROM t", &[])]
#[test_case(Dialect::MySql, "ALTER TABLE t DROP COLUMN c, DROP d, DROP INDEX i, DROP PRIMARY KEY, ALTER e DROP DEFAULT",
    &[Rule::DropColumn, Rule::DropColumn])]
#[test_case(Dialect::Postgres, "ALTER TABLE t DROP CONSTRAINT c, ALTER COLUMN d DROP NOT NULL", &[])]
#[test_case(Dialect::Mssql, "IF EXISTS (SELECT 1 FROM x)\nDROP TABLE t;", &[Rule::DropTable])]
#[test_case(Dialect::MySql, "INSERT INTO t VALUES (1)", &[Rule::InsertNotRerunnable])]
#[test_case(Dialect::MySql, "INSERT INTO t SELECT a FROM u", &[Rule::InsertNotRerunnable])]
#[test_case(Dialect::MySql, "INSERT IGNORE INTO t VALUES (1)", &[])]
#[test_case(Dialect::MySql, "REPLACE INTO t VALUES (1)", &[])]
#[test_case(Dialect::MySql, "INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 1", &[])]
#[test_case(Dialect::Postgres, "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", &[])]
#[test_case(Dialect::Postgres, "INSERT INTO t SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM t)", &[])]
#[test_case(Dialect::MySql, "SELECT a INTO @v FROM t WHERE b = 1", &[Rule::SelectIntoRowCount])]
#[test_case(Dialect::MySql, "SELECT a INTO @v FROM t LIMIT 1", &[Rule::SelectIntoRowCount]; "limit may leave none")]
#[test_case(Dialect::MySql, "SELECT COUNT(*) INTO @v FROM t WHERE b = 1", &[])]
#[test_case(Dialect::MySql, "SELECT MAX(a) INTO @v FROM t GROUP BY b", &[Rule::SelectIntoRowCount])]
#[test_case(Dialect::MySql, "SELECT DATABASE() into @db FROM DUAL", &[])]
#[test_case(Dialect::MySql, "SELECT (SELECT a FROM t LIMIT 1) INTO @v", &[])]
#[test_case(Dialect::Mssql, "declare @c int; select @c = k.name from sys.tables k; execute(@c);", &[Rule::SelectIntoRowCount])]
#[test_case(Dialect::Mssql, "declare @c int; select @c = count(*) from t; print @c;", &[])]
#[test_case(Dialect::MySql, "USE other", &[Rule::UseDatabase])]
#[test_case(Dialect::MySql, "UPDATE db.t SET a = 1", &[Rule::OtherSchema])]
#[test_case(Dialect::MySql, "UPDATE t, u SET t.a = u.a WHERE t.b = u.b", &[])]
#[test_case(Dialect::MySql, "ALTER TABLE `db`.`t` ADD a INT", &[Rule::OtherSchema])]
#[test_case(Dialect::MySql, "CREATE TABLE IF NOT EXISTS db.t (a INT)", &[Rule::OtherSchema])]
#[test_case(Dialect::MySql, "CREATE INDEX i ON db.t (a)", &[Rule::OtherSchema])]
#[test_case(Dialect::MySql, "SELECT a FROM t JOIN u ON t.a = u.a", &[])]
#[test_case(Dialect::MySql, "SELECT EXTRACT(YEAR FROM t.a), TRIM('x' FROM t.b) FROM t", &[])]
#[test_case(Dialect::MySql, "SELECT 1 FROM information_schema.tables", &[])]
#[test_case(Dialect::MySql, "DELETE FROM db.t WHERE a IN (SELECT b FROM e.u)", &[Rule::OtherSchema, Rule::OtherSchema])]
#[test_case(Dialect::MySql, "INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE t.a = 1, t.b = 2", &[])]
#[test_case(Dialect::MySql, "SELECT t.a, u.b FROM t, u WHERE t.a = u.b ORDER BY t.a, u.b", &[])]
#[test_case(Dialect::MySql, "UPDATE t JOIN u ON t.a = u.a SET t.a = 1, u.b = 2", &[])]
#[test_case(Dialect::Postgres, "SELECT 1 FROM t WHERE a IS DISTINCT FROM t.b", &[])]
#[test_case(Dialect::Postgres, "SELECT 1 FROM public.t, pg_catalog.pg_class", &[])]
#[test_case(Dialect::Mssql, "SELECT 1 FROM dbo.t", &[])]
#[test_case(Dialect::Mssql, "SELECT 1 FROM other.dbo.t", &[Rule::OtherSchema])]
#[test_case(Dialect::MySql, "START TRANSACTION; COMMIT", &[Rule::TransactionControl, Rule::TransactionControl])]
#[test_case(Dialect::MySql, "CREATE TEMPORARY TABLE t (a INT)", &[Rule::TemporaryTable])]
#[test_case(Dialect::MySql, "CREATE TABLE t (a TIMESTAMP NOT NULL, b TIMESTAMP NOT NULL DEFAULT 0, c TIMESTAMP NULL)",
    &[Rule::TimestampAutoUpdate])]
#[test_case(Dialect::Oracle, "begin for r in (select 1 from dual) loop x; end loop; end loop;\n/", &[Rule::OracleEndLoopTwice])]
#[test_case(Dialect::Oracle, "begin for r in (select 1 from dual) loop x; end loop; execute immediate 'y'; end;\n/", &[])]
#[test_case(Dialect::Oracle, "ALTER TABLE t ADD a INT;\n/\n", &[Rule::OracleSlashAfterStatement])]
#[test_case(Dialect::Oracle, "ALTER TABLE t ADD a INT\n/\n", &[])]
#[test_case(Dialect::Oracle, "UPDATE t SET a = 1;", &[Rule::OracleMissingCommit])]
#[test_case(Dialect::Oracle, "UPDATE t SET a = 1; ALTER TABLE t ADD b INT;", &[])]
#[test_case(Dialect::Db2, "CREATE TABLE t (a INT);\nCREATE TABLE u (b INT)/\n", &[Rule::StrayTerminator])]
#[test_case(Dialect::Db2, "CREATE TRIGGER t BEGIN ATOMIC SET a = 1; SET b = 1; END/\n", &[])]
#[test_case(Dialect::Wso2Compat, "UPDATE t SET a = 1; UPDATE u SET a = 1;\n", &[Rule::StrayTerminator])]
fn rule(dialect: Dialect, input: &str, expected: &[Rule]) {
    let found: Vec<Rule> = rules(dialect, input)
        .into_iter()
        .filter(|rule| *rule != Rule::OracleMissingCommit || input.starts_with("UPDATE"))
        .collect();
    assert_eq!(found, expected);
}

#[test_case("DROP TABLE IF EXISTS a, db.b")]
#[test_case("RENAME TABLE a TO db.b")]
#[test_case("ALTER TABLE a RENAME TO db.b")]
#[test_case("ALTER TABLE a RENAME db.b")]
#[test_case("UPDATE IGNORE db.t SET a = 1")]
#[test_case("UPDATE t, `db`.u SET t.a = 1")]
#[test_case("INSERT LOW_PRIORITY INTO db.t VALUES (1)")]
#[test_case("INSERT db.t VALUES (1)")]
#[test_case("REPLACE db.t VALUES (1)")]
#[test_case("DELETE db.t FROM db.t JOIN u ON db.t.a = u.a")]
#[test_case("DELETE FROM t WHERE a IN (SELECT b FROM u x, db.v)")]
#[test_case("TRUNCATE db.t")]
#[test_case("CALL db.p()")]
#[test_case("DROP INDEX i ON db.t")]
#[test_case("LOCK TABLES t READ, db.u WRITE")]
#[test_case("ALTER DATABASE db CHARACTER SET latin1")]
#[test_case("DROP SCHEMA IF EXISTS db")]
#[test_case("CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW UPDATE db.u SET a = 1")]
fn statement_when_it_names_another_database_then_told(sql: &str) {
    let script = split(sql, Dialect::MySql).unwrap();
    assert_eq!(script.statements[0].databases(Dialect::MySql), ["db"]);
}

#[test_case("ALTER DATABASE CHARACTER SET latin1")]
#[test_case("SELECT REPLACE(t.a, 'x', 'y'), t.b FROM t")]
#[test_case("CREATE TABLE t (a INT REFERENCES u (a) ON DELETE CASCADE ON UPDATE CASCADE, b INT)")]
#[test_case("CREATE TRIGGER x BEFORE UPDATE ON t FOR EACH ROW SET NEW.a = OLD.a, NEW.b = OLD.b")]
fn statement_when_it_stays_in_its_database_then_none_is_told(sql: &str) {
    let script = split(sql, Dialect::MySql).unwrap();
    assert_eq!(
        script.statements[0].databases(Dialect::MySql),
        Vec::<String>::new()
    );
}

#[test]
fn finding_when_on_a_later_line_then_points_there() {
    let script = split("-- x\n  INSERT INTO a\n    SELECT b FROM c.d;", Dialect::MySql).unwrap();
    let found: Vec<_> = lint(&script)
        .into_iter()
        .map(|f| (f.line, f.column, f.severity, f.rule))
        .collect();
    let expected = [
        (2, 3, Severity::Note, Rule::InsertNotRerunnable),
        (3, 19, Severity::Warning, Rule::OtherSchema),
    ];
    assert_eq!(found, expected);
}

#[test]
fn rule_names_when_serialized_then_equal_the_shown_names() {
    for rule in Rule::ALL {
        assert!(rule.name().chars().all(|c| c.is_ascii_lowercase() || c == '-'));
        assert_eq!(rule.to_string(), rule.name());
    }
}
