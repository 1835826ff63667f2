//! JDBC URLs: what a Carbon server is told to connect to.

use cutover_database::target::Host;
use cutover_database::{Engine, Target};

/// The JDBC URL of a target. Parameters behind `?` are those of the URL it replaces: they are the site's own.
#[must_use]
pub fn url(target: &Target, replaces: Option<&str>) -> String {
    let scheme = match (
        target.engine,
        replaces.map(|old| old.starts_with("jdbc:mariadb:")),
    ) {
        (Engine::MySql, Some(true)) => "jdbc:mariadb",
        (Engine::MySql, Some(false) | None) => "jdbc:mysql",
        (Engine::Postgres, _) => "jdbc:postgresql",
    };
    let (host, port) = match &target.host {
        Host::Tcp(host, port) => (host.as_str(), *port),
        // Java drivers have no Unix sockets.
        Host::Socket(_, port) => ("localhost", *port),
    };
    let parameters: Vec<&str> = replaces
        .filter(|old| old.starts_with(scheme))
        .map(|old| parameters(old).collect())
        .unwrap_or_default();
    // The account and its password stand in elements of their own.
    let kept: Vec<&str> = parameters.into_iter().filter(|p| !is_account(p)).collect();
    let parameters = if kept.is_empty() {
        String::new()
    } else {
        format!("?{}", kept.join("&"))
    };
    format!("{scheme}://{host}:{port}/{}{parameters}", target.database)
}

fn parameters(url: &str) -> std::str::Split<'_, char> {
    url.split_once('?')
        .map_or("", |(_, parameters)| parameters)
        .split('&')
}

fn is_account(parameter: &str) -> bool {
    let key = parameter.split('=').next().unwrap_or_default();
    key.is_empty() || key.eq_ignore_ascii_case("user") || key.eq_ignore_ascii_case("password")
}

/// A parameter whose value the agent hid because it is a secret, other than the account's own password.
#[must_use]
pub fn masked_parameter(url: &str) -> Option<&str> {
    let masked = parameters(url).find(|p| p.ends_with("=***") && !is_account(p))?;
    masked.split('=').next()
}

/// A parameter that names something in a directory, as a key store in the old home.
#[must_use]
pub fn parameter_within<'a>(url: &'a str, directory: &str) -> Option<&'a str> {
    let within = |value: &str| {
        value.match_indices(directory).any(|(at, _)| {
            let rest = value.get(at + directory.len()..).unwrap_or_default();
            !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || "-_.".contains(c))
        })
    };
    let found = parameters(url)
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(_, value)| within(value) || within(&value.replace("%2F", "/").replace("%2f", "/")));
    found.map(|(name, _)| name)
}

/// Engine and database of any form of JDBC URL: with an account, several hosts, or a way to share them
/// (`jdbc:mysql:replication://`). `None` for an engine that Cutover does not work on.
#[must_use]
pub fn names(url: &str) -> Option<(Engine, &str)> {
    let (scheme, rest) = url.split_once(':')?;
    let (engine, rest) = rest.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("jdbc") {
        return None;
    }
    let engine = match engine.to_ascii_lowercase().as_str() {
        "mysql" | "mariadb" => Engine::MySql,
        "postgresql" => Engine::Postgres,
        _ => return None,
    };
    let place = rest.split(['?', ';']).next().unwrap_or_default();
    let database = match place.split_once("//") {
        Some((_, place)) => place.split_once('/')?.1,
        None => place.trim_start_matches('/'),
    };
    (!database.is_empty()).then_some((engine, database))
}

/// Engine, host, port and database of a JDBC URL; `None` for an engine that Cutover does not work on.
#[must_use]
pub fn parse(url: &str) -> Option<(Engine, String, u16, String)> {
    let (engine, rest, default) = if let Some(rest) = url
        .strip_prefix("jdbc:mysql://")
        .or_else(|| url.strip_prefix("jdbc:mariadb://"))
    {
        (Engine::MySql, rest, 3306)
    } else {
        (Engine::Postgres, url.strip_prefix("jdbc:postgresql://")?, 5432)
    };
    let (authority, path) = rest.split_once('/')?;
    let database = path.split(['?', ';']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (authority, default),
    };
    Some((engine, host.to_owned(), port, database.to_owned()))
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn target(url: &str) -> Target {
        Target::parse(url, SecretString::from("")).unwrap()
    }

    #[test]
    fn url_when_it_replaces_one_then_the_sites_parameters_stay() {
        let old = "jdbc:mysql://db1:3306/WSO2CARBON_DB?autoReconnect=true";
        let new = url(&target("mysql://dss@db2/STAGING"), Some(old));
        assert_eq!(new, "jdbc:mysql://db2:3306/STAGING?autoReconnect=true");
    }

    #[test]
    fn url_when_the_old_one_names_an_account_then_only_the_other_parameters_stay() {
        let old = "jdbc:mysql://db1/X?user=dss&password=***&useSSL=true";
        assert_eq!(
            url(&target("mysql://dss@db2/S"), Some(old)),
            "jdbc:mysql://db2:3306/S?useSSL=true"
        );
        assert_eq!(masked_parameter(old), None);
        let hidden = "jdbc:mysql://db1/X?trustCertificateKeyStorePassword=***";
        assert_eq!(masked_parameter(hidden), Some("trustCertificateKeyStorePassword"));
    }

    #[test]
    fn url_when_the_old_one_is_h2_then_no_parameter_is_taken() {
        let old = "jdbc:h2:repository/database/X;DB_CLOSE_ON_EXIT=FALSE";
        assert_eq!(
            url(&target("postgres://dss@db2/s"), Some(old)),
            "jdbc:postgresql://db2:5432/s"
        );
    }

    #[test]
    fn parse_when_mysql_then_parts() {
        let parts = parse("jdbc:mysql://db1/WSO2CARBON_DB?x=y").unwrap();
        assert_eq!(parts, (Engine::MySql, "db1".into(), 3306, "WSO2CARBON_DB".into()));
        assert!(parse("jdbc:h2:repository/database/X").is_none());
        let parts = parse("jdbc:mysql://dss:***@db1/X").unwrap();
        assert_eq!(parts, (Engine::MySql, "db1".into(), 3306, "X".into()));
    }

    #[test]
    fn names_when_any_form_of_url_then_engine_and_database() {
        for url in [
            "jdbc:mysql://u:***@db1/X?a=b",
            "JDBC:mysql:replication://a,b:3307/X",
            "jdbc:mariadb://address=(host=a)(port=1)/X",
        ] {
            assert_eq!(names(url), Some((Engine::MySql, "X")), "{url}");
        }
        assert_eq!(names("jdbc:postgresql:x"), Some((Engine::Postgres, "x")));
        assert_eq!(names("jdbc:h2:tcp://h/X"), None);
        assert_eq!(names("jdbc:mysql://db1:3306/"), None);
    }

    #[test]
    fn parameter_when_it_names_a_file_of_the_directory_then_found() {
        let url = "jdbc:mysql://db1/X?a=b&trustCertificateKeyStoreUrl=file:/opt/old/ts.jks";
        assert_eq!(
            parameter_within(url, "/opt/old"),
            Some("trustCertificateKeyStoreUrl")
        );
        assert_eq!(parameter_within(url, "/opt/ol"), None);
        assert_eq!(
            parameter_within("jdbc:mysql://db1/X?a=%2Fopt%2Fold%2Fx", "/opt/old"),
            Some("a")
        );
    }
}
