//! Ids of native calls, which servers make and not models.

use super::{ChatMessage, ModelReply};
use crate::model::{ErrorClass, RunError};
use crate::util::text::printable;
use std::collections::HashSet;

/// The reply of a server, if its calls have ids of their own, among themselves and among those before them: results of
/// two calls with one id can't be told apart. A call without an id is left to the rules.
///
/// # Errors
/// `backend_protocol`: what the server does wrong is no fault of the model.
pub(super) fn told_apart(reply: ModelReply, before: &[ChatMessage]) -> Result<ModelReply, RunError> {
    let mut seen: HashSet<&str> =
        before.iter().flat_map(|message| &message.calls).map(|call| call.id.as_str()).collect();
    let twice = reply.calls.iter().find(|call| !call.id.is_empty() && !seen.insert(&call.id));
    if let Some(call) = twice {
        let text = format!("the server gave the call id '{}' to two calls", printable(&call.id));
        return Err(RunError::new(ErrorClass::BackendProtocol, text));
    }
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Role;
    use crate::model::{Arguments, Object, ToolCall};

    #[test]
    fn an_id_that_stands_twice_is_the_servers_fault() {
        let call = |id: &str| ToolCall {
            id: id.to_owned(),
            name: "look".to_owned(),
            arguments: Arguments::object(Object::new()),
            extra: Object::new(),
            place: None,
        };
        let reply = |ids: &[&str]| ModelReply {
            calls: ids.iter().map(|id| call(id)).collect(),
            ..ModelReply::default()
        };
        let before =
            [ChatMessage { calls: vec![call("a")], ..ChatMessage::new(Role::Assistant, String::new()) }];
        assert!(told_apart(reply(&["b", "c", "", ""]), &before).is_ok());
        for ids in [&["b", "b"][..], &["a"]] {
            let error = told_apart(reply(ids), &before).unwrap_err();
            assert_eq!(error.class, ErrorClass::BackendProtocol);
            assert!(error.message.contains(ids[0]), "{error}");
        }
    }
}
