//! A node's own object, as far as filters and scores look at it.

use std::sync::Arc;

use trainyard_model::Text;
use trainyard_model::node;
use trainyard_model::taint::Taint;
use trainyard_wire::convert;

use crate::k8s::{self, Quantity};
use crate::pod::demand;
use crate::pod::labels::Labels;
use crate::pod::resources::Resources;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Node {
    /// Name and labels, shared with the allocator.
    pub meta: Arc<node::Node>,
    /// `spec.taints`
    pub taints: Vec<Taint>,
    /// `spec.unschedulable`
    pub unschedulable: bool,
    /// `status.allocatable`
    pub allocatable: Resources,
    /// `status.allocatable.pods`
    pub max_pods: i64,
}

impl Node {
    /// Reads a node. One without a status, as in a hand-written file, has no resources at all.
    pub(crate) fn of(node: &k8s::Node) -> Node {
        let spec = node.spec.as_ref();
        let status = node.status.as_ref();
        let allocatable =
            status.and_then(|status| status.allocatable.as_ref().or(status.capacity.as_ref()));
        let (allocatable, max_pods) = allocatable.map(Resources::of_node).unwrap_or_default();
        let taints = spec.and_then(|spec| spec.taints.as_ref());
        Node {
            meta: Arc::new(convert::node(node)),
            taints: taints
                .into_iter()
                .flatten()
                .map(demand::node_taint)
                .collect(),
            unschedulable: spec.is_some_and(|spec| spec.unschedulable == Some(true)),
            allocatable,
            max_pods,
        }
    }

    /// A node of the catalogue.
    pub(crate) fn of_hardware(node: &trainyard_inventory::node::Node) -> Node {
        let list = node.allocatable.iter();
        let list = list.map(|(name, amount)| (name.to_string(), Quantity(amount.to_string())));
        let (allocatable, max_pods) = Resources::of_node(&list.collect());
        Node {
            meta: Arc::new(node::Node {
                name: node.name.clone(),
                labels: node.labels.clone(),
                ..node::Node::default()
            }),
            allocatable,
            max_pods,
            ..Node::default()
        }
    }

    /// `metadata.name`
    pub(crate) fn name(&self) -> &Text {
        &self.meta.name
    }

    /// `metadata.labels`
    pub(crate) fn labels(&self) -> &Labels {
        &self.meta.labels
    }
}
