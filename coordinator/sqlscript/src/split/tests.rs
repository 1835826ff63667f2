//! One case per rule of the splitter.

use test_case::test_case;

use crate::{Dialect, PieceKind, Script, StatementKind, split};

fn texts(dialect: Dialect, input: &str) -> Vec<String> {
    let script = split(input, dialect).unwrap_or_else(|error| panic!("{error}\n{input}"));
    assert_eq!(joined(&script), input);
    script
        .statements
        .iter()
        .map(|statement| statement.text.clone())
        .collect()
}

fn joined(script: &Script) -> String {
    script.pieces.iter().map(|piece| piece.text.as_str()).collect()
}

#[test_case("A 1; B 2;", &["A 1", "B 2"]; "semicolon")]
#[test_case("A 1;\nB 2", &["A 1", "B 2"]; "last statement without terminator")]
#[test_case(";;A;;", &["A"]; "empty statements")]
#[test_case("\u{feff}A;", &["A"]; "byte order mark")]
#[test_case("A ';' \";\" `;`;B", &["A ';' \";\" `;`", "B"]; "quotes")]
#[test_case(r"A 'it''s \' ; \\'; B", &[r"A 'it''s \' ; \\'", "B"]; "doubled and escaped quotes")]
#[test_case("A -- x;\n, B; -- y;", &["A -- x;\n, B"]; "dash comment")]
#[test_case("A 1--2; B", &["A 1--2", "B"]; "two minus signs are no comment")]
#[test_case("--create table\nA;", &["A"]; "dashes at the start of a line between statements")]
#[test_case("# x;\nA # y;\n;", &["A"]; "hash comment")]
#[test_case("/* ; */ A /* ; */ B; /** ; **/", &["A /* ; */ B"]; "block comment")]
#[test_case("/* /* */ A;", &["A"]; "comments do not nest")]
#[test_case("/*!40101 SET A = ';' */; B", &["/*!40101 SET A = ';' */", "B"]; "version comment is code")]
#[test_case("/*M!100100 A */;", &["/*M!100100 A */"]; "version comment of MariaDB")]
#[test_case("SELECT /*+ NO; */ 1; B", &["SELECT /*+ NO; */ 1", "B"]; "hint")]
#[test_case("A\\G\nB\\g C;", &["A", "B", "C"]; "backslash terminators")]
#[test_case("DELIMITER $$\nA; B$$\ndelimiter ;\nC;", &["A; B", "C"]; "delimiter command")]
#[test_case("delimiter //\nA 1/2//B//", &["A 1/2", "B"]; "slashes as delimiter")]
#[test_case("delimiter go\nA 1go B go", &["A 1", "B"]; "delimiter inside a word")]
#[test_case("delimiter ';;' \nA;B;;", &["A;B"]; "quoted delimiter")]
#[test_case("A\nDELIMITER ;\nB;", &["A", "B"]; "delimiter command ends what is open")]
#[test_case("CREATE TABLE T (\ndelimiter VARCHAR(3), B INT);C", &["CREATE TABLE T (\ndelimiter VARCHAR(3), B INT)", "C"]; "a column called delimiter")]
#[test_case("\\d |\nA;|", &["A;"]; "backslash d")]
#[test_case("USE db\nA;", &["USE db", "A"]; "use ends with its line")]
#[test_case("SET sql_mode='NO_BACKSLASH_ESCAPES'; A '\\'; SET sql_mode=''; B '\\';'; C",
    &["SET sql_mode='NO_BACKSLASH_ESCAPES'", "A '\\'", "SET sql_mode=''", "B '\\';'", "C"]; "no backslash escapes")]
fn mysql_rule(input: &str, expected: &[&str]) {
    assert_eq!(texts(Dialect::MySql, input), expected);
}

