//! Laws of the allocator, on random questions that `proptest` shrinks: an inventory that events have
//! changed answers as one built anew; what fits is the first solution in order, by trying every
//! choice; dropping a constraint never loses a fit; names decide nothing.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use support::{Scenario, TestEngine, class, query, request, scenario};
use trainyard_allocator::{Inventory, Question, Verdict};
use trainyard_model::Text;
use trainyard_model::claim::{Constraint, ResourceClaim};
use trainyard_model::device::{Attribute, Device};
use trainyard_model::features::{Feature, Features};
use trainyard_model::node::Node;
use trainyard_model::slice::{DeviceId, Pool, ResourceSlice};

/// Something that happens to an inventory. Numbers choose among what there is.
#[derive(Debug, Clone)]
enum Event {
    Ask,
    Hold(usize),
    Release(usize),
    /// A slice as another scenario has it.
    Apply(u64, usize),
    /// The same on another node, in the same pool.
    Elsewhere(u64, usize),
    /// The same for all nodes.
    Everywhere(u64, usize),
    Delete(usize),
    Forget,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => Just(Event::Ask),
        2 => (0..40usize).prop_map(Event::Hold),
        1 => (0..40usize).prop_map(Event::Release),
        2 => (0..300u64, 0..6usize).prop_map(|(seed, at)| Event::Apply(seed, at)),
        1 => (0..300u64, 0..6usize).prop_map(|(seed, at)| Event::Elsewhere(seed, at)),
        1 => (0..300u64, 0..6usize).prop_map(|(seed, at)| Event::Everywhere(seed, at)),
        1 => (0..40usize).prop_map(Event::Delete),
        1 => Just(Event::Forget),
    ]
}

/// What an inventory should know.
struct World {
    scenario: Scenario,
    slices: BTreeMap<Text, Arc<ResourceSlice>>,
    held: Vec<DeviceId>,
}

impl World {
    fn devices(&self) -> Vec<DeviceId> {
        let of_slice = |slice: &Arc<ResourceSlice>| {
            let id = |device: &Device| DeviceId {
                driver: slice.driver.clone(),
                pool: slice.pool.name.clone(),
                device: device.name.clone(),
            };
            slice.devices.iter().map(id).collect::<Vec<_>>()
        };
        self.slices.values().flat_map(of_slice).collect()
    }

    fn fresh(&self) -> Inventory<TestEngine> {
        let mut inventory = Inventory::new(TestEngine);
        for class in &self.scenario.classes {
            inventory.apply_class(class);
        }
        for slice in self.slices.values() {
            inventory.apply_slice(slice);
        }
        for device in &self.held {
            inventory.hold(device, &"somebody".into());
        }
        inventory
    }

    fn answer(&self, inventory: &mut Inventory<TestEngine>) -> String {
        let answer = self
            .scenario
            .ask(100_000, |question| inventory.allocate(question));
        format!("{:?} in {} steps", answer.verdict, answer.steps)
    }
}

