//! Amounts of cpu, memory and the rest, and what a pod asks for.
//!
//! Sums are made exactly and rounded up once per pod, as the scheduler does: cpu to thousandths,
//! everything else to whole units.

use std::collections::BTreeMap;

use trainyard_model::Text;

use crate::k8s::{Container, PodSpec, Quantity, ResourceRequirements};

/// Amounts of the resources that the scheduler adds up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Resources {
    /// Thousandths of a cpu.
    pub milli_cpu: i64,
    /// Bytes.
    pub memory: i64,
    /// Bytes.
    pub ephemeral_storage: i64,
    /// Huge pages and extended resources by name, as far as they are mentioned.
    pub scalar: BTreeMap<Text, i64>,
}

impl Resources {
    /// Adds `other`.
    pub fn add(&mut self, other: &Resources) {
        self.milli_cpu = self.milli_cpu.saturating_add(other.milli_cpu);
        self.memory = self.memory.saturating_add(other.memory);
        self.ephemeral_storage = self
            .ephemeral_storage
            .saturating_add(other.ephemeral_storage);
        for (name, amount) in &other.scalar {
            let sum = self.scalar.entry(name.clone()).or_default();
            *sum = sum.saturating_add(*amount);
        }
    }

    /// The amount of one scalar resource, zero if it is not mentioned.
    pub fn scalar(&self, name: &str) -> i64 {
        self.scalar.get(name).copied().unwrap_or_default()
    }

    /// A node's allocatable, and how many pods it takes.
    pub fn of_node(list: &BTreeMap<String, Quantity>) -> (Resources, i64) {
        let list: Amounts = list
            .iter()
            .map(|(name, quantity)| (name.as_str(), nanos(quantity)))
            .collect();
        let pods = list.get("pods").map(|amount| whole(*amount));
        (Resources::of(&list), pods.unwrap_or_default())
    }

    fn of(list: &Amounts) -> Resources {
        let mut result = Resources::default();
        for (name, amount) in list {
            match *name {
                "cpu" => result.milli_cpu = ceil(*amount, NANO / 1000),
                "memory" => result.memory = whole(*amount),
                "ephemeral-storage" => result.ephemeral_storage = whole(*amount),
                name if is_scalar(name) => {
                    result.scalar.insert(name.into(), whole(*amount));
                }
                _ => {}
            }
        }
        result
    }
}

/// What one pod asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Requests {
    /// As written, with limits standing in for missing requests.
    pub exact: Resources,
    /// Thousandths of a cpu, where a container that names none counts for 100.
    pub nonzero_milli_cpu: i64,
    /// Bytes, where a container that names none counts for 200 MiB.
    pub nonzero_memory: i64,
}

/// What scoring assumes of a container that asks for no cpu or no memory.
const ASSUMED: [(&str, i128); 2] = [("cpu", NANO / 10), ("memory", 200 * 1024 * 1024 * NANO)];

impl Requests {
    /// Adds up the containers of a pod.
    pub fn of(spec: &PodSpec) -> Requests {
        let exact = pod_requests(spec, &[]);
        let nonzero = Resources::of(&pod_requests(spec, &ASSUMED));
        Requests {
            exact: Resources::of(&exact),
            nonzero_milli_cpu: nonzero.milli_cpu,
            nonzero_memory: nonzero.memory,
        }
    }
}

/// Billionths by resource name.
type Amounts<'a> = BTreeMap<&'a str, i128>;

const NANO: i128 = 1_000_000_000;

fn nanos(quantity: &Quantity) -> i128 {
    quantity
        .0
        .parse::<trainyard_model::quantity::Quantity>()
        .map(|quantity| quantity.nanos())
        .unwrap_or_default()
}

fn ceil(nanos: i128, unit: i128) -> i64 {
    let up = nanos.div_euclid(unit) + i128::from(nanos.rem_euclid(unit) != 0);
    i64::try_from(up).unwrap_or(if up > 0 { i64::MAX } else { i64::MIN })
}

fn whole(nanos: i128) -> i64 {
    ceil(nanos, NANO)
}

/// What a container asks for, by resource; `None`: not a whole number.
pub fn container_counts(container: &Container) -> BTreeMap<Text, Option<i64>> {
    let amounts = container_requests(container).into_iter();
    amounts
        .map(|(name, nanos)| (name.into(), (nanos % NANO == 0).then(|| whole(nanos))))
        .collect()
}

