//! x
use super::{CliError, Context, Exit, Verb};
pub(super) static ITEM: Verb =
    Verb { name: "schema", about: "x", augment: |c| c, run: |_, _| Ok(Exit::Fine) };
