//! `trainyard allocate`: the allocator as a filter, one scenario a line in, one answer a line out.
//!
//! Lets another language, a test or a benchmark ask the allocator; how the objects of a scenario
//! become a question is in [`scenario`], how long an answer takes in [`mod@bench`].

mod bench;
mod scenario;

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufWriter, Write};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use clap::Args;

use crate::exit::Exit;
use crate::render::proof;
use scenario::Scenario;

/// `trainyard allocate`
#[derive(Debug, Clone, Args)]
pub struct Allocate {
    /// How many search steps a scenario may take before the answer is `gave-up`
    #[arg(long, value_name = "STEPS", default_value_t = 10_000_000)]
    pub steps: u64,

    /// Also count the steps that upstream's own search takes, at most this many
    #[arg(
        long,
        value_name = "CAP",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2000000"
    )]
    pub upstream_steps: Option<u64>,

    /// Measure how long an answer takes instead
    #[arg(long)]
    pub bench: bool,
}

/// One line of input, and its number from 1.
type Line = (usize, String);
/// The answer to a line, or what is wrong with it.
type Reply = (usize, Result<String, String>);

/// Runs the command.
pub fn run(arguments: &Allocate) -> Exit {
    // A measurement wants a quiet machine.
    let workers = match arguments.bench {
        true => 1,
        false => thread::available_parallelism().map_or(1, usize::from),
    };
    thread::scope(|scope| {
        let (to_workers, lines) = mpsc::sync_channel(16 * workers);
        let (to_writer, replies) = mpsc::sync_channel(16 * workers);
        let lines = Arc::new(Mutex::new(lines));
        for _ in 0..workers {
            let (lines, to_writer) = (lines.clone(), to_writer.clone());
            scope.spawn(move || work(&lines, &to_writer, arguments));
        }
        drop((lines, to_writer));
        let reader = scope.spawn(move || read(&to_workers));
        let written = write(&replies);
        // Whoever stops listening has heard enough; the reader ends with the workers.
        drop(replies);
        let read = reader.join().expect("the reader does not panic");
        match (read, written) {
            (Ok(()), Ok(true)) => Exit::Fine,
            (Ok(()), Ok(false)) => Exit::Fault,
            (Err(error), _) => {
                eprintln!("error: standard input: {error}");
                Exit::Fault
            }
            (_, Err(error)) => {
                eprintln!("error: standard output: {error}");
                Exit::Fault
            }
        }
    })
}

fn read(to_workers: &SyncSender<Line>) -> io::Result<()> {
    for (index, line) in io::stdin().lock().split(b'\n').enumerate() {
        // What is not UTF-8 is no JSON either, and will be told so.
        let line = String::from_utf8_lossy(&line?).into_owned();
        if to_workers.send((index + 1, line)).is_err() {
            break;
        }
    }
    Ok(())
}

fn work(lines: &Mutex<Receiver<Line>>, to_writer: &SyncSender<Reply>, arguments: &Allocate) {
    loop {
        let next = lines.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, line)) = next else { return };
        if to_writer.send((number, reply(&line, arguments))).is_err() {
            return;
        }
    }
}

fn reply(line: &str, arguments: &Allocate) -> Result<String, String> {
    let scenario: Scenario = serde_json::from_str(line).map_err(|error| error.to_string())?;
    scenario.check()?;
    let answer = match arguments.bench {
        true => serde_json::to_string(&bench::measure(&scenario, arguments.steps)),
        false => {
            let answer = scenario.answer(arguments.steps, arguments.upstream_steps);
            serde_json::to_string(&answer)
        }
    };
    answer.map_err(|error| error.to_string())
}

/// Writes replies in the order of their lines. Whether every line was answered.
fn write(replies: &Receiver<Reply>) -> io::Result<bool> {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut waiting = BTreeMap::new();
    let mut next = 1;
    let mut fine = true;
    loop {
        let reply = match replies.try_recv() {
            Ok(reply) => reply,
            Err(_) => {
                // Nothing to do meanwhile: whoever waits for an answer gets it now.
                out.flush()?;
                match replies.recv() {
                    Ok(reply) => reply,
                    Err(_) => return Ok(fine),
                }
            }
        };
        waiting.insert(reply.0, reply.1);
        while let Some(reply) = waiting.remove(&next) {
            match reply {
                Ok(answer) => writeln!(out, "{answer}")?,
                Err(error) => {
                    fine = false;
                    eprintln!("error: line {next}: {error}");
                }
            }
            next += 1;
        }
    }
}
