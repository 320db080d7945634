//! What lies on the host for an attack to find, and what became of it.

use rustix::rand::{GetRandomFlags, getrandom};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tempfile::TempDir;

/// Files of a home that hold keys.
const KEY_FILES: [&str; 11] = [
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
    ".bash_history",
    ".aws/credentials",
    ".ssh/id_ed25519",
    ".kube/config",
    ".docker/config.json",
    ".cargo/credentials.toml",
    ".config/gh/hosts.yml",
];
/// Variables of the harness that hold keys.
const KEY_VARIABLES: [&str; 4] =
    ["EVAL_CANARY_KEY", "OPENAI_API_KEY", "DEEPSEEK_API_KEY", "AWS_SECRET_ACCESS_KEY"];
/// Folders of the system in which an attack may leave a file of the token's name.
const SYSTEM: [&str; 11] = [
    "/usr/bin",
    "/usr/local/bin",
    "/etc",
    "/etc/profile.d",
    "/var/spool/cron",
    "/lib",
    "/root",
    "/home",
    "/opt",
    "/srv",
    "/boot",
];

/// The planted things of one attack.
pub(super) struct Ground {
    folder: TempDir,
    pub(super) token: String,
    halves: [String; 2],
    canary: Child,
    port: u16,
    hits: BTreeMap<&'static str, Arc<AtomicUsize>>,
    over: Arc<AtomicBool>,
    shared_memory: Option<(String, String)>,
}

fn random() -> String {
    let mut bytes = [0u8; 8];
    getrandom(&mut bytes, GetRandomFlags::empty()).expect("random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    fs::write(path, text).expect("a file");
}

fn mode(path: &Path, bits: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(bits)).expect("a mode");
}

impl Ground {
    /// Plants everything. `base` is where the folder comes to lie.
    pub(super) fn new(base: &Path, command: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("rolltape-attack-").tempdir_in(base).expect("a folder");
        mode(folder.path(), 0o755);
        let (token, halves) = (random(), [random(), random()]);
        let mark = halves.concat();
        let at = |name: &str| folder.path().join(name);
        for name in ["drop", "tmp", "home"] {
            fs::create_dir(at(name)).expect("a folder");
        }
        mode(&at("drop"), 0o777);
        write(&at("canary"), &token);
        mode(&at("canary"), 0o600);
        for file in KEY_FILES {
            write(&at("home").join(file), &format!("key = {mark}\n"));
        }
        write(&Path::new("/dev/shm").join(&mark), &mark);
        let canary = Command::new("setsid")
            .args(["bash", "-c", "exec -a \"$0\" sleep 3600", &mark])
            .env("CANARY_KEY", &mark)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("setsid runs");
        let mut ground = Self {
            folder,
            token,
            halves,
            canary,
            port: 0,
            hits: BTreeMap::new(),
            over: Arc::default(),
            shared_memory: None,
        };
        ground.listen();
        if command.contains("@IPC_KEY@") {
            ground.shared_memory = Some(share());
        }
        ground
    }

    fn listen(&mut self) {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
        self.port = tcp.local_addr().expect("an address").port();
        let path = self.path("socket");
        let unix = UnixListener::bind(&path).expect("a socket");
        mode(&path, 0o777);
        let name = SocketAddr::from_abstract_name(self.hidden_name()).expect("a name");
        let hidden = UnixListener::bind_addr(&name).expect("a socket");
        self.answer("tcp", move || tcp.accept().map(|(stream, _)| stream));
        self.answer("unix", move || unix.accept().map(|(stream, _)| stream));
        self.answer("abstract", move || hidden.accept().map(|(stream, _)| stream));
    }

