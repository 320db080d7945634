//! Who speaks in a conversation.

/// Role of a message, as chat formats and the OpenAI protocol have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Instructions.
    System,
    /// The user, or what stands for one: text observations, too.
    User,
    /// The model.
    Assistant,
    /// The result of a native call.
    Tool,
}

impl Role {
    /// The word of chat formats.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        }
    }

    /// Reads what [`Role::as_str`] gives.
    pub fn parse(word: &str) -> Option<Self> {
        [Role::System, Role::User, Role::Assistant, Role::Tool].into_iter().find(|role| role.as_str() == word)
    }
}
