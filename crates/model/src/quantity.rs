//! Amounts as Kubernetes writes them: `4`, `500m`, `96Gi`, `1e3`.
//!
//! Source: `k8s.io/apimachinery/pkg/api/resource` v0.37.2 (`quantity.go`, `suffix.go`, `math.go`).

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// An exact amount, with the notation it was written in: the notation decides how it and sums that
/// begin with it are printed.
///
/// Equality and order are those of the amount: `1Gi` equals `1073741824`.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    /// The amount is `digits * 10^exponent`; no factor of ten is left in `digits`, and a zero has
    /// the exponent zero, so equal amounts are equal here.
    digits: i128,
    exponent: i32,
    format: Format,
}

/// The family of suffixes a quantity was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// `Ki`, `Mi`, ...
    BinarySi,
    /// `m`, `k`, `M`, ... or none
    #[default]
    DecimalSi,
    /// `e3`, `E6`
    DecimalExponent,
}

/// Why a text is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not a number with a suffix at all.
    #[error(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )]
    Format,
    /// The number before the suffix is none.
    #[error("unable to parse numeric part of quantity")]
    Number,
    /// No suffix that Kubernetes knows.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// Billionths: the finest that Kubernetes keeps.
const FINEST: i32 = -9;

#[expect(
    clippy::should_implement_trait,
    reason = "sums keep the notation of their first term, which `+` would not lead one to expect"
)]
impl Quantity {
    /// Nothing, in decimal notation.
    pub const ZERO: Quantity = Quantity {
        digits: 0,
        exponent: 0,
        format: Format::DecimalSi,
    };

    /// `digits * 10^exponent` in the notation `format`.
    pub fn new(digits: i128, exponent: i32, format: Format) -> Self {
        let (mut digits, mut exponent) = (digits, exponent);
        if digits == 0 {
            exponent = 0;
        }
        while digits != 0 && digits % 10 == 0 {
            digits /= 10;
            exponent += 1;
        }
        Quantity {
            digits,
            exponent,
            format,
        }
    }

    /// A whole number in the notation `format`.
    pub fn from_int(value: i64, format: Format) -> Self {
        Self::new(value.into(), 0, format)
    }

    /// The notation.
    pub fn format(self) -> Format {
        self.format
    }

    /// The same amount in another notation.
    #[must_use]
    pub fn with_format(self, format: Format) -> Self {
        Quantity { format, ..self }
    }

    /// Whether the amount is zero.
    pub fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// -1, 0 or 1.
    pub fn sign(self) -> i32 {
        self.digits.signum() as i32
    }

    /// The amount in billionths, capped at the ends of the type.
    pub fn nanos(self) -> i128 {
        self.scaled(FINEST).0
    }

    /// The amount as a whole number, rounded away from zero (Go: `Value`), capped at the ends of
    /// the type.
    pub fn value(self) -> i64 {
        clamp(self.scaled(0).0)
    }

    /// The amount in thousandths, rounded away from zero (Go: `MilliValue`), capped at the ends of
    /// the type.
    pub fn milli_value(self) -> i64 {
        clamp(self.scaled(-3).0)
    }

    /// The amount as a whole number if it is one and fits.
    pub fn as_int(self) -> Option<i64> {
        match self.scaled(0) {
            (value, true) => i64::try_from(value).ok(),
            _ => None,
        }
    }

    /// The nearest floating point number to digits and exponent (Go: `AsApproximateFloat64`).
    pub fn approximate(self) -> f64 {
        self.digits as f64 * 10f64.powi(self.exponent)
    }

    /// The sum, in the notation of `self` unless that is zero.
    #[must_use]
    pub fn add(self, other: Quantity) -> Quantity {
        let format = if self.is_zero() {
            other.format
        } else {
            self.format
        };
        let exponent = self.exponent.min(other.exponent);
        let sum = self.raised(exponent).saturating_add(other.raised(exponent));
        Self::new(sum, exponent, format)
    }

    /// The difference, in the notation of `self` unless that is zero.
    #[must_use]
    pub fn sub(self, other: Quantity) -> Quantity {
        self.add(other.neg())
    }

    /// The negative.
    #[must_use]
    pub fn neg(self) -> Quantity {
        Quantity {
            digits: -self.digits,
            ..self
        }
    }

