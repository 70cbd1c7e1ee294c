//! Holds the pages that describe the tree to the tree: every path in backticks exists, and every name
//! in backticks stands in some source.
//!
//! Refuses to judge commands (anything with a space), flags, and names of other projects such as
//! `k8s.io/dynamic-resource-allocation`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Words that stand for something, as in `area/slug`.
const PLACEHOLDERS: [&str; 1] = ["area/slug"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All files below a folder, build products and downloads excluded.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    const OTHERS: [&str; 3] = ["target", ".git", "node_modules"];
    for entry in fs::read_dir(folder).expect("a folder is readable") {
        let path = entry.expect("an entry is readable").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !OTHERS.contains(&&*name) {
            files(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

/// What stands between single backticks, outside of code blocks.
fn in_backticks(page: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut in_block = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            found.extend(line.split('`').skip(1).step_by(2));
        }
    }
    found
}

/// Every word of the sources: `[A-Za-z0-9_]+`, and with `-` too, for names of crates and programs.
fn words(files: &[PathBuf]) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let sources = ["rs", "toml", "go", "py", "yaml", "tpl", ""];
    for path in files {
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        // This file names on purpose what does not exist.
        if !sources.contains(&&*extension) || path.ends_with("testkit/tests/pages.rs") {
            continue;
        }
        let Ok(text) = fs::read_to_string(path) else {
            continue;
        };
        for more in ["_", "_-"] {
            let is_part = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
            words.extend(text.split(|c| !is_part(c)).map(str::to_owned));
        }
    }
    words
}

struct Tree {
    files: Vec<PathBuf>,
    words: BTreeSet<String>,
}

impl Tree {
    fn of_the_repository() -> Tree {
        let mut found = Vec::new();
        files(&root(), &mut found);
        let words = words(&found);
        Tree {
            files: found,
            words,
        }
    }

    /// Why a token of a page is not true; `None`: it is, or it is none that can be judged.
    fn objection(&self, page: &Path, token: &str) -> Option<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:".contains(c);
        let judged = token.len() > 2
            && token.chars().all(plain)
            && !token.starts_with(['-', '/', '~'])
            && !token.contains("://")
            && token.chars().any(|c| c.is_ascii_alphabetic())
            && !PLACEHOLDERS.contains(&token);
        if !judged {
            return None;
        }
        if token.contains('/') {
            return self.path_objection(page, token);
        }
        if let Some((_, extension)) = token.rsplit_once('.')
            && ["rs", "md", "toml", "yaml", "json", "jsonl", "py", "go"].contains(&extension)
        {
            let exists = self.files.iter().any(|file| file.ends_with(token));
            return (!exists).then(|| format!("no file is called {token}"));
        }
        let word = token.rsplit("::").next().unwrap_or_default();
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if !word.chars().all(is_word) || word.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let known = self.words.contains(word) || self.files.iter().any(|file| file.ends_with(word));
        (!known).then(|| format!("{word} stands in no source"))
    }

    fn path_objection(&self, page: &Path, token: &str) -> Option<String> {
        let first = token.split('/').next().unwrap_or_default();
        // A label, a Go module or an API group.
        if first.trim_start_matches('.').contains('.') {
            return None;
        }
        // Of a placeholder such as TARGET only the folder can be looked for.
        let is_placeholder = |part: &&str| part.chars().all(|c| c.is_ascii_uppercase());
        let parts = token.trim_end_matches('/').split('/');
        let path: PathBuf = parts.take_while(|part| !is_placeholder(part)).collect();
        let folder = page.parent().unwrap_or(Path::new(""));
        let mut places = vec![folder.to_owned(), root(), root().join("crates")];
        for entry in fs::read_dir(root().join("crates")).expect("crates/ is readable") {
            let crate_ = entry.expect("an entry is readable").path();
            places.extend([crate_.clone(), crate_.join("src")]);
        }
        let exists = places.iter().any(|place| place.join(&path).exists());
        (!exists).then(|| format!("{token} does not exist"))
    }
}

#[test]
fn pages_name_what_exists() {
    let tree = Tree::of_the_repository();
    let mut pages = vec![
        root().join("ARCHITECTURE.md"),
        root().join("CONTRIBUTING.md"),
    ];
    let conformance = root().join("conformance");
    pages.extend(
        tree.files
            .iter()
            .filter(|file| file.starts_with(&conformance) && file.ends_with("README.md"))
            .cloned(),
    );
    assert!(pages.len() > 3, "conformance has its pages");
    let mut wrong = Vec::new();
    let mut judged = 0;
    for page in &pages {
        let text = fs::read_to_string(page).expect("a page is readable");
        for token in in_backticks(&text) {
            judged += 1;
            if let Some(objection) = tree.objection(page, token) {
                wrong.push(format!("{}: {objection}", page.display()));
            }
        }
    }
    assert!(judged > 100, "{judged} names in backticks");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_does_not_exist_is_found() {
    let tree = Tree {
        files: vec![PathBuf::from("crates/model/src/refusal.rs")],
        words: ["Refusal", "trainyard-model"].map(str::to_owned).into(),
    };
    let page = root().join("ARCHITECTURE.md");
    let wrong = |token: &str| tree.objection(&page, token).is_some();
    for token in [
        "refusal::Refusal",
        "refusal.rs",
        "crates/model",
        "--help",
        "a b",
        "k8s.io/api",
    ] {
        assert!(!wrong(token), "{token}");
    }
    for token in ["disk::Stock", "stock.rs", "crates/stock", "trainyard-stock"] {
        assert!(wrong(token), "{token}");
    }
}
