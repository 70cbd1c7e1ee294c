//! Does it fit, and if not, why? The structured allocator.
