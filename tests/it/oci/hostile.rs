//! What an image may not do: each of these ends in one error, with nothing outside the store touched.

use super::Lab;
use super::build::{Pack, Tree, image};
use serde_json::json;
use std::path::Path;
use tar::EntryType;

const OWNER: (u64, u64) = (0, 0);

/// A bad layer, and why it is.
fn layers(outside: &Path) -> Vec<(&'static str, Vec<u8>)> {
    let outside = outside.display().to_string();
    let up = "../".repeat(12);
    let special = |name: &str, kind| Tree::new().any(name, kind, 0o666, OWNER, b"", "").done();
    let long = |kind, size: usize| {
        let name = vec![b'n'; size];
        Tree::new().any("././@LongLink", kind, 0o644, OWNER, &name, "").file("x", 0o644, b"").done()
    };
    vec![
        ("a name with dots", Tree::new().file("../canary", 0o644, b"bad").done()),
        ("dots in the middle", Tree::new().file("a/../../canary", 0o644, b"bad").done()),
        ("through a link of its own", Tree::new().link("a", &outside).file("a/canary", 0o644, b"bad").done()),
        ("through a link upwards", Tree::new().link("a", &up).file("a/tmp/x", 0o644, b"bad").done()),
        ("a hard link upwards", Tree::new().same("a", "../../canary").done()),
        ("a hard link to a whole path", Tree::new().same("a", &format!("{outside}/canary")).done()),
        ("a hard link through a link", Tree::new().link("a", &outside).same("b", "a/canary").done()),
        ("a block device", special("sda", EntryType::Block)),
        ("a character device", special("x/null", EntryType::Char)),
        ("a FIFO", special("pipe", EntryType::Fifo)),
        ("a whiteout of no name", Tree::new().file("a/.wh.", 0o644, b"").done()),
        ("a whiteout of the folder above", Tree::new().file("a/.wh...", 0o644, b"").done()),
        ("a whiteout with a slash", Tree::new().file(".wh.a/../../canary", 0o644, b"").done()),
        ("a file below a whiteout", Tree::new().file(".wh.a/b", 0o644, b"").done()),
        ("a link in place of the root", Tree::new().link("./", &outside).done()),
        ("a long name", long(EntryType::GNULongName, 100_000)),
        ("a long part of a name", Tree::new().pax(&[("path", &[b'n'; 300])]).file("x", 0o644, b"").done()),
        ("a long header", Tree::new().pax(&[("comment", &[b'n'; 2 << 20])]).file("x", 0o644, b"").done()),
        ("a NUL byte in a name", Tree::new().pax(&[("path", b"a\0b")]).file("x", 0o644, b"").done()),
        (
            "a deep folder",
            Tree::new().pax(&[("path", "a/".repeat(300).as_bytes())]).file("x", 0o644, b"").done(),
        ),
        ("a sparse file", special("sparse", EntryType::GNUSparse)),
        ("an unknown type", special("x", EntryType::new(b'Z'))),
        ("no tar", b"this is no tar, but it is long enough to be looked at".repeat(40)),
        ("a tar that is cut", {
            let whole = Tree::new().file("x", 0o644, &[7; 5000]).done();
            whole[..3000].to_vec()
        }),
    ]
}

#[test]
fn hostile_layers_end_in_one_error_and_touch_nothing() {
    let lab = Lab::new();
    let outside = lab.path("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("canary"), b"alive").unwrap();
    std::fs::write(lab.path("canary"), b"alive").unwrap();
    let mut told = String::new();
    let digest = regex::Regex::new(r"\([0-9a-f]{12}\)").unwrap();
    for (name, layer) in layers(&outside) {
        let folder = lab.path("image");
        let _ = std::fs::remove_dir_all(&folder);
        let good = Tree::new().folder("x/", 0o755).file("x/y", 0o644, b"fine").done();
        image(&[(good, Pack::Plain), (layer, Pack::Gzip)], json!({})).layout(&folder);
        let output = lab.rolltape(&["images", "pull", "./image"]).expect_code(3);
        assert_eq!(output.stderr.matches("error: ").count(), 1, "{name}: {}", output.stderr);
        // The digest of a tar with a path in it differs from run to run.
        let text = output.stderr.clone();
        let text = digest.replace_all(&text, "(<DIGEST>)");
        let text = text.replace(outside.to_str().unwrap().trim_start_matches('/'), "<OUTSIDE>");
        told.push_str(&format!("{name}\n  {}", text.trim_start()));
        assert!(lab.roots().is_empty() && lab.kept("tmp").is_empty(), "{name} left something in the store");
        for canary in [outside.join("canary"), lab.path("canary")] {
            assert_eq!(std::fs::read(&canary).unwrap(), b"alive", "{name} touched {}", canary.display());
        }
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1, "{name} made a file outside");
    }
    insta::assert_snapshot!(told);
}

