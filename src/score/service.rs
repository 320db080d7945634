//! `service`: runs the agent's program again, in a fresh sandbox, against a fresh service with a
//! fresh secret key and nonce. What the service saw and what the program printed must both be right,
//! so that neither expected words without a call nor a call without its result gets a point.

use super::command::{TIMEOUT_MS, carried};
use super::options::Options;
use super::requests::{Expect, plain_path};
use super::seal::{KEY, KEY_PART, NONCE};
use super::{Compiled, Evidence, OptionError, Probe, ProbeResult, Scorer};
use crate::model::Object;
use crate::suite::{ScorerSpec, Task, did_you_mean};
use regex::Regex;
use serde_json::Value;

pub(super) static ITEM: Scorer = Scorer {
    name: "service",
    about: "runs the agent's program against a fresh service; judges its requests and what it prints",
    compile,
};

/// Keys that the program can be given.
pub(crate) const KEYS: &[&str] = &["good", "wrong"];

/// How the program must end.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Exit {
    Code(i32),
    NonZero,
}

struct Wants {
    requests: Vec<Expect>,
    retried: bool,
    nonce: bool,
    key_hidden: bool,
    includes: Vec<String>,
    not_includes: Vec<String>,
    regex: Option<Regex>,
    exit: Exit,
}

fn compile(spec: &ScorerSpec, task: &Task) -> Result<Compiled, Vec<OptionError>> {
    let mut options = Options::new(&spec.options, "");
    let service = service_name(&mut options, task);
    let carry = carried(&mut options);
    if carry.is_empty() && !options.has("carry") {
        let hint = "name the agent's program: carry = [\"app.sh\"]".to_owned();
        options.error("'carry' is missing", Some(hint));
    }
    let probe = Probe::Run {
        command: options.required("run", "add run = \"bash app.sh\""),
        env: options.env("env"),
        stdin: options.string("stdin").unwrap_or_default(),
        carry,
        hidden: false,
        spoken: false,
        service: Some(service),
        service_options: options.table("options").cloned().unwrap_or_default(),
        wrong_key: options.word("key", KEYS) == Some("wrong"),
        timeout_ms: options.millis("timeout", TIMEOUT_MS),
    };
    let wants = wants(&mut options);
    let errors = options.finish();
    if !errors.is_empty() {
        return Err(errors);
    }
    let judge = Box::new(move |evidence: &Evidence| match evidence.probes.first() {
        Some(ProbeResult::Run { exit_code, stdout, stderr, requests, .. }) => {
            let misses = wants.misses(*exit_code, stdout, stderr, requests);
            if misses.is_empty() {
                let seen = crate::util::plural::plural(requests.len(), "request");
                (Some(1.0), format!("the service saw {seen}, and the program printed what it should"))
            } else {
                (Some(0.0), misses.join("; "))
            }
        }
        Some(ProbeResult::Unavailable { reason }) => (None, reason.clone()),
        Some(ProbeResult::File { .. }) | None => (None, "the program was not run".to_owned()),
    });
    Ok(Compiled { probes: vec![probe], judge })
}

/// The service that is meant: the named one, else the only one of the task.
fn service_name(options: &mut Options<'_>, task: &Task) -> String {
    let names: Vec<&str> = task.services.iter().map(|service| service.name.as_str()).collect();
    match (options.string("service"), names.as_slice()) {
        (Some(name), _) if names.contains(&name.as_str()) => name,
        (Some(name), _) => {
            options.error(format!("the task has no service '{name}'"), Some(did_you_mean(&name, &names)));
            name
        }
        (None, [only]) => (*only).to_owned(),
        (None, _) => {
            let hint = "add service = \"…\"".to_owned();
            options
                .error(format!("'service' is missing and the task has {} services", names.len()), Some(hint));
            String::new()
        }
    }
}

fn wants(options: &mut Options<'_>) -> Wants {
    let mut requests = Vec::new();
    for table in options.tables("requests") {
        let (expect, errors) = Expect::read(table);
        requests.push(expect);
        options.errors.extend(errors);
    }
    if requests.is_empty() {
        let hint = "add requests = [{ path = \"/chat/completions\", status = 200 }]".to_owned();
        options.error("'requests' must tell what the service has to see", Some(hint));
    }
    let exit = if options.has("exit_nonzero") {
        if options.flag("exit_nonzero") == Some(true) { Exit::NonZero } else { Exit::Code(0) }
    } else {
        Exit::Code(options.whole("exit").unwrap_or(0) as i32)
    };
    Wants {
        requests,
        retried: options.flag("retried").unwrap_or(false),
        nonce: options.word("prints", &["nonce"]).is_some(),
        key_hidden: options.word("not_prints", &["key"]).is_some(),
        includes: options.strings("includes").unwrap_or_default(),
        not_includes: options.strings("not_includes").unwrap_or_default(),
        regex: options.regex("regex"),
        exit,
    }
}

impl Wants {
    fn misses(&self, exit: Option<i32>, stdout: &str, stderr: &str, requests: &[Object]) -> Vec<String> {
        let mut misses = Vec::new();
        for expect in &self.requests {
            misses.extend(expect.miss(requests));
        }
        if self.retried && !was_retried(requests) {
            misses.push("no request that got 429 was sent again until it got 200".to_owned());
        }
        if self.nonce && !stdout.contains(NONCE) {
            misses.push("what the service replied was not printed".to_owned());
        }
        if self.key_hidden {
            let told = [stdout, stderr].iter().any(|text| text.contains(KEY) || text.contains(KEY_PART));
            misses.extend(told.then(|| "the key was printed".to_owned()));
        }
        if let Some(missing) = self.includes.iter().find(|wanted| !stdout.contains(wanted.as_str())) {
            misses.push(format!("\"{missing}\" was not printed"));
        }
        if let Some(found) = self.not_includes.iter().find(|wanted| stdout.contains(wanted.as_str())) {
            misses.push(format!("\"{found}\" was printed"));
        }
        if self.regex.as_ref().is_some_and(|regex| !regex.is_match(stdout) && !regex.is_match(stderr)) {
            misses.push("what was printed does not match the pattern".to_owned());
        }
        match (exit, self.exit) {
            (None, _) => misses.push("the program ran out of time".to_owned()),
            (Some(0), Exit::NonZero) => misses.push("the program ended with exit code 0".to_owned()),
            (Some(code), Exit::Code(wanted)) if code != wanted => {
                misses.push(format!("the program ended with exit code {code}, not {wanted}"));
            }
            _ => {}
        }
        misses
    }
}

/// Whether after a 429 the same path got 200.
fn was_retried(requests: &[Object]) -> bool {
    let path = |request: &Object| request.get("path").and_then(Value::as_str).map(plain_path);
    let status = |request: &Object| request.get("status").and_then(Value::as_u64);
    requests.iter().enumerate().any(|(n, first)| {
        status(first) == Some(429)
            && requests[n + 1..].iter().any(|later| status(later) == Some(200) && path(later) == path(first))
    })
}
