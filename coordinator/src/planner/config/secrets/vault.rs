//! Secure Vault: aliases, cipher texts, password files.

use cutover_proto::config::report::Fate;
use cutover_proto::config::{ChangeKind, ConfigComparison, ShownValue, SiteChange};
use cutover_proto::facts::{CipherPaths, HomeFacts};
use cutover_proto::view::Severity;

use super::keystores::list;
use super::{CIPHER_TEXT, CIPHER_TOOL, Context, FOLDER, Item, Kept, SECRET_CONF};
use crate::planner::config::error;
use crate::planner::finding;

const PERSIST: &str = "password-persist";

/// Whether a home's server needs the password of its key store to start.
pub(super) fn is_vaulted(home: &HomeFacts) -> bool {
    home.secure_vault || !home.secrets.aliases.is_empty() || !home.secrets.protected.is_empty()
}

pub(super) fn look(context: &Context<'_>, comparison: &ConfigComparison, items: &[Item], kept: &mut Kept) {
    let Some(old) = context.old else { return };
    if !is_vaulted(old) {
        return new_home_alone(context, kept);
    }
    password_files(context, old, kept);
    cipher_text(context, old, kept);
    secret_conf(context, comparison, kept);
    cipher_tool(context, comparison, kept);
    elements(context, old, items, kept);
}

/// A new home that its operator put under Secure Vault, though the old one is not.
fn new_home_alone(context: &Context<'_>, kept: &mut Kept) {
    if let Some(new) = context.new.filter(|new| is_vaulted(new) && !has(new, PERSIST)) {
        kept.findings.push(no_password(context, &new.path));
    }
}

fn has(home: &HomeFacts, file: &str) -> bool {
    home.secrets.password_files.iter().any(|name| name == file)
}

fn no_password(context: &Context<'_>, home: &str) -> cutover_proto::view::Finding {
    error(
        "vault-password",
        &context.node.name,
        format!(
            "{home} is under Secure Vault and has no {PERSIST}: a server without a console reads `password` or \
             `password-tmp`, uses it up, and can't be started again"
        ),
        format!(
            "as the account that runs the server: install -m 600 /dev/null {home}/{PERSIST}, then write the key store's \
             password into it"
        ),
    )
}

/// The server of the old home must be able to start again on abort, the one of the new home at all.
fn password_files(context: &Context<'_>, old: &HomeFacts, kept: &mut Kept) {
    if !has(old, PERSIST) {
        kept.findings.push(no_password(context, &old.path));
        return;
    }
    if context.new.is_some_and(|new| has(new, PERSIST)) {
        kept.note(
            context,
            PERSIST,
            "the new home has one of its own, which stays",
            false,
        );
    } else {
        kept.carries.push(PERSIST.to_owned());
        kept.note(
            context,
            PERSIST,
            "carried to the new home with its mode: its server can't start without",
            false,
        );
    }
    for used_up in ["password", "password-tmp"].iter().filter(|file| has(old, file)) {
        kept.note(context, *used_up, "not carried: a start uses it up", false);
    }
}

/// Whether the operator set Secure Vault up in the new home already.
fn prepared(context: &Context<'_>) -> bool {
    context.new.is_some_and(|new| !new.secrets.aliases.is_empty())
}

fn cipher_text(context: &Context<'_>, old: &HomeFacts, kept: &mut Kept) {
    let aliases = &old.secrets.aliases;
    let what = format!("{} alias(es) in {CIPHER_TEXT}: {}", aliases.len(), list(aliases));
    if prepared(context) {
        kept.note(
            context,
            what,
            "not carried: Secure Vault is set up in the new home, and its aliases stay",
            false,
        );
        return;
    }
    if !aliases.is_empty() || !old.secrets.plain_aliases.is_empty() {
        kept.carries.push(CIPHER_TEXT.to_owned());
        kept.note(
            context,
            what,
            "carried: the values are readable with the key store that goes along",
            false,
        );
    }
    if old.secure_vault {
        kept.carries.push(SECRET_CONF.to_owned());
        kept.note(
            context,
            SECRET_CONF,
            "carried: it says which key store Secure Vault uses",
            false,
        );
    }
    if !old.secrets.plain_aliases.is_empty() {
        kept.findings.push(finding(
            Severity::Warning,
            "vault-plain",
            &context.node.name,
            format!(
                "{CIPHER_TEXT} holds values in plain text: {}",
                list(&old.secrets.plain_aliases)
            ),
            format!(
                "encrypt them before the upgrade: cd {} && bin/ciphertool.sh -Dconfigure",
                old.path
            ),
        ));
    }
}

fn changes<'a>(comparison: &'a ConfigComparison, file: &str) -> impl Iterator<Item = &'a SiteChange> {
    let file = comparison.files.iter().find(|other| other.file == file);
    file.into_iter().flat_map(|file| &file.changes)
}

