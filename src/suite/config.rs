//! `rolltape.toml`: the tables `[backend.NAME]`, and, by `check_config`, `[check]` and `[redact]`.
//!
//! Invariant: all errors come at once, each with file, line and column, and none quotes a value that may be a key.
//! Must not know: where the file lies, what stands in the environment, which back ends there are but for their names.

use super::SuiteError;
use super::check_config::{self, CheckConfig};
use super::parse::document;
use super::reader::{Reader, Table};
use super::settings::is_name;
use crate::model::{Object, Price};
use crate::util::url;
use std::time::Duration;

const BACKEND_KEYS: &[&str] = &[
    "kind",
    "base_url",
    "key_env",
    "model",
    "params",
    "price",
    "stream",
    "timeouts",
    "max_retries",
    "headers",
];
/// How often a request can be sent again.
pub(crate) const MAX_RETRIES: u32 = 100;
/// Parts of a request that parameters must not take the place of.
pub(crate) const OWN_PARAMS: &[&str] = &["model", "messages", "system", "tools", "stream", "stream_options"];
/// Headers that carry a key, or that the client sets for itself.
pub(crate) const OWN_HEADERS: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "cookie",
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "accept-encoding",
];

/// What a configuration file says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Config {
    /// Tables `[backend.NAME]` in the order of the file.
    pub backends: Vec<BackendProfile>,
    /// Tables `[check]` and `[redact]`.
    pub check: CheckConfig,
}

/// One table `[backend.NAME]`.
#[derive(Debug, Clone, PartialEq)]
pub struct BackendProfile {
    /// `NAME`.
    pub name: String,
    /// Kind of back end; `None` where the name is that of a preset.
    pub kind: Option<String>,
    /// The rest.
    pub settings: BackendSettings,
    /// File in which it stands.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
}

/// How a back end is set up. What is not set is up to the preset or to the kind.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BackendSettings {
    /// Where requests go, without a final slash.
    pub base_url: Option<String>,
    /// Variable that holds the key.
    pub key_env: Option<String>,
    /// Model, if the command line names none.
    pub model: Option<String>,
    /// Parameters that go into every request.
    pub params: Object,
    /// What tokens cost.
    pub price: Option<Price>,
    /// Whether replies are streamed.
    pub stream: Option<bool>,
    /// How long is waited for what.
    pub timeouts: Timeouts,
    /// How often a request is sent again.
    pub max_retries: Option<u32>,
    /// Headers that go with every request.
    pub headers: Vec<(String, String)>,
}

/// How long a back end is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timeouts {
    /// Name, TCP and TLS.
    pub connect: Option<Duration>,
    /// From the request to the first byte of the reply's body.
    pub first_byte: Option<Duration>,
    /// Between two pieces of a reply.
    pub idle: Option<Duration>,
    /// One try of a request as a whole.
    pub total: Option<Duration>,
}

