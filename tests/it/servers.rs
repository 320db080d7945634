//! Back ends that ask a server: what goes out, what comes back, and all that a server can do wrong.

use crate::support::scripted::{
    Act, Scripted, chunk, chunked_head, json, response, stream_head, streamed, with_headers,
};
use rolltape::backend::{self, Backend, ChatMessage, Opening, Request, Role, Settings, Troubles};
use rolltape::model::{Arguments, AttemptId, ErrorClass, Object, Price, RunError, Scope, ToolCall, ToolDef};
use rolltape::util::redact::Redactor;
use serde_json::{Value, json as j};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support;

fn key() -> String {
    format!("sk-{}", "0".repeat(32))
}

fn settings(url: &str) -> Settings {
    let mut settings = Settings {
        base_url: Some(url.to_owned()),
        key_env: Some("TEST_KEY".to_owned()),
        model: Some("m".to_owned()),
        max_retries: Some(0),
        ..Settings::default()
    };
    settings.timeouts.total = Some(Duration::from_secs(20));
    settings
}

fn open(kind: &str, settings: &Settings) -> Arc<dyn Backend> {
    let kind = backend::ALL.iter().find(|item| item.name == kind).unwrap();
    let var = |name: &str| (name == "TEST_KEY").then(key);
    let opening = Opening { arg: None, base: Path::new("/"), settings, var: &var };
    (kind.open)(&opening).unwrap_or_else(|(message, hint)| panic!("{message} {hint:?}"))
}

fn request(messages: Vec<ChatMessage>) -> Request<'static> {
    Request {
        attempt: AttemptId { suite: "s".into(), task: "t".into(), subject: "a".into(), n: 1 },
        scope: Scope::Agent,
        turn: 1,
        messages: messages.leak(),
        params: Object::new(),
        tools: None,
        new_from: 0,
        prefix_sha256: String::new(),
        troubles: Troubles::new(),
    }
}

fn hello() -> Request<'static> {
    request(vec![ChatMessage::new(Role::System, "be brief"), ChatMessage::new(Role::User, "hello")])
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

fn ask(backend: &Arc<dyn Backend>, request: &Request) -> Result<backend::ModelReply, RunError> {
    let secrets = Redactor::new(backend.secrets());
    block(backend.complete(request, &secrets))
}

/// What a back end of this kind makes of a server with these scripts.
fn told(kind: &str, scripts: Vec<Vec<Act>>, change: impl FnOnce(&mut Settings)) -> String {
    let server = Scripted::start(scripts);
    let mut settings = settings(&server.url());
    change(&mut settings);
    let said = match ask(&open(kind, &settings), &hello()) {
        Ok(reply) => format!("a reply: {:?}, {:?}", reply.text, reply.finish_reason),
        Err(error) => error.to_string(),
    };
    said.replace(&server.authority(), "HOST")
}

fn completion(message: Value) -> Value {
    j!({"model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "later": [1]})
}

const HI: &str = r#"{"model":"m","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}"#;
const STOP: &str = r#"{"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const USAGE: &str =
    r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":1,"prompt_cache_hit_tokens":3}}"#;

fn good() -> Vec<Act> {
    streamed(&[HI, STOP, USAGE, "[DONE]"])
}

#[test]
fn a_streamed_chat_is_asked_for_and_kept_as_it_came() {
    let server = Scripted::start(vec![good()]);
    let mut settings = settings(&format!("{}/v1", server.url()));
    settings.headers = vec![("x-title".to_owned(), "test".to_owned())];
    settings.price = Some(Price { input: 1.0, cached: None, output: 2.0 });
    let backend = open("openai_chat", &settings);
    assert_eq!((backend.on_tape(), backend.model().as_deref()), (false, Some("m")));
    assert!(backend.price().is_some());
    let tools =
        [ToolDef { name: "look".into(), description: "looks".into(), parameters: j!({"type": "object"}) }];
    let mut spoken = ChatMessage::new(Role::Assistant, "");
    spoken.calls = vec![ToolCall {
        id: "a".into(),
        name: "look".into(),
        arguments: Arguments::text("{\"x\": 1".into()),
        extra: Object::new(),
        place: None,
    }];
    let mut messages = hello().messages.to_vec();
    messages.push(spoken);
    messages.push(ChatMessage { call_id: Some("a".into()), ..ChatMessage::new(Role::Tool, "seen") });
    let mut request = request(messages);
    request.params = j!({"temperature": 0}).as_object().unwrap().clone();
    request.tools = Some(&tools);
    let reply = ask(&backend, &request).unwrap();
    assert_eq!((reply.text.as_str(), reply.status, reply.body), ("hi", 200, None));
    assert_eq!(reply.usage.unwrap().cached_tokens, Some(3));
    let events: Vec<String> = reply.sse.unwrap().into_iter().map(|chunk| chunk.data).collect();
    assert_eq!(events, [HI, STOP, USAGE, "[DONE]"]);
    let [sent] = &server.requests()[..] else { panic!("one request") };
    let (head, body) = sent.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{head}");
    assert!(
        head.contains(&format!("authorization: Bearer {}", key())) && head.contains("x-title: test"),
        "{head}"
    );
    assert!(!head.contains("accept-encoding"), "{head}");
    let body: Value = serde_json::from_str(body).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&body).unwrap());
}

