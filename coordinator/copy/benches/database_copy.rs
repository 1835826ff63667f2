//! Times a copy against the engines' own dump and load, in the same run on the same servers.
//!
//! `cargo bench -p cutover-copy` builds a database like Carbon's of `CUTOVER_BENCH_MB` megabytes (1024) on private
//! servers, then runs every way `CUTOVER_BENCH_ROUNDS` times (3) in turn and prints the medians. Arguments
//! `mysql`, `postgres`, `template` and `files` (tables of one MariaDB server copied as files) limit it to these. Others ask for what is out of the common: `many` for 5,000
//! tables, `rows` for one table of 10 million rows, `large` for values of 100 MB, which peers are not asked for.
//! `CUTOVER_BENCH_PEERS` limits the peers to those whose name holds its text. Peers that are not installed are left out,
//! and named.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark ends at the first thing that goes wrong, and prints its result"
)]

use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use cutover_copy::tablespaces::{export, exportable};
use cutover_copy::{CopyOptions, CopyReport, NoProgress, compare, copy};
use cutover_database::{OwnSessions, Target};
use cutover_testdb::{MariaDb, Postgres};
use secrecy::SecretString;
use tokio::runtime::Runtime;
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

/// What is out of the common: its name, and the data on MariaDB and on PostgreSQL.
fn extremes() -> [(&'static str, [String; 2]); 3] {
    let tables = |blob: &str| -> String {
        (0..5000)
            .map(|n| {
                format!("CREATE TABLE t{n} (id INT PRIMARY KEY, v VARCHAR(40), b {blob}); INSERT INTO t{n} VALUES (1, 'x', NULL); ")
            })
            .collect()
    };
    let rows = "CREATE TABLE reg_log (reg_log_id INT PRIMARY KEY, reg_path VARCHAR(200), reg_user_id VARCHAR(31) NOT NULL)";
    let large = "CREATE TABLE reg_content (id INT PRIMARY KEY, data";
    [
        ("many", [tables("BLOB"), tables("bytea")]),
        (
            "rows",
            [
                format!(
                    "{rows}; INSERT INTO reg_log SELECT seq, CONCAT('/_system/', MD5(seq)), 'admin' FROM seq_1_to_10000000"
                ),
                format!(
                    "{rows}; INSERT INTO reg_log SELECT i, '/_system/' || md5(i::text), 'admin' FROM generate_series(1, 10000000) i; VACUUM ANALYZE"
                ),
            ],
        ),
        (
            "large",
            [
                format!(
                    "{large} LONGBLOB); INSERT INTO reg_content SELECT seq, REPEAT(RANDOM_BYTES(1024), 102400) FROM seq_1_to_8"
                ),
                format!(
                    "{large} bytea); ALTER TABLE reg_content ALTER data SET STORAGE EXTERNAL; \
                         INSERT INTO reg_content SELECT i, decode(repeat(md5(i::text), 6553600), 'hex') FROM generate_series(1, 8) i"
                ),
            ],
        ),
    ]
}

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
    ways: Vec<(String, Vec<f64>)>,
}

/// Ours: the copy, and the copy with the comparison after it.
const COPY: usize = 0;
const PROVEN: usize = 1;

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

impl Times {
    fn print(&self) {
        let ours = |index: usize| self.ways.get(index).map_or(f64::NAN, |(_, times)| median(times));
        let (copy, proven) = (ours(COPY), ours(PROVEN));
        for (number, (name, times)) in self.ways.iter().enumerate() {
            let middle = median(times);
            let ratios = match number {
                COPY | PROVEN => String::new(),
                _ => format!(
                    "; ours takes {:.2} of it, {:.2} with proof",
                    copy / middle,
                    proven / middle
                ),
            };
            println!(
                "{}: {name}: median {middle:.1} s of {times:.1?}{ratios}",
                self.engine
            );
        }
    }
}

/// A program that copies the same database.
struct Peer<'a> {
    name: String,
    run: Box<dyn Fn() + 'a>,
}

fn installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output();
    found.is_ok_and(|output| output.status.success())
}

/// Runs a line of bash, whose failure ends the benchmark.
fn bash(line: &str, variables: &[(&str, String)]) {
    let output = Command::new("bash")
        .args(["-c", &format!("set -e -o pipefail; {line}")])
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .output()
        .expect("bash");
    assert!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Highest resident memory of this process so far, in megabytes.
fn peak_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let words = line.and_then(|line| line.split_whitespace().next());
    words
        .and_then(|number| number.parse::<f64>().ok())
        .unwrap_or(f64::NAN)
        / 1024.0
}

