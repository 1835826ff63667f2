//! Times the pass that brings staging up to date behind the fence: without differences and with 0.1 % of rows changed,
//! against reading all tables once, in the same run on the same servers.
//!
//! `cargo bench -p cutover-delta` builds a database like Carbon's of `CUTOVER_BENCH_MB` megabytes (1024) on private
//! servers, copies it, and runs `CUTOVER_BENCH_ROUNDS` rounds (3). An argument `mysql` or `postgres` limits it to one
//! engine.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark ends at the first thing that goes wrong, and prints its result"
)]

use std::sync::Arc;
use std::time::Instant;

use cutover_copy::CopyOptions;
use cutover_database::Target;
use cutover_delta::{NoProgress, SyncOptions, SyncReport, synchronise};
use cutover_testdb::{MariaDb, Postgres};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

const MARIA: &str = "
CREATE TABLE REG_CONTENT (REG_CONTENT_ID INTEGER NOT NULL AUTO_INCREMENT, REG_CONTENT_DATA LONGBLOB, REG_TENANT_ID INTEGER DEFAULT 0, PRIMARY KEY (REG_CONTENT_ID, REG_TENANT_ID)) ENGINE=InnoDB;
CREATE TABLE REG_LOG (REG_LOG_ID INTEGER AUTO_INCREMENT, REG_PATH VARCHAR(750), REG_USER_ID VARCHAR(31) NOT NULL, REG_LOGGED_TIME TIMESTAMP NOT NULL, REG_ACTION INTEGER NOT NULL, REG_ACTION_DATA VARCHAR(500), REG_TENANT_ID INTEGER DEFAULT 0, PRIMARY KEY (REG_LOG_ID, REG_TENANT_ID), KEY REG_LOG_IND_BY_REG_LOGTIME (REG_LOGGED_TIME, REG_TENANT_ID)) ENGINE=InnoDB;
CREATE TABLE UM_USER (UM_ID INTEGER NOT NULL AUTO_INCREMENT, UM_USER_NAME VARCHAR(255) NOT NULL, UM_TENANT_ID INTEGER DEFAULT 0, PRIMARY KEY (UM_ID, UM_TENANT_ID), UNIQUE (UM_USER_NAME, UM_TENANT_ID)) ENGINE=InnoDB;
CREATE TABLE UM_USER_ATTRIBUTE (UM_ID INTEGER NOT NULL AUTO_INCREMENT, UM_ATTR_NAME VARCHAR(255) NOT NULL, UM_ATTR_VALUE VARCHAR(1024), UM_USER_ID INTEGER, UM_TENANT_ID INTEGER DEFAULT 0, PRIMARY KEY (UM_ID, UM_TENANT_ID), KEY UM_USER_ID_INDEX (UM_USER_ID), FOREIGN KEY (UM_USER_ID, UM_TENANT_ID) REFERENCES UM_USER (UM_ID, UM_TENANT_ID)) ENGINE=InnoDB;
CREATE TABLE REG_PROPERTY (REG_ID INTEGER NOT NULL AUTO_INCREMENT, REG_NAME VARCHAR(100) NOT NULL, REG_VALUE VARCHAR(1000), REG_TENANT_ID INTEGER DEFAULT 0, PRIMARY KEY (REG_ID, REG_TENANT_ID)) ENGINE=InnoDB;
CREATE TABLE REG_RESOURCE_PROPERTY (REG_PROPERTY_ID INTEGER NOT NULL, REG_VERSION INTEGER, REG_PATH_ID INTEGER, REG_RESOURCE_NAME VARCHAR(256), REG_TENANT_ID INTEGER DEFAULT 0, KEY REG_RESOURCE_PROPERTY_IND_1 (REG_VERSION, REG_TENANT_ID), KEY REG_RESOURCE_PROPERTY_IND_2 (REG_PATH_ID, REG_RESOURCE_NAME, REG_TENANT_ID), FOREIGN KEY (REG_PROPERTY_ID, REG_TENANT_ID) REFERENCES REG_PROPERTY (REG_ID, REG_TENANT_ID)) ENGINE=InnoDB;
SET foreign_key_checks=0, unique_checks=0;
INSERT INTO REG_CONTENT (REG_CONTENT_DATA) SELECT REPEAT(RANDOM_BYTES(1000), 1 + seq MOD 31) FROM seq_1_to_{32};
INSERT INTO REG_LOG (REG_PATH, REG_USER_ID, REG_LOGGED_TIME, REG_ACTION, REG_ACTION_DATA) SELECT CONCAT('/_system/governance/trunk/services/', MD5(seq)), 'admin', '2014-01-01' + INTERVAL seq SECOND, seq MOD 20, NULL FROM seq_1_to_{2000};
INSERT INTO UM_USER (UM_USER_NAME) SELECT CONCAT('user', seq) FROM seq_1_to_{200};
INSERT INTO UM_USER_ATTRIBUTE (UM_ATTR_NAME, UM_ATTR_VALUE, UM_USER_ID) SELECT 'urn:scim:schemas:core:1.0:userName', MD5(seq), 1 + seq DIV 10 FROM seq_1_to_{1999};
INSERT INTO REG_PROPERTY (REG_NAME, REG_VALUE) SELECT 'registry.lifecycle.ServiceLifeCycle', MD5(seq) FROM seq_1_to_{1000};
INSERT INTO REG_RESOURCE_PROPERTY SELECT seq, seq MOD 100000, seq MOD 5000, CONCAT('resource', seq MOD 977), 0 FROM seq_1_to_{1000};
ANALYZE TABLE REG_CONTENT, REG_LOG, UM_USER, UM_USER_ATTRIBUTE, REG_PROPERTY, REG_RESOURCE_PROPERTY;
";

