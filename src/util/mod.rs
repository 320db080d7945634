//! Small helpers that know nothing of agents: clock, plural, text width, redaction.
//!
//! Invariant: the clock is a trait, so that everything above is testable without waiting.

pub mod clock;
pub mod digest;
pub mod json;
pub mod plural;
pub mod redact;
pub mod suggest;
pub mod tell;
pub mod text;
pub mod url;
