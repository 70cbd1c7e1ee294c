//! IP addresses and CIDRs. Strict, as upstream: no zones, no IPv4 in IPv6, no leading zeros.

use std::net::{IpAddr, Ipv6Addr};

use crate::eval::Error;
use crate::value::{Cidr, Value};

use super::Evaluated;

fn address(text: &str) -> Result<IpAddr, Error> {
    let parsed = text.parse::<IpAddr>().map_err(|_| {
        Error::new(format!(
            "IP Address {text:?} parse error during conversion from string"
        ))
    })?;
    match parsed {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => Err(Error::new(format!(
            "IPv4-mapped IPv6 address {text:?} is not allowed"
        ))),
        parsed => Ok(parsed),
    }
}

fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn cidr(text: &str) -> Result<Cidr, Error> {
    let wrong = || {
        Error::new(format!(
            "network address parse error during conversion from string: {text:?}"
        ))
    };
    let (before, length) = text.split_once('/').ok_or_else(wrong)?;
    let address = address(before).map_err(|_| wrong())?;
    let canonical = !length.is_empty()
        && length.bytes().all(|b| b.is_ascii_digit())
        && (length.len() == 1 || !length.starts_with('0'));
    let prefix: u8 = length.parse().map_err(|_| wrong())?;
    if !canonical || prefix > bits(address) {
        return Err(wrong());
    }
    Ok(Cidr { address, prefix })
}

fn masked(cidr: Cidr) -> Cidr {
    let address = match cidr.address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX
                .checked_shl(32 - u32::from(cidr.prefix))
                .unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX
                .checked_shl(128 - u32::from(cidr.prefix))
                .unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    };
    Cidr { address, ..cidr }
}

fn contains(cidr: Cidr, address: IpAddr) -> bool {
    let other = Cidr {
        address,
        prefix: cidr.prefix,
    };
    bits(cidr.address) == bits(address) && masked(cidr).address == masked(other).address
}

fn contains_cidr(outer: Cidr, inner: Cidr) -> bool {
    outer.prefix <= inner.prefix && contains(outer, inner.address)
}

pub(super) fn show_cidr(cidr: Cidr) -> String {
    format!("{}/{}", cidr.address, cidr.prefix)
}

fn is_link_local_v6(address: Ipv6Addr) -> bool {
    address.segments()[0] & 0xffc0 == 0xfe80
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => is_link_local_v6(v6),
    }
}

fn is_link_local_multicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.octets()[..3] == [224, 0, 0],
        IpAddr::V6(v6) => v6.segments()[0] & 0xff0f == 0xff02,
    }
}

/// Go's `IsGlobalUnicast`: private addresses are, broadcast and the like are not.
fn is_global_unicast(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !broadcast
        && !address.is_unspecified()
        && !address.is_loopback()
        && !address.is_multicast()
        && !is_link_local(address)
}

pub(super) fn call(function: &str, arguments: &[Value]) -> Option<Evaluated> {
    use Value::{Cidr as C, Int, Ip, String as S};
    let truth = |value: bool| Ok(Value::Bool(value));
    Some(match (function, arguments) {
        ("ip", [S(text)]) => address(text).map(Ip),
        ("isIP", [S(text)]) => truth(address(text).is_ok()),
        ("ip.isCanonical", [S(text)]) => {
            address(text).map(|a| Value::Bool(a.to_string() == **text))
        }
        ("family", [Ip(a)]) => Ok(Int(if a.is_ipv4() { 4 } else { 6 })),
        ("isUnspecified", [Ip(a)]) => truth(a.is_unspecified()),
        ("isLoopback", [Ip(a)]) => truth(a.is_loopback()),
        ("isLinkLocalMulticast", [Ip(a)]) => truth(is_link_local_multicast(*a)),
        ("isLinkLocalUnicast", [Ip(a)]) => truth(is_link_local(*a)),
        ("isGlobalUnicast", [Ip(a)]) => truth(is_global_unicast(*a)),
        ("cidr", [S(text)]) => cidr(text).map(C),
        ("isCIDR", [S(text)]) => truth(cidr(text).is_ok()),
        ("containsIP", [C(c), Ip(a)]) => truth(contains(*c, *a)),
        ("containsIP", [C(c), S(text)]) => address(text).map(|a| Value::Bool(contains(*c, a))),
        ("containsCIDR", [C(c), C(inner)]) => truth(contains_cidr(*c, *inner)),
        ("containsCIDR", [C(c), S(text)]) => cidr(text).map(|i| Value::Bool(contains_cidr(*c, i))),
        ("ip", [C(c)]) => Ok(Ip(c.address)),
        ("masked", [C(c)]) => Ok(C(masked(*c))),
        ("prefixLength", [C(c)]) => Ok(Int(c.prefix.into())),
        _ => return None,
    })
}
