//! MariaDB: every kind of row and of difference.

use cutover_delta::{DeltaError, SyncOptions};

use crate::support::{Pair, chain, changes, in_pieces, maria};

const TYPES: &str = "
CREATE TABLE VALUES_OF_ALL (ID BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, TINY TINYINT, D DECIMAL(30,10), F FLOAT,
  DBL DOUBLE, B BIT(9), DT DATETIME(6), DAY DATE, TS TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  Y YEAR, L1 VARCHAR(200) CHARACTER SET latin1, U8 VARCHAR(200) CHARACTER SET utf8mb4, U16 VARCHAR(20) CHARACTER SET utf16,
  BIN VARBINARY(300), FIX BINARY(4), E ENUM('a','B',''), S SET('x','y'), LONGB LONGBLOB, LONGT LONGTEXT, J JSON, G GEOMETRY,
  U UUID, IP INET6, TWICE BIGINT GENERATED ALWAYS AS (TINY * 2) STORED, `odd ``name` INT) ENGINE=InnoDB;
INSERT INTO VALUES_OF_ALL (ID, TINY) VALUES (1, 1), (2, 2), (9223372036854775809, 3);
CREATE TABLE `KEY ``TEXT` (NAME VARCHAR(100) CHARACTER SET latin1 NOT NULL, TENANT INT NOT NULL, V VARCHAR(20), PRIMARY KEY (NAME, TENANT)) ENGINE=InnoDB;
INSERT INTO `KEY ``TEXT` VALUES ('admin', -1234, 'x'), ('bob', 0, 'y');
CREATE TABLE KEY_BINARY (NAME VARCHAR(100) COLLATE utf8mb4_nopad_bin NOT NULL PRIMARY KEY, V INT) ENGINE=InnoDB;
INSERT INTO KEY_BINARY VALUES ('a', 1), ('A', 2), ('a ', 3), ('', 4);
CREATE TABLE KEY_BYTES (K VARBINARY(20) NOT NULL, D DATE NOT NULL, V INT, UNIQUE (K, D)) ENGINE=InnoDB;
INSERT INTO KEY_BYTES VALUES (X'00FF27', '0000-00-00', 1), (X'5C', '2014-02-01', 2);
CREATE TABLE KEYLESS (A INT, T VARCHAR(50), B BLOB) ENGINE=InnoDB;
INSERT INTO KEYLESS VALUES (1,'x',NULL),(1,'x',NULL),(1,'x',NULL),(2,NULL,''),(2,'',NULL),(3,'A','q'),(3,'a','q');
CREATE TABLE UNIQUE_NULLS (A INT, B INT, UNIQUE (A)) ENGINE=InnoDB;
INSERT INTO UNIQUE_NULLS VALUES (NULL, 1), (NULL, 1), (1, 1);
CREATE TABLE OLD_ENGINE (ID INT NOT NULL PRIMARY KEY, V VARCHAR(10)) ENGINE=MyISAM;
INSERT INTO OLD_ENGINE VALUES (1,'a'),(2,'b');
CREATE TABLE EMPTY_ONE (ID INT NOT NULL PRIMARY KEY) ENGINE=InnoDB;
CREATE SEQUENCE COUNTER START WITH 5;
";

