//! Between which numbers a size or a cost lies. Nothing overflows: the largest number is unlimited.

/// Between two numbers, both of them included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// At least.
    pub min: u64,
    /// At most.
    pub max: u64,
}

/// 2⁶⁴
const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;

fn scale(number: u64, factor: f64) -> u64 {
    let product = (number as f64 * factor).ceil();
    if product >= TWO_TO_64 {
        u64::MAX
    } else {
        product as u64
    }
}

impl Range {
    /// Nothing is known.
    pub const UNKNOWN: Range = Range {
        min: 0,
        max: u64::MAX,
    };
    /// What holds nothing yet.
    pub const NONE: Range = Range {
        min: u64::MAX,
        max: 0,
    };

    /// This number.
    pub fn fixed(number: u64) -> Self {
        Range {
            min: number,
            max: number,
        }
    }

    /// The sum.
    pub fn plus(self, other: Range) -> Self {
        Range {
            min: self.min.saturating_add(other.min),
            max: self.max.saturating_add(other.max),
        }
    }

    /// The product.
    pub fn times(self, other: Range) -> Self {
        Range {
            min: self.min.saturating_mul(other.min),
            max: self.max.saturating_mul(other.max),
        }
    }

    /// The product with a fraction, rounded up.
    pub fn scaled(self, factor: f64) -> Self {
        Range {
            min: scale(self.min, factor),
            max: scale(self.max, factor),
        }
    }

    /// What contains both.
    pub fn union(self, other: Range) -> Self {
        Range {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }
}
