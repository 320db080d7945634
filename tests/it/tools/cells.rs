//! Cells of Python: the same texts with and without IPython and in every level, and cells that mean harm.

use super::{Desk, quick, until};
use crate::sandbox::{choice, with_launcher};
use crate::support::needs::venv_folder;
use rolltape::sandbox::{Config, Level};
use rolltape::tools::{Options, ToolOutput, Toolbox};
use serde_json::json;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

impl Desk {
    async fn cell(&mut self, code: &str) -> ToolOutput {
        self.call("execute_ipython_cell", json!({ "code": code })).await
    }

    /// A cell that must end, at once or on a busy machine a little later: what was shown last.
    async fn shown(&mut self, code: &str) -> String {
        let mut output = self.cell(code).await;
        for _ in 0..40 {
            if output.exit_code != Some(-1) {
                break;
            }
            output = self.cell("").await;
        }
        assert!(matches!(output.exit_code, Some(0 | 1)), "{output:?}");
        output.text
    }
}

/// So long that even on a busy machine only the cells that wait on purpose are left running.
fn patient() -> Options {
    Options { soft_timeout: Duration::from_secs(3), ..Options::default() }
}

/// Which interpreter a sandbox gets.
#[derive(Clone, Copy)]
enum With {
    /// The one of the environment `clients`, which has IPython.
    IPython,
    /// The same, with an IPython that can't be imported.
    Blocked,
    /// The machine's, with an IPython that can't be imported.
    Plain,
}

/// Runs a test with tools in a level; `None` is no isolation.
fn with_python<F>(level: Option<Level>, with: With, options: Options, test: impl FnOnce(Desk) -> F)
where
    F: Future<Output = ()>,
{
    let backend = if level.is_some() { "namespaces" } else { "none" };
    let folder = crate::support::temp();
    std::fs::write(folder.path().join("IPython.py"), "raise ImportError('none here')\n").expect("a file");
    let mut config = Config::default();
    let isolated = matches!(level, Some(Level::Overlay | Level::User));
    let mut mount = |host: &std::path::Path, inside: &str| {
        let host = host.display().to_string();
        if isolated {
            config.mounts.push((host, inside.to_owned()));
            inside.to_owned()
        } else {
            host
        }
    };
    if !matches!(with, With::Plain) {
        let folder = mount(&venv_folder("clients"), "/data/venv");
        config.env.insert("PATH".to_owned(), format!("{folder}/bin:/usr/local/bin:/usr/bin:/bin"));
    }
    if !matches!(with, With::IPython) {
        let plain = mount(folder.path(), "/data/plain");
        config.env.insert("PYTHONPATH".to_owned(), plain);
    }
    with_launcher(choice(backend, level), async |launcher| {
        let sandbox = launcher.start(config).await.expect("a sandbox");
        test(Desk {
            tools: Toolbox::with_options(Arc::clone(&sandbox), options),
            sandbox: Arc::clone(&sandbox),
        })
        .await;
        sandbox.close().await;
    });
}

