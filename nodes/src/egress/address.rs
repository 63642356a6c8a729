//! Which addresses belong to the public internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of address it is, when it is not a public one.
pub(super) fn not_public(address: IpAddr) -> Option<&'static str> {
    match address.to_canonical() {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => v6(address),
    }
}

/// The special ranges of RFC 6890 and its successors, and the address at which one cloud keeps its metadata.
fn v4(address: Ipv4Addr) -> Option<&'static str> {
    Some(match address.octets() {
        [0, ..] => "unspecified",
        [127, ..] => "loopback",
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => "private",
        [169, 254, ..] => "link-local or cloud metadata",
        [168, 63, 129, 16] => "cloud metadata",
        [100, 64..=127, ..] => "carrier-grade NAT",
        [192, 0, 0, _] | [192, 0, 2, _] | [192, 88, 99, _] | [198, 18..=19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => {
            "reserved"
        }
        [224..=239, ..] => "multicast",
        [240..=255, ..] => "reserved or broadcast",
        _ => return None,
    })
}

/// Only 2000::/3 is public, without its ranges that carry an IPv4 address inside or stand in no routing table.
fn v6(address: Ipv6Addr) -> Option<&'static str> {
    let [first, second, ..] = address.segments();
    Some(match first {
        _ if address.is_loopback() => "loopback",
        _ if address.is_unspecified() => "unspecified",
        0xfc00..=0xfdff => "private",
        0xfe80..=0xfebf => "link-local",
        0xff00..=0xffff => "multicast",
        0x2001 if second < 0x0200 || second == 0x0db8 => "reserved",
        0x2002 | 0x3fff => "reserved",
        0x2000..=0x3fff => return None,
        _ => "reserved",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(range: Option<&str>, addresses: &str) {
        for text in addresses.split_whitespace() {
            let found = not_public(text.parse().unwrap());
            assert!(found.is_some() == range.is_some() && found.unwrap_or("").contains(range.unwrap_or("")), "{text}: {found:?}");
        }
    }

    #[test]
    fn every_special_range_is_known_up_to_its_borders() {
        check(Some("loopback"), "127.0.0.1 127.255.255.255 ::1 ::ffff:127.0.0.1");
        check(
            Some("private"),
            "10.0.0.0 10.255.255.255 172.16.0.0 172.31.255.255 192.168.0.1 fc00::1 fd00:ec2::254 ::ffff:10.0.0.1",
        );
        check(Some("link-local"), "169.254.169.254 169.254.0.1 fe80::1 febf::1");
        check(Some("metadata"), "169.254.169.254 168.63.129.16");
        check(Some("NAT"), "100.64.0.0 100.100.100.200 100.127.255.255");
        check(Some("unspecified"), "0.0.0.0 0.1.2.3 ::");
        check(Some("multicast"), "224.0.0.1 239.255.255.255 ff02::1");
        check(Some("reserved"), "255.255.255.255 240.0.0.1 192.0.2.1 198.18.0.1 203.0.113.9 192.88.99.1 2001:db8::1 2001::1");
        check(Some("reserved"), "64:ff9b::a00:1 2002:a00:1:: ::7f00:1 100::1 fec0::1 3fff::1 4000::1");
    }

    #[test]
    fn neighbours_of_special_ranges_are_public() {
        check(
            None,
            "9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.1.1 172.15.0.1 172.32.0.1",
        );
        check(None, "192.167.1.1 192.169.1.1 198.17.0.1 198.20.0.1 223.255.255.255 168.63.129.15 8.8.8.8 ::ffff:8.8.8.8");
        check(None, "2001:4860:4860::8888 2606:4700::1111 2a00:1450::1");
    }
}
