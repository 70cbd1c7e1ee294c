//! What does an expression say of a device? A walk over the tree that counts its steps.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::device::Subject;
use crate::library;
use crate::syntax::{Expr, Fold, FoldKind, Kind};
use crate::value::{Key, Map, Value};

/// Why an evaluation has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub Arc<str>);

impl Error {
    /// An error with this text.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Error(text.into())
    }

    /// A function that has no way to take its arguments.
    pub fn no_overload() -> Self {
        Error::new("no such overload")
    }
}

/// The cost that an evaluation may reach (`resource.k8s.io` `CELSelectorExpressionMaxCost`).
pub const COST_LIMIT: u64 = 1_000_000;

type Evaluated = Result<Value, Error>;

/// Evaluates an expression on a device.
pub fn evaluate(expr: &Expr, subject: &Subject) -> Evaluated {
    Evaluator {
        subject,
        cost: 0,
        variables: Vec::new(),
    }
    .value(expr)
}

struct Evaluator<'a> {
    subject: &'a Subject,
    cost: u64,
    variables: Vec<(Arc<str>, Value)>,
}

impl Evaluator<'_> {
    fn spend(&mut self, cost: u64) -> Result<(), Error> {
        self.cost += cost;
        if self.cost > COST_LIMIT {
            return Err(Error::new(
                "operation cancelled: actual cost limit exceeded",
            ));
        }
        Ok(())
    }

    fn value(&mut self, expr: &Expr) -> Evaluated {
        match &expr.kind {
            Kind::Constant(value) => Ok(value.clone()),
            Kind::Attribute { domain, id } => {
                self.spend(4)?;
                self.subject
                    .attribute(domain, id)
                    .cloned()
                    .ok_or_else(|| no_such_key(id))
            }
            Kind::Identifier(name) => {
                self.spend(1)?;
                Ok(self.variable(name))
            }
            Kind::Select {
                operand,
                field,
                optional,
            } => {
                let operand = self.value(operand)?;
                self.spend(1)?;
                self.select(&operand, field, *optional)
            }
            Kind::Has { operand, field } => {
                let operand = self.value(operand)?;
                Ok(match operand {
                    Value::Device => Value::Bool(true),
                    Value::Map(map) => Value::Bool(
                        map.lenient || map.entries.contains_key(&Key::String(field.clone())),
                    ),
                    Value::Optional(inner) => match inner.as_deref() {
                        Some(Value::Map(map)) => Value::Bool(
                            map.lenient || map.entries.contains_key(&Key::String(field.clone())),
                        ),
                        _ => Value::Bool(false),
                    },
                    _ => return Err(Error::no_overload()),
                })
            }
            Kind::Call {
                function,
                arguments,
                ..
            } => self.call(function, arguments),
            Kind::List(items) => {
                self.spend(10)?;
                let mut values = Vec::with_capacity(items.len());
                for item in items {
                    let value = self.value(&item.value)?;
                    if !item.optional {
                        values.push(value);
                    } else if let Some(value) = optional(value)? {
                        values.push((*value).clone());
                    }
                }
                Ok(values.into())
            }
            Kind::Map(entries) => {
                self.spend(30)?;
                let mut map = BTreeMap::new();
                for entry in entries {
                    let key = self.value(&entry.key)?;
                    let key = key.to_key().ok_or_else(|| {
                        Error::new(format!("unsupported key type: {}", key.type_name()))
                    })?;
                    let mut value = self.value(&entry.value)?;
                    if entry.optional {
                        match optional(value)? {
                            Some(inner) => value = (*inner).clone(),
                            None => continue,
                        }
                    }
                    // As in cel-go, the last of equal keys wins.
                    map.insert(key, value);
                }
                Ok(make_map(map))
            }
            Kind::Fold(fold) => self.fold(fold),
            Kind::Bind { name, value, body } => {
                let value = self.value(value)?;
                self.with(name, value, |e| e.value(body))
            }
            Kind::OptionalMap {
                operand,
                name,
                body,
                flat,
            } => {
                let operand = self.value(operand)?;
                match optional(operand)? {
                    None => Ok(Value::Optional(None)),
                    Some(inner) => {
                        let value = self.with(name, (*inner).clone(), |e| e.value(body))?;
                        Ok(if *flat {
                            value
                        } else {
                            Value::Optional(Some(Arc::new(value)))
                        })
                    }
                }
            }
        }
    }

    fn with<T>(&mut self, name: &Arc<str>, value: Value, run: impl FnOnce(&mut Self) -> T) -> T {
        self.variables.push((name.clone(), value));
        let result = run(self);
        self.variables.pop();
        result
    }

    fn variable(&self, name: &str) -> Value {
        if let Some((_, value)) = self
            .variables
            .iter()
            .rev()
            .find(|(known, _)| &**known == name)
        {
            return value.clone();
        }
        match name {
            "device" => Value::Device,
            // The checker lets only names of types through otherwise.
            _ => Value::Type(name.into()),
        }
    }

    fn select(&mut self, operand: &Value, field: &Arc<str>, optional: bool) -> Evaluated {
        let found = match operand {
            Value::Device => match &**field {
                "driver" => Some(Value::String(self.subject.driver.clone())),
                "attributes" => Some(Value::Map(self.subject.attributes.clone())),
                "capacity" => Some(Value::Map(self.subject.capacity.clone())),
                "allowMultipleAllocations" => Some(Value::Bool(self.subject.multiple)),
                _ => None,
            },
            Value::Map(map) => lookup(map, &Key::String(field.clone())),
            Value::Optional(inner) => {
                return match inner.as_deref() {
                    None => Ok(Value::Optional(None)),
                    Some(inner) => {
                        let found = self.select(inner, field, true)?;
                        Ok(found)
                    }
                };
            }
            _ => return Err(Error::no_overload()),
        };
        match (found, optional) {
            (Some(value), false) => Ok(value),
            (None, false) => Err(no_such_key(field)),
            (found, true) => Ok(Value::Optional(found.map(Arc::new))),
        }
    }

    fn call(&mut self, function: &str, arguments: &[Expr]) -> Evaluated {
        match function {
            "_&&_" => return self.logic(arguments, false),
            "_||_" => return self.logic(arguments, true),
            "_?_:_" => {
                return match self.value(&arguments[0])? {
                    Value::Bool(true) => self.value(&arguments[1]),
                    Value::Bool(false) => self.value(&arguments[2]),
                    _ => Err(Error::no_overload()),
                };
            }
            "or" | "orValue" => {
                let optional = optional(self.value(&arguments[0])?)?;
                return match optional {
                    Some(inner) if function == "orValue" => Ok((*inner).clone()),
                    Some(inner) => Ok(Value::Optional(Some(inner))),
                    None => self.value(&arguments[1]),
                };
            }
            _ => {}
        }
        if let [left, right] = arguments {
            let (left, right) = (self.value(left)?, self.value(right)?);
            self.spend(1 + library::weight(function, &[&left, &right]))?;
            return match function {
                "_==_" | "_!=_" if left.refuses_equality(&right) => Err(Error::no_overload()),
                "_==_" => Ok(Value::Bool(left.equals(&right))),
                "_!=_" => Ok(Value::Bool(!left.equals(&right))),
                "_[_]" => index(&left, &right),
                "_[?_]" => optional_index(&left, &right),
                _ => library::call(function, &[left, right]),
            };
        }
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            values.push(self.value(argument)?);
        }
        let weight = library::weight(function, &values.iter().collect::<Vec<_>>());
        self.spend(1 + weight)?;
        library::call(function, &values)
    }

    /// `&&` and `||`: an operand that decides wins over an error in the other.
    fn logic(&mut self, arguments: &[Expr], decides: bool) -> Evaluated {
        let left = self.value(&arguments[0]);
        if let Ok(Value::Bool(value)) = left
            && value == decides
        {
            return Ok(Value::Bool(decides));
        }
        let right = self.value(&arguments[1]);
        match (left, right) {
            (_, Ok(Value::Bool(value))) if value == decides => Ok(Value::Bool(decides)),
            (Err(error), _) | (Ok(Value::Bool(_)), Err(error)) => Err(error),
            (Ok(Value::Bool(_)), Ok(Value::Bool(_))) => Ok(Value::Bool(!decides)),
            _ => Err(Error::no_overload()),
        }
    }

    fn fold(&mut self, fold: &Fold) -> Evaluated {
        let range = self.value(&fold.range)?;
        let two = fold.second.is_some();
        let pairs: Vec<(Value, Value)> = match &range {
            Value::List(items) if two => items
                .iter()
                .enumerate()
                .map(|(index, item)| (Value::from(index), item.clone()))
                .collect(),
            Value::List(items) => items.iter().map(|i| (i.clone(), Value::Null)).collect(),
            Value::Map(map) => map
                .entries
                .iter()
                .map(|(key, value)| (from_key(key), value.clone()))
                .collect(),
            _ => return Err(Error::no_overload()),
        };
        let mut state = State::new(fold.kind);
        for (first, second) in pairs {
            self.spend(3)?;
            let depth = self.variables.len();
            self.variables.push((fold.first.clone(), first.clone()));
            if let Some(name) = &fold.second {
                self.variables.push((name.clone(), second));
            }
            let filter = fold.filter.as_ref().map(|filter| self.value(filter));
            let go_on = state.take(self, fold, filter, first);
            self.variables.truncate(depth);
            if !go_on? {
                break;
            }
        }
        state.finish()
    }
}

