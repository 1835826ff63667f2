//! What a site changed in one file of its configuration: the old home's file against the stock of its version, and
//! what the new version has in the same place. Pure.

mod properties;
mod xml;

use cutover_proto::config::{FileComparison, FileState, SiteChange};
use cutover_proto::ids::Sha256Hex;
use cutover_xmledit::Document;

/// What the old version shipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stock<'a> {
    /// This content.
    Shipped(&'a [u8]),
    /// No such file.
    NotShipped,
    /// Nobody can tell.
    Unknown,
}

/// Compares one file; `None` when it says what its stock says. `new` is the new version's file of the same path.
#[must_use]
pub fn compare(file: &str, site: &[u8], stock: Stock<'_>, new: Option<&[u8]>) -> Option<FileComparison> {
    let as_shipped = match stock {
        Stock::Shipped(stock) => stock == site,
        Stock::NotShipped | Stock::Unknown => new == Some(site),
    };
    if as_shipped {
        return None;
    }
    let (state, changes) = match kind(file) {
        Kind::Xml => by_value(site, stock, new, &|site, stock, new| {
            xml_changes(site, stock, new)
        })?,
        Kind::Properties => by_value(site, stock, new, &|site, stock, new| {
            Ok(properties::changes(file, site, stock, new))
        })?,
        Kind::Other => (whole(stock, new), Vec::new()),
    };
    Some(FileComparison {
        file: file.to_owned(),
        sha256: Sha256Hex::of(site),
        state,
        changes,
    })
}

enum Kind {
    Xml,
    Properties,
    Other,
}

fn kind(file: &str) -> Kind {
    match file.rsplit_once('.').map(|(_, extension)| extension) {
        Some("xml") => Kind::Xml,
        Some("properties") => Kind::Properties,
        Some(_) | None => Kind::Other,
    }
}

/// Compares site and stock, or site and new where stock is not known; then looks into new.
type Changes<'c> = &'c dyn Fn(&[u8], Option<&[u8]>, Option<&[u8]>) -> Result<Vec<SiteChange>, FileState>;

fn by_value(
    site: &[u8],
    stock: Stock<'_>,
    new: Option<&[u8]>,
    changes: Changes<'_>,
) -> Option<(FileState, Vec<SiteChange>)> {
    let stock_bytes = match stock {
        Stock::Shipped(stock) => Some(stock),
        Stock::NotShipped | Stock::Unknown => None,
    };
    let changes = match changes(site, stock_bytes, new) {
        Ok(changes) => changes,
        Err(state) => return Some((state, Vec::new())),
    };
    match (stock, new) {
        (Stock::NotShipped, None) => Some((FileState::AddedBySite, Vec::new())),
        // Whether the site made it or edited it: the new version has no place for it.
        (Stock::Unknown, None) => Some((FileState::GoneInNew, Vec::new())),
        _ if changes.is_empty() => None,
        (Stock::Shipped(_), None) => Some((FileState::GoneInNew, Vec::new())),
        (Stock::Shipped(_), Some(_)) => Some((FileState::Edited, changes)),
        (Stock::NotShipped | Stock::Unknown, Some(_)) => Some((FileState::StockUnknown, changes)),
    }
}

fn whole(stock: Stock<'_>, new: Option<&[u8]>) -> FileState {
    match (stock, new) {
        (Stock::NotShipped, None) => FileState::AddedBySite,
        (Stock::Shipped(_) | Stock::NotShipped | Stock::Unknown, _) => FileState::Opaque,
    }
}

fn xml_changes(site: &[u8], stock: Option<&[u8]>, new: Option<&[u8]>) -> Result<Vec<SiteChange>, FileState> {
    let read = |bytes: &[u8], whose: &str| {
        Document::parse(bytes).map_err(|error| FileState::Malformed {
            reason: format!("{whose}{error}"),
        })
    };
    let site = read(site, "")?;
    let stock = stock
        .map(|bytes| read(bytes, "the old version's own file: "))
        .transpose()?;
    let new = new
        .map(|bytes| read(bytes, "the new version's own file: "))
        .transpose()?;
    Ok(xml::changes(&site, stock.as_ref(), new.as_ref()))
}

#[cfg(test)]
mod tests;
