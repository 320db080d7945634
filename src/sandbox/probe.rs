//! What the machine can: levels, layers, and why not.

use super::advice::Facts;
use super::cgroup::Parents;
use super::{Choice, Level, SandboxError};
use crate::model::{LAYERS, LayerState};
use crate::util::suggest::nearest;
use std::fs;

/// Back ends by name.
pub const BACKENDS: [(&str, &str); 5] = [
    ("namespaces", "Linux namespaces, Landlock and seccomp: levels overlay, user, process"),
    (
        "oci",
        "oci:IMAGE, the same on an image of containers: of a registry, a folder in OCI layout, a tar of docker save",
    ),
    ("container", "container:IMAGE, a container of docker or podman, whichever has the image"),
    ("none", "no isolation: trusted code only"),
    ("fake", "files in memory, no programs: for tests"),
];

/// First id of the part of the range that nothing else on a Linux system hands out.
const FIRST: u64 = 0x7000_0000;
/// Ids of one sandbox.
const EACH: u64 = 65536;

/// Facts that hold for the whole run.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) facts: Facts,
    /// First free id for sandboxes and how many sandboxes fit; the reason if none.
    ids: Result<(u64, u64), String>,
    /// The shared unprivileged id where ids are few, or why there is none.
    nobody: Result<u32, String>,
    pub(super) parents: Parents,
    /// Why Landlock is off.
    pub(super) landlock: Option<String>,
}

impl Machine {
    pub(super) fn look(tag: &str) -> Self {
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let start = u64::from_str_radix(tag.get(..4).unwrap_or("0"), 16).unwrap_or(0);
        let abi = landlock::Ruleset::default();
        let landlock = {
            use landlock::{AccessFs, CompatLevel, Compatible, RulesetAttr};
            let abi = abi.set_compatibility(CompatLevel::HardRequirement);
            let made = abi.handle_access(AccessFs::Execute).and_then(landlock::Ruleset::create);
            made.err().map(|_| "the kernel has no Landlock, or it is not enabled".to_owned())
        };
        let facts = Facts::look();
        let nobody = match last_id(&map) {
            65534.. => Ok(65534),
            _ => Err("this user namespace has no other user".to_owned()),
        };
        Self {
            ids: facts.rights.clone().and_then(|()| free_ids(&map, start)),
            nobody: facts.rights.clone().and(nobody),
            facts,
            parents: Parents::find(tag),
            landlock,
        }
    }

