//! What is wrong with an input: one entry for each fault or warning, with file, line, object and
//! field path, and what to try.

use std::fmt;
use std::sync::Arc;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing can be said until it is mended.
    Fault,
    /// Worth knowing; the answer stands.
    Warning,
}

/// One fault or warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How bad.
    pub severity: Severity,
    /// Stable, `area/slug`; each has a page in `docs/codes/`.
    pub code: &'static str,
    /// Name of the source; empty: the input as a whole.
    pub file: Arc<str>,
    /// Line in the source, from 1; 0: the source as a whole.
    pub line: u32,
    /// `KIND NAMESPACE/NAME` or `KIND NAME`.
    pub object: Option<String>,
    /// The field, as the API server names it.
    pub path: Option<String>,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to try.
    pub help: Option<String>,
}

impl Problem {
    /// A fault in a source.
    pub fn fault(code: &'static str, file: &Arc<str>, line: u32, message: String) -> Self {
        Problem {
            severity: Severity::Fault,
            code,
            file: file.clone(),
            line,
            object: None,
            path: None,
            message,
            help: None,
        }
    }

    /// The same as a warning.
    #[must_use]
    pub fn as_warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// The same with the object it is about.
    #[must_use]
    pub fn of(mut self, object: impl Into<Option<String>>) -> Self {
        self.object = object.into();
        self
    }

    /// The same with the field it is about.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// The same with what to try.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<Option<String>>) -> Self {
        self.help = help.into();
        self
    }
}

impl fmt::Display for Problem {
    /// `FILE:LINE: OBJECT: PATH: MESSAGE`, as far as known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            write!(f, "{}", self.file)?;
            if self.line > 0 {
                write!(f, ":{}", self.line)?;
            }
            f.write_str(": ")?;
        }
        for part in [&self.object, &self.path].into_iter().flatten() {
            write!(f, "{part}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Every code that this crate gives.
pub const CODES: [&str; 13] = [
    EMPTY,
    ENCODING,
    SYNTAX,
    NESTING,
    ALIASES,
    DUPLICATE_KEY,
    UNKNOWN_FIELD,
    WRONG_TYPE,
    INVALID_FIELD,
    DROPPED_FIELD,
    UNKNOWN_KIND,
    INCOMPLETE_OBJECT,
    DUPLICATE_OBJECT,
];

/// A source without any document.
pub const EMPTY: &str = "file/empty";
/// A source that is no text.
pub const ENCODING: &str = "file/encoding";
/// Neither YAML nor JSON.
pub const SYNTAX: &str = "file/syntax";
/// Nested deeper than any object is.
pub const NESTING: &str = "file/nesting";
/// Aliases that unfold to far more than is written.
pub const ALIASES: &str = "file/aliases";
/// One key twice in a mapping.
pub const DUPLICATE_KEY: &str = "field/duplicate";
/// A field that the kind does not have.
pub const UNKNOWN_FIELD: &str = "field/unknown";
/// A value of another type than the field's.
pub const WRONG_TYPE: &str = "field/type";
/// A value that the API server refuses.
pub const INVALID_FIELD: &str = "field/invalid";
/// A field that the API server drops because its feature gate is off.
pub const DROPPED_FIELD: &str = "field/dropped";
/// A kind or version that is not looked at.
pub const UNKNOWN_KIND: &str = "object/unknown-kind";
/// No kind, version or name.
pub const INCOMPLETE_OBJECT: &str = "object/incomplete";
/// The same object twice.
pub const DUPLICATE_OBJECT: &str = "object/duplicate";
