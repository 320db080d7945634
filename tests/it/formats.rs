//! Readers: real logs, damaged input, and the way there and back.

mod abuse;
mod apis;
mod atif;
mod benchmarks;
mod consumers;
mod hostile;
mod logs;
mod robust;
mod roundtrip;
mod traces;
