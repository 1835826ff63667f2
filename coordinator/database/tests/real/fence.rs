use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use cutover_database::{FencePlan, Kind, OwnSessions, Target};
use cutover_testdb::{MariaDb, Postgres};
use sqlx::{AssertSqlSafe, Connection as _, raw_sql};

use crate::support::{Server, as_user};

/// An application that comes back at once whenever it is thrown out, as connection pools do.
struct Pool {
    stop: Arc<AtomicBool>,
    workers: Vec<tokio::task::JoinHandle<()>>,
}

impl Pool {
    async fn start(target: &Target) -> Self {
        let (stop, connected) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut workers = Vec::new();
        for _ in 0..4 {
            let (target, stop, connected) = (target.clone(), stop.clone(), connected.clone());
            workers.push(tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    write(&target, &connected).await.ok();
                    tokio::task::yield_now().await;
                }
            }));
        }
        while connected.load(Ordering::SeqCst) < 4 {
            tokio::task::yield_now().await;
        }
        Pool { stop, workers }
    }

    async fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        for worker in self.workers {
            worker.await.unwrap();
        }
    }
}

async fn write(target: &Target, connected: &AtomicUsize) -> Result<(), sqlx::Error> {
    let sql = "INSERT INTO t VALUES (1)";
    if target.engine == cutover_database::Engine::MySql {
        let mut connection = target.mysql().await?;
        connected.fetch_add(1, Ordering::SeqCst);
        loop {
            raw_sql(sql).execute(&mut connection).await?;
        }
    }
    let mut connection = target.postgres().await?;
    connected.fetch_add(1, Ordering::SeqCst);
    loop {
        raw_sql(sql).execute(&mut connection).await?;
    }
}

