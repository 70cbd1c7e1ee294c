//! A checked expression as cel-go estimates it: macros are comprehensions.

use std::sync::Arc;

use crate::check::Checked;
use crate::overload::Work;
use crate::syntax::{Expr, Fold, FoldKind, Kind};
use crate::typing::Type;
use crate::value::Value;

/// A part of an expanded expression.
#[derive(Debug)]
pub struct Node {
    /// Its number.
    pub id: usize,
    /// Its type.
    pub found: Type,
    /// What it is.
    pub form: Form,
}

/// The kinds of part.
#[derive(Debug)]
pub enum Form {
    Literal(Value),
    Identifier(Arc<str>),
    Select {
        operand: Box<Node>,
        field: Arc<str>,
    },
    Has(Box<Node>),
    Call {
        function: Arc<str>,
        target: Option<Box<Node>>,
        arguments: Vec<Node>,
        fitting: Vec<Work>,
    },
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Message(Vec<Node>),
    Comprehension(Box<Comprehension>),
    Bind {
        name: Arc<str>,
        init: Box<Node>,
        result: Box<Node>,
    },
}

/// A loop with an accumulator.
#[derive(Debug)]
pub struct Comprehension {
    /// What it goes over.
    pub range: Node,
    /// The element or key; with two variables the index or key.
    pub first: Arc<str>,
    /// With two variables: the element or value.
    pub second: Option<Arc<str>>,
    /// The accumulator.
    pub accumulator: Arc<str>,
    /// Its first value.
    pub init: Node,
    /// Whether to go on.
    pub condition: Node,
    /// The accumulator's next value.
    pub step: Node,
    /// What comes out.
    pub result: Node,
}

/// Expands an expression; also says how many parts it has.
pub fn expand(expr: &Expr, checked: &Checked) -> (Node, usize) {
    let mut expander = Expander {
        checked,
        next: 0,
        accumulator: "@result".into(),
    };
    let node = expander.expr(expr);
    (node, expander.next)
}

struct Expander<'a> {
    checked: &'a Checked,
    next: usize,
    accumulator: Arc<str>,
}

