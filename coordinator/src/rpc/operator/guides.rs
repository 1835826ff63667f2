//! Guides.

use cutover_proto::convert::document;
use cutover_proto::pb;
use cutover_proto::view::{Finding, GuideSummary, Severity};

use crate::app::App;
use crate::guide::{Guide, UnreadableGuide, lint, page, view};
use crate::rpc::status::RpcError;

impl App {
    pub(super) fn list_guides(&self) -> pb::Document {
        let list: Vec<GuideSummary> = self.guides.iter().map(view::summary).collect();
        document("guide-list/1", &list)
    }

    /// A guide by its name.
    pub(crate) fn guide(&self, name: &str) -> Result<&Guide, RpcError> {
        self.guides
            .iter()
            .find(|guide| guide.name == name)
            .ok_or_else(|| {
                let known: Vec<&str> = self.guides.iter().map(|guide| guide.name.as_str()).collect();
                RpcError::NotFound(format!(
                    "there is no guide `{name}`; there are {}",
                    known.join(", ")
                ))
            })
    }

    pub(super) fn show_guide(&self, name: &str) -> Result<pb::Document, RpcError> {
        Ok(document("guide/1", &view::view(self.guide(name)?)))
    }

    pub(super) fn lint_guide(&self, request: pb::LintGuideRequest) -> Result<pb::Document, RpcError> {
        let read;
        let guide = match request.source {
            Some(pb::lint_guide_request::Source::Guide(name)) => self.guide(&name)?,
            Some(pb::lint_guide_request::Source::Text(text)) => match Guide::parse("guide", &text) {
                Ok(guide) => {
                    read = guide;
                    &read
                }
                Err(error) => return Ok(document("findings/1", &[not_a_guide(&error)])),
            },
            None => return Err(RpcError::Invalid("name a guide, or send one".into())),
        };
        let mut findings = lint::lint(guide);
        if !request.page.trim().is_empty() {
            findings.extend(page::compare(guide, &request.page));
        }
        Ok(document("findings/1", &findings))
    }
}

fn not_a_guide(error: &UnreadableGuide) -> Finding {
    Finding {
        severity: Severity::Error,
        code: "not-a-guide".into(),
        place: error.file.clone(),
        text: error.source.to_string(),
        remedy: "write it as docs/guides.md shows".into(),
    }
}
