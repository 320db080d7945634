//! Readers: real logs, damaged input, and the way there and back.

mod abuse;
mod adp;
mod atif;
mod hostile;
mod inspect;
mod logs;
mod openhands_eval;
mod openhands_v0;
mod openhands_v1;
mod prompt_log;
mod robust;
mod sessions;
mod sharegpt;
