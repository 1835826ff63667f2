//! `repository/conf`: stock files with a home's values edited in.

use std::fs;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::datasources::{self, MOUNT_JNDI};
use super::{Database, HomeSpec, put, stock};
use crate::xml::{self, Element};

const CARBON: &str = "repository/conf/carbon.xml";
const REGISTRY: &str = "repository/conf/registry.xml";

pub(super) fn write(home: &Path, spec: &HomeSpec) -> Result<()> {
    stock::write(home, spec)?;
    edit(home, CARBON, |root| carbon_values(root, spec))?;
    datasources::write(home, spec)?;
    if let Some(mount) = &spec.mount {
        edit(home, REGISTRY, |root| mounted(root, mount))?;
    }
    Ok(())
}

/// Markup in place of ranges of a text.
pub(super) type Edits = Vec<(Range<usize>, String)>;

/// Edits a file and keeps every other byte; its line ends are those of the file.
pub(super) fn edit(home: &Path, path: &str, values: impl FnOnce(&Element) -> Result<Edits>) -> Result<()> {
    let text = xml::decode(&fs::read(home.join(path)).with_context(|| format!("read {path}"))?)?;
    let root = xml::parse(&text).with_context(|| format!("read {path}"))?;
    let mut edits = values(&root).with_context(|| format!("edit {path}"))?;
    if text.contains("\r\n") {
        for (_, markup) in &mut edits {
            *markup = markup.replace('\n', "\r\n");
        }
    }
    put(home, path, xml::encode(&xml::splice(&text, edits)))
}

/// The text of an element that must be there.
pub(super) fn value(root: &Element, path: &[&str], value: &str) -> Result<(Range<usize>, String)> {
    let element = root
        .at(path)
        .with_context(|| format!("there is no {}", path.join("/")))?;
    Ok((element.content.clone(), xml::escape(value)))
}

/// Markup behind everything an element holds.
pub(super) fn append(element: &Element, markup: String) -> (Range<usize>, String) {
    (element.content.end..element.content.end, markup)
}

fn carbon_values(root: &Element, spec: &HomeSpec) -> Result<Edits> {
    let mut edits = Edits::new();
    for (path, text) in [
        (&["Name"][..], spec.product.clone()),
        (&["ServerKey"], spec.key()),
        (&["Version"], spec.version.clone()),
        (&["Ports", "Offset"], spec.offset.to_string()),
    ] {
        match root.at(path) {
            Some(_) => edits.push(value(root, path, &text)?),
            // The kernel's own file of the older generation has no key.
            None if path == ["ServerKey"] => {}
            None => bail!("there is no {}", path.join("/")),
        }
    }
    Ok(edits)
}

/// A registry that is shared with other products, mounted where sites mount it.
fn mounted(root: &Element, mount: &Database) -> Result<Edits> {
    let plain = mount.url.split('?').next().unwrap_or_default();
    let cache = xml::escape(&format!("{}@{plain}", mount.user));
    Ok(vec![append(
        root,
        format!(
            "    <dbConfig name=\"sharedregistry\">
        <dataSource>{MOUNT_JNDI}</dataSource>
    </dbConfig>
    <remoteInstance url=\"https://localhost:9443/registry\">
        <id>sharedinstance</id>
        <dbConfig>sharedregistry</dbConfig>
        <cacheId>{cache}</cacheId>
        <readOnly>false</readOnly>
        <enableCache>true</enableCache>
        <registryRoot>/</registryRoot>
    </remoteInstance>
    <mount path=\"/_system/governance\" overwrite=\"true\">
        <instanceId>sharedinstance</instanceId>
        <targetPath>/_system/governance</targetPath>
    </mount>
"
        ),
    )])
}
