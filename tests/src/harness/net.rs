//! Free loopback ports.

use anyhow::{Context as _, Result};
use cutover_testdb::ports;

const HTTPS: u16 = 9443;
const HTTP: u16 = 9763;

/// An offset under which both ports of a Carbon server are free.
///
/// # Errors
/// When there is none.
pub fn free_offset() -> Result<u16> {
    ports::free_group(&[0, HTTP - HTTPS])?
        .checked_sub(HTTPS)
        .context("a port above Carbon's own")
}
