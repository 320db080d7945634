//! The page: what its bytes hold, and what a browser makes of it.
//!
//! `ROLLTAPE_KEEP_SHOTS=FOLDER` keeps the pictures of the views, for the eyes of who changes them.

use crate::runs::HOSTILE;
use crate::support::chromium::Browser;
use crate::support::{data, needs, temp};
use crate::{many, runs};
use flate2::read::DeflateDecoder;
use rolltape::model::{Drift, Event, Finished, Message, Outcome, Step};
use rolltape::report::{self, Options};
use rolltape::store::{self, RunView};
use serde_json::Value;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

fn render(view: &RunView) -> String {
    let html = report::find("html").unwrap();
    String::from_utf8(report::render(html, &report::Shown::new(view), &Options::file()).unwrap()).unwrap()
}

/// Renders the page and starts a browser for it.
fn browse(folder: &Path, view: &RunView) -> (Browser, PathBuf) {
    let page = folder.join("report.html");
    fs::write(&page, render(view)).unwrap();
    (Browser::start(&needs::chromium_name().unwrap(), folder), page)
}

/// The content of a `script` element.
fn script<'a>(page: &'a str, id: &str) -> Option<&'a str> {
    let rest = page.split_once(&format!("<script id=\"{id}\" type=\"application/json\""))?.1;
    Some(rest.split_once('>')?.1.split_once("</script>")?.0)
}

/// All values of the page that are opened on demand.
fn values(page: &str) -> Vec<Value> {
    let mut out = Vec::new();
    for at in 0.. {
        let Some(chunk) = script(page, &format!("c{at}")) else { break };
        let packed: String = serde_json::from_str(chunk).unwrap();
        let mut json = String::new();
        DeflateDecoder::new(&*base64(&packed)).read_to_string(&mut json).unwrap();
        out.extend(serde_json::from_str::<Vec<Value>>(&json).unwrap());
    }
    out
}

fn base64(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut out = Vec::new();
    for four in text.trim_end_matches('=').as_bytes().chunks(4) {
        let block =
            four.iter().fold(0_u32, |sum, c| sum << 6 | u32::from(digit(*c))) << (6 * (4 - four.len()));
        out.extend(&block.to_be_bytes()[1..four.len()]);
    }
    out
}

#[test]
fn the_page_holds_every_step_and_no_markup_of_a_model() {
    let folder = temp();
    let page = render(&runs::write(&folder.path().join("run"), 8));
    assert!(
        !page.contains("<img") && !page.contains("src=") && !page.contains("unsafe"),
        "nothing is loaded"
    );
    let policy = "content=\"default-src 'none'; script-src 'sha256-";
    assert!(page.contains(policy) && page.contains("; style-src 'sha256-"));
    // Every script is data of ours or the one that the policy names.
    assert_eq!(page.matches("<script>").count(), 1);
    let index: Value = serde_json::from_str(script(&page, "index").unwrap()).unwrap();
    assert_eq!(index[5].as_array().unwrap().len(), 8);
    let values = values(&page);
    let text = |value: &Value| match value {
        Value::Number(number) => values[number.as_u64().unwrap() as usize].as_str().unwrap().to_owned(),
        other => other.as_str().unwrap_or("").to_owned(),
    };
    for row in index[5].as_array().unwrap() {
        let steps = &values[row[13].as_u64().unwrap() as usize][6];
        assert_eq!(steps.as_array().unwrap().len(), 2, "{row}");
    }
    let sloppy = &values[index[5][1][13].as_u64().unwrap() as usize];
    let pieces = sloppy[6][1][7].as_array().unwrap();
    let told: Vec<(bool, String)> =
        pieces.iter().map(|piece| (piece.get(1).is_some(), text(&piece[0]))).collect();
    assert_eq!(told.len(), 3, "before, under FC002, under FC003: {told:?}");
    assert!(told[1].0 && told[1].1.starts_with("<function=") && told[1].1.ends_with("</function>"));
    assert_eq!(told[2], (true, "\nand more".to_owned()));
    let hostile = &values[index[5][5][13].as_u64().unwrap() as usize];
    assert!(text(&hostile[6][1][7][0][0]).starts_with("␛]0;owned␇<script>"));
    assert!(!page.contains("<script>alert") && !page.contains('\u{202e}'));
}

