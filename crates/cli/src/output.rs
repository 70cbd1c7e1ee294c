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
}

impl Look {
    /// For standard output.
    pub fn of_stdout(color: Color) -> Self {
        Look {
            color: wanted(color, io::stdout().is_terminal()),
            width: terminal_size::terminal_size().map_or(100, |(width, _)| width.0.into()),
        }
    }

    /// For standard error.
    pub fn of_stderr(color: Color) -> Self {
        Look {
            color: wanted(color, io::stderr().is_terminal()),
            ..Self::of_stdout(Color::Never)
        }
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

/// Writes to standard output. A reader who has seen enough is no fault; a full disk is one.
pub fn print(text: &str) -> Result<(), Exit> {
    match io::stdout()
        .write_all(text.as_bytes())
        .and_then(|()| io::stdout().flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("error: standard output: {error}");
            Err(Exit::Fault)
        }
        _ => Ok(()),
    }
}
