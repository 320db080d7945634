//! The work of `rolltape images` in a build that has it.

use super::Action;
use crate::cli::{CliError, Context, Exit, Verbosity, image_store};
use crate::sandbox::{Collected, Images, Kept, Policy, SandboxError};
use crate::util::plural::plural;
use serde_json::json;

pub(super) fn run(action: &Action, context: &Context) -> Result<Exit, CliError> {
    let folder = image_store::folder(context).ok_or_else(|| {
        CliError::usage("there is no folder to keep images in")
            .hint("set ROLLTAPE_HOME, XDG_CACHE_HOME or HOME")
    })?;
    let store = Images::open(&folder, None, image_store::logins(context)).map_err(told)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| CliError::harness(format!("the async runtime can't start: {error}")))?;
    match action {
        Action::List { json } => {
            let all = store.list().map_err(told)?;
            context.data(&if *json { as_json(&all) } else { as_text(&all) });
        }
        Action::Pull { images } => {
            for image in images {
                let kept = runtime.block_on(store.pull(image, Policy::Always)).map_err(told)?;
                say_of(&kept, context);
                context.data(&format!("{} {}\n", kept.digest, kept.name));
            }
        }
        Action::Remove { images } => {
            let mut all = Collected::default();
            for image in images {
                add(&mut all, runtime.block_on(store.remove(image, &context.cwd)).map_err(told)?);
            }
            say_collected(all, context);
        }
        Action::Gc => say_collected(runtime.block_on(store.collect()).map_err(told)?, context),
    }
    Ok(Exit::Fine)
}

fn told(error: SandboxError) -> CliError {
    error.hint.into_iter().fold(CliError::harness(error.message), CliError::hint)
}

fn say_of(kept: &Kept, context: &Context) {
    if context.verbosity <= Verbosity::Quiet {
        return;
    }
    let layers = plural(kept.diff_ids.len(), "layer");
    context.say(&format!("{}: {layers}, {} unpacked", kept.name, size(kept.bytes)));
    if kept.strangers > 0 {
        let files = plural(kept.strangers as usize, "file");
        context
            .say(&format!("warning: {}: {files} of owners above 65535 belong to nobody (65534)", kept.name));
    }
    if kept.attributes > 0 {
        let attributes = plural(kept.attributes as usize, "extended attribute");
        context.say(&format!("warning: {}: {attributes} could not be kept", kept.name));
    }
}

fn add(all: &mut Collected, more: Collected) {
    all.roots += more.roots;
    all.blobs += more.blobs;
    all.bytes += more.bytes;
    all.used = more.used;
}

fn say_collected(done: Collected, context: &Context) {
    if context.verbosity <= Verbosity::Quiet {
        return;
    }
    let used = match done.used {
        0 => String::new(),
        used => format!(", {} kept that a run uses", plural(used as usize, "unpacked image")),
    };
    let (roots, blobs) =
        (plural(done.roots as usize, "unpacked image"), plural(done.blobs as usize, "packed layer"));
    context.say(&format!("removed {roots} and {blobs}: {}{used}", size(done.bytes)));
}

fn as_text(all: &[Kept]) -> String {
    let row = |kept: &Kept| {
        let digest = kept.digest.get(..19).unwrap_or(&kept.digest);
        format!("{digest}  {:>3}  {:>9}  {}\n", kept.diff_ids.len(), size(kept.bytes), kept.name)
    };
    let head = format!("{:<19}  {:>3}  {:>9}  NAME\n", "DIGEST", "LAY", "SIZE");
    std::iter::once(head).chain(all.iter().map(row)).collect()
}

fn as_json(all: &[Kept]) -> String {
    let one = |kept: &Kept| {
        json!({
            "name": kept.name,
            "digest": kept.digest,
            "layers": kept.diff_ids,
            "bytes": kept.bytes,
            "env": kept.settings.env,
            "user": kept.settings.user,
            "workdir": kept.settings.working_dir,
            "entrypoint": kept.settings.entrypoint,
            "cmd": kept.settings.cmd,
        })
    };
    format!("{:#}\n", json!({ "schema_version": "1.0", "images": all.iter().map(one).collect::<Vec<_>>() }))
}

/// Bytes as people read them.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