/// Reads a configuration. `kinds` and `presets` are the names that a back end may have.
pub fn parse_config(
    file: &str,
    bytes: &[u8],
    kinds: &[&str],
    presets: &[&str],
) -> Result<Config, Vec<SuiteError>> {
    let mut errors = Vec::new();
    let text = super::parse::text_of(file, bytes, &mut errors);
    let mut reader = Reader::new(file, &text);
    let document = document(&mut reader, &text);
    errors.append(&mut reader.errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    let root = Table::new(&document, 0..0, "the configuration");
    reader.known(&root, &["backend", "check", "redact"]);
    let check = check_config::read(&mut reader, &root);
    let mut config = Config { check, ..Config::default() };
    if let Some(table) = reader.table(&root, "backend", "'backend'") {
        for (name, at, _) in table.entries() {
            if !is_name(name) {
                let message = format!("the back end's name '{name}' must be letters, digits, '-' and '_'");
                reader.error(at, message);
                continue;
            }
            if let Some(inner) = reader.table(&table, name, format!("back end '{name}'")) {
                config.backends.push(profile(&mut reader, &inner, name, (kinds, presets)));
            }
        }
    }
    if reader.errors.is_empty() {
        return Ok(config);
    }
    super::sort_errors(&mut reader.errors);
    Err(reader.errors)
}

fn profile(
    reader: &mut Reader<'_>,
    table: &Table<'_, '_>,
    name: &str,
    (kinds, presets): (&[&str], &[&str]),
) -> BackendProfile {
    reader.known(table, BACKEND_KEYS);
    let kind = reader.string(table, "kind");
    match &kind {
        Some(word) if !kinds.contains(&word.as_str()) => {
            let message = format!("there is no kind of back end '{word}' that a configuration can set up");
            reader.unknown_word(table.place_of("kind"), message, word, kinds);
        }
        None if !table.has("kind") && !presets.contains(&name) => {
            let hint =
                format!("add kind = \"openai_chat\"; without it the name is one of {}", presets.join(", "));
            reader.require(table, "kind", &hint);
        }
        _ => {}
    }
    let settings = BackendSettings {
        base_url: base_url(reader, table),
        key_env: key_env(reader, table),
        model: reader.string(table, "model"),
        params: params(reader, table),
        price: price(reader, table),
        stream: reader.flag(table, "stream"),
        timeouts: timeouts(reader, table),
        max_retries: retries(reader, table),
        headers: headers(reader, table),
    };
    let line = reader.place(table.at.start).0;
    BackendProfile { name: name.to_owned(), kind, settings, file: reader.file().to_owned(), line }
}

fn base_url(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Option<String> {
    let text = reader.string(table, "base_url")?;
    match url::Base::parse(&text) {
        Ok(base) => Some(base.to_string()),
        Err(why) => {
            // The text is not quoted: it may hold a password.
            let message = format!("'base_url' of {} {why}", table.what);
            reader.error_hint(table.place_of("base_url"), message, "write \"https://HOST/PATH\"");
            None
        }
    }
}

fn key_env(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Option<String> {
    let name = reader.string(table, "key_env")?;
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Some(name);
    }
    let message = format!("'key_env' of {} is not the name of a variable", table.what);
    let hint = "it names the variable that holds the key; the key itself stands in no file";
    reader.error_hint(table.place_of("key_env"), message, hint);
    None
}

fn params(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Object {
    let what = format!("'params' of {}", table.what);
    let Some(inner) = reader.table(table, "params", what) else { return Object::new() };
    for (key, at, _) in inner.entries() {
        if OWN_PARAMS.contains(&key) {
            let message = format!("'{key}' is no parameter of {}: rolltape sets it itself", table.what);
            let hint = match key {
                "model" | "stream" => format!("set {key} beside params"),
                _ => "leave it out".to_owned(),
            };
            reader.error_hint(at, message, hint);
        }
    }
    reader.rest(&inner, &[])
}

fn price(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Option<Price> {
    let inner = reader.table(table, "price", format!("'price' of {}", table.what))?;
    reader.known(&inner, &["input", "cached", "output"]);
    let hint = "US dollars a million tokens: price = { input = 0.28, cached = 0.028, output = 0.42 }";
    reader.require(&inner, "input", hint);
    reader.require(&inner, "output", hint);
    let (input, output) = (amount(reader, &inner, "input"), amount(reader, &inner, "output"));
    let cached = amount(reader, &inner, "cached");
    Some(Price { input: input?, cached, output: output? })
}

/// A finite number that is not below 0.
fn amount(reader: &mut Reader<'_>, table: &Table<'_, '_>, key: &str) -> Option<f64> {
    let at = table.place_of(key);
    let value = reader.rest(table, &[]).get(key)?.as_f64().filter(|amount| *amount >= 0.0);
    if value.is_none() {
        reader.error(at, format!("'{key}' of {} must be a number that is not below 0", table.what));
    }
    value
}

fn timeouts(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Timeouts {
    let what = format!("'timeouts' of {}", table.what);
    let Some(inner) = reader.table(table, "timeouts", what) else { return Timeouts::default() };
    reader.known(&inner, &["connect", "first_byte", "idle", "total"]);
    Timeouts {
        connect: reader.duration(&inner, "connect"),
        first_byte: reader.duration(&inner, "first_byte"),
        idle: reader.duration(&inner, "idle"),
        total: reader.duration(&inner, "total"),
    }
}

fn retries(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Option<u32> {
    let number = reader.whole(table, "max_retries", 0)?;
    let narrow = u32::try_from(number).ok().filter(|number| *number <= MAX_RETRIES);
    if narrow.is_none() {
        let message =
            format!("'max_retries' of {} must be at most {MAX_RETRIES}, but it is {number}", table.what);
        reader.error(table.place_of("max_retries"), message);
    }
    narrow
}

fn headers(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Vec<(String, String)> {
    let what = format!("'headers' of {}", table.what);
    let Some(inner) = reader.table(table, "headers", what) else { return Vec::new() };
    let mut out = Vec::new();
    for (name, at, _) in inner.entries() {
        let lower = name.to_ascii_lowercase();
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if OWN_HEADERS.contains(&lower.as_str()) {
            let message = format!("the header '{name}' of {} is set by rolltape itself", table.what);
            reader.error_hint(at, message, "a key goes through key_env");
        } else if name.is_empty() || !name.chars().all(token) {
            reader.error(at, format!("'{name}' of {} is not the name of a header", table.what));
        } else if let Some(value) = reader.string(&inner, name) {
            if value.chars().any(char::is_control) || !value.is_ascii() {
                let message = format!("the header '{name}' of {} must be printable ASCII", table.what);
                reader.error(inner.place_of(name), message);
            }
            out.push((lower, value));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: &[&str] = &["openai_chat", "anthropic"];
    const PRESETS: &[&str] = &["deepseek", "ollama"];

    #[test]
    fn a_whole_profile_is_read() {
        let text = r#"
[backend.deepseek]
price = { input = 0.28, cached = 0.028, output = 0 }

[backend.own]
kind = "openai_chat"
base_url = "http://127.0.0.1:8080/v1/"
key_env = "OWN_KEY"
model = "m"
params = { temperature = 0, stop = ["x"] }
stream = false
timeouts = { connect = "1s", first_byte = "2s", idle = "3s", total = "1m" }
max_retries = 0
headers = { "X-Title" = "rolltape" }
"#;
        let config = parse_config("rolltape.toml", text.as_bytes(), KINDS, PRESETS).unwrap();
        let [preset, own] = &config.backends[..] else { panic!("{config:?}") };
        assert_eq!((preset.name.as_str(), preset.kind.as_deref()), ("deepseek", None));
        let price = preset.settings.price.unwrap();
        assert_eq!((price.input, price.cached, price.output), (0.28, Some(0.028), 0.0));
        assert_eq!((own.kind.as_deref(), own.line), (Some("openai_chat"), 5));
        let settings = &own.settings;
        assert_eq!(settings.base_url.as_deref(), Some("http://127.0.0.1:8080/v1"));
        assert_eq!(settings.timeouts.total, Some(Duration::from_mins(1)));
        assert_eq!((settings.stream, settings.max_retries), (Some(false), Some(0)));
        assert_eq!(settings.headers, [("x-title".to_owned(), "rolltape".to_owned())]);
        assert_eq!(settings.params.len(), 2);
    }

    #[test]
    fn all_errors_come_at_once_and_quote_no_key() {
        let key = "0".repeat(20);
        let text = format!(
            r#"
[backnd.x]
[backend."a b"]
[backend.deepseek]
kid = "openai_chat"
base_url = "https://user:{key}@host/"
key_env = "sk-{key}"
price = {{ input = -1, outptu = 2 }}
[backend.own]
[backend.other]
kind = "openai"
base_url = "ftp://x"
params = {{ model = "m", stream = true, top_k = 1 }}
timeouts = {{ connect = "soon", last_byte = "1s" }}
max_retries = 1000
headers = {{ Authorization = "Bearer {key}", "x y" = "1", ok = "\u0007" }}
"#
        );
        let errors = parse_config("c.toml", text.as_bytes(), KINDS, PRESETS).unwrap_err();
        let told: String = errors
            .iter()
            .map(|error| {
                let hint = error.hint.as_deref().map(|hint| format!("\n  {hint}")).unwrap_or_default();
                format!("{}:{}: {}{hint}\n", error.line, error.column, error.message)
            })
            .collect();
        assert!(!told.contains(&key), "{told}");
        insta::assert_snapshot!(told);
    }
}
