//! What is done to a checked expression before it is evaluated, as by cel-go's planner: constants are
//! folded, which may show that they are wrong; patterns are compiled; each call learns its cost.

use std::sync::Arc;

use crate::charge::{Charge, charge};
use crate::check::{Checked, TypeError};
use crate::library::{self, regex};
use crate::map::Map;
use crate::message;
use crate::overload::Work;
use crate::syntax::{CallPlan, Entry, Expr, Fold, FoldKind, Kind, Operator};
use crate::typing::Type;
use crate::value::Value;

/// Conversions, which cel-go evaluates while it plans where their argument is a constant.
const CONVERSIONS: [&str; 10] = [
    "bool",
    "bytes",
    "double",
    "duration",
    "dyn",
    "int",
    "string",
    "timestamp",
    "type",
    "uint",
];

/// Functions of two arguments that cel-go evaluates as those of more where it cannot tell which
/// overload is meant.
const DISPATCHED: [&str; 10] = [
    "isLessThan",
    "isGreaterThan",
    "compareTo",
    "indexOf",
    "lastIndexOf",
    "add",
    "sub",
    "containsIP",
    "containsCIDR",
    "check",
];

/// The names of types that are not those of messages.
const TYPES: [&str; 13] = [
    "bool",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "null_type",
    "list",
    "map",
    "type",
    "optional_type",
    "net.IP",
    "net.CIDR",
];

/// Whether this is the name of a type.
pub(crate) fn is_type(name: &str) -> bool {
    TYPES.contains(&name) || message::TYPES.contains(&name)
}

fn fail<T>(at: usize, message: impl Into<String>) -> Result<T, TypeError> {
    Err(TypeError {
        message: message.into(),
        at,
    })
}

fn constant(expr: &Expr) -> Option<&Value> {
    match &expr.kind {
        Kind::Constant(value) => Some(value),
        _ => None,
    }
}

/// Plans an expression.
pub fn plan(expr: &mut Expr, checked: &Checked) -> Result<(), TypeError> {
    for part in parts(expr) {
        plan(part, checked)?;
    }
    let at = expr.at;
    let (found, fitting) = (checked.type_of(expr), checked.fitting(expr));
    if let Kind::Fold(fold) = &mut expr.kind {
        fold.charges = fitting.len() == 1;
    }
    if let Some(Type::Type(_)) = used_unwritten(&expr.kind, checked) {
        return fail(at, "reference to undefined type");
    }
    let folded = match &mut expr.kind {
        Kind::Identifier(name) => match found {
            Type::Type(_) if is_type(name) => Some(Value::Type(name.clone())),
            Type::Int if &**name == message::NULL_VALUE => Some(Value::Int(0)),
            // A variable that stands for a type is taken for the name of one.
            Type::Type(_) => return fail(at, format!("reference to undefined type: {name}")),
            _ => None,
        },
        Kind::List(items) if items.iter().all(|item| !item.optional) => items
            .iter()
            .map(|item| constant(&item.value).cloned())
            .collect::<Option<Vec<_>>>()
            .map(Value::from),
        Kind::Map(entries) if entries.iter().all(|entry| !entry.optional) => {
            constant_map(entries, at)?
        }
        Kind::Call {
            function,
            arguments,
            method,
            plan,
        } => {
            *plan = call(function, arguments, fitting)?;
            match (&**function, &mut arguments[..]) {
                (function, [argument]) if !*method && CONVERSIONS.contains(&function) => {
                    match constant(argument) {
                        Some(value) => match library::call(function, std::slice::from_ref(value)) {
                            Ok(value) => Some(value),
                            Err(error) => return fail(argument.at, error.to_string()),
                        },
                        None => None,
                    }
                }
                ("@in", [_, list]) if fitting == [Work::InList] => match constant(list) {
                    Some(Value::List(items)) if items.is_empty() => Some(Value::Bool(false)),
                    Some(Value::List(items)) if items.iter().all(is_primitive) => {
                        plan.charge = Charge::Free;
                        None
                    }
                    _ => None,
                },
                _ => None,
            }
        }
        _ => None,
    };
    if let Some(value) = folded {
        expr.kind = Kind::Constant(value);
    }
    Ok(())
}

/// A map whose keys and values are all constant. Where one cannot be a key, cel-go panics.
fn constant_map(entries: &[Entry], at: usize) -> Result<Option<Value>, TypeError> {
    let pair = |entry: &Entry| {
        Some((
            constant(&entry.key)?.clone(),
            constant(&entry.value)?.clone(),
        ))
    };
    let Some(pairs) = entries.iter().map(pair).collect::<Option<Vec<_>>>() else {
        return Ok(None);
    };
    let mut map = Map::default();
    for (key, value) in pairs {
        if map.put(&key, value).is_err() {
            return fail(at, format!("unhashable type {}", key.type_name()));
        }
    }
    Ok(Some(Value::Map(Arc::new(map))))
}

/// The type of a variable that a macro uses even where it is not written in what it is given: such a
/// variable is taken for the name of a type if it stands for one.
fn used_unwritten<'c>(kind: &Kind, checked: &'c Checked) -> Option<&'c Type> {
    Some(match kind {
        Kind::Bind { value, .. } => checked.type_of(value),
        Kind::OptionalMap { operand, .. } => match checked.type_of(operand) {
            Type::Optional(inner) => inner,
            _ => return None,
        },
        Kind::Fold(fold) if matches!(fold.kind, FoldKind::Filter | FoldKind::Map) => {
            match checked.type_of(&fold.range) {
                Type::List(item) if fold.second.is_none() => item,
                Type::Map(key, _) => key,
                _ => return None,
            }
        }
        _ => return None,
    })
}

