//! The plan as a document: kind `Plan`, version 1.
//!
//! The plan of a large cluster is a hundred megabytes of JSON, so pods are converted one by one while
//! they are written.

use std::collections::BTreeMap;
use std::io;

use serde::{Serialize, Serializer};
use trainyard_model::claim::AllocationResult;
use trainyard_model::plan::{NodePlan, Plan, PodClaim, PodPlan, Refusal, Warning};
use trainyard_wire::convert::to_api;

use super::proof::Proof;

#[derive(Serialize)]
struct Document<'a> {
    kind: &'static str,
    version: u32,
    summary: SummaryEntry,
    warnings: Vec<WarningEntry<'a>>,
    #[serde(serialize_with = "pods")]
    pods: &'a [PodPlan],
    #[serde(serialize_with = "nodes")]
    nodes: &'a [NodePlan],
}

#[derive(Serialize)]
struct SummaryEntry {
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
struct PodEntry<'a> {
    namespace: &'a str,
    name: &'a str,
    node: Option<&'a str>,
    claims: Vec<ClaimEntry<'a>>,
    refusal: Option<RefusalEntry<'a>>,
    prepare: Option<PrepareEntry<'a>>,
}

/// Why a driver would refuse to prepare the devices.
#[derive(Serialize)]
struct PrepareEntry<'a> {
    code: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClaimEntry<'a> {
    namespace: &'a str,
    name: &'a str,
    pod_claim_name: &'a str,
    template: Option<&'a str>,
    #[serde(serialize_with = "allocation")]
    allocation: Option<&'a AllocationResult>,
}

#[derive(Serialize)]
struct RefusalEntry<'a> {
    code: &'a str,
    message: &'a str,
    nodes: Vec<NodeRefusalEntry<'a>>,
}

#[derive(Serialize)]
struct NodeRefusalEntry<'a> {
    names: Vec<&'a str>,
    code: &'a str,
    message: &'a str,
    /// Where devices are the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<Proof>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeEntry<'a> {
    name: &'a str,
    instance_type: Option<&'a str>,
    devices: BTreeMap<&'a str, UsageEntry>,
}

#[derive(Serialize)]
struct UsageEntry {
    total: usize,
    used: usize,
}

fn document<'a>(plan: &'a Plan, warnings: &'a [Warning]) -> Document<'a> {
    let summary = plan.summary();
    Document {
        kind: "Plan",
        version: 1,
        summary: SummaryEntry {
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
        pods: &plan.pods,
        nodes: &plan.nodes,
    }
}

fn pods<S: Serializer>(pods: &[PodPlan], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(pods.iter().map(|pod| PodEntry {
        namespace: &pod.namespace,
        name: &pod.name,
        node: pod.node.as_deref(),
        claims: pod.claims.iter().map(ClaimEntry::from).collect(),
        refusal: pod.refusal.as_deref().map(RefusalEntry::from),
        prepare: pod.prepare.as_ref().map(|prepare| PrepareEntry {
            code: prepare.code,
            message: &prepare.message,
        }),
    }))
}

impl<'a> From<&'a PodClaim> for ClaimEntry<'a> {
    fn from(claim: &'a PodClaim) -> Self {
        ClaimEntry {
            namespace: &claim.namespace,
            name: &claim.name,
            pod_claim_name: &claim.pod_claim_name,
            template: claim.template.as_deref(),
            allocation: claim.allocation.as_deref(),
        }
    }
}

fn allocation<S: Serializer>(
    allocation: &Option<&AllocationResult>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    allocation.map(to_api::allocation).serialize(serializer)
}

impl<'a> From<&'a Refusal> for RefusalEntry<'a> {
    fn from(refusal: &'a Refusal) -> Self {
        RefusalEntry {
            code: refusal.code,
            message: &refusal.message,
            nodes: refusal
                .nodes
                .iter()
                .map(|node| NodeRefusalEntry {
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
        }
    }
}

fn nodes<S: Serializer>(nodes: &[NodePlan], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(nodes.iter().map(|node| {
        NodeEntry {
            name: &node.name,
            instance_type: node.instance_type.as_deref(),
            devices: node
                .devices
                .iter()
                .map(|(driver, usage)| {
                    let usage = UsageEntry {
                        total: usage.total,
                        used: usage.used,
                    };
                    (&**driver, usage)
                })
                .collect(),
        }
    }))
}

/// Writes it as JSON.
pub fn json(plan: &Plan, warnings: &[Warning], out: &mut dyn io::Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &document(plan, warnings))?;
    out.write_all(b"\n")
}

/// As YAML, with the same keys.
pub fn yaml(plan: &Plan, warnings: &[Warning]) -> String {
    let document = document(plan, warnings);
    let value = serde_json::to_value(&document).expect("a plan can be written as JSON");
    trainyard_wire::write::yaml(&value)
}
