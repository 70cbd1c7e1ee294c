//! What do the expressions and constraints of an input read of its devices?

use std::collections::BTreeSet;

use trainyard_model::Text;
use trainyard_model::claim::ResourceClaim;
use trainyard_model::class::DeviceClass;
use trainyard_model::selector::{Engine, Reads};

/// The expressions and constraints of an input: nothing else of its devices' attributes can reach an
/// answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Readers {
    selectors: BTreeSet<Text>,
    /// Expressions of derived attributes.
    derived: BTreeSet<Text>,
    /// Attributes that constraints compare.
    compared: BTreeSet<Text>,
}

impl Readers {
    /// Adds the selectors of a class.
    pub(crate) fn add_class(&mut self, class: &DeviceClass) {
        let selectors = class.selectors.iter().flatten();
        self.selectors.extend(selectors.cloned());
    }

    /// Adds the selectors, derived attributes and constraints of a claim.
    pub(crate) fn add_claim(&mut self, claim: &ResourceClaim) {
        let requests = claim.requests.iter();
        for query in requests.flat_map(|r| r.exactly.iter().chain(&r.first_available)) {
            let selectors = query.selectors.iter().flatten();
            self.selectors.extend(selectors.cloned());
            let derived = query.derived_attributes.iter();
            self.derived.extend(derived.map(|d| d.expression.clone()));
        }
        for constraint in &claim.constraints {
            self.compared.extend(constraint.match_attribute.clone());
            self.compared.extend(constraint.distinct_attribute.clone());
        }
    }

    /// What all of them together read of a device. An expression that does not compile reads nothing:
    /// it fails on every device alike.
    pub(crate) fn reads<E: Engine>(&self, engine: &mut E) -> Reads {
        let mut reads = Reads::default();
        for name in &self.compared {
            reads.add_attribute(name.clone());
        }
        for source in &self.selectors {
            if let Ok(expression) = engine.compile(source) {
                reads.add(&engine.reads(&expression));
            }
        }
        for source in &self.derived {
            if let Ok(expression) = engine.compile_derived(source) {
                reads.add(&engine.reads(&expression));
            }
        }
        reads
    }
}
