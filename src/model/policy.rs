//! What a message is allowed to do, and which reading of it counts.

/// How many calls a message may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CallPolicy {
    /// Exactly one a message: the default.
    #[default]
    ExactlyOne,
    /// None or one.
    AtMostOne,
    /// One or more.
    AtLeastOne,
    /// Any number.
    Any,
}

/// Which reading counts for severity and for `format_ok`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Reading {
    /// What the model wrote.
    #[default]
    Strict,
    /// What the named runtime makes of it; `None` picks the newest runtime of the dialect.
    Runtime(Option<String>),
}

/// What is allowed, and what counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Calls a message.
    pub calls: CallPolicy,
    /// Whether a message without a call may ask the user (last message, or a user turn follows).
    pub ask: bool,
    /// The counting reading.
    pub reading: Reading,
    /// Dialect of text calls; `None` takes the trajectory's own, else `openhands`.
    pub dialect: Option<String>,
}

impl CallPolicy {
    /// All policies.
    pub const ALL: [CallPolicy; 4] =
        [CallPolicy::ExactlyOne, CallPolicy::AtMostOne, CallPolicy::AtLeastOne, CallPolicy::Any];

    /// The word of the command line and of suite files.
    pub fn as_str(self) -> &'static str {
        match self {
            CallPolicy::ExactlyOne => "exactly-one",
            CallPolicy::AtMostOne => "at-most-one",
            CallPolicy::AtLeastOne => "at-least-one",
            CallPolicy::Any => "any",
        }
    }

    /// Reads what [`CallPolicy::as_str`] gives.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == word)
    }
}
