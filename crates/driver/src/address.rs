//! Where HTTP is served: a port, or a Unix socket where ports are scarce.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// `--http`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `127.0.0.1:8080`
    Tcp(SocketAddr),
    /// `unix:/run/trainyard/http.sock`
    Unix(PathBuf),
}

/// What to bind or dial, the first that works: `[::]` is every address of the host, also where the
/// kernel has no IPv6.
pub fn ways(address: SocketAddr) -> Vec<SocketAddr> {
    let mut ways = vec![address];
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        ways.push((Ipv4Addr::UNSPECIFIED, address.port()).into());
    }
    ways
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        match text.strip_prefix("unix:") {
            Some("") => Err("unix: is followed by the path of a socket".to_owned()),
            Some(path) => Ok(Address::Unix(path.into())),
            None => match text.parse() {
                Ok(address) => Ok(Address::Tcp(address)),
                Err(_) => Err("an address is IP:PORT or unix:PATH".to_owned()),
            },
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_are_those_of_ipv4_where_there_are_no_others() {
        let of = |text: &str| ways(text.parse().unwrap());
        let expected = ["[::]:8080", "0.0.0.0:8080"].map(|text| text.parse().unwrap());
        assert_eq!(of("[::]:8080"), expected);
        assert_eq!(of("[::1]:8080").len(), 1);
        assert_eq!(of("0.0.0.0:8080").len(), 1);
    }

    #[test]
    fn an_address_is_a_port_or_a_socket() {
        for text in ["127.0.0.1:0", "[::]:8080", "unix:/run/a.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in ["8080", "localhost:1", "unix:", "/run/a.sock"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
