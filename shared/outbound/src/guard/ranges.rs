//! The ranges that are not for the public internet, by the special-purpose registries of IANA:
//! <https://www.iana.org/assignments/iana-ipv4-special-registry> and its sister for IPv6.
//!
//! Ranges that these registries call globally reachable, but where no API can be (NAT64, Teredo,
//! 6to4 and the relays of all of them), are blocked as well.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// What is blocked of IPv4. Metadata services and the like are within: 169.254.169.254 of EC2,
/// 169.254.170.2 of ECS, 100.100.100.200 and 192.0.0.192 of others.
const SPECIAL_V4: [(Ipv4Addr, u8, &str); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "an address of this network"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "a private address"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "a shared address (carrier-grade NAT)"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "a loopback address"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "a link-local address"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "a private address"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "an address for protocols"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "an address for documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "a relay's address (6to4)"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "a private address"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "an address for benchmarks"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "an address for documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "an address for documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "a multicast address"),
    // With 255.255.255.255, the broadcast address.
    (Ipv4Addr::new(240, 0, 0, 0), 4, "a reserved address"),
];

/// The only range of IPv6 that is for the public internet.
const PUBLIC_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// What is blocked within it, and names for some of what is blocked because it is outside.
const SPECIAL_V6: [(Ipv6Addr, u8, &str); 21] = [
    (Ipv6Addr::UNSPECIFIED, 128, "the unspecified address"),
    (Ipv6Addr::LOCALHOST, 128, "the loopback address"),
    (Ipv6Addr::UNSPECIFIED, 96, "a translated address (IPv4-compatible)"),
    (Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96, "a translated address (SIIT)"),
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96, "a translated address (NAT64)"),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, "a translated address (NAT64)"),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64, "a discard address"),
    (Ipv6Addr::new(0x100, 0, 0, 1, 0, 0, 0, 0), 64, "a dummy address"),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, "a translated address (Teredo)"),
    (Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0), 48, "an address for benchmarks"),
    (Ipv6Addr::new(0x2001, 0x10, 0, 0, 0, 0, 0, 0), 28, "an identifier of a host (ORCHID)"),
    (Ipv6Addr::new(0x2001, 0x20, 0, 0, 0, 0, 0, 0), 28, "an identifier of a host (ORCHID)"),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "an address for protocols"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "an address for documentation"),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "a translated address (6to4)"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "an address for documentation"),
    (Ipv6Addr::new(0x5f00, 0, 0, 0, 0, 0, 0, 0), 16, "an identifier of a segment (SRv6)"),
    // With fd00:ec2::254, the metadata service of EC2.
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, "a unique local address"),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, "a link-local address"),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, "a site-local address"),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, "a multicast address"),
];

/// What an IPv4 address is, when it is not public.
pub(super) fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    let is_in = |(base, length, _): &&(Ipv4Addr, u8, _)| Ipv4Net::new_assert(*base, *length).contains(&address);
    SPECIAL_V4.iter().find(is_in).map(|(.., kind)| *kind)
}

/// What an IPv6 address is, when it is not public.
pub(super) fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    let is_in = |base: Ipv6Addr, length: u8| Ipv6Net::new_assert(base, length).contains(&address);
    let named = SPECIAL_V6.iter().find(|(base, length, _)| is_in(*base, *length));
    let unnamed = || (!is_in(PUBLIC_V6.0, PUBLIC_V6.1)).then_some("a reserved address");
    named.map(|(.., kind)| *kind).or_else(unnamed)
}
