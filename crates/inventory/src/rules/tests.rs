//! What is accepted and what is refused, in the words that people read.

use std::collections::BTreeMap;

use trainyard_model::Text;
use trainyard_model::claim::{
    AllocationConfig, AllocationResult, ClaimConfig, ConfigSource, DeviceRequest, DeviceResult,
    Opaque, ResourceClaim,
};
use trainyard_model::taint::{Effect, Taint, Toleration};

use super::{
    Condition, DeviceNode, Edits, Group, Hardware, Part, Place, Present, Question, Refusal, What,
    check,
};
use crate::catalogue::InstanceType;

const NEURON: &str = "neuron.aws.com";
const EFA: &str = "dra.net";

/// A node of a type, its devices by what they are.
fn node(kind: &str, devices: impl IntoIterator<Item = (String, What)>) -> Present {
    Present {
        instance_type: Some(InstanceType::find(kind).expect("in the catalogue")),
        devices: devices
            .into_iter()
            .map(|(name, what)| (name.into(), what.into()))
            .collect(),
        ..Present::default()
    }
}

fn chips(kind: &str) -> Present {
    node(
        kind,
        (0..16).map(|id| (format!("neuron-device-{id}"), What::Chip(id))),
    )
}

/// A claim in the making.
#[derive(Default)]
struct Claim {
    claim: ResourceClaim,
    allocation: AllocationResult,
}

impl Claim {
    fn given(
        mut self,
        driver: &str,
        request: &str,
        devices: impl IntoIterator<Item = String>,
    ) -> Self {
        let main = request.split('/').next().unwrap_or_default();
        if !self.claim.requests.iter().any(|r| &*r.name == main) {
            self.claim.requests.push(DeviceRequest {
                name: main.into(),
                ..DeviceRequest::default()
            });
        }
        self.allocation
            .results
            .extend(devices.into_iter().map(|device| DeviceResult {
                request: request.into(),
                driver: driver.into(),
                pool: "node".into(),
                device: device.into(),
                ..DeviceResult::default()
            }));
        self
    }

    fn chips(self, request: &str, ids: impl IntoIterator<Item = u32>) -> Self {
        let names = ids.into_iter().map(|id| format!("neuron-device-{id}"));
        self.given(NEURON, request, names)
    }

    fn config(mut self, source: ConfigSource, requests: &[&str], parameters: &str) -> Self {
        let requests: Vec<Text> = requests.iter().map(|r| (*r).into()).collect();
        let opaque = Some(Opaque {
            driver: NEURON.into(),
            parameters: parameters.into(),
        });
        if source == ConfigSource::Claim {
            self.claim.config.push(ClaimConfig {
                requests: requests.clone(),
                opaque: opaque.clone(),
            });
        }
        self.allocation.config.push(AllocationConfig {
            source,
            requests,
            opaque,
        });
        self
    }

    fn lnc(self, requests: &[&str], value: u32) -> Self {
        self.config(ConfigSource::Claim, requests, &lnc(value))
    }

    fn ask(&self, hardware: Hardware, present: &Present) -> Result<Edits, Refusal> {
        check(&Question {
            hardware,
            driver: match hardware {
                Hardware::Neuron => NEURON,
                Hardware::Efa => EFA,
            },
            claim: &self.claim,
            allocation: &self.allocation,
            present,
        })
    }

    fn accepted(&self, present: &Present) -> Edits {
        self.ask(Hardware::Neuron, present).expect("accepted")
    }

    fn refused(&self, present: &Present) -> String {
        let refusal = self.ask(Hardware::Neuron, present).expect_err("refused");
        format!("[{}] {refusal}", refusal.code)
    }
}

fn lnc(value: u32) -> String {
    format!(
        r#"{{"apiVersion":"neuron.aws.com/v1","kind":"NeuronConfig","logicalNeuronCore":{value}}}"#
    )
}

fn mode(value: u32) -> String {
    format!(
        r#"{{"apiVersion":"neuron.aws.com/v1","kind":"UltraServerConfig","ultraserverMode":{value}}}"#
    )
}

