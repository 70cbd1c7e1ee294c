//! The diff against a small API server: whatever was there, applying the actions settles it.

use super::*;
use k8s_openapi::api::resource::v1::DeviceTaint;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

fn node() -> Node {
    Node {
        name: "n1".into(),
        uid: "node-uid".into(),
        ..Default::default()
    }
}

fn contents(slices: &[&[&str]]) -> Vec<Content> {
    let device = |name: &&str| Device {
        name: (*name).to_owned(),
        ..Default::default()
    };
    slices
        .iter()
        .map(|names| Content {
            devices: names.iter().map(device).collect(),
            counters: Vec::new(),
        })
        .collect()
}

/// Stores slices as the API server would, and counts.
#[derive(Default)]
struct Server {
    slices: Vec<ResourceSlice>,
    settled: Settled,
    created: u32,
    version: u32,
}

impl Server {
    fn actions(&self, node: &Node, pools: &[(&str, Vec<Content>)]) -> Vec<Action> {
        let desired = Desired {
            driver: "a.example",
            node,
            pools: pools
                .iter()
                .map(|(name, contents)| ((*name).to_owned(), contents.clone()))
                .collect(),
        };
        diff(&desired, &self.slices, &self.settled)
    }

    fn apply(&mut self, node: &Node, pools: &[(&str, Vec<Content>)]) -> String {
        let mut done = String::new();
        for action in self.actions(node, pools) {
            self.version += 1;
            match action {
                Action::Delete(slice) => {
                    let before = self.slices.len();
                    self.slices
                        .retain(|other| name_of(other) != name_of(&slice));
                    assert_eq!(self.slices.len(), before - 1);
                    done.push('d');
                }
                Action::Update(sent) => {
                    let stored = self.stored(sent.clone());
                    self.settled.note(&sent, &stored);
                    let place = self
                        .slices
                        .iter_mut()
                        .find(|s| name_of(s) == name_of(&sent));
                    *place.expect("only what is there is updated") = stored;
                    done.push('u');
                }
                Action::Create(sent) => {
                    self.created += 1;
                    let mut stored = self.stored(sent.clone());
                    let prefix = stored.metadata.generate_name.clone().unwrap();
                    stored.metadata.name = Some(format!("{prefix}{:05}", self.created));
                    self.settled.note(&sent, &stored);
                    self.slices.push(stored);
                    done.push('c');
                }
            }
        }
        assert_eq!(
            self.actions(node, pools),
            [],
            "a second round has nothing to do"
        );
        done
    }

    fn stored(&self, mut slice: ResourceSlice) -> ResourceSlice {
        slice.metadata.resource_version = Some(self.version.to_string());
        for taint in slice
            .spec
            .devices
            .iter_mut()
            .flatten()
            .flat_map(|d| d.taints.iter_mut())
            .flatten()
        {
            taint
                .time_added
                .get_or_insert(Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH));
        }
        slice
    }

    fn generations(&self) -> Vec<i64> {
        self.slices
            .iter()
            .map(|slice| slice.spec.pool.generation)
            .collect()
    }
}

#[test]
fn a_first_publication_and_small_and_large_changes() {
    let mut server = Server::default();
    let two = || contents(&[&["a"], &["b"]]);
    assert_eq!(server.apply(&node(), &[("n1", two())]), "cc");
    assert_eq!(server.generations(), [1, 1]);
    assert!(name_of(&server.slices[1]).starts_with("00001-a.example-n1-"));
    let one_changed = contents(&[&["a"], &["b", "c"]]);
    assert_eq!(server.apply(&node(), &[("n1", one_changed)]), "u");
    assert_eq!(server.generations(), [1, 1], "one update is atomic");
    let both_changed = contents(&[&["x"], &["y"]]);
    assert_eq!(server.apply(&node(), &[("n1", both_changed)]), "uu");
    assert_eq!(server.generations(), [2, 2]);
    assert_eq!(server.apply(&node(), &[("n1", contents(&[&["x"]]))]), "du");
    assert_eq!(server.generations(), [2]);
    assert_eq!(server.apply(&node(), &[("n1", two())]), "uc");
    assert_eq!(server.generations(), [3, 3]);
    assert_eq!(server.apply(&node(), &[]), "dd", "withdrawn");
}

