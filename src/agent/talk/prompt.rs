//! The words that the harness says to the model. The same in every level of the sandbox, so that tapes fit.

use super::Speech;
use crate::model::{CallPolicy, ToolDef};
use std::fmt::Write as _;

/// Answer to a question of the model.
pub(super) const NOBODY: &str = "Nobody is here to answer. Decide for yourself with what you have, and go on with the \
                                 task. When it is done, or can't be done, call `finish` and say so.";

/// The result of every call of a refused message but its first.
pub(super) const NOT_RUN: &str = "Not run: the message breaks the call format, as its first result says.";

/// The instructions.
pub(super) fn system(speech: &dyn Speech, tools: &[ToolDef], calls: CallPolicy) -> String {
    let mut text = String::from(
        "You carry out a task on a Linux machine, step by step, by calling functions. You work alone: nobody \
         answers questions, and nobody runs commands for you.\n\n\
         The machine:\n\
         - The working folder is `/workspace`; the shell starts there. Inside the shell use relative paths.\n\
         - There is no internet. The task says which services can be reached, and through which variables.\n\
         - A key never goes into a file, a message or the output of a program: read it from its variable.\n\n\
         The work:\n\
         - Look before you change something, and try out what you made before you call it done.\n\
         - When the task is done, or you are sure that it can't be done, call `finish` with a short summary.\n\n",
    );
    text.push_str(&speech.grammar(tools));
    if let Some(rule) = more_calls(calls) {
        // Writing to a string can't fail.
        let _ = write!(text, "\nOne difference here: {rule}\n");
    }
    text
}

fn more_calls(calls: CallPolicy) -> Option<&'static str> {
    match calls {
        CallPolicy::ExactlyOne => None,
        CallPolicy::AtMostOne => Some("a message without a call is allowed, and is your last word."),
        CallPolicy::AtLeastOne => Some("a message may make several calls; they run in order."),
        CallPolicy::Any => Some(
            "a message may make several calls, which run in order; one without a call is your last word.",
        ),
    }
}

/// What was wrong with a message, rule by rule.
pub(super) fn violation(what: &[(&'static str, String)], calls: CallPolicy) -> String {
    let mut text = String::from("Nothing was run, as the last message breaks the call format:\n");
    for (rule, sentence) in what {
        // Writing to a string can't fail.
        let _ = writeln!(text, "- {rule}: {sentence}");
    }
    let again = match calls {
        CallPolicy::ExactlyOne => "exactly one complete call, and nothing after it",
        CallPolicy::AtMostOne => "at most one complete call, and nothing after it",
        CallPolicy::AtLeastOne => "at least one complete call, and nothing after the last one",
        CallPolicy::Any => "complete calls only, and nothing after the last one",
    };
    let _ = write!(text, "Send the message again with {again}.");
    text
}