    /// The amount in units of `10^exponent`, which is no coarser than the amount's own.
    fn raised(self, exponent: i32) -> i128 {
        let power = power_of_ten(self.exponent - exponent);
        power.map_or_else(
            || extreme(self.digits),
            |power| self.digits.saturating_mul(power),
        )
    }

    /// The amount in units of `10^exponent`, rounded away from zero, and whether that is exact.
    fn scaled(self, exponent: i32) -> (i128, bool) {
        if self.exponent >= exponent {
            return (self.raised(exponent), true);
        }
        // No factor of ten is left, so something is always lost.
        match power_of_ten(exponent - self.exponent) {
            Some(power) => (self.digits / power + self.digits.signum(), false),
            None => (self.digits.signum(), false),
        }
    }
}

/// `10^exponent`, where the type holds it.
fn power_of_ten(exponent: i32) -> Option<i128> {
    let exponent = u32::try_from(exponent).ok()?;
    10i128.checked_pow(exponent)
}

/// The end of the type on the side of `digits`.
fn extreme(digits: i128) -> i128 {
    match digits.signum() {
        0 => 0,
        1 => i128::MAX,
        _ => i128::MIN,
    }
}

fn clamp(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

impl Default for Quantity {
    fn default() -> Self {
        Self::ZERO
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        (self.digits, self.exponent) == (other.digits, other.exponent)
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.exponent == other.exponent {
            return self.digits.cmp(&other.digits);
        }
        let by_sign = self.digits.signum().cmp(&other.digits.signum());
        if by_sign.is_ne() || self.is_zero() {
            return by_sign;
        }
        // Compare lengths first: amounts whose exponents are far apart cannot be aligned.
        let length = |q: &Quantity| q.digits.unsigned_abs().ilog10() as i32 + q.exponent;
        let by_length = length(self).cmp(&length(other));
        if by_length.is_ne() {
            return if self.digits > 0 {
                by_length
            } else {
                by_length.reverse()
            };
        }
        let exponent = self.exponent.min(other.exponent);
        self.raised(exponent).cmp(&other.raised(exponent))
    }
}

impl std::hash::Hash for Quantity {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.digits, self.exponent).hash(state);
    }
}

/// A suffix: its base, exponent and family.
fn suffix(text: &str) -> Option<(u32, i32, Format)> {
    let known = match text {
        "n" => (10, -9, Format::DecimalSi),
        "u" => (10, -6, Format::DecimalSi),
        "m" => (10, -3, Format::DecimalSi),
        "" => (10, 0, Format::DecimalSi),
        "k" => (10, 3, Format::DecimalSi),
        "M" => (10, 6, Format::DecimalSi),
        "G" => (10, 9, Format::DecimalSi),
        "T" => (10, 12, Format::DecimalSi),
        "P" => (10, 15, Format::DecimalSi),
        "E" => (10, 18, Format::DecimalSi),
        "Ki" => (2, 10, Format::BinarySi),
        "Mi" => (2, 20, Format::BinarySi),
        "Gi" => (2, 30, Format::BinarySi),
        "Ti" => (2, 40, Format::BinarySi),
        "Pi" => (2, 50, Format::BinarySi),
        "Ei" => (2, 60, Format::BinarySi),
        _ => {
            let exponent = text.strip_prefix(['e', 'E'])?;
            return Some((10, exponent.parse().ok()?, Format::DecimalExponent));
        }
    };
    Some(known)
}

impl FromStr for Quantity {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(ParseError::Format);
        }
        let (negative, rest) = match text.as_bytes()[0] {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let digits_end = |s: &str| s.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, rest) = rest.split_at(digits_end(rest));
        let (fraction, rest) = match rest.strip_prefix('.') {
            Some(after) => after.split_at(digits_end(after)),
            None => ("", rest),
        };
        // The suffix: letters, then perhaps a signed number, then nothing.
        let letters = rest
            .bytes()
            .take_while(|b| b"eEinumkKMGTP".contains(b))
            .count();
        let tail = rest[letters..].strip_prefix(['+', '-']);
        let tail = tail.unwrap_or(&rest[letters..]);
        if digits_end(tail) != tail.len() {
            return Err(ParseError::Format);
        }
        let (base, exponent, format) = suffix(rest).ok_or(ParseError::Suffix)?;
        // A bare sign or dot reads as zero, as the leading zeros of a number do.
        let written = format!("{whole}{fraction}");
        let written = written.trim_start_matches('0');
        let mut digits: i128 = match written {
            "" => 0,
            some => some.parse().map_err(|_| ParseError::Number)?,
        };
        let mut scale = -i32::try_from(fraction.len()).map_err(|_| ParseError::Number)?;
        if base == 10 {
            scale = scale.saturating_add(exponent);
        } else {
            digits = digits
                .checked_mul(1 << exponent)
                .ok_or(ParseError::Number)?;
        }
        let mut amount = Quantity::new(digits, scale, format);
        if amount.exponent < FINEST {
            amount = Quantity::new(amount.scaled(FINEST).0, FINEST, format);
        }
        if format == Format::BinarySi {
            let most = Quantity::from_int(i64::MAX, format);
            if amount > most {
                amount = most;
            }
            if !amount.is_zero() && amount < Quantity::from_int(1, format) {
                amount.format = Format::DecimalSi;
            }
        }
        Ok(if negative { amount.neg() } else { amount })
    }
}

