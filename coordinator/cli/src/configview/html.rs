//! The report as one web page: no scripts, nothing from elsewhere, every value escaped.

use std::fmt::Write as _;

use cutover_proto::config::report::{ConfigReport, ReportChange};

use super::{compared, on, secret, summary, what};

const STYLE: &str = "\
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem}
table{border-collapse:collapse;width:100%;margin-bottom:1.5rem}
th,td{border-bottom:1px solid #8885;padding:.4rem .6rem;text-align:left;vertical-align:top}
code,pre{font:13px/1.4 ui-monospace,monospace;overflow-wrap:anywhere}
pre{border:1px solid #8885;padding:.8rem;white-space:pre-wrap}
.fate{font-weight:600;white-space:nowrap}
.undecided{color:#c2410c}.by-hand,.vault{color:#a16207}.carried,.renamed{color:#15803d}
";

/// The page.
pub(crate) fn render(report: &ConfigReport) -> String {
    let mut page = String::new();
    let title = escape(&format!("Configuration of {} ({})", report.upgrade, report.guide));
    let mut put = |text: &str| {
        // Writing to a text can't fail.
        writeln!(page, "{text}").ok();
    };
    put("<!doctype html>");
    put("<html lang=\"en\"><head><meta charset=\"utf-8\">");
    put(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
    );
    put(&format!(
        "<title>{title}</title><style>{STYLE}</style></head><body>"
    ));
    put(&format!(
        "<h1>{title}</h1><p>{}</p><ul>",
        escape(&summary(report))
    ));
    for node in &report.nodes {
        put(&format!("<li>{}</li>", escape(&compared(node))));
    }
    put("</ul>");
    for file in &report.files {
        put(&format!("<h2><code>{}</code></h2>", escape(&file.file)));
        put("<table><tr><th>Fate</th><th>Place</th><th>Change</th><th>Nodes</th><th>Why</th></tr>");
        for change in &file.changes {
            put(&row(change));
        }
        put("</table>");
    }
    if !report.secrets.is_empty() {
        put("<h2>Secrets</h2><ul>");
        for note in &report.secrets {
            put(&format!("<li>{}</li>", escape(&secret(note, report.nodes.len()))));
        }
        put("</ul>");
    }
    if !report.answers.is_empty() {
        put("<h2>For the upgrade file, to be changed as you decide</h2>");
        put(&format!("<pre>{}</pre>", escape(&report.answers)));
    }
    put("</body></html>");
    page
}

fn row(change: &ReportChange) -> String {
    let fate = change.fate.as_str();
    let place = change.path.as_deref().unwrap_or("the file as a whole");
    let to = change
        .to
        .as_ref()
        .map_or_else(String::new, |to| format!("<br>to <code>{}</code>", escape(to)));
    format!(
        "<tr><td class=\"fate {fate}\">{fate}</td><td><code>{}</code>{to}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        escape(place),
        escape(&what(change)),
        escape(&on(&change.nodes, change.everywhere)),
        escape(&change.why)
    )
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configview::example;

    #[test]
    fn page_when_rendered_then_as_before() {
        insta::assert_snapshot!(render(&example::report()));
    }

    #[test]
    fn page_when_a_value_looks_like_markup_then_escaped_and_nothing_is_loaded() {
        let page = render(&example::report());
        assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;more&quot;"));
        assert!(!page.contains("http://") && !page.contains("https://") && !page.contains(" src="));
    }
}
