//! An engine for tests, with expressions as simple as can be, and a generator of random questions.

#![allow(dead_code)] // Each test uses a part.

pub mod trainium;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use trainyard_allocator::{Inventory, Question};
use trainyard_model::Text;
use trainyard_model::claim::{
    AllocationMode, ClaimConfig, Constraint, DerivedAttribute, DeviceQuery, DeviceRequest, Opaque,
    ResourceClaim,
};
use trainyard_model::class::DeviceClass;
use trainyard_model::device::{
    Attribute, Capacity, CounterConsumption, Device, RequestPolicy, ValidRange,
};
use trainyard_model::features::{Feature, Features};
use trainyard_model::node::Node;
use trainyard_model::quantity::Quantity;
use trainyard_model::selector::{CompileError, Engine, EvalError, Judgement};
use trainyard_model::slice::{CounterSet, DeviceId, Pool, ResourceSlice};
use trainyard_model::taint::{Effect, Taint, Toleration};

/// `true`, `driver=NAME`, `ATTRIBUTE=INT`, `ATTRIBUTE!INT` (fails where the attribute is missing);
/// as a derived attribute: `ATTRIBUTE`. Anything with `)` does not compile.
#[derive(Debug, Default)]
pub struct TestEngine;

thread_local! {
    static EVALUATIONS: Cell<u64> = const { Cell::new(0) };
}

/// How many expressions this thread has evaluated.
pub fn evaluations() -> u64 {
    EVALUATIONS.get()
}

#[derive(Debug, Clone)]
pub struct TestDevice {
    driver: String,
    device: Device,
}

impl Engine for TestEngine {
    type Expression = String;
    type Device = TestDevice;

    fn convert(&mut self, driver: &str, device: &Device) -> TestDevice {
        TestDevice {
            driver: driver.into(),
            device: device.clone(),
        }
    }

    fn compile(&mut self, source: &str) -> Result<String, CompileError> {
        if source.contains(')') {
            return Err(CompileError {
                message: "syntax error".into(),
                span: None,
            });
        }
        Ok(source.into())
    }

    fn compile_derived(&mut self, source: &str) -> Result<String, CompileError> {
        self.compile(source)
    }

    fn is_alike(&self, expression: &String, one: &TestDevice, other: &TestDevice) -> bool {
        let Some((name, _)) = expression.split_once(['=', '!']) else {
            return true;
        };
        let value = |device: &TestDevice| device.device.attributes.get(name).cloned();
        name != "driver" && value(one) == value(other)
    }

    fn converts(&self, _: &TestDevice) -> bool {
        true
    }

    fn judge(&self, expression: &String, device: &TestDevice) -> Judgement {
        EVALUATIONS.set(EVALUATIONS.get() + 1);
        let by_driver = |fits| Judgement {
            fits: Ok(fits),
            by_driver: true,
        };
        if expression == "true" {
            return by_driver(true);
        }
        if let Some(driver) = expression.strip_prefix("driver=") {
            return by_driver(device.driver == driver);
        }
        let (name, value) = expression
            .split_once(['=', '!'])
            .expect("a test expression");
        let value: i64 = value.parse().expect("a number");
        let fits = match device.device.attributes.get(name) {
            Some(Attribute::Int(has)) => Ok(*has == value),
            None if expression.contains('!') => Err(EvalError {
                message: "no such key".into(),
            }),
            _ => Ok(false),
        };
        Judgement {
            fits,
            by_driver: false,
        }
    }

    fn derive(&self, expression: &String, device: &TestDevice) -> Result<Attribute, EvalError> {
        let found = device.device.attributes.get(expression.as_str());
        found.cloned().ok_or_else(|| EvalError {
            message: "no such key".into(),
        })
    }
}

/// A source of numbers that repeats for a seed (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    pub fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}

/// A whole question.
pub struct Scenario {
    pub node: Node,
    pub classes: Vec<Arc<DeviceClass>>,
    pub slices: Vec<Arc<ResourceSlice>>,
    pub claims: Vec<ResourceClaim>,
    pub held: Vec<DeviceId>,
    pub features: Features,
}

impl Scenario {
    pub fn inventory(&self) -> Inventory<TestEngine> {
        let mut inventory = Inventory::new(TestEngine);
        self.classes
            .iter()
            .for_each(|class| inventory.apply_class(class));
        self.slices
            .iter()
            .for_each(|slice| inventory.apply_slice(slice));
        for device in &self.held {
            inventory.hold(device, &"somebody".into());
        }
        inventory
    }