/// Ours in turn with the peers, whose order is turned round by round.
fn measure(
    engine: &'static str,
    from: &Target,
    to: &Target,
    renew: impl Fn(),
    peers: Vec<Peer<'_>>,
) -> Times {
    let ours = |runtime: &Runtime| streamed(runtime, from, to);
    measure_of(engine, (from, to), renew, ours, peers)
}

/// A copy as it is without an agent on the database host.
fn streamed(runtime: &Runtime, from: &Target, to: &Target) -> CopyReport {
    let (options, cancel) = (CopyOptions::default(), CancellationToken::new());
    let work = copy(from, to, &options, Arc::new(NoProgress), &cancel);
    runtime.block_on(work).expect("copy")
}

fn measure_of(
    engine: &'static str,
    (from, to): (&Target, &Target),
    renew: impl Fn(),
    ours: impl Fn(&Runtime) -> CopyReport,
    peers: Vec<Peer<'_>>,
) -> Times {
    let runtime = Runtime::new().expect("a runtime");
    let options = CopyOptions::default();
    let mut ways: Vec<(String, Vec<f64>)> = vec![
        ("copy".to_owned(), vec![]),
        ("copy and compare".to_owned(), vec![]),
    ];
    ways.extend(peers.iter().map(|peer| (peer.name.clone(), vec![])));
    for round in 0..setting("CUTOVER_BENCH_ROUNDS", 3) {
        let mut order: Vec<usize> = (1..=peers.len() + 1).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for number in order {
            renew();
            let started = Instant::now();
            let mut note = |index: usize, seconds: f64| {
                if let Some((name, times)) = ways.get_mut(index) {
                    println!("{engine} round {round}: {name} {seconds:.1} s");
                    times.push(seconds);
                }
            };
            if let Some(peer) = number.checked_sub(PROVEN + 1).and_then(|index| peers.get(index)) {
                (peer.run)();
                note(number, started.elapsed().as_secs_f64());
                continue;
            }
            let cancel = CancellationToken::new();
            let report = ours(&runtime);
            note(COPY, started.elapsed().as_secs_f64());
            let result = runtime
                .block_on(compare(from, to, &options, Arc::new(NoProgress), &cancel))
                .expect("compare");
            note(PROVEN, started.elapsed().as_secs_f64());
            assert!(result.equal, "{:?}", result.differences);
            println!(
                "{engine} round {round}: {:?}, {} rows, {} bytes, peak memory of this process {:.0} MB",
                report.way,
                report.rows,
                report.bytes,
                peak_memory()
            );
        }
    }
    Times { engine, ways }
}

fn maria(name: &'static str, data: &str, with_peers: bool) -> Times {
    let options = [
        "--innodb-buffer-pool-size=1G",
        "--innodb-log-file-size=1G",
        "--max-allowed-packet=512M",
    ];
    let (production, staging) = (
        MariaDb::start_with(&options).expect("MariaDB"),
        MariaDb::start_with(&options).expect("MariaDB"),
    );
    production.create_database("carbon").expect("database");
    production.sql("carbon", data).expect("data");
    let size = production.sql("carbon", "SELECT SUM(DATA_LENGTH + INDEX_LENGTH), SUM(TABLE_ROWS) FROM information_schema.TABLES WHERE TABLE_SCHEMA='carbon'");
    println!("{name}: bytes and estimated rows {}", size.expect("size").trim());
    let target = |server: &MariaDb| {
        Target::parse(&server.url("carbon"), SecretString::from(server.password())).expect("target")
    };
    let renew = || {
        staging
            .sql("", "DROP DATABASE IF EXISTS carbon; CREATE DATABASE carbon")
            .expect("empty database");
    };
    let variables = |scratch: &tempfile::TempDir| {
        vec![
            ("A", production.password().to_owned()),
            ("B", staging.password().to_owned()),
            ("U", staging.superuser().to_owned()),
            ("PA", production.port().to_string()),
            ("PB", staging.port().to_string()),
            ("D", scratch.path().join("dump").display().to_string()),
        ]
    };
    let peer = |name: &str, line: &'static str| Peer {
        name: name.to_owned(),
        run: Box::new(move || {
            let scratch = tempfile::tempdir().expect("a folder");
            bash(line, &variables(&scratch));
        }),
    };
    let mut peers = vec![peer(
        "mariadb-dump | mariadb",
        "MYSQL_PWD=$A mariadb-dump --no-defaults -h127.0.0.1 -P$PA -u$U --single-transaction --routines --triggers --events --quick carbon | MYSQL_PWD=$B mariadb --no-defaults -h127.0.0.1 -P$PB -u$U carbon",
    )];
    match installed("mydumper") && installed("myloader") {
        true => peers.push(peer(
            "mydumper + myloader",
            "mydumper -h 127.0.0.1 -P $PA -u $U -p $A -B carbon -t 2 -G -E -R -o $D >/dev/null; myloader -h 127.0.0.1 -P $PB -u $U -p $B -B carbon -t 2 -o -d $D >/dev/null",
        )),
        false => println!("mydumper is not installed: not measured"),
    }
    peers.retain(|peer| with_peers && is_asked_for(peer));
    measure(name, &target(&production), &target(&staging), renew, peers)
}

