//! The ResourceClaims of a plan, as they would stand in the cluster.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use trainyard_cluster::Input;
use trainyard_model::plan::{Plan, PodClaim, PodPlan};
use trainyard_wire::Object;
use trainyard_wire::convert::to_api;
use trainyard_wire::k8s::api::core::v1::Pod;
use trainyard_wire::k8s::api::resource::v1::ResourceClaim;

/// A `v1` List of the claims that are allocated, as YAML. Shared claims stand once, reserved for all
/// of their pods. A claim of the input keeps its metadata; a generated one has its annotation, but
/// neither UID nor random suffix, which only the cluster gives.
pub fn yaml(plan: &Plan, input: &Input) -> String {
    let mut claims: Vec<(&PodClaim, Vec<&PodPlan>)> = Vec::new();
    let mut known: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for pod in plan.pods.iter().filter(|pod| pod.node.is_some()) {
        for claim in pod.claims.iter().filter(|claim| claim.allocation.is_some()) {
            let key = (&*claim.namespace, &*claim.name);
            let index = *known.entry(key).or_insert_with(|| {
                claims.push((claim, Vec::new()));
                claims.len() - 1
            });
            claims[index].1.push(pod);
        }
    }
    let given = Given::of(input);
    let items: Vec<Value> = claims
        .into_iter()
        .map(|(claim, pods)| given.item(claim, &pods))
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    trainyard_wire::write::yaml(&list)
}

/// What the input holds, by namespace and name.
#[derive(Default)]
struct Given<'a> {
    claims: BTreeMap<(&'a str, &'a str), &'a ResourceClaim>,
    pods: BTreeMap<(&'a str, &'a str), &'a Pod>,
}

impl<'a> Given<'a> {
    fn of(input: &'a Input) -> Self {
        let mut given = Given::default();
        for manifest in &input.manifests {
            let object = &manifest.object;
            let key = (object.namespace(), object.name());
            match object {
                Object::ResourceClaim(claim) => drop(given.claims.insert(key, claim)),
                Object::Pod(pod) => drop(given.pods.insert(key, pod)),
                _ => {}
            }
        }
        given
    }

    fn item(&self, claim: &PodClaim, pods: &[&PodPlan]) -> Value {
        let known = self.claims.get(&(&*claim.namespace, &*claim.name));
        let mut metadata = match known {
            Some(known) => {
                let mut metadata = known.metadata.clone();
                metadata.managed_fields = None;
                serde_json::to_value(&metadata).expect("metadata can be written as JSON")
            }
            None => json!({"name": &*claim.name}),
        };
        metadata["namespace"] = json!(&*claim.namespace);
        if claim.template.is_some() && known.is_none() {
            metadata["annotations"] =
                json!({"resource.kubernetes.io/pod-claim-name": &*claim.pod_claim_name});
        }
        let mut status = known
            .and_then(|known| serde_json::to_value(&known.status).ok())
            .filter(Value::is_object)
            .unwrap_or_else(|| json!({}));
        let mut reserved = status["reservedFor"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        for pod in pods {
            if reserved.iter().any(|entry| entry["name"] == *pod.name) {
                continue;
            }
            let mut entry = json!({"resource": "pods", "name": &*pod.name});
            let given = self.pods.get(&(&*pod.namespace, &*pod.name));
            if let Some(uid) = given.and_then(|pod| pod.metadata.uid.as_ref()) {
                entry["uid"] = json!(uid);
            }
            reserved.push(entry);
        }
        status["allocation"] = json!(claim.allocation.as_deref().map(to_api::allocation));
        status["reservedFor"] = Value::Array(reserved);
        json!({
            "apiVersion": "resource.k8s.io/v1",
            "kind": "ResourceClaim",
            "metadata": metadata,
            "spec": to_api::claim_spec(&claim.spec),
            "status": status,
        })
    }
}
