//! Uploads.

use cutover_proto::audit::AuditEntry;
use cutover_proto::ids::{InvalidId, Sha256Hex};
use cutover_proto::pb;
use tonic::{Status, Streaming};

use crate::app::App;
use crate::rpc::status::RpcError;

pub(super) fn hash(text: &str) -> Result<Sha256Hex, RpcError> {
    text.parse()
        .map_err(|error: InvalidId| RpcError::Invalid(error.to_string()))
}

impl App {
    pub(super) fn stat_blob(&self, sha256: &str) -> Result<pb::StatBlobResponse, RpcError> {
        let size = self.blobs.size(&hash(sha256)?);
        Ok(pb::StatBlobResponse {
            present: size.is_some(),
            size: size.unwrap_or(0),
        })
    }

    pub(super) async fn upload_blob(
        &self,
        mut stream: Streaming<pb::UploadBlobRequest>,
        operator: &str,
    ) -> Result<pb::Blob, Status> {
        let first = stream
            .message()
            .await?
            .ok_or_else(|| RpcError::Invalid("nothing was sent".into()))?;
        let expected = hash(&first.sha256)?;
        let mut upload = self.blobs.begin().await.map_err(RpcError::from)?;
        upload.write(&first.data).await.map_err(RpcError::from)?;
        while let Some(message) = stream.message().await? {
            upload.write(&message.data).await.map_err(RpcError::from)?;
        }
        let blob = self
            .blobs
            .finish(upload, &first.name, &expected)
            .await
            .map_err(RpcError::from)?;
        let entry = AuditEntry {
            actor: format!("operator:{operator}"),
            action: "blob.uploaded".into(),
            arguments: [("name".to_owned(), blob.name.clone())].into(),
            evidence: [
                ("sha256".to_owned(), blob.sha256.to_string()),
                ("size".to_owned(), blob.size.to_string()),
            ]
            .into(),
            ..AuditEntry::default()
        };
        self.store.audit(vec![entry]).await.map_err(RpcError::from)?;
        Ok((&blob).into())
    }
}
