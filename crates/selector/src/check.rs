//! Does an expression make sense? Types, names, literals; and what can be made simpler before it is
//! evaluated.

use std::rc::Rc;
use std::sync::Arc;

use crate::declarations::{Functions, NAMESPACES};
use crate::library::{regex, text};
use crate::syntax::{Expr, Fold, FoldKind, Kind};
use crate::typing::{Bindings, Type};
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

/// Finds the type of an expression.
pub fn check(expr: &mut Expr, environment: &Environment) -> Result<Type, TypeError> {
    let mut checker = Checker {
        environment,
        bindings: Bindings::default(),
        scopes: Vec::new(),
        mixed: false,
    };
    let found = checker.infer(expr)?;
    Ok(checker.bindings.resolve(&found, true))
}

struct Checker<'a> {
    environment: &'a Environment,
    bindings: Bindings,
    scopes: Vec<(Arc<str>, Type)>,
    /// Inside of the arguments of `format`, whose list may hold anything.
    mixed: bool,
}

/// The type of `device`.
pub const DEVICE: Type = Type::Opaque("kubernetes.DRADevice");

type Inferred = Result<Type, TypeError>;

fn fail<T>(at: usize, message: impl Into<String>) -> Result<T, TypeError> {
    Err(TypeError {
        message: message.into(),
        at,
    })
}

