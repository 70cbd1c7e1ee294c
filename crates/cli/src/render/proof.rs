//! Why claims do not fit, as data: what the refusal rests on, the facts, and what would fit.

use std::collections::BTreeMap;

use serde::Serialize;
use trainyard_model::refusal::{self, Reason, Refusal};

/// One reason, under the same keys in the answers of `plan` and of `allocate`.
#[derive(Debug, Serialize)]
pub struct Proof {
    code: &'static str,
    message: String,
    /// Parts of claims that alone are refused, too.
    cited: Vec<Cited>,
    #[serde(skip_serializing_if = "Facts::is_empty")]
    facts: Facts,
    /// Changes after which the claims fit.
    remedies: Vec<Remedy>,
}

#[derive(Debug, Serialize)]
struct Cited {
    claim: String,
    requests: Vec<String>,
    /// Places in the claim's list of constraints, from 0.
    constraints: Vec<usize>,
}

/// What each kind of reason has to say; the rest is left out.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Facts {
    #[serde(skip_serializing_if = "Option::is_none")]
    attribute: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    requests: Vec<Want>,
    /// The values that come closest, best first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<Value>,
    /// How many different values the free devices have.
    #[serde(skip_serializing_if = "Option::is_none")]
    different_values: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shut_out: Vec<ShutOut>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    blocked: Vec<Blocked>,
    /// Devices free to any of the requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    free: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counter: Option<Counter>,
    /// Pools of which slices are missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pools: Vec<String>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Want {
    request: String,
    class: String,
    wanted: usize,
    matching: usize,
    free: usize,
}

#[derive(Debug, PartialEq, Serialize)]
struct Value {
    value: String,
    requests: Vec<Want>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    blocked: Vec<Blocked>,
}

#[derive(Debug, PartialEq, Serialize)]
struct ShutOut {
    by: String,
    expression: String,
    devices: usize,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Blocked {
    driver: String,
    pool: String,
    device: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    held_by: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shared_by: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    taint: Option<String>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Counter {
    pool: String,
    set: String,
    counter: String,
    left: String,
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Remedy {
    Counts { counts: BTreeMap<String, i64> },
    DropConstraint { claim: String, attribute: String },
    Release { holder: String },
    Tolerate,
}

impl Facts {
    fn is_empty(&self) -> bool {
        *self == Facts::default()
    }

    fn of(reason: &Reason) -> Facts {
        let mut facts = Facts {
            blocked: blocked(reason.blocked()),
            ..Facts::default()
        };
        match reason {
            Reason::NoDevices => {}
            Reason::NoMatch { want, shut_out, .. } => {
                facts.requests = wants(std::slice::from_ref(want));
                let shut_out = shut_out.iter().map(|shut| ShutOut {
                    by: shut.by.to_string(),
                    expression: shut.expression.to_string(),
                    devices: shut.devices,
                });
                facts.shut_out = shut_out.collect();
            }
            Reason::TooFewDevices { want, .. } => {
                facts.requests = wants(std::slice::from_ref(want));
            }
            Reason::NoAlternative { wants: all, .. }
            | Reason::CapacityExhausted { wants: all, .. } => facts.requests = wants(all),
            Reason::Competing {
                wants: all, free, ..
            } => {
                facts.requests = wants(all);
                facts.free = Some(*free);
            }
            Reason::NoCommonValue {
                attribute,
                wants: all,
                values,
            } => {
                facts.attribute = Some(attribute.to_string());
                facts.requests = wants(all);
                let values = values.iter().map(|value| Value {
                    value: value.value.to_string(),
                    requests: wants(&value.wants),
                    blocked: blocked(&value.blocked),
                });
                facts.values = values.collect();
            }
            Reason::TooFewValues {
                attribute,
                wants: all,
                values,
                ..
            } => {
                facts.attribute = Some(attribute.to_string());
                facts.requests = wants(all);
                facts.different_values = Some(*values);
            }
            Reason::CounterExhausted {
                wants: all,
                pool,
                set,
                counter,
                left,
            } => {
                facts.requests = wants(all);
                facts.counter = Some(Counter {
                    pool: pool.to_string(),
                    set: set.to_string(),
                    counter: counter.to_string(),
                    left: left.to_string(),
                });
            }
            Reason::PoolIncomplete { pools } => facts.pools = strings(pools),
        }
        facts
    }
}

impl From<&Refusal> for Proof {
    fn from(refusal: &Refusal) -> Proof {
        let cited = refusal.cited.iter().map(|cited| Cited {
            claim: cited.name.to_string(),
            requests: strings(&cited.requests),
            constraints: cited.constraints.clone(),
        });
        let remedies = refusal.remedies.iter().map(|remedy| match remedy {
            refusal::Remedy::Counts(counts) => {
                let counts = counts.iter();
                let counts = counts.map(|(request, count)| (request.to_string(), *count));
                Remedy::Counts {
                    counts: counts.collect(),
                }
            }
            refusal::Remedy::DropConstraint { claim, attribute } => Remedy::DropConstraint {
                claim: claim.to_string(),
                attribute: attribute.to_string(),
            },
            refusal::Remedy::Release(holder) => Remedy::Release {
                holder: holder.to_string(),
            },
            refusal::Remedy::Tolerate => Remedy::Tolerate,
        });
        Proof {
            code: refusal.code(),
            message: refusal.to_string(),
            cited: cited.collect(),
            facts: Facts::of(&refusal.reason),
            remedies: remedies.collect(),
        }
    }
}

fn strings(texts: &[trainyard_model::Text]) -> Vec<String> {
    texts.iter().map(|text| text.to_string()).collect()
}

fn wants(wants: &[refusal::Want]) -> Vec<Want> {
    let wants = wants.iter().map(|want| Want {
        request: want.request.to_string(),
        class: want.class.to_string(),
        wanted: want.wanted,
        matching: want.matching,
        free: want.free,
    });
    wants.collect()
}

fn blocked(blocked: &[refusal::Blocked]) -> Vec<Blocked> {
    let blocked = blocked.iter().map(|blocked| {
        let id = &blocked.device;
        let mut entry = Blocked {
            driver: id.driver.to_string(),
            pool: id.pool.to_string(),
            device: id.device.to_string(),
            held_by: Vec::new(),
            shared_by: Vec::new(),
            taint: None,
        };
        match &blocked.why {
            refusal::Why::Held(holders) => entry.held_by = strings(holders),
            refusal::Why::Capacity(holders) => entry.shared_by = strings(holders),
            refusal::Why::Tainted(taint) => entry.taint = Some(taint.to_string()),
            refusal::Why::Unusable => {}
        }
        entry
    });
    blocked.collect()
}
