//! Keeps ARCHITECTURE.md true: which crate may see which, what the pure ring must not touch, and
//! the few rules of form that a reviewer would otherwise have to remember.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Crates that compute and nothing else: same input, same bytes out.
const PURE: [&str; 4] = ["model", "selector", "allocator", "wire"];

/// Which of our crates each one may use, outside of tests. `cli` and `driver` are the composition
/// roots.
const ARROWS: [(&str, &[&str]); 13] = [
    ("model", &[]),
    ("selector", &["model"]),
    ("allocator", &["model"]),
    ("wire", &["model"]),
    ("inventory", &["model"]),
    (
        "cluster",
        &["allocator", "inventory", "model", "selector", "wire"],
    ),
    (
        "cli",
        &[
            "allocator",
            "cluster",
            "inventory",
            "model",
            "selector",
            "wire",
        ],
    ),
    ("driver", &["drivers", "inventory", "live", "node"]),
    ("node", &[]),
    ("node-testing", &["node"]),
    ("drivers", &["inventory", "model", "node", "wire"]),
    ("live", &["node"]),
    (
        "testkit",
        &["allocator", "inventory", "model", "selector", "wire"],
    ),
];

/// Crates that bring a runtime, a clock, a socket, randomness or a logger along.
const IMPURE_CRATES: [&str; 16] = [
    "axum",
    "chrono",
    "getrandom",
    "hyper",
    "jiff-tzdb-platform",
    "kube",
    "log",
    "mio",
    "rand",
    "rayon",
    "reqwest",
    "socket2",
    "time",
    "tokio",
    "tonic",
    "tracing",
];

/// What pure code must not name. Hash maps of the standard library are seeded at random, so their
/// order would be too.
const IMPURE_NAMES: [&str; 18] = [
    "std::env",
    "std::fs",
    "std::io::std",
    "std::net::Tcp",
    "std::net::Udp",
    "std::net::ToSocket",
    "std::os",
    "std::process",
    "std::thread",
    "std::time",
    "SystemTime",
    "Instant::now",
    "thread_local!",
    "static mut",
    "println!",
    "eprintln!",
    "collections::HashMap",
    "collections::HashSet",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Names of the crates in the normal dependencies of one of ours, itself excluded.
fn dependencies(name: &str, depth: Option<u32>) -> Vec<String> {
    let mut command = Command::new(env!("CARGO"));
    command
        .current_dir(root())
        .args(["tree", "--edges", "normal", "--prefix", "none", "--package"])
        .arg(format!("trainyard-{name}"));
    if let Some(depth) = depth {
        command.args(["--depth", &depth.to_string()]);
    }
    let output = command.output().expect("cargo runs");
    assert!(
        output.status.success(),
        "cargo tree failed for {name}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("cargo prints UTF-8");
    let names: Vec<String> = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    assert!(
        name == "model" || !names.is_empty(),
        "cargo tree printed no dependency of {name}: has its output changed?"
    );
    names
}

/// All Rust sources of a crate's `src`, with their text.
fn sources(name: &str) -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).expect("a source folder is readable") {
            let path = entry.expect("an entry is readable").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).expect("a source file is UTF-8");
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join("crates").join(name).join("src"), &mut found);
    assert!(!found.is_empty(), "crates/{name}/src has no Rust file");
    found
}

/// The part of a file that ships: what stands before its unit tests, without comments.
fn shipped(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"))
        .filter(|line| !line.trim_start().starts_with("//"))
}

fn is_test_file(path: &Path) -> bool {
    path.file_stem()
        .is_some_and(|stem| stem == "tests" || stem.to_string_lossy().ends_with("_tests"))
        || path.components().any(|part| part.as_os_str() == "tests")
}

#[test]
fn arrows_point_inward() {
    let mut crates: Vec<String> = fs::read_dir(root().join("crates"))
        .expect("crates/ is readable")
        .map(|entry| entry.expect("an entry is readable").file_name())
        .map(|name| name.into_string().expect("crate names are UTF-8"))
        .collect();
    crates.sort();
    let mut known: Vec<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    known.sort_unstable();
    assert_eq!(crates, known, "ARROWS lists every crate, and only those");
    for (name, allowed) in ARROWS {
        for dependency in dependencies(name, Some(1)) {
            let Some(ours) = dependency.strip_prefix("trainyard-") else {
                continue;
            };
            assert!(
                allowed.contains(&ours),
                "crate {name} may not depend on {ours} (see ARCHITECTURE.md)"
            );
        }
    }
}

#[test]
fn the_pure_ring_has_no_runtime() {
    for name in PURE {
        for dependency in dependencies(name, None) {
            assert!(
                !IMPURE_CRATES.contains(&dependency.as_str()),
                "pure crate {name} pulls in {dependency}"
            );
        }
    }
}

#[test]
fn the_pure_ring_touches_nothing() {
    for name in PURE {
        for (path, text) in sources(name) {
            if is_test_file(&path) {
                continue;
            }
            for line in shipped(&text) {
                for word in IMPURE_NAMES {
                    assert!(
                        !line.contains(word),
                        "{}: pure code names `{word}`: {line}",
                        path.display()
                    );
                }
            }
        }
    }
}

