//! What the allocator says of a node, in words.

use std::sync::Arc;

use trainyard_allocator::{Fatal, Inventory, Question};
use trainyard_model::selector::Engine;

use crate::devices::Reason;

/// An error that ends the attempt on all nodes.
pub fn fatal(error: &Fatal) -> Reason {
    let code = match error {
        Fatal::Runtime { .. } | Fatal::Derived { .. } => "cel/runtime-error",
        Fatal::Compile { .. } => "cel/compile-error",
        Fatal::UnknownClass { .. } => "claim/class-not-found",
        _ => "claim/fatal",
    };
    Reason::plain(code, error.to_string())
}

/// A node that does not have what is wanted.
pub fn refused<E: Engine>(inventory: &mut Inventory<E>, question: &Question<'_>) -> Reason {
    match inventory.explain(question) {
        Some(refusal) => Reason {
            code: refusal.code(),
            message: refusal.to_string(),
            details: refusal.details(),
            proof: Some(Arc::new(refusal)),
        },
        None => Reason::plain("claim/refused", "the claims do not fit".to_owned()),
    }
}
