//! The page of a run with 1,000 attempts of a realistic size: how long it takes to write, how big it is, and how
//! long a browser takes from the click to the first row.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints, and may stop at once"
)]

mod common;

#[path = "../tests/it/support/chromium.rs"]
mod chromium;
#[path = "../tests/it/many.rs"]
mod many;
#[path = "../tests/it/runs.rs"]
mod runs;

use common::{figure, folder, middle, ms, rounds};
use rolltape::report::{self, Options};
use rolltape::store::RunView;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const ATTEMPTS: u64 = 1_000;

fn main() {
    let folder = folder();
    let tiny = runs::write(&folder.path().join("tiny"), ATTEMPTS);
    let (time, _) = rendered(&tiny);
    figure("page of 1,000 attempts of two steps, written", &ms(time), "", "");
    let view = many::write(&folder.path().join("run"), ATTEMPTS, 100);
    let (time, bytes) = rendered(&view);
    figure("page of 1,000 attempts of 20 steps, written", &ms(time), "", "");
    figure("  its size", &format!("{:.1} MB", bytes.len() as f64 / 1e6), "≤ 20 MB", "10 MB");
    let page = folder.path().join("report.html");
    std::fs::write(&page, bytes).unwrap();
    let Some(program) = chromium_program() else {
        println!("no chromium in PATH: the time to open the page was not measured");
        return;
    };
    let (cold, warm) = opened(&program, folder.path(), &page);
    figure("  opened, from navigation to the first row", &ms(warm), "≤ 1 s", "300 ms");
    figure("  the same, first page of a browser", &ms(cold), "≤ 1 s", "300 ms");
}

fn chromium_program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let mut files = std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
    files.find(|file| file.is_file())
}

fn rendered(view: &RunView) -> (Duration, Vec<u8>) {
    let html = report::find("html").unwrap();
    let mut bytes = Vec::new();
    let round = |_| {
        let start = Instant::now();
        bytes = report::render(html, &report::Shown::new(view), &Options::file()).unwrap();
        start.elapsed()
    };
    (middle((0..rounds(5)).map(round).collect()).0, bytes)
}

/// The page says itself when it was asked for and when its first row was painted.
fn opened(program: &Path, folder: &Path, page: &Path) -> (Duration, Duration) {
    let mut browser = chromium::Browser::start(program, folder);
    let mut times = Vec::new();
    for _ in 0..rounds(5) {
        browser.open(page, "", "document.querySelector('tr.row')");
        let shown = browser.eval(
            "new Promise(done => { const look = () => { const mark = performance.getEntriesByName('rows')[0]; mark ? done(mark.startTime) : setTimeout(look, 5); }; look(); })",
        );
        times.push(Duration::from_secs_f64(shown.as_f64().unwrap() / 1e3));
        browser.open(Path::new("/"), "", "!document.querySelector('tr.row')");
    }
    (times[0], middle(times).0)
}
