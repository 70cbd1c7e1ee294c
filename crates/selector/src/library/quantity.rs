//! Kubernetes' quantities.

use std::fmt;
use std::sync::Arc;

use trainyard_model::quantity::{Format, Quantity};

use crate::eval::Error;
use crate::value::Value;

use super::Evaluated;

/// A quantity, and how upstream holds it, on which depends whether it passes for a whole number.
#[derive(Debug, Clone, Copy)]
pub struct Amount {
    quantity: Quantity,
    small: Option<Small>,
}

/// `digits * 10^scale`, in 64 bits; what does not fit, or might not, is a decimal of any length.
#[derive(Debug, Clone, Copy)]
struct Small {
    digits: i64,
    scale: i32,
}

impl PartialEq for Amount {
    fn eq(&self, other: &Self) -> bool {
        self.quantity == other.quantity
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.quantity.fmt(f)
    }
}

impl From<Quantity> for Amount {
    /// As if it was read from the text that it is written as.
    fn from(quantity: Quantity) -> Self {
        let small = Small::read(&quantity.to_string());
        Amount { quantity, small }
    }
}

impl Small {
    /// What upstream's parser takes for a small number: by its digits and its suffix.
    fn read(text: &str) -> Option<Small> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let number = unsigned.trim_end_matches(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, suffix) = match unsigned.find(['e', 'E']) {
            // An exponent, unless it is the suffix of 10^18 or 2^60.
            Some(at) if unsigned[at + 1..].ends_with(|c: char| c.is_ascii_digit()) => {
                unsigned.split_at(at)
            }
            _ => unsigned.split_at(number.len()),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let whole = match whole.trim_start_matches('0') {
            "" => "0",
            whole => whole,
        };
        let digits = (whole.len() + fraction.len()) as i32;
        let (scale, factor) = match suffix {
            "" => (0, 1),
            "n" => (-9, 1),
            "u" => (-6, 1),
            "m" => (-3, 1),
            "k" => (3, 1),
            "M" => (6, 1),
            "G" => (9, 1),
            "T" => (12, 1),
            "P" => (15, 1),
            "E" => (18, 1),
            binary if binary.ends_with('i') => {
                let power = 10 * (1 + "KMGTPE".find(&binary[..1])? as i32);
                let room = 15 - whole.len() as i32 - (power * 3) / 10 - 1;
                if !fraction.is_empty() || room < 0 {
                    return None;
                }
                (0, 1i64 << power)
            }
            exponent => (exponent[1..].parse().ok()?, 1),
        };
        let scale = scale - fraction.len() as i32;
        if digits > 18 || scale < -9 {
            return None;
        }
        let value: i64 = format!("{whole}{fraction}").parse().ok()?;
        let value = value.checked_mul(factor)?;
        let digits = if negative { -value } else { value };
        Some(Small { digits, scale })
    }

    fn raised(self, scale: i32) -> Option<i64> {
        let power = u32::try_from(self.scale - scale).ok()?;
        self.digits.checked_mul(10i64.checked_pow(power)?)
    }

    fn add(self, other: Small) -> Option<Small> {
        if other.digits == 0 {
            return Some(self);
        }
        if self.digits == 0 {
            return Some(other);
        }
        let scale = self.scale.min(other.scale);
        let digits = self.raised(scale)?.checked_add(other.raised(scale)?)?;
        Some(Small { digits, scale })
    }
}

impl Amount {
    fn whole(value: i64) -> Amount {
        Amount {
            quantity: Quantity::from_int(value, Format::DecimalExponent),
            small: Some(Small {
                digits: value,
                scale: 0,
            }),
        }
    }

    /// As a whole number: thousandths are none, however many.
    fn as_int(self) -> Option<i64> {
        let small = self.small.filter(|small| small.scale >= 0)?;
        small.raised(0)
    }

    fn add(self, other: Amount) -> Amount {
        let small = self.small.zip(other.small);
        Amount {
            quantity: self.quantity.add(other.quantity),
            small: small.and_then(|(one, other)| one.add(other)),
        }
    }

    fn sub(self, other: Amount) -> Amount {
        let negative = other.small.map(|small| Small {
            digits: small.digits.wrapping_neg(),
            ..small
        });
        let mut difference = self.add(Amount {
            quantity: other.quantity.neg(),
            small: negative,
        });
        // In 64 bits the least number is its own negative.
        let wrapped = negative.is_some_and(|small| small.digits == i64::MIN);
        if wrapped && difference.small.is_some() {
            difference.quantity = self.quantity.add(other.quantity);
        }
        difference
    }
}

pub(super) fn call(function: &str, arguments: &[Value]) -> Option<Evaluated> {
    use Value::{Computed, Quantity as Q};
    let computed = |amount: Amount| Computed(Arc::new(amount));
    let amount = |index: usize| match arguments.get(index) {
        Some(Q(amount) | Computed(amount)) => Some(**amount),
        _ => None,
    };
    match (function, arguments) {
        ("quantity", [Value::String(text)]) => {
            return Some(parse(text).map(|amount| Q(Arc::new(amount))));
        }
        ("isQuantity", [Value::String(text)]) => return Some(Ok(parse(text).is_ok().into())),
        _ => {}
    }
    let q = amount(0)?;
    Some(Ok(match (function, amount(1), arguments) {
        ("sign", _, [_]) => Value::Int(q.quantity.sign().into()),
        ("isInteger", _, [_]) => Value::Bool(q.as_int().is_some()),
        ("asInteger", _, [_]) => match q.as_int() {
            Some(whole) => Value::Int(whole),
            None => return Some(Err(Error::new("cannot convert value to integer"))),
        },
        ("asApproximateFloat", _, [_]) => Value::Double(q.quantity.approximate()),
        ("add", Some(other), _) => computed(q.add(other)),
        ("add", _, [_, Value::Int(other)]) => computed(q.add(Amount::whole(*other))),
        ("sub", Some(other), _) => computed(q.sub(other)),
        ("sub", _, [_, Value::Int(other)]) => computed(q.sub(Amount::whole(*other))),
        ("isLessThan", Some(other), _) => Value::Bool(q.quantity < other.quantity),
        ("isGreaterThan", Some(other), _) => Value::Bool(q.quantity > other.quantity),
        ("compareTo", Some(other), _) => Value::Int(q.quantity.cmp(&other.quantity) as i64),
        _ => return None,
    }))
}

fn parse(text: &str) -> Result<Amount, Error> {
    let quantity = text
        .parse()
        .map_err(|error: trainyard_model::quantity::ParseError| Error::new(error.to_string()))?;
    let small = Small::read(text);
    Ok(Amount { quantity, small })
}
