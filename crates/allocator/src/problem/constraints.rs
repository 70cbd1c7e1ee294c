//! Constraints over the devices of a claim.
//!
//! Source: `matchAttributeConstraint`, `constraint.go` of upstream's allocator.

use std::sync::Arc;

use smallvec::smallvec;
use trainyard_model::Text;
use trainyard_model::claim;
use trainyard_model::features::Feature;
use trainyard_model::selector::Engine;

use super::available::Available;
use super::subrequests::{Applied, Subrequest};
use crate::ids::{
    ClaimIndex, ColumnIndex, ConstraintIndex, DeviceIndex, Id, Span, SubrequestIndex,
};
use crate::inventory::Inventory;
use crate::inventory::devices::Value;
use crate::inventory::values::{SetId, Table, Values};
use crate::inventory::view::published;
use crate::verdict::Fatal;

/// What a constraint wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// All devices have an element in common.
    Match,
    /// No two devices have an element in common.
    Distinct,
}

/// One constraint of one claim.
#[derive(Debug)]
pub(crate) struct Constraint {
    pub claim: ClaimIndex,
    pub kind: Kind,
    pub attribute: Text,
    pub values: Arc<Values>,
}

impl Constraint {
    /// Converts a constraint, and notes to which of the claim's subrequests it applies.
    pub fn of<E: Engine>(
        inventory: &mut Inventory<E>,
        available: &Available<'_>,
        (index, constraint): (ConstraintIndex, &claim::Constraint),
        (claim, span): (ClaimIndex, Span<SubrequestIndex>),
        subrequests: &mut [Subrequest<'_>],
    ) -> Constraint {
        let (kind, attribute) = match &constraint.match_attribute {
            Some(attribute) => (Kind::Match, attribute),
            None => {
                let attribute = constraint.distinct_attribute.as_ref();
                let attribute = attribute.expect("a constraint is not empty");
                (Kind::Distinct, attribute)
            }
        };
        let mut derived = Vec::new();
        for subrequest in span.iter() {
            let wanted = &mut subrequests[subrequest.number()];
            if !applies(constraint, wanted) {
                continue;
            }
            let own = wanted.query.derived_attributes.iter();
            let own = own.rev().find(|derived| derived.name == *attribute);
            let column = own.map_or(0, |own| {
                derived.push((subrequest, &own.expression));
                derived.len()
            });
            wanted.constraints.push(Applied {
                constraint: index,
                column: ColumnIndex::new(column),
            });
        }
        let seen = (available.features, &*available.view);
        let values = if derived.is_empty() {
            let Inventory {
                views,
                slices,
                names,
                ..
            } = inventory;
            views.values(slices, names, seen, attribute)
        } else {
            let lists = available.features.has(Feature::ListTypeAttributes);
            let mut table = Table::new(lists, available.len());
            let (slices, names) = (&inventory.slices, &inventory.names);
            let column = published(slices, names, &available.view, attribute, &mut table);
            let mut columns = smallvec![column];
            for (subrequest, expression) in derived {
                let wanted = &subrequests[subrequest.number()];
                columns.push(derive(inventory, available, wanted, expression, &mut table));
            }
            Arc::new(Values::new(columns, table))
        };
        Constraint {
            claim,
            kind,
            attribute: attribute.clone(),
            values,
        }
    }
}

fn applies(constraint: &claim::Constraint, wanted: &Subrequest<'_>) -> bool {
    let names = &constraint.requests;
    names.is_empty()
        || names.contains(&wanted.request.name)
        || (!wanted.request.first_available.is_empty() && {
            let full = wanted.name();
            names.iter().any(|name| **name == *full)
        })
}

fn derive<E: Engine>(
    inventory: &mut Inventory<E>,
    available: &Available<'_>,
    wanted: &Subrequest<'_>,
    expression: &Text,
    table: &mut Table,
) -> Vec<SetId> {
    let Inventory {
        engine,
        programs,
        names,
        slices,
        ..
    } = inventory;
    let program = programs.derived(engine, expression);
    let mut column = vec![SetId::MISSING; available.len()];
    for device in wanted.suitable.iter() {
        let loaded = available.view.loaded(slices, device);
        let value = match programs.get(program) {
            Ok(expression) => engine.derive(expression, &loaded.cel).ok(),
            Err(_) => None,
        };
        column[device] = match value {
            Some(value) => table.set(&Value::of(&value, names)),
            None => SetId::FAILS,
        };
    }
    column
}

/// The error of a device whose derived attribute fails.
pub(crate) fn why_fails<E: Engine>(
    inventory: &mut Inventory<E>,
    available: &Available<'_>,
    constraint: &Constraint,
    wanted: &Subrequest<'_>,
    device: DeviceIndex,
) -> Fatal {
    let attribute = constraint.attribute.clone();
    let derived = wanted.query.derived_attributes.iter();
    let derived = derived.rev().find(|derived| derived.name == attribute);
    let expression = &derived.expect("only derived attributes fail").expression;
    let programs = &mut inventory.programs;
    let program = programs.derived(&mut inventory.engine, expression);
    let loaded = available.view.loaded(&inventory.slices, device);
    let message = match programs.get(program) {
        Err(error) => error.message.clone(),
        Ok(expression) => match inventory.engine.derive(expression, &loaded.cel) {
            Err(error) => error.message,
            Ok(_) => "evaluated differently the second time".into(),
        },
    };
    let id = available.view.device_id(&inventory.slices, device);
    Fatal::Derived {
        attribute,
        device: crate::verdict::device_name(&id),
        message,
    }
}
