//! Readers: real logs, damaged input, and the way there and back.

mod abuse;
mod abused;
mod adp;
mod apis;
mod atif;
mod benchmarks;
mod call_places;
mod client_logs;
mod consumers;
mod detect;
mod hostile;
mod inspect;
mod logs;
mod openhands_eval;
mod openhands_v0;
mod openhands_v1;
mod prompt_log;
mod robust;
mod roundtrip;
mod sessions;
mod sharegpt;
mod traces;
