//! The account that the server of a home runs as. An agent that is root never runs a home's script as root just
//! because nobody said otherwise: whoever owns the home could change what root does.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use cap_std::fs::MetadataExt;
use cutover_proto::report::{ErrorCode, StepError};

use super::inside::Inside;
use crate::config::Config;
use crate::fault;

/// A user of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name; the number when the host has no name for it.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Main group.
    pub gid: u32,
    /// Home folder.
    pub folder: String,
    /// Whether the host knows it, and so what other groups it is in.
    pub is_known: bool,
}

/// Looks a user up, by name or number, also where users come from a directory service.
#[must_use]
pub fn account(key: &str) -> Option<Account> {
    let local = fs::read_to_string("/etc/passwd").unwrap_or_default();
    local.lines().find_map(|line| parse(line, key)).or_else(|| {
        let asked = Command::new("getent")
            .args(["passwd", key])
            .stdin(Stdio::null())
            .output()
            .ok()?;
        String::from_utf8_lossy(&asked.stdout)
            .lines()
            .find_map(|line| parse(line, key))
    })
}

fn parse(line: &str, key: &str) -> Option<Account> {
    let fields: Vec<&str> = line.split(':').collect();
    match fields.as_slice() {
        [name, _, uid, gid, _, folder, ..] if *name == key || *uid == key => Some(Account {
            name: (*name).to_owned(),
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            folder: (*folder).to_owned(),
            is_known: true,
        }),
        _ => None,
    }
}

/// Whom the server of a home runs as: the account of the policy, else, when the agent is root, whoever owns the home,
/// or its start script where the home is root's. `None` is the agent's own account, when that is not root.
///
/// # Errors
/// [`ErrorCode::ConfigRefused`] when the policy's account is unknown, or names none and nobody but root owns the home.
pub fn of_server(config: &Config, home: &Path) -> Result<Option<Account>, StepError> {
    if let Some(name) = &config.run_as {
        return named(name).map(Some);
    }
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let owner = home_owner(home).map_err(|error| fault::io("find the owner of", home, &error))?;
    match owner {
        Some((uid, gid)) => Ok(Some(numbered(uid, gid))),
        None => Err(as_root(
            format!("the server of `{}` can't be run", home.display()),
            "the home and its bin/wso2server.sh belong to root: the server would run as root",
        )),
    }
}

/// Who is to own a home that is made new: the account of the policy, else, when the agent is root, the owner of the
/// folder it is made in. `None` leaves it to the agent's own account, when that is not root.
///
/// # Errors
/// As [`of_server`].
pub fn of_new_home(config: &Config, home: &Path) -> Result<Option<Account>, StepError> {
    if let Some(name) = &config.run_as {
        return named(name).map(Some);
    }
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let folder = home.parent().unwrap_or(home);
    let meta = fs::metadata(folder).map_err(|error| fault::io("find the owner of", folder, &error))?;
    match (
        std::os::unix::fs::MetadataExt::uid(&meta),
        std::os::unix::fs::MetadataExt::gid(&meta),
    ) {
        (0, _) => Err(as_root(
            format!("`{}` can't be made", home.display()),
            "its folder belongs to root: the new home would be root's and its server run as root",
        )),
        (uid, gid) => Ok(Some(numbered(uid, gid))),
    }
}

fn named(name: &str) -> Result<Account, StepError> {
    account(name)
        .filter(|account| account.name == name)
        .ok_or_else(|| {
            StepError::new(
                ErrorCode::ConfigRefused,
                "the account of the servers is unknown",
                format!(
                    "`run_as` in the agent's policy names the user `{name}`, whom this host does not know"
                ),
                "correct the agent's policy file and restart the agent",
            )
        })
}

fn numbered(uid: u32, gid: u32) -> Account {
    let name = uid.to_string();
    account(&name)
        .filter(|account| account.uid == uid)
        .unwrap_or_else(|| Account {
            name,
            uid,
            gid,
            folder: "/".to_owned(),
            is_known: false,
        })
}

