//! The schemas and the parsers: neither knows a key that the other does not.

use crate::support::{rolltape, root, temp};
use jsonschema::Validator;
use rolltape::schema;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn validator(name: &str) -> Validator {
    jsonschema::draft202012::new(&schema::find(name).unwrap().value()).unwrap()
}

#[track_caller]
fn fits(validator: &Validator, value: &Value, what: &str) {
    let errors: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{what}:\n{}", errors.join("\n"));
}

/// TOML as the JSON that editors validate.
fn toml_json(path: &Path) -> Value {
    let table: toml::Table = fs::read_to_string(path).unwrap().parse().unwrap();
    serde_json::to_value(table).unwrap()
}

fn lines(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn files(folder: &Path, name: &str) -> Vec<std::path::PathBuf> {
    let all = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().map(Result::unwrap);
    all.filter(|entry| entry.file_name() == name).map(walkdir::DirEntry::into_path).collect()
}

#[test]
fn every_schema_is_one() {
    for item in schema::ALL {
        jsonschema::draft202012::meta::validate(&item.value()).unwrap();
        let printed = rolltape(&["schema", item.name]).expect_code(0).stdout;
        assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), item.value());
    }
}

#[test]
fn shipped_suites_fit_and_slips_do_not() {
    let folder = temp();
    let made = folder.path().join("made");
    rolltape(&["init", made.to_str().unwrap()]).expect_code(0);
    let (suite, task) = (validator("suite"), validator("task"));
    let mut seen = 0;
    for folder in [root().join("suites"), made] {
        for path in files(&folder, "suite.toml") {
            let mut value = toml_json(&path);
            fits(&suite, &value, &path.display().to_string());
            value["defualts"] = json!({});
            assert!(!suite.is_valid(&value));
            seen += 1;
        }
        for path in files(&folder, "task.toml") {
            let mut value = toml_json(&path);
            fits(&task, &value, &path.display().to_string());
            value["metadata"]["rolltape"]["score"][0]["regexp"] = json!("x");
            assert!(!task.is_valid(&value), "an unknown key of a scorer");
            seen += 1;
        }
    }
    assert!(seen >= 7, "{seen} files");
}

#[test]
fn what_a_run_writes_fits() {
    let folder = temp();
    let suite = folder.path().join("suite");
    let run = folder.path().join("run");
    rolltape(&["init", suite.to_str().unwrap()]).expect_code(0);
    let arguments = ["run", suite.to_str().unwrap(), "--out", run.to_str().unwrap(), "--attempts", "2"];
    rolltape(&arguments).expect_code(0);
    // All outcomes, by hand.
    let all = folder.path().join("all");
    crate::runs::write(&all, 8);
    let sample = root().join("reports/sample");
    for (file, name) in
        [("attempts.jsonl", "record"), ("trajectories.jsonl", "trajectory"), ("cassette.jsonl", "cassette")]
    {
        let validator = validator(name);
        for dir in [&run, &all, &sample] {
            for (number, line) in files(dir, file).iter().flat_map(|path| lines(path)).enumerate() {
                fits(&validator, &line, &format!("{file}:{} of {}", number + 1, dir.display()));
            }
        }
    }
    for tape in files(&root().join("trajectories"), "cassette.jsonl") {
        for line in lines(&tape) {
            fits(&validator("cassette"), &line, &tape.display().to_string());
        }
    }
    for dir in [&run, &all, &sample] {
        let text = fs::read_to_string(dir.join("run.json")).unwrap();
        fits(&validator("manifest"), &serde_json::from_str(&text).unwrap(), "run.json");
    }
    let (record, finding) = (validator("record"), validator("finding"));
    let records = lines(&all.join("attempts.jsonl"));
    let mut outcomes = BTreeSet::new();
    for mut line in records {
        outcomes.insert(line["outcome"].as_str().unwrap().to_owned());
        for each in line["findings"].as_array().unwrap() {
            fits(&finding, each, "a finding");
        }
        line["colour"] = json!("blue");
        assert!(!record.is_valid(&line));
    }
    assert_eq!(outcomes.len(), 7, "{outcomes:?}");
    // Without what depends on the clock it is a record too.
    let plain =
        rolltape(&["report", all.to_str().unwrap(), "--format", "jsonl", "--no-timing"]).expect_code(0);
    for line in plain.stdout.lines() {
        fits(&record, &serde_json::from_str(line).unwrap(), "report --format jsonl --no-timing");
    }
}

