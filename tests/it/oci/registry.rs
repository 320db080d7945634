//! Pulling from a real registry on the loopback.

use super::Lab;
use super::build::{Made, Pack, Tree, digest, image};
use oci_client::client::{Client, ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::secrets::RegistryAuth;
use serde_json::json;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running registry, and where it keeps what it was given.
struct Registry {
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `me` with the password `not-a-secret`.
const USERS: &str = "me:$2b$04$BaIBVAuyIHel41urpF0RWu27kQN686.SlbhO7ifVR5vT4QZciy4sS\n";

impl Registry {
    fn start(lab: &Lab, login: bool) -> Self {
        let folder = lab.path("registry");
        std::fs::create_dir_all(&folder).unwrap();
        // Between letting go of the port and the registry's taking it another may come: then it is tried again.
        for _ in 0..5 {
            let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut config = format!(
                "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n",
                folder.display()
            );
            if login {
                std::fs::write(lab.path("users"), USERS).unwrap();
                config.push_str(&format!(
                    "auth: {{htpasswd: {{realm: test, path: {}}}}}\n",
                    lab.path("users").display()
                ));
            }
            std::fs::write(lab.path("registry.yml"), config).unwrap();
            let mut command = Command::new("docker-registry");
            command.arg("serve").arg(lab.path("registry.yml"));
            let child =
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let mut registry = Self { child, port, folder: folder.clone() };
            let end = Instant::now() + Duration::from_secs(60);
            while registry.child.try_wait().unwrap().is_none() && Instant::now() < end {
                if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return registry;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        panic!("no registry starts");
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Pushes an image as `test/NAME:1`.
    fn push(&self, name: &str, made: &Made, auth: &RegistryAuth) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let protocol = ClientProtocol::HttpsExcept(vec![self.host()]);
        let client = Client::new(ClientConfig { protocol, ..ClientConfig::default() });
        let layers: Vec<ImageLayer> = made
            .layers
            .iter()
            .map(|(bytes, kind)| ImageLayer::new(bytes.clone(), (*kind).to_owned(), None))
            .collect();
        let config =
            Config::new(made.config.clone(), "application/vnd.oci.image.config.v1+json".to_owned(), None);
        let manifest = serde_json::from_slice(&made.manifest).unwrap();
        let reference = format!("{}/test/{name}:1", self.host()).parse().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(client.push(&reference, &layers, config, auth, Some(manifest))).expect("pushed");
    }

    /// Changes a byte of what it keeps.
    fn spoil(&self, digest: &str) {
        let hex = &digest[7..];
        let path = self.folder.join(format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]));
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }
}

fn made(text: &str) -> Made {
    let shared = Tree::new().file("shared", 0o644, &vec![b's'; 100_000]).done();
    let own = Tree::new().file("own", 0o644, text.as_bytes()).done();
    image(&[(shared, Pack::Gzip), (own, Pack::Zstd)], json!({ "Env": ["A=1"] }))
}

#[test]
fn images_are_pulled_once_and_share_layers() {
    need!("docker-registry");
    let lab = Lab::new();
    let registry = Registry::start(&lab, false);
    registry.push("one", &made("one"), &RegistryAuth::Anonymous);
    registry.push("two", &made("two"), &RegistryAuth::Anonymous);
    let (one, two) = (format!("{}/test/one:1", registry.host()), format!("{}/test/two:1", registry.host()));
    let program = lab.program(&["images", "pull", &one, &two]);
    let mut children: Vec<_> = (0..3).map(|_| program.spawn()).collect();
    for child in &mut children {
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    assert_eq!(lab.roots().len(), 2);
    assert_eq!(lab.kept("blobs/sha256").len(), 5, "one shared layer, two of their own, two configurations");
    assert!(lab.kept("tmp").is_empty());
    // By digest, it is the same image; the digest is what is printed.
    let pulled = lab.rolltape(&["images", "pull", &one]).expect_code(0);
    let by_digest = format!("{}/test/one@{}", registry.host(), pulled.stdout.split(' ').next().unwrap());
    lab.rolltape(&["images", "pull", &by_digest]).expect_code(0);
    assert_eq!(lab.roots().len(), 2);
    lab.rolltape(&["images", "remove", &one, &by_digest]).expect_code(0);
    assert_eq!((lab.roots().len(), lab.kept("blobs/sha256").len()), (1, 3));
    let mut told = String::new();
    for name in ["test/one:2", "test/none:1"] {
        told.push_str(
            &lab.rolltape(&["images", "pull", &format!("{}/{name}", registry.host())]).expect_code(3).stderr,
        );
    }
    let host = registry.host();
    drop(registry);
    told.push_str(&lab.rolltape(&["images", "pull", &one]).expect_code(3).stderr);
    insta::assert_snapshot!(told.replace(&host, "<HOST>"));
}

#[test]
fn what_has_another_digest_is_refused() {
    need!("docker-registry");
    let lab = Lab::new();
    let registry = Registry::start(&lab, false);
    let mut told = String::new();
    for (name, what) in [("layer", 0), ("config", 1)] {
        let made = made(name);
        registry.push(name, &made, &RegistryAuth::Anonymous);
        registry.spoil(&digest([&made.layers[1].0, &made.config][what]));
        let output =
            lab.rolltape(&["images", "pull", &format!("{}/test/{name}:1", registry.host())]).expect_code(3);
        told.push_str(&output.stderr);
    }
    assert!(lab.roots().is_empty() && lab.kept("tmp").is_empty());
    let hex = regex::Regex::new(r"[0-9a-f]{12,64}").unwrap();
    insta::assert_snapshot!(hex.replace_all(&told.replace(&registry.host(), "<HOST>"), "<HEX>"));
}

#[test]
fn a_login_is_asked_for_and_found() {
    need!("docker-registry");
    let lab = Lab::new();
    let registry = Registry::start(&lab, true);
    let password = ["not", "a", "secret"].join("-");
    registry.push("one", &made("one"), &RegistryAuth::Basic("me".to_owned(), password.clone()));
    let name = format!("{}/test/one:1", registry.host());
    let login = |password: &str| {
        use base64::Engine as _;
        let word = base64::engine::general_purpose::STANDARD.encode(format!("me:{password}"));
        std::fs::write(
            lab.path("auth.json"),
            json!({ "auths": { registry.host(): { "auth": word } } }).to_string(),
        )
        .unwrap();
    };
    let program = || lab.program(&["images", "pull", &name]).env("REGISTRY_AUTH_FILE", lab.path("auth.json"));
    let without = program().run().expect_code(3);
    login("wrong");
    let wrong = program().run().expect_code(3);
    std::fs::write(lab.path("auth.json"), "{").unwrap();
    let broken = program().run().expect_code(3);
    login(&password);
    program().run().expect_code(0);
    assert_eq!(lab.roots().len(), 1);
    let told = format!("{}{}{}", without.stderr, wrong.stderr, broken.stderr);
    let told = told.replace(&registry.host(), "<HOST>").replace(&lab.0.path().display().to_string(), "<LAB>");
    insta::assert_snapshot!(told);
}
