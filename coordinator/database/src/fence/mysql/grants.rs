//! Reading the lines of `SHOW GRANTS` and `SHOW CREATE USER`.

/// A line `GRANT privileges ON scope TO account …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    privileges: String,
    scope: String,
    passes_on: bool,
}

impl Grant {
    /// `None` for a role, which is granted on nothing, and for `PROXY`, which is on an account.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let rest = line.strip_prefix("GRANT ")?;
        let (privileges, rest) = cut(rest, " ON ")?;
        if privileges == "PROXY" {
            return None;
        }
        let (scope, rest) = cut(rest, " TO ")?;
        Some(Grant {
            privileges: privileges.to_owned(),
            scope: scope.to_owned(),
            passes_on: rest.ends_with("WITH GRANT OPTION"),
        })
    }

    /// Rights on the whole server, beyond the one to log in.
    pub(super) fn is_global(&self) -> bool {
        self.scope == "*.*" && self.privileges != "USAGE"
    }

    /// The database of the scope as it is written, `%` and `\_` included; `None` for the whole server.
    fn pattern(&self) -> Option<String> {
        let scope = self.scope.as_str();
        let named = ["TABLE ", "PROCEDURE ", "FUNCTION ", "PACKAGE BODY ", "PACKAGE "]
            .into_iter()
            .find_map(|kind| scope.strip_prefix(kind))
            .unwrap_or(scope);
        let quote = named.chars().next().filter(|c| *c == '`' || *c == '"')?;
        let (name, _) = cut(named, ".")?;
        let inner = name.strip_prefix(quote)?.strip_suffix(quote)?;
        let doubled: String = [quote, quote].iter().collect();
        Some(inner.replace(&doubled, &quote.to_string()))
    }

    /// Only on a database as a whole do `_` and `%` stand for others.
    fn is_database_wide(&self) -> bool {
        self.scope.ends_with(".*")
    }

    /// Whether it is on this database and on no other.
    pub(super) fn is_of(&self, database: &str) -> bool {
        self.pattern().is_some_and(|pattern| {
            pattern == database
                || (self.is_database_wide() && !wild(&pattern) && unescaped(&pattern) == database)
        })
    }

    /// Whether it is on this database, perhaps among others.
    pub(super) fn reaches(&self, database: &str) -> bool {
        self.is_global()
            || self.is_of(database)
            || (self.is_database_wide() && self.pattern().is_some_and(|pattern| like(&pattern, database)))
    }

    /// Names of other databases it is on, as written.
    pub(super) fn elsewhere(&self, database: &str) -> Option<String> {
        self.pattern().filter(|_| !self.is_of(database))
    }

    /// The statement that takes it away.
    pub(super) fn revoke(&self, account: &str) -> Option<String> {
        let option = if self.passes_on { ", GRANT OPTION" } else { "" };
        if self.privileges == "USAGE" {
            return (self.passes_on).then(|| format!("REVOKE GRANT OPTION ON {} FROM {account}", self.scope));
        }
        // `ALL PRIVILEGES, GRANT OPTION` is another statement, which takes everything on every database.
        if self.privileges.starts_with("ALL PRIVILEGES") && self.passes_on {
            return Some(format!(
                "REVOKE ALL PRIVILEGES ON {scope} FROM {account}; REVOKE GRANT OPTION ON {scope} FROM {account}",
                scope = self.scope
            ));
        }
        Some(format!(
            "REVOKE {}{option} ON {} FROM {account}",
            self.privileges, self.scope
        ))
    }
}

/// Splits at the first `at` outside of quotes.
fn cut<'t>(text: &'t str, at: &str) -> Option<(&'t str, &'t str)> {
    let mut quote = None;
    for (position, c) in text.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '`' | '\'' | '"') => quote = Some(c),
            None => {
                if let Some(rest) = text.get(position..).and_then(|rest| rest.strip_prefix(at)) {
                    return text.get(..position).map(|before| (before, rest));
                }
            }
        }
    }
    None
}

fn unescaped(pattern: &str) -> String {
    pattern.replace("\\_", "_").replace("\\%", "%")
}

/// Whether a pattern is certain to stand for several names. A bare `_` is how nearly everybody writes the name
/// itself, and then stands for it.
fn wild(pattern: &str) -> bool {
    pattern.replace("\\%", "").contains('%')
}

/// MySQL's matching of database names in grants.
fn like(pattern: &str, name: &str) -> bool {
    let mut tokens = Vec::new();
    let mut characters = pattern.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\\' if matches!(characters.peek(), Some('_' | '%')) => {
                tokens.push(Token::One(characters.next().unwrap_or(c)));
            }
            '%' => tokens.push(Token::Many),
            '_' => tokens.push(Token::Any),
            other => tokens.push(Token::One(other)),
        }
    }
    matches(&tokens, &name.chars().collect::<Vec<_>>())
}

