//! Times a copy against the engines' own dump and load, in the same run on the same servers.
//!
//! `cargo bench -p cutover-copy` builds a database like Carbon's of `CUTOVER_BENCH_MB` megabytes (1024) on private
//! servers, then runs every way `CUTOVER_BENCH_ROUNDS` times (3) in turn and prints the medians. An argument
//! `mysql` or `postgres` limits it to one engine.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark ends at the first thing that goes wrong, and prints its result"
)]

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use cutover_copy::{CopyOptions, NoProgress, compare, copy};
use cutover_database::Target;
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

/// Seconds of each way, round by round.
struct Times {
    engine: &'static str,
    baseline: &'static str,
    copy: Vec<f64>,
    proven: Vec<f64>,
    native: Vec<f64>,
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

impl Times {
    fn print(&self) {
        let (copy, proven, native) = (median(&self.copy), median(&self.proven), median(&self.native));
        println!(
            "{}: rounds copy {:.1?} copy+compare {:.1?} {} {:.1?}",
            self.engine, self.copy, self.proven, self.baseline, self.native
        );
        println!(
            "{}: median copy {copy:.1} s, copy+compare {proven:.1} s, {} {native:.1} s: {:.2} times as fast, {:.2} with proof",
            self.engine,
            self.baseline,
            native / copy,
            native / proven
        );
    }
}

fn measure(
    engine: &'static str,
    baseline: &'static str,
    from: &Target,
    to: &Target,
    renew: impl Fn(),
    native: impl Fn(),
) -> Times {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let options = CopyOptions::default();
    let mut times = Times {
        engine,
        baseline,
        copy: vec![],
        proven: vec![],
        native: vec![],
    };
    for round in 0..setting("CUTOVER_BENCH_ROUNDS", 3) {
        let mut ours = || {
            renew();
            let cancel = CancellationToken::new();
            let started = Instant::now();
            let report = runtime
                .block_on(copy(from, to, &options, Arc::new(NoProgress), &cancel))
                .expect("copy");
            times.copy.push(started.elapsed().as_secs_f64());
            let result = runtime
                .block_on(compare(from, to, &options, Arc::new(NoProgress), &cancel))
                .expect("compare");
            times.proven.push(started.elapsed().as_secs_f64());
            assert!(result.equal, "{:?}", result.differences);
            println!(
                "{engine} round {round}: {:?}, {} rows, {} bytes",
                report.way, report.rows, report.bytes
            );
        };
        let mut theirs = || {
            renew();
            let started = Instant::now();
            native();
            times.native.push(started.elapsed().as_secs_f64());
        };
        if round % 2 == 0 {
            ours();
            theirs();
        } else {
            theirs();
            ours();
        }
    }
    times
}

fn maria(megabytes: u64) -> Times {
    let options = [
        "--innodb-buffer-pool-size=1G",
        "--innodb-log-file-size=512M",
        "--max-allowed-packet=64M",
    ];
    let (production, staging) = (
        MariaDb::start_with(&options).expect("MariaDB"),
        MariaDb::start_with(&options).expect("MariaDB"),
    );
    production.create_database("carbon").expect("database");
    production.sql("carbon", &script(MARIA, megabytes)).expect("data");
    let size = production.sql("carbon", "SELECT SUM(DATA_LENGTH + INDEX_LENGTH), SUM(TABLE_ROWS) FROM information_schema.TABLES WHERE TABLE_SCHEMA='carbon'");
    println!("MariaDB: bytes and estimated rows {}", size.expect("size").trim());
    let target = |server: &MariaDb| {
        Target::parse(&server.url("carbon"), SecretString::from(server.password())).expect("target")
    };
    let renew = || {
        staging
            .sql("", "DROP DATABASE IF EXISTS carbon; CREATE DATABASE carbon")
            .expect("empty database");
    };
    let native = || {
        let pipe = "set -o pipefail; MYSQL_PWD=$A mariadb-dump --no-defaults -h127.0.0.1 -P$PA -u$U --single-transaction --routines --triggers --events --quick carbon | MYSQL_PWD=$B mariadb --no-defaults -h127.0.0.1 -P$PB -u$U carbon";
        let status = Command::new("bash")
            .args(["-c", pipe])
            .envs([
                ("A", production.password()),
                ("B", staging.password()),
                ("U", staging.superuser()),
            ])
            .envs([
                ("PA", production.port().to_string()),
                ("PB", staging.port().to_string()),
            ])
            .status();
        assert!(status.expect("bash").success(), "mariadb-dump | mariadb");
    };
    measure(
        "MariaDB",
        "mariadb-dump | mariadb",
        &target(&production),
        &target(&staging),
        renew,
        native,
    )
}

fn postgres(megabytes: u64) -> Times {
    let settings = ["shared_buffers=512MB", "max_wal_size=4GB"];
    let (production, staging) = (
        Postgres::start_with(&settings).expect("PostgreSQL"),
        Postgres::start_with(&settings).expect("PostgreSQL"),
    );
    production.create_database("carbon").expect("database");
    production
        .sql("carbon", &script(POSTGRES, megabytes))
        .expect("data");
    let size = production.sql(
        "carbon",
        "SELECT pg_database_size('carbon'), (SELECT sum(reltuples) FROM pg_class WHERE relkind='r')",
    );
    println!(
        "PostgreSQL: bytes and estimated rows {}",
        size.expect("size").trim()
    );
    let target = |server: &Postgres| {
        Target::parse(&server.url("carbon"), SecretString::from(server.password())).expect("target")
    };
    let renew = || {
        staging
            .sql("", "DROP DATABASE IF EXISTS carbon")
            .expect("no database");
        staging.create_database("carbon").expect("empty database");
    };
    let (here, there): (PathBuf, PathBuf) = (production.socket(), staging.socket());
    let native = || {
        let pipe = "set -o pipefail; pg_dump -h $HA -p $PA -U postgres carbon | psql -X -q -o /dev/null -v ON_ERROR_STOP=1 -h $HB -p $PB -U postgres carbon";
        let status = Command::new("bash")
            .args(["-c", pipe])
            .envs([("HA", &here), ("HB", &there)])
            .envs([
                ("PA", production.port().to_string()),
                ("PB", staging.port().to_string()),
            ])
            .status();
        assert!(status.expect("bash").success(), "pg_dump | psql");
    };
    measure(
        "PostgreSQL",
        "pg_dump | psql",
        &target(&production),
        &target(&staging),
        renew,
        native,
    )
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
    let mut all = Vec::new();
    if wanted("mysql") {
        all.push(maria(megabytes));
    }
    if wanted("postgres") {
        all.push(postgres(megabytes));
    }
    all.iter().for_each(Times::print);
}
