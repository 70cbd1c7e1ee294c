//! Prints random scenarios, one a line: `scenarios FROM COUNT`.

use std::io::{self, BufWriter, Write as _};

use trainyard_testkit::generate;

fn main() -> io::Result<()> {
    let mut numbers = std::env::args()
        .skip(1)
        .map(|word| word.parse::<u64>().unwrap_or(0));
    let (from, count) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(1));
    let mut out = BufWriter::new(io::stdout().lock());
    for seed in from..from + count {
        writeln!(out, "{}", generate::scenario(seed))?;
    }
    out.flush()
}
