//! What stands in the way of claims that are reduced to what their refusal rests on.

use std::collections::BTreeSet;

use trainyard_model::Text;
use trainyard_model::refusal::{Blocked, Reason, ShutOut, Value, Want, Why};
use trainyard_model::selector::Engine;
use trainyard_model::taint::Effect;

use super::NAMED;
use crate::ids::{ConstraintIndex, DeviceIndex, ElementIndex, Id, SubrequestIndex};
use crate::inventory::Inventory;
use crate::inventory::devices::Element;
use crate::inventory::pools::Health;
use crate::problem::Problem;
use crate::problem::constraints::Kind;
use crate::problem::subrequests::{Subrequest, repels};
use crate::set::Devices;

pub(super) fn incomplete<E: Engine>(inventory: &Inventory<E>, problem: &Problem<'_>) -> Vec<Text> {
    let pools = problem.available.view.pools.iter();
    let pools = pools.filter(|pool| pool.health == Health::Incomplete);
    pools
        .map(|pool| {
            let (driver, name) = inventory.names.pool(pool.id);
            format!("{driver}/{name}").into()
        })
        .collect()
}

/// A reduced problem, and the same with nothing in use.
pub(super) struct Scene<'s, 'p, E: Engine> {
    pub inventory: &'s mut Inventory<E>,
    pub problem: &'s Problem<'p>,
    pub bare: &'s Problem<'p>,
}

impl<E: Engine> Scene<'_, '_, E> {
    pub fn reason(mut self) -> Reason {
        let problem = self.problem;
        match problem
            .constraints
            .first()
            .map(|constraint| constraint.kind)
        {
            Some(Kind::Match) => return self.no_common_value(ConstraintIndex::new(0)),
            Some(Kind::Distinct) => return self.too_few_values(ConstraintIndex::new(0)),
            None => {}
        }
        let options: Vec<SubrequestIndex> = problem.subrequest_indices().iter().collect();
        let wants: Vec<Want> = options.iter().map(|option| self.want(*option)).collect();
        if let [request] = problem.requests.as_slice() {
            let starved = |want: &Want| want.free < want.wanted || want.wanted == 0;
            if request.listed && wants.iter().all(starved) {
                return Reason::NoAlternative {
                    request: problem.subrequests[options[0]].request.name.clone(),
                    blocked: self.blocked(&options),
                    wants,
                };
            }
            if let ([want], true) = (wants.as_slice(), wants.iter().all(starved)) {
                return self.too_few(want.clone());
            }
        }
        if let Some(reason) = self.short_of_counters(&wants) {
            return reason;
        }
        let blocked = self.blocked(&options);
        let shared = options
            .iter()
            .any(|option| problem.subrequests[*option].shares());
        if shared {
            return Reason::CapacityExhausted { wants, blocked };
        }
        let mut free = Devices::new(problem.len());
        options
            .iter()
            .for_each(|option| free.add(&problem.subrequests[*option].suitable));
        Reason::Competing {
            wants,
            free: free.len(),
            blocked,
        }
    }

    fn want(&self, subrequest: SubrequestIndex) -> Want {
        let wanted = &self.problem.subrequests[subrequest];
        let bare = &self.bare.subrequests[subrequest];
        want(wanted, bare.suitable.len(), wanted.suitable.len())
    }

    fn too_few(&mut self, want: Want) -> Reason {
        if want.matching == 0 {
            let pools = incomplete(self.inventory, self.problem);
            if !pools.is_empty() {
                return Reason::PoolIncomplete { pools };
            }
            return Reason::NoMatch {
                devices: self.problem.len(),
                shut_out: self.shut_out(),
                want,
            };
        }
        let blocked = self.blocked(&[SubrequestIndex::new(0)]);
        let is_short = |blocked: &Blocked| matches!(blocked.why, Why::Capacity(_));
        if blocked.iter().any(is_short) {
            return Reason::CapacityExhausted {
                wants: vec![want],
                blocked,
            };
        }
        Reason::TooFewDevices { blocked, want }
    }

