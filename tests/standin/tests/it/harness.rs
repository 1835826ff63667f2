//! Homes with a database behind them, started and stopped through their own script.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use carbon_standin::fixtures;
use carbon_standin::home::{Database, HomeSpec, make_home};
use cutover_testdb::{MariaDb, Postgres};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tempfile::TempDir;

pub(crate) const STANDIN: &str = env!("CARGO_BIN_EXE_carbon-standin");
pub(crate) const PRODUCT: &str = "WSO2 Data Services Server";
const LIMIT: Duration = Duration::from_secs(60);

/// Either engine, with a database `carbon` holding the sample rows.
pub(crate) enum Engine {
    Maria(MariaDb),
    Postgres(Postgres),
}

impl Engine {
    pub(crate) fn maria(migrated: bool) -> Result<Self> {
        let server = MariaDb::start()?;
        server.create_database("carbon")?;
        server.create_user("carbonuser", "it's #1 & <more>", &["ALL ON carbon.*"])?;
        let mut scripts = vec![fixtures::SCHEMA_41_MYSQL, fixtures::SAMPLE_ROWS_MYSQL];
        scripts.extend(migrated.then_some(fixtures::MIGRATION_MYSQL));
        scripts
            .iter()
            .try_for_each(|script| server.sql("carbon", script).map(drop))?;
        Ok(Self::Maria(server))
    }

    pub(crate) fn postgres(migrated: bool) -> Result<Self> {
        let server = Postgres::start()?;
        server.create_database("carbon")?;
        let mut scripts = vec![fixtures::SCHEMA_41_POSTGRES, fixtures::SAMPLE_ROWS_POSTGRES];
        scripts.extend(migrated.then_some(fixtures::MIGRATION_POSTGRES));
        scripts
            .iter()
            .try_for_each(|script| server.sql("carbon", script).map(drop))?;
        server.create_user("carbonuser", "it's #1 & <more>", &[])?;
        for what in [
            "ALL ON ALL TABLES IN SCHEMA public",
            "ALL ON ALL SEQUENCES IN SCHEMA public",
        ] {
            server.grant("carbon", what, "carbonuser")?;
        }
        Ok(Self::Postgres(server))
    }

    pub(crate) fn sql(&self, sql: &str) -> Result<String> {
        match self {
            Self::Maria(server) => server.sql("carbon", sql),
            Self::Postgres(server) => server.sql("carbon", sql),
        }
    }

    pub(crate) fn number(&self, sql: &str) -> Result<u64> {
        Ok(self.sql(sql)?.trim().parse()?)
    }

    /// How many sessions of the home's user the server lists.
    pub(crate) fn sessions(&self) -> Result<u64> {
        self.number(match self {
            Self::Maria(_) => "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'carbonuser'",
            Self::Postgres(_) => "SELECT COUNT(*) FROM pg_stat_activity WHERE usename = 'carbonuser'",
        })
    }

    pub(crate) fn database(&self) -> Database {
        let (kind, port) = match self {
            Self::Maria(server) => ("mysql", server.port()),
            Self::Postgres(server) => ("postgresql", server.port()),
        };
        Database {
            url: format!("jdbc:{kind}://127.0.0.1:{port}/carbon?autoReconnect=true&relaxAutoCommit=true"),
            user: "carbonuser".to_owned(),
            password: "it's #1 & <more>".to_owned(),
        }
    }
}

/// A home, and the server that runs from it, ended with the value.
pub(crate) struct Home {
    pub(crate) dir: PathBuf,
    pub(crate) offset: u16,
    _folder: TempDir,
}

impl Home {
    pub(crate) fn new(kernel: &str, database: Option<Database>) -> Result<Self> {
        let version = if kernel.starts_with("4.1") {
            "3.0.1"
        } else {
            "3.2.0"
        };
        let stock = HomeSpec::stock(PRODUCT, version, kernel, Path::new(STANDIN));
        Self::of(HomeSpec { database, ..stock })
    }

