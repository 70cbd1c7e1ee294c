//! The port's implementation: stored expressions for the allocator, new ones for validation.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use trainyard_model::Text;
use trainyard_model::device::{Attribute, Device};
use trainyard_model::features::{Feature, Features};
use trainyard_model::quantity::Quantity;
use trainyard_model::selector::{
    self, AttributeReads, CheckError, CompileError, EvalError, ExpressionCheck, Judgement, Reads,
};

use crate::check::{Environment, check};
use crate::declarations::functions;
use crate::device::{Subject, inner, to_attribute};
use crate::estimate::{Range, estimate};
use crate::eval::{COST_LIMIT, evaluate};
use crate::map::{Key, Map};
use crate::parse::parse;
use crate::plan::{plan, simplify};
use crate::reads;
use crate::syntax::Expr;
use crate::typing::Type;
use crate::value::Value;

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct Expression(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    tree: Expr,
    reads: Reads,
    /// The numbers of the attributes that are read; `None`: all attributes are.
    attributes: Option<Vec<u64>>,
}

impl Expression {
    /// What evaluating it on this device costs; `None`: the device cannot be evaluated on.
    pub fn cost(&self, device: &Prepared) -> Option<u64> {
        let subject = &device.content.subject;
        let cost = evaluate(&self.0.tree, subject).cost;
        subject.broken.is_none().then_some(cost)
    }
}

/// A device as the engine keeps it: converted, with its parts numbered so that equal ones are
/// recognised without comparing them. Equal devices share it.
#[derive(Debug, Clone)]
pub struct Prepared {
    content: Arc<Content>,
    /// Whether all attributes convert.
    converts: bool,
}

#[derive(Debug)]
struct Content {
    subject: Subject,
    driver: u64,
    attributes: u64,
    capacity: u64,
    /// By attribute's number, ascending: the number of its value.
    values: Vec<(u64, u64)>,
}

impl Content {
    /// Whether the other has the same value of an attribute, or neither has any.
    fn has_same(&self, other: &Content, attribute: u64) -> bool {
        let find = |content: &Content| {
            let values = &content.values;
            values.binary_search_by_key(&attribute, |(name, _)| *name)
        };
        match find(self) {
            // Devices of one slice mostly have the same attributes.
            Ok(at)
                if other
                    .values
                    .get(at)
                    .is_some_and(|(name, _)| *name == attribute) =>
            {
                self.values[at] == other.values[at]
            }
            Ok(at) => find(other).is_ok_and(|other_at| self.values[at] == other.values[other_at]),
            Err(_) => find(other).is_err(),
        }
    }
}

/// Evaluates stored expressions.
#[derive(Debug)]
pub struct Engine {
    environment: Environment,
    compiled: BTreeMap<(Text, bool), Result<Expression, CompileError>>,
    texts: FxHashMap<String, u64>,
    /// Devices that were converted before: most of a cluster's are alike.
    known: FxHashMap<Look, Prepared>,
}

/// All that an expression can see of a device.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Look {
    driver: Text,
    multiple: Option<bool>,
    attributes: Vec<(Text, Attribute)>,
    capacity: Vec<(Text, Quantity)>,
}

impl Default for Engine {
    fn default() -> Self {
        Self::new()
    }
}

impl Engine {
    /// The environment for stored expressions: the newest declarations, whatever the gates.
    pub fn new() -> Self {
        Engine {
            environment: Environment {
                functions: functions(true, false),
                attribute: Type::Dyn,
                multiple_allocations: true,
            },
            compiled: BTreeMap::new(),
            texts: FxHashMap::default(),
            known: FxHashMap::default(),
        }
    }

    fn compile_as(&mut self, source: &str, derived: bool) -> Result<Expression, CompileError> {
        let key = (Text::from(source), derived);
        if let Some(known) = self.compiled.get(&key) {
            return known.clone();
        }
        let result =
            compile(source, &self.environment, derived, true, false).map(|(mut tree, _)| {
                simplify(&mut tree);
                let reads = reads::of(&tree);
                let attributes = match &reads.attributes {
                    AttributeReads::All => None,
                    AttributeReads::Named(names) => {
                        let numbers = names.iter().map(|name| self.number(name.to_string()));
                        Some(numbers.collect())
                    }
                };
                Expression(Arc::new(Compiled {
                    tree,
                    reads,
                    attributes,
                }))
            });
        self.compiled.insert(key, result.clone());
        result
    }

