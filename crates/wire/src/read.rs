//! From sources to objects: parse, decode, fill in, validate; all problems of all sources at once,
//! in the order in which they stand.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::Metadata;
use k8s_openapi::api::resource::{v1, v1beta1};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use trainyard_model::selector::ExpressionCheck;

use crate::beta::{Served, Version};
use crate::convert;
use crate::decode::decode;
use crate::gates::{DropDisabled, Gates};
use crate::lines::{Lines, line_of};
use crate::object::{CLUSTER_SCOPED, Manifest, Object, Origin, Published, title};
use crate::problem::{self, Problem, Severity};
use crate::validate::{Rules, Standing, Validate};
use crate::yaml::{self, Node, Value};
use trainyard_model::nearest::nearest;

/// A file, or whatever else holds manifests.
#[derive(Debug, Clone)]
pub struct Source {
    /// What messages call it: a path, or `<stdin>`.
    pub name: Arc<str>,
    /// YAML or JSON.
    pub bytes: Vec<u8>,
}

/// What sources hold.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// The objects, in the order in which they stand.
    pub manifests: Vec<Manifest>,
    /// What is wrong, in the order in which it stands.
    pub problems: Vec<Problem>,
}

impl Reading {
    /// Whether anything is so wrong that no answer can be given.
    pub fn has_faults(&self) -> bool {
        self.problems.iter().any(|p| p.severity == Severity::Fault)
    }
}

/// Reads sources. `expressions` says what the API server would of CEL; `gates` are those of the
/// cluster that the answer is for.
pub fn read(sources: &[Source], expressions: &dyn ExpressionCheck, gates: &Gates) -> Reading {
    let mut reader = Reader {
        expressions,
        gates,
        reading: Reading::default(),
        generated: BTreeMap::new(),
    };
    for source in sources {
        let before = reader.reading.problems.len();
        let mut in_source = InSource {
            file: &source.name,
            reader: &mut reader,
        };
        yaml::read(&source.name, &source.bytes, &mut in_source);
        // A document's own problems come after those of its parts.
        reader.reading.problems[before..].sort_by_key(|problem| problem.line);
    }
    reader.twice();
    reader.reading
}

/// The kinds that are read, with the versions in which each is.
const KINDS: [(&str, &[&str]); 17] = [
    ("CronJob", &["batch/v1"]),
    ("DaemonSet", &["apps/v1"]),
    ("Deployment", &["apps/v1"]),
    ("DeviceClass", RESOURCE),
    (
        "DeviceTaintRule",
        &[
            "resource.k8s.io/v1",
            "resource.k8s.io/v1beta2",
            "resource.k8s.io/v1alpha3",
        ],
    ),
    ("Job", &["batch/v1"]),
    ("JobSet", &["jobset.x-k8s.io/v1alpha2"]),
    ("LeaderWorkerSet", &["leaderworkerset.x-k8s.io/v1"]),
    ("Namespace", &["v1"]),
    ("Node", &["v1"]),
    ("Pod", &["v1"]),
    ("PriorityClass", &["scheduling.k8s.io/v1"]),
    ("ReplicaSet", &["apps/v1"]),
    ("ResourceClaim", RESOURCE),
    ("ResourceClaimTemplate", RESOURCE),
    ("ResourceSlice", RESOURCE),
    ("StatefulSet", &["apps/v1"]),
];

const RESOURCE: &[&str] = &[
    "resource.k8s.io/v1",
    "resource.k8s.io/v1beta2",
    "resource.k8s.io/v1beta1",
];

/// What a document says it is.
struct Head<'a> {
    version: &'a str,
    kind: &'a str,
    title: String,
    fact: bool,
}

struct Reader<'a> {
    expressions: &'a dyn ExpressionCheck,
    gates: &'a Gates,
    reading: Reading,
    /// How many names were made of each `generateName`.
    generated: BTreeMap<String, usize>,
}

/// Takes what one source holds.
struct InSource<'a, 'r> {
    file: &'a Arc<str>,
    reader: &'a mut Reader<'r>,
}

impl yaml::Visitor for InSource<'_, '_> {
    fn document(&mut self, document: Node<'_>) {
        self.reader.document(self.file, document);
    }

    fn opens(&mut self, kind: &str) -> bool {
        // Items of typed lists may lack what only the list says, and that may stand below them.
        kind == "List"
    }

    fn item(&mut self, item: Node<'_>) {
        self.reader.document(self.file, item);
    }

    fn problem(&mut self, problem: Problem) {
        self.reader.problem(problem);
    }
}

