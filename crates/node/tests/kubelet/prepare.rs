//! Claims come and go, and what may pass is tried again while the kubelet waits.

use std::fs::File;
use std::thread;
use std::time::Duration;

use serde_json::json;
use trainyard_node::plugin::Registration;
use trainyard_node_testing::api::FakeApi;
use trainyard_node_testing::kubelet::Speaks;

use crate::{DRIVER, Machine, NODE, claim};

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_comes_and_goes_in_both_versions() {
    for speaks in [Speaks::V1, Speaks::V1beta1] {
        let mut machine = Machine::speaking(speaks);
        let plugin = machine.start().await;
        machine.api.until_devices(&["d0", "d1"]).await;
        assert_eq!(*plugin.registration().borrow(), Registration::Registered);
        let (a, b) = (claim("a"), claim("b"));
        machine
            .api
            .allocate(&a, &[(DRIVER, NODE, "d0"), ("other", NODE, "x")]);
        machine.api.allocate(&b, &[(DRIVER, "elsewhere", "d1")]);
        let answers = machine.kubelet.prepare_all(DRIVER, &[&a, &b]).await;
        let devices = answers["a"].as_ref().unwrap();
        assert_eq!(devices.len(), 1, "the other driver's device is its own");
        assert_eq!(devices[0].cdi_device_ids, ["a.example/claim=a-0"]);
        assert!(answers["b"].as_ref().unwrap_err().contains("elsewhere"));
        let again = machine.kubelet.prepare(DRIVER, &a).await;
        assert_eq!(again.as_ref(), Ok(devices));
        machine.kubelet = machine.kubelet.restart();
        machine.kubelet.wait_for(DRIVER, 1).await;
        machine.api.set_away(true);
        let recalled = machine.kubelet.prepare(DRIVER, &a).await;
        assert_eq!(
            recalled.as_ref(),
            Ok(devices),
            "known without the API server"
        );
        machine.kubelet.unprepare(DRIVER, &a).await.unwrap();
        machine.kubelet.unprepare(DRIVER, &a).await.unwrap();
        plugin.stop().await;
        for folder in ["cdi", "state/claims", "plugins_registry"] {
            assert!(machine.files(folder).is_empty(), "{folder}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_is_not_prepared_leaves_no_files() {
    let machine = Machine::new();
    let plugin = machine.start().await;
    let [unknown, elsewhere] = ["unknown", "elsewhere"].map(claim);
    machine.api.allocate(&elsewhere, &[("other", NODE, "x")]);
    for claim in [unknown, elsewhere] {
        assert!(machine.kubelet.prepare(DRIVER, &claim).await.is_err());
        for folder in ["cdi", "state/claims"] {
            assert!(machine.files(folder).is_empty(), "{folder}");
        }
    }
    plugin.stop().await;
}

/// One thread has the plugin, the kubelet and this test: none of them waits for the lock.
#[tokio::test]
async fn a_claim_that_another_process_works_on_keeps_no_other_waiting() {
    let machine = Machine::new();
    let plugin = machine.start().await;
    let [a, b] = ["a", "b"].map(claim);
    machine.api.allocate(&a, &[(DRIVER, NODE, "d0")]);
    machine.api.allocate(&b, &[(DRIVER, NODE, "d1")]);
    let lock = File::create(machine.path().join("state/locks/claim-a")).unwrap();
    lock.try_lock().unwrap();
    let reads = machine.api.claim_reads();
    let others = async {
        machine.kubelet.prepare(DRIVER, &b).await.unwrap();
        assert_eq!(
            machine.api.claim_reads(),
            reads + 1,
            "locked before it is read"
        );
        drop(lock);
    };
    let (prepared, ()) = tokio::join!(machine.kubelet.prepare(DRIVER, &a), others);
    assert_eq!(prepared.unwrap()[0].device_name, "d0");
    for claim in [&a, &b] {
        machine.kubelet.unprepare(DRIVER, claim).await.unwrap();
    }
    assert_eq!(machine.files("state/locks"), ["journal", "publisher"]);
    plugin.stop().await;
}

/// One thread has the plugin, the kubelet and this test.
#[tokio::test]
async fn hardware_is_never_asked_on_the_thread_of_the_sockets() {
    let machine = Machine::new();
    let plugin = machine.start().await;
    let a = claim("a");
    machine.api.allocate(&a, &[(DRIVER, NODE, "d0")]);
    machine.kubelet.prepare(DRIVER, &a).await.unwrap();
    machine.kubelet.unprepare(DRIVER, &a).await.unwrap();
    let here = thread::current().id();
    assert!(!machine.hardware.state().callers.contains(&here));
    plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_in_reset_is_waited_for() {
    let machine = Machine::new();
    let plugin = machine.start().await;
    let a = claim("a");
    machine.api.allocate(&a, &[(DRIVER, NODE, "d0")]);
    machine.hardware.state().resets = 2;
    assert!(machine.kubelet.prepare(DRIVER, &a).await.is_ok());
    let calls = machine.hardware.state().calls.clone();
    let of_claim = calls.iter().filter(|call| call.ends_with(" a")).cloned();
    assert_eq!(
        of_claim.collect::<Vec<_>>(),
        [
            "prepare a",
            "unprepare a",
            "prepare a",
            "unprepare a",
            "prepare a"
        ],
        "what failed is undone before it is tried again"
    );
    machine.hardware.state().stuck = 1;
    machine.kubelet.unprepare(DRIVER, &a).await.unwrap();
    assert!(machine.hardware.state().set_up.is_empty());
    plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_is_not_ready_yet_is_waited_for() {
    let machine = Machine::new();
    let plugin = machine.start().await;
    let a = claim("a");
    let object = |status: serde_json::Value| {
        let metadata = json!({"namespace": "ns", "name": "c-a", "uid": "a"});
        let claim = json!({"metadata": metadata, "spec": {}, "status": status});
        serde_json::from_value(claim).unwrap()
    };
    let result = json!({"request": "r", "driver": DRIVER, "pool": NODE, "device": "d0"});
    let allocation = json!({"devices": {"results": [result]}});
    machine.api.set_away(true);
    machine.api.put_claim(object(json!({})));
    let steps = async {
        let read_again = async |what: &str| {
            let reads = machine.api.claim_reads();
            let more = |api: &FakeApi| api.claim_reads() > reads;
            machine.api.until(what, more).await;
        };
        read_again("the API server is away").await;
        machine.api.set_away(false);
        read_again("the claim is not allocated").await;
        let unreserved = object(json!({"allocation": allocation}));
        machine.api.put_claim(unreserved);
        read_again("the claim is not reserved").await;
        machine.api.allocate(&a, &[(DRIVER, NODE, "d0")]);
    };
    let (prepared, ()) = tokio::join!(machine.kubelet.prepare(DRIVER, &a), steps);
    assert_eq!(prepared.unwrap()[0].device_name, "d0");
    plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lasts_longer_than_the_kubelets_patience_is_named() {
    let mut machine = Machine::new();
    machine.kubelet = machine.kubelet.with_patience(Duration::from_secs(1));
    let plugin = machine.start().await;
    let [a, b, c, d] = ["a", "b", "c", "d"].map(claim);
    machine.api.allocate(&a, &[(DRIVER, NODE, "d0")]);
    assert!(machine.kubelet.prepare(DRIVER, &a).await.is_ok());

    machine.api.allocate(&b, &[(DRIVER, NODE, "d0")]);
    let held = machine.kubelet.prepare(DRIVER, &b).await.unwrap_err();
    assert!(held.contains("still prepared for claim ns/c-a"), "{held}");

    machine.api.set_silent(true);
    let silent = machine.kubelet.prepare(DRIVER, &c).await.unwrap_err();
    assert!(
        silent.contains("cannot read claim ns/c-c: no answer"),
        "{silent}"
    );
    assert!(machine.kubelet.prepare(DRIVER, &a).await.is_ok(), "known");
    machine.api.set_silent(false);

    machine.hardware.hold("prepare");
    machine.api.allocate(&d, &[(DRIVER, NODE, "d1")]);
    let slow = machine.kubelet.prepare(DRIVER, &d).await.unwrap_err();
    assert!(
        slow.contains("claim ns/c-d is still being prepared"),
        "{slow}"
    );
    machine.hardware.release();
    assert!(machine.kubelet.prepare(DRIVER, &d).await.is_ok());
    let calls = machine.hardware.state().calls.clone();
    let prepared = calls.iter().filter(|call| *call == "prepare d").count();
    assert_eq!(prepared, 1, "the work went on while nobody waited");

    machine.hardware.hold("unprepare");
    let slow = machine.kubelet.unprepare(DRIVER, &d).await.unwrap_err();
    assert!(slow.contains("still being undone"), "{slow}");
    machine.hardware.release();
    machine.kubelet.unprepare(DRIVER, &d).await.unwrap();
    plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_will_not_pass_is_refused_at_once() {
    let machine = Machine::new();
    let plugin = machine.start().await;
    let [gone, anew, other] = ["gone", "anew", "other"].map(claim);
    let mut first = anew.clone();
    first.uid = "first".into();
    machine.api.allocate(&anew, &[(DRIVER, NODE, "d0")]);
    machine.api.allocate(&other, &[("b.example", NODE, "d0")]);
    let mut path = claim("path");
    path.uid = "../path".into();
    let reads = machine.api.claim_reads();
    for (claim, why) in [
        (gone, "claim ns/c-gone does not exist"),
        (first, "it was deleted and created anew"),
        (other, "has no device of driver a.example"),
        (path, "is not a UID"),
    ] {
        let error = machine.kubelet.prepare(DRIVER, &claim).await.unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    assert_eq!(machine.api.claim_reads(), reads + 3, "each was read once");
    plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bug_in_the_driver_costs_one_claim_one_try() {
    let machine = Machine::new();
    let plugin = machine.start().await;
    let (a, b) = (claim("a"), claim("b"));
    machine.api.allocate(&a, &[(DRIVER, NODE, "d0")]);
    machine.api.allocate(&b, &[(DRIVER, NODE, "d1")]);
    machine.hardware.state().panics = true;
    let answers = machine.kubelet.prepare_all(DRIVER, &[&a, &b]).await;
    let failed: Vec<_> = answers.values().filter_map(|a| a.as_ref().err()).collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[0].contains("the driver has a bug"), "{failed:?}");
    let answers = machine.kubelet.prepare_all(DRIVER, &[&a, &b]).await;
    assert!(answers.values().all(Result::is_ok), "{answers:?}");
    plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_was_not_looked_at_yet_is_waited_for() {
    let machine = Machine::new();
    let pool = ("other-pool".to_owned(), vec!["x".to_owned()]);
    machine.hardware.state().pools.extend([pool]);
    machine.hardware.hold("survey");
    let plugin = machine.start().await;
    let a = claim("a");
    machine.api.allocate(&a, &[(DRIVER, "other-pool", "x")]);
    let steps = async {
        let twice = |api: &FakeApi| api.claim_reads() > 1;
        machine.api.until("tried again", twice).await;
        machine.hardware.release();
    };
    let (prepared, ()) = tokio::join!(machine.kubelet.prepare(DRIVER, &a), steps);
    assert_eq!(prepared.unwrap()[0].pool_name, "other-pool");
    plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn different_claims_are_prepared_at_the_same_time() {
    let machine = Machine::new();
    let plugin = machine.start().await;
    let (a, b) = (claim("a"), claim("b"));
    machine.api.allocate(&a, &[(DRIVER, NODE, "d0")]);
    machine.api.allocate(&b, &[(DRIVER, NODE, "d1")]);
    machine.hardware.hold("prepare");
    let steps = async {
        machine.hardware.until_called("prepare a").await;
        machine.hardware.until_called("prepare b").await;
        machine.hardware.release();
    };
    let claims = [&a, &b];
    let (answers, ()) = tokio::join!(machine.kubelet.prepare_all(DRIVER, &claims), steps);
    assert!(answers.values().all(Result::is_ok), "{answers:?}");
    plugin.stop().await;
}
