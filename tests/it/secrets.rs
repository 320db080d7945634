//! Secrets: every shape in every context, known values in every form, and what must not be taken for one.
//!
//! Keys are put together here, so that none stands in the repository.

use rolltape::util::redact::Redactor;
use std::borrow::Cow;

/// `len` characters of an alphabet, always the same.
fn filler(alphabet: &str, len: usize) -> String {
    let letters: Vec<char> = alphabet.chars().collect();
    (0..len).map(|n| letters[(n * 7 + n / 5 + 3) % letters.len()]).collect()
}

const HEX: &str = "0123456789abcdef";
const MIXED: &str = "aB3dE5gH7jK9mN2pQ4sT6vX8zC1fL0";
const CAPITALS: &str = "AB2CD3EF4GH5JK6LM7";

/// One key of every shape that stands alone: kind and value.
fn keys() -> Vec<(&'static str, String)> {
    let mixed = |len| filler(MIXED, len);
    let jwt = format!("eyJ{}.eyJ{}.{}", mixed(20), mixed(40), mixed(43));
    vec![
        ("deepseek-key", format!("sk-{}", filler(HEX, 32))),
        ("deepseek-key", format!("sk-{}", "0".repeat(32))),
        ("deepseek-key", format!("sk-{}T3BlbkFJ{}", mixed(20), mixed(20))),
        ("deepseek-key", format!("sk-proj-{}", mixed(60))),
        ("deepseek-key", format!("sk-svcacct-{}", mixed(60))),
        ("deepseek-key", format!("sk-admin-{}", mixed(60))),
        ("deepseek-key", format!("sk-ant-api03-{}", mixed(90))),
        ("deepseek-key", format!("sk-ant-admin01-{}", mixed(90))),
        ("deepseek-key", format!("sk-or-v1-{}", filler(HEX, 64))),
        ("groq-key", format!("gsk_{}", mixed(52))),
        ("xai-key", format!("xai-{}", mixed(80))),
        ("perplexity-key", format!("pplx-{}", mixed(48))),
        ("huggingface-token", format!("hf_{}", mixed(34))),
        ("google-api-key", format!("AIza{}", mixed(35))),
        ("github-token", format!("ghp_{}", mixed(36))),
        ("github-token", format!("gho_{}", mixed(36))),
        ("github-token", format!("ghu_{}", mixed(36))),
        ("github-token", format!("ghs_{}", mixed(36))),
        ("github-token", format!("ghr_{}", mixed(36))),
        ("github-token", format!("github_pat_{}", mixed(82))),
        ("gitlab-token", format!("glpat-{}", mixed(20))),
        ("aws-access-key", format!("AKIA{}", filler(CAPITALS, 16))),
        ("aws-access-key", format!("ASIA{}", filler(CAPITALS, 16))),
        ("slack-token", format!("xoxb-{}-{}", filler("1234567890", 11), mixed(24))),
        ("npm-token", format!("npm_{}", mixed(36))),
        ("pypi-token", format!("pypi-AgEIcHlwaS5vcmc{}", mixed(80))),
        ("stripe-key", format!("sk_live_{}", mixed(24))),
        ("stripe-key", format!("rk_test_{}", mixed(24))),
        ("jwt", jwt),
    ]
}

