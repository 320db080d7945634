//! Kinds of events of OpenHands V0.

/// Actions that are no part of the conversation: what the runtime tells itself.
const IDLE_ACTIONS: [&str; 11] = [
    "null",
    "recall",
    "change_agent_state",
    "condensation",
    "condensation_request",
    "loop_recovery",
    "initialize",
    "start",
    "pause",
    "resume",
    "stop",
];

const ACTIONS: [&str; 20] = [
    "message",
    "system",
    "read",
    "write",
    "edit",
    "run",
    "run_ipython",
    "browse",
    "browse_interactive",
    "call_tool_mcp",
    "mcp",
    "delegate",
    "think",
    "finish",
    "reject",
    "push",
    "send_pr",
    "add_task",
    "modify_task",
    "task_tracking",
];

/// Observations that are no part of the conversation.
const IDLE_OBSERVATIONS: [&str; 5] = ["null", "agent_state_changed", "recall", "condense", "loop_detection"];

const OBSERVATIONS: [&str; 16] = [
    "read",
    "write",
    "edit",
    "run",
    "run_ipython",
    "browse",
    "chat",
    "delegate",
    "message",
    "success",
    "error",
    "think",
    "user_rejected",
    "mcp",
    "download",
    "task_tracking",
];

/// What is to be done with an event of some kind.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It is kept beside the conversation.
    Idle,
    /// It belongs to the conversation.
    Said,
    /// Nobody knows.
    Unknown,
}

pub(super) fn action(kind: &str) -> Role {
    role(kind, &IDLE_ACTIONS, &ACTIONS)
}

pub(super) fn observation(kind: &str) -> Role {
    role(kind, &IDLE_OBSERVATIONS, &OBSERVATIONS)
}

fn role(kind: &str, idle: &[&str], said: &[&str]) -> Role {
    if idle.contains(&kind) {
        Role::Idle
    } else if said.contains(&kind) {
        Role::Said
    } else {
        Role::Unknown
    }
}
