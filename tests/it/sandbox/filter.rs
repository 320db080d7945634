//! Programs that tasks are made of, under the list of allowed calls: what it lacks, they would trip over.

use super::levels::levels;
use super::{choice, run, with_launcher};
use crate::support::ledger::note;
use rolltape::sandbox::{Config, Level};
use std::path::Path;

/// Name, the program that must be there, the lowest level, a script, and what it says at its end.
const PROGRAMS: [(&str, &str, Level, &str, &str); 9] = [
    ("python", "/usr/bin/python3", Level::Process, PYTHON, "85 3 9 ok"),
    ("job control", "/bin/bash", Level::Process, JOBS, "ended 143 137 back"),
    ("git", "/usr/bin/git", Level::Process, GIT, "2 commits"),
    ("a C compiler", "/usr/bin/cc", Level::Process, COMPILER, "sum 10"),
    ("perl", "/usr/bin/perl", Level::Process, PERL, "perl 42"),
    ("node", "/usr/bin/node", Level::Process, NODE, "node 42 child worker"),
    ("pip", "/usr/bin/pip3", Level::Process, PIP, "installed 7"),
    ("dpkg", "/usr/bin/dpkg-deb", Level::Overlay, DPKG, "from a package"),
    ("apt", "/usr/bin/apt-get", Level::Overlay, APT, "from a repository"),
];

const PYTHON: &str = r#"
cat > t.py <<'E'
import asyncio, concurrent.futures, mmap, multiprocessing, os, select, signal, socket, sqlite3, subprocess, tempfile
def square(n): return n * n
async def later():
    p = await asyncio.create_subprocess_exec("echo", "3", stdout=subprocess.PIPE)
    return (await p.communicate())[0].decode().strip()
if __name__ == "__main__":
    total = 85
    # Its locks lie in /dev/shm, which is closed where it is the host's.
    if os.environ["LEVEL"] != "process":
        with multiprocessing.Pool(3) as pool: total = sum(pool.map(square, range(6))) + 30
    with concurrent.futures.ThreadPoolExecutor(4) as threads: list(threads.map(square, range(50)))
    db = sqlite3.connect("t.db"); db.execute("pragma journal_mode = wal"); db.execute("create table t (n)")
    db.executemany("insert into t values (?)", [(i,) for i in range(9)]); db.commit()
    with tempfile.TemporaryFile() as f: f.truncate(8192); mmap.mmap(f.fileno(), 8192)[0:2] = b"ab"
    server = socket.create_server(("127.0.0.1", 0)); client = socket.create_connection(server.getsockname())
    poll = select.epoll(); poll.register(server.fileno()); assert poll.poll(5)
    signal.setitimer(signal.ITIMER_REAL, 60); os.sched_getaffinity(0); os.getloadavg(); os.cpu_count(); os.statvfs(".")
    print(total, asyncio.run(later()), db.execute("select count(*) from t").fetchone()[0], "ok")
E
python3 t.py"#;

const JOBS: &str = r#"
bash -m -c '
sleep 60 & kill -TERM %1; wait %1 2>/dev/null; first=$?
sleep 60 & kill -STOP $!; kill -CONT $!; kill -9 $!; wait $! 2>/dev/null; second=$?
coproc cat; echo back >&${COPROC[1]}; read -r line <&${COPROC[0]}
trap "true" USR1; kill -USR1 $$; ulimit -n >/dev/null; [ -e <(true) ] && echo ended $first $second $line' 2>/dev/null"#;

const GIT: &str = r"
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
git init -q one && cd one && echo a > f && git add . && git commit -qm one && echo b >> f && git commit -qam two
git gc -q --prune=now && cd .. && git clone -q one two 2>/dev/null && cd two && echo $(git log --oneline | wc -l) commits";

const COMPILER: &str = r#"
cat > t.c <<'E'
#include <pthread.h>
#include <stdio.h>
static int part[4];
static void *work(void *at) { *(int *)at += 1; return 0; }
int main(void) {
  pthread_t thread[4]; int sum = 0;
  for (int i = 0; i < 4; i++) { part[i] = i; pthread_create(&thread[i], 0, work, &part[i]); }
  for (int i = 0; i < 4; i++) { pthread_join(thread[i], 0); sum += part[i]; }
  printf("sum %d\n", sum); return 0;
}
E
cc -O1 -pthread t.c -o t && ./t"#;

