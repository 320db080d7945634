//! What the `llm` service can say: events, tools, JSON, reasoning, completion in the middle, memory, limits, faults.

use crate::service::{Server, start};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

fn body(messages: &[Value], more: Value) -> Value {
    let mut body = json!({"model": "deepseek-chat", "messages": messages});
    body.as_object_mut().unwrap().extend(crate::service::object(more));
    body
}

/// A good answer.
fn good(server: &Server, path: &str, body: &Value) -> Value {
    let (status, _, text) = server.ask("POST", path, Some(&server.secrets().key), &body.to_string());
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn chat(server: &Server, body: &Value) -> Value {
    good(server, "/chat/completions", body)["choices"][0].clone()
}

/// Status and message of a refusal.
fn refusal(server: &Server, path: &str, body: &Value) -> String {
    let (status, _, text) = server.ask("POST", path, Some(&server.secrets().key), &body.to_string());
    let error: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    format!("{status} {}", error["error"]["message"].as_str().unwrap_or("no error"))
}

/// The events of a stream; the last must be `[DONE]`.
fn events(server: &Server, path: &str, body: &Value) -> Vec<Value> {
    let (status, head, text) = server.ask("POST", path, Some(&server.secrets().key), &body.to_string());
    assert_eq!(status, 200, "{text}");
    assert!(head.contains("text/event-stream") && head.contains("transfer-encoding: chunked"), "{head}");
    let mut lines: Vec<&str> = text.split("\n\n").filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.pop(), Some("data: [DONE]"));
    lines.iter().map(|line| serde_json::from_str(line.strip_prefix("data: ").unwrap()).unwrap()).collect()
}

fn joined(events: &[Value], field: &str) -> String {
    let deltas = events.iter().map(|event| event["choices"][0]["delta"][field].as_str().unwrap_or_default());
    deltas.collect()
}

fn weather() -> Value {
    json!([
        {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}},
        {"type": "function", "function": {
            "name": "get_weather", "description": "Weather of a city",
            "parameters": {
                "type": "object", "required": ["city"],
                "properties": {"city": {"type": "string"}, "unit": {"enum": ["c", "f"]}},
            },
        }},
    ])
}