/// What a reader does with a run of a thousand attempts.
#[test]
fn a_thousand_attempts_open_and_only_those_in_sight_are_in_the_page() {
    need!(chromium);
    let folder = temp();
    let view = many::write(&folder.path().join("run"), 1_000, 8);
    let (mut browser, page) = browse(folder.path(), &view);
    browser.open(&page, "", "document.querySelector('tr.row')");
    let rows = "document.querySelectorAll('tr.row').length";
    let in_sight = browser.eval(rows).as_u64().unwrap();
    assert!((5..60).contains(&in_sight), "{in_sight} rows");
    assert_eq!(browser.text("document.querySelector('.told').textContent"), "1,000 attempts");
    // At the end of the list stands the last attempt, and still only what is in sight.
    browser.eval("scrollTo(0, document.body.scrollHeight)");
    browser.wait("document.querySelector('tr.row[aria-rowindex=\"1001\"]')");
    assert!(browser.eval(rows).as_u64().unwrap() < 60);
    let height = browser.eval("document.querySelector('table.attempts').offsetHeight").as_f64().unwrap();
    assert!(height > 1_000.0 * 40.0, "{height}");

    browser.eval("document.querySelector('#q').focus()");
    for key in "task-10".chars() {
        browser.press(&key.to_string());
    }
    // Tasks 100 to 109, each with two subjects.
    browser.wait("document.querySelector('.told').textContent.startsWith('20 of 1,000 attempts')");
    assert_eq!(browser.text("location.hash"), "#q=task-10");
    browser.eval("document.querySelector('[data-outcome=invalid]').click()");
    browser.wait("document.querySelector('.told').textContent.startsWith('4 of 1,000')");
    browser.eval("document.querySelector('[data-column=tokens] button').click()");
    browser.wait("location.hash === '#q=task-10&sort=tokens&outcome=invalid'");

    // An attempt, its first finding, and back to the same list.
    browser.eval("document.querySelector('tr.row a').click()");
    browser.wait("document.querySelector('mark')");
    assert_eq!(browser.text("document.querySelector('.title .badge').textContent"), "invalid");
    assert!(browser.text("document.querySelector('mark').textContent").starts_with("<function="));
    let underlined = "getComputedStyle(document.querySelector('mark')).textDecorationStyle";
    assert_eq!(browser.text(underlined), "wavy");
    assert_eq!(browser.eval("document.querySelectorAll('section.step').length"), many::STEPS);
    browser.press("n");
    browser.wait("document.activeElement.tagName === 'MARK'");
    browser.eval("history.back()");
    browser.wait("document.querySelectorAll('tr.row').length === 4");
    assert_eq!(browser.text("document.querySelector('#q').value"), "task-10");

    // A link opens the same view; the two subjects of a task stand side by side.
    browser.open(
        &page,
        "#a=0&vs=1",
        "document.querySelector('.diff .del') && document.querySelector('.diff .ins')",
    );
    assert!(browser.eval("document.querySelectorAll('details.equal').length").as_u64().unwrap() >= 2);
    browser.open(&page, "#subject=codeact%40api%3Alarge&format=broken", "document.querySelector('tr.row')");
    assert!(browser.text("document.querySelector('.told').textContent").contains("of 1,000"));

    assert_eq!(browser.complaints(), [""; 0]);
    let own = format!("file://{}", page.display());
    assert!(browser.requests().iter().all(|url| url.starts_with(&own)), "{:?}", browser.requests());
}

