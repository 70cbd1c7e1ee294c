//! Why does no node take a pod, in words?

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use trainyard_model::plan::{NodeRefusal, Refusal, Rejection};

use super::filter::cause::Cause;
use crate::input::Node;

/// Every node rejects the pod, each for the cause that it is listed under.
pub(crate) fn of_causes(causes: BTreeMap<Cause, BTreeSet<usize>>, nodes: &[Node]) -> Refusal {
    // Groups in the order of their first node.
    let causes = causes.into_iter().filter(|(_, nodes)| !nodes.is_empty());
    let mut groups: Vec<(Cause, BTreeSet<usize>)> = causes.collect();
    groups.sort_by(|(_, a), (_, b)| a.first().cmp(&b.first()));
    let groups: Vec<NodeRefusal> = groups
        .into_iter()
        .map(|(cause, places)| NodeRefusal {
            names: places
                .iter()
                .map(|place| nodes[*place].name().clone())
                .collect(),
            reason: cause.rejection(),
        })
        .collect();
    let code = match groups.as_slice() {
        [one] => one.reason.code,
        _ => "pod/no-node",
    };
    let message = match groups.as_slice() {
        [one] => one.reason.message.clone(),
        all => {
            let parts = all.iter().map(|group| match group.names.len() {
                1 => format!("{}: {}", group.names[0], group.reason.message),
                count => format!("{count} nodes: {}", group.reason.message),
            });
            format!("no node takes it. {}", parts.collect::<Vec<_>>().join(". "))
        }
    };
    Refusal {
        code,
        message,
        nodes: groups,
    }
}

/// An error on one node ends the attempt, whatever the others would say.
pub(crate) fn of_error(node: &Node, rejection: Arc<Rejection>) -> Refusal {
    Refusal {
        code: rejection.code,
        message: format!("node {}: {}", node.name(), rejection.message),
        nodes: vec![NodeRefusal {
            names: [node.name().clone()].into(),
            reason: rejection,
        }],
    }
}
