//! Which layers a container has: what its first process sees, beside what the harness sees of itself and of the
//! container's control groups. What can't be seen is said to be unknown.

use super::running::Held;
use crate::model::{LAYERS, LayerState};
use crate::sandbox::cgroup;

/// Namespaces by the layer that they are.
const SPACES: [(&str, &str); 5] =
    [("userns", "user"), ("mountns", "mnt"), ("pidns", "pid"), ("netns", "net"), ("ipcns", "ipc")];
/// File systems that are copy-on-write, as they name themselves.
const COPIES: [&str; 5] = ["overlay", "fuse.fuse-overlayfs", "aufs", "btrfs", "zfs"];

/// All layers, in their order.
pub(in crate::sandbox) fn of(facts: &[(String, String)], held: &Held) -> Vec<LayerState> {
    let groups = held.groups().map(cgroup::held);
    let state =
        |name: &str| -> Result<(), String> {
            let fact =
                |name: &str| facts.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
            if let Some((_, space)) = SPACES.iter().find(|(layer, _)| *layer == name) {
                let ours = std::fs::read_link(format!("/proc/self/ns/{space}"));
                return match (fact(space), ours) {
                    (Some(theirs), Ok(ours)) if ours.to_string_lossy() != theirs => Ok(()),
                    (Some(_), Ok(_)) if name == "userns" => {
                        Err("root inside is root of the host, with the capabilities that the runtime leaves"
                            .to_owned())
                    }
                    (Some(_), Ok(_)) => Err("the container shares the host's".to_owned()),
                    _ => Err("unknown: it can't be seen from inside".to_owned()),
                };
            }
            let group = |on: fn(&cgroup::Held) -> bool| match &groups {
                Some(held) if on(held) => Ok(()),
                Some(_) => Err("the container's control groups hold no such limit".to_owned()),
                None => Err("unknown: the container's control groups can't be seen".to_owned()),
            };
            match name {
                "overlay" => match fact("root") {
                    Some(kind) if COPIES.contains(&kind) => Ok(()),
                    Some(kind) => Err(format!("the root is a copy of the image on {kind}")),
                    None => Err("unknown: the root's file system can't be seen".to_owned()),
                },
                "idmap" => Err("not used by containers".to_owned()),
                "seccomp" => Ok(()),
                "landlock" => Err("not used where the sandbox has a root of its own".to_owned()),
                "cgroup-memory" => group(|held| held.memory),
                "cgroup-pids" => group(|held| held.pids),
                "cgroup-cpu" => group(|held| held.cpu),
                _ => Err("the container's files have no quota; the usual folders are counted now and then"
                    .to_owned()),
            }
        };
    let layer = |name: &&str| {
        let reason = state(name).err();
        LayerState { name: (*name).to_owned(), on: reason.is_none(), reason }
    };
    LAYERS.iter().map(layer).collect()
}