/// What can be looked up in a set.
pub(crate) fn is_primitive(value: &Value) -> bool {
    matches!(
        value,
        Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::String(_)
    )
}

fn call(function: &str, arguments: &[Expr], fitting: &[Work]) -> Result<CallPlan, TypeError> {
    let operator = match function {
        "_&&_" => Operator::And,
        "_||_" => Operator::Or,
        "_?_:_" => Operator::Conditional,
        "_[_]" => Operator::Index,
        "_[?_]" => Operator::OptionalIndex,
        "_==_" => Operator::Equal,
        "_!=_" => Operator::NotEqual,
        "or" => Operator::OptionalOr,
        "orValue" => Operator::OptionalOrValue,
        _ => Operator::Function,
    };
    if matches!(operator, Operator::Index | Operator::OptionalIndex)
        && let Some(index) = constant(&arguments[1])
        && !is_primitive(index)
    {
        return fail(arguments[1].at, "invalid qualifier type");
    }
    let mut pattern = None;
    if matches!(function, "matches" | "find" | "findAll")
        && let Some(Value::String(text)) = constant(&arguments[1])
    {
        match regex::compile(text) {
            Ok(compiled) => pattern = Some(compiled),
            Err(_) => return fail(arguments[1].at, "invalid matches argument"),
        }
    }
    Ok(CallPlan {
        operator,
        charge: charge(function, fitting),
        early: arguments.len() > 2
            || pattern.is_some()
            || function == "format"
            || fitting.len() > 1 && DISPATCHED.contains(&function),
        element: match fitting {
            [Work::Gather(element)] => Some(element),
            _ => None,
        },
        pattern,
    })
}

/// Whether an expression is the variable `device`.
fn is_device(expr: &Expr) -> bool {
    matches!(&expr.kind, Kind::Identifier(name) if &**name == "device")
}

/// The domain in `device.attributes["domain"]` or `device.attributes.domain`.
pub(crate) fn attribute_domain(expr: &Expr) -> Option<&Arc<str>> {
    let attributes = |e: &Expr| {
        matches!(&e.kind, Kind::Select { operand, field, optional: false }
            if &**field == "attributes" && is_device(operand))
    };
    match &expr.kind {
        Kind::Call {
            function,
            arguments,
            ..
        } if &**function == "_[_]" && attributes(&arguments[0]) => match &arguments[1].kind {
            Kind::Constant(Value::String(domain)) => Some(domain),
            _ => None,
        },
        Kind::Select {
            operand,
            field,
            optional: false,
        } if attributes(operand) => Some(field),
        _ => None,
    }
}

/// Replaces `device.driver`, and `device.attributes["domain"].id`, by what needs no map.
pub fn simplify(expr: &mut Expr) {
    // Where a variable is called `device`, the name means something else.
    let shadows = match &expr.kind {
        Kind::Bind { name, .. } | Kind::OptionalMap { name, .. } => &**name == "device",
        Kind::Fold(fold) => &*fold.first == "device" || fold.second.as_deref() == Some("device"),
        _ => false,
    };
    if shadows {
        return;
    }
    let found = match &expr.kind {
        Kind::Select {
            operand,
            field,
            optional: false,
        } => attribute_domain(operand).map(|domain| (domain.clone(), field.clone())),
        Kind::Call {
            function,
            arguments,
            ..
        } if &**function == "_[_]" => match &arguments[1].kind {
            Kind::Constant(Value::String(id)) => {
                attribute_domain(&arguments[0]).map(|domain| (domain.clone(), id.clone()))
            }
            _ => None,
        },
        _ => None,
    };
    if let Kind::Select {
        operand,
        field,
        optional: false,
    } = &expr.kind
        && &**field == "driver"
        && is_device(operand)
    {
        expr.kind = Kind::Driver;
        return;
    }
    if let Some((domain, id)) = found {
        expr.kind = Kind::Attribute { domain, id };
        return;
    }
    for part in parts(expr) {
        simplify(part);
    }
}

/// The expressions directly inside of another.
pub(crate) fn parts(expr: &mut Expr) -> Vec<&mut Expr> {
    match &mut expr.kind {
        Kind::Constant(_) | Kind::Identifier(_) | Kind::Attribute { .. } | Kind::Driver => {
            Vec::new()
        }
        Kind::Select { operand, .. } | Kind::Has { operand, .. } => vec![operand],
        Kind::Call { arguments, .. } => arguments.iter_mut().collect(),
        Kind::List(items) => items.iter_mut().map(|item| &mut item.value).collect(),
        Kind::Map(entries) => entries
            .iter_mut()
            .flat_map(|entry| [&mut entry.key, &mut entry.value])
            .collect(),
        Kind::Fold(fold) => {
            let Fold {
                range,
                filter,
                body,
                ..
            } = &mut **fold;
            let mut parts = vec![range];
            parts.extend(filter);
            parts.extend(body);
            parts
        }
        Kind::Message { fields, .. } => fields.iter_mut().map(|field| &mut field.value).collect(),
        Kind::Bind { value, body, .. } => vec![value, body],
        Kind::OptionalMap { operand, body, .. } => vec![operand, body],
    }
}
