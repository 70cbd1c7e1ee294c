//! What a pod asks of a node, in the form in which filters and scores look at it.
//!
//! Pods with equal demands are one question: whatever is worked out for one of them holds for all.
//! So a demand holds nothing that no filter and no score reads: of the pod's labels only those that
//! some selector of the input names.

use std::collections::{BTreeMap, BTreeSet};

use trainyard_model::Text;
use trainyard_model::taint::{Taint, Toleration};

use super::labels::{Labels, NodeTerm, Selector};
use super::resources::{Requests, is_sidecar};
use crate::k8s::{self, PodSpec};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Demand {
    /// Namespace and labels, as far as any selector looks at them.
    pub identity: Identity,
    /// `spec.nodeSelector`
    pub node_selector: Selector,
    /// `requiredDuringSchedulingIgnoredDuringExecution`: one of the terms must match. `None`: any
    /// node will do.
    pub node_affinity: Option<Vec<NodeTerm>>,
    /// `preferredDuringSchedulingIgnoredDuringExecution` with weights.
    pub preferred_nodes: Vec<(i64, NodeTerm)>,
    /// `spec.tolerations` and those that the API server adds.
    pub tolerations: Vec<Toleration>,
    /// Host ports.
    pub ports: BTreeSet<HostPort>,
    /// cpu, memory and the rest.
    pub requests: Requests,
    /// Resources among them that a DeviceClass stands for (KEP-5004).
    pub by_class: BTreeSet<Text>,
    /// What it asks of other pods.
    pub peers: Peers,
    /// Topology spread constraints with `DoNotSchedule`.
    pub spread: Vec<Spread>,
    /// Those with `ScheduleAnyway`, or the scheduler's own default.
    pub preferred_spread: Vec<Spread>,
    /// Whether `preferred_spread` are the scheduler's defaults, which count a node without the
    /// topology labels too.
    pub default_spread: bool,
}

/// How a pod looks to the selectors of other pods.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Identity {
    /// `metadata.namespace`
    pub namespace: Text,
    /// `metadata.labels`
    pub labels: Labels,
    /// A pod being deleted is counted by affinity, but not by topology spread.
    pub terminating: bool,
}

/// Affinity between pods.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Peers {
    /// All must be met by pods that are there.
    pub affinity: Vec<PeerTerm>,
    /// None may be met.
    pub anti_affinity: Vec<PeerTerm>,
    /// Weights, negative for anti-affinity.
    pub preferred: Vec<(i64, PeerTerm)>,
}

impl Peers {
    /// All terms.
    pub fn terms(&self) -> impl Iterator<Item = &PeerTerm> {
        let preferred = self.preferred.iter().map(|(_, term)| term);
        self.affinity
            .iter()
            .chain(&self.anti_affinity)
            .chain(preferred)
    }
}

/// One affinity term: pods, and how near.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerTerm {
    /// `topologyKey`
    pub topology: Text,
    selector: Selector,
    namespaces: BTreeSet<Text>,
    namespace_selector: Selector,
}

impl PeerTerm {
    fn of(term: &k8s::PodAffinityTerm, namespace: &Text, labels: &Labels) -> PeerTerm {
        let mut selector = Selector::of(term.label_selector.as_ref());
        // The API server writes these into the selector; merging what it wrote changes nothing.
        let label = |key: &String| labels.get_key_value(key.as_str());
        for (key, value) in term.match_label_keys.iter().flatten().filter_map(label) {
            selector.require_equal(key.clone(), value.clone());
        }
        for (key, value) in term.mismatch_label_keys.iter().flatten().filter_map(label) {
            selector.require_unequal(key.clone(), value.clone());
        }
        let namespaces = term.namespaces.iter().flatten();
        let mut namespaces: BTreeSet<Text> = namespaces.map(|name| name.as_str().into()).collect();
        if namespaces.is_empty() && term.namespace_selector.is_none() {
            namespaces.insert(namespace.clone());
        }
        PeerTerm {
            topology: term.topology_key.as_str().into(),
            selector,
            namespaces,
            namespace_selector: Selector::of(term.namespace_selector.as_ref()),
        }
    }