    pub(crate) fn of(spec: HomeSpec) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let dir = folder.path().canonicalize()?.join("wso2 home");
        let offset = free_offset()?;
        let tenants = vec![1, 2];
        make_home(
            &dir,
            &HomeSpec {
                offset,
                tenants,
                ..spec
            },
        )?;
        Ok(Self {
            dir,
            offset,
            _folder: folder,
        })
    }

    pub(crate) fn option(&self, line: &str) -> Result<()> {
        let mut file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.join("standin.toml"))?;
        Ok(writeln!(file, "{line}")?)
    }

    pub(crate) fn script(&self, argument: &str) -> Result<Output> {
        // By its shell: a child that another test forks may have the new script open for writing.
        let mut command = Command::new("sh");
        command
            .arg(self.dir.join("bin/wso2server.sh"))
            .arg(argument)
            .env("JAVA_HOME", "/usr")
            .env("CARBON_STANDIN_OWNER", std::process::id().to_string())
            // Files, not pipes: the older script leaves its output to the server, which would hold a pipe open.
            .stdout(std::fs::File::create(self.dir.join("script.out"))?)
            .stderr(Stdio::null());
        let mut output = command.output()?;
        output.stdout = std::fs::read(self.dir.join("script.out"))?;
        Ok(output)
    }

    pub(crate) fn start(&self) -> Result<()> {
        ensure!(self.script("start")?.status.success(), "start ends with 0");
        self.wait_log("Mgt Console URL")
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("repository/logs/wso2carbon.log")).unwrap_or_default()
    }

    pub(crate) fn wait_log(&self, text: &str) -> Result<()> {
        wait(&format!("`{text}` in the log"), || self.log().contains(text))
            .with_context(|| format!("the log is:\n{}", self.log()))
    }

    pub(crate) fn pid_file(&self) -> Vec<u8> {
        std::fs::read(self.dir.join("wso2carbon.pid")).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        let text = self.pid_file();
        let digits: Vec<u8> = text.into_iter().take_while(u8::is_ascii_digit).collect();
        String::from_utf8(digits).ok()?.parse().ok()
    }

    /// Whether the process the pid file names is this home's server.
    pub(crate) fn runs(&self) -> bool {
        let Some(pid) = self.pid() else { return false };
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&format!("-Dcarbon.home={}\0", self.dir.display()))
    }

    pub(crate) fn wait_gone(&self) -> Result<()> {
        // `ps`, which the start script asks, shows it until its parent has taken note of its end.
        let shown = |pid| self.dir.join(format!("/proc/{pid}")).exists();
        wait("the end of the server", || {
            !self.runs() && !self.pid().is_some_and(shown)
        })
    }

    pub(crate) fn https_open(&self) -> bool {
        TcpStream::connect((Ipv4Addr::LOCALHOST, 9443 + self.offset)).is_ok()
    }

    pub(crate) fn markers(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.dir.join("repository/logs/standin-writes.log"));
        text.unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// Calls an admin service; the status and the body.
    pub(crate) fn soap(&self, user: &str, service: &str, body: &str) -> Result<(u16, String)> {
        use base64::Engine as _;
        let authorization = base64::engine::general_purpose::STANDARD.encode(user);
        let body = format!(
            "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\"><soapenv:Header/>\
             <soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
        );
        let request = format!(
            "POST /services/{service} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {authorization}\r\n\
             Content-Type: text/xml\r\nSOAPAction: \"\"\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let reply = self.https(&request)?;
        let status = reply.split(' ').nth(1).context("a status line")?.parse()?;
        Ok((
            status,
            reply.split_once("\r\n\r\n").context("a head")?.1.to_owned(),
        ))
    }

    /// Sends bytes over TLS, trusting only what the home's own truststore holds.
    pub(crate) fn https(&self, request: &str) -> Result<String> {
        let pem = std::fs::read(
            self.dir
                .join("repository/resources/security/client-truststore.jks"),
        )?;
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&pem)?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut client = rustls::ClientConnection::new(Arc::new(config), "localhost".try_into()?)?;
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, 9443 + self.offset))?;
        let mut stream = rustls::Stream::new(&mut client, &mut socket);
        stream.write_all(request.as_bytes())?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        Ok(reply)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.runs()
            && let Some(pid) = self
                .pid()
                .and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()))
        {
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
        }
    }
}

pub(crate) fn wait(what: &str, mut ready: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    while !ready() {
        ensure!(Instant::now() < deadline, "{what} did not come within {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// An offset under which both ports are free.
fn free_offset() -> Result<u16> {
    let https = cutover_testdb::ports::free_group(&[0, 9763 - 9443])?;
    Ok(https.saturating_sub(9443))
}
