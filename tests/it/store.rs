//! The store: nothing that counts is lost or doubled, whatever happens to the process or the disk.

use crate::many;
use crate::runs::{self, events, finished, id};
use crate::support::{self, temp};
use rolltape::engine::Sink as _;
use rolltape::model::Outcome;
use rolltape::report::{self, Options};
use rolltape::store::disk::{Disk, Fault};
use rolltape::store::{self, Recorder, StoreErrorKind, resume, resume_on};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

const PLANNED: u64 = 8;

/// A folder in memory where there is one: the fault loops fsync thousands of times.
fn memory() -> tempfile::TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("rolltape-test-");
    builder.tempdir_in("/dev/shm").unwrap_or_else(|_| temp())
}

fn summary(dir: &Path) -> String {
    let view = store::open(dir).unwrap();
    let json = report::find("json").unwrap();
    let options = Options { timing: false, ..Options::file() };
    String::from_utf8(report::render(json, &report::Shown::new(&view), &options).unwrap()).unwrap()
}

/// Tells the events of `seqs` to a recorder; a refusal ends it, as it ends a run.
fn tell(recorder: &mut Recorder, seqs: impl IntoIterator<Item = u64>) {
    for event in events(PLANNED, seqs) {
        if recorder.on(&event).is_err() {
            break;
        }
    }
}

/// Runs what is missing, as `rolltape resume` does.
fn go_on(dir: &Path, disk: &Disk) -> Result<(), store::StoreError> {
    if !store::is_run(dir) {
        let mut recorder = Recorder::create_on(dir, disk)?;
        tell(&mut recorder, 0..PLANNED);
        return recorder.finish();
    }
    let mut resumed = resume_on(dir, disk)?;
    let done: Vec<u64> = resumed.finished.iter().map(|record| record.seq).collect();
    tell(&mut resumed.recorder, (0..PLANNED).filter(|seq| !done.contains(seq)));
    resumed.recorder.finish()
}

