//! The agent `command`: programs in a real sandbox, with the gateway as their model.

use crate::support::needs::venv_folder;
use crate::support::{Small, root};
use serde_json::Value;

const TASK: &str = "limits = { turns = 6, wall = \"60s\" }\n[[task]]\nid = \"hello\"\nprompt = \"Write hello into a.txt.\"\n";

/// A suite whose agent is this command, with a program of the fixtures in the workspace.
fn suite(agent: &str, program: &str, score: &str, replies: &[&str]) -> Small {
    let text =
        std::fs::read_to_string(root().join("tests/fixtures/agents").join(program)).expect("a program");
    let small = Small::new(&format!(
        "[defaults]\nagent = '{agent}'\nbackend = \"scripted:replies.toml\"\npolicy = \"exactly-one\"\n{TASK}\
         files = {{ \"agent.py\" = '''\n{text}''' }}\nscore = [{score}]\n"
    ));
    let replies: String =
        replies.iter().map(|reply| format!("[[reply]]\ntask = \"hello\"\n{reply}\n")).collect();
    small.write("own/replies.toml", &format!("schema = 1\nmodel = \"m\"\n{replies}"));
    small
}

const WRITE: &str = "reasoning = \"I write it.\"\n\
    calls = [{ id = \"c1\", name = \"sh\", arguments = '{\"command\": \"echo hello > a.txt; cat a.txt\"}' }]";
const DONE: &str = "calls = [{ id = \"c2\", name = \"finish\", arguments = '{\"message\": \"all done\"}' }]";
const FILE: &str =
    r#"{ kind = "file", path = "a.txt", equals = "hello\n" }, { kind = "includes", text = "all done with" }"#;

#[test]
fn a_program_of_the_standard_library_is_told_judged_recorded_and_replayed() {
    need!("python3");
    for agent in ["command:python3 agent.py {prompt}", "command:python3 agent.py"] {
        let small = suite(agent, "stdlib.py", FILE, &[WRITE, DONE]);
        small.run("one", &[]).expect_code(0);
        let steps = small.steps("one");
        let sources: Vec<&str> = steps.iter().map(|step| step["source"].as_str().unwrap()).collect();
        assert_eq!(sources, ["system", "user", "agent", "agent"]);
        assert_eq!(steps[1]["message"], "Write hello into a.txt.");
        assert_eq!(steps[2]["reasoning_content"], "I write it.");
        assert_eq!(steps[2]["observation"]["results"][0]["content"], "hello\n");
        let program = &steps[3]["extra"]["program"];
        assert_eq!(program["exit_code"], 3, "a program that fails is scored");
        assert_eq!(program["stderr"], "a warning\n");
        assert_eq!(program["stdout"], "all done with <SECRET:agent.key>\n");
        let record = &small.records("one")[0];
        assert_eq!((record["format_ok"].as_bool(), record["turns"].as_u64()), (Some(true), Some(2)));
        let tape = small.lines("one/cassette.jsonl");
        assert_eq!(tape[0]["params"]["temperature"], 0.5);
        assert_eq!(tape[1]["new_messages"].as_array().map(Vec::len), Some(1));
        small.run("two", &["--backend", "cassette:one"]).expect_code(0);
        assert_eq!(small.steps("two"), steps);
        assert_eq!(small.records("two")[0]["drift"], serde_json::json!([]));
    }
}

