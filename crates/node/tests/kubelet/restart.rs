//! What a driver finds when it starts, and what it does about it.

use std::fs;
use std::time::Duration;

use trainyard_node::plugin::Registration;
use trainyard_node_testing::api::FakeApi;
use trainyard_node_testing::kubelet::FakeKubelet;

use crate::hardware::State;
use crate::{DRIVER, Machine, NODE, claim, intent_of, record_of};

#[tokio::test(flavor = "multi_thread")]
async fn leftovers_are_removed_and_what_is_not_ours_stays() {
    let machine = Machine::new();
    let write = |file: &str, bytes: &[u8]| fs::write(machine.path().join(file), bytes).unwrap();
    let first = machine.start().await;
    let reboot = claim("reboot");
    machine.api.allocate(&reboot, &[(DRIVER, NODE, "d0")]);
    machine.kubelet.prepare(DRIVER, &reboot).await.unwrap();
    first.stop().await;
    // As if the machine had been off since.
    let journal = machine.path().join("state/claims");
    for name in [intent_of("reboot"), record_of("reboot")] {
        let suffix = name.rsplit_once('.').unwrap().1;
        let earlier = format!("reboot.another-boot.{suffix}");
        fs::rename(journal.join(&name), journal.join(earlier)).unwrap();
    }
    write("state/claims/cut.another-boot.record", b"trainy");
    write(
        &format!("state/claims/.{}.tmp", record_of("half")),
        b"train",
    );
    write(&format!("state/claims/{}", record_of("torn")), b"torn");
    write("state/locks/claim-nobody", b"");
    write("cdi/a.example-claim_reboot.json", b"{}");
    write("cdi/a.example-claim_torn.json", b"{}");
    write("cdi/a.example-claim_cut.json", b"{}");
    write("cdi/a.example-claim_nobody.json", b"{}");
    write("cdi/.a.example-claim_half.json.tmp", b"{");
    write("cdi/b.example-claim_other.json", b"{}");
    write("cdi/a.example.json", b"{}");
    let plugin = machine.start().await;
    let kept = [
        "a.example-claim_torn.json",
        "a.example.json",
        "b.example-claim_other.json",
    ];
    assert_eq!(machine.files("cdi"), kept);
    assert_eq!(machine.files("state/claims"), ["unreadable"]);
    assert_eq!(machine.files("state/locks"), ["journal", "publisher"]);
    let calls = machine.hardware.state().calls.clone();
    assert!(calls.contains(&"unprepare reboot".into()), "{calls:?}");
    let events = machine.api.events();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].reason, "JournalUnreadable");
    let aside = "state/claims/unreadable/torn.0";
    assert!(events[0].note.contains(aside), "{events:?}");
    assert_eq!(fs::read(machine.path().join(aside)).unwrap(), b"torn");
    machine
        .kubelet
        .unprepare(DRIVER, &claim("torn"))
        .await
        .unwrap();
    assert_eq!(machine.files("cdi"), kept[1..]);
    plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_that_no_longer_exist_are_undone() {
    let machine = Machine::new();
    let [kept, gone, anew, later] = ["kept", "gone", "anew", "later"].map(claim);
    let claims = [&kept, &gone, &anew, &later];
    let devices = ["d0", "d1", "d2", "d3"];
    let pool = devices.map(str::to_owned).to_vec();
    machine.hardware.state().pools = [(String::new(), pool)].into();
    let first = machine.start().await;
    for (claim, device) in claims.iter().zip(devices) {
        machine.api.allocate(claim, &[(DRIVER, NODE, device)]);
    }
    let answers = machine.kubelet.prepare_all(DRIVER, &claims).await;
    assert!(answers.values().all(Result::is_ok), "{answers:?}");
    first.stop().await;

    machine.api.delete_claim(&gone);
    let mut other = anew.clone();
    other.uid = "another".into();
    machine.api.allocate(&other, &[(DRIVER, NODE, "d2")]);
    // Nobody can say whether they exist, and no kubelet asks for anything.
    machine.kubelet.stop();
    machine.api.set_away(true);
    let mut config = machine.config();
    config.forget_after = Duration::ZERO;
    let reads = machine.api.claim_reads();
    let second = machine.start_with(config).await;
    let asked = |api: &FakeApi| api.claim_reads() > reads;
    machine.api.until("asked", asked).await;
    assert_eq!(machine.files("cdi").len(), 4);
    machine.api.set_away(false);
    let what = "the deleted claims are undone";
    let two = |state: &State| state.set_up.len() == 2;
    machine.hardware.until(what, two).await;
    let kept_ones = ["kept", "later"].map(str::to_owned);
    assert_eq!(machine.hardware.state().set_up, kept_ones.into());
    // In the order of the UIDs, this one is the last to be asked for.
    let last = |api: &FakeApi| api.last_claim_read() == Some("c-later".into());
    machine.api.until("all are asked for", last).await;

    // The kubelet comes back without its memory; a claim disappeared meanwhile.
    machine.api.delete_claim(&later);
    let machine = Machine {
        kubelet: machine.kubelet.restart(),
        ..machine
    };
    let one = |state: &State| state.set_up.len() == 1;
    machine.hardware.until(what, one).await;
    assert!(machine.hardware.state().set_up.contains("kept"));
    machine.kubelet.wait_for(DRIVER, 1).await;
    // Those that are undone already are waited for, as their locks are.
    for claim in claims {
        machine.kubelet.unprepare(DRIVER, claim).await.unwrap();
    }
    second.stop().await;
    assert!(machine.files("cdi").is_empty());
    assert!(machine.files("state/claims").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_that_somebody_removed_are_made_anew() {
    let machine = Machine::new();
    let plugin = machine.start().await;
    let a = claim("a");
    machine.api.allocate(&a, &[(DRIVER, NODE, "d0")]);
    let registration = machine.path().join("plugins_registry/a.example-reg.sock");
    fs::remove_file(registration).unwrap();
    let again =
        |kubelet: &FakeKubelet| kubelet.registrations() == 2 && kubelet.instances(DRIVER) == 1;
    machine.kubelet.until("registered again", again).await;
    assert!(machine.kubelet.prepare(DRIVER, &a).await.is_ok());
    plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_plugin_publishes_nothing_and_says_why() {
    let machine = Machine::new();
    machine.kubelet.refuse("unknown version");
    let plugin = machine.start_with(machine.config()).await;
    let mut registration = plugin.registration();
    let refused = Registration::Refused("unknown version".into());
    registration
        .wait_for(|said| *said == refused)
        .await
        .unwrap();
    machine.hardware.until_called("survey").await;
    plugin.stop().await;
    assert_eq!(machine.api.writes(), 0);
}
