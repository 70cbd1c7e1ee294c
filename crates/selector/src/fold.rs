//! Macros over the elements of a list or the keys of a map, and what they cost.
//!
//! cel-go expands them to comprehensions with an accumulator; each use of it costs one, and so does
//! each operator of the expansion. An error in the accumulator does not end the loop there.

use crate::charge::compare_all;
use crate::eval::{Error, Evaluated, Evaluator, Variable, make_map};
use crate::library;
use crate::map::Map;
use crate::syntax::{Expr, Fold, FoldKind, Kind};
use crate::value::Value;

/// What a macro has gathered so far.
struct State {
    kind: FoldKind,
    count: usize,
    error: Option<Error>,
    decided: bool,
    list: Vec<Value>,
    map: Map,
    keys: Vec<Value>,
}

impl<'a> Evaluator<'a> {
    pub(crate) fn fold(&mut self, fold: &'a Fold) -> Evaluated {
        let sorts = fold.kind == FoldKind::SortBy;
        // `sortBy` binds its list to a variable, and uses it twice.
        let range = self.value(&fold.range);
        self.cost += if sorts { 2 } else { 0 };
        let range = match range {
            Ok(range @ (Value::List(_) | Value::Map(_))) => range,
            Ok(_) => return self.refuse(fold, Error::no_overload()),
            Err(error) => return self.refuse(fold, error),
        };
        let mut state = State::new(fold.kind);
        match &range {
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    let (first, second) = match fold.second {
                        Some(_) => (Value::from(index), Some(item)),
                        None => (item.clone(), None),
                    };
                    if !self.element(fold, &mut state, first, second)? {
                        break;
                    }
                }
            }
            Value::Map(map) => {
                for (key, value) in &map.entries {
                    if !self.element(fold, &mut state, key.value(), Some(value))? {
                        break;
                    }
                }
            }
            _ => {}
        }
        // The result is the accumulator, or a comparison with it.
        self.cost += if fold.kind == FoldKind::ExistsOne {
            2
        } else {
            1
        };
        if sorts {
            return match state.error.take() {
                Some(error) => self.refuse(fold, error),
                None => {
                    self.cost += match fold.charges {
                        true => compare_all(&state.keys),
                        false => 1,
                    };
                    match range {
                        Value::List(_) => state.finish(),
                        // What is sorted must be a list, though its keys were gone over.
                        _ => Err(Error::no_overload()),
                    }
                }
            };
        }
        state.finish()
    }

    /// There is nothing to go over. Sorting by keys of a known type is where cel-go panics.
    fn refuse(&mut self, fold: &Fold, error: Error) -> Evaluated {
        if fold.kind == FoldKind::SortBy {
            if fold.charges {
                self.fatal.get_or_insert(error.clone());
            } else {
                self.cost += 1;
            }
        }
        Err(error)
    }

    /// Takes one element; false: no other matters.
    fn element(
        &mut self,
        fold: &'a Fold,
        state: &mut State,
        first: Value,
        second: Option<&Value>,
    ) -> Result<bool, Error> {
        self.check_limit()?;
        match fold.kind {
            FoldKind::All => self.cost += 2,
            FoldKind::Exists => self.cost += 3,
            _ => {}
        }
        if state.decided {
            return Ok(false);
        }
        let depth = self.variables.len();
        let element = first.clone();
        self.variables
            .push((&fold.first, Variable::Known(Ok(first))));
        if let (Some(name), Some(second)) = (&fold.second, second) {
            self.variables
                .push((name, Variable::Known(Ok(second.clone()))));
        }
        self.step(fold, state, element);
        self.variables.truncate(depth);
        Ok(true)
    }

    fn step(&mut self, fold: &'a Fold, state: &mut State, element: Value) {
        if matches!(fold.kind, FoldKind::All | FoldKind::Exists) {
            self.cost += 1;
        }
        let filter = fold.filter.as_ref().map(|filter| self.value(filter));
        if matches!(fold.kind, FoldKind::All | FoldKind::Exists) {
            let decides = fold.kind == FoldKind::Exists;
            match filter {
                Some(Ok(Value::Bool(value))) => state.decided = value == decides,
                Some(Ok(_)) => {
                    state.error.get_or_insert_with(Error::no_overload);
                }
                Some(Err(error)) => {
                    state.error.get_or_insert(error);
                }
                None => {}
            }
            return;
        }
        match filter {
            None | Some(Ok(Value::Bool(true))) => {}
            Some(Ok(Value::Bool(false))) => return,
            Some(Ok(_)) => return state.fail(Error::no_overload()),
            Some(Err(error)) => return state.fail(error),
        }
        if let Err(error) = self.gather(fold, state, element) {
            state.fail(error);
        }
    }

    /// Adds what an element makes to the accumulator.
    fn gather(&mut self, fold: &'a Fold, state: &mut State, element: Value) -> Result<(), Error> {
        // The accumulator.
        self.cost += 1;
        match (fold.kind, &fold.body) {
            (FoldKind::ExistsOne, _) => {
                self.cost += 1;
                state.count += 1;
            }
            (FoldKind::Filter, _) => {
                self.cost += 12;
                state.list.push(element);
            }
            (FoldKind::List, Some(body)) => {
                let value = self.listed(body)?;
                state.list.push(value);
            }
            (FoldKind::SortBy, Some(body)) => {
                let key = self.listed(body)?;
                state.keys.push(key);
                state.list.push(element);
            }
            (FoldKind::Map, Some(body)) => {
                if state.error.is_some() {
                    return Ok(());
                }
                self.cost += 1;
                let value = self.value(body);
                self.cost += 1;
                let value = value?;
                self.put(&mut state.map, &element, value)?;
            }
            (FoldKind::MapEntry, Some(body)) => {
                let entries = self.value(body);
                self.cost += 1;
                let Value::Map(more) = entries? else {
                    return Err(Error::no_overload());
                };
                for (key, value) in &more.entries {
                    if state.map.find(key).is_some() {
                        return Err(Error::new("insert failed: key already exists"));
                    }
                    self.put(&mut state.map, &key.value(), value.clone())?;
                }
            }
            _ => return Err(Error::no_overload()),
        }
        Ok(())
    }

    /// A list with one element, added to another; a constant one is made only once.
    fn listed(&mut self, body: &'a Expr) -> Evaluated {
        let value = self.value(body);
        self.cost += match body.kind {
            Kind::Constant(_) => 1,
            _ => 11,
        };
        value
    }
}

impl State {
    fn new(kind: FoldKind) -> Self {
        State {
            kind,
            count: 0,
            error: None,
            decided: false,
            list: Vec::new(),
            map: Map::default(),
            keys: Vec::new(),
        }
    }

    fn fail(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }

    fn finish(self) -> Evaluated {
        let quantifier = matches!(self.kind, FoldKind::All | FoldKind::Exists);
        let decides = self.kind == FoldKind::Exists;
        match self.error {
            _ if quantifier && self.decided => return Ok(Value::Bool(decides)),
            Some(error) => return Err(error),
            None => {}
        }
        match self.kind {
            FoldKind::All | FoldKind::Exists => Ok(Value::Bool(!decides)),
            FoldKind::ExistsOne => Ok(Value::Bool(self.count == 1)),
            FoldKind::Filter | FoldKind::List => Ok(self.list.into()),
            FoldKind::Map | FoldKind::MapEntry => Ok(make_map(self.map)),
            FoldKind::SortBy => library::lists::sort_by(&self.list, &self.keys),
        }
    }
}