#[test]
fn a_whole_chat_is_kept_with_its_unknown_fields() {
    let message = j!({"content": null, "reasoning": "hm", "tool_calls": [
        {"id": "a", "function": {"name": "look", "arguments": "{"}},
        {"id": "a", "function": {"name": "look", "arguments": "{}"}},
        {"function": {"name": "look", "arguments": {"x": 1}}},
    ]});
    let server = Scripted::start(vec![json(200, &completion(message))]);
    let settings = Settings { stream: Some(false), ..settings(&server.url()) };
    let reply = ask(&open("openai_chat", &settings), &hello()).unwrap();
    assert_eq!((reply.text.as_str(), reply.reasoning.as_deref()), ("", Some("hm")));
    // Ids that stand twice or not at all are the model's or the server's; the rules judge them.
    let ids: Vec<&str> = reply.calls.iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["a", "a", ""]);
    assert_eq!(reply.body.unwrap()["later"][0], 1);
    assert!(server.requests()[0].contains("\"stream\":false"));
}

#[test]
fn messages_are_asked_for_in_their_own_words() {
    let events = [
        r#"{"type":"message_start","message":{"type":"message","model":"m","content":[],"usage":{"input_tokens":4}}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hi"}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}"#,
        r#"{"type":"message_stop"}"#,
    ];
    let server = Scripted::start(vec![streamed(&events), streamed(&events[..3])]);
    let backend = open("anthropic", &settings(&server.url()));
    let mut request = hello();
    request.params = backend.params();
    let reply = ask(&backend, &request).unwrap();
    assert_eq!((reply.text.as_str(), reply.finish_reason.as_deref()), ("hi", Some("end_turn")));
    assert_eq!(reply.usage.unwrap().total_tokens(), Some(6));
    let sent = &server.requests()[0];
    assert!(
        sent.starts_with("POST /v1/messages HTTP/1.1\r\n") && sent.contains("anthropic-version: 2023-06-01"),
        "{sent}"
    );
    assert!(sent.contains(&format!("x-api-key: {}", key())) && !sent.contains("authorization"), "{sent}");
    insta::assert_snapshot!(sent.split_once("\r\n\r\n").unwrap().1);
    let error = ask(&backend, &hello()).unwrap_err().to_string().replace(&server.authority(), "HOST");
    insta::assert_snapshot!(error, @"backend_protocol: the server HOST broke off its stream: it ended without a finish reason");
}