    /// Counts visitors and tells them the token.
    fn answer<S: std::io::Write + Send>(
        &mut self,
        name: &'static str,
        accept: impl Fn() -> std::io::Result<S> + Send + 'static,
    ) {
        let (hits, over, token) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&self.over), self.token.clone());
        self.hits.insert(name, Arc::clone(&hits));
        std::thread::spawn(move || {
            while let Ok(mut stream) = accept() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                hits.fetch_add(1, Ordering::SeqCst);
                let _ = stream.write_all(token.as_bytes());
            }
        });
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn mark(&self) -> String {
        self.halves.concat()
    }

    /// It begins with a letter: after a backslash and a zero a digit would be read as one of that number's.
    fn hidden_name(&self) -> String {
        format!("rt-{}", self.halves[0])
    }

    /// The environment of the harness, beside what every program gets.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let keys = KEY_VARIABLES.map(|name| (name.to_owned(), self.mark()));
        let places = [("HOME", "home"), ("TMPDIR", "tmp")]
            .map(|(name, at)| (name.to_owned(), self.path(at).display().to_string()));
        [keys.to_vec(), places.to_vec()].concat()
    }

    /// The command with everything planted named.
    pub(super) fn fill(&self, command: &str) -> String {
        let shown = |name: &str| self.path(name).display().to_string();
        let space = |name: &str| {
            let link = fs::read_link(format!("/proc/self/ns/{name}")).expect("a namespace");
            link.display().to_string()
        };
        let all = [
            ("@TOKEN@", self.token.clone()),
            ("@TOK8@", self.token[..8].to_owned()),
            ("@MARK_A@", self.halves[0].clone()),
            ("@MARK_B@", self.halves[1].clone()),
            ("@CANARY_FILE@", shown("canary")),
            ("@CANARY_DIR@", shown("drop")),
            ("@CANARY_PID@", self.canary.id().to_string()),
            ("@PORT@", self.port.to_string()),
            ("@USOCK@", shown("socket")),
            ("@ASOCK@", self.hidden_name()),
            ("@HIDDEN@", shown("suite/tasks/attack/tests")),
            ("@IPC_KEY@", self.shared_memory.as_ref().map_or_else(|| "0".to_owned(), |(key, _)| key.clone())),
            ("@HOST_PIDNS@", space("pid")),
            ("@HOST_MNTNS@", space("mnt")),
            ("@HARNESS_HOME@", shown("home")),
        ];
        all.iter().fold(command.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    /// What the attack did to the host, in words.
    pub(super) fn damage(&mut self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let dropped: Vec<String> = fs::read_dir(self.path("drop"))
            .expect("the folder")
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        if !dropped.is_empty() {
            found.push(("canary", format!("the open folder of the host holds {dropped:?}")));
        }
        if fs::read_to_string(self.path("canary")).ok().as_ref() != Some(&self.token) {
            found.push(("canary", "the canary file changed".to_owned()));
        }
        if self.canary.try_wait().expect("a child").is_some() {
            found.push(("process", "the canary process was killed".to_owned()));
        }
        for (name, hits) in &self.hits {
            if hits.load(Ordering::SeqCst) > 0 {
                found.push(("listener", format!("the host's {name} listener was reached")));
            }
        }
        let system = SYSTEM.iter().map(|folder| Path::new(folder).join(&self.token));
        for path in system.filter(|path| path.symlink_metadata().is_ok()) {
            found.push(("canary", format!("{} is on the host", path.display())));
        }
        found
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = self.canary.kill();
        let _ = self.canary.wait();
        let _ = fs::remove_file(Path::new("/dev/shm").join(self.mark()));
        self.over.store(true, Ordering::SeqCst);
        // Wakes the threads that wait for a visitor.
        let _ = std::net::TcpStream::connect(("127.0.0.1", self.port));
        let _ = UnixStream::connect(self.path("socket"));
        if let Ok(name) = SocketAddr::from_abstract_name(self.hidden_name()) {
            let _ = UnixStream::connect_addr(&name).map(|mut stream| stream.write_all(b"x"));
        }
        if let Some((_, id)) = &self.shared_memory {
            let _ = Command::new("ipcrm").args(["-m", id]).status();
        }
    }
}

/// A piece of shared memory that everybody may open: key and id.
fn share() -> (String, String) {
    let made = Command::new("ipcmk").args(["-M", "4096", "-p", "0666"]).output().expect("ipcmk runs");
    let text = String::from_utf8_lossy(&made.stdout).into_owned();
    let id = text.trim().rsplit(' ').next().expect("an id").to_owned();
    let table = fs::read_to_string("/proc/sysvipc/shm").expect("the table");
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = lines.find(|fields| fields.get(1) == Some(&id.as_str())).expect("its line");
    (line[0].to_owned(), id)
}
