//! What would start a stopped server by itself: unit files and cron tables that name its home.

use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

/// Files larger than this are no unit files or cron tables.
const MAX: u64 = 1 << 20;

/// Looks through the folders (or single files) for texts that name any of the home's paths.
#[must_use]
pub fn restart_managers(home: &[PathBuf], unit_dirs: &[PathBuf], cron_dirs: &[PathBuf]) -> Vec<String> {
    let names: Vec<String> = home
        .iter()
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    let mut found: Vec<String> = Vec::new();
    for (place, text) in texts(unit_dirs) {
        if live_lines(&text).any(|line| mentions_any(line, &names)) {
            let restart = live_lines(&text).find(|line| line.trim_start().starts_with("Restart="));
            let restart = restart.map_or_else(|| "no Restart=".to_owned(), |line| line.trim().to_owned());
            found.push(format!("systemd: {} ({restart})", place.display()));
        }
    }
    for (place, text) in texts(cron_dirs) {
        if live_lines(&text).any(|line| mentions_any(line, &names)) {
            found.push(format!("cron: {}", place.display()));
        }
    }
    found.sort();
    found.dedup();
    found
}

fn texts(places: &[PathBuf]) -> Vec<(PathBuf, String)> {
    let files = places
        .iter()
        .flat_map(|place| WalkDir::new(place).max_depth(3))
        .flatten();
    files
        .filter(|entry| {
            entry.path().is_file() && fs::metadata(entry.path()).is_ok_and(|meta| meta.len() <= MAX)
        })
        .filter_map(|entry| {
            let bytes = fs::read(entry.path()).ok()?;
            Some((entry.into_path(), String::from_utf8_lossy(&bytes).into_owned()))
        })
        .collect()
}

fn live_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with(['#', ';']))
}

fn mentions_any(line: &str, names: &[String]) -> bool {
    names.iter().any(|name| mentions(line, name))
}

/// Whether the line names this folder or something in it, not a folder whose name only begins alike.
fn mentions(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let after = line.get(at + name.len()..).and_then(|rest| rest.chars().next());
        !after.is_some_and(|c| c.is_alphanumeric() || "-_.".contains(c))
    })
}

/// The paths by which a home is likely to be named.
pub(super) fn spellings(home: &Path) -> Vec<PathBuf> {
    let mut all = vec![home.to_owned()];
    // A link beside the home, such as `/opt/wso2`, is how units usually name it.
    let beside = home
        .parent()
        .map(fs::read_dir)
        .into_iter()
        .flatten()
        .flatten()
        .flatten();
    for entry in beside {
        let path = entry.path();
        if path.is_symlink() && path.canonicalize().is_ok_and(|real| real == home) {
            all.push(path);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn managers_when_they_name_the_home_then_found() {
        let root = tempfile::tempdir().unwrap();
        let (units, cron) = (root.path().join("units"), root.path().join("cron"));
        fs::create_dir_all(units.join("other.service.d")).unwrap();
        fs::create_dir(&cron).unwrap();
        let home = root.path().join("wso2dss-3.0.1");
        fs::create_dir(&home).unwrap();
        std::os::unix::fs::symlink(&home, root.path().join("current")).unwrap();
        let name = home.display();
        fs::write(
            units.join("dss.service"),
            format!("[Service]\nExecStart={name}/bin/wso2server.sh\nRestart=always\n"),
        )
        .unwrap();
        fs::write(
            units.join("off.service"),
            format!("#ExecStart={name}/bin/wso2server.sh\n"),
        )
        .unwrap();
        fs::write(
            units.join("near.service"),
            format!("ExecStart={name}-old/bin/wso2server.sh\n"),
        )
        .unwrap();
        fs::write(
            units.join("other.service.d/x.conf"),
            format!("ExecStart={}/bin/x\n", root.path().join("current").display()),
        )
        .unwrap();
        fs::write(
            cron.join("wso2"),
            format!("*/5 * * * * root {name}/bin/wso2server.sh start\n"),
        )
        .unwrap();
        let found = restart_managers(&spellings(&home), &[units], &[cron]);
        assert_eq!(found.len(), 3, "{found:#?}");
        assert!(found[0].starts_with("cron: "));
        assert!(
            found
                .iter()
                .any(|line| line.contains("dss.service (Restart=always)"))
        );
    }
}