/// A slice of another scenario; `change` makes it something else than it was. Of slices that do not
/// agree how many there are, the first to come decides: here one generation always agrees.
fn other(seed: u64, at: usize, change: impl FnOnce(&mut ResourceSlice)) -> Arc<ResourceSlice> {
    let other = scenario(seed, 5);
    let mut slice = (*other.slices[at % other.slices.len()]).clone();
    slice.pool.generation = 2 + (seed % 3) as i64;
    slice.pool.resource_slice_count = 1 + (seed % 3 / 2) as i64;
    change(&mut slice);
    Arc::new(slice)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn events_leave_what_a_fresh_start_would(
        seed in 0..400u64,
        events in prop::collection::vec(event(), 1..30),
    ) {
        let base = scenario(seed, 6);
        let mut inventory = base.inventory();
        let mut world = World {
            slices: base.slices.iter().map(|slice| (slice.name.clone(), slice.clone())).collect(),
            held: base.held.clone(),
            scenario: base,
        };
        for event in &events {
            match event {
                Event::Ask => {}
                Event::Forget => inventory.forget(),
                Event::Hold(at) => {
                    let devices = world.devices();
                    let Some(device) = devices.get(at % devices.len().max(1)) else { continue };
                    inventory.hold(device, &"somebody".into());
                    world.held.push(device.clone());
                }
                Event::Release(at) => {
                    if world.held.is_empty() {
                        continue;
                    }
                    let device = world.held.remove(at % world.held.len());
                    inventory.release(&device, &"somebody".into());
                }
                Event::Delete(at) => {
                    let names: Vec<Text> = world.slices.keys().cloned().collect();
                    let Some(name) = names.get(at % names.len().max(1)) else { continue };
                    inventory.delete_slice(name);
                    world.slices.remove(name);
                }
                Event::Apply(seed, at) | Event::Elsewhere(seed, at) | Event::Everywhere(seed, at) => {
                    let slice = other(*seed, *at, |slice| match event {
                        Event::Elsewhere(..) => {
                            slice.name = format!("{}-elsewhere", slice.name).into();
                            slice.node_name = Some("another".into());
                        }
                        Event::Everywhere(..) => {
                            slice.name = format!("{}-everywhere", slice.name).into();
                            slice.node_name = None;
                            slice.all_nodes = Some(true);
                        }
                        _ => {}
                    });
                    inventory.apply_slice(&slice);
                    world.slices.insert(slice.name.clone(), slice);
                }
            }
            // Asked twice: what the first call learned must not change the second's answer.
            let fresh = world.answer(&mut world.fresh());
            prop_assert_eq!(&world.answer(&mut inventory), &fresh, "after {:?}", event);
            prop_assert_eq!(&world.answer(&mut inventory), &fresh, "again after {:?}", event);
        }
    }

    #[test]
    fn what_fits_is_the_first_solution_of_all(small in small()) {
        let found = small.allocate(&small.claim(), "");
        let first = small.first_of_all();
        prop_assert_eq!(found, first);
    }

    #[test]
    fn without_a_constraint_what_fits_still_fits(small in small()) {
        let mut claim = small.claim();
        let fits = small.allocate(&claim, "").is_some();
        for at in 0..claim.constraints.len() {
            let dropped = claim.constraints.remove(at);
            prop_assert!(!fits || small.allocate(&claim, "").is_some());
            claim.constraints.insert(at, dropped);
        }
    }

    #[test]
    fn names_decide_nothing(small in small()) {
        let plain = small.allocate(&small.claim(), "");
        let renamed = small.allocate(&small.claim(), "other-");
        let stripped = renamed.map(|devices| {
            devices.iter().map(|name| name.trim_start_matches("other-").to_owned()).collect()
        });
        prop_assert_eq!(plain, stripped);
    }
}

/// A question that is small enough to try every choice: one pool, requests with counts, constraints.
#[derive(Debug, Clone)]
struct Small {
    /// The two attributes of each device, and whether it is in use.
    devices: Vec<(Option<i64>, Option<i64>, bool)>,
    /// Count, and which value of the first attribute is asked for.
    requests: Vec<(i64, Option<i64>)>,
    /// Match or distinct, which attribute, and which requests (empty: all).
    constraints: Vec<(bool, usize, Vec<usize>)>,
}

const NAMES: [&str; 2] = ["d.x/a", "d.x/b"];

fn small() -> impl Strategy<Value = Small> {
    let value = || prop::option::weighted(0.9, 0..3i64);
    let devices = prop::collection::vec((value(), value(), prop::bool::weighted(0.15)), 1..8);
    let requests = prop::collection::vec((1..4i64, prop::option::weighted(0.3, 0..3i64)), 1..4);
    let constraint = (
        any::<bool>(),
        0..2usize,
        prop::collection::vec(0..3usize, 0..3),
    );
    let constraints = prop::collection::vec(constraint, 0..3);
    (devices, requests, constraints).prop_map(|(devices, requests, mut constraints)| {
        for (_, _, of) in &mut constraints {
            of.sort_unstable();
            of.dedup();
            of.retain(|request| *request < requests.len());
        }
        Small {
            devices,
            requests,
            constraints,
        }
    })
}

impl Small {
    fn claim(&self) -> ResourceClaim {
        let requests = self.requests.iter().enumerate();
        let requests = requests.map(|(index, (count, value))| {
            let mut query = query("any", *count);
            if let Some(value) = value {
                query.selectors = vec![Some(format!("{}={value}", NAMES[0]).into())];
            }
            request(&format!("r{index}"), query)
        });
        let constraints = self.constraints.iter().map(|(matches, attribute, of)| {
            let attribute = Some(Text::from(NAMES[*attribute]));
            Constraint {
                requests: of.iter().map(|r| format!("r{r}").into()).collect(),
                match_attribute: attribute.clone().filter(|_| *matches),
                distinct_attribute: attribute.filter(|_| !*matches),
            }
        });
        ResourceClaim {
            name: "claim".into(),
            requests: requests.collect(),
            constraints: constraints.collect(),
            ..ResourceClaim::default()
        }
    }

