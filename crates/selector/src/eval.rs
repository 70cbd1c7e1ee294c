//! What does an expression say of a device? A walk over the tree that counts the cost.
//!
//! The cost is that of cel-go's cost tracker under Kubernetes' estimator, to the unit: where it
//! evaluates what we need not, such as the right side of `==` when the left has failed, we do too.

use std::borrow::Cow;
use std::sync::Arc;

use crate::charge::Charge;
use crate::device::Subject;
use crate::library;
use crate::map::{Map, Unhashable, is_unhashable};
use crate::message;
use crate::syntax::{CallPlan, Expr, Kind, Operator};
use crate::value::Value;

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

    fn limit() -> Self {
        Error::new("operation cancelled: actual cost limit exceeded")
    }
}

/// The cost that an evaluation may reach (`resource.k8s.io` `CELSelectorExpressionMaxCost`).
pub const COST_LIMIT: u64 = 1_000_000;

pub(crate) type Evaluated = Result<Value, Error>;

/// What came of an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The value, or why there is none.
    pub result: Result<Value, Error>,
    /// What it cost; beyond [`COST_LIMIT`] it is not counted to the end.
    pub cost: u64,
    /// Whether nothing of the device was looked at but its driver.
    pub by_driver: bool,
}

/// Evaluates a planned expression on a device.
pub fn evaluate(expr: &Expr, subject: &Subject) -> Evaluation {
    let mut evaluator = Evaluator {
        subject,
        cost: 0,
        variables: Vec::new(),
        fatal: None,
        by_driver: true,
    };
    let result = evaluator.value(expr);
    let result = match evaluator.fatal {
        Some(error) => Err(error),
        None if evaluator.cost > COST_LIMIT => Err(Error::limit()),
        None => result,
    };
    Evaluation {
        result,
        cost: evaluator.cost,
        by_driver: evaluator.by_driver,
    }
}

pub(crate) struct Evaluator<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) cost: u64,
    pub(crate) variables: Vec<(&'a Arc<str>, Variable<'a>)>,
    /// What no operator can make good.
    pub(crate) fatal: Option<Error>,
    pub(crate) by_driver: bool,
}

