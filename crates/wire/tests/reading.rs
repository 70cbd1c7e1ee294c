//! Text in, problems out: what a person sees of a manifest with mistakes in it.

use std::sync::Arc;

use trainyard_model::selector::{CheckError, ExpressionCheck};
use trainyard_wire::gates::Gates;
use trainyard_wire::{Reading, Source, read};

/// Expressions are another crate's business: all are good here.
struct AnyExpression;

impl ExpressionCheck for AnyExpression {
    fn check_selector(&self, _expression: &str) -> Result<(), CheckError> {
        Ok(())
    }
    fn check_derived(&self, _expression: &str) -> Result<u64, CheckError> {
        Ok(0)
    }
}

fn reading(bytes: &[u8]) -> Reading {
    let source = Source {
        name: Arc::from("in.yaml"),
        bytes: bytes.to_vec(),
    };
    read(&[source], &AnyExpression, &Gates::default())
}

/// Every problem on a line of its own, with its help after ` | `.
fn check(text: &str, expected: &[&str]) {
    let found: Vec<String> = reading(text.as_bytes())
        .problems
        .iter()
        .map(|problem| match &problem.help {
            Some(help) => format!("{}: {problem} | {help}", problem.code),
            None => format!("{}: {problem}", problem.code),
        })
        .collect();
    assert_eq!(found, expected);
}

/// A template whose first request is `request`.
fn template(request: &str) -> String {
    format!(
        "apiVersion: resource.k8s.io/v1\nkind: ResourceClaimTemplate\nmetadata: {{name: t}}\nspec:\n  spec:\n    devices:\n      requests:\n      - {request}\n"
    )
}

