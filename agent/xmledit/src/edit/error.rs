//! Why an edit is refused.

use crate::document::LookupError;
use crate::encoding::Encoding;
use crate::path::Path;

/// An edit that was refused; the document is as it was. No variant holds a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// Nothing matches the path.
    #[error("`{path}` matches nothing in the file; comments do not count")]
    NoMatch {
        /// The path of the edit.
        path: Path,
    },
    /// Several places match, the element has child elements, or its value cannot be told.
    #[error(transparent)]
    Lookup(LookupError),
    /// Secure Vault replaces this value when the server starts.
    #[error(
        "`{path}` (line {line}) is kept by Secure Vault under the alias `{alias}`; change it in cipher-text.properties \
         with ciphertool, not here"
    )]
    Protected {
        /// The path of the edit.
        path: Path,
        /// The line of the element or attribute.
        line: usize,
        /// The alias in cipher-text.properties.
        alias: String,
    },
    /// The element says `encrypted="true"`; a plain value there would be decrypted to nonsense.
    #[error(
        "`{path}` (line {line}) is marked encrypted=\"true\"; encrypt the new value in the product's console"
    )]
    Encrypted {
        /// The path of the edit.
        path: Path,
        /// The line of the element.
        line: usize,
    },
    /// The value has a character that the file's encoding lacks.
    #[error(
        "the value for `{path}` has a character that does not exist in {encoding}, the encoding of the file"
    )]
    Unrepresentable {
        /// The path of the edit.
        path: Path,
        /// The encoding of the file.
        encoding: Encoding,
    },
    /// The value has a control character that no XML file can hold.
    #[error("the value for `{path}` has a character that XML does not allow")]
    IllegalCharacter {
        /// The path of the edit.
        path: Path,
    },
    /// The name of a new element or attribute is none.
    #[error(
        "`{name}` cannot be the name of an element or attribute below `{path}`; give a name without a prefix"
    )]
    Name {
        /// The path of the parent.
        path: Path,
        /// The name as given.
        name: String,
    },
    /// The parent of a new element is an attribute.
    #[error("`{path}` is an attribute and cannot hold an element")]
    NotAnElement {
        /// The path of the parent.
        path: Path,
    },
    /// The parent of a new element holds text.
    #[error("`{path}` (line {line}) holds text; an element cannot be added beside it")]
    HoldsText {
        /// The path of the parent.
        path: Path,
        /// The line of the parent.
        line: usize,
    },
    /// What is missing cannot be made from the path.
    #[error("`{path}` matches nothing and cannot be added: {reason}")]
    Underivable {
        /// The path of the edit.
        path: Path,
        /// What in the path prevents it.
        reason: &'static str,
    },
    /// The element to be copied is not in the other file.
    #[error("`{path}` matches no element of the other file; comments do not count")]
    NoSource {
        /// Its path there.
        path: Path,
    },
    /// The element to be copied in is there, with other content.
    #[error("`{path}` (line {line}) is there already and says something else; change its values one by one")]
    AlreadyThere {
        /// The path of the edit.
        path: Path,
        /// The line of the element.
        line: usize,
    },
    /// A name in the element to be copied would mean something else where it goes.
    #[error("the element for `{path}` uses {name}, whose namespace is another one there; add it by hand")]
    Namespace {
        /// The path of the edit.
        path: Path,
        /// The prefix, or the default namespace, in words.
        name: String,
    },
    /// The edited file does not read back as intended.
    #[error("editing `{path}` would not give the intended file; this is a defect, edit the file by hand")]
    Unverified {
        /// The path of the edit.
        path: Path,
    },
}
