//! A finding, as records have them.

use super::Schema;
use super::parts::{list_of, object, one_of, or_null, pattern, plain, string, whole};
use serde_json::{Map, Value};

pub(super) static ITEM: Schema = Schema { name: "finding", about: "a finding, as records have them", body };

pub(super) fn body() -> Map<String, Value> {
    let place = |least| or_null(whole(least));
    object([
        plain("rule", pattern("^[A-Z]{2}[0-9]{3}$")).required(),
        plain("name", string()).required(),
        plain("severity", one_of(&["error", "warning", "info"])).required(),
        plain("readings", list_of(pattern("^(strict|runtime:.+)$"))).required(),
        plain("step", place(1)).required(),
        plain("message", place(0)).required(),
        plain("byte_start", place(0)).required(),
        plain("byte_end", place(0)).required(),
        plain("line", place(1)).required(),
        plain("column", place(1)).required(),
        plain("text", string()).required(),
    ])
}