#[test]
fn rules_judge_a_program_and_check_finds_the_same() {
    need!("python3");
    let two = "calls = [{ id = \"a\", name = \"sh\", arguments = '{\"command\": \"true\"}' }, \
               { id = \"b\", name = \"shell\", arguments = '{\"command\": \"true\"}' }]";
    let small = suite("command:python3 agent.py", "stdlib.py", FILE, &[two, WRITE, DONE]);
    small.run("run", &[]).expect_code(0);
    let record = &small.records("run")[0];
    let rules = |findings: &Value| -> Vec<String> {
        let findings = findings.as_array().unwrap().iter();
        findings.map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(rules(&record["findings"]), ["FC002", "FC006"]);
    let checked = small.rolltape(&["check", "run", "--format", "json"]).expect_code(1).stdout;
    let checked: Value = serde_json::from_str(&checked).expect("JSON");
    assert_eq!(rules(&checked["findings"]), rules(&record["findings"]));
}

#[test]
fn the_openai_client_runs_unmodified_from_a_mounted_folder() {
    need!(venv("clients"));
    let venv = venv_folder("clients");
    let note = "calls = [{ id = \"n\", name = \"note\", arguments = '{\"text\": \"hi\"}' }]\n\
                usage = { prompt_tokens = 4, completion_tokens = 3 }";
    let last = "text = \"That is noted.\"\nusage = { prompt_tokens = 30, completion_tokens = 12 }";
    let score = r#"{ kind = "equals", text = "That is noted. 42" }"#;
    let small = suite("nop", "client.py", score, &[note, last]);
    let agent = format!("command:{} agent.py {{prompt}}", venv.join("bin/python").display());
    let more = ["--agent", &agent, "--mount", venv.to_str().expect("UTF-8")];
    small.run("run", &more).expect_code(0);
    let steps = small.steps("run");
    assert_eq!(steps[1]["observation"]["results"][0]["content"], "noted: {\"text\": \"hi\"}");
    assert_eq!(steps[2]["message"], "That is noted.");
    let replay = [&more[..], &["--backend", "cassette:run"]].concat();
    small.run("again", &replay).expect_code(0);
    assert_eq!(small.steps("again"), steps);
    small.rolltape(&["resume", "again"]).expect_code(0);
}

#[test]
fn wrong_requests_are_told_and_concurrent_ones_are_put_in_order() {
    need!("python3");
    let replies = ["text = \"one\"", "text = \"two\"", "text = \"three\"", "text = \"four\""];
    let score = r#"{ kind = "includes", text = "['four', 'one', 'three', 'two']" }"#;
    let small = suite("command:python3 agent.py", "rude.py", score, &replies);
    small.run("run", &[]).expect_code(0);
    let steps = small.steps("run");
    let told: Vec<&str> =
        steps[1..].iter().filter_map(|step| step["reply"].as_str().or(step["message"].as_str())).collect();
    assert_eq!(told.len(), 7, "{told:?}");
    assert_eq!(small.records("run")[0]["turns"], 4, "what is refused is no turn");
    insta::assert_snapshot!(steps.last().unwrap()["extra"]["program"]["stdout"].as_str().unwrap(), @r"
    401 the key is not the one in OPENAI_API_KEY
    401 the key is not the one in OPENAI_API_KEY
    400 the body is no JSON: EOF while parsing an object at line 1 column 1
    400 'messages' must be a list with a message
    405 the method is not served here
    200 m
    404 /embeddings is not served, only /chat/completions and /models
    True
    ['four', 'one', 'three', 'two']
    ");
}

#[test]
fn limits_end_a_program_and_what_it_printed_is_kept() {
    need!("bash");
    let looping = |body: &str| {
        let small = Small::new(&format!(
            "[defaults]\nagent = \"command:bash agent.sh\"\nbackend = \"echo\"\npolicy = \"any\"\n\
             limits = {{ turns = 2, wall = \"1500ms\" }}\n[[task]]\nid = \"hello\"\nprompt = \"Go on.\"\n\
             files = {{ \"agent.sh\" = '''\n{body}''' }}\nscore = [{{ kind = \"includes\", text = \"x\" }}]\n"
        ));
        small.run("run", &[]).expect_code(1);
        let record = small.records("run").remove(0);
        (record["limit"].as_str().unwrap_or_default().to_owned(), small.steps("run"))
    };
    let (limit, steps) = looping("cat; echo started; while true; do sleep 1; done\n");
    assert_eq!(limit, "wall");
    assert_eq!(steps[0]["extra"]["program"]["stdout"], "Go on.started\n");
    // Without any client: a request of the protocol over bash's own sockets.
    let ask = "at=${OPENAI_BASE_URL#http://}; host=${at%%/*}\n\
        body='{\"messages\": [{\"role\": \"user\", \"content\": \"again\"}]}'\n\
        while true; do exec 3<>/dev/tcp/${host%:*}/${host#*:}\n\
        printf 'POST /v1/chat/completions HTTP/1.1\\r\\nhost: x\\r\\nconnection: close\\r\\nauthorization: Bearer %s\\r\\ncontent-length: %s\\r\\n\\r\\n%s' \
        \"$OPENAI_API_KEY\" ${#body} \"$body\" >&3; cat <&3 > /dev/null; echo asked; done\n";
    let (limit, steps) = looping(ask);
    assert_eq!(limit, "turns");
    assert_eq!(steps.iter().filter(|step| step["source"] == "agent").count(), 2);
    let printed = steps.last().unwrap()["extra"]["program"]["stdout"].as_str().unwrap();
    assert!(printed.starts_with("asked\n"), "{printed}");
}

#[test]
fn what_can_not_be_started_is_said() {
    let small = suite("command:no-such-program x", "rude.py", FILE, &["text = \"x\""]);
    small.run("run", &["--sandbox", "none"]).expect_code(3);
    let record = &small.records("run")[0];
    let mut told = vec![format!("{}: {}", record["error"]["class"], record["error"]["message"])];
    for agent in ["command", "command:'python3", "commnad:x"] {
        told.push(small.run("bad", &["--agent", agent]).expect_code(2).stderr);
    }
    for folder in ["nowhere", "own/suite.toml", "/"] {
        told.push(small.run("bad", &["--mount", folder]).expect_code(2).stderr);
    }
    let huge = Small::new(&format!(
        "[defaults]\nagent = \"command:true {{prompt}}\"\nbackend = \"echo\"\npolicy = \"any\"\n[[task]]\nid = \"big\"\n\
         prompt = \"{}\"\nscore = [{{ kind = \"includes\", text = \"x\" }}]\n",
        "long ".repeat(40_000)
    ));
    huge.run("run", &["--sandbox", "none"]).expect_code(3);
    told.push(huge.records("run")[0]["error"]["message"].to_string());
    insta::assert_snapshot!(told.join("\n"), @r#"
    "tool": "the program 'no-such-program' of the agent can't be started: no program named 'no-such-program' in the sandbox's PATH"
    error: agent 'command' can't be opened: the agent 'command' needs a program after a colon
    hint: write --agent 'command:python3 agent.py {prompt}'; without {prompt} it comes on stdin

    error: agent 'command:'python3' can't be opened: a quote in the command line ''python3' is not closed
    hint: write --agent 'command:python3 agent.py {prompt}'; without {prompt} it comes on stdin

    error: no agent is named 'commnad'
    hint: did you mean 'command'?

    error: the folder 'nowhere' can't be mounted: no such file or directory

    error: the folder 'own/suite.toml' can't be mounted: it is no folder

    error: the folder '/' can't be mounted: it is the whole machine

    "the prompt of task 'big' has 200000 bytes, too many for an argument; leave {prompt} out, and it comes on stdin"
    "#);
}
