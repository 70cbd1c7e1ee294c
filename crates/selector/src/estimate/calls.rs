//! What a call can cost, and how large what it makes can be.
//!
//! Sources: `k8s.io/apiserver` v0.37.2 (`pkg/cel/library/cost.go`), cel-go v0.29.2
//! (`checker/cost.go`, `ext/lists.go`, `ext/sets.go`).

use super::expand::{Form, Node};
use super::path::{Path, Step};
use super::range::Range;
use crate::charge::CHECK;
use crate::overload::Work;
use crate::typing::Type;
use crate::value::Value;

/// What is known of an argument.
pub(super) struct Argument<'n> {
    pub path: Option<Path>,
    pub size: Option<Range>,
    pub node: &'n Node,
}

impl Argument<'_> {
    pub(super) fn known(&self) -> Range {
        self.size.unwrap_or(Range::UNKNOWN)
    }

    /// A literal whole number; the default for what is none, nothing for a negative one.
    fn number(&self, default: u64) -> u64 {
        match &self.node.form {
            Form::Literal(Value::Int(value)) => u64::try_from(*value).unwrap_or(0),
            _ => default,
        }
    }

    /// The type and the size of what is in it.
    fn element(&self) -> Option<(&Type, Range)> {
        let item = match &self.node.found {
            Type::List(item) | Type::Optional(item) | Type::Type(item) => item,
            Type::Map(key, _) => key,
            _ => return None,
        };
        let path = self.path.as_ref();
        let size = path.and_then(|path| Path::apart(path, Step::Items).size());
        Some((item, size.unwrap_or(Range::UNKNOWN)))
    }
}

/// What a call costs, and how large its result is, if that is known.
pub(super) struct Estimate {
    pub cost: Range,
    pub size: Option<Range>,
}

fn cost(cost: Range) -> Estimate {
    Estimate { cost, size: None }
}

const TRAVERSAL: f64 = 0.1;
const PATTERN: f64 = 0.25;
/// Of a list that is made, and the call.
const NEW_LIST: u64 = 11;
/// What the pattern of a named format is taken for.
const LONGEST_FORMAT: f64 = 128.0;

fn new_list(size: Range, factor: f64) -> Estimate {
    Estimate {
        cost: size.scaled(factor).plus(Range::fixed(NEW_LIST)),
        size: Some(size),
    }
}

