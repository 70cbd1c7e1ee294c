//! The loop: one pod after the other, each to the best node or with the reason why none takes it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use trainyard_model::Text;
use trainyard_model::claim::{AllocationResult, ResourceClaim};
use trainyard_model::node::NodeSelector;
use trainyard_model::plan::{NodeRefusal, PodClaim, PodPlan, Refusal};

use crate::claims::{Claim, Claims, Consumer, Found, Key, Need};
use crate::demand::{Context, Demand};
use crate::devices::{Devices, MOST_STEPS, Reason, alternatives};
use crate::extended::Extended;
use crate::labels::{Labels, NodeTerm};
use crate::place::{Decision, Objection, Pin, Shape, Strategy};
use crate::strain::Strain;
use crate::workload::Pod;
use crate::world::{Vocabulary, World};

/// What tells two questions apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Question {
    demand: Demand,
    made_for: Option<Text>,
    claims: Vec<Asked>,
    extended: Option<Extended>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Asked {
    /// The pod's name for the claim, and the template.
    Template(Text, Key),
    /// A claim, and whether it has been allocated.
    Claim(Text, Key, bool),
}

/// A question with what was found out about it.
#[derive(Debug)]
struct Known {
    shape: Shape,
    /// Steps of kube-scheduler's search counted so far.
    steps: u64,
    /// What it would suffer, if that is much.
    strain: Option<(usize, Strain)>,
    /// The last refusal, good as long as nothing has been placed since.
    refusal: Option<(usize, Arc<Refusal>)>,
}

/// Everything that the loop changes.
#[expect(missing_debug_implementations, reason = "it holds a function")]
pub struct Run<'a, D> {
    /// Nodes and the pods on them.
    pub world: World,
    /// Devices.
    pub devices: D,
    /// Claims and templates.
    pub claims: Claims,
    class_of: &'a dyn Fn(&str) -> Option<Text>,
    strategy: Strategy,
    known: Vec<Known>,
    ids: FxHashMap<Question, usize>,
    placed: usize,
}

/// Demands of pods, without the labels that nobody reads.
pub fn demands(pods: &[Pod], vocabulary: &mut Vocabulary) -> Vec<Arc<Demand>> {
    /// Pods of one template share spec and labels.
    type Mould = (usize, usize, bool);
    let mut known: FxHashMap<Mould, usize> = FxHashMap::default();
    let mut distinct: Vec<Demand> = Vec::new();
    let indices: Vec<usize> = pods
        .iter()
        .map(|pod| {
            let mould = (
                Arc::as_ptr(&pod.spec) as usize,
                Arc::as_ptr(&pod.labels) as usize,
                pod.terminating,
            );
            *known.entry(mould).or_insert_with(|| {
                let demand = demand(pod);
                vocabulary.read(&demand);
                distinct.push(demand);
                distinct.len() - 1
            })
        })
        .collect();
    for demand in &mut distinct {
        demand.forget(&vocabulary.pod_labels);
    }
    let distinct: Vec<Arc<Demand>> = distinct.into_iter().map(Arc::new).collect();
    indices
        .into_iter()
        .map(|index| distinct[index].clone())
        .collect()
}

fn demand(pod: &Pod) -> Demand {
    let labels: &Labels = &pod.labels;
    Demand::of(
        &pod.spec,
        &Context {
            namespace: &pod.namespace,
            labels,
            terminating: pod.terminating,
            controller: pod.controller.as_deref(),
        },
    )
}

impl<'a, D: Devices> Run<'a, D> {
    /// Begins with empty nodes.
    pub fn new(
        world: World,
        devices: D,
        claims: Claims,
        class_of: &'a dyn Fn(&str) -> Option<Text>,
        strategy: Strategy,
    ) -> Self {
        Run {
            world,
            devices,
            claims,
            class_of,
            strategy,
            known: Vec::new(),
            ids: FxHashMap::default(),
            placed: 0,
        }
    }

