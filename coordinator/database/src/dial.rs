//! What `tls=` in a URL means to the bulk driver and to the engines' own programs, beside sqlx.

use std::path::PathBuf;

use mysql_async::{Conn, DriverError, Error, OptsBuilder, SslOpts};
use secrecy::ExposeSecret as _;

use crate::target::{Host, Target, Tls};

/// Where the operating systems keep the certificates that they trust.
const SYSTEM_ROOTS: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
];

/// The file of certificates that `tls=verify-full` trusts: that which `SSL_CERT_FILE` names, else the operating system's.
/// sqlx takes the same one by itself.
pub(crate) fn trusted_roots() -> Option<PathBuf> {
    let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let known = SYSTEM_ROOTS.iter().map(PathBuf::from);
    named.into_iter().chain(known).find(|path| path.is_file())
}

/// Connects to MySQL or MariaDB with the driver that streams `LOAD DATA LOCAL` and takes statements as bytes.
///
/// # Errors
/// The driver's error; it names no password.
pub async fn mysql_bulk(target: &Target) -> Result<Conn, Error> {
    let insecure = SslOpts::default()
        .with_danger_accept_invalid_certs(true)
        .with_danger_skip_domain_validation(true);
    match target.tls {
        Tls::Disabled => Conn::new(options(target, None)).await,
        Tls::Required => Conn::new(options(target, Some(insecure))).await,
        Tls::VerifyFull => {
            let roots = trusted_roots();
            let ssl = SslOpts::default()
                .with_disable_built_in_roots(roots.is_some())
                .with_root_certs(roots.into_iter().map(Into::into).collect());
            Conn::new(options(target, Some(ssl))).await
        }
        Tls::Preferred => match Conn::new(options(target, Some(insecure))).await {
            Err(Error::Driver(DriverError::NoClientSslFlagFromServer)) => {
                Conn::new(options(target, None)).await
            }
            other => other,
        },
    }
}

fn options(target: &Target, ssl: Option<SslOpts>) -> OptsBuilder {
    let options = OptsBuilder::default()
        .user(Some(&target.user))
        .pass(Some(target.password.expose_secret()))
        .db_name(Some(&target.database))
        // The way that was named is the way taken: no silent switch to a local socket.
        .prefer_socket(false)
        .tcp_nodelay(true);
    match &target.host {
        Host::Tcp(host, port) => options.ip_or_hostname(host).tcp_port(*port).ssl_opts(ssl),
        Host::Socket(path, _) => options.socket(path.to_str()),
    }
}

/// A PostgreSQL connection string without the password. Programs are given it as one argument, so that no database's
/// name can be mistaken for one.
#[must_use]
pub fn conninfo(target: &Target) -> String {
    let quoted = |value: &str| format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"));
    let (host, port) = match &target.host {
        Host::Tcp(host, port) => (host.trim_matches(['[', ']']).to_owned(), *port),
        Host::Socket(path, port) => (path.to_string_lossy().into_owned(), *port),
    };
    let tls = match target.tls {
        Tls::Disabled => "disable",
        Tls::Preferred => "prefer",
        Tls::Required => "require",
        Tls::VerifyFull => "verify-full",
    };
    // Left alone, libpq looks for a file in the home of whoever runs it.
    let roots = trusted_roots().filter(|_| target.tls == Tls::VerifyFull);
    let roots = roots.map(|path| format!(" sslrootcert={}", quoted(&path.to_string_lossy())));
    format!(
        "dbname={} host={} port={port} user={} sslmode={tls}{} application_name=cutover",
        quoted(&target.database),
        quoted(&host),
        quoted(&target.user),
        roots.unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conninfo_when_names_hold_quotes_then_escaped_and_password_absent() {
        let secret = secrecy::SecretString::from("planted-secret");
        let target = Target::parse("postgres://o'neil@db1/a\\b", secret).unwrap();
        let text =
            "dbname='a\\\\b' host='db1' port=5432 user='o\\'neil' sslmode=prefer application_name=cutover";
        assert_eq!(conninfo(&target), text);
    }
}
