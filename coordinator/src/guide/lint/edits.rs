//! Edits, renames and obsolete places of a guide.

use super::Report;
use super::parts::path;
use crate::guide::{EditFor, GuideEdit};

pub(super) fn check(report: &mut Report<'_>) {
    let guide = report.guide;
    for edit in &guide.edits {
        report.reasoned(&edit.file, edit.sentence.as_ref(), edit.why.as_ref());
        for file in std::iter::once(&edit.file).chain(&edit.elsewhere) {
            path(report, file);
        }
        if edit.subject == EditFor::Product && guide.product_database.is_none() {
            let text =
                "it is for the product's own database, and the guide does not say how the new home names it";
            let remedy = "add [product_database] with holds, datasource and jndi";
            report.error("no-product-database", &edit.file, text, remedy);
        }
        values(report, edit);
    }
    for rename in &guide.renames {
        place(report, &rename.file, &rename.from, &rename.why);
        place(report, rename.target_file(), &rename.to, &rename.why);
    }
    for obsolete in &guide.obsolete {
        place(report, &obsolete.file, &obsolete.path, &obsolete.why);
    }
}

fn values(report: &mut Report<'_>, edit: &GuideEdit) {
    for (element, setting) in &edit.set {
        let known = edit.subject.placeholders();
        let plain = known
            .iter()
            .fold(element.clone(), |path, name| path.replace(name, "x"));
        if plain.contains('{') && plain.contains('}') && !plain.contains("://") {
            report.error(
                "unknown-placeholder",
                &edit.file,
                format!("`{element}` holds a name in braces that this edit does not know"),
                "docs/guides.md lists the names for each `for`",
            );
        } else {
            element_path(report, &edit.file, &plain);
        }
        let without = matches!(edit.subject, EditFor::Home | EditFor::Index);
        if without && setting.value().is_some_and(|value| value.needs_database()) {
            report.error(
                "edit-without-database",
                &edit.file,
                format!("`{element}` is set to a value of a database, and the edit does not say of which"),
                "add for = \"data-sources\", \"user-management\", \"registry\", \"product\" or \"mounts\"",
            );
        }
    }
}

fn place(report: &mut Report<'_>, file: &str, element: &str, why: &str) {
    path(report, file);
    if file.ends_with(".xml") {
        element_path(report, file, element);
    }
    if why.trim().is_empty() {
        report.error(
            "without-reason",
            file,
            format!("`{element}`: no reason is given"),
            "add why = \"…\"",
        );
    }
}

fn element_path(report: &mut Report<'_>, file: &str, element: &str) {
    if let Err(problem) = element.parse::<cutover_xmledit::Path>() {
        let text = format!("`{element}`: {problem}");
        report.error(
            "bad-element-path",
            file,
            text,
            "write it as /Server/HostName or /a/b[@name='x']/@attribute",
        );
    }
}
