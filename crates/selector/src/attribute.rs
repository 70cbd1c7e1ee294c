//! Attributes, as cel-go calls a variable with what is selected from it: what that finds and costs.

use std::sync::Arc;

use crate::eval::{Error, Evaluated, Evaluator, Variable, make_map, no_such_key, optional};
use crate::library::text::show;
use crate::map::{Key, Map};
use crate::plan::is_primitive;
use crate::syntax::{Expr, Kind, Operator};
use crate::value::Value;

/// What was found on the way.
enum Found {
    Plain(Value),
    /// From an optional on, all selections are optional.
    Optional(Option<Value>),
}

impl Found {
    fn value(self) -> Value {
        match self {
            Found::Plain(value) => value,
            Found::Optional(value) => Value::Optional(value.map(Arc::new)),
        }
    }
}

/// Whether an expression is what cel-go calls an attribute: a variable with what is selected from it.
fn is_attribute(expr: &Expr) -> bool {
    match &expr.kind {
        Kind::Identifier(_)
        | Kind::Select { .. }
        | Kind::Has { .. }
        | Kind::Attribute { .. }
        | Kind::Driver
        | Kind::OptionalMap { .. } => true,
        Kind::Call { plan, .. } => matches!(
            plan.operator,
            Operator::Conditional | Operator::Index | Operator::OptionalIndex
        ),
        _ => false,
    }
}

/// Whether what is selected is selected from a conditional, whose branches bear the cost.
fn is_conditional(mut expr: &Expr) -> bool {
    loop {
        expr = match &expr.kind {
            Kind::OptionalMap { .. } => return true,
            Kind::Select { operand, .. } | Kind::Has { operand, .. } => operand,
            Kind::Call {
                arguments, plan, ..
            } => match plan.operator {
                Operator::Conditional => return true,
                Operator::Index | Operator::OptionalIndex => &arguments[0],
                _ => return false,
            },
            _ => return false,
        };
    }
}

impl<'a> Evaluator<'a> {
    /// An attribute that is handed on. The device as a whole is a map.
    pub(crate) fn whole(&mut self, expr: &'a Expr) -> Evaluated {
        let value = self.attribute(expr, true)?;
        if !matches!(value, Value::Device) {
            return Ok(value);
        }
        let mut map = Map {
            native: true,
            ..Map::default()
        };
        for name in [
            "driver",
            "attributes",
            "capacity",
            "allowMultipleAllocations",
        ] {
            if let Some(value) = self.field(name) {
                map.entries.insert(Key::String(name.into()), value);
            }
        }
        Ok(make_map(map))
    }

    /// Evaluates an attribute. Where it is observed as a whole, that costs one, beside one for each
    /// selection; a branch of a conditional and an index are not.
    fn attribute(&mut self, expr: &'a Expr, observed: bool) -> Evaluated {
        match &expr.kind {
            Kind::Attribute { domain, id } => {
                let value = self.device_attribute(domain, id, observed)?;
                Ok(value.clone())
            }
            Kind::Driver => {
                self.spend(1 + u64::from(observed));
                Ok(self.subject.driver.clone())
            }
            Kind::Identifier(name) => {
                self.spend(u64::from(observed));
                self.variable(name)
            }
            Kind::Has { operand, field } => {
                let container = self.operand(operand, false);
                let has = container.and_then(|container| self.has(container, field, observed));
                if observed && is_conditional(operand) {
                    // cel-go takes back what it has not added.
                    self.cost = self.cost.saturating_sub(1);
                }
                has
            }
            Kind::OptionalMap {
                operand,
                name,
                body,
                flat,
            } => {
                let has = self.value(operand);
                self.spend(1);
                if optional(has?)?.is_none() {
                    self.spend(1);
                    return Ok(Value::Optional(None));
                }
                let value = self.with(name, Variable::Opened(operand), |e| e.value(body));
                if *flat {
                    return value;
                }
                self.spend(1);
                Ok(Value::Optional(Some(Arc::new(value?))))
            }
            _ => Ok(self.selection(expr, observed)?.value()),
        }
    }

    /// What is selected from, or is one of two.
    fn selection(&mut self, expr: &'a Expr, observed: bool) -> Result<Found, Error> {
        match &expr.kind {
            Kind::Select {
                operand,
                field,
                optional,
            } => {
                let container = self.operand(operand, observed)?;
                self.select(container, &Key::String(field.clone()), *optional)
            }
            Kind::Call {
                arguments, plan, ..
            } if plan.operator == Operator::Conditional => match self.value(&arguments[0])? {
                Value::Bool(true) => self.operand(&arguments[1], false),
                Value::Bool(false) => self.operand(&arguments[2], false),
                _ => Err(Error::no_overload()),
            },
            Kind::Call {
                arguments, plan, ..
            } if plan.operator != Operator::Function => {
                let container = self.operand(&arguments[0], observed)?;
                if let Found::Optional(None) = container {
                    return Ok(container);
                }
                let lenient = plan.operator == Operator::OptionalIndex;
                match self.operand(&arguments[1], false) {
                    Ok(key) => self.index(container, &key.value(), lenient),
                    Err(error) => {
                        if !lenient && matches!(container, Found::Plain(_)) {
                            self.spend(1);
                        }
                        Err(error)
                    }
                }
            }
            _ => Ok(Found::Plain(self.attribute(expr, observed)?)),
        }
    }

