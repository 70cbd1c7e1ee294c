//! Runs every `scenarios/**/*.cmd` in its folder and compares what it says with the `.out` beside
//! it: standard output, standard error and exit code; and every command that README and docs print.
//!
//! `BLESS=1 cargo test -p trainyard-cli --test scenarios` writes what is said now; look at the
//! difference before you commit it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn run(folder: &Path, line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words.first(), Some(&"trainyard"), "{line:?} runs trainyard");
    let output = Command::new(env!("CARGO_BIN_EXE_trainyard"))
        .args(&words[1..])
        .current_dir(folder)
        .env_remove("NO_COLOR")
        .output()
        .expect("the binary runs");
    let mut text = String::from_utf8(output.stdout).expect("UTF-8");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    if !stderr.is_empty() {
        text.push_str("--- standard error\n");
        text.push_str(&stderr);
    }
    let code = output.status.code().expect("no signal ended it");
    text.push_str(&format!("--- exit code {code}\n"));
    text
}

fn commands(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("scenarios are readable") {
        let path = entry.expect("an entry is readable").path();
        if path.is_dir() {
            commands(&path, found);
        } else if path.extension().is_some_and(|e| e == "cmd") {
            found.push(path);
        }
    }
}

#[test]
fn scenarios_say_what_they_said() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut found = Vec::new();
    commands(&root().join("scenarios"), &mut found);
    found.sort();
    assert!(found.len() >= 20, "scenarios have been lost");
    let mut different = Vec::new();
    for path in found {
        let line = fs::read_to_string(&path).expect("readable");
        let folder = path.parent().expect("a file is in a folder");
        let said = run(folder, &line);
        let golden = path.with_extension("out");
        if bless {
            fs::write(&golden, said).expect("writable");
            continue;
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if said != expected {
            different.push(format!(
                "== {}\n{line}-- expected\n{expected}\n-- said\n{said}",
                path.display()
            ));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// Commands in fenced `console` blocks, each with what is printed below it.
fn console(text: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            _ if !inside => {}
            _ => match line.strip_prefix("$ ") {
                Some(command) => commands.push((command.to_owned(), String::new())),
                None => {
                    let (_, output) = commands.last_mut().expect("a block begins with a command");
                    output.push_str(line);
                    output.push('\n');
                }
            },
        }
    }
    commands
}

#[test]
fn printed_commands_say_what_is_printed() {
    let mut pages = vec![root().join("README.md")];
    let docs = fs::read_dir(root().join("docs")).expect("docs/ is readable");
    pages.extend(
        docs.map(|entry| entry.expect("an entry is readable").path())
            .filter(|path| path.extension().is_some_and(|e| e == "md")),
    );
    let mut count = 0;
    for page in pages {
        for (command, expected) in console(&fs::read_to_string(&page).expect("readable")) {
            let said = run(&root(), &command);
            let (said, _) = said.split_once("--- ").expect("the exit code is told");
            assert_eq!(said, expected, "{}: {command}", page.display());
            count += 1;
        }
    }
    assert!(count > 0, "README.md shows no command");
}
