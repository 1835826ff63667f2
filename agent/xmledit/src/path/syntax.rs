//! Reading a path from text.

use crate::chars::{is_local_name, is_name_char, is_space};
use crate::path::error::PathError;
use crate::path::{Name, Operand, Path, Predicate, Relative, Step};

/// Paths within predicates within paths: more than a person would write, less than a stack holds.
const MAX_NESTING: usize = 4;

pub(super) fn parse(text: &str) -> Result<Path, PathError> {
    let mut cursor = Cursor {
        text,
        at: 0,
        nesting: 0,
    };
    let path = cursor.path()?;
    if cursor.at == text.len() {
        Ok(path)
    } else {
        Err(cursor.error("expected `/`, `[` or the end"))
    }
}

struct Cursor<'t> {
    text: &'t str,
    at: usize,
    nesting: usize,
}

impl<'t> Cursor<'t> {
    fn error(&self, reason: &'static str) -> PathError {
        PathError {
            path: self.text.to_owned(),
            position: 1 + self.text[..self.at].chars().count(),
            reason,
        }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let length = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn skip_space(&mut self) {
        self.take_while(is_space);
    }

    fn path(&mut self) -> Result<Path, PathError> {
        let mut path = Path {
            steps: Vec::new(),
            attribute: None,
        };
        while self.take("/") {
            if self.rest().starts_with('/') {
                return Err(self.error("`//` is not supported, write the whole path"));
            }
            if self.take("@") {
                path.attribute = Some(self.name()?);
                break;
            }
            path.steps.push(self.step()?);
        }
        if path.steps.is_empty() {
            return Err(self.error("expected `/` and an element name"));
        }
        Ok(path)
    }

    fn step(&mut self) -> Result<Step, PathError> {
        let name = self.name()?;
        let mut predicates = Vec::new();
        while self.take("[") {
            self.skip_space();
            predicates.push(self.predicate()?);
            self.skip_space();
            if !self.take("]") {
                return Err(self.error("expected `]`"));
            }
        }
        Ok(Step { name, predicates })
    }

    fn name(&mut self) -> Result<Name, PathError> {
        let namespace = if self.take("{") {
            let uri = self.take_while(|c| c != '}').to_owned();
            if !self.take("}") {
                return Err(self.error("expected `}` after the namespace"));
            }
            Some(uri)
        } else {
            None
        };
        let start = self.at;
        let local = self.take_while(is_name_char);
        if is_local_name(local) {
            return Ok(Name {
                namespace,
                local: local.to_owned(),
            });
        }
        self.at = start;
        Err(self.error("expected a name without a prefix (a namespace is demanded by `{uri}name`)"))
    }

    fn predicate(&mut self) -> Result<Predicate, PathError> {
        if self.rest().starts_with(|c: char| c.is_ascii_digit()) {
            let start = self.at;
            let digits = self.take_while(|c| c.is_ascii_digit());
            return match digits.parse() {
                Ok(position) if position > 0 => Ok(Predicate::Position(position)),
                Ok(_) | Err(_) => {
                    self.at = start;
                    Err(self.error("positions count from 1"))
                }
            };
        }
        let left = self.relative()?;
        self.skip_space();
        if !self.take("=") {
            return Err(self.error("expected `=` and a value"));
        }
        self.skip_space();
        Ok(Predicate::Equals(left, self.operand()?))
    }

    fn relative(&mut self) -> Result<Relative, PathError> {
        let mut relative = Relative {
            steps: Vec::new(),
            attribute: None,
        };
        loop {
            if self.take("@") {
                relative.attribute = Some(self.name()?);
                return Ok(relative);
            }
            relative.steps.push(self.name()?);
            if !self.take("/") {
                return Ok(relative);
            }
        }
    }

    fn operand(&mut self) -> Result<Operand, PathError> {
        for quote in ["'", "\""] {
            if self.take(quote) {
                let value = self.take_while(|c| !quote.contains(c)).to_owned();
                let closed = self.take(quote);
                return if closed {
                    Ok(Operand::Literal(value))
                } else {
                    Err(self.error("expected a closing quote"))
                };
            }
        }
        if !self.rest().starts_with('/') {
            return Err(self.error("expected a quoted value or a path"));
        }
        if self.nesting == MAX_NESTING {
            return Err(self.error("paths are nested too deep"));
        }
        self.nesting += 1;
        let path = self.path()?;
        self.nesting -= 1;
        Ok(Operand::Path(path))
    }
}