    pub fn ask<R>(&self, budget: u64, then: impl FnOnce(&Question<'_>) -> R) -> R {
        let claims: Vec<&ResourceClaim> = self.claims.iter().collect();
        then(&Question {
            node: &self.node,
            claims: &claims,
            features: self.features,
            budget,
        })
    }
}

pub fn class(name: &str, selector: &str) -> Arc<DeviceClass> {
    Arc::new(DeviceClass {
        name: name.into(),
        selectors: vec![Some(selector.into())],
        config: vec![Some(Opaque {
            driver: "d".into(),
            parameters: "{}".into(),
        })],
        extended_resource_name: None,
    })
}

pub fn query(class: &str, count: i64) -> DeviceQuery {
    DeviceQuery {
        class: class.into(),
        count,
        ..DeviceQuery::default()
    }
}

pub fn request(name: &str, query: DeviceQuery) -> DeviceRequest {
    DeviceRequest {
        name: name.into(),
        exactly: Some(query),
        first_available: Vec::new(),
    }
}

fn quantity(value: i64) -> Quantity {
    Quantity::from_int(value, trainyard_model::quantity::Format::DecimalSi)
}

const ATTRIBUTES: [&str; 3] = ["d.x/a", "d.x/b", "d.x/c"];

/// A random question of up to `devices` devices.
pub fn scenario(seed: u64, devices: u64) -> Scenario {
    let dice = &mut Dice(seed);
    let features: Features = Feature::ALL
        .into_iter()
        .filter(|feature| match feature {
            Feature::PrioritizedList | Feature::ConsumableCapacity => !dice.one_in(20),
            _ => dice.one_in(2),
        })
        .collect();
    let partitions = dice.one_in(3) && features.has(Feature::PartitionableDevices);
    let sharing = dice.one_in(3);
    let odd = dice.one_in(3);
    let drivers = 1 + dice.below(2);
    let mut slices = Vec::new();
    let mut ids = Vec::new();
    for driver in 0..drivers {
        let mut left = 1 + dice.below(devices);
        let count = 1 + dice.below(2);
        let parts = i64::from(partitions) + count as i64;
        for slice in 0..count {
            let size = if slice + 1 == count { left } else { left / 2 };
            left -= size;
            let mut list = Vec::new();
            for device in 0..size {
                let name = format!("dev-{slice}-{device}");
                ids.push(DeviceId {
                    driver: format!("d{driver}").into(),
                    pool: "node".into(),
                    device: name.as_str().into(),
                });
                list.push(random_device(dice, &name, partitions, sharing, odd));
            }
            slices.push(ResourceSlice {
                name: format!("s-{driver}-{slice}").into(),
                driver: format!("d{driver}").into(),
                pool: Pool {
                    name: "node".into(),
                    generation: 1,
                    resource_slice_count: parts,
                },
                node_name: Some("node".into()),
                devices: list.into(),
                ..ResourceSlice::default()
            });
        }
        if partitions {
            slices.push(ResourceSlice {
                name: format!("s-{driver}-counters").into(),
                driver: format!("d{driver}").into(),
                pool: Pool {
                    name: "node".into(),
                    generation: 1,
                    resource_slice_count: parts,
                },
                node_name: Some("node".into()),
                shared_counters: vec![CounterSet {
                    name: "set".into(),
                    counters: BTreeMap::from([("mem".into(), quantity(4 + dice.below(6) as i64))]),
                }],
                ..ResourceSlice::default()
            });
        }
    }
    let held = ids.into_iter().filter(|_| dice.one_in(6)).collect();
    let classes = vec![
        class("any", "true"),
        class("d0", "driver=d0"),
        class("a1", "d.x/a=1"),
        class("odd", "d.x/c!1"),
    ];
    let claims = (0..1 + dice.below(2))
        .map(|index| random_claim(dice, index, features, odd))
        .collect();
    Scenario {
        node: Node {
            name: "node".into(),
            ..Node::default()
        },
        classes,
        slices: slices.into_iter().map(Arc::new).collect(),
        claims,
        held,
        features,
    }
}

fn random_device(
    dice: &mut Dice,
    name: &str,
    partitions: bool,
    sharing: bool,
    odd: bool,
) -> Device {
    let mut device = Device {
        name: name.into(),
        ..Device::default()
    };
    for attribute in ATTRIBUTES {
        let value = match dice.below(12) {
            0 if odd => continue,
            1 if odd => Attribute::String("x".into()),
            2 => Attribute::Ints(vec![dice.below(3) as i64, dice.below(3) as i64]),
            3 if odd => Attribute::Unknown,
            _ => Attribute::Int(dice.below(3) as i64),
        };
        device.attributes.insert(attribute.into(), value);
    }
    if partitions && !dice.one_in(3) {
        let groups: Vec<Text> = match dice.below(6) {
            0 => vec!["g".into()],
            1 => vec!["g".into(), "h".into()],
            _ => Vec::new(),
        };
        device.consumes_counters.push(CounterConsumption {
            counter_set: "set".into(),
            counters: BTreeMap::from([("mem".into(), quantity(1 + dice.below(3) as i64))]),
            compatibility_groups: groups,
        });
    }
    if sharing && dice.one_in(2) {
        device.allow_multiple_allocations = Some(true);
    }
    if sharing && dice.one_in(2) {
        let policy = dice.one_in(2).then(|| RequestPolicy {
            default: Some(quantity(2)),
            valid_values: Vec::new(),
            valid_range: Some(ValidRange {
                min: Some(quantity(1)),
                max: Some(quantity(8)),
                step: Some(quantity(1)),
            }),
        });
        device.capacity.insert(
            "mem".into(),
            Capacity {
                value: quantity(4 + dice.below(4) as i64),
                request_policy: policy,
            },
        );
    }
    if dice.one_in(8) {
        device.taints.push(Taint {
            key: "t".into(),
            value: "v".into(),
            effect: Effect::NoSchedule,
            time_added: None,
        });
    }
    device
}

fn random_query(dice: &mut Dice, features: Features, listed: bool, odd: bool) -> DeviceQuery {
    let classes = if odd { 4 } else { 3 };
    let class = ["any", "d0", "a1", "odd"][dice.below(classes) as usize];
    let mut query = query(class, 1 + dice.below(4) as i64);
    if dice.one_in(3) {
        query.selectors = vec![Some(format!("d.x/b={}", dice.below(3)).into())];
    }
    if dice.one_in(6) {
        query.mode = AllocationMode::All;
        query.count = 0;
    }
    if !listed && dice.one_in(8) && features.has(Feature::AdminAccess) {
        query.admin_access = Some(true);
    }
    if dice.one_in(4) {
        query.tolerations = Some(vec![Toleration {
            key: "t".into(),
            operator: "Exists".into(),
            value: "".into(),
            effect: "".into(),
            toleration_seconds: None,
        }]);
    }
    if dice.one_in(4) && features.has(Feature::ConsumableCapacity) {
        let amount = quantity(1 + dice.below(4) as i64);
        query.capacity = Some(BTreeMap::from([("mem".into(), amount)]));
    }
    if dice.one_in(6) && features.has(Feature::DerivedAttributes) {
        query.derived_attributes = vec![DerivedAttribute {
            name: ATTRIBUTES[0].into(),
            expression: ATTRIBUTES[1].into(),
        }];
    }
    query
}

fn random_claim(dice: &mut Dice, index: u64, features: Features, odd: bool) -> ResourceClaim {
    let mut claim = ResourceClaim {
        namespace: "default".into(),
        name: format!("claim-{index}").into(),
        ..ResourceClaim::default()
    };
    let mut names: Vec<Text> = Vec::new();
    for at in 0..1 + dice.below(3) {
        let name: Text = format!("r{at}").into();
        names.push(name.clone());
        if features.has(Feature::PrioritizedList) && dice.one_in(3) {
            let alternatives = (0..1 + dice.below(3)).map(|sub| {
                let mut query = random_query(dice, features, true, odd);
                query.name = format!("s{sub}").into();
                if dice.one_in(6) {
                    query.count += 16;
                }
                query
            });
            let first_available: Vec<_> = alternatives.collect();
            names.push(format!("{name}/s0").into());
            claim.requests.push(DeviceRequest {
                name,
                exactly: None,
                first_available,
            });
        } else {
            let query = random_query(dice, features, false, odd);
            claim.requests.push(request(&name, query));
        }
    }
    for _ in 0..dice.below(3) {
        let mut constraint = Constraint::default();
        for name in &names {
            if dice.one_in(2) {
                constraint.requests.push(name.clone());
            }
        }
        let attribute = ATTRIBUTES[dice.below(3) as usize];
        if dice.one_in(3) {
            constraint.distinct_attribute = Some(attribute.into());
        } else {
            constraint.match_attribute = Some(attribute.into());
        }
        claim.constraints.push(constraint);
    }
    if dice.one_in(2) {
        claim.config.push(ClaimConfig {
            requests: names.iter().take(1).cloned().collect(),
            opaque: None,
        });
    }
    claim
}
