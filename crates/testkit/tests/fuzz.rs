//! Replays the fuzz targets over their corpus, over the scenarios' manifests, and over mutations of
//! both: truncations, flipped bytes, pieces repeated and exchanged.

use std::fs;
use std::path::{Path, PathBuf};

use trainyard_node::fuzz as node;
use trainyard_testkit::dice::Dice;
use trainyard_testkit::{fuzz, generate};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All files below a folder, in the order of their names.
fn files(folder: &Path, suffixes: &[&str]) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder is readable")
        .map(|entry| entry.expect("an entry is readable").path())
        .collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let name = path.to_string_lossy();
        if path.is_dir() {
            found.extend(files(&path, suffixes));
        } else if suffixes.iter().any(|suffix| name.ends_with(suffix)) {
            found.push(fs::read(&path).expect("the file is readable"));
        }
    }
    found
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let found = files(&root().join("fuzz/corpus").join(target), &[""]);
    assert!(!found.is_empty(), "the corpus of {target} has been lost");
    found
}

/// What means something to the reader.
const PIECES: [&str; 24] = [
    "\n---\n", "\n...\n", "\t", "  ", "\n", ": ", "- ", "? ", "{", "}", "[", "]", ",", "\"", "'",
    "#", "&a ", "*a", "!!int ", "|\n", "<<: ", "\\u", "\u{feff}", "\u{2028}",
];

/// One of the inputs, damaged.
fn mutation(inputs: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = dice.pick(inputs).clone();
    for _ in 0..dice.from_to(1, 4) {
        let at = dice.below(bytes.len() + 1);
        match dice.below(5) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            2 => {
                let piece = dice.pick(&PIECES).bytes();
                bytes.splice(at..at, piece);
            }
            3 => {
                let end = (at + dice.from_to(1, 40)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = dice.below(bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            _ => {
                let end = (at + dice.from_to(1, 8)).min(bytes.len());
                bytes.drain(at..end);
            }
        }
    }
    bytes
}

fn mutate(inputs: &[Vec<u8>], count: usize, target: impl Fn(&[u8])) {
    let mut dice = Dice::new(42);
    for _ in 0..count {
        target(&mutation(inputs, &mut dice));
    }
}

#[test]
fn any_bytes_can_be_read_as_manifests() {
    let mut inputs = corpus("manifests");
    inputs.extend(files(&root().join("scenarios"), &[".yaml", ".json"]));
    inputs.iter().for_each(|input| fuzz::manifests(input));
    mutate(&inputs, 4_000, fuzz::manifests);
}

#[test]
fn a_manifest_may_end_anywhere() {
    for input in files(&root().join("scenarios/aligned-efa-neuron"), &[".yaml"]) {
        for end in 0..input.len() {
            fuzz::manifests(&input[..end]);
        }
    }
}

#[test]
fn what_repeats_takes_no_more_than_its_share() {
    // Each took exponential or quadratic time in one reader or another.
    for piece in [
        "[", "{", "- ", "? ", "{a: ", "[a, ", "\"", "'", "|", "&a ", "*a ", "!", "<<: *a\n", "a: ",
        "\n---\n", "...\n", "\\", "%", "a: &a\n ", "{\"a\":", "\"a\":[", "a\n", "\n\n", "#\n",
    ] {
        fuzz::manifests(piece.repeat(200_000 / piece.len()).as_bytes());
    }
    // Many keys, none in order, and all of them merged into others.
    let mut text = String::from("a: &a\n");
    for key in (0..20_000).rev() {
        text.push_str(&format!("  k{}: 1\n", key * 7919 % 20_000));
    }
    for copy in 0..8 {
        text.push_str(&format!("b{copy}: {{<<: *a, x: 1}}\n"));
    }
    fuzz::manifests(text.as_bytes());
}

#[test]
fn ten_megabytes_of_nesting_are_refused() {
    for piece in ["[", "{a: ", "- ", "{\"a\": "] {
        fuzz::manifests(piece.repeat(10_000_000 / piece.len()).as_bytes());
    }
}

#[test]
fn any_text_can_be_an_expression() {
    let inputs = corpus("expressions");
    inputs.iter().for_each(|input| fuzz::expressions(input));
    mutate(&inputs, 4_000, fuzz::expressions);
}

#[test]
fn any_line_can_be_a_scenario() {
    let mut inputs = corpus("scenarios");
    inputs.extend((0..40).map(|seed| generate::scenario(seed).to_string().into_bytes()));
    inputs.iter().for_each(|input| fuzz::scenarios(input));
    mutate(&inputs, 1_000, fuzz::scenarios);
}

#[test]
fn any_bytes_can_be_a_record_of_the_journal() {
    let inputs = corpus("journal");
    inputs.iter().for_each(|input| node::journal(input));
    mutate(&inputs, 10_000, node::journal);
}

#[test]
fn any_bytes_can_come_from_a_kubelet() {
    let inputs = corpus("authority");
    for input in &inputs {
        for end in 0..=input.len() {
            node::authority(&input[..end]);
        }
    }
    mutate(&inputs, 10_000, node::authority);
}

#[test]
fn any_bytes_can_be_in_sysfs() {
    let inputs = corpus("sysfs");
    let machine = fuzz::Sysfs::default();
    for input in &inputs {
        for first in (0..=u8::MAX).step_by(5) {
            machine.read(&[&[first], &input[1..]].concat());
        }
    }
    mutate(&inputs, 300, |bytes| machine.read(bytes));
}