    /// A pod that runs already keeps its node. One on a node that the input lacks counts nowhere.
    pub fn admit(&mut self, pod: &Pod, demand: &Demand) -> PodPlan {
        let bound = pod.bound_to.as_ref();
        if let Some(node) = bound.and_then(|name| self.world.find(name)) {
            self.world.admit(node, demand, &self.devices);
        }
        let needs = self.claims.needs(pod).unwrap_or_default();
        let mut claims: Vec<PodClaim> = needs
            .iter()
            .filter_map(|need| self.as_is(pod, need))
            .collect();
        if let Some(name) = &pod.extended_claim {
            let need = Need {
                pod_claim_name: Text::default(),
                name: name.clone(),
                template: None,
                found: Found::Claim,
            };
            claims.extend(self.as_is(pod, &need));
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

    /// A claim as it stands.
    fn as_is(&self, pod: &Pod, need: &Need) -> Option<PodClaim> {
        let key = (pod.namespace.clone(), need.name.clone());
        let claim = self.claims.claims.get(&key);
        let spec = match (claim, &need.template) {
            (Some(claim), _) => claim.spec.clone(),
            (None, Some(template)) => {
                let key = (pod.namespace.clone(), template.clone());
                self.claims.templates.get(&key)?.spec.clone()
            }
            (None, None) => return None,
        };
        Some(PodClaim {
            namespace: pod.namespace.clone(),
            name: need.name.clone(),
            pod_claim_name: need.pod_claim_name.clone(),
            template: need.template.clone(),
            spec,
            allocation: claim.and_then(|claim| claim.allocation.clone()),
        })
    }

    /// What a pod asks, apart from its name.
    fn question(&mut self, pod: &Pod, demand: &Demand, needs: &[Need]) -> Question {
        let extended = Extended::of(&pod.spec, self.class_of);
        let mut demand = demand.clone();
        if let Some(extended) = &extended {
            demand.by_class = extended.resources().cloned().collect();
        }
        let asked = |need: &Need| match (&need.found, &need.template) {
            (Found::Template, Some(template)) => Asked::Template(
                need.pod_claim_name.clone(),
                (pod.namespace.clone(), template.clone()),
            ),
            _ => {
                let key = (pod.namespace.clone(), need.name.clone());
                let claim = self.claims.claims.get(&key);
                let allocated = claim.is_some_and(|claim| claim.allocation.is_some());
                Asked::Claim(need.pod_claim_name.clone(), key, allocated)
            }
        };
        Question {
            demand,
            made_for: pod.made_for.clone(),
            claims: needs.iter().map(asked).collect(),
            extended,
        }
    }

    /// Finds a node for a pod, and puts it there.
    pub fn place(&mut self, pod: &Pod, demand: &Demand) -> PodPlan {
        let needs = match self.claims.needs(pod) {
            Ok(needs) => needs,
            Err(missing) => {
                return self.refused(
                    pod,
                    &[],
                    Arc::new(Refusal {
                        code: missing.code(),
                        message: missing.to_string(),
                        nodes: Vec::new(),
                    }),
                );
            }
        };
        let question = self.question(pod, demand, &needs);
        let id = match self.ids.get(&question) {
            Some(id) => *id,
            None => {
                let shape = self.shape(&question);
                self.known.push(Known {
                    shape,
                    steps: 0,
                    strain: None,
                    refusal: None,
                });
                self.ids.insert(question, self.known.len() - 1);
                self.known.len() - 1
            }
        };
        let known = &mut self.known[id];
        if let Some((placed, refusal)) = &known.refusal
            && *placed == self.placed
        {
            let refusal = refusal.clone();
            return self.refused(pod, &needs, refusal);
        }
        let decision = known
            .shape
            .place(&self.world, &mut self.devices, self.strategy);
        self.limit_memory(id);
        self.measure(pod.source, id);
        match decision {
            Decision::Placed { node, claims } => self.carry_out(pod, &needs, id, node, claims),
            Decision::Refused(objections) => {
                let refusal = Arc::new(self.word(objections));
                self.known[id].refusal = Some((self.placed, refusal.clone()));
                self.refused(pod, &needs, refusal)
            }
            Decision::Fatal(node, reason) => {
                let name = &self.world.machines()[node].name;
                let refusal = Arc::new(fatal(name, &reason));
                self.known[id].refusal = Some((self.placed, refusal.clone()));
                self.refused(pod, &needs, refusal)
            }
        }
    }

    /// Lets go of what was found out for other questions, before it becomes too much.
    fn limit_memory(&mut self, current: usize) {
        const MOST: usize = 1 << 20;
        let remembered: usize = self
            .known
            .iter()
            .map(|known| known.shape.remembered())
            .sum();
        if remembered > MOST {
            for (id, known) in self.known.iter_mut().enumerate() {
                if id != current {
                    known.shape.forget();
                }
            }
        }
    }

    /// Counts the steps of kube-scheduler's own search where devices have just been asked. One warning
    /// for a question is enough, and counting must not take longer than planning.
    fn measure(&mut self, source: usize, id: usize) {
        const ENOUGH: u64 = 2 * MOST_STEPS;
        let known = &mut self.known[id];
        for node in std::mem::take(&mut known.shape.asked) {
            if known.strain.is_some() || known.steps > ENOUGH {
                return;
            }
            let machine = &self.world.machines()[node];
            let claims = known.shape.claims_on(machine);
            if claims.is_empty() {
                continue;
            }
            let steps = self.devices.upstream_steps(node, &claims);
            known.steps += steps;
            let fits = known.shape.fits(self.world.state(node));
            known.strain = Strain::of(&machine.name, steps, fits).map(|strain| (source, strain));
        }
    }

    /// What kube-scheduler would suffer, with the manifests of the pods.
    pub fn strains(&self) -> Vec<(usize, Strain)> {
        self.known
            .iter()
            .filter_map(|known| known.strain.clone())
            .collect()
    }

    /// What a question asks, in the words of [`Shape`].
    fn shape(&self, question: &Question) -> Shape {
        let mut shape = Shape::of(question.demand.clone());
        shape.extended = question.extended.clone();
        for asked in &question.claims {
            match asked {
                Asked::Template(name, key) => {
                    let template = &self.claims.templates[key];
                    // The claim itself has another name for each pod: told is what all call it.
                    shape
                        .claims
                        .push(named(&template.spec, name, &Text::default()));
                }
                Asked::Claim(name, key, allocated) => {
                    let claim = &self.claims.claims[key];
                    match claim.allocation.as_ref().filter(|_| *allocated) {
                        None => shape.claims.push(named(&claim.spec, &key.1, &key.0)),
                        Some(allocation) => {
                            shape.alternatives += alternatives(&claim.spec, allocation);
                            if let Some(selector) = &allocation.node_selector {
                                shape.usable_on.push((name.clone(), terms(selector)));
                            }
                        }
                    }
                }
            }
        }
        let made_for = question.made_for.as_ref();
        shape.pin = match made_for.and_then(|name| self.world.find(name)) {
            Some(node) => Some(Pin { node, others: None }),
            None => shape.usable_on.iter().find_map(|(claim, terms)| {
                let [term] = terms.as_slice() else {
                    return None;
                };
                let node = self.world.find(term.only()?)?;
                let others = Some(Objection::Claim(claim.clone()));
                Some(Pin { node, others })
            }),
        };
        shape
    }

    /// Takes devices and room, and writes down who has what.
    fn carry_out(
        &mut self,
        pod: &Pod,
        needs: &[Need],
        id: usize,
        node: usize,
        claims: Vec<(Arc<ResourceClaim>, AllocationResult)>,
    ) -> PodPlan {
        let results: Vec<AllocationResult> =
            claims.iter().map(|(_, result)| result.clone()).collect();
        let holder = format!("pod {}/{}", pod.namespace, pod.name).into();
        self.devices.take(node, &results, &holder);
        let demand = &self.known[id].shape.demand;
        self.world.admit(node, demand, &self.devices);
        self.placed += 1;
        let mut given = claims.into_iter();
        let mut planned = Vec::new();
        for need in needs {
            let key = (pod.namespace.clone(), need.name.clone());
            let before = self
                .claims
                .claims
                .get(&key)
                .and_then(|claim| claim.allocation.clone());
            let before = before.filter(|_| matches!(need.found, Found::Claim));
            let (spec, allocation) = match before {
                Some(allocation) => (self.claims.claims[&key].spec.clone(), allocation),
                None => {
                    let (spec, result) =
                        given.next().expect("a result for every claim to allocate");
                    let allocation = Arc::new(result);
                    self.write(pod, &key, need, &spec, &allocation);
                    (spec, allocation)
                }
            };
            self.claims.reserve(&key, pod);
            planned.push(PodClaim {
                namespace: pod.namespace.clone(),
                name: need.name.clone(),
                pod_claim_name: need.pod_claim_name.clone(),
                template: need.template.clone(),
                spec,
                allocation: Some(allocation),
            });
        }
        for (spec, result) in given {
            planned.push(PodClaim {
                namespace: pod.namespace.clone(),
                name: format!("{}-extended-resources", pod.name).into(),
                pod_claim_name: Text::default(),
                template: None,
                spec,
                allocation: Some(Arc::new(result)),
            });
        }
        PodPlan {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            node: Some(self.world.machines()[node].name.clone()),
            claims: planned,
            refusal: None,
            prepare: None,
        }
    }

    /// Notes an allocation where other pods may find it: claims from templates belong to one pod.
    fn write(
        &mut self,
        pod: &Pod,
        key: &Key,
        need: &Need,
        spec: &Arc<ResourceClaim>,
        allocation: &Arc<AllocationResult>,
    ) {
        if let Some(claim) = self.claims.claims.get_mut(key) {
            claim.allocation = Some(allocation.clone());
            return;
        }
        let claim = Claim {
            uid: Text::default(),
            spec: spec.clone(),
            allocation: Some(allocation.clone()),
            consumers: vec![Consumer {
                resource: "pods".into(),
                name: pod.name.clone(),
                uid: pod.uid.clone(),
            }],
            owner: Some(pod.uid.clone()),
            pod_claim_name: Some(need.pod_claim_name.clone()),
            deleting: false,
            broken: None,
            source: pod.source,
        };
        self.claims.claims.insert(key.clone(), claim);
    }

    fn refused(&self, pod: &Pod, needs: &[Need], refusal: Arc<Refusal>) -> PodPlan {
        PodPlan {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            node: None,
            claims: needs
                .iter()
                .filter_map(|need| self.as_is(pod, need))
                .collect(),
            refusal: Some(refusal),
            prepare: None,
        }
    }

    fn word(&self, objections: BTreeMap<Objection, BTreeSet<usize>>) -> Refusal {
        // Groups in the order of their first node.
        let mut groups: Vec<(BTreeSet<usize>, NodeRefusal)> = objections
            .into_iter()
            .filter(|(_, nodes)| !nodes.is_empty())
            .map(|(objection, nodes)| {
                let names = nodes
                    .iter()
                    .map(|node| self.world.machines()[*node].name.clone());
                let reason = match objection {
                    Objection::Filter(cause) => Reason::plain(cause.code(), cause.message()),
                    Objection::Claim(claim) => Reason::plain(
                        "claim/other-node",
                        format!("claim {claim} has been allocated elsewhere"),
                    ),
                    Objection::Devices(reason) => (*reason).clone(),
                };
                let refusal = node_refusal(names.collect(), reason);
                (nodes, refusal)
            })
            .collect();
        groups.sort_by(|(a, _), (b, _)| a.first().cmp(&b.first()));
        let nodes: Vec<NodeRefusal> = groups.into_iter().map(|(_, refusal)| refusal).collect();
        let code = match nodes.as_slice() {
            [one] => one.code,
            _ => "pod/no-node",
        };
        let message = match nodes.as_slice() {
            [one] => one.message.clone(),
            all => {
                let parts = all.iter().map(|group| match group.names.len() {
                    1 => format!("{}: {}", group.names[0], group.message),
                    count => format!("{count} nodes: {}", group.message),
                });
                format!("no node takes it. {}", parts.collect::<Vec<_>>().join(". "))
            }
        };
        Refusal {
            code,
            message,
            nodes,
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

/// Where an allocated claim can be used.
pub fn terms(selector: &NodeSelector) -> Vec<NodeTerm> {
    selector
        .terms
        .iter()
        .filter_map(NodeTerm::of_model)
        .collect()
}

fn fatal(node: &Text, reason: &Reason) -> Refusal {
    Refusal {
        code: reason.code,
        message: format!("node {node}: {}", reason.message),
        nodes: vec![node_refusal([node.clone()].into(), reason.clone())],
    }
}

fn node_refusal(names: Arc<[Text]>, reason: Reason) -> NodeRefusal {
    let mut details = reason.details;
    if names.len() > 1 && !details.is_empty() {
        let line = "devices named are those of one node; the others are in the same state";
        details.push(line.to_owned());
    }
    NodeRefusal {
        names,
        code: reason.code,
        message: reason.message,
        details,
        proof: reason.proof,
    }
}
