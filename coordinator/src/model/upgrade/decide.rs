//! `[[decide]]`: the operator's answers to what the comparison of configurations leaves open.

use super::{Findings, Section, Selector, normal};

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// File of the old home, as a path under it.
    pub file: String,
    /// What of the file it answers.
    pub scope: Scope,
    /// The answer.
    pub take: Take,
    /// Place in the new file, when it is another one.
    pub to: Option<String>,
    /// File of the new home, when it is another one.
    pub to_file: Option<String>,
    /// The nodes it is for; all without it.
    pub nodes: Option<Selector>,
    /// Why, for the record.
    pub reason: Option<String>,
    /// Where it stands: file and line.
    pub line: String,
}

/// What of a file an answer is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everything in it that nothing nearer answers.
    File,
    /// Everything beneath an element (`/axisconfig/clustering/*`).
    Beneath(String),
    /// One element or attribute, or one key of a properties file.
    Place(String),
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// The site's value goes into the new home.
    Old,
    /// The new version's value stays.
    New,
    /// A person sees to it on the node.
    ByHand,
}

impl Take {
    /// The word in the upgrade file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Take::Old => "old",
            Take::New => "new",
            Take::ByHand => "by-hand",
        }
    }
}

impl Scope {
    fn of(path: Option<String>) -> Self {
        match path {
            None => Scope::File,
            Some(path) => match path.strip_suffix("/*") {
                Some(above) => Scope::Beneath(above.to_owned()),
                None => Scope::Place(path),
            },
        }
    }
}

pub(super) fn decisions(top: &mut Section<'_>, findings: &mut Findings<'_>) -> Vec<Decision> {
    let sections = top.sections(findings, "decide");
    sections
        .into_iter()
        .map(|section| decision(section, findings))
        .collect()
}

fn decision(mut section: Section<'_>, findings: &mut Findings<'_>) -> Decision {
    if !section.has("file") {
        section.required(findings, "file", "\"repository/conf/carbon.xml\"");
    }
    let file = file(&mut section, findings, "file").unwrap_or_default();
    let decision = Decision {
        scope: scope(&mut section, findings, &file),
        take: take(&mut section, findings),
        to: to(&mut section, findings),
        to_file: self::file(&mut section, findings, "to_file"),
        nodes: section
            .has("nodes")
            .then(|| Selector(section.text_table(findings, "nodes"))),
        reason: section.text(findings, "reason"),
        line: findings.place(&section.span()),
        file,
    };
    let moves = decision.to.is_some() || decision.to_file.is_some();
    if moves && (decision.take != Take::Old || !matches!(decision.scope, Scope::Place(_))) {
        let text = "`to` and `to_file` say where one value of the old home goes";
        let remedy =
            "use them with take = \"old\" and a `path` that names one element or attribute, or remove them";
        findings.error(&section.span_of("to"), "bad-value", text, remedy);
    }
    if moves && decision.to.is_none() {
        let text = "`decide.to` is missing: `to_file` alone does not say where in that file";
        findings.error(
            &section.span(),
            "missing-key",
            text,
            "add to = \"/path/in/that/file\"",
        );
    }
    // Asked for all the same, so that the key is known.
    if !section.has("nodes") {
        section.text_table(findings, "nodes");
    }
    section.finish(findings);
    decision
}

fn file(section: &mut Section<'_>, findings: &mut Findings<'_>, key: &str) -> Option<String> {
    let span = section.span_of(key);
    let file = normal(&section.text(findings, key)?);
    if file.is_empty() || file.starts_with('/') || file.split('/').any(|part| part == "..") {
        let text = format!("`decide.{key}` is `{file}`");
        findings.error(
            &span,
            "bad-value",
            text,
            "write a path under the home, without `..`",
        );
    }
    Some(file)
}

/// Keys of properties files are no paths: they are taken as they are.
fn scope(section: &mut Section<'_>, findings: &mut Findings<'_>, file: &str) -> Scope {
    let span = section.span_of("path");
    let scope = Scope::of(section.text(findings, "path"));
    let path = match &scope {
        Scope::File => return scope,
        Scope::Beneath(path) | Scope::Place(path) => path,
    };
    if file.ends_with(".xml")
        && let Err(error) = path.parse::<cutover_xmledit::Path>()
    {
        let text = format!("`{path}`: {error}");
        let remedy = "copy it from `cutover config report`, or write it as /Server/HostName, /a/b[@name='x']/@attribute \
                      or /a/b/*";
        findings.error(&span, "bad-path", text, remedy);
    }
    scope
}

