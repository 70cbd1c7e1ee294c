//! Which node takes which pod? kube-scheduler's cycle, one pod after the other.
//!
//! The running example: five pods of one Deployment and one trn2.48xlarge. They ask the same, so they
//! are one [`EquivalenceClass`]. For each, PreFilter counts what is on
//! all nodes, Filter asks the node and its devices, PreScore and Score choose among several nodes, and
//! the [`Snapshot`] learns what became of the pod. The fifth is refused with the allocator's proof.
//!
//! Refuses to know: where pods and nodes come from, and how an answer is shown.

mod demands;
mod equivalence;
mod filter;
mod node_group;
mod node_info;
mod pre_filter;
mod pre_score;
mod refusal;
mod score;
mod snapshot;
#[cfg(test)]
mod tests;
mod upstream_timeout;

use std::sync::Arc;

use rustc_hash::FxHashMap;
use trainyard_model::Text;
use trainyard_model::claim::{AllocationResult, ResourceClaim};
use trainyard_model::gates::{Gate, Gates};
use trainyard_model::plan::{Held, PodClaim, PodPlan, Refusal};

use crate::devices::{Devices, MOST_STEPS, Settings, rank_of_alternatives};
use crate::input::claims::{Claims, Found, Key, Need};
use crate::input::{Classes, Objects};
use crate::pod::Pod;
use crate::pod::demand::Demand;
use crate::pod::extended::Extended;
use crate::pod::labels::NodeTerm;
use demands::Demands;
use equivalence::{Decision, EquivalenceClass, Pin};
use filter::cause::Cause;
use snapshot::{LabelReads, Snapshot};

pub use equivalence::Strategy;
pub(crate) use upstream_timeout::UpstreamTimeout;

/// What two pods must have in common to be of one class.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ClassKey {
    demand: Demand,
    made_for: Option<Text>,
    claims: Vec<ClaimKey>,
    extended: Option<Extended>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum ClaimKey {
    /// The pod's name for the claim, and the template.
    Template(Text, Key),
    /// A claim, and whether it has been allocated.
    Claim(Text, Key, bool),
}

/// What pods share whose claims all come from templates: demand and spec by address, and the
/// namespace. Enough to find their class without comparing demands.
type Template = (usize, usize, Text);

/// A class, and what follows from its decisions.
#[derive(Debug)]
struct Known {
    class: EquivalenceClass,
    /// Steps of kube-scheduler's search counted so far.
    steps: u64,
    /// Whether kube-scheduler's search would take too long.
    timeout: Option<(usize, UpstreamTimeout)>,
    /// The last refusal, good as long as nothing has been placed since.
    refusal: Option<(usize, Arc<Refusal>)>,
}

/// Everything that changes from pod to pod.
pub(crate) struct Scheduler {
    /// Nodes and the pods on them.
    pub snapshot: Snapshot,
    /// Devices.
    pub devices: Devices,
    /// The devices that claims of the input have.
    pub held: Vec<Held>,
    demands: Demands,
    claims: Claims,
    /// The classes that extended resources may belong to; `None`: the gate is off.
    extended: Option<Classes>,
    strategy: Strategy,
    known: Vec<Known>,
    ids: FxHashMap<ClassKey, usize>,
    by_template: FxHashMap<Template, usize>,
    placed: usize,
}

impl Scheduler {
    /// Nothing is scheduled yet, and claims of the input have their devices. `pods` are all that will
    /// be asked about.
    pub(crate) fn new(
        mut objects: Objects,
        pods: &[Pod],
        strategy: Strategy,
        gates: &Gates,
    ) -> Self {
        let mut reads = LabelReads::of_devices(&objects.slices, &objects.claims);
        let demands = Demands::of(pods, &mut reads);
        let mut devices = Devices::new(
            objects.nodes.iter().map(|node| node.meta.clone()).collect(),
            &objects.slices,
            &Settings::of(&objects.claims.specs(), &objects.classes.converted(), gates),
        );
        let mut held = Vec::new();
        for (key, claim) in &objects.claims.claims {
            let Some(allocation) = &claim.allocation else {
                continue;
            };
            let holder = claim.holder(key);
            devices.hold(allocation, &holder);
            held.extend(allocation.exclusive().map(|device| Held {
                device: device.id(),
                claim: format!("{}/{}", key.0, key.1).into(),
                holder: holder.clone(),
            }));
        }
        let namespaces = std::mem::take(&mut objects.namespaces);
        Scheduler {
            snapshot: Snapshot::new(objects.nodes, namespaces, &reads, &devices),
            devices,
            demands,
            held,
            claims: objects.claims,
            extended: gates.has(Gate::ExtendedResource).then_some(objects.classes),
            strategy,
            known: Vec::new(),
            ids: FxHashMap::default(),
            by_template: FxHashMap::default(),
            placed: 0,
        }
    }

