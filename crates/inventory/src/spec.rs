//! What stands after `--nodes`: `TYPE[=COUNT][,label=value...]`.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use trainyard_model::Text;

use crate::catalogue::{self, InstanceType};
use crate::node::Node;
use crate::publish::NeuronPublish;

/// Some nodes of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Which type.
    pub kind: &'static InstanceType,
    /// How many; at least one.
    pub count: usize,
    /// Labels set over those of the catalogue.
    pub labels: BTreeMap<Text, Text>,
}

/// More nodes than any cluster has are a typing error.
pub const MOST: usize = 100_000;

/// Why a text names no nodes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No such type.
    #[error(transparent)]
    Type(#[from] catalogue::Error),
    /// Not a number of nodes.
    #[error("{0:?} is no number of nodes from 1 to {MOST}, as in trn2.48xlarge=4")]
    Count(String),
    /// Not a label.
    #[error(
        "{0:?} is no label=value, as in trn2.48xlarge=4,topology.kubernetes.io/zone=us-east-1b"
    )]
    Label(String),
    /// One label twice.
    #[error("label {0:?} is given twice")]
    Twice(String),
}

impl FromStr for Spec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut parts = text.split(',');
        let head = parts.next().unwrap_or_default().trim();
        let (kind, count) = match head.split_once('=') {
            Some((kind, count)) => {
                let number = count.parse().ok().filter(|n| (1..=MOST).contains(n));
                (kind, number.ok_or_else(|| Error::Count(count.to_owned()))?)
            }
            None => (head, 1),
        };
        let mut labels = BTreeMap::new();
        for part in parts {
            let label = part.split_once('=').filter(|(key, _)| is_label_key(key));
            let (key, value) = label.ok_or_else(|| Error::Label(part.to_owned()))?;
            if !is_label_value(value) {
                return Err(Error::Label(part.to_owned()));
            }
            if labels.insert(key.into(), value.into()).is_some() {
                return Err(Error::Twice(key.to_owned()));
            }
        }
        Ok(Spec {
            kind: InstanceType::find(kind)?,
            count,
            labels,
        })
    }
}

/// The nodes of all specs, in their order. Names count up within a type and leave out those in
/// `taken`.
pub fn nodes(specs: &[Spec], taken: &BTreeSet<String>, publish: NeuronPublish) -> Vec<Node> {
    let mut next: BTreeMap<&str, usize> = BTreeMap::new();
    let mut nodes: Vec<Node> = Vec::new();
    for spec in specs {
        let index = next.entry(spec.kind.name).or_default();
        let first = nodes.len();
        for _ in 0..spec.count {
            while taken.contains(&Node::name_of(spec.kind, *index)) {
                *index += 1;
            }
            let other = nodes[first..].last();
            let node = Node::like(other, spec.kind, *index, &spec.labels, publish);
            nodes.push(node);
            *index += 1;
        }
    }
    nodes
}

/// The rule for label values, and for the part of a key after its prefix.
fn is_name(text: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    text.len() <= 63
        && edge(text.bytes().next())
        && edge(text.bytes().last())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_name(text)
}

fn is_label_key(text: &str) -> bool {
    match text.split_once('/') {
        None => is_name(text),
        Some((prefix, name)) => {
            is_name(name)
                && prefix.len() <= 253
                && prefix.split('.').all(|part| {
                    is_name(part) && part.bytes().all(|b| !b.is_ascii_uppercase() && b != b'_')
                })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> Result<Spec, Error> {
        text.parse()
    }

    #[test]
    fn reads_type_count_and_labels() {
        let spec =
            spec("trn2.48xlarge=4,a=b,topology.kubernetes.io/zone=us-east-1b").expect("valid");
        assert_eq!(spec.kind.name, "trn2.48xlarge");
        assert_eq!(spec.count, 4);
        assert_eq!(&*spec.labels["topology.kubernetes.io/zone"], "us-east-1b");
        assert_eq!("trn1.2xlarge".parse::<Spec>().map(|s| s.count), Ok(1));
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, part) in [
            ("trn2.48xlarge=0", "number of nodes"),
            ("trn2.48xlarge=x", "number of nodes"),
            ("trn2.48xlarge=100001", "number of nodes"),
            ("trn2.48xlarge,zone", "label=value"),
            ("trn2.48xlarge,=x", "label=value"),
            ("trn2.48xlarge,a=b c", "label=value"),
            ("trn2.48xlarge,A.b/c=d", "label=value"),
            ("trn2.48xlarge,a=b,a=c", "twice"),
            ("trn9.48xlarge", "did you mean"),
            ("", "unknown instance type"),
        ] {
            let error = spec(text).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn names_leave_out_what_is_taken() {
        let specs = [
            spec("trn2.48xlarge=2").expect("valid"),
            spec("trn1.2xlarge").expect("valid"),
            spec("trn2.48xlarge").expect("valid"),
        ];
        let taken = BTreeSet::from(["trn2-48xlarge-1".to_owned()]);
        let names: Vec<String> = nodes(&specs, &taken, NeuronPublish::Devices)
            .iter()
            .map(|node| node.name.to_string())
            .collect();
        assert_eq!(
            names,
            [
                "trn2-48xlarge-0",
                "trn2-48xlarge-2",
                "trn1-2xlarge-0",
                "trn2-48xlarge-3"
            ]
        );
    }
}
