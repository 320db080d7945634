//! Rules: every manual is run, and both readings are held apart.

use rolltape::model::{
    Arguments, CallPolicy, Finding, Message, Object, Observation, ObservationResult, Policy, Reading,
    ReadingKind, Reply, Severity, Source, Step, ToolCall, ToolDef, Trajectory,
};
use rolltape::rules::{self, Judgement, Rule};
use serde_json::{Value, json};

/// The fenced blocks of one kind in a manual.
fn blocks<'a>(manual: &'a str, kind: &str) -> Vec<&'a str> {
    let open = format!("````{kind}\n");
    manual.split(&open).skip(1).filter_map(|rest| rest.split("\n````").next()).collect()
}

/// Reads the notation of the manuals: `[assistant finish=stop]` and the like head the texts below them.
fn example(text: &str) -> Trajectory {
    let mut trajectory = Trajectory::default();
    let mut rest = text;
    while let Some(body) = rest.strip_prefix('[') {
        let (head, body) = body.split_once(']').expect("a closed heading");
        let body = body.strip_prefix('\n').unwrap_or(body);
        let end = headings(body).unwrap_or(body.len());
        let content = body[..end].trim_end_matches('\n');
        rest = &body[end..];
        let mut words = head.split(' ');
        let kind = words.next().unwrap_or("");
        let id = trajectory.steps.len() as u64 + 1;
        match kind {
            "tools" => trajectory.agent.tools = Some(content.lines().map(tool).collect()),
            "user" => trajectory.steps.push(Step::new(id, Source::User, content)),
            "assistant" => {
                let mut step = Step::new(id, Source::Agent, content);
                let finish_reason =
                    words.next().and_then(|word| word.strip_prefix("finish=")).map(str::to_owned);
                step.reply = Some(Reply { text: content.to_owned(), finish_reason, ..Reply::default() });
                trajectory.steps.push(step);
            }
            _ => attach(trajectory.steps.last_mut().expect("a step"), kind, &mut words, content),
        }
    }
    assert!(rest.is_empty(), "not a heading: {rest}");
    trajectory
}

fn headings(body: &str) -> Option<usize> {
    let kinds = ["user", "assistant", "reasoning", "call ", "result ", "observation"];
    let mut at = 0;
    for line in body.split_inclusive('\n') {
        if kinds.iter().any(|kind| line.strip_prefix('[').is_some_and(|rest| rest.starts_with(kind))) {
            return Some(at);
        }
        at += line.len();
    }
    None
}

fn attach<'a>(step: &mut Step, kind: &str, words: &mut impl Iterator<Item = &'a str>, content: &str) {
    let mut word = || words.next().map(str::to_owned);
    match kind {
        "reasoning" => step.reasoning = Some(content.to_owned()),
        "call" => {
            step.reply.as_mut().expect("an assistant").native = true;
            step.calls.push(ToolCall {
                id: word().expect("an id"),
                name: word().expect("a name"),
                arguments: Arguments::text(content.to_owned()),
                extra: Object::new(),
                place: None,
            });
        }
        "result" | "observation" => {
            let result = ObservationResult {
                call_id: word(),
                name: word(),
                content: Some(Message::Text(content.to_owned())),
                ..ObservationResult::default()
            };
            step.observation.get_or_insert_with(Observation::default).results.push(result);
        }
        other => panic!("no heading is named {other}"),
    }
}

/// `name(a: string, b: integer?, c: x|y)`
fn tool(line: &str) -> ToolDef {
    let (name, rest) = line.trim_end_matches(')').split_once('(').expect("a tool");
    let mut properties = Object::new();
    let mut required = Vec::new();
    for (name, kind) in rest.split(", ").filter_map(|param| param.split_once(": ")) {
        let plain = kind.trim_end_matches('?');
        if plain == kind {
            required.push(Value::from(name));
        }
        let schema = if plain.contains('|') {
            json!({ "type": "string", "enum": plain.split('|').collect::<Vec<_>>() })
        } else {
            json!({ "type": plain })
        };
        properties.insert(name.to_owned(), schema);
    }
    let parameters = json!({ "type": "object", "properties": properties, "required": required });
    ToolDef { name: name.to_owned(), description: String::new(), parameters }
}

fn shown(trajectory: &Trajectory, finding: &Finding) -> String {
    let step = finding.step.and_then(|id| trajectory.steps.iter().find(|step| step.id == id));
    let text = step.map(|step| step.judged_text().into_owned()).unwrap_or_default();
    let under = finding.span.map_or("-", |span| span.text(&text).lines().next().unwrap_or(""));
    let message = finding.message.map_or("-".to_owned(), |index| index.to_string());
    format!("{} {} {message} {under}", finding.rule, finding.severity.as_str())
}

