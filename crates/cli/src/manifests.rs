//! Opens what `-f` names: files, folders with all below them, standard input.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trainyard_wire::{Problem, Source};

/// A path that cannot be read.
pub const UNREADABLE: &str = "file/unreadable";
/// A folder without any manifest.
pub const NO_MANIFEST: &str = "file/no-manifest";

/// Something that `-f` names twice.
pub const REPEATED: &str = "file/repeated";

/// Reads all of it; every path that cannot be read is a problem of its own. What is named twice, be
/// it once by its folder, is read once.
pub fn open(paths: &[PathBuf]) -> (Vec<Source>, Vec<Problem>) {
    let mut opened = Opened::default();
    for path in paths {
        if path.as_os_str() == "-" {
            opened.stdin();
            continue;
        }
        if !path.is_dir() {
            opened.file(path);
            continue;
        }
        let before = opened.seen;
        let wrong = opened.problems.len();
        opened.folder(path);
        if opened.seen == before && opened.problems.len() == wrong {
            let name: Arc<str> = path.display().to_string().into();
            let message = "no .yaml, .yml or .json file in it".to_owned();
            opened
                .problems
                .push(Problem::fault(NO_MANIFEST, &name, 0, message));
        }
    }
    (opened.sources, opened.problems)
}

#[derive(Default)]
struct Opened {
    sources: Vec<Source>,
    problems: Vec<Problem>,
    /// How many files were come upon.
    seen: usize,
    /// Files by what they are on the disk, whatever path leads to them.
    files: BTreeSet<PathBuf>,
    stdin: bool,
}

impl Opened {
    fn stdin(&mut self) {
        let name: Arc<str> = "<stdin>".into();
        if std::mem::replace(&mut self.stdin, true) {
            self.repeated(&name);
            return;
        }
        let mut bytes = Vec::new();
        match io::stdin().read_to_end(&mut bytes) {
            Ok(_) => self.sources.push(Source { name, bytes }),
            Err(error) => self.problems.push(unreadable(&name, &error)),
        }
    }

    fn file(&mut self, path: &Path) {
        self.seen += 1;
        let name: Arc<str> = path.display().to_string().into();
        let same = path.canonicalize().ok();
        // A pipe has a new text for each reader, and `/dev/stdin` names one.
        if path.is_file() && same.is_some_and(|same| !self.files.insert(same)) {
            self.repeated(&name);
            return;
        }
        match fs::read(path) {
            Ok(bytes) => self.sources.push(Source { name, bytes }),
            Err(error) => self.problems.push(unreadable(&name, &error)),
        }
    }

    fn repeated(&mut self, name: &Arc<str>) {
        let message = "named more than once: it is read once".to_owned();
        let problem = Problem::fault(REPEATED, name, 0, message).as_warning();
        self.problems.push(problem);
    }

    /// In the order of names, so that the same folder is read the same way everywhere.
    fn folder(&mut self, path: &Path) {
        let name: Arc<str> = path.display().to_string().into();
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) => {
                self.problems.push(unreadable(&name, &error));
                return;
            }
        };
        let mut inside = Vec::new();
        for entry in entries {
            match entry {
                Ok(entry) => inside.push(entry.path()),
                Err(error) => self.problems.push(unreadable(&name, &error)),
            }
        }
        inside.sort();
        for path in inside {
            let manifest = path
                .extension()
                .is_some_and(|e| e == "yaml" || e == "yml" || e == "json");
            // A link to a folder may lead back here.
            if path.is_dir() && !path.is_symlink() {
                self.folder(&path);
            } else if manifest && !path.is_dir() {
                self.file(&path);
            }
        }
    }
}

fn unreadable(name: &Arc<str>, error: &io::Error) -> Problem {
    let message = format!("cannot be read: {error}").to_lowercase();
    Problem::fault(UNREADABLE, name, 0, message)
}