fn pod_requests<'a>(spec: &'a PodSpec, assumed: &[(&'static str, i128)]) -> Amounts<'a> {
    let mut result = containers(spec, |container| {
        let mut amounts = container_requests(container);
        for (name, amount) in assumed {
            amounts.entry(name).or_insert(*amount);
        }
        amounts
    });
    if let Some(resources) = &spec.resources {
        for (name, amount) in pod_level(spec, resources) {
            result.insert(name, amount);
        }
    }
    for (name, quantity) in spec.overhead.iter().flatten() {
        *result.entry(name).or_default() += nanos(quantity);
    }
    result
}

/// Requests, and limits where there is no request: the API server fills them in.
fn container_requests(container: &Container) -> Amounts<'_> {
    let resources = container.resources.as_ref();
    let limits = resources.and_then(|resources| resources.limits.as_ref());
    let requests = resources.and_then(|resources| resources.requests.as_ref());
    let lists = limits.into_iter().chain(requests);
    lists
        .flatten()
        .map(|(name, quantity)| (name.as_str(), nanos(quantity)))
        .collect()
}

fn container_limits(container: &Container) -> Amounts<'_> {
    let resources = container.resources.as_ref();
    let limits = resources.and_then(|resources| resources.limits.as_ref());
    limits
        .into_iter()
        .flatten()
        .map(|(name, quantity)| (name.as_str(), nanos(quantity)))
        .collect()
}

/// Containers run together and are added; init containers run one after the other, each beside the
/// sidecars started before it, so the largest counts.
fn containers<'a>(
    spec: &'a PodSpec,
    amounts: impl Fn(&'a Container) -> Amounts<'a>,
) -> Amounts<'a> {
    let mut result = Amounts::new();
    for container in &spec.containers {
        add(&mut result, &amounts(container));
    }
    let (mut sidecars, mut init) = (Amounts::new(), Amounts::new());
    for container in spec.init_containers.iter().flatten() {
        let mut own = amounts(container);
        if is_sidecar(container) {
            add(&mut result, &own);
            add(&mut sidecars, &own);
            own = sidecars.clone();
        } else {
            add(&mut own, &sidecars);
        }
        largest(&mut init, &own);
    }
    largest(&mut result, &init);
    result
}

/// Whether an init container keeps running beside the others.
pub fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

fn add<'a>(sum: &mut Amounts<'a>, other: &Amounts<'a>) {
    for (name, amount) in other {
        *sum.entry(name).or_default() += amount;
    }
}

fn largest<'a>(result: &mut Amounts<'a>, other: &Amounts<'a>) {
    for (name, amount) in other {
        let entry = result.entry(name).or_insert(*amount);
        *entry = (*entry).max(*amount);
    }
}

/// `spec.resources` of a pod (KEP-2837): requests as the API server completes them.
fn pod_level<'a>(spec: &'a PodSpec, resources: &'a ResourceRequirements) -> Amounts<'a> {
    let read = |list: &'a Option<BTreeMap<String, Quantity>>| -> Amounts<'a> {
        let list = list.iter().flatten();
        list.map(|(name, quantity)| (name.as_str(), nanos(quantity)))
            .collect()
    };
    let (mut limits, mut requests) = (read(&resources.limits), read(&resources.requests));
    if limits.is_empty() && requests.is_empty() {
        return Amounts::new();
    }
    let supported = |name: &str| matches!(name, "cpu" | "memory") || name.starts_with("hugepages-");
    for (name, amount) in containers(spec, container_limits) {
        if name.starts_with("hugepages-") && !requests.contains_key(name) {
            limits.entry(name).or_insert(amount);
        }
    }
    if !limits.is_empty() {
        // Huge pages cannot be overcommitted: there the limit alone counts.
        let sums = containers(spec, container_requests);
        let sums = sums
            .into_iter()
            .filter(|(name, _)| matches!(*name, "cpu" | "memory"));
        for (name, amount) in sums.chain(limits) {
            requests.entry(name).or_insert(amount);
        }
    }
    requests.retain(|name, _| supported(name));
    requests
}

/// Whether the scheduler counts a resource that is not one of its four own.
fn is_scalar(name: &str) -> bool {
    is_extended(name)
        || name.starts_with("hugepages-")
        || name.contains("kubernetes.io/")
        || name.starts_with("attachable-volumes-")
}

/// Whether a name is an extended resource: qualified, and not Kubernetes' own.
pub fn is_extended(name: &str) -> bool {
    name.contains('/') && !name.contains("kubernetes.io/") && !name.starts_with("requests.")
}
