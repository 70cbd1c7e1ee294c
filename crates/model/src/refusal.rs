//! Why claims do not fit on a node, as data: what is wanted, what stands in the way, and what would
//! fit instead.
//!
//! Words are at the end: [`Refusal`]'s `Display` is one short sentence, [`Refusal::details`] the
//! rest of the proof.

use std::fmt;

use crate::Text;
use crate::slice::DeviceId;

/// The reason, reduced: the cited requests and constraints alone are refused, too, and without any
/// one of them the rest is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What the reason rests on.
    pub cited: Vec<Cited>,
    /// What is the matter with it.
    pub reason: Reason,
    /// What would fit instead.
    pub remedies: Vec<Remedy>,
}

/// Part of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cited {
    /// The claim's place in the question.
    pub claim: usize,
    /// `namespace/name`
    pub name: Text,
    /// Names of requests.
    pub requests: Vec<Text>,
    /// Places of constraints in the claim.
    pub constraints: Vec<usize>,
}

/// What is the matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Nothing is published for the node.
    NoDevices,
    /// No device is of the class and passes the selectors.
    NoMatch {
        /// Which request, and its class.
        want: Want,
        /// How many devices there are at all.
        devices: usize,
        /// Who shuts them out.
        shut_out: Vec<ShutOut>,
    },
    /// Too few devices are free.
    TooFewDevices {
        /// What is wanted and there.
        want: Want,
        /// Devices that match but cannot be had.
        blocked: Vec<Blocked>,
    },
    /// No alternative of a prioritized list can be had.
    NoAlternative {
        /// `req`
        request: Text,
        /// What is wanted and there, by alternative.
        wants: Vec<Want>,
        /// Devices that match but cannot be had.
        blocked: Vec<Blocked>,
    },
    /// Each request could be met alone, but they want the same devices.
    Competing {
        /// The requests.
        wants: Vec<Want>,
        /// How many devices are free to any of them.
        free: usize,
        /// Devices that match but cannot be had.
        blocked: Vec<Blocked>,
    },
    /// No value of an attribute is shared by enough free devices.
    NoCommonValue {
        /// The attribute.
        attribute: Text,
        /// What is wanted and there, whatever the value.
        wants: Vec<Want>,
        /// The values that come closest, best first.
        values: Vec<Value>,
    },
    /// An attribute has too few different values.
    TooFewValues {
        /// The attribute.
        attribute: Text,
        /// The requests.
        wants: Vec<Want>,
        /// How many values free devices have.
        values: usize,
        /// Devices that match but cannot be had.
        blocked: Vec<Blocked>,
    },
    /// A counter that devices share is not enough.
    CounterExhausted {
        /// The requests.
        wants: Vec<Want>,
        /// `driver/pool`
        pool: Text,
        /// Counter set.
        set: Text,
        /// Counter.
        counter: Text,
        /// What is left of it.
        left: Text,
    },
    /// The capacity of devices that several may share is not enough.
    CapacityExhausted {
        /// The requests.
        wants: Vec<Want>,
        /// The devices.
        blocked: Vec<Blocked>,
    },
    /// Slices of a pool are missing, so none of its devices may be taken.
    PoolIncomplete {
        /// `driver/pool`
        pools: Vec<Text>,
    },
}

/// A request and what is there for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// `req` or `req/sub`
    pub request: Text,
    /// Class name.
    pub class: Text,
    /// How many devices.
    pub wanted: usize,
    /// How many match.
    pub matching: usize,
    /// How many of them can be had.
    pub free: usize,
}

/// Devices that are shut out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShutOut {
    /// `class NAME` or `selector`; then [`ShutOut::CAPACITY`], or `node`: devices that pass all
    /// selectors and are for other nodes.
    pub by: Text,
    /// The CEL expression, or what is asked of the capacity; empty for `node`.
    pub expression: Text,
    /// How many devices.
    pub devices: usize,
}

/// One value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// As published.
    pub value: Text,
    /// What is wanted and there, of devices with this value.
    pub wants: Vec<Want>,
    /// Devices with this value that match but cannot be had.
    pub blocked: Vec<Blocked>,
}

impl Value {
    /// How many devices are missing.
    pub fn missing(&self) -> usize {
        let wants = self.wants.iter();
        wants
            .map(|want| want.wanted.saturating_sub(want.free))
            .sum()
    }
}