#[test_case("BEGIN A; B; END"; "block")]
#[test_case("BEGIN IF a THEN A; ELSEIF b THEN B; END IF; C; END"; "if")]
#[test_case("l1: BEGIN l2: LOOP A; LEAVE l2; END LOOP l2; END l1"; "labels")]
#[test_case("BEGIN WHILE a DO A; END WHILE; REPEAT B; UNTIL b END REPEAT; END"; "loops")]
#[test_case("BEGIN CASE a WHEN 1 THEN A; ELSE BEGIN B; END; END CASE; C; END"; "case statement")]
#[test_case("BEGIN SET x = CASE a WHEN 1 THEN 2 END; A; END"; "case expression")]
#[test_case("BEGIN SELECT IF(a, b, c), t.end, t.begin FROM t; A; END"; "if function and awkward columns")]
#[test_case("BEGIN SET x = CASE WHEN a THEN IF(b, 1, 2) ELSE IF(c, 1, 2) END; A; END"; "if function in a case")]
#[test_case("BEGIN DROP TABLE IF EXISTS t; A; END"; "if exists")]
#[test_case("BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; END; A; END"; "handler")]
#[test_case("IF a THEN A; B; END IF"; "body without a block")]
#[test_case("CASE a WHEN 1 THEN A; WHEN 2 THEN IF (b) = 1 THEN B; END IF; END CASE"; "case body without a block")]
#[test_case("BEGIN A ';END;'; /* END; */ B; -- END;\n END"; "quotes and comments inside")]
#[test_case("BEGIN END"; "empty block")]
fn stored_program_without_delimiter_when_split_then_stays_whole(body: &str) {
    let heads = [
        "CREATE PROCEDURE p (a INT) ",
        "CREATE DEFINER=`root`@`localhost` PROCEDURE IF NOT EXISTS p() ",
        "CREATE OR REPLACE FUNCTION f() RETURNS INT DETERMINISTIC ",
        "CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW ",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO ",
    ];
    for head in heads {
        let program = format!("{head}{body}");
        assert_eq!(
            texts(Dialect::MySql, &format!("{program};\nDROP TABLE z;")),
            [&program, "DROP TABLE z"]
        );
    }
}

#[test]
fn simple_stored_programs_when_split_then_end_at_the_first_semicolon() {
    let input = "CREATE TRIGGER t AFTER DELETE ON x FOR EACH ROW DELETE FROM y; A; \
                 CREATE FUNCTION s RETURNS STRING SONAME 'x.so'; BEGIN; B; COMMIT; \
                 CREATE TABLE function_log (begin INT, end INT); C;";
    assert_eq!(texts(Dialect::MySql, input).len(), 8);
}

#[test_case("A 1; B", &["A 1", "B"]; "semicolon")]
#[test_case("A 'x'';' \"y;\"\"\"; B", &["A 'x'';' \"y;\"\"\"", "B"]; "quotes")]
#[test_case(r"A '\'; B", &[r"A '\'", "B"]; "backslash is plain")]
#[test_case(r"A E'\';' e'x\\'; B", &[r"A E'\';' e'x\\'", "B"]; "escape string")]
#[test_case(r"A U&'\0061;' UESCAPE '!'; B", &[r"A U&'\0061;' UESCAPE '!'", "B"]; "unicode string")]
#[test_case("SET standard_conforming_strings = off; A '\\';'; RESET standard_conforming_strings; B '\\'; C",
    &["SET standard_conforming_strings = off", "A '\\';'", "RESET standard_conforming_strings", "B '\\'", "C"]; "conforming strings off")]
#[test_case("/* /* ; */ ; */ A /* /* */ ; */ A; B", &["A /* /* */ ; */ A", "B"]; "comments nest")]
#[test_case("A --x;\n;B", &["A", "B"]; "dashes need no blank")]
#[test_case("DO $$ A; $x$ B; $$; C", &["DO $$ A; $x$ B; $$", "C"]; "dollar quote")]
#[test_case("A $f$ ; $$ ; $f$; B", &["A $f$ ; $$ ; $f$", "B"]; "tagged dollar quote")]
#[test_case("A a$b$c, $1; B $2", &["A a$b$c, $1", "B $2"]; "dollars in names and parameters")]
#[test_case("CREATE RULE r AS ON INSERT TO t DO (A; B); C", &["CREATE RULE r AS ON INSERT TO t DO (A; B)", "C"]; "parentheses")]
#[test_case("CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT 2; END; B",
    &["CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT 2; END", "B"]; "begin atomic")]
