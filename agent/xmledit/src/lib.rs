//! Byte-exact editing of Carbon's XML configuration files.
//!
//! A [`Document`] keeps the text of the file as it was read. Nothing is ever serialised from a tree: an edit is one
//! splice at an offset, so comments, attribute order, quotes, indentation, line endings, the byte order mark and the
//! declared encoding stay as they were outside of that splice. Where a value lies is said by a [`Path`].
//!
//! ```
//! use cutover_xmledit::{Document, Path};
//!
//! let mut document = Document::parse(b"<a>\r\n  <b name='x'>1</b> <!-- <b name='x'>2</b> -->\r\n</a>")?;
//! let path: Path = "/a/b[@name='x']".parse()?;
//! let change = document.set(&path, "R&D")?;
//! assert_eq!(document.to_bytes(), b"<a>\r\n  <b name='x'>R&amp;D</b> <!-- <b name='x'>2</b> -->\r\n</a>");
//! document.undo(&change)?;
//! assert_eq!(document.text(&path)?.as_deref(), Some("1"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The package does no input or output, resolves no external entity and reads no DTD. Values may be passwords: no
//! error and no `Debug` output holds one.

mod chars;
mod compare;
mod diff;
mod document;
mod edit;
mod encoding;
mod escape;
mod leaf;
mod lookup;
mod parse;
mod path;
mod position;
mod show;
mod tree;
mod value;

pub use compare::{Difference, DifferenceKind, Kept};
pub use diff::diff;
pub use document::{Document, LookupError};
pub use edit::change::{Change, ChangeError};
pub use edit::element::NewElement;
pub use edit::error::EditError;
pub use encoding::Encoding;
pub use leaf::Leaf;
pub use parse::error::{ParseError, Reason};
pub use path::Path;
pub use path::error::PathError;