#[test]
fn rows_of_every_type_when_changed_then_equal_to_the_byte() {
    let pair = Pair::maria("types", TYPES);
    assert_eq!(pair.sync().changes(), 0);
    let bytes: String = (0..=255).map(|byte| format!("{byte:02X}")).collect();
    pair.here(&format!(
        "SET sql_mode='NO_AUTO_VALUE_ON_ZERO'; INSERT INTO VALUES_OF_ALL (TINY, D, F, DBL, B, DT, DAY, TS, Y, L1, U8, U16, BIN, FIX, E, S, LONGB, LONGT, J, G, U, IP, `odd ``name`)
           VALUES (-128, 12345678901234567890.0123456789, 1.1, 0.1, b'101010101', '0000-00-00 00:00:00', '2014-00-31', '0000-00-00 00:00:00',
             1999, X'E4F6FC00', _utf8mb4 X'F09F98800A095C27', 'x\\0y', X'{bytes}', X'41000000', 'B', 'x,y', X'{bytes}', REPEAT('ä', 70000),
             '{{\"a\": 1}}', ST_GeomFromText('POINT(1 2)'), '6ccd780c-baba-1026-9564-5b8c656024db', '::1', 7);
         UPDATE VALUES_OF_ALL SET TINY = 9 WHERE ID = 1;
         UPDATE VALUES_OF_ALL SET U8 = '', BIN = NULL, LONGB = '', TS = '2014-05-06 07:08:09' WHERE ID = 2;
         DELETE FROM VALUES_OF_ALL WHERE ID = 9223372036854775809;
         INSERT INTO VALUES_OF_ALL (ID, TINY) VALUES (0, 4);
         SELECT NEXTVAL(COUNTER);"
    ));
    let report = pair.sync_and_compare();
    assert_eq!(changes(&report, "VALUES_OF_ALL"), (2, 2, 1));
    let hash = "SELECT GROUP_CONCAT(ID, ':', IFNULL(HEX(U8), 'N'), IFNULL(HEX(BIN), 'N'), TS, IFNULL(DT, 'N'), IFNULL(TWICE, 'N'), IFNULL(MD5(LONGT), 'N') ORDER BY ID) FROM VALUES_OF_ALL";
    assert_eq!(pair.here(hash), pair.there(hash));
    assert!(report.counters >= 1, "the sequence moved on");
    let next = |text: String| text.trim().parse::<u64>().unwrap();
    // Production hands out numbers it has cached; staging begins behind them.
    let (ours, theirs) = (
        pair.here("SELECT NEXTVAL(COUNTER)"),
        pair.there("SELECT NEXTVAL(COUNTER)"),
    );
    assert!(next(theirs) >= next(ours));
}

