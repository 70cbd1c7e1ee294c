//! Every page of `docs/codes/` shows a manifest and what `trainyard` says of it: both are run. The
//! refusal in the data has the code that heads the page.
//!
//! `BLESS=1 cargo test -p trainyard-cli --test code_pages` writes what is said now.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use trainyard_model::refusal::Reason;

/// A page, and where in it the command and what it prints stand.
struct Page {
    path: PathBuf,
    /// Out of the heading `# code: Title`.
    code: String,
    text: String,
    manifest: String,
    command: String,
    /// From behind the command's line to before the end of the block.
    printed: std::ops::Range<usize>,
}

impl Page {
    fn read(path: PathBuf) -> Page {
        let text = fs::read_to_string(&path).expect("readable");
        let heading = text
            .strip_prefix("# ")
            .and_then(|text| text.split_once(": "));
        let code = heading.expect("a heading with the code").0.to_owned();
        let name = format!("{}.md", code.replace('/', "-"));
        assert!(
            path.ends_with(&name),
            "{} is the page of {code}",
            path.display()
        );
        let manifest = block(&text, "yaml");
        let manifest = text[manifest].to_owned();
        let console = block(&text, "console");
        let shown = &text[console.clone()];
        let (line, _) = shown.split_once('\n').expect("a command");
        let command = line.strip_prefix("$ ").expect("a command").to_owned();
        let printed = console.start + line.len() + 1..console.end;
        Page {
            path,
            code,
            text,
            manifest,
            command,
            printed,
        }
    }

    fn run(&self, folder: &Path, more: &[&str]) -> Output {
        fs::write(folder.join("workload.yaml"), &self.manifest).expect("writable");
        let words: Vec<&str> = self.command.split_whitespace().collect();
        assert_eq!(words[0], "trainyard", "{}", self.path.display());
        Command::new(env!("CARGO_BIN_EXE_trainyard"))
            .args(&words[1..])
            .args(more)
            .current_dir(folder)
            .output()
            .expect("the binary runs")
    }
}

/// The content of the first fenced block of a language.
fn block(text: &str, language: &str) -> std::ops::Range<usize> {
    let fence = format!("```{language}\n");
    let start = text.find(&fence).expect("a block of that language") + fence.len();
    let length = text[start..].find("```\n").expect("the block ends");
    start..start + length
}

/// All pages, in the order of their names.
fn pages() -> Vec<Page> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/codes");
    let entries = fs::read_dir(folder).expect("docs/codes exists");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .filter(|path| !path.ends_with("README.md"))
        .collect();
    paths.sort();
    paths.into_iter().map(Page::read).collect()
}

/// Whether the plan refuses a pod for what the code stands for.
fn refuses(plan: &Value, code: &str) -> bool {
    let pods = plan["pods"].as_array().expect("pods");
    let nodes = || {
        let lists = pods
            .iter()
            .filter_map(|pod| pod["refusal"]["nodes"].as_array());
        lists.flatten()
    };
    if Reason::CODES.contains(&code) {
        // A refusal by the allocator, and its proof.
        let mut nodes = nodes().peekable();
        return nodes.peek().is_some()
            && nodes.all(|node| node["code"] == code && node["reasons"][0]["code"] == code);
    }
    if ["config/", "runtime/", "device/"]
        .iter()
        .any(|area| code.starts_with(area))
    {
        return pods.iter().any(|pod| pod["prepare"]["code"] == code);
    }
    nodes().any(|node| node["code"] == code)
        || pods.iter().any(|pod| pod["refusal"]["code"] == code)
}

#[test]
fn every_page_shows_what_is_said() {
    let bless = std::env::var_os("BLESS").is_some();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("code-pages");
    fs::create_dir_all(&folder).expect("writable");
    for page in pages() {
        let code = &page.code;
        let data = page.run(&folder, &["-o", "json"]);
        assert_eq!(data.status.code(), Some(1), "{code}: {data:?}");
        let plan: Value = serde_json::from_slice(&data.stdout).expect("JSON");
        assert!(refuses(&plan, code), "{}: {plan:#}", page.path.display());

        let said = page.run(&folder, &[]);
        let said = String::from_utf8(said.stdout).expect("UTF-8");
        if bless {
            let mut text = page.text.clone();
            text.replace_range(page.printed.clone(), &said);
            fs::write(&page.path, text).expect("writable");
        } else {
            let printed = &page.text[page.printed.clone()];
            assert_eq!(said, printed, "{}", page.path.display());
        }
    }
}

#[test]
fn every_reason_has_a_page() {
    let pages: BTreeSet<String> = pages().into_iter().map(|page| page.code).collect();
    let without: Vec<&str> = Reason::CODES
        .into_iter()
        .filter(|code| !pages.contains(*code))
        .collect();
    assert!(without.is_empty(), "no page for {without:?}");
}

#[test]
fn the_list_links_every_page() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/codes/README.md");
    let list = fs::read_to_string(path).expect("docs/codes/README.md exists");
    for page in pages() {
        let code = &page.code;
        let link = format!("[`{code}`]({}.md)", code.replace('/', "-"));
        assert!(list.contains(&link), "the list lacks {link}");
    }
}

/// Codes, `area/slug`, between these marks.
fn codes_in(text: &str, mark: char) -> BTreeSet<String> {
    const AREAS: [&str; 19] = [
        "capacity",
        "cel",
        "claim",
        "class",
        "config",
        "constraint",
        "counter",
        "device",
        "field",
        "file",
        "input",
        "kubernetes",
        "node",
        "object",
        "pod",
        "pool",
        "runtime",
        "scheduler",
        "workload",
    ];
    let is_code = |word: &&str| {
        let slug = |slug: &str| slug.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        word.split_once('/')
            .is_some_and(|(area, rest)| AREAS.contains(&area) && !rest.is_empty() && slug(rest))
    };
    let words = text.split(mark).filter(is_code);
    words.map(str::to_owned).collect()
}

fn sources(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.extend(codes_in(&fs::read_to_string(path).expect("UTF-8"), '"'));
        }
    }
}

#[test]
fn the_list_has_every_code_of_the_program_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut written = BTreeSet::new();
    for name in [
        "model",
        "allocator",
        "wire",
        "cluster",
        "inventory",
        "node",
        "cli",
    ] {
        sources(&root.join("crates").join(name).join("src"), &mut written);
    }
    let list = fs::read_to_string(root.join("docs/codes/README.md")).expect("the list");
    let listed = codes_in(&list, '`');
    let differ: Vec<_> = listed.symmetric_difference(&written).collect();
    assert!(differ.is_empty(), "not in both: {differ:?}");
}
