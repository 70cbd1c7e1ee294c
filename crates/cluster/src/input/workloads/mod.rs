//! Which pods does a workload make? What the controllers of Deployment, ReplicaSet, StatefulSet,
//! DaemonSet, Job, CronJob, LeaderWorkerSet and JobSet would create, without a clock.
//!
//! Names are those the controller gives. Where it adds random characters (Deployment, ReplicaSet,
//! DaemonSet, Job), a number stands in their place, or the node's name for a DaemonSet: the first
//! that no other pod of the namespace has.
//!
//! Pods of the input that a workload of the input owns count towards it, so that in the dump of a
//! cluster nothing counts twice.

mod apps;
mod batch;
mod owners;
mod sets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use trainyard_model::Text;
use trainyard_model::taint::Toleration;

use super::node::Node;
use crate::k8s::{self, ObjectMeta, PodSpec, PodTemplateSpec};
use crate::pod::Pod;
use crate::pod::demand::tolerates_key;
use crate::pod::labels::{Labels, Selector};

pub use owners::Owners;
pub use sets::{Groups, ReplicatedJob};

/// An object of the input with its place there.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a, T> {
    /// Index of the manifest.
    pub at: usize,
    /// What it says.
    pub object: &'a T,
}

/// Why a workload makes no pods, or fewer than one would think: `(manifest, code, message)`.
pub type Note = (usize, &'static str, String);

/// Makes pods; keeps names apart.
#[derive(Debug)]
pub struct Factory<'a> {
    /// All nodes, for DaemonSets.
    pub nodes: &'a [Node],
    owners: Owners<'a>,
    names: BTreeMap<Text, BTreeSet<Text>>,
    pods: Vec<Pod>,
    notes: Vec<Note>,
}

/// What all pods of one template share.
#[derive(Debug, Clone)]
struct Mould {
    namespace: Text,
    labels: Arc<Labels>,
    spec: Arc<PodSpec>,
    controller: Option<Arc<Selector>>,
    source: usize,
    path: Arc<str>,
}

