//! What commands may touch: typed actions, under configured homes (design.md, promise 11).

use std::path::{Component, Path, PathBuf};

use cutover_proto::report::{ErrorCode, StepError};
use cutover_proto::step::{ConfigValue, NodeAction};
use glob::{MatchOptions, Pattern};

use crate::config::Config;

/// The local policy, ready to be asked.
#[derive(Debug, Clone)]
pub struct Policy {
    homes: Vec<Pattern>,
    texts: Vec<String>,
    database_dirs: Vec<PathBuf>,
    actions: Option<Vec<String>>,
}

const EXACT: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

impl Policy {
    /// The policy of a configuration. Its globs were checked when it was read.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            homes: config
                .homes
                .iter()
                .filter_map(|home| Pattern::new(home).ok())
                .collect(),
            texts: config.homes.clone(),
            database_dirs: config.database_dirs.clone(),
            actions: config.actions.clone(),
        }
    }

    /// Whether the action may be carried out at all: its kind, every home it names and every path under them.
    ///
    /// # Errors
    /// [`ErrorCode::PolicyRefused`] saying what, why, and what to do.
    pub fn check(&self, action: &NodeAction) -> Result<(), StepError> {
        self.check_kind(action.kind())?;
        for home in action.homes() {
            self.home(home)?;
        }
        match action {
            NodeAction::CopyTree { path, overwrite, .. } => {
                relative("path", path)?;
                overwrite
                    .iter()
                    .try_for_each(|pattern| relative("pattern", pattern))
            }
            NodeAction::CarryFiles { patterns, .. } => patterns
                .iter()
                .try_for_each(|pattern| relative("pattern", pattern)),
            NodeAction::EditXml {
                file,
                elsewhere,
                edits,
                ..
            } => {
                let sources = edits.iter().filter_map(|edit| match &edit.value {
                    ConfigValue::Carried(place) | ConfigValue::Element(place) => Some(&place.file),
                    ConfigValue::Literal(_) | ConfigValue::Secret(_) => None,
                });
                let mut all = std::iter::once(file).chain(elsewhere).chain(sources);
                all.try_for_each(|file| {
                    relative("file", file)?;
                    xml_file(file)
                })
            }
            NodeAction::BackupHome { name, .. } => file_name(name),
            NodeAction::CopyTablespaces {
                data_dir,
                from,
                to,
                tables,
            } => {
                self.database_dir(data_dir)?;
                if from == to {
                    return Err(refused(
                        format!("database `{to}` was not copied"),
                        "it would be copied onto itself",
                    ));
                }
                [from, to]
                    .into_iter()
                    .chain(tables)
                    .try_for_each(|name| plain_name(name))
            }
            NodeAction::Inspect { .. }
            | NodeAction::CompareConfig { .. }
            | NodeAction::Unpack { .. }
            | NodeAction::HoldServer { .. }
            | NodeAction::StopServer { .. }
            | NodeAction::ProveStopped { .. }
            | NodeAction::StartServer { .. }
            | NodeAction::ProveReady { .. }
            | NodeAction::ReleaseHold { .. }
            | NodeAction::Smoke { .. } => Ok(()),
        }
    }

    /// Whether actions of this kind are allowed.
    #[must_use]
    pub fn allows(&self, kind: &str) -> bool {
        self.check_kind(kind).is_ok()
    }

    fn check_kind(&self, kind: &str) -> Result<(), StepError> {
        match &self.actions {
            Some(allowed) if !allowed.iter().any(|name| name == kind) => Err(StepError::new(
                ErrorCode::PolicyRefused,
                format!("`{kind}` was not carried out"),
                format!("this agent's policy allows only {}", allowed.join(", ")),
                format!(
                    "add `{kind}` to `actions` in the agent's policy file, if the owner of the host agrees"
                ),
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// The real path of a home, if it is one of those in the policy. It need not exist, but its folder must.
    ///
    /// # Errors
    /// [`ErrorCode::PolicyRefused`], or [`ErrorCode::NotFound`] when its folder does not exist.
    pub fn home(&self, home: &str) -> Result<PathBuf, StepError> {
        let path = Path::new(home);
        let plain = path
            .components()
            .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        if !path.is_absolute() || !plain || home.contains(['\0', '\n']) {
            return Err(refused(
                format!("home `{home}` was refused"),
                "it must be an absolute path without `..`",
            ));
        }
        let real = real_path(path)?;
        if self
            .homes
            .iter()
            .any(|pattern| pattern.matches_path_with(&real, EXACT))
        {
            return Ok(real);
        }
        let place = if real == path {
            format!("`{home}`")
        } else {
            format!("`{home}` (really `{}`)", real.display())
        };
        Err(StepError::new(
            ErrorCode::PolicyRefused,
            format!("home {place} was refused"),
            format!("this agent's policy names only {}", self.texts.join(", ")),
            "correct the home in the upgrade file, or add it to `homes` in the agent's policy file",
        ))
    }

    /// The real path of a database server's data folder, if the policy names it.
    ///
    /// # Errors
    /// [`ErrorCode::PolicyRefused`], or [`ErrorCode::NotFound`] when it does not exist.
    pub fn database_dir(&self, dir: &str) -> Result<PathBuf, StepError> {
        let real = real_path(Path::new(dir))?;
        let real_one = |allowed: &PathBuf| allowed.canonicalize().is_ok_and(|allowed| allowed == real);
        if Path::new(dir).is_absolute() && self.database_dirs.iter().any(real_one) {
            return Ok(real);
        }
        Err(StepError::new(
            ErrorCode::PolicyRefused,
            format!("the data folder `{dir}` was refused"),
            "this agent's policy does not name it in `database_dirs`",
            "add it there if the owner of the database host agrees, or remove `host` from the database in the upgrade \
             file: its tables are then copied by rows",
        ))
    }

    /// Every home that the policy names and that exists, in order.
    #[must_use]
    pub fn existing_homes(&self) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = self
            .texts
            .iter()
            .filter_map(|text| glob::glob_with(text, EXACT).ok())
            .flatten()
            .flatten()
            .filter_map(|path| path.canonicalize().ok())
            .filter(|path| path.is_dir() && self.homes.iter().any(|p| p.matches_path_with(path, EXACT)))
            .collect();
        found.sort();
        found.dedup();
        found
    }
}

fn real_path(path: &Path) -> Result<PathBuf, StepError> {
    let not_found = |error: std::io::Error| crate::fault::io("find", path, &error);
    match path.canonicalize() {
        Ok(real) => Ok(real),
        // A symlink to nowhere is not a place where a new home can be made.
        Err(_) if path.symlink_metadata().is_ok() => Err(refused(
            format!("home `{}` was refused", path.display()),
            "it is a symbolic link that leads nowhere",
        )),
        Err(_) => {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
                return Err(refused(
                    format!("home `{}` was refused", path.display()),
                    "it has no name",
                ));
            };
            Ok(parent.canonicalize().map_err(not_found)?.join(name))
        }
    }
}

fn relative(what: &str, text: &str) -> Result<(), StepError> {
    let path = Path::new(text);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if text.is_empty() || !plain || text.contains(['\0', '\n']) {
        return Err(refused(
            format!("{what} `{text}` was refused"),
            "it must be a path under the home, without `..`",
        ));
    }
    Ok(())
}

fn xml_file(file: &str) -> Result<(), StepError> {
    if Path::new(file).extension().is_some_and(|ext| ext == "xml") {
        return Ok(());
    }
    Err(refused(
        format!("file `{file}` was refused"),
        "only `.xml` files are edited",
    ))
}

fn file_name(name: &str) -> Result<(), StepError> {
    let good = !name.is_empty()
        && name.len() <= 128
        && !name.starts_with('.')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-@".contains(c));
    if good {
        return Ok(());
    }
    Err(refused(
        format!("archive name `{name}` was refused"),
        "it must be 1 to 128 letters, digits, `.`, `_`, `-` or `@`, and not begin with `.`",
    ))
}

/// Of a database or a table: the same in the server as in the file system, and no way out of a folder.
fn plain_name(name: &str) -> Result<(), StepError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !name.is_empty() && name.len() <= 64 && name.bytes().all(plain) {
        return Ok(());
    }
    Err(refused(
        format!("the name `{name}` was refused"),
        "files of tables are copied only where database and table are named with letters, digits and `_`",
    ))
}

