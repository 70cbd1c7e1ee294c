//! Does an expression make sense? Types and names.

use std::rc::Rc;
use std::sync::Arc;

use crate::declarations::{Functions, NAMESPACES};
use crate::message;
use crate::overload::{Work, sorts_texts, work};
use crate::plan::is_type;
use crate::syntax::{Expr, Fold, FoldKind, Kind};
use crate::typing::{Bindings, Type};
use crate::validate::validate;
use crate::value::Value;

/// What is declared besides functions.
#[derive(Debug)]
pub struct Environment {
    /// All functions.
    pub functions: Functions,
    /// The type of an attribute: [`Type::Dyn`], or [`Type::Any`] without list-typed attributes.
    pub attribute: Type,
    /// Whether `device.allowMultipleAllocations` is declared.
    pub multiple_allocations: bool,
}

/// What is wrong with an expression, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeError {
    /// What is wrong.
    pub message: String,
    /// Byte offset.
    pub at: usize,
}

/// What was found out about an expression.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    notes: Vec<Note>,
}

/// What was found out about a part of an expression.
#[derive(Debug, Clone)]
pub struct Note {
    /// Its type.
    pub found: Type,
    /// Of a call: the overloads that fit.
    pub fitting: Vec<Work>,
}

impl Checked {
    /// The type of a part.
    pub fn type_of(&self, part: &Expr) -> &Type {
        &self.notes[part.id].found
    }

    /// The overloads of a call that fit.
    pub fn fitting(&self, call: &Expr) -> &[Work] {
        &self.notes[call.id].fitting
    }

    /// How many parts there are.
    pub fn count(&self) -> usize {
        self.notes.len()
    }
}

/// Finds the types of an expression and its parts, and numbers them.
pub fn check(expr: &mut Expr, environment: &Environment) -> Result<Checked, TypeError> {
    let mut checker = Checker {
        environment,
        bindings: Bindings::default(),
        scopes: Vec::new(),
        notes: Vec::new(),
    };
    checker.infer(expr)?;
    let Checker {
        bindings,
        mut notes,
        ..
    } = checker;
    for note in &mut notes {
        note.found = bindings.resolve(&note.found, true);
    }
    let checked = Checked { notes };
    validate(expr, &checked)?;
    Ok(checked)
}

struct Checker<'a> {
    environment: &'a Environment,
    bindings: Bindings,
    scopes: Vec<(Arc<str>, Type)>,
    notes: Vec<Note>,
}

/// The type of `device`.
pub const DEVICE: Type = Type::Opaque("kubernetes.DRADevice");

type Inferred = Result<Type, TypeError>;

pub(crate) fn fail<T>(at: usize, message: impl Into<String>) -> Result<T, TypeError> {
    Err(TypeError {
        message: message.into(),
        at,
    })
}