#[test]
fn a_stream_comes_in_many_pieces_and_tells_its_usage() {
    let server = start(json!({}));
    let asked = body(&[user("Hello there")], json!({"stream": true}));
    let chunks = events(&server, "/chat/completions", &asked);
    assert!(chunks.len() > 8);
    assert_eq!(chunks[0]["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
    let last = chunks.last().unwrap();
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert!(last["usage"]["total_tokens"].as_u64() > Some(10));
    assert!(chunks[1].get("usage").is_none());

    let mut apart = asked.clone();
    apart["stream_options"] = json!({"include_usage": true});
    let more = events(&server, "/chat/completions", &apart);
    let last = more.last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"], chunks.last().unwrap()["usage"]);
    assert!(
        more[..more.len() - 1].iter().all(|chunk| chunk["usage"].is_null() && chunk.get("usage").is_some())
    );
    assert_eq!(joined(&more, "content"), joined(&chunks, "content"));
    let (_, _, text) = server.chat(&body(&[user("Hello there")], json!({})));
    let whole: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(whole["choices"][0]["message"]["content"], joined(&chunks, "content"));
    assert_eq!(whole["usage"], last["usage"]);
}

#[test]
fn a_slow_stream_is_sent_as_it_grows() {
    use std::io::{Read as _, Write as _};
    let server = start(json!({"delay_ms": 30}));
    let body = body(&[user("Hi")], json!({"stream": true})).to_string();
    let mut stream = std::net::TcpStream::connect(server.running.addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let key = &server.secrets().key;
    let head = format!("POST /chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n");
    write!(stream, "{head}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let (mut reads, mut bytes) = (0, [0; 4096]);
    let mut first = None;
    while stream.read(&mut bytes).unwrap() > 0 {
        reads += 1;
        first.get_or_insert_with(Instant::now);
    }
    assert!(reads > 5, "{reads} reads");
    assert!(first.unwrap().elapsed() > Duration::from_millis(200));
}

#[test]
fn a_tool_is_called_once_and_its_result_is_told() {
    let server = start(json!({}));
    let asked = user("What is the weather in \"Ulm\" today?");
    let choice = chat(&server, &body(std::slice::from_ref(&asked), json!({"tools": weather()})));
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["content"], "");
    let calls = &choice["message"]["tool_calls"];
    assert_eq!(calls.as_array().unwrap().len(), 1);
    assert_eq!(calls[0]["function"], json!({"name": "get_weather", "arguments": r#"{"city":"Ulm"}"#}));
    let id = calls[0]["id"].as_str().unwrap();
    assert!(id.starts_with("call_0_"));

    let result = json!({"role": "tool", "tool_call_id": id, "content": "sunny, 21 degrees"});
    let talk = [asked.clone(), choice["message"].clone(), result.clone()];
    let choice = chat(&server, &body(&talk, json!({"tools": weather()})));
    let content = choice["message"]["content"].as_str().unwrap();
    assert!(content.starts_with("The tool get_weather says: \"sunny, 21 degrees\"."), "{content}");
    assert!(content.contains(&server.secrets().nonce));
    assert_eq!(choice["finish_reason"], "stop");

    let with = |choice: Value| {
        body(std::slice::from_ref(&asked), json!({"tools": weather(), "tool_choice": choice}))
    };
    assert!(chat(&server, &with(json!("none")))["message"].get("tool_calls").is_none());
    let named = json!({"type": "function", "function": {"name": "get_time"}});
    let named = chat(&server, &with(named));
    assert_eq!(named["message"]["tool_calls"][0]["function"], json!({"name": "get_time", "arguments": "{}"}));
    // What the package `deepseek` sends.
    let nulls = json!({"tools": null, "tool_choice": "none", "stop": null, "stream_options": null, "top_logprobs": null});
    assert_eq!(chat(&server, &body(&[user("Hi")], nulls))["finish_reason"], "stop");

    let streamed = body(&[asked], json!({"tools": weather(), "stream": true}));
    let chunks = events(&server, "/chat/completions", &streamed);
    let parts: Vec<&Value> = chunks
        .iter()
        .map(|chunk| &chunk["choices"][0]["delta"]["tool_calls"][0])
        .filter(|v| !v.is_null())
        .collect();
    assert_eq!(parts[0]["function"], json!({"name": "get_weather", "arguments": ""}));
    let arguments: String =
        parts.iter().map(|part| part["function"]["arguments"].as_str().unwrap_or_default()).collect();
    assert_eq!(arguments, r#"{"city":"Ulm"}"#);
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "tool_calls");
}

#[test]
fn a_probe_can_lay_its_own_arguments_over_a_call() {
    let server = start(json!({"tool_arguments": {"city": "Ulan Bator", "nothing": 1}}));
    let choice = chat(&server, &body(&[user("Weather in Ulm?")], json!({"tools": weather()})));
    let call = &choice["message"]["tool_calls"][0]["function"];
    assert_eq!(call["arguments"], r#"{"city":"Ulan Bator"}"#);
}

#[test]
fn json_mode_gives_an_object_with_the_nonce() {
    let server = start(json!({}));
    let format = json!({"response_format": {"type": "json_object"}});
    let choice = chat(&server, &body(&[user("Answer in JSON, \"please\"")], format));
    let object: Value = serde_json::from_str(choice["message"]["content"].as_str().unwrap()).unwrap();
    assert_eq!(object["code"], server.secrets().nonce);
    assert!(object["reply"].as_str().unwrap().contains("Answer in JSON"));
}

#[test]
fn a_reasoning_model_thinks_first() {
    let server = start(json!({"reasoning": "The moon is made of basalt."}));
    let asked = |more: Value| {
        let mut asked = body(&[user("Why?")], more);
        asked["model"] = json!("deepseek-reasoner");
        asked
    };
    let ignored = json!({"temperature": 1.5, "top_p": 0.5, "presence_penalty": 1});
    let answer = good(&server, "/chat/completions", &asked(ignored));
    let message = &answer["choices"][0]["message"];
    let thought = message["reasoning_content"].as_str().unwrap();
    assert!(thought.ends_with("The moon is made of basalt."), "{thought}");
    assert!(!thought.contains(&server.secrets().nonce));
    assert!(message["content"].as_str().unwrap().contains(&server.secrets().nonce));
    let usage = &answer["usage"];
    let reasoning = usage["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap();
    assert!(reasoning > 10 && reasoning < usage["completion_tokens"].as_u64().unwrap());

    let chunks = events(&server, "/chat/completions", &asked(json!({"stream": true})));
    assert_eq!(joined(&chunks, "reasoning_content"), thought);
    assert_eq!(joined(&chunks, "content"), message["content"].as_str().unwrap());
    let first_word = |field: &str| {
        chunks
            .iter()
            .position(|c| c["choices"][0]["delta"][field].as_str().is_some_and(|text| !text.is_empty()))
    };
    assert!(first_word("reasoning_content") < first_word("content"));

    let short = good(&server, "/chat/completions", &asked(json!({"max_tokens": 5})));
    assert_eq!(short["choices"][0]["finish_reason"], "length");
    assert_eq!(short["choices"][0]["message"]["content"], "");
    assert_eq!(short["usage"]["completion_tokens"], 5);
}

#[test]
fn a_beginning_and_an_end_are_filled_in() {
    let server = start(json!({}));
    let asked = json!({
        "model": "deepseek-chat", "prompt": "def fib(n):\n", "suffix": "    return a", "max_tokens": 1024,
        "echo": false, "logprobs": 0, "stop": null, "stream": false, "stream_options": null,
    });
    let whole = good(&server, "/beta/completions", &asked);
    let text = whole["choices"][0]["text"].as_str().unwrap();
    let nonce = &server.secrets().nonce;
    assert_eq!(text, format!(" # filled in: 12 characters before, 12 after, code {nonce}\n"));
    let mut streamed = asked.clone();
    streamed["stream"] = json!(true);
    let chunks = events(&server, "/beta/v1/completions", &streamed);
    let told: String = chunks.iter().map(|chunk| chunk["choices"][0]["text"].as_str().unwrap()).collect();
    assert_eq!(told, text);
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "stop");

    let prefix = json!({"role": "assistant", "content": "Once", "prefix": true});
    let going = body(&[user("A tale"), prefix], json!({"stop": ["code"]}));
    let answer = good(&server, "/beta/chat/completions", &going);
    assert_eq!(answer["choices"][0]["message"]["content"], " And so it goes on. My ");
}

#[test]
fn the_talk_so_far_decides_the_answer() {
    let server = start(json!({}));
    let said = |messages: &[Value]| {
        chat(&server, &body(messages, json!({})))["message"]["content"].as_str().unwrap().to_owned()
    };
    let first = user("Please remember the word zephyr.");
    let one = said(std::slice::from_ref(&first));
    assert!(!one.contains("You asked me to remember") && !one.contains("So far"), "{one}");
    let reply = json!({"role": "assistant", "content": one});
    let two = said(&[first, reply, user("Which word?")]);
    let expected = "Hello! You wrote: \"Which word?\". So far you wrote 2 messages, and I wrote 1. \
                    You asked me to remember \"zephyr\".";
    assert!(two.starts_with(expected), "{two}");
    assert!(!said(&[user("Which word?")]).contains("zephyr"));

    let long = user(&"word ".repeat(100));
    let talk = [long, json!({"role": "assistant", "content": "x"}), user("more")];
    let usage = good(&server, "/chat/completions", &body(&talk, json!({})))["usage"].clone();
    assert_eq!(usage["prompt_cache_hit_tokens"], 128);
    assert_eq!(
        usage["prompt_cache_miss_tokens"].as_u64().unwrap() + 128,
        usage["prompt_tokens"].as_u64().unwrap()
    );
}

#[test]
fn what_the_api_does_not_take_is_refused() {
    let server = start(json!({}));
    let hi = || user("Hi");
    let call = json!([{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    let made = json!({"role": "assistant", "content": null, "tool_calls": call});
    let result = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "1"});
    let reasoner = |mut body: Value| {
        body["model"] = json!("deepseek-reasoner");
        body
    };
    let chats = [
        ("orphan result", body(&[hi(), result("c1")], json!({}))),
        ("other id", body(&[hi(), made.clone(), result("c2")], json!({}))),
        ("answered twice", body(&[hi(), made.clone(), result("c1"), result("c1")], json!({}))),
        ("no result", body(&[hi(), made.clone(), hi()], json!({}))),
        ("call at the end", body(&[hi(), made], json!({}))),
        ("no call id", body(&[hi(), json!({"role": "tool", "content": "1"})], json!({}))),
        ("odd calls", body(&[json!({"role": "assistant", "tool_calls": [{"id": 1}]})], json!({}))),
        ("required of none", body(&[hi()], json!({"tool_choice": "required"}))),
        ("unknown choice", body(&[hi()], json!({"tools": weather(), "tool_choice": "maybe"}))),
        (
            "unknown name",
            body(
                &[hi()],
                json!({"tools": weather(), "tool_choice": {"type": "function", "function": {"name": "x"}}}),
            ),
        ),
        ("odd tool", body(&[hi()], json!({"tools": [{"type": "web"}]}))),
        ("odd name", body(&[hi()], json!({"tools": [{"type": "function", "function": {"name": "a b"}}]}))),
        ("no json", body(&[hi()], json!({"response_format": {"type": "json_object"}}))),
        ("schema", body(&[hi()], json!({"response_format": {"type": "json_schema"}}))),
        ("prefix", body(&[hi(), json!({"role": "assistant", "content": "x", "prefix": true})], json!({}))),
        (
            "reasoning",
            body(
                &[hi(), json!({"role": "assistant", "content": "x", "reasoning_content": "y"}), hi()],
                json!({}),
            ),
        ),
        ("reasoner tools", reasoner(body(&[hi()], json!({"tools": weather()})))),
        ("reasoner logprobs", reasoner(body(&[hi()], json!({"logprobs": true})))),
        ("reasoner last", reasoner(body(&[hi(), json!({"role": "assistant", "content": "x"})], json!({})))),
        ("options alone", body(&[hi()], json!({"stream_options": {"include_usage": true}}))),
        ("no tokens", body(&[hi()], json!({"max_tokens": 0}))),
        ("odd stop", body(&[hi()], json!({"stop": [1]}))),
        ("penalty", body(&[hi()], json!({"presence_penalty": -3}))),
    ];
    let mut told = String::new();
    for (what, body) in &chats {
        told.push_str(&format!("{what}: {}\n", refusal(&server, "/chat/completions", body)));
    }
    let early = json!({"role": "assistant", "content": "x", "prefix": true});
    let fim = json!({"model": "deepseek-chat", "prompt": "x"});
    for (what, path, body) in [
        ("early prefix", "/beta/chat/completions", &body(&[early, hi()], json!({}))),
        (
            "user's prefix",
            "/beta/chat/completions",
            &body(&[json!({"role": "user", "prefix": true})], json!({})),
        ),
        ("FIM without beta", "/v1/completions", &fim),
        ("FIM without prompt", "/beta/completions", &json!({"model": "deepseek-chat"})),
        ("FIM of the reasoner", "/beta/completions", &json!({"model": "deepseek-reasoner", "prompt": "x"})),
    ] {
        told.push_str(&format!("{what}: {}\n", refusal(&server, path, body)));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn limits_refuse_with_a_time() {
    let server = start(json!({"rate_limit": {"requests": 2, "per": "1500ms"}}));
    let hi = body(&[user("Hi")], json!({}));
    let key = server.secrets().key.clone();
    let asked: Vec<_> = (0..3).map(|_| server.chat(&hi)).collect();
    assert_eq!(asked.iter().map(|answer| answer.0).collect::<Vec<_>>(), [200, 200, 429]);
    assert!(
        asked[2].1.contains("\r\nretry-after: 2") || asked[2].1.contains("\r\nretry-after: 1"),
        "{}",
        asked[2].1
    );
    assert_eq!(server.ask("GET", "/models", Some(&key), "").0, 200, "only completions count");
    std::thread::sleep(Duration::from_millis(1550));
    assert_eq!(server.chat(&hi).0, 200);

    let server = start(json!({"concurrency": 1, "delay_ms": 400}));
    let statuses = together(&server, 3);
    assert_eq!(statuses, [200, 429, 429]);
    assert_eq!(server.chat(&hi).0, 200);
    assert_eq!(start(json!({"balance": 0})).chat(&hi).0, 402);
}

/// Statuses, sorted, of different chats at once.
fn together(server: &Server, count: usize) -> Vec<u16> {
    let mut statuses: Vec<u16> = std::thread::scope(|scope| {
        let ask = |n: usize| server.chat(&body(&[user(&format!("Hi {n}"))], json!({}))).0;
        let threads: Vec<_> = (0..count).map(|n| scope.spawn(move || ask(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    statuses.sort_unstable();
    statuses
}

#[test]
fn requests_at_once_are_gathered_and_logged_in_one_order() {
    let server = start(json!({"gather": 4}));
    let begin = Instant::now();
    assert_eq!(together(&server, 4), [200; 4]);
    assert!(begin.elapsed() < Duration::from_millis(1900), "nobody waited in vain");
    let log = server.running.requests();
    for (n, line) in log.iter().enumerate() {
        assert_eq!(line["together"], 4);
        assert_eq!(line["body"]["messages"][0]["content"], format!("Hi {n}"));
    }
    assert_eq!(together(&server, 1), [200]);
    assert_eq!(server.running.requests()[4]["together"], 1);
}

#[test]
fn faults_of_the_network_are_what_they_are_called() {
    let server =
        start(json!({"fault": ["cut-2", "html-once", "empty-once", "garbage-2", "hang-once@models"]}));
    let hi = body(&[user("Hi")], json!({}));
    let streamed = body(&[user("Hi")], json!({"stream": true}));
    let (status, head, text) = server.chat(&hi);
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let length: usize = length.unwrap().parse().unwrap();
    assert!(status == 200 && !text.is_empty() && text.len() < length, "{length}: {text}");
    let (_, _, text) = server.chat(&streamed);
    assert!(text.contains("data: {") && !text.contains("[DONE]"), "{text}");
    let (status, head, text) = server.chat(&hi);
    assert!(status == 200 && head.contains("text/html") && text.contains("<html>"), "{text}");
    assert_eq!(server.chat(&hi).2, "");
    let (_, _, text) = server.chat(&hi);
    assert!(text.len() > 20 && serde_json::from_str::<Value>(&text).is_err(), "{text}");
    let (_, _, text) = server.chat(&streamed);
    assert!(text.contains("data: {") && text.ends_with("data: [DONE]\n\n"), "{text}");
    assert!(!text.contains(&server.secrets().nonce));
    assert_eq!(server.chat(&hi).0, 200);
    let told: Vec<_> = server
        .running
        .requests()
        .iter()
        .map(|line| (line["status"].clone(), line.get("fault").cloned(), line["nonce"].clone()))
        .collect();
    let cut = (json!(200), Some(json!("cut")), json!(false));
    assert_eq!((&told[0], &told[1]), (&cut, &cut));
    assert_eq!(told.last().unwrap(), &(json!(200), None, json!(true)));
}

#[test]
fn a_reset_is_a_reset_and_a_hang_hangs() {
    use std::io::{ErrorKind, Read as _, Write as _};
    let server = start(json!({"fault": ["reset-once@models", "hang-once@models"]}));
    let ask = |patience: u64| {
        let mut stream = std::net::TcpStream::connect(server.running.addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(patience))).unwrap();
        let key = &server.secrets().key;
        write!(stream, "GET /models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n").unwrap();
        stream.read(&mut [0; 16]).map_err(|error| error.kind())
    };
    assert_eq!(ask(20_000), Err(ErrorKind::ConnectionReset));
    assert_eq!(ask(300), Err(ErrorKind::WouldBlock));
    assert!(ask(20_000).is_ok());
    let log = server.running.requests();
    assert_eq!((&log[0]["status"], &log[0]["fault"]), (&Value::Null, &json!("reset")));
    assert_eq!((&log[1]["status"], &log[1]["fault"]), (&Value::Null, &json!("hang")));
}