fn is_asked_for(peer: &Peer<'_>) -> bool {
    std::env::var("CUTOVER_BENCH_PEERS").map_or(true, |text| peer.name.contains(&text))
}

fn postgres(name: &'static str, data: &str, with_peers: bool) -> Times {
    let settings = [
        "shared_buffers=512MB",
        "max_wal_size=4GB",
        "max_locks_per_transaction=1024",
    ];
    let (production, staging) = (
        Postgres::start_with(&settings).expect("PostgreSQL"),
        Postgres::start_with(&settings).expect("PostgreSQL"),
    );
    production.create_database("carbon").expect("database");
    production.sql("carbon", data).expect("data");
    let size = production.sql(
        "carbon",
        "SELECT pg_database_size('carbon'), (SELECT sum(reltuples) FROM pg_class WHERE relkind='r')",
    );
    println!("{name}: bytes and estimated rows {}", size.expect("size").trim());
    let target = |server: &Postgres| {
        Target::parse(&server.url("carbon"), SecretString::from(server.password())).expect("target")
    };
    let renew = || {
        staging
            .sql("", "DROP DATABASE IF EXISTS carbon")
            .expect("no database");
        staging.create_database("carbon").expect("empty database");
    };
    let variables = |scratch: &tempfile::TempDir| {
        let (here, there) = (production.socket(), staging.socket());
        vec![
            ("HA", here.display().to_string()),
            ("HB", there.display().to_string()),
            ("PA", production.port().to_string()),
            ("PB", staging.port().to_string()),
            ("D", scratch.path().join("dump").display().to_string()),
        ]
    };
    let peer = |name: &str, line: &'static str| Peer {
        name: name.to_owned(),
        run: Box::new(move || {
            let scratch = tempfile::tempdir().expect("a folder");
            bash(line, &variables(&scratch));
        }),
    };
    let mut peers = vec![
        peer(
            "pg_dump | psql",
            "pg_dump -h $HA -p $PA -U postgres carbon | psql -X -q -o /dev/null -v ON_ERROR_STOP=1 -h $HB -p $PB -U postgres carbon",
        ),
        peer(
            "pg_dump -Fd -j2 + pg_restore -j2",
            "pg_dump -Fd -j2 -f $D -h $HA -p $PA -U postgres carbon; pg_restore -j2 -h $HB -p $PB -U postgres -d carbon $D",
        ),
    ];
    match installed("pgcopydb") {
        true => peers.push(peer(
            "pgcopydb clone",
            "pgcopydb clone --dir $D --table-jobs 2 --index-jobs 2 --source \"host=$HA port=$PA user=postgres dbname=carbon\" --target \"host=$HB port=$PB user=postgres dbname=carbon\" >/dev/null",
        )),
        false => println!("pgcopydb is not installed: not measured"),
    }
    peers.retain(|peer| with_peers && is_asked_for(peer));
    measure(name, &target(&production), &target(&staging), renew, peers)
}

/// Inside one server, against the bare statement that copies the files.
fn template(megabytes: u64) -> Times {
    let server = Postgres::start_with(&["shared_buffers=512MB", "max_wal_size=4GB"]).expect("PostgreSQL");
    server.create_database("carbon").expect("database");
    server.sql("carbon", &script(POSTGRES, megabytes)).expect("data");
    let target =
        |name: &str| Target::parse(&server.url(name), SecretString::from(server.password())).expect("target");
    let renew = || {
        server
            .sql("", "DROP DATABASE IF EXISTS staging")
            .expect("no database");
        server
            .sql("", "DROP DATABASE IF EXISTS bare")
            .expect("no database");
        server.create_database("staging").expect("empty database");
        server
            .sql("", "CHECKPOINT")
            .expect("both begin without unwritten pages");
    };
    let bare = Peer {
        name: "CREATE DATABASE ... TEMPLATE".to_owned(),
        run: Box::new(|| {
            let sql = "CREATE DATABASE bare TEMPLATE carbon STRATEGY file_copy";
            server.sql("", sql).expect("a copy");
        }),
    };
    measure(
        "PostgreSQL, one server",
        &target("carbon"),
        &target("staging"),
        renew,
        vec![bare],
    )
}

