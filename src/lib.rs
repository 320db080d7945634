//! Rolltape rolls agents and keeps the tape.
//!
//! It runs or replays agent tasks in parallel sandboxes, checks that every message keeps the call
//! format, scores success, writes reports, compares model back ends and exports training data.
//!
//! The modules below stand in one total order: a module imports only those before it. The pure
//! half (`model` to `score`) does no IO and knows no clock, no environment and no async; effects
//! live in `sandbox` to `cli`. ARCHITECTURE.md has the map and the invariants.

#[macro_use]
mod macros;

pub mod model;
pub mod util;

pub mod dialects;
pub mod diff;
pub mod formats;
pub mod lint;
pub mod rewards;
pub mod rules;
pub mod score;
pub mod stats;
pub mod suite;

pub mod agent;
pub mod backend;
pub mod engine;
pub mod sandbox;
pub mod service;
pub mod tools;

pub mod compare;
pub mod export;
pub mod report;
pub mod schema;
pub mod store;

pub mod cli;