/// What a macro has gathered so far.
struct State {
    kind: FoldKind,
    count: usize,
    /// An error that a later element may still make good (`all`, `exists`).
    error: Option<Error>,
    decided: bool,
    list: Vec<Value>,
    map: BTreeMap<Key, Value>,
    keys: Vec<Value>,
}

impl State {
    fn new(kind: FoldKind) -> Self {
        State {
            kind,
            count: 0,
            error: None,
            decided: false,
            list: Vec::new(),
            map: BTreeMap::new(),
            keys: Vec::new(),
        }
    }

    /// Takes one element; false: no other matters.
    fn take(
        &mut self,
        evaluator: &mut Evaluator<'_>,
        fold: &Fold,
        filter: Option<Evaluated>,
        element: Value,
    ) -> Result<bool, Error> {
        let decides = self.kind == FoldKind::Exists;
        if matches!(self.kind, FoldKind::All | FoldKind::Exists) {
            match filter {
                Some(Ok(Value::Bool(value))) if value == decides => {
                    self.decided = true;
                    return Ok(false);
                }
                Some(Ok(Value::Bool(_))) | None => {}
                Some(Ok(_)) => {
                    self.error.get_or_insert_with(Error::no_overload);
                }
                Some(Err(error)) => {
                    self.error.get_or_insert(error);
                }
            }
            return Ok(true);
        }
        match filter {
            None | Some(Ok(Value::Bool(true))) => {}
            Some(Ok(Value::Bool(false))) => return Ok(true),
            Some(Ok(_)) => return Err(Error::no_overload()),
            Some(Err(error)) => return Err(error),
        }
        let body = fold
            .body
            .as_ref()
            .map(|body| evaluator.value(body))
            .transpose()?;
        match (self.kind, body) {
            (FoldKind::ExistsOne, _) => self.count += 1,
            (FoldKind::Filter, _) => self.list.push(element),
            (FoldKind::List, Some(value)) => self.list.push(value),
            (FoldKind::SortBy, Some(key)) => {
                self.keys.push(key);
                self.list.push(element);
            }
            (FoldKind::Map, Some(value)) => {
                let key = match element.to_key() {
                    Some(key) => key,
                    None => return Err(Error::no_overload()),
                };
                self.map.insert(key, value);
            }
            (FoldKind::MapEntry, Some(Value::Map(more))) => {
                for (key, value) in &more.entries {
                    if self.map.insert(key.clone(), value.clone()).is_some() {
                        return Err(Error::new("insert failed: key already exists"));
                    }
                }
            }
            _ => return Err(Error::no_overload()),
        }
        Ok(true)
    }