/// What an agent would see, call by call.
const TOUR: &[&str] = &[
    "import os, sys\nx = 40\nx + 2",
    "print('one'); print('two', file=sys.stderr); os.write(1, b'three\\n'); print('four')",
    "_ if False else x",
    "x;",
    "x = 41",
    "def f(n):\n    return 1 / n\n\ndef g():\n    return f(0)",
    "g()",
    "print('before')\nraise ValueError('of mine')",
    "try:\n    {}['a']\nexcept KeyError as error:\n    raise RuntimeError('worse') from error",
    "try:\n    {}['a']\nexcept KeyError:\n    int('q')",
    "import json\njson.loads('')",
    "x = = 1",
    "x = 1\n  y = 2",
    "!echo from the shell, x is {x} and $x; echo err >&2; exit 3",
    "_exit_code",
    "!x=2; echo ${x} {sys.byteorder} {no_such} $((1 + 1)) \\$x | awk '{print $1, $2, $3, $4, $5}'",
    "!echo {x.nothing}",
    "lines = !printf 'a\\nb\\n'\nlines",
    "if x:\n    !echo nested\n    print('after')",
    "text = '''\n!echo no command\n'''\n!echo a command\nlen(text)",
    "%%bash\nfor i in 1 2; do echo $i; done",
    "%nothing here",
    "import asyncio\nawait asyncio.sleep(0, 'slept')",
    "async def bad():\n    raise OSError('in a coroutine')\nawait bad()",
    "sys.exit(3)",
    "exit()",
    "input()",
    "{'a': list(range(40)), 'b': 'x' * 90}",
    "sorted({'p', 'q', 'r'}), {'p', 'q', 'r'}",
    "display('shown')",
    "class Odd:\n    def __repr__(self):\n        raise TypeError('no repr')\nOdd()",
    "open('mod.py', 'w').write('def broken():\\n    return [][1]\\n')\nimport mod\nmod.broken()",
    "'\\ud800', print('\\ud800')",
    "os.getcwd() == os.path.realpath('.')",
    "assert x == 5, 'x is wrong'",
    "__name__, [name for name in dir() if name in ('serve', 'STATUS', 'OWNER')]",
    "import pickle\nclass P: pass\ntype(pickle.loads(pickle.dumps(P()))).__name__",
    "print('waiting'); import time; time.sleep(60)",
    "x",
    "",
    "C-c",
    "C-c",
    "",
    "x",
    "!sleep 60",
    "C-c",
    "print('no newline', end='')",
    "print('a\\n\\n')",
    "os._exit(7)",
    "x",
];

/// Cells whose texts depend on the version of Python, but not on IPython.
const MORE: &[&str] = &[
    "import json\njson.loads('{')",
    "def forever():\n    return forever()\nforever()",
    "for i in range(2):\nprint(i)",
    "x = (1,\n",
    "def even(n): return odd(n)\ndef odd(n): return even(n)\neven(1)",
    "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:1/')",
    "%pip --version",
    "import concurrent.futures as c\nc.ThreadPoolExecutor().submit(lambda: 1 / 0).result()",
];

async fn tour(mut desk: Desk, cells: &[&str]) -> String {
    let mut all = String::new();
    for code in cells {
        let output = desk.cell(code).await;
        let _ = writeln!(all, ">>> {code}\n{}\n<{:?}>", output.text, output.exit_code);
    }
    all
}

/// The same cells with two interpreters or in two places.
#[track_caller]
fn same(one: (Option<Level>, With), two: (Option<Level>, With), cells: &[&str]) -> String {
    let seen = RefCell::new(Vec::new());
    for (level, with) in [one, two] {
        with_python(level, with, patient(), async |desk| {
            let text = tour(desk, cells).await;
            seen.borrow_mut().push(text);
        });
    }
    let seen = seen.into_inner();
    for (a, b) in seen[0].lines().zip(seen[1].lines()) {
        assert_eq!(a, b);
    }
    assert_eq!(seen[0], seen[1]);
    seen[0].clone()
}

#[test]
fn ipython_changes_no_text_of_an_ordinary_cell() {
    need!(venv("clients"));
    let text = same((None, With::IPython), (None, With::Blocked), TOUR);
    insta::assert_snapshot!(text);
    same((None, With::IPython), (None, With::Blocked), MORE);
}

#[test]
fn ipython_lends_its_magics_where_it_is() {
    need!(venv("clients"));
    with_python(None, With::IPython, quick(), async |mut desk| {
        assert_eq!(desk.shown("get_ipython().__class__.__name__").await, "'InteractiveShell'");
        assert!(desk.shown("%timeit -n1 -r1 pass").await.contains("per loop"));
        assert!(desk.shown("len?").await.contains("number of items"));
        assert_eq!(
            desk.shown("%%time\n1 / 0").await.lines().last(),
            Some("ZeroDivisionError: division by zero")
        );
        assert!(desk.shown("%pip --version").await.starts_with("pip "));
    });
    with_python(None, With::Plain, quick(), async |mut desk| {
        assert_eq!(desk.shown("'get_ipython' in dir()").await, "False");
        assert_eq!(desk.shown("%timeit pass").await, "UsageError: Line magic function `%timeit` not found.");
        assert_eq!(desk.shown("%%time\npass").await, "UsageError: Cell magic `%%time` not found.");
        assert!(desk.shown("%pip --version").await.contains("pip"));
    });
}

