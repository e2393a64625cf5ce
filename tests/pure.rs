//! Tests that start no process: the house rules, and whatever the pure rooms promise.

#[path = "pure/accounts.rs"]
mod accounts;
#[path = "pure/api.rs"]
mod api;
#[path = "pure/bounds.rs"]
mod bounds;
#[path = "pure/golden.rs"]
mod golden;
#[path = "pure/invariants.rs"]
mod invariants;
#[path = "pure/properties.rs"]
mod properties;
#[path = "pure/rules.rs"]
mod rules;
#[path = "pure/script.rs"]
mod script;
#[path = "pure/seat_invariants.rs"]
mod seat_invariants;
#[path = "pure/seat_properties.rs"]
mod seat_properties;
#[path = "pure/seats.rs"]
mod seats;
#[path = "pure/tidy.rs"]
mod tidy;
#[path = "pure/works.rs"]
mod works;
#[path = "pure/world.rs"]
mod world;
