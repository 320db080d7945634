//! Packages are installed inside from servers on this machine's loopback, and the host does not change.

use super::{reported, sandbox};
use crate::sandbox::levels::works;
use crate::support::{Output, ledger, temp};
use rolltape::sandbox::Level;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Serves these files by path until the tests end.
fn serve(files: BTreeMap<String, Vec<u8>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let at = listener.local_addr().expect("an address");
    let files = Arc::new(files);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let files = Arc::clone(&files);
            std::thread::spawn(move || {
                let mut stream = stream;
                let mut lines =
                    BufReader::new(stream.try_clone().expect("a copy")).lines().map_while(Result::ok);
                let first = lines.next().unwrap_or_default();
                lines.by_ref().take_while(|line| !line.is_empty()).for_each(drop);
                let path = first.split(' ').nth(1).unwrap_or("/");
                let (status, body) = match files.get(path) {
                    Some(body) => ("200 OK", body.as_slice()),
                    None => ("404 Not Found", b"".as_slice()),
                };
                let kind = if path.ends_with('/') { "text/html" } else { "application/octet-stream" };
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
            });
        }
    });
    at
}

/// Whether the level and a program in it are there; a note if not.
fn can(program: &str) -> bool {
    if !works(Level::Overlay) {
        return false;
    }
    let there = sandbox(Level::Overlay, &["sh", "-c", &format!("{program} --version")]).run().code == 0;
    if !there {
        ledger::note("packages inside", &format!("no '{program}' in a sandbox here"));
    }
    there
}

fn install(name: &str, server: SocketAddr, workspace: &Path, script: &str) -> (Output, Value) {
    let policy = format!("allow:{name}={server}");
    let workspace = workspace.to_str().expect("UTF-8");
    reported(
        Level::Overlay,
        &["--network", &policy, "--workspace", workspace, "sh", "-c", &format!("set -e; {script}")],
    )
}

#[track_caller]
fn output_of(command: &mut Command) -> Vec<u8> {
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    std::fs::write(path, text).expect("a file");
}

#[test]
fn apt_installs_from_a_signed_repository() {
    need!(program("dpkg-deb"), program("gpg"), program("sha256sum"));
    if !can("apt-get") {
        return;
    }
    let folder = temp();
    let (tree, home) = (folder.path().join("tree"), folder.path().join("home"));
    let control = "Package: rolltape-made-up\nVersion: 1.0\nArchitecture: all\n\
                   Maintainer: Nobody <nobody@example.com>\nDescription: says a word\n";
    write(&tree.join("DEBIAN/control"), control);
    write(&tree.join("usr/share/rolltape-made-up/word"), "from apt\n");
    let package = folder.path().join("made-up.deb");
    output_of(Command::new("dpkg-deb").args(["--root-owner-group", "-b"]).arg(&tree).arg(&package));
    let bytes = std::fs::read(&package).expect("the package");
    let digest = |path: &Path| {
        let text = output_of(Command::new("sha256sum").arg(path));
        String::from_utf8_lossy(&text[..64]).into_owned()
    };
    let packages = folder.path().join("Packages");
    let sum = digest(&package);
    write(&packages, &format!("{control}Filename: ./made-up.deb\nSize: {}\nSHA256: {sum}\n\n", bytes.len()));
    let listed = std::fs::read(&packages).expect("the list");
    let date = output_of(Command::new("date").args(["-u", "-R"]));
    let date = String::from_utf8_lossy(&date).trim().to_owned();
    let release = folder.path().join("Release");
    write(
        &release,
        &format!(
            "Origin: t\nSuite: t\nCodename: t\nDate: {date}\nSHA256:\n {} {} Packages\n",
            digest(&packages),
            listed.len()
        ),
    );
    std::fs::create_dir(&home).expect("a folder");
    let gpg = |arguments: &[&str]| {
        let mut command = Command::new("gpg");
        command.args(["--batch", "--quiet", "--homedir"]).arg(&home).args(arguments);
        output_of(&mut command)
    };
    output_of(Command::new("chmod").arg("700").arg(&home));
    gpg(&["--passphrase", "", "--quick-gen-key", "nobody@example.com", "ed25519", "sign", "never"]);
    let signed = gpg(&["--clearsign", "-o", "-", release.to_str().expect("UTF-8")]);
    let workspace = folder.path().join("workspace");
    std::fs::create_dir(&workspace).expect("a folder");
    std::fs::write(workspace.join("key.gpg"), gpg(&["--export"])).expect("a key");
    let _ = Command::new("gpgconf").arg("--homedir").arg(&home).args(["--kill", "all"]).status();
    let script = "echo 'deb [signed-by=/workspace/key.gpg] http://apt.example/ ./' > /etc/apt/sources.list; \
                  apt-get update -q 2>&1; apt-get install -qq -y rolltape-made-up 2>&1; \
                  cat /usr/share/rolltape-made-up/word; dpkg-query -W rolltape-made-up";
    let repository = |signed: Vec<u8>| {
        serve(BTreeMap::from([
            ("/./InRelease".to_owned(), signed),
            ("/./Packages".to_owned(), listed.clone()),
            ("/./made-up.deb".to_owned(), bytes.clone()),
        ]))
    };
    let (output, report) = install("apt.example", repository(signed.clone()), &workspace, script);
    let output = output.expect_code(0);
    assert!(output.stdout.ends_with("from apt\nrolltape-made-up\t1.0\n"), "{}", output.stdout);
    let changes = report["changes"].to_string();
    assert!(changes.contains("/usr/share/rolltape-made-up/word"), "{changes}");
    assert!(report["network"]["requests"].to_string().contains("\"path\":\"/./made-up.deb\""), "{report}");
    assert!(!Path::new("/usr/share/rolltape-made-up").exists());
    let known = Command::new("dpkg-query").args(["-W", "rolltape-made-up"]).output().expect("it runs");
    assert!(!known.status.success(), "the host knows the package");
    // What is not signed so is not installed.
    let forged = String::from_utf8_lossy(&signed).replace("Origin: t", "Origin: u").into_bytes();
    let (output, _) = install("apt.example", repository(forged), &workspace, script);
    assert_ne!(output.code, 0, "{}", output.stdout);
}

