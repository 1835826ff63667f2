//! Digests of files.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;

use crate::error::{Context, FileError};

/// How much is read at once.
pub(crate) const CHUNK: usize = 256 * 1024;

/// A 256-bit digest: BLAKE3 or SHA-256, as the field that holds it says. Shown and stored in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl From<blake3::Hash> for Digest {
    fn from(hash: blake3::Hash) -> Self {
        Self(*hash.as_bytes())
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_hex(&text).ok_or_else(|| serde::de::Error::custom("not a digest of 64 hexadecimal digits"))
    }
}

/// The SHA-256 of a file, read in chunks.
pub fn sha256_file(path: impl AsRef<Path>) -> Result<Digest, FileError> {
    let mut hasher = sha2::Sha256::new();
    read_chunks(path.as_ref(), |chunk| hasher.update(chunk))?;
    Ok(sha256_of(hasher))
}

/// The BLAKE3 hash of a file, read in chunks.
pub fn blake3_file(path: impl AsRef<Path>) -> Result<Digest, FileError> {
    let mut hasher = blake3::Hasher::new();
    read_chunks(path.as_ref(), |chunk| {
        hasher.update(chunk);
    })?;
    Ok(hasher.finalize().into())
}

pub(crate) fn sha256_of(hasher: sha2::Sha256) -> Digest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(&hasher.finalize());
    Digest(bytes)
}

fn read_chunks(path: &Path, mut each: impl FnMut(&[u8])) -> Result<(), FileError> {
    let mut file = File::open(path).on("open", || path.to_owned())?;
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = file.read(&mut buffer).on("read", || path.to_owned())?;
        if read == 0 {
            return Ok(());
        }
        each(buffer.get(..read).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_digests() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("abc");
        std::fs::write(&file, b"abc").unwrap();
        assert_eq!(
            sha256_file(&file).unwrap().to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            blake3_file(&file).unwrap().to_string(),
            "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"
        );
    }
}