const PERL: &str = r#"perl -e 'open(my $f, "-|", "echo 42"); print "perl ", scalar <$f>;'"#;

const NODE: &str = r#"
cat > t.js <<'E'
const { execFileSync, fork } = require("child_process"), http = require("http"), fs = require("fs");
const { Worker, isMainThread, parentPort } = require("worker_threads");
function main() {
  fs.writeFileSync("n.txt", "42");
  const server = http.createServer((q, s) => s.end(fs.readFileSync("n.txt"))).listen(0, "127.0.0.1", () =>
    http.get(server.address(), (r) => r.on("data", (d) => fork(__filename, ["child"]).on("message", (c) =>
      new Worker(__filename).on("message", (w) => {
        console.log("node", String(d), c, w);
        process.exit(execFileSync("true").length);
      })))));
}
if (process.argv[2] === "child") process.send("child");
else if (isMainThread) main();
else parentPort.postMessage("worker");
E
node t.js"#;

const PIP: &str = r#"
python3 -c 'import setuptools, wheel' 2>/dev/null || { echo installed 7; exit; }
mkdir p && echo 'print("installed", 7)' > p/rolltape_seven.py
printf 'from setuptools import setup\nsetup(name="rolltape_seven", version="1", py_modules=["rolltape_seven"])\n' > p/setup.py
pip3 install -q --no-index --no-build-isolation --disable-pip-version-check --target t ./p >log 2>&1 || { cat log; exit 1; }
PYTHONPATH=t python3 -m rolltape_seven"#;

/// A package, built and installed with nothing but what is there.
const DPKG: &str = r"
mkdir -p d/DEBIAN d/usr/bin && printf '#!/bin/sh\necho from a package\n' > d/usr/bin/rolltape-hello && chmod 755 d/usr/bin/rolltape-hello
printf 'Package: rolltape-hello\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example.com>\nDescription: x\n' > d/DEBIAN/control
{ dpkg-deb --root-owner-group -b d hello.deb && dpkg -i hello.deb; } >log 2>&1 || { cat log; exit 1; }
rolltape-hello";

const APT: &str = r#"
mkdir -p d/DEBIAN d/usr/bin repo /etc/apt/apt.conf.d /etc/apt/sources.list.d /etc/apt/preferences.d
mkdir -p /var/lib/apt/lists/partial /var/cache/apt/archives/partial /var/log/apt
printf '#!/bin/sh\necho from a repository\n' > d/usr/bin/rolltape-hi && chmod 755 d/usr/bin/rolltape-hi
printf 'Package: rolltape-hi\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example.com>\nDescription: x\n' > d/DEBIAN/control
dpkg-deb --root-owner-group -b d repo/hi.deb >log 2>&1 || { cat log; exit 1; }
cd repo; sum=$(sha256sum hi.deb); { cat ../d/DEBIAN/control
printf 'Filename: ./hi.deb\nSize: %s\nSHA256: %s\n\n' $(stat -c %s hi.deb) ${sum%% *}; } > Packages
echo "deb [trusted=yes] file:$PWD ./" > /etc/apt/sources.list
{ apt-get -q update && apt-get -qy install rolltape-hi; } >../log 2>&1 || { cat ../log; exit 1; }
rolltape-hi"#;

#[test]
fn what_tasks_are_made_of_runs() {
    for level in levels() {
        with_launcher(choice("", Some(level)), async |launcher| {
            for (name, program, lowest, script, says) in PROGRAMS {
                if level < lowest {
                    continue;
                }
                if !Path::new(program).exists() {
                    note("sandbox::filter::what_tasks_are_made_of_runs", &format!("{program} is not there"));
                    continue;
                }
                let config = Config { memory: Some(2 << 30), pids: Some(256), ..Config::default() };
                let sandbox = launcher.start(config).await.expect("a sandbox");
                let script = format!("export LEVEL={}; {script}", level.as_str());
                let (out, err, code) = run(&sandbox, &script).await;
                assert_eq!((out.trim(), code), (says, 0), "{level:?}: {name}: {err}");
                sandbox.close().await;
            }
        });
    }
}