/// What the hardware accepts is computed, so that `plan` can ask it: of `inventory` only the readers
/// and the emulated trees touch files.
#[test]
fn rules_of_hardware_touch_nothing() {
    const FILES: [&str; 2] = ["sysfs.rs", "emulate"];
    for (path, text) in sources("inventory") {
        let touches = path
            .iter()
            .any(|part| FILES.iter().any(|file| part == *file));
        if is_test_file(&path) || touches {
            continue;
        }
        for line in shipped(&text) {
            // A duration is a number; only clocks are impure.
            let line = line.replace("std::time::Duration", "");
            for word in IMPURE_NAMES {
                assert!(
                    !line.contains(word),
                    "{}: names `{word}`: {line}",
                    path.display()
                );
            }
        }
    }
}

/// `node` and `node-testing` are for any vendor.
#[test]
fn node_knows_no_hardware() {
    const NAMES: [&str; 4] = ["Neuron", "neuron", "Efa", "aws"];
    for (path, text) in ["node", "node-testing"].into_iter().flat_map(sources) {
        if is_test_file(&path) {
            continue;
        }
        for line in shipped(&text) {
            for name in NAMES {
                assert!(
                    !line.contains(name),
                    "{}: names `{name}`: {line}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn main_is_short() {
    for program in ["cli", "driver"] {
        let path = root().join(format!("crates/{program}/src/main.rs"));
        let main = fs::read_to_string(path).expect("main.rs exists");
        let lines = main.lines().count();
        assert!(
            lines <= 30,
            "main.rs of {program} has {lines} lines; it should only compose"
        );
    }
}

/// `trainyard` reads files and opens no connection: a newcomer's first build has no TLS to wait for.
#[test]
fn the_planner_has_no_client() {
    const CLIENT: [&str; 5] = ["kube", "kube-client", "rustls", "hyper", "tokio"];
    for dependency in dependencies("cli", None) {
        assert!(!CLIENT.contains(&dependency.as_str()), "{dependency}");
    }
}

/// `trainyard-driver` runs as root on every node: what only answers questions is no part of it.
#[test]
fn the_driver_has_no_reader_and_no_search() {
    for dependency in dependencies("driver", None) {
        let planner = ["selector", "allocator", "cluster", "cli"];
        let ours = dependency.strip_prefix("trainyard-");
        assert!(
            !ours.is_some_and(|ours| planner.contains(&ours)),
            "{dependency}"
        );
    }
    let output = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["tree", "--edges", "features", "--prefix", "none"])
        .args(["--package", "trainyard-driver"])
        .output()
        .expect("cargo runs");
    let text = String::from_utf8(output.stdout).expect("cargo prints UTF-8");
    assert!(text.contains("trainyard-wire feature"), "{text}");
    assert!(!text.contains("trainyard-wire feature \"read\""));
}

#[test]
fn every_file_says_what_it_is_for_and_stays_readable() {
    const DRAWERS: [&str; 7] = [
        "util", "utils", "common", "shared", "helpers", "types", "misc",
    ];
    for (name, _) in ARROWS {
        for (path, text) in sources(name) {
            assert!(
                text.starts_with("//!"),
                "{}: the first line says what the file is for",
                path.display()
            );
            let lines = text.lines().count();
            assert!(
                lines <= 800,
                "{}: {lines} lines; split it by subject",
                path.display()
            );
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            assert!(
                !DRAWERS.contains(&stem.as_ref()),
                "{}: a drawer for anything; name the subject",
                path.display()
            );
        }
    }
}

/// Codes that the sources give (`"area/slug"` as a whole string literal).
fn codes() -> Vec<String> {
    const AREAS: [&str; 16] = [
        "cel",
        "claim",
        "class",
        "config",
        "device",
        "field",
        "file",
        "input",
        "kubernetes",
        "node",
        "object",
        "pod",
        "runtime",
        "scheduler",
        "workload",
        "pool",
    ];
    let mut codes = Vec::new();
    for name in ["cli", "cluster", "inventory", "wire"] {
        for (_, text) in sources(name) {
            for line in shipped(&text) {
                for literal in line.split('"').skip(1).step_by(2) {
                    let Some((area, slug)) = literal.split_once('/') else {
                        continue;
                    };
                    let plain = |c: char| c.is_ascii_lowercase() || c == '-';
                    if AREAS.contains(&area) && !slug.is_empty() && slug.chars().all(plain) {
                        codes.push(literal.to_owned());
                    }
                }
            }
        }
    }
    codes.sort();
    codes.dedup();
    codes
}

#[test]
fn every_code_is_documented() {
    let folder = root().join("docs/codes");
    let index = fs::read_to_string(folder.join("README.md")).expect("docs/codes/README.md exists");
    let codes = codes();
    assert!(codes.len() > 40, "the sources give {} codes", codes.len());
    for code in codes {
        let page = folder.join(format!("{}.md", code.replace('/', "-")));
        assert!(
            page.exists() || index.contains(&format!("`{code}`")),
            "{code} has neither a page nor a row in docs/codes/README.md"
        );
    }
}
