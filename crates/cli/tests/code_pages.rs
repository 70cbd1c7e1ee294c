//! Every page of `docs/codes/` shows a manifest and what `trainyard` says of it: both are run. The
//! refusal has the page's code, in words as in data.
//!
//! `BLESS=1 cargo test -p trainyard-cli --test code_pages` writes what is said now.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use trainyard_model::refusal::Reason;

/// A page, and where in it the command and what it prints stand.
struct Page {
    path: PathBuf,
    text: String,
    manifest: String,
    command: String,
    /// From behind the command's line to before the end of the block.
    printed: std::ops::Range<usize>,
}

impl Page {
    fn of(code: &str) -> Page {
        let name = format!("{}.md", code.replace('/', "-"));
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../docs/codes")
            .join(name);
        let text = fs::read_to_string(&path).expect("every code has a page");
        let manifest = block(&text, "yaml");
        let manifest = text[manifest].to_owned();
        let console = block(&text, "console");
        let shown = &text[console.clone()];
        let (line, _) = shown.split_once('\n').expect("a command");
        let command = line.strip_prefix("$ ").expect("a command").to_owned();
        let printed = console.start + line.len() + 1..console.end;
        Page {
            path,
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

#[test]
fn every_page_shows_what_is_said() {
    let bless = std::env::var_os("BLESS").is_some();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("code-pages");
    fs::create_dir_all(&folder).expect("writable");
    for code in Reason::CODES {
        let page = Page::of(code);
        let data = page.run(&folder, &["-o", "json"]);
        assert_eq!(data.status.code(), Some(1), "{code}: {data:?}");
        let plan: Value = serde_json::from_slice(&data.stdout).expect("JSON");
        let pods = plan["pods"].as_array().expect("pods");
        let nodes = pods
            .iter()
            .filter_map(|pod| pod["refusal"]["nodes"].as_array());
        let codes: Vec<&Value> = nodes
            .flatten()
            .flat_map(|node| [&node["code"], &node["reasons"][0]["code"]])
            .collect();
        assert_eq!(codes, [code, code], "{}", page.path.display());

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
