//! Unpacking a distribution zip into a new home.
//!
//! The zip is not trusted: nothing in it is written outside the directory it is unpacked to, whatever its names and
//! links say, and it cannot fill the disk. It is unpacked beside the destination, synced, and renamed into place as
//! a whole: a home is there complete or not at all.

mod contents;
mod error;
mod extract;
mod peek;
mod reader;
pub(crate) mod staging;

pub use error::UnpackError;
pub use extract::{UnpackReport, UnpackRequest, unpack_zip};
pub use peek::{PeekRequest, Peeked, peek};
pub use staging::partial;
