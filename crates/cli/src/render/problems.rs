//! Faults and warnings on standard error: what is wrong, where, and what to try.

use anstyle::AnsiColor;
use trainyard_wire::{Problem, Severity, Source};

use crate::output::Look;
use crate::render::count;

/// All of them, in their order, and a line that counts them.
pub fn render(problems: &[Problem], sources: &[Source], look: Look) -> String {
    let mut out = String::new();
    for problem in problems {
        out.push_str(&one(problem, sources, look));
        out.push('\n');
    }
    let of = |severity| problems.iter().filter(|p| p.severity == severity).count();
    let (faults, warnings) = (of(Severity::Fault), of(Severity::Warning));
    if faults > 0 {
        out.push_str(&count(faults, "fault"));
        if warnings > 0 {
            out.push_str(&format!(", {}", count(warnings, "warning")));
        }
        out.push_str(": no plan was made\n");
    }
    out
}

fn one(problem: &Problem, sources: &[Source], look: Look) -> String {
    let (word, color) = match problem.severity {
        Severity::Fault => ("error", AnsiColor::Red),
        Severity::Warning => ("warning", AnsiColor::Yellow),
    };
    let head = look.colored(color, format!("{word}[{}]", problem.code));
    let mut out = format!("{head}: {}\n", look.bold(&problem.message));
    let mut place = String::new();
    if !problem.file.is_empty() {
        place.push_str(&problem.file);
        if problem.line > 0 {
            place.push_str(&format!(":{}", problem.line));
        }
    }
    for part in [&problem.object, &problem.path].into_iter().flatten() {
        if !place.is_empty() {
            place.push_str(": ");
        }
        place.push_str(part);
    }
    if !place.is_empty() {
        out.push_str(&format!("  {} {place}\n", look.dim("at")));
    }
    if let Some(line) = line(problem, sources) {
        out.push_str(&format!("  {} {line}\n", look.dim("|")));
    }
    if let Some(help) = &problem.help {
        out.push_str(&format!(
            "  {} {help}\n",
            look.colored(AnsiColor::Green, "help:")
        ));
    }
    out
}

/// The line of the source that the problem is about.
fn line(problem: &Problem, sources: &[Source]) -> Option<String> {
    const LONGEST: usize = 120;
    let index = usize::try_from(problem.line).ok()?.checked_sub(1)?;
    let source = sources.iter().find(|s| s.name == problem.file)?;
    let text = std::str::from_utf8(&source.bytes).ok()?;
    let line = text.lines().nth(index)?.trim_end();
    let shown: String = line.chars().take(LONGEST).collect();
    (!shown.trim().is_empty()).then_some(shown)
}