macro_rules! levels {
    ($($name:ident: $level:ident),*) => {
        $(
            #[test]
            fn $name() {
                need!("python3");
                if let Err(reason) = super::levels::can(Level::$level) {
                    crate::support::ledger::skip(stringify!($name), &reason);
                    return;
                }
                let cells = [&TOUR[..14], &["import time; time.sleep(9)", "C-c", "!sleep 9", "C-c"], &TOUR[14..32]].concat();
                same((None, With::Plain), (Some(Level::$level), With::Plain), &cells);
            }
        )*
    };
}

levels! {
    cells_give_the_same_texts_in_overlay: Overlay,
    cells_give_the_same_texts_in_user: User,
    cells_give_the_same_texts_in_process: Process
}

/// A cell that may cost the interpreter: afterwards a new cell must work.
async fn survives(desk: &mut Desk, code: &str) -> ToolOutput {
    let output = desk.cell(code).await;
    assert_eq!(desk.shown("6 * 7").await, "42", "after {code}: {output:?}");
    output
}

#[test]
fn a_hostile_cell_loses_at_most_its_interpreter() {
    need!("python3");
    with_python(None, With::Plain, patient(), async |mut desk| {
        desk.shown("import os, sys, io, time, threading, signal").await;
        let kept = desk.shown("os.close(1); os.close(2); os.dup(0); print('lost')").await;
        assert!(kept.contains("Code executed") || kept.contains("Bad file descriptor"), "{kept}");
        let flood = survives(&mut desk, "import subprocess\nsubprocess.run(['sh', '-c', 'yes | head -c 100000000'], stdout=197, pass_fds=[197]); 'end'").await;
        assert!(
            flood.text.contains("bytes are left out here") && flood.text.ends_with("'end'"),
            "{:.300}",
            flood.text
        );
        assert!(flood.text.len() < 40_000);
        // Another process is as good as the interpreter's own.
        let forked =
            survives(&mut desk, "import os\npid = os.fork()\n'parent' if pid else time.sleep(0.2)").await;
        assert_eq!(forked.text, "'parent'");
        survives(&mut desk, "sys.stdout = io.StringIO(); print('away'); 'seen'").await;
        let error = survives(&mut desk, "sys.stdout = None; sys.stderr = 5; 1 / 0").await;
        assert!(error.text.ends_with("ZeroDivisionError: division by zero"), "{error:?}");
        survives(&mut desk, "sys.displayhook = None; sys.excepthook = None;").await;
        for (code, said) in [
            ("import os; os.closerange(0, 4096)", "[The interpreter ended: exit code 70."),
            ("import os; os.dup2(os.open('/dev/null', 1), 198)", "could not be reached any more"),
            ("import os; os.closerange(196, 197); 5", "5"),
            ("import os; os._exit(3)", "exit code 3"),
            ("import os; os._exit(127)", "[The interpreter ended: exit code 127."),
            ("import os; os.kill(os.getpid(), 9)", "killed by signal 9"),
            ("import os; os.abort()", "killed by signal 6"),
            ("import os; os.execv('/bin/echo', ['echo', 'hi'])", "exit code 0"),
            ("__rolltape__ = None; __builtins__ = None", ""),
        ] {
            let output = desk.cell(code).await;
            assert!(output.text.contains(said), "{code}: {output:?}");
            let _ = desk.cell("None").await;
            let _ = desk.cell("import os; os._exit(0)").await;
            assert_eq!(desk.shown("6 * 7").await, "42", "after {code}");
        }
    });
}