    /// Whether the term speaks of a pod.
    pub fn matches(&self, pod: &Identity, namespaces: &Namespaces) -> bool {
        (self.namespaces.contains(&pod.namespace)
            || self
                .namespace_selector
                .matches(&namespaces.labels(&pod.namespace)))
            && self.selector.matches(&pod.labels)
    }

    /// The pod labels it looks at.
    pub fn keys(&self) -> impl Iterator<Item = &Text> {
        self.selector.keys()
    }
}

/// The labels of namespaces.
#[derive(Debug, Clone, Default)]
pub struct Namespaces(pub BTreeMap<Text, Labels>);

impl Namespaces {
    /// Labels of a namespace; one that the input lacks has the one label that every namespace has.
    pub fn labels(&self, name: &Text) -> Labels {
        let mut labels = self.0.get(name).cloned().unwrap_or_default();
        labels.insert("kubernetes.io/metadata.name".into(), name.clone());
        labels
    }
}

/// One topology spread constraint.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Spread {
    /// `topologyKey`
    pub topology: Text,
    /// `maxSkew`
    pub max_skew: i64,
    /// `minDomains`, 1 where unset.
    pub min_domains: i64,
    /// Which pods are counted, in the pod's own namespace.
    pub selector: Selector,
    /// Whether nodes that the pod's node affinity excludes are left out of the count.
    pub honors_affinity: bool,
    /// Whether nodes whose taints the pod does not tolerate are left out of the count.
    pub honors_taints: bool,
}

impl Spread {
    fn of(constraint: &k8s::TopologySpreadConstraint, labels: &Labels) -> Spread {
        let mut selector = Selector::of(constraint.label_selector.as_ref());
        for key in constraint.match_label_keys.iter().flatten() {
            if let Some((key, value)) = labels.get_key_value(key.as_str()) {
                selector.require_equal(key.clone(), value.clone());
            }
        }
        Spread {
            topology: constraint.topology_key.as_str().into(),
            max_skew: i64::from(constraint.max_skew),
            min_domains: i64::from(constraint.min_domains.unwrap_or(1)),
            selector,
            honors_affinity: constraint.node_affinity_policy.as_deref() != Some("Ignore"),
            honors_taints: constraint.node_taints_policy.as_deref() == Some("Honor"),
        }
    }

    /// The scheduler's own constraints for pods of a controller: three between nodes, five between
    /// zones.
    fn defaults(selector: &Selector) -> Vec<Spread> {
        let spread = |topology: &str, max_skew| Spread {
            topology: topology.into(),
            max_skew,
            min_domains: 1,
            selector: selector.clone(),
            honors_affinity: true,
            honors_taints: false,
        };
        vec![
            spread("kubernetes.io/hostname", 3),
            spread("topology.kubernetes.io/zone", 5),
        ]
    }

    /// Whether a pod is counted.
    pub fn counts(&self, namespace: &Text, pod: &Identity) -> bool {
        // An empty selector counts nothing here, unlike everywhere else.
        !self.selector.is_empty()
            && !pod.terminating
            && pod.namespace == *namespace
            && self.selector.matches(&pod.labels)
    }
}

/// A taint on a node.
pub fn node_taint(taint: &k8s::Taint) -> Taint {
    Taint {
        key: taint.key.as_str().into(),
        value: taint.value.as_deref().unwrap_or_default().into(),
        effect: taint.effect.as_str().into(),
        time_added: None,
    }
}

/// A toleration of a pod. How long it lasts is nothing that a scheduler looks at.
fn toleration(toleration: &k8s::Toleration) -> Toleration {
    let text = |field: &Option<String>| Text::from(field.as_deref().unwrap_or_default());
    Toleration {
        key: text(&toleration.key),
        operator: text(&toleration.operator),
        value: text(&toleration.value),
        effect: text(&toleration.effect),
        toleration_seconds: None,
    }
}

/// A toleration of taints with this key, whatever their value.
pub fn tolerates_key(key: &str, effect: &str) -> Toleration {
    Toleration {
        key: key.into(),
        operator: "Exists".into(),
        value: "".into(),
        effect: effect.into(),
        toleration_seconds: None,
    }
}