/// A key in the places where keys turn up.
fn contexts(key: &str) -> Vec<(&'static str, String)> {
    let json = format!("{{\"api_key\": \"{key}\"}}");
    let twice = serde_json::Value::String(json.clone()).to_string();
    vec![
        ("prose", format!("my key is {key}, keep it")),
        ("alone", key.to_owned()),
        ("assignment", format!("api_key = \"{key}\"\n")),
        ("shell", format!("export API_KEY={key} && python3 app.py")),
        ("bearer", format!("Authorization: Bearer {key}\r\n")),
        ("curl", format!("curl -H 'x-api-key: {key}' https://host/v1")),
        ("json", json),
        ("json in json", twice.clone()),
        ("json in json in json", serde_json::Value::String(twice).to_string()),
        ("url query", format!("https://host/v1?key={key}&n=1")),
        ("url password", format!("https://user:{key}@host/")),
        ("percent", format!("key%3D{key}%26n%3D1")),
        ("heredoc", format!("cat > .env <<EOF\nKEY={key}\nEOF\n")),
        ("python repr", format!("{{'key': '{key}', 'n': 1}}")),
        ("escaped newline", format!("printf 'a\\n{key}\\n'")),
        ("colour around", format!("key: \u{1b}[01;31m{key}\u{1b}[0m end")),
        ("colour around, escaped", format!("key: \\u001b[31m{key}\\u001b[0m end")),
        ("colour inside", format!("{}\u{1b}[01;31m{}\u{1b}[0m{}", &key[..6], &key[6..9], &key[9..])),
        ("tag", format!("<parameter=key>{key}</parameter>")),
        ("chinese", format!("密钥是{key}。")),
    ]
}

