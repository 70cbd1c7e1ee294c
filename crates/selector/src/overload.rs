//! Which overload of a function is meant, as far as its cost depends on it.

use crate::declarations::Overload;
use crate::typing::Type;

/// What an overload works through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the function of its name")]
pub enum Work {
    /// Nothing that depends on the length of its arguments, or what depends on the function alone.
    Plain,
    Logic,
    Conditional,
    Equal,
    NotEqual,
    /// The order of two texts.
    Order,
    AddText,
    AddList,
    InList,
    IndexList,
    IndexMap,
    /// `startsWith`, `endsWith`
    Affix,
    Contains,
    Matches,
    Format,
    Quote,
    TextToBytes,
    BytesToText,
    CidrIp,
    ContainsIpText,
    ContainsCidrText,
    Slice,
    Flatten,
    Range,
    Reverse,
    Distinct,
    /// Of texts, or of something else.
    Sort {
        texts: bool,
    },
    SortBy {
        texts: bool,
    },
    /// `isSorted`, `sum` and the like, of a list of this type.
    Gather(&'static str),
    /// `sets.contains` and `sets.intersects` go over their arguments once, `sets.equivalent` twice.
    Sets {
        times: u32,
    },
}

/// What an overload of a function works through.
pub fn work(function: &str, overload: &Overload) -> Work {
    let text = |index: usize| {
        matches!(
            overload.arguments.get(index),
            Some(Type::String | Type::Bytes)
        )
    };
    let list = |index: usize| matches!(overload.arguments.get(index), Some(Type::List(_)));
    match function {
        "_&&_" | "_||_" => Work::Logic,
        "_?_:_" => Work::Conditional,
        "_==_" => Work::Equal,
        "_!=_" => Work::NotEqual,
        "_<_" | "_<=_" | "_>_" | "_>=_" if text(0) => Work::Order,
        "_+_" if text(0) => Work::AddText,
        "_+_" if list(0) => Work::AddList,
        "@in" if list(1) => Work::InList,
        "_[_]" if list(0) => Work::IndexList,
        "_[_]" if matches!(overload.arguments[0], Type::Map(..)) => Work::IndexMap,
        "startsWith" | "endsWith" => Work::Affix,
        "contains" => Work::Contains,
        "matches" => Work::Matches,
        "format" => Work::Format,
        "strings.quote" => Work::Quote,
        "bytes" if overload.arguments[0] == Type::String => Work::TextToBytes,
        "string" if overload.arguments[0] == Type::Bytes => Work::BytesToText,
        "ip" if overload.method => Work::CidrIp,
        "containsIP" if text(1) => Work::ContainsIpText,
        "containsCIDR" if text(1) => Work::ContainsCidrText,
        "slice" => Work::Slice,
        "flatten" => Work::Flatten,
        "lists.range" => Work::Range,
        "reverse" => Work::Reverse,
        "distinct" => Work::Distinct,
        "sort" => Work::Sort {
            texts: matches!(&overload.arguments[0], Type::List(item) if sorts_texts(item)),
        },
        "isSorted" | "sum" | "min" | "max" => match &overload.arguments[0] {
            Type::List(item) => Work::Gather(type_name(item)),
            _ => Work::Plain,
        },
        "sets.contains" | "sets.intersects" => Work::Sets { times: 1 },
        "sets.equivalent" => Work::Sets { times: 2 },
        _ => Work::Plain,
    }
}

/// Whether sorting by this type compares texts.
pub fn sorts_texts(key: &Type) -> bool {
    matches!(key, Type::String | Type::Bytes)
}

/// The name of a type as its values have it.
fn type_name(found: &Type) -> &'static str {
    match found {
        Type::Bool => "bool",
        Type::Int => "int",
        Type::Uint => "uint",
        Type::Double => "double",
        Type::String => "string",
        Type::Bytes => "bytes",
        Type::Timestamp => "google.protobuf.Timestamp",
        Type::Duration => "google.protobuf.Duration",
        _ => "",
    }
}