/// Rows of `t`, by a session that is known as ours until it is gone.
async fn rows(target: &Target, own: &OwnSessions) -> i64 {
    match target.engine {
        cutover_database::Engine::MySql => {
            let query = sqlx::query_scalar("SELECT COUNT(*) FROM t");
            let mut connection = target.mysql().await.unwrap();
            let _entered = own.enter_mysql(target, &mut connection).await.unwrap();
            let rows = query.fetch_one(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            rows
        }
        cutover_database::Engine::Postgres => {
            let query = sqlx::query_scalar("SELECT COUNT(*) FROM t");
            let mut connection = target.postgres().await.unwrap();
            let _entered = own.enter_postgres(target, &mut connection).await.unwrap();
            let rows = query.fetch_one(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            rows
        }
    }
}

async fn connects(target: &Target) -> bool {
    match target.engine {
        cutover_database::Engine::MySql => target.mysql().await.is_ok(),
        cutover_database::Engine::Postgres => target.postgres().await.is_ok(),
    }
}

fn accounts(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Kept and read back, as the coordinator does before anything is changed.
fn journaled(plan: &FencePlan) -> FencePlan {
    let text = serde_json::to_string(plan).unwrap();
    assert!(!text.contains("secret-of-the-application"), "{text}");
    serde_json::from_str(&text).unwrap()
}

/// In an order of its own: the server shows rights in the order in which they were given.
fn lines(server: &impl Server, sql: &str) -> Vec<String> {
    let mut lines: Vec<String> = server.run("carbon", sql).lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Up, proven, up again, proven, down, down again: whatever was done twice or cut short, the state is the earlier.
async fn whole_way(server: &impl Server, admin: &Target, application: &Target, state: &str) {
    let before = lines(server, state);
    let own = OwnSessions::new();
    let plan = journaled(&FencePlan::prepare(admin, &accounts(&["wso2"])).await.unwrap());
    assert_eq!(lines(server, state), before, "a plan changes nothing");
    assert!(
        !plan.does.is_empty() && plan.does.len() <= plan.undoes.len() + 1,
        "{plan:?}"
    );
    assert!(!plan.gaps(admin).await.unwrap().is_empty());
    let open = plan.prove(admin, application, &own).await.unwrap_err();
    assert_eq!(open.kind(), Kind::Integrity, "{open}");

    // Killed before anything was put up: there is nothing to undo.
    plan.lift(admin).await.unwrap();
    assert_eq!(lines(server, state), before);

    let pool = Pool::start(application).await;
    let report = plan.apply(admin, &own).await.unwrap();
    assert!(!report.ended.is_empty(), "{report:?}");
    assert!(
        report.ended.iter().all(|session| session.user == "wso2"),
        "{report:?}"
    );
    let before_the_proof = rows(admin, &own).await;
    assert!(!connects(application).await);
    for _ in 0..2 {
        let proof = plan.prove(admin, application, &own).await.unwrap();
        assert!(proof.is_alone(), "{proof:?}");
        assert!(plan.state(admin, &own).await.unwrap().holds());
        assert_eq!(plan.apply(admin, &own).await.unwrap().ended, []);
    }
    assert_eq!(
        rows(admin, &own).await,
        before_the_proof,
        "nobody writes any more"
    );
    pool.end().await;

    plan.lift(admin).await.unwrap();
    assert_eq!(lines(server, state), before);
    assert!(connects(application).await);
    plan.lift(admin).await.unwrap();
    assert_eq!(lines(server, state), before);
}

const GRANTS: &str = "SHOW GRANTS FOR wso2; SHOW CREATE USER wso2; SHOW GRANTS FOR wso2@localhost; SHOW CREATE USER wso2@localhost";

fn mariadb() -> MariaDb {
    let server = MariaDb::start().unwrap();
    server.create_database("carbon").unwrap();
    server.run("carbon", "CREATE TABLE t (i INT)");
    server.run(
        "",
        "CREATE USER wso2 IDENTIFIED BY 'secret-of-the-application'; GRANT ALL ON carbon.* TO wso2; \
         CREATE USER wso2@localhost IDENTIFIED BY 'secret-of-the-application'; \
         GRANT SELECT, INSERT ON carbon.* TO wso2@localhost WITH GRANT OPTION; GRANT SELECT (i) ON carbon.t TO wso2@localhost; \
         CREATE USER cutover IDENTIFIED BY 'pw'; GRANT ALL ON *.* TO cutover WITH GRANT OPTION",
    );
    server
}

#[tokio::test]
async fn mariadb_fence_when_the_pool_comes_back_in_a_loop_then_out_and_afterwards_as_before() {
    let server = mariadb();
    let admin = as_user(&server.target("carbon"), "cutover", "pw");
    let application = as_user(&server.target("carbon"), "wso2", "secret-of-the-application");
    whole_way(&server, &admin, &application, GRANTS).await;
}

#[tokio::test]
async fn mariadb_fence_when_the_account_serves_another_database_then_that_one_stays_open() {
    let server = mariadb();
    server.create_database("other").unwrap();
    server.run(
        "other",
        "CREATE TABLE t (i INT); GRANT ALL ON other.* TO wso2; GRANT SELECT ON other.* TO wso2@localhost; \
         GRANT ALL ON carbon.* TO wso2 WITH GRANT OPTION",
    );
    let admin = as_user(&server.target("carbon"), "cutover", "pw");
    let application = as_user(&server.target("carbon"), "wso2", "secret-of-the-application");
    let elsewhere = application.with_database("other");
    let mut busy = elsewhere.mysql().await.unwrap();
    whole_way(&server, &admin, &application, GRANTS).await;
    raw_sql("SELECT 1").execute(&mut busy).await.unwrap();

    let plan = FencePlan::prepare(&admin, &accounts(&["wso2"])).await.unwrap();
    plan.apply(&admin, &OwnSessions::new()).await.unwrap();
    assert!(connects(&elsewhere).await, "{plan:?}");
    raw_sql("SELECT * FROM carbon.t")
        .execute(&mut busy)
        .await
        .unwrap_err();
    // Killed in the middle of lifting: one of the statements was done already.
    server.run("", "GRANT SELECT (`i`) ON `carbon`.`t` TO `wso2`@`localhost`");
    plan.lift(&admin).await.unwrap();
    raw_sql("SELECT * FROM carbon.t")
        .execute(&mut busy)
        .await
        .unwrap();

    // A view of that account could not be dumped without its rights: then the account is locked.
    server.run(
        "carbon",
        "CREATE DEFINER=wso2@localhost VIEW v AS SELECT * FROM t",
    );
    let plan = FencePlan::prepare(&admin, &accounts(&["wso2"])).await.unwrap();
    assert!(
        plan.warnings.iter().any(|text| text.contains("`other`")),
        "{plan:?}"
    );
    server.run("", "GRANT SELECT ON *.* TO wso2");
    let plan = FencePlan::prepare(&admin, &accounts(&["wso2"])).await.unwrap();
    assert!(
        plan.warnings.iter().any(|text| text.contains("whole server")),
        "{plan:?}"
    );
}

#[tokio::test]
async fn mariadb_fence_when_the_account_was_locked_before_then_it_stays_locked() {
    let server = mariadb();
    server.run("", "ALTER USER wso2@localhost ACCOUNT LOCK");
    let admin = as_user(&server.target("carbon"), "cutover", "pw");
    let before = server.run("carbon", GRANTS);
    let plan = FencePlan::prepare(&admin, &accounts(&["wso2"])).await.unwrap();
    // Killed between the two entries: one is locked, the other is not, and nothing but the plan is known.
    server.run("", "ALTER USER wso2@'%' ACCOUNT LOCK");
    plan.apply(&admin, &OwnSessions::new()).await.unwrap();
    assert_eq!(plan.gaps(&admin).await.unwrap(), Vec::<String>::new());
    plan.lift(&admin).await.unwrap();
    assert_eq!(server.run("carbon", GRANTS), before);
    server.run("", "CREATE USER wso2@'10.%'");
    let gaps = plan.gaps(&admin).await.unwrap();
    assert!(gaps.iter().any(|gap| gap.contains("10.%")), "{gaps:?}");
}

#[tokio::test]
async fn mariadb_fence_when_a_session_or_xa_transaction_is_left_then_the_proof_names_it() {
    let server = mariadb();
    server.create_user("dba", "pw", &["ALL ON carbon.*"]).unwrap();
    let admin = as_user(&server.target("carbon"), "cutover", "pw");
    let application = as_user(&server.target("carbon"), "wso2", "secret-of-the-application");
    let mut branch = application.mysql().await.unwrap();
    for sql in [
        "XA START 'branch'",
        "INSERT INTO t VALUES (1)",
        "XA END 'branch'",
        "XA PREPARE 'branch'",
    ] {
        raw_sql(sql).execute(&mut branch).await.unwrap();
    }
    let shell = as_user(&admin, "dba", "pw").mysql().await.unwrap();
    let own = OwnSessions::new();
    let plan = FencePlan::prepare(&admin, &accounts(&["wso2"])).await.unwrap();
    assert_eq!(plan.apply(&admin, &own).await.unwrap().ended.len(), 1);
    let proof = plan.prove(&admin, &application, &own).await.unwrap();
    assert_eq!(proof.code, "4151");
    assert_eq!(
        proof
            .remaining
            .iter()
            .map(|session| session.user.as_str())
            .collect::<Vec<_>>(),
        ["dba"]
    );
    assert_eq!(
        proof
            .prepared
            .iter()
            .map(|branch| branch.id.as_str())
            .collect::<Vec<_>>(),
        ["branch"]
    );
    assert!(!proof.is_alone());
    shell.close().await.unwrap();

    let wrong = as_user(&application, "wso2", "wrong");
    let refused = plan.prove(&admin, &wrong, &own).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::WrongPassword, "{refused}");
}

#[tokio::test]
async fn fence_when_it_would_lock_cutover_out_or_lacks_a_right_then_refused_with_a_remedy() {
    let server = mariadb();
    let target = server.target("carbon");
    let shared = as_user(&target, "cutover", "pw");
    let error = FencePlan::prepare(&shared, &accounts(&["cutover"]))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Refused, "{error}");
    assert!(error.remedy().contains("CREATE USER cutover"), "{error}");
    let error = FencePlan::prepare(&shared, &accounts(&["nobody"]))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no account `nobody`"), "{error}");
    server
        .create_user("narrow", "pw", &["PROCESS ON *.*", "ALL ON carbon.*"])
        .unwrap();
    let error = FencePlan::prepare(&as_user(&target, "narrow", "pw"), &accounts(&["wso2"]))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Denied, "{error}");

    let server = Postgres::start().unwrap();
    server.create_database("carbon").unwrap();
    server.run(
        "carbon",
        "CREATE ROLE wso2 LOGIN PASSWORD 'pw'; ALTER DATABASE carbon OWNER TO wso2; \
         CREATE ROLE narrow LOGIN PASSWORD 'pw' IN ROLE pg_monitor",
    );
    let target = server.target("carbon");
    let admin = server.superuser().to_owned();
    let error = FencePlan::prepare(&target, &accounts(&[&admin]))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Refused, "{error}");
    let error = FencePlan::prepare(&as_user(&target, "narrow", "pw"), &accounts(&["wso2"]))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Denied, "{error}");
}