impl Reader<'_> {
    fn problem(&mut self, problem: Problem) {
        self.reading.problems.push(problem);
    }

    fn document(&mut self, file: &Arc<str>, node: Node<'_>) {
        if !matches!(node.value, Value::Map(_)) {
            let message = "expected an object with apiVersion, kind and metadata".to_owned();
            self.problem(
                Problem::fault(problem::INCOMPLETE_OBJECT, file, node.line, message).with_help(
                    "a Kubernetes manifest begins with apiVersion: and kind:".to_owned(),
                ),
            );
            return;
        }
        let Some(head) = self.head(file, &node) else {
            return;
        };
        if let Some(item_kind) = head.kind.strip_suffix("List")
            && (item_kind.is_empty() || known(item_kind).is_some())
        {
            self.list(file, node);
            return;
        }
        self.object(
            file,
            head.version.to_owned(),
            head.kind.to_owned(),
            head.title,
            head.fact,
            node,
        );
    }

    fn list(&mut self, file: &Arc<str>, node: Node<'_>) {
        // The items of a typed list may leave out what the list says for all.
        let of_list = |key: &str| node.get(key).and_then(Node::text).map(str::to_owned);
        let (version, kind) = (of_list("apiVersion"), of_list("kind"));
        let Value::Map(entries) = node.value else {
            return;
        };
        let items = entries.into_vec().into_iter().find(|e| e.key == "items");
        let mut items = match items.map(|e| e.value) {
            Some(Node {
                value: Value::List(items),
                ..
            }) => items.into_vec(),
            Some(other) if !other.is_null() => {
                let message = "expected a list".to_owned();
                self.problem(
                    Problem::fault(problem::WRONG_TYPE, file, other.line, message).at("items"),
                );
                return;
            }
            _ => Vec::new(),
        };
        let item_kind = kind
            .as_deref()
            .and_then(|kind| kind.strip_suffix("List"))
            .filter(|kind| !kind.is_empty());
        for item in &mut items {
            for (key, value) in [("apiVersion", version.as_deref()), ("kind", item_kind)] {
                let (Some(value), true) = (
                    value.filter(|_| item_kind.is_some()),
                    item.get(key).is_none(),
                ) else {
                    continue;
                };
                let line = item.line;
                if let Value::Map(entries) = &mut item.value {
                    let mut more = std::mem::take(entries).into_vec();
                    more.push(yaml::Entry {
                        key: key.into(),
                        line,
                        value: Node {
                            value: Value::Text(value.to_owned().into()),
                            line,
                        },
                    });
                    *entries = more.into();
                }
            }
        }
        for item in items {
            self.document(file, item);
        }
    }

    /// What the document says it is; problems if it does not say so.
    fn head<'a>(&mut self, file: &Arc<str>, node: &'a Node<'_>) -> Option<Head<'a>> {
        let meta = node.get("metadata");
        let of_meta = |key: &str| {
            meta.and_then(|meta| meta.get(key))
                .and_then(Node::text)
                .unwrap_or_default()
        };
        let mut missing = Vec::new();
        let mut field = |key: &'static str| {
            let text = node.get(key).and_then(Node::text).filter(|t| !t.is_empty());
            if text.is_none() {
                missing.push(key);
            }
            text.unwrap_or_default()
        };
        let (version, kind) = (field("apiVersion"), field("kind"));
        let name = match of_meta("name") {
            "" => of_meta("generateName"),
            name => name,
        };
        let namespace = match of_meta("namespace") {
            "" if !CLUSTER_SCOPED.contains(&kind) => "default",
            _ if CLUSTER_SCOPED.contains(&kind) => "",
            namespace => namespace,
        };
        for key in &missing {
            let line = node.get(key).map_or(node.line, |value| value.line);
            let message = match node.get(key) {
                Some(_) => "expected a string".to_owned(),
                None => format!("no {key}"),
            };
            self.problem(
                Problem::fault(problem::INCOMPLETE_OBJECT, file, line, message)
                    .at(*key)
                    .with_help(
                        "a Kubernetes manifest begins with apiVersion: and kind:".to_owned(),
                    ),
            );
        }
        missing.is_empty().then(|| Head {
            version,
            kind,
            title: title(kind, namespace, name).trim_end().to_owned(),
            fact: !of_meta("uid").is_empty(),
        })
    }

    fn object(
        &mut self,
        file: &Arc<str>,
        version: String,
        kind: String,
        name: String,
        fact: bool,
        mut node: Node<'_>,
    ) {
        let Some((kind, versions)) = known(&kind) else {
            let line = node.get("kind").map_or(node.line, |n| n.line);
            let message = format!("skipped: kind {kind} ({version}) has no say in a plan");
            let similar = nearest(&kind, KINDS.iter().map(|(name, _)| *name));
            self.problem(
                Problem::fault(problem::UNKNOWN_KIND, file, line, message)
                    .as_warning()
                    .of(name)
                    .with_help(similar.map(|n| format!("if {n} was meant, write kind: {n}"))),
            );
            return;
        };
        if !versions.contains(&version.as_str()) {
            let line = node.get("apiVersion").map_or(node.line, |n| n.line);
            let group = |version: &str| version.split_once('/').map(|(g, _)| g.to_owned());
            let message = format!("{version} has no kind {kind} that is read here");
            let problem = Problem::fault(problem::UNKNOWN_KIND, file, line, message)
                .of(name)
                .at("apiVersion")
                .with_help(format!("write apiVersion: {}", versions.join(" or ")));
            // Another group's kind of the same name (such as a Knative Service) is somebody else's.
            let ours = versions.iter().any(|v| group(v) == group(&version))
                || nearest(&version, versions.iter().copied()).is_some();
            self.problem(if ours { problem } else { problem.as_warning() });
            return;
        }
        let before = self.reading.problems.len();
        let object = self.typed(file, &version, kind, &mut node, fact);
        let mut defects = Vec::new();
        for problem in &mut self.reading.problems[before..] {
            problem.object.get_or_insert_with(|| name.clone());
            if fact && problem.severity == Severity::Fault {
                problem.severity = Severity::Warning;
                defects.push(problem.clone());
            }
        }
        let Some(mut object) = object else {
            return;
        };
        if !self.identify(file, &mut object, &node) {
            return;
        }
        if let Object::ResourceSlice(published) = &mut object {
            // Slices are searched in the order of their names, made ones among them.
            let name = published.metadata.name.as_deref().unwrap_or_default();
            if *published.slice.name != *name {
                Arc::make_mut(&mut published.slice).name = name.into();
            }
        }
        let lines = (!fact).then(|| Lines::of(&node));
        let origin = Origin::new(file.clone(), node.line, lines);
        self.reading.manifests.push(Manifest {
            object,
            origin,
            defects,
        });
    }

    /// Decodes, fills in and validates. Problems lack the object's name yet.
    fn typed(
        &mut self,
        file: &Arc<str>,
        version: &str,
        kind: &str,
        node: &mut Node<'_>,
        fact: bool,
    ) -> Option<Object> {
        macro_rules! plain {
            ($kind:ident) => {
                decode(node, file, &mut self.reading.problems)
                    .map(|object| Object::$kind(Box::new(object)))
            };
        }
        match kind {
            "Node" => return plain!(Node),
            "Namespace" => return plain!(Namespace),
            "PriorityClass" => return plain!(PriorityClass),
            "Pod" => return plain!(Pod),
            "Deployment" => return plain!(Deployment),
            "ReplicaSet" => return plain!(ReplicaSet),
            "StatefulSet" => return plain!(StatefulSet),
            "DaemonSet" => return plain!(DaemonSet),
            "Job" => return plain!(Job),
            "CronJob" => return plain!(CronJob),
            "LeaderWorkerSet" => return plain!(LeaderWorkerSet),
            "JobSet" => return plain!(JobSet),
            _ => {}
        }
        let served = Version::of(version)?;
        if served.has_fields_of_v1(kind) {
            // So v1's decoder reads it, which refuses an object that says it is of another version.
            node.replace("apiVersion", Value::Text("resource.k8s.io/v1".into()));
        }
        macro_rules! resource {
            ($type:ty) => {
                self.resource::<$type>(file, kind, node, fact, served)
            };
        }
        let flat = served == Version::V1Beta1;
        Some(match kind {
            "DeviceClass" => Object::DeviceClass(Box::new(resource!(v1::DeviceClass)?)),
            "DeviceTaintRule" => Object::DeviceTaintRule(Box::new(resource!(v1::DeviceTaintRule)?)),
            "ResourceClaim" => Object::ResourceClaim(Box::new(match flat {
                true => resource!(v1beta1::ResourceClaim)?,
                false => resource!(v1::ResourceClaim)?,
            })),
            "ResourceClaimTemplate" => Object::ResourceClaimTemplate(Box::new(match flat {
                true => resource!(v1beta1::ResourceClaimTemplate)?,
                false => resource!(v1::ResourceClaimTemplate)?,
            })),
            "ResourceSlice" => Object::ResourceSlice(Box::new(published(match flat {
                true => resource!(v1beta1::ResourceSlice)?,
                false => resource!(v1::ResourceSlice)?,
            }))),
            _ => return None,
        })
    }

    fn resource<T>(
        &mut self,
        file: &Arc<str>,
        kind: &str,
        node: &Node<'_>,
        fact: bool,
        version: Version,
    ) -> Option<T::Hub>
    where
        T: Served + DeserializeOwned,
        T::Hub: Validate + DropDisabled + Metadata<Ty = ObjectMeta>,
    {
        let before = self.reading.problems.len();
        let decoded: Option<T> = decode(node, file, &mut self.reading.problems);
        let undecoded = self.reading.problems.len() > before;
        let mut object = decoded?.into_hub();
        place(kind, object.metadata_mut());
        for dropped in object.drop_disabled(self.gates, version) {
            let line = line_of(node, &dropped.path);
            let message = format!(
                "the API server drops this field in silence: feature gate {} is off",
                dropped.gate
            );
            let problem = Problem::fault(problem::DROPPED_FIELD, file, line, message)
                .as_warning()
                .at(dropped.path);
            self.problem(problem);
        }
        // Zero values stand where something could not be decoded: do not complain of those too.
        if undecoded {
            return Some(object);
        }
        let rules = Rules {
            version,
            standing: if fact {
                Standing::Stored
            } else {
                Standing::New
            },
            gates: self.gates,
            expressions: self.expressions,
        };
        for error in object.validate(&rules) {
            let line = line_of(node, &error.path);
            let mut message = error.kind.to_string();
            if let Some(value) = &error.value {
                message = format!("{message}: {value}");
            }
            if !error.detail.is_empty() {
                message = format!("{message}: {}", error.detail);
            }
            // The API server's words, but for the capital that begins a sentence.
            let message = message[..1].to_ascii_lowercase() + &message[1..];
            self.problem(
                Problem::fault(problem::INVALID_FIELD, file, line, message).at(error.path),
            );
        }
        Some(object)
    }

    /// Gives the object the namespace and name that the API server would. False: it has no name.
    fn identify(&mut self, file: &Arc<str>, object: &mut Object, node: &Node<'_>) -> bool {
        let kind = object.kind();
        let meta = object.meta_mut();
        place(kind, meta);
        if meta.name.as_deref().unwrap_or_default().is_empty() {
            match meta.generate_name.as_deref() {
                Some(prefix) if !prefix.is_empty() => {
                    let count = self
                        .generated
                        .entry(format!("{kind}/{prefix}"))
                        .or_default();
                    meta.name = Some(format!("{prefix}{count}"));
                    *count += 1;
                }
                _ => {
                    let line = line_of(node, "metadata.name");
                    let known = self
                        .reading
                        .problems
                        .iter()
                        .any(|p| p.path.as_deref() == Some("metadata.name") && p.line == line);
                    if !known {
                        let message = "required value: name or generateName is required".to_owned();
                        self.problem(
                            Problem::fault(problem::INCOMPLETE_OBJECT, file, line, message)
                                .of(object.kind().to_owned())
                                .at("metadata.name"),
                        );
                    }
                    return false;
                }
            }
        }
        true
    }

    /// Reports objects that stand twice.
    fn twice(&mut self) {
        let mut first: BTreeMap<String, (Arc<str>, u32)> = BTreeMap::new();
        let mut problems = Vec::new();
        self.reading.manifests.retain(|manifest| {
            let title = manifest.object.title();
            let origin = &manifest.origin;
            match first.get(&title) {
                None => {
                    first.insert(title, (origin.file.clone(), origin.line));
                    true
                }
                Some((file, line)) => {
                    let message = format!("stands in {file}:{line} already");
                    let problem = Problem::fault(
                        problem::DUPLICATE_OBJECT,
                        &origin.file,
                        origin.line,
                        message,
                    )
                    .of(title)
                    .with_help("delete one of the two, or give it another name".to_owned());
                    problems.push(if manifest.object.is_fact() {
                        problem.as_warning()
                    } else {
                        problem
                    });
                    false
                }
            }
        });
        self.reading.problems.append(&mut problems);
    }
}

fn published(slice: v1::ResourceSlice) -> Published {
    Published {
        slice: Arc::new(convert::slice(&slice)),
        metadata: slice.metadata,
    }
}

/// Gives an object the namespace that kubectl would.
fn place(kind: &str, meta: &mut ObjectMeta) {
    if CLUSTER_SCOPED.contains(&kind) {
        meta.namespace = None;
    } else if meta.namespace.as_deref().unwrap_or_default().is_empty() {
        meta.namespace = Some("default".to_owned());
    }
}

fn known(kind: &str) -> Option<(&'static str, &'static [&'static str])> {
    KINDS.iter().copied().find(|(name, _)| *name == kind)
}
