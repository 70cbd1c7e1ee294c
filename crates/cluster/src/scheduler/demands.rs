//! What each pod asks of a node, once for all pods of a template.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::snapshot::LabelReads;
use crate::pod::Pod;
use crate::pod::demand::{Context, Demand};

/// The spec and the labels of a pod by address, and whether it is being deleted: pods of one template
/// share them.
type Template = (usize, usize, bool);

/// Demands of pods, without the labels that no selector reads. Pods are known by the address of their
/// spec and labels, so they must outlive this.
#[derive(Debug, Default)]
pub(crate) struct Demands(FxHashMap<Template, Arc<Demand>>);

impl Demands {
    /// Reads all pods, and adds what their demands read.
    pub(crate) fn of(pods: &[Pod], reads: &mut LabelReads) -> Demands {
        let mut distinct: FxHashMap<Template, Demand> = FxHashMap::default();
        for pod in pods {
            distinct.entry(template(pod)).or_insert_with(|| {
                let demand = Demand::of(
                    &pod.spec,
                    &Context {
                        namespace: &pod.namespace,
                        labels: &pod.labels,
                        terminating: pod.terminating,
                        controller: pod.controller.as_deref(),
                    },
                );
                reads.read(&demand);
                demand
            });
        }
        let forget = |mut demand: Demand| {
            demand.forget(&reads.pod_labels);
            Arc::new(demand)
        };
        let demands = distinct.into_iter();
        Demands(demands.map(|(key, demand)| (key, forget(demand))).collect())
    }

    /// The demand of one of the pods.
    pub(crate) fn get(&self, pod: &Pod) -> Arc<Demand> {
        self.0[&template(pod)].clone()
    }
}

fn template(pod: &Pod) -> Template {
    (
        Arc::as_ptr(&pod.spec) as usize,
        Arc::as_ptr(&pod.labels) as usize,
        pod.terminating,
    )
}
