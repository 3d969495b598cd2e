//! Which addresses are not places on the public Internet: loopback, private networks, cloud metadata and the rest of the
//! IANA special-purpose registries.
//!
//! An address inside another (IPv4-mapped, NAT64, 6to4) is judged as the one inside, because that is where a packet would
//! end. The bias is towards refusing: deprecated tunnels and unassigned space are special although nothing may answer there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A special-purpose range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Special {
    /// What it is, in a word or two.
    pub reason: &'static str,
    /// The document that sets it aside.
    pub reference: &'static str,
}

/// Why an address is not a public one, or `None` when it is.
pub fn is_private(address: IpAddr) -> Option<&'static str> {
    special(address).map(|special| special.reason)
}

/// The special-purpose range of an address, if it is in one.
pub fn special(address: IpAddr) -> Option<Special> {
    match embedded(address) {
        IpAddr::V4(inside) => find(V4, u32::from(inside)).or_else(|| compatible(address)),
        IpAddr::V6(address) => find(V6, u128::from(address)).or_else(|| outside_unicast(address)),
    }
}

/// The address a packet ends at: the IPv4 address inside a mapped, NAT64 or 6to4 address, else the address itself.
pub fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => IpAddr::V4(join(g, h)),
        [0, 0, 0, 0, 0, 0] if (u32::from(g) << 16 | u32::from(h)) > 1 => IpAddr::V4(join(g, h)),
        [0x2002, high, low, ..] => IpAddr::V4(join(high, low)),
        _ => address,
    }
}

/// IPv4-compatible addresses are deprecated: nothing public is reached through one.
fn compatible(address: IpAddr) -> Option<Special> {
    let IpAddr::V6(v6) = address else { return None };
    (u128::from(v6) >> 32 == 0).then_some(Special { reason: "reserved", reference: "RFC 4291" })
}