/// A device that matches but cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// Which.
    pub device: DeviceId,
    /// Why.
    pub why: Why,
}

/// Why a device cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// In use by these.
    Held(Vec<Text>),
    /// Has this taint (`key=value:effect`), which the request does not tolerate.
    Tainted(Text),
    /// Shares in use, by these, leave too little capacity.
    Capacity(Vec<Text>),
    /// A counter of its pool is overdrawn, or a feature that it needs is off.
    Unusable,
}

/// A change after which the claims fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// Ask for so many: `(request, count)`.
    Counts(Vec<(Text, i64)>),
    /// Drop this constraint.
    DropConstraint {
        /// `namespace/name` of the claim.
        claim: Text,
        /// The constraint's attribute.
        attribute: Text,
    },
    /// This holder gives its devices back.
    Release(Text),
    /// Tolerate the taints of the devices.
    Tolerate,
}

impl Refusal {
    /// Stable, such as `claim/too-few-devices`.
    pub fn code(&self) -> &'static str {
        self.reason.code()
    }

    /// The rest of the proof, a line each.
    pub fn details(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let reason = &self.reason;
        if let Reason::NoMatch { shut_out, .. } = reason {
            for shut in shut_out {
                let ShutOut {
                    by,
                    expression,
                    devices,
                } = shut;
                let what = if expression.is_empty() { "" } else { ": " };
                lines.push(format!("{by} shuts out {devices}{what}{expression}"));
            }
        }
        if let Reason::NoCommonValue { values, .. } = reason {
            for value in values {
                lines.push(format!("{} {}", value.value, sentence(&value.wants)));
                lines.extend(value.blocked.iter().map(|blocked| format!("  {blocked}")));
            }
        }
        lines.extend(reason.blocked().iter().map(Blocked::to_string));
        lines.extend(
            self.remedies
                .iter()
                .map(|remedy| format!("{remedy} would fit")),
        );
        lines
    }
}

impl ShutOut {
    /// Devices that pass all selectors and are too small.
    pub const CAPACITY: &'static str = "capacity";
}

impl Reason {
    /// All codes, in order; each has its page in `docs/codes/`.
    pub const CODES: [&'static str; 10] = [
        "capacity/exhausted",
        "claim/competing-requests",
        "claim/no-alternative",
        "claim/no-devices",
        "claim/no-match",
        "claim/too-few-devices",
        "constraint/no-common-value",
        "constraint/too-few-values",
        "counter/exhausted",
        "pool/incomplete",
    ];

