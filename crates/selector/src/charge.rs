//! What a call costs when it is evaluated, beyond its arguments.
//!
//! Sources: cel-go v0.29.2 (`interpreter/runtimecost.go`, `ext/lists.go`, `ext/sets.go`) and
//! `k8s.io/apiserver` v0.37.2 (`pkg/cel/library/cost.go`). An argument that failed counts as one.

use crate::eval::Error;
use crate::library::format::longest_pattern;
use crate::overload::Work;
use crate::value::Value;

/// How the cost of a call is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Charge {
    /// One, whatever the arguments.
    #[default]
    One,
    /// Nothing: membership in a constant list is looked up.
    Free,
    /// The first argument, all the way down.
    Traverse,
    /// The text that is the first argument, this many times.
    Text(u32),
    /// The text that is the second argument.
    Affix,
    /// The text that is the result, twice.
    Result,
    /// A text searched for a regular expression.
    Pattern,
    /// A text searched for another.
    Contains,
    /// A text checked against a named format.
    Validate,
    /// The shorter of two values.
    Shorter,
    /// The same, but one for Kubernetes' own types.
    Equal,
    /// Two texts.
    Both,
    /// As many as the second argument has elements.
    Members,
    /// Two networks, or a network and an address, which may have to be parsed.
    Network {
        /// Whether both are networks.
        networks: bool,
        /// Whether the second is a text.
        parsed: bool,
    },
    /// As many as the result has elements.
    Output,
    /// As many as the first argument has elements, for each level.
    Flatten,
    /// Every element compared with every other.
    Compare,
    /// Each element of one list looked up in the other, so many times.
    Sets(u32),
    /// An authorization, of which an expression can afford two.
    Check,
    /// A selector of labels or fields: the text, and a requirement for every two characters of it.
    Selector,
}

/// The charge of a function of which these overloads fit.
pub fn charge(function: &str, fitting: &[Work]) -> Charge {
    let one = match fitting {
        [one] => *one,
        // What is decided when it is evaluated costs as what has no rule of its own.
        _ => Work::Plain,
    };
    match one {
        Work::Slice | Work::Range | Work::Reverse => return Charge::Output,
        Work::Flatten => return Charge::Flatten,
        Work::Distinct | Work::Sort { .. } => return Charge::Compare,
        Work::Sets { times } => return Charge::Sets(times),
        _ => {}
    }
    match (function, one) {
        ("isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" | "includes", _) => {
            Charge::Traverse
        }
        ("ip", Work::CidrIp) => Charge::One,
        (
            "url" | "lowerAscii" | "upperAscii" | "substring" | "trim" | "cidr" | "isIP" | "isCIDR"
            | "ip" | "quantity" | "isQuantity" | "semver" | "isSemver",
            _,
        ) => Charge::Text(1),
        ("replace" | "split" | "ip.isCanonical", _) => Charge::Text(2),
        ("join", _) => Charge::Result,
        ("check", _) => Charge::Check,
        ("fieldSelector" | "labelSelector", _) => Charge::Selector,
        ("find" | "findAll", _) | (_, Work::Matches) => Charge::Pattern,
        ("containsIP", work) => Charge::Network {
            networks: false,
            parsed: work == Work::ContainsIpText,
        },
        ("containsCIDR", work) => Charge::Network {
            networks: true,
            parsed: work == Work::ContainsCidrText,
        },
        ("validate", _) => Charge::Validate,
        ("_==_", _) => Charge::Equal,
        (_, Work::NotEqual | Work::Order) => Charge::Shorter,
        (_, Work::Affix) => Charge::Affix,
        (_, Work::TextToBytes | Work::BytesToText | Work::Quote | Work::Format) => Charge::Text(1),
        (_, Work::InList) => Charge::Members,
        (_, Work::AddText) => Charge::Both,
        (_, Work::Contains) => Charge::Contains,
        _ => Charge::One,
    }
}

/// A text costs a tenth of its length.
const TRAVERSAL: f64 = 0.1;
/// A regular expression costs a quarter of its length.
const PATTERN: f64 = 0.25;
/// What a list costs that a function makes, with the call.
const NEW_LIST: u64 = 11;

/// What an authorization costs.
pub(crate) const CHECK: u64 = 350_000;

/// Rounded up.
fn part(length: f64, factor: f64) -> u64 {
    (length * factor).ceil() as u64
}

type Argument<'a> = Option<&'a Value>;