#[test_case("BEGIN; A; END;", &["BEGIN", "A", "END"]; "begin opens a transaction")]
#[test_case("\\restrict x'y\nA;\n\\echo it's\nB;\n\\unrestrict x", &["A", "B"]; "harmless meta commands")]
#[test_case("\\set ON_ERROR_STOP on\nA;", &["A"]; "stop on error")]
#[test_case("A x::text, b[1:2]; B", &["A x::text, b[1:2]", "B"]; "casts and slices")]
fn postgres_rule(input: &str, expected: &[&str]) {
    assert_eq!(texts(Dialect::Postgres, input), expected);
}

#[test_case("A 1; B\n/\n", &["A 1", "B"]; "semicolon and slash")]
#[test_case("A 1;\n/\nB;", &["A 1", "B"]; "slash after a finished statement runs nothing")]
#[test_case("CREATE OR REPLACE TRIGGER t BEGIN A; END;\r\n/\t \r\nB;", &["CREATE OR REPLACE TRIGGER t BEGIN A; END;", "B"]; "block up to the slash")]
#[test_case("BEGIN A; end loop; end loop;\n/\nB;", &["BEGIN A; end loop; end loop;", "B"]; "unbalanced block")]
#[test_case("declare x int; begin y := 1\n/ 2; end;\n/", &["declare x int; begin y := 1\n/ 2; end;"]; "slash with more on its line divides")]
#[test_case("A q'[it's; ]' nq'!;'!' q'<;>'; B", &["A q'[it's; ]' nq'!;'!' q'<;>'", "B"]; "quote operator")]
#[test_case("SELECT /*+ X; */ 1; B", &["SELECT /*+ X; */ 1", "B"]; "hint")]
#[test_case("REM it's\nPROMPT don't;\nSET DEFINE OFF\nSET ROLE x;\nA;", &["SET ROLE x", "A"]; "client commands")]
#[test_case("CREATE TYPE t AS OBJECT (a INT);\n/\nCREATE TABLE type (a INT);", &["CREATE TYPE t AS OBJECT (a INT);", "CREATE TABLE type (a INT)"]; "type")]
fn oracle_rule(input: &str, expected: &[&str]) {
    assert_eq!(texts(Dialect::Oracle, input), expected);
}

#[test_case("A;\nB\nGO\nC\ngo 1\n", &["A;\nB", "C"]; "go lines")]
#[test_case("A [x]];GO]\nGO\nB -- GO\nGO -- end\nC", &["A [x]];GO]", "B", "C"]; "go in names and comments")]
#[test_case("A; B", &["A", "B"]; "no go at all")]
#[test_case("A /* /* ; */ ; */ A; B", &["A /* /* ; */ ; */ A", "B"]; "comments nest")]
#[test_case("declare @C int;\nselect @c = 1;\nEXECUTE(@C);\nB;", &["declare @C int;\nselect @c = 1;\nEXECUTE(@C)", "B"]; "a variable keeps its batch together")]
#[test_case("DECLARE @a int;\nDECLARE @b int;\nX @a;\nY;\nZ @b;\nB;", &["DECLARE @a int;\nDECLARE @b int;\nX @a;\nY;\nZ @b", "B"]; "overlapping variables")]
#[test_case("ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u (a) ON DELETE CASCADE\n\n\nINSERT INTO u VALUES (1);", &["ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u (a) ON DELETE CASCADE", "INSERT INTO u VALUES (1)"]; "blank line before a verb")]
#[test_case("ALTER TABLE t ADD c INT\nUPDATE t SET c = 1;", &["ALTER TABLE t ADD c INT", "UPDATE t SET c = 1"]; "a new column ends its batch")]
#[test_case("IF NOT EXISTS (SELECT 1 FROM x)\n\nCREATE TABLE t (a INT);\nB", &["IF NOT EXISTS (SELECT 1 FROM x)\n\nCREATE TABLE t (a INT)", "B"]; "if keeps its statement")]
#[test_case("IF a = 1 X; ELSE Y; B", &["IF a = 1 X; ELSE Y", "B"]; "if else")]
#[test_case("IF a = 1 BEGIN X; Y CASE b WHEN 1 THEN 2 END; END; B", &["IF a = 1 BEGIN X; Y CASE b WHEN 1 THEN 2 END; END", "B"]; "block")]
#[test_case("BEGIN TRAN; X; COMMIT;", &["BEGIN TRAN", "X", "COMMIT"]; "transaction is no block")]
#[test_case("INSERT INTO t (a)\n\nSELECT 1; B", &["INSERT INTO t (a)\n\nSELECT 1", "B"]; "insert from a query")]
#[test_case("CREATE PROCEDURE p AS SELECT 1; SELECT 2;", &["CREATE PROCEDURE p AS SELECT 1; SELECT 2;"]; "module takes the rest")]
fn mssql_rule(input: &str, expected: &[&str]) {
    assert_eq!(texts(Dialect::Mssql, input), expected);
}

