//! Is every field one that the kind has, and of its type? A serde deserializer over the YAML tree
//! that goes on after each problem, so that all of a document come out at once.
//!
//! Where a value does not fit, the problem is noted and a zero value takes its place; the caller
//! looks at the problems before it uses the result. `null` is the same as nothing, as in Go.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess,
    Visitor,
};
use trainyard_model::quantity::Quantity;

use crate::problem::{self, Problem};
use crate::yaml::{Entry, Node, Scalar, Value, shorten};

/// Decodes an object. Problems carry file, line and path, but not yet the object's name.
pub(crate) fn decode<T: DeserializeOwned>(
    node: &Node<'_>,
    file: &Arc<str>,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let sink = Sink {
        file,
        problems: RefCell::new(Vec::new()),
    };
    let at = At {
        parent: None,
        step: Step::Root,
    };
    let result = T::deserialize(Decoder {
        node,
        at: &at,
        sink: &sink,
    });
    let result = match result {
        Ok(value) => Some(value),
        Err(error) => {
            if !error.noted {
                sink.note(problem::WRONG_TYPE, node.line, &at, error.message);
            }
            None
        }
    };
    problems.append(&mut sink.problems.into_inner());
    result
}

struct Sink<'a> {
    file: &'a Arc<str>,
    problems: RefCell<Vec<Problem>>,
}

impl Sink<'_> {
    fn note(&self, code: &'static str, line: u32, at: &At<'_>, message: String) {
        self.note_with_help(code, line, at, message, None);
    }

    fn note_with_help(
        &self,
        code: &'static str,
        line: u32,
        at: &At<'_>,
        message: String,
        help: Option<String>,
    ) {
        let problem = Problem::fault(code, self.file, line, message)
            .at(at.to_string())
            .with_help(help);
        self.problems.borrow_mut().push(problem);
    }
}

/// Where the decoder is: a path on the stack, rendered only where something is wrong.
#[derive(Clone, Copy)]
struct At<'a> {
    parent: Option<&'a At<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Field(&'a str),
    Key(&'a str),
    Index(usize),
}

impl<'a> At<'a> {
    fn then<'b>(&'b self, step: Step<'b>) -> At<'b> {
        At {
            parent: Some(self),
            step,
        }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        let first = self.parent.is_none_or(|p| matches!(p.step, Step::Root));
        match self.step {
            Step::Root => Ok(()),
            Step::Field(name) if first => f.write_str(name),
            Step::Field(name) => write!(f, ".{name}"),
            Step::Key(key) => write!(f, "[{key}]"),
            Step::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// What ends the decoding of an object: only what a visitor itself refuses.
#[derive(Debug)]
struct Error {
    message: String,
    noted: bool,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Error {
            message: message.to_string(),
            noted: false,
        }
    }
}

struct Decoder<'a> {
    node: &'a Node<'a>,
    at: &'a At<'a>,
    sink: &'a Sink<'a>,
}

impl<'a> Decoder<'a> {
    /// Notes that something else was expected. Nothing is noted of `null`.
    fn wrong(&self, expected: &str) {
        if self.node.is_null() {
            return;
        }
        let (found, help) = describe(self.node);
        let help = help.filter(|_| expected == "a string");
        self.sink.note_with_help(
            problem::WRONG_TYPE,
            self.node.line,
            self.at,
            format!("expected {expected}, found {found}"),
            help,
        );
    }

    fn integer(&self, least: i128, most: i128) -> i128 {
        let Some(value) = self.node.value.scalar().and_then(Scalar::integer) else {
            self.wrong("an integer");
            return 0;
        };
        if (least..=most).contains(&value) {
            return value;
        }
        self.sink.note(
            problem::WRONG_TYPE,
            self.node.line,
            self.at,
            format!("{value} is out of range: {least} to {most}"),
        );
        0
    }