impl fmt::Display for Quantity {
    /// The canonical form: the largest suffix that leaves no fraction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0");
        }
        let bound = Quantity::from_int(1024, Format::DecimalSi);
        if self.format == Format::BinarySi
            && self.exponent >= 0
            && !(*self > bound.neg() && *self < bound)
        {
            let mut value = self.raised(0);
            let mut times = 0;
            while value % 1024 == 0 && times < 6 {
                value /= 1024;
                times += 1;
            }
            let suffix = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][times];
            return write!(f, "{value}{suffix}");
        }
        // Engineering notation: the exponent is a multiple of three.
        let exponent = self.exponent.div_euclid(3) * 3;
        let digits = self.raised(exponent);
        let suffix = match (self.format, exponent) {
            (_, 0) => "",
            (Format::DecimalExponent, _) => return write!(f, "{digits}e{exponent}"),
            (_, -9) => "n",
            (_, -6) => "u",
            (_, -3) => "m",
            (_, 3) => "k",
            (_, 6) => "M",
            (_, 9) => "G",
            (_, 12) => "T",
            (_, 15) => "P",
            (_, 18) => "E",
            // Go prints no suffix where it knows none, and with it the wrong amount.
            _ => "",
        };
        write!(f, "{digits}{suffix}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str) -> Quantity {
        text.parse().expect("a quantity")
    }

    #[test]
    fn prints_the_canonical_form() {
        for (text, canonical) in [
            ("0", "0"),
            ("-0", "0"),
            ("4", "4"),
            ("1000", "1k"),
            ("1500", "1500"),
            ("0.5", "500m"),
            ("100e-3", "100e-3"),
            ("1e3", "1e3"),
            ("12E6", "12e6"),
            ("1024Mi", "1Gi"),
            ("1025Ki", "1025Ki"),
            ("512", "512"),
            ("0.5Ki", "512"),
            ("0.5Mi", "512Ki"),
            ("0.1Ki", "102400m"),
            ("1.5Gi", "1536Mi"),
            ("0.0000000001", "1n"),
            ("-1.5", "-1500m"),
            ("16Ei", "9223372036854775807"),
        ] {
            assert_eq!(quantity(text).to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_quantity() {
        for text in [
            "", "x", "1x", "1 ", " 1", "1Kib", "1mm", "1e", "1e1.5", "--1",
        ] {
            assert!(text.parse::<Quantity>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn compares_by_amount() {
        assert_eq!(quantity("1Gi"), quantity("1073741824"));
        assert!(quantity("1e30") > quantity("16Ei"));
        assert!(quantity("-1e30") < quantity("1n"));
        assert!(quantity("999m") < quantity("1"));
    }

    #[test]
    fn sums_keep_the_notation_of_the_first() {
        assert_eq!(quantity("1Gi").add(quantity("1Gi")).to_string(), "2Gi");
        assert_eq!(quantity("0").add(quantity("1Gi")).to_string(), "1Gi");
        assert_eq!(quantity("1").sub(quantity("1500m")).to_string(), "-500m");
    }

    #[test]
    fn rounds_away_from_zero() {
        assert_eq!(quantity("1001m").value(), 2);
        assert_eq!(quantity("-1001m").value(), -2);
        assert_eq!(quantity("1500u").milli_value(), 2);
        assert_eq!(quantity("1e30").value(), i64::MAX);
        assert_eq!(quantity("1500m").as_int(), None);
        assert_eq!(quantity("2k").as_int(), Some(2000));
    }
}
