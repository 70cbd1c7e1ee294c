//! How names may look: DNS labels and subdomains, label keys and values, identifiers, versions.
//!
//! Each function returns its complaints; none: the name is good. How many there are is part of the
//! API server's answer.
//!
//! Source: `k8s.io/apimachinery/pkg/api/validate/{strfmt.go,content}` v0.37.2.

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
const KEY: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

fn too_long(most: usize) -> String {
    format!("must be no more than {most} bytes")
}

/// One part of a domain name.
fn is_label(value: &str, alphanumeric: impl Fn(char) -> bool) -> bool {
    !value.is_empty()
        && value.starts_with(&alphanumeric)
        && value.ends_with(&alphanumeric)
        && value.chars().all(|c| c == '-' || alphanumeric(c))
}

fn lower(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

/// Go's case-insensitive `[a-z0-9]`: it folds by Unicode, so the long s and the Kelvin sign pass.
fn caseless(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '\u{17f}' | '\u{212a}')
}

fn is_subdomain(value: &str, alphanumeric: impl Fn(char) -> bool) -> bool {
    value.split('.').all(|part| is_label(part, &alphanumeric))
}

/// A DNS label (RFC 1123) of at most 63 bytes.
pub(crate) fn dns_label(value: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if value.len() > 63 {
        complaints.push(too_long(63));
    }
    if !is_label(value, lower) {
        complaints.push(if is_subdomain(value, lower) {
            "must not contain dots".into()
        } else {
            LABEL.into()
        });
    }
    complaints
}

/// A DNS subdomain (RFC 1123) of at most 253 bytes.
pub(crate) fn dns_subdomain(value: &str) -> Vec<String> {
    subdomain(value, is_subdomain(value, lower))
}

/// A DNS subdomain in any case.
pub(crate) fn dns_subdomain_caseless(value: &str) -> Vec<String> {
    subdomain(value, is_subdomain(value, caseless))
}

fn subdomain(value: &str, good: bool) -> Vec<String> {
    let mut complaints = Vec::new();
    if value.len() > 253 {
        complaints.push(too_long(253));
    }
    if !good {
        complaints.push(SUBDOMAIN.into());
    }
    complaints
}

/// As Go's `strings.ToLower`: one character for each.
pub(crate) fn to_lower(value: &str) -> String {
    value
        .chars()
        .map(|c| c.to_lowercase().next().unwrap_or(c))
        .collect()
}

