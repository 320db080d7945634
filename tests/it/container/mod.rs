//! Containers of a real podman, with storage of their own: each test makes its images and leaves nothing.

mod ends;
mod inside;
mod refusals;
mod runs;

use crate::support::{Output, Rolltape, ledger, needs, temp};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The name of the image of busybox alone.
const BUSYBOX: &str = "localhost/rolltape-busybox:1";
/// The name of the image that has bash too, whose programs run as user 7.
const BASH: &str = "localhost/rolltape-bash:1";

/// A podman whose storage lies in a folder of the test, as a program to name in `ROLLTAPE_CONTAINERS`.
struct Lab {
    folder: TempDir,
}

impl Lab {
    /// `None`, and said so, where podman does not start containers.
    fn new(test: &str) -> Option<Self> {
        let lab = Self { folder: temp() };
        let text = format!(
            "#!/bin/sh\nexec podman --root {0}/root --runroot {0}/run --storage-driver vfs \"$@\"\n",
            lab.folder.path().display()
        );
        std::fs::write(lab.podman(), text).expect("a script");
        std::fs::set_permissions(lab.podman(), PermissionsExt::from_mode(0o755)).expect("executable");
        lab.import(BUSYBOX, &[], &busybox(&lab.path("busybox")));
        // By the program itself and not by ours: what we break must not skip its own tests.
        let narrow = ["--ulimit=nofile=256:256", "--ulimit=nproc=1024:1024", "--network=none", "--rm"];
        let mut command = lab.command(&["run"]);
        let output = command.args(narrow).args([BUSYBOX, "/bin/true"]).output().expect("podman runs");
        if output.status.success() {
            return Some(lab);
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ledger::note(test, &format!("podman starts no container here: {}", said.trim()));
        None
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn podman(&self) -> PathBuf {
        self.path("podman")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.podman());
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// What podman prints.
    fn ask(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("podman runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Makes an image of a folder.
    fn import(&self, name: &str, changes: &[&str], root: &Path) {
        let tar = self.path("image.tar");
        let packed = Command::new("tar").arg("-C").arg(root).arg("-cf").arg(&tar).arg(".").status();
        assert!(packed.expect("tar runs").success());
        let mut arguments = vec!["import", "--quiet"];
        for change in changes {
            arguments.extend(["--change", change]);
        }
        let tar = tar.to_str().expect("UTF-8").to_owned();
        arguments.extend([tar.as_str(), name]);
        self.ask(&arguments);
    }

    /// An image with bash, a user and a working folder.
    fn import_bash(&self) {
        let root = busybox(&self.path("bash"));
        let script = "for f in /bin/bash $(ldd /bin/bash | grep -o '/[^ ]*'); do \
                      mkdir -p \"$0$(dirname $f)\" && cp -L $f \"$0$f\"; done";
        let copied = Command::new("sh").args(["-c", script]).arg(&root).status().expect("sh runs");
        assert!(copied.success());
        std::fs::create_dir_all(root.join("etc")).expect("a folder");
        std::fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nme:x:7:8::/home/me:/bin/bash\n")
            .expect("a file");
        std::fs::write(root.join("etc/group"), "root:x:0:\nmine:x:8:\nothers:x:9:me\n").expect("a file");
        self.import(BASH, &["USER me", "WORKDIR /app", "ENV GIVEN=by the image"], &root);
    }

    fn program(&self, arguments: &[&str]) -> Rolltape {
        let program = Rolltape::new(arguments).cwd(self.folder.path());
        program.env("ROLLTAPE_CONTAINERS", self.podman()).env("TMPDIR", self.folder.path())
    }

    /// `rolltape -q sandbox --sandbox container:IMAGE …`
    fn sandbox(&self, image: &str, arguments: &[&str]) -> Rolltape {
        let image = format!("container:{image}");
        let mut all = vec!["-q", "sandbox", "--sandbox", &image];
        all.extend(arguments);
        self.program(&all)
    }

    /// The same with a report.
    fn reported(&self, image: &str, arguments: &[&str]) -> (Output, serde_json::Value) {
        let file = self.path("report.json");
        let json = format!("--json={}", file.display());
        let mut all = vec![json.as_str()];
        all.extend(arguments);
        let output = self.sandbox(image, &all).run();
        let text = std::fs::read_to_string(&file).unwrap_or_else(|_| panic!("no report: {output:?}"));
        (output, serde_json::from_str(&text).expect("JSON"))
    }

    /// Fails if a container or a folder of a run is left.
    fn assert_clean(&self) {
        assert_eq!(self.ask(&["ps", "--all", "--format", "{{.Names}}"]), "");
        assert_eq!(self.folders(), Vec::<PathBuf>::new());
    }

    /// Folders of runs.
    fn folders(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path()).expect("the folder").flatten();
        let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("rolltape-run-"));
        ours.map(|entry| entry.path()).collect()
    }
}

impl Drop for Lab {
    /// What a failed test left must not keep the folder.
    fn drop(&mut self) {
        let mut command = self.command(&["rm", "--all", "--force"]);
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// A root with busybox and nothing else.
fn busybox(root: &Path) -> PathBuf {
    let bin = root.join("bin");
    std::fs::create_dir_all(&bin).expect("a folder");
    std::fs::copy(needs::find("busybox").expect("needed"), bin.join("busybox")).expect("a copy");
    for name in
        ["sh", "true", "cat", "id", "sleep", "ls", "head", "tail", "touch", "env", "tr", "wget", "stat"]
    {
        symlink("busybox", bin.join(name)).expect("a link");
    }
    root.to_owned()
}
