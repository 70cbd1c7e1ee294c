//! Tests of what a claim says to one driver.

use super::*;
use serde_json::json;

fn asked() -> ClaimRef {
    ClaimRef {
        namespace: "ns".into(),
        name: "c".into(),
        uid: "u1".into(),
    }
}

fn read(status: serde_json::Value) -> Result<Claim, NotReady> {
    let object = serde_json::from_value(json!({
        "metadata": {"namespace": "ns", "name": "c", "uid": "u1"},
        "spec": {}, "status": status,
    }))
    .unwrap();
    for_driver(&asked(), &Arc::new(object), "a.example", |pool| {
        pool == "node"
    })
}

fn result(driver: &str, pool: &str) -> serde_json::Value {
    json!({"request": "r/sub", "driver": driver, "pool": pool, "device": "d0"})
}

#[test]
fn a_mixed_claim_is_reduced_to_this_driver() {
    let config = |driver: &str, source: &str, n: i32| json!({"source": source, "requests": ["r"], "opaque": {"driver": driver, "parameters": {"n": n}}});
    let claim = read(json!({
        "reservedFor": [{"resource": "pods", "name": "p", "uid": "p1"}],
        "allocation": {"devices": {
            "results": [result("b.example", "elsewhere"), result("a.example", "node")],
            "config": [config("a.example", "FromClaim", 1), config("b.example", "FromClaim", 2), config("a.example", "FromClass", 3)],
        }},
    }))
    .unwrap();
    assert_eq!(claim.devices.len(), 1);
    assert_eq!(claim.devices[0].request, "r/sub");
    let seen: Vec<_> = claim
        .configs
        .iter()
        .map(|c| (c.parameters["n"].as_i64().unwrap(), c.path.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            (3, "status.allocation.devices.config[2]"),
            (1, "status.allocation.devices.config[0]")
        ],
        "the class comes first, so that the claim overrides it"
    );
}

#[test]
fn what_is_not_ready_says_why_and_whether_to_wait() {
    let reserved = json!([{"resource": "pods", "name": "p", "uid": "p1"}]);
    let allocation = |results: Vec<serde_json::Value>| json!({"devices": {"results": results}});
    let none = read(json!({"reservedFor": reserved})).unwrap_err();
    assert!(none.may_pass(), "{none}");
    let unreserved =
        read(json!({"allocation": allocation(vec![result("a.example", "node")])})).unwrap_err();
    assert_eq!(unreserved, NotReady::NotReserved(asked()));
    let other = read(
        json!({"reservedFor": reserved, "allocation": allocation(vec![result("b.example", "node")])}),
    )
    .unwrap_err();
    assert!(matches!(other, NotReady::OtherDrivers { .. }) && !other.may_pass());
    let elsewhere = read(
        json!({"reservedFor": reserved, "allocation": allocation(vec![result("a.example", "n2")])}),
    )
    .unwrap_err();
    assert!(matches!(elsewhere, NotReady::OtherNode { .. }));
    let mut object = ResourceClaim::default();
    object.metadata.uid = Some("u1".into());
    let uid = "u0".into();
    let deleted = ClaimRef { uid, ..asked() };
    let replaced = for_driver(&deleted, &Arc::new(object), "a.example", |_| true).unwrap_err();
    assert!(replaced.to_string().contains("uid u1"));
}
