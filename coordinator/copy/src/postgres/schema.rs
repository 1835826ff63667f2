//! Schema before and after the rows.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use cutover_database::Target;

use super::entries::{self, Entry};
use super::tools::{Call, Tools};
use crate::{CopyError, CopyOptions, JOURNAL};

/// Kinds of the table of contents that are worth counting, longer words first.
const KINDS: &[&str] = &[
    "MATERIALIZED VIEW",
    "FK CONSTRAINT",
    "CHECK CONSTRAINT",
    "EVENT TRIGGER",
    "FOREIGN TABLE",
    "CONSTRAINT",
    "EXTENSION",
    "PROCEDURE",
    "AGGREGATE",
    "FUNCTION",
    "SEQUENCE",
    "TRIGGER",
    "DOMAIN",
    "SCHEMA",
    "POLICY",
    "INDEX",
    "TABLE",
    "RULE",
    "TYPE",
    "VIEW",
];
/// Entries that begin like a kind and are something else.
const NO_KINDS: &[&str] = &[
    "TABLE DATA",
    "MATERIALIZED VIEW DATA",
    "TABLE ATTACH",
    "SEQUENCE SET",
    "SEQUENCE OWNED",
    "INDEX ATTACH",
];

/// A dump of the schema, to be restored in two parts.
pub(crate) struct Schema<'a> {
    pub(crate) tools: &'a Tools,
    pub(crate) to: &'a Target,
    pub(crate) privileges: bool,
    file: PathBuf,
    list: PathBuf,
    pub(crate) objects: BTreeMap<String, u64>,
}

impl<'a> Schema<'a> {
    pub(crate) async fn dump(
        tools: &'a Tools,
        from: &Target,
        to: &'a Target,
        snapshot: &str,
        options: &CopyOptions,
    ) -> Result<Self, CopyError> {
        let file = tools.file("schema.dump");
        let mut args = schema_args(options);
        args.extend(["--format=custom".into(), format!("--snapshot={snapshot}").into()]);
        args.extend(["--file".into(), file.clone().into_os_string()]);
        let what = "reading the schema";
        tools
            .dump(Call {
                what,
                target: from,
                args,
            })
            .await?;
        let contents = tools.contents(&file, from).await?;
        let list = tools.file("schema.list");
        std::fs::write(&list, wanted(&contents))
            .map_err(|error| CopyError::local("writing the list of schema objects", error))?;
        Ok(Schema {
            tools,
            to,
            privileges: false,
            file,
            list,
            objects: counts(&contents),
        })
    }

    /// The schema as SQL, without what changes from one dump to the next.
    pub(crate) async fn script(&self, section: &str) -> Result<String, CopyError> {
        let mut args = vec![format!("--section={section}").into()];
        args.extend(self.restore_args());
        let text = self.tools.script(&self.file, args, self.to).await?;
        let stable = |line: &&str| !line.starts_with("\\restrict ") && !line.starts_with("\\unrestrict ");
        let lines: Vec<&str> = text.lines().filter(stable).collect();
        Ok(lines.join("\n"))
    }

    /// What comes after the rows, object by object; `None` where pg_restore's text is not as expected.
    pub(crate) async fn entries(&self) -> Result<Option<Vec<Entry>>, CopyError> {
        let found = entries::parse(&self.script("post-data").await?);
        let mut args: Vec<OsString> = vec!["--section=post-data".into(), "--list".into()];
        args.extend(self.restore_args());
        let listed = self.tools.script(&self.file, args, self.to).await?;
        let listed = listed
            .lines()
            .filter(|line| !line.starts_with(';') && !line.trim().is_empty());
        Ok((listed.count() == found.len()).then_some(found))
    }

    /// Tables, types, functions, views; one by one, as thousands of tables in one transaction are more than a server has
    /// room for locks. What a try that was broken off left is not gone on with.
    pub(crate) async fn restore_before(&self) -> Result<(), CopyError> {
        let args = vec!["--section=pre-data".into()];
        self.restore("creating the tables", args).await
    }

    /// Indexes, constraints, triggers; materialized views are filled.
    pub(crate) async fn restore_after(&self, jobs: usize) -> Result<(), CopyError> {
        let args = vec!["--section=post-data".into(), format!("--jobs={jobs}").into()];
        self.restore("creating indexes and constraints", args).await
    }

    async fn restore(&self, what: &str, mut args: Vec<OsString>) -> Result<(), CopyError> {
        args.push("--exit-on-error".into());
        args.extend(self.restore_args());
        args.push(self.file.clone().into_os_string());
        self.tools
            .restore(Call {
                what,
                target: self.to,
                args,
            })
            .await
            .map(drop)
    }
}

impl Schema<'_> {
    fn restore_args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec!["--no-owner".into(), "--no-tablespaces".into()];
        if !self.privileges {
            args.push("--no-privileges".into());
        }
        args.extend(["--use-list".into(), self.list.clone().into_os_string()]);
        args
    }
}

/// Large objects have no table that could be copied.
pub(crate) async fn copy_large_objects(
    tools: &Tools,
    from: &Target,
    to: &Target,
    snapshot: &str,
) -> Result<(), CopyError> {
    let file = tools.file("objects.dump");
    let mut args: Vec<OsString> = [
        "--format=custom",
        "--compress=0",
        "--section=data",
        // Without the schema only tables on the search path would be left out.
        "--exclude-table-data=*.*",
    ]
    .iter()
    .map(OsString::from)
    .collect();
    args.push(format!("--snapshot={snapshot}").into());
    args.extend(["--file".into(), file.clone().into_os_string()]);
    let what = "reading the large objects";
    tools
        .dump(Call {
            what,
            target: from,
            args,
        })
        .await?;
    let args = vec![
        "--section=data".into(),
        "--exit-on-error".into(),
        "--no-owner".into(),
        file.into_os_string(),
    ];
    let what = "writing the large objects";
    tools
        .restore(Call {
            what,
            target: to,
            args,
        })
        .await
        .map(drop)
}