impl Expander<'_> {
    fn node(&mut self, found: Type, form: Form) -> Node {
        self.next += 1;
        Node {
            id: self.next - 1,
            found,
            form,
        }
    }

    fn call(
        &mut self,
        found: Type,
        function: &str,
        target: Option<Node>,
        arguments: Vec<Node>,
        fitting: &[Work],
    ) -> Node {
        let form = Form::Call {
            function: function.into(),
            target: target.map(Box::new),
            arguments,
            fitting: fitting.to_vec(),
        };
        self.node(found, form)
    }

    fn boolean(&mut self, value: bool) -> Node {
        self.node(Type::Bool, Form::Literal(Value::Bool(value)))
    }

    fn integer(&mut self, value: i64) -> Node {
        self.node(Type::Int, Form::Literal(Value::Int(value)))
    }

    fn identifier(&mut self, name: &Arc<str>, found: &Type) -> Node {
        self.node(found.clone(), Form::Identifier(name.clone()))
    }

    fn expr(&mut self, expr: &Expr) -> Node {
        let found = self.checked.type_of(expr).clone();
        let form = match &expr.kind {
            Kind::Constant(value) => Form::Literal(value.clone()),
            Kind::Identifier(name) => Form::Identifier(name.clone()),
            Kind::Select {
                operand,
                field,
                optional: false,
            } => Form::Select {
                operand: Box::new(self.expr(operand)),
                field: field.clone(),
            },
            Kind::Select { operand, field, .. } => {
                let operand = self.expr(operand);
                let field = self.node(Type::String, Form::Literal(Value::String(field.clone())));
                return self.call(found, "_?._", None, vec![operand, field], &[Work::Plain]);
            }
            Kind::Has { operand, .. } => Form::Has(Box::new(self.expr(operand))),
            Kind::Call {
                function,
                arguments,
                method,
                ..
            } => {
                let mut arguments: Vec<Node> = arguments.iter().map(|a| self.expr(a)).collect();
                let target = method.then(|| Box::new(arguments.remove(0)));
                Form::Call {
                    function: function.clone(),
                    target,
                    arguments,
                    fitting: self.checked.fitting(expr).to_vec(),
                }
            }
            Kind::List(items) => {
                Form::List(items.iter().map(|item| self.expr(&item.value)).collect())
            }
            Kind::Map(entries) => Form::Map(
                entries
                    .iter()
                    .map(|entry| (self.expr(&entry.key), self.expr(&entry.value)))
                    .collect(),
            ),
            Kind::Fold(fold) if fold.kind == FoldKind::SortBy => {
                return self.sort_by(fold, &found, self.checked.fitting(expr));
            }
            Kind::Fold(fold) => {
                let range = self.expr(&fold.range);
                return self.comprehension(fold, range, &found);
            }
            Kind::Bind { name, value, body } => Form::Bind {
                name: name.clone(),
                init: Box::new(self.expr(value)),
                result: Box::new(self.expr(body)),
            },
            Kind::OptionalMap {
                operand,
                name,
                body,
                flat,
            } => return self.optional_map(operand, name, body, *flat, &found),
            Kind::Message { fields, .. } => {
                Form::Message(fields.iter().map(|field| self.expr(&field.value)).collect())
            }
            // Made by the planner, later.
            Kind::Attribute { .. } | Kind::Driver => Form::Literal(Value::Null),
        };
        self.node(found, form)
    }

    fn optional_map(
        &mut self,
        operand: &Expr,
        name: &Arc<str>,
        body: &Expr,
        flat: bool,
        found: &Type,
    ) -> Node {
        let plain = [Work::Plain];
        let first = self.expr(operand);
        let has = self.call(Type::Bool, "hasValue", Some(first), Vec::new(), &plain);
        let again = self.expr(operand);
        let inner = match &again.found {
            Type::Optional(inner) => (**inner).clone(),
            _ => Type::Dyn,
        };
        let value = self.call(inner, "value", Some(again), Vec::new(), &plain);
        let result = self.expr(body);
        let bound = result.found.clone();
        let form = Form::Bind {
            name: name.clone(),
            init: Box::new(value),
            result: Box::new(result),
        };
        let mut some = self.node(bound, form);
        if !flat {
            some = self.call(found.clone(), "optional.of", None, vec![some], &plain);
        }
        let none = self.call(found.clone(), "optional.none", None, Vec::new(), &plain);
        let fitting = [Work::Conditional];
        self.call(
            found.clone(),
            "_?_:_",
            None,
            vec![has, some, none],
            &fitting,
        )
    }

    fn sort_by(&mut self, fold: &Fold, found: &Type, fitting: &[Work]) -> Node {
        let input: Arc<str> = "@__sortBy_input__".into();
        let init = self.expr(&fold.range);
        let target = self.identifier(&input, &init.found);
        let range = self.identifier(&input, &init.found);
        let key = fold.body.as_ref().map(|body| self.checked.type_of(body));
        let key = key.unwrap_or(&Type::Dyn).clone();
        let keys = self.comprehension(fold, range, &Type::List(key.into()));
        let name = "@sortByAssociatedKeys";
        let sorted = self.call(found.clone(), name, Some(target), vec![keys], fitting);
        let form = Form::Bind {
            name: input,
            init: Box::new(init),
            result: Box::new(sorted),
        };
        self.node(found.clone(), form)
    }

    /// A macro over this range that makes a value of this type.
    fn comprehension(&mut self, fold: &Fold, range: Node, found: &Type) -> Node {
        use FoldKind as F;
        let accumulator = self.accumulator.clone();
        let gathered = match fold.kind {
            F::All | F::Exists => Type::Bool,
            F::ExistsOne => Type::Int,
            _ => found.clone(),
        };
        let init = match fold.kind {
            F::All | F::Exists => self.boolean(fold.kind == F::All),
            F::ExistsOne => self.integer(0),
            F::Map | F::MapEntry => self.node(gathered.clone(), Form::Map(Vec::new())),
            _ => self.node(gathered.clone(), Form::List(Vec::new())),
        };
        let accu = |this: &mut Self| this.identifier(&accumulator, &gathered);
        let condition = match fold.kind {
            F::All | F::Exists => {
                let mut condition = accu(self);
                if fold.kind == F::Exists {
                    condition = self.call(Type::Bool, "!_", None, vec![condition], &[Work::Plain]);
                }
                let name = "@not_strictly_false";
                self.call(Type::Bool, name, None, vec![condition], &[Work::Plain])
            }
            _ => self.boolean(true),
        };
        let filter = fold.filter.as_ref().map(|filter| self.expr(filter));
        let body = fold.body.as_ref().map(|body| self.expr(body));
        let accumulated = accu(self);
        let found_step = accumulated.found.clone();
        let (step, filter) = match (fold.kind, filter, body) {
            (F::All | F::Exists, Some(filter), _) => {
                let name = if fold.kind == F::All { "_&&_" } else { "_||_" };
                let both = vec![accumulated, filter];
                (
                    self.call(Type::Bool, name, None, both, &[Work::Logic]),
                    None,
                )
            }
            (F::ExistsOne, filter, _) => {
                let one = self.integer(1);
                let both = vec![accumulated, one];
                let step = self.call(Type::Int, "_+_", None, both, &[Work::Plain]);
                (step, filter)
            }
            (F::Map | F::MapEntry, filter, body) => {
                let mut arguments = vec![accumulated];
                if fold.kind == F::Map {
                    arguments.push(self.identifier(&fold.first, &Type::Dyn));
                }
                arguments.extend(body);
                let name = "cel.@mapInsert";
                let step = self.call(found_step, name, None, arguments, &[Work::Plain]);
                (step, filter)
            }
            (_, filter, body) => {
                let item = match (body, &gathered) {
                    (Some(body), _) => body,
                    // `filter` collects the elements themselves.
                    (None, Type::List(item)) => self.identifier(&fold.first, item),
                    (None, _) => self.identifier(&fold.first, &Type::Dyn),
                };
                let list = self.node(gathered.clone(), Form::List(vec![item]));
                let both = vec![accumulated, list];
                let step = self.call(found_step, "_+_", None, both, &[Work::AddList]);
                (step, filter)
            }
        };
        let step = match filter {
            Some(filter) => {
                let kept = accu(self);
                let found = kept.found.clone();
                let branches = vec![filter, step, kept];
                self.call(found, "_?_:_", None, branches, &[Work::Conditional])
            }
            None => step,
        };
        let mut result = accu(self);
        if fold.kind == F::ExistsOne {
            let one = self.integer(1);
            let both = vec![result, one];
            result = self.call(Type::Bool, "_==_", None, both, &[Work::Equal]);
        }
        let form = Form::Comprehension(Box::new(Comprehension {
            range,
            first: fold.first.clone(),
            second: fold.second.clone(),
            accumulator: self.accumulator.clone(),
            init,
            condition,
            step,
            result,
        }));
        self.node(found.clone(), form)
    }
}