    /// What something is selected from. An optional that is the first of all is looked into.
    fn operand(&mut self, expr: &'a Expr, observed: bool) -> Result<Found, Error> {
        let value = match &expr.kind {
            Kind::Select { .. } => return self.selection(expr, observed),
            Kind::Call { plan, .. } if is_attribute(expr) => {
                debug_assert!(plan.operator != Operator::Function);
                return self.selection(expr, observed);
            }
            _ if is_attribute(expr) => self.attribute(expr, observed)?,
            _ => {
                self.spend(u64::from(observed));
                self.value(expr)?
            }
        };
        Ok(match value {
            Value::Optional(inner) => Found::Optional(inner.map(|inner| (*inner).clone())),
            plain => Found::Plain(plain),
        })
    }

    pub(crate) fn device_attribute(
        &mut self,
        domain: &Arc<str>,
        id: &Arc<str>,
        observed: bool,
    ) -> Result<&'a Value, Error> {
        self.spend(3 + u64::from(observed));
        self.by_driver = false;
        let value = self.subject.attribute(domain, id);
        value.ok_or_else(|| no_such_key(id))
    }

    fn field(&mut self, name: &str) -> Option<Value> {
        self.by_driver &= name == "driver";
        Some(match name {
            "driver" => self.subject.driver.clone(),
            "attributes" => Value::Map(self.subject.attributes.clone()),
            "capacity" => Value::Map(self.subject.capacity.clone()),
            "allowMultipleAllocations" => Value::Bool(self.subject.multiple),
            _ => return None,
        })
    }

    /// What stands under a key. `Ok(None)`: nothing.
    fn find(&mut self, container: &Value, key: &Key) -> Result<Option<Value>, Error> {
        match (container, key) {
            (Value::Device, Key::String(name)) => Ok(self.field(name)),
            (Value::Map(map), key) => Ok(lookup(map, key)),
            (Value::List(_), _) => Err(Error::new("unsupported index type in list")),
            _ => Ok(None),
        }
    }

    fn select(&mut self, operand: Found, key: &Key, optional: bool) -> Result<Found, Error> {
        let (container, optional) = match operand {
            Found::Optional(None) => return Ok(operand),
            Found::Optional(Some(inner)) => (inner, true),
            Found::Plain(plain) => (plain, optional),
        };
        let found = self.find(&container, key);
        self.selected(found, optional, || match key {
            Key::String(name) => no_such_key(name),
            key => no_such_key(&show(&key.value())),
        })
    }

    /// A selection costs one, but nothing where it is optional and there is nothing.
    fn selected(
        &mut self,
        found: Result<Option<Value>, Error>,
        optional: bool,
        missing: impl FnOnce() -> Error,
    ) -> Result<Found, Error> {
        if !optional {
            self.spend(1);
            return Ok(Found::Plain(found?.ok_or_else(missing)?));
        }
        let found = found?;
        self.spend(u64::from(found.is_some()));
        Ok(Found::Optional(found))
    }

    fn has(&mut self, operand: Found, field: &Arc<str>, observed: bool) -> Evaluated {
        let key = Key::String(field.clone());
        match operand {
            // A branch of a conditional loses that it is a test.
            Found::Optional(_) if !observed => Ok(self.select(operand, &key, true)?.value()),
            Found::Optional(None) => Ok(Value::Bool(false)),
            Found::Optional(Some(inner)) => {
                let found = self.find(&inner, &key)?.is_some();
                self.spend(u64::from(found));
                Ok(Value::Bool(found))
            }
            Found::Plain(plain) => {
                self.spend(1);
                Ok(Value::Bool(self.find(&plain, &key)?.is_some()))
            }
        }
    }

    fn index(&mut self, operand: Found, key: &Value, optional: bool) -> Result<Found, Error> {
        let (container, optional) = match operand {
            Found::Optional(None) => return Ok(operand),
            Found::Optional(Some(inner)) => (inner, true),
            Found::Plain(plain) => (plain, optional),
        };
        match &container {
            Value::List(items) => {
                let at = position(key);
                let found = at.map(|at| {
                    usize::try_from(at)
                        .ok()
                        .and_then(|at| items.get(at))
                        .cloned()
                });
                self.selected(found, optional, || out_of_bounds(show(key)))
            }
            _ if !is_primitive(key) => {
                self.spend(u64::from(!optional));
                let name = key.type_name();
                Err(Error::new(format!("invalid qualifier type: {name}")))
            }
            _ => {
                let found = match Key::of(key) {
                    Some(key) => self.find(&container, &key),
                    None => Ok(None),
                };
                self.selected(found, optional, || no_such_key(&show(key)))
            }
        }
    }
}

fn lookup(map: &Map, key: &Key) -> Option<Value> {
    match map.find(key) {
        Some(value) => Some(value.clone()),
        None if map.lenient => Some(make_map(Map::default())),
        None => None,
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