#[test]
fn what_others_did_is_repaired() {
    let mut server = Server::default();
    let pools = [("n1", contents(&[&["a"], &["b"]]))];
    server.apply(&node(), &pools);
    server.slices.remove(0);
    assert_eq!(server.apply(&node(), &pools), "uc", "one deleted");
    server.slices.clear();
    assert_eq!(server.apply(&node(), &pools), "cc", "all wiped");
    assert_eq!(server.generations(), [1, 1]);
    server.slices[1].spec.devices = Some(Vec::new());
    assert_eq!(server.apply(&node(), &pools), "u", "one changed");
    let mut copy = server.slices[0].clone();
    copy.metadata.name = Some("00000-a.example-n1-zzzzz".into());
    server.slices.push(copy);
    assert_eq!(server.apply(&node(), &pools), "d", "the same index twice");
    let mut foreign = server.slices[0].clone();
    foreign.metadata.name = Some("n1-a.example-abcde".into());
    server.slices.push(foreign);
    assert_eq!(
        server.apply(&node(), &pools),
        "d",
        "named by another version"
    );
    server.slices[0].spec.pool.generation = 7;
    assert_eq!(
        server.apply(&node(), &pools),
        "duc",
        "a generation of its own"
    );
    assert_eq!(server.generations(), [8, 8]);
}

#[test]
fn a_recreated_node_gets_its_slices_back() {
    let mut server = Server::default();
    let pools = [("n1", contents(&[&["a"]]))];
    server.apply(&node(), &pools);
    let recreated = Node {
        uid: "another".into(),
        ..node()
    };
    assert_eq!(server.apply(&recreated, &pools), "u");
    let owners = server.slices[0].metadata.owner_references.as_ref().unwrap();
    assert_eq!(owners[0].uid, "another");
}

#[test]
fn the_servers_stamp_on_a_taint_is_kept_and_no_reason_to_write() {
    let mut server = Server::default();
    let mut tainted = contents(&[&["a", "b"]]);
    tainted[0].devices[0].taints = Some(vec![DeviceTaint {
        key: "a.example/ecc".into(),
        effect: "NoSchedule".into(),
        ..Default::default()
    }]);
    server.apply(&node(), &[("n1", tainted.clone())]);
    // A restarted driver knows nothing of what was settled.
    server.settled = Settled::default();
    assert_eq!(server.apply(&node(), &[("n1", tainted.clone())]), "");
    tainted[0].devices.remove(1);
    assert_eq!(server.apply(&node(), &[("n1", tainted)]), "u");
    let taints = server.slices[0].spec.devices.as_ref().unwrap()[0]
        .taints
        .as_ref()
        .unwrap();
    assert_eq!(
        taints[0].time_added,
        Some(Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH))
    );
}

#[test]
fn what_the_server_drops_or_rewrites_is_written_once() {
    let mut settled = Settled::default();
    let mut sent = ResourceSlice::default();
    sent.metadata.name = Some("s".into());
    sent.spec.devices = Some(vec![Device {
        name: "a".into(),
        allow_multiple_allocations: Some(true),
        ..Default::default()
    }]);
    let mut stored = sent.clone();
    stored.spec.devices.as_mut().unwrap()[0].allow_multiple_allocations = None;
    assert!(!settled.note(&sent, &stored), "a dropped field is reported");
    assert!(settled.covers("s", &sent.spec, &stored.spec));
    let mut changed = stored.clone();
    changed.spec.devices = None;
    assert!(!settled.covers("s", &sent.spec, &changed.spec));
    settled.retain(&[]);
    assert!(!settled.covers("s", &sent.spec, &stored.spec));
}
