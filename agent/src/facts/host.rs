//! The host's name and addresses, from `/proc`.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};

pub(super) fn name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "?".to_owned(), |name| name.trim().to_owned())
}

/// Every address of the host, loopback and link-local left out.
pub(super) fn addresses() -> Vec<String> {
    let v4 = fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    let v6 = fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    let v4 = local_v4(&v4).into_iter().map(|address| address.to_string());
    let v6 = local_v6(&v6).into_iter().map(|address| address.to_string());
    v4.chain(v6).collect()
}

/// Addresses that the routing table calls the host's own.
fn local_v4(table: &str) -> BTreeSet<Ipv4Addr> {
    let mut found = BTreeSet::new();
    let mut last = None;
    for line in table.lines() {
        if let Some((_, address)) = line.split_once("|-- ") {
            last = address.trim().parse().ok();
        } else if line.contains("/32 host LOCAL") {
            found.extend(last.filter(|address: &Ipv4Addr| !address.is_loopback()));
        }
    }
    found
}

fn local_v6(table: &str) -> BTreeSet<Ipv6Addr> {
    table
        .lines()
        .filter_map(|line| u128::from_str_radix(line.split_ascii_whitespace().next()?, 16).ok())
        .map(Ipv6Addr::from)
        .filter(|address| !address.is_loopback() && !address.is_unicast_link_local())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_when_it_lists_routes_then_only_own_addresses() {
        let table = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.1.2.0\n        /24 link UNICAST\n     |-- 10.1.2.3\n        \
                     /32 host LOCAL\n     |-- 10.1.2.255\n        /32 link BROADCAST\n     |-- 127.0.0.1\n        /32 host LOCAL\n";
        assert_eq!(local_v4(table), BTreeSet::from([Ipv4Addr::new(10, 1, 2, 3)]));
        let v6 = "00000000000000000000000000000001 01 80 10 80 lo\n20010db8000000000000000000000007 02 40 00 80 eth0\n\
                  fe800000000000000000000000000001 02 40 20 80 eth0\n";
        assert_eq!(
            local_v6(v6).iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["2001:db8::7"]
        );
    }
}
