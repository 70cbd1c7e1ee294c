//! A program that answers one line with one line, kept running.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

use serde_json::Value;

/// The running program.
#[derive(Debug)]
pub struct Filter {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Filter {
    /// Starts a program with arguments.
    pub fn start(command: &[String]) -> io::Result<Self> {
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("standard output is piped"));
        Ok(Filter {
            child,
            input,
            output,
        })
    }

    /// Asks several questions at once, so that the program can work on them side by side.
    pub fn ask(&mut self, questions: &[Value]) -> io::Result<Vec<Value>> {
        let input = self.input.as_mut().expect("open until the end");
        let output = &mut self.output;
        thread::scope(|scope| {
            let writer = scope.spawn(move || {
                for question in questions {
                    writeln!(input, "{question}")?;
                }
                input.flush()
            });
            let mut answers = Vec::with_capacity(questions.len());
            for _ in questions {
                let mut line = String::new();
                if output.read_line(&mut line)? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                answers.push(serde_json::from_str(&line)?);
            }
            writer.join().expect("the writer does not panic")?;
            Ok(answers)
        })
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        self.input = None;
        // It ends with its input; if it has ended before, that is just as well.
        let _ = self.child.wait();
    }
}
