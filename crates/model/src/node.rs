//! The little that device allocation needs to know of a node, and node selectors.

use std::collections::BTreeMap;

use crate::Text;

/// A node's name and labels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    /// `metadata.name`
    pub name: Text,
    /// `metadata.labels`
    pub labels: BTreeMap<Text, Text>,
    /// `status.declaredFeatures`: what the node's kubelet says it can do.
    pub declared_features: Vec<Text>,
}

/// `core/v1.NodeSelector`: terms are ORed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeSelector {
    /// `nodeSelectorTerms`
    pub terms: Vec<NodeSelectorTerm>,
}

/// `core/v1.NodeSelectorTerm`: requirements are ANDed; a term without any matches no node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeSelectorTerm {
    /// By label.
    pub match_expressions: Vec<NodeSelectorRequirement>,
    /// By field; only `metadata.name` is known.
    pub match_fields: Vec<NodeSelectorRequirement>,
}

/// `core/v1.NodeSelectorRequirement`, as written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeSelectorRequirement {
    /// Label key or field name.
    pub key: Text,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt`, `Lt`
    pub operator: Text,
    /// What the key's value is compared with.
    pub values: Vec<Text>,
}
