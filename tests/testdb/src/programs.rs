//! Where the engines' programs are.

use std::path::{Path, PathBuf};

/// The MariaDB programs a private server needs.
#[derive(Debug)]
pub(crate) struct MariaDbPrograms {
    pub(crate) server: PathBuf,
    pub(crate) install: PathBuf,
    pub(crate) client: PathBuf,
}

impl MariaDbPrograms {
    pub(crate) fn find() -> Result<Self, Vec<&'static str>> {
        let mut missing = Vec::new();
        let found = Self {
            server: required("mariadbd", &mut missing),
            install: required("mariadb-install-db", &mut missing),
            client: required("mariadb", &mut missing),
        };
        if missing.is_empty() {
            Ok(found)
        } else {
            Err(missing)
        }
    }
}

/// The PostgreSQL programs a private server needs.
#[derive(Debug)]
pub(crate) struct PostgresPrograms {
    pub(crate) server: PathBuf,
    pub(crate) initdb: PathBuf,
    pub(crate) client: PathBuf,
}

impl PostgresPrograms {
    pub(crate) fn find() -> Result<Self, Vec<&'static str>> {
        let newest = newest_postgres_bin();
        let mut missing = Vec::new();
        let mut pick = |name: &'static str| {
            let beside = newest
                .as_ref()
                .map(|dir| dir.join(name))
                .filter(|path| path.is_file());
            beside.unwrap_or_else(|| required(name, &mut missing))
        };
        let found = Self {
            server: pick("postgres"),
            initdb: pick("initdb"),
            client: pick("psql"),
        };
        if missing.is_empty() {
            Ok(found)
        } else {
            Err(missing)
        }
    }
}

/// The sentence a developer needs when programs are missing.
pub(crate) fn install_hint(missing: &[&str]) -> String {
    format!(
        "not found: {}; install the database servers with `apt-get install mariadb-server postgresql` \
         (they need not be running)",
        missing.join(", ")
    )
}

/// Debian keeps server programs outside a user's PATH, so the usual system folders are searched too.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = [
        "/usr/sbin",
        "/usr/local/sbin",
        "/usr/bin",
        "/usr/local/bin",
        "/bin",
        "/sbin",
    ];
    std::env::split_paths(&path)
        .chain(system.iter().map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|candidate| candidate.is_file())
}

fn required(name: &'static str, missing: &mut Vec<&'static str>) -> PathBuf {
    find_program(name).unwrap_or_else(|| {
        missing.push(name);
        PathBuf::new()
    })
}

fn newest_postgres_bin() -> Option<PathBuf> {
    let entries = std::fs::read_dir(Path::new("/usr/lib/postgresql")).ok()?;
    let version = |path: &Path| -> Option<u32> { path.file_name()?.to_str()?.parse().ok() };
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("bin/postgres").is_file())
        .filter_map(|path| Some((version(&path)?, path.join("bin"))))
        .max()
        .map(|(_, bin)| bin)
}
