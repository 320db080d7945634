//! Where images of containers are kept, where podman and docker keep logins, and which of them runs containers.

use super::Context;
use std::path::PathBuf;

/// The folder: below ROLLTAPE_HOME, else below the user's cache.
pub(super) fn folder(context: &Context) -> Option<PathBuf> {
    let set = |name: &str| context.var(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    let home = set("ROLLTAPE_HOME").or_else(|| cache().map(|cache| cache.join("rolltape")))?;
    Some(context.cwd.join(home).join("images"))
}

/// Files with logins, best first.
pub(super) fn logins(context: &Context) -> Vec<PathBuf> {
    let set = |name: &str| context.var(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let below = |name: &str, rest: &str| set(name).map(|folder| folder.join(rest));
    let docker = below("DOCKER_CONFIG", "config.json").or_else(|| below("HOME", ".docker/config.json"));
    let podman = [
        set("REGISTRY_AUTH_FILE"),
        below("XDG_RUNTIME_DIR", "containers/auth.json"),
        below("HOME", ".config/containers/auth.json"),
    ];
    podman.into_iter().chain([docker]).flatten().collect()
}

/// An image as records name it: of a path its last part alone, which says nothing of the machine.
pub(super) fn shown(image: &str) -> &str {
    if image.starts_with(['/', '.']) { image.rsplit('/').next().unwrap_or(image) } else { image }
}

/// The program that runs containers, where the user names one.
pub(super) fn engine(context: &Context) -> Option<String> {
    context.var("ROLLTAPE_CONTAINERS").filter(|value| !value.is_empty()).map(str::to_owned)
}

/// What docker and podman take from the environment.
const VARS: [&str; 15] = [
    "PATH",
    "HOME",
    "USER",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_HOST",
    "CONTAINER_HOST",
    "CONTAINERS_CONF",
    "CONTAINERS_STORAGE_CONF",
    "CONTAINERS_REGISTRIES_CONF",
];

/// Variables for who removes containers when nothing else is left of us.
pub(super) fn engine_vars(context: &Context) -> Vec<(String, String)> {
    VARS.iter().filter_map(|name| Some(((*name).to_owned(), context.var(name)?.to_owned()))).collect()
}