    /// Counts a pod that runs already. One on a node that the input lacks counts nowhere.
    pub(crate) fn add_running(&mut self, pod: &Pod) -> PodPlan {
        let demand = self.demands.get(pod);
        let bound = pod.bound_to.as_ref();
        if let Some(node) = bound.and_then(|name| self.snapshot.find(name)) {
            self.snapshot.assume(node, &demand, &self.devices);
        }
        let needs = self.claims.needs(pod).unwrap_or_default();
        let mut claims: Vec<PodClaim> = needs
            .iter()
            .filter_map(|need| self.claims.planned(pod, need))
            .collect();
        if let Some(name) = &pod.extended_claim {
            let need = Need {
                pod_claim_name: Text::default(),
                name: name.clone(),
                template: None,
                found: Found::Claim,
            };
            claims.extend(self.claims.planned(pod, &need));
        }
        PodPlan {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            node: pod.bound_to.clone(),
            claims,
            refusal: None,
            prepare: None,
        }
    }

    /// Finds a node for a pod, and assigns the pod to it.
    pub(crate) fn schedule(&mut self, pod: &Pod) -> PodPlan {
        let demand = self.demands.get(pod);
        let needs = match self.claims.needs(pod) {
            Ok(needs) => needs,
            Err(missing) => {
                let refusal = Refusal {
                    code: missing.code(),
                    message: missing.to_string(),
                    nodes: Vec::new(),
                };
                return self.refused(pod, &[], Arc::new(refusal));
            }
        };
        let id = self.class(pod, &demand, &needs);
        let known = &mut self.known[id];
        if let Some((placed, refusal)) = &known.refusal
            && *placed == self.placed
        {
            let refusal = refusal.clone();
            return self.refused(pod, &needs, refusal);
        }
        let decision = known
            .class
            .schedule(&self.snapshot, &mut self.devices, self.strategy);
        self.limit_memory(id);
        self.count_upstream_steps(pod.source, id);
        let refusal = match decision {
            Decision::Scheduled { node, claims } => {
                return self.assume(pod, &needs, id, node, claims);
            }
            Decision::Unschedulable(causes) => refusal::of_causes(causes, self.snapshot.nodes()),
            Decision::Error(node, rejection) => {
                refusal::of_error(&self.snapshot.nodes()[node], rejection)
            }
        };
        let refusal = Arc::new(refusal);
        self.known[id].refusal = Some((self.placed, refusal.clone()));
        self.refused(pod, &needs, refusal)
    }

    /// The class of a pod.
    fn class(&mut self, pod: &Pod, demand: &Arc<Demand>, needs: &[Need]) -> usize {
        let from_templates = needs
            .iter()
            .all(|need| matches!(need.found, Found::Template));
        let template = (pod.made_for.is_none() && from_templates).then(|| {
            let demand = Arc::as_ptr(demand) as usize;
            (
                demand,
                Arc::as_ptr(&pod.spec) as usize,
                pod.namespace.clone(),
            )
        });
        let known = template.as_ref().and_then(|key| self.by_template.get(key));
        if let Some(id) = known {
            return *id;
        }
        let key = self.class_key(pod, demand, needs);
        let id = match self.ids.get(&key) {
            Some(id) => *id,
            None => {
                self.known.push(Known {
                    class: self.new_class(&key),
                    steps: 0,
                    timeout: None,
                    refusal: None,
                });
                self.ids.insert(key, self.known.len() - 1);
                self.known.len() - 1
            }
        };
        self.by_template.extend(template.map(|key| (key, id)));
        id
    }

    /// What a pod asks, apart from its name.
    fn class_key(&self, pod: &Pod, demand: &Demand, needs: &[Need]) -> ClassKey {
        let classes = self.extended.as_ref();
        let class_of = |resource: &str| classes?.of_resource(resource);
        let extended = Extended::of(&pod.spec, class_of);
        let mut demand = demand.clone();
        if let Some(extended) = &extended {
            demand.by_class = extended.resources().cloned().collect();
        }
        let claim_key = |need: &Need| match (&need.found, &need.template) {
            (Found::Template, Some(template)) => ClaimKey::Template(
                need.pod_claim_name.clone(),
                (pod.namespace.clone(), template.clone()),
            ),
            _ => {
                let key = (pod.namespace.clone(), need.name.clone());
                let claim = self.claims.claims.get(&key);
                let allocated = claim.is_some_and(|claim| claim.allocation.is_some());
                ClaimKey::Claim(need.pod_claim_name.clone(), key, allocated)
            }
        };
        ClassKey {
            demand,
            made_for: pod.made_for.clone(),
            claims: needs.iter().map(claim_key).collect(),
            extended,
        }
    }

