//! Every format there and back: over all formats of the registry, all real files, and generated trajectories.

use super::abuse::{comes_back, written};
use crate::support;
use proptest::prelude::*;
use rolltape::dialects;
use rolltape::formats::{self, CallForm, Changes, Loss, Output, calls_as, convert, convert_all, facts, loss};
use rolltape::model::{
    Arguments, Message, Object, Observation, ObservationResult, Source, Step, ToolCall, ToolDef, Trajectory,
};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

/// All trajectories of the real files, read as `check` would read the folder.
fn real() -> Vec<Trajectory> {
    let Some(data) = support::data_dir() else { return Vec::new() };
    let mut files = Vec::new();
    walk(&data, &mut files);
    files.sort();
    let paths: Vec<String> = files.clone();
    let mut out = Vec::new();
    for input in formats::plan(&paths) {
        let group: Vec<(String, Vec<u8>)> = input
            .files
            .iter()
            .map(|&n| (paths[n].clone(), std::fs::read(&paths[n]).expect("a file")))
            .collect();
        if let Ok(output) = formats::read_group(input.format, &group, None) {
            out.extend(output.trajectories);
        }
    }
    assert!(out.len() > 5, "the folder of real data holds trajectories");
    out
}

fn walk(folder: &Path, files: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, files);
        } else {
            files.push(path.to_string_lossy().into_owned());
        }
    }
}

/// Facts as a multiset.
fn counted(trajectory: &Trajectory) -> BTreeMap<(String, String), i64> {
    let mut out = BTreeMap::new();
    for fact in facts(trajectory) {
        *out.entry((fact.field.into_owned(), fact.value.into_owned())).or_default() += 1;
    }
    out
}

/// The report names every difference: worked out here once more, in the dumbest way.
fn report_is_whole(before: &Trajectory, after: &Trajectory, report: &Loss, what: &str) {
    let (old, new) = (counted(before), counted(after));
    let mut gone: BTreeMap<&str, i64> = BTreeMap::new();
    let mut made: BTreeMap<&str, i64> = BTreeMap::new();
    for key in old.keys().chain(new.keys()) {
        let difference = old.get(key).unwrap_or(&0) - new.get(key).unwrap_or(&0);
        if difference > 0 {
            gone.insert(&key.0, 0);
        } else if difference < 0 {
            made.insert(&key.0, 0);
        }
    }
    for (key, count) in &old {
        let more = count - new.get(key).unwrap_or(&0);
        *gone.entry(&key.0).or_default() += more.max(0);
    }
    gone.retain(|_, count| *count > 0);
    let told = |list: &[formats::Lost]| -> BTreeMap<String, i64> {
        list.iter().map(|lost| (lost.field.clone(), lost.count as i64)).collect()
    };
    let (lost, changed, new_told) = (told(&report.lost), told(&report.changed), told(&report.made));
    for (field, count) in gone {
        let id = field.ends_with("call.id") || field.ends_with("result.call_id");
        let named = lost.get(field).or(changed.get(field)).copied();
        // An id that changed is told among what was made.
        assert!(
            named == Some(count) || (id && named.is_none()),
            "{what}: {field} ×{count} is told as {named:?}"
        );
    }
    for field in made.keys() {
        assert!(
            new_told.contains_key(*field) || changed.contains_key(*field),
            "{what}: {field} was made and is not told"
        );
    }
}

/// Converts with the very function of the command line.
fn converted(before: &Trajectory, name: &str, form: Option<CallForm>) -> (Trajectory, Loss) {
    let format = formats::find(name).expect("the format");
    let (files, loss) = match convert(Cow::Borrowed(before), format, form) {
        Some((Output::Line(bytes) | Output::Document(_, bytes), loss)) => {
            (vec![("x".to_owned(), bytes)], loss)
        }
        Some((Output::Folder(files), loss)) => {
            (files.into_iter().map(|file| (format!("folder/{}", file.name), file.bytes)).collect(), loss)
        }
        None => {
            let (_, bytes, mut losses) =
                convert_all(std::slice::from_ref(before), format, form).expect("it is written");
            (vec![("x".to_owned(), bytes)], losses.remove(0))
        }
    };
    let group = if files.len() > 1 || files[0].0.contains('/') { Some(name) } else { None };
    let read = match group {
        Some(_) => formats::read_files(&files, None).expect("what was written is read"),
        None => formats::read_bytes("x", &files[0].1, Some(name)).expect("what was written is read"),
    };
    assert_eq!((read.format, &read.errors), (name, &vec![]), "{}", before.origin.path);
    assert_eq!(read.trajectories.len(), 1, "{name}: one is written, one is read: {}", before.origin.path);
    (read.trajectories.into_iter().next().expect("one"), loss)
}

fn writable() -> impl Iterator<Item = &'static str> {
    formats::ALL.iter().filter(|format| format.write.is_some()).map(|format| format.name)
}