#[test]
fn the_seed_is_read_without_a_word() {
    let text = "\
apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata: {name: aligned-efa-neuron}
spec:
  spec:
    devices:
      requests:
      - {name: 4-neurons, exactly: {deviceClassName: neuron.aws.com, count: 4}}
      - {name: 4-efas, exactly: {deviceClassName: efa.networking.k8s.aws, count: 4}}
      constraints:
      - {requests: [\"4-neurons\", \"4-efas\"], matchAttribute: \"resource.aws.com/devicegroup4_id\"}
";
    check(text, &[]);
    let reading = reading(text.as_bytes());
    assert_eq!(reading.manifests.len(), 1);
    assert_eq!(
        reading.manifests[0].object.title(),
        "ResourceClaimTemplate default/aligned-efa-neuron"
    );
    let line = |path| reading.manifests[0].origin.line_of(path);
    assert_eq!(line("spec.spec.devices.requests[1].exactly.count"), 9);
    assert_eq!(line("spec.spec.devices.constraints[0].nothing"), 11);
}

#[test]
fn unknown_fields_are_named_with_the_nearest() {
    check(
        &template("{name: a, exactly: {deviceClassName: x, cuont: 2}}"),
        &[
            "field/unknown: in.yaml:8: ResourceClaimTemplate default/t: spec.spec.devices.requests[0].exactly.cuont: unknown field \"cuont\" | did you mean \"count\"?",
        ],
    );
}

#[test]
fn all_problems_come_at_once() {
    check(
        &template("{name: on, name: b, exactly: {deviceClassName: 7, count: four, selectors: {}}}"),
        &[
            "field/duplicate: in.yaml:8: key \"name\" stands in line 8 already | kubectl keeps one of the two in silence: delete the other",
            "field/type: in.yaml:8: ResourceClaimTemplate default/t: spec.spec.devices.requests[0].name: expected a string, found boolean on | kubectl reads YAML 1.1, in which an unquoted on is a boolean: write \"on\"",
            "field/type: in.yaml:8: ResourceClaimTemplate default/t: spec.spec.devices.requests[0].exactly.deviceClassName: expected a string, found integer 7 | quote it: \"7\"",
            "field/type: in.yaml:8: ResourceClaimTemplate default/t: spec.spec.devices.requests[0].exactly.count: expected an integer, found string \"four\"",
            "field/type: in.yaml:8: ResourceClaimTemplate default/t: spec.spec.devices.requests[0].exactly.selectors: expected a list, found an object",
        ],
    );
}

#[test]
fn the_api_server_would_say_so() {
    check(
        &template("{name: a, exactly: {deviceClassName: x, allocationMode: all}}"),
        &[
            "field/invalid: in.yaml:8: ResourceClaimTemplate default/t: spec.spec.devices.requests[0].exactly.allocationMode: unsupported value: \"all\": supported values: \"All\", \"ExactCount\"",
        ],
    );
}

#[test]
fn documents_are_read_one_by_one() {
    check(
        "kind: Pod\n---\na: [\n---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\n---\napiVersion: v1\nkind: Pod\n",
        &[
            "object/incomplete: in.yaml:1: apiVersion: no apiVersion | a Kubernetes manifest begins with apiVersion: and kind:",
            "file/syntax: in.yaml:3: did not find expected node content",
            "object/unknown-kind: in.yaml:6: Service default/s: skipped: kind Service (v1) has no say in a plan",
            "object/incomplete: in.yaml:9: Pod: metadata.name: required value: name or generateName is required",
        ],
    );
}

#[test]
fn quantities_and_times_are_checked() {
    check(
        "apiVersion: v1\nkind: Node\nmetadata: {name: n1, creationTimestamp: yesterday}\nstatus: {allocatable: {cpu: 4, memory: 16Gb}}\n",
        &[
            "field/type: in.yaml:3: Node n1: metadata.creationTimestamp: \"yesterday\" is no time | write it as 2006-01-02T15:04:05Z",
            "field/type: in.yaml:4: Node n1: status.allocatable[memory]: \"16Gb\" is no quantity: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$' | write a number with a suffix such as 500m, 4, 16Gi",
        ],
    );
}

#[test]
fn facts_only_warn() {
    let text = "apiVersion: v1\nkind: Node\nmetadata: {name: n1, uid: u}\nspec: {colour: red}\n";
    let reading = reading(text.as_bytes());
    assert!(!reading.has_faults());
    assert_eq!(reading.problems.len(), 1);
    assert_eq!(reading.manifests[0].defects, reading.problems);
}

#[test]
fn lists_are_opened_and_twins_found() {
    check(
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Node, metadata: {name: n1}}\n- {apiVersion: v1, kind: Node, metadata: {name: n1}}\n",
        &[
            "object/duplicate: in.yaml:5: Node n1: stands in in.yaml:4 already | delete one of the two, or give it another name",
        ],
    );
    let typed = "apiVersion: v1\nkind: NodeList\nmetadata: {resourceVersion: \"1\"}\nitems: [{metadata: {name: n1}}]\n";
    assert_eq!(reading(typed.as_bytes()).manifests.len(), 1);
}

#[test]
fn older_versions_become_v1() {
    let text = "apiVersion: resource.k8s.io/v1beta1\nkind: ResourceClaim\nmetadata: {name: c}\nspec: {devices: {requests: [{name: a, deviceClassName: x}]}}\n";
    let reading = reading(text.as_bytes());
    assert_eq!(reading.problems, []);
    let trainyard_wire::Object::ResourceClaim(claim) = &reading.manifests[0].object else {
        panic!("a claim was written");
    };
    let model = trainyard_wire::convert::claim(claim);
    let exactly = model.requests[0].exactly.as_ref().expect("v1 has exactly");
    assert_eq!((&*exactly.class, exactly.count), ("x", 1));
}

#[test]
fn what_is_no_manifest_is_said_to_be_none() {
    check("", &["file/empty: in.yaml: no document in it"]);
    check(
        "# nothing\n---\n",
        &["file/empty: in.yaml: no document in it"],
    );
    check(
        "just text\n",
        &[
            "object/incomplete: in.yaml:1: expected an object with apiVersion, kind and metadata | a Kubernetes manifest begins with apiVersion: and kind:",
        ],
    );
    let codes = |bytes: &[u8]| {
        reading(bytes)
            .problems
            .iter()
            .map(|p| (p.code, p.line))
            .collect::<Vec<_>>()
    };
    assert_eq!(codes(b"a: 1\n\xff\xfe"), [("file/encoding", 2)]);
    assert_eq!(codes(b"\x7fELF\x00\x01"), [("file/encoding", 1)]);
    assert_eq!(codes(&b"[".repeat(10_000_000)), [("file/nesting", 1)]);
    assert_eq!(codes(&b"{a: ".repeat(1_000_000)), [("file/nesting", 1)]);
    assert_eq!(codes(&b"- ".repeat(1_000_000)), [("file/nesting", 1)]);
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let aliases = format!("*a{}, ", level - 1).repeat(10);
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert_eq!(codes(bomb.as_bytes()), [("file/aliases", 4)]);
}

#[test]
fn anchors_and_merges_are_unfolded() {
    let text = "apiVersion: v1\nkind: Node\nmetadata:\n  name: n1\n  labels: &l {a: x, b: x}\n  annotations:\n    <<: *l\n    b: z\n";
    let reading = reading(text.as_bytes());
    assert_eq!(reading.problems, []);
    let annotations = reading.manifests[0].object.meta().annotations.clone();
    let annotations: Vec<(String, String)> = annotations.into_iter().flatten().collect();
    assert_eq!(
        annotations,
        [("a".into(), "x".into()), ("b".into(), "z".into())]
    );
}

#[test]
fn groups_of_pods_have_their_fields() {
    check(
        "apiVersion: leaderworkerset.x-k8s.io/v1\nkind: LeaderWorkerSet\nmetadata: {name: l}\nspec:\n  replicas: 2\n  leaderWorkerTemplate:\n    sise: 4\n    workerTemplate: {spec: {containers: [{name: c}]}}\n",
        &[
            "field/unknown: in.yaml:7: LeaderWorkerSet default/l: spec.leaderWorkerTemplate.sise: unknown field \"sise\" | did you mean \"size\"?",
        ],
    );
}

#[test]
fn merges_count_where_they_stand() {
    let text = "apiVersion: v1\nkind: Node\nmetadata:\n  name: n1\n  labels: &l {a: x}\n  annotations:\n    a: z\n    <<: *l\n";
    let reading = reading(text.as_bytes());
    assert_eq!(reading.problems, []);
    let annotations = reading.manifests[0].object.meta().annotations.clone();
    assert_eq!(annotations.unwrap_or_default()["a"], "x");
}

#[test]
fn anchors_in_anchors_do_not_add_up() {
    let mut text = String::new();
    for level in 0..150 {
        text.push_str(&format!("{}- &a{level}\n", " ".repeat(level)));
    }
    text.push_str(&format!(
        "{}[{}1]\n",
        " ".repeat(151),
        "1, ".repeat(100_000)
    ));
    let codes: Vec<&str> = reading(text.as_bytes())
        .problems
        .iter()
        .map(|p| p.code)
        .collect();
    assert_eq!(codes, ["file/aliases"]);
}

#[test]
fn one_wrong_value_hides_no_other() {
    check(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p1}\nspec:\n  containers:\n  - name: c1\n    livenessProbe: {httpGet: {port: true}}\n    resources: {limits: {cpu: yes}}\n",
        &[
            "field/type: in.yaml:7: Pod default/p1: spec.containers[0].livenessProbe.httpGet.port: expected an integer or a string, found boolean true",
            "field/type: in.yaml:8: Pod default/p1: spec.containers[0].resources.limits[cpu]: expected a quantity, found boolean yes",
        ],
    );
}

