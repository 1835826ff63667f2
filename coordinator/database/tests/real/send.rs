//! The coordinator runs these on any thread: it must stay possible.

use std::path::Path;

use cutover_database::{BackupReceipt, Checkpoint, OwnSessions, ProvenStaging, Target, Tools, script};
use cutover_sqlscript::Script;

fn sendable<T: Send>(_: &T) {}

#[expect(dead_code, reason = "compiling it is the proof")]
fn futures(
    (target, tools, receipt): (&Target, &Tools, &BackupReceipt),
    (own, points, proof): (&OwnSessions, &[Checkpoint], &ProvenStaging),
    (text, options): (&Script, &script::RunOptions<'_>),
) {
    sendable(&cutover_database::facts(target));
    sendable(&cutover_database::reach(target));
    sendable(&cutover_database::foreign_sessions(target, own));
    sendable(&cutover_database::drop_all_objects(target, proof));
    sendable(&cutover_database::check(target, points));
    sendable(&cutover_database::backup(
        target,
        Path::new("/"),
        "b",
        tools,
        &|_, _| {},
    ));
    sendable(&cutover_database::verify_by_restore(
        target,
        receipt,
        "s",
        tools,
        &|_, _| {},
    ));
    sendable(&cutover_database::restore_into(
        target,
        receipt,
        tools,
        &|_, _| {},
    ));
    sendable(&cutover_database::lapsed(target, receipt));
    sendable(&cutover_database::run_script(target, text, options));
    sendable(&cutover_database::forget_journal(target));
}
