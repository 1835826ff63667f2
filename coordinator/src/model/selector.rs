//! Which nodes: labels given at enrolment, or names.

use std::collections::BTreeMap;
use std::fmt;

use cutover_proto::ids::NodeName;

/// A selector: every label must fit. Written `cluster=dss-prod,zone=a`, `name=dss-1` or `all`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector(pub BTreeMap<String, String>);

/// A selector that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a selector; write LABEL=VALUE[,LABEL=VALUE…], name=NODE, or all")]
pub struct InvalidSelector(pub String);

impl Selector {
    /// Reads a selector. An empty text is refused: choosing every node must be said (`all`).
    ///
    /// # Errors
    /// [`InvalidSelector`] with the way to write it.
    pub fn parse(text: &str) -> Result<Self, InvalidSelector> {
        let invalid = || InvalidSelector(text.to_owned());
        if text.trim() == "all" {
            return Ok(Self::default());
        }
        let labels: BTreeMap<String, String> = text
            .split(',')
            .map(|pair| {
                pair.split_once('=')
                    .map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned()))
            })
            .collect::<Option<_>>()
            .ok_or_else(invalid)?;
        if labels
            .iter()
            .any(|(key, value)| key.is_empty() || value.is_empty())
        {
            return Err(invalid());
        }
        Ok(Self(labels))
    }

    /// Whether a node fits.
    #[must_use]
    pub fn fits(&self, name: &NodeName, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|(key, value)| {
            if key == "name" {
                name.as_str() == value
            } else {
                labels.get(key) == Some(value)
            }
        })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("all");
        }
        let pairs: Vec<String> = self.0.iter().map(|(k, v)| format!("{k}={v}")).collect();
        f.write_str(&pairs.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selector_when_labels_fit_then_node_is_chosen() {
        let labels = [("cluster".to_owned(), "dss".to_owned())].into();
        let name = "dss-1".parse().unwrap();
        assert!(Selector::parse("cluster=dss").unwrap().fits(&name, &labels));
        assert!(
            Selector::parse("cluster=dss,name=dss-1")
                .unwrap()
                .fits(&name, &labels)
        );
        assert!(!Selector::parse("cluster=as").unwrap().fits(&name, &labels));
        assert!(Selector::parse("all").unwrap().fits(&name, &labels));
    }

    #[test]
    fn selector_when_empty_or_broken_then_refused() {
        for bad in ["", "cluster", "cluster=", "=x"] {
            assert!(Selector::parse(bad).is_err(), "{bad:?}");
        }
    }
}
