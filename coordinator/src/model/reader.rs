//! Reads TOML by hand, so that every problem of a file is reported at once, with its line and its remedy.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use cutover_proto::ids::NodeName;
use cutover_proto::view::{Finding, Severity};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Collects the findings of one file.
#[derive(Debug)]
pub struct Findings<'a> {
    file: &'a str,
    text: &'a str,
    list: Vec<Finding>,
}

impl<'a> Findings<'a> {
    /// For this file.
    #[must_use]
    pub fn new(file: &'a str, text: &'a str) -> Self {
        Self {
            file,
            text,
            list: Vec::new(),
        }
    }

    /// Adds an error at a place of the file.
    pub fn error(
        &mut self,
        span: &Range<usize>,
        code: &str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.list.push(Finding {
            severity: Severity::Error,
            code: code.to_owned(),
            place: self.place(span),
            text: text.into(),
            remedy: remedy.into(),
        });
    }

    /// A place of the file: its name and line.
    #[must_use]
    pub fn place(&self, span: &Range<usize>) -> String {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        format!("{}:{}", self.file, before.matches('\n').count() + 1)
    }

    /// What was found, in the order of the file's lines.
    #[must_use]
    pub fn into_list(mut self) -> Vec<Finding> {
        let line = |finding: &Finding| -> usize {
            finding
                .place
                .rsplit(':')
                .next()
                .and_then(|line| line.parse().ok())
                .unwrap_or(0)
        };
        self.list.sort_by_key(line);
        self.list
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// A table being read. Keys that nobody asked for are errors.
#[derive(Debug)]
pub struct Section<'t> {
    name: String,
    span: Range<usize>,
    table: Option<&'t DeTable<'t>>,
    asked: BTreeSet<String>,
}

impl<'t> Section<'t> {
    /// A table of the file.
    #[must_use]
    pub fn new(name: &str, span: Range<usize>, table: &'t DeTable<'t>) -> Self {
        Self {
            name: name.to_owned(),
            span,
            table: Some(table),
            asked: BTreeSet::new(),
        }
    }

