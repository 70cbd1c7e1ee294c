//! Two instances during a rolling update, and what a killed one leaves.

use std::os::unix::net::UnixListener;

use trainyard_node::plugin::{Publishing, Registration};
use trainyard_testkit::node::api::FakeApi;
use trainyard_testkit::node::kubelet::FakeKubelet;

use crate::{DRIVER, Machine, NODE, claim};

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_update_hands_over() {
    let machine = Machine::new();
    let old = machine.start_instance("one").await;
    machine.kubelet.wait_for(DRIVER, 1).await;
    machine.api.until_devices(&["d0", "d1"]).await;
    let (a, b) = (claim("a"), claim("b"));
    machine.api.allocate(&a, &[(DRIVER, NODE, "d0")]);
    machine.api.allocate(&b, &[(DRIVER, NODE, "d1")]);
    let prepared = machine.kubelet.prepare(DRIVER, &a).await;
    let new = machine.start_instance("two").await;
    machine.kubelet.wait_for(DRIVER, 2).await;
    assert_eq!(machine.kubelet.prepare(DRIVER, &a).await, prepared);
    let mut publishing = new.publishing();
    let standby = publishing.wait_for(|status| *status == Publishing::Standby);
    assert!(standby.await.is_ok());
    old.stop().await;
    machine.kubelet.wait_for(DRIVER, 1).await;
    assert!(machine.kubelet.prepare(DRIVER, &b).await.is_ok());
    let ready = |status: &Publishing| matches!(status, Publishing::Published { .. });
    publishing.wait_for(ready).await.unwrap();
    assert_eq!(
        machine.api.writes(),
        1,
        "the new instance found all as it should be"
    );
    new.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepare_that_the_old_instance_began_is_finished_once() {
    let machine = Machine::new();
    let old = machine.start_instance("one").await;
    machine.kubelet.wait_for(DRIVER, 1).await;
    let a = claim("a");
    machine.api.allocate(&a, &[(DRIVER, NODE, "d0")]);
    machine.hardware.hold("prepare");
    let steps = async {
        machine.hardware.until_called("prepare a").await;
        let new = machine.start_instance("two").await;
        machine.kubelet.wait_for(DRIVER, 2).await;
        let reads = machine.api.claim_reads();
        let asked = async {
            let more = |api: &FakeApi| api.claim_reads() > reads;
            machine.api.until("the new instance is asked", more).await;
            machine.hardware.release();
        };
        let (second, ()) = tokio::join!(machine.kubelet.prepare(DRIVER, &a), asked);
        (new, second)
    };
    let (first, (new, second)) = tokio::join!(machine.kubelet.prepare(DRIVER, &a), steps);
    assert!(first.is_ok());
    assert_eq!(first, second);
    let calls = machine.hardware.state().calls.clone();
    let prepared = calls.iter().filter(|call| *call == "prepare a").count();
    assert_eq!(prepared, 1);
    old.stop().await;
    new.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_instance_is_replaced() {
    let machine = Machine::new();
    let old = machine.start_instance("one").await;
    machine.kubelet.wait_for(DRIVER, 1).await;
    let a = claim("a");
    machine.api.allocate(&a, &[(DRIVER, NODE, "d0")]);
    let prepared = machine.kubelet.prepare(DRIVER, &a).await;
    // A killed process removes no file; here its tasks end and its sockets are put back.
    drop(old);
    let registry = machine.path().join("plugins_registry");
    let data = machine.path().join("plugins").join(DRIVER);
    for socket in [
        registry.join("a.example-one-reg.sock"),
        data.join("dra-one.sock"),
    ] {
        let _ = std::fs::remove_file(&socket);
        drop(UnixListener::bind(socket).unwrap());
    }
    let new = machine.start_instance("two").await;
    let known = |kubelet: &FakeKubelet| kubelet.registrations() == 2;
    machine.kubelet.until("the new instance", known).await;
    machine.kubelet.wait_for(DRIVER, 1).await;
    assert_eq!(machine.kubelet.prepare(DRIVER, &a).await, prepared);
    machine.kubelet.unprepare(DRIVER, &a).await.unwrap();
    new.stop().await;
    assert!(machine.files("plugins_registry").is_empty());
    assert!(!data.join("dra-one.sock").exists());
    assert!(machine.files("cdi").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_another_process_took_over_is_not_taken_back() {
    let machine = Machine::new();
    let first = machine.start().await;
    let mut said = first.registration();
    let registered = |said: &Registration| *said == Registration::Registered;
    said.wait_for(registered).await.unwrap();
    // Two instances with the same names: nobody should, and one of both must give way.
    let second = machine.start_with(machine.config()).await;
    let twice = |kubelet: &FakeKubelet| kubelet.registrations() == 2;
    machine.kubelet.until("the second one", twice).await;
    let pending = |said: &Registration| *said == Registration::Pending;
    said.wait_for(pending).await.unwrap();
    let a = claim("a");
    machine.api.allocate(&a, &[(DRIVER, NODE, "d0")]);
    assert!(machine.kubelet.prepare(DRIVER, &a).await.is_ok());
    assert!(twice(&machine.kubelet), "the first one stays quiet");
    second.stop().await;
    said.wait_for(registered).await.unwrap();
    machine.kubelet.unprepare(DRIVER, &a).await.unwrap();
    first.stop().await;
}
