//! Content by hash: scripts and distributions, uploaded by operators, fetched by agents.

use std::path::PathBuf;

use cutover_proto::ids::Sha256Hex;
use cutover_proto::step::BlobRef;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

/// The blob folder.
#[derive(Debug, Clone)]
pub struct Blobs {
    folder: PathBuf,
}

/// Why a blob can't be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The content is not what its hash says.
    #[error("the content received has SHA-256 {found}, {expected} was announced; send the file again")]
    Mismatch {
        /// What was announced.
        expected: Sha256Hex,
        /// What came.
        found: String,
    },
    /// There is no such blob.
    #[error("the coordinator has no content with SHA-256 {0}")]
    Missing(Sha256Hex),
    /// A file can't be read or written.
    #[error("failed to {action} in the coordinator's blob folder")]
    Io {
        /// What.
        action: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

fn io(action: &'static str) -> impl FnOnce(std::io::Error) -> BlobError {
    move |source| BlobError::Io { action, source }
}

/// An upload under way. Dropped before its end it leaves nothing behind but a temporary file, which the next start
/// removes.
#[derive(Debug)]
pub struct Upload {
    file: tokio::fs::File,
    path: PathBuf,
    hasher: Sha256,
    size: u64,
}

impl Blobs {
    /// Opens the folder, and removes what interrupted uploads left.
    ///
    /// # Errors
    /// When the folder can't be made.
    pub fn open(folder: PathBuf) -> Result<Self, BlobError> {
        std::fs::create_dir_all(&folder).map_err(io("create it"))?;
        for entry in std::fs::read_dir(&folder).map_err(io("list it"))?.flatten() {
            if entry.file_name().to_string_lossy().starts_with("upload-") {
                std::fs::remove_file(entry.path()).map_err(io("remove an old upload"))?;
            }
        }
        Ok(Self { folder })
    }

    /// Where a blob lies.
    #[must_use]
    pub fn path(&self, hash: &Sha256Hex) -> PathBuf {
        self.folder.join(hash.as_str())
    }

    /// Size of a blob, if it is there.
    #[must_use]
    pub fn size(&self, hash: &Sha256Hex) -> Option<u64> {
        std::fs::metadata(self.path(hash)).ok().map(|meta| meta.len())
    }

    /// Keeps content that is at hand.
    ///
    /// # Errors
    /// When it can't be written.
    pub async fn put(&self, name: &str, content: &[u8]) -> Result<BlobRef, BlobError> {
        let hash = Sha256Hex::of(content);
        let mut upload = self.begin().await?;
        upload.write(content).await?;
        self.finish(upload, name, &hash).await
    }

    /// Begins an upload.
    ///
    /// # Errors
    /// When a file can't be made.
    pub async fn begin(&self) -> Result<Upload, BlobError> {
        let path = self.folder.join(format!("upload-{}", uuid::Uuid::now_v7()));
        let file = tokio::fs::File::create(&path)
            .await
            .map_err(io("create a file"))?;
        Ok(Upload {
            file,
            path,
            hasher: Sha256::new(),
            size: 0,
        })
    }

    /// Ends an upload: hashed, flushed, renamed into place.
    ///
    /// # Errors
    /// [`BlobError::Mismatch`] when the content is another.
    pub async fn finish(
        &self,
        mut upload: Upload,
        name: &str,
        expected: &Sha256Hex,
    ) -> Result<BlobRef, BlobError> {
        upload.file.flush().await.map_err(io("write a file"))?;
        upload.file.sync_all().await.map_err(io("flush a file"))?;
        let found = hex::encode(upload.hasher.finalize());
        if found != expected.as_str() {
            tokio::fs::remove_file(&upload.path)
                .await
                .map_err(io("remove a bad upload"))?;
            return Err(BlobError::Mismatch {
                expected: expected.clone(),
                found,
            });
        }
        tokio::fs::rename(&upload.path, self.path(expected))
            .await
            .map_err(io("name a file"))?;
        Ok(BlobRef {
            name: name.to_owned(),
            sha256: expected.clone(),
            size: upload.size,
        })
    }

    /// Opens a blob at an offset.
    ///
    /// # Errors
    /// [`BlobError::Missing`].
    pub async fn read_from(
        &self,
        hash: &Sha256Hex,
        offset: u64,
    ) -> Result<(tokio::fs::File, u64), BlobError> {
        let mut file = tokio::fs::File::open(self.path(hash))
            .await
            .map_err(|_| BlobError::Missing(hash.clone()))?;
        let size = file.metadata().await.map_err(io("measure a file"))?.len();
        file.seek(std::io::SeekFrom::Start(offset.min(size)))
            .await
            .map_err(io("seek in a file"))?;
        Ok((file, size))
    }

    /// The whole of a small blob, as text.
    ///
    /// # Errors
    /// [`BlobError`]; a script that is not UTF-8 is read with replacement characters, so that its bytes are seen
    /// to differ.
    pub async fn text(&self, hash: &Sha256Hex) -> Result<String, BlobError> {
        let (mut file, _) = self.read_from(hash, 0).await?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).await.map_err(io("read a file"))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Upload {
    /// Takes a piece.
    ///
    /// # Errors
    /// When it can't be written.
    pub async fn write(&mut self, data: &[u8]) -> Result<(), BlobError> {
        self.hasher.update(data);
        self.size += u64::try_from(data.len()).unwrap_or(0);
        self.file.write_all(data).await.map_err(io("write a file"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn upload_when_content_is_another_then_refused_and_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(dir.path().join("b")).unwrap();
        let mut upload = blobs.begin().await.unwrap();
        upload.write(b"other").await.unwrap();
        let result = blobs.finish(upload, "x", &Sha256Hex::of(b"this")).await;
        assert!(matches!(result, Err(BlobError::Mismatch { .. })));
        assert_eq!(std::fs::read_dir(dir.path().join("b")).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn blob_when_stored_then_read_from_any_offset() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(dir.path().to_owned()).unwrap();
        let blob = blobs.put("x", b"hello").await.unwrap();
        let (mut file, size) = blobs.read_from(&blob.sha256, 2).await.unwrap();
        let mut rest = String::new();
        file.read_to_string(&mut rest).await.unwrap();
        assert_eq!((rest.as_str(), size), ("llo", 5));
    }
}
