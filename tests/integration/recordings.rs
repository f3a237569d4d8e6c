//! Where recorded exchange data lies.

use std::path::{Path, PathBuf};

/// The folder of recordings, beside the repository. Without it the tests that need it are skipped, saying so;
/// where `CROSSRATE_REQUIRE_RECORDINGS` is set, its absence is a failure.
pub(crate) fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var_os("CROSSRATE_REQUIRE_RECORDINGS").is_some_and(|value| value != "0");
    assert!(!required, "there are no recordings at {}", folder.display());
    eprintln!("skipped: there are no recordings at {}", folder.display());
    None
}