/// `[prefix/]name`, as in the keys of labels, annotations and taints.
pub(crate) fn label_key(value: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let parts: Vec<&str> = value.split('/').collect();
    let name = match parts[..] {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                complaints.push("prefix part must be non-empty".into());
            } else {
                complaints.extend(
                    dns_subdomain(prefix)
                        .into_iter()
                        .map(|complaint| format!("prefix part {complaint}")),
                );
            }
            name
        }
        _ => {
            return vec![format!(
                "a valid label key {KEY} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        complaints.push("name part must be non-empty".into());
    } else if name.len() > 63 {
        complaints.push(format!("name part {}", too_long(63)));
    }
    if !is_label_name(name) {
        complaints.push(format!("name part {KEY}"));
    }
    complaints
}

fn is_label_name(value: &str) -> bool {
    value.starts_with(|c: char| c.is_ascii_alphanumeric())
        && value.ends_with(|c: char| c.is_ascii_alphanumeric())
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// The value of a label; may be empty.
pub(crate) fn label_value(value: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if value.len() > 63 {
        complaints.push(too_long(63));
    }
    if !value.is_empty() && !is_label_name(value) {
        complaints.push(format!(
            "a valid label must be an empty string or {}",
            KEY.trim_start_matches("must ")
        ));
    }
    complaints
}

/// The name of an object: a DNS subdomain.
pub(crate) fn object_name(value: &str) -> Vec<String> {
    dns_subdomain(value)
}

/// The start of a generated name. As upstream does it, a dash at the end takes the character before
/// it along.
pub(crate) fn object_name_prefix(value: &str) -> Vec<String> {
    match value.strip_suffix('-') {
        Some(stem) if !stem.is_empty() => {
            let mut kept: Vec<u8> = stem.as_bytes()[..stem.len() - 1].to_vec();
            kept.push(b'a');
            dns_subdomain(&String::from_utf8_lossy(&kept))
        }
        _ => dns_subdomain(value),
    }
}

/// A C identifier.
pub(crate) fn is_c_identifier(value: &str) -> bool {
    value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// What [`is_c_identifier`] wants.
pub(crate) const C_IDENTIFIER: &str = "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'";

/// A lower-case UUID in its 8-4-4-4-12 form.
pub(crate) fn is_uuid(value: &str) -> bool {
    value.len() == 36
        && value.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// A semantic version 2.0.0: three numbers, then pre-release and build parts.
pub(crate) fn is_semver(value: &str) -> bool {
    let numeric = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    let identifier = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let (rest, build) = match value.split_once('+') {
        Some((rest, build)) => (rest, Some(build)),
        None => (value, None),
    };
    let (core, pre) = match rest.split_once('-') {
        Some((core, pre)) => (core, Some(pre)),
        None => (rest, None),
    };
    let core: Vec<&str> = core.split('.').collect();
    core.len() == 3
        && core.into_iter().all(numeric)
        && pre.is_none_or(|pre| {
            pre.split('.').all(|part| {
                identifier(part) && (!part.bytes().all(|b| b.is_ascii_digit()) || numeric(part))
            })
        })
        && build.is_none_or(|build| build.split('.').all(identifier))
}

/// An address with the length of its network's prefix, in canonical form: `10.9.8.7/24`.
pub(crate) fn is_interface_address(value: &str) -> bool {
    let Some((address, length)) = value.split_once('/') else {
        return false;
    };
    let most = match address.parse() {
        Ok(std::net::IpAddr::V4(_)) => 32,
        Ok(std::net::IpAddr::V6(v6))
            if v6.to_ipv4_mapped().is_none() && v6.to_string() == address =>
        {
            128
        }
        _ => return false,
    };
    length
        .parse::<u8>()
        .is_ok_and(|n| n <= most && n.to_string() == length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semantic_versions() {
        for good in [
            "0.0.0",
            "1.2.3",
            "10.20.30-rc.1+b.01",
            "1.0.0--",
            "1.0.0-0a",
            "1.0.0+-",
        ] {
            assert!(is_semver(good), "{good}");
        }
        for bad in [
            "",
            "1",
            "1.2",
            "v1.2.3",
            "01.2.3",
            "1.2.3-",
            "1.2.3-01",
            "1.2.3+",
            "1.2.3-a..b",
            "1.2.3 ",
            "1.2.3+a+b",
        ] {
            assert!(!is_semver(bad), "{bad}");
        }
    }

    #[test]
    fn interface_addresses_are_canonical() {
        for good in ["10.9.8.7/24", "0.0.0.0/0", "2001:db8::1/64", "::/128"] {
            assert!(is_interface_address(good), "{good}");
        }
        for bad in [
            "10.9.8.7",
            "10.9.8.07/24",
            "10.9.8.7/33",
            "10.9.8.7/024",
            "2001:DB8::1/64",
            "::ffff:1.2.3.4/120",
            "2001:db8:0::1/64",
            "fe80::1%eth0/64",
        ] {
            assert!(!is_interface_address(bad), "{bad}");
        }
    }

    #[test]
    fn complaints_are_counted() {
        assert_eq!(dns_label("a.b").len(), 1);
        assert_eq!(dns_label(&"A".repeat(64)).len(), 2);
        assert_eq!(label_key("").len(), 2);
        assert_eq!(label_key("/").len(), 3);
        assert_eq!(label_key("a/b/c").len(), 1);
        assert_eq!(label_key("A/b").len(), 1);
        assert_eq!(object_name_prefix("a-").len(), 0);
        assert_eq!(object_name_prefix("A-").len(), 0);
        assert_eq!(object_name_prefix("-").len(), 1);
    }
}
