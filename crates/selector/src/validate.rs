//! What is checked when all types are known, as by cel-go's validators: literals that are of one
//! type, formats that take what they are given.

use crate::check::{Checked, TypeError, fail};
use crate::library::formatting;
use crate::plan::parts;
use crate::syntax::{Expr, Kind};
use crate::typing::Type;
use crate::value::Value;

/// Validates a checked expression.
pub(crate) fn validate(expr: &mut Expr, checked: &Checked) -> Result<(), TypeError> {
    part(expr, checked, false)
}

/// Elements of a list, and keys and values of a map, must be of one type, but within what is
/// formatted: there they may be `mixed`.
fn part(expr: &mut Expr, checked: &Checked, mut mixed: bool) -> Result<(), TypeError> {
    match &expr.kind {
        Kind::Call {
            function,
            method: true,
            arguments,
            ..
        } if &**function == "format" => {
            format(arguments, checked, expr.at)?;
            mixed = true;
        }
        Kind::List(items) if !mixed => {
            let items: Vec<_> = items.iter().map(|i| (&i.value, i.optional)).collect();
            one_type(&items, checked, "list")?;
        }
        Kind::Map(entries) if !mixed => {
            let keys: Vec<_> = entries.iter().map(|e| (&e.key, false)).collect();
            one_type(&keys, checked, "map key")?;
            let values: Vec<_> = entries.iter().map(|e| (&e.value, e.optional)).collect();
            one_type(&values, checked, "map value")?;
        }
        _ => {}
    }
    let mut parts = parts(expr).into_iter();
    parts.try_for_each(|inner| part(inner, checked, mixed))
}

fn one_type(parts: &[(&Expr, bool)], checked: &Checked, what: &str) -> Result<(), TypeError> {
    let mut known: Option<&Type> = None;
    for (part, optional) in parts {
        let found = match (checked.type_of(part), optional) {
            (found, false) => found,
            (Type::Optional(inner), true) => inner,
            // Upstream panics where it is not known that there is an optional.
            (found, true) => {
                return fail(part.at, format!("'{found}' is no optional in {what}"));
            }
        };
        match known {
            Some(known) if known != found => {
                return fail(
                    part.at,
                    format!("expected type '{known}' but found '{found}' in {what}"),
                );
            }
            _ => known = Some(found),
        }
    }
    Ok(())
}

/// A format that is a literal is checked against a list that is one.
fn format(arguments: &[Expr], checked: &Checked, at: usize) -> Result<(), TypeError> {
    let [pattern, list] = arguments else {
        return Ok(());
    };
    let (Kind::Constant(Value::String(pattern)), Kind::List(items)) = (&pattern.kind, &list.kind)
    else {
        return Ok(());
    };
    let clauses = match formatting::clauses(pattern) {
        Ok(clauses) => clauses,
        Err(error) => return fail(at, error.to_string()),
    };
    if clauses.len() != items.len() {
        return fail(
            at,
            format!(
                "string.format takes {} arguments here, not {}",
                clauses.len(),
                items.len()
            ),
        );
    }
    for (clause, item) in clauses.into_iter().zip(items) {
        let verb = clause.verb;
        let found = checked.type_of(&item.value);
        let good = match (verb, found) {
            ('s', _) => can_be_shown(&item.value, checked),
            (_, Type::Dyn)
            | ('d' | 'o', Type::Int | Type::Uint)
            | ('f' | 'e', Type::Double | Type::String)
            | ('b', Type::Int | Type::Uint | Type::Bool)
            | ('x' | 'X', Type::Int | Type::Uint | Type::String | Type::Bytes) => true,
            _ => false,
        };
        if !good {
            return fail(
                item.value.at,
                format!("error during formatting: %{verb} does not take a {found}"),
            );
        }
    }
    Ok(())
}

/// Whether `%s` takes it, and what is written into it if it is a literal.
fn can_be_shown(part: &Expr, checked: &Checked) -> bool {
    let plain = !matches!(
        checked.type_of(part),
        Type::Any | Type::Opaque(_) | Type::Optional(_)
    );
    let shown = |part: &Expr| can_be_shown(part, checked);
    plain
        && match &part.kind {
            Kind::List(items) => items.iter().all(|item| shown(&item.value)),
            Kind::Map(entries) => entries
                .iter()
                .all(|entry| shown(&entry.key) && shown(&entry.value)),
            _ => true,
        }
}