/// Each side's lines in the page, joined, are the texts that the other view shows.
#[test]
fn the_lines_side_by_side_are_those_of_both_attempts() {
    need!(chromium);
    let folder = temp();
    let view = many::write(&folder.path().join("run"), 4, 20);
    let (mut browser, page) = browse(folder.path(), &view);
    for (left, right) in [(0, 1), (1, 0)] {
        browser.open(&page, &format!("#a={left}&vs={right}"), "document.querySelector('.diff .del')");
        browser.eval("document.querySelectorAll('details').forEach(details => details.open = true)");
        let side = |mine: &str, skip: &str| {
            format!(
                "[...document.querySelectorAll('.pair:nth-of-type(n+4) .diff')].map(diff => \
                 [...diff.children].filter(cell => !cell.matches('{skip}, .void')).flatMap(cell => cell.matches('.skip') ? \
                 cell.querySelector('pre').textContent.split('\\n') : cell.matches('{mine}') ? [cell.textContent] : [])\
                 .join('\\n')).join('\\n')"
            )
        };
        let shown = [
            browser.text(&side(".same, .del", ".twin, .ins")),
            browser.text(&side(".same, .ins", ".twin, .del")),
        ];
        for (seq, shown) in [left, right].iter().zip(shown) {
            let trajectory = view.trajectory(&view.records[*seq as usize]).unwrap();
            let lines: Vec<String> = trajectory.steps[3..].iter().flat_map(texts).collect();
            assert_eq!(shown, lines.join("\n"), "attempt {seq} of {left} and {right}");
        }
    }
    assert_eq!(browser.complaints(), [""; 0]);
}

fn texts(step: &Step) -> Vec<String> {
    let back = step.observation.iter().flat_map(|observation| &observation.results);
    let back = back.filter_map(|result| result.content.as_ref()).map(|content| content.text().into_owned());
    [step.judged_text().into_owned()].into_iter().chain(back).collect()
}

/// Writes a run whose eight attempts hold `text` wherever a model or an agent may put one.
fn with_text(dir: &Path, text: &str) -> RunView {
    let mut recorder = store::Recorder::create(dir).unwrap();
    let mut sink = recorder.sink();
    for event in runs::events(8, 0..8) {
        let event = match event {
            Event::AttemptFinished(finished) => {
                Event::AttemptFinished(Arc::new(poisoned(Arc::unwrap_or_clone(finished), text)))
            }
            other => other,
        };
        sink.on(&event).unwrap();
    }
    recorder.finish().unwrap();
    store::open(dir).unwrap()
}

#[allow(clippy::assigning_clones, reason = "a text put everywhere reads best as one shape")]
fn poisoned(mut finished: Finished, text: &str) -> Finished {
    let record = &mut finished.record;
    for score in &mut record.scores {
        score.reason = text.to_owned();
    }
    for drift in &mut record.drift {
        drift.diff = text.to_owned();
    }
    if let Outcome::Error(error) = &mut record.outcome {
        error.message = text.to_owned();
    }
    for step in &mut finished.trajectory.steps {
        step.message = Message::Text(text.to_owned());
        step.reasoning = Some(text.to_owned());
        if let Some(reply) = &mut step.reply {
            reply.text = text.to_owned();
        }
        for call in &mut step.calls {
            call.name = text.to_owned();
            call.arguments.parsed = Some(runs::object(serde_json::json!({text: text})));
        }
        for result in step.observation.iter_mut().flat_map(|observation| &mut observation.results) {
            result.content = Some(Message::Text(text.to_owned()));
            result.name = Some(text.to_owned());
        }
    }
    finished
}

/// Texts made to break out of a page; with the real data those of its generator too.
fn hostile_texts(folder: &Path) -> Vec<String> {
    let mut texts = vec![HOSTILE.to_owned(), "\u{2028}</script\n><!--<script>\u{2029}".repeat(40)];
    let Some(generator) = data("hostile_inputs.py") else { return texts };
    let made = Command::new("python3").arg(generator).arg(folder.join("made")).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder.join("made/report")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let line = fs::read_to_string(&file).unwrap();
        let value: Value = serde_json::from_str(line.trim_end_matches('\n')).unwrap();
        texts.push(value["model"].as_str().unwrap().to_owned());
    }
    texts
}

