//! The plan as a document: kind `Plan`, version 1.

use std::collections::BTreeMap;

use serde::Serialize;
use trainyard_model::plan::{Plan, Warning};
use trainyard_wire::convert::to_api;
use trainyard_wire::k8s::api::resource::v1::AllocationResult;

use super::proof::Proof;

#[derive(Serialize)]
struct Document<'a> {
    kind: &'static str,
    version: u32,
    summary: Summary,
    warnings: Vec<WarningEntry<'a>>,
    pods: Vec<Pod<'a>>,
    nodes: Vec<Node<'a>>,
}

#[derive(Serialize)]
struct Summary {
    pods: usize,
    placed: usize,
    refused: usize,
    nodes: usize,
}

#[derive(Serialize)]
struct WarningEntry<'a> {
    code: &'a str,
    object: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct Pod<'a> {
    namespace: &'a str,
    name: &'a str,
    node: Option<&'a str>,
    claims: Vec<Claim<'a>>,
    refusal: Option<Refusal<'a>>,
    prepare: Option<Prepare<'a>>,
}

/// Why a driver would refuse to prepare the devices.
#[derive(Serialize)]
struct Prepare<'a> {
    code: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Claim<'a> {
    namespace: &'a str,
    name: &'a str,
    pod_claim_name: &'a str,
    template: Option<&'a str>,
    allocation: Option<AllocationResult>,
}

#[derive(Serialize)]
struct Refusal<'a> {
    code: &'a str,
    message: &'a str,
    nodes: Vec<NodeRefusal<'a>>,
}

#[derive(Serialize)]
struct NodeRefusal<'a> {
    names: Vec<&'a str>,
    code: &'a str,
    message: &'a str,
    /// Where devices are the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<Proof>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Node<'a> {
    name: &'a str,
    instance_type: Option<&'a str>,
    devices: BTreeMap<&'a str, Usage>,
}

#[derive(Serialize)]
struct Usage {
    total: usize,
    used: usize,
}

fn document<'a>(plan: &'a Plan, warnings: &'a [Warning]) -> Document<'a> {
    let summary = plan.summary();
    Document {
        kind: "Plan",
        version: 1,
        summary: Summary {
            pods: summary.pods,
            placed: summary.placed,
            refused: summary.refused,
            nodes: summary.nodes,
        },
        warnings: warnings
            .iter()
            .map(|warning| WarningEntry {
                code: warning.code,
                object: &warning.object,
                message: &warning.message,
            })
            .collect(),
        pods: plan
            .pods
            .iter()
            .map(|pod| Pod {
                namespace: &pod.namespace,
                name: &pod.name,
                node: pod.node.as_deref(),
                claims: pod
                    .claims
                    .iter()
                    .map(|claim| Claim {
                        namespace: &claim.namespace,
                        name: &claim.name,
                        pod_claim_name: &claim.pod_claim_name,
                        template: claim.template.as_deref(),
                        allocation: claim.allocation.as_deref().map(to_api::allocation),
                    })
                    .collect(),
                refusal: pod.refusal.as_deref().map(|refusal| Refusal {
                    code: refusal.code,
                    message: &refusal.message,
                    nodes: refusal
                        .nodes
                        .iter()
                        .map(|node| NodeRefusal {
                            names: node.names.iter().map(|name| &**name).collect(),
                            code: node.reason.code,
                            message: &node.reason.message,
                            reasons: node
                                .reason
                                .proof
                                .iter()
                                .map(|proof| (&**proof).into())
                                .collect(),
                        })
                        .collect(),
                }),
                prepare: pod.prepare.as_ref().map(|prepare| Prepare {
                    code: prepare.code,
                    message: &prepare.message,
                }),
            })
            .collect(),
        nodes: plan
            .nodes
            .iter()
            .map(|node| Node {
                name: &node.name,
                instance_type: node.instance_type.as_deref(),
                devices: node
                    .devices
                    .iter()
                    .map(|(driver, usage)| {
                        let usage = Usage {
                            total: usage.total,
                            used: usage.used,
                        };
                        (&**driver, usage)
                    })
                    .collect(),
            })
            .collect(),
    }
}

/// As JSON.
pub fn json(plan: &Plan, warnings: &[Warning]) -> String {
    let document = document(plan, warnings);
    let mut text = serde_json::to_string_pretty(&document).expect("a plan can be written as JSON");
    text.push('\n');
    text
}

/// As YAML, with the same keys.
pub fn yaml(plan: &Plan, warnings: &[Warning]) -> String {
    let document = document(plan, warnings);
    let value = serde_json::to_value(&document).expect("a plan can be written as JSON");
    trainyard_wire::write::yaml(&value)
}
