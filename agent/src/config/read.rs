//! Reads one key after the other and remembers every problem.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use cutover_proto::ids::NodeName;
use toml::{Table, Value};

use super::ACTION_KINDS;

pub(super) struct Reader {
    table: Table,
    problems: Vec<String>,
}

impl Reader {
    pub(super) fn new(table: Table) -> Self {
        Self {
            table,
            problems: Vec::new(),
        }
    }

    /// The problems, among them every key that nobody asked for.
    pub(super) fn finish(mut self) -> Vec<String> {
        for key in self.table.keys() {
            self.problems
                .push(format!("`{key}` is not a key of this file; remove it"));
        }
        self.problems
    }

    fn problem(&mut self, text: String) {
        self.problems.push(text);
    }

    pub(super) fn optional_text(&mut self, key: &str) -> Option<String> {
        let value = self.table.remove(key)?;
        let Some(text) = value.as_str() else {
            self.problem(format!("`{key}` must be a text, not {}", value.type_str()));
            return None;
        };
        if text.trim().is_empty() {
            self.problem(format!("`{key}` is empty"));
            return None;
        }
        Some(text.to_owned())
    }

    fn text(&mut self, key: &str) -> Option<String> {
        if !self.table.contains_key(key) {
            self.problem(format!("`{key}` is missing"));
        }
        self.optional_text(key)
    }

    fn list(&mut self, key: &str) -> Option<Vec<String>> {
        let value = self.table.remove(key)?;
        let texts = value.as_array().map(|items| {
            items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
        });
        if let Some(Some(texts)) = texts {
            return Some(texts);
        }
        self.problem(format!("`{key}` must be a list of texts"));
        None
    }

    pub(super) fn node(&mut self) -> NodeName {
        let text = self.text("node");
        match text.as_deref().unwrap_or("unnamed").parse() {
            Ok(name) => name,
            Err(error) => {
                self.problem(format!("`node`: {error}"));
                fallback()
            }
        }
    }

    pub(super) fn address(&mut self, key: &str) -> String {
        let text = self.text(key).unwrap_or_default();
        let port = text
            .rsplit_once(':')
            .map(|(host, port)| (host, port.parse::<u16>()));
        let good =
            matches!(port, Some((host, Ok(port))) if !host.is_empty() && port > 0 && !text.contains('/'));
        if !good && !text.is_empty() {
            self.problem(format!("`{key}` must be `host:port`, not `{text}`"));
        }
        text
    }

    pub(super) fn directory(&mut self, key: &str) -> PathBuf {
        let text = self.text(key);
        text.map(|text| self.absolute(key, text)).unwrap_or_default()
    }

    pub(super) fn optional_directory(&mut self, key: &str) -> Option<PathBuf> {
        let text = self.optional_text(key)?;
        Some(self.absolute(key, text))
    }

    /// Octal digits, as `umask` of a shell takes them.
    pub(super) fn umask(&mut self, key: &str, default: u32) -> u32 {
        let Some(text) = self.optional_text(key) else {
            return default;
        };
        let octal = text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
        match u32::from_str_radix(&text, 8) {
            Ok(mask) if octal && mask <= 0o777 => mask,
            Ok(_) | Err(_) => {
                self.problem(format!(
                    "`{key}` must be up to three octal digits, such as `022`, not `{text}`"
                ));
                default
            }
        }
    }

    pub(super) fn directories(&mut self, key: &str, default: &[&str]) -> Vec<PathBuf> {
        match self.list(key) {
            Some(texts) => texts.into_iter().map(|text| self.absolute(key, text)).collect(),
            None => default.iter().map(PathBuf::from).collect(),
        }
    }

    fn absolute(&mut self, key: &str, text: String) -> PathBuf {
        if !is_plain_absolute(Path::new(&text)) {
            self.problem(format!("`{key}`: `{text}` must be an absolute path without `..`"));
        }
        PathBuf::from(text)
    }

    pub(super) fn homes(&mut self) -> Vec<String> {
        if !self.table.contains_key("homes") {
            self.problem(
                "`homes` is missing; name the Carbon homes, for example `[\"/opt/wso2dss-*\"]`".to_owned(),
            );
        }
        let homes = self.list("homes").unwrap_or_default();
        for home in &homes {
            if let Some(problem) = home_problem(home) {
                self.problem(format!("`homes`: `{home}` {problem}"));
            }
        }
        homes
    }

    pub(super) fn start_env(&mut self) -> BTreeMap<String, String> {
        let start = match self.table.remove("start") {
            Some(Value::Table(start)) => start,
            Some(_) => {
                self.problem("`start` must be a table".to_owned());
                return BTreeMap::new();
            }
            None => return BTreeMap::new(),
        };
        for key in start.keys().filter(|key| *key != "env") {
            self.problems
                .push(format!("`start.{key}` is not a key of this file; remove it"));
        }
        let Some(value) = start.get("env") else {
            return BTreeMap::new();
        };
        let Some(table) = value.as_table() else {
            self.problem("`start.env` must be a table".to_owned());
            return BTreeMap::new();
        };
        let mut env = BTreeMap::new();
        for (key, value) in table {
            match value.as_str() {
                Some(text) => {
                    env.insert(key.clone(), text.to_owned());
                }
                None => self.problem(format!("`start.env.{key}` must be a text")),
            }
        }
        env
    }

    pub(super) fn actions(&mut self) -> Option<Vec<String>> {
        let actions = self.list("actions")?;
        for action in &actions {
            if !ACTION_KINDS.contains(&action.as_str()) {
                self.problem(format!(
                    "`actions`: there is no action `{action}`; choose from {}",
                    ACTION_KINDS.join(", ")
                ));
            }
        }
        Some(actions)
    }
}

#[expect(clippy::expect_used, reason = "a constant that is a valid name")]
fn fallback() -> NodeName {
    "unnamed".parse().expect("a valid node name")
}

/// Absolute, and without `..` or `.` anywhere.
fn is_plain_absolute(path: &Path) -> bool {
    path.is_absolute()
        && path
            .components()
            .all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}

/// A glob that begins in the root folder would put the whole host under the agent.
fn home_problem(pattern: &str) -> Option<String> {
    if !is_plain_absolute(Path::new(pattern)) {
        return Some("must be an absolute path or glob without `..`".to_owned());
    }
    if pattern.contains("**") {
        return Some("must not contain `**`; name each folder level".to_owned());
    }
    let mut parts = Path::new(pattern).components().skip(1);
    let first = parts
        .next()
        .map(|part| part.as_os_str().to_string_lossy().into_owned());
    let literal = first.is_some_and(|name| !name.contains(['*', '?', '[']));
    if !literal || parts.next().is_none() {
        return Some("must lie in a folder named in full, such as `/opt/wso2dss-*`".to_owned());
    }
    glob::Pattern::new(pattern)
        .err()
        .map(|error| format!("is not a glob: {error}"))
}
