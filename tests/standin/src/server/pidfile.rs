//! `wso2carbon.pid` as the server's launcher writes it: a whole buffer, and never removed.

use std::path::Path;

use anyhow::{Context as _, Result};

const BUFFER: usize = 100;

pub(super) fn write(home: &Path, pid: u32) -> Result<()> {
    let mut content = format!("{pid}\n").into_bytes();
    content.resize(BUFFER, 0);
    let file = home.join("wso2carbon.pid");
    std::fs::write(&file, content).with_context(|| format!("write {}", file.display()))
}