fn take(section: &mut Section<'_>, findings: &mut Findings<'_>) -> Take {
    let span = section.span_of("take");
    match section
        .required(findings, "take", "\"old\" (or \"new\", \"by-hand\")")
        .as_str()
    {
        "old" => Take::Old,
        // A missing one is reported already.
        "new" | "" => Take::New,
        "by-hand" => Take::ByHand,
        other => {
            let text = format!("`decide.take` is `{other}`");
            let remedy = "write \"old\" (the site's value goes into the new home), \"new\" (the new version's value \
                          stays) or \"by-hand\" (a person sees to it)";
            findings.error(&span, "bad-value", text, remedy);
            Take::New
        }
    }
}

fn to(section: &mut Section<'_>, findings: &mut Findings<'_>) -> Option<String> {
    let span = section.span_of("to");
    let to = section.text(findings, "to")?;
    if let Err(error) = to.parse::<cutover_xmledit::Path>() {
        let text = format!("`{to}`: {error}");
        findings.error(
            &span,
            "bad-path",
            text,
            "write it as /Server/HostName or /a/b[@name='x']/@attribute",
        );
    }
    Some(to)
}

#[cfg(test)]
mod tests {
    use super::super::Upgrade;
    use super::*;

    const FILE: &str = r#"
name  = "x"
guide = "dss-3.2.0"
[nodes]
select = { cluster = "x" }
expect = 1
[home]
old = "/opt/old"
new = "/opt/new"
old_distribution = { file = "old.zip", sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" }
[[database]]
name       = "carbon"
datasource = "WSO2_CARBON_DB"
production = { url = "mysql://dss@db1/CARBON", password = "file:/pw" }
staging    = { url = "mysql://dss@db1/CARBON_320", password = "file:/pw" }
"#;

    fn parse(more: &str) -> Result<Upgrade, Vec<(String, String)>> {
        Upgrade::parse("x.toml", &format!("{FILE}{more}")).map_err(|findings| {
            let place = |finding: cutover_proto::view::Finding| (finding.code, finding.place);
            findings.into_iter().map(place).collect()
        })
    }

    #[test]
    fn decisions_when_written_in_each_form_then_read() {
        let upgrade = parse(
            r#"[[decide]]
file = "repository/conf//carbon.xml"
path = "/Server/HostName"
take = "old"
to = "/Server/Host"
to_file = "repository/conf/other.xml"
nodes = { zone = "a" }
reason = "CHG-1"
[[decide]]
file = "repository/conf/axis2/axis2.xml"
path = "/axisconfig/clustering/*"
take = "by-hand"
[[decide]]
file = "repository/conf/log4j.properties"
take = "new"
"#,
        )
        .unwrap();
        assert_eq!(upgrade.old_distribution.unwrap().file, "old.zip");
        let [host, cluster, log] = upgrade.decisions.as_slice() else {
            panic!("three decisions")
        };
        assert_eq!(host.file, "repository/conf/carbon.xml");
        assert_eq!(host.scope, Scope::Place("/Server/HostName".into()));
        assert_eq!((host.take, host.line.as_str()), (Take::Old, "x.toml:16"));
        assert_eq!(host.to.as_deref(), Some("/Server/Host"));
        assert_eq!(host.nodes, Some(Selector([("zone".into(), "a".into())].into())));
        assert_eq!(cluster.scope, Scope::Beneath("/axisconfig/clustering".into()));
        assert_eq!((log.scope.clone(), log.take), (Scope::File, Take::New));
    }

    #[test]
    fn decision_when_wrong_then_each_problem_has_its_line() {
        let problems = parse(
            "[[decide]]\nfile = \"../x.xml\"\ntake = \"new\"\n[[decide]]\nfile = \"a.xml\"\npath = \"//a\"\ntake = \"both\"\n\
             [[decide]]\nfile = \"a.xml\"\ntake = \"new\"\nto = \"/a\"\n[[decide]]\ntake = \"old\"\npth = \"/a\"\n\
             [[decide]]\nfile = \"a.xml\"\npath = \"/a\"\ntake = \"old\"\nto_file = \"b.xml\"\n",
        )
        .unwrap_err();
        let codes: Vec<&str> = problems.iter().map(|(code, _)| code.as_str()).collect();
        assert_eq!(
            codes,
            [
                "bad-value",
                "bad-path",
                "bad-value",
                "bad-value",
                "missing-key",
                "unknown-key",
                "missing-key"
            ]
        );
        assert_eq!(problems[1].1, "x.toml:21");
    }
}