#[test_case("A 1/\nB (2)/ \n", &["A 1", "B (2)"]; "slash at line end")]
#[test_case("A 1/2;\nB;", &["A 1/2", "B"]; "semicolon")]
#[test_case("CREATE TRIGGER t BEGIN ATOMIC A; END@\nB@", &["CREATE TRIGGER t BEGIN ATOMIC A; END", "B"]; "at sign")]
#[test_case("CREATE TRIGGER t BEGIN ATOMIC A; B; END;\nC;", &["CREATE TRIGGER t BEGIN ATOMIC A; B; END", "C"]; "atomic body with semicolons")]
#[test_case("--#SET TERMINATOR @\nA; B@\n--#SET TERMINATOR ;\nC; D;", &["A; B", "C", "D"]; "terminator directive")]
#[test_case("-- x/\nA;\n/* /* */ / */ B;", &["A", "B"]; "slashes in comments")]
fn db2_rule(input: &str, expected: &[&str]) {
    assert_eq!(texts(Dialect::Db2, input), expected);
}

#[test_case("A ';'; // x;\nB $$ ; ' $$; -- y;\nC", &["A ';'", "B $$ ; ' $$", "C"]; "quotes and comments")]
#[test_case("A /* ; */ A; B", &["A /* ; */ A", "B"]; "block comment")]
fn h2_rule(input: &str, expected: &[&str]) {
    assert_eq!(texts(Dialect::H2, input), expected);
}

#[test_case("A\n  B;\n-- x;\n// y;\nREM z;\nC;D;", &["A B", "C;D"]; "lines are joined and end at line end")]
#[test_case("A\n-- x\n/\nB/\n", &["A", "B"]; "slash when the script ends so")]
#[test_case("A -- x;\nB;\n", &["A -- x;\n B"]; "a comment keeps its line end")]
#[test_case("A ';\n';\n", &["A '", "'"]; "quotes are not seen")]
#[test_case("A;\n\n;\nB", &["A", "B"]; "empty statements")]
fn wso2_rule(input: &str, expected: &[&str]) {
    assert_eq!(texts(Dialect::Wso2Compat, input), expected);
}