const POSTGRES: &str = "
CREATE TABLE reg_content (reg_content_id serial, reg_content_data bytea, reg_tenant_id integer DEFAULT 0, PRIMARY KEY (reg_content_id, reg_tenant_id));
ALTER TABLE reg_content ALTER reg_content_data SET STORAGE EXTERNAL;
CREATE TABLE reg_log (reg_log_id serial, reg_path varchar(2000), reg_user_id varchar(31) NOT NULL, reg_logged_time timestamp NOT NULL, reg_action integer NOT NULL, reg_action_data varchar(500), reg_tenant_id integer DEFAULT 0, PRIMARY KEY (reg_log_id, reg_tenant_id));
CREATE TABLE um_user (um_id serial, um_user_name varchar(255) NOT NULL, um_tenant_id integer DEFAULT 0, PRIMARY KEY (um_id, um_tenant_id), UNIQUE (um_user_name, um_tenant_id));
CREATE TABLE um_user_attribute (um_id serial, um_attr_name varchar(255) NOT NULL, um_attr_value varchar(1024), um_user_id integer, um_tenant_id integer DEFAULT 0, PRIMARY KEY (um_id, um_tenant_id));
CREATE TABLE reg_property (reg_id serial, reg_name varchar(100) NOT NULL, reg_value varchar(1000), reg_tenant_id integer DEFAULT 0, PRIMARY KEY (reg_id, reg_tenant_id));
CREATE TABLE reg_resource_property (reg_property_id integer NOT NULL, reg_version integer, reg_path_id integer, reg_resource_name varchar(256), reg_tenant_id integer DEFAULT 0);
INSERT INTO reg_content (reg_content_data) SELECT decode(repeat(md5(i::text) || md5((-i)::text), 31 * (1 + i % 31)), 'hex') FROM generate_series(1, {32}) i;
INSERT INTO reg_log (reg_path, reg_user_id, reg_logged_time, reg_action) SELECT '/_system/governance/trunk/services/' || md5(i::text), 'admin', '2014-01-01'::timestamp + i * interval '1 second', i % 20 FROM generate_series(1, {2000}) i;
INSERT INTO um_user (um_user_name) SELECT 'user' || i FROM generate_series(1, {200}) i;
INSERT INTO um_user_attribute (um_attr_name, um_attr_value, um_user_id) SELECT 'urn:scim:schemas:core:1.0:userName', md5(i::text), 1 + i / 10 FROM generate_series(1, {1999}) i;
INSERT INTO reg_property (reg_name, reg_value) SELECT 'registry.lifecycle.ServiceLifeCycle', md5(i::text) FROM generate_series(1, {1000}) i;
INSERT INTO reg_resource_property SELECT i, i % 100000, i % 5000, 'resource' || i % 977, 0 FROM generate_series(1, {1000}) i;
CREATE INDEX reg_log_ind_by_reg_logtime ON reg_log (reg_logged_time, reg_tenant_id);
CREATE INDEX um_user_id_index ON um_user_attribute (um_user_id);
CREATE INDEX reg_resource_property_ind_1 ON reg_resource_property (reg_version, reg_tenant_id);
CREATE INDEX reg_resource_property_ind_2 ON reg_resource_property (reg_path_id, reg_resource_name, reg_tenant_id);
ALTER TABLE um_user_attribute ADD FOREIGN KEY (um_user_id, um_tenant_id) REFERENCES um_user (um_id, um_tenant_id);
ALTER TABLE reg_resource_property ADD FOREIGN KEY (reg_property_id, reg_tenant_id) REFERENCES reg_property (reg_id, reg_tenant_id);
VACUUM ANALYZE;
";

