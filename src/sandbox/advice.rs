//! Why a level is off in words, and the command that enables it.

use super::Level;
use std::fs;

/// What this machine forbids or lacks.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// Started by root.
    pub(super) root: bool,
    /// Whether root may become somebody else; what it lacks if not.
    pub(super) rights: Result<(), String>,
    /// Whether root may mount on the host.
    pub(super) admin: bool,
    /// Settings of the kernel that forbid user namespaces: name, value here, value that allows them.
    pub(super) forbids: Option<(&'static str, &'static str, &'static str)>,
}

/// Settings that forbid user namespaces: name, forbidding value, allowing value.
const SETTINGS: [(&str, &str, &str); 3] = [
    (MAXIMUM, "0", "10000"),
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
];
/// The one setting that holds for root too.
const MAXIMUM: &str = "user.max_user_namespaces";

impl Facts {
    pub(super) fn look() -> Self {
        let root = rustix::process::geteuid().is_root();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let set = |name: &str| {
            fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))).unwrap_or_default()
        };
        let forbids = SETTINGS.iter().find(|(name, bad, _)| set(name).trim() == *bad).copied();
        Self {
            root,
            rights: capabilities(&status).map_or(Ok(()), may_change_user),
            admin: capabilities(&status).is_none_or(|bits| bits >> 21 & 1 == 1),
            forbids,
        }
    }

    /// What is known to forbid a level.
    pub(super) fn against(&self, level: Level) -> Result<(), String> {
        match level {
            Level::Overlay if !self.root => Err("it must be started by root".to_owned()),
            Level::Overlay => {
                self.rights.clone()?;
                if self.admin { Ok(()) } else { Err("root lacks the capability SYS_ADMIN".to_owned()) }
            }
            // Root of the host would be the user inside.
            Level::User if self.root && self.rights.is_err() => self.rights.clone(),
            _ => Ok(()),
        }
    }

    /// Why a level that was tried did not work. A setting alone says nothing: a profile may make an exception.
    pub(super) fn explain(&self, level: Level, tried: String) -> String {
        match (level, self.forbids) {
            (Level::User, Some((name, value, _))) | (Level::Overlay, Some((name @ MAXIMUM, value, _))) => {
                format!("user namespaces are forbidden by {name}={value}")
            }
            _ => tried,
        }
    }

    /// What a user may do to get a level.
    pub(super) fn enable(&self, level: Level) -> Option<String> {
        let text = match level {
            Level::Overlay if !self.root => "sudo rolltape …".to_owned(),
            Level::Overlay if self.admin && self.forbids.is_some_and(|(name, ..)| name == MAXIMUM) => {
                format!("sudo sysctl -w {MAXIMUM}=10000")
            }
            Level::Overlay => {
                "as root outside of containers, or in one that was started with `docker run --privileged …`"
                    .to_owned()
            }
            Level::User if self.root && self.rights.is_err() => {
                "start it as an ordinary user, or as root with the capabilities that are missing".to_owned()
            }
            Level::User => match self.forbids {
                Some((name, _, good)) => format!("sudo sysctl -w {name}={good}"),
                None => "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined …, \
                         if this is a container"
                    .to_owned(),
            },
            Level::Process => "a kernel of 5.13 or later with `landlock` in its boot option lsm=".to_owned(),
            Level::None | Level::Container => return None,
        };
        Some(text)
    }
}

/// The effective capabilities, from `/proc/self/status`.
fn capabilities(status: &str) -> Option<u64> {
    let bits = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(bits.trim(), 16).ok()
}

/// Whether root may become somebody else, own that user's files and remove them again.
fn may_change_user(bits: u64) -> Result<(), String> {
    const NEEDED: [(u32, &str); 6] =
        [(0, "CHOWN"), (1, "DAC_OVERRIDE"), (3, "FOWNER"), (5, "KILL"), (6, "SETGID"), (7, "SETUID")];
    let lacks: Vec<&str> =
        NEEDED.iter().filter(|(bit, _)| bits >> bit & 1 == 0).map(|(_, name)| *name).collect();
    if lacks.is_empty() { Ok(()) } else { Err(format!("root lacks the capabilities {}", lacks.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_without_rights_is_told_which_it_lacks() {
        let bits = capabilities("Name:\tx\nCapEff:\t00000000a80425fb\n").unwrap();
        assert_eq!((may_change_user(bits), bits >> 21 & 1), (Ok(()), 0));
        let none = may_change_user(0x1ff_ffff_ff3e).unwrap_err();
        assert_eq!(none, "root lacks the capabilities CHOWN, SETGID, SETUID");
    }

    #[test]
    fn each_lack_has_a_reason_and_a_way() {
        let good = Facts { root: true, rights: Ok(()), admin: true, forbids: None };
        let machines = [
            ("an ordinary user", Facts { root: false, ..good.clone() }),
            (
                "an ordinary user of Ubuntu 24.04",
                Facts {
                    root: false,
                    forbids: Some(("kernel.apparmor_restrict_unprivileged_userns", "1", "0")),
                    ..good.clone()
                },
            ),
            ("root of a container", Facts { admin: false, ..good.clone() }),
            ("root without capabilities", Facts { rights: may_change_user(0), admin: false, ..good.clone() }),
            (
                "root, namespaces forbidden",
                Facts { forbids: Some(("user.max_user_namespaces", "0", "10000")), ..good },
            ),
        ];
        let mut told = String::new();
        for (name, facts) in machines {
            told.push_str(&format!("{name}\n"));
            for level in [Level::Overlay, Level::User, Level::Process] {
                let why = facts.against(level).err();
                let why = why.unwrap_or_else(|| facts.explain(level, "as the kernel says".to_owned()));
                let line = format!("{why}; enable: {}", facts.enable(level).unwrap());
                told.push_str(&format!("  {}: {line}\n", level.as_str()));
            }
        }
        insta::assert_snapshot!(told);
    }
}
