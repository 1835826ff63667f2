//! MariaDB: awkward data and objects.

use cutover_copy::{CopyOptions, CopyWay, enable_events, fingerprint};

use crate::support::{
    assert_difference, assert_equal, maria, maria_pair, maria_target, run_compare, run_copy, runtime, unique,
};

/// Every kind of value and object that a copy can get wrong.
const AWKWARD: &str = r#"
CREATE TABLE bytes (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, b LONGBLOB, t TEXT, v VARBINARY(300));
INSERT INTO bytes (b, t, v) SELECT CHAR(seq), IF(seq < 128, CHAR(seq USING latin1), 'é'), CONCAT('a', CHAR(seq), 'b', CHAR(seq)) FROM seq_0_to_255;
INSERT INTO bytes (b, t, v) VALUES ('', '', ''), (NULL, NULL, NULL), ('\\N', '\\N', 'N'), ('NULL', 'NULL', 'a\tb\nc\rd\\e''f"g\Z'), (REPEAT('\0\\', 5000), REPEAT('€', 3000), '\\');
CREATE TABLE charsets (a VARCHAR(50) CHARACTER SET latin1, b VARCHAR(50) CHARACTER SET utf8mb3, c VARCHAR(50) CHARACTER SET utf8mb4, d CHAR(10) CHARACTER SET ucs2, e VARCHAR(50) CHARACTER SET utf16, f CHAR(5) CHARACTER SET latin1 COLLATE latin1_swedish_ci);
INSERT INTO charsets VALUES ('äöü', 'äöü€', '😀€ä', 'aä€', '😀', 'x '), ('', '', '', '', '', ''), (NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE types (i TINYINT, u BIGINT UNSIGNED, d DECIMAL(65,30), f FLOAT, g DOUBLE, h FLOAT(7,3), bits BIT(13), e ENUM('a','b,c','d''e'), s SET('x','y','z'), y YEAR, da DATE, dt DATETIME(6), ti TIME(3), ts TIMESTAMP NULL, j JSON, p POINT, bin BINARY(4), uu UUID, ip INET6, bo BOOLEAN);
INSERT INTO types VALUES (-128, 18446744073709551615, -12345.000000000000000000000000000001, 16777217.3, 0.1e-300, 3.14159, b'1000000000001', 'b,c', 'x,z', 2069, '2020-01-02', '2020-01-02 03:04:05.678901', '-838:59:59.999', '2038-01-19 03:14:07', '{"a": [1, "ä"]}', POINT(1.5, -2.25), 'ab', '123e4567-e89b-12d3-a456-426655440000', '2001:db8::ff00:42:8329', TRUE);
INSERT INTO types (f, g, bits) VALUES (1.1, 1.1, 0), (3.4e38, 1.7976931348623157e308, 10), (1e-38, -0.0, 9), (0.3333333, 0.333333333333333333, 92);
INSERT INTO types (i) VALUES (NULL);
CREATE TABLE dates (d DATE NOT NULL DEFAULT '0000-00-00', t TIMESTAMP NOT NULL DEFAULT '0000-00-00 00:00:00', x DATETIME);
INSERT INTO dates VALUES ('0000-00-00', '0000-00-00 00:00:00', '2014-00-00 00:00:00'), ('2014-05-00', '2014-01-01 00:00:00', NULL);
SET sql_mode='ALLOW_INVALID_DATES'; INSERT INTO dates VALUES ('2013-02-31', '2014-01-01 00:00:00', '2013-02-31 00:00:00'); SET sql_mode='';
SET sql_mode='NO_AUTO_VALUE_ON_ZERO'; CREATE TABLE zero_id (id INT AUTO_INCREMENT PRIMARY KEY, x INT); INSERT INTO zero_id VALUES (0, 1), (5, 2); ALTER TABLE zero_id AUTO_INCREMENT=4711; SET sql_mode='';
CREATE TABLE generated (a INT, b INT AS (a * 2) VIRTUAL, c INT AS (a + 1) STORED, d INT, hidden INT INVISIBLE DEFAULT 3, KEY (c));
INSERT INTO generated (a, d) VALUES (1, 10), (2, 20);
CREATE TABLE keyless (a INT, b VARCHAR(9)); INSERT INTO keyless VALUES (1, 'x'), (1, 'x'), (1, 'x'), (2, 'y'), (2, 'y');
CREATE TABLE unique_only (a INT NOT NULL, b INT, UNIQUE KEY u (a), KEY second (b)); INSERT INTO unique_only VALUES (2, 1), (1, 2);
CREATE TABLE second_counter (a INT, n INT AUTO_INCREMENT, PRIMARY KEY (a, n), KEY (n)); INSERT INTO second_counter VALUES (1, 7), (2, 8);
CREATE TABLE `odd ``name, with (brackets) 'n "q"` (`a ``b` INT, `order` INT COMMENT 'it''s, (a) comment', PRIMARY KEY (`a ``b`), KEY `k,1` (`order`)) COMMENT='x) y, ''z''';
INSERT INTO `odd ``name, with (brackets) 'n "q"` VALUES (1, 2);
CREATE TABLE tree (id INT PRIMARY KEY, parent INT, CONSTRAINT fk_tree FOREIGN KEY (parent) REFERENCES tree (id) ON DELETE CASCADE);
INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2);
CREATE TABLE hen (id INT PRIMARY KEY, egg INT); CREATE TABLE egg (id INT PRIMARY KEY, hen INT, CONSTRAINT fk_hen FOREIGN KEY (hen) REFERENCES hen (id));
INSERT INTO hen VALUES (1, NULL); INSERT INTO egg VALUES (1, 1); UPDATE hen SET egg=1; ALTER TABLE hen ADD CONSTRAINT fk_egg FOREIGN KEY (egg) REFERENCES egg (id) ON UPDATE CASCADE;
CREATE TABLE parts (id INT NOT NULL, x INT, KEY (x)) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE);
INSERT INTO parts VALUES (1, 1), (20, 2);
CREATE TABLE isam (id INT, t TEXT, FULLTEXT KEY ft (t)) ENGINE=MyISAM; INSERT INTO isam VALUES (1, 'words of text');
CREATE TABLE checked (a INT, CONSTRAINT positive CHECK (a > 0)); SET check_constraint_checks=0; INSERT INTO checked VALUES (1), (-1); SET check_constraint_checks=1;
CREATE TABLE empty_table (id INT AUTO_INCREMENT PRIMARY KEY, x INT);
CREATE SEQUENCE seq START WITH 5 INCREMENT BY 3 CACHE 10; SELECT NEXTVAL(seq); SELECT NEXTVAL(seq);
CREATE VIEW z_base AS SELECT id, x FROM parts WHERE x > 0;
CREATE VIEW a_on_z AS SELECT z.id, CONCAT('`', z.x, '`') AS q FROM z_base z;
CREATE TABLE audit (n INT);
DELIMITER //
CREATE TRIGGER t_first BEFORE INSERT ON parts FOR EACH ROW SET NEW.x = NEW.x + 1//
CREATE TRIGGER t_second BEFORE INSERT ON parts FOR EACH ROW FOLLOWS t_first BEGIN INSERT INTO audit VALUES (NEW.x); END//
SET sql_mode='ANSI_QUOTES'//
CREATE PROCEDURE "ansi proc" (IN a INT) BEGIN SELECT a AS "x;y"; END//
SET sql_mode=''//
CREATE FUNCTION twice (a INT) RETURNS INT DETERMINISTIC RETURN a * 2//
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DO INSERT INTO audit VALUES (-1)//
CREATE EVENT off_already ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM audit//
DELIMITER ;
CREATE VIEW uses_function AS SELECT twice(id) AS t FROM a_on_z;
"#;