const RIGHTS: &str = "SELECT a.grantee::regrole, a.privilege_type, a.is_grantable, d.datconnlimit FROM pg_database d, \
     aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a WHERE datname = 'carbon' ORDER BY 1, 2; \
     SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname IN ('wso2', 'cutover') ORDER BY 1";

fn postgres() -> Postgres {
    let server = Postgres::start_with(&["max_prepared_transactions=5"]).unwrap();
    server.create_database("carbon").unwrap();
    server.create_database("other").unwrap();
    server.run(
        "carbon",
        "CREATE ROLE wso2 LOGIN PASSWORD 'secret-of-the-application'; ALTER DATABASE carbon OWNER TO wso2; \
         CREATE TABLE t (i INT); ALTER TABLE t OWNER TO wso2; \
         CREATE ROLE cutover LOGIN PASSWORD 'pw' IN ROLE pg_monitor, pg_signal_backend, wso2; \
         CREATE ROLE reporter LOGIN PASSWORD 'pw'",
    );
    server
}

#[tokio::test]
async fn postgres_fence_when_the_pool_comes_back_in_a_loop_then_out_and_afterwards_as_before() {
    let server = postgres();
    let application = as_user(&server.target("carbon"), "wso2", "secret-of-the-application");
    let superuser = server.target("carbon");
    whole_way(&server, &superuser, &application, RIGHTS).await;
    // A member of the owner, which has its own right to connect through PUBLIC only.
    let member = as_user(&superuser, "cutover", "pw");
    whole_way(&server, &member, &application, RIGHTS).await;
    // Rights that are written down, one to be passed on, and one through a group.
    server.run(
        "carbon",
        "CREATE ROLE apps; GRANT apps TO wso2; REVOKE CONNECT ON DATABASE carbon FROM PUBLIC; \
         GRANT CONNECT ON DATABASE carbon TO apps WITH GRANT OPTION; GRANT CONNECT ON DATABASE carbon TO cutover",
    );
    whole_way(&server, &member, &application, RIGHTS).await;
}

