//! URLs, as Go's `url.ParseRequestURI` reads them: absolute, or a path that begins with a slash.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::eval::Error;
use crate::value::{Key, Map, Value};

use super::Evaluated;

/// A parsed URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// As written.
    pub text: Arc<str>,
    scheme: String,
    host: String,
    path: String,
    query: String,
}

fn parse(text: &str) -> Option<Url> {
    if text.is_empty() || text.bytes().any(|b| b < 0x20 || b == 0x7f) {
        return None;
    }
    let (scheme, rest) = match text.split_once(':') {
        Some((scheme, rest))
            if scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) =>
        {
            (scheme.to_ascii_lowercase(), rest)
        }
        _ => (String::new(), text),
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    if !rest.starts_with('/') {
        // After a scheme anything may stand, which is not taken apart.
        return (!scheme.is_empty()).then(|| Url {
            text: text.into(),
            scheme,
            host: String::new(),
            path: String::new(),
            query: query.to_owned(),
        });
    }
    let (host, path) = match rest.strip_prefix("//") {
        // Without a scheme two slashes are a path, unless there are three.
        Some(after) if !scheme.is_empty() || !rest.starts_with("///") => {
            let end = after.find('/').unwrap_or(after.len());
            let authority = &after[..end];
            let host = authority
                .rsplit_once('@')
                .map_or(authority, |(_, host)| host);
            (host, &after[end..])
        }
        _ => ("", rest),
    };
    let good_host = host
        .bytes()
        .all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b));
    let port = match host.rfind(']') {
        Some(end) => &host[end + 1..],
        None => host.find(':').map_or("", |at| &host[at..]),
    };
    let good_port = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()));
    let bracketed = host.starts_with('[') == host.contains(']');
    if !good_host || !good_port || !bracketed || !good_escapes(path) || !good_escapes(host) {
        return None;
    }
    Some(Url {
        text: text.into(),
        scheme,
        host: host.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
    })
}

fn good_escapes(text: &str) -> bool {
    text.split('%')
        .skip(1)
        .all(|after| after.len() >= 2 && after.bytes().take(2).all(|b| b.is_ascii_hexdigit()))
}

impl Url {
    /// The host without its port, and the port.
    fn host_and_port(&self) -> (&str, &str) {
        if let Some(inner) = self.host.strip_prefix('[')
            && let Some((name, port)) = inner.split_once(']')
        {
            return (name, port.strip_prefix(':').unwrap_or_default());
        }
        self.host.rsplit_once(':').unwrap_or((&self.host, ""))
    }

    /// The path with whatever must be escaped escaped.
    fn escaped_path(&self) -> String {
        let mut out = String::new();
        for byte in self.path.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@%!'()*[]".contains(&byte) {
                out.push(byte as char);
            } else {
                out.push_str(&format!("%{byte:02X}"));
            }
        }
        out
    }

    fn query(&self) -> Value {
        let mut values: BTreeMap<Key, Vec<Value>> = BTreeMap::new();
        for part in self.query.split('&').filter(|part| !part.is_empty()) {
            if part.contains(';') {
                continue;
            }
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let (Some(key), Some(value)) = (unescape(key), unescape(value)) else {
                continue;
            };
            values
                .entry(Key::String(key.into()))
                .or_default()
                .push(value.into());
        }
        let entries = values
            .into_iter()
            .map(|(key, list)| (key, list.into()))
            .collect();
        Value::Map(Arc::new(Map {
            entries,
            lenient: false,
        }))
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let pair = [rest.next()?, rest.next()?];
                let hex = std::str::from_utf8(&pair).ok()?;
                bytes.push(u8::from_str_radix(hex, 16).ok()?);
            }
            other => bytes.push(other),
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

pub(super) fn call(function: &str, arguments: &[Value]) -> Option<Evaluated> {
    use Value::{String as S, Url as U};
    Some(match (function, arguments) {
        ("url", [S(text)]) => parse(text).map(|url| U(Arc::new(url))).ok_or_else(|| {
            Error::new(format!("URL parse error during conversion from string: parse {text:?}: invalid URI for request"))
        }),
        ("isURL", [S(text)]) => Ok(Value::Bool(parse(text).is_some())),
        ("getScheme", [U(url)]) => Ok(url.scheme.as_str().into()),
        ("getHost", [U(url)]) => Ok(url.host.as_str().into()),
        ("getHostname", [U(url)]) => Ok(url.host_and_port().0.into()),
        ("getPort", [U(url)]) => Ok(url.host_and_port().1.into()),
        ("getEscapedPath", [U(url)]) => Ok(url.escaped_path().into()),
        ("getQuery", [U(url)]) => Ok(url.query()),
        _ => return None,
    })
}
