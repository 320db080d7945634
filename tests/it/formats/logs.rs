//! Real logs of OpenHands: prompt logs, completion logs, the seed.

use crate::support;
use rolltape::formats::{self, Locator, prompt_log};
use rolltape::model::{Source, Trajectory};
use std::path::Path;

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read(path: &Path) -> formats::ReadOutput {
    let name = path.to_string_lossy();
    let output = formats::read_bytes(&name, &bytes(path), None).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((&output.errors, &output.warnings), (&vec![], &vec![]), "{name}");
    output
}

/// Every text that has a place is found there again.
pub(super) fn places_hold(trajectory: &Trajectory, file: &[u8]) {
    let locator = Locator::new(file);
    for step in &trajectory.steps {
        let text = step.judged_text();
        let Some(place) = step.judged_place().filter(|place| place.file == 0) else { continue };
        for (offset, c) in text.char_indices().filter(|(_, c)| c.is_alphanumeric()).take(2000) {
            let at = locator.byte(place, offset);
            let found = std::str::from_utf8(&file[at..]).ok().and_then(|rest| rest.chars().next());
            let escaped = found == Some('\\') && !c.is_ascii();
            assert!(found == Some(c) || escaped, "step {} offset {offset}: {c:?} is {found:?}", step.id);
        }
    }
}

#[test]
fn the_seed_has_32_blocks_and_15_messages() {
    let Some(path) = support::data("seed/deepseek_transcript.txt") else { return };
    let file = bytes(&path);
    let blocks = prompt_log::blocks(&file);
    assert_eq!(blocks.len(), 32);
    assert!(blocks.iter().all(|block| block.doubt.is_none()));
    let count = |role| blocks.iter().filter(|block| block.role == role).count();
    use prompt_log::Role::{Assistant, Observation, System, User};
    assert_eq!([System, User, Assistant, Observation].map(count), [1, 2, 15, 14]);
    assert_eq!(blocks[29].role, User);
    let output = read(&path);
    assert_eq!(output.format, "openhands-prompt-log");
    let [trajectory] = output.trajectories.as_slice() else { panic!("one trajectory") };
    let calls: Vec<usize> = trajectory.judged().map(|step| step.calls.len()).collect();
    assert_eq!(calls, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1]);
    let tools = trajectory.agent.tools.as_ref().expect("tools");
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(
        names,
        ["execute_bash", "finish", "web_read", "browser", "execute_ipython_cell", "str_replace_editor"]
    );
    assert_eq!(tools[5].parameters["required"], serde_json::json!(["command", "path"]));
    assert_eq!(tools[5].parameters["properties"]["command"]["enum"][4], "undo_edit");
    assert!(tools[1].parameters.is_null());
    assert!(trajectory.steps.iter().filter(|step| step.frame).all(|step| step.source != Source::Agent));
    for step in trajectory.judged() {
        let results = step.observation.as_ref().map_or(0, |observation| observation.results.len());
        assert_eq!(results, step.calls.len(), "step {}", step.id);
    }
    places_hold(trajectory, &file);
}

#[test]
fn the_seed_is_located_line_by_line() {
    let Some(path) = support::data("seed/deepseek_transcript.txt") else { return };
    let file = bytes(&path);
    let text = String::from_utf8(file.clone()).expect("text");
    let output = read(&path);
    let mut locator = Locator::new(&file);
    for step in output.trajectories[0].judged() {
        let said = step.judged_text();
        let first = said.lines().next().expect("a line");
        let found = locator.locate(step.judged_place().expect("a place"), 0);
        let line = text.lines().nth(found.line as usize - 1).expect("the line");
        assert_eq!((line, found.column), (first, 1));
    }
    // The same file with CRLF and a byte order mark: same messages, same lines and columns.
    let crlf = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    let other = formats::read_bytes("crlf", crlf.as_bytes(), None).expect("read");
    let mut crlf_locator = Locator::new(crlf.as_bytes());
    for (a, b) in output.trajectories[0].judged().zip(other.trajectories[0].judged()) {
        assert_eq!(a.judged_text(), b.judged_text());
        let offset = a.judged_text().len() / 2;
        let offset = a.judged_text().floor_char_boundary(offset);
        let want = Locator::new(&file).locate(a.judged_place().expect("place"), offset);
        assert_eq!(crlf_locator.locate(b.judged_place().expect("place"), offset), want);
    }
}

