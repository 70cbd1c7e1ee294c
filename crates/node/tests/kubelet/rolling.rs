//! Two instances during a rolling update, and what a killed one leaves.

use std::os::unix::net::UnixListener;
use std::time::Duration;

use trainyard_node::plugin::{Publishing, Registration};
use trainyard_node_testing::kubelet::{FakeKubelet, Speaks};

use crate::{DRIVER, Machine, NODE, claim, intent_of};

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
        // The new instance meets the lock of the old one until this kubelet loses its patience.
        let kubelet = FakeKubelet::start(machine.path(), Speaks::V1);
        let impatient = kubelet.with_patience(Duration::from_secs(1));
        impatient.wait_for(DRIVER, 2).await;
        let early = impatient.prepare(DRIVER, &a).await.unwrap_err();
        assert!(early.contains("still being prepared"), "{early}");
        machine.hardware.release();
        let second = machine.kubelet.prepare(DRIVER, &a).await;
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
async fn a_claim_in_which_the_old_instance_hangs_keeps_no_other_from_the_new_one() {
    let machine = Machine::new();
    let pool = ["d0", "d1", "d2", "d3"].map(str::to_owned).to_vec();
    machine.hardware.state().pools = [(String::new(), pool)].into();
    let old = machine.start_instance("one").await;
    machine.kubelet.wait_for(DRIVER, 1).await;
    let [a, b, c, d] = ["a", "b", "c", "d"].map(claim);
    for (claim, device) in [(&a, "d0"), (&b, "d1"), (&c, "d2"), (&d, "d3")] {
        machine.api.allocate(claim, &[(DRIVER, NODE, device)]);
    }
    machine.kubelet.prepare(DRIVER, &b).await.unwrap();
    machine.hardware.hold("prepare a");
    let steps = async {
        machine.hardware.until_called("prepare a").await;
        let new = machine.start_instance("two").await;
        machine.kubelet.wait_for(DRIVER, 2).await;
        let answers = machine.kubelet.prepare_all(DRIVER, &[&b, &c, &d]).await;
        assert!(answers.values().all(Result::is_ok), "{answers:?}");
        for claim in [&b, &c, &d] {
            machine.kubelet.unprepare(DRIVER, claim).await.unwrap();
        }
        assert_eq!(machine.files("state/claims"), [intent_of("a")]);
        machine.hardware.release();
        new
    };
    let (first, new) = tokio::join!(machine.kubelet.prepare(DRIVER, &a), steps);
    assert!(first.is_ok());
    machine.kubelet.unprepare(DRIVER, &a).await.unwrap();
    assert!(machine.files("state/claims").is_empty());
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