fn env(pairs: &[(&'static str, &str)]) -> BTreeMap<&'static str, String> {
    pairs
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect()
}

#[test]
fn each_chip_brings_its_own_node_and_no_environment() {
    let edits = Claim::default()
        .chips("r", 4..6)
        .accepted(&chips("trn2.48xlarge"));
    let nodes: Vec<_> = edits
        .devices
        .iter()
        .map(|device| (&*device.device, device.nodes.clone()))
        .collect();
    assert_eq!(
        nodes,
        [
            ("neuron-device-4", vec![DeviceNode::neuron(4)]),
            ("neuron-device-5", vec![DeviceNode::neuron(5)]),
        ]
    );
    assert!(edits.devices.iter().all(|device| device.env.is_empty()));
    assert_eq!(edits.warnings, []);
    assert_eq!(DeviceNode::neuron(4).path(), "/dev/neuron4");
}

#[test]
fn a_config_reaches_the_devices_of_its_requests_alone() {
    let claim = Claim::default()
        .chips("a", [0])
        .chips("b/x", [1])
        .lnc(&["b"], 1);
    let edits = claim.accepted(&chips("trn2.48xlarge"));
    assert_eq!(edits.devices[0].env, env(&[]));
    assert_eq!(
        edits.devices[1].env,
        env(&[
            ("NEURON_LOGICAL_NC_CONFIG", "1"),
            ("NEURON_RT_VIRTUAL_CORE_SIZE", "1")
        ])
    );
}

#[test]
fn the_claim_wins_over_the_class() {
    let claim = Claim::default()
        .config(ConfigSource::Class, &["r"], &lnc(2))
        .chips("r", [0])
        .lnc(&[], 1);
    let edits = claim.accepted(&chips("trn2.48xlarge"));
    assert_eq!(edits.devices[0].env["NEURON_LOGICAL_NC_CONFIG"], "1");
}

#[test]
fn wrong_configs_are_refused_at_their_field() {
    for (parameters, message) in [
        (
            r#"{"apiVersion":"neuron.aws.com/v1","kind":"NeuronConfig","logicalNeuronCoreCount":1}"#,
            r#"[config/unknown-field] spec.devices.config[0].opaque.parameters.logicalNeuronCoreCount: unknown field "logicalNeuronCoreCount"; did you mean logicalNeuronCore?"#,
        ),
        (
            r#"{"apiVersion":"neuron.aws.com/v1","kind":"NeuronConfig","LogicalNeuronCore":1}"#,
            r#"[config/unknown-field] spec.devices.config[0].opaque.parameters.LogicalNeuronCore: unknown field "LogicalNeuronCore"; did you mean logicalNeuronCore?"#,
        ),
        (
            r#"{"apiVersion":"neuron.aws.com/v1","kind":"NeuronConfig","logicalNeuronCore":3}"#,
            "[config/invalid] spec.devices.config[0].opaque.parameters.logicalNeuronCore: 3 is not allowed; write 1 or 2",
        ),
        (
            r#"{"apiVersion":"neuron.aws.com/v1","kind":"NeuronConfig","logicalNeuronCore":"2"}"#,
            r#"[config/invalid] spec.devices.config[0].opaque.parameters.logicalNeuronCore: "2" is not allowed; write 1 or 2"#,
        ),
        (
            r#"{"apiVersion":"neuron.aws.com/v1","kind":"NeuronConfig"}"#,
            "[config/invalid] spec.devices.config[0].opaque.parameters.logicalNeuronCore: missing; write 1 or 2",
        ),
        (
            r#"{"apiVersion":"neuron.aws.com/v1","kind":"NeuronConf","logicalNeuronCore":1}"#,
            r#"[config/unknown-kind] spec.devices.config[0].opaque.parameters.kind: unknown kind "NeuronConf" in neuron.aws.com/v1; did you mean NeuronConfig?"#,
        ),
        (
            r#"{"apiVersion":"resource.neuron.aws.com/v1alphav1","kind":"NeuronConfig","logicalNeuronCore":1}"#,
            r#"[config/unknown-kind] spec.devices.config[0].opaque.parameters.apiVersion: unknown version "resource.neuron.aws.com/v1alphav1" of NeuronConfig; write neuron.aws.com/v1"#,
        ),
        (
            r#"{"logicalNeuronCore":1}"#,
            "[config/invalid] spec.devices.config[0].opaque.parameters.apiVersion: missing; write apiVersion: neuron.aws.com/v1 and kind: NeuronConfig or UltraServerConfig",
        ),
        (
            "[1]",
            "[config/invalid] spec.devices.config[0].opaque.parameters: not a JSON object",
        ),
    ] {
        let claim = Claim::default()
            .chips("r", [0])
            .config(ConfigSource::Claim, &[], parameters);
        assert_eq!(claim.refused(&chips("trn2.48xlarge")), message);
    }
}

#[test]
fn a_config_that_concerns_no_device_is_still_read() {
    let claim = Claim::default().chips("r", [0]).config(
        ConfigSource::Claim,
        &["other"],
        r#"{"kind":"NeuronConfig"}"#,
    );
    assert!(
        claim
            .refused(&chips("trn2.48xlarge"))
            .contains("apiVersion: missing")
    );
}

#[test]
fn paths_skip_what_the_allocator_left_out() {
    let mut claim = Claim::default().chips("r", [0]).lnc(&["r"], 1);
    // An alternative that was not chosen stands in the spec alone.
    let chosen = claim.claim.config.remove(0);
    claim.claim.config.push(ClaimConfig {
        requests: vec!["r/other".into()],
        ..chosen.clone()
    });
    claim.claim.config.push(chosen);
    assert!(
        claim
            .refused(&chips("trn1.32xlarge"))
            .contains("] spec.devices.config[1].opaque")
    );
}

#[test]
fn paths_survive_a_cleared_list_of_requests() {
    let mut claim = Claim::default().chips("r", [0]).lnc(&["r"], 1);
    claim.allocation.config[0].requests.clear();
    assert!(
        claim
            .refused(&chips("trn1.32xlarge"))
            .contains("] spec.devices.config[0].opaque")
    );
}

#[test]
fn a_config_of_the_class_says_so() {
    let claim = Claim::default()
        .chips("r", [0])
        .config(ConfigSource::Class, &["r"], "{}");
    assert_eq!(
        claim.refused(&chips("trn2.48xlarge")),
        "[config/invalid] status.allocation.devices.config[0].opaque.parameters.apiVersion: missing (in the DeviceClass); write apiVersion: neuron.aws.com/v1 and kind: NeuronConfig or UltraServerConfig"
    );
}

#[test]
fn configs_of_one_claim_agree() {
    let node = chips("trn2.48xlarge");
    let twice = Claim::default().chips("r", [0]).lnc(&[], 1).lnc(&["r"], 2);
    assert_eq!(
        twice.refused(&node),
        "[config/conflict] spec.devices.config[1].opaque.parameters.logicalNeuronCore: 2 contradicts 1 at spec.devices.config[0].opaque.parameters.logicalNeuronCore; one claim has one value: its devices may meet in one container"
    );
    let two = Claim::default()
        .chips("a", [0])
        .chips("b", [1])
        .lnc(&["a"], 1)
        .lnc(&["b"], 2);
    assert!(two.refused(&node).starts_with("[config/conflict]"));
    let same = Claim::default().chips("r", [0]).lnc(&[], 1).lnc(&["r"], 1);
    same.accepted(&node);
}

#[test]
fn the_size_of_cores_is_fixed_on_older_types() {
    for kind in ["trn1.32xlarge", "inf2.48xlarge"] {
        for value in [1, 2] {
            let claim = Claim::default().chips("r", [0]).lnc(&[], value);
            assert_eq!(
                claim.refused(&chips(kind)),
                format!(
                    "[config/not-allowed] spec.devices.config[0].opaque.parameters.logicalNeuronCore: the size of a logical NeuronCore is fixed on {kind}; leave the NeuronConfig out, or ask for trn2 or trn3"
                )
            );
        }
    }
    Claim::default()
        .chips("r", [0])
        .lnc(&[], 1)
        .accepted(&chips("trn3.48xlarge"));
}

#[test]
fn scattered_chips_of_trn1_are_refused() {
    let node = chips("trn1.32xlarge");
    for (ids, remedy) in [
        (
            vec![0, 1, 2],
            "ask for 4 with the constraint matchAttribute: resource.aws.com/devicegroup4_id, or for 1",
        ),
        (
            vec![1, 2, 3, 4],
            "add the constraint matchAttribute: resource.aws.com/devicegroup4_id",
        ),
        (
            (0..7).collect(),
            "ask for 8 with the constraint matchAttribute: resource.aws.com/devicegroup8_id",
        ),
        ((0..9).collect(), "ask for all 16"),
    ] {
        let refused = Claim::default()
            .chips("other", [])
            .chips("r", ids.clone())
            .refused(&node);
        let ids: Vec<_> = ids.iter().map(u32::to_string).collect();
        assert_eq!(
            refused,
            format!(
                "[runtime/chips] spec.devices.requests[1]: the Neuron runtime does not take chips {} of a trn1.32xlarge: it takes one, a row of four (0-3, 4-7, 8-11, 12-15), a half (0-7, 8-15) or all sixteen; {remedy}",
                ids.join(", ")
            )
        );
    }
}

#[test]
fn requests_may_go_together_or_each_alone() {
    let node = chips("trn1.32xlarge");
    let warnings = |claim: Claim| -> Vec<String> {
        let edits = claim.accepted(&node);
        edits
            .warnings
            .into_iter()
            .map(|warning| warning.message)
            .collect()
    };
    let alone = warnings(Claim::default().chips("a", [0]).chips("b", [1]));
    assert_eq!(
        alone,
        [
            "chips 0, 1 of a trn1.32xlarge do not go together, only those of each request by themselves: a container must name one request in resources.claims, and not the whole claim"
        ]
    );
    let together = warnings(Claim::default().chips("a", [0, 1]).chips("b", [2, 3]));
    assert_eq!(
        together,
        [
            "chips 0, 1, 2, 3 of a trn1.32xlarge go together, but not those of request a by themselves: a container must name the whole claim in resources.claims, and not one request"
        ]
    );
    assert!(warnings(Claim::default().chips("a", 0..4)).is_empty());
}

#[test]
fn trn2_is_warned_of() {
    let edits = Claim::default()
        .chips("r", [0, 5])
        .accepted(&chips("trn2.48xlarge"));
    assert_eq!(edits.warnings.len(), 1);
    assert_eq!(edits.warnings[0].code, "runtime/chips");
}

#[test]
fn admin_access_is_no_use_of_chips() {
    let mut claim = Claim::default().chips("r", [0, 5, 7]);
    for result in &mut claim.allocation.results {
        result.admin_access = true;
    }
    claim.accepted(&chips("trn1.32xlarge"));
}

#[test]
fn devices_are_there_and_ready() {
    let mut node = chips("trn2.48xlarge");
    let claim = Claim::default().chips("r", [0, 1]);
    let part = |condition, taints| Part {
        what: What::Chip(1),
        condition,
        taints,
    };
    let mut with = |part: Option<Part>| {
        let name = Text::from("neuron-device-1");
        match part {
            Some(part) => node.devices.insert(name, part),
            None => node.devices.remove(&name),
        };
        claim.ask(Hardware::Neuron, &node)
    };
    let resetting = with(Some(part(Condition::Resetting, Vec::new()))).expect_err("refused");
    assert!(resetting.passing);
    assert_eq!(
        resetting.to_string(),
        "status.allocation.devices.results[1]: device neuron-device-1 is being reset"
    );
    let gone = with(Some(part(Condition::Gone, Vec::new()))).expect_err("refused");
    assert_eq!((gone.code, gone.passing), ("device/gone", false));
    let absent = with(None).expect_err("refused");
    assert_eq!(
        absent.to_string(),
        "status.allocation.devices.results[1]: device neuron-device-1 is not on the node; delete the pod, so that its claim is allocated anew"
    );
    let taint = |effect| Taint {
        key: "neuron.aws.com/ecc".into(),
        value: "".into(),
        effect,
        time_added: None,
    };
    with(Some(part(Condition::Ready, vec![taint(Effect::None)]))).expect("informational");
    let faulty = Some(part(Condition::Ready, vec![taint(Effect::NoSchedule)]));
    assert_eq!(
        with(faulty.clone()).expect_err("refused").code,
        "device/unhealthy"
    );
    let mut tolerant = Claim::default().chips("r", [1]);
    tolerant.allocation.results[0].tolerations = Some(vec![Toleration {
        key: "neuron.aws.com/ecc".into(),
        operator: "Exists".into(),
        value: "".into(),
        effect: "".into(),
        toleration_seconds: None,
    }]);
    tolerant.accepted(&node);
}

fn ultraserver(group: Option<Group>) -> Present {
    Present {
        ultraserver: group,
        ..node(
            "trn2u.48xlarge",
            [("neuron-node".to_owned(), What::Node((0..16).collect()))],
        )
    }
}

fn place(modes: &[u32]) -> Option<Group> {
    let group = |nodes: u32| (nodes, (format!("{nodes:016x}"), 1));
    Some(Group::Elected(Place {
        modes: modes.to_vec(),
        groups: [group(2), group(4)].into(),
    }))
}

#[test]
fn a_node_of_an_ultraserver_gets_its_place() {
    let claim = |value| {
        Claim::default()
            .given(NEURON, "r", ["neuron-node".to_owned()])
            .config(ConfigSource::Claim, &[], &mode(value))
    };
    let edits = claim(4)
        .lnc(&[], 1)
        .accepted(&ultraserver(place(&[1, 3, 4])));
    assert_eq!(edits.devices[0].nodes.len(), 16);
    assert_eq!(
        edits.devices[0].env,
        env(&[
            ("NEURON_LOGICAL_NC_CONFIG", "1"),
            ("NEURON_RT_VIRTUAL_CORE_SIZE", "1"),
            ("NEURON_RT_ULTRASERVER_MODE", "1"),
            ("NEURON_RT_ULTRASERVER_SERVER_ID", "0000000000000004"),
            ("NEURON_RT_ULTRASERVER_NODE_ID", "1"),
        ])
    );
    let mode_of = |value, modes: &[u32]| {
        claim(value).accepted(&ultraserver(place(modes))).devices[0].env
            ["NEURON_RT_ULTRASERVER_MODE"]
            .clone()
    };
    assert_eq!(mode_of(2, &[1, 2, 3, 4]), "3");
    assert_eq!(mode_of(2, &[1, 2, 4]), "2");
    assert_eq!(mode_of(1, &[1, 4]), "4");
    assert!(
        claim(2)
            .refused(&ultraserver(place(&[1, 4])))
            .ends_with("the node is in no group of 2; write 1 or 4")
    );
    let electing = claim(4)
        .ask(Hardware::Neuron, &ultraserver(Some(Group::Electing)))
        .expect_err("refused");
    assert!(electing.passing);
    // `plan` does not know the node's place, and has nothing to object.
    claim(4).accepted(&ultraserver(None));
}

#[test]
fn an_ultraserver_config_is_for_nodes() {
    let claim = Claim::default()
        .chips("r", [0])
        .config(ConfigSource::Claim, &[], &mode(4));
    assert!(
        claim
            .refused(&chips("trn2u.48xlarge"))
            .starts_with("[config/not-allowed] spec.devices.config[0].opaque.parameters.ultraserverMode: an UltraServerConfig is for whole nodes")
    );
}

#[test]
fn efas_bring_uverbs_and_take_no_config() {
    let mut present = node(
        "trn2.48xlarge",
        [("pci-0000-c9-00-0".to_owned(), What::Efa(Some(10)))],
    );
    present.rdma_cm = true;
    let mut claim = Claim::default()
        .chips("n", [0])
        .given(EFA, "e", ["pci-0000-c9-00-0".to_owned()])
        .lnc(&[], 1);
    let edits = claim.ask(Hardware::Efa, &present).expect("accepted");
    assert_eq!(edits.devices.len(), 1);
    assert_eq!(
        edits.devices[0].nodes,
        [DeviceNode::uverbs(10), DeviceNode::rdma_cm()]
    );
    let own = Opaque {
        driver: EFA.into(),
        parameters: "{}".into(),
    };
    claim.claim.config[0].opaque = Some(own.clone());
    claim.allocation.config[0].opaque = Some(own);
    let refusal = claim.ask(Hardware::Efa, &present).expect_err("refused");
    assert_eq!(
        refusal.to_string(),
        "spec.devices.config[0].opaque.parameters: EFAs take no configuration: they have no network interface; leave it out"
    );
}