    /// Names of the devices, with a prefix before each.
    fn allocate(&self, claim: &ResourceClaim, prefix: &str) -> Option<Vec<String>> {
        let devices = self.devices.iter().enumerate();
        let devices = devices.map(|(index, (a, b, _))| {
            let values = NAMES.into_iter().zip([a, b]);
            let values = values
                .filter_map(|(name, value)| Some((Text::from(name), Attribute::Int((*value)?))));
            Device {
                name: format!("{prefix}{index}").into(),
                attributes: values.collect(),
                ..Device::default()
            }
        });
        let mut inventory = Inventory::new(TestEngine);
        inventory.apply_class(&class("any", "true"));
        inventory.apply_slice(&Arc::new(ResourceSlice {
            name: "slice".into(),
            driver: "d".into(),
            pool: Pool {
                name: format!("{prefix}pool").into(),
                generation: 1,
                resource_slice_count: 1,
            },
            node_name: Some(format!("{prefix}node").into()),
            devices: devices.collect(),
            ..ResourceSlice::default()
        }));
        for (index, _) in self.devices.iter().enumerate().filter(|(_, d)| d.2) {
            let id = DeviceId {
                driver: "d".into(),
                pool: format!("{prefix}pool").into(),
                device: format!("{prefix}{index}").into(),
            };
            inventory.hold(&id, &"somebody".into());
        }
        let node = Node {
            name: format!("{prefix}node").into(),
            ..Node::default()
        };
        let question = Question {
            node: &node,
            claims: &[claim],
            features: Features::default().with(Feature::ConsumableCapacity),
            budget: 1_000_000,
        };
        match inventory.allocate(&question).verdict {
            Verdict::Fits(results) => {
                let devices = results[0].results.iter();
                Some(devices.map(|result| result.device.to_string()).collect())
            }
            Verdict::Refused(_) => None,
            other => panic!("{other:?}"),
        }
    }

    /// The first choice of devices, in order, that breaks no rule.
    fn first_of_all(&self) -> Option<Vec<String>> {
        let wanted = self.requests.iter().enumerate();
        let wanted: Vec<usize> = wanted
            .flat_map(|(index, (count, _))| std::iter::repeat_n(index, *count as usize))
            .collect();
        let mut chosen = Vec::new();
        self.choose(&wanted, &mut chosen)
            .then(|| chosen.iter().map(usize::to_string).collect())
    }

    fn choose(&self, wanted: &[usize], chosen: &mut Vec<usize>) -> bool {
        if chosen.len() == wanted.len() {
            return self.keeps_constraints(wanted, chosen);
        }
        let request = wanted[chosen.len()];
        for device in 0..self.devices.len() {
            let (a, _, in_use) = self.devices[device];
            let asked = self.requests[request].1;
            let again = chosen.contains(&device);
            // The devices of one request are a set: taken in their order.
            let behind = chosen
                .last()
                .is_some_and(|last| wanted[chosen.len() - 1] == request && device < *last);
            if in_use || again || behind || asked.is_some_and(|asked| a != Some(asked)) {
                continue;
            }
            chosen.push(device);
            if self.choose(wanted, chosen) {
                return true;
            }
            chosen.pop();
        }
        false
    }

    fn keeps_constraints(&self, wanted: &[usize], chosen: &[usize]) -> bool {
        self.constraints.iter().all(|(matches, attribute, of)| {
            let meant = wanted.iter().zip(chosen);
            let meant = meant.filter(|(request, _)| of.is_empty() || of.contains(request));
            let values: Option<Vec<i64>> = meant
                .map(|(_, device)| {
                    let (a, b, _) = self.devices[*device];
                    if *attribute == 0 { a } else { b }
                })
                .collect();
            values.is_some_and(|values| {
                let mut kinds = values.clone();
                kinds.sort_unstable();
                kinds.dedup();
                kinds.len()
                    == if *matches {
                        values.len().min(1)
                    } else {
                        values.len()
                    }
            })
        })
    }
}