#[test_case(Dialect::MySql, "A;\n  'x", 2, 3, "quoted literal"; "literal")]
#[test_case(Dialect::MySql, "/* x", 1, 1, "comment"; "comment")]
#[test_case(Dialect::MySql, "/*!50000 A", 1, 1, "version comment"; "version comment")]
#[test_case(Dialect::MySql, "/*!50000 A; B */", 1, 1, "delimiter inside"; "delimiter in a version comment")]
#[test_case(Dialect::MySql, "A;\nsource x.sql", 2, 1, "`source`"; "source")]
#[test_case(Dialect::MySql, "\\. x.sql", 1, 1, "`\\.`"; "source by backslash")]
#[test_case(Dialect::MySql, "DELIMITER  \nA", 1, 1, "DELIMITER"; "no delimiter")]
#[test_case(Dialect::MySql, "CREATE PROCEDURE p() BEGIN A;", 1, 1, "BEGIN"; "open body")]
#[test_case(Dialect::Postgres, "A;\n\\i x.sql", 2, 1, "`\\i`"; "include")]
#[test_case(Dialect::Postgres, "\\connect x", 1, 1, "`\\connect`"; "connect")]
#[test_case(Dialect::Postgres, "COPY t (a) FROM stdin;\n1\n\\.\n", 1, 1, "COPY"; "copy from stdin")]
#[test_case(Dialect::Postgres, "\u{e9} $x$ ;", 1, 3, "dollar quote"; "dollar quote")]
#[test_case(Dialect::Postgres, "A (;", 1, 3, "parenthesis"; "parenthesis")]
#[test_case(Dialect::Postgres, "CREATE FUNCTION f() BEGIN ATOMIC A;", 1, 1, "BEGIN ATOMIC"; "open routine")]
#[test_case(Dialect::Oracle, "A;\nBEGIN x; END;", 2, 1, "PL/SQL block"; "block without slash")]
#[test_case(Dialect::Oracle, "@other.sql", 1, 1, "`@other.sql`"; "script")]
#[test_case(Dialect::Mssql, "A\nGO 5", 2, 1, "GO 5"; "repeated batch")]
#[test_case(Dialect::Mssql, ":r x.sql", 1, 1, "`:r`"; "sqlcmd")]
#[test_case(Dialect::Mssql, "[x", 1, 1, "quoted name"; "bracket")]
#[test_case(Dialect::Db2, "CREATE TRIGGER t BEGIN ATOMIC A;", 1, 1, "BEGIN ATOMIC"; "open trigger")]
fn script_that_cannot_be_split_when_split_then_says_where_and_why(
    dialect: Dialect,
    input: &str,
    line: usize,
    column: usize,
    what: &str,
) {
    let error = split(input, dialect).expect_err(input);
    assert_eq!((error.line, error.column), (line, column), "{error}");
    assert!(error.what.contains(what), "{error}");
    assert!(!error.why.is_empty() && !error.next.is_empty());
}