    /// What is known to be impossible without trying.
    pub(super) fn may(&self, level: Level) -> Result<(), String> {
        self.facts.against(level)?;
        match level {
            Level::Overlay => self.ids.clone().map(drop),
            Level::Process => match (self.keeps_root(), &self.landlock) {
                (Some(why), Some(landlock)) => {
                    Err(format!("root's files would be open: {why}, and {landlock}"))
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// First host id of a sandbox, 0 to keep the caller's.
    pub(super) fn first_id(&self, level: Level, number: u32) -> u32 {
        if !self.facts.root || level == Level::None {
            return 0;
        }
        match &self.ids {
            Ok((first, slots)) => (first + (u64::from(number) % slots) * EACH) as u32,
            // Too few ids for one each: all share nobody's, or keep root's where even that is missing.
            Err(_) => *self.nobody.as_ref().unwrap_or(&0),
        }
    }

    /// Why programs of level `process` run under root's own id, if they do.
    fn keeps_root(&self) -> Option<&str> {
        if self.facts.root && self.ids.is_err() {
            self.nobody.as_ref().err().map(String::as_str)
        } else {
            None
        }
    }

    /// All layers at a level; what the better levels said explains what is missing.
    pub(super) fn layers(&self, level: Level, refused: &[(Level, String)]) -> Vec<LayerState> {
        let said = |wanted: Level| {
            let reason = refused.iter().find(|(level, _)| *level == wanted).map(|(_, reason)| reason.clone());
            reason.unwrap_or_else(|| format!("not part of level {}", level.as_str()))
        };
        let own_root = matches!(level, Level::User | Level::Overlay);
        let state = |name: &str| -> Result<(), String> {
            if level == Level::None {
                return Err("the back end none isolates nothing".to_owned());
            }
            match name {
                "userns" | "mountns" | "pidns" | "netns" | "ipcns" if own_root => Ok(()),
                "userns" => Err(match self.keeps_root() {
                    Some(why) => format!("{}; programs keep root's user id ({why})", said(Level::User)),
                    None => said(Level::User),
                }),
                "mountns" | "pidns" | "netns" | "ipcns" => Err(said(Level::User)),
                "idmap" | "overlay" if level == Level::Overlay => Ok(()),
                "idmap" | "overlay" => Err(said(Level::Overlay)),
                "seccomp" => Ok(()),
                "landlock" if own_root => Err("not used where the sandbox has a root of its own".to_owned()),
                "landlock" => self.landlock.clone().map_or(Ok(()), Err),
                "cgroup-memory" => group(self.parents.memory.is_some()),
                "cgroup-pids" => group(self.parents.pids.is_some()),
                "cgroup-cpu" => group(self.parents.cpu.is_some()),
                _ if own_root => Ok(()),
                _ => Err("the workspace is a folder of the host".to_owned()),
            }
        };
        LAYERS
            .iter()
            .map(|name| {
                let reason = state(name).err();
                LayerState { name: (*name).to_owned(), on: reason.is_none(), reason }
            })
            .collect()
    }
}

fn group(there: bool) -> Result<(), String> {
    if there { Ok(()) } else { Err("no control group with this controller can be made here".to_owned()) }
}

/// The highest id that this user namespace knows.
fn last_id(map: &str) -> u64 {
    let end = |line: &str| {
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        numbers.first().zip(numbers.get(2)).map(|(first, count)| first + count)
    };
    map.lines().filter_map(end).max().unwrap_or(0).saturating_sub(1)
}

/// A range of ids that this user namespace knows and nobody uses.
fn free_ids(map: &str, start: u64) -> Result<(u64, u64), String> {
    for line in map.lines() {
        let mut numbers = line.split_whitespace().filter_map(|word| word.parse::<u64>().ok());
        let (Some(first), Some(_), Some(count)) = (numbers.next(), numbers.next(), numbers.next()) else {
            continue;
        };
        let end = first + count;
        if end >= FIRST + 4096 * EACH {
            let slots = 4096 - start % 2048;
            return Ok((FIRST + (start % 2048) * EACH, slots.min(2048)));
        }
    }
    Err("this user namespace has too few ids for sandboxes of their own".to_owned())
}

/// Wrong words in the choice.
pub(super) fn check_names(choice: &Choice) -> Result<(), SandboxError> {
    let known = || BACKENDS.iter().map(|(name, _)| *name);
    if choice.backend == "oci" || choice.backend == "oci:" {
        let mut error = SandboxError::new("the sandbox back end 'oci' names no image");
        error.hint = Some("for example oci:alpine:3.20, oci:./image.tar".to_owned());
        return Err(error);
    }
    if choice.backend == "container" || choice.backend == "container:" {
        let mut error = SandboxError::new("the sandbox back end 'container' names no image");
        error.hint = Some("for example container:debian:12".to_owned());
        return Err(error);
    }
    let container = super::container::container_of(&choice.backend).is_some();
    if container && choice.level.is_some() {
        let mut error =
            SandboxError::new("a container has no sandbox level: its runtime makes what isolates it");
        error.hint = Some("leave out --level, or name another back end".to_owned());
        return Err(error);
    }
    let image = container || super::image::image_of(&choice.backend).is_some();
    if !choice.backend.is_empty() && !image && !known().any(|name| name == choice.backend) {
        let mut error = SandboxError::new(format!("no sandbox back end is named '{}'", choice.backend));
        error.hint = Some(format!("it is one of {}", known().collect::<Vec<_>>().join(", ")));
        return Err(error);
    }
    for name in &choice.require {
        if !LAYERS.contains(&name.as_str()) {
            let mut error = SandboxError::new(format!("no sandbox layer is named '{name}'"));
            error.hint = Some(match nearest(name, LAYERS.iter().copied()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("it is one of {}", LAYERS.join(", ")),
            });
            return Err(error);
        }
    }
    Ok(())
}

/// Layers that must be on and are not.
pub(super) fn check_required(
    required: &[String],
    level: Level,
    layers: &[LayerState],
) -> Result<(), SandboxError> {
    let missing: Vec<String> = layers
        .iter()
        .filter(|layer| !layer.on && required.contains(&layer.name))
        .map(|layer| format!("{} ({})", layer.name, layer.reason.as_deref().unwrap_or("unknown")))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut error = SandboxError::new(format!(
        "the sandbox level '{}' lacks required layers: {}",
        level.as_str(),
        missing.join(", ")
    ));
    error.hint = Some("`rolltape doctor` shows what this machine has and how to enable more".to_owned());
    Err(error)
}

/// No level works, or not the one that was asked for.
pub(super) fn no_level(facts: &Facts, asked: Option<Level>, refused: &[(Level, String)]) -> SandboxError {
    let reasons: Vec<String> =
        refused.iter().map(|(level, reason)| format!("{}: {reason}", level.as_str())).collect();
    let mut error = match asked {
        Some(level) => {
            let reason = refused.first().map_or("unknown", |(_, reason)| reason.as_str());
            SandboxError::new(format!("the sandbox level '{}' does not work here: {reason}", level.as_str()))
        }
        None => SandboxError::new(format!("no sandbox level works here: {}", reasons.join("; "))),
    };
    let way = facts.enable(asked.unwrap_or(Level::Process));
    error.hint = way.map(|way| {
        format!("to enable it: {way}; `--level auto` takes the best there is, `rolltape doctor` shows it")
    });
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_only_from_a_map_that_has_them() {
        let (first, slots) = free_ids("         0          0 4294967295\n", 5).unwrap();
        assert_eq!(first, FIRST + 5 * EACH);
        assert!(first + slots * EACH <= 0x8000_0000);
        assert!(free_ids("0 100000 65536\n", 5).is_err());
        assert!(free_ids("", 5).is_err());
    }

    /// An ordinary user without control groups, where user namespaces are forbidden.
    fn poor() -> Machine {
        let facts = Facts {
            root: false,
            rights: Ok(()),
            admin: false,
            forbids: Some(("kernel.apparmor_restrict_unprivileged_userns", "1", "0")),
        };
        let ids = Err("not used".to_owned());
        Machine { facts, ids, nobody: Ok(65534), parents: Parents::default(), landlock: None }
    }

    #[test]
    fn layers_and_refusals_say_why() {
        let machine = poor();
        let against = |level| {
            (level, machine.may(level).err().unwrap_or_else(|| machine.facts.explain(level, String::new())))
        };
        let refused = [against(Level::Overlay), against(Level::User)];
        let layers = machine.layers(Level::Process, &refused);
        let mut told = String::new();
        for layer in &layers {
            told.push_str(&format!("{}: {}\n", layer.name, layer.reason.as_deref().unwrap_or("on")));
        }
        let required = ["netns", "seccomp", "cgroup-memory"].map(str::to_owned);
        let lacking = check_required(&required, Level::Process, &layers).unwrap_err();
        let one = no_level(&machine.facts, Some(Level::User), &refused[1..]);
        let none = no_level(&machine.facts, None, &refused);
        for error in [lacking, one, none] {
            told.push_str(&format!("error: {error}\nhint: {}\n", error.hint.as_deref().unwrap_or("none")));
        }
        insta::assert_snapshot!(told);
    }
}