/// The first owner that is not root: of the home, who can change everything in it, else of its start script.
fn home_owner(home: &Path) -> std::io::Result<Option<(u32, u32)>> {
    let Some(inside) = Inside::open(home)? else {
        return Err(std::io::ErrorKind::NotFound.into());
    };
    let owners = [
        Some(inside.home_metadata()?),
        inside.metadata("bin/wso2server.sh")?,
    ];
    let mut owners = owners.into_iter().flatten();
    Ok(owners
        .find(|meta| meta.uid() != 0)
        .map(|meta| (meta.uid(), meta.gid())))
}

fn as_root(what: String, why: &str) -> StepError {
    StepError::new(
        ErrorCode::ConfigRefused,
        what,
        format!("the agent is root, its policy has no `run_as`, and {why}"),
        "name the account in `run_as` of the agent's policy file (`run_as = \"root\"` if root is meant) and restart \
         the agent; then retry the step",
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::chown;

    use super::*;

    fn config(run_as: Option<&str>) -> Config {
        let mut config = Config::parse(
            "node = \"n\"\ncoordinator = \"c:1\"\nstate_dir = \"/s\"\nbackup_dir = \"/b\"\nhomes = [\"/opt/w*\"]\n",
        )
        .unwrap();
        config.run_as = run_as.map(str::to_owned);
        config
    }

    fn home() -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("bin")).unwrap();
        fs::write(home.path().join("bin/wso2server.sh"), "#!/bin/sh\n").unwrap();
        home
    }

    #[test]
    fn account_when_it_is_in_passwd_then_found_by_name_and_number() {
        assert_eq!(account("root").unwrap().uid, 0);
        assert_eq!(account("0").unwrap().name, "root");
        assert_eq!(account("no-such-user-here"), None);
        let line = "wso2:x:77:88::/home/wso2:/bin/sh";
        assert_eq!(parse(line, "wso2").unwrap().gid, 88);
        assert_eq!(parse(line, "77").unwrap().name, "wso2");
        assert_eq!(parse("wso2x:x:77:88::/home/wso2:/bin/sh", "wso2"), None);
    }

    #[test]
    fn server_when_the_policy_names_nobody_then_the_owner_of_its_home_runs_it_and_never_root() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let home = home();
        let refused = of_server(&config(None), home.path()).unwrap_err();
        assert_eq!(refused.code, ErrorCode::ConfigRefused);
        assert!(refused.next.contains("run_as"), "{refused:?}");
        assert_eq!(
            of_server(&config(Some("root")), home.path())
                .unwrap()
                .unwrap()
                .uid,
            0
        );

        chown(home.path().join("bin/wso2server.sh"), Some(4321), Some(4322)).unwrap();
        let account = of_server(&config(None), home.path()).unwrap().unwrap();
        assert_eq!((account.uid, account.gid), (4321, 4322));
        // Who owns the home can put any file of another user under the script's name.
        chown(home.path(), Some(5321), Some(5322)).unwrap();
        let account = of_server(&config(None), home.path()).unwrap().unwrap();
        assert_eq!((account.uid, account.gid), (5321, 5322));
    }

    #[test]
    fn new_home_when_the_policy_names_nobody_then_the_owner_of_its_folder_gets_it() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("wso2new");
        let refused = of_new_home(&config(None), &home).unwrap_err();
        assert_eq!(refused.code, ErrorCode::ConfigRefused);
        assert_eq!(of_new_home(&config(Some("root")), &home).unwrap().unwrap().uid, 0);
        chown(folder.path(), Some(4321), Some(4322)).unwrap();
        assert_eq!(of_new_home(&config(None), &home).unwrap().unwrap().uid, 4321);
    }

    #[test]
    fn server_when_the_policy_names_nobody_known_then_refused() {
        let error = of_server(&config(Some("no-such-user-here")), Path::new("/")).unwrap_err();
        assert_eq!(error.code, ErrorCode::ConfigRefused);
        assert!(
            of_server(&config(Some("0")), Path::new("/")).is_err(),
            "a name is asked for"
        );
    }
}