/// A key that no file has.
const BOGUS: &str = "zzzzqqqq";

/// A table of a schema: how to get there, its keys, and what it must hold to be that table.
struct Place {
    path: Vec<String>,
    keys: Vec<String>,
    fixed: Vec<(String, Value)>,
}

/// All tables that refuse unknown keys. `[]` in a path is the one item of a list.
fn tables(schema: &Value, path: &[String], out: &mut Vec<Place>) {
    for word in ["anyOf", "oneOf"] {
        for each in schema[word].as_array().into_iter().flatten() {
            tables(each, path, out);
        }
    }
    if schema["items"].is_object() {
        let mut inner = path.to_vec();
        inner.push("[]".to_owned());
        tables(&schema["items"], &inner, out);
    }
    let Some(properties) = schema["properties"].as_object() else { return };
    if schema["additionalProperties"] == json!(false) {
        let fixed =
            properties.iter().filter_map(|(key, value)| Some((key.clone(), value.get("const")?.clone())));
        out.push(Place {
            path: path.to_vec(),
            keys: properties.keys().cloned().collect(),
            fixed: fixed.collect(),
        });
    }
    // What the table is decides what may be in it.
    let fixed = properties.get("kind").and_then(|kind| kind.get("const")).and_then(Value::as_str);
    for (key, value) in properties {
        let mut inner = path.to_vec();
        if let Some(kind) = fixed {
            inner.push(format!("kind={kind}"));
        }
        inner.push(key.clone());
        tables(value, &inner, out);
    }
}

/// A document that holds `table` at `path`.
fn wrapped(path: &[String], table: Value) -> Value {
    let mut value = table;
    for part in path.iter().rev() {
        if let Some(word) = part.strip_prefix("kind=") {
            value["kind"] = json!(word);
        } else if part == "[]" {
            value = json!([value]);
        } else {
            value = json!({ part.as_str(): value });
        }
    }
    value
}

/// What the parser says of a suite with this `suite.toml`, or with this `task.toml` of a task.
fn told(name: &str, document: &Value) -> Vec<rolltape::suite::SuiteError> {
    let folder = temp();
    let text = |value: &Value| toml::to_string(&toml::Value::try_from(value).unwrap()).unwrap();
    let mut suite = json!({"schema": 1, "name": "x"});
    if name == "suite" {
        for (key, value) in document.as_object().unwrap() {
            suite[key] = value.clone();
        }
        // Rows are looked at where there is a file with some.
        for set in suite.get_mut("dataset").and_then(Value::as_array_mut).into_iter().flatten() {
            let set = set.as_object_mut().unwrap();
            set.entry("file").or_insert_with(|| json!("rows.jsonl"));
            set.entry("prompt").or_insert_with(|| json!("do it"));
        }
        fs::write(folder.path().join("rows.jsonl"), "{\"a\": 1}\n").unwrap();
    } else {
        suite["service"] = json!([{"name": "deepseek", "kind": "llm"}]);
        let task = folder.path().join("tasks/t");
        fs::create_dir_all(&task).unwrap();
        fs::write(task.join("instruction.md"), "do it").unwrap();
        fs::write(task.join("task.toml"), text(document)).unwrap();
    }
    fs::write(folder.path().join("suite.toml"), text(&suite)).unwrap();
    rolltape::cli::suite_files::load(folder.path()).err().unwrap_or_default()
}

/// The keys that the parser names when it meets one that it does not know.
fn accepted(name: &str, place: &Place) -> BTreeSet<String> {
    let mut table = json!({});
    for (key, value) in &place.fixed {
        table[key] = value.clone();
    }
    table[BOGUS] = json!(1);
    let errors = told(name, &wrapped(&place.path, table));
    let error = errors.iter().find(|error| error.message.contains(&format!("unknown key '{BOGUS}'")));
    let error = error.unwrap_or_else(|| panic!("{name} {:?} takes any key: {errors:?}", place.path));
    let hint = error.hint.clone().unwrap_or_default();
    let list = hint.strip_prefix("it may be ").unwrap_or_else(|| panic!("{hint}"));
    list.split(", ").map(str::to_owned).collect()
}