/// A path into the old home would make the new server depend on it.
fn secret_conf(context: &Context<'_>, comparison: &ConfigComparison, kept: &mut Kept) {
    let old = context.old_home();
    for change in changes(comparison, SECRET_CONF) {
        if let Some(ShownValue::Plain(value)) = &change.site
            && value.contains(&old)
        {
            let then = format!(
                "it names the old home; once phase prepare is done write `{}={}` into {}/{SECRET_CONF}",
                change.path,
                value.replace(&old, &context.new_home()),
                context.new_home()
            );
            kept.note(context, format!("{SECRET_CONF}: {}", change.path), then, true);
        }
    }
}

/// Which elements an alias protects is said there, and the two generations write the paths in different ways.
fn cipher_tool(context: &Context<'_>, comparison: &ConfigComparison, kept: &mut Kept) {
    let style = style_of_new(context);
    let lines: Vec<String> = changes(comparison, CIPHER_TOOL)
        .filter(|change| change.kind != ChangeKind::Removed)
        .filter_map(|change| match &change.site {
            Some(ShownValue::Plain(value)) => Some(format!("{}={}", change.path, rewritten(value, style))),
            Some(ShownValue::Hidden | ShownValue::Vault(_) | ShownValue::Encrypted) | None => None,
        })
        .collect();
    if !lines.is_empty() {
        let then = format!(
            "not carried, as the versions write its paths differently; once phase prepare is done see that \
             {}/{CIPHER_TOOL} has: {}",
            context.new_home(),
            lines.join("; ")
        );
        kept.note(
            context,
            format!("the site's aliases in {CIPHER_TOOL}"),
            then,
            true,
        );
    }
}

fn style_of_new(context: &Context<'_>) -> CipherPaths {
    let seen = context.new.and_then(|new| new.secrets.cipher_paths);
    let since_44 = ["4.4.", "4.5.", "4.6."]
        .iter()
        .any(|line| context.inputs.guide.kernel.contains(line));
    seen.unwrap_or(if since_44 {
        CipherPaths::FromHome
    } else {
        CipherPaths::FileName
    })
}

/// `FILE//XPATH,FLAG` in the other style. A bare name may stand for a file in any folder of `repository/conf`; those of
/// the folder itself are what Carbon's own list names.
fn rewritten(value: &str, style: CipherPaths) -> String {
    let Some((file, rest)) = value.split_once("//") else {
        return value.to_owned();
    };
    let file = match style {
        CipherPaths::FileName => file.rsplit('/').next().unwrap_or(file).to_owned(),
        CipherPaths::FromHome if file.contains('/') => file.to_owned(),
        CipherPaths::FromHome if file.ends_with("-datasources.xml") => {
            format!("repository/conf/datasources/{file}")
        }
        CipherPaths::FromHome if file == "axis2.xml" => format!("repository/conf/axis2/{file}"),
        CipherPaths::FromHome if file == "catalina-server.xml" => format!("repository/conf/tomcat/{file}"),
        CipherPaths::FromHome => format!("repository/conf/{file}"),
    };
    format!("{file}//{rest}")
}

/// The elements themselves: an edit could not protect them.
fn elements(context: &Context<'_>, old: &HomeFacts, items: &[Item], kept: &mut Kept) {
    let protected = &old.secrets.protected;
    if protected.is_empty() {
        return;
    }
    let what = format!(
        "{} element(s) with svns:secretAlias: {}",
        protected.len(),
        list(protected)
    );
    let missing = |entry: &&String| {
        context
            .new
            .is_none_or(|new| !new.secrets.protected.contains(entry))
    };
    if !protected.iter().any(|entry| missing(&entry)) {
        kept.note(context, what, "the new home protects the same elements", false);
        return;
    }
    let new = context.new_home();
    let open = items
        .iter()
        .filter(|item| item.outcome.fate == Fate::Vault && item.change.is_some())
        .count();
    let then = format!(
        "the new home has these values in plain, or {open} of them as shipped, until you protect them: once phase prepare \
         is done put `ALIAS=[VALUE]` for each value that is another one now (the passwords of staging) into \
         {new}/{CIPHER_TEXT}, run `cd {new} && bin/ciphertool.sh -Dconfigure`, and look at {new}/{FOLDER}"
    );
    kept.note(context, what, then, true);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alias_line_when_the_new_version_writes_paths_otherwise_then_rewritten() {
        let from_home = |value: &str| rewritten(value, CipherPaths::FromHome);
        assert_eq!(
            from_home("user-mgt.xml//UserManager/x,true"),
            "repository/conf/user-mgt.xml//UserManager/x,true"
        );
        assert_eq!(
            from_home("master-datasources.xml//a/b[name='x']/c,false"),
            "repository/conf/datasources/master-datasources.xml//a/b[name='x']/c,false"
        );
        assert_eq!(
            from_home("repository/conf/a.xml//b,true"),
            "repository/conf/a.xml//b,true"
        );
        let bare = rewritten(
            "repository/conf/tomcat/catalina-server.xml//Server/x,true",
            CipherPaths::FileName,
        );
        assert_eq!(bare, "catalina-server.xml//Server/x,true");
        assert_eq!(rewritten("odd", CipherPaths::FromHome), "odd");
    }
}
