//! How do we know? Scenarios, generators and oracles.
