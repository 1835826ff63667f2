//! Parts that several guides share, so that what is true of a step of the kernel stands in one place.

use serde::{Deserialize, Serialize};

use super::{Guide, GuideCheckpoint, GuideDirectory, GuideEdit, GuideScript, Obsolete, Rename, Unreadable};

/// Names of the parts.
pub(super) const NAMES: &[&str] = &["carbon-4.1-to-4.2", "carbon-registry"];

/// What a part may hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    #[serde(rename = "script", default)]
    scripts: Vec<GuideScript>,
    #[serde(rename = "edit", default)]
    edits: Vec<GuideEdit>,
    #[serde(rename = "checkpoint", default)]
    checkpoints: Vec<GuideCheckpoint>,
    #[serde(rename = "rename", default)]
    renames: Vec<Rename>,
    #[serde(rename = "obsolete", default)]
    obsolete: Vec<Obsolete>,
    #[serde(rename = "directory", default)]
    directories: Vec<GuideDirectory>,
    #[serde(default)]
    notes: Vec<String>,
}

/// A part by its name.
pub(super) fn read(name: &str) -> Result<Part, Unreadable> {
    let text = match name {
        "carbon-4.1-to-4.2" => include_str!("../../guides/parts/carbon-4.1-to-4.2.toml"),
        "carbon-registry" => include_str!("../../guides/parts/carbon-registry.toml"),
        _ => return Err(Unreadable::NoPart(name.to_owned())),
    };
    Ok(toml::from_str(text)?)
}

impl Guide {
    /// Adds a part. The kernel's scripts run before those of the product.
    pub(super) fn take(&mut self, part: Part) {
        self.scripts.splice(0..0, part.scripts);
        self.checkpoints.splice(0..0, part.checkpoints);
        self.edits.extend(part.edits);
        self.renames.extend(part.renames);
        self.obsolete.extend(part.obsolete);
        self.directories.extend(part.directories);
        self.notes.extend(part.notes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_when_read_then_all_are_there() {
        for name in NAMES {
            read(name).unwrap();
        }
        assert!(matches!(read("nowhere"), Err(Unreadable::NoPart(name)) if name == "nowhere"));
    }

    #[test]
    fn guide_when_it_uses_a_part_then_the_kernels_script_runs_first() {
        let guides = Guide::shipped().unwrap();
        let guide = guides.iter().find(|guide| guide.name == "ss-1.1.0").unwrap();
        let roles: Vec<String> = guide
            .scripts
            .iter()
            .map(|script| script.role.to_string())
            .collect();
        assert_eq!(roles, ["user-management", "product"]);
        assert!(
            guide
                .renames
                .iter()
                .any(|rename| rename.to.contains("ReadGroups"))
        );
    }
}
