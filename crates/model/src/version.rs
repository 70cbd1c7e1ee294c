//! Semantic versions 2.0.0 as `github.com/blang/semver/v4` reads and orders them.

/// A parsed semantic version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {}