    /// The text of a quantity, a time and the like, which may be written as a number.
    fn amount(&self) -> String {
        let number = || self.node.value.scalar().and_then(Scalar::number);
        let text = match &self.node.value {
            Value::Text(text) => Some(text.trim().to_owned()),
            _ => number(),
        };
        let Some(text) = text else {
            self.wrong("a quantity");
            return "0".to_owned();
        };
        match text.parse::<Quantity>() {
            Ok(_) => text,
            Err(error) => {
                self.sink.note_with_help(
                    problem::WRONG_TYPE,
                    self.node.line,
                    self.at,
                    format!("{text:?} is no quantity: {error}"),
                    Some("write a number with a suffix such as 500m, 4, 16Gi".to_owned()),
                );
                "0".to_owned()
            }
        }
    }

    fn time(&self) -> String {
        const EPOCH: &str = "1970-01-01T00:00:00Z";
        let Some(text) = self.node.text() else {
            self.wrong("a time");
            return EPOCH.to_owned();
        };
        if text.parse::<k8s_openapi::jiff::Timestamp>().is_ok() {
            return text.to_owned();
        }
        self.sink.note_with_help(
            problem::WRONG_TYPE,
            self.node.line,
            self.at,
            format!("{text:?} is no time"),
            Some("write it as 2006-01-02T15:04:05Z".to_owned()),
        );
        EPOCH.to_owned()
    }
}

/// What a value is called in a message, and what may have been meant.
fn describe(node: &Node<'_>) -> (String, Option<String>) {
    let raw = match &node.value {
        Value::Text(text) => return (format!("string {:?}", shorten(text)), None),
        Value::List(_) => return ("a list".to_owned(), None),
        Value::Map(_) => return ("an object".to_owned(), None),
        Value::Plain(raw) => raw,
        Value::Read(read) => &*read.1,
    };
    let scalar = node.value.scalar().unwrap_or(Scalar::Null);
    let help = match scalar {
        Scalar::Bool(_) if !matches!(raw, "true" | "false") => format!(
            "kubectl reads YAML 1.1, in which an unquoted {raw} is a boolean: write \"{raw}\""
        ),
        _ => format!("quote it: \"{raw}\""),
    };
    let found = format!("{} {}", scalar.describe(), shorten(raw));
    (found.trim_end().to_owned(), Some(help))
}

/// What a visitor says it wants.
fn expects<'de, V: Visitor<'de>>(visitor: &V) -> String {
    let expected: &dyn serde::de::Expected = visitor;
    expected.to_string()
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ident;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let value = self.integer($type::MIN.into(), $type::MAX.into());
            visitor.$visit($type::try_from(value).expect("checked to be in range"))
        })*
    };
}

