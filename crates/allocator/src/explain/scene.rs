//! What stands in the way of claims that are reduced to what their refusal rests on.

use std::collections::BTreeMap;

use trainyard_model::Text;
use trainyard_model::refusal::{Blocked, Reason, ShutOut, Value, Want, Why};
use trainyard_model::selector::Engine;
use trainyard_model::taint::Effect;

use crate::bits::Bits;
use crate::constraints::Kind;
use crate::inventory::{Element, Inventory};
use crate::outcomes::outcomes;
use crate::pools::Health;
use crate::problem::{Choice, Problem, device_at};

use super::TOLD;

pub(super) fn incomplete<E: Engine>(inventory: &Inventory<E>, problem: &Problem<'_>) -> Vec<Text> {
    let pools = problem
        .site
        .pools
        .iter()
        .filter(|pool| pool.health == Health::Incomplete);
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
            Some(Kind::Match) => return self.no_common_value(0),
            Some(Kind::Distinct) => return self.too_few_values(0),
            None => {}
        }
        let options: Vec<usize> = (0..problem.options.len()).collect();
        let wants: Vec<Want> = options.iter().map(|option| self.want(*option)).collect();
        if let [slot] = problem.slots.as_slice() {
            let starved = |want: &Want| want.free < want.wanted || want.wanted == 0;
            if slot.listed && wants.iter().all(starved) {
                return Reason::NoAlternative {
                    request: problem.options[0].request.name.clone(),
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
            .any(|option| !problem.options[*option].amounts.is_empty());
        if shared {
            return Reason::CapacityExhausted { wants, blocked };
        }
        let mut free = Bits::new(problem.len());
        options
            .iter()
            .for_each(|option| free.add(&problem.options[*option].open));
        Reason::Competing {
            wants,
            free: free.len(),
            blocked,
        }
    }

    fn want(&self, option: usize) -> Want {
        let (choice, bare) = (&self.problem.options[option], &self.bare.options[option]);
        want(choice, bare.open.len(), choice.open.len())
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
        let blocked = self.blocked(&[0]);
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
        let choice = &self.problem.options[0];
        let expressions = choice.class.selectors.iter().chain(&choice.query.selectors);
        let mut left = Bits::new(self.problem.len());
        (0..self.problem.len()).for_each(|place| left.insert(place));
        let mut result = Vec::new();
        for (index, (program, expression)) in choice.selectors.iter().zip(expressions).enumerate() {
            let before = left.len();
            for at in 0..self.problem.len() {
                let slice = self.problem.slice_at(at);
                let device = self.problem.place(at).device as usize;
                if !outcomes(self.inventory, *program, slice).yes.has(device) {
                    left.remove(at);
                }
            }
            let devices = before - left.len();
            if devices > 0 {
                result.push(ShutOut {
                    by: if index < choice.class_selectors {
                        format!("class {}", choice.class.name).into()
                    } else {
                        "selector".into()
                    },
                    expression: expression.clone().unwrap_or_default(),
                    devices,
                });
            }
        }
        if !left.is_empty() {
            let asked = choice.query.capacity.iter().flatten();
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
    fn blocked(&self, options: &[usize]) -> Vec<Blocked> {
        let mut seen = Bits::new(self.problem.len());
        let mut blocked = Vec::new();
        for option in options {
            let (choice, bare) = (&self.problem.options[*option], &self.bare.options[*option]);
            for place in bare.open.iter() {
                if !choice.open.has(place) && !seen.has(place) {
                    seen.insert(place);
                    blocked.push(self.block(choice, place));
                }
            }
        }
        blocked
    }

    fn block(&self, choice: &Choice<'_>, place: usize) -> Blocked {
        let used = self.inventory.allocated.get(self.problem.key(place));
        let (_, device) = device_at(self.inventory, self.problem, place);
        let why = if self.problem.held.has(place) && !choice.admin {
            Why::Held(used.map(|used| used.holders()).unwrap_or_default())
        } else if let Some(used) = used.filter(|used| used.shared()) {
            Why::Capacity(used.holders())
        } else {
            let tolerations = choice.query.tolerations.as_deref().unwrap_or_default();
            let taint = device.taints.iter().find(|taint| {
                matches!(taint.effect, Effect::NoSchedule | Effect::NoExecute)
                    && !tolerations
                        .iter()
                        .any(|toleration| toleration.tolerates(taint))
            });
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
            device: self.inventory.device_id(self.problem, place),
            why,
        }
    }

    fn no_common_value(&self, index: usize) -> Reason {
        let (constraint, bare) = (
            &self.problem.constraints[index],
            &self.bare.constraints[index],
        );
        let options: Vec<usize> = (0..self.problem.options.len())
            .filter(|option| self.column(*option, index).is_some())
            .collect();
        let mut values: Vec<Value> = Vec::new();
        for (number, element) in bare.values.elements.iter().enumerate() {
            let mut value = Value {
                value: self.value_text(element.as_ref()),
                wants: Vec::new(),
                blocked: Vec::new(),
            };
            for option in &options {
                let column = self.column(*option, index).unwrap_or_default();
                let choice = &self.problem.options[*option];
                let with = |place: &usize| {
                    let set = bare.values.columns[column][*place] as usize;
                    bare.values
                        .sets
                        .get(set)
                        .is_some_and(|set| set.contains(&(number as u32)))
                };
                let matching: Vec<usize> = self.bare.options[*option]
                    .open
                    .iter()
                    .filter(with)
                    .collect();
                let (free, taken): (Vec<usize>, Vec<usize>) =
                    matching.iter().partition(|place| choice.open.has(**place));
                value.wants.push(want(choice, matching.len(), free.len()));
                for place in taken {
                    let blocked = self.block(choice, place);
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
        values.truncate(TOLD);
        Reason::NoCommonValue {
            attribute: constraint.attribute.clone(),
            wants: options.iter().map(|option| self.want(*option)).collect(),
            values,
        }
    }

    fn too_few_values(&self, index: usize) -> Reason {
        let constraint = &self.problem.constraints[index];
        let options: Vec<usize> = (0..self.problem.options.len())
            .filter(|option| self.column(*option, index).is_some())
            .collect();
        let mut values: BTreeMap<u32, ()> = BTreeMap::new();
        for option in &options {
            let column = self.column(*option, index).unwrap_or_default();
            for place in self.problem.options[*option].open.iter() {
                let set = constraint.values.columns[column][place] as usize;
                let elements = constraint.values.sets.get(set).into_iter().flatten();
                values.extend(elements.map(|element| (*element, ())));
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
        let counters = &self.problem.counters;
        let mut least: Vec<i128> = vec![0; counters.available.len()];
        // Whether some device that takes from it has to be taken: a counter may have less than nothing.
        let mut touched = vec![false; counters.available.len()];
        let taken = |place: usize, counter: usize| {
            let taken = self.problem.counters.consumption(place);
            let taken = taken.into_iter().flat_map(|taken| &taken.amounts);
            let own = taken.filter(move |(other, _)| *other as usize == counter);
            own.map(|(_, amount)| *amount)
                .reduce(|one, other| one + other)
        };
        for choice in &self.problem.options {
            let need = usize::try_from(choice.need).unwrap_or(0);
            for (counter, sum) in least.iter_mut().enumerate() {
                let amounts = choice.open.iter().map(|place| taken(place, counter));
                let amounts: Vec<Option<i128>> = amounts.collect();
                let spared = amounts.iter().filter(|amount| amount.is_none()).count();
                touched[counter] |= spared < need;
                let mut amounts: Vec<i128> =
                    amounts.into_iter().map(Option::unwrap_or_default).collect();
                amounts.sort_unstable();
                *sum += amounts.iter().take(need).sum::<i128>();
            }
        }
        let mut sums = least.iter().zip(&counters.available).zip(touched);
        let short = sums.position(|((least, left), touched)| touched && least > left)?;
        let (name, left) = (&counters.names[short], counters.available[short]);
        let pool = &self.problem.site.pools[name.pool as usize];
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

    fn column(&self, option: usize, constraint: usize) -> Option<usize> {
        let constraints = &self.problem.options[option].constraints;
        let found = constraints.iter().find(|(index, _)| *index == constraint);
        found.map(|(_, column)| *column)
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

fn want(choice: &Choice<'_>, matching: usize, free: usize) -> Want {
    Want {
        request: choice.name().into(),
        class: choice.class.name.clone(),
        wanted: usize::try_from(choice.need).unwrap_or(0),
        matching,
        free,
    }
}
