//! Label selectors and node selectors, as apimachinery and component-helpers match them.

use std::collections::{BTreeMap, BTreeSet};

use trainyard_model::Text;

use crate::k8s::{LabelSelector, NodeSelectorRequirement, NodeSelectorTerm};

/// Labels of an object.
pub type Labels = BTreeMap<Text, Text>;

/// All requirements must hold; without any, everything matches.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Selector {
    requirements: Vec<Requirement>,
    /// Matches nothing at all: what a missing selector means, and one that does not parse.
    nothing: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Requirement {
    key: Text,
    operator: Operator,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Operator {
    In(BTreeSet<Text>),
    NotIn(BTreeSet<Text>),
    Exists,
    DoesNotExist,
    GreaterThan(i64),
    LessThan(i64),
}

impl Requirement {
    /// `None`: a requirement that apimachinery refuses to parse.
    fn parse(key: &str, operator: &str, values: &[String]) -> Option<Requirement> {
        let set = || {
            values
                .iter()
                .map(|value| Text::from(value.as_str()))
                .collect()
        };
        let number = || match values {
            [value] => value.parse().ok(),
            _ => None,
        };
        let operator = match operator {
            "In" if !values.is_empty() => Operator::In(set()),
            "NotIn" if !values.is_empty() => Operator::NotIn(set()),
            "Exists" if values.is_empty() => Operator::Exists,
            "DoesNotExist" if values.is_empty() => Operator::DoesNotExist,
            "Gt" => Operator::GreaterThan(number()?),
            "Lt" => Operator::LessThan(number()?),
            _ => return None,
        };
        Some(Requirement {
            key: key.into(),
            operator,
        })
    }

    fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match &self.operator {
            Operator::In(values) => value.is_some_and(|value| values.contains(value)),
            Operator::NotIn(values) => !value.is_some_and(|value| values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan(bound) => number().is_some_and(|value| value > *bound),
            Operator::LessThan(bound) => number().is_some_and(|value| value < *bound),
        }
    }
}

impl Selector {
    /// Matches nothing.
    pub fn nothing() -> Selector {
        Selector {
            requirements: Vec::new(),
            nothing: true,
        }
    }

    /// A missing selector matches nothing, an empty one everything.
    pub fn of(selector: Option<&LabelSelector>) -> Selector {
        let Some(selector) = selector else {
            return Selector::nothing();
        };
        let mut result = Selector::default();
        for (key, value) in selector.match_labels.iter().flatten() {
            result.require_equal(key.as_str().into(), value.as_str().into());
        }
        for expression in selector.match_expressions.iter().flatten() {
            let values = expression.values.as_deref().unwrap_or_default();
            match Requirement::parse(&expression.key, &expression.operator, values) {
                // Numeric operators belong to nodes only.
                Some(Requirement {
                    operator: Operator::GreaterThan(_) | Operator::LessThan(_),
                    ..
                })
                | None => return Selector::nothing(),
                Some(requirement) => result.requirements.push(requirement),
            }
        }
        result
    }

    /// Adds `key = value`.
    pub fn require_equal(&mut self, key: Text, value: Text) {
        self.requirements.push(Requirement {
            key,
            operator: Operator::In([value].into()),
        });
    }

    /// Adds `key != value`.
    pub fn require_unequal(&mut self, key: Text, value: Text) {
        self.requirements.push(Requirement {
            key,
            operator: Operator::NotIn([value].into()),
        });
    }

    /// Whether it has no requirement (and so matches everything).
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty() && !self.nothing
    }

    /// Whether `labels` meet all requirements.
    pub fn matches(&self, labels: &Labels) -> bool {
        !self.nothing
            && self
                .requirements
                .iter()
                .all(|requirement| requirement.matches(labels))
    }

    /// The keys it looks at.
    pub fn keys(&self) -> impl Iterator<Item = &Text> {
        self.requirements.iter().map(|requirement| &requirement.key)
    }
}

/// One term of a node selector.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeTerm {
    labels: Selector,
    /// `metadata.name` equals (`true`) or differs from (`false`) the name.
    fields: Vec<(bool, Text)>,
}

impl NodeTerm {
    /// `None`: an empty term, or one that does not parse; either matches no node.
    pub fn of(term: &NodeSelectorTerm) -> Option<NodeTerm> {
        let expressions = term.match_expressions.as_deref().unwrap_or_default();
        let fields = term.match_fields.as_deref().unwrap_or_default();
        if expressions.is_empty() && fields.is_empty() {
            return None;
        }
        let labels = expressions
            .iter()
            .map(|expression| {
                let values = expression.values.as_deref().unwrap_or_default();
                Requirement::parse(&expression.key, &expression.operator, values)
            })
            .collect::<Option<Vec<_>>>()?;
        let fields = fields.iter().map(field).collect::<Option<Vec<_>>>()?;
        Some(NodeTerm {
            labels: Selector {
                requirements: labels,
                nothing: false,
            },
            fields,
        })
    }

    fn of_model(term: &trainyard_model::node::NodeSelectorTerm) -> Option<NodeTerm> {
        let requirement = |requirement: &trainyard_model::node::NodeSelectorRequirement| {
            NodeSelectorRequirement {
                key: requirement.key.to_string(),
                operator: requirement.operator.to_string(),
                values: Some(requirement.values.iter().map(ToString::to_string).collect()),
            }
        };
        NodeTerm::of(&NodeSelectorTerm {
            match_expressions: Some(term.match_expressions.iter().map(requirement).collect()),
            match_fields: Some(term.match_fields.iter().map(requirement).collect()),
        })
    }

    /// The terms of a selector in the vocabulary of devices, without those that match no node.
    pub fn of_selector(selector: &trainyard_model::node::NodeSelector) -> Vec<NodeTerm> {
        let terms = selector.terms.iter();
        terms.filter_map(NodeTerm::of_model).collect()
    }

    /// The only node that can match, where the term names one.
    pub fn only(&self) -> Option<&Text> {
        let (_, name) = self.fields.iter().find(|(equal, _)| *equal)?;
        Some(name)
    }

    /// Whether the node matches.
    pub fn matches(&self, name: &str, labels: &Labels) -> bool {
        self.labels.matches(labels)
            && self
                .fields
                .iter()
                .all(|(equal, wanted)| (&**wanted == name) == *equal)
    }

    /// The label keys it looks at.
    pub fn keys(&self) -> impl Iterator<Item = &Text> {
        self.labels.keys()
    }

    /// The node names it looks for.
    pub fn names(&self) -> impl Iterator<Item = &Text> {
        self.fields.iter().map(|(_, name)| name)
    }
}

fn field(requirement: &NodeSelectorRequirement) -> Option<(bool, Text)> {
    let [value] = requirement.values.as_deref().unwrap_or_default() else {
        return None;
    };
    if requirement.key != "metadata.name" {
        // Upstream knows no other field of a node: it is empty, so only `NotIn` holds.
        return (requirement.operator == "NotIn" && !value.is_empty()).then(|| (false, "".into()));
    }
    match requirement.operator.as_str() {
        "In" => Some((true, value.as_str().into())),
        "NotIn" => Some((false, value.as_str().into())),
        _ => None,
    }
}