enum Token {
    One(char),
    Any,
    Many,
}

fn matches(tokens: &[Token], name: &[char]) -> bool {
    match tokens.split_first() {
        None => name.is_empty(),
        Some((Token::Many, rest)) => {
            (0..=name.len()).any(|skip| name.get(skip..).is_some_and(|tail| matches(rest, tail)))
        }
        Some((token, rest)) => name.split_first().is_some_and(|(first, tail)| {
            let fits = match token {
                Token::One(c) => c == first,
                Token::Any | Token::Many => true,
            };
            fits && matches(rest, tail)
        }),
    }
}

/// Whether the text of `SHOW CREATE USER` ends in a lock. Quoted parts (a comment, a hash) do not count.
pub(super) fn says_locked(text: &str) -> bool {
    let mut plain = String::new();
    let mut quote = None;
    let mut escaped = false;
    for c in text.chars() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some('\'') if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '`' | '\'' | '"') => quote = Some(c),
            None => plain.push(c),
        }
    }
    plain.contains(" ACCOUNT LOCK")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(line: &str) -> Grant {
        Grant::parse(line).unwrap()
    }

    #[test]
    fn grant_when_on_the_database_alone_then_found_and_revoked() {
        let line = grant("GRANT SELECT, INSERT ON `WSO2\\_DB`.* TO `wso2`@`%` WITH GRANT OPTION");
        assert!(line.is_of("WSO2_DB") && line.reaches("WSO2_DB") && !line.is_of("WSO2XDB"));
        assert_eq!(
            line.revoke("`wso2`@`%`").unwrap(),
            "REVOKE SELECT, INSERT, GRANT OPTION ON `WSO2\\_DB`.* FROM `wso2`@`%`"
        );
        let column = grant("GRANT SELECT (`a ON b`, `c`) ON `db`.`t TO u` TO `wso2`@`%`");
        assert!(column.is_of("db"));
        assert_eq!(
            column.revoke("x").unwrap(),
            "REVOKE SELECT (`a ON b`, `c`) ON `db`.`t TO u` FROM x"
        );
        assert!(grant("GRANT EXECUTE ON PROCEDURE `db`.`p` TO `wso2`@`%`").is_of("db"));
    }

    #[test]
    fn grant_when_everything_may_be_passed_on_then_not_everything_everywhere_is_revoked() {
        let line = grant("GRANT ALL PRIVILEGES ON `db`.* TO `wso2`@`%` WITH GRANT OPTION");
        assert_eq!(
            line.revoke("u").unwrap(),
            "REVOKE ALL PRIVILEGES ON `db`.* FROM u; REVOKE GRANT OPTION ON `db`.* FROM u"
        );
    }

    #[test]
    fn grant_when_a_pattern_then_it_reaches_and_is_not_of_one_database() {
        let line = grant("GRANT ALL PRIVILEGES ON `wso2%`.* TO `wso2`@`%`");
        assert!(line.reaches("wso2_carbon") && !line.is_of("wso2_carbon"));
        assert!(!line.reaches("other"));
        assert_eq!(line.elsewhere("wso2_carbon").as_deref(), Some("wso2%"));
        assert!(grant("GRANT SELECT ON *.* TO `wso2`@`%`").reaches("anything"));
        assert!(!grant("GRANT USAGE ON *.* TO `wso2`@`%`").reaches("anything"));
    }

    #[test]
    fn line_when_a_role_or_a_proxy_then_no_grant_on_a_database() {
        assert_eq!(Grant::parse("GRANT `carbon`@`%` TO `wso2`@`%`"), None);
        assert_eq!(Grant::parse("GRANT PROXY ON ''@'%' TO 'root'@'localhost'"), None);
    }

    #[test]
    fn account_when_its_comment_speaks_of_a_lock_then_not_locked() {
        assert!(says_locked(
            "CREATE USER `a`@`%` IDENTIFIED BY PASSWORD '*AB' ACCOUNT LOCK"
        ));
        assert!(says_locked(
            "CREATE USER `a`@`%` PASSWORD EXPIRE DEFAULT ACCOUNT LOCK PASSWORD HISTORY DEFAULT"
        ));
        assert!(!says_locked(
            "CREATE USER `a`@`%` ACCOUNT UNLOCK COMMENT 'it\\'s ACCOUNT LOCK'"
        ));
        assert!(!says_locked("CREATE USER ` ACCOUNT LOCK`@`%`"));
    }
}