/// A port on the node itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPort {
    /// `hostPort`
    pub port: i32,
    /// `protocol`
    pub protocol: Text,
    /// `hostIP`, `0.0.0.0` where unset.
    pub ip: Text,
}

/// Every address of the node.
const ANY: &str = "0.0.0.0";

impl HostPort {
    /// Whether both cannot be on one node.
    pub fn conflicts(&self, other: &HostPort) -> bool {
        self.port == other.port
            && self.protocol == other.protocol
            && (self.ip == other.ip || &*self.ip == ANY || &*other.ip == ANY)
    }

    fn of_pod(spec: &PodSpec) -> BTreeSet<HostPort> {
        let sidecars = spec.init_containers.iter().flatten();
        let containers = sidecars
            .filter(|container| is_sidecar(container))
            .chain(&spec.containers);
        let on_host = spec.host_network == Some(true);
        containers
            .flat_map(|container| container.ports.iter().flatten())
            .filter_map(|port| {
                let own = port.host_port.filter(|port| *port > 0);
                let number = own.or(on_host.then_some(port.container_port))?;
                Some(HostPort {
                    port: number,
                    protocol: port.protocol.as_deref().unwrap_or("TCP").into(),
                    ip: match port.host_ip.as_deref() {
                        None | Some("") => ANY.into(),
                        Some(ip) => ip.into(),
                    },
                })
            })
            .collect()
    }
}

/// What [`Demand::of`] needs to know beside the pod's spec.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    /// The pod's namespace.
    pub namespace: &'a Text,
    /// All of the pod's labels.
    pub labels: &'a Labels,
    /// A pod being deleted.
    pub terminating: bool,
    /// Selector of the ReplicaSet or StatefulSet that the pod belongs to.
    pub controller: Option<&'a Selector>,
}

impl Demand {
    /// Reads a pod; [`Demand::forget`] then drops the labels that nobody asks for.
    pub fn of(spec: &PodSpec, context: &Context<'_>) -> Demand {
        let labels = context.labels;
        let mut node_selector = Selector::default();
        for (key, value) in spec.node_selector.iter().flatten() {
            node_selector.require_equal(key.as_str().into(), value.as_str().into());
        }
        let affinity = spec.affinity.as_ref();
        let nodes = affinity.and_then(|affinity| affinity.node_affinity.as_ref());
        let required = nodes.and_then(|nodes| {
            nodes
                .required_during_scheduling_ignored_during_execution
                .as_ref()
        });
        let preferred = nodes.into_iter().flat_map(|nodes| {
            nodes
                .preferred_during_scheduling_ignored_during_execution
                .iter()
                .flatten()
        });
        let constraints = spec
            .topology_spread_constraints
            .as_deref()
            .unwrap_or_default();
        let spread = |action: &str| -> Vec<Spread> {
            constraints
                .iter()
                .filter(|constraint| constraint.when_unsatisfiable == action)
                .map(|constraint| Spread::of(constraint, labels))
                .collect()
        };
        let default_spread = constraints.is_empty();
        Demand {
            identity: Identity {
                namespace: context.namespace.clone(),
                labels: labels.clone(),
                terminating: context.terminating,
            },
            node_selector,
            node_affinity: required.map(|required| {
                let terms = &required.node_selector_terms;
                terms.iter().filter_map(NodeTerm::of).collect()
            }),
            preferred_nodes: preferred
                .filter(|term| term.weight != 0)
                .filter_map(|term| Some((i64::from(term.weight), NodeTerm::of(&term.preference)?)))
                .collect(),
            tolerations: tolerations(spec),
            ports: HostPort::of_pod(spec),
            requests: Requests::of(spec),
            by_class: BTreeSet::new(),
            peers: peers(affinity, context.namespace, labels),
            spread: spread("DoNotSchedule"),
            preferred_spread: match (default_spread, context.controller) {
                (true, Some(selector)) if !selector.is_empty() => Spread::defaults(selector),
                (true, _) => Vec::new(),
                (false, _) => spread("ScheduleAnyway"),
            },
            default_spread,
        }
    }