    /// A table that the file does not have: everything in it is absent.
    #[must_use]
    pub fn absent(name: &str, span: Range<usize>) -> Self {
        Self {
            name: name.to_owned(),
            span,
            table: None,
            asked: BTreeSet::new(),
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Where a value stands, or the table when it is absent.
    #[must_use]
    pub fn span_of(&self, key: &str) -> Range<usize> {
        self.table
            .and_then(|table| table.get(key))
            .map_or_else(|| self.span(), Spanned::span)
    }

    fn get(&mut self, key: &str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.asked.insert(key.to_owned());
        self.table?.get(key)
    }

    fn path(&self, key: &str) -> String {
        if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        }
    }

    fn read<T>(
        &mut self,
        findings: &mut Findings<'_>,
        key: &str,
        wanted: &str,
        convert: impl Fn(&'t DeValue<'t>) -> Option<T>,
    ) -> Option<T> {
        let value = self.get(key)?;
        let read = convert(value.get_ref());
        if read.is_none() {
            let text = format!(
                "`{}` is a {}, {wanted} is needed",
                self.path(key),
                value.get_ref().type_str()
            );
            findings.error(&value.span(), "wrong-type", text, format!("write {wanted}"));
        }
        read
    }

    /// A text that may be absent.
    pub fn text(&mut self, findings: &mut Findings<'_>, key: &str) -> Option<String> {
        self.read(findings, key, "a text", |value| value.as_str().map(str::to_owned))
    }

    /// A text that must be there; empty, and reported, when it is not.
    pub fn required(&mut self, findings: &mut Findings<'_>, key: &str, example: &str) -> String {
        if self.table.is_some_and(|table| table.contains_key(key)) {
            return self.text(findings, key).unwrap_or_default();
        }
        self.asked.insert(key.to_owned());
        let text = format!("`{}` is missing", self.path(key));
        findings.error(
            &self.span,
            "missing-key",
            text,
            format!("add it, for example {key} = {example}"),
        );
        String::new()
    }

    /// The name of a node that may be absent.
    pub fn node(&mut self, findings: &mut Findings<'_>, key: &str) -> Option<NodeName> {
        let (span, path) = (self.span_of(key), self.path(key));
        let text = self.text(findings, key)?;
        let read = text.parse();
        if let Err(error) = &read {
            findings.error(
                &span,
                "bad-value",
                format!("`{path}`: {error}"),
                "name a node as `cutover node list` shows it",
            );
        }
        read.ok()
    }

    /// A whole number of 0 or more.
    pub fn number(&mut self, findings: &mut Findings<'_>, key: &str) -> Option<u32> {
        self.read(findings, key, "a whole number of 0 or more", |value| {
            let number = value.as_integer()?;
            u32::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()
        })
    }

    /// true or false.
    pub fn flag(&mut self, findings: &mut Findings<'_>, key: &str) -> Option<bool> {
        self.read(findings, key, "true or false", DeValue::as_bool)
    }

    /// A list of texts.
    pub fn texts(&mut self, findings: &mut Findings<'_>, key: &str) -> Option<Vec<String>> {
        self.read(findings, key, "a list of texts", |value| {
            value
                .as_array()?
                .iter()
                .map(|item| item.get_ref().as_str().map(str::to_owned))
                .collect()
        })
    }

    /// A list of whole numbers of 0 or more.
    pub fn numbers(&mut self, findings: &mut Findings<'_>, key: &str) -> Option<Vec<u32>> {
        self.read(findings, key, "a list of whole numbers of 0 or more", |value| {
            let numbers = value.as_array()?.iter().map(|item| {
                let number = item.get_ref().as_integer()?;
                u32::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()
            });
            numbers.collect()
        })
    }

    /// A table of texts.
    pub fn text_table(&mut self, findings: &mut Findings<'_>, key: &str) -> BTreeMap<String, String> {
        self.read(findings, key, "a table of texts", |value| {
            value
                .as_table()?
                .iter()
                .map(|(key, item)| Some((key.get_ref().to_string(), item.get_ref().as_str()?.to_owned())))
                .collect()
        })
        .unwrap_or_default()
    }

    /// A table below this one; absent when it is not there.
    pub fn section(&mut self, findings: &mut Findings<'_>, key: &str) -> Section<'t> {
        let name = self.path(key);
        let span = self.span_of(key);
        match self.read(findings, key, "a table", DeValue::as_table) {
            Some(table) => Section::new(&name, span, table),
            None => Section::absent(&name, span),
        }
    }

    /// Whether the key stands in the file.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// A list of tables, `[[key]]`.
    pub fn sections(&mut self, findings: &mut Findings<'_>, key: &str) -> Vec<Section<'t>> {
        let name = self.path(key);
        self.read(findings, key, "a list of tables", |value| {
            value
                .as_array()?
                .iter()
                .map(|item| Some(Section::new(&name, item.span(), item.get_ref().as_table()?)))
                .collect()
        })
        .unwrap_or_default()
    }

    /// Reports every key that nobody asked for.
    pub fn finish(self, findings: &mut Findings<'_>) {
        let Some(table) = self.table else { return };
        for (key, _) in table {
            if self.asked.contains(key.get_ref().as_ref()) {
                continue;
            }
            let near = self
                .asked
                .iter()
                .min_by_key(|known| distance(known, key.get_ref()));
            let remedy = match near {
                Some(known) if distance(known, key.get_ref()) <= 2 => format!("did you mean `{known}`?"),
                Some(_) | None => {
                    let known: Vec<&str> = self.asked.iter().map(String::as_str).collect();
                    format!("remove it; known here are {}", known.join(", "))
                }
            };
            let text = format!("unknown key `{}`", self.path(key.get_ref()));
            findings.error(&key.span(), "unknown-key", text, remedy);
        }
    }
}

/// Number of single-letter changes between two words.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, cb) in b.iter().enumerate() {
            let change = row.get(j).copied().unwrap_or(0) + usize::from(ca != *cb);
            let step = next
                .last()
                .copied()
                .unwrap_or(0)
                .min(row.get(j + 1).copied().unwrap_or(0))
                + 1;
            next.push(change.min(step));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
