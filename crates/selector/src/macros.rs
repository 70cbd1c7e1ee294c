//! Macros: methods that are not called but expanded, which declare variables.

use std::sync::Arc;

use crate::lex::SyntaxError;
use crate::syntax::{CallPlan, Expr, Fold, FoldKind, Kind};

type Parsed = Result<Expr, SyntaxError>;

fn error<T>(at: usize, message: impl Into<String>) -> Result<T, SyntaxError> {
    let message = message.into();
    Err(SyntaxError { message, at })
}

/// A method call, unless it is a macro.
pub(crate) fn method(
    receiver: Expr,
    name: Arc<str>,
    mut arguments: Vec<Expr>,
    at: usize,
) -> Parsed {
    use FoldKind as F;
    let namespace = match &receiver.kind {
        Kind::Identifier(name) => Some(name.clone()),
        _ => None,
    };
    if namespace.as_deref() == Some("cel") && &*name == "bind" && arguments.len() == 3 {
        let body = arguments.pop().expect("three arguments");
        let value = arguments.pop().expect("three arguments");
        let name = variable(&arguments[0])?;
        return Ok(Expr {
            kind: Kind::Bind {
                name,
                value: Box::new(value),
                body: Box::new(body),
            },
            at,
            id: 0,
        });
    }
    // Kind, number of variables, whether the first of two further arguments is a filter.
    let (kind, variables) = match (&*name, arguments.len()) {
        ("all", 2) => (F::All, 1),
        ("all", 3) => (F::All, 2),
        ("exists", 2) => (F::Exists, 1),
        ("exists", 3) => (F::Exists, 2),
        ("exists_one", 2) => (F::ExistsOne, 1),
        ("exists_one" | "existsOne", 3) => (F::ExistsOne, 2),
        ("filter", 2) => (F::Filter, 1),
        ("map", 2 | 3) => (F::List, 1),
        ("transformList", 3 | 4) => (F::List, 2),
        ("transformMap", 3 | 4) => (F::Map, 2),
        ("transformMapEntry", 3 | 4) => (F::MapEntry, 2),
        ("sortBy", 2) => (F::SortBy, 1),
        ("optMap" | "optFlatMap", 2) => {
            let body = arguments.pop().expect("two arguments");
            return Ok(Expr {
                kind: Kind::OptionalMap {
                    name: variable(&arguments[0])?,
                    operand: Box::new(receiver),
                    body: Box::new(body),
                    flat: &*name == "optFlatMap",
                },
                at,
                id: 0,
            });
        }
        _ => {
            let mut all = vec![receiver];
            all.append(&mut arguments);
            return Ok(Expr {
                kind: Kind::Call {
                    function: name,
                    arguments: all,
                    method: true,
                    plan: CallPlan::default(),
                },
                at,
                id: 0,
            });
        }
    };
    if kind == F::SortBy
        && matches!(
            receiver.kind,
            Kind::Constant(_) | Kind::Map(_) | Kind::Message { .. }
        )
    {
        return error(at, "sortBy can only be applied to what may be a list");
    }
    let first = variable(&arguments[0])?;
    let second = match variables {
        2 => Some(variable(&arguments[1])?),
        _ => None,
    };
    if second.as_ref() == Some(&first) {
        return error(at, format!("duplicate variable name: {first}"));
    }
    let mut rest = arguments.into_iter().skip(variables);
    let (one, two) = (rest.next(), rest.next());
    let (filter, body) = match (kind, two) {
        (F::All | F::Exists | F::ExistsOne | F::Filter, _) => (one, None),
        (_, Some(two)) => (one, Some(two)),
        (_, None) => (None, one),
    };
    Ok(Expr {
        kind: Kind::Fold(Box::new(Fold {
            kind,
            range: receiver,
            first,
            second,
            filter,
            body,
            charges: false,
        })),
        at,
        id: 0,
    })
}

fn variable(argument: &Expr) -> Result<Arc<str>, SyntaxError> {
    match &argument.kind {
        Kind::Identifier(name) => Ok(name.clone()),
        _ => error(argument.at, "argument must be a simple name"),
    }
}