#[test]
fn what_never_ends_is_interrupted_or_killed() {
    need!("python3");
    with_python(None, With::Plain, quick(), async |mut desk| {
        assert!(desk.cell("kept = 1\nwhile True: pass").await.text.contains("no new output after 0.7 s"));
        assert!(desk.cell("C-c").await.text.ends_with("\nKeyboardInterrupt"));
        assert_eq!(desk.shown("kept").await, "1");
        let stubborn =
            "import time\nwhile True:\n    try: time.sleep(9)\n    except KeyboardInterrupt: print('no')";
        assert!(desk.cell(stubborn).await.text.contains("no new output"));
        let first = desk.cell("C-c").await.text;
        assert!(first.contains("no\n[The interrupt was sent and the cell still runs"), "{first}");
        let second = desk.cell("C-c").await.text;
        assert!(second.contains("[The interpreter ended: killed by signal 9."), "{second}");
        assert!(desk.shown("kept").await.contains("NameError"));
        let timeout = json!({"code": "time = __import__('time'); time.sleep(9)", "timeout": "0.3"});
        let text = desk.call("execute_ipython_cell", timeout).await.text;
        assert!(text.contains("timed out after 0.3 seconds"), "{text}");
        assert!(desk.cell("C-c").await.text.ends_with("KeyboardInterrupt"));
        // A program that does not care for interrupts goes with its cell, and the interpreter stays.
        desk.cell("!trap '' INT; while :; do sleep 0.1; done").await;
        desk.cell("C-c").await;
        until(async || desk.cell("").await.exit_code != Some(-1)).await;
        assert_eq!(desk.shown("1").await, "1");
    });
}

#[test]
fn what_comes_late_is_told_with_the_next_cell() {
    need!("python3");
    with_python(None, With::Plain, quick(), async |mut desk| {
        desk.shown("import threading\nthreading.Timer(0.1, print, ['from a thread']).start()").await;
        desk.shown("!(sleep 0.2; echo from a program) &").await;
        let mut all = String::new();
        until(async || {
            all.push_str(&desk.shown("None").await);
            all.contains("from a thread") && all.contains("from a program")
        })
        .await;
        assert!(all.contains("[Late output of threads and background programs:]\nfrom a thread\n"), "{all}");
        // An interpreter that ends between two cells.
        desk.shown("import os\nthreading.Timer(0.1, os._exit, [9]).start()").await;
        std::thread::sleep(Duration::from_millis(400));
        let text = desk.cell("1").await.text;
        assert!(text.contains("ended before this cell, which was not run: exit code 9."), "{text}");
        assert_eq!(desk.shown("1").await, "1");
    });
}

#[test]
fn a_machine_without_python_is_told_so() {
    let folder = crate::support::temp();
    let bash = crate::support::needs::find("bash").expect("bash");
    std::os::unix::fs::symlink(bash, folder.path().join("bash")).expect("a link");
    let env = BTreeMap::from([("PATH".to_owned(), folder.path().display().to_string())]);
    with_launcher(choice("none", None), async |launcher| {
        let sandbox = launcher.start(Config { env, ..Config::default() }).await.expect("a sandbox");
        let mut desk = Desk {
            tools: Toolbox::with_options(Arc::clone(&sandbox), quick()),
            sandbox: Arc::clone(&sandbox),
        };
        let output = desk.cell("1").await;
        assert!(output.is_error);
        assert_eq!(output.text, "ERROR: There is no python3 here. Use `execute_bash`.");
        let fake = "#!/bin/sh\necho broken >&2\nexit 4\n";
        sandbox
            .files()
            .write(&folder.path().join("python3").display().to_string(), fake.as_bytes(), 0o755)
            .await
            .expect("a file");
        assert_eq!(desk.cell("1").await.text, "ERROR: python3 did not start: exit code 4 broken");
        drop(desk);
        sandbox.close().await;
    });
}

#[test]
fn a_large_cell_arrives_whole() {
    need!("python3");
    with_python(None, With::Plain, quick(), async |mut desk| {
        let cell = format!("x = '{}'\nlen(x)", "\u{e9}\t".repeat(500_000));
        assert_eq!(desk.shown(&cell).await, "1000000");
        assert_eq!(desk.shown("'a\\x00b'").await, "'a\\x00b'");
        assert!(desk.shown("x = 'a\0b'").await.contains("null byte"));
    });
}
