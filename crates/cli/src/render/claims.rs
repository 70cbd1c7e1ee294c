//! The ResourceClaims of a plan, as they would stand in the cluster.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use trainyard_model::Text;
use trainyard_model::plan::{Plan, PodClaim};
use trainyard_wire::convert::to_api;

/// A `v1` List of the claims that are allocated, as YAML. Shared claims stand once, reserved for all
/// of their pods; a generated claim has its annotation, but neither UID nor random suffix, which only
/// the cluster gives.
pub fn yaml(plan: &Plan) -> String {
    let mut claims: Vec<(&PodClaim, Vec<&Text>)> = Vec::new();
    let mut known: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for pod in plan.pods.iter().filter(|pod| pod.node.is_some()) {
        for claim in pod.claims.iter().filter(|claim| claim.allocation.is_some()) {
            let key = (&*claim.namespace, &*claim.name);
            let index = *known.entry(key).or_insert_with(|| {
                claims.push((claim, Vec::new()));
                claims.len() - 1
            });
            claims[index].1.push(&pod.name);
        }
    }
    let items: Vec<Value> = claims
        .into_iter()
        .map(|(claim, pods)| item(claim, &pods))
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    trainyard_wire::write::yaml(&list)
}

fn item(claim: &PodClaim, pods: &[&Text]) -> Value {
    let mut metadata = json!({"name": &*claim.name, "namespace": &*claim.namespace});
    if claim.template.is_some() {
        metadata["annotations"] =
            json!({"resource.kubernetes.io/pod-claim-name": &*claim.pod_claim_name});
    }
    let reserved: Vec<Value> = pods
        .iter()
        .map(|pod| json!({"resource": "pods", "name": &***pod}))
        .collect();
    let allocation = claim.allocation.as_deref().map(to_api::allocation);
    json!({
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": metadata,
        "spec": to_api::claim_spec(&claim.spec),
        "status": {"allocation": allocation, "reservedFor": reserved},
    })
}