    fn finish(self) -> Evaluated {
        match self.kind {
            FoldKind::All | FoldKind::Exists => {
                let decides = self.kind == FoldKind::Exists;
                match (self.decided, self.error) {
                    (true, _) => Ok(Value::Bool(decides)),
                    (false, Some(error)) => Err(error),
                    (false, None) => Ok(Value::Bool(!decides)),
                }
            }
            FoldKind::ExistsOne => Ok(Value::Bool(self.count == 1)),
            FoldKind::Filter | FoldKind::List => Ok(self.list.into()),
            FoldKind::Map | FoldKind::MapEntry => Ok(make_map(self.map)),
            FoldKind::SortBy => library::lists::sort_by(&self.list, &self.keys),
        }
    }
}

pub(crate) fn no_such_key(key: &str) -> Error {
    Error::new(format!("no such key: {key}"))
}

fn make_map(entries: BTreeMap<Key, Value>) -> Value {
    Value::Map(Arc::new(Map {
        entries,
        lenient: false,
    }))
}

fn lookup(map: &Map, key: &Key) -> Option<Value> {
    match map.entries.get(key) {
        Some(value) => Some(value.clone()),
        None if map.lenient => Some(make_map(BTreeMap::new())),
        None => None,
    }
}

fn from_key(key: &Key) -> Value {
    match key {
        Key::Bool(value) => Value::Bool(*value),
        Key::Number(value) => match i64::try_from(*value) {
            Ok(value) => Value::Int(value),
            Err(_) => Value::Uint(u64::try_from(*value).unwrap_or_default()),
        },
        Key::Fraction(bits) => Value::Double(f64::from_bits(*bits)),
        Key::String(value) => Value::String(value.clone()),
    }
}

