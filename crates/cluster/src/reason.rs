//! What the allocator says of a node, in words.

use std::sync::Arc;

use trainyard_allocator::Fatal;
use trainyard_model::refusal::Refusal;

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
pub fn refused(refusal: Refusal) -> Reason {
    Reason {
        code: refusal.code(),
        message: refusal.to_string(),
        details: refusal.details(),
        proof: Some(Arc::new(refusal)),
    }
}
