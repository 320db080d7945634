//! The properties of frames, quickly: any bytes, and what is sent with random edits.

use super::{any as any_bytes, comes_back, wire};
use crate::fuzzed::{edited, edits};
use proptest::prelude::*;

fn words() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(".{0,9}", 0..4)
}

fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec((".{0,9}", ".{0,9}"), 0..4)
}

/// What an init may be told.
fn spec() -> impl Strategy<Value = wire::Spec> {
    let texts = (".{0,9}", ".{0,99}", words());
    let lists = (pairs(), pairs(), pairs());
    let numbers = (any::<u8>(), any::<u32>(), any::<[u64; 3]>(), any::<[bool; 4]>());
    (texts, lists, numbers).prop_map(|((folder, authority, groups), (hosts, env, mounts), numbers)| {
        let (level, uid, [memory, pids, disk], [watch_memory, watch_pids, landlock, seccomp]) = numbers;
        #[allow(clippy::needless_update, reason = "a field that is new has its default here")]
        wire::Spec {
            level,
            folder,
            hosts,
            authority,
            env,
            mounts,
            memory,
            watch_memory,
            pids,
            watch_pids,
            disk,
            uid,
            groups,
            landlock,
            seccomp,
            ..wire::Spec::default()
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_on_the_socket_of_an_init_are_frames_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        any_bytes(&bytes);
    }

    #[test]
    fn an_edited_frame_of_an_init_is_read_or_refused(
        spec in spec(), kinds in prop::collection::vec(any::<(u8, u32, u8)>(), 1..4), edits in edits()
    ) {
        comes_back(&spec);
        let fields = spec.encode();
        let sent: Vec<u8> =
            kinds.iter().flat_map(|(count, id, kind)| wire::frame(usize::from(*count), *id, *kind, &fields)).collect();
        for bytes in [&sent, &edited(&sent, &edits), &edited(&fields, &edits)] {
            any_bytes(bytes);
        }
    }
}
