//! The `llm` service over real sockets: curl and raw TCP.

use rolltape::model::Object;
use rolltape::service::{self, Running, Secrets, derive_secrets};
use rolltape::suite::ServiceSpec;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;
use tokio::runtime::Runtime;

use crate::support;

pub(crate) struct Server {
    pub(crate) running: Running,
    // Dropped last: the server's tasks live in it.
    _runtime: Runtime,
}

pub(crate) fn object(value: Value) -> Object {
    let Value::Object(object) = value else { panic!("an object is wanted") };
    object
}

fn spec(options: Value) -> ServiceSpec {
    ServiceSpec {
        name: "deepseek".to_owned(),
        kind: "llm".to_owned(),
        hosts: Vec::new(),
        port: None,
        key_env: None,
        options: object(options),
    }
}

pub(crate) fn start(options: Value) -> Server {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let spec = spec(options);
    let kind = service::find("llm").unwrap();
    assert_eq!((kind.check)(&spec), Vec::<String>::new());
    let running = {
        let _inside = runtime.enter();
        (kind.start)(&spec, &spec.options, derive_secrets(0, "s/t/u/1", "deepseek"), listener.into()).unwrap()
    };
    Server { running, _runtime: runtime }
}

impl Server {
    pub(crate) fn secrets(&self) -> &Secrets {
        &self.running.secrets
    }

    /// Sends bytes as they are and reads until the server closes.
    pub(crate) fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.running.addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    /// One request; status, the head in lower case, body.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: &str,
    ) -> (u16, String, String) {
        let auth = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{auth}");
        let text = self.raw(format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes());
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap();
        let head = head.to_lowercase();
        let body =
            if head.contains("transfer-encoding: chunked") { unchunked(body) } else { body.to_owned() };
        (status, head, body)
    }

    pub(crate) fn chat(&self, body: &Value) -> (u16, String, String) {
        self.ask("POST", "/chat/completions", Some(&self.secrets().key), &body.to_string())
    }
}

/// The text of a body in chunks, up to where it ends or breaks.
pub(crate) fn unchunked(body: &str) -> String {
    let (mut rest, mut text) = (body, String::new());
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        let Some(chunk) = after.get(..size).filter(|_| size > 0) else { break };
        text.push_str(chunk);
        rest = after[size..].strip_prefix("\r\n").unwrap_or_default();
    }
    text
}

fn hello() -> Value {
    json!({"model": "deepseek-chat", "messages": [{"role": "user", "content": "Hello, 你好"}], "tools": null})
}

#[test]
fn curl_gets_a_completion_models_and_the_balance() {
    need!("curl");
    let server = start(json!({"balance": 42.5}));
    let curl = |path: &str, more: &[&str]| {
        let auth = format!("Authorization: Bearer {}", server.secrets().key);
        let url = format!("{}{path}", server.running.url());
        let output = Command::new("curl")
            .args(["-sS", "--noproxy", "*", "--max-time", "20", "-w", "\n%{http_code}", "-H", &auth, &url])
            .args(more)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        assert_eq!(status, "200", "{body}");
        serde_json::from_str::<Value>(body).unwrap()
    };
    let chat = curl("/v1/chat/completions", &["-d", &hello().to_string()]);
    assert_eq!(chat["object"], "chat.completion");
    let content = chat["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(content.contains("Hello, 你好") && content.contains(&server.secrets().nonce), "{content}");
    assert_eq!(chat, curl("/chat/completions", &["-d", &hello().to_string()]));
    let ids: Vec<_> =
        curl("/models", &[])["data"].as_array().unwrap().iter().map(|m| m["id"].clone()).collect();
    assert_eq!(ids[..2], ["deepseek-chat", "deepseek-reasoner"]);
    assert_eq!(ids[2], format!("mock-{}", server.secrets().nonce));
    assert_eq!(curl("/v1/user/balance", &[])["balance_infos"][0]["total_balance"], "42.50");

    let log = server.running.requests();
    assert_eq!(log.len(), 4);
    let expected = json!({
        "method": "POST", "path": "/v1/chat/completions", "status": 200, "auth": "ok",
        "model": "deepseek-chat", "body": hello(), "nonce": true,
    });
    assert_eq!(Value::Object(log[0].clone()), expected);
    assert_eq!(
        log[0].keys().collect::<Vec<_>>(),
        ["method", "path", "status", "auth", "model", "body", "nonce"]
    );
    assert_eq!(log[2]["body"], Value::Null);
}

#[test]
fn a_stream_says_the_same_as_the_whole_answer() {
    let server = start(json!({}));
    let (_, _, whole) = server.chat(&hello());
    let mut asked = hello();
    asked["stream"] = json!(true);
    let (status, head, body) = server.chat(&asked);
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    assert!(body.ends_with("data: [DONE]\n\n"));
    let text: String = body
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok())
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
        .collect();
    let whole: Value = serde_json::from_str(&whole).unwrap();
    assert_eq!(whole["choices"][0]["message"]["content"], text);
}

