//! Servers that are known by name: facts, one a line.

use super::Settings;

/// A back end that needs no configuration but a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Name as in `--backend NAME:MODEL`.
    pub name: &'static str,
    /// Its kind.
    pub kind: &'static str,
    /// Where it is asked.
    pub base_url: &'static str,
    /// Variable that holds the key; `None` where none is asked for.
    pub key_env: Option<&'static str>,
}

const CHAT: &str = "openai_chat";

/// All presets.
pub static PRESETS: &[Preset] = &[
    Preset {
        name: "deepseek",
        kind: CHAT,
        base_url: "https://api.deepseek.com",
        key_env: Some("DEEPSEEK_API_KEY"),
    },
    Preset {
        name: "openai",
        kind: CHAT,
        base_url: "https://api.openai.com/v1",
        key_env: Some("OPENAI_API_KEY"),
    },
    Preset {
        name: "openrouter",
        kind: CHAT,
        base_url: "https://openrouter.ai/api/v1",
        key_env: Some("OPENROUTER_API_KEY"),
    },
    Preset {
        name: "anthropic",
        kind: "anthropic",
        base_url: "https://api.anthropic.com",
        key_env: Some("ANTHROPIC_API_KEY"),
    },
    Preset { name: "ollama", kind: CHAT, base_url: "http://127.0.0.1:11434/v1", key_env: None },
    Preset { name: "vllm", kind: CHAT, base_url: "http://127.0.0.1:8000/v1", key_env: None },
    Preset { name: "sglang", kind: CHAT, base_url: "http://127.0.0.1:30000/v1", key_env: None },
    Preset { name: "llama_cpp", kind: CHAT, base_url: "http://127.0.0.1:8080/v1", key_env: None },
];

impl Preset {
    /// The preset of that name.
    pub fn find(name: &str) -> Option<&'static Preset> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// What `settings` leave open, filled in. A profile that goes elsewhere does not take the preset's key along.
    pub fn fill(&self, settings: Settings) -> Settings {
        let elsewhere = settings.base_url.as_deref().is_some_and(|url| url != self.base_url);
        let key = || self.key_env.filter(|_| !elsewhere).map(str::to_owned);
        Settings {
            key_env: settings.key_env.clone().or_else(key),
            base_url: settings.base_url.clone().or_else(|| Some(self.base_url.to_owned())),
            ..settings
        }
    }

    /// One line for `list backends`.
    pub fn about(&self) -> String {
        let key = self.key_env.map_or_else(|| "no key".to_owned(), |name| format!("key from {name}"));
        format!("{} at {}, {key}: {}:MODEL", self.kind, self.base_url, self.name)
    }
}
