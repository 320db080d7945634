//! Clients as they come from the index, unmodified, against the names of the public API: in real sandboxes,
//! with a Python environment that is mounted read-only.

use crate::support::needs::venv_folder;
use crate::support::program::Rolltape;
use std::path::Path;

const SUITE: &str = r#"
schema = 1
name = "clients"
[defaults]
agent = "nop"
[[service]]
name = "deepseek"
kind = "llm"
hosts = ["api.deepseek.com", "deepseek.example"]
key_env = "DEEPSEEK_API_KEY"
[[service]]
name = "other"
kind = "llm"
hosts = ["api.other.example"]
"#;

/// A task whose program, run by the scorer in a sandbox of its own, must print these texts.
fn task(id: &str, program: &str, run: &str, venv: Option<&str>, includes: &[&str]) -> String {
    let text = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let includes: Vec<String> = includes.iter().map(|line| text(line)).collect();
    let mounts = venv.map_or_else(String::new, |name| {
        format!("mounts = [{{ env = \"VENV_{}\", at = \"/opt/venv\" }}]\n", name.replace('-', "_"))
    });
    format!(
        "[[task]]\nid = \"{id}\"\nprompt = \"x\"\nneeds = [\"private-net\"]\nfiles = {{ \"app\" = {} }}\n{mounts}\
         [[task.score]]\nkind = \"service\"\nservice = \"deepseek\"\nrun = {}\ncarry = [\"app\"]\ntimeout = \"60s\"\n\
         requests = [{{ status = 200, auth = \"ok\" }}]\nprints = \"nonce\"\nnot_prints = \"key\"\nincludes = [{}]\n",
        text(program),
        text(run),
        includes.join(", ")
    )
}

/// Runs tasks in sandboxes of a level; all must pass.
fn pass(level: &str, tasks: &[String]) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("suite.toml"), format!("{SUITE}{}", tasks.concat())).expect("a suite");
    let out = folder.path().join("run");
    let paths = [folder.path().display().to_string(), out.display().to_string()];
    let run = Rolltape::new(&["run", &paths[0], "--out", &paths[1], "--level", level])
        .env("VENV_clients", venv_folder("clients"))
        .env("VENV_old_clients", venv_folder("old-clients"))
        .run();
    let passed = run.stdout.contains(&format!("success {0}/{0} (100 %)", tasks.len()));
    assert!(passed, "{}\n{}\n{}", run.stdout, run.stderr, evidence(&out));
}

/// What the programs of a run printed.
fn evidence(run: &Path) -> String {
    let mut told = String::new();
    let mut folders = vec![run.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if entry.path().to_string_lossy().contains("evidence") {
                told.push_str(&std::fs::read_to_string(entry.path()).unwrap_or_default());
            }
        }
    }
    told
}

/// The programs of the environment `clients`.
fn python() -> Vec<String> {
    let run = |script: &str| format!("/opt/venv/bin/python3 {script}");
    let code = |said: &str| format!("Hello! You wrote: \"{said}\". My code for this answer is <nonce>.");
    let filled = " # filled in: 9 characters before, 12 after, code <nonce>\n";
    vec![
        task(
            "transcript",
            include_str!("../fixtures/clients/deepseek_app.py"),
            &run("app"),
            Some("clients"),
            &[&format!("Model Response: {}", code("Hello, DeepSeek!"))],
        ),
        task(
            "package",
            include_str!("../fixtures/clients/package.py"),
            &run("app"),
            Some("clients"),
            &[
                &format!("chat: {}", code("Hello there")),
                &format!("stream: True {}", code("Hello again")),
                &format!("fim: {filled}"),
                &format!("fim stream: {filled}"),
                "models: ['deepseek-chat', 'deepseek-reasoner', 'mock-<nonce>']",
                "balance: 10.00",
                "bad key: HTTP Error 401: {\"error\":{\"message\":\"Authentication Fails (no such user)\"",
            ],
        ),
        task(
            "openai",
            include_str!("../fixtures/clients/openai_new.py"),
            &run("app"),
            Some("clients"),
            &[
                &format!("chat: {}", code("Hello")),
                &format!("stream: True True {}", code("Hello")),
                "call: get_weather Ulm",
                "result: The tool get_weather says: \"snow\". My code for this answer is <nonce>.",
                "json: ['code', 'reply']",
                "reasoning: The user wrote: \"Why?\".",
                "models: ['deepseek-chat', 'deepseek-reasoner', 'mock-<nonce>']",
                "fim:  # filled in: 1 characters before, 1 after, code <nonce>",
                "bad key: 401",
            ],
        ),
        task(
            "strict",
            include_str!("../fixtures/clients/strict.py"),
            &run("app"),
            Some("clients"),
            &[
                "accepted: api.deepseek.com TLSv1.3",
                "accepted: localhost TLSv1.3",
                "accepted: 127.0.0.1 TLSv1.3",
                "refused: 62",
                "plain: {\"object\":\"list\"",
                "over IPv6: ConnectionRefusedError",
            ],
        ),
    ]
}

