//! Readers: real logs, damaged input, and the way there and back.

mod abuse;
mod atif;
mod benchmarks;
mod hostile;
mod logs;
mod robust;