    /// Whether node selector and required node affinity match a node.
    pub fn selects(&self, node: &str, labels: &Labels) -> bool {
        let required = self.node_affinity.as_ref();
        self.node_selector.matches(labels)
            && required.is_none_or(|terms| terms.iter().any(|term| term.matches(node, labels)))
    }

    /// Whether some toleration bears the taint.
    pub fn tolerates(&self, taint: &Taint) -> bool {
        let mut tolerations = self.tolerations.iter();
        tolerations.any(|toleration| toleration.tolerates(taint))
    }

    /// The first taint that keeps the pod off.
    pub fn repelled_by<'a>(&self, taints: &'a [Taint]) -> Option<&'a Taint> {
        let mut taints = taints.iter();
        taints.find(|taint| taint.effect.repels() && !self.tolerates(taint))
    }

    /// The label keys of pods that this demand's selectors look at.
    pub fn pod_keys(&self) -> impl Iterator<Item = &Text> {
        let spread = self.spread.iter().chain(&self.preferred_spread);
        spread
            .flat_map(|spread| spread.selector.keys())
            .chain(self.peers.terms().flat_map(PeerTerm::keys))
    }

    /// The label keys of nodes whose values this demand compares.
    pub fn node_keys(&self) -> impl Iterator<Item = &Text> {
        let terms = self.node_affinity.iter().flatten();
        let preferred = self.preferred_nodes.iter().map(|(_, term)| term);
        self.node_selector
            .keys()
            .chain(terms.chain(preferred).flat_map(NodeTerm::keys))
    }

    /// The label keys of nodes that this demand groups nodes by.
    pub fn topologies(&self) -> impl Iterator<Item = &Text> {
        let spread = self.spread.iter().chain(&self.preferred_spread);
        spread
            .map(|spread| &spread.topology)
            .chain(self.peers.terms().map(|term| &term.topology))
    }

    /// Drops the labels that are not in `keys`.
    pub fn forget(&mut self, keys: &BTreeSet<Text>) {
        self.identity.labels.retain(|key, _| keys.contains(key));
    }
}

fn tolerations(spec: &PodSpec) -> Vec<Toleration> {
    let own = spec.tolerations.iter().flatten();
    let mut tolerations: Vec<_> = own.map(toleration).collect();
    // Admission gives every pod five minutes on a node in trouble, unless it says otherwise.
    for key in [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ] {
        let said = |toleration: &Toleration| {
            (&*toleration.key == key || toleration.key.is_empty())
                && (&*toleration.effect == "NoExecute" || toleration.effect.is_empty())
        };
        if !tolerations.iter().any(said) {
            tolerations.push(tolerates_key(key, "NoExecute"));
        }
    }
    tolerations
}

fn peers(affinity: Option<&k8s::Affinity>, namespace: &Text, labels: &Labels) -> Peers {
    let term = |term: &k8s::PodAffinityTerm| PeerTerm::of(term, namespace, labels);
    let mut peers = Peers::default();
    if let Some(pods) = affinity.and_then(|affinity| affinity.pod_affinity.as_ref()) {
        let required = pods
            .required_during_scheduling_ignored_during_execution
            .iter();
        peers.affinity = required.flatten().map(term).collect();
        let preferred = pods
            .preferred_during_scheduling_ignored_during_execution
            .iter();
        let preferred = preferred.flatten().filter(|weighted| weighted.weight != 0);
        peers.preferred.extend(preferred.map(|weighted| {
            (
                i64::from(weighted.weight),
                term(&weighted.pod_affinity_term),
            )
        }));
    }
    if let Some(pods) = affinity.and_then(|affinity| affinity.pod_anti_affinity.as_ref()) {
        let required = pods
            .required_during_scheduling_ignored_during_execution
            .iter();
        peers.anti_affinity = required.flatten().map(term).collect();
        let preferred = pods
            .preferred_during_scheduling_ignored_during_execution
            .iter();
        let preferred = preferred.flatten().filter(|weighted| weighted.weight != 0);
        peers.preferred.extend(preferred.map(|weighted| {
            (
                -i64::from(weighted.weight),
                term(&weighted.pod_affinity_term),
            )
        }));
    }
    peers
}