impl Checker<'_> {
    fn infer(&mut self, expr: &mut Expr) -> Inferred {
        expr.id = self.notes.len();
        self.notes.push(Note {
            found: Type::Dyn,
            fitting: Vec::new(),
        });
        let mut found = self.infer_kind(expr)?;
        if let Kind::Bind { .. } | Kind::Fold(_) | Kind::OptionalMap { .. } = expr.kind {
            // What comes out of a macro is of the type that is known by now.
            found = self.bindings.resolve(&found, false);
        }
        self.notes[expr.id].found = found.clone();
        Ok(found)
    }

    fn infer_kind(&mut self, expr: &mut Expr) -> Inferred {
        let (at, id) = (expr.at, expr.id);
        if let Some(name) = self.type_with_dots(expr) {
            expr.kind = Kind::Identifier(name.into());
        }
        match &mut expr.kind {
            Kind::Constant(value) => Ok(type_of(value)),
            Kind::Identifier(name) => {
                if let Some(plain) = name.strip_prefix('.')
                    && !self.scopes.iter().any(|(known, _)| &**known == plain)
                {
                    *name = plain.into();
                }
                self.identifier(name, at)
            }
            Kind::Has { operand, field } => {
                let operand = self.infer(operand)?;
                match self.bindings.resolve(&operand, false) {
                    Type::Optional(inner) => self.field(&inner, field, at)?,
                    plain => self.field(&plain, field, at)?,
                };
                Ok(Type::Bool)
            }
            Kind::Select {
                operand,
                field,
                optional,
            } => {
                let operand = self.infer(operand)?;
                match self.bindings.resolve(&operand, false) {
                    Type::Optional(inner) => {
                        let field = self.field(&inner, field, at)?;
                        Ok(Type::Optional(Rc::new(flatten(field))))
                    }
                    plain => {
                        let field = self.field(&plain, field, at)?;
                        Ok(if *optional {
                            Type::Optional(Rc::new(field))
                        } else {
                            field
                        })
                    }
                }
            }
            Kind::Call {
                function,
                arguments,
                method,
                ..
            } => {
                if *method && let Some(qualified) = self.namespaced(&arguments[0], function) {
                    *function = qualified.into();
                    arguments.remove(0);
                    *method = false;
                }
                self.call(function, arguments, *method, at, id)
            }
            Kind::List(items) => {
                let mut element = None;
                for item in items {
                    let at = item.value.at;
                    let mut found = self.infer(&mut item.value)?;
                    if item.optional {
                        found = self.optional_element(&found, at)?;
                    }
                    element = Some(self.bindings.join(element, &found));
                }
                let element = element.unwrap_or_else(|| self.bindings.fresh());
                Ok(Type::List(Rc::new(element)))
            }
            Kind::Map(entries) => {
                let (mut key, mut value) = (None, None);
                for entry in entries {
                    let value_at = entry.value.at;
                    let found = self.infer(&mut entry.key)?;
                    key = Some(self.bindings.join(key, &found));
                    let mut found = self.infer(&mut entry.value)?;
                    if entry.optional {
                        found = self.optional_element(&found, value_at)?;
                    }
                    value = Some(self.bindings.join(value, &found));
                }
                let key = key.unwrap_or_else(|| self.bindings.fresh());
                let value = value.unwrap_or_else(|| self.bindings.fresh());
                Ok(Type::Map(Rc::new(key), Rc::new(value)))
            }
            Kind::Fold(fold) => self.fold(fold, at, id),
            Kind::Bind { name, value, body } => {
                let value = self.infer(value)?;
                self.scopes.push((name.clone(), value));
                let body = self.infer(body);
                self.scopes.pop();
                body
            }
            Kind::OptionalMap {
                operand,
                name,
                body,
                flat,
            } => {
                let at_operand = operand.at;
                let operand = self.infer(operand)?;
                // What is in there may turn out to be of a known type where the whole is not.
                let inner = match self.bindings.resolve(&operand, false) {
                    Type::Dyn | Type::Any | Type::Null => self.bindings.fresh(),
                    _ => self.unwrap_optional(&operand, at_operand)?,
                };
                self.scopes.push((name.clone(), inner));
                let found = self.infer(body);
                self.scopes.pop();
                let found = found?;
                if *flat {
                    self.unwrap_optional(&found, body.at)?;
                    Ok(found)
                } else {
                    Ok(Type::Optional(Rc::new(found)))
                }
            }
            Kind::Message { name, fields } => {
                let Some(found) = message::message_type(name) else {
                    return fail(at, format!("undeclared reference to '{name}'"));
                };
                for field in fields {
                    let at = field.value.at;
                    let wanted = match &found {
                        device if *device == DEVICE => self.field(&DEVICE, &field.name, at)?,
                        _ => match message::field_type(name, &field.name) {
                            Some(wanted) => wanted,
                            None => return fail(at, format!("undefined field '{}'", field.name)),
                        },
                    };
                    let mut given = self.infer(&mut field.value)?;
                    if field.optional {
                        given = self.optional_element(&given, at)?;
                    }
                    if !self.bindings.assign(&wanted, &given) {
                        let given = self.bindings.resolve(&given, true);
                        return fail(
                            at,
                            format!(
                                "expected type of field '{}' is '{wanted}' but provided type is '{given}'",
                                field.name
                            ),
                        );
                    }
                }
                Ok(found)
            }
            Kind::Attribute { .. } | Kind::Driver => Ok(Type::Dyn),
        }
    }

    fn identifier(&mut self, name: &str, at: usize) -> Inferred {
        if let Some((_, found)) = self.scopes.iter().rev().find(|(known, _)| &**known == name) {
            return Ok(found.clone());
        }
        let name = name.strip_prefix('.').unwrap_or(name);
        if name == "device" {
            return Ok(DEVICE);
        }
        let named = match name {
            "bool" => Type::Bool,
            "int" => Type::Int,
            "uint" => Type::Uint,
            "double" => Type::Double,
            "string" => Type::String,
            "bytes" => Type::Bytes,
            "null_type" => Type::Null,
            "list" => Type::List(Rc::new(Type::Dyn)),
            "map" => Type::Map(Rc::new(Type::Dyn), Rc::new(Type::Dyn)),
            "type" => Type::Type(Rc::new(Type::Dyn)),
            "optional_type" => Type::Optional(Rc::new(Type::Dyn)),
            "net.IP" => Type::Opaque("net.IP"),
            "net.CIDR" => Type::Opaque("net.CIDR"),
            "google.protobuf.Timestamp" => Type::Timestamp,
            "google.protobuf.Duration" => Type::Duration,
            message::NULL_VALUE => return Ok(Type::Int),
            name if is_type(name) => Type::Dyn,
            _ => {
                return fail(
                    at,
                    format!("undeclared reference to '{name}' (in container '')"),
                );
            }
        };
        Ok(Type::Type(Rc::new(named)))
    }

    /// The name of a type, or of what has one as a prefix, unless it begins with a variable.
    fn type_with_dots(&self, expr: &Expr) -> Option<String> {
        let mut parts = Vec::new();
        let mut part = expr;
        let first = loop {
            match &part.kind {
                Kind::Select {
                    operand,
                    field,
                    optional: false,
                } => {
                    parts.push(&**field);
                    part = operand;
                }
                Kind::Identifier(name) if !parts.is_empty() => break &**name,
                _ => return None,
            }
        };
        let plain = first.strip_prefix('.');
        if !matches!(plain.unwrap_or(first), "google" | "net")
            || plain.is_none() && self.scopes.iter().any(|(known, _)| &**known == first)
        {
            return None;
        }
        parts.push(plain.unwrap_or(first));
        parts.reverse();
        let name = parts.join(".");
        (is_type(&name) || name == message::NULL_VALUE).then_some(name)
    }

    /// A function in a namespace: `sets.contains`, whatever variables there are.
    fn namespaced(&self, receiver: &Expr, function: &str) -> Option<String> {
        let Kind::Identifier(name) = &receiver.kind else {
            return None;
        };
        let name = name.strip_prefix('.').unwrap_or(name);
        if !NAMESPACES.contains(&name) {
            return None;
        }
        let qualified = format!("{name}.{function}");
        self.environment
            .functions
            .contains_key(&qualified)
            .then_some(qualified)
    }

    fn field(&mut self, operand: &Type, field: &str, at: usize) -> Inferred {
        match self.bindings.resolve(operand, false) {
            Type::Dyn | Type::Any | Type::Variable(_) => Ok(Type::Dyn),
            Type::Map(_, value) => Ok((*value).clone()),
            device if device == DEVICE => match field {
                "driver" => Ok(Type::String),
                "attributes" => Ok(map_of(map_of(self.environment.attribute.clone()))),
                "capacity" => Ok(map_of(map_of(Type::Opaque("kubernetes.Quantity")))),
                "allowMultipleAllocations" if self.environment.multiple_allocations => {
                    Ok(Type::Bool)
                }
                _ => fail(at, format!("undefined field '{field}'")),
            },
            other => fail(
                at,
                format!("type '{other}' does not support field selection"),
            ),
        }
    }

    /// The type of what is in an element that may be left out.
    fn optional_element(&mut self, t: &Type, at: usize) -> Inferred {
        match self.bindings.resolve(t, false) {
            Type::Variable(_) => fail(at, "expected type 'optional_type' but found none"),
            known => self.unwrap_optional(&known, at),
        }
    }

    fn unwrap_optional(&mut self, t: &Type, at: usize) -> Inferred {
        match self.bindings.resolve(t, false) {
            Type::Dyn | Type::Any => Ok(Type::Dyn),
            Type::Optional(inner) => Ok((*inner).clone()),
            Type::Variable(_) => {
                let inner = self.bindings.fresh();
                self.bindings
                    .assign(t, &Type::Optional(Rc::new(inner.clone())));
                Ok(inner)
            }
            other => fail(
                at,
                format!("expected type 'optional_type' but found '{other}'"),
            ),
        }
    }

    fn call(
        &mut self,
        function: &str,
        arguments: &mut [Expr],
        method: bool,
        at: usize,
        id: usize,
    ) -> Inferred {
        let found: Result<Vec<Type>, TypeError> = arguments
            .iter_mut()
            .map(|argument| self.infer(argument))
            .collect();
        let found = found?;
        let Some(overloads) = self.environment.functions.get(function) else {
            return fail(
                at,
                format!("undeclared reference to '{function}' (in container '')"),
            );
        };
        let mut result: Option<Type> = None;
        let mut fitting = Vec::new();
        for overload in overloads {
            if overload.method != method || overload.arguments.len() != found.len() {
                continue;
            }
            // What one overload binds holds for those after it.
            let mut trial = self.bindings.clone();
            let variables = [trial.fresh(), trial.fresh()];
            let fits = overload
                .arguments
                .iter()
                .zip(&found)
                .all(|(wanted, found)| trial.assign(found, &instantiate(wanted, &variables)));
            if !fits {
                continue;
            }
            let this = trial.resolve(&instantiate(&overload.result, &variables), false);
            self.bindings = trial;
            fitting.push(work(function, overload));
            result = Some(match result {
                None => this,
                Some(known) if known == this => known,
                Some(_) => Type::Dyn,
            });
        }
        let Some(result) = result else {
            let types: Vec<String> = found
                .iter()
                .map(|t| self.bindings.resolve(t, true).to_string())
                .collect();
            let shown = match (method, types.split_first()) {
                (true, Some((receiver, rest))) => format!("{receiver}.({})", rest.join(", ")),
                _ => format!("({})", types.join(", ")),
            };
            return fail(
                at,
                format!("found no matching overload for '{function}' applied to '{shown}'"),
            );
        };
        self.notes[id].fitting = fitting;
        Ok(result)
    }

    fn fold(&mut self, fold: &mut Fold, at: usize, id: usize) -> Inferred {
        let range = self.infer(&mut fold.range)?;
        let two = fold.second.is_some();
        let (first, second) = match self.bindings.resolve(&range, false) {
            Type::List(item) if two => (Type::Int, (*item).clone()),
            Type::List(item) => ((*item).clone(), Type::Dyn),
            Type::Map(key, value) => ((*key).clone(), (*value).clone()),
            Type::Dyn | Type::Variable(_) => (Type::Dyn, Type::Dyn),
            other => {
                return fail(
                    fold.range.at,
                    format!(
                        "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                    ),
                );
            }
        };
        if fold.kind == FoldKind::SortBy
            && !matches!(
                self.bindings.resolve(&range, false),
                Type::List(_) | Type::Dyn | Type::Variable(_)
            )
        {
            return fail(at, "sortBy() needs a list");
        }
        let depth = self.scopes.len();
        self.scopes.push((fold.first.clone(), first.clone()));
        if let Some(name) = &fold.second {
            self.scopes.push((name.clone(), second));
        }
        let result = self.fold_inside(fold, &range, &first, id);
        self.scopes.truncate(depth);
        result
    }

    fn fold_inside(
        &mut self,
        fold: &mut Fold,
        range: &Type,
        element: &Type,
        id: usize,
    ) -> Inferred {
        let filter = match &mut fold.filter {
            Some(filter) => Some((self.infer(filter)?, filter.at)),
            None => None,
        };
        let body = match &mut fold.body {
            Some(body) => Some((self.infer(body)?, body.at)),
            None => None,
        };
        if let Some((found, at)) = filter
            && !self.bindings.assign(&Type::Bool, &found)
        {
            let found = self.bindings.resolve(&found, true);
            return fail(at, format!("expected type 'bool' but found '{found}'"));
        }
        Ok(match (fold.kind, body) {
            (FoldKind::All | FoldKind::Exists | FoldKind::ExistsOne, _) => Type::Bool,
            (FoldKind::Filter, _) => Type::List(Rc::new(element.clone())),
            (FoldKind::List, Some((body, _))) => Type::List(Rc::new(body)),
            (FoldKind::Map, Some((body, _))) => {
                let key = self.scopes.iter().rev().nth(1).map(|(_, t)| t.clone());
                Type::Map(Rc::new(key.unwrap_or(Type::Dyn)), Rc::new(body))
            }
            (FoldKind::MapEntry, Some((body, at))) => match self.bindings.resolve(&body, false) {
                found @ (Type::Map(..) | Type::Dyn) => found,
                other => return fail(at, format!("expected a map but found '{other}'")),
            },
            (FoldKind::SortBy, Some((body, at))) => {
                // What may be of any type is of the first that can be sorted.
                if let Type::Variable(_) = self.bindings.resolve(&body, false) {
                    self.bindings.assign(&Type::Int, &body);
                }
                let found = self.bindings.resolve(&body, true);
                let sortable = matches!(
                    found,
                    Type::Dyn
                        | Type::Any
                        | Type::Int
                        | Type::Uint
                        | Type::Double
                        | Type::Bool
                        | Type::Duration
                        | Type::Timestamp
                        | Type::String
                        | Type::Bytes
                        | Type::Null
                );
                if !sortable {
                    return fail(at, format!("cannot sort by '{found}'"));
                }
                self.notes[id].fitting = match &found {
                    Type::Dyn | Type::Any => {
                        [false, true].map(|texts| Work::SortBy { texts }).to_vec()
                    }
                    // It may stand for a duration and for a timestamp.
                    Type::Null => [Work::SortBy { texts: false }; 2].to_vec(),
                    found => vec![Work::SortBy {
                        texts: sorts_texts(found),
                    }],
                };
                // A list of which nothing is known may hold anything once it is sorted.
                match self.bindings.resolve(range, false) {
                    Type::List(_) => Type::List(Rc::new(element.clone())),
                    _ if self.notes[id].fitting.len() > 1 => Type::Dyn,
                    _ => Type::List(Rc::new(self.bindings.fresh())),
                }
            }
            (_, None) => Type::Dyn,
        })
    }
}

fn map_of(value: Type) -> Type {
    Type::Map(Rc::new(Type::String), Rc::new(value))
}

fn flatten(t: Type) -> Type {
    match t {
        Type::Optional(inner) => (*inner).clone(),
        other => other,
    }
}

fn instantiate(t: &Type, variables: &[Type; 2]) -> Type {
    let inner = |t: &Rc<Type>| Rc::new(instantiate(t, variables));
    match t {
        Type::Variable(index) => variables[*index].clone(),
        Type::List(a) => Type::List(inner(a)),
        Type::Optional(a) => Type::Optional(inner(a)),
        Type::Type(a) => Type::Type(inner(a)),
        Type::Map(a, b) => Type::Map(inner(a), inner(b)),
        other => other.clone(),
    }
}

fn type_of(value: &Value) -> Type {
    match value {
        Value::Null => Type::Null,
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Int,
        Value::Uint(_) => Type::Uint,
        Value::Double(_) => Type::Double,
        Value::String(_) => Type::String,
        Value::Bytes(_) => Type::Bytes,
        _ => Type::Dyn,
    }
}
