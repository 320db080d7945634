//! Hand-made runs for the tests of the store and of the reports.

use rolltape::model::{
    Arguments, AttemptId, AttemptRecord, CassetteLine, Drift, ErrorClass, Event, Evidence, Exchanged,
    Finding, Finished, LayerState, LimitKind, Object, Observation, ObservationResult, Outcome, ReadingKind,
    Reply, RunError, RunId, RunManifest, RunSummary, Score, Severity, Source, Span, Step, Subject, ToolCall,
    Trajectory, Usage,
};
use rolltape::util::digest::sha256_hex;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// An object of a JSON literal.
pub(crate) fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

pub(crate) fn subject() -> Subject {
    Subject {
        id: "codeact@scripted".to_owned(),
        agent: "codeact".to_owned(),
        backend: "scripted:replies".to_owned(),
        model: Some("deepseek-chat".to_owned()),
        params: object(json!({"temperature": 0.0})),
    }
}

pub(crate) fn manifest(planned: u64) -> RunManifest {
    RunManifest {
        id: RunId("20261123T161900-demo-3f2a".to_owned()),
        suites: vec![("demo".to_owned(), "5ca1ab1e".repeat(8))],
        tasks: (0..planned).map(|seq| (format!("demo/{}", task(seq)), "0badcafe".repeat(8))).collect(),
        subjects: vec![subject()],
        attempts: 1,
        planned,
        seed: 0,
        sandbox: "namespaces:overlay".to_owned(),
        layers: vec![
            LayerState { name: "netns".to_owned(), on: true, reason: None },
            LayerState {
                name: "landlock".to_owned(),
                on: false,
                reason: Some("the kernel has none".to_owned()),
            },
        ],
        policy: "exactly-one".to_owned(),
        reading: "strict".to_owned(),
        versions: object(json!({"rolltape": "0.0.0"})),
        invocation: object(json!({"suites": ["suites/demo"]})),
        timing: object(json!({"started": "2026-11-23T16:19:00Z"})),
    }
}

fn task(seq: u64) -> String {
    const NAMES: [&str; 8] =
        ["first-call", "sloppy", "loops", "tape", "needs-curl", "中文任务", "stopped", "models"];
    NAMES.get(seq as usize).map_or_else(|| format!("task-{seq}"), |name| (*name).to_owned())
}

pub(crate) fn id(seq: u64) -> AttemptId {
    AttemptId { suite: "demo".to_owned(), task: task(seq), subject: subject().id, n: 1 }
}

/// Text of a hostile model.
pub(crate) const HOSTILE: &str = "\x1b]0;owned\x07<script>alert('x')</script> ]]> \u{202e}evil\u{202c} \
    | cell `code` @everyone ![i](http://example.invalid/i.png)\n::set-output name=x::y\n=HYPERLINK(\"x\")";

const TWO_CALLS: &str = "I do both.\n<function=execute_bash>\n<parameter=command>ls</parameter>\n</function>\n\
    <function=execute_bash>\n<parameter=command>pwd</parameter>\n</function>\nand more";

/// The attempt of plan position `seq`: the first eight show every outcome, later ones pass.
pub(crate) fn finished(seq: u64) -> Finished {
    let (outcome, success) = match seq {
        1 => (Outcome::Invalid, Some(false)),
        2 => (Outcome::Limit(LimitKind::Turns), Some(false)),
        3 => {
            let what = "turn 3 left the tape: no reply is recorded for it";
            (Outcome::Error(RunError::new(ErrorClass::CassetteMiss, what)), None)
        }
        4 => (Outcome::Skipped("curl is not installed".to_owned()), None),
        5 => (Outcome::Failed, Some(false)),
        6 => (Outcome::Cancelled, None),
        _ => (Outcome::Passed, Some(true)),
    };
    let ran = seq != 4;
    let said = match seq {
        1 => TWO_CALLS,
        5 => HOSTILE,
        _ => "I look.\n<function=execute_bash>\n<parameter=command>ls</parameter>\n</function>",
    };
    let evidence: Arc<[u8]> = format!("printed by attempt {seq}\n").into_bytes().into();
    let digest = sha256_hex(&evidence);
    let record = AttemptRecord {
        seq,
        id: id(seq),
        try_n: 1,
        task_digest: "0badcafe".repeat(8),
        subject: subject(),
        seed: 18_446_744_073_709_551_615 - seq,
        reward: success.map(|success| if success { 1.0 } else { 0.25 }),
        scores: success.map(|success| scores(seq, success)).into_iter().flatten().collect(),
        format_ok: ran.then_some(seq != 1),
        findings: if seq == 1 { findings() } else { Vec::new() },
        messages: u64::from(ran),
        calls: u64::from(ran),
        turns: u64::from(ran),
        usage: usage(seq),
        cost_usd: if seq == 2 { None } else { Some(0.000_125) },
        spent_usd: 0.0,
        drift: if seq == 7 { vec![Drift { turn: 2, diff: "-old <b>\n+new\n".to_owned() }] } else { vec![] },
        parent: None,
        evidence: if ran {
            vec![Evidence { name: "stdout".to_owned(), sha256: digest.clone() }]
        } else {
            vec![]
        },
        trajectory: None,
        kept: None,
        timing: object(json!({"started": "2026-11-23T16:19:01Z", "duration_ms": 1234.5 + seq as f64})),
        outcome,
        success,
    };
    let evidence = if ran { vec![(digest, evidence)] } else { Vec::new() };
    Finished { record, trajectory: trajectory(seq, said), evidence }
}