/// Every attempt stands in the journal as often as it should, with its trajectory and exchange.
fn whole(dir: &Path, what: &str) {
    let view = store::open(dir).unwrap();
    assert_eq!(view.warnings, Vec::<String>::new(), "{what}");
    let journal = fs::read_to_string(dir.join("attempts.jsonl")).unwrap();
    let cassette = fs::read_to_string(dir.join("cassette.jsonl")).unwrap();
    let mut tries: BTreeMap<String, usize> = BTreeMap::new();
    for line in journal.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        *tries.entry(value["attempt_id"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    for seq in 0..PLANNED {
        // The cancelled one is done again by every resume; all others stand there once.
        let often = tries.get(&id(seq).to_string()).copied().unwrap_or(0);
        let cancelled = finished(seq).record.outcome == Outcome::Cancelled;
        assert!(if cancelled { often >= 1 } else { often == 1 }, "{what}: {} {often} times", id(seq));
    }
    assert_eq!(cassette.lines().count(), PLANNED as usize, "{what}: exchanges");
    for record in &view.records {
        view.trajectory(record).unwrap_or_else(|error| panic!("{what}: {error}"));
        for item in &record.evidence {
            view.artefact(&item.sha256).unwrap_or_else(|error| panic!("{what}: {error}"));
        }
    }
    let names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!names.iter().any(|name| name == ".lock"), "{what}: the lock stays behind");
}

#[test]
fn what_is_written_is_read_again() {
    let folder = temp();
    let dir = folder.path().join("run");
    let view = runs::write(&dir, PLANNED);
    assert_eq!(view.manifest, runs::manifest(PLANNED));
    for (seq, record) in view.records.iter().enumerate() {
        let mut expected = finished(seq as u64).record;
        expected.trajectory.clone_from(&record.trajectory);
        assert_eq!(*record, expected);
        let read = view.trajectory(record).unwrap();
        let told = finished(seq as u64).trajectory;
        assert_eq!(read.id, told.id);
        assert_eq!(read.steps.len(), told.steps.len());
        assert_eq!(read.steps[1].judged_text(), told.steps[1].judged_text());
        let mut calls = read.steps[1].calls.clone();
        // Only what was read has a place in a file.
        assert!(calls.iter_mut().all(|call| call.place.take().is_some()));
        assert_eq!(calls, told.steps[1].calls);
    }
    whole(&dir, "an unbroken run");
}

/// SQLite's technique: the N-th change fails, N = 1 … until nothing fails any more.
#[test]
fn reports_of_who_wrote_a_run_are_those_of_who_reads_it() {
    // Two have room for all trajectories in memory, one with lines that are made on all cores; the third is too large
    // for that.
    for (planned, scale) in [(40, 1), (200, 1), (40, 100)] {
        let folder = temp();
        let mut recorder = many::record(folder.path(), planned, scale);
        let written = recorder.take_view().unwrap();
        assert!(recorder.take_view().is_none());
        let read = store::open(folder.path()).unwrap();
        assert_eq!(written, read);
        for report in report::ALL {
            let render = |view| report::render(report, &report::Shown::new(view), &Options::file()).unwrap();
            assert!(render(&written) == render(&read), "{}", report.name);
        }
        fs::write(folder.path().join("trajectories.jsonl"), "").unwrap();
        let held = read.records.iter().filter(|record| written.trajectory(record).is_ok()).count();
        let planned = planned as usize;
        assert!(if scale == 1 { held == planned } else { (1..planned).contains(&held) }, "{held} in memory");
    }
}

#[test]
fn a_run_is_told_before_it_is_on_disk_where_its_files_need_not_be_read() {
    for (planned, scale, known) in [(40, 1, true), (200, 1, true), (40, 100, false)] {
        let folder = temp();
        let mut recorder = many::tell(folder.path(), planned, scale);
        let early = recorder.end();
        assert_eq!(early.is_some(), known);
        assert!(recorder.end().is_none(), "told once");
        recorder.finish().unwrap();
        assert_eq!(recorder.take_view().is_some(), !known);
        let read = store::open(folder.path()).unwrap();
        assert_eq!(read.records.len(), planned as usize);
        assert!(early.is_none_or(|early| early == read));
        let tape = read.trajectories();
        for record in &read.records {
            // Held against its digest.
            assert!(tape.read(record).is_ok(), "{}: found where it lies", record.id);
        }
    }
}

#[test]
fn who_goes_on_with_a_run_or_fails_does_not_tell_of_it_from_memory() {
    let folder = temp();
    let mut recorder = Recorder::create(folder.path()).unwrap();
    tell(&mut recorder, 0..4);
    recorder.finish().unwrap();
    let mut resumed = resume(folder.path()).unwrap();
    tell(&mut resumed.recorder, 4..PLANNED);
    resumed.recorder.finish().unwrap();
    assert!(resumed.recorder.take_view().is_none(), "it knows but the half");
    let (folder, disk) = (temp(), Disk::with_fault(12, Fault::Fail(28)));
    let mut recorder = Recorder::create_on(folder.path(), &disk).unwrap();
    tell(&mut recorder, 0..PLANNED);
    recorder.finish().unwrap_err();
    assert!(recorder.take_view().is_none());
}

#[test]
fn a_fault_at_any_call_loses_and_doubles_nothing() {
    let reference = temp();
    runs::write(&reference.path().join("run"), PLANNED);
    let expected = summary(&reference.path().join("run"));
    let faults =
        [Fault::Stop, Fault::Tear, Fault::PowerCut, Fault::Fail(libc::ENOSPC), Fault::FailOnce(libc::EIO)];
    for fault in faults {
        let mut n = 0;
        loop {
            n += 1;
            let what = format!("{fault:?} at call {n}");
            let folder = memory();
            let dir = folder.path().join("run");
            let disk = Disk::with_fault(n, fault);
            let told = go_on(&dir, &disk);
            if !disk.tripped() {
                told.unwrap_or_else(|error| panic!("{what}: {error}"));
                break;
            }
            let before: Vec<_> =
                if store::is_run(&dir) { store::open(&dir).unwrap().records } else { Vec::new() };
            go_on(&dir, &Disk::real()).unwrap_or_else(|error| panic!("{what}: {error}"));
            whole(&dir, &what);
            assert_eq!(summary(&dir), expected, "{what}");
            let after = store::open(&dir).unwrap().records;
            for record in before.iter().filter(|record| record.outcome != Outcome::Cancelled) {
                assert!(after.contains(record), "{what}: {} was done again", record.id);
            }
        }
        assert!(n > 15, "{fault:?}: only {n} calls were made");
    }
}

#[test]
fn what_was_acknowledged_survives_a_power_cut_while_resuming() {
    let reference = temp();
    runs::write(&reference.path().join("run"), PLANNED);
    let expected = summary(&reference.path().join("run"));
    for fault in [Fault::PowerCut, Fault::Tear, Fault::Fail(libc::EDQUOT)] {
        for n in 1.. {
            let what = format!("{fault:?} at call {n} of the resume");
            let folder = memory();
            let dir = folder.path().join("run");
            let mut recorder = Recorder::create(&dir).unwrap();
            tell(&mut recorder, 0..3);
            recorder.finish().unwrap();
            let known = store::open(&dir).unwrap().records;
            // What a crash leaves: an exchange and a trajectory in flight, half a record.
            for (file, text) in [
                ("cassette.jsonl", "{\"task\":"),
                ("trajectories.jsonl", "{\"sch"),
                ("attempts.jsonl", "{\"s"),
            ] {
                let path = dir.join(file);
                let old = fs::read_to_string(&path).unwrap();
                fs::write(&path, old + text).unwrap();
            }
            let disk = Disk::with_fault(n, fault);
            let told = go_on(&dir, &disk);
            let now = store::open(&dir).unwrap().records;
            assert!(known.iter().all(|record| now.contains(record)), "{what}");
            if !disk.tripped() {
                told.unwrap_or_else(|error| panic!("{what}: {error}"));
                break;
            }
            go_on(&dir, &Disk::real()).unwrap_or_else(|error| panic!("{what}: {error}"));
            whole(&dir, &what);
            assert_eq!(summary(&dir), expected, "{what}");
        }
    }
}

#[test]
fn the_first_failure_is_told_by_the_next_event_and_at_the_end() {
    let folder = temp();
    let dir = folder.path().join("run");
    let mut recorder = Recorder::create(&dir).unwrap();
    // The real device that is always full.
    std::os::unix::fs::symlink("/dev/full", dir.join("trajectories.jsonl")).unwrap();
    let mut refused = None;
    recorder.on(&rolltape::model::Event::RunStarted(Box::new(runs::manifest(PLANNED)))).unwrap();
    let attempt = rolltape::model::Event::AttemptFinished(Arc::new(finished(0)));
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while refused.is_none() && std::time::Instant::now() < end {
        refused = recorder.on(&attempt).err();
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let error = recorder.finish().unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Disk);
    let path = dir.join("trajectories.jsonl");
    assert_eq!(error.message, format!("can't write '{}': no space left on device", path.display()));
    assert_eq!(
        error.hint.as_deref(),
        Some("free some space, then go on with 'rolltape resume' and the run's folder")
    );
    assert_eq!(refused.expect("an event was refused").message, error.message);
    assert_eq!(store::open(&dir).unwrap().records, Vec::new());
}

#[test]
fn a_log_cut_at_any_byte_keeps_all_whole_records() {
    let folder = temp();
    let dir = folder.path().join("run");
    runs::write(&dir, 4);
    let path = dir.join("attempts.jsonl");
    let journal = fs::read(&path).unwrap();
    let trajectories = fs::read(dir.join("trajectories.jsonl")).unwrap();
    let ends: Vec<usize> =
        journal.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
    for cut in ends[ends.len() - 4]..=journal.len() {
        fs::write(&path, &journal[..cut]).unwrap();
        let view = store::open(&dir).unwrap();
        let expected = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(view.records.len(), expected, "cut at {cut}");
        let last = ends.iter().copied().rfind(|end| *end <= cut).unwrap();
        if last == cut {
            assert_eq!(view.warnings, Vec::<String>::new(), "cut at {cut}");
        } else {
            let told = format!(
                "attempts.jsonl:{}: the torn tail from byte {last} on ({} bytes) is dropped: it was cut off",
                expected + 1,
                cut - last
            );
            assert_eq!(view.warnings, [told], "cut at {cut}");
        }
        if cut % 97 == 0 || cut + 1 == journal.len() {
            let mut resumed = resume(&dir).unwrap();
            resumed.recorder.finish().unwrap();
            assert_eq!(fs::read(&path).unwrap(), journal[..last], "cut at {cut}");
            assert_eq!(store::open(&dir).unwrap().warnings.len(), 0);
            fs::write(dir.join("trajectories.jsonl"), &trajectories).unwrap();
        }
    }
}

#[test]
fn bad_bytes_lose_only_themselves() {
    let folder = temp();
    let dir = folder.path().join("run");
    runs::write(&dir, 3);
    let path = dir.join("attempts.jsonl");
    let journal = fs::read(&path).unwrap();
    let lines: Vec<&[u8]> = journal.split_inclusive(|byte| *byte == b'\n').collect();
    let (first, second) = (lines[0].len(), lines[0].len() + lines[1].len());
    let changed = |from: &str, to: &str| {
        String::from_utf8(lines[1].to_vec()).unwrap().replacen(from, to, 1).into_bytes()
    };
    let half_utf8 = [&lines[2][..9], b"\xe4\xb8", b"\n"].concat();
    let cases: [(&str, Vec<u8>, usize, String); 6] = [
        (
            "a NUL block at the end",
            [lines[0], lines[1], &[0; 512]].concat(),
            2,
            format!(
                "attempts.jsonl:3: the torn tail from byte {second} on (512 bytes) is dropped: it was cut off"
            ),
        ),
        (
            "a NUL block before a record",
            [lines[0], &[0; 16], lines[1], lines[2]].concat(),
            3,
            format!("attempts.jsonl:2: 16 NUL bytes at byte {first} are skipped"),
        ),
        (
            "half a character at the end",
            [lines[0], lines[1], &half_utf8].concat(),
            2,
            format!(
                "attempts.jsonl:3: the torn tail from byte {second} on (12 bytes) is dropped: it is not UTF-8 from byte {} on",
                second + 9
            ),
        ),
        (
            "a changed verdict",
            [lines[0], &changed("\"outcome\":\"invalid\"", "\"outcome\":\"passed\""), lines[2]].concat(),
            2,
            format!(
                "attempts.jsonl:2: the record at byte {first} is left out: its checksum does not fit its text"
            ),
        ),
        (
            "no record at all",
            [lines[0], b"{}\n", lines[2]].concat(),
            2,
            format!("attempts.jsonl:2: the record at byte {first} is left out: it has no checksum"),
        ),
        (
            "the same try twice",
            [lines[0], lines[1], lines[2], lines[1]].concat(),
            3,
            format!(
                "attempts.jsonl: try 1 of '{}' stands there twice; the one at byte {} counts",
                id(1),
                journal.len()
            ),
        ),
    ];
    for (what, bytes, records, warning) in cases {
        fs::write(&path, bytes).unwrap();
        let view = store::open(&dir).unwrap();
        assert_eq!(view.records.len(), records, "{what}");
        assert_eq!(view.warnings, [warning], "{what}");
    }
}

#[test]
fn the_last_try_of_an_attempt_counts() {
    let folder = temp();
    let dir = folder.path().join("run");
    let mut recorder = Recorder::create(&dir).unwrap();
    tell(&mut recorder, [3]);
    let mut again = finished(3);
    again.record.try_n = 2;
    again.record.outcome = Outcome::Passed;
    recorder.on(&rolltape::model::Event::AttemptFinished(Arc::new(again))).unwrap();
    recorder.finish().unwrap();
    let view = store::open(&dir).unwrap();
    assert_eq!(view.records.len(), 1);
    assert_eq!((view.records[0].try_n, &view.records[0].outcome), (2, &Outcome::Passed));
    assert_eq!(view.warnings, Vec::<String>::new());
}

#[test]
fn a_second_writer_is_refused_and_a_dead_one_is_not_in_the_way() {
    let folder = temp();
    let dir = folder.path().join("run");
    runs::write(&dir, 2);
    let mut first = resume(&dir).unwrap();
    let error = resume(&dir).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Locked);
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    assert_eq!(
        error.message,
        format!("the run '{}' is being written by process {} on {host}", dir.display(), std::process::id())
    );
    first.recorder.finish().unwrap();
    // A file that a killed process left behind holds nothing.
    fs::write(dir.join(".lock"), "process 1 on elsewhere\n").unwrap();
    resume(&dir).unwrap().recorder.finish().unwrap();
    assert!(!dir.join(".lock").exists());
}