#[test]
fn a_bad_key_gets_the_body_of_the_recorded_transcript() {
    let server = start(json!({}));
    let expected = concat!(
        r#"{"error":{"message":"Authentication Fails (no such user)","type":"authentication_error","#,
        r#""param":null,"code":"invalid_request_error"}}"#,
    );
    for key in [None, Some("sk-00000000000000000000000000000000"), Some("")] {
        let (status, _, body) = server.ask("POST", "/chat/completions", key, &hello().to_string());
        assert_eq!((status, body.as_str()), (401, expected));
    }
    let auths: Vec<_> = server.running.requests().iter().map(|line| line["auth"].clone()).collect();
    assert_eq!(auths, ["missing", "bad", "bad"]);
    if let Some(data) = support::data("seed/deepseek_transcript.txt") {
        assert!(support::read(&data).contains(expected));
    }
}

#[test]
fn no_key_ever_enters_the_log() {
    let server = start(json!({}));
    let key = server.secrets().key.clone();
    let mine = format!("sk-{}", "0123456789abcdef".repeat(2));
    let body = |text: &str| json!({"model": text, text: 1, "messages": [{"role": "user", "content": text}]});
    server.chat(&body(&key));
    server.ask("POST", "/chat/completions", Some(&mine), &body(&mine).to_string());
    server.ask("GET", &format!("/models?api_key={key}"), Some(&key), "");
    server.ask("GET", &format!("/{mine}"), Some(&mine), "");
    let (_, _, echoed) = server.chat(&json!({
        "model": "deepseek-chat", "messages": [{"role": "user", "content": format!("my key is {key}")}],
    }));
    assert!(!echoed.contains(&key) && echoed.contains("my key is <key>"), "{echoed}");
    let log = serde_json::to_string(&server.running.requests()).unwrap();
    assert_eq!(server.running.requests().len(), 5);
    assert!(!log.contains(&key) && !log.contains(&mine), "{log}");
}