    /// How many devices each selector of the only request shuts out, and what else does.
    fn shut_out(&mut self) -> Vec<ShutOut> {
        let wanted = &self.problem.subrequests[SubrequestIndex::new(0)];
        let expressions = wanted.class.selectors.iter().chain(&wanted.query.selectors);
        let mut left = Devices::all(self.problem.len());
        let mut result = Vec::new();
        let Inventory {
            engine,
            programs,
            slices,
            views,
            ..
        } = &mut *self.inventory;
        for (index, (program, expression)) in wanted.selectors.iter().zip(expressions).enumerate() {
            let before = left.len();
            left.retain(|device| {
                let (slice, at) = self.problem.available.view.position(device);
                let outcomes = views.outcomes(engine, programs, slices, (*program, slice));
                outcomes.yes.has(DeviceIndex::new(at))
            });
            let devices = before - left.len();
            if devices > 0 {
                result.push(ShutOut {
                    by: if index < wanted.class_selectors {
                        format!("class {}", wanted.class.name).into()
                    } else {
                        "selector".into()
                    },
                    expression: expression.clone().unwrap_or_default(),
                    devices,
                });
            }
        }
        if !left.is_empty() {
            let asked = wanted.query.capacity.iter().flatten();
            let asked: Vec<_> = asked
                .map(|(name, amount)| format!("{name} {amount}"))
                .collect();
            let by = match asked.as_slice() {
                [] => "node".into(),
                _ => ShutOut::CAPACITY.into(),
            };
            result.push(ShutOut {
                by,
                expression: asked.join(", ").into(),
                devices: left.len(),
            });
        }
        result
    }

    /// Devices that match one of the options but cannot be had by it.
    fn blocked(&self, subrequests: &[SubrequestIndex]) -> Vec<Blocked> {
        let mut seen = Devices::new(self.problem.len());
        let mut blocked = Vec::new();
        for subrequest in subrequests {
            let wanted = &self.problem.subrequests[*subrequest];
            for device in self.bare.subrequests[*subrequest].suitable.iter() {
                if !wanted.suitable.has(device) && !seen.has(device) {
                    seen.insert(device);
                    blocked.push(self.block(wanted, device));
                }
            }
        }
        blocked
    }

    fn block(&self, wanted: &Subrequest<'_>, device: DeviceIndex) -> Blocked {
        let available = &self.problem.available;
        let slices = &self.inventory.slices;
        let used = self.inventory.allocated.get(available.view.key(device));
        let (_, source) = available.view.source(slices, device);
        let why = if available.held.has(device) && !wanted.admin {
            Why::Held(used.map(|used| used.holders()).unwrap_or_default())
        } else if let Some(used) = used.filter(|used| used.shared()) {
            Why::Capacity(used.holders())
        } else {
            let tolerations = wanted.query.tolerations.as_deref().unwrap_or_default();
            let mut taints = source.taints.iter();
            let taint = taints.find(|taint| repels(taint, tolerations));
            match taint {
                Some(taint) => {
                    let effect = match taint.effect {
                        Effect::NoExecute => "NoExecute",
                        _ => "NoSchedule",
                    };
                    Why::Tainted(format!("{}={}:{effect}", taint.key, taint.value).into())
                }
                None => Why::Unusable,
            }
        };
        Blocked {
            device: available.view.device_id(slices, device),
            why,
        }
    }

    /// The subrequests to which a constraint applies.
    fn constrained(&self, constraint: ConstraintIndex) -> Vec<SubrequestIndex> {
        let all = self.problem.subrequest_indices().iter();
        let applies = |subrequest: &SubrequestIndex| {
            let wanted = &self.problem.subrequests[*subrequest];
            wanted.column(constraint).is_some()
        };
        all.filter(applies).collect()
    }

    fn no_common_value(&self, index: ConstraintIndex) -> Reason {
        let constraint = &self.problem.constraints[index];
        let bare = &self.bare.constraints[index].values;
        let options = self.constrained(index);
        let mut values: Vec<Value> = Vec::new();
        for (number, element) in bare.elements() {
            let mut value = Value {
                value: self.value_text(element),
                wants: Vec::new(),
                blocked: Vec::new(),
            };
            for option in &options {
                let wanted = &self.problem.subrequests[*option];
                let with = |device: &DeviceIndex| {
                    let column = wanted.column(index).expect("the constraint applies");
                    let set = bare.set(column, *device);
                    bare.elements_of(set).contains(&number)
                };
                let matching = self.bare.subrequests[*option].suitable.iter();
                let matching: Vec<DeviceIndex> = matching.filter(with).collect();
                let (free, taken): (Vec<DeviceIndex>, Vec<DeviceIndex>) = matching
                    .iter()
                    .partition(|device| wanted.suitable.has(**device));
                value.wants.push(want(wanted, matching.len(), free.len()));
                for device in taken {
                    let blocked = self.block(wanted, device);
                    if !value.blocked.contains(&blocked) {
                        value.blocked.push(blocked);
                    }
                }
            }
            values.push(value);
        }
        values.sort_by_key(Value::missing);
        // Values that do not have enough even when nothing is in use tell nothing beside those
        // that do.
        let could = |value: &Value| value.wants.iter().all(|want| want.matching >= want.wanted);
        if values.iter().any(could) {
            values.retain(could);
        }
        values.truncate(NAMED);
        Reason::NoCommonValue {
            attribute: constraint.attribute.clone(),
            wants: options.iter().map(|option| self.want(*option)).collect(),
            values,
        }
    }