#[test]
fn every_shape_is_found_in_every_context() {
    let redactor = Redactor::default();
    let mut missed = Vec::new();
    for (kind, key) in keys() {
        for (context, text) in contexts(&key) {
            // A keyword that is itself broken by a colour is nobody's shape any more.
            if context == "colour inside" && kind != "deepseek-key" {
                continue;
            }
            let hits = redactor.scan(&text);
            let (clean, placed) = redactor.redact_with_hits(&text);
            let gone = !clean.contains(&key[9..]) && !clean.contains(&key[key.len() - 8..]);
            let named = hits.iter().any(|hit| hit.kind == kind);
            if !gone || !named || !redactor.scan(&clean).is_empty() {
                missed.push(format!("{kind} in {context}: {clean} {hits:?}"));
            }
            for hit in placed {
                assert!(hit.span.text(&clean).starts_with("<SECRET:"), "{context}: {hit:?} in {clean}");
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn shapes_that_need_their_surroundings_are_found() {
    let redactor = Redactor::default();
    let body = filler(MIXED, 64);
    let pem = format!("-----BEGIN RSA PRIVATE KEY-----\n{body}\n{body}\n-----END RSA PRIVATE KEY-----");
    let value = filler(MIXED, 40);
    let cases = [
        ("private-key", pem.clone(), &body),
        ("private-key", pem.replace('\n', "\\n"), &body),
        ("private-key", pem[..120].to_owned(), &body[..10].to_owned()),
        ("authorization", format!("Authorization: Bearer {value}"), &value),
        ("authorization", format!("\"authorization\": \"Basic {value}==\""), &value),
        ("authorization", format!("-H \\\"Authorization: Bearer {value}\\\""), &value),
        ("api-key-header", format!("x-api-key: {value}"), &value),
        ("api-key-header", format!("{{\"X-Api-Key\": \"{value}\"}}"), &value),
        ("cookie", format!("Cookie: lang=en; session={value}"), &value),
        ("cookie", format!("Set-Cookie: session={value}; Path=/"), &value),
        ("url-password", "postgres://app:hunter2@db:5432/x".to_owned(), &"hunter2".to_owned()),
        ("env-value", format!("SERVICE_TOKEN={value}\n"), &value),
        ("env-value", format!("MY_API_KEY = \"{value}\""), &value),
        ("env-value", "DB_PASSWORD='tr0ub4dor&3'".to_owned(), &"tr0ub4dor".to_owned()),
        ("aws-secret-key", format!("aws_secret_access_key = {value}"), &value),
        (
            "slack-webhook",
            format!("https://hooks.slack.com/services/T01/B02/{}", filler(MIXED, 24)),
            &filler(MIXED, 24),
        ),
    ];
    for (kind, text, secret) in &cases {
        let hits = redactor.scan(text);
        assert!(hits.iter().any(|hit| hit.kind == *kind), "{kind}: {text}: {hits:?}");
        let clean = redactor.redact(text);
        assert!(!clean.contains(secret.as_str()), "{kind}: {clean}");
        assert!(redactor.scan(&clean).is_empty(), "{kind}: {clean}: {:?}", redactor.scan(&clean));
    }
}

#[test]
fn what_only_looks_like_a_secret_is_left_alone() {
    let redactor = Redactor::default();
    let hex = filler(HEX, 40);
    let digest = filler(HEX, 64);
    let base64 = filler("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 400);
    for text in [
        format!("commit {hex}"),
        format!("sha256:{digest}"),
        "id 123e4567-e89b-12d3-a456-426614174000".to_owned(),
        format!("call_{}", filler(MIXED, 24)),
        format!("toolu_{}", filler(MIXED, 24)),
        format!("chatcmpl-{}", filler(MIXED, 29)),
        format!("data:image/png;base64,iVBORw0KGgo{base64}AIza{base64}hf_{base64}"),
        "models: deepseek-chat, claude-3-5-sonnet-20241022, gpt-4o-2024-08-06, mixtral-8x7b".to_owned(),
        "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx and sk-your-key-here and sk-...".to_owned(),
        "YOUR_API_KEY, DEEPSEEK_API_KEY=YOUR_API_KEY, API_KEY=<your key>, API_KEY=$OTHER_KEY_123456789"
            .to_owned(),
        format!("AKIA{}", "IOSFODNN7EXAMPLE"),
        ".sk-circle-fade-dot .sk-spinner-pulse-2 { animation: sk-bounce-2 }".to_owned(),
        format!("\"integrity\": \"sha512-{base64}==\""),
        "total tokens: 4096, TOKEN=4096, max_token 1000000".to_owned(),
        format!("task-{hex} risk-{hex} disk-{hex} desk-{}", &hex[..32]),
        "Authorization: Bearer $DEEPSEEK_API_KEY".to_owned(),
        "headers = {\"Authorization\": f\"Bearer {api_key}\"}".to_owned(),
        "headers = {'Authorization': 'Bearer ' + os.environ['DEEPSEEK_API_KEY']}".to_owned(),
        "OPENAI_API_KEY = os.environ.get(\"OPENAI_API_KEY_2\")".to_owned(),
        "api key: ****1234 is invalid".to_owned(),
        "https://user:password@example.com http://localhost:8080/@x git://host:9418".to_owned(),
        "key sk-0000 in https://host:443/path@2x.png".to_owned(),
        "-----BEGIN CERTIFICATE-----".to_owned(),
        "<SECRET:deepseek-key:0a1b2c> <SECRET:cookie>".to_owned(),
    ] {
        assert_eq!(redactor.scan(&text), [], "{text}");
        assert!(matches!(redactor.redact(&text), Cow::Borrowed(_)));
    }
}

/// Standard base64, written apart from the redactor's own.
fn base64(bytes: &[u8]) -> String {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0u32, |n, byte| n << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let letter = letters[(n >> (18 - 6 * at)) as usize & 63];
            out.push(if at <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[test]
fn known_values_are_found_in_every_form() {
    let value = format!("p\"w/{}+é", filler(MIXED, 20));
    let redactor = Redactor::new(vec![("<SECRET:deepseek.key>".to_owned(), value.clone())]);
    let json = serde_json::Value::String(value.clone()).to_string();
    let url: String = value
        .bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect();
    let wrap = |text: &str, every: usize, with: &str| {
        let letters: Vec<char> = text.chars().collect();
        letters.chunks(every).map(|part| part.iter().collect::<String>()).collect::<Vec<_>>().join(with)
    };
    let mut cases = vec![
        ("plain", value.clone()),
        ("inside a word", format!("x{value}y")),
        ("json", json.clone()),
        ("json in json", serde_json::Value::String(json).to_string()),
        ("url", url.clone()),
        ("url, lower case", url.replace("%C3%A9", "%c3%a9").replace("%2F", "%2f").replace("%2B", "%2b")),
    ];
    for lead in ["", "a", "ab", "user:"] {
        cases.push(("base64", base64(format!("{lead}{value}").as_bytes())));
    }
    for every in [4, 7, 12, 20] {
        for with in ["\n", "\r\n", "\n> ", "\\n", "\\\n", "\u{1b}[0m"] {
            cases.push(("wrapped", wrap(&value, every, with)));
        }
    }
    for (form, text) in &cases {
        let text = format!("before {text} after");
        let (clean, hits) = redactor.redact_with_hits(&text);
        assert_eq!(hits.len(), 1, "{form}: {text:?} gave {clean:?}");
        assert_eq!(hits[0].kind, "deepseek.key");
        assert!(clean.starts_with("before ") && clean.ends_with(" after"), "{clean}");
        assert!(redactor.scan(&clean).is_empty(), "{form}: {clean}");
    }
    // What was not wrapped comes back byte for byte.
    for (form, text) in &cases[..6] {
        assert_eq!(&redactor.restore(&redactor.redact(text)), text, "{form}");
    }
}

#[test]
fn placeholders_are_stable_and_tell_keys_apart() {
    let redactor = Redactor::default();
    let (one, two) = (format!("sk-{}", filler(HEX, 32)), format!("sk-{}", "0".repeat(32)));
    let first = redactor.redact(&one).into_owned();
    assert_eq!(first, Redactor::default().redact(&one));
    assert_ne!(first, redactor.redact(&two));
    assert!(first.starts_with("<SECRET:deepseek-key:"), "{first}");
    let text = format!("{one} and {two} and {one}");
    let (clean, hits) = redactor.redact_with_hits(&text);
    assert_eq!(hits.len(), 3);
    assert_eq!(hits[0].span.text(&clean), hits[2].span.text(&clean));
}

#[test]
fn json_values_are_redacted_in_keys_and_strings() {
    let key = format!("sk-{}", filler(HEX, 32));
    let value = serde_json::json!({ "a": [key, { key.clone(): 1 }], "n": 2 });
    let clean = Redactor::default().redact_value(value);
    assert!(!clean.to_string().contains(&key));
    assert_eq!(clean["n"], 2);
}

#[test]
fn a_neighbour_that_goes_away_uncovers_no_secret() {
    let glued = format!("valueXsk-{}", "0".repeat(32));
    let redactor = Redactor::new(vec![("<SECRET:k>".to_owned(), "valueX".to_owned())]);
    let (clean, hits) = redactor.redact_with_hits(&glued);
    assert!(redactor.scan(&clean).is_empty(), "{clean}");
    assert_eq!(hits.len(), 2);
    assert!(hits.iter().all(|hit| hit.span.text(&clean).starts_with("<SECRET:")), "{clean} {hits:?}");
}

proptest::proptest! {
    #[test]
    fn redacted_text_holds_nothing_more(parts in proptest::collection::vec(0usize..12, 0..24)) {
        let key = format!("sk-{}", filler(HEX, 32));
        let jwt = keys().pop().expect("a key").1;
        let pool = ["sk-", "Authorization: Bearer ", &key, &jwt, "\n", " ", "é", "API_KEY=", "://u:pa55w0rd@", "AKIA", "valueX", "\u{1b}[0m"];
        let text: String = parts.iter().map(|part| pool[*part]).collect();
        let redactor = Redactor::new(vec![("<SECRET:k>".to_owned(), "valueX".to_owned())]);
        let clean = redactor.redact(&text).into_owned();
        proptest::prop_assert!(redactor.scan(&clean).is_empty(), "{text:?} {clean:?}");
        proptest::prop_assert_eq!(redactor.redact(&clean), clean.as_str());
    }
}
