//! URLs, as Go's `net/url` reads them: with a scheme, or a path that begins with a slash.

use std::net::Ipv6Addr;
use std::sync::Arc;

use crate::eval::Error;
use crate::map::{Key, Map};
use crate::value::Value;

use super::Evaluated;

/// A parsed URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// As written.
    pub text: Arc<str>,
    scheme: String,
    host: String,
    /// As written, without a fragment.
    path: String,
    query: String,
}

/// In which part of a URL something is escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Host,
    Zone,
    User,
    Path,
    Query,
}

/// `url` parses twice: as the target of a request, where a fragment is no more than a part of the
/// path, and then with its fragment cut off.
fn parse(text: &str) -> Option<Url> {
    parts(text, true)?;
    let (before, fragment) = text.split_once('#').unwrap_or((text, ""));
    let url = parts(before, false)?;
    unescape(fragment, Part::Path)?;
    Some(url)
}

/// The scheme, where there is one, and the rest.
fn scheme(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().enumerate().find(|(at, byte)| match byte {
        byte if byte.is_ascii_alphabetic() => false,
        byte if byte.is_ascii_digit() || b"+-.".contains(byte) => *at == 0,
        _ => true,
    });
    match end {
        Some((0, b':')) => None,
        Some((at, b':')) => Some((&text[..at], &text[at + 1..])),
        _ => Some(("", text)),
    }
}

fn parts(text: &str, request: bool) -> Option<Url> {
    if text.bytes().any(|b| b < 0x20 || b == 0x7f) || text.is_empty() && request {
        return None;
    }
    let mut url = Url {
        text: text.into(),
        scheme: String::new(),
        host: String::new(),
        path: String::new(),
        query: String::new(),
    };
    if text == "*" {
        url.path = text.to_owned();
        return Some(url);
    }
    let (scheme, rest) = scheme(text)?;
    url.scheme = scheme.to_ascii_lowercase();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    url.query = query.to_owned();
    if !rest.starts_with('/') {
        // After a scheme anything may stand, which is not taken apart.
        let segment = rest.split('/').next().unwrap_or_default();
        let good = !scheme.is_empty() || !request && !segment.contains(':');
        if scheme.is_empty() {
            url.path = rest.to_owned();
        }
        return good.then_some(url);
    }
    let authority = !scheme.is_empty() || !request && !rest.starts_with("///");
    url.path = match rest.strip_prefix("//") {
        Some(after) if authority => {
            let (authority, path) = after.split_at(after.find('/').unwrap_or(after.len()));
            url.host = parse_authority(&url.scheme, authority)?;
            path.to_owned()
        }
        _ => rest.to_owned(),
    };
    unescape(&url.path, Part::Path)?;
    Some(url)
}

fn parse_authority(scheme: &str, authority: &str) -> Option<String> {
    let Some((user, host)) = authority.rsplit_once('@') else {
        return parse_host(scheme, authority);
    };
    let good = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !user.chars().all(good) {
        return None;
    }
    unescape(user, Part::User)?;
    parse_host(scheme, host)
}

fn is_port(text: &str) -> bool {
    let digits = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
    text.is_empty() || text.strip_prefix(':').is_some_and(digits)
}

fn parse_host(scheme: &str, host: &str) -> Option<String> {
    match host.rfind('[') {
        Some(0) => {
            let (inside, port) = host[1..].rsplit_once(']')?;
            if !is_port(port) {
                return None;
            }
            let (name, zone) = inside.split_at(inside.find("%25").unwrap_or(inside.len()));
            let name = unescape(name, Part::Host)?;
            let zone = unescape(zone, Part::Zone)?;
            let zoned = zone.is_empty() || zone.len() > 1;
            let good = zoned && name.parse::<Ipv6Addr>().is_ok();
            return good.then(|| format!("[{name}{zone}]{port}"));
        }
        Some(_) => return None,
        None => {}
    }
    // More than one colon is refused on the web alone.
    let colon = match scheme {
        "http" | "https" => host.find(':'),
        _ => host.rfind(':'),
    };
    if !is_port(colon.map_or("", |at| &host[at..])) {
        return None;
    }
    unescape(host, Part::Host)
}