    /// Stable, such as `claim/too-few-devices`.
    pub fn code(&self) -> &'static str {
        match self {
            Reason::NoDevices => "claim/no-devices",
            Reason::NoMatch { .. } => "claim/no-match",
            Reason::TooFewDevices { .. } => "claim/too-few-devices",
            Reason::NoAlternative { .. } => "claim/no-alternative",
            Reason::Competing { .. } => "claim/competing-requests",
            Reason::NoCommonValue { .. } => "constraint/no-common-value",
            Reason::TooFewValues { .. } => "constraint/too-few-values",
            Reason::CounterExhausted { .. } => "counter/exhausted",
            Reason::CapacityExhausted { .. } => "capacity/exhausted",
            Reason::PoolIncomplete { .. } => "pool/incomplete",
        }
    }

    /// Devices that match but cannot be had, where they do not belong to one value.
    pub fn blocked(&self) -> &[Blocked] {
        match self {
            Reason::TooFewDevices { blocked, .. }
            | Reason::NoAlternative { blocked, .. }
            | Reason::Competing { blocked, .. }
            | Reason::TooFewValues { blocked, .. }
            | Reason::CapacityExhausted { blocked, .. } => blocked,
            _ => &[],
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [cited] = self.cited.as_slice() {
            write!(f, "claim {}: ", cited.name)?;
        } else if !self.cited.is_empty() {
            let names: Vec<_> = self.cited.iter().map(|cited| &*cited.name).collect();
            write!(f, "claims {}: ", names.join(", "))?;
        }
        write!(f, "{}", self.reason)?;
        match self.remedies.first() {
            Some(remedy) => write!(f, "; {remedy} would fit"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NoDevices => f.write_str("no devices are published for the node"),
            Reason::NoMatch {
                want,
                devices,
                shut_out,
            } => {
                write!(
                    f,
                    "request {}: none of {devices} devices is of class {} and passes all selectors",
                    want.request, want.class
                )?;
                match shut_out.last() {
                    Some(last) if &*last.by == ShutOut::CAPACITY => write!(
                        f,
                        " with the capacity that is asked for ({}); {} would but for that",
                        last.expression, last.devices
                    ),
                    Some(last) if &*last.by == "node" => {
                        write!(f, " on this node; {} would on another", last.devices)
                    }
                    _ => Ok(()),
                }
            }
            Reason::TooFewDevices { want, blocked } => {
                write!(
                    f,
                    "request {}: {} of class {} wanted, {} of {} free",
                    want.request, want.wanted, want.class, want.free, want.matching
                )?;
                some_blocked(f, blocked)
            }
            Reason::NoAlternative { request, wants, .. } => {
                write!(
                    f,
                    "request {request}: no alternative can be had: {}",
                    list(wants)
                )
            }
            Reason::Competing { wants, free, .. } => write!(
                f,
                "{} want the same devices, and {free} are free to any of them",
                list(wants)
            ),
            Reason::NoCommonValue {
                attribute,
                wants,
                values,
            } => {
                let all: Vec<_> = wants
                    .iter()
                    .map(|want| format!("{} {}", want.wanted, want.request))
                    .collect();
                write!(f, "no {attribute} has {} free", all.join(" and "))?;
                for value in values.iter().take(3) {
                    write!(f, "; {} {}", value.value, sentence(&value.wants))?;
                    some_blocked(f, &value.blocked)?;
                }
                if values.len() > 3 {
                    let more = values.len() - 3;
                    let plural = if more == 1 { "" } else { "s" };
                    write!(f, "; {more} more value{plural}")?;
                }
                Ok(())
            }
            Reason::TooFewValues {
                attribute,
                wants,
                values,
                ..
            } => {
                let wanted: usize = wants.iter().map(|want| want.wanted).sum();
                write!(
                    f,
                    "{wanted} devices with different {attribute} wanted, free devices have {values}"
                )
            }
            Reason::CounterExhausted {
                wants,
                pool,
                set,
                counter,
                left,
            } => write!(
                f,
                "{}: counter {counter} of set {set} in pool {pool} has {left} left, which is too little",
                list(wants)
            ),
            Reason::CapacityExhausted { wants, blocked } => {
                write!(f, "{}: the capacity left is too little", list(wants))?;
                some_blocked(f, blocked)
            }
            Reason::PoolIncomplete { pools } => write!(
                f,
                "pool {} is incomplete: slices are missing",
                pools.join(", ")
            ),
        }
    }
}

fn list(wants: &[Want]) -> String {
    let wants: Vec<_> = wants
        .iter()
        .map(|want| {
            format!(
                "{} ({} wanted, {} free)",
                want.request, want.wanted, want.free
            )
        })
        .collect();
    wants.join(", ")
}

/// `has 8 of 8 neurons and 7 of 8 efas`
fn sentence(wants: &[Want]) -> String {
    let wants: Vec<_> = wants
        .iter()
        .map(|want| format!("{} of {} {}", want.free, want.wanted, want.request))
        .collect();
    format!("has {}", wants.join(" and "))
}

fn some_blocked(f: &mut fmt::Formatter<'_>, blocked: &[Blocked]) -> fmt::Result {
    match blocked {
        [] => Ok(()),
        [one] => write!(f, " ({one})"),
        [one, two] => write!(f, " ({one}, {two})"),
        [one, two, rest @ ..] => write!(f, " ({one}, {two}, {} more)", rest.len()),
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let device = &self.device.device;
        match &self.why {
            Why::Held(holders) => write!(f, "{device} is held by {}", holders.join(", ")),
            Why::Tainted(taint) => write!(f, "{device} is tainted {taint}"),
            Why::Capacity(holders) => {
                write!(f, "{device} is shared by {}", holders.join(", "))
            }
            Why::Unusable => write!(f, "{device} cannot be used"),
        }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remedy::Counts(counts) => {
                let counts: Vec<_> = counts
                    .iter()
                    .map(|(request, count)| format!("{count} {request}"))
                    .collect();
                f.write_str(&counts.join(" + "))
            }
            Remedy::DropConstraint { attribute, .. } => {
                write!(f, "without the constraint on {attribute} it")
            }
            Remedy::Release(holder) => write!(f, "if {holder} gave its devices back it"),
            Remedy::Tolerate => f.write_str("with tolerations for the taints it"),
        }
    }
}
