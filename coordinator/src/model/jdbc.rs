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
    }
}
