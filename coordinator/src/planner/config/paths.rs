//! Paths of two versions of a file, held against each other.
//!
//! A guide writes `definition[@type='RDBMS']` where an agent, which names an element as shortly as it can, writes
//! `definition`. Two paths are taken to mean one place when they name the same elements and nothing in their predicates
//! speaks against it.

/// A path in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steps {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    /// As it stands in the path.
    text: String,
    /// The name alone, with `@` before an attribute's.
    name: String,
    predicates: Vec<Predicate>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Predicate {
    Position(usize),
    /// What it looks at, and the text that must stand there.
    Equals(String, String),
    /// What it looks at is compared with another place of the file.
    Reference,
}

impl Steps {
    /// Takes a path apart. A text that is no path is one step.
    #[must_use]
    pub fn of(path: &str) -> Self {
        let steps = split(path.strip_prefix('/').unwrap_or(path))
            .into_iter()
            .map(step)
            .collect();
        Self { steps }
    }

    /// Whether both mean one place.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.steps.len() == other.steps.len() && self.leads_to(other)
    }

    /// Whether the other place is this one or lies beneath it.
    #[must_use]
    pub fn leads_to(&self, other: &Self) -> bool {
        self.steps.len() <= other.steps.len() && self.steps.iter().zip(&other.steps).all(|(a, b)| agree(a, b))
    }

    /// Whether the other place lies beneath this one.
    #[must_use]
    pub fn above(&self, other: &Self) -> bool {
        self.steps.len() < other.steps.len() && self.leads_to(other)
    }

    /// Whether it is the file's outermost element.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.steps.len() == 1
    }

    /// The place beneath `to` that lies there as `place` lies beneath `self`. Where both begin with the same elements,
    /// those that `place` names are meant: `to` need not say which of several.
    #[must_use]
    pub fn rebase(&self, place: &Self, to: &str) -> String {
        let target = Self::of(to);
        let mut together = true;
        let mut path = String::new();
        for (index, step) in target.steps.iter().enumerate() {
            let twin = place
                .steps
                .get(index)
                .filter(|twin| index + 1 < self.steps.len() && twin.name == step.name);
            together = together && twin.is_some();
            let text = match twin.filter(|_| together && step.predicates.is_empty()) {
                Some(twin) => &twin.text,
                None => &step.text,
            };
            path = format!("{path}/{text}");
        }
        let beneath = place.steps.iter().skip(self.steps.len());
        beneath.fold(path, |path, step| format!("{path}/{}", step.text))
    }

    /// The name of the last element or attribute, without `@`.
    #[must_use]
    pub fn last_name(&self) -> &str {
        let last = self.steps.last().map_or("", |step| step.name.as_str());
        last.trim_start_matches('@')
    }

    /// The value of a predicate of the last element (`@name` or `name`).
    #[must_use]
    pub fn last_identity(&self) -> Option<&str> {
        let predicates = &self.steps.last()?.predicates;
        predicates.iter().find_map(|predicate| match predicate {
            Predicate::Equals(left, right) if left == "name" || left == "@name" => Some(right.as_str()),
            Predicate::Equals(..) | Predicate::Position(_) | Predicate::Reference => None,
        })
    }
}

/// Cuts at each `/` that stands outside of brackets, braces and quotes.
fn split(path: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    let mut quote = None;
    for (at, c) in path.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') if depth > 0 => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            (None, '/') if depth == 0 => {
                parts.push(path.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            (None, _) => {}
        }
    }
    parts.push(path.get(start..).unwrap_or_default());
    parts
}

fn step(text: &str) -> Step {
    let (name, predicates) = text.find('[').map_or((text, ""), |at| text.split_at(at));
    // `{uri}name`: a namespace that one path demands and the other does not mention is no contradiction.
    let local = name.rsplit('}').next().unwrap_or(name);
    let at = if name.starts_with('@') && !local.starts_with('@') {
        "@"
    } else {
        ""
    };
    Step {
        text: text.to_owned(),
        name: format!("{at}{local}"),
        predicates: brackets(predicates).into_iter().map(predicate).collect(),
    }
}

/// The contents of `[…][…]`.
fn brackets(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[') => {
                depth += 1;
                if depth == 1 {
                    start = at + 1;
                }
            }
            (None, ']') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    parts.push(text.get(start..at).unwrap_or_default().trim());
                }
            }
            (None, _) => {}
        }
    }
    parts
}