#[test]
fn pieces_when_split_then_name_what_they_are() {
    let script = split("-- c\nDELIMITER $$\nA /* in */ B /* out */ $$", Dialect::MySql).unwrap();
    let kinds: Vec<_> = script
        .pieces
        .iter()
        .map(|piece| (piece.kind, piece.text.as_str()))
        .collect();
    let expected = [
        (PieceKind::Comment, "-- c"),
        (PieceKind::Blank, "\n"),
        (PieceKind::ClientCommand, "DELIMITER $$"),
        (PieceKind::Blank, "\n"),
        (PieceKind::Statement(0), "A /* in */ B"),
        (PieceKind::Blank, " "),
        (PieceKind::Comment, "/* out */"),
        (PieceKind::Blank, " "),
        (PieceKind::Terminator, "$$"),
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn statement_when_split_then_knows_its_place_and_hash() {
    let script = split("-- \u{e4}\n  A;\n\u{e4}; C;", Dialect::Postgres).unwrap();
    let places: Vec<_> = script
        .statements
        .iter()
        .map(|s| (s.index, s.line, s.column))
        .collect();
    assert_eq!(places, [(0, 2, 3), (1, 3, 1), (2, 3, 4)]);
    assert_eq!(script.statements[0].span, 8..9);
    // printf A | sha256sum
    assert_eq!(
        script.statements[0].sha256,
        "559aead08264d5795d3909718cdd05abd49572e84fe55590eef31a88a08fdffd"
    );
    // printf 'A' and the rest of the file differ only in what is hashed: the whole file here.
    assert_eq!(script.sha256.len(), 64);
    assert_ne!(script.sha256, script.statements[0].sha256);
}

#[test_case(Dialect::MySql, "SET @a = 1", StatementKind::Session)]
#[test_case(Dialect::MySql, "/*!40101 SET NAMES utf8 */", StatementKind::Session)]
#[test_case(Dialect::MySql, "SELECT a INTO @b FROM t", StatementKind::Session)]
#[test_case(Dialect::MySql, "SELECT @a := 1", StatementKind::Session)]
#[test_case(Dialect::MySql, "PREPARE s FROM @a", StatementKind::Session)]
#[test_case(Dialect::MySql, "USE x", StatementKind::Session)]
#[test_case(Dialect::MySql, "EXECUTE s", StatementKind::Ddl)]
#[test_case(Dialect::MySql, "CALL p()", StatementKind::Ddl)]
#[test_case(Dialect::MySql, "TRUNCATE t", StatementKind::Ddl)]
#[test_case(Dialect::MySql, "RENAME TABLE a TO b", StatementKind::Ddl)]
#[test_case(Dialect::MySql, "LOCK TABLES a WRITE", StatementKind::Ddl)]
#[test_case(Dialect::MySql, "REPLACE INTO t VALUES (1)", StatementKind::Dml)]
#[test_case(Dialect::MySql, "WITH a AS (SELECT 1) DELETE FROM t", StatementKind::Dml)]
#[test_case(Dialect::MySql, "WITH a AS (SELECT 1) SELECT 2", StatementKind::Query)]
#[test_case(Dialect::MySql, "(SELECT 1) UNION (SELECT 2)", StatementKind::Query)]
#[test_case(Dialect::MySql, "SET GLOBAL a = 1", StatementKind::Other)]
#[test_case(
    Dialect::MySql,
    "SET SESSION TRANSACTION READ ONLY",
    StatementKind::Transaction
)]
#[test_case(Dialect::MySql, "START TRANSACTION", StatementKind::Transaction)]
#[test_case(Dialect::MySql, "BEGIN", StatementKind::Transaction)]
#[test_case(
    Dialect::Postgres,
    "SELECT pg_catalog.set_config('search_path', '', false)",
    StatementKind::Session
)]
#[test_case(Dialect::Postgres, "SELECT setval('s', 1)", StatementKind::Dml)]
#[test_case(Dialect::Postgres, "SELECT 1 INTO t", StatementKind::Ddl)]
#[test_case(Dialect::Postgres, "EXECUTE s", StatementKind::Dml)]
#[test_case(Dialect::Postgres, "PREPARE TRANSACTION 'x'", StatementKind::Other)]
#[test_case(Dialect::Postgres, "SET LOCAL a = 1", StatementKind::Session)]
#[test_case(Dialect::Postgres, "COMMENT ON TABLE t IS 'x'", StatementKind::Ddl)]
#[test_case(Dialect::Postgres, "END", StatementKind::Transaction)]
#[test_case(Dialect::Postgres, "DO $$ $$", StatementKind::Other)]
#[test_case(Dialect::Oracle, "begin execute immediate 'x'; end;\n/", StatementKind::Ddl)]
#[test_case(Dialect::Oracle, "begin delete from t; end;\n/", StatementKind::Dml)]
#[test_case(
    Dialect::Mssql,
    "declare @c int; select @c = 1; execute(@c);",
    StatementKind::Ddl
)]
#[test_case(
    Dialect::Mssql,
    "IF NOT EXISTS (SELECT 1) CREATE TABLE t (a INT)",
    StatementKind::Ddl
)]
#[test_case(Dialect::Mssql, "IF EXISTS (SELECT 1) DELETE FROM t", StatementKind::Dml)]
#[test_case(Dialect::Mssql, "SELECT 1", StatementKind::Query)]
#[test_case(Dialect::Mssql, "SET NOCOUNT ON", StatementKind::Session)]
#[test_case(Dialect::Wso2Compat, "CREATE TABLE t (a INT);", StatementKind::Ddl)]
fn kind_of_a_statement(dialect: Dialect, input: &str, expected: StatementKind) {
    let script = split(input, dialect).unwrap();
    assert_eq!(script.statements.len(), 1, "{:?}", script.statements);
    assert_eq!(script.statements[0].kind, expected);
}

#[test_case("SET @A = @b, @c := CONCAT(@d, 1), sql_mode = ''", &["@b", "@d"], &["@@sql_mode", "@a", "@c"]; "set")]
#[test_case("SELECT x INTO @a, @B FROM t WHERE y = @c", &["@c"], &["@a", "@b"]; "select into")]
#[test_case("SELECT @n := @n + 1", &["@n"], &["@n"]; "select assigns")]
#[test_case("PREPARE S1 FROM @a", &["@a"], &["s1"]; "prepare")]
#[test_case("EXECUTE S1 USING @a, @b", &["@a", "@b", "s1"], &[]; "execute")]
#[test_case("DEALLOCATE PREPARE S1", &["s1"], &[]; "deallocate")]
#[test_case("DROP PREPARE s1", &["s1"], &[]; "drop prepare")]
#[test_case("EXECUTE IMMEDIATE @a", &["@a"], &[]; "execute immediate")]
#[test_case("CALL p(1, @out)", &["@out"], &["@out"]; "call")]
#[test_case("GRANT ALL ON x.* TO 'u'@'h', root@localhost", &[], &[]; "accounts")]
#[test_case("SELECT @@sql_mode, '@a', `@b`", &[], &[]; "settings and quotes")]
#[test_case("SET SESSION foreign_key_checks = 0, @@autocommit = 0, @@session.time_zone = @z", &["@z"],
    &["@@autocommit", "@@foreign_key_checks", "@@time_zone"]; "settings")]