#[test]
fn a_lock_of_another_process_holds_until_it_dies() {
    need!("flock");
    let folder = temp();
    let dir = folder.path().join("run");
    runs::write(&dir, 2);
    let lock = dir.join(".lock");
    fs::write(&lock, "process 4711 on elsewhere\n").unwrap();
    // `-F`: one process, which holds the lock and sleeps.
    let mut owner = std::process::Command::new("flock")
        .args(["-F", "-x"])
        .arg(&lock)
        .args(["sleep", "60"])
        .spawn()
        .unwrap();
    let probe = fs::File::open(&lock).unwrap();
    let taken = (0..2_000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        let free = rustix::fs::flock(&probe, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok();
        if free {
            rustix::fs::flock(&probe, rustix::fs::FlockOperation::Unlock).unwrap();
        }
        !free
    });
    let refused = resume(&dir);
    owner.kill().unwrap();
    owner.wait().unwrap();
    assert!(taken, "flock(1) took the lock");
    let held = refused.expect_err("the lock is held");
    assert!(held.message.ends_with("is being written by process 4711 on elsewhere"), "{held}");
    resume(&dir).unwrap().recorder.finish().unwrap();
}

#[test]
fn a_newer_minor_is_read_but_not_written_and_a_newer_major_is_refused() {
    let folder = temp();
    let dir = folder.path().join("run");
    runs::write(&dir, 2);
    let path = dir.join("run.json");
    let manifest = fs::read_to_string(&path).unwrap();
    let with = |version: &str| {
        let head = format!("\"schema_version\": \"{}\"", store::SCHEMA);
        assert!(manifest.contains(&head));
        fs::write(&path, manifest.replace(&head, &format!("\"schema_version\": \"{version}\""))).unwrap();
    };
    with("1.7");
    let view = store::open(&dir).unwrap();
    assert_eq!(view.records.len(), 2);
    assert_eq!(
        view.warnings,
        ["the run has schema version 1.7, newer than 1.0: what is new in it is not shown"]
    );
    let error = resume(&dir).unwrap_err();
    assert_eq!(
        error.message,
        format!(
            "the run '{}' has schema version 1.7 and can't be added to: 1.0 is the newest known here",
            dir.display()
        )
    );
    assert_eq!(error.hint.as_deref(), Some("go on with the rolltape that wrote it, or a newer one"));
    with("2.0");
    let error = store::open(&dir).unwrap_err();
    assert_eq!(
        error.message,
        format!("'{}' has schema version 2.0; the newest known here is 1.0", path.display())
    );
}