#[test]
fn whole_numbers_may_be_written_with_a_point_in_yaml_alone() {
    let claim = |count: &str| {
        format!(
            "{{\"apiVersion\": \"resource.k8s.io/v1\", \"kind\": \"ResourceClaim\", \"metadata\": {{\"name\": \"c\"}}, \"spec\": {{\"devices\": {{\"requests\": [{{\"name\": \"a\", \"exactly\": {{\"deviceClassName\": \"x\", \"count\": {count}}}}}]}}}}}}"
        )
    };
    let count = |text: &str| {
        let reading = reading(text.as_bytes());
        let trainyard_wire::Object::ResourceClaim(claim) = &reading.manifests[0].object else {
            panic!("a claim was written");
        };
        let model = trainyard_wire::convert::claim(claim);
        let exactly = model.requests[0].exactly.as_ref().expect("v1 has exactly");
        (!reading.has_faults()).then_some(exactly.count)
    };
    for (written, read) in [("2.0", Some(2)), ("1e1", Some(10)), ("2.5", None)] {
        assert_eq!(count(&format!("# YAML\n{}", claim(written))), read);
        assert_eq!(count(&claim(written)), None, "JSON {written}");
    }
    for (written, read) in [("0o17", 15), ("0x_1F", 31), ("1_0", 10), ("!!int \"3\"", 3)] {
        assert_eq!(count(&format!("# YAML\n{}", claim(written))), Some(read));
    }
}

#[test]
fn json_has_surrogate_pairs() {
    let text = "{\"apiVersion\": \"v1\", \"kind\": \"Node\", \"metadata\": {\"name\": \"n\", \"annotations\": {\"a\": \"\\ud83d\\ude00\", \"b\": \"\\ud83d\"}}}";
    let reading = reading(text.as_bytes());
    assert_eq!(reading.problems, []);
    let annotations = reading.manifests[0].object.meta().annotations.clone();
    let annotations = annotations.expect("annotations were written");
    assert_eq!(annotations["a"], "\u{1f600}");
    assert_eq!(annotations["b"], "\u{fffd}");
}

#[test]
fn what_kubectl_would_drop_is_a_fault() {
    let lost = |line: u32| {
        format!(
            "file/syntax: in.yaml:{line}: more stands below the end of this document, which kubectl would drop in silence | write `---` between two documents, and begin all keys of one in the same column"
        )
    };
    let node = |name: &str| format!("{{apiVersion: v1, kind: Node, metadata: {{name: {name}}}}}\n");
    let (a, b) = (node("a"), node("b"));
    check(&format!("{a}...\n{b}"), &[&lost(3)]);
    check(&format!("{a}{b}"), &[&lost(2)]);
    check(&format!("{a}...\n# the end\n...\n"), &[]);
    check(&format!("{a}...\n---\n{b}"), &[]);
    check(&format!("{a}# {b}---\n\u{feff}{b}"), &[]);
}

#[test]
fn items_are_read_one_by_one_where_they_say_what_they_are() {
    let items = "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Node\n  metadata:\n    name: n1\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: p}\n  spec: {containers: [{name: c, imag: x}]}\nkind: List\n";
    check(
        items,
        &[
            "field/unknown: in.yaml:10: Pod default/p: spec.containers[0].imag: unknown field \"imag\" | did you mean \"image\"?",
        ],
    );
    let read = reading(items.as_bytes());
    assert_eq!(read.manifests.len(), 2);
    assert_eq!(read.manifests[0].origin.line_of("metadata.name"), 6);
    // The line of the kind belongs to another document, or is an item's own.
    let typed = "items:\n- metadata: {name: n1}\nkind: NodeList\napiVersion: v1\n";
    assert_eq!(reading(typed.as_bytes()).manifests.len(), 1);
}