fn judged(text: &str, policy: &Policy) -> (Vec<String>, Judgement) {
    let trajectory = example(text);
    let judgement = rules::judge(&trajectory, policy);
    (judgement.findings.iter().map(|finding| shown(&trajectory, finding)).collect(), judgement)
}

#[test]
fn every_manual_is_true() {
    let mut wrong = String::new();
    for rule in rules::ALL {
        let (examples, expected) = (blocks(rule.manual, "example"), blocks(rule.manual, "findings"));
        assert_eq!((examples.len(), expected.len()), (2, 1), "{}: bad, good, findings", rule.id);
        let head = format!("# {} {}\n", rule.id, rule.name);
        assert!(rule.manual.starts_with(&head), "{}: heading", rule.id);
        for part in ["## What", "## Why", "## Bad", "## Good"] {
            assert!(rule.manual.contains(part), "{}: {part}", rule.id);
        }
        let (found, _) = judged(examples[0], &Policy::default());
        if found.join("\n") != expected[0] {
            wrong += &format!("{}\n  expected:\n{}\n  found:\n{}\n", rule.id, expected[0], found.join("\n"));
        }
        let worst = expected[0].lines().filter(|line| line.starts_with(rule.id)).count();
        assert!(worst > 0, "{}: its own finding", rule.id);
        let (found, _) = judged(examples[1], &Policy::default());
        if found.iter().any(|line| line.starts_with(rule.id) || line.contains(" error ")) {
            wrong += &format!("{}: the good example gives\n{}\n", rule.id, found.join("\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_strict_reading_is_the_same_without_a_runtime() {
    let weighed = |judgement: &Judgement| {
        let found =
            judgement.findings.iter().filter(|finding| finding.readings.contains(&ReadingKind::Strict));
        let found = found.map(|finding| (finding.rule, finding.severity, finding.span, finding.text.clone()));
        (found.collect::<Vec<_>>(), judgement.messages, judgement.compliant, judgement.calls)
    };
    let mut runtimes = 0;
    for text in rules::ALL.iter().flat_map(|rule| blocks(rule.manual, "example")).chain([TWO]) {
        let (trajectory, policy) = (example(text), Policy::default());
        let both = rules::judge(&trajectory, &policy);
        let options = rules::Options { strict_only: true, ..rules::Options::default() };
        let alone = rules::judge_with(&trajectory, &policy, &options);
        assert_eq!(weighed(&alone), weighed(&both), "{text}");
        let readings = |judgement: &Judgement| -> Vec<ReadingKind> {
            judgement.findings.iter().flat_map(|finding| finding.readings.clone()).collect()
        };
        runtimes += usize::from(readings(&both) != readings(&alone));
    }
    assert!(runtimes > 5, "the runtime said something of {runtimes} examples alone");
}

#[test]
fn ids_are_unique_and_in_order() {
    let ids: Vec<&str> = rules::ALL.iter().map(|rule: &&Rule| rule.id).collect();
    let mut names: Vec<&str> = rules::ALL.iter().map(|rule| rule.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ids.len());
    let codes: Vec<String> = (1..=23).map(|n| format!("FC{n:03}")).collect();
    assert_eq!(&ids[..23], codes.iter().map(String::as_str).collect::<Vec<_>>());
    let rest = [
        "TR001", "TR002", "TR003", "TR004", "RE001", "RE002", "RE003", "RE004", "RE005", "RE006", "CO001",
        "CO002", "CO003", "CO004", "CO005", "CO006", "CO007", "CO008", "SE001",
    ];
    assert_eq!(&ids[23..], rest);
}

const TWO: &str = "[assistant]\n<function=f>\n<parameter=a>1</parameter>\n</function>\n<function=g>\n<parameter=a>1</parameter>\n</function>";

fn runtime(name: &str) -> Policy {
    Policy { reading: Reading::Runtime(Some(name.to_owned())), ..Policy::default() }
}

#[test]
fn what_a_runtime_drops_breaks_only_the_strict_reading() {
    let (_, strict) = judged(TWO, &Policy::default());
    assert_eq!((strict.messages, strict.compliant, strict.calls), (1, 0, 2));
    assert_eq!(strict.format_ok(), Some(false));
    let (found, read) = judged(TWO, &runtime("openhands-v0"));
    assert_eq!((read.compliant, read.calls), (1, 1), "{found:?}");
    let second = read.findings.iter().find(|finding| finding.rule == "FC002").expect("told all the same");
    assert_eq!((second.severity, second.readings.len()), (Severity::Info, 1));
}

#[test]
fn the_two_runtimes_differ_about_the_newline() {
    let text = "[assistant]\n<function=f><parameter=a>1</parameter></function>";
    let (v0, first) = judged(text, &runtime("openhands-v0"));
    assert_eq!((first.compliant, first.calls), (0, 0), "{v0:?}");
    assert!(v0.iter().any(|line| line.starts_with("FC001 error")), "{v0:?}");
    let (v1, second) = judged(text, &runtime("openhands-v1"));
    assert_eq!((second.compliant, second.calls), (1, 1), "{v1:?}");
    assert!(v1.iter().any(|line| line.starts_with("FC012 warning")), "{v1:?}");
}

#[test]
fn policies_decide_how_many_calls_are_right() {
    let none = "[assistant]\nHello.\n[user]\nHi.";
    for (policy, no_call, two_calls) in [
        (CallPolicy::ExactlyOne, false, false),
        (CallPolicy::AtMostOne, true, false),
        (CallPolicy::AtLeastOne, false, true),
        (CallPolicy::Any, true, true),
    ] {
        let policy = Policy { calls: policy, ..Policy::default() };
        assert_eq!(judged(none, &policy).1.format_ok(), Some(no_call), "{policy:?}");
        assert_eq!(judged(TWO, &policy).1.format_ok(), Some(two_calls), "{policy:?}");
    }
}

#[test]
fn asking_is_allowed_only_where_a_user_answers() {
    let allow = Policy { ask: true, ..Policy::default() };
    let call = "<function=f>\n</function>";
    let last = "[assistant]\nWhich key?".to_owned();
    let answered = format!("[assistant]\nWhich key?\n[user]\nThis.\n[assistant]\n{call}");
    let ignored = format!("[assistant]\nI think.\n[assistant]\n{call}");
    assert_eq!(judged(&last, &allow).1.format_ok(), Some(true));
    assert_eq!(judged(&answered, &allow).1.format_ok(), Some(true));
    assert_eq!(judged(&ignored, &allow).1.format_ok(), Some(false));
    assert_eq!(judged(&answered, &Policy::default()).1.format_ok(), Some(false));
}

#[test]
fn without_a_tool_list_nothing_is_unknown() {
    let text = "[assistant]\n<function=anything>\n<parameter=x>y</parameter>\n</function>";
    let (found, judgement) = judged(text, &Policy::default());
    assert_eq!(judgement.format_ok(), Some(true), "{found:?}");
    assert_eq!(found, ["FC023 info 0 -"]);
}

#[test]
fn a_tag_inside_a_value_is_no_call() {
    let text = "[assistant]\n<function=f>\n<parameter=a>say `<function=g>` twice: <function=g>\n</parameter>\n</function>";
    let (found, judgement) = judged(text, &Policy::default());
    assert!(!found.iter().any(|line| line.starts_with("FC002")), "{found:?}");
    assert_eq!(judgement.calls, 1);
}

#[test]
fn a_native_call_among_text_calls_is_the_wrong_dialect() {
    let text = "[assistant]\n<function=f>\n</function>\n[observation]\nok\n[assistant]\n[call c1 f]\n{}\n[result c1 f]\nok";
    let (found, _) = judged(text, &Policy::default());
    assert!(found.iter().any(|line| line.starts_with("FC015 error 1")), "{found:?}");
    let native = Policy { dialect: Some("native".to_owned()), ..Policy::default() };
    let (found, _) = judged(text, &native);
    assert!(found.iter().any(|line| line.starts_with("FC015 error 0")), "{found:?}");
}

#[test]
fn a_trajectory_without_messages_has_no_verdict() {
    assert_eq!(rules::judge(&Trajectory::default(), &Policy::default()).format_ok(), None);
}

const TOOLS: &str = "[tools]\nlook(n: integer, how: short|long?)\n";

/// Calls that a back end sends at once are one message, and count together.
#[test]
fn parallel_native_calls_are_one_message() {
    let one = "[assistant]\n[call c1 look]\n{\"n\": 1}\n[result c1 look]\nok\n";
    let two = "[assistant]\n[call c1 look]\n{\"n\": 1}\n[call c2 look]\n{\"n\": 2}\n[result c1 look]\na\n[result c2 look]\nb\n";
    let (_, judgement) = judged(&format!("{TOOLS}{one}"), &Policy::default());
    assert_eq!((judgement.messages, judgement.calls, judgement.format_ok()), (1, 1, Some(true)));
    let (found, judgement) = judged(&format!("{TOOLS}{two}"), &Policy::default());
    assert_eq!(
        (judgement.messages, judgement.calls, judgement.format_ok()),
        (1, 2, Some(false)),
        "{found:?}"
    );
    assert_eq!(found.iter().filter(|line| line.starts_with("FC002 error 0")).count(), 1, "{found:?}");
    let any = Policy { calls: CallPolicy::Any, ..Policy::default() };
    assert_eq!(judged(&format!("{TOOLS}{two}"), &any).1.format_ok(), Some(true));
}

/// Native arguments are judged as JSON Schema says, whole and one by one.
#[test]
fn native_arguments_are_judged_by_their_schema() {
    for (arguments, wanted) in [
        ("{\"n\": 1, \"how\": \"short\"}", vec![]),
        ("{\"n\": 1.0}", vec![]),
        ("{\"n\": \"1\"}", vec!["FC009 error"]),
        ("{\"n\": true}", vec!["FC009 error"]),
        ("{\"n\": 1, \"how\": \" long \"}", vec!["FC010 warning"]),
        ("{\"n\": 1, \"how\": \"Long\"}", vec!["FC010 error"]),
        ("{\"n\": 1, \"more\": 2}", vec!["FC007 error"]),
        ("{}", vec!["FC008 error"]),
        ("{\"more\": 2, \"how\": 3}", vec!["FC007 error", "FC008 error", "FC010 error", "FC009 error"]),
        ("[1]", vec!["FC017 error"]),
        ("{\"n\": 1", vec!["FC017 error"]),
        ("\"{\\\"n\\\": 1}\"", vec!["FC017 warning"]),
        ("\"{\\\"n\\\": \\\"x\\\"}\"", vec!["FC009 error", "FC017 warning"]),
        ("\"{}\"", vec!["FC008 error", "FC017 warning"]),
    ] {
        let text = format!("{TOOLS}[assistant]\n[call c1 look]\n{arguments}\n[result c1 look]\nok\n");
        let (found, _) = judged(&text, &Policy::default());
        let mut found: Vec<&str> = found.iter().filter_map(|line| line.split(" 0 ").next()).collect();
        let mut wanted = wanted.clone();
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{arguments}");
    }
}

/// What is no loop and no mess: near misses of the rules about trajectories and reasoning.
#[test]
fn near_misses_are_left_in_peace() {
    let call = |command: &str| {
        format!("[assistant]\n<function=f>\n<parameter=c>{command}</parameter>\n</function>\n")
    };
    let polled: String = (0..6).map(|n| format!("{}[observation]\n{n} %\n", call("status"))).collect();
    let twice = format!("{0}[observation]\nx\n{0}[observation]\nx\n", call("make"));
    let mixed = format!(
        "{0}[observation]\nERROR: a\n{1}[observation]\nERROR: b\n{2}[observation]\nfine\n{0}[observation]\nERROR: a\n{1}[observation]\nERROR: b\n",
        call("a"),
        call("b"),
        call("c")
    );
    let tagged = format!("[assistant finish=length]\n<think>It goes on\n{}", call("ls"));
    let code = format!(
        "[assistant]\nIt is `</think>` here:\n```\n<think><think>\n```\n{}",
        &call("ls")["[assistant]\n".len()..]
    );
    for text in [&polled, &twice, &mixed, &tagged, &code] {
        let (found, _) = judged(text, &Policy::default());
        let told: Vec<&String> =
            found.iter().filter(|line| line.starts_with("TR") || line.starts_with("RE")).collect();
        assert!(told.is_empty(), "{text}\n{told:?}");
    }
}

/// Agents that use an id again: each result belongs to the call before it.
#[test]
fn results_answer_the_last_call_of_their_id() {
    let turn = |name: &str| format!("[assistant]\n[call c1 {name}]\n{{}}\n[result c1 {name}]\nok\n");
    let again = format!("{}{}", turn("look"), turn("move"));
    let found = |text: &str, rule: &str| {
        let lines = judged(text, &Policy::default()).0;
        lines.into_iter().filter(|line| line.starts_with(rule)).collect::<Vec<_>>()
    };
    assert_eq!(found(&again, "FC021"), [] as [&str; 0]);
    assert_eq!(found(&again, "FC020").len(), 1);
    let wrong = format!("{}[assistant]\n[call c1 move]\n{{}}\n[result c1 look]\nok\n", turn("look"));
    assert_eq!(found(&wrong, "FC021").len(), 1);
    // The first of two calls has no result, although one of the same id comes later.
    let silent = format!("[assistant]\n[call c1 look]\n{{}}\n[user]\nGo on.\n{}", turn("move"));
    assert_eq!(found(&silent, "FC019"), ["FC019 error 0 -"]);
    let open = "[assistant]\n[call c1 look]\n{}\n[call c2 look]\n{}\n[result c2 look]\nok\n[user]\nGo on.";
    assert_eq!(found(open, "FC019"), ["FC019 error 0 -"]);
}