#[test]
fn hostile_text_stays_text_in_every_view() {
    need!(chromium, "python3");
    let folder = temp();
    let texts = hostile_texts(folder.path());
    // One run holds them all, one after the other, so that one browser is enough.
    let all = texts.join("\n");
    let view = with_text(&folder.path().join("run"), &all);
    let (mut browser, page) = browse(folder.path(), &view);
    let source = fs::read_to_string(&page).unwrap();
    assert_eq!(source.chars().find(|c| c.is_control() && *c != '\n'), None);
    let command =
        source.lines().map(str::trim_start).find(|line| line.starts_with("::") || line.starts_with("##"));
    assert_eq!(command, None, "a command of a CI service");
    let ours = "[...document.querySelectorAll('*')].filter(element => ['IMG', 'IFRAME', 'OBJECT', 'EMBED', 'SVG', 'FORM', 'LINK', 'BASE'] \
        .includes(element.tagName.toUpperCase()) || element.getAttributeNames().some(name => name.startsWith('on') || name === 'style' && element.closest('pre')) \
        || (element.href && !element.href.startsWith(location.href.split('#')[0] + '#'))).length";
    let bare = "/[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u202a-\\u202e\\u2066-\\u2069]/.test(document.documentElement.textContent)";
    browser.open(&page, "", "document.querySelector('tr.row')");
    assert_eq!((browser.eval(ours), browser.eval(bare)), (0.into(), false.into()), "index");
    for seq in 0..8 {
        browser.open(&page, &format!("#a={seq}"), "document.querySelector('.attempt')");
        browser.eval("document.querySelectorAll('details').forEach(details => { if (details.fill) details.fill(); details.open = true; })");
        assert_eq!((browser.eval(ours), browser.eval(bare)), (0.into(), false.into()), "attempt {seq}");
        assert!(
            browser.text("document.querySelector('#main').textContent").contains("<img src=x")
                || texts.len() == 2
        );
    }
    assert_eq!(browser.complaints(), [""; 0]);
    assert!(browser.requests().iter().all(|url| url.starts_with("file://")), "{:?}", browser.requests());
}

#[test]
fn a_huge_observation_is_cut_and_the_page_says_how_much() {
    need!(chromium);
    let folder = temp();
    let mut recorder = store::Recorder::create(&folder.path().join("run")).unwrap();
    let mut sink = recorder.sink();
    for event in runs::events(1, 0..1) {
        let event = match event {
            Event::AttemptFinished(mut shared) => {
                let finished = Arc::make_mut(&mut shared);
                let observation = finished.trajectory.steps[1].observation.as_mut().unwrap();
                observation.results[0].content = Some(Message::Text("0123456789\n".repeat(1_000_000)));
                Event::AttemptFinished(shared)
            }
            other => other,
        };
        sink.on(&event).unwrap();
    }
    recorder.finish().unwrap();
    let view = store::open(&folder.path().join("run")).unwrap();
    let (mut browser, page) = browse(folder.path(), &view);
    assert!(fs::metadata(&page).unwrap().len() < 200_000);
    browser.open(&page, "#a=0", "document.querySelector('.observation details')");
    browser.eval("document.querySelector('.observation details').open = true");
    browser.wait(
        "document.querySelector('.observation').textContent.includes('10,900,000 bytes more are not shown')",
    );
    assert_eq!(browser.complaints(), [""; 0]);
}

/// Two subjects with a task each did the same way, in more steps and with more drift than the page compares and shows.
fn long_twins(folder: &Path) -> RunView {
    let mut recorder = store::Recorder::create(&folder.join("run")).unwrap();
    let mut sink = recorder.sink();
    for event in runs::events(2, [0, 2]) {
        let event = match event {
            Event::AttemptFinished(mut shared) => {
                let finished = Arc::make_mut(&mut shared);
                let record = &mut finished.record;
                record.id = runs::id(0);
                record.id.subject = format!("codeact@{}", record.seq);
                record.subject.id.clone_from(&record.id.subject);
                record.drift = (1..=63).map(|turn| Drift { turn, diff: "-a\n+b\n".to_owned() }).collect();
                let step = finished.trajectory.steps[1].clone();
                finished.trajectory.steps.extend((3..=450).map(|id| Step { id, ..step.clone() }));
                Event::AttemptFinished(shared)
            }
            other => other,
        };
        sink.on(&event).unwrap();
    }
    recorder.finish().unwrap();
    store::open(&folder.join("run")).unwrap()
}