    fn too_few_values(&self, index: ConstraintIndex) -> Reason {
        let constraint = &self.problem.constraints[index];
        let options = self.constrained(index);
        let mut values: BTreeSet<ElementIndex> = BTreeSet::new();
        for option in &options {
            let wanted = &self.problem.subrequests[*option];
            let column = wanted.column(index).expect("the constraint applies");
            for device in wanted.suitable.iter() {
                let set = constraint.values.set(column, device);
                values.extend(constraint.values.elements_of(set));
            }
        }
        Reason::TooFewValues {
            attribute: constraint.attribute.clone(),
            wants: options.iter().map(|option| self.want(*option)).collect(),
            values: values.len(),
            blocked: self.blocked(&options),
        }
    }

    /// Whether the counters are to blame: the first of which there would have to be more.
    fn short_of_counters(&self, wants: &[Want]) -> Option<Reason> {
        let counters = &self.problem.available.counters;
        let mut least: Vec<i128> = vec![0; counters.available.len()];
        // Whether a device that consumes it has to be taken: a counter may have less than nothing.
        let mut touched = vec![false; counters.available.len()];
        let taken = |device: DeviceIndex, counter: usize| {
            let taken = counters.consumption(device);
            let taken = taken.into_iter().flat_map(|taken| &taken.amounts);
            let own = taken.filter(move |(other, _)| *other as usize == counter);
            own.map(|(_, amount)| *amount)
                .reduce(|one, other| one + other)
        };
        for wanted in &self.problem.subrequests {
            let count = usize::try_from(wanted.count).unwrap_or(0);
            for (counter, sum) in least.iter_mut().enumerate() {
                let amounts = wanted.suitable.iter().map(|device| taken(device, counter));
                let amounts: Vec<Option<i128>> = amounts.collect();
                let spared = amounts.iter().filter(|amount| amount.is_none()).count();
                touched[counter] |= spared < count;
                let mut amounts: Vec<i128> =
                    amounts.into_iter().map(Option::unwrap_or_default).collect();
                amounts.sort_unstable();
                *sum += amounts.iter().take(count).sum::<i128>();
            }
        }
        let mut sums = least.iter().zip(&counters.available).zip(touched);
        let short = sums.position(|((least, left), touched)| touched && least > left)?;
        let (name, left) = (&counters.names[short], counters.available[short]);
        let pool = &self.problem.available.view.pools[name.pool];
        let (driver, pool) = self.inventory.names.pool(pool.id);
        let left = trainyard_model::quantity::Quantity::new(left, -9, Default::default());
        Some(Reason::CounterExhausted {
            wants: wants.to_vec(),
            pool: format!("{driver}/{pool}").into(),
            set: name.set.clone(),
            counter: name.counter.clone(),
            left: left.to_string().into(),
        })
    }

    fn value_text(&self, element: Option<&Element>) -> Text {
        match element {
            Some(Element::Int(value)) => value.to_string().into(),
            Some(Element::Bool(value)) => value.to_string().into(),
            Some(Element::String(name) | Element::Version(name)) => {
                self.inventory.names.text(*name).clone()
            }
            None => "(a value of unknown type)".into(),
        }
    }
}

fn want(wanted: &Subrequest<'_>, matching: usize, free: usize) -> Want {
    Want {
        request: wanted.name().into(),
        class: wanted.class.name.clone(),
        wanted: usize::try_from(wanted.count).unwrap_or(0),
        matching,
        free,
    }
}
