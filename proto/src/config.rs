//! What a site changed in the configuration of a home, against the stock of the old version and of the new one.

pub mod report;

use serde::{Deserialize, Serialize};

use crate::ids::Sha256Hex;

/// The three-way comparison of one node's configuration. Schema `config-comparison/1`. Values that look like secrets
/// are never in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigComparison {
    /// The old home.
    pub old: String,
    /// What counted as the old version's stock, in words: the archive's name and hash, or the home's unedited files.
    pub stock: String,
    /// What the new version's archive says it is; none when the new home was unpacked already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_version: Option<ArchiveVersion>,
    /// Files with something to say, by path. A file that is as its stock is not listed.
    pub files: Vec<FileComparison>,
}

/// Which product an archive holds. Fields are empty where it does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveVersion {
    /// The archive's name.
    pub archive: String,
    /// The product.
    pub product: String,
    /// Its version.
    pub version: String,
    /// The kernel's version.
    pub kernel: String,
}

/// One file of the old home that is not as its version shipped it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileComparison {
    /// Path under the old home.
    pub file: String,
    /// Hash of the old home's file: the values of this comparison stood in exactly this content. That of nothing for a
    /// file that can't be read.
    pub sha256: Sha256Hex,
    /// What kind of difference it is.
    pub state: FileState,
    /// The changes, in the file's order. Empty unless the state is [`FileState::Edited`] or
    /// [`FileState::StockUnknown`].
    pub changes: Vec<SiteChange>,
}

/// How a file of the old home stands to both stocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum FileState {
    /// The site edited it; both versions ship it.
    Edited,
    /// The old version's stock of it is not known: it is compared with the new version's, and a difference may be the
    /// versions' own.
    StockUnknown,
    /// The site added it: neither version ships it.
    AddedBySite,
    /// The site edited it, and the new version does not ship it any more (or ships it elsewhere).
    GoneInNew,
    /// It can't be compared value by value (neither XML nor properties), and it is not as shipped.
    Opaque,
    /// It is not well-formed.
    Malformed {
        /// Why, with line and column; never a value.
        reason: String,
    },
    /// It can't be read: a link out of the home, a pipe, no right to.
    Unread {
        /// Why; never a value.
        reason: String,
    },
}

/// One value that a site changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteChange {
    /// Path of the element or attribute in the old file (`cutover-xmledit` syntax), or the key of a properties file.
    pub path: String,
    /// What the site did.
    pub kind: ChangeKind,
    /// The old version's stock value; none when it had none, or when it is not known.
    pub stock: Option<ShownValue>,
    /// The site's value; none when the site removed it.
    pub site: Option<ShownValue>,
    /// What the new version has at the same path of the same file.
    pub new: NewPlace,
}

/// What a site did to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// Another value than stock.
    Changed,
    /// A value that stock does not have.
    Added,
    /// A whole element with children that stock does not have; the path names the element, and its values are not
    /// listed one by one.
    AddedElement,
    /// Stock's value is not there.
    Removed,
}

/// A value as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShownValue {
    /// The value itself. For an added element its text, with secrets replaced by `***`.
    Plain(String),
    /// It looks like a secret and is not shown.
    Hidden,
    /// It is kept by Secure Vault under this alias.
    Vault(String),
    /// It is encrypted in place (`encrypted="true"`).
    Encrypted,
}

/// What the new version's stock has where the site's value was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "new", rename_all = "kebab-case")]
pub enum NewPlace {
    /// The same element or attribute is there, with this value.
    There {
        /// The new version's value.
        value: ShownValue,
        /// Whether it is the site's value already.
        same: bool,
    },
    /// It is not there; its parent is.
    ParentOnly,
    /// Neither it nor its parent is there.
    Missing,
    /// The path matches several places.
    Several {
        /// How many.
        count: u32,
    },
}