fn usage(seq: u64) -> Usage {
    if seq == 4 {
        return Usage::zero();
    }
    Usage {
        prompt_tokens: Some(1200),
        completion_tokens: Some(34 + seq),
        cached_tokens: None,
        cost_usd: Some(0.000_125),
    }
}

fn scores(seq: u64, success: bool) -> Vec<Score> {
    let reason = if seq == 5 { HOSTILE } else { "the answer names the model" };
    vec![
        Score { scorer: "regex".to_owned(), value: Some(1.0), weight: 1.0, reason: reason.to_owned() },
        Score {
            scorer: "service".to_owned(),
            value: Some(if success { 1.0 } else { 0.0 }),
            weight: 3.0,
            reason: if success { "200 with the key" } else { "no request reached the server" }.to_owned(),
        },
    ]
}

fn findings() -> Vec<Finding> {
    let second = TWO_CALLS.rfind("<function=").unwrap_or(0);
    let end = TWO_CALLS.rfind("</function>").unwrap_or(0) + "</function>".len();
    let finding = |rule, name, severity, span, text: &str| Finding {
        rule,
        name,
        severity,
        readings: vec![ReadingKind::Strict, ReadingKind::Runtime("openhands-v0".to_owned())],
        step: Some(2),
        message: Some(0),
        span: Some(span),
        location: None,
        text: text.to_owned(),
    };
    vec![
        finding(
            "FC002",
            "multiple-calls",
            Severity::Error,
            Span::new(second, end),
            "2 calls where exactly one is allowed",
        ),
        finding(
            "FC003",
            "trailing-text",
            Severity::Warning,
            Span::new(end, TWO_CALLS.len()),
            "text after the call",
        ),
    ]
}

pub(crate) fn trajectory(seq: u64, said: &str) -> Trajectory {
    let mut agent = Step::new(2, Source::Agent, said.split("<function").next().unwrap_or("").trim());
    agent.reply = Some(Reply {
        text: said.to_owned(),
        finish_reason: Some("stop".to_owned()),
        dialect: Some("openhands".to_owned()),
        native: false,
        place: None,
    });
    agent.calls = vec![ToolCall {
        id: "call-1".to_owned(),
        name: "execute_bash".to_owned(),
        arguments: Arguments::object(object(json!({"command": "ls"}))),
        extra: Object::new(),
        place: None,
    }];
    agent.observation = Some(Observation {
        results: vec![ObservationResult {
            call_id: Some("call-1".to_owned()),
            content: Some(rolltape::model::Message::Text(format!("notes.txt\n{HOSTILE}"))),
            ..ObservationResult::default()
        }],
    });
    agent.timestamp = Some("2026-11-23T16:19:01Z".to_owned());
    Trajectory {
        id: Some(id(seq).to_string()),
        agent: rolltape::model::AgentInfo {
            name: "codeact".to_owned(),
            version: "0.0.0".to_owned(),
            model: Some("deepseek-chat".to_owned()),
            ..rolltape::model::AgentInfo::default()
        },
        steps: vec![Step::new(1, Source::User, format!("Call the API. 请调用接口。 ({seq})")), agent],
        ..Trajectory::default()
    }
}

pub(crate) fn exchange(seq: u64) -> Event {
    let line = CassetteLine {
        scope: rolltape::model::Scope::Agent,
        suite: "demo".to_owned(),
        task: task(seq),
        subject: subject().id,
        attempt: 1,
        turn: 1,
        prefix_sha256: sha256_hex(b""),
        new_messages: vec![object(json!({"role": "user", "content": format!("turn of {seq}")}))],
        params: Object::new(),
        tools_sha256: String::new(),
        status: 200,
        body: Some(json!({"choices": []})),
        sse: None,
        usage: None,
    };
    Event::Exchanged(Arc::new(Exchanged { attempt: id(seq), line }))
}

/// The events of plan positions `seqs`, each with its exchange before it.
pub(crate) fn events(planned: u64, seqs: impl IntoIterator<Item = u64>) -> Vec<Event> {
    let mut events = vec![Event::RunStarted(Box::new(manifest(planned)))];
    for seq in seqs {
        events.push(Event::AttemptStarted(id(seq)));
        events.push(exchange(seq));
        events.push(Event::AttemptFinished(Arc::new(finished(seq))));
    }
    events.push(Event::RunFinished(RunSummary::default()));
    events
}

/// Writes a whole run of `planned` attempts into `dir`.
pub(crate) fn write(dir: &Path, planned: u64) -> rolltape::store::RunView {
    let mut recorder = rolltape::store::Recorder::create(dir).expect("a recorder");
    let mut sink = recorder.sink();
    for event in events(planned, 0..planned) {
        sink.on(&event).expect("the recorder takes the event");
    }
    recorder.finish().expect("the run is on disk");
    rolltape::store::open(dir).expect("the run opens")
}