/// The call alone, without its arguments.
pub(super) fn estimate(
    function: &str,
    work: Work,
    target: Option<&Argument<'_>>,
    arguments: &[Argument<'_>],
) -> Estimate {
    by_overload(work, target, arguments)
        .or_else(|| by_function(function, work, target, arguments))
        .unwrap_or_else(|| standard(work, target, arguments))
}

fn by_overload(
    work: Work,
    target: Option<&Argument<'_>>,
    arguments: &[Argument<'_>],
) -> Option<Estimate> {
    let of_target = target.map_or(Range::UNKNOWN, Argument::known);
    Some(match (work, arguments) {
        (Work::Slice, [start, end]) => {
            let count = end.number(of_target.max).wrapping_sub(start.number(0));
            new_list(Range::fixed(count), 1.0)
        }
        (Work::Flatten, []) => new_list(of_target, 1.0),
        (Work::Flatten, [depth]) => new_list(of_target, depth.number(u64::MAX) as f64),
        (Work::Range, [count]) => new_list(Range::fixed(count.number(u64::MAX)), 1.0),
        (Work::Reverse, _) => new_list(of_target, 1.0),
        (Work::Distinct, _) => new_list(of_target.times(of_target), 2.0),
        (Work::Sort { texts }, _) => sorted(of_target, texts),
        (Work::SortBy { texts }, [keys]) => sorted(keys.known(), texts),
        (Work::Sets { times }, [one, other]) => cost(
            one.known()
                .times(other.known())
                .scaled(f64::from(times))
                .plus(Range::fixed(1)),
        ),
        _ => return None,
    })
}

fn sorted(size: Range, texts: bool) -> Estimate {
    let factor = if texts { 2.0 + TRAVERSAL } else { 2.0 };
    new_list(size.times(size), factor)
}

fn by_function(
    function: &str,
    work: Work,
    target: Option<&Argument<'_>>,
    arguments: &[Argument<'_>],
) -> Option<Estimate> {
    let one = Range::fixed(1);
    // Addresses have four bytes, or sixteen.
    let address = Range { min: 4, max: 16 };
    let parsed = |argument: &Argument<'_>| argument.known().scaled(TRAVERSAL);
    Some(match (function, target, arguments) {
        (
            "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" | "includes",
            Some(list),
            _,
        ) => match list.element() {
            Some((Type::String | Type::Bytes, size)) => {
                cost(list.known().times(one.plus(size.scaled(TRAVERSAL))))
            }
            Some(_) => cost(list.known().times(one)),
            None if function == "includes" => cost(list.known().times(one)),
            None => cost(parsed(list)),
        },
        ("url", _, [text]) => Estimate {
            cost: parsed(text),
            size: Some(text.known()),
        },
        ("lowerAscii" | "upperAscii" | "substring" | "trim", Some(text), _) => Estimate {
            cost: parsed(text),
            size: Some(text.known()),
        },
        ("replace", Some(text), [from, to, ..]) => Estimate {
            cost: text.known().scaled(2.0 * TRAVERSAL),
            size: Some(replaced(text.known(), from.known(), to.known())),
        },
        ("split", Some(text), _) => {
            let max = match arguments.get(1).map(|limit| &limit.node.form) {
                Some(Form::Literal(Value::Int(limit))) => *limit as u64,
                _ => text.known().max,
            };
            Estimate {
                cost: text.known().scaled(2.0 * TRAVERSAL),
                size: Some(Range { min: 0, max }),
            }
        }
        ("join", Some(list), _) => {
            let count = list.known();
            let mut size = match list.element() {
                Some((_, item)) => count.times(item),
                None => Range::fixed(0),
            };
            if let Some(separator) = arguments.first() {
                let between = Range {
                    min: count.min.saturating_sub(1),
                    max: count.max.saturating_sub(1),
                };
                size = size.plus(separator.known().times(between));
            }
            Estimate {
                cost: size.scaled(TRAVERSAL),
                size: Some(size),
            }
        }
        ("find" | "findAll", Some(text), [pattern, ..]) => Estimate {
            cost: searched(text.known(), pattern.known()),
            size: Some(Range {
                min: 0,
                max: text.known().max,
            }),
        },
        ("check", _, _) => cost(Range::fixed(CHECK)),
        ("fieldSelector" | "labelSelector", _, [text]) => {
            let requirements = text.known().scaled(0.5).scaled(50.0);
            cost(parsed(text).plus(requirements).plus(Range::fixed(10)))
        }
        ("ip", _, _) if work == Work::CidrIp => cost(one),
        (
            "cidr" | "isIP" | "isCIDR" | "ip" | "quantity" | "isQuantity" | "semver" | "isSemver",
            _,
            [text, ..],
        ) => cost(parsed(text)),
        ("ip.isCanonical", _, [text, ..]) => cost(text.known().scaled(2.0 * TRAVERSAL)),
        ("containsIP", _, [other, ..]) => {
            let mut total = address.plus(address).scaled(TRAVERSAL);
            if work == Work::ContainsIpText {
                total = total.plus(parsed(other));
            }
            cost(total)
        }
        ("containsCIDR", _, [other, ..]) => {
            let compared = address.plus(address).scaled(TRAVERSAL);
            let mut total = compared.plus(address.scaled(TRAVERSAL)).plus(one);
            if work == Work::ContainsCidrText {
                total = total.plus(parsed(other));
            }
            cost(total)
        }
        ("validate", _, [text, ..]) => cost(parsed(text).scaled(LONGEST_FORMAT * PATTERN)),
        (
            "masked"
            | "prefixLength"
            | "family"
            | "isUnspecified"
            | "isLoopback"
            | "isLinkLocalMulticast"
            | "isLinkLocalUnicast"
            | "isGlobalUnicast"
            | "format.named"
            | "sign"
            | "asInteger"
            | "isInteger"
            | "asApproximateFloat"
            | "isGreaterThan"
            | "isLessThan"
            | "compareTo"
            | "add"
            | "sub"
            | "major"
            | "minor"
            | "patch"
            | "getScheme"
            | "getHostname"
            | "getHost"
            | "getPort"
            | "getEscapedPath"
            | "getQuery",
            _,
            _,
        ) => cost(one),
        ("_==_", _, [left, right]) if left.node.found == right.node.found => {
            let most = match left.node.found {
                Type::Opaque("net.IP" | "net.CIDR") => return Some(cost(one)),
                Type::Opaque("kubernetes.Quantity" | "kubernetes.Semver") => {
                    return Some(cost(one));
                }
                Type::Opaque("kubernetes.NamedFormat") => 64,
                Type::Opaque("kubernetes.URL") => right.size.map_or(1, |size| size.max),
                _ => return None,
            };
            cost(Range { min: 1, max: most }.scaled(TRAVERSAL))
        }
        _ => return None,
    })
}

/// A text of this size searched for a pattern of that size.
fn searched(text: Range, pattern: Range) -> Range {
    let text = text.plus(Range::fixed(1)).scaled(TRAVERSAL);
    text.times(pattern.scaled(PATTERN))
}

/// How long a text can be after one text was replaced by another.
fn replaced(text: Range, from: Range, to: Range) -> Range {
    let quotient = |a: u64, b: u64| (a as f64 / b as f64).ceil() as u64;
    let (mut times, mut kept) = (Range::fixed(0), Range::fixed(0));
    if from.min == 0 {
        // Nothing is found before each character, and at the end.
        times.max = text.max.saturating_add(1);
        kept.max = text.max;
    } else if to.max <= from.min {
        kept.max = text.max;
    } else {
        times.max = quotient(text.max, from.min);
    }
    if from.max == 0 {
        times.min = text.min.saturating_add(1);
        kept.min = text.min;
    } else if from.max <= to.min {
        kept.min = text.min;
    } else {
        times.min = quotient(text.min, from.max);
    }
    times.times(to).plus(kept)
}

fn standard(work: Work, target: Option<&Argument<'_>>, arguments: &[Argument<'_>]) -> Estimate {
    let plain = cost(Range::fixed(1));
    match (work, target, arguments) {
        (Work::Format, Some(text), _) => cost(text.known().scaled(TRAVERSAL)),
        (Work::TextToBytes, _, [text]) => Estimate {
            cost: text.known().scaled(TRAVERSAL),
            size: Some(Range {
                min: text.known().min,
                max: text.known().max.wrapping_mul(4),
            }),
        },
        (Work::BytesToText, _, [bytes]) => Estimate {
            cost: bytes.known().scaled(TRAVERSAL),
            size: Some(Range {
                min: bytes.known().min / 4,
                max: bytes.known().max,
            }),
        },
        (Work::Quote, _, [text]) => Estimate {
            cost: text.known().scaled(TRAVERSAL),
            size: Some(Range {
                min: text.known().min.wrapping_add(2),
                max: text.known().max.wrapping_mul(2).wrapping_add(2),
            }),
        },
        (Work::Affix, _, [part]) => cost(part.known().scaled(TRAVERSAL)),
        (Work::InList, _, [_, list]) => cost(list.known().scaled(1.0)),
        (Work::Matches, Some(text), [pattern]) | (Work::Matches, None, [text, pattern]) => {
            cost(searched(text.known(), pattern.known()))
        }
        (Work::Contains, Some(text), [part]) => cost(
            text.known()
                .scaled(TRAVERSAL)
                .times(part.known().scaled(TRAVERSAL)),
        ),
        (Work::AddText, _, [left, right]) => {
            let size = left.known().plus(right.known());
            Estimate {
                cost: size.scaled(TRAVERSAL),
                size: Some(size),
            }
        }
        (Work::AddList, _, [left, right]) => Estimate {
            size: Some(left.known().plus(right.known())),
            ..plain
        },
        (Work::Order | Work::Equal | Work::NotEqual, _, [left, right]) => {
            let max = left.known().max.min(right.known().max);
            let range = Range {
                min: u64::from(max > 0),
                max,
            };
            cost(range.scaled(TRAVERSAL))
        }
        _ => plain,
    }
}
