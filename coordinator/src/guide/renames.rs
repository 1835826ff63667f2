//! What became of a place of configuration between two versions: it moved, or it is gone.

use serde::{Deserialize, Serialize};

/// A place of the old version's configuration that the new version has elsewhere, or under another name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// File of the old home, as a path under it.
    pub file: String,
    /// Path of the element or attribute in it.
    pub from: String,
    /// File of the new home; the same file when it is left out.
    #[serde(default)]
    pub to_file: Option<String>,
    /// Path of the element or attribute in the new home's file.
    pub to: String,
    /// Why: what changed between the versions.
    pub why: String,
}

impl Rename {
    /// The file of the new home.
    #[must_use]
    pub fn target_file(&self) -> &str {
        self.to_file.as_deref().unwrap_or(&self.file)
    }
}

/// A place of the old version's configuration that the new version does not read any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Obsolete {
    /// File of the old home, as a path under it.
    pub file: String,
    /// Path of the element or attribute in it. What lies beneath it is obsolete with it.
    pub path: String,
    /// Why.
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rename_when_it_names_no_file_then_the_same_file_is_meant() {
        let text = "file = 'a.xml'\nfrom = '/a/b'\nto = '/a/c'\nwhy = 'renamed'";
        let rename: Rename = toml::from_str(text).unwrap();
        assert_eq!(rename.target_file(), "a.xml");
        let moved: Rename = toml::from_str(&format!("{text}\nto_file = 'b.xml'")).unwrap();
        assert_eq!(moved.target_file(), "b.xml");
    }
}