fn join(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

/// Only 2000::/3 is global unicast; what lies outside and in no row below is not assigned.
fn outside_unicast(address: Ipv6Addr) -> Option<Special> {
    let [first, ..] = address.segments();
    (first >> 13 != 1).then_some(Special { reason: "reserved", reference: "RFC 4291" })
}

trait Bits: Copy + PartialEq {
    /// Whether the first `length` bits of the two are the same.
    fn shares(self, other: Self, length: u32) -> bool;
}

impl Bits for u32 {
    fn shares(self, other: u32, length: u32) -> bool {
        (self ^ other).leading_zeros() >= length
    }
}

impl Bits for u128 {
    fn shares(self, other: u128, length: u32) -> bool {
        (self ^ other).leading_zeros() >= length
    }
}

/// A network as bits and prefix length, with what it is.
type Row<T> = (T, u32, Special);

fn find<T: Bits>(table: &[Row<T>], address: T) -> Option<Special> {
    table.iter().find(|(network, length, _)| address.shares(*network, *length)).map(|(_, _, special)| *special)
}

const fn v4(octets: [u8; 4], length: u32, reason: &'static str, reference: &'static str) -> Row<u32> {
    (u32::from_be_bytes(octets), length, Special { reason, reference })
}

const fn v6(high: [u16; 4], low: [u16; 4], length: u32, reason: &'static str, reference: &'static str) -> Row<u128> {
    let [a, b, c, d] = high;
    let [e, f, g, h] = low;
    (Ipv6Addr::new(a, b, c, d, e, f, g, h).to_bits(), length, Special { reason, reference })
}

/// The first row that holds an address wins, so the narrow ones stand first.
const V4: &[Row<u32>] = &[
    v4([169, 254, 169, 254], 32, "metadata", "cloud instance metadata"),
    v4([169, 254, 170, 2], 32, "metadata", "AWS container credentials"),
    v4([169, 254, 170, 23], 32, "metadata", "AWS pod identity"),
    v4([169, 254, 0, 23], 32, "metadata", "Tencent Cloud instance metadata"),
    v4([100, 100, 100, 200], 32, "metadata", "Alibaba Cloud instance metadata"),
    v4([168, 63, 129, 16], 32, "metadata", "Azure platform address"),
    v4([192, 0, 0, 192], 32, "metadata", "Oracle Cloud classic metadata"),
    v4([0, 0, 0, 0], 32, "unspecified", "RFC 1122"),
    v4([0, 0, 0, 0], 8, "this network", "RFC 791"),
    v4([10, 0, 0, 0], 8, "private", "RFC 1918"),
    v4([100, 64, 0, 0], 10, "carrier-grade NAT", "RFC 6598"),
    v4([127, 0, 0, 0], 8, "loopback", "RFC 1122"),
    v4([169, 254, 0, 0], 16, "link-local", "RFC 3927"),
    v4([172, 16, 0, 0], 12, "private", "RFC 1918"),
    v4([192, 0, 0, 0], 24, "protocol assignment", "RFC 6890"),
    v4([192, 0, 2, 0], 24, "documentation", "RFC 5737"),
    v4([192, 31, 196, 0], 24, "AS112", "RFC 7535"),
    v4([192, 52, 193, 0], 24, "multicast relay", "RFC 7450"),
    v4([192, 88, 99, 0], 24, "6to4 relay", "RFC 7526"),
    v4([192, 168, 0, 0], 16, "private", "RFC 1918"),
    v4([192, 175, 48, 0], 24, "AS112", "RFC 7534"),
    v4([198, 18, 0, 0], 15, "benchmarking", "RFC 2544"),
    v4([198, 51, 100, 0], 24, "documentation", "RFC 5737"),
    v4([203, 0, 113, 0], 24, "documentation", "RFC 5737"),
    v4([224, 0, 0, 0], 4, "multicast", "RFC 5771"),
    v4([255, 255, 255, 255], 32, "broadcast", "RFC 8190"),
    v4([240, 0, 0, 0], 4, "reserved", "RFC 1112"),
];

const V6: &[Row<u128>] = &[
    v6([0; 4], [0; 4], 128, "unspecified", "RFC 4291"),
    v6([0; 4], [0, 0, 0, 1], 128, "loopback", "RFC 4291"),
    v6([0xfd00, 0xec2, 0, 0], [0, 0, 0, 0x254], 128, "metadata", "AWS instance metadata"),
    v6([0xfd00, 0xec2, 0, 0], [0, 0, 0, 0x23], 128, "metadata", "AWS pod identity"),
    v6([0xfd20, 0xce, 0, 0], [0, 0, 0, 0x254], 128, "metadata", "Google Cloud instance metadata"),
    v6([0xfd00, 0x42, 0, 0], [0, 0, 0, 0x42], 128, "metadata", "Scaleway instance metadata"),
    v6([0xfe80, 0, 0, 0], [0, 0, 0xa9fe, 0xa9fe], 128, "metadata", "OpenStack instance metadata"),
    v6([0x64, 0xff9b, 1, 0], [0; 4], 48, "translation", "RFC 8215"),
    v6([0x100, 0, 0, 0], [0; 4], 64, "discard", "RFC 6666"),
    v6([0x100, 0, 0, 1], [0; 4], 64, "dummy prefix", "RFC 9780"),
    v6([0x2001, 0, 0, 0], [0; 4], 32, "Teredo tunnel", "RFC 4380"),
    v6([0x2001, 2, 0, 0], [0; 4], 48, "benchmarking", "RFC 5180"),
    v6([0x2001, 0, 0, 0], [0; 4], 23, "protocol assignment", "RFC 2928"),
    v6([0x2001, 0xdb8, 0, 0], [0; 4], 32, "documentation", "RFC 3849"),
    v6([0x2620, 0x4f, 0x8000, 0], [0; 4], 48, "AS112", "RFC 7534"),
    v6([0x3fff, 0, 0, 0], [0; 4], 20, "documentation", "RFC 9637"),
    v6([0x5f00, 0, 0, 0], [0; 4], 16, "segment routing", "RFC 9602"),
    v6([0xfc00, 0, 0, 0], [0; 4], 7, "private", "RFC 4193"),
    v6([0xfe80, 0, 0, 0], [0; 4], 10, "link-local", "RFC 4291"),
    v6([0xfec0, 0, 0, 0], [0; 4], 10, "private", "RFC 3879"),
    v6([0xff00, 0, 0, 0], [0; 4], 8, "multicast", "RFC 4291"),
];
