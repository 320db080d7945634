//! Control groups, version 2 and version 1.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// Kills what is in a group and removes it.
pub(super) fn destroy(group: &Path) {
    for _ in 0..200 {
        match fs::remove_dir(group) {
            Ok(()) => return,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(_) => {}
        }
        if fs::write(group.join("cgroup.kill"), "1").is_err() {
            let members = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
            for pid in members.lines().filter_map(|line| line.parse().ok()) {
                if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                }
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
