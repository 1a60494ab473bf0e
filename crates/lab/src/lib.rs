//! What tests and benches need and nobody is shipped: a fleet of any size.

pub mod fleet;
pub mod load;
pub mod pushes;
pub mod rules;