#[test]
fn prompt_logs_become_conversations() {
    let Some(folder) = support::data("openhands-prompt-logs") else { return };
    let mut want = vec![
        // Folder, judged messages of each conversation, blocks of each last prompt.
        ("BrowsingAgent/test_browse_internet", vec![1, 1, 1]),
        ("CodeActAgent/test_browse_internet", vec![2, 1, 1, 1]),
        ("CodeActAgent/test_edits", vec![5]),
        ("CodeActAgent/test_ipython", vec![3]),
    ];
    want.sort();
    for (name, messages) in want {
        let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder.join(name))
            .expect("the folder")
            .map(|entry| entry.expect("an entry").path())
            .map(|path| (path.to_string_lossy().into_owned(), bytes(&path)))
            .collect();
        files.sort();
        let output = formats::read_files(&files, None).expect("read");
        assert_eq!(output.errors, [], "{name}");
        // One prompt holds a text for the model that its response file does not have.
        let differing = usize::from(name == "CodeActAgent/test_browse_internet");
        assert_eq!(output.warnings.len(), differing, "{name}: {:?}", output.warnings);
        let judged: Vec<usize> = output.trajectories.iter().map(|one| one.judged().count()).collect();
        assert_eq!(judged, messages, "{name}");
        for trajectory in &output.trajectories {
            for step in trajectory.judged() {
                let place = step.judged_place().expect("a place");
                assert!(place.file > 0, "{name}: the reply is the response file's own");
                let path = &trajectory.origin.files[place.file as usize - 1];
                let response = String::from_utf8(bytes(Path::new(path))).expect("text");
                assert_eq!(response.strip_suffix('\n').unwrap_or(&response), step.judged_text());
            }
        }
    }
}

#[test]
fn blocks_of_every_prompt_log_take_turns() {
    let Some(folder) = support::data("openhands-prompt-logs") else { return };
    use prompt_log::Role::{Assistant, Observation};
    let mut seen = 0;
    for entry in walk(&folder) {
        let name = entry.file_name().expect("a name").to_string_lossy().into_owned();
        if !name.starts_with("prompt_") {
            continue;
        }
        seen += 1;
        let file = bytes(&entry);
        let blocks = prompt_log::blocks(&file);
        assert!(blocks.iter().all(|block| block.doubt.is_none()), "{}", entry.display());
        let head = usize::from(blocks[0].text.trim().is_empty()) + 2;
        for (n, block) in blocks.iter().enumerate().skip(head) {
            let want = if (n - head) % 2 == 0 { Assistant } else { Observation };
            assert_eq!(block.role, want, "{} block {n}", entry.display());
            assert_eq!(block.text.starts_with("OBSERVATION:"), want == Observation);
        }
    }
    assert_eq!(seen, 16);
}

pub(super) fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect();
    files.sort();
    files
}

#[test]
fn completion_logs_keep_the_raw_reply() {
    let Some(folder) = support::data("openhands-llm-logs") else { return };
    let mut seen = 0;
    for path in walk(&folder) {
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        seen += 1;
        let output = read(&path);
        let [trajectory] = output.trajectories.as_slice() else { panic!("one trajectory") };
        places_hold(trajectory, &bytes(&path));
        let name = path.file_name().expect("a name").to_string_lossy();
        if name == "fncall-llm-message.json" {
            assert_eq!(output.format, "openai-chat");
            let calls: Vec<usize> = trajectory.judged().map(|step| step.calls.len()).collect();
            assert_eq!(calls, [1; 6]);
            continue;
        }
        assert_eq!(output.format, "openhands-completion-log", "{name}");
        let judged: Vec<_> = trajectory.judged().collect();
        let [step] = judged.as_slice() else { panic!("{name}: one judged message") };
        let reply = step.reply.as_ref().expect("a reply");
        let usage = step.usage.expect("usage");
        assert!(usage.cost_usd.is_some_and(|cost| cost > 0.0) && usage.prompt_tokens > Some(1000), "{name}");
        assert!(trajectory.agent.tools.as_ref().is_some_and(|tools| tools.len() == 3), "{name}");
        assert_eq!(step.calls.len(), 1, "{name}");
        let text_mode = name.contains("deepseek");
        assert_eq!(reply.dialect.as_deref(), Some(if text_mode { "openhands" } else { "native" }));
        if name.contains("1757015062") {
            assert!(!reply.native && !reply.text.contains("</function>"), "{name}");
            assert_eq!(reply.finish_reason.as_deref(), Some("stop"));
            assert_eq!(usage.cached_tokens, Some(8000));
        } else {
            assert!(reply.native && reply.finish_reason.as_deref() == Some("tool_calls"), "{name}");
        }
    }
    assert_eq!(seen, 6);
}
