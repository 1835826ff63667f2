//! Reading a few files of a zip without unpacking it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use zip::ZipArchive;

use crate::error::Context;
use crate::path::RelPath;
use crate::progress::Cancel;
use crate::unpack::UnpackError;
use crate::unpack::contents;
use crate::unpack::reader::SharedReader;

/// Files of a distribution to read into memory.
pub struct PeekRequest<'a> {
    /// The zip.
    pub zip: &'a Path,
    /// Which files, by their paths beneath the zip's top directory.
    pub wanted: &'a dyn Fn(&RelPath) -> bool,
    /// The most bytes that all of them may have.
    pub max_bytes: u64,
    /// Stops it.
    pub cancel: &'a Cancel,
}

impl std::fmt::Debug for PeekRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PeekRequest")
            .field("zip", &self.zip)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}

/// Files of a distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peeked {
    /// The zip's one top directory.
    pub top: String,
    /// Content by path beneath it.
    pub files: BTreeMap<RelPath, Vec<u8>>,
}

/// Reads files of a zip that is not trusted, with the checks of [`unpack_zip`](crate::unpack::unpack_zip). Links are
/// left out.
pub fn peek(request: &PeekRequest<'_>) -> Result<Peeked, UnpackError> {
    let path = request.zip;
    let file = File::open(path).on("open", || path.to_owned())?;
    let reader = SharedReader::new(file).on("look at", || path.to_owned())?;
    let bad = |source| UnpackError::Zip {
        path: path.to_owned(),
        source,
    };
    let mut zip = ZipArchive::new(reader).map_err(bad)?;
    let contents = contents::list(path, &zip, None, u64::MAX)?;
    let mut files = BTreeMap::new();
    let mut left = request.max_bytes;
    for item in contents.files.iter().filter(|item| (request.wanted)(&item.path)) {
        request.cancel.check()?;
        let entry = zip.by_index(item.index).map_err(bad)?;
        let mut content = Vec::new();
        // The size that the zip claims is not believed.
        let read = entry.take(left.saturating_add(1)).read_to_end(&mut content);
        let read = read.map_err(|source| UnpackError::Entry {
            path: path.to_owned(),
            entry: item.path.clone(),
            source,
        })?;
        left = left
            .checked_sub(read as u64)
            .ok_or_else(|| UnpackError::TooLarge {
                path: path.to_owned(),
                limit: request.max_bytes,
            })?;
        files.insert(item.path.clone(), content);
    }
    Ok(Peeked {
        top: contents.top,
        files,
    })
}