#[test]
fn what_messages_servers_say_is_typed() {
    let start = r#"{"type":"message_start","message":{"type":"message","model":"m","content":[]}}"#;
    let error = |kind: &str, text: &str| j!({"type": "error", "error": {"type": kind, "message": text}});
    let whole = |content: Value, reason: &str| {
        vec![json(200, &j!({"type": "message", "model": "m", "content": content, "stop_reason": reason}))]
    };
    let cases: Vec<(&str, Vec<Vec<Act>>)> = vec![
        ("whole", whole(j!([{"type": "text", "text": "hi"}]), "end_turn")),
        ("refusal", whole(j!([]), "refusal")),
        ("no content", whole(Value::Null, "end_turn")),
        ("401", vec![json(401, &error("authentication_error", "invalid x-api-key"))]),
        ("529", vec![json(529, &error("overloaded_error", "Overloaded"))]),
        (
            "context",
            vec![json(400, &error("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"))],
        ),
        ("model", vec![json(404, &error("not_found_error", "model: m"))]),
        ("error inside", vec![streamed(&[start, &error("overloaded_error", "Overloaded").to_string()])]),
        ("garbage", vec![streamed(&[start, "oops"])]),
        ("cut", vec![streamed(&[start, "{"])]),
        ("html", vec![response(200, "text/html", "<html>")]),
    ];
    let all: Vec<String> = cases
        .into_iter()
        .map(|(name, scripts)| format!("{name}: {}", told("anthropic", scripts, |_| ())))
        .collect();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn connections_are_kept_and_a_stale_one_is_no_failure() {
    let mut last = good();
    last.push(Act::Close);
    let server = Scripted::start(vec![good(), last, good()]);
    let backend = open("openai_chat", &settings(&server.url()));
    let secrets = Redactor::default();
    block(async {
        for _ in 0..3 {
            assert_eq!(backend.complete(&hello(), &secrets).await.unwrap().text, "hi");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    });
    assert_eq!((server.requests().len(), server.connections()), (3, 2));
}

#[test]
fn what_servers_say_is_typed() {
    let error = |status: u16, body: Value| vec![json(status, &body)];
    let message = |text: &str| j!({"error": {"message": text}});
    let cases: Vec<(&str, Vec<Vec<Act>>)> = vec![
        ("401", error(401, message(&format!("Incorrect API key provided: {}", key())))),
        ("403", error(403, message("no access"))),
        ("402", error(402, message("Insufficient Balance"))),
        (
            "quota",
            error(429, j!({"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}})),
        ),
        ("429", error(429, message("slow down"))),
        ("500", vec![response(500, "text/html", "<html><h1>oops</h1></html>")]),
        ("503", vec![response(503, "text/plain", "")]),
        (
            "529",
            error(529, j!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})),
        ),
        ("422", error(422, j!({"detail": "temperature must be below 2"}))),
        ("404 path", vec![response(404, "text/html", "not found")]),
        ("404 model", error(404, message("The model `m` does not exist"))),
        ("400 model", error(400, message("Model Not Exist"))),
        ("context", error(400, j!({"error": {"message": "too long", "code": "context_length_exceeded"}}))),
        ("filter", error(400, message("Content Exists Risk"))),
        ("long", error(400, message(&"x ".repeat(5000)))),
        ("redirect", vec![with_headers(302, &[("location", "https://u:secret@evil.example/x?token=1")], "")]),
        ("redirect path", vec![with_headers(308, &[("location", "/elsewhere")], "")]),
        ("packed", vec![with_headers(200, &[("content-encoding", "gzip")], "x")]),
        ("html", vec![response(200, "text/html", "<html><body>\u{1b}[31mPlease log in</body></html>")]),
        ("half", vec![response(200, "application/json", "{\"choices\": [{\"mess")]),
        ("nothing", vec![response(200, "application/json", "")]),
        ("array", vec![json(200, &j!([1]))]),
        ("no choice", vec![json(200, &j!({"choices": []}))]),
        ("null", vec![json(200, &completion(j!({"content": null})))]),
        ("empty", vec![json(200, &completion(j!({"content": ""})))]),
        ("error 200", vec![json(200, &j!({"error": {"message": "upstream is gone", "code": 502}}))]),
        ("no http", vec![vec![Act::Send(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()), Act::Close]]),
        ("filtered", vec![streamed(&[HI, &STOP.replace("stop", "content_filter"), "[DONE]"])]),
        ("resources", vec![streamed(&[HI, &STOP.replace("stop", "insufficient_system_resource"), "[DONE]"])]),
    ];
    let all: Vec<String> = cases
        .into_iter()
        .map(|(name, scripts)| format!("{name}: {}", told("openai_chat", scripts, |_| ())))
        .collect();
    let all = all.join("\n");
    assert!(!all.contains(&key()) && !all.contains("token=1"), "{all}");
    insta::assert_snapshot!(all);
}

#[test]
fn what_breaks_off_or_hangs_is_never_whole() {
    let short = |settings: &mut Settings| {
        settings.timeouts.first_byte = Some(Duration::from_millis(300));
        settings.timeouts.idle = Some(Duration::from_millis(200));
    };
    let event = |data: &str| Act::Send(format!("data: {data}\n\n").into_bytes());
    let half = |text: &str| Act::Send(text.as_bytes().to_vec());
    let cases: Vec<(&str, Vec<Act>)> = vec![
        ("closed at once", vec![Act::Close]),
        ("reset at once", vec![Act::Reset]),
        (
            "reset in the head",
            vec![half("HTTP/1.1 200 OK\r\ncontent-"), Act::Pause(Duration::from_millis(20)), Act::Reset],
        ),
        ("short body", vec![half("HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{\"choices\""), Act::Close]),
        ("reset in the stream", vec![chunked_head(), chunk(&format!("data: {HI}\n\n")), Act::Reset]),
        ("closed in the stream", vec![stream_head(), event(HI), Act::Close]),
        (
            "cut before [DONE]",
            vec![chunked_head(), chunk(&format!("data: {HI}\n\ndata: {STOP}\n\n")), Act::Close],
        ),
        (
            "cut after [DONE]",
            vec![
                chunked_head(),
                chunk(&format!("data: {HI}\n\ndata: {STOP}\n\ndata: [DONE]\n\n")),
                Act::Reset,
            ],
        ),
        (
            "no [DONE], ended",
            vec![chunked_head(), chunk(&format!("data: {HI}\n\ndata: {STOP}\n\n")), chunk("")],
        ),
        ("[DONE] alone", vec![stream_head(), event(HI), event("[DONE]"), Act::Close]),
        ("bad chunk", vec![chunked_head(), half("zz\r\nx\r\n"), Act::Close]),
        ("half an event", vec![stream_head(), half("data: {\"choices\": [{\"index\": 0, \"del"), Act::Close]),
        ("garbage events", vec![stream_head(), event("oops"), Act::Close]),
        ("not UTF-8", vec![stream_head(), Act::Send(b"data: \xff\xfe\n\n".to_vec()), Act::Close]),
        (
            "error inside",
            vec![
                stream_head(),
                event(HI),
                event(r#"{"error":{"message":"overloaded","code":503}}"#),
                Act::Close,
            ],
        ),
        ("too much", vec![stream_head(), Act::Send(vec![b'x'; 17 << 20]), Act::Close]),
        ("far too much", vec![half("HTTP/1.1 200 OK\r\n\r\n"), Act::Send(vec![b' '; 65 << 20]), Act::Close]),
        ("silent", vec![Act::Hang]),
        ("silent after the head", vec![chunked_head(), Act::Hang]),
        ("silent inside", vec![chunked_head(), chunk(&format!("data: {HI}\n\n")), Act::Hang]),
        (
            "silent after [DONE]",
            vec![
                chunked_head(),
                chunk(&format!("data: {HI}\n\ndata: {STOP}\n\ndata: [DONE]\n\n")),
                Act::Hang,
            ],
        ),
    ];
    let mut all: Vec<String> = std::thread::scope(|scope| {
        let started: Vec<_> = cases
            .into_iter()
            .map(|(name, script)| {
                scope.spawn(move || format!("{name}: {}", told("openai_chat", vec![script], short)))
            })
            .collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    // One byte at a time is alive, and never done.
    let drip = vec![chunked_head(), Act::Drip(vec![b'0'; 1000], Duration::from_millis(20))];
    all.push(format!(
        "dripping: {}",
        told("openai_chat", vec![drip], |settings| {
            settings.timeouts.total = Some(Duration::from_millis(400));
        })
    ));
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn nobody_there_is_told() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = ask(&open("openai_chat", &settings(&format!("http://{free}"))), &hello()).unwrap_err();
    let told = error.to_string().replace(&free.to_string(), "HOST");
    insta::assert_snapshot!(told, @"backend: the server HOST can't be reached: connection refused");
    // A server that accepts and never shakes hands.
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut settings = settings(&format!("https://{}", server.local_addr().unwrap()));
    settings.timeouts.connect = Some(Duration::from_millis(200));
    let host = server.local_addr().unwrap().to_string();
    let error =
        ask(&open("openai_chat", &settings), &hello()).unwrap_err().to_string().replace(&host, "HOST");
    insta::assert_snapshot!(error, @"backend: the server HOST could not be connected to within 200 ms (timeout connect)");
}

#[test]
fn what_is_worth_it_is_tried_again_and_told() {
    let mut scripts = vec![
        response(500, "text/plain", "oops"),
        vec![Act::Reset],
        with_headers(429, &[("retry-after", "0")], "{}"),
        with_headers(503, &[("retry-after-ms", "120")], "{}"),
    ];
    scripts.push(good());
    let server = Scripted::start(scripts);
    let settings = Settings { max_retries: Some(4), ..settings(&server.url()) };
    let backend = open("openai_chat", &settings);
    let request = hello();
    let began = Instant::now();
    assert_eq!(ask(&backend, &request).unwrap().text, "hi");
    assert!(began.elapsed() >= Duration::from_millis(250 + 500 + 50 + 120), "{:?}", began.elapsed());
    let list = request.troubles.to_json().unwrap();
    let reasons: Vec<String> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|retry| retry["reason"].as_str().unwrap().replace(&server.authority(), "HOST"))
        .collect();
    insta::assert_snapshot!(reasons.join("\n"), @"
    the server HOST failed (status 500: 'oops')
    the server HOST broke off before it answered
    the server HOST is asked too often (status 429: '{}')
    the server HOST has too much to do (status 503: '{}')
    ");
    assert_eq!(request.troubles.pending(), None);
    assert!(backend.notes()[0].starts_with("4 requests had to be sent again"), "{:?}", backend.notes());
    // What would fail again is asked once; what fails too often is given up.
    for (script, asked) in [(response(400, "text/plain", "no"), 1), (response(500, "text/plain", "no"), 2)] {
        let server = Scripted::start(vec![script]);
        let settings = Settings { max_retries: Some(1), ..settings.clone() };
        let settings = Settings { base_url: Some(server.url()), ..settings };
        let error = ask(&open("openai_chat", &settings), &hello()).unwrap_err();
        assert_eq!(
            (server.requests().len(), error.message.contains("(2 tries)")),
            (asked, asked == 2),
            "{error}"
        );
    }
}

#[test]
fn a_wait_that_is_asked_for_holds_all_workers() {
    let server = Scripted::start(vec![with_headers(429, &[("retry-after", "0.4")], "{}"), good()]);
    let settings = Settings { max_retries: Some(4), ..settings(&server.url()) };
    let backend = open("openai_chat", &settings);
    let times = block(async {
        let began = Instant::now();
        let first = {
            let backend = Arc::clone(&backend);
            tokio::spawn(async move { backend.complete(&hello(), &Redactor::default()).await })
        };
        while server.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let others: Vec<_> = (0..6)
            .map(|_| {
                let backend = Arc::clone(&backend);
                tokio::spawn(async move {
                    backend.complete(&hello(), &Redactor::default()).await.unwrap();
                    began.elapsed()
                })
            })
            .collect();
        assert!(first.await.unwrap().is_ok());
        let mut times = Vec::new();
        for other in others {
            times.push(other.await.unwrap());
        }
        times
    });
    // Nobody asked before the wait was over, though only one was told.
    assert!(times.iter().all(|time| *time >= Duration::from_millis(400)), "{times:?}");
    assert_eq!(server.requests().len(), 8);
}

#[test]
fn a_refused_key_is_asked_with_once() {
    let server = Scripted::start(vec![json(401, &j!({"error": "bad key"}))]);
    let backend = open("openai_chat", &settings(&server.url()));
    let first = ask(&backend, &hello()).unwrap_err();
    assert_eq!(ask(&backend, &hello()).unwrap_err(), first);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn another_model_is_kept_and_told() {
    let other = HI.replace("\"m\"", "\"cheap-model\"");
    let server = Scripted::start(vec![streamed(&[&other, STOP, "[DONE]"])]);
    let settings = Settings { model: Some("big-model".to_owned()), ..settings(&server.url()) };
    let backend = open("openai_chat", &settings);
    assert_eq!(ask(&backend, &hello()).unwrap().model.as_deref(), Some("cheap-model"));
    let notes = backend.notes().join("\n").replace(&server.authority(), "HOST");
    insta::assert_snapshot!(notes, @"asked for 'big-model', the server HOST let 'cheap-model' answer, 1×");
}

#[test]
fn hostile_streams_are_read_or_refused_as_they_must() {
    need!("python3");
    let Some(generator) = support::data("hostile_inputs.py") else { return };
    let folder = support::temp();
    let made = std::process::Command::new("python3").arg(generator).arg(folder.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let manifest: Value = serde_json::from_str(&support::read(&folder.path().join("manifest.json"))).unwrap();
    let mut seen = 0;
    for case in manifest.as_array().unwrap().iter().filter(|case| case["target"] == "sse") {
        seen += 1;
        let file = case["file"].as_str().unwrap();
        let bytes = std::fs::read(folder.path().join(file)).unwrap();
        let html = file == "sse/not_sse.html";
        let head = if html {
            Act::Send(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec())
        } else {
            stream_head()
        };
        let server = Scripted::start(vec![vec![head, Act::Send(bytes), Act::Close]]);
        let reply = ask(&open("openai_chat", &settings(&server.url())), &hello());
        assert_eq!(reply.is_ok(), case["expect"] == "accept", "{file}: {reply:?}");
        match (file, reply) {
            ("sse/crlf_comments.txt" | "sse/multi_data_lines.txt", Ok(reply)) => assert_eq!(reply.text, "hi"),
            ("sse/tool_fragments.txt", Ok(reply)) => {
                assert_eq!(reply.calls.len(), 2);
                // Whoever judges the trajectory says that the id stands twice: FC020.
                assert!(reply.calls.iter().all(|call| call.id == "a"), "{:?}", reply.calls);
                let arguments: Vec<_> =
                    reply.calls.iter().map(|call| call.arguments.parsed.clone().map(Value::Object)).collect();
                assert_eq!(arguments, [Some(j!({"x": "\u{1f600}"})), Some(j!({}))]);
            }
            ("sse/usage_tail.txt", Ok(reply)) => assert_eq!(reply.usage.unwrap().total_tokens(), Some(2)),
            ("sse/not_sse.html", Err(error)) => {
                let says = ["200", "502 Bad Gateway"].map(|part| error.message.contains(part));
                assert_eq!(says, [true, true], "{error}");
                assert_eq!(error.class, ErrorClass::BackendProtocol);
            }
            ("sse/error_mid.txt", Err(error)) => assert!(error.message.contains("overloaded"), "{error}"),
            ("sse/empty_choices.txt", Err(error)) => {
                assert_eq!(error.class, ErrorClass::BackendProtocol, "{error}");
            }
            _ => {}
        }
        // What was cut, or is the server's trouble, is asked for again.
        if matches!(file, "sse/no_done.txt" | "sse/error_mid.txt") {
            let bytes = std::fs::read(folder.path().join(file)).unwrap();
            let server = Scripted::start(vec![vec![stream_head(), Act::Send(bytes), Act::Close], good()]);
            let settings = Settings { max_retries: Some(1), ..settings(&server.url()) };
            assert_eq!(ask(&open("openai_chat", &settings), &hello()).unwrap().text, "hi", "{file}");
        }
    }
    assert!(seen >= 8, "only {seen} cases");
}

/// A TLS server with a certificate of its own making for localhost: its port, and the certificate as PEM.
fn tls_server() -> (u16, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Arc::new(config);
    std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        // As many connections as the test makes; the thread ends with the process.
        for stream in listener.incoming().flatten() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream);
            let mut request = vec![0; 65536];
            // A client that trusts nobody sends nothing.
            if matches!(stream.read(&mut request), Ok(n) if n > 0) {
                let body = completion(j!({"content": "hello"})).to_string();
                let head =
                    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
                let _ = stream.write_all((head + &body).as_bytes());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    (port, made.cert.pem())
}

#[test]
fn tls_is_spoken_with_those_who_are_trusted() {
    let (port, pem) = tls_server();
    let folder = support::temp();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("ca.pem", &pem);
    write(
        "suite.toml",
        "schema = 1\nname = \"s\"\n[defaults]\nagent = \"codeact\"\npolicy = \"any\"\n[[task]]\nid = \"t\"\nprompt = \"x\"\nscore = [{ kind = \"regex\", pattern = \"hello\" }]\n",
    );
    write(
        "rolltape.toml",
        &format!(
            "[backend.own]\nkind = \"openai_chat\"\nbase_url = \"https://localhost:{port}\"\nmodel = \"m\"\nmax_retries = 0\n"
        ),
    );
    let run = |out: &str| {
        let arguments = ["run", ".", "--backend", "own", "--sandbox", "none", "--out", out];
        support::Rolltape::new(&arguments).cwd(folder.path())
    };
    run("good")
        .env("SSL_CERT_FILE", folder.path().join("ca.pem"))
        .env("SSL_CERT_DIR", "/nonexistent")
        .run()
        .expect_code(0);
    // Another root is trusted, and not this one.
    write("other.pem", &rcgen::generate_simple_self_signed(vec!["other".to_owned()]).unwrap().cert.pem());
    let other = folder.path().join("other.pem");
    let bad = run("bad").env("SSL_CERT_FILE", other).env("SSL_CERT_DIR", "/nonexistent").run().expect_code(3);
    assert!(bad.stdout.contains("shows a certificate that is not trusted"), "{}", bad.stdout);
    write("none.pem", "");
    let none = folder.path().join("none.pem");
    let none =
        run("none").env("SSL_CERT_FILE", none).env("SSL_CERT_DIR", "/nonexistent").run().expect_code(2);
    insta::assert_snapshot!(none.stderr, @"
    error: back end 'own' can't be opened: this machine has no root certificates for TLS
    hint: install ca-certificates, or name a bundle with SSL_CERT_FILE
    ");
}
