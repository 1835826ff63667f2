//! The audit trail, streamed.

use std::sync::Arc;

use cutover_proto::audit::{AuditLine, AuditRecord};
use cutover_proto::pb;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tonic::Status;

use crate::app::App;
use crate::rpc::status::RpcError;

const PAGE: u32 = 500;

impl App {
    /// Every record from `first`, then the signed head when the whole trail was asked for: a selection can't be
    /// proven by a chain.
    pub(super) fn export_audit(
        self: Arc<Self>,
        request: pb::ExportAuditRequest,
    ) -> BoxStream<'static, Result<pb::ExportAuditResponse, Status>> {
        let whole = request.run.is_empty() && request.node.is_empty() && request.first <= 1;
        let first = request.first.max(1);
        let pages = stream::try_unfold(
            (self, request, first, (0_u64, String::new()), false),
            move |state| async move {
                let (app, request, next, end, finished) = state;
                if finished {
                    return Ok::<_, Status>(None);
                }
                let page = app
                    .store
                    .audit_records(next, PAGE)
                    .await
                    .map_err(RpcError::from)?;
                let Some(last) = page.last() else {
                    let lines = if whole {
                        vec![app.signed_head(end.0, &end.1)]
                    } else {
                        Vec::new()
                    };
                    return Ok(Some((lines, (app, request, next, end, true))));
                };
                let end = (last.seq, last.hash.clone());
                let lines = page
                    .iter()
                    .filter(|record| wanted(record, &request))
                    .map(line)
                    .collect();
                let next = end.0 + 1;
                Ok(Some((lines, (app, request, next, end, false))))
            },
        );
        pages
            .flat_map(|page| match page {
                Ok(lines) => stream::iter(lines.into_iter().map(Ok).collect::<Vec<_>>()),
                Err(error) => stream::iter(vec![Err(error)]),
            })
            .boxed()
    }

    fn signed_head(&self, last: u64, hash: &str) -> pb::ExportAuditResponse {
        let hash = if hash.is_empty() {
            cutover_proto::audit::GENESIS
        } else {
            hash
        };
        let head = self.audit_key.sign(last, hash, &self.clock.now().to_string());
        to_line(&AuditLine::Head(head))
    }
}

fn wanted(record: &AuditRecord, request: &pb::ExportAuditRequest) -> bool {
    let fits = |wanted: &str, found: &Option<String>| wanted.is_empty() || found.as_deref() == Some(wanted);
    fits(&request.run, &record.entry.run) && fits(&request.node, &record.entry.node)
}

fn line(record: &AuditRecord) -> pb::ExportAuditResponse {
    to_line(&AuditLine::Record(Box::new(record.clone())))
}

fn to_line(line: &AuditLine) -> pb::ExportAuditResponse {
    pb::ExportAuditResponse {
        line: serde_json::to_string(line).unwrap_or_default(),
    }
}