#[test]
fn a_folder_that_is_no_run_or_already_one_is_refused() {
    let folder = temp();
    let dir = folder.path().join("run");
    assert_eq!(store::open(&dir).unwrap_err().message, format!("there is no run folder '{}'", dir.display()));
    fs::create_dir(&dir).unwrap();
    let error = store::open(&dir).unwrap_err();
    assert_eq!(error.message, format!("'{}' is no run folder: it has no run.json", dir.display()));
    runs::write(&dir, 1);
    let error = Recorder::create(&dir).unwrap_err();
    assert_eq!(error.message, format!("'{}' already holds a run", dir.display()));
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Recorder::create(&file.join("run")).unwrap_err();
    assert_eq!(error.message, format!("can't create '{}': not a directory", file.join("run").display()));
}

#[test]
fn a_run_that_never_began_leaves_no_folder() {
    let folder = temp();
    let dir = folder.path().join("run");
    Recorder::create(&dir).unwrap().finish().unwrap();
    assert!(!dir.exists());
}

#[test]
fn evidence_that_names_a_path_is_refused() {
    let folder = temp();
    let dir = folder.path().join("run");
    let mut recorder = Recorder::create(&dir).unwrap();
    let mut evil = finished(0);
    evil.evidence[0].0 = "../../escape".to_owned();
    let started = rolltape::model::Event::RunStarted(Box::new(runs::manifest(1)));
    recorder.on(&started).unwrap();
    recorder.on(&rolltape::model::Event::AttemptFinished(Arc::new(evil))).unwrap();
    assert_eq!(recorder.finish().unwrap_err().message, "'../../escape' is no digest of evidence");
    assert!(!folder.path().join("escape").exists());
}