#[test]
fn rows_named_by_text_when_case_and_blanks_change_then_each_is_found() {
    let pair = Pair::maria("text", TYPES);
    pair.here(
        "UPDATE `KEY ``TEXT` SET NAME = 'Admin' WHERE TENANT = -1234;
         INSERT INTO `KEY ``TEXT` VALUES ('B\\'ob\\\\', 0, 'z'), (X'E46C', 7, NULL);
         UPDATE KEY_BINARY SET V = 9 WHERE NAME = 'a';
         DELETE FROM KEY_BINARY WHERE NAME = 'a ';
         INSERT INTO KEY_BINARY VALUES ('A ', 5), (' ', 6);
         UPDATE KEY_BYTES SET V = 5 WHERE V = 1;
         INSERT INTO KEY_BYTES VALUES (X'', '2014-00-00', 3);",
    );
    let report = pair.sync_and_compare();
    assert_eq!(changes(&report, "KEY `TEXT"), (3, 0, 1));
    assert_eq!(changes(&report, "KEY_BINARY"), (2, 1, 1));
    assert_eq!(changes(&report, "KEY_BYTES"), (1, 1, 0));
}

#[test]
fn rows_without_key_when_duplicates_come_and_go_then_each_copy_counts() {
    let pair = Pair::maria("keyless", TYPES);
    pair.here(
        "DELETE FROM KEYLESS WHERE A = 1 LIMIT 2;
         INSERT INTO KEYLESS VALUES (2,NULL,''), (2,NULL,''), (4,'new',X'00'), (4,'new',X'00');
         DELETE FROM KEYLESS WHERE T = BINARY 'a';
         DELETE FROM UNIQUE_NULLS WHERE A IS NULL LIMIT 1;
         UPDATE OLD_ENGINE SET V = 'c' WHERE ID = 2; DELETE FROM OLD_ENGINE WHERE ID = 1;",
    );
    let report = pair.sync_and_compare();
    assert_eq!(changes(&report, "KEYLESS"), (4, 0, 3));
    assert_eq!(changes(&report, "UNIQUE_NULLS"), (0, 0, 1));
    assert_eq!(changes(&report, "OLD_ENGINE"), (0, 1, 1));
}

const MANY: &str = "
CREATE TABLE P (ID INT NOT NULL AUTO_INCREMENT, TENANT INT NOT NULL DEFAULT 0, NAME VARCHAR(40) NOT NULL, PRIMARY KEY (ID, TENANT), UNIQUE (NAME)) ENGINE=InnoDB;
CREATE TABLE C (ID INT NOT NULL AUTO_INCREMENT PRIMARY KEY, P INT, TENANT INT DEFAULT 0, V VARCHAR(40), FOREIGN KEY (P, TENANT) REFERENCES P (ID, TENANT) ON DELETE CASCADE ON UPDATE CASCADE) ENGINE=InnoDB;
CREATE TABLE TEXTS (NAME VARCHAR(60) NOT NULL PRIMARY KEY, V INT) ENGINE=InnoDB;
CREATE TABLE LOG (A INT, T VARCHAR(60), KEY (A)) ENGINE=InnoDB;
INSERT INTO P (NAME) SELECT CONCAT('p', seq) FROM seq_1_to_20000;
INSERT INTO C (P, V) SELECT 1 + seq MOD 20000, MD5(seq) FROM seq_1_to_40000;
INSERT INTO TEXTS SELECT CONCAT('Name ', MD5(seq)), seq FROM seq_1_to_20000;
INSERT INTO LOG SELECT seq MOD 5000, CONCAT('t', seq MOD 7) FROM seq_1_to_30000;
ANALYZE TABLE P, C, TEXTS, LOG;
";

#[test]
fn tables_of_many_chunks_when_few_rows_change_then_only_their_chunks_are_read_again() {
    let pair = Pair::maria("many", MANY);
    pair.there("ANALYZE TABLE P, C, TEXTS, LOG");
    pair.here(
        "DELETE FROM P WHERE ID = 77; UPDATE P SET ID = 30001 WHERE ID = 78;
         UPDATE P SET NAME = IF(ID = 1, 'swap', NAME); UPDATE P SET NAME = 'p1' WHERE ID = 2; UPDATE P SET NAME = 'p2' WHERE ID = 1;
         UPDATE TEXTS SET V = -1 WHERE V IN (5, 6); DELETE FROM TEXTS WHERE V = 9; INSERT INTO TEXTS VALUES ('NEW', 1);
         DELETE FROM LOG WHERE A = 3; INSERT INTO LOG VALUES (3, 't3'), (3, 't3');",
    );
    let report = pair.sync_and_compare();
    assert_eq!(
        changes(&report, "P"),
        (1, 2, 2),
        "a moved key, and two names that changed places"
    );
    assert_eq!(changes(&report, "C"), (0, 2, 2), "cascades are found");
    assert_eq!(changes(&report, "TEXTS"), (1, 2, 1));
    let table = report.tables.iter().find(|table| table.name == "C").unwrap();
    assert!(
        table.chunks > 4 && table.differing_chunks < table.chunks / 2,
        "{table:?}"
    );
    assert!(report.foreign_keys >= 1 && report.seconds_per_gb().is_some());
}

#[test]
fn large_values_when_the_servers_packets_are_small_then_brought_over() {
    let pair = Pair::maria(
        "large",
        "CREATE TABLE L (ID INT NOT NULL PRIMARY KEY, V LONGBLOB) ENGINE=InnoDB",
    );
    // 30 MB built from pieces below production's own packet limit; staging's is 1 MB.
    pair.here("INSERT INTO L VALUES (1, REPEAT(X'00FF0A5C27', 6000000)), (2, ''), (3, NULL)");
    let report = pair.sync_and_compare();
    assert_eq!(changes(&report, "L"), (3, 0, 0));
    assert!(report.applied_bytes > 30_000_000);
}

/// Below, at and above what is held whole, in one row and in several, beside NULL, short values and a latin1 text.
#[test]
fn values_when_too_large_to_be_held_then_brought_over_in_pieces() {
    let pair = Pair::maria(
        "pieces",
        "CREATE TABLE BIG (NAME VARCHAR(20) CHARACTER SET latin1, AT DATETIME(3), A LONGBLOB, \
           T LONGTEXT CHARACTER SET latin1, N DOUBLE, B BIT(9), PRIMARY KEY (NAME, AT)) ENGINE=InnoDB; \
         CREATE TABLE KEYLESS (N INT, A LONGBLOB) ENGINE=InnoDB; \
         INSERT INTO BIG VALUES ('changes', '2014-01-01', REPEAT('o', 9000000), 'old', 1, 1), ('goes', '2014-01-01', REPEAT('g', 9000000), NULL, NULL, NULL)",
    );
    pair.here(
        "SET NAMES utf8mb4; \
         INSERT INTO BIG VALUES ('é''x', '2014-01-01 00:00:00.5', REPEAT('\\0\\t\\\\x', 3 * 1024 * 1024), NULL, 0.1, b'101'), \
           ('t', '0000-00-00', NULL, REPEAT(CONVERT('é' USING latin1), 9000000), NULL, NULL), ('s', '2014-01-01', '', '', 0, 0), \
           ('two', '2014-01-01', REPEAT('y', 8388608), REPEAT('z', 8388609), 1e300, NULL), ('three', '2014-01-01', 'short', NULL, 2, 2); \
         UPDATE BIG SET A = CONCAT(A, 'n') WHERE NAME = 'changes'; DELETE FROM BIG WHERE NAME = 'goes'; \
         INSERT INTO KEYLESS VALUES (3, REPEAT('k', 9000000)), (7, 'short'), (3, REPEAT('k', 9000000))",
    );
    let report = pair.sync_and_compare();
    assert_eq!(changes(&report, "BIG"), (5, 1, 1));
    assert_eq!(changes(&report, "KEYLESS"), (3, 0, 0));
    assert_eq!((in_pieces(&report, "BIG"), in_pieces(&report, "KEYLESS")), (4, 0));
    let lengths = maria().1.sql(
        &pair.staging.database,
        "SELECT SUM(LENGTH(A)), SUM(LENGTH(T)), SUM(A LIKE '%n') FROM BIG",
    );
    assert_eq!(lengths.unwrap(), "29971526\t17388612\t1\n");
}

#[test]
fn rows_when_staging_takes_no_local_files_then_inserted() {
    let (here, _) = maria();
    let staging = cutover_testdb::MariaDb::start_with(&["--local-infile=0"]).unwrap();
    let from = crate::support::unique("insert");
    here.create_database(&from).unwrap();
    staging.create_database("s").unwrap();
    here.sql(&from, TYPES).unwrap();
    let pair = Pair {
        production: crate::support::maria_target(here, &from),
        staging: crate::support::maria_target(&staging, "s"),
    };
    pair.copy();
    let bytes: String = (0..=255).map(|byte| format!("{byte:02X}")).collect();
    pair.here(&format!(
        "SET sql_mode='NO_AUTO_VALUE_ON_ZERO'; INSERT INTO VALUES_OF_ALL (ID, TINY, L1, U8, BIN, B, G, J, U, TS, F, U16) VALUES (0, 5, X'E4', 'ß''\\\\', X'{bytes}', b'11', ST_GeomFromText('POINT(1 2)'), '[1]', '6ccd780c-baba-1026-9564-5b8c656024db', '0000-00-00', 1.1, 'ab');
         INSERT INTO VALUES_OF_ALL (TINY, BIN) SELECT 1, REPEAT('x', 200) FROM seq_1_to_9000; INSERT INTO KEYLESS VALUES (1,'x',NULL);"
    ));
    let report = pair.sync_and_compare();
    assert_eq!(changes(&report, "VALUES_OF_ALL"), (9001, 0, 0));
}

#[test]
fn triggers_of_staging_when_rows_are_brought_over_then_silent_and_there_again() {
    let pair = Pair::maria(
        "triggers",
        "CREATE TABLE T (ID INT NOT NULL PRIMARY KEY, V INT); CREATE TABLE AUDIT (N INT);
         CREATE TRIGGER `t``i` BEFORE INSERT ON T FOR EACH ROW SET NEW.V = NEW.V + 1;
         CREATE TRIGGER t_d AFTER DELETE ON T FOR EACH ROW INSERT INTO AUDIT VALUES (OLD.ID);
         INSERT INTO T VALUES (1, 1), (2, 2)",
    );
    pair.here("DELETE FROM T WHERE ID = 1; INSERT INTO T VALUES (3, 3)");
    let report = pair.sync_and_compare();
    assert_eq!(
        (changes(&report, "T"), changes(&report, "AUDIT")),
        ((1, 0, 1), (1, 0, 0))
    );
    assert!(
        report.notes.iter().any(|note| note.contains("2 triggers")),
        "{:?}",
        report.notes
    );
    assert_eq!(pair.there("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA=DATABASE() AND TABLE_NAME LIKE 'cutover%'"), "0\n");
}

#[test]
fn schema_when_production_drifted_then_refused_by_name() {
    let pair = Pair::maria("drift", TYPES);
    pair.here("ALTER TABLE KEYLESS ADD COLUMN LATER INT; CREATE TABLE ADDED (ID INT)");
    let error = pair.try_sync(&SyncOptions::default()).unwrap_err();
    let text = chain(&error);
    assert!(matches!(error, DeltaError::Drift { .. }), "{text}");
    assert!(
        text.contains("column `KEYLESS.LATER` appeared") && text.contains("table `ADDED` appeared"),
        "{text}"
    );
}

#[test]
fn one_byte_when_changed_in_staging_then_found_and_mended() {
    let pair = Pair::maria("byte", MANY);
    pair.there("UPDATE C SET V = CONCAT('x', SUBSTR(V, 2)) WHERE ID = 12345; UPDATE LOG SET T = 'T1' WHERE A = 1 LIMIT 1");
    let report = pair.sync_and_compare();
    assert_eq!(changes(&report, "C"), (0, 1, 0));
    assert_eq!(changes(&report, "LOG"), (1, 0, 1));
}
