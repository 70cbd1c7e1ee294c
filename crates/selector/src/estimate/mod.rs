//! What can evaluating an expression cost at most? Asked before it is stored.
//!
//! Sources: cel-go v0.29.2 (`checker/cost.go`) and, for functions, what `calls` names. Where the
//! result depends on a quirk, the quirk is kept: the limit is a matter of the API.

mod calls;
mod expand;
mod path;
mod range;

use std::sync::Arc;

use calls::{Argument, Estimate};
use expand::{Comprehension, Form, Node, expand};
use path::{Path, Step};
pub use range::Range;

use crate::check::Checked;
use crate::overload::Work;
use crate::syntax::Expr;
use crate::typing::Type;
use crate::value::Value;

/// What evaluating a checked expression, not yet planned, costs.
pub fn estimate(expr: &Expr, checked: &Checked) -> Range {
    let (node, count) = expand(expr, checked);
    let mut coster = Coster {
        paths: vec![None; count],
        sizes: vec![None; count],
        entries: vec![None; count],
        locals: Vec::new(),
    };
    coster.cost(&node)
}

/// The sizes of what is in a list or a map.
#[derive(Debug, Clone, Copy)]
struct Entries {
    list: bool,
    key: Range,
    value: Range,
}

impl Entries {
    fn union(one: Option<Entries>, other: Option<Entries>) -> Option<Entries> {
        let (one, other) = (one?, other?);
        Some(Entries {
            list: one.list,
            key: one.key.union(other.key),
            value: one.value.union(other.value),
        })
    }
}

struct Local {
    name: Arc<str>,
    path: Option<Path>,
    size: Option<Range>,
    entries: Option<Entries>,
}

struct Coster {
    paths: Vec<Option<Path>>,
    sizes: Vec<Option<Range>>,
    entries: Vec<Option<Entries>>,
    locals: Vec<Local>,
}

impl Coster {
    fn cost(&mut self, node: &Node) -> Range {
        match &node.form {
            Form::Literal(_) => Range::fixed(0),
            Form::Identifier(name) => {
                self.paths[node.id] = match self.local(name) {
                    Some(local) => local.path.clone(),
                    None => Some(Path::extended(None, Step::Name(name.clone()))),
                };
                Range::fixed(1)
            }
            Form::Has(operand) => self.cost(operand),
            Form::Select { operand, field } => {
                let mut cost = self.cost(operand);
                // What is selected from anything else costs nothing.
                if matches!(operand.found, Type::Map(..)) || is_struct(&operand.found) {
                    cost = cost.plus(Range::fixed(1));
                }
                let step = Step::Name(field.clone());
                self.paths[node.id] = Some(Path::extended(self.path(operand), step));
                cost
            }
            Form::Call {
                function,
                target,
                arguments,
                fitting,
            } => self.call(node, function, target.as_deref(), arguments, fitting),
            Form::List(items) => {
                let mut cost = Range::fixed(10);
                let mut value = Range::NONE;
                if items.is_empty() {
                    value.min = 0;
                }
                for item in items {
                    cost = cost.plus(self.cost(item));
                    value = value.union(self.size_or_unknown(item));
                }
                self.entries[node.id] = Some(Entries {
                    list: true,
                    key: Range::fixed(1),
                    value,
                });
                cost
            }
            Form::Map(entries) => {
                let mut cost = Range::fixed(30);
                let (mut key, mut value) = (Range::NONE, Range::NONE);
                if entries.is_empty() {
                    (key.min, value.min) = (0, 0);
                }
                for (k, v) in entries {
                    cost = cost.plus(self.cost(k)).plus(self.cost(v));
                    key = key.union(self.size_or_unknown(k));
                    value = value.union(self.size_or_unknown(v));
                }
                self.entries[node.id] = Some(Entries {
                    list: false,
                    key,
                    value,
                });
                cost
            }
            Form::Message(fields) => fields
                .iter()
                .fold(Range::fixed(40), |cost, field| cost.plus(self.cost(field))),
            Form::Comprehension(comprehension) => self.comprehension(node, comprehension),
            Form::Bind { name, init, result } => {
                // The empty list that the macro goes over.
                let cost = Range::fixed(10).plus(self.cost(init));
                self.push_bound(name, init);
                let cost = cost.plus(self.cost(result));
                self.locals.pop();
                self.copy_sizes(node, result);
                cost
            }
        }
    }