impl Checker<'_> {
    fn infer(&mut self, expr: &mut Expr) -> Inferred {
        let at = expr.at;
        match &mut expr.kind {
            Kind::Constant(value) => Ok(type_of(value)),
            Kind::Identifier(name) => self.identifier(name, at),
            Kind::Has { operand, field } => {
                let operand = self.infer(operand)?;
                self.field(&operand, field, at)?;
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
            } => {
                if *method && let Some(qualified) = self.namespaced(&arguments[0], function) {
                    *function = qualified.into();
                    arguments.remove(0);
                    *method = false;
                }
                self.call(function, arguments, *method, at)
            }
            Kind::List(items) => {
                let mut element = None;
                for item in items {
                    let at = item.value.at;
                    let mut found = self.infer(&mut item.value)?;
                    if item.optional {
                        found = self.unwrap_optional(&found, at)?;
                    }
                    element = Some(self.element(element, &found, "list", at)?);
                }
                let element = element.unwrap_or_else(|| self.bindings.fresh());
                Ok(Type::List(Rc::new(element)))
            }
            Kind::Map(entries) => {
                let (mut key, mut value) = (None, None);
                for entry in entries {
                    let (key_at, value_at) = (entry.key.at, entry.value.at);
                    let found = self.infer(&mut entry.key)?;
                    key = Some(self.element(key, &found, "map key", key_at)?);
                    let mut found = self.infer(&mut entry.value)?;
                    if entry.optional {
                        found = self.unwrap_optional(&found, value_at)?;
                    }
                    value = Some(self.element(value, &found, "map value", value_at)?);
                }
                let key = key.unwrap_or_else(|| self.bindings.fresh());
                let value = value.unwrap_or_else(|| self.bindings.fresh());
                Ok(Type::Map(Rc::new(key), Rc::new(value)))
            }
            Kind::Fold(fold) => self.fold(fold, at),
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
                let inner = self.unwrap_optional(&operand, at_operand)?;
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
            Kind::Attribute { .. } => Ok(Type::Dyn),
        }
    }

    fn identifier(&mut self, name: &str, at: usize) -> Inferred {
        if let Some((_, found)) = self.scopes.iter().rev().find(|(known, _)| &**known == name) {
            return Ok(found.clone());
        }
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
            "dyn" => Type::Dyn,
            "list" => Type::List(Rc::new(Type::Dyn)),
            "map" => Type::Map(Rc::new(Type::Dyn), Rc::new(Type::Dyn)),
            "type" => Type::Type(Rc::new(Type::Dyn)),
            "optional_type" => Type::Optional(Rc::new(Type::Dyn)),
            _ => {
                return fail(
                    at,
                    format!("undeclared reference to '{name}' (in container '')"),
                );
            }
        };
        Ok(Type::Type(Rc::new(named)))
    }

    /// A function in a namespace: `sets.contains`, unless a variable has the namespace's name.
    fn namespaced(&self, receiver: &Expr, function: &str) -> Option<String> {
        let Kind::Identifier(name) = &receiver.kind else {
            return None;
        };
        if self.scopes.iter().any(|(known, _)| known == name) || !NAMESPACES.contains(&&**name) {
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

    fn element(&mut self, known: Option<Type>, next: &Type, what: &str, at: usize) -> Inferred {
        let before = known.clone();
        let joined = self.bindings.join(known, next);
        if let Some(before) = before
            && !self.mixed
        {
            let before = self.bindings.resolve(&before, true);
            let next = self.bindings.resolve(next, true);
            if before != next {
                return fail(
                    at,
                    format!("expected type '{before}' but found '{next}' in {what}"),
                );
            }
        }
        Ok(joined)
    }

    fn call(
        &mut self,
        function: &str,
        arguments: &mut [Expr],
        method: bool,
        at: usize,
    ) -> Inferred {
        let mixed = self.mixed;
        self.mixed |= function == "format";
        let found: Result<Vec<Type>, TypeError> = arguments
            .iter_mut()
            .map(|argument| self.infer(argument))
            .collect();
        self.mixed = mixed;
        let found = found?;
        let Some(overloads) = self.environment.functions.get(function) else {
            return fail(
                at,
                format!("undeclared reference to '{function}' (in container '')"),
            );
        };
        let mut result: Option<Type> = None;
        let before = self.bindings.clone();
        let mut after = None;
        for overload in overloads {
            if overload.method != method || overload.arguments.len() != found.len() {
                continue;
            }
            let mut trial = before.clone();
            let variables = [trial.fresh(), trial.fresh()];
            let fits = overload
                .arguments
                .iter()
                .zip(&found)
                .all(|(wanted, found)| trial.assign(&instantiate(wanted, &variables), found));
            if !fits {
                continue;
            }
            let this = trial.resolve(&instantiate(&overload.result, &variables), false);
            result = Some(match result {
                None => {
                    after = Some(trial);
                    this
                }
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
        self.bindings = after.unwrap_or(before);
        check_literals(function, arguments, method)?;
        if function == "format" && method {
            self.check_format(arguments, at)?;
        }
        Ok(result)
    }

    /// A format that is a literal is checked against a list that is one.
    fn check_format(&mut self, arguments: &mut [Expr], at: usize) -> Result<(), TypeError> {
        let [pattern, list] = arguments else {
            return Ok(());
        };
        let (Kind::Constant(Value::String(pattern)), Kind::List(items)) =
            (&pattern.kind, &mut list.kind)
        else {
            return Ok(());
        };
        let verbs = match text::verbs(pattern) {
            Ok(verbs) => verbs,
            Err(error) => return fail(at, error.to_string()),
        };
        if verbs.len() > items.len() {
            return fail(at, format!("index {} out of range", items.len()));
        }
        let mixed = std::mem::replace(&mut self.mixed, true);
        for (verb, item) in verbs.into_iter().zip(items) {
            let found = self.infer(&mut item.value)?;
            let found = self.bindings.resolve(&found, true);
            let good = match (verb, &found) {
                (_, Type::Dyn | Type::Any) => true,
                ('s', found) => !matches!(found, Type::Opaque(_) | Type::Optional(_)),
                ('d', Type::Int | Type::Uint | Type::Double) => true,
                ('f' | 'e', Type::Double) => true,
                ('f', Type::Int | Type::Uint) => true,
                ('b', Type::Int | Type::Uint | Type::Bool) => true,
                ('x' | 'X', Type::Int | Type::Uint | Type::String | Type::Bytes) => true,
                ('o', Type::Int | Type::Uint) => true,
                _ => false,
            };
            if !good {
                return fail(
                    item.value.at,
                    format!("error during formatting: %{verb} does not take a {found}"),
                );
            }
        }
        self.mixed = mixed;
        Ok(())
    }

    fn fold(&mut self, fold: &mut Fold, at: usize) -> Inferred {
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
                Type::List(_) | Type::Dyn
            )
        {
            return fail(at, "sortBy() needs a list");
        }
        let depth = self.scopes.len();
        self.scopes.push((fold.first.clone(), first.clone()));
        if let Some(name) = &fold.second {
            self.scopes.push((name.clone(), second));
        }
        let result = self.fold_inside(fold, &first);
        self.scopes.truncate(depth);
        result
    }

    fn fold_inside(&mut self, fold: &mut Fold, element: &Type) -> Inferred {
        if let Some(filter) = &mut fold.filter {
            let at = filter.at;
            let found = self.infer(filter)?;
            if !self.bindings.assign(&Type::Bool, &found) {
                let found = self.bindings.resolve(&found, true);
                return fail(at, format!("expected type 'bool' but found '{found}'"));
            }
        }
        let body = match &mut fold.body {
            Some(body) => Some((self.infer(body)?, body.at)),
            None => None,
        };
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
                let found = self.bindings.resolve(&body, true);
                let sortable = matches!(
                    found,
                    Type::Dyn
                        | Type::Int
                        | Type::Uint
                        | Type::Double
                        | Type::Bool
                        | Type::Duration
                        | Type::Timestamp
                        | Type::String
                        | Type::Bytes
                );
                if !sortable {
                    return fail(at, format!("cannot sort by '{found}'"));
                }
                Type::List(Rc::new(element.clone()))
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

/// Literals that are wrong whenever they are evaluated: cel-go's validators, and its optimizer, which
/// evaluates conversions of constants while it compiles.
fn check_literals(function: &str, arguments: &[Expr], method: bool) -> Result<(), TypeError> {
    let constant = |index: usize| match arguments.get(index).map(|a| &a.kind) {
        Some(Kind::Constant(value)) => Some(value),
        _ => None,
    };
    if matches!(function, "matches" | "find" | "findAll")
        && let Some(Value::String(pattern)) = constant(1)
        && regex::compile(pattern).is_err()
    {
        return fail(arguments[1].at, "invalid matches argument");
    }
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
    if !method
        && arguments.len() == 1
        && CONVERSIONS.contains(&function)
        && let Some(value) = constant(0)
        && let Err(error) = crate::library::call(function, std::slice::from_ref(value))
    {
        return fail(arguments[0].at, error.to_string());
    }
    Ok(())
}

/// Replaces `device.attributes["domain"].id` by what needs no map.
pub fn simplify(expr: &mut Expr) {
    fn domain(expr: &Expr) -> Option<&Arc<str>> {
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
    fn is_device(expr: &Expr) -> bool {
        matches!(&expr.kind, Kind::Identifier(name) if &**name == "device")
    }
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
        } => domain(operand).map(|domain| (domain.clone(), field.clone())),
        Kind::Call {
            function,
            arguments,
            ..
        } if &**function == "_[_]" => match &arguments[1].kind {
            Kind::Constant(Value::String(id)) => {
                domain(&arguments[0]).map(|domain| (domain.clone(), id.clone()))
            }
            _ => None,
        },
        _ => None,
    };
    if let Some((domain, id)) = found {
        expr.kind = Kind::Attribute { domain, id };
        return;
    }
    for part in parts(expr) {
        simplify(part);
    }
}

/// The expressions directly inside of another.
fn parts(expr: &mut Expr) -> Vec<&mut Expr> {
    match &mut expr.kind {
        Kind::Constant(_) | Kind::Identifier(_) | Kind::Attribute { .. } => Vec::new(),
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
        Kind::Bind { value, body, .. } => vec![value, body],
        Kind::OptionalMap { operand, body, .. } => vec![operand, body],
    }
}