impl Charge {
    /// The cost. `None` for an argument that failed; `result` for what the call made, unless it
    /// failed. `Err` where cel-go panics, which no operator can make good.
    pub fn cost(self, arguments: &[Argument<'_>], result: Argument<'_>) -> Result<u64, Error> {
        let argument = |index: usize| arguments.get(index).copied().flatten();
        let size = |index: usize| size(argument(index));
        Ok(match self {
            Charge::One => 1,
            Charge::Free => 0,
            Charge::Traverse => argument(0).map_or(1, traversal),
            Charge::Text(1) => part(size(0) as f64, TRAVERSAL),
            Charge::Text(times) => part(size(0) as f64 * f64::from(times), TRAVERSAL),
            Charge::Affix => part(inner_size(argument(1)) as f64, TRAVERSAL),
            Charge::Result => part(self::size(result) as f64 * 2.0, TRAVERSAL),
            Charge::Pattern => pattern(size(0), size(1)),
            Charge::Contains => {
                let share = |index| part(inner_size(argument(index)) as f64, TRAVERSAL);
                share(0) * share(1)
            }
            Charge::Validate => match argument(0) {
                Some(Value::Format(name)) => pattern(size(1), longest_pattern(name)),
                _ => 1,
            },
            Charge::Equal if argument(0).is_some_and(Value::is_kubernetes) => 1,
            Charge::Equal | Charge::Shorter => {
                let shorter = inner_size(argument(0)).min(inner_size(argument(1)));
                part(shorter as f64, TRAVERSAL)
            }
            Charge::Both => {
                let both = inner_size(argument(0)) + inner_size(argument(1));
                part(both as f64, TRAVERSAL)
            }
            Charge::Members => inner_size(argument(1)),
            Charge::Network { networks, parsed } => {
                let mut cost = part((size(0) + size(0)) as f64, TRAVERSAL);
                if networks {
                    cost += part(size(0) as f64, TRAVERSAL) + 1;
                }
                if parsed {
                    cost += part(size(1) as f64, TRAVERSAL);
                }
                cost
            }
            Charge::Output => NEW_LIST + self::size(result),
            Charge::Flatten => {
                let depth = match arguments.get(1) {
                    None => 1.0,
                    Some(Some(Value::Int(depth))) if *depth >= 0 => *depth as f64,
                    Some(Some(Value::Int(_))) => 1.0,
                    Some(_) => return Err(panicked()),
                };
                ((size(0) as f64 * depth) as u64).saturating_add(NEW_LIST)
            }
            Charge::Compare => match argument(0) {
                Some(Value::List(items)) => compare_all(items),
                _ => return Err(panicked()),
            },
            Charge::Check => CHECK,
            Charge::Selector => {
                let length = size(1) as f64;
                10 + part(length, TRAVERSAL) + 50 * part(length, 0.5)
            }
            Charge::Sets(times) => {
                let pairs = size(0).saturating_mul(size(1));
                ((pairs as f64 * f64::from(times)) as u64).saturating_add(1)
            }
        })
    }
}

fn panicked() -> Error {
    Error::new("internal error: no list")
}

/// Every element compared with every other, twice.
pub fn compare_all(items: &[Value]) -> u64 {
    let factor = match items.first() {
        Some(Value::String(_) | Value::Bytes(_)) => 2.0 + TRAVERSAL,
        _ => 2.0,
    };
    let count = items.len() as u64;
    ((count.saturating_mul(count) as f64 * factor) as u64).saturating_add(NEW_LIST)
}

/// A text of this length, searched for a pattern of that length.
fn pattern(text: u64, pattern: u64) -> u64 {
    part(1.0 + text as f64, TRAVERSAL) * part(pattern as f64, PATTERN)
}

/// The length of what has one, else one.
fn size(value: Argument<'_>) -> u64 {
    match value {
        // Most texts are ASCII, which is seen faster than characters are counted.
        Some(Value::String(text)) if text.is_ascii() => text.len() as u64,
        Some(Value::String(text)) => text.chars().count() as u64,
        Some(Value::Bytes(bytes)) => bytes.len() as u64,
        Some(Value::List(items)) => items.len() as u64,
        Some(Value::Map(map)) => map.entries.len() as u64,
        // The driver, the attributes, the capacity, whether it can be shared.
        Some(Value::Device) => 4,
        Some(Value::Ip(address)) if address.is_ipv4() => 4,
        Some(Value::Ip(_)) => 16,
        Some(Value::Cidr(network)) => u64::from(network.prefix).div_ceil(8),
        _ => 1,
    }
}

/// The same, and what is in an optional counts.
fn inner_size(value: Argument<'_>) -> u64 {
    match value {
        Some(Value::Optional(Some(inner))) => inner_size(Some(inner)),
        other => size(other),
    }
}

fn traversal(value: &Value) -> u64 {
    let text = |length: usize| (length as f64 * TRAVERSAL) as u64;
    match value {
        Value::String(value) => text(value.len()),
        Value::Bytes(value) => text(value.len()),
        Value::List(items) => items.iter().map(traversal).sum(),
        Value::Map(map) => map
            .entries
            .iter()
            .map(|(key, value)| traversal(&key.value()) + traversal(value))
            .sum(),
        _ => 1,
    }
}
