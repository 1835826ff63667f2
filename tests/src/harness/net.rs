//! Free loopback ports.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};

/// Ports given out by this process: tests run side by side, and a port stays unused for a while.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

const HTTPS: u16 = 9443;
const HTTP: u16 = 9763;

/// A port that nobody listens on.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16> {
    for _ in 0..100 {
        let port = unused()?;
        if take(&[port]) {
            return Ok(port);
        }
    }
    bail!("no free port on 127.0.0.1")
}

/// An offset under which both ports of a Carbon server are free.
///
/// # Errors
/// When there is none.
pub fn free_offset() -> Result<u16> {
    for _ in 0..1000 {
        let port = unused()?;
        let Some(offset) = port.checked_sub(HTTPS) else {
            continue;
        };
        let Some(plain) = offset.checked_add(HTTP) else {
            continue;
        };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, plain)).is_ok() && take(&[port, plain]) {
            return Ok(offset);
        }
    }
    bail!("no two free ports on 127.0.0.1 that are {} apart", HTTP - HTTPS)
}

fn unused() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}

fn take(ports: &[u16]) -> bool {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let free = ports.iter().all(|port| !given.contains(port));
    if free {
        given.extend(ports);
    }
    free
}