#[test]
fn what_the_parser_accepts_the_schema_has() {
    let mut seen = 0;
    for name in ["suite", "task"] {
        let mut places = Vec::new();
        tables(&schema::find(name).unwrap().value(), &[], &mut places);
        for place in &places {
            // Options of services are checked with their kind, not with the suite: see below.
            if place.path.first().is_some_and(|first| first == "service") {
                continue;
            }
            seen += 1;
            let own = ["kind", "name", "weight"];
            let scorer = place.fixed.iter().any(|(key, _)| key == "kind");
            let known: BTreeSet<String> = place.keys.iter().cloned().collect();
            let parsed = accepted(name, place);
            let missing: Vec<_> = parsed.difference(&known).collect();
            assert!(missing.is_empty(), "the schema {name} lacks {missing:?} at {:?}", place.path);
            for key in known.difference(&parsed).filter(|key| !(scorer && own.contains(&key.as_str()))) {
                // A key that is read only with others, or the parser knows it not.
                let mut table = json!({ key.as_str(): true });
                for (key, value) in &place.fixed {
                    table[key] = value.clone();
                }
                let errors = told(name, &wrapped(&place.path, table));
                let refused =
                    errors.iter().find(|error| error.message.contains(&format!("unknown key '{key}'")));
                assert!(refused.is_none(), "{name} {:?}: {refused:?}", place.path);
            }
        }
    }
    assert!(seen > 20, "{seen} tables");
}

/// A suite that uses what a schema must let pass, and slips that it must not.
#[test]
fn rows_outputs_and_faults_fit() {
    let suite = validator("suite");
    let with = |set: &str| {
        let text = format!("schema = 1\nname = \"s\"\n{set}");
        let folder = temp();
        fs::write(folder.path().join("suite.toml"), &text).unwrap();
        fs::write(folder.path().join("rows.csv"), "n,text\n1,one\n").unwrap();
        let parsed = rolltape::cli::suite_files::load(folder.path()).is_ok_and(|suite| {
            // A service's options are checked by its kind.
            let mut services = suite.tasks.iter().flat_map(|task| &task.services);
            services.all(|spec| rolltape::service::ALL.iter().all(|kind| (kind.check)(spec).is_empty()))
        });
        let fits = suite.is_valid(&toml_json(&folder.path().join("suite.toml")));
        assert_eq!(parsed, fits, "parser and schema: {set}");
        fits
    };
    let set = |rest: &str| format!("[[dataset]]\nfile = \"rows.csv\"\nprompt = \"{{{{text}}}}\"\n{rest}");
    let number = "score = [{ kind = \"number\", value = \"{{n}}\", tolerance = 0.1 }]";
    let llm = |option: &str| {
        format!(
            "[[service]]\nname = \"x\"\nkind = \"llm\"\n{option}\n\
             [[task]]\nid = \"t\"\nprompt = \"p\"\nscore = [{{ kind = \"includes\", text = \"x\" }}]\n"
        )
    };
    let score = |score: &str| format!("[[task]]\nid = \"t\"\nprompt = \"p\"\nscore = [{{ {score} }}]\n");
    for good in [
        set(number),
        set(&format!(
            "{number}\nid = \"r-{{{{n}}}}\"\nlimits = {{ turns = \"{{{{n}}}}\", wall = \"{{{{n}}}}s\" }}"
        )),
        set(&format!("{number}\nexample = [{{ user = \"u\", assistant = \"a\" }}]\nlimit = 1")),
        llm("fault = [\"429-once\", \"reset-3@all\", \"html\"]\nrate_limit = { requests = 1, per = \"1s\" }"),
        score("kind = \"includes\", text = 42, on = \"output\", run = \"true\", timeout = \"1s\""),
        score("kind = \"json\", subset = { a = 1 }, on = \"file:x.json\""),
        score("kind = \"json\", schema = { type = \"object\" }"),
    ] {
        assert!(with(&good), "{good}");
    }
    for bad in [
        set(&format!("{number}\nlimits = {{ turns = \"many\" }}")),
        set("score = [{ kind = \"number\", value = 1, weight = \"{{n}}\" }]"),
        set(&format!("{number}\nlimit = 0")),
        llm("fault = \"429-never\""),
        llm("fault = [\"418\"]"),
        llm("gather = 1"),
        llm("rate_limit = { requests = 1 }"),
        score("kind = \"includes\", text = \"x\", run = \"true\""),
        score("kind = \"includes\", text = \"x\", on = \"output\""),
        score("kind = \"number\", value = 1, pick = \"second\""),
    ] {
        assert!(!with(&bad), "{bad}");
    }
}