#[test]
fn wrong_requests_get_typed_errors() {
    let server = start(json!({}));
    let key = server.secrets().key.clone();
    let post = |body: &str| server.ask("POST", "/v1/chat/completions", Some(&key), body);
    let user = json!([{"role": "user", "content": "x"}]);
    let with = |more: Value| {
        let mut body = json!({"model": "deepseek-chat", "messages": user});
        body.as_object_mut().unwrap().extend(object(more));
        post(&body.to_string())
    };
    let mut told = String::new();
    for (what, (status, _, body)) in [
        ("cut JSON", post("{\"model\":")),
        ("no JSON", post("")),
        ("a list", post("[]")),
        ("no model", post(&json!({"messages": user}).to_string())),
        ("other model", with(json!({"model": "gpt-0"}))),
        ("no messages", post(r#"{"model":"deepseek-chat"}"#)),
        ("empty messages", with(json!({"messages": []}))),
        ("bad role", with(json!({"messages": [{"role": "boss", "content": "x"}]}))),
        ("hot", with(json!({"temperature": 3}))),
        ("odd stream", with(json!({"stream": "yes"}))),
        ("unknown path", server.ask("GET", "/nothing", Some(&key), "")),
        ("wrong method", server.ask("GET", "/chat/completions", Some(&key), "")),
        ("wrong method", server.ask("DELETE", "/models", Some(&key), "")),
    ] {
        let body: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{what}: {body}"));
        let error = &body["error"];
        told.push_str(&format!("{what}: {status} {} {}\n", error["type"], error["message"]));
    }
    insta::assert_snapshot!(told, @r#"
    cut JSON: 400 "invalid_request_error" "The body is not JSON: EOF while parsing a value at line 1 column 9"
    no JSON: 400 "invalid_request_error" "The body is not JSON: EOF while parsing a value at line 1 column 0"
    a list: 422 "invalid_request_error" "The body must be a JSON object"
    no model: 422 "invalid_request_error" "The field 'model' is missing"
    other model: 400 "invalid_request_error" "Model Not Exist"
    no messages: 422 "invalid_request_error" "The field 'messages' must be a list"
    empty messages: 422 "invalid_request_error" "The field 'messages' must not be empty"
    bad role: 422 "invalid_request_error" "Every message needs a 'role': system, user, assistant or tool"
    hot: 422 "invalid_request_error" "The field 'temperature' must be a number from 0 to 2"
    odd stream: 422 "invalid_request_error" "The field 'stream' must be true or false"
    unknown path: 404 "invalid_request_error" "There is nothing at /nothing"
    wrong method: 405 "invalid_request_error" "/chat/completions takes POST, not GET"
    wrong method: 405 "invalid_request_error" "/models takes GET, not DELETE"
    "#);
}

#[test]
fn faults_come_first_and_then_the_answer() {
    let server = start(json!({"fault": ["429-once", "503-twice", "500@balance"], "retry_after": 7}));
    // A request that would not have been answered well uses no fault up.
    let key = server.secrets().key.clone();
    assert_eq!(server.ask("POST", "/chat/completions", None, &hello().to_string()).0, 401);
    assert_eq!(server.chat(&json!({})).0, 422);
    let (status, head, body) = server.chat(&hello());
    assert_eq!(status, 429);
    assert!(head.contains("\r\nretry-after: 7"), "{head}");
    assert!(body.contains("Rate limit") && !body.contains(&server.secrets().nonce), "{body}");
    let rest: Vec<u16> = (0..3).map(|_| server.chat(&hello()).0).collect();
    assert_eq!(rest, [503, 503, 200]);
    assert_eq!(server.ask("GET", "/models", Some(&key), "").0, 200);
    let balance: Vec<u16> = (0..2).map(|_| server.ask("GET", "/user/balance", Some(&key), "").0).collect();
    assert_eq!(balance, [500, 500]);
    let log: Vec<_> = server
        .running
        .requests()
        .iter()
        .map(|line| (line["status"].clone(), line["nonce"].clone()))
        .collect();
    assert_eq!(log[2], (json!(429), json!(false)));
    assert_eq!(log[5], (json!(200), json!(true)));
}

#[test]
fn a_retry_that_comes_too_early_is_refused_again_where_that_is_asked_for() {
    let server = start(json!({"fault": "429-once", "retry_after": 1, "strict_retry": true}));
    let early: Vec<u16> = (0..3).map(|_| server.chat(&hello()).0).collect();
    assert_eq!(early, [429, 429, 429]);
    std::thread::sleep(Duration::from_millis(1000));
    assert_eq!(server.chat(&hello()).0, 200, "an early retry does not prolong the wait");
    let server = start(json!({"fault": "429-once@models", "retry_after": 60, "strict_retry": true}));
    let key = server.secrets().key.clone();
    let early: Vec<u16> = (0..2).map(|_| server.ask("GET", "/models", Some(&key), "").0).collect();
    assert_eq!(early, [429, 429]);
}

#[test]
fn hostile_bytes_end_their_own_connection_only() {
    let server = start(json!({}));
    let key = &server.secrets().key;
    for bytes in
        [&b"\0\xff\xfe garbage\r\n\r\n"[..], b"", b"POST / HTTP/9.9\r\n\r\n", b"GET /models HTTP/1.1\r\nHost"]
    {
        let text = server.raw(bytes);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    }
    // A body that is shorter than announced.
    let cut = format!(
        "POST /chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: 99\r\n\r\n{{"
    );
    let text = server.raw(cut.as_bytes());
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 400"), "{text}");
    // A body over the limit, sent in full.
    let big =
        json!({"model": "deepseek-chat", "messages": [{"role": "user", "content": "x".repeat(2 << 20)}]});
    let mut stream = TcpStream::connect(server.running.addr).unwrap();
    let body = big.to_string();
    let head = format!(
        "POST /chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // The server may close before it has everything.
    let _ = stream.write_all(body.as_bytes());
    let mut answer = vec![0; 12];
    if stream.read_exact(&mut answer).is_ok() {
        assert_eq!(answer, b"HTTP/1.1 413");
    }
    assert_eq!(server.running.requests().last().map(|line| line["status"].clone()), Some(json!(413)));
    assert_eq!(server.chat(&hello()).0, 200);
}

#[test]
fn fifty_at_once_are_all_answered_and_logged() {
    let server = start(json!({"fault": "429-10"}));
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..50).map(|_| scope.spawn(|| server.chat(&hello()).0)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 10);
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 40);
    assert_eq!(server.running.requests().len(), 50);
}

#[test]
fn a_dropped_service_stops_listening() {
    let server = start(json!({}));
    let addr = server.running.addr;
    let mut open = TcpStream::connect(addr).unwrap();
    open.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(server.chat(&hello()).0, 200);
    let Server { running, _runtime } = server;
    drop(running);
    let mut rest = Vec::new();
    // An open connection ends, by end of file or reset.
    let _ = open.read_to_end(&mut rest);
    assert!(rest.is_empty());
    let until = std::time::Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(addr).is_ok() {
        assert!(std::time::Instant::now() < until, "the listener is still open");
        std::thread::sleep(Duration::from_millis(10));
    }
}