#[test]
fn awkward_data_and_objects_arrive_unchanged() {
    let (from, to) = maria_pair("awkward");
    let (production, staging) = maria();
    production.sql(&from.database, AWKWARD).unwrap();
    let report = run_copy(&from, &to, &CopyOptions::default()).unwrap();
    assert_eq!(report.way, CopyWay::Stream);
    let compared = assert_equal(&from, &to);
    assert_eq!(compared.tables.len() as u64, report.tables);
    assert_eq!(
        report.rows,
        compared.tables.iter().map(|table| table.rows_b).sum::<u64>()
    );
    let counts: Vec<(&str, u64)> = report
        .objects
        .iter()
        .map(|(kind, n)| (kind.as_str(), *n))
        .collect();
    let expected = [
        ("event", 2),
        ("function", 1),
        ("procedure", 1),
        ("sequence", 1),
        ("table", 18),
        ("trigger", 2),
        ("view", 3),
    ];
    assert_eq!(counts, expected);
    // The client sees the same text on both sides: not only our own comparison says so.
    for query in [
        "SELECT id, HEX(b), HEX(t), HEX(v) FROM bytes ORDER BY id",
        "SELECT HEX(a), HEX(b), HEX(c), HEX(d), HEX(e), HEX(f) FROM charsets ORDER BY 1, 2",
        "SELECT i, u, d, f+0e0, g, h+0e0, bits+0, e, s, y, da, dt, ti, ts, j, ST_AsText(p), HEX(bin), uu, ip, bo FROM types ORDER BY 1, 2, 3, 4",
        "SELECT * FROM dates ORDER BY 1, 2",
        "SELECT a, b, c, d, hidden FROM generated ORDER BY 1",
        "SELECT * FROM uses_function ORDER BY 1",
    ] {
        let (ours, theirs) = (
            staging.sql(&to.database, query),
            production.sql(&from.database, query),
        );
        assert_eq!(ours.unwrap(), theirs.unwrap(), "{query}");
    }
    // Values that production's cache had taken out are skipped, as after a restart; none comes twice.
    let next = [(production, &from), (staging, &to)].map(|(server, target)| {
        let value = server.sql(&target.database, "SELECT NEXTVAL(seq)").unwrap();
        value.trim().parse::<u64>().unwrap()
    });
    assert!(next[1] >= next[0] && (next[1] - next[0]) % 3 == 0, "{next:?}");
    let checked = staging.sql(
        &to.database,
        "INSERT INTO parts VALUES (2, 5); SELECT x FROM parts WHERE id=2; SELECT n FROM audit",
    );
    assert_eq!(checked.unwrap(), "6\n6\n", "triggers fire in their order");
    assert!(
        staging
            .sql(&to.database, "INSERT INTO egg VALUES (2, 99)")
            .is_err(),
        "foreign keys are there"
    );
    let next = staging.sql(
        &to.database,
        "INSERT INTO zero_id (x) VALUES (1); SELECT MAX(id) FROM zero_id",
    );
    assert_eq!(next.unwrap(), "4711\n");
}

