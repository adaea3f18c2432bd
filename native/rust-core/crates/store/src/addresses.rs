//! Which addresses lie on the public internet. An input behind a URL must not be a way into the network that we run in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks of the registries of special-purpose addresses (RFC 6890 and its updates) that are not public, as address and prefix length.
const SPECIAL_V4: [([u8; 4], u32); 16] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 31, 196, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = u32::from(address);
    !SPECIAL_V4.iter().any(|(network, length)| (bits ^ u32::from(Ipv4Addr::from(*network))) >> (32 - length) == 0)
}

/// Only global unicast, 2000::/3, without what stands for an IPv4 address or for examples: mapped, translated and tunnelled forms could lead to any
/// private one.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let is_global = first & 0xe000 == 0x2000;
    // 2001::/23 holds Teredo and other protocols, 2001:db8::/32 and 3fff::/20 examples, 2002::/16 IPv4 addresses (6to4).
    let is_special = (first == 0x2001 && (second < 0x0200 || second == 0x0db8)) || first == 0x2002 || (first == 0x3fff && second < 0x1000);
    is_global && !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_local_mapped_and_translated_addresses_are_not_public() {
        let special = "0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.8 192.168.1.1 198.18.0.1 \
                       224.0.0.1 255.255.255.255 :: ::1 ::ffff:8.8.8.8 ::8.8.8.8 64:ff9b::808:808 64:ff9b:1::1 100::1 fc00::1 fd12::1 fe80::1 \
                       fec0::1 ff02::1 2001::1 2001:db8::1 2002:a00:1:: 3fff::1";
        for text in special.split_whitespace() {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in "8.8.8.8 1.1.1.1 100.128.0.1 172.32.0.1 172.15.0.1 192.169.0.1 198.20.0.1 2606:4700::1111 2001:4860:4860::8888 2a00::1"
            .split(' ')
        {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }
}
