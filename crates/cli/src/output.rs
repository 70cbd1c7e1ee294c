//! Where text goes: standard output and error, with colour where it is wanted.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};

use crate::args::Color;
use crate::exit::Exit;

/// Whether and how to style.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Whether to use colour at all.
    pub color: bool,
    /// Columns of the terminal; a guess where there is none.
    pub width: usize,
    /// Whether somebody reads on a terminal, where long lines are broken between words.
    pub wraps: bool,
}

impl Look {
    /// For standard output.
    pub fn of_stdout(color: Color) -> Self {
        Look {
            color: wanted(color, io::stdout().is_terminal()),
            width: terminal_size::terminal_size().map_or(100, |(width, _)| width.0.into()),
            wraps: io::stdout().is_terminal(),
        }
    }

    /// For standard error.
    pub fn of_stderr(color: Color) -> Self {
        Look {
            color: wanted(color, io::stderr().is_terminal()),
            wraps: io::stderr().is_terminal(),
            ..Self::of_stdout(Color::Never)
        }
    }

    /// A line, broken on a terminal that is narrower; what follows is indented by `indent`.
    pub fn wrap(self, line: &str, indent: usize) -> String {
        if !self.wraps {
            return format!("{line}\n");
        }
        let indent = " ".repeat(indent);
        let options = textwrap::Options::new(self.width.max(40))
            .subsequent_indent(&indent)
            .break_words(false)
            .word_splitter(textwrap::WordSplitter::NoHyphenation);
        let mut text = textwrap::fill(line, options);
        text.push('\n');
        text
    }

    /// The text in a style.
    pub fn paint(self, style: Style, text: impl Display) -> String {
        if self.color {
            format!("{style}{text}{style:#}")
        } else {
            text.to_string()
        }
    }

    /// Bold.
    pub fn bold(self, text: impl Display) -> String {
        self.paint(Style::new().bold(), text)
    }

    /// Less important than the rest.
    pub fn dim(self, text: impl Display) -> String {
        self.paint(Style::new().dimmed(), text)
    }

    /// One of a few colours that are told apart easily.
    pub fn hue(self, index: usize, text: impl Display) -> String {
        const HUES: [AnsiColor; 6] = [
            AnsiColor::Cyan,
            AnsiColor::Yellow,
            AnsiColor::Magenta,
            AnsiColor::Green,
            AnsiColor::Blue,
            AnsiColor::Red,
        ];
        let color = HUES[index % HUES.len()];
        self.paint(Style::new().bold().fg_color(Some(color.into())), text)
    }

    /// In a colour that means something.
    pub fn colored(self, color: AnsiColor, text: impl Display) -> String {
        self.paint(Style::new().bold().fg_color(Some(color.into())), text)
    }
}

fn wanted(color: Color, terminal: bool) -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => terminal && !no_color,
    }
}

/// Text for a terminal, without what others could have hidden in names and values: control
/// characters, and those that turn the direction of writing, are shown instead of obeyed. The codes
/// of our own colours stay.
pub fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = match own_code(rest) {
            Some(length) => {
                out.push_str(&rest[..length]);
                length
            }
            None => {
                let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
                if (c.is_control() && c != '\n') || turns {
                    out.extend(c.escape_default());
                } else {
                    out.push(c);
                }
                c.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    out
}

/// The length of the colour code that the text begins with, if it does with one that we use.
fn own_code(text: &str) -> Option<usize> {
    let code = text.strip_prefix("\u{1b}[")?;
    let end = code.find('m')?;
    let known = matches!(
        &code[..end],
        "0" | "1" | "2" | "31" | "32" | "33" | "34" | "35" | "36"
    );
    known.then_some(end + 3)
}

/// Prints a text on standard output.
pub fn print(text: &str) -> Result<(), Exit> {
    print_with(|out| out.write_all(text.as_bytes()))
}

/// Prints on standard output what `write` writes, piece by piece. A reader who has seen enough is no
/// fault; a full disk is one.
pub fn print_with(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Exit> {
    let mut out = io::BufWriter::with_capacity(1 << 16, io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("error: standard output: {error}");
            Err(Exit::Fault)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_steer_the_terminal() {
        let look = Look {
            color: true,
            width: 80,
            wraps: false,
        };
        let own = look.colored(AnsiColor::Red, "refused");
        assert_eq!(harmless(&own), own);
        assert_eq!(
            harmless("a\u{1b}[2Jb\u{1b}]0;title\u{7}\r\n\u{202e}é"),
            "a\\u{1b}[2Jb\\u{1b}]0;title\\u{7}\\r\n\\u{202e}é"
        );
        assert_eq!(harmless("\u{1b}[8mhidden\u{1b}"), "\\u{1b}[8mhidden\\u{1b}");
    }

    #[test]
    fn lines_break_between_words_on_a_terminal_only() {
        let mut look = Look {
            color: false,
            width: 40,
            wraps: false,
        };
        let line = "  request efas: 4 of class efa.networking.k8s.aws wanted, 2 of 8 free";
        assert_eq!(look.wrap(line, 4), format!("{line}\n"));
        look.wraps = true;
        assert_eq!(
            look.wrap(line, 4),
            "  request efas: 4 of class\n    efa.networking.k8s.aws wanted, 2 of\n    8 free\n"
        );
    }
}