#[test]
fn links_of_lower_layers_stay_inside() {
    let lab = Lab::new();
    let outside = lab.path("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("canary"), b"alive").unwrap();
    // Both are links as images have them; what a later layer puts below them must stay in the image.
    let whole = outside.display().to_string();
    let first = Tree::new().link("abs", &whole).link("rel", &format!("{}{whole}", "../".repeat(20))).done();
    let second = Tree::new().folder(&format!("{}/", whole.trim_start_matches('/')), 0o755).done();
    let third = Tree::new()
        .file("abs/canary", 0o644, b"bad")
        .file("rel/other", 0o644, b"bad")
        .file("abs/.wh.none", 0o644, b"")
        .done();
    let layers = [first, second, third].map(|layer| (layer, Pack::Zstd));
    image(&layers, json!({})).layout(&lab.path("image"));
    lab.rolltape(&["images", "pull", "./image"]).expect_code(0);
    assert_eq!(std::fs::read(outside.join("canary")).unwrap(), b"alive");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    let inside = lab.roots()[0].join(whole.trim_start_matches('/'));
    assert_eq!(std::fs::read(inside.join("canary")).unwrap(), b"bad");
    assert_eq!(std::fs::read(inside.join("other")).unwrap(), b"bad");
}

#[test]
fn what_is_no_image_is_said() {
    let lab = Lab::new();
    let fine = || image(&[(Tree::new().file("x", 0o644, b"fine").done(), Pack::Gzip)], json!({}));
    let layer =
        |made: &super::build::Made| format!("blobs/sha256/{}", &super::build::digest(&made.layers[0].0)[7..]);
    std::fs::write(lab.path("text.tar"), "no tar").unwrap();
    std::fs::write(lab.path("packed.tar"), Pack::Gzip.pack(b"x")).unwrap();
    std::fs::write(lab.path("other.tar"), Tree::new().file("x", 0o644, b"").done()).unwrap();
    std::fs::create_dir(lab.path("empty")).unwrap();
    fine().layout(&lab.path("lacks"));
    std::fs::remove_file(lab.path("lacks").join(layer(&fine()))).unwrap();
    fine().layout(&lab.path("changed"));
    let mut bytes = fine().layers[0].0.clone();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(lab.path("changed").join(layer(&fine())), &bytes).unwrap();
    // The packed digest is right, but what is in it is not what the configuration names.
    let real = super::build::digest(&Tree::new().file("x", 0o644, b"fine").done());
    let zeros = format!("sha256:{}", "0".repeat(64));
    let config = String::from_utf8(fine().config).unwrap().replace(&real, &zeros);
    remade(&fine(), config.into_bytes(), Pack::Gzip.media_type()).layout(&lab.path("diff"));
    remade(&fine(), fine().config, "application/x-secret").layout(&lab.path("kind"));
    let foreign =
        String::from_utf8(fine().config).unwrap().replace("amd64", "s390x").replace("arm64", "s390x");
    remade(&fine(), foreign.into_bytes(), Pack::Gzip.media_type()).layout(&lab.path("foreign"));
    fine().layout(&lab.path("fine"));
    let mut told = String::new();
    let names = [
        "./nothing",
        "./text.tar",
        "./packed.tar",
        "./other.tar",
        "./empty",
        "./lacks",
        "./changed",
        "./diff",
        "./kind",
        "./foreign",
        "./fine:two",
        "UPPER",
        "a:b:c",
    ];
    for name in names {
        let output = lab.rolltape(&["images", "pull", name]).expect_code(3);
        told.push_str(&output.stderr.replace(&lab.0.path().display().to_string(), "<LAB>"));
    }
    assert!(lab.roots().is_empty());
    insta::assert_snapshot!(told);
}

/// The image with another configuration and another media type of its layer.
fn remade(made: &super::build::Made, config: Vec<u8>, kind: &'static str) -> super::build::Made {
    let mut made = super::build::Made::of(made, config);
    made.layers[0].1 = kind;
    made.describe();
    made
}