/// What is inside of an optional.
pub(crate) fn optional(value: Value) -> Result<Option<Arc<Value>>, Error> {
    match value {
        Value::Optional(inner) => Ok(inner),
        _ => Err(Error::no_overload()),
    }
}

fn position(index: &Value) -> Result<i64, Error> {
    match index {
        Value::Int(index) => Ok(*index),
        Value::Uint(index) => i64::try_from(*index).map_err(|_| out_of_bounds(index)),
        Value::Double(index) if index.fract() == 0.0 => Ok(*index as i64),
        other => Err(Error::new(format!(
            "unsupported index type '{}' in list",
            other.type_name()
        ))),
    }
}

fn out_of_bounds(index: impl std::fmt::Display) -> Error {
    Error::new(format!("index out of bounds: {index}"))
}

fn index(container: &Value, key: &Value) -> Evaluated {
    match container {
        Value::List(items) => {
            let at = position(key)?;
            usize::try_from(at)
                .ok()
                .and_then(|at| items.get(at))
                .cloned()
                .ok_or_else(|| out_of_bounds(at))
        }
        Value::Map(map) => {
            let found = key.to_key().and_then(|key| lookup(map, &key));
            match found {
                Some(value) => Ok(value),
                None if map.lenient => Ok(make_map(BTreeMap::new())),
                None => Err(no_such_key(&library::text::show(key))),
            }
        }
        Value::Optional(_) => optional_index(container, key),
        _ => Err(Error::no_overload()),
    }
}

fn optional_index(container: &Value, key: &Value) -> Evaluated {
    let found = match container {
        Value::Optional(None) => return Ok(Value::Optional(None)),
        Value::Optional(Some(inner)) => return optional_index(inner, key),
        Value::List(items) => {
            let at = position(key)?;
            usize::try_from(at)
                .ok()
                .and_then(|at| items.get(at))
                .cloned()
        }
        Value::Map(map) => key.to_key().and_then(|key| lookup(map, &key)),
        _ => return Err(Error::no_overload()),
    };
    Ok(Value::Optional(found.map(Arc::new)))
}
