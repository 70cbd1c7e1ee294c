//! Deployment, ReplicaSet, StatefulSet and DaemonSet.

use std::sync::Arc;

use trainyard_model::Text;

use super::{Factory, Item, Mould, daemon_tolerations, name};
use crate::k8s;
use crate::pod::demand::{Context, Demand};
use crate::pod::labels::Selector;

/// Stands for the hash of a pod template in labels: one for each Deployment is enough to tell its
/// pods from others'.
const TEMPLATE_HASH: &str = "pod-template-hash";

impl Factory<'_> {
    /// `replicas` pods in all, those of the input included. A paused Deployment makes none.
    pub fn deployment(&mut self, item: Item<'_, k8s::Deployment>) {
        let Item { at, object } = item;
        let spec = &object.spec;
        let meta = &object.metadata;
        let alive = self.owners.alive("Deployment", meta).count() as i64;
        let missing = i64::from(spec.replicas.unwrap_or(1)) - alive;
        if spec.paused == Some(true) && alive == 0 {
            self.note(at, "workload/paused", "paused: it makes no pods");
            return;
        }
        self.replicas(at, alive, missing);
        let mut mould = Mould::of(meta, &spec.template, at, "spec.template.spec");
        let base = name(meta);
        mould.label(TEMPLATE_HASH, &base);
        mould.controller = Some(Arc::new(Selector::of(Some(&spec.selector))));
        self.make_numbered(&mould, &base, missing);
    }

    /// `replicas` pods in all, unless a Deployment of the input speaks for it.
    pub fn replica_set(&mut self, item: Item<'_, k8s::ReplicaSet>) {
        let Item { at, object } = item;
        let spec = &object.spec;
        let meta = &object.metadata;
        if self.owners.is_owned("ReplicaSet", meta) {
            return;
        }
        let alive = self.owners.alive("ReplicaSet", meta).count() as i64;
        let missing = i64::from(spec.replicas.unwrap_or(1)) - alive;
        self.replicas(at, alive, missing);
        let template = spec.template.clone().unwrap_or_default();
        let mut mould = Mould::of(meta, &template, at, "spec.template.spec");
        mould.controller = Some(Arc::new(Selector::of(Some(&spec.selector))));
        self.make_numbered(&mould, &name(meta), missing);
    }

    /// `NAME-ORDINAL` for each ordinal that the input has no pod of.
    pub fn stateful_set(&mut self, item: Item<'_, k8s::StatefulSet>) {
        let Item { at, object } = item;
        let spec = &object.spec;
        let meta = &object.metadata;
        if self.owners.is_owned("StatefulSet", meta) {
            return;
        }
        let replicas = i64::from(spec.replicas.unwrap_or(1));
        let start = spec.ordinals.as_ref().and_then(|ordinals| ordinals.start);
        let start = i64::from(start.unwrap_or(0));
        self.replicas(
            at,
            self.owners.alive("StatefulSet", meta).count() as i64,
            replicas,
        );
        if spec
            .volume_claim_templates
            .iter()
            .flatten()
            .next()
            .is_some()
        {
            let message =
                "volumeClaimTemplates are left out: where volumes can be attached is not looked at";
            self.note(at, "pod/volumes", message);
        }
        let mut mould = Mould::of(meta, &spec.template, at, "spec.template.spec");
        mould.controller = Some(Arc::new(Selector::of(Some(&spec.selector))));
        let base = name(meta);
        for ordinal in start..start + replicas {
            let pod: Text = format!("{base}-{ordinal}").into();
            if self.taken(&mould.namespace, &pod) {
                continue;
            }
            let own = [
                ("statefulset.kubernetes.io/pod-name", &*pod),
                ("apps.kubernetes.io/pod-index", &ordinal.to_string()),
            ];
            self.make(&mould, pod.clone(), &own);
        }
    }

    /// One pod for each node that the pod's node selector, affinity and tolerations allow, and that
    /// has none yet. It is made for that node.
    pub fn daemon_set(&mut self, item: Item<'_, k8s::DaemonSet>) {
        let Item { at, object } = item;
        let spec = &object.spec;
        let meta = &object.metadata;
        let mut mould = Mould::of(meta, &spec.template, at, "spec.template.spec");
        let mut pod = (*mould.spec).clone();
        let host_network = pod.host_network == Some(true);
        let added = daemon_tolerations(host_network).into_iter();
        pod.tolerations
            .get_or_insert_default()
            .extend(added.map(|toleration| k8s::Toleration {
                key: Some(toleration.key.to_string()),
                operator: Some(toleration.operator.to_string()),
                effect: Some(toleration.effect.to_string()),
                ..k8s::Toleration::default()
            }));
        let demand = Demand::of(
            &pod,
            &Context {
                namespace: &mould.namespace,
                labels: &mould.labels,
                terminating: false,
                controller: None,
            },
        );
        // The controller puts the node in place of what the template requires.
        if let Some(nodes) = pod
            .affinity
            .as_mut()
            .and_then(|affinity| affinity.node_affinity.as_mut())
        {
            nodes.required_during_scheduling_ignored_during_execution = None;
        }
        mould.spec = Arc::new(pod);
        let served: Vec<Text> = self
            .owners
            .alive("DaemonSet", meta)
            .filter_map(node_of)
            .collect();
        let nodes = self.nodes.iter();
        let eligible = nodes.filter(|node| {
            demand.selects(node.name(), node.labels()) && demand.repelled_by(&node.taints).is_none()
        });
        let base = name(meta);
        let mut any = false;
        for node in eligible {
            any = true;
            if !served.contains(node.name()) {
                let name = format!("{base}-{}", node.name()).into();
                self.make(&mould, name, &[]).made_for = Some(node.name().clone());
            }
        }
        if !any {
            self.note(
                at,
                "workload/no-eligible-node",
                "no node is eligible for its pods",
            );
        }
    }

    fn replicas(&mut self, at: usize, alive: i64, wanted: i64) {
        if alive == 0 && wanted <= 0 {
            self.note(
                at,
                "workload/no-replicas",
                "replicas is 0: it makes no pods",
            );
        }
    }
}

/// The node of a DaemonSet's pod: bound to it, or made for it.
fn node_of(pod: &k8s::Pod) -> Option<Text> {
    let spec = pod.spec.as_ref()?;
    if let Some(node) = &spec.node_name {
        return Some(node.as_str().into());
    }
    let nodes = spec.affinity.as_ref()?.node_affinity.as_ref()?;
    let required = nodes
        .required_during_scheduling_ignored_during_execution
        .as_ref()?;
    let fields = required
        .node_selector_terms
        .iter()
        .flat_map(|term| term.match_fields.iter().flatten());
    let values = fields.flat_map(|field| field.values.iter().flatten());
    values.map(|name| name.as_str().into()).next()
}
