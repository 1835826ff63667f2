//! Loopback ports for the servers that tests start.
//!
//! A port that the system names when asked for any is one it also gives to an outgoing connection a moment later, and
//! then the server that was to listen there fails. So ports come from below that range, and each is locked for as
//! long as this process lives: tests in other processes look elsewhere.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};

/// Below the range of outgoing connections (`net.ipv4.ip_local_port_range`, 32768 and up as a rule), above the ports
/// of well-known services.
const FIRST: u16 = 12_000;
const PORTS: u16 = 20_000;

/// The locks of the ports given out by this process.
static GIVEN: Mutex<BTreeMap<u16, File>> = Mutex::new(BTreeMap::new());

/// A port that nobody listens on, for this process alone.
///
/// # Errors
/// When there is none, or the folder of the locks can't be written.
pub fn free_port() -> Result<u16> {
    free_group(&[0])
}

/// A port such that it and those `distances` above it are free, for this process alone.
///
/// # Errors
/// As of [`free_port`].
pub fn free_group(distances: &[u16]) -> Result<u16> {
    let folder = folder()?;
    let start = random()?;
    for step in 0..PORTS {
        let base = FIRST + start.wrapping_add(step) % PORTS;
        let ports = distances
            .iter()
            .filter_map(|distance| base.checked_add(*distance));
        if take(&folder, &ports.collect::<Vec<_>>())? {
            return Ok(base);
        }
    }
    bail!("no free ports on 127.0.0.1 from {FIRST} on")
}

fn take(folder: &Path, ports: &[u16]) -> Result<bool> {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut locks = Vec::new();
    for port in ports {
        if given.contains_key(port) {
            return Ok(false);
        }
        let path = folder.join(port.to_string());
        let lock = File::create(&path).with_context(|| format!("create {}", path.display()))?;
        // Locked first: to try the port of another process' server would be in the way of its restart.
        if lock.try_lock().is_err() || TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_err() {
            return Ok(false);
        }
        locks.push((*port, lock));
    }
    given.extend(locks);
    Ok(true)
}

fn folder() -> Result<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let folder = std::env::temp_dir().join(format!("cutover-ports-{user}"));
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    Ok(folder)
}

fn random() -> Result<u16> {
    use std::io::Read as _;
    let mut bytes = [0_u8; 2];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u16::from_le_bytes(bytes) % PORTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_when_given_out_then_never_twice_and_free_in_their_whole_group() {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..50 {
            let base = free_group(&[0, 320]).unwrap();
            for port in [base, base + 320] {
                assert!(seen.insert(port), "{port} twice");
                TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
            }
        }
        assert!(
            seen.iter()
                .all(|port| (FIRST..FIRST + PORTS + 320).contains(port))
        );
    }

    #[test]
    fn port_when_locked_by_another_then_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        // None that the other test may draw.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let other = File::create(folder.path().join(port.to_string())).unwrap();
        other.lock().unwrap();
        assert!(!take(folder.path(), &[port]).unwrap());
        drop(other);
        assert!(take(folder.path(), &[port]).unwrap());
        assert!(!take(folder.path(), &[port]).unwrap());
    }
}