#[test]
fn events_sleep_until_they_are_enabled() {
    let (from, to) = maria_pair("events");
    let (production, staging) = maria();
    let events = "CREATE TABLE t (n INT); CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO INSERT INTO t VALUES (1); \
                  CREATE EVENT off ON SCHEDULE EVERY 1 DAY DISABLE DO INSERT INTO t VALUES (2)";
    production.sql(&from.database, events).unwrap();
    let report = run_copy(&from, &to, &CopyOptions::default()).unwrap();
    assert_eq!(report.disabled_events, ["e"]);
    let state = "SELECT EVENT_NAME, STATUS, DEFINER FROM information_schema.EVENTS WHERE EVENT_SCHEMA=DATABASE() ORDER BY 1";
    let before = production.sql(&from.database, state).unwrap();
    assert_eq!(
        staging.sql(&to.database, state).unwrap(),
        before.replace("ENABLED", "DISABLED")
    );
    runtime()
        .block_on(enable_events(&to, &report.disabled_events))
        .unwrap();
    assert_eq!(staging.sql(&to.database, state).unwrap(), before);
}

#[test]
fn value_when_larger_than_the_targets_packets_then_copied() {
    let (from, to) = maria_pair("large");
    let (production, staging) = maria();
    let sql = "CREATE TABLE REG_CONTENT (id INT PRIMARY KEY, data LONGBLOB); \
               INSERT INTO REG_CONTENT VALUES (1, REPEAT('\\0\\t\\\\x', 5000000)), (2, 'small')";
    production.sql(&from.database, sql).unwrap();
    assert_eq!(
        staging.sql("", "SELECT @@max_allowed_packet").unwrap(),
        "16777216\n"
    );
    run_copy(&from, &to, &CopyOptions::default()).unwrap();
    assert_equal(&from, &to);
    let length = staging.sql(&to.database, "SELECT LENGTH(data) FROM REG_CONTENT WHERE id=1");
    assert_eq!(length.unwrap(), "20000000\n");
}

