//! Whose turn is it? Pods in the order in which kube-scheduler would take them up, were they all
//! created at once: the highest priority first; of equals, those that exist by age, then the others
//! in the order of the input.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use trainyard_model::Text;

use crate::k8s::PodSpec;
use crate::pod::Pod;

/// The PriorityClasses of the input and those that every cluster has.
#[derive(Debug, Clone)]
pub struct Priorities {
    classes: BTreeMap<Text, i64>,
    default: i64,
}

impl Default for Priorities {
    fn default() -> Self {
        let built_in = [
            ("system-cluster-critical", 2_000_000_000),
            ("system-node-critical", 2_000_001_000),
        ];
        Priorities {
            classes: built_in
                .into_iter()
                .map(|(name, value)| (name.into(), value))
                .collect(),
            default: 0,
        }
    }
}

impl Priorities {
    /// Adds a PriorityClass. Of several defaults the lowest counts, as admission has it.
    pub fn add(&mut self, name: Text, value: i64, is_default: bool, first_default: bool) {
        self.classes.insert(name, value);
        if is_default && (first_default || value < self.default) {
            self.default = value;
        }
    }

    /// The names of all classes.
    pub fn names(&self) -> impl Iterator<Item = &Text> {
        self.classes.keys()
    }

    /// The class that a pod names without there being one.
    pub fn missing<'a>(&self, spec: &'a PodSpec) -> Option<&'a str> {
        let name = spec
            .priority_class_name
            .as_deref()
            .filter(|name| !name.is_empty())?;
        (!self.classes.contains_key(name)).then_some(name)
    }

    /// A pod's priority: as admission has written it, or would.
    pub fn of(&self, spec: &PodSpec) -> i64 {
        let class = spec
            .priority_class_name
            .as_deref()
            .filter(|name| !name.is_empty());
        match (spec.priority, class) {
            (Some(priority), _) => i64::from(priority),
            (None, Some(class)) => self.classes.get(class).copied().unwrap_or(self.default),
            (None, None) => self.default,
        }
    }
}

/// Sorts pods that wait for a node.
pub fn queue(pods: &mut [Pod], priorities: &Priorities) {
    pods.sort_by_cached_key(|pod| {
        (
            Reverse(priorities.of(&pod.spec)),
            pod.created.is_empty(),
            pod.created.clone(),
        )
    });
}