#[test]
fn what_is_cut_is_told() {
    need!(chromium);
    let folder = temp();
    let view = long_twins(folder.path());
    let (mut browser, page) = browse(folder.path(), &view);
    browser.open(&page, "#a=0", "document.querySelector('.drift')");
    assert_eq!(browser.eval("document.querySelectorAll('.drift').length"), 50);
    let notices = "[...document.querySelectorAll('.notice')].map(notice => notice.textContent).join('|')";
    assert!(browser.text(notices).starts_with("13 more differences from the tape, of 63, not shown."));
    browser.open(&page, "#a=none", "true");
    browser.open(&page, "#a=0&vs=2", "document.querySelector('.pair')");
    let told = browser.text(notices);
    assert!(told.starts_with("Only the first 400 steps were compared; the 50 from here on"), "{told}");
    assert_eq!(browser.eval("document.querySelectorAll('.notice ~ .pair').length"), 50);
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn rates_of_several_subjects_are_not_thrown_together() {
    let folder = temp();
    let page = render(&long_twins(folder.path()));
    let card = |title: &str| {
        let rest = page.split_once(&format!("<h3>{title}</h3>")).unwrap().1;
        rest.split_once("</div>").unwrap().0.to_owned()
    };
    assert!(card("format").contains("1/1 · 1/1") && card("format").contains("by subject below"));
    assert!(card("success").contains(" · "), "{}", card("success"));
    let folder = temp();
    let one = render(&runs::write(&folder.path().join("run"), 2));
    assert!(!one.contains("by subject below"), "one subject has its rate");
}

#[test]
fn without_scripts_the_totals_remain() {
    need!(chromium);
    let folder = temp();
    let view = runs::write(&folder.path().join("run"), 8);
    let (mut browser, page) = browse(folder.path(), &view);
    browser.call("Emulation.setScriptExecutionDisabled", serde_json::json!({"value": true}));
    browser.call("Page.navigate", serde_json::json!({"url": format!("file://{}", page.display())}));
    browser.wait("document.querySelector('noscript table')");
    let text = browser.text("document.body.innerText");
    assert!(
        text.contains("Scripts are off") && text.contains("中文任务") && text.contains("multiple-calls"),
        "{text}"
    );
}

/// Pictures of each view, light and dark, wide and narrow: not empty, nothing wider than the window.
#[test]
fn every_view_fits_a_desk_and_a_pocket() {
    need!(chromium);
    let folder = temp();
    let view = many::write(&folder.path().join("run"), 60, 40);
    let (mut browser, page) = browse(folder.path(), &view);
    let keep = std::env::var_os("ROLLTAPE_KEEP_SHOTS").map(PathBuf::from);
    let views = [
        ("index", "", "document.querySelector('tr.row')"),
        ("attempt", "#a=3", "document.querySelector('.attempt mark')"),
        ("compare", "#a=0&vs=1", "document.querySelector('.diff .ins')"),
    ];
    for (name, fragment, ready) in views {
        for (width, height) in [(1200, 1400), (400, 900)] {
            for dark in [false, true] {
                browser.look(width, height, dark);
                browser.open(&page, "#a=none", "true");
                browser.open(&page, fragment, ready);
                let wide = browser.eval("document.documentElement.scrollWidth").as_u64().unwrap();
                assert!(wide <= u64::from(width), "{name} is {wide} wide in a window of {width}");
                let picture = base64(&browser.picture());
                assert!(
                    picture.starts_with(b"\x89PNG") && picture.len() > 15_000,
                    "{name}: {}",
                    picture.len()
                );
                if let Some(keep) = &keep {
                    let scheme = if dark { "dark" } else { "light" };
                    fs::write(keep.join(format!("{name}-{width}-{scheme}.png")), picture).unwrap();
                }
            }
        }
    }
    assert_eq!(browser.complaints(), [""; 0]);
}