#[test_case("SET NAMES utf8", &[], &["@@names"]; "names")]
#[test_case("SET GLOBAL x = 1", &[], &[]; "global")]
#[test_case("/*!40101 SET @OLD=@@SQL_MODE, SQL_MODE='X' */", &[], &["@@sql_mode", "@old"]; "version comment")]
#[test_case("SET @`odd name` = 1", &[], &["@odd name"]; "quoted variable")]
fn mysql_session_use(input: &str, reads: &[&str], writes: &[&str]) {
    let script = split(input, Dialect::MySql).unwrap();
    assert_eq!(script.statements[0].reads_session(), reads);
    assert_eq!(script.statements[0].writes_session(), writes);
}

#[test]
fn session_prerequisites_when_resuming_then_only_what_is_read_later() {
    let script = split(
        "SET sql_mode = '';\nSELECT DATABASE() INTO @db;\nSELECT a INTO @v FROM t WHERE s = @db;\n\
         SET @s = CONCAT('ALTER ', @v);\nPREPARE p FROM @s;\nEXECUTE p;\nSET @unused = 1;\nSELECT @db;",
        Dialect::MySql,
    )
    .unwrap();
    assert_eq!(script.session_prerequisites(0), Vec::<usize>::new());
    assert_eq!(script.session_prerequisites(3), [0, 1, 2]);
    assert_eq!(script.session_prerequisites(5), [0, 1, 2, 3, 4]);
    assert_eq!(script.session_prerequisites(6), [0, 1]);
    assert_eq!(script.session_prerequisites(99), [0]);
}

#[test_case("CREATE INDEX CONCURRENTLY i ON t (a)", true)]
#[test_case("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)", true)]
#[test_case("CREATE INDEX i ON t (a)", false)]
#[test_case("VACUUM t", true)]
#[test_case("ALTER DATABASE d SET TABLESPACE x", true)]
#[test_case("ALTER DATABASE d SET work_mem = 1", false)]
#[test_case("CREATE DATABASE d", true)]
#[test_case("CREATE TABLE d (a INT)", false)]
fn refuses_transaction(input: &str, expected: bool) {
    assert_eq!(
        split(input, Dialect::Postgres).unwrap().statements[0].refuses_transaction(),
        expected
    );
}

#[test]
fn dialect_names_when_parsed_then_round_trip() {
    for dialect in Dialect::ALL {
        assert_eq!(dialect.to_string().parse(), Ok(dialect));
    }
    assert_eq!("PostgreSQL".parse(), Ok(Dialect::Postgres));
    assert!("sybase".parse::<Dialect>().is_err());
}

/// A dump writes all rows of a table in one line; work that grows with its square would take many minutes here.
#[test_case(Dialect::MySql)]
#[test_case(Dialect::Postgres)]
#[test_case(Dialect::Oracle)]
#[test_case(Dialect::Mssql)]
#[test_case(Dialect::Db2)]
#[test_case(Dialect::H2)]
#[test_case(Dialect::Wso2Compat)]
fn long_lines_when_split_and_linted_then_take_time_in_proportion(dialect: Dialect) {
    let rows = "(1, 'a', SELECT, b), ".repeat(40_000);
    let input = format!(
        "INSERT INTO t VALUES {rows}(2);\n{}",
        "UPDATE t SET a = 1; ".repeat(20_000)
    );
    let started = std::time::Instant::now();
    let script = split(&input, dialect).unwrap();
    assert!(script.statements.len() >= 2);
    assert!(!crate::lint(&script).is_empty());
    assert!(
        started.elapsed() < std::time::Duration::from_secs(120),
        "{:?}",
        started.elapsed()
    );
}
