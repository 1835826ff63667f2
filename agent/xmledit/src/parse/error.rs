//! Why a file cannot be read.

use crate::encoding::Encoding;
use crate::position::{column_at, line_at};

/// A file that is not an XML document this package can edit without loss.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the XML at line {line}, column {column}: {reason}")]
pub struct ParseError {
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// What is wrong there, and what to do.
    pub reason: Reason,
}

impl ParseError {
    pub(crate) fn at(text: &str, offset: usize, reason: Reason) -> Self {
        Self {
            line: line_at(text, offset),
            column: column_at(text, offset),
            reason,
        }
    }
}

/// What is wrong with a file. No reason quotes the file's text, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// UTF-16, by its byte order mark, its bytes or its declaration.
    #[error("the file is in UTF-16, which is not supported; convert it to UTF-8")]
    Utf16,
    /// A declared encoding other than those of [`Encoding`].
    #[error("the declared encoding `{0}` is not supported; convert the file to UTF-8")]
    UnsupportedEncoding(String),
    /// A UTF-8 byte order mark before a declaration of something else.
    #[error("the file begins with a UTF-8 byte order mark but declares {0}; correct the declaration")]
    BomContradicted(Encoding),
    /// Bytes that mean nothing in the file's encoding.
    #[error("the bytes here are not {0}, the encoding the file declares or implies")]
    Undecodable(Encoding),
    /// A broken XML declaration, or one that is not at the start.
    #[error("the XML declaration is malformed or not at the very start of the file")]
    Declaration,
    /// An XML version other than 1.0.
    #[error("the XML declaration does not say version 1.0")]
    Version,
    /// A character that XML does not allow.
    #[error("the character U+{0:04X} is not allowed in XML")]
    IllegalCharacter(u32),
    /// Markup that begins and never ends.
    #[error("{0} is not closed")]
    Unclosed(&'static str),
    /// `<!` followed by something unknown.
    #[error("`<!` begins neither a comment, a CDATA section nor a DOCTYPE")]
    UnknownMarkup,
    /// An element without its end tag.
    #[error("the element opened at line {0} is not closed")]
    UnclosedElement(usize),
    /// An end tag of another name than the open element.
    #[error("the end tag does not match the element opened at line {0}")]
    MismatchedEnd(usize),
    /// An end tag with no open element.
    #[error("the end tag has no start tag")]
    UnmatchedEnd,
    /// `--` within a comment.
    #[error("a comment may not contain `--`")]
    DoubleHyphen,
    /// An element or attribute name with an illegal character.
    #[error("this is not a valid name")]
    Name,
    /// An attribute that is not `name="value"`.
    #[error("an attribute is not of the form name=\"value\"")]
    Attribute,
    /// `<` in an attribute value.
    #[error("an attribute value contains `<`, which must be written `&lt;`")]
    LessThanInAttribute,
    /// The same attribute twice.
    #[error("the attribute occurs twice in one tag")]
    DuplicateAttribute,
    /// `&` that begins no reference.
    #[error("`&` begins no reference; as a character it must be written `&amp;`")]
    Reference,
    /// `]]>` outside of a CDATA section.
    #[error("`]]>` must be written `]]&gt;` outside of a CDATA section")]
    CDataEnd,
    /// Text before or after the root element.
    #[error("there is text outside of the root element")]
    TextOutsideRoot,
    /// More than one root element.
    #[error("there is a second root element")]
    SecondRoot,
    /// No element at all.
    #[error("the file holds no element")]
    NoRoot,
    /// A DOCTYPE that is not before the root element, or a second one.
    #[error("a DOCTYPE must stand once, before the root element")]
    MisplacedDoctype,
    /// More levels of elements than any configuration has.
    #[error("elements are nested more than {0} deep")]
    TooDeep(usize),
    /// Anything else the tokenizer refuses.
    #[error("the file is not well-formed XML")]
    Malformed,
}