#[test]
fn a_configuration_and_its_schema_agree() {
    let schema = schema::find("config").unwrap().value();
    let config = validator("config");
    let read = |text: &str| {
        let kinds = ["openai_chat", "anthropic"];
        rolltape::suite::parse_config("rolltape.toml", text.as_bytes(), &kinds, &["deepseek"])
    };
    let profile = &schema["properties"]["backend"]["additionalProperties"]["properties"];
    for (path, keys) in [("", profile), ("price", &profile["price"]), ("timeouts", &profile["timeouts"])] {
        let keys = if path.is_empty() { keys } else { &keys["properties"] };
        let known: Vec<&str> = keys.as_object().unwrap().keys().map(String::as_str).collect();
        let table = if path.is_empty() { String::new() } else { format!(".{path}") };
        let errors = read(&format!("[backend.deepseek{table}]\n{BOGUS} = 1\n")).unwrap_err();
        let error = errors.iter().find(|error| error.message.contains(BOGUS)).unwrap();
        let hint = error.hint.as_deref().unwrap();
        assert_eq!(hint, format!("it may be {}", known.join(", ")));
    }
    for table in ["check", "redact"] {
        let keys = schema["properties"][table]["properties"].as_object().unwrap();
        let known: Vec<&str> = keys.keys().map(String::as_str).collect();
        let errors = read(&format!("[{table}]\n{BOGUS} = 1\n")).unwrap_err();
        assert_eq!(errors[0].hint.as_deref(), Some(format!("it may be {}", known.join(", ")).as_str()));
    }
    for (good, text) in [
        (true, "[backend.deepseek]\nmodel = \"m\"\nprice = { input = 0.28, output = 0 }\n"),
        (
            true,
            "[backend.own]\nkind = \"anthropic\"\nbase_url = \"http://127.0.0.1:1\"\nheaders = { X-A = \"b\" }\n",
        ),
        (
            true,
            "[backend.own]\nkind = \"openai_chat\"\ntimeouts = { idle = \"3s\" }\nparams = { top_k = 1 }\n",
        ),
        (false, "[backend.own]\nmodel = \"m\"\n"),
        (false, "[backend.\"a b\"]\nkind = \"anthropic\"\n"),
        (false, "[backend.deepseek]\nparams = { stream = true }\n"),
        (false, "[backend.deepseek]\nheaders = { Authorization = \"x\" }\n"),
        (false, "[backend.deepseek]\nheaders = { \"a b\" = \"x\" }\n"),
        (false, "[backend.deepseek]\nprice = { input = 1 }\n"),
        (false, "[backend.deepseek]\nmax_retries = 101\n"),
        (false, "[backend.deepseek]\nbase_url = \"ftp://x\"\n"),
        (false, "[backend.deepseek]\nkey_env = \"sk-0\"\n"),
        (false, "[backnd]\n"),
        (true, "[check]\npolicy = \"any\"\nselect = [\"FC\"]\nseverity = { FC011 = \"error\" }\n"),
        (true, "[redact]\nallow = []\nenv = [\"KEY\"]\n"),
        (false, "[check]\nignore = \"FC\"\n"),
        (false, "[check]\nseverity = { FC011 = 1 }\n"),
        (false, "[redact]\nallow = [1]\n"),
    ] {
        assert_eq!(read(text).is_ok(), good, "{text}");
        let value = serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap();
        assert_eq!(config.is_valid(&value), good, "{text}");
    }
}

#[test]
fn options_of_services_are_those_of_their_kind() {
    let schema = schema::find("suite").unwrap().value();
    let kinds = schema["properties"]["service"]["items"]["oneOf"].as_array().unwrap();
    assert_eq!(kinds.len(), rolltape::service::ALL.len());
    for (kind, shown) in rolltape::service::ALL.iter().zip(kinds) {
        let spec = rolltape::suite::ServiceSpec {
            name: "s".to_owned(),
            kind: kind.name.to_owned(),
            hosts: Vec::new(),
            port: None,
            key_env: None,
            options: crate::runs::object(json!({ BOGUS: 1 })),
        };
        let told = (kind.check)(&spec).join("\n");
        let list = told.split_once("it has ").unwrap_or_else(|| panic!("{told}")).1;
        let parsed: BTreeSet<&str> = list.lines().next().unwrap().split(", ").collect();
        let own = ["name", "kind", "hosts", "port", "key_env"];
        let keys = shown["properties"].as_object().unwrap().keys().map(String::as_str);
        let known: BTreeSet<&str> = keys.filter(|key| !own.contains(key)).collect();
        assert_eq!(known, parsed, "services of kind {}", kind.name);
    }
}
