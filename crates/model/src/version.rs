//! Semantic versions 2.0.0 as `github.com/blang/semver/v4` reads, orders and prints them.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::Text;

/// A parsed semantic version.
///
/// Equality and order leave the build metadata out, as upstream's comparison does.
#[derive(Debug, Clone)]
pub struct Version {
    /// `1` of `1.2.3`
    pub major: u64,
    /// `2` of `1.2.3`
    pub minor: u64,
    /// `3` of `1.2.3`
    pub patch: u64,
    pre: Vec<Identifier>,
    build: Vec<Text>,
}

/// One part of a pre-release, between dots. Numbers come before texts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Number(u64),
    Text(Text),
}

/// Why a text is no semantic version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Nothing at all.
    #[error("version string empty")]
    Empty,
    /// Not three parts.
    #[error("no Major.Minor.Patch elements found")]
    Parts,
    /// A part that is no number.
    #[error("invalid character(s) found in number {0:?}")]
    Number(Text),
    /// A number such as `01`.
    #[error("number must not contain leading zeroes {0:?}")]
    LeadingZero(Text),
    /// A number beyond 64 bits.
    #[error("number {0:?} is out of range")]
    TooLarge(Text),
    /// An empty part of a pre-release or of build metadata.
    #[error("pre-release and build metadata must not be empty")]
    EmptyPart,
    /// A part of a pre-release or of build metadata with a forbidden character.
    #[error("invalid character(s) found in {0:?}")]
    Character(Text),
}

impl Version {
    /// A version without pre-release and build metadata.
    pub fn new(major: u64, minor: u64, patch: u64) -> Self {
        Version {
            major,
            minor,
            patch,
            pre: Vec::new(),
            build: Vec::new(),
        }
    }
}

fn number(text: &str) -> Result<u64, ParseError> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(ParseError::Number(text.into()));
    }
    if text.len() > 1 && text.starts_with('0') {
        return Err(ParseError::LeadingZero(text.into()));
    }
    text.parse().map_err(|_| ParseError::TooLarge(text.into()))
}

fn part(text: &str) -> Result<&str, ParseError> {
    if text.is_empty() {
        return Err(ParseError::EmptyPart);
    }
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        Ok(text)
    } else {
        Err(ParseError::Character(text.into()))
    }
}

impl FromStr for Version {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.is_empty() {
            return Err(ParseError::Empty);
        }
        let mut parts = text.splitn(3, '.');
        let (Some(major), Some(minor), Some(rest)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(ParseError::Parts);
        };
        // Build metadata begins at the first plus, a pre-release at the first dash before that.
        let (rest, build) = match rest.split_once('+') {
            Some((rest, build)) => (rest, Some(build)),
            None => (rest, None),
        };
        let (patch, pre) = match rest.split_once('-') {
            Some((patch, pre)) => (patch, Some(pre)),
            None => (rest, None),
        };
        let mut version = Version::new(number(major)?, number(minor)?, number(patch)?);
        for text in pre.into_iter().flat_map(|pre| pre.split('.')) {
            let text = part(text)?;
            version
                .pre
                .push(if text.bytes().all(|b| b.is_ascii_digit()) {
                    Identifier::Number(number(text)?)
                } else {
                    Identifier::Text(text.into())
                });
        }
        for text in build.into_iter().flat_map(|build| build.split('.')) {
            version.build.push(part(text)?.into());
        }
        Ok(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        for (index, part) in self.pre.iter().enumerate() {
            f.write_str(if index == 0 { "-" } else { "." })?;
            match part {
                Identifier::Number(number) => write!(f, "{number}")?,
                Identifier::Text(text) => f.write_str(text)?,
            }
        }
        for (index, part) in self.build.iter().enumerate() {
            f.write_str(if index == 0 { "+" } else { "." })?;
            f.write_str(part)?;
        }
        Ok(())
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.major, self.minor, self.patch)
            .cmp(&(other.major, other.minor, other.patch))
            // A pre-release comes before its release.
            .then_with(|| self.pre.is_empty().cmp(&other.pre.is_empty()))
            .then_with(|| self.pre.cmp(&other.pre))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_as_the_specification_says() {
        let ordered = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1",
            "1.2.0",
            "1.10.0",
        ];
        let versions: Vec<Version> = ordered.map(|v| v.parse().expect("a version")).into();
        for pair in versions.windows(2) {
            assert!(pair[0] < pair[1], "{} < {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn prints_what_it_read() {
        for text in ["1.2.3", "1.2.3-a.1+b.02", "0.0.0+x", "1.2.3-x-y"] {
            let version: Version = text.parse().expect("a version");
            assert_eq!(version.to_string(), text);
        }
        assert_eq!("1.2.3+a".parse::<Version>(), "1.2.3+b".parse());
    }

    #[test]
    fn refuses_what_is_none() {
        for text in [
            "",
            "1",
            "1.2",
            "v1.2.3",
            "1.2.3.4",
            "01.2.3",
            "1.2.3-",
            "1.2.3-01",
            "1.2.3+",
            "1.2.3-a_b",
            "99999999999999999999.0.0",
        ] {
            assert!(text.parse::<Version>().is_err(), "{text:?}");
        }
    }
}