/// A real file system of 64 KiB: full in the middle of a run, and whole again after space is back.
#[test]
fn a_full_disk_ends_the_run_and_resume_ends_it_well() {
    need!(root);
    let folder = temp();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(folder.path())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        support::ledger::skip(
            "store::a_full_disk_ends_the_run_and_resume_ends_it_well",
            "no mount may be made",
        );
        return;
    }
    let dir = folder.path().join("run");
    let filler = folder.path().join("filler");
    fs::write(&filler, vec![b'x'; 32 * 1024]).unwrap();
    let told = go_on(&dir, &Disk::real());
    fs::remove_file(&filler).unwrap();
    let again = Disk::real();
    let resized = std::process::Command::new("mount")
        .args(["-o", "remount,size=1m"])
        .arg(folder.path())
        .status()
        .unwrap();
    let ended = go_on(&dir, &again);
    let seen = ended.is_ok().then(|| store::open(&dir).unwrap());
    std::process::Command::new("umount").arg(folder.path()).status().unwrap();
    assert!(resized.success());
    let error = told.unwrap_err();
    assert!(error.message.ends_with("no space left on device"), "{error}");
    ended.unwrap();
    assert_eq!(seen.unwrap().records.len(), PLANNED as usize);
}

#[test]
fn a_read_only_folder_is_named() {
    let folder = temp();
    let dir = folder.path().join("run");
    if rustix::process::geteuid().is_root() {
        // Modes do not bind root; a file system does.
        let script = "mount --bind \"$1\" \"$1\" && mount -o remount,ro,bind \"$1\" || exit 99\nexec \"$2\" report \"$3\" -o \"$1/out\"";
        let other = temp();
        runs::write(&other.path().join("run"), 1);
        let out = std::process::Command::new("unshare")
            .args(["--mount", "sh", "-c", script, "sh"])
            .args([folder.path(), Path::new(env!("CARGO_BIN_EXE_rolltape")), &other.path().join("run")])
            .output();
        let Some(out) = out.ok().filter(|out| !matches!(out.status.code(), Some(1 | 99))) else {
            support::ledger::note("store::a_read_only_folder_is_named", "root may not mount here");
            return;
        };
        let told = String::from_utf8_lossy(&out.stderr).replace(folder.path().to_str().unwrap(), "HERE");
        assert_eq!(
            told,
            "error: can't write 'HERE/out': read-only file system\n\
             hint: name a file that can be written with '-o FILE'\n"
        );
        assert_eq!(out.status.code(), Some(3));
        return;
    }
    let mut mode = fs::metadata(folder.path()).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o555);
    fs::set_permissions(folder.path(), mode).unwrap();
    let error = Recorder::create(&dir).unwrap_err();
    assert_eq!(error.message, format!("can't create '{}': permission denied", dir.display()));
    assert_eq!(error.hint.as_deref(), Some("choose a folder that can be written with '--out DIR'"));
}

