//! Listening TCP ports and who holds them, from `/proc/net`.

use std::collections::BTreeSet;
use std::fs;

/// A listening socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The port.
    pub port: u16,
    /// The process that holds it, where it can be found out.
    pub pid: Option<u32>,
}

/// The listeners on any of `ports`, over IPv4 and IPv6.
#[must_use]
pub fn listeners(ports: &[u16]) -> Vec<Listener> {
    let mut sockets = BTreeSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = fs::read_to_string(table).unwrap_or_default();
        sockets.extend(
            text.lines()
                .filter_map(parse_line)
                .filter(|(port, _)| ports.contains(port)),
        );
    }
    sockets
        .into_iter()
        .map(|(port, inode)| Listener {
            port,
            pid: holder(inode),
        })
        .collect()
}

/// Port and inode of a line that shows a listening socket (state 0A).
fn parse_line(line: &str) -> Option<(u16, u64)> {
    let mut fields = line.split_ascii_whitespace();
    let (_, port) = fields.nth(1)?.rsplit_once(':')?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?.parse().ok()?;
    (state == "0A").then_some((u16::from_str_radix(port, 16).ok()?, inode))
}

fn holder(inode: u64) -> Option<u32> {
    let wanted = format!("socket:[{inode}]");
    super::carbon::pids().into_iter().find(|pid| {
        let fds = fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten()
            .flatten();
        fds.filter_map(|fd| fs::read_link(fd.path()).ok())
            .any(|target| target.as_os_str() == wanted.as_str())
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn line_when_listening_then_port_and_inode() {
        let listening = "   0: 0100007F:24E3 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 31337 1 0";
        assert_eq!(parse_line(listening), Some((9443, 31337)));
        assert_eq!(parse_line(&listening.replace(" 0A ", " 01 ")), None);
        assert_eq!(parse_line("  sl  local_address rem_address   st tx_queue"), None);
    }

    #[test]
    fn listeners_when_we_listen_then_our_pid() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let ours = [Listener {
            port,
            pid: Some(std::process::id()),
        }];
        eventually(|| listeners(&[port]) == ours);
        drop(socket);
        eventually(|| listeners(&[port]).is_empty());
    }

    /// A process that another test forks shares our sockets until it runs its program: the first look may see it.
    fn eventually(mut holds: impl FnMut() -> bool) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !holds() {
            assert!(std::time::Instant::now() < deadline, "it did not come true");
            std::thread::yield_now();
        }
    }
}