    fn new_class(&self, key: &ClassKey) -> EquivalenceClass {
        let mut class = EquivalenceClass::of(key.demand.clone());
        class.extended = key.extended.clone();
        for claim in &key.claims {
            match claim {
                ClaimKey::Template(name, key) => {
                    let template = &self.claims.templates[key];
                    // The claim has another name for each pod: messages have what all pods call it.
                    class
                        .claims
                        .push(named(&template.spec, name, &Text::default()));
                }
                ClaimKey::Claim(name, key, allocated) => {
                    let claim = &self.claims.claims[key];
                    match claim.allocation.as_ref().filter(|_| *allocated) {
                        None => class.claims.push(named(&claim.spec, &key.1, &key.0)),
                        Some(allocation) => {
                            class.rank_of_alternatives +=
                                rank_of_alternatives(&claim.spec, allocation);
                            if let Some(selector) = &allocation.node_selector {
                                let terms = NodeTerm::of_selector(selector);
                                class.usable_on.push((name.clone(), terms));
                            }
                        }
                    }
                }
            }
        }
        let made_for = key.made_for.as_ref();
        class.pin = match made_for.and_then(|name| self.snapshot.find(name)) {
            Some(node) => Some(Pin { node, others: None }),
            None => class.usable_on.iter().find_map(|(claim, terms)| {
                let [term] = terms.as_slice() else {
                    return None;
                };
                let node = self.snapshot.find(term.only()?)?;
                let others = Some(Cause::ClaimElsewhere(claim.clone()));
                Some(Pin { node, others })
            }),
        };
        class
    }

    /// Forgets what was found out for other classes, before it becomes too much.
    fn limit_memory(&mut self, current: usize) {
        const MOST: usize = 1 << 20;
        let remembered: usize = self
            .known
            .iter()
            .map(|known| known.class.remembered())
            .sum();
        if remembered > MOST {
            for (id, known) in self.known.iter_mut().enumerate() {
                if id != current {
                    known.class.forget();
                }
            }
        }
    }

    /// Counts the steps of kube-scheduler's own search where devices have just been asked. One warning
    /// for a class is enough, and counting must not take longer than planning.
    fn count_upstream_steps(&mut self, source: usize, id: usize) {
        const ENOUGH: u64 = 2 * MOST_STEPS;
        let known = &mut self.known[id];
        for node in std::mem::take(&mut known.class.asked) {
            if known.timeout.is_some() || known.steps > ENOUGH {
                return;
            }
            let object = &self.snapshot.nodes()[node];
            let claims = known.class.claims_on(object);
            if claims.is_empty() {
                continue;
            }
            let steps = self.devices.upstream_steps(node, &claims);
            known.steps += steps;
            let fits = known.class.fits(self.snapshot.state(node));
            let timeout = UpstreamTimeout::of(object.name(), steps, fits);
            known.timeout = timeout.map(|timeout| (source, timeout));
        }
    }

    /// Where kube-scheduler's search would take too long, with the manifests of the pods.
    pub(crate) fn upstream_timeouts(&self) -> Vec<(usize, UpstreamTimeout)> {
        let known = self.known.iter();
        known.filter_map(|known| known.timeout.clone()).collect()
    }

    /// Takes devices and room on the node, and writes down who has what.
    fn assume(
        &mut self,
        pod: &Pod,
        needs: &[Need],
        id: usize,
        node: usize,
        claims: Vec<(Arc<ResourceClaim>, AllocationResult)>,
    ) -> PodPlan {
        let holder = format!("pod {}/{}", pod.namespace, pod.name).into();
        for (_, result) in &claims {
            self.devices.hold(result, &holder);
        }
        let demand = &self.known[id].class.demand;
        self.snapshot.assume(node, demand, &self.devices);
        self.placed += 1;
        let given = claims.into_iter();
        let mut given = given.map(|(spec, result)| (spec, Arc::new(result)));
        let mut planned = Vec::with_capacity(needs.len());
        for need in needs {
            planned.push(self.claims.assume(pod, need, &mut given));
        }
        planned.extend(given.map(|(spec, allocation)| PodClaim {
            namespace: pod.namespace.clone(),
            name: format!("{}-extended-resources", pod.name).into(),
            pod_claim_name: Text::default(),
            template: None,
            spec,
            allocation: Some(allocation),
        }));
        PodPlan {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            node: Some(self.snapshot.nodes()[node].name().clone()),
            claims: planned,
            refusal: None,
            prepare: None,
        }
    }

    fn refused(&self, pod: &Pod, needs: &[Need], refusal: Arc<Refusal>) -> PodPlan {
        PodPlan {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            node: None,
            claims: needs
                .iter()
                .filter_map(|need| self.claims.planned(pod, need))
                .collect(),
            refusal: Some(refusal),
            prepare: None,
        }
    }
}

/// The claim under the name that messages give it.
fn named(spec: &Arc<ResourceClaim>, name: &Text, namespace: &Text) -> Arc<ResourceClaim> {
    if spec.name == *name && spec.namespace == *namespace {
        return spec.clone();
    }
    Arc::new(ResourceClaim {
        name: name.clone(),
        namespace: namespace.clone(),
        ..(**spec).clone()
    })
}
