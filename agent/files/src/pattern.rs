//! Patterns of paths beneath a home, such as `repository/components/lib/*.jar`.

use std::collections::BTreeSet;

use glob::{MatchOptions, Pattern, PatternError};

use crate::beneath::Root;
use crate::error::FileError;
use crate::meta::Kind;
use crate::path::RelPath;
use crate::walk::{self, Node, Visit};

/// `*` and `?` stay within one name; `**` crosses directories.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// A list of patterns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patterns(Vec<Pattern>);

/// A pattern that is not understood.
#[derive(Debug)]
pub(crate) struct BadPattern {
    pub(crate) pattern: String,
    pub(crate) source: PatternError,
}

impl Patterns {
    pub(crate) fn parse<P: AsRef<str>>(patterns: &[P]) -> Result<Self, BadPattern> {
        let one = |pattern: &P| {
            let pattern = pattern.as_ref();
            let bad = |source| BadPattern {
                pattern: pattern.to_owned(),
                source,
            };
            if RelPath::parse(pattern).is_err() {
                return Err(bad(PatternError {
                    pos: 0,
                    msg: "it leads out of the home",
                }));
            }
            Pattern::new(pattern.trim_end_matches('/')).map_err(bad)
        };
        patterns.iter().map(one).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a pattern matches the whole path. Bytes that are not UTF-8 are matched by wildcards only.
    pub(crate) fn matches(&self, path: &RelPath) -> bool {
        let text = String::from_utf8_lossy(path.as_bytes());
        self.0.iter().any(|pattern| pattern.matches_with(&text, OPTIONS))
    }

    /// The patterns that match none of the paths.
    pub(crate) fn unmatched(&self, nodes: &[Node]) -> Vec<String> {
        let files = nodes.iter().filter(|node| node.meta.kind != Kind::Dir);
        let texts: Vec<_> = files
            .map(|node| String::from_utf8_lossy(node.path.as_bytes()))
            .collect();
        let unused = self
            .0
            .iter()
            .filter(|pattern| !texts.iter().any(|text| pattern.matches_with(text, OPTIONS)));
        unused.map(|pattern| pattern.as_str().to_owned()).collect()
    }

    /// Files and links that match, with the directories that lead to them. Directories that no pattern leads into
    /// are not listed.
    pub(crate) fn select(&self, base: &Root, workers: usize) -> Result<Vec<Node>, FileError> {
        let visit = |node: &Node| match node.meta.kind {
            Kind::Dir if self.lead_into(&node.path) => Visit::Take,
            Kind::Dir => Visit::Omit,
            Kind::File | Kind::Link | Kind::Special if self.matches(&node.path) => Visit::Take,
            Kind::File | Kind::Link | Kind::Special => Visit::Omit,
        };
        let mut nodes = walk::walk(base.fd(), base.path(), workers, &visit)?;
        let files = nodes.iter().filter(|node| node.meta.kind != Kind::Dir);
        let leading: BTreeSet<RelPath> = files.flat_map(|node| node.path.ancestors()).collect();
        nodes.retain(|node| node.meta.kind != Kind::Dir || leading.contains(&node.path));
        Ok(nodes)
    }

    /// Whether something beneath a directory can match.
    fn lead_into(&self, dir: &RelPath) -> bool {
        let names: Vec<_> = dir.names().map(|name| name.to_string_lossy()).collect();
        self.0.iter().any(|pattern| {
            let parts: Vec<&str> = pattern.as_str().split('/').collect();
            if let Some(any) = parts.iter().position(|part| *part == "**") {
                return prefix_matches(parts.get(..any).unwrap_or_default(), &names);
            }
            parts.len() > names.len() && prefix_matches(&parts, &names)
        })
    }
}

/// Whether names match the pattern's parts as far as both go.
fn prefix_matches(parts: &[&str], names: &[std::borrow::Cow<'_, str>]) -> bool {
    let fits = |part: &str, name: &str| Pattern::new(part).is_ok_and(|part| part.matches_with(name, OPTIONS));
    parts.iter().zip(names).all(|(part, name)| fits(part, name))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn patterns_that_leave_the_home_or_are_malformed_are_refused() {
        for pattern in ["/etc/*", "../x", "a/[", "a/***/b"] {
            assert!(Patterns::parse(&[pattern]).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_star_does_not_cross_directories() {
        let patterns = Patterns::parse(&["tmp/*", "lib/**/*.jar"]).unwrap();
        let matches = |path: &str| patterns.matches(&RelPath::parse(path).unwrap());
        assert!(
            matches("tmp/x") && matches("tmp/.hidden") && matches("lib/a.jar") && matches("lib/x/y/a.jar")
        );
        assert!(!matches("tmp") && !matches("tmp/a/b") && !matches("other/tmp/x"));
    }

    #[test]
    fn select_lists_matches_and_their_directories_only() {
        let temp = tempfile::tempdir().unwrap();
        for dir in ["a/lib", "a/other", "logs"] {
            fs::create_dir_all(temp.path().join(dir)).unwrap();
        }
        for file in ["a/lib/x.jar", "a/lib/x.txt", "a/other/y.jar", "logs/z.jar"] {
            fs::write(temp.path().join(file), "").unwrap();
        }
        let root = Root::open(temp.path()).unwrap();
        let patterns = Patterns::parse(&["a/lib/*.jar", "b/*.jar"]).unwrap();
        let nodes = patterns.select(&root, 1).unwrap();
        let paths: Vec<_> = nodes.iter().map(|node| node.path.to_string()).collect();
        assert_eq!(paths, ["a", "a/lib", "a/lib/x.jar"]);
        assert_eq!(patterns.unmatched(&nodes), ["b/*.jar"]);
    }
}