    fn comprehension(&mut self, node: &Node, comprehension: &Comprehension) -> Range {
        let Comprehension {
            range,
            first,
            second,
            accumulator,
            init,
            condition,
            step,
            result,
        } = comprehension;
        let mut cost = self.cost(range).plus(self.cost(init));
        self.push_bound(accumulator, init);
        let depth = self.locals.len();
        match second {
            Some(second) => {
                self.push_entry(first, range, true);
                self.push_entry(second, range, false);
            }
            None => {
                let keys = !self.is_list(range);
                self.push_entry(first, range, keys);
            }
        }
        let condition = self.cost(condition);
        let round = self.cost(step).plus(condition);
        self.locals.truncate(depth);
        cost = cost.plus(self.cost(result));
        self.locals.pop();
        let count = self.size_or_unknown(range);
        cost = cost.plus(count.times(round));
        match init.form {
            Form::Literal(_) => self.set_size(node, self.size_of_literal(init)),
            _ => {
                self.set_size(node, Some(count));
                if let Some(entries) = self.entries(step) {
                    self.entries[node.id] = Some(entries);
                }
            }
        }
        cost
    }

    fn call(
        &mut self,
        node: &Node,
        function: &str,
        target: Option<&Node>,
        arguments: &[Node],
        fitting: &[Work],
    ) -> Range {
        if let ("dyn", [argument]) = (function, arguments) {
            let cost = Range::fixed(1).plus(self.cost(argument));
            self.copy_sizes(node, argument);
            return cost;
        }
        let mut costs = Vec::with_capacity(arguments.len());
        let mut known = Vec::with_capacity(arguments.len());
        for argument in arguments {
            costs.push(self.cost(argument));
            known.push(self.argument(argument));
        }
        let on_target = target.map_or(Range::fixed(0), |target| self.cost(target));
        let target = target.map(|target| self.argument(target));
        let mut cost = Range::NONE;
        let mut size: Option<Range> = None;
        for &work in fitting {
            let estimate = self.function(node, function, work, target.as_ref(), &known, &costs);
            cost = cost.union(estimate.cost);
            if let Some(more) = estimate.size {
                size = Some(size.map_or(more, |size| size.union(more)));
            }
            if let (Work::IndexList | Work::IndexMap, [operand, ..]) = (work, arguments) {
                size = self.entries(operand).map(|entries| entries.value);
                let step = match work {
                    Work::IndexList => Step::Items,
                    _ => Step::Values,
                };
                self.paths[node.id] = Some(Path::extended(self.path(operand), step));
            }
            if size.is_none() {
                size = self.size(node);
            }
        }
        self.set_size(node, size);
        on_target.plus(cost)
    }