/// Journals of every version that was ever written are read for ever: one folder a version.
#[test]
fn runs_of_every_version_are_still_read() {
    let mut versions = 0;
    for entry in fs::read_dir(support::fixture("compat/run")).unwrap() {
        let dir = entry.unwrap().path();
        let what = dir.display();
        versions += 1;
        let view = store::open(&dir).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(view.warnings, Vec::<String>::new(), "{what}");
        assert_eq!(view.manifest, runs::manifest(PLANNED), "{what}");
        for (seq, record) in view.records.iter().enumerate() {
            let told = finished(seq as u64);
            let mut expected = told.record;
            expected.trajectory.clone_from(&record.trajectory);
            assert_eq!(*record, expected, "{what}");
            let read = view.trajectory(record).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(read.steps[1].judged_text(), told.trajectory.steps[1].judged_text(), "{what}");
        }
        assert_eq!(view.records.len(), PLANNED as usize, "{what}");
    }
    assert!(versions >= 1);
    // Whoever raises the version adds a folder: ROLLTAPE_ADD_COMPAT=1 makes it.
    let newest = support::fixture("compat/run").join(store::SCHEMA.to_string());
    if std::env::var_os("ROLLTAPE_ADD_COMPAT").is_some() && !newest.exists() {
        runs::write(&newest, PLANNED);
    }
    assert!(newest.is_dir(), "{} is missing", newest.display());
}