    fn number(&mut self, text: String) -> u64 {
        let next = self.texts.len() as u64 + 1;
        *self.texts.entry(text).or_insert(next)
    }

    /// An attribute's number.
    fn number_of(&mut self, domain: &str, id: &str) -> u64 {
        self.number(format!("{domain}/{id}"))
    }
}

/// Parses, checks and plans, the type of the result included; the cost is `estimated` on request.
fn compile(
    source: &str,
    environment: &Environment,
    derived: bool,
    lists: bool,
    estimated: bool,
) -> Result<(Expr, Option<Range>), CompileError> {
    let error = |message: String, at: usize| CompileError {
        message: message.into(),
        span: Some((at, (at + 1).min(source.len().max(at)))),
    };
    let mut tree =
        parse(source).map_err(|e| error(format!("compilation failed: {}", e.message), e.at))?;
    let checked = check(&mut tree, environment)
        .map_err(|e| error(format!("compilation failed: {}", e.message), e.at))?;
    let found = checked.type_of(&tree).clone();
    let scalar = |t: &Type| {
        matches!(
            t,
            Type::Bool | Type::Int | Type::String | Type::Dyn | Type::Any
        ) || *t == Type::Opaque("kubernetes.Semver")
    };
    let good = match &found {
        t if derived => scalar(t) || matches!(t, Type::List(item) if lists && scalar(item)),
        t => *t == Type::Bool || *t == environment.attribute,
    };
    if good {
        let cost = estimated.then(|| estimate(&tree, &checked));
        plan(&mut tree, &checked)
            .map_err(|e| error(format!("program instantiation failed: {}", e.message), e.at))?;
        return Ok((tree, cost));
    }
    let message = if derived {
        format!(
            "must evaluate to a primitive scalar (string, integer, boolean, semver) or a list of these scalars, not {found}"
        )
    } else {
        format!("must evaluate to bool or the unknown type, not {found}")
    };
    Err(error(message, 0))
}

impl selector::Engine for Engine {
    type Expression = Expression;
    type Device = Prepared;

    fn convert(&mut self, driver: &str, device: &Device) -> Prepared {
        let capacity = device.capacity.iter();
        let look = Look {
            driver: driver.into(),
            multiple: device.allow_multiple_allocations,
            attributes: device
                .attributes
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            capacity: capacity.map(|(name, c)| (name.clone(), c.value)).collect(),
        };
        if let Some(known) = self.known.get(&look) {
            return known.clone();
        }
        let subject = Subject::new(driver, device);
        let mut values = Vec::new();
        for (domain, entries) in domains(&subject.attributes) {
            for (id, value) in entries {
                let number = self.number(format!("{value:?}"));
                values.push((self.number_of(&domain, &id), number));
            }
        }
        values.sort_unstable();
        let attributes = self.number(format!("{:?}", subject.attributes));
        let capacity = self.number(format!("{:?}", subject.capacity));
        let driver = self.number(driver.to_owned());
        let prepared = Prepared {
            converts: subject.broken.is_none(),
            content: Arc::new(Content {
                subject,
                driver,
                attributes,
                capacity,
                values,
            }),
        };
        self.known.insert(look, prepared.clone());
        prepared
    }

    fn compile(&mut self, source: &str) -> Result<Expression, CompileError> {
        self.compile_as(source, false)
    }

    fn compile_derived(&mut self, source: &str) -> Result<Expression, CompileError> {
        self.compile_as(source, true)
    }

    fn reads(&self, expression: &Expression) -> Reads {
        expression.0.reads.clone()
    }