/// Row counts in braces are per megabyte.
fn script(template: &str, megabytes: u64) -> String {
    let mut parts = template.split('{');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (count, rest) = part.split_once('}').expect("closed brace");
        let count: u64 = count.parse().expect("a number in braces");
        text.push_str(&format!("{}{rest}", count * megabytes));
    }
    text
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// One engine with its two servers.
struct Bench {
    engine: &'static str,
    production: Target,
    staging: Target,
    /// Reads every table once.
    floor: Box<dyn Fn()>,
    /// Checksums of every table by the engine's own means, where it has one.
    checksum: Option<Box<dyn Fn()>>,
    /// Changes about 0.1 % of the rows.
    change: Box<dyn Fn(u64)>,
    /// Adds one row of 100 MB.
    large: Box<dyn Fn()>,
}

fn timed(work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_secs_f64()
}

impl Bench {
    fn pass(&self) -> (f64, SyncReport) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let options = SyncOptions {
            fenced: true,
            ..SyncOptions::default()
        };
        let cancel = CancellationToken::new();
        let started = Instant::now();
        let work = synchronise(
            &self.production,
            &self.staging,
            &options,
            Arc::new(NoProgress),
            &cancel,
        );
        let report = runtime.block_on(work).expect("a pass");
        (started.elapsed().as_secs_f64(), report)
    }

    fn run(&self) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let (options, cancel) = (CopyOptions::default(), CancellationToken::new());
        let progress = Arc::new(cutover_copy::NoProgress);
        let copied = timed(|| {
            runtime
                .block_on(cutover_copy::copy(
                    &self.production,
                    &self.staging,
                    &options,
                    progress,
                    &cancel,
                ))
                .expect("a copy");
        });
        let (mut floor, mut checksum, mut same, mut changed) = (vec![], vec![], vec![], vec![]);
        let (first, report) = self.pass();
        let gigabytes = report.bytes as f64 / 1e9;
        println!(
            "{}: {gigabytes:.2} GB, {} rows, copied in {copied:.1} s, first pass {first:.2} s",
            self.engine, report.rows
        );
        let mut rows = 0;
        for round in 0..setting("CUTOVER_BENCH_ROUNDS", 3) {
            floor.push(timed(&self.floor));
            if let Some(work) = &self.checksum {
                checksum.push(timed(work));
            }
            let (seconds, report) = self.pass();
            assert_eq!(report.changes(), 0);
            same.push(seconds);
            (self.change)(round);
            let (seconds, report) = self.pass();
            rows = report.changes();
            assert!(rows > 0);
            changed.push(seconds);
        }
        (self.large)();
        let (seconds, report) = self.pass();
        assert_eq!(report.inserted, 1);
        println!(
            "{}: one row of 100 MB {seconds:.2} s, {} bytes brought over",
            self.engine, report.applied_bytes
        );
        println!(
            "{}: rounds count {floor:.2?} checksum {checksum:.2?} no difference {same:.2?} changed {changed:.2?}",
            self.engine
        );
        println!(
            "{}: median count(*) {:.2} s, checksum {:.2} s, pass without differences {:.2} s ({:.2} s per GB), with {rows} changed rows {:.2} s ({:.2} s per GB)",
            self.engine,
            median(&floor),
            median(&checksum),
            median(&same),
            median(&same) / gigabytes,
            median(&changed),
            median(&changed) / gigabytes
        );
    }
}

