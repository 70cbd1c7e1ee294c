//! Whether a node is meant: by name, by "all", or by a node selector.
//!
//! Source: `NodeMatches` of upstream's allocator, `component-helpers/.../nodeaffinity`,
//! `apimachinery/pkg/labels` and `fields`.

use trainyard_model::Text;
use trainyard_model::node::{Node, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm};

/// A node selector that does not parse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SelectorError {
    #[error("{key}: unsupported operator {operator:?}")]
    Operator { key: Text, operator: Text },
    #[error("{key}: wrong number of values for operator {operator}")]
    Values { key: Text, operator: Text },
    #[error("{key}: value {value:?} must be an integer")]
    Number { key: Text, value: Text },
    #[error("{key:?} is no label key")]
    Key { key: Text },
    #[error("{key}: {value:?} is no label value")]
    Value { key: Text, value: Text },
}

/// Whether `node` is the one that a slice or device is for.
pub(crate) fn matches(
    node: &Node,
    name: Option<&str>,
    all: Option<bool>,
    selector: Option<&NodeSelector>,
) -> Result<bool, SelectorError> {
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        return Ok(&*node.name == name);
    }
    if all == Some(true) {
        return Ok(true);
    }
    selector.map_or(Ok(false), |selector| selects(selector, node))
}

fn selects(selector: &NodeSelector, node: &Node) -> Result<bool, SelectorError> {
    // A term that does not parse is an error even where another one matches.
    for term in &selector.terms {
        check(term)?;
    }
    Ok(selector.terms.iter().any(|term| term_matches(term, node)))
}

fn check(term: &NodeSelectorTerm) -> Result<(), SelectorError> {
    for requirement in &term.match_expressions {
        check_label(requirement)?;
    }
    for NodeSelectorRequirement {
        key,
        operator,
        values,
    } in &term.match_fields
    {
        let (key, operator) = (key.clone(), operator.clone());
        if !matches!(&*operator, "In" | "NotIn") {
            return Err(SelectorError::Operator { key, operator });
        }
        if values.len() != 1 {
            return Err(SelectorError::Values { key, operator });
        }
    }
    Ok(())
}

fn check_label(requirement: &NodeSelectorRequirement) -> Result<(), SelectorError> {
    let NodeSelectorRequirement {
        key,
        operator,
        values,
    } = requirement;
    if !is_label_key(key) {
        return Err(SelectorError::Key { key: key.clone() });
    }
    let fits = match &**operator {
        "In" | "NotIn" => !values.is_empty(),
        "Exists" | "DoesNotExist" => values.is_empty(),
        "Gt" | "Lt" => values.len() == 1,
        _ => {
            return Err(SelectorError::Operator {
                key: key.clone(),
                operator: operator.clone(),
            });
        }
    };
    if !fits {
        return Err(SelectorError::Values {
            key: key.clone(),
            operator: operator.clone(),
        });
    }
    for value in values {
        if matches!(&**operator, "Gt" | "Lt") && integer(value).is_none() {
            return Err(SelectorError::Number {
                key: key.clone(),
                value: value.clone(),
            });
        }
        if !is_label_value(value) {
            return Err(SelectorError::Value {
                key: key.clone(),
                value: value.clone(),
            });
        }
    }
    Ok(())
}

/// Go's `strconv.ParseInt`, which takes a plus sign as Rust does.
fn integer(text: &str) -> Option<i64> {
    text.parse().ok()
}

fn term_matches(term: &NodeSelectorTerm, node: &Node) -> bool {
    if term.match_expressions.is_empty() && term.match_fields.is_empty() {
        return false;
    }
    let labels = term.match_expressions.iter().all(|requirement| {
        let value = node.labels.get(&requirement.key);
        let listed = || value.is_some_and(|value| requirement.values.contains(value));
        let numbers = || {
            let value = integer(value?)?;
            Some((value, integer(requirement.values.first()?)?))
        };
        match &*requirement.operator {
            "In" => listed(),
            "NotIn" => !listed(),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            "Gt" => numbers().is_some_and(|(value, bound)| value > bound),
            _ => numbers().is_some_and(|(value, bound)| value < bound),
        }
    });
    // A node without a name has no fields at all, and upstream then looks at none.
    let fields = node.name.is_empty()
        || term.match_fields.iter().all(|requirement| {
            let value = match &*requirement.key {
                "metadata.name" => &*node.name,
                _ => "",
            };
            let equal = requirement
                .values
                .first()
                .is_some_and(|wanted| &**wanted == value);
            equal == (&*requirement.operator == "In")
        });
    labels && fields
}

fn is_label_key(key: &str) -> bool {
    match key.split_once('/') {
        None => is_name_part(key),
        Some((prefix, name)) => {
            !prefix.is_empty() && prefix.len() <= 253 && is_subdomain(prefix) && is_name_part(name)
        }
    }
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(|part| {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = part.as_bytes();
        !bytes.is_empty()
            && inner(bytes[0])
            && inner(bytes[bytes.len() - 1])
            && bytes.iter().all(|b| inner(*b) || *b == b'-')
    })
}

fn is_name_part(text: &str) -> bool {
    !text.is_empty() && is_label_value(text)
}

fn is_label_value(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return true;
    };
    bytes.len() <= 63
        && first.is_ascii_alphanumeric()
        && last.is_ascii_alphanumeric()
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
}
