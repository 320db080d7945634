//! The same tools in every level that the machine can: same calls, same texts.

use super::{Desk, quick, with_desk, with_desk_at};
use rolltape::sandbox::{Launcher, Level};
use serde_json::json;

/// What an agent would see, call by call.
async fn tour(mut desk: Desk) -> String {
    let mut all = Vec::new();
    for command in [
        "echo hello > greeting; cat greeting",
        "mkdir -p a/b && cd a/b && export KEPT=1",
        "cat <<'EOF' > tabs\n\ttab\nEOF",
        "wc -c < tabs; echo $KEPT",
        "sleep 0.05 & echo started",
        "sleep 60",
        "",
        "C-c",
        "read -r line; echo \"got $line\"",
        "echo \"unclosed",
        "stty echo; exit 5",
        "echo $KEPT; false",
        "bash -c 'trap \"\" INT QUIT; while :; do sleep 0.1; done'",
        "C-c",
        "C-c",
        "C-c",
    ] {
        all.push(desk.bash(command).await.text);
        if command.starts_with("read") {
            all.push(desk.input("a line").await.text);
        }
    }
    for call in [
        json!({"command": "create", "path": "/workspace/f.py", "file_text": "a = 1\n"}),
        json!({"command": "str_replace", "path": "/workspace/f.py", "old_str": "1", "new_str": "2"}),
        json!({"command": "view", "path": "/workspace"}),
        json!({"command": "view", "path": "/workspace/f.py"}),
        json!({"command": "undo_edit", "path": "/workspace/f.py"}),
        json!({"command": "view", "path": "/nowhere"}),
    ] {
        all.push(desk.edit(call).await.text);
    }
    all.push(desk.bash("cat ../../f.py").await.text);
    all.join("\n")
}

/// The tour in a level, if the machine can.
fn same_as_without_isolation(level: Level) {
    let seen = std::cell::RefCell::new(Vec::new());
    with_desk(quick(), async |desk| {
        let text = tour(desk).await;
        seen.borrow_mut().push(text);
    });
    with_desk_at("namespaces", Some(level), quick(), async |desk| {
        assert_eq!(desk.sandbox.level(), level);
        let text = tour(desk).await;
        seen.borrow_mut().push(text);
    });
    let seen = seen.into_inner();
    assert!(seen[0].contains("got a line") && seen[0].contains("137"), "{}", seen[0]);
    assert_eq!(seen[0], seen[1], "level {}", level.as_str());
}

/// Whether a level works here; the reason if not.
pub(super) fn can(level: Level) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let launcher = Launcher::new(crate::sandbox::choice("namespaces", Some(level))).await;
        match launcher {
            Ok(launcher) => {
                launcher.finish(std::time::Duration::from_secs(5)).await;
                Ok(())
            }
            Err(error) => Err(format!("level {}: {}", level.as_str(), error.message)),
        }
    })
}

macro_rules! levels {
    ($($name:ident: $level:ident),*) => {
        $(
            #[test]
            fn $name() {
                if let Err(reason) = can(Level::$level) {
                    crate::support::ledger::skip(stringify!($name), &reason);
                    return;
                }
                same_as_without_isolation(Level::$level);
            }
        )*
    };
}

levels! {
    overlay_gives_the_same_texts: Overlay,
    user_gives_the_same_texts: User,
    process_gives_the_same_texts: Process
}
