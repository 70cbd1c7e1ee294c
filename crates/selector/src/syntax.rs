//! The tree of an expression, and where each part of it stands.

use std::sync::Arc;

use crate::charge::Charge;
use crate::value::Value;

/// A part of an expression.
#[derive(Debug, Clone)]
pub struct Expr {
    /// What it is.
    pub kind: Kind,
    /// Byte offset in the source.
    pub at: usize,
    /// Its number among the parts of the whole, given by the checker.
    pub id: usize,
}

/// The kinds of expression.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A literal.
    Constant(Value),
    /// A variable.
    Identifier(Arc<str>),
    /// `operand.field`, or `operand.?field`.
    Select {
        /// What stands before the dot.
        operand: Box<Expr>,
        /// The name after it.
        field: Arc<str>,
        /// Whether a missing field makes an empty optional.
        optional: bool,
    },
    /// `has(operand.field)`
    Has {
        /// What stands before the dot.
        operand: Box<Expr>,
        /// The name after it.
        field: Arc<str>,
    },
    /// An operator, a function, or a method with its receiver as first argument.
    Call {
        /// As cel-go names it: `_==_`, `size`.
        function: Arc<str>,
        /// Receiver first.
        arguments: Vec<Expr>,
        /// Whether it was written with a receiver.
        method: bool,
        /// How it is evaluated; found by the planner.
        plan: CallPlan,
    },
    /// `[a, ?b]`
    List(Vec<Item>),
    /// `{k: a, ?l: b}`
    Map(Vec<Entry>),
    /// A macro that goes over the elements of a list or the keys of a map.
    Fold(Box<Fold>),
    /// `cel.bind(name, value, body)`
    Bind {
        /// The variable.
        name: Arc<str>,
        /// What it stands for.
        value: Box<Expr>,
        /// Where it does.
        body: Box<Expr>,
    },
    /// `operand.optMap(name, body)` or `optFlatMap`
    OptionalMap {
        /// The optional.
        operand: Box<Expr>,
        /// What its value is called in the body.
        name: Arc<str>,
        /// What becomes of it.
        body: Box<Expr>,
        /// Whether the body is an optional already.
        flat: bool,
    },
    /// `google.protobuf.Int32Value{value: 1}`
    Message {
        /// Its name, with dots.
        name: Arc<str>,
        /// Its fields.
        fields: Vec<Field>,
    },
    /// `device.driver`, found by the optimizer.
    Driver,
    /// `device.attributes["domain"].id`, found by the optimizer: no map is built for it.
    Attribute {
        /// Between the brackets.
        domain: Arc<str>,
        /// After the dot.
        id: Arc<str>,
    },
}

/// A field of a message.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name.
    pub name: Arc<str>,
    /// Its value.
    pub value: Expr,
    /// Whether it is left out where its value is an empty optional.
    pub optional: bool,
}

/// How a call is evaluated, and what that costs.
#[derive(Debug, Clone, Default)]
pub struct CallPlan {
    /// Which of the operators with an evaluation of their own it is.
    pub operator: Operator,
    /// What it costs beyond its arguments.
    pub charge: Charge,
    /// Whether an argument that fails keeps those after it from being evaluated.
    pub early: bool,
    /// The type that the first element of a list must have for the overload that was chosen.
    pub element: Option<&'static str>,
    /// A regular expression that is a constant.
    pub pattern: Option<regex::Regex>,
}

/// The operators that are evaluated in their own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Operator {
    /// Any function.
    #[default]
    Function,
    /// `&&`
    And,
    /// `||`
    Or,
    /// `?:`
    Conditional,
    /// `[ ]`
    Index,
    /// `[? ]`
    OptionalIndex,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `or` of an optional
    OptionalOr,
    /// `orValue` of an optional
    OptionalOrValue,
}

/// An element of a list literal.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its value.
    pub value: Expr,
    /// Whether it is left out where it is an empty optional.
    pub optional: bool,
}

/// An entry of a map literal.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its key.
    pub key: Expr,
    /// Its value.
    pub value: Expr,
    /// Whether it is left out where its value is an empty optional.
    pub optional: bool,
}

/// A macro over elements.
#[derive(Debug, Clone)]
pub struct Fold {
    /// Which macro.
    pub kind: FoldKind,
    /// What it goes over.
    pub range: Expr,
    /// The element or key; with two variables the index or key.
    pub first: Arc<str>,
    /// With two variables: the element or value.
    pub second: Option<Arc<str>>,
    /// A condition; always there but in `map` with two arguments and the like.
    pub filter: Option<Expr>,
    /// What is collected.
    pub body: Option<Expr>,
    /// Of `sortBy`: whether the type of the keys is known, on which its cost depends.
    pub charges: bool,
}

/// The macros over elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoldKind {
    /// `all`
    All,
    /// `exists`
    Exists,
    /// `exists_one`, `existsOne`
    ExistsOne,
    /// `filter`
    Filter,
    /// `map`, `transformList`
    List,
    /// `transformMap`
    Map,
    /// `transformMapEntry`
    MapEntry,
    /// `sortBy`: elements in the order of their keys
    SortBy,
}
