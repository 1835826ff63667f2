//! Which values may be carried without being asked about.

use cutover_proto::config::ShownValue;

use super::context::Context;

/// Places that every version of Carbon reads and that are the site's alone (carbon-facts.md section 6), with what every
/// version ships there. Where it ships nothing the new file may have the place in a comment.
const SITE_PLACES: &[(&str, &str, Option<&str>)] = &[
    ("repository/conf/carbon.xml", "/Server/HostName", None),
    ("repository/conf/carbon.xml", "/Server/MgtHostName", None),
    ("repository/conf/carbon.xml", "/Server/Ports/Offset", Some("0")),
];

/// What every version ships at a place that is the site's alone; none when it is no such place.
pub(super) fn site_place(file: &str, path: &str) -> Option<Option<&'static str>> {
    let mut places = SITE_PLACES.iter();
    let (_, _, shipped) = places.find(|(in_file, at, _)| (*in_file, *at) == (file, path))?;
    Some(*shipped)
}

/// Whether a text as agents show it is the value itself: a part that is a secret is masked, a long one is cut.
pub(super) fn is_whole(text: &str) -> bool {
    !text.contains("***") && !is_cut(text)
}

/// Whether an agent cut a long text.
pub(super) fn is_cut(text: &str) -> bool {
    text.ends_with("… (cut)")
}

/// Why a value must not be carried, whoever asks for it.
pub(super) fn forbidden(context: &Context<'_>, value: &str) -> Option<String> {
    let database = context.production_in(value)?;
    Some(format!(
        "it leads to the production database {database}: the new version would be connected to a database that is not \
         upgraded"
    ))
}

/// Why a JDBC URL is not carried by itself: it may lead to production under a name that nobody knows here.
pub(super) fn elsewhere(context: &Context<'_>, value: &str) -> Option<String> {
    context.not_staging(value).map(|_| {
        "it leads to a database that is not a staging database of this upgrade: whether the new version may use it is not \
         known"
            .to_owned()
    })
}

/// Why a value is not carried by itself.
pub(super) fn doubtful(context: &Context<'_>, value: &str, stock: Option<&ShownValue>) -> Option<String> {
    if let Some(why) = forbidden(context, value).or_else(|| elsewhere(context, value)) {
        return Some(why);
    }
    let old = context.old_home();
    if value.contains(&old) {
        return Some(format!(
            "it names the old home {old}, which the new server must not depend on"
        ));
    }
    if let Some(version) = versions(context)
        .into_iter()
        .find(|version| mentions(value, version))
    {
        return Some(format!("it names the old version {version}"));
    }
    unknown_placeholder(value, stock).map(|name| {
        format!("it names ${{{name}}}, which only an option of the old start script can fill, and start scripts are not carried")
    })
}

fn versions<'a>(context: &Context<'a>) -> Vec<&'a str> {
    let Some(home) = context.old else {
        return Vec::new();
    };
    let known = [home.version.as_str(), home.kernel.as_str()];
    known
        .into_iter()
        .filter(|version| version.matches('.').count() >= 2)
        .collect()
}

/// Whether a version stands in a text as a whole: `3.0.1` does not stand in `10.3.0.12`.
fn mentions(text: &str, version: &str) -> bool {
    text.match_indices(version).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after: Vec<char> = text
            .get(at + version.len()..)
            .unwrap_or_default()
            .chars()
            .take(2)
            .collect();
        let joins = |c: char| c.is_ascii_digit();
        let goes_on = match after.as_slice() {
            [first, ..] if joins(*first) => true,
            ['.', second] => joins(*second),
            _ => false,
        };
        !before.is_some_and(|c| joins(c) || c == '.') && !goes_on
    })
}

/// A `${name}` that neither Carbon fills by itself nor stock names at this place.
fn unknown_placeholder(value: &str, stock: Option<&ShownValue>) -> Option<String> {
    let stock = match stock {
        Some(ShownValue::Plain(text)) => text.as_str(),
        Some(ShownValue::Hidden | ShownValue::Vault(_) | ShownValue::Encrypted) | None => "",
    };
    let names = value
        .split("${")
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name);
    names
        .filter(|name| {
            !name.starts_with("carbon.") && !name.starts_with("java.") && !name.starts_with("user.")
        })
        .find(|name| !stock.contains(&format!("${{{name}}}")))
        .map(str::to_owned)
}

/// Whether a value only says which version the old home is, and the new home says its own.
pub(super) fn is_own_version(context: &Context<'_>, site: &str, new: Option<&str>) -> bool {
    let (Some(old), Some(new)) = (context.old, new) else {
        return false;
    };
    [&old.version, &old.kernel]
        .into_iter()
        .any(|version| !version.is_empty() && site.trim() == version)
        && new != site
        && new.trim().starts_with(|c: char| c.is_ascii_digit())
        && new
            .trim()
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_when_part_of_another_number_then_not_mentioned() {
        assert!(mentions("axis2_1.6.1.wso2v9-4.1.0.jar", "4.1.0"));
        assert!(mentions("v3.0.1", "3.0.1") && mentions("3.0.1.", "3.0.1"));
        for other in ["10.3.0.12", "13.0.1", "3.0.10", "3.0.1.5"] {
            assert!(!mentions(other, "3.0.1"), "{other}");
        }
    }

    #[test]
    fn placeholder_when_carbon_fills_it_or_stock_has_it_then_known() {
        let stock = ShownValue::Plain("${default.host}:1".into());
        assert_eq!(
            unknown_placeholder("${carbon.home}/x/${java.io.tmpdir}", None),
            None
        );
        assert_eq!(unknown_placeholder("${default.host}:2", Some(&stock)), None);
        assert_eq!(
            unknown_placeholder("a${db.host}b", Some(&stock)),
            Some("db.host".into())
        );
        assert_eq!(unknown_placeholder("${open", None), None);
    }
}