/// What a variable stands for.
#[derive(Clone)]
pub(crate) enum Variable<'a> {
    Known(Evaluated),
    /// `cel.bind`: evaluated when it is first asked for.
    Bound(&'a Expr),
    /// `optMap`: the same, and what is in the optional is meant.
    Opened(&'a Expr),
}

impl<'a> Evaluator<'a> {
    pub(crate) fn spend(&mut self, cost: u64) {
        self.cost = self.cost.saturating_add(cost);
    }

    /// Stops what may go on for long.
    pub(crate) fn check_limit(&self) -> Result<(), Error> {
        if self.cost > COST_LIMIT {
            return Err(Error::limit());
        }
        Ok(())
    }

    pub(crate) fn value(&mut self, expr: &'a Expr) -> Evaluated {
        match &expr.kind {
            Kind::Constant(value) => Ok(value.clone()),
            Kind::Identifier(_)
            | Kind::Select { .. }
            | Kind::Has { .. }
            | Kind::Attribute { .. }
            | Kind::Driver
            | Kind::OptionalMap { .. } => self.whole(expr),
            Kind::Call {
                function,
                arguments,
                plan,
                ..
            } => match plan.operator {
                Operator::And => self.logic(arguments, false),
                Operator::Or => self.logic(arguments, true),
                Operator::Conditional | Operator::Index | Operator::OptionalIndex => {
                    self.whole(expr)
                }
                Operator::OptionalOr | Operator::OptionalOrValue => {
                    match optional(self.value(&arguments[0])?)? {
                        Some(inner) if plan.operator == Operator::OptionalOrValue => {
                            Ok((*inner).clone())
                        }
                        Some(inner) => Ok(Value::Optional(Some(inner))),
                        None => self.value(&arguments[1]),
                    }
                }
                Operator::Equal | Operator::NotEqual | Operator::Function => {
                    self.call(function, arguments, plan)
                }
            },
            Kind::List(items) => {
                self.spend(10);
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
                self.spend(30);
                let mut map = Map::default();
                for entry in entries {
                    let key = self.value(&entry.key)?;
                    let mut value = self.value(&entry.value)?;
                    if entry.optional {
                        match optional(value)? {
                            Some(inner) => value = (*inner).clone(),
                            None => {
                                let taken = map.take(&key);
                                taken.map_err(|Unhashable| self.unhashable(&key))?;
                                continue;
                            }
                        }
                    }
                    // As in cel-go, the last of equal keys wins.
                    self.put(&mut map, &key, value)?;
                }
                Ok(make_map(map))
            }
            Kind::Message { name, fields } => {
                self.spend(40);
                let mut values: Vec<(Arc<str>, Value)> = Vec::with_capacity(fields.len());
                for field in fields {
                    let mut value = self.value(&field.value)?;
                    values.retain(|(known, _)| *known != field.name);
                    if field.optional {
                        match optional(value)? {
                            Some(inner) => value = (*inner).clone(),
                            None => continue,
                        }
                    }
                    values.push((field.name.clone(), value));
                }
                message::make(name, &values)
            }
            Kind::Fold(fold) => self.fold(fold),
            Kind::Bind { name, value, body } => {
                self.with(name, Variable::Bound(value), |e| e.value(body))
            }
        }
    }

    /// Adds an entry to a map. cel-go panics over what it cannot hash.
    pub(crate) fn put(&mut self, map: &mut Map, key: &Value, value: Value) -> Result<(), Error> {
        let put = map.put(key, value);
        put.map_err(|Unhashable| self.unhashable(key))
    }

    fn unhashable(&mut self, key: &Value) -> Error {
        let name = key.type_name();
        let error = Error::new(format!("internal error: hash of unhashable type {name}"));
        self.fatal.get_or_insert(error).clone()
    }

    pub(crate) fn with<T>(
        &mut self,
        name: &'a Arc<str>,
        variable: Variable<'a>,
        run: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.variables.push((name, variable));
        let result = run(self);
        self.variables.pop();
        result
    }

    pub(crate) fn variable(&mut self, name: &str) -> Evaluated {
        let Some(at) = self
            .variables
            .iter()
            .rposition(|(known, _)| known.as_ref() == name)
        else {
            // The checker lets no other name through.
            return Ok(Value::Device);
        };
        let lazy = match &self.variables[at].1 {
            Variable::Known(value) => return value.clone(),
            lazy => lazy.clone(),
        };
        // It sees the variables that were there when it was bound.
        let later = if at + 1 < self.variables.len() {
            self.variables.split_off(at + 1)
        } else {
            Vec::new()
        };
        let own = self.variables.pop();
        let value = match lazy {
            Variable::Known(value) => value,
            Variable::Bound(expr) => self.value(expr),
            Variable::Opened(expr) => {
                let opened = self.value(expr);
                self.spend(1);
                opened.and_then(|value| library::call("value", &[value]))
            }
        };
        if let Some((name, _)) = own {
            self.variables.push((name, Variable::Known(value.clone())));
        }
        self.variables.extend(later);
        value
    }

    /// The same as [`Evaluator::value`]; what is there already is not copied.
    fn borrowed(&mut self, expr: &'a Expr) -> Result<Cow<'a, Value>, Error> {
        Ok(match &expr.kind {
            Kind::Constant(value) => Cow::Borrowed(value),
            Kind::Attribute { domain, id } => {
                Cow::Borrowed(self.device_attribute(domain, id, true)?)
            }
            Kind::Driver => {
                self.spend(2);
                Cow::Borrowed(&self.subject.driver)
            }
            _ => Cow::Owned(self.value(expr)?),
        })
    }

    fn call(&mut self, function: &str, arguments: &'a [Expr], plan: &CallPlan) -> Evaluated {
        // cel-go evaluates both of two arguments even where the first has failed.
        match arguments {
            [one] => {
                let one = self.value(one);
                let result = one.as_ref().map_or_else(
                    |error| Err(error.clone()),
                    |one| match (plan.element, one) {
                        (Some(element), Value::List(items)) => {
                            library::lists::gather(function, element, items)
                        }
                        _ => library::call(function, std::slice::from_ref(one)),
                    },
                );
                self.charge(plan.charge, &[one.as_ref().ok()], result)
            }
            [left, right] if !plan.early => {
                let (left, right) = (self.borrowed(left), self.borrowed(right));
                let (Ok(left), Ok(right)) = (&left, &right) else {
                    let both = [left.as_deref().ok(), right.as_deref().ok()];
                    let failed = left.as_ref().err().or(right.as_ref().err()).cloned();
                    let failed = failed.unwrap_or_else(Error::no_overload);
                    return self.charge(plan.charge, &both, Err(failed));
                };
                if is_unhashable(left) && looks_up(function, plan, right) {
                    return Err(self.unhashable(left));
                }
                let result = match plan.operator {
                    Operator::Equal if left.refuses_equality(right) => Err(Error::no_overload()),
                    Operator::Equal => Ok(Value::Bool(left.equals(right))),
                    Operator::NotEqual => Ok(Value::Bool(
                        left.refuses_equality(right) || !left.equals(right),
                    )),
                    _ => library::call(function, &[(**left).clone(), (**right).clone()]),
                };
                self.charge(plan.charge, &[Some(left), Some(right)], result)
            }
            _ => {
                let mut values = Vec::with_capacity(arguments.len());
                for (index, argument) in arguments.iter().enumerate() {
                    match self.value(argument) {
                        Ok(value) => values.push(value),
                        // The call counts where all of its arguments were evaluated.
                        Err(error) if index + 1 == arguments.len() => {
                            let known = values.iter().map(Some).chain([None]);
                            let known: Vec<_> = known.collect();
                            return self.charge(plan.charge, &known, Err(error));
                        }
                        Err(error) => return Err(error),
                    }
                }
                let result = match &plan.pattern {
                    Some(pattern) => library::regex::call_compiled(function, pattern, &values),
                    None => library::call(function, &values),
                };
                let values: Vec<_> = values.iter().map(Some).collect();
                self.charge(plan.charge, &values, result)
            }
        }
    }

    /// Counts a call that was made.
    fn charge(
        &mut self,
        charge: Charge,
        arguments: &[Option<&Value>],
        result: Evaluated,
    ) -> Evaluated {
        match charge.cost(arguments, result.as_ref().ok()) {
            Ok(cost) => self.spend(cost),
            // What is stopped for its cost does not come this far.
            Err(error) if self.cost <= COST_LIMIT => {
                self.fatal.get_or_insert(error);
            }
            Err(_) => {}
        }
        result
    }

    /// `&&` and `||`: an operand that decides wins over an error in the other.
    fn logic(&mut self, arguments: &'a [Expr], decides: bool) -> Evaluated {
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
}

/// Whether the left side of `in` is hashed.
fn looks_up(function: &str, plan: &CallPlan, right: &Value) -> bool {
    match right {
        Value::Map(map) => function == "@in" && !map.native && !map.entries.is_empty(),
        // A constant list is made a set.
        _ => plan.charge == Charge::Free,
    }
}

pub(crate) fn no_such_key(key: &str) -> Error {
    Error::new(format!("no such key: {key}"))
}

pub(crate) fn make_map(map: Map) -> Value {
    Value::Map(Arc::new(map))
}

/// What is inside of an optional.
pub(crate) fn optional(value: Value) -> Result<Option<Arc<Value>>, Error> {
    match value {
        Value::Optional(inner) => Ok(inner),
        _ => Err(Error::no_overload()),
    }
}
