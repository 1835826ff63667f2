//! Ranges, scripts, directories and checkpoints of a guide.

use super::Report;
use crate::guide::shipped::script_text;
use crate::guide::{Order, Role};

/// Engines that a script may ship for.
const ENGINES: [&str; 2] = ["mysql", "postgres"];

pub(super) fn check(report: &mut Report<'_>) {
    ranges(report);
    scripts(report);
    for directory in &report.guide.directories {
        path(report, &directory.path);
        report.reasoned(
            &directory.path,
            directory.sentence.as_ref(),
            directory.why.as_ref(),
        );
    }
    checkpoints(report);
    product_database(report);
}

fn ranges(report: &mut Report<'_>) {
    let guide = report.guide;
    let ranges = [
        ("from", Some(&guide.from)),
        ("to", Some(&guide.to)),
        ("from_kernel", guide.from_kernel.as_ref()),
        ("kernel", Some(&guide.kernel)),
    ];
    for (key, range) in ranges.into_iter().filter_map(|(key, range)| Some((key, range?))) {
        if semver::VersionReq::parse(range).is_err() {
            let text = format!("`{range}` is not a version range");
            report.error("bad-range", key, text, "write it as `>=3.0.0, <3.2.0`");
        }
    }
    if guide.product.trim().is_empty() {
        let remedy = "write what bin/version.txt of its homes says, or \"*\" for any product";
        report.error("bad-product", "product", "it is empty", remedy);
    }
    if guide.from == "*" && guide.to == "*" && guide.from_kernel.is_none() {
        report.error(
            "bad-range",
            "from_kernel",
            "without versions of the product or of the old kernel, a home that is upgraded already can't be told",
            "add from_kernel, for example `=4.4.6`",
        );
    }
}

/// A path of a guide lies under a home.
pub(super) fn path(report: &mut Report<'_>, path: &str) {
    if path.starts_with('/') || path.is_empty() || path.split('/').any(|part| part == ".." || part.is_empty())
    {
        let text = format!("`{path}` is not a path under a home");
        report.error("bad-path", path, text, "write it from the home, without `..`");
    }
}

fn scripts(report: &mut Report<'_>) {
    let guide = report.guide;
    match (guide.order, guide.scripts.is_empty()) {
        (Order::CopyOnly, false) => report.error(
            "order-without-migration",
            "order",
            "order `copy-only` migrates nothing, and the guide has scripts",
            "write migrate-then-copy or copy-then-migrate, or remove the scripts",
        ),
        (Order::MigrateThenCopy | Order::CopyThenMigrate, true) => report.error(
            "order-without-script",
            "order",
            "the order migrates, and the guide has no script",
            "add a [[script]], or write copy-only",
        ),
        (Order::CopyOnly, true) | (Order::MigrateThenCopy | Order::CopyThenMigrate, false) => {}
    }
    for script in &guide.scripts {
        let place = format!("script for {}", script.role);
        report.reasoned(&place, Some(&script.sentence), None);
        if script.needs.is_empty() || script.makes.is_empty() {
            report.error(
                "script-untold",
                &place,
                "without the tables that it needs and makes nobody could tell whether it has run",
                "add needs = [\"…\"] and makes = [\"…\"]",
            );
        }
        for (engine, set) in &script.ships {
            let place = format!("{place} on {engine}");
            if !ENGINES.contains(&engine.as_str()) {
                let text = format!("there is no engine `{engine}`");
                report.error("unknown-engine", &place, text, "write mysql or postgres");
            }
            for file in set.files.iter().filter(|file| script_text(file).is_none()) {
                let text = format!("script `{file}` does not ship with this build");
                let remedy = "name a script that ships, or leave it to the upgrade file";
                report.error("unknown-script", &place, text, remedy);
            }
        }
    }
}

fn checkpoints(report: &mut Report<'_>) {
    for checkpoint in &report.guide.checkpoints {
        let place = format!("checkpoint `{}`", checkpoint.text);
        if let Some(sentence) = &checkpoint.sentence {
            report.reasoned(&place, Some(sentence), None);
        }
        let read =
            serde_json::from_value::<cutover_database::checkpoint::Checkpoint>(checkpoint.check.clone());
        if let Err(problem) = read {
            report.error(
                "bad-checkpoint",
                &place,
                problem.to_string(),
                "write it as docs/guides.md shows",
            );
        }
    }
}

fn product_database(report: &mut Report<'_>) {
    let guide = report.guide;
    let of_product = guide.scripts.iter().any(|script| script.role == Role::Product)
        || guide
            .checkpoints
            .iter()
            .any(|checkpoint| checkpoint.role == Role::Product);
    if of_product && guide.product_database.is_none() {
        report.error(
            "no-product-database",
            "product_database",
            "the guide works on a database of the product, and does not say how the new home names it",
            "add [product_database] with holds, datasource and jndi",
        );
    }
}