/// Definition of every object as pg_dump prints it, by kind and name.
pub(crate) async fn definitions(
    tools: &Tools,
    target: &Target,
    options: &CopyOptions,
) -> Result<BTreeMap<(String, String), String>, CopyError> {
    let mut args = schema_args(options);
    args.extend([
        "--no-owner".into(),
        "--no-privileges".into(),
        "--no-tablespaces".into(),
    ]);
    let what = "reading the schema";
    let text = tools.dump(Call { what, target, args }).await?;
    Ok(parse_definitions(&String::from_utf8_lossy(&text)))
}

fn schema_args(options: &CopyOptions) -> Vec<OsString> {
    let mut args: Vec<OsString> = [
        "--section=pre-data",
        "--section=post-data",
        // A copied subscription would take over production's.
        "--no-subscriptions",
        "--lock-wait-timeout=30000",
    ]
    .iter()
    .map(OsString::from)
    .collect();
    for table in options.skip_tables.iter().map(String::as_str).chain([JOURNAL]) {
        let pattern = table.replace('"', "\"\"");
        args.push(format!("--exclude-table=*.\"{pattern}\"").into());
    }
    args
}

/// Without what every database has already and only a superuser may touch.
fn wanted(contents: &str) -> String {
    let unwanted = |line: &&str| {
        line.contains(" SCHEMA - public ")
            || line.contains(" COMMENT - SCHEMA public ")
            || line.contains(" ACL - SCHEMA public ")
            || line.contains(" COMMENT - EXTENSION ")
    };
    let kept: Vec<&str> = contents.lines().filter(|line| !unwanted(line)).collect();
    kept.join("\n")
}

fn counts(contents: &str) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for line in contents.lines().filter(|line| !line.starts_with(';')) {
        // "215; 1259 16385 TABLE public reg_log owner"
        let Some(entry) = line.splitn(4, ' ').nth(3) else {
            continue;
        };
        if NO_KINDS.iter().any(|kind| entry.starts_with(kind)) {
            continue;
        }
        let kind = KINDS.iter().find(|kind| {
            entry
                .strip_prefix(**kind)
                .is_some_and(|rest| rest.starts_with(' '))
        });
        if let Some(kind) = kind {
            *found.entry(kind.to_lowercase()).or_default() += 1;
        }
    }
    found
}

fn parse_definitions(text: &str) -> BTreeMap<(String, String), String> {
    let mut found: BTreeMap<(String, String), String> = BTreeMap::new();
    let mut current = None;
    for line in text.lines() {
        if let Some(header) = line.strip_prefix("-- Name: ") {
            current = parse_header(header);
            continue;
        }
        let noise =
            line.is_empty() || line == "--" || line.starts_with("SET default_") || line.starts_with('\\');
        if let Some(key) = current
            .as_ref()
            .filter(|_| !noise && line != "-- PostgreSQL database dump complete")
        {
            let body = found.entry(key.clone()).or_default();
            body.push_str(line.trim_end());
            body.push('\n');
        }
    }
    found
}

/// Kind and name of "reg_log; Type: TABLE; Schema: public; Owner: -".
fn parse_header(header: &str) -> Option<(String, String)> {
    let (name, rest) = header.rsplit_once("; Type: ")?;
    let (kind, rest) = rest.split_once("; Schema: ")?;
    let schema = rest.split(';').next()?;
    let name = match schema {
        "-" => name.to_owned(),
        _ => super::catalog::label(schema, name),
    };
    Some((kind.to_lowercase(), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_when_listed_then_kinds_are_counted() {
        let contents = ";\n; Archive\n215; 1259 16385 TABLE public reg_log owner\n\
            3; 2615 2200 SCHEMA - public owner\n9; 0 16385 TABLE DATA public reg_log owner\n\
            7; 2606 1 FK CONSTRAINT public t fk owner\n8; 0 0 COMMENT - EXTENSION plpgsql \n";
        let counted = counts(contents);
        assert_eq!(counted.get("table"), Some(&1));
        assert_eq!(counted.get("fk constraint"), Some(&1));
        let kept = wanted(contents);
        assert!(kept.contains("reg_log") && !kept.contains("SCHEMA - public") && !kept.contains("plpgsql"));
    }

    #[test]
    fn dump_when_parsed_then_each_object_has_its_text() {
        let text = "SET x;\n--\n-- Name: a b; Type: TABLE; Schema: s; Owner: -\n--\n\nCREATE TABLE s.\"a b\" (\n    id integer\n);\n\n\n\
            SET default_tablespace = '';\n--\n-- Name: v; Type: VIEW; Schema: public; Owner: -\n--\n\nCREATE VIEW v;\n\n\n\
            --\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict x\n";
        let found = parse_definitions(text);
        assert_eq!(found.len(), 2);
        let table = &found[&("table".to_owned(), "s.a b".to_owned())];
        assert_eq!(table, "CREATE TABLE s.\"a b\" (\n    id integer\n);\n");
        assert_eq!(found[&("view".to_owned(), "v".to_owned())], "CREATE VIEW v;\n");
    }
}