fn predicate(text: &str) -> Predicate {
    if let Ok(position) = text.parse() {
        return Predicate::Position(position);
    }
    let Some((left, right)) = text.split_once('=') else {
        return Predicate::Reference;
    };
    let right = right.trim();
    let quoted = ['\'', '"']
        .iter()
        .find_map(|quote| right.strip_prefix(*quote)?.strip_suffix(*quote));
    match quoted {
        Some(value) => Predicate::Equals(left.trim().to_owned(), value.to_owned()),
        None => Predicate::Reference,
    }
}

fn agree(a: &Step, b: &Step) -> bool {
    a.name == b.name
        && (a.predicates.is_empty() || b.predicates.is_empty() || not_against(&a.predicates, &b.predicates))
}

/// Both say which of several elements they mean. They must say it by the same property, or nobody knows.
fn not_against(a: &[Predicate], b: &[Predicate]) -> bool {
    if [a, b].iter().any(|list| list.contains(&Predicate::Reference)) {
        return true;
    }
    let mut common = false;
    for left in a {
        for right in b {
            match (left, right) {
                (Predicate::Position(one), Predicate::Position(two)) => {
                    common = true;
                    if one != two {
                        return false;
                    }
                }
                (Predicate::Equals(one, first), Predicate::Equals(two, second)) if one == two => {
                    common = true;
                    if first != second {
                        return false;
                    }
                }
                (
                    Predicate::Position(_) | Predicate::Equals(..) | Predicate::Reference,
                    Predicate::Position(_) | Predicate::Equals(..) | Predicate::Reference,
                ) => {}
            }
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        Steps::of(a).same(&Steps::of(b))
    }

    #[test]
    fn paths_when_one_says_less_then_the_same_place() {
        assert!(same("/a/b[@type='RDBMS']/c", "/a/b/c"));
        assert!(same("/a/b[name='x']/c", "/a/b[name=\"x\"]/c"));
        assert!(same("/{http://x/y}Server/HostName", "/Server/HostName"));
        assert!(same("/a/b[@n=/a/current]/c", "/a/b[@n='wso2registry']/c"));
        assert!(same("/a/b[2]/@c", "/a/b/@c"));
    }

    #[test]
    fn paths_when_they_name_different_things_then_different_places() {
        assert!(!same("/a/b[name='x']/c", "/a/b[name='y']/c"));
        assert!(!same("/a/b[1]", "/a/b[2]"));
        assert!(!same("/a/b/@c", "/a/b/c"));
        assert!(!same("/a/b", "/a/b/c"));
        // One counts, the other names: they may be two elements.
        assert!(!same("/a/b[2]/c", "/a/b[@name='x']/c"));
        assert!(!same("/a/b[@name='x']/c", "/a/b[name='x']/c"));
    }

    #[test]
    fn slash_when_within_a_predicate_then_no_cut() {
        assert!(same("/a/b[jndi/name='jdbc/X']/c", "/a/b[jndi/name='jdbc/X']/c"));
        assert!(!same("/a/b[jndi/name='jdbc/X']/c", "/a/b[jndi/name='jdbc/Y']/c"));
        assert_eq!(Steps::of("/a/b[name='x]/y']").steps.len(), 2);
    }

    #[test]
    fn place_when_it_lies_beneath_then_rebased_with_its_own_predicates() {
        let (from, place) = (Steps::of("/a/b"), Steps::of("/a/b[@name='x']/c[2]/@d"));
        assert!(from.above(&place));
        assert_eq!(from.rebase(&place, "/n/m"), "/n/m/c[2]/@d");
        assert_eq!(from.rebase(&from, "/n/m"), "/n/m");
        assert!(!from.above(&from) && from.leads_to(&from));
        // Which of several is meant stands in the place only.
        let (from, place) = (
            Steps::of("/r/s/d/jndi/old"),
            Steps::of("/r/s/d[name='X']/jndi/old/p"),
        );
        assert_eq!(
            from.rebase(&place, "/r/s/d/jndi/new"),
            "/r/s/d[name='X']/jndi/new/p"
        );
        let renamed = Steps::of("/r/p[@name='A']");
        assert_eq!(renamed.rebase(&renamed, "/r/p[@name='B']"), "/r/p[@name='B']");
        assert_eq!(renamed.rebase(&renamed, "/r/p"), "/r/p");
    }

    #[test]
    fn last_step_when_asked_then_its_name_and_identity() {
        let path = Steps::of("/UserManager/Realm/Property[@name='ReadLDAPGroups']");
        assert_eq!(
            (path.last_name(), path.last_identity()),
            ("Property", Some("ReadLDAPGroups"))
        );
        assert_eq!(Steps::of("/a/@keystorePass").last_name(), "keystorePass");
    }
}