#[test]
fn pip_installs_from_an_index() {
    need!("python3");
    let pip = "/usr/bin/python3 -m pip";
    if !can(pip) {
        return;
    }
    let folder = temp();
    let wheel = "made_up_rolltape-1.0-py3-none-any.whl";
    let info = "made_up_rolltape-1.0.dist-info";
    let script = format!(
        "import zipfile\n\
         z = zipfile.ZipFile('{wheel}', 'w')\n\
         z.writestr('made_up_rolltape.py', 'print(\"from pip\")\\n')\n\
         z.writestr('{info}/METADATA', 'Metadata-Version: 2.1\\nName: made-up-rolltape\\nVersion: 1.0\\n')\n\
         z.writestr('{info}/WHEEL', 'Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n\
         z.writestr('{info}/RECORD', 'made_up_rolltape.py,,\\n{info}/METADATA,,\\n{info}/WHEEL,,\\n{info}/RECORD,,\\n')\n\
         z.close()\n"
    );
    output_of(Command::new("python3").args(["-c", &script]).current_dir(folder.path()));
    let server = serve(BTreeMap::from([
        ("/made-up-rolltape/".to_owned(), format!("<a href=\"{wheel}\">{wheel}</a>").into_bytes()),
        (format!("/made-up-rolltape/{wheel}"), std::fs::read(folder.path().join(wheel)).expect("a wheel")),
    ]));
    let empty = temp();
    let script = format!(
        "PIP_BREAK_SYSTEM_PACKAGES=1 {pip} install -q --index-url http://pip.example/ --trusted-host pip.example \
         made-up-rolltape 2>&1; /usr/bin/python3 -c 'import made_up_rolltape'"
    );
    let (output, report) = install("pip.example", server, empty.path(), &script);
    let output = output.expect_code(0);
    assert!(output.stdout.ends_with("from pip\n"), "{}", output.stdout);
    assert!(report["changes"].to_string().contains("made_up_rolltape.py"), "{report}");
    let mut import = Command::new("/usr/bin/python3");
    import.args(["-c", "import made_up_rolltape"]).current_dir("/");
    assert!(!import.output().expect("it runs").status.success(), "the host has the package");
}

#[test]
fn npm_installs_from_a_registry() {
    need!(program("tar"));
    if !can("npm") {
        return;
    }
    let folder = temp();
    write(
        &folder.path().join("package/package.json"),
        "{\"name\": \"made-up-rolltape\", \"version\": \"1.0.0\", \"bin\": \"run.js\"}",
    );
    write(&folder.path().join("package/run.js"), "#!/usr/bin/env node\nconsole.log('from npm')\n");
    let tar = output_of(Command::new("tar").args(["-cz", "package"]).current_dir(folder.path()));
    let about = serde_json::json!({
        "name": "made-up-rolltape",
        "dist-tags": {"latest": "1.0.0"},
        "versions": {"1.0.0": {
            "name": "made-up-rolltape", "version": "1.0.0", "bin": {"made-up-rolltape": "run.js"},
            "dist": {"tarball": "http://npm.example/made-up.tgz"},
        }},
    });
    let server = serve(BTreeMap::from([
        ("/made-up-rolltape".to_owned(), about.to_string().into_bytes()),
        ("/made-up.tgz".to_owned(), tar),
    ]));
    let empty = temp();
    let script = "npm install -g --no-audit --no-fund --registry http://npm.example/ made-up-rolltape 2>&1; \
                  made-up-rolltape; npm root -g";
    let (output, report) = install("npm.example", server, empty.path(), script);
    let output = output.expect_code(0);
    let root = output.stdout.lines().last().expect("the global folder").to_owned();
    assert!(output.stdout.contains("\nfrom npm\n"), "{}", output.stdout);
    assert!(report["changes"].to_string().contains("made-up-rolltape/run.js"), "{report}");
    assert!(!Path::new(&root).join("made-up-rolltape").exists(), "the host has the package in {root}");
}
