//! Paths relative to a root: plain names joined by `/`, never `..`, never absolute.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A path beneath a root, as the bytes the file system has: names need not be UTF-8. Ordered by its bytes, which
/// puts every directory before what it holds. The empty path is the root itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RelPath(Vec<u8>);

/// A path that cannot be used beneath a root.
#[derive(Debug, thiserror::Error)]
#[error("`{}` is not a path beneath the root: {reason}", path.display())]
pub struct PathError {
    /// The path as it was given.
    pub path: PathBuf,
    /// Why it is refused.
    pub reason: &'static str,
}

impl RelPath {
    /// The root itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// Checks a path. `.` and doubled slashes are dropped; `..`, an absolute path and a NUL are refused.
    pub fn parse(path: impl AsRef<Path>) -> Result<Self, PathError> {
        let path = path.as_ref();
        let refuse = |reason| PathError {
            path: path.to_owned(),
            reason,
        };
        let mut bytes = Vec::with_capacity(path.as_os_str().len());
        for component in path.components() {
            match component {
                Component::Normal(name) => push(&mut bytes, name.as_bytes()),
                Component::CurDir => {}
                Component::ParentDir => return Err(refuse("it climbs with `..`")),
                Component::RootDir | Component::Prefix(_) => return Err(refuse("it is absolute")),
            }
        }
        if bytes.contains(&0) {
            return Err(refuse("it contains a NUL byte"));
        }
        Ok(Self(bytes))
    }

    /// Whether this is the root itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// As the standard library's path.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The names from the root down.
    pub fn names(&self) -> impl Iterator<Item = &OsStr> {
        self.0
            .split(|byte| *byte == b'/')
            .filter(|name| !name.is_empty())
            .map(OsStr::from_bytes)
    }

    /// The last name; `None` for the root.
    pub fn name(&self) -> Option<&OsStr> {
        self.0
            .rsplit(|byte| *byte == b'/')
            .next()
            .filter(|name| !name.is_empty())
            .map(OsStr::from_bytes)
    }

    /// The directory that holds it; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        Some(Self(self.0.get(..end).unwrap_or_default().to_vec()))
    }

    /// Its directories from the topmost down, without the root and itself.
    pub fn ancestors(&self) -> Vec<Self> {
        let ends = self
            .0
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'/')
            .map(|(end, _)| end);
        ends.map(|end| Self(self.0.get(..end).unwrap_or_default().to_vec()))
            .collect()
    }

    /// The path of `below` seen from the root of `self`.
    pub fn join(&self, below: &Self) -> Self {
        let mut bytes = self.0.clone();
        if !below.is_root() {
            push(&mut bytes, &below.0);
        }
        Self(bytes)
    }

    /// The path of a direct child. `name` comes from a directory listing and is a single name.
    pub(crate) fn child(&self, name: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + name.len());
        bytes.extend_from_slice(&self.0);
        push(&mut bytes, name);
        Self(bytes)
    }

    /// The path as seen from `other`, if it lies beneath it.
    pub fn strip_prefix(&self, other: &Self) -> Option<Self> {
        let rest = self
            .starts_with(other)
            .then(|| self.0.strip_prefix(other.0.as_slice()))??;
        Some(Self(rest.strip_prefix(b"/").unwrap_or(rest).to_vec()))
    }

    /// Whether it is `other` or lies beneath it.
    pub fn starts_with(&self, other: &Self) -> bool {
        match self.0.strip_prefix(other.0.as_slice()) {
            Some(rest) => other.is_root() || rest.is_empty() || rest.first() == Some(&b'/'),
            None => false,
        }
    }
}

fn push(bytes: &mut Vec<u8>, name: &[u8]) {
    if !bytes.is_empty() {
        bytes.push(b'/');
    }
    bytes.extend_from_slice(name);
}

impl fmt::Display for RelPath {
    /// Control characters and bytes that are not UTF-8 are escaped, so that a name cannot forge a log line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                if character.is_control() {
                    write!(f, "{}", character.escape_default())?;
                } else {
                    fmt::Write::write_char(f, character)?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

impl AsRef<Path> for RelPath {
    fn as_ref(&self) -> &Path {
        self.as_path()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored<T> {
    Text(T),
    Bytes { hex: String },
}

/// Writes bytes that are nearly always text: as a string, or as `{"hex": "…"}` when they are not UTF-8.
pub(crate) fn serialize_bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Stored::Text(text).serialize(serializer),
        Err(_) => Stored::<&str>::Bytes {
            hex: hex::encode(bytes),
        }
        .serialize(serializer),
    }
}

/// Reads what [`serialize_bytes`] wrote.
pub(crate) fn deserialize_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    match Stored::<String>::deserialize(deserializer)? {
        Stored::Text(text) => Ok(text.into_bytes()),
        Stored::Bytes { hex } => hex::decode(hex).map_err(serde::de::Error::custom),
    }
}

impl Serialize for RelPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_bytes(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for RelPath {
    /// Checked like any other path: what is stored may have been edited.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = deserialize_bytes(deserializer)?;
        Self::parse(Path::new(OsStr::from_bytes(&bytes))).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_when_it_leaves_the_root_then_refused() {
        for path in ["/etc/passwd", "..", "a/../../b", "a/..", "a\0b"] {
            assert!(RelPath::parse(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn parse_when_untidy_then_normalised() {
        assert_eq!(RelPath::parse("./a//b/").unwrap().as_bytes(), b"a/b");
        assert!(RelPath::parse("").unwrap().is_root());
        assert!(RelPath::parse(".").unwrap().is_root());
    }

    #[test]
    fn parts_of_a_path() {
        let path = RelPath::parse("a/b/c").unwrap();
        assert_eq!(path.name().unwrap(), "c");
        assert_eq!(path.parent().unwrap().as_bytes(), b"a/b");
        assert_eq!(
            path.ancestors()
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
            ["a", "a/b"]
        );
        assert_eq!(RelPath::parse("a").unwrap().parent().unwrap(), RelPath::root());
        assert!(path.starts_with(&RelPath::parse("a/b").unwrap()));
        assert!(!path.starts_with(&RelPath::parse("a/bc").unwrap()));
        assert!(
            !RelPath::parse("a/bc")
                .unwrap()
                .starts_with(&RelPath::parse("a/b").unwrap())
        );
        assert!(path.starts_with(&RelPath::root()));
        assert_eq!(
            path.strip_prefix(&RelPath::parse("a/b").unwrap())
                .unwrap()
                .as_bytes(),
            b"c"
        );
        assert_eq!(path.strip_prefix(&RelPath::root()).unwrap(), path);
        assert!(path.strip_prefix(&RelPath::parse("a/c").unwrap()).is_none());
    }

    #[test]
    fn any_bytes_survive_json() {
        for bytes in [
            b"plain".as_slice(),
            b"with space\nand newline",
            b"latin1 \xe9\xff",
            "žluť".as_bytes(),
        ] {
            let path = RelPath::root().child(bytes);
            let json = serde_json::to_string(&path).unwrap();
            assert!(!json.contains('\n'));
            assert_eq!(serde_json::from_str::<RelPath>(&json).unwrap(), path);
        }
        assert!(serde_json::from_str::<RelPath>("\"../x\"").is_err());
    }

    #[test]
    fn display_cannot_forge_a_line() {
        assert_eq!(RelPath::root().child(b"a\nb\xff").to_string(), "a\\nb\\xff");
    }
}