impl<'de> Deserializer<'de> for Decoder<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if expects(&visitor) == "IntOrString" {
            return match (&self.node.value, self.node.value.scalar()) {
                (Value::Text(text), _) => visitor.visit_str(text),
                (_, Some(scalar)) if scalar.integer().is_some() => {
                    visitor.visit_i64(self.integer(i32::MIN.into(), i32::MAX.into()) as i64)
                }
                _ => {
                    self.wrong("an integer or a string");
                    visitor.visit_i64(0)
                }
            };
        }
        match &self.node.value {
            Value::Text(text) => visitor.visit_str(text),
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Map(_) => self.deserialize_map(visitor),
            Value::Plain(_) | Value::Read(_) => match self.node.value.scalar() {
                None | Some(Scalar::Null) => visitor.visit_unit(),
                Some(Scalar::Bool(value)) => visitor.visit_bool(value),
                Some(Scalar::Int(value)) => visitor.visit_i64(value),
                Some(Scalar::Unsigned(value)) => visitor.visit_u64(value),
                Some(scalar @ Scalar::Whole(value)) => match scalar.integer().map(i64::try_from) {
                    Some(Ok(value)) => visitor.visit_i64(value),
                    _ => visitor.visit_f64(value),
                },
                Some(Scalar::Float(value)) => visitor.visit_f64(value),
            },
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node.value.scalar() {
            Some(Scalar::Bool(value)) => visitor.visit_bool(value),
            _ => {
                self.wrong("a boolean");
                visitor.visit_bool(false)
            }
        }
    }

    integers! {
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node.value.scalar() {
            Some(Scalar::Float(value) | Scalar::Whole(value)) => visitor.visit_f64(value),
            Some(Scalar::Int(value)) => visitor.visit_f64(value as f64),
            Some(Scalar::Unsigned(value)) => visitor.visit_f64(value as f64),
            _ => {
                self.wrong("a number");
                visitor.visit_f64(0.0)
            }
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.value {
            Value::Text(text) => visitor.visit_str(text),
            _ => {
                self.wrong("a string");
                visitor.visit_str("")
            }
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.node.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match name {
            "Quantity" => visitor.visit_newtype_struct(self.amount().into_deserializer()),
            "Time" | "MicroTime" => visitor.visit_newtype_struct(self.time().into_deserializer()),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let items = match &self.node.value {
            Value::List(items) => &items[..],
            _ => {
                self.wrong("a list");
                &[][..]
            }
        };
        visitor.visit_seq(Items {
            items: items.iter().enumerate(),
            at: self.at,
            sink: self.sink,
        })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let entries = match &self.node.value {
            Value::Map(entries) => &entries[..],
            _ => {
                self.wrong("an object");
                &[][..]
            }
        };
        visitor.visit_map(Entries {
            entries: entries.iter(),
            value: None,
            fields: None,
            at: self.at,
            sink: self.sink,
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let entries = match &self.node.value {
            Value::Map(entries) => &entries[..],
            _ => {
                self.wrong("an object");
                &[][..]
            }
        };
        visitor.visit_map(Entries {
            entries: entries.iter(),
            value: None,
            fields: Some(fields),
            at: self.at,
            sink: self.sink,
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let text = self.node.text().unwrap_or_default();
        visitor.visit_enum(text.into_deserializer())
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
}

/// Decodes one value inside of another, and notes what its visitor refuses where that stands.
fn inside<'de, S: DeserializeSeed<'de>>(
    seed: S,
    node: &Node<'_>,
    at: &At<'_>,
    sink: &Sink<'_>,
) -> Result<S::Value, Error> {
    seed.deserialize(Decoder { node, at, sink })
        .map_err(|error| {
            if !error.noted {
                sink.note(problem::WRONG_TYPE, node.line, at, error.message.clone());
            }
            Error {
                noted: true,
                ..error
            }
        })
}

struct Items<'a> {
    items: std::iter::Enumerate<std::slice::Iter<'a, Node<'a>>>,
    at: &'a At<'a>,
    sink: &'a Sink<'a>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some((index, node)) = self.items.next() else {
            return Ok(None);
        };
        let at = self.at.then(Step::Index(index));
        inside(seed, node, &at, self.sink).map(Some)
    }
}

struct Entries<'a> {
    entries: std::slice::Iter<'a, Entry<'a>>,
    value: Option<&'a Entry<'a>>,
    /// The fields of a struct; `None`: any key is good.
    fields: Option<&'static [&'static str]>,
    at: &'a At<'a>,
    sink: &'a Sink<'a>,
}

impl Entries<'_> {
    fn unknown(&self, entry: &Entry<'_>, fields: &[&str]) {
        let at = self.at.then(Step::Field(&entry.key));
        self.sink.note_with_help(
            problem::UNKNOWN_FIELD,
            entry.line,
            &at,
            format!("unknown field {:?}", entry.key),
            help_for_field(&entry.key, fields),
        );
    }
}

/// The nearest field, or all of them where they are few.
fn help_for_field(key: &str, fields: &[&str]) -> Option<String> {
    if let Some(name) = trainyard_model::nearest::nearest(key, fields.iter().copied()) {
        return Some(format!("did you mean {name:?}?"));
    }
    let known: Vec<&str> = fields
        .iter()
        .copied()
        .filter(|f| !matches!(*f, "apiVersion" | "kind"))
        .collect();
    (known.len() <= 12).then(|| format!("known fields: {}", known.join(", ")))
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        while let Some(entry) = self.entries.next() {
            if let Some(fields) = self.fields {
                if !fields.contains(&&*entry.key) {
                    self.unknown(entry, fields);
                    continue;
                }
                if entry.value.is_null() {
                    continue;
                }
            }
            self.value = Some(entry);
            return seed.deserialize((*entry.key).into_deserializer()).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let entry = self.value.take().expect("a value follows its key");
        let step = match self.fields {
            Some(_) => Step::Field(&entry.key),
            None => Step::Key(&entry.key),
        };
        let at = self.at.then(step);
        inside(seed, &entry.value, &at, self.sink)
    }
}