/// What needs no Python environment.
fn shell() -> Vec<String> {
    let curl = "set -e\nask() { curl -sS --max-time 20 -H \"Authorization: Bearer $DEEPSEEK_API_KEY\" \"$@\"; }\n\
                ask https://api.deepseek.com/models; echo\n\
                ask https://deepseek.example/v1/user/balance; echo\n\
                ask http://api.deepseek.com/models; echo\n\
                ask $ROLLTAPE_SERVICE_DEEPSEEK_TLS_URL/models; echo\n\
                ask -o /dev/null -w 'other: %{http_code} %{remote_ip}\\n' https://api.other.example/models\n\
                unset CURL_CA_BUNDLE SSL_CERT_FILE\n\
                ask -N https://api.deepseek.com/chat/completions -d '{\"model\":\"deepseek-chat\",\"stream\":true,\
                \"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}'\n\
                ask -6 https://api.deepseek.com/models || test $? -le 7 && echo six: refused at once\n";
    let includes = ["mock-<nonce>", "other: 401 127.0.0.2", "data: [DONE]", "six: refused at once"];
    vec![task("curl", curl, "bash app", None, &includes)]
}

#[test]
fn unmodified_clients_work_where_root_is_inside() {
    need!(root, userns, "curl", venv("clients"));
    pass("overlay", &[python(), shell()].concat());
}

#[test]
fn unmodified_clients_work_for_an_ordinary_user() {
    need!(userns, "curl", venv("clients"));
    pass("user", &[python(), shell()].concat());
}

#[test]
fn without_a_network_of_its_own_tls_is_reached_by_address() {
    need!("curl", root);
    let curl = "curl -sS --max-time 20 -H \"Authorization: Bearer $DEEPSEEK_API_KEY\" \
                $ROLLTAPE_SERVICE_DEEPSEEK_TLS_URL/models";
    let task = task("curl", curl, "bash app", None, &["mock-<nonce>"]).replace("\"private-net\"", "");
    pass("process", &[task]);
    let mounted = self::task("mounted", "", "true", Some("clients"), &[]).replace("\"private-net\"", "");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("suite.toml"), format!("{SUITE}{mounted}")).expect("a suite");
    let paths = [folder.path().display().to_string(), folder.path().join("run").display().to_string()];
    let run = Rolltape::new(&["run", &paths[0], "--out", &paths[1], "--level", "process"])
        .env("VENV_clients", folder.path())
        .run();
    assert!(
        run.stdout.contains("the sandbox level 'process' has no 'mounts'"),
        "{}{}",
        run.stdout,
        run.stderr
    );
}

#[test]
fn an_old_client_works_too() {
    need!(userns, venv("old-clients"));
    let run = "/opt/venv/bin/python3 app";
    let code = "Hello! You wrote: \"Hello\". My code for this answer is <nonce>.";
    let includes = [&format!("chat: {code}"), &format!("stream: True {code}"), "bad key: 401"];
    let program = include_str!("../fixtures/clients/openai_old.py");
    pass("user", &[task("openai-old", program, run, Some("old-clients"), &includes.map(|line| line))]);
}

#[test]
fn the_program_of_the_transcript_is_its_own() {
    let Some(seed) = crate::support::data("seed/deepseek_transcript.txt") else { return };
    let seed = crate::support::read(&seed);
    let program = include_str!("../fixtures/clients/deepseek_app.py");
    for line in program.lines().map(str::trim).filter(|line| !line.is_empty()) {
        assert!(seed.contains(line), "the transcript has no line: {line}");
    }
}