/// Inside one MariaDB server, large tables as files; against the rows copied by the server, and against `cp` of the files.
fn files(megabytes: u64) -> Times {
    let settings = ["--innodb-buffer-pool-size=1G", "--innodb-log-file-size=1G"];
    let server = MariaDb::start_with(&settings).expect("MariaDB");
    server.create_database("carbon").expect("database");
    server.sql("carbon", &script(MARIA, megabytes)).expect("data");
    let target =
        |name: &str| Target::parse(&server.url(name), SecretString::from(server.password())).expect("target");
    let (from, to) = (target("carbon"), target("staging"));
    let renew = || {
        let sql = "DROP DATABASE IF EXISTS staging; CREATE DATABASE staging";
        server.sql("", sql).expect("empty database");
    };
    let ours = |runtime: &Runtime| {
        let (options, own) = (CopyOptions::default(), OwnSessions::new());
        let all = runtime
            .block_on(exportable(&from, &to, &options))
            .expect("tables");
        let export = runtime.block_on(export(&from, &to, &all.tables, &options, &own));
        let export = export.expect("an export");
        let tables: Vec<String> = export.tables().map(str::to_owned).collect();
        copy_files(&server, &tables);
        let (taken, notes) = runtime.block_on(export.import(&to)).expect("an import");
        assert!(notes.is_empty() && taken.len() == tables.len(), "{notes:?}");
        let resume = CopyOptions {
            resume: true,
            ..options
        };
        let cancel = CancellationToken::new();
        let rest = copy(&from, &to, &resume, Arc::new(NoProgress), &cancel);
        runtime.block_on(rest).expect("the rest")
    };
    let rows = Peer {
        name: "INSERT ... SELECT of each table".to_owned(),
        run: Box::new(|| {
            streamed(&Runtime::new().expect("a runtime"), &from, &to);
        }),
    };
    let cp = Peer {
        name: "cp of the files, and sync".to_owned(),
        run: Box::new(|| {
            let data = server.data_dir().display().to_string();
            let line = "mkdir $D.cp; cp $D/carbon/*.ibd $D.cp/; sync -f $D.cp; rm -r $D.cp";
            bash(line, &[("D", data)]);
        }),
    };
    measure_of("MariaDB, one server", (&from, &to), renew, ours, vec![rows, cp])
}

/// As the agent on the database host does it.
fn copy_files(server: &MariaDb, tables: &[String]) {
    let data = server.data_dir().display().to_string();
    for table in tables {
        let line = "for k in cfg ibd; do cp -p $D/carbon/$T.$k $D/staging/; sync $D/staging/$T.$k; done";
        bash(line, &[("D", data.clone()), ("T", table.clone())]);
    }
}

fn main() {
    let megabytes = setting("CUTOVER_BENCH_MB", 1024);
    let only: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let asked = |name: &str| only.iter().any(|argument| argument == name);
    let extremes: Vec<_> = extremes().into_iter().filter(|(name, _)| asked(name)).collect();
    let engine = |name: &str| asked(name) || (!asked("mysql") && !asked("postgres"));
    let wanted = |name: &str| extremes.is_empty() && (only.is_empty() || asked(name));
    if std::env::args().any(|argument| argument == "--test") {
        println!("skipped: a benchmark, not a test");
        return;
    }
    let mut all = Vec::new();
    if wanted("mysql") {
        all.push(maria("MariaDB", &script(MARIA, megabytes), true));
    }
    if wanted("postgres") {
        all.push(postgres("PostgreSQL", &script(POSTGRES, megabytes), true));
    }
    if wanted("template") {
        all.push(template(megabytes));
    }
    if wanted("files") {
        all.push(files(megabytes));
    }
    for (name, [mysql_data, postgres_data]) in &extremes {
        let with_peers = *name != "large";
        if engine("mysql") {
            all.push(maria("MariaDB", mysql_data, with_peers));
        }
        if engine("postgres") {
            all.push(postgres("PostgreSQL", postgres_data, with_peers));
        }
    }
    all.iter().for_each(Times::print);
}
