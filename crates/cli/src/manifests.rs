//! Opens what `-f` names: files, folders with all below them, standard input.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trainyard_wire::{Problem, Source};

/// A path that cannot be read.
pub const UNREADABLE: &str = "file/unreadable";
/// A folder without any manifest.
pub const NO_MANIFEST: &str = "file/no-manifest";

/// Reads all of it; every path that cannot be read is a problem of its own.
pub fn open(paths: &[PathBuf]) -> (Vec<Source>, Vec<Problem>) {
    let (mut sources, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        if path.as_os_str() == "-" {
            let mut bytes = Vec::new();
            let name: Arc<str> = "<stdin>".into();
            match io::stdin().read_to_end(&mut bytes) {
                Ok(_) => sources.push(Source { name, bytes }),
                Err(error) => problems.push(unreadable(&name, &error)),
            }
            continue;
        }
        if !path.is_dir() {
            file(path, &mut sources, &mut problems);
            continue;
        }
        let (before, wrong) = (sources.len(), problems.len());
        folder(path, &mut sources, &mut problems);
        if sources.len() == before && problems.len() == wrong {
            let name: Arc<str> = path.display().to_string().into();
            let message = "no .yaml, .yml or .json file in it".to_owned();
            problems.push(Problem::fault(NO_MANIFEST, &name, 0, message));
        }
    }
    (sources, problems)
}

fn unreadable(name: &Arc<str>, error: &io::Error) -> Problem {
    let message = format!("cannot be read: {error}").to_lowercase();
    Problem::fault(UNREADABLE, name, 0, message)
}

fn file(path: &Path, sources: &mut Vec<Source>, problems: &mut Vec<Problem>) {
    let name: Arc<str> = path.display().to_string().into();
    match fs::read(path) {
        Ok(bytes) => sources.push(Source { name, bytes }),
        Err(error) => problems.push(unreadable(&name, &error)),
    }
}

/// In the order of names, so that the same folder is read the same way everywhere.
fn folder(path: &Path, sources: &mut Vec<Source>, problems: &mut Vec<Problem>) {
    let name: Arc<str> = path.display().to_string().into();
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => {
            problems.push(unreadable(&name, &error));
            return;
        }
    };
    let mut inside = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) => inside.push(entry.path()),
            Err(error) => problems.push(unreadable(&name, &error)),
        }
    }
    inside.sort();
    for path in inside {
        let manifest = path
            .extension()
            .is_some_and(|e| e == "yaml" || e == "yml" || e == "json");
        // A link to a folder may lead back here.
        if path.is_dir() && !path.is_symlink() {
            folder(&path, sources, problems);
        } else if manifest && !path.is_dir() {
            file(&path, sources, problems);
        }
    }
}
