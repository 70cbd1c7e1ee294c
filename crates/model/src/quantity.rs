//! Amounts as Kubernetes writes them: `4`, `500m`, `96Gi`, `1e3`.
//!
//! Source: `k8s.io/apimachinery/pkg/api/resource` v0.37.2 (`quantity.go`, `suffix.go`).

use std::fmt;
use std::str::FromStr;

/// An exact amount with the notation it was written in, which decides how sums are printed.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    /// Billionths: the finest that Kubernetes keeps.
    nanos: i128,
    format: Format,
}

/// The family of suffixes a quantity was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `Ki`, `Mi`, ...
    BinarySi,
    /// `m`, `k`, `M`, ... or none
    DecimalSi,
    /// `e3`, `E6`
    DecimalExponent,
}

/// Why a text is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a quantity")]
pub struct ParseError;

impl Quantity {
    /// The amount in billionths.
    pub fn nanos(self) -> i128 {
        self.nanos
    }
}

impl FromStr for Quantity {
    type Err = ParseError;
    fn from_str(_text: &str) -> Result<Self, Self::Err> {
        Err(ParseError)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.nanos, self.format)
    }
}
