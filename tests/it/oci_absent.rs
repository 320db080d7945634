//! A build without images of containers says how to get one that has them.

use crate::support::{Small, rolltape};

#[test]
fn a_build_without_images_says_how_to_get_them() {
    let mut told = String::new();
    let small = Small::new(
        "[defaults]\nagent = \"oracle\"\n[[task]]\nid = \"a\"\nprompt = \"x\"\nneeds = [\"sh\"]\n\
         score = [{ kind = \"file\", path = \"x\", exists = true }]\n",
    );
    let mut outputs = vec![rolltape(&["images", "list"]), rolltape(&["images", "pull", "alpine"])];
    if crate::sandbox::levels::works(rolltape::sandbox::Level::Overlay) {
        outputs.push(small.run("out", &["--sandbox", "oci:alpine:3.20"]));
    }
    for output in &outputs {
        assert_eq!(output.code, 3, "{}", output.stderr);
        assert!(
            output.stderr.contains("hint: `cargo install rolltape --features oci` makes one that can"),
            "{}",
            output.stderr
        );
        told.push_str(output.stderr.lines().next().unwrap_or_default());
        told.push('\n');
    }
    let wanted = "error: this build of rolltape has no images, so 'images list' can't be done\n\
                  error: this build of rolltape has no images, so 'images pull alpine' can't be done\n\
                  error: this build of rolltape can't show the image 'alpine:3.20'\n";
    assert!(wanted.starts_with(&told), "{told}");
}
