//! What must hold of any input at all: the bodies of the fuzz targets in `fuzz/`, which
//! `tests/fuzz.rs` replays over their corpus and over mutations of it.
//!
//! Each takes any bytes and panics where a promise is broken.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trainyard_inventory::catalogue::InstanceType;
use trainyard_inventory::emulate::{self, Nodes, Options};
use trainyard_inventory::publish::{self, NeuronPublish};
use trainyard_inventory::sysfs::{self, Roots};
use trainyard_model::Text;
use trainyard_model::device::{Attribute, Device};
use trainyard_model::features::{Feature, Features};
use trainyard_model::selector::{Engine as _, ExpressionCheck as _};
use trainyard_selector::{Checker, Engine};
use trainyard_wire::gates::Gates;
use trainyard_wire::{Source, read};

// The line format belongs to the binary, which has no library to link.
#[path = "../../cli/src/render/proof.rs"]
mod proof;
#[path = "../../cli/src/allocate/scenario.rs"]
#[allow(
    dead_code,
    missing_docs,
    reason = "the binary uses and documents the rest"
)]
mod scenario;

/// Steps of the search that a scenario may take.
const STEPS: u64 = 2_000;

/// Reads a file. Every problem lies inside of it, and what was read without one can be asked for the
/// line of any field.
pub fn manifests(bytes: &[u8]) {
    let name: Arc<str> = "in.yaml".into();
    let source = Source {
        name: name.clone(),
        bytes: bytes.to_vec(),
    };
    let checker = Checker::new(features());
    let reading = read(&[source], &checker, &Gates::default());
    // Carriage returns and three other characters break lines in YAML too.
    let lines = String::from_utf8_lossy(bytes)
        .matches(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'])
        .count();
    let last = u32::try_from(lines).unwrap_or(u32::MAX) + 1;
    for problem in &reading.problems {
        assert_eq!(problem.file, name, "{problem}");
        assert!(problem.line <= last, "{problem}: there are {last} lines");
        assert!(!problem.message.is_empty(), "{problem}");
    }
    for manifest in &reading.manifests {
        let line = manifest.origin.line_of("metadata.name");
        assert!((1..=last).contains(&line), "{}", manifest.object.title());
        assert!(!manifest.object.name().is_empty());
    }
    // A list without items is one of nothing.
    let list = String::from_utf8_lossy(bytes).contains("List");
    assert!(
        list || !reading.manifests.is_empty() || !reading.problems.is_empty(),
        "a file cannot be passed over in silence"
    );
}

/// Compiles and evaluates an expression. What may be written may also be stored.
pub fn expressions(bytes: &[u8]) {
    let Ok(expression) = std::str::from_utf8(bytes) else {
        return;
    };
    let accepted = Checker::new(features()).check_selector(expression).is_ok();
    let mut engine = Engine::new();
    let compiled = engine.compile(expression);
    assert!(
        !accepted || compiled.is_ok(),
        "{expression:?} may be written, but not stored"
    );
    let Ok(compiled) = compiled else { return };
    let device = engine.convert("neuron.aws.com", &device());
    let first = engine.matches(&compiled, &device);
    assert_eq!(first, engine.matches(&compiled, &device), "{expression:?}");
}

/// A machine in whose `/sys` files can have any contents.
pub struct Sysfs {
    roots: Roots,
    /// The files of `/sys`, with what is in them on a sound machine.
    files: Vec<(PathBuf, Vec<u8>)>,
    folder: tempfile::TempDir,
}

impl Default for Sysfs {
    fn default() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let kind = InstanceType::find("trn2.3xlarge").expect("it is in the catalogue");
        let tree = emulate::tree(kind, &Options::default()).expect("it has no faults");
        emulate::write(folder.path(), kind.name, &tree, Nodes::Plain).expect("it is written");
        let roots = Roots {
            sys: folder.path().join("sys"),
            dev: folder.path().join("dev"),
        };
        let files = files(&roots.sys).into_iter().map(|path| {
            let content = std::fs::read(&path).expect("the file is readable");
            (path, content)
        });
        Sysfs {
            files: files.collect(),
            roots,
            folder,
        }
    }
}

impl Sysfs {
    /// Reads the machine when some files have other contents. The first byte says which file is the first
    /// of them; the contents follow, with a zero byte between two.
    ///
    /// Whatever the files say, every problem is of a file of this machine, a second look finds the same,
    /// and what was found can be published.
    pub fn read(&self, bytes: &[u8]) {
        let Some((&first, contents)) = bytes.split_first() else {
            return;
        };
        // A new file: ext4 takes long to write out one that replaces its content.
        let write = |path: &Path, content: &[u8]| {
            let removed = std::fs::remove_file(path);
            removed.expect("the file can be removed");
            std::fs::write(path, content).expect("the file can be written");
        };
        let rest = self.files.iter().cycle().skip(usize::from(first));
        let changed = rest.zip(contents.split(|byte| *byte == 0));
        for ((path, _), content) in changed.clone() {
            write(path, content);
        }
        let found = sysfs::discover(&self.roots, None);
        for problem in &found.problems {
            assert!(problem.path.starts_with(self.folder.path()), "{problem}");
        }
        let mut again = sysfs::discover(&self.roots, None).machine;
        assert_eq!(again, found.machine);
        sysfs::look_again(&self.roots, &mut again, |_| true);
        assert_eq!(again, found.machine);
        again.remember(&found.machine);
        assert_eq!(again, found.machine);
        for publish in [NeuronPublish::Devices, NeuronPublish::Node] {
            publish::neuron_devices(&again, &BTreeMap::new(), publish);
        }
        publish::efa_devices(&again);
        for ((path, sound), _) in changed {
            write(path, sound);
        }
    }
}

/// The regular files below a folder, in the order of their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder is readable") {
        let entry = entry.expect("an entry is readable");
        let kind = entry.file_type().expect("it has a type");
        if kind.is_dir() {
            files.extend(self::files(&entry.path()));
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    files
}

/// Answers a line of `trainyard allocate`.
pub fn scenarios(bytes: &[u8]) {
    let Ok(scenario) = serde_json::from_slice::<scenario::Scenario>(bytes) else {
        return;
    };
    if scenario.check().is_err() {
        return;
    }
    let answer = || serde_json::to_string(&scenario.answer(STEPS, None)).expect("plain data");
    assert_eq!(answer(), answer());
}

fn features() -> Features {
    Feature::ALL.into_iter().collect()
}

fn device() -> Device {
    let text = |text: &str| Text::from(text);
    Device {
        name: text("neuron-device-0"),
        attributes: [
            ("deviceId", Attribute::Int(7)),
            ("efaOnly", Attribute::Bool(false)),
            ("instanceType", Attribute::String(text("trn2.48xlarge"))),
            ("driverVersion", Attribute::Version(text("2.25.4"))),
            (
                "resource.aws.com/devicegroup4_id",
                Attribute::String(text("13713e551cd37c19")),
            ),
        ]
        .into_iter()
        .map(|(name, value)| (text(name), value))
        .collect(),
        ..Device::default()
    }
}