    fn is_alike(&self, expression: &Expression, one: &Prepared, other: &Prepared) -> bool {
        let Compiled {
            reads, attributes, ..
        } = &*expression.0;
        // The text of what is wrong names the attribute: two broken devices need not be alike.
        if !one.converts || !other.converts {
            return false;
        }
        let (one, other) = (&*one.content, &*other.content);
        let same_attributes = match attributes {
            None => one.attributes == other.attributes,
            Some(numbers) => numbers.iter().all(|number| one.has_same(other, *number)),
        };
        same_attributes
            && (!reads.driver || one.driver == other.driver)
            && (!reads.allow_multiple_allocations || one.subject.multiple == other.subject.multiple)
            && (!reads.capacity || one.capacity == other.capacity)
    }

    fn converts(&self, device: &Prepared) -> bool {
        device.converts
    }

    fn judge(&self, expression: &Expression, device: &Prepared) -> Judgement {
        let (result, by_driver) = result(expression, device);
        let fits = result.and_then(|value| {
            as_bool(&value).ok_or_else(|| EvalError {
                message: format!(
                    "CEL result of type {} could not be converted to bool",
                    value.type_name()
                )
                .into(),
            })
        });
        Judgement { fits, by_driver }
    }

    fn derive(&self, expression: &Expression, device: &Prepared) -> Result<Attribute, EvalError> {
        let value = result(expression, device).0?;
        to_attribute(&value).map_err(|message| EvalError {
            message: message.into(),
        })
    }
}

/// What is in an optional counts.
fn as_bool(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::Optional(Some(inner)) => as_bool(inner),
        _ => None,
    }
}

fn domains(map: &Map) -> Vec<(Arc<str>, Vec<(Arc<str>, Value)>)> {
    map.entries
        .keys()
        .filter_map(|key| match key {
            Key::String(domain) => {
                let entries = inner(map, domain)?
                    .iter()
                    .filter_map(|(id, value)| match id {
                        Key::String(id) => Some((id.clone(), value.clone())),
                        _ => None,
                    })
                    .collect();
                Some((domain.clone(), entries))
            }
            _ => None,
        })
        .collect()
}

/// The value of an expression, and whether it depends on nothing but the driver.
fn result(expression: &Expression, device: &Prepared) -> (Result<Value, EvalError>, bool) {
    let subject = &device.content.subject;
    if let Some(message) = &subject.broken {
        let message = message.clone();
        return (Err(EvalError { message }), false);
    }
    let evaluation = evaluate(&expression.0.tree, subject);
    let result = evaluation.result;
    (
        result.map_err(|error| EvalError {
            message: (&*error.0).into(),
        }),
        evaluation.by_driver,
    )
}

/// Checks expressions that are being written, as the API server does.
#[derive(Debug)]
pub struct Checker {
    environment: Environment,
    lists: bool,
}

impl Checker {
    /// The environment for new expressions under these gates.
    pub fn new(features: Features) -> Self {
        let lists = features.has(Feature::ListTypeAttributes);
        Checker {
            environment: Environment {
                functions: functions(lists, true),
                attribute: if lists { Type::Dyn } else { Type::Any },
                multiple_allocations: features.has(Feature::ConsumableCapacity),
            },
            lists,
        }
    }

    /// What evaluating an expression is estimated to cost.
    pub fn estimate(&self, expression: &str, derived: bool) -> Result<Range, CompileError> {
        let (_, cost) = compile(expression, &self.environment, derived, self.lists, true)?;
        Ok(cost.unwrap_or(Range::UNKNOWN))
    }

    fn check(&self, expression: &str, derived: bool) -> Result<u64, CheckError> {
        match self.estimate(expression, derived) {
            Err(error) => Err(CheckError::Invalid(error.message)),
            Ok(cost) if cost.max > COST_LIMIT => Err(CheckError::TooCostly(cost.max)),
            Ok(cost) => Ok(cost.max),
        }
    }
}

impl ExpressionCheck for Checker {
    fn check_selector(&self, expression: &str) -> Result<(), CheckError> {
        self.check(expression, false).map(|_| ())
    }

    fn check_derived(&self, expression: &str) -> Result<u64, CheckError> {
        self.check(expression, true)
    }
}
