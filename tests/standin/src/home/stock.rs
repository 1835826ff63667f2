//! `repository/conf` as a product ships it: files of our own, or real ones out of a corpus.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use walkdir::WalkDir;

use super::{HomeSpec, put};
use crate::xml;

macro_rules! stock {
    ($folder:literal: $($path:literal),+) => {
        &[$(($path, include_str!(concat!("../../fixtures/", $folder, "/", $path)))),+]
    };
}

const STOCK_41: &[(&str, &str)] = stock!("conf-4.1": "carbon.xml", "user-mgt.xml", "registry.xml", "log4j.properties",
    "datasources/master-datasources.xml", "axis2/axis2.xml", "tomcat/catalina-server.xml",
    "security/secret-conf.properties", "security/cipher-text.properties", "security/cipher-tool.properties");
const STOCK_42: &[(&str, &str)] = stock!("conf-4.2": "carbon.xml", "user-mgt.xml", "registry.xml", "log4j.properties",
    "datasources/master-datasources.xml", "axis2/axis2.xml", "tomcat/catalina-server.xml",
    "security/secret-conf.properties", "security/cipher-text.properties", "security/cipher-tool.properties");
/// What Storage Server lays over its kernel's.
const STORAGE_OLD: &[(&str, &str)] = stock!("ss-1.0.3": "etc/rss-config.xml");
const STORAGE_NEW: &[(&str, &str)] = stock!("ss-1.1.0": "etc/rss-config.xml", "etc/persistence.xml");
/// Files the newer products ship with CRLF line ends.
const CRLF: &[&str] = &["registry.xml", "axis2/axis2.xml"];
/// From 4.4 on, `cipher-tool.properties` writes paths from the home.
const CIPHER_TOOL: &str = "security/cipher-tool.properties";

pub(super) fn write(home: &Path, spec: &HomeSpec) -> Result<()> {
    match &spec.corpus {
        Some(corpus) => copy_corpus(home, spec, corpus),
        None => write_own(home, spec),
    }
}

fn write_own(home: &Path, spec: &HomeSpec) -> Result<()> {
    for (path, text) in if spec.is_new() { STOCK_42 } else { STOCK_41 } {
        let crlf = spec.is_new() && CRLF.contains(path);
        let mut text = if crlf {
            text.replace('\n', "\r\n")
        } else {
            (*text).to_owned()
        };
        if *path == CIPHER_TOOL && spec.kernel.starts_with("4.4") {
            text = text.replace("=master-", "=repository/conf/datasources/master-");
        }
        put(home, &format!("repository/conf/{path}"), xml::encode(&text))?;
    }
    let product: &[(&str, &str)] = match (spec.is_storage(), spec.is_new()) {
        (true, true) => STORAGE_NEW,
        (true, false) => STORAGE_OLD,
        (false, _) => &[],
    };
    for (path, text) in product {
        put(home, &format!("repository/conf/{path}"), xml::encode(text))?;
    }
    put(home, "dbscripts/mysql.sql", crate::fixtures::SCHEMA_41_MYSQL)?;
    put(
        home,
        "dbscripts/postgresql.sql",
        crate::fixtures::SCHEMA_41_POSTGRES,
    )
}

fn copy_corpus(home: &Path, spec: &HomeSpec, corpus: &Path) -> Result<()> {
    let kernel = corpus.join(format!("carbon-{}", kernel_folder(&spec.kernel)));
    if !kernel.join("conf").is_dir() {
        bail!("{} has no files of kernel {}", corpus.display(), spec.kernel);
    }
    copy_tree(&kernel.join("conf"), &home.join("repository/conf"))?;
    copy_tree(&kernel.join("dbscripts"), &home.join("dbscripts"))?;
    let Some(product) = product_folder(spec, corpus) else {
        return Ok(());
    };
    for part in ["conf", "dbscripts"] {
        for entry in WalkDir::new(product.join(part)).into_iter().flatten() {
            if entry.file_type().is_file() {
                let path = entry.path().strip_prefix(product.join(part))?;
                let target = if part == "conf" {
                    Path::new("repository/conf").join(laid(path))
                } else {
                    Path::new("dbscripts").join(path)
                };
                let target = target.to_str().context("a name that is not UTF-8")?;
                put(home, target, fs::read(entry.path())?)?;
            }
        }
    }
    Ok(())
}

/// The corpus has one folder for the line before 4.2.
fn kernel_folder(kernel: &str) -> &str {
    if kernel.starts_with("4.0.") {
        "4.1.0"
    } else {
        kernel
    }
}

/// `as-5.2.0`, or else `as-5.2.x`.
fn product_folder(spec: &HomeSpec, corpus: &Path) -> Option<PathBuf> {
    let key = spec.key().to_lowercase();
    let line = spec.version.rsplit_once('.').map_or("", |(line, _)| line);
    [format!("{key}-{}", spec.version), format!("{key}-{line}.x")]
        .into_iter()
        .map(|name| corpus.join(name))
        .find(|folder| folder.is_dir())
}

/// A product's sources keep some files flat that its distribution has in a folder of the kernel's.
fn laid(path: &Path) -> PathBuf {
    let folder = match path.to_str() {
        Some("catalina-server.xml" | "context.xml") => "tomcat",
        Some("custom-datasources.xml") => "datasources",
        Some("axis2.xml") => "axis2",
        Some("cache.xml") => "etc",
        Some(_) | None => return path.to_owned(),
    };
    Path::new(folder).join(path)
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    for entry in WalkDir::new(from) {
        let entry = entry?;
        let target = to.join(entry.path().strip_prefix(from)?);
        if entry.file_type().is_dir() {
            fs::create_dir_all(&target)?;
        } else {
            fs::copy(entry.path(), &target).with_context(|| format!("copy to {}", target.display()))?;
        }
    }
    Ok(())
}
