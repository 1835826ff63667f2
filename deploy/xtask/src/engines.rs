//! MariaDB and PostgreSQL, from Debian's packages.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::shell::{find, run, say};

const PACKAGES: [&str; 3] = ["mariadb-server", "mariadb-client", "postgresql"];

/// Makes sure that both engines are installed.
///
/// # Errors
/// When one is missing and can't be installed; the text is the command that does it.
pub(crate) fn ensure() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let command = format!(
        "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {}",
        PACKAGES.join(" ")
    );
    if !is_root() || find("apt-get").is_none() {
        bail!(
            "{} missing; as root, run:\n\n  {command}\n",
            missing.join(" and ")
        );
    }
    say(&format!(
        "{} missing; installing Debian's packages",
        missing.join(" and ")
    ))?;
    run(Command::new("apt-get").arg("update"))?;
    let mut install = Command::new("apt-get");
    install
        .args(["install", "-y", "--no-install-recommends"])
        .args(PACKAGES);
    // The packages would start servers of the system's own, which nobody here needs.
    install
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("RUNLEVEL", "1");
    run(&mut install)?;
    match self::missing().as_slice() {
        [] => Ok(()),
        rest => bail!("{} still missing after `{command}`", rest.join(" and ")),
    }
}

fn missing() -> Vec<&'static str> {
    let mut missing = Vec::new();
    let server = find("mariadbd").is_some() || Path::new("/usr/sbin/mariadbd").is_file();
    if !server || find("mariadb").is_none() || find("mariadb-dump").is_none() {
        missing.push("MariaDB");
    }
    if find("psql").is_none() || find("pg_dump").is_none() || !postgres_server() {
        missing.push("PostgreSQL");
    }
    missing
}

/// Debian keeps the server out of PATH, in a folder per version.
fn postgres_server() -> bool {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    find("postgres").is_some()
        || versions
            .into_iter()
            .any(|version| version.path().join("bin/postgres").is_file())
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .and_then(|ids| ids.split_whitespace().nth(1))
        .is_some_and(|effective| effective == "0")
}
