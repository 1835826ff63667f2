//! Enabling events after a promotion.

use cutover_database::Target;

use super::session::{self, Writer};
use super::stored::lacks_privilege;
use super::syntax::{definer, ident};
use crate::CopyError;

/// Enables the named events and keeps their definers, which ALTER EVENT would replace by the account in use.
pub(crate) async fn enable_events(target: &Target, events: &[String]) -> Result<(), CopyError> {
    if events.is_empty() {
        return Ok(());
    }
    let mut reader = session::reader(target).await?;
    let mut writer = Writer::open(target).await?;
    for name in events {
        let what = format!("enabling event `{name}`");
        let sql = format!("SHOW CREATE EVENT {}", ident(name));
        let found = session::rows(&mut reader, target, &what, &sql).await?;
        let create = found.first().map(|row| session::text(row, 3)).unwrap_or_default();
        let account = definer(create.as_bytes()).map(|(_, account)| account);
        let plain = format!("ALTER EVENT {} ENABLE", ident(name));
        let Some(account) = account else {
            writer.run(&what, plain.as_bytes()).await?;
            continue;
        };
        let kept = format!("ALTER DEFINER={account} EVENT {} ENABLE", ident(name));
        match writer.run(&what, kept.as_bytes()).await {
            Err(error) if lacks_privilege(&error) => writer.run(&what, plain.as_bytes()).await?,
            other => other?,
        }
    }
    Ok(())
}
