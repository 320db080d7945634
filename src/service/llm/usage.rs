//! Token counts: four characters are a token, and what a chat shares with its last answered turn was seen before.

use serde_json::{Value, json};

/// Characters of a token.
pub(super) const CHARS: usize = 4;
/// Tokens that the frame of a message costs.
pub(super) const FRAME: u64 = 4;
/// The cache remembers whole blocks.
const BLOCK: u64 = 64;

pub(super) fn tokens(text: &str) -> u64 {
    text.chars().count().div_ceil(CHARS) as u64
}

/// Counts of one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Usage {
    pub(super) prompt: u64,
    /// Tokens of the prompt that an earlier turn of the same talk had sent already.
    pub(super) seen: u64,
    /// All that was written, reasoning included.
    pub(super) completion: u64,
    pub(super) reasoning: Option<u64>,
}

impl Usage {
    pub(super) fn json(self) -> Value {
        let hit = self.seen / BLOCK * BLOCK;
        let mut usage = json!({
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
            "prompt_tokens_details": {"cached_tokens": hit},
            "prompt_cache_hit_tokens": hit,
            "prompt_cache_miss_tokens": self.prompt - hit,
        });
        if let Some(reasoning) = self.reasoning {
            usage["completion_tokens_details"] = json!({"reasoning_tokens": reasoning});
        }
        usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_prompt_add_up() {
        let usage = Usage { prompt: 200, seen: 130, completion: 7, reasoning: Some(3) }.json();
        assert_eq!(usage["prompt_cache_hit_tokens"], 128);
        assert_eq!(usage["prompt_cache_miss_tokens"], 72);
        assert_eq!(usage["total_tokens"], 207);
        assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 3);
        assert_eq!(tokens("Grüße"), 2);
    }
}