#[test]
fn change_when_smallest_then_found_and_named() {
    let (from, to) = maria_pair("mutate");
    let (production, staging) = maria();
    let sql = "CREATE TABLE REG_CONTENT (id INT PRIMARY KEY AUTO_INCREMENT, data LONGBLOB, n INT) ENGINE=InnoDB; \
               INSERT INTO REG_CONTENT (data, n) SELECT REPEAT(CHAR(65 + seq MOD 26), 200), seq FROM seq_1_to_3000; \
               CREATE TABLE UM_ROLE (id INT PRIMARY KEY, name VARCHAR(9)); INSERT INTO UM_ROLE VALUES (1, 'a'), (2, 'b'); \
               CREATE TABLE keyless (a INT, b INT); INSERT INTO keyless VALUES (1, 1), (1, 1), (2, 2), (2, 2); \
               CREATE SEQUENCE s";
    production.sql(&from.database, sql).unwrap();
    run_copy(&from, &to, &CopyOptions::default()).unwrap();
    assert_equal(&from, &to);
    let cases: [(&str, &str, &[&str]); 7] = [
        (
            "UPDATE REG_CONTENT SET data=CONCAT(LEFT(data, 99), 'z', SUBSTR(data, 101)) WHERE id=1234",
            "UPDATE REG_CONTENT SET data=REPEAT(CHAR(65 + n MOD 26), 200) WHERE id=1234",
            &["REG_CONTENT", "id = 1234"],
        ),
        (
            "UPDATE UM_ROLE SET name=IF(id=1, 'b', 'a')",
            "UPDATE UM_ROLE SET name=IF(id=1, 'a', 'b')",
            &["UM_ROLE", "id = 1"],
        ),
        (
            "UPDATE keyless SET a=2, b=2 WHERE a=1; INSERT INTO keyless SELECT * FROM keyless WHERE FALSE",
            "UPDATE keyless SET a=1, b=1 LIMIT 2",
            &["keyless"],
        ),
        (
            "DELETE FROM keyless WHERE a=1 LIMIT 1",
            "INSERT INTO keyless VALUES (1, 1)",
            &["keyless", "4 rows against 3"],
        ),
        (
            "SELECT SETVAL(s, 50)",
            "ALTER SEQUENCE s RESTART 1",
            &["sequence `s`", "ahead"],
        ),
        (
            "ALTER TABLE UM_ROLE ADD KEY k (name)",
            "ALTER TABLE UM_ROLE DROP KEY k",
            &["UM_ROLE", "KEY `k`"],
        ),
        (
            "CREATE VIEW v AS SELECT 1",
            "DROP VIEW v",
            &["view `v`", "missing"],
        ),
    ];
    for (change, undo, words) in cases {
        staging.sql(&to.database, change).unwrap();
        assert_difference(&from, &to, words);
        staging.sql(&to.database, undo).unwrap();
        assert_equal(&from, &to);
    }
    production
        .sql(&from.database, "ALTER TABLE REG_CONTENT AUTO_INCREMENT=9000")
        .unwrap();
    assert_difference(&from, &to, &["AUTO_INCREMENT of table `REG_CONTENT`", "behind"]);
}