    fn function(
        &mut self,
        node: &Node,
        function: &str,
        work: Work,
        target: Option<&Argument<'_>>,
        arguments: &[Argument<'_>],
        costs: &[Range],
    ) -> Estimate {
        match (work, arguments, costs) {
            (Work::Logic, _, [left, right]) => {
                let cost = Range {
                    min: left.min,
                    max: left.plus(*right).max,
                };
                return Estimate { cost, size: None };
            }
            (Work::Conditional, [_, yes, no], [condition, if_yes, if_no]) => {
                let entries = Entries::union(self.entries(yes.node), self.entries(no.node));
                if entries.is_some() {
                    self.entries[node.id] = entries;
                }
                return Estimate {
                    cost: condition.plus(if_yes.union(*if_no)),
                    size: Some(yes.known().union(no.known())),
                };
            }
            (Work::AddText | Work::AddList, [left, right], _) => {
                let entries = Entries::union(self.entries(left.node), self.entries(right.node));
                if entries.is_some() {
                    self.entries[node.id] = entries;
                }
            }
            _ => {}
        }
        let mut estimate = calls::estimate(function, work, target, arguments);
        for cost in costs {
            estimate.cost = estimate.cost.plus(*cost);
        }
        estimate
    }

    fn argument<'n>(&mut self, node: &'n Node) -> Argument<'n> {
        Argument {
            path: self.path(node),
            size: self.size(node),
            node,
        }
    }

    fn local(&self, name: &str) -> Option<&Local> {
        self.locals.iter().rev().find(|local| &*local.name == name)
    }

    fn push_bound(&mut self, name: &Arc<str>, init: &Node) {
        let path = self.path(init);
        let entries = self.entries(init);
        let size = self.size(init);
        self.locals.push(Local {
            name: name.clone(),
            path,
            size,
            entries,
        });
    }

    fn is_list(&self, range: &Node) -> bool {
        match self.entries(range) {
            Some(entries) => entries.list,
            None => matches!(range.found, Type::List(_)),
        }
    }

    /// A variable for what is in a range: its keys or positions, or its values or elements.
    fn push_entry(&mut self, name: &Arc<str>, range: &Node, key: bool) {
        let entries = self.entries(range);
        let step = match (key, self.is_list(range)) {
            (true, true) => Step::Indices,
            (true, false) => Step::Keys,
            (false, true) => Step::Items,
            (false, false) => Step::Values,
        };
        let path = Path::extended(self.path(range), step);
        self.locals.push(Local {
            name: name.clone(),
            path: Some(path),
            size: entries.map(|entries| if key { entries.key } else { entries.value }),
            entries: None,
        });
    }

    fn path(&self, node: &Node) -> Option<Path> {
        if let Form::Identifier(name) = &node.form
            && let Some(local) = self.local(name)
        {
            return local.path.clone();
        }
        self.paths[node.id].clone()
    }

    fn entries(&self, node: &Node) -> Option<Entries> {
        if self.entries[node.id].is_some() {
            return self.entries[node.id];
        }
        match &node.form {
            Form::Identifier(name) => self.local(name)?.entries,
            _ => None,
        }
    }

    fn copy_sizes(&mut self, to: &Node, from: &Node) {
        let size = self.size(from);
        self.set_size(to, size);
        if let Some(entries) = self.entries(from) {
            self.entries[to.id] = Some(entries);
        }
    }

    fn set_size(&mut self, node: &Node, size: Option<Range>) {
        if size.is_some() {
            self.sizes[node.id] = size;
        }
    }

    fn size_or_unknown(&mut self, node: &Node) -> Range {
        self.size(node).unwrap_or(Range::UNKNOWN)
    }

    fn size_of_literal(&self, node: &Node) -> Option<Range> {
        let size = match &node.form {
            Form::Literal(value) => match value {
                Value::String(text) => text.chars().count(),
                Value::Bytes(bytes) => bytes.len(),
                _ => 1,
            },
            Form::List(items) => items.len(),
            Form::Map(entries) => entries.len(),
            _ => return None,
        };
        Some(Range::fixed(size as u64))
    }

    fn size(&mut self, node: &Node) -> Option<Range> {
        if self.sizes[node.id].is_some() {
            return self.sizes[node.id];
        }
        if let Some(size) = self.size_of_literal(node) {
            return Some(size);
        }
        if let Some(size) = self.path(node).and_then(|path| path.size()) {
            self.sizes[node.id] = Some(size);
            return Some(size);
        }
        if is_scalar(&node.found) {
            return Some(Range::fixed(1));
        }
        match &node.form {
            Form::Identifier(name) => self.local(name)?.size,
            _ => None,
        }
    }
}

fn is_struct(found: &Type) -> bool {
    matches!(found, Type::Opaque(name) if !matches!(*name, "net.IP" | "net.CIDR"))
}

/// Whether all values of a type are of one size.
fn is_scalar(found: &Type) -> bool {
    match found {
        Type::Bool | Type::Double | Type::Duration | Type::Int | Type::Timestamp | Type::Uint => {
            true
        }
        Type::Optional(inner) => is_scalar(inner),
        _ => false,
    }
}