#[test]
fn real_files_come_back_from_atif() {
    real().iter().for_each(comes_back);
}

#[test]
fn real_files_lose_what_the_report_names() {
    for trajectory in real() {
        for name in writable() {
            let (after, report) = converted(&trajectory, name, None);
            report_is_whole(&trajectory, &after, &report, &format!("{} as {name}", trajectory.origin.path));
            // A second time nothing more is lost: what a format holds, its writer and reader keep.
            let (again, _) = converted(&after, name, None);
            assert_eq!(counted(&again), counted(&after), "{} as {name}, twice", trajectory.origin.path);
        }
    }
}

/// A value whose types the tool tells.
fn arguments() -> impl Strategy<Value = Object> {
    (text(), any::<i32>(), any::<bool>(), prop::collection::vec(any::<u8>(), 0..3)).prop_map(
        |(text, number, flag, list)| {
            json!({"text": text, "number": number, "flag": flag, "list": list})
                .as_object()
                .cloned()
                .expect("an object")
        },
    )
}

fn tools() -> Vec<ToolDef> {
    let parameters = json!({"type": "object", "properties": {
        "text": {"type": "string"}, "number": {"type": "integer"}, "flag": {"type": "boolean"},
        "list": {"type": "array", "items": {"type": "integer"}},
    }, "required": ["text"]});
    let tool = |name: &str| ToolDef {
        name: name.to_owned(),
        description: format!("Does {name}."),
        parameters: parameters.clone(),
    };
    vec![tool("look"), tool("write_file")]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zé ]{0,12}",
        "[a-z]{1,5}\n+[a-z ]{0,5}\n{0,3}",
        r#"[<>{}\[\]"\\/=|:,\n a-z]{0,12}"#,
        any::<String>(),
    ]
}

fn native(id: usize, content: String, calls: Vec<(bool, Object, bool, String)>, reasoning: String) -> Step {
    let mut step = Step::new(0, Source::Agent, content.clone());
    step.reasoning = Some(reasoning).filter(|text| !text.is_empty());
    let native = !calls.is_empty();
    step.reply = Some(rolltape::model::Reply {
        text: content,
        dialect: native.then(|| "native".to_owned()),
        native,
        ..rolltape::model::Reply::default()
    });
    let mut results = Vec::new();
    for (n, (first, arguments, answered, output)) in calls.into_iter().enumerate() {
        let call = ToolCall {
            id: format!("id-{id}-{n}"),
            name: if first { "look" } else { "write_file" }.to_owned(),
            arguments: Arguments::object(arguments),
            extra: Object::new(),
            place: None,
        };
        // Results stand in the order of their calls; the last one may be missing.
        if answered && results.len() == n {
            results.push(ObservationResult {
                call_id: Some(call.id.clone()),
                content: Some(Message::Text(output)),
                ..ObservationResult::default()
            });
        }
        step.calls.push(call);
    }
    step.observation = (!results.is_empty()).then_some(Observation { results });
    step
}

fn generated() -> impl Strategy<Value = Trajectory> {
    let calls = prop::collection::vec((any::<bool>(), arguments(), any::<bool>(), text()), 0..3);
    let turn = (text(), text(), calls, text());
    (text(), prop::collection::vec(turn, 1..5), any::<bool>()).prop_map(|(system, turns, told)| {
        let mut steps = vec![Step::new(0, Source::System, system)];
        for (n, (said, content, calls, reasoning)) in turns.into_iter().enumerate() {
            steps.push(Step::new(0, Source::User, said));
            steps.push(native(n, content, calls, reasoning));
        }
        for (step, id) in steps.iter_mut().zip(1..) {
            step.id = id;
        }
        let mut trajectory = Trajectory { steps, ..Trajectory::default() };
        trajectory.agent.tools = told.then(tools);
        trajectory
    })
}