impl<'a> Factory<'a> {
    /// Starts with the pods of the input.
    pub fn new(nodes: &'a [Node], owners: Owners<'a>, pods: &[Item<'a, k8s::Pod>]) -> Self {
        let mut names: BTreeMap<Text, BTreeSet<Text>> = BTreeMap::new();
        for pod in pods {
            let namespace = namespace(&pod.object.metadata);
            names
                .entry(namespace)
                .or_default()
                .insert(name(&pod.object.metadata));
        }
        Factory {
            nodes,
            owners,
            names,
            pods: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The pods made, and what to say about workloads that made none.
    pub fn finish(self) -> (Vec<Pod>, Vec<Note>) {
        (self.pods, self.notes)
    }

    /// A pod of the input as it stands. Finished pods are no pods any more.
    pub fn found(&mut self, pod: Item<'_, k8s::Pod>) {
        let Item { at, object } = pod;
        let status = object.status.as_ref();
        if finished(object) {
            return;
        }
        let spec = object.spec.clone().unwrap_or_default();
        let labels = Arc::new(labels(&object.metadata));
        let controller = self.owners.selector(object, &labels);
        let claims = status.and_then(|status| status.resource_claim_statuses.as_ref());
        let extended = status.and_then(|status| status.extended_resource_claim_status.as_ref());
        self.pods.push(Pod {
            namespace: namespace(&object.metadata),
            name: name(&object.metadata),
            uid: object.metadata.uid.as_deref().unwrap_or_default().into(),
            labels,
            controller: controller.map(Arc::new),
            made_for: None,
            bound_to: spec
                .node_name
                .as_deref()
                .filter(|name| !name.is_empty())
                .map(Into::into),
            terminating: object.metadata.deletion_timestamp.is_some(),
            claim_names: claims
                .into_iter()
                .flatten()
                .map(|claim| {
                    let made = claim.resource_claim_name.as_deref().map(Into::into);
                    (claim.name.as_str().into(), made)
                })
                .collect(),
            extended_claim: extended.map(|claim| claim.resource_claim_name.as_str().into()),
            created: time(object.metadata.creation_timestamp.as_ref()),
            spec: Arc::new(spec),
            source: at,
            path: "spec".into(),
        });
    }

    fn note(&mut self, at: usize, code: &'static str, message: impl Into<String>) {
        self.notes.push((at, code, message.into()));
    }

    /// Makes one pod of a mould; `own` are the labels that it alone has.
    fn make(&mut self, mould: &Mould, name: Text, own: &[(&str, &str)]) -> &mut Pod {
        let names = self.names.entry(mould.namespace.clone()).or_default();
        names.insert(name.clone());
        let mut labels = mould.labels.clone();
        if !own.is_empty() {
            let own = own
                .iter()
                .map(|(key, value)| ((*key).into(), (*value).into()));
            Arc::make_mut(&mut labels).extend(own);
        }
        self.pods.push(Pod {
            namespace: mould.namespace.clone(),
            name,
            uid: Text::default(),
            labels,
            spec: mould.spec.clone(),
            controller: mould.controller.clone(),
            made_for: None,
            bound_to: None,
            terminating: false,
            claim_names: BTreeMap::new(),
            extended_claim: None,
            created: Text::default(),
            source: mould.source,
            path: mould.path.clone(),
        });
        self.pods.last_mut().expect("one was pushed just now")
    }

    /// Makes `count` pods called `BASE-NUMBER`.
    fn make_numbered(&mut self, mould: &Mould, base: &str, count: i64) {
        let mut number = 0u64;
        for _ in 0..count {
            let name = loop {
                let name: Text = format!("{base}-{number}").into();
                number += 1;
                if !self.taken(&mould.namespace, &name) {
                    break name;
                }
            };
            self.make(mould, name, &[]);
        }
    }

    fn taken(&self, namespace: &Text, name: &Text) -> bool {
        self.names
            .get(namespace)
            .is_some_and(|names| names.contains(name))
    }
}

impl Mould {
    fn label(&mut self, key: &str, value: &str) {
        Arc::make_mut(&mut self.labels).insert(key.into(), value.into());
    }

    fn of(meta: &ObjectMeta, template: &PodTemplateSpec, at: usize, path: &str) -> Mould {
        Mould {
            namespace: namespace(meta),
            labels: Arc::new(template.metadata.as_ref().map(labels).unwrap_or_default()),
            spec: Arc::new(template.spec.clone().unwrap_or_default()),
            controller: None,
            source: at,
            path: path.into(),
        }
    }
}

/// Whether a pod has ended, well or not.
pub fn finished(pod: &k8s::Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// `metadata.namespace`, which is `default` where unset.
pub fn namespace(meta: &ObjectMeta) -> Text {
    match meta.namespace.as_deref() {
        None | Some("") => "default".into(),
        Some(namespace) => namespace.into(),
    }
}

/// `metadata.name`, or what is known of it.
pub fn name(meta: &ObjectMeta) -> Text {
    let name = meta.name.as_deref().filter(|name| !name.is_empty());
    let generated = || {
        meta.generate_name
            .as_deref()
            .map(|name| name.trim_end_matches('-'))
    };
    name.or_else(generated).unwrap_or_default().into()
}

/// A time as text that sorts by age.
pub fn time(time: Option<&impl serde::Serialize>) -> Text {
    let value = time.and_then(|time| serde_json::to_value(time).ok());
    let text = value.as_ref().and_then(|value| value.as_str());
    text.unwrap_or_default().into()
}

/// `metadata.labels`
pub fn labels(meta: &ObjectMeta) -> Labels {
    let labels = meta.labels.iter().flatten();
    labels
        .map(|(key, value)| (key.as_str().into(), value.as_str().into()))
        .collect()
}

/// The tolerations that a DaemonSet's controller adds.
fn daemon_tolerations(host_network: bool) -> Vec<Toleration> {
    let mut all = vec![
        tolerates_key("node.kubernetes.io/not-ready", "NoExecute"),
        tolerates_key("node.kubernetes.io/unreachable", "NoExecute"),
        tolerates_key("node.kubernetes.io/disk-pressure", "NoSchedule"),
        tolerates_key("node.kubernetes.io/memory-pressure", "NoSchedule"),
        tolerates_key("node.kubernetes.io/pid-pressure", "NoSchedule"),
        tolerates_key("node.kubernetes.io/unschedulable", "NoSchedule"),
    ];
    if host_network {
        all.push(tolerates_key(
            "node.kubernetes.io/network-unavailable",
            "NoSchedule",
        ));
    }
    all
}