#[test]
fn fingerprint_when_a_row_changes_then_changes_in_its_table_alone() {
    let (from, _) = maria_pair("finger");
    let (production, _) = maria();
    production
        .sql(
            &from.database,
            "CREATE TABLE a (x INT); CREATE TABLE b (x INT); INSERT INTO a VALUES (1), (NULL)",
        )
        .unwrap();
    let options = CopyOptions::default();
    let before = runtime().block_on(fingerprint(&from, &options)).unwrap();
    assert_eq!(before["a"].rows, 2);
    production
        .sql(&from.database, "UPDATE a SET x=0 WHERE x IS NULL")
        .unwrap();
    let after = runtime().block_on(fingerprint(&from, &options)).unwrap();
    assert_ne!(before["a"], after["a"]);
    assert_eq!(before["b"], after["b"]);
}

#[test]
fn database_when_on_the_same_server_then_rows_stay_inside_it() {
    let (production, _) = maria();
    let (from, to) = (unique("here"), unique("there"));
    production.create_database(&from).unwrap();
    production.create_database(&to).unwrap();
    production.sql(&from, AWKWARD).unwrap();
    let (from, to) = (maria_target(production, &from), maria_target(production, &to));
    let report = run_copy(&from, &to, &CopyOptions::default()).unwrap();
    assert_eq!(report.way, CopyWay::SameServer);
    assert_equal(&from, &to);
}

#[test]
fn table_when_large_then_its_indexes_come_back_in_the_same_form() {
    let (from, to) = maria_pair("indexes");
    let (production, _) = maria();
    let sql = "CREATE TABLE parent (id INT PRIMARY KEY); INSERT INTO parent VALUES (1); \
               CREATE TABLE REG_LOG (id INT NOT NULL, parent INT, t TEXT, n INT NOT NULL AUTO_INCREMENT, a INT, \
                 PRIMARY KEY (id), UNIQUE KEY u (a, id), KEY z (n), KEY p (t(20)), FULLTEXT KEY ft (t), \
                 CONSTRAINT fk FOREIGN KEY (parent) REFERENCES parent (id)); \
               INSERT INTO REG_LOG SELECT seq, 1, REPEAT('word ', 100), seq + 7, seq FROM seq_1_to_6000; \
               CREATE TABLE nokey (a INT NOT NULL, b INT, t TEXT, UNIQUE KEY u (a), KEY b (b)); \
               INSERT INTO nokey SELECT seq, seq, REPEAT('x', 400) FROM seq_1_to_6000; \
               ANALYZE TABLE REG_LOG, nokey";
    production.sql(&from.database, sql).unwrap();
    run_copy(&from, &to, &CopyOptions::default()).unwrap();
    assert_equal(&from, &to);
}

#[test]
fn table_when_skipped_then_neither_copied_nor_compared() {
    let (from, to) = maria_pair("skip");
    let (production, staging) = maria();
    production
        .sql(
            &from.database,
            "CREATE TABLE t (x INT); CREATE TABLE cutover_journal (x INT)",
        )
        .unwrap();
    let options = CopyOptions {
        skip_tables: vec!["cutover_journal".to_owned()],
        ..CopyOptions::default()
    };
    run_copy(&from, &to, &options).unwrap();
    assert_eq!(staging.sql(&to.database, "SHOW TABLES").unwrap(), "t\n");
    assert_difference(&from, &to, &["cutover_journal", "missing"]);
    assert_eq!(run_compare(&from, &to).tables.len(), 1);
}