/// Whether the text of any message holds a mark by which calls in text are found: then they are.
fn has_marks(trajectory: &Trajectory) -> bool {
    trajectory.steps.iter().any(|step| dialects::detect(&step.message.text()).is_some())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn generated_trajectories_lose_what_the_report_names(trajectory in generated()) {
        comes_back(&trajectory);
        for name in writable() {
            let (after, report) = converted(&trajectory, name, None);
            report_is_whole(&trajectory, &after, &report, name);
        }
    }

    #[test]
    fn the_apis_hold_any_conversation(trajectory in generated()) {
        prop_assume!(!has_marks(&trajectory));
        for name in ["openai-chat", "openai-responses", "anthropic", "gemini", "atif"] {
            let (_, report) = converted(&trajectory, name, None);
            prop_assert!(!report.is_loss(), "{name}: {report:#?}");
        }
    }

    #[test]
    fn calls_become_text_and_objects_again(trajectory in generated()) {
        prop_assume!(!has_marks(&trajectory) && trajectory.agent.tools.is_some());
        for dialect in dialects::ALL.iter().filter(|dialect| !dialect.markers.is_empty()) {
            let mut turned = trajectory.clone();
            let mut notes = Changes::default();
            calls_as(&mut turned, CallForm::Text(dialect), &mut notes);
            let mut again = turned.clone();
            calls_as(&mut again, CallForm::Native, &mut Changes::default());
            let report = loss(&trajectory, &again, &notes);
            let ids = report.made.iter().all(|made| made.field.ends_with("id"));
            prop_assert!(!report.is_loss() && ids, "{}: {report:#?}\n{turned:#?}", dialect.name);
            // And so through a file, where a reader tells the dialect by its marks: those of GLM's two versions are
            // the same, and then the report names what was read in another way.
            let told = |step: &Step| {
                step.calls.is_empty() || dialects::detect(&step.judged_text()).is_some_and(|one| one.name == dialect.name)
            };
            if !turned.steps.iter().filter(|step| step.reply.as_ref().is_some_and(|reply| !reply.native)).all(told) {
                continue;
            }
            for name in ["openai-chat", "anthropic"] {
                let (_, report) = converted(&trajectory, name, Some(CallForm::Text(dialect)));
                let results = report.lost.iter().chain(&report.changed).all(|lost| lost.field.starts_with("result."));
                prop_assert!(results && !report.reordered, "{} in {name}: {report:#?}", dialect.name);
            }
        }
    }
}

/// One call as an assistant of the chat API makes it.
fn chat() -> Trajectory {
    let text = json!({"messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": "I look.", "tool_calls": [{"id": "call_1", "type": "function",
            "function": {"name": "look", "arguments": "{\"text\": \"a<b\", \"number\": 5}"}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": " 12\n"},
        {"role": "assistant", "content": "Done."},
    ], "tools": tools().iter().map(|tool| json!({"type": "function", "function": {
        "name": tool.name, "description": tool.description, "parameters": tool.parameters}})).collect::<Vec<_>>()});
    let output = formats::read_bytes("x", text.to_string().as_bytes(), None).expect("read");
    output.trajectories.into_iter().next().expect("one")
}

#[test]
fn calls_in_text_tell_the_tools_in_the_prompt_once() {
    let form = CallForm::find("openhands").expect("the dialect");
    let (after, report) = converted(&chat(), "openai-chat", Some(form));
    assert!(!report.is_loss(), "{report:#?}");
    let prompt = after.steps[0].message.text().into_owned();
    assert!(prompt.starts_with("Be brief.\n\n") && prompt.contains("BEGIN FUNCTION #1: look"), "{prompt}");
    assert_eq!(
        after.steps[2].reply.as_ref().map(|reply| reply.text.as_str()),
        Some(
            "I look.\n\n<function=look>\n<parameter=text>a<b</parameter>\n<parameter=number>5</parameter>\n</function>"
        )
    );
    let (files, _) = written("openai-chat", &after);
    let record: Value = serde_json::from_slice(&files[0].1).expect("JSON");
    assert_eq!(record.get("tools"), None, "tools beside the messages would be told twice");
    assert_eq!(record["messages"][3]["content"], "EXECUTION RESULT of [look]:\n 12\n");
    // And back: as it was, but for the id.
    let (back, report) = converted(&after, "openai-chat", Some(CallForm::Native));
    assert!(!report.is_loss(), "{report:#?}");
    assert!(!loss(&chat(), &back, &Changes::default()).is_loss());
    assert_eq!(back.steps[2].calls[0].arguments.parsed, chat().steps[2].calls[0].arguments.parsed);
}

#[test]
fn calls_that_the_grammar_does_not_read_stay_text() {
    let with = |text: &str| {
        let file =
            json!({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": text}]});
        let output = formats::read_bytes("x", file.to_string().as_bytes(), None).expect("read");
        let (after, report) = converted(&output.trajectories[0], "openai-chat", Some(CallForm::Native));
        let notes: Vec<_> = report.notes.iter().map(|(change, _)| (change.what, change.step)).collect();
        (after.steps[1].reply.clone().map(|reply| (reply.native, reply.text)), notes, report.is_loss())
    };
    let call = "<function=f>\n<parameter=p>v</parameter>\n</function>";
    let left = "calls left as text: the grammar does not read all of the message";
    for text in [
        format!("a\n{call} and more"),
        "a\n<function=f>\n<parameter=p>v</parameter>".to_owned(),
        format!("{call}\n<function=g>\n<parameter=q"),
        "<function=f>\n<parameter=p>v</parameter>\n<parameter=p>w</parameter>\n</function>".to_string(),
    ] {
        let expected = (Some((false, text.clone())), vec![(left, Some(2))], false);
        assert_eq!(with(&text), expected, "{text}");
    }
    assert_eq!(
        with(&format!("a\n\n{call}\n\n{call}\n")),
        (Some((true, "a".to_owned())), vec![("calls read from text", Some(2))], false)
    );
}
