//! Who owns whom, so that nothing counts twice in the dump of a cluster.

use std::collections::BTreeMap;

use trainyard_model::Text;

use super::{Item, finished, name, namespace};
use crate::k8s::{self, ObjectMeta, OwnerReference};
use crate::pod::labels::{Labels, Selector};

/// Pods of the input by the objects that own them, and the workloads of the input.
#[derive(Debug, Default)]
pub struct Owners<'a> {
    /// Selector (of those that have one the scheduler looks at) and controller of each workload.
    workloads: BTreeMap<Key, Workload>,
    pods: BTreeMap<Key, Vec<&'a k8s::Pod>>,
}

/// Kind, namespace, name.
type Key = (&'static str, Text, Text);

#[derive(Debug, Default)]
struct Workload {
    selector: Option<Selector>,
    controller: Option<Key>,
}

/// The kinds that own pods or owners of pods.
const KINDS: [&str; 8] = [
    "Deployment",
    "ReplicaSet",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "LeaderWorkerSet",
    "JobSet",
];

fn controller(meta: &ObjectMeta) -> Option<&OwnerReference> {
    let owners = meta.owner_references.as_deref().unwrap_or_default();
    owners.iter().find(|owner| owner.controller == Some(true))
}

fn key(meta: &ObjectMeta, owner: &OwnerReference) -> Option<Key> {
    let kind = KINDS.into_iter().find(|kind| *kind == owner.kind)?;
    Some((kind, namespace(meta), owner.name.as_str().into()))
}

impl<'a> Owners<'a> {
    /// Adds a workload of the input.
    pub fn workload(&mut self, kind: &'static str, meta: &ObjectMeta, selector: Option<Selector>) {
        let controller = controller(meta).and_then(|owner| key(meta, owner));
        let workload = Workload {
            selector,
            controller,
        };
        self.workloads
            .insert((kind, namespace(meta), name(meta)), workload);
    }

    /// Adds the pods of the input, after all workloads.
    pub fn pods(&mut self, pods: &[Item<'a, k8s::Pod>]) {
        for pod in pods {
            if let Some(owner) = self.owner(&pod.object.metadata) {
                let mut top = owner;
                self.pods.entry(top.clone()).or_default().push(pod.object);
                while let Some(above) = self.above(&top) {
                    top = above;
                    self.pods.entry(top.clone()).or_default().push(pod.object);
                }
            }
        }
    }

    /// The owner of a pod. A LeaderWorkerSet's pods are known by their label, as StatefulSets and
    /// leaders stand between.
    fn owner(&self, meta: &ObjectMeta) -> Option<Key> {
        let label = meta
            .labels
            .as_ref()
            .and_then(|labels| labels.get(super::sets::LWS_NAME));
        if let Some(set) = label {
            return Some(("LeaderWorkerSet", namespace(meta), set.as_str().into()));
        }
        key(meta, controller(meta)?)
    }

    /// The owner of an owner: as written, or by the names that controllers give, if the object
    /// between is not in the input.
    fn above(&self, owner: &Key) -> Option<Key> {
        if let Some(workload) = self.workloads.get(owner) {
            return workload.controller.clone();
        }
        let (kind, namespace, name) = owner;
        let (stem, _) = name.rsplit_once('-')?;
        let above = match *kind {
            "ReplicaSet" => ("Deployment", namespace.clone(), stem.into()),
            "Job" => ("CronJob", namespace.clone(), stem.into()),
            _ => return None,
        };
        self.workloads.contains_key(&above).then_some(above)
    }

    /// Whether a workload belongs to another one of the input, which speaks for it.
    pub fn is_owned(&self, kind: &'static str, meta: &ObjectMeta) -> bool {
        let workload = self.workloads.get(&(kind, namespace(meta), name(meta)));
        workload
            .and_then(|workload| workload.controller.as_ref())
            .is_some_and(|above| self.workloads.contains_key(above))
    }

    /// The pods of the input that belong to a workload and have not ended.
    pub fn alive(
        &self,
        kind: &'static str,
        meta: &ObjectMeta,
    ) -> impl Iterator<Item = &'a k8s::Pod> + use<'a, '_> {
        let pods = self.pods.get(&(kind, namespace(meta), name(meta)));
        let pods = pods.into_iter().flatten().copied();
        pods.filter(|pod| !finished(pod) && pod.metadata.deletion_timestamp.is_none())
    }

    /// The selector that spreads a found pod by default.
    pub fn selector(&self, pod: &k8s::Pod, labels: &Labels) -> Option<Selector> {
        let owner = key(&pod.metadata, controller(&pod.metadata)?)?;
        if !matches!(owner.0, "ReplicaSet" | "StatefulSet") {
            return None;
        }
        let known = self.workloads.get(&owner);
        known
            .and_then(|workload| workload.selector.clone())
            .or_else(|| {
                // A dump has no ReplicaSets: the hash in their selectors alone tells their pods apart.
                let (key, hash) = labels.get_key_value("pod-template-hash")?;
                let mut selector = Selector::default();
                selector.require_equal(key.clone(), hash.clone());
                Some(selector)
            })
    }
}