/// Whether a byte stands for itself in a host.
fn is_plain_in_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"".contains(&byte)
}

/// The text with its escapes undone; `None` where one is wrong, or not allowed in this part.
fn unescape(text: &str, part: Part) -> Option<String> {
    let host = matches!(part, Part::Host | Part::Zone);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let pair = [rest.next()?, rest.next()?];
                if !pair.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                let value = u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?;
                let allowed = match part {
                    _ if &pair == b"25" => true,
                    // Only what cannot be written otherwise.
                    Part::Host => value >= 0x80,
                    Part::Zone => value == b' ' || is_plain_in_host(value),
                    _ => true,
                };
                if !allowed {
                    return None;
                }
                bytes.push(value);
            }
            b'+' if part == Part::Query => bytes.push(b' '),
            byte if host && byte < 0x80 && !is_plain_in_host(byte) => return None,
            byte => bytes.push(byte),
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

impl Url {
    /// The host without its port, and the port.
    fn host_and_port(&self) -> (&str, &str) {
        let (name, port) = match self.host.rsplit_once(':') {
            Some((name, port)) if is_port(&self.host[name.len()..]) => (name, port),
            _ => (&*self.host, ""),
        };
        let inner = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        (inner.unwrap_or(name), port)
    }

    /// The path as it was written if it is well escaped, else escaped anew.
    fn escaped_path(&self) -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte);
        let written = |byte: u8| plain(byte) || b"!'()*[]%".contains(&byte);
        if self.path.bytes().all(written) {
            return self.path.clone();
        }
        let mut out = String::new();
        let mut rest = self.path.bytes();
        while let Some(byte) = rest.next() {
            let byte = match byte {
                // Good: the path was parsed.
                b'%' => {
                    let mut digit = || {
                        rest.next()
                            .map_or(0, |b| (b as char).to_digit(16).unwrap_or(0))
                    };
                    (digit() * 16 + digit()) as u8
                }
                byte => byte,
            };
            if plain(byte) {
                out.push(byte as char);
            } else {
                out.push_str(&format!("%{byte:02X}"));
            }
        }
        out
    }

    fn query(&self) -> Value {
        let mut map = Map {
            native: true,
            ..Map::default()
        };
        for part in self.query.split('&').filter(|part| !part.is_empty()) {
            if part.contains(';') {
                continue;
            }
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let (key, value) = (unescape(key, Part::Query), unescape(value, Part::Query));
            let (Some(key), Some(value)) = (key, value) else {
                continue;
            };
            let known = map.entries.entry(Key::String(key.into()));
            let known = known.or_insert_with(|| Vec::new().into());
            if let Value::List(items) = known {
                *known = items
                    .iter()
                    .cloned()
                    .chain([value.into()])
                    .collect::<Vec<_>>()
                    .into();
            }
        }
        Value::Map(Arc::new(map))
    }
}

pub(super) fn call(function: &str, arguments: &[Value]) -> Option<Evaluated> {
    use Value::{String as S, Url as U};
    Some(match (function, arguments) {
        ("url", [S(text)]) => parse(text).map(|url| U(Arc::new(url))).ok_or_else(|| {
            Error::new(format!("URL parse error during conversion from string: parse {text:?}: invalid URI for request"))
        }),
        ("isURL", [S(text)]) => Ok(Value::Bool(is_url(text))),
        ("getScheme", [U(url)]) => Ok(url.scheme.as_str().into()),
        ("getHost", [U(url)]) => Ok(url.host.as_str().into()),
        ("getHostname", [U(url)]) => Ok(url.host_and_port().0.into()),
        ("getPort", [U(url)]) => Ok(url.host_and_port().1.into()),
        ("getEscapedPath", [U(url)]) => Ok(url.escaped_path().into()),
        ("getQuery", [U(url)]) => Ok(url.query()),
        _ => return None,
    })
}

/// Whether this can be the target of a request.
pub(super) fn is_url(text: &str) -> bool {
    parts(text, true).is_some()
}