#[tokio::test]
async fn postgres_fence_when_the_role_serves_another_database_then_that_one_stays_open() {
    let server = postgres();
    let admin = server.target("carbon");
    let application = as_user(&admin, "wso2", "secret-of-the-application");
    let elsewhere = application.with_database("other");
    let mut busy = elsewhere.postgres().await.unwrap();
    let own = OwnSessions::new();
    let plan = FencePlan::prepare(&admin, &accounts(&["wso2"])).await.unwrap();
    assert!(
        plan.warnings.iter().any(|text| text.contains("reporter")),
        "{plan:?}"
    );
    plan.apply(&admin, &own).await.unwrap();
    raw_sql("SELECT 1").execute(&mut busy).await.unwrap();
    assert!(connects(&elsewhere).await);
    let proof = plan.prove(&admin, &application, &own).await.unwrap();
    assert_eq!(proof.code, "42501");
    // Somebody opens the door behind our back.
    server.run("", "GRANT CONNECT ON DATABASE carbon TO wso2");
    assert_eq!(plan.gaps(&admin).await.unwrap().len(), 1);
    let sneaked = application.postgres().await.unwrap();
    let state = plan.state(&admin, &own).await.unwrap();
    assert_eq!(
        (state.gaps.len(), state.remaining.len(), state.holds()),
        (1, 1, false),
        "{state:?}"
    );
    let error = plan.prove(&admin, &application, &own).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Integrity, "{error}");
    // The one that tried for the proof may still be leaving.
    let ended = plan.apply(&admin, &own).await.unwrap().ended;
    assert!(
        !ended.is_empty() && ended.iter().all(|session| session.user == "wso2"),
        "{ended:?}"
    );
    drop(sneaked);
    plan.lift(&admin).await.unwrap();
}

#[tokio::test]
async fn postgres_fence_when_a_prepared_transaction_is_left_then_the_proof_names_it() {
    let server = postgres();
    let admin = server.target("carbon");
    let application = as_user(&admin, "wso2", "secret-of-the-application");
    let mut session = application.postgres().await.unwrap();
    let sql = "BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'branch'";
    raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&mut session)
        .await
        .unwrap();
    let shell = as_user(&admin, "reporter", "pw").postgres().await.unwrap();
    let own = OwnSessions::new();
    let plan = FencePlan::prepare(&admin, &accounts(&["wso2"])).await.unwrap();
    plan.apply(&admin, &own).await.unwrap();
    let proof = plan.prove(&admin, &application, &own).await.unwrap();
    assert_eq!(
        proof
            .remaining
            .iter()
            .map(|session| session.user.as_str())
            .collect::<Vec<_>>(),
        ["reporter"]
    );
    assert_eq!(
        proof
            .prepared
            .iter()
            .map(|branch| branch.id.as_str())
            .collect::<Vec<_>>(),
        ["branch"]
    );
    drop(shell);
    let wrong = as_user(&application, "reporter", "pw");
    assert_eq!(
        plan.prove(&admin, &wrong, &own).await.unwrap_err().kind(),
        Kind::Refused
    );
}

#[tokio::test]
async fn postgres_fence_when_the_application_is_a_superuser_then_its_login_goes_and_comes_back() {
    let server = postgres();
    server.run("carbon", "ALTER ROLE wso2 SUPERUSER");
    let admin = server.target("carbon");
    let application = as_user(&admin, "wso2", "secret-of-the-application");
    whole_way(&server, &admin, &application, RIGHTS).await;
    server.run("carbon", "ALTER ROLE wso2 NOLOGIN");
    let before = server.run("carbon", RIGHTS);
    let plan = FencePlan::prepare(&admin, &accounts(&["wso2"])).await.unwrap();
    plan.apply(&admin, &OwnSessions::new()).await.unwrap();
    plan.lift(&admin).await.unwrap();
    assert_eq!(server.run("carbon", RIGHTS), before);
}