fn maria(megabytes: u64) {
    let options = ["--innodb-buffer-pool-size=1G", "--innodb-log-file-size=512M"];
    let with = |packet| MariaDb::start_with(&[options[0], options[1], packet]).expect("MariaDB");
    let production = Arc::new(with("--max-allowed-packet=256M"));
    let staging = with("--max-allowed-packet=4M");
    production.create_database("carbon").expect("database");
    staging.create_database("carbon").expect("database");
    production.sql("carbon", &script(MARIA, megabytes)).expect("data");
    let target = |server: &MariaDb| {
        Target::parse(&server.url("carbon"), SecretString::from(server.password())).expect("target")
    };
    let tables = [
        "REG_CONTENT",
        "REG_LOG",
        "UM_USER",
        "UM_USER_ATTRIBUTE",
        "REG_PROPERTY",
        "REG_RESOURCE_PROPERTY",
    ];
    let run = |sql: String| {
        let server = Arc::clone(&production);
        move || drop(server.sql("carbon", &sql).expect("SQL"))
    };
    let counts: Vec<String> = tables
        .iter()
        .map(|table| format!("SELECT COUNT(*) FROM {table}"))
        .collect();
    let server = Arc::clone(&production);
    Bench {
        engine: "MariaDB",
        production: target(&production),
        staging: target(&staging),
        floor: Box::new(run(counts.join(";"))),
        checksum: Some(Box::new(run(format!("CHECKSUM TABLE {} EXTENDED", tables.join(","))))),
        large: Box::new(run(
            "INSERT INTO REG_CONTENT (REG_CONTENT_DATA) VALUES (REPEAT(X'00FF5C0A27', 20971520))".to_owned(),
        )),
        change: Box::new(move |round| {
            let sql = format!(
                "UPDATE REG_LOG SET REG_USER_ID='r{round}' WHERE REG_LOG_ID MOD 1000 = {round}; \
                 UPDATE UM_USER_ATTRIBUTE SET UM_ATTR_VALUE='r{round}' WHERE UM_ID MOD 1000 = {round}; \
                 UPDATE REG_PROPERTY SET REG_VALUE='r{round}' WHERE REG_ID MOD 1000 = {round}; \
                 UPDATE REG_CONTENT SET REG_CONTENT_DATA=REVERSE(REG_CONTENT_DATA) WHERE REG_CONTENT_ID MOD 1000 = {round}; \
                 UPDATE REG_RESOURCE_PROPERTY SET REG_RESOURCE_NAME='r{round}' WHERE REG_PROPERTY_ID MOD 1000 = {round}"
            );
            server.sql("carbon", &sql).expect("changes");
        }),
    }
    .run();
}

fn postgres(megabytes: u64) {
    let settings = ["shared_buffers=512MB", "max_wal_size=4GB"];
    let production = Arc::new(Postgres::start_with(&settings).expect("PostgreSQL"));
    let staging = Postgres::start_with(&settings).expect("PostgreSQL");
    production.create_database("carbon").expect("database");
    staging.create_database("carbon").expect("database");
    production
        .sql("carbon", &script(POSTGRES, megabytes))
        .expect("data");
    let target = |server: &Postgres| {
        Target::parse(&server.url("carbon"), SecretString::from(server.password())).expect("target")
    };
    let tables = [
        "reg_content",
        "reg_log",
        "um_user",
        "um_user_attribute",
        "reg_property",
        "reg_resource_property",
    ];
    let counts: Vec<String> = tables
        .iter()
        .map(|table| format!("SELECT count(*) FROM {table}"))
        .collect();
    let counts = counts.join(";");
    let (reader, writer, server) = (
        Arc::clone(&production),
        Arc::clone(&production),
        Arc::clone(&production),
    );
    Bench {
        engine: "PostgreSQL",
        production: target(&production),
        staging: target(&staging),
        floor: Box::new(move || drop(reader.sql("carbon", &counts).expect("counts"))),
        checksum: None,
        large: Box::new(move || {
            let sql = "INSERT INTO reg_content (reg_content_data) VALUES (decode(repeat('00ff5c0a27', 20971520), 'hex'))";
            writer.sql("carbon", sql).expect("a large row");
        }),
        change: Box::new(move |round| {
            let sql = format!(
                "UPDATE reg_log SET reg_user_id='r{round}' WHERE reg_log_id % 1000 = {round}; \
                 UPDATE um_user_attribute SET um_attr_value='r{round}' WHERE um_id % 1000 = {round}; \
                 UPDATE reg_property SET reg_value='r{round}' WHERE reg_id % 1000 = {round}; \
                 UPDATE reg_content SET reg_content_data=reg_content_data || '\\x{round:02x}' WHERE reg_content_id % 1000 = {round}; \
                 UPDATE reg_resource_property SET reg_resource_name='r{round}' WHERE reg_property_id % 1000 = {round}"
            );
            server.sql("carbon", &sql).expect("changes");
        }),
    }
    .run();
}

fn main() {
    let megabytes = setting("CUTOVER_BENCH_MB", 1024);
    let only: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let wanted = |name: &str| only.is_empty() || only.iter().any(|argument| argument == name);
    if std::env::args().any(|argument| argument == "--test") {
        println!("skipped: a benchmark, not a test");
        return;
    }
    if wanted("mysql") {
        maria(megabytes);
    }
    if wanted("postgres") {
        postgres(megabytes);
    }
    let memory = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = memory.lines().find(|line| line.starts_with("VmHWM"));
    println!(
        "peak memory of this process, which does the coordinator's part: {}",
        peak.unwrap_or("unknown")
    );
}