fn refused(what: String, why: &str) -> StepError {
    StepError::new(
        ErrorCode::PolicyRefused,
        what,
        why,
        "correct the upgrade file and plan again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(root: &Path, actions: Option<&[&str]>) -> Policy {
        let text = format!(
            "node = \"n\"\ncoordinator = \"c:1\"\nstate_dir = \"/s\"\nbackup_dir = \"/b\"\nhomes = [\"{}/wso2-*\"]\n",
            root.display()
        );
        let mut config = Config::parse(&text).unwrap();
        config.actions = actions.map(|names| names.iter().map(|&n| n.to_owned()).collect());
        Policy::new(&config)
    }

    fn code(result: Result<impl Sized, StepError>) -> Option<ErrorCode> {
        result.err().map(|error| error.code)
    }

    #[test]
    fn home_when_a_link_leads_out_then_refused() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let policy = policy(&root, None);
        std::fs::create_dir(root.join("wso2-1")).unwrap();
        std::os::unix::fs::symlink("/etc", root.join("wso2-2")).unwrap();
        std::os::unix::fs::symlink(root.join("wso2-1"), root.join("current")).unwrap();
        std::os::unix::fs::symlink(root.join("none"), root.join("wso2-3")).unwrap();
        let home = |name: &str| root.join(name).to_string_lossy().into_owned();
        assert_eq!(policy.home(&home("wso2-1")).unwrap(), root.join("wso2-1"));
        assert_eq!(policy.home(&home("wso2-new")).unwrap(), root.join("wso2-new"));
        assert_eq!(policy.home(&home("current")).unwrap(), root.join("wso2-1"));
        for bad in ["wso2-2", "wso2-3", "other", "wso2-1/../wso2-1", "wso2-1/sub"] {
            assert_eq!(
                code(policy.home(&home(bad))),
                Some(ErrorCode::PolicyRefused),
                "{bad}"
            );
        }
        assert_eq!(code(policy.home("wso2-1")), Some(ErrorCode::PolicyRefused));
        assert_eq!(policy.existing_homes(), [root.join("wso2-1")]);
    }

    #[test]
    fn action_when_a_path_leaves_the_home_then_refused() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let policy = policy(&root, None);
        let home = root.join("wso2-1").to_string_lossy().into_owned();
        for path in ["../x", "/etc", "a/../../b", ""] {
            let copy = NodeAction::CopyTree {
                from: home.clone(),
                to: home.clone(),
                path: path.to_owned(),
                protect: false,
                overwrite: Vec::new(),
            };
            assert_eq!(
                code(policy.check(&copy)),
                Some(ErrorCode::PolicyRefused),
                "{path}"
            );
            let edit = NodeAction::EditXml {
                home: home.clone(),
                file: path.to_owned(),
                elsewhere: Vec::new(),
                edits: Vec::new(),
            };
            assert_eq!(
                code(policy.check(&edit)),
                Some(ErrorCode::PolicyRefused),
                "{path}"
            );
        }
        for name in ["../x", "", ".hidden", "a/b"] {
            let backup = NodeAction::BackupHome {
                home: home.clone(),
                name: name.to_owned(),
            };
            assert_eq!(
                code(policy.check(&backup)),
                Some(ErrorCode::PolicyRefused),
                "{name}"
            );
        }
    }

    #[test]
    fn action_when_its_kind_is_not_listed_then_refused() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let policy = policy(&root, Some(&["inspect"]));
        let home = root.join("wso2-1").to_string_lossy().into_owned();
        policy
            .check(&NodeAction::Inspect {
                homes: vec![home.clone()],
            })
            .unwrap();
        let error = policy.check(&NodeAction::HoldServer { home }).unwrap_err();
        assert_eq!(error.code, ErrorCode::PolicyRefused);
        assert!(error.next.contains("hold-server"));
    }
}
