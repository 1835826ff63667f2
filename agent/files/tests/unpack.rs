//! Unpacking zips, good and hostile.

#![expect(
    clippy::unwrap_used,
    reason = "what fails in the set-up of a test fails the test"
)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cutover_files::unpack::{
    PeekRequest, Peeked, UnpackError, UnpackReport, UnpackRequest, peek, unpack_zip,
};
use cutover_files::{Cancel, NoProgress, RelPath, Root};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

struct Place {
    temp: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            temp: tempfile::tempdir().unwrap(),
        }
    }

    fn zip(&self, fill: impl FnOnce(&mut ZipWriter<fs::File>)) -> PathBuf {
        let path = self.temp.path().join("dist.zip");
        let mut zip = ZipWriter::new(fs::File::create(&path).unwrap());
        fill(&mut zip);
        zip.finish().unwrap();
        path
    }

    fn dest(&self) -> PathBuf {
        self.temp.path().join("home")
    }

    fn unpack(&self, zip: &Path, top: Option<&str>, max_bytes: u64) -> Result<UnpackReport, UnpackError> {
        unpack_zip(&UnpackRequest {
            zip,
            dest: &self.dest(),
            expect_top: top,
            max_bytes,
            owner: None,
            workers: None,
            progress: &NoProgress,
            cancel: &Cancel::new(),
        })
    }

    fn peek(&self, zip: &Path, below: &str, max_bytes: u64) -> Result<Peeked, UnpackError> {
        peek(&PeekRequest {
            zip,
            wanted: &|path| path.starts_with(&RelPath::parse(below).unwrap()),
            max_bytes,
            cancel: &Cancel::new(),
        })
    }

    /// Refused, and nothing but the zip is left.
    fn refused(&self, zip: &Path) -> UnpackError {
        let error = self.unpack(zip, None, 1 << 20).unwrap_err();
        let left: Vec<_> = fs::read_dir(self.temp.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["dist.zip"], "{error}");
        error
    }
}

fn file(zip: &mut ZipWriter<fs::File>, name: &str, mode: u32, content: &[u8]) {
    zip.start_file(name, SimpleFileOptions::default().unix_permissions(mode))
        .unwrap();
    zip.write_all(content).unwrap();
}

fn distribution(zip: &mut ZipWriter<fs::File>) {
    zip.add_directory("wso2dss-3.2.0/", SimpleFileOptions::default())
        .unwrap();
    zip.add_directory(
        "wso2dss-3.2.0/repository/empty/",
        SimpleFileOptions::default().unix_permissions(0o750),
    )
    .unwrap();
    file(zip, "wso2dss-3.2.0/bin/wso2server.sh", 0o755, b"#!/bin/sh\n");
    file(
        zip,
        "wso2dss-3.2.0/repository/conf/carbon.xml",
        0o640,
        b"<Server/>",
    );
    file(
        zip,
        "wso2dss-3.2.0/repository/components/plugins/a b.jar",
        0o644,
        &vec![7; 300_000],
    );
    zip.add_symlink(
        "wso2dss-3.2.0/start",
        "bin/wso2server.sh",
        SimpleFileOptions::default(),
    )
    .unwrap();
}

#[test]
fn a_distribution_becomes_a_home() {
    let place = Place::new();
    let zip = place.zip(distribution);
    let report = place.unpack(&zip, Some("wso2dss-3.2.0"), 1 << 20).unwrap();
    assert_eq!(
        (report.top.as_str(), report.files, report.links),
        ("wso2dss-3.2.0", 3, 1)
    );
    let mode = |path: &str| {
        fs::metadata(place.dest().join(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    };
    assert_eq!(mode("bin/wso2server.sh"), 0o755);
    assert_eq!(mode("repository/conf/carbon.xml"), 0o640);
    assert_eq!(mode("repository/empty"), 0o750);
    assert_eq!(mode("repository/components"), 0o755);
    assert_eq!(mode(""), 0o755);
    assert_eq!(fs::read(place.dest().join("start")).unwrap(), b"#!/bin/sh\n");
    assert_eq!(
        fs::read(place.dest().join("repository/components/plugins/a b.jar")).unwrap(),
        vec![7; 300_000]
    );
    let hash = cutover_files::tree::tree_hash(
        &Root::open(place.dest()).unwrap(),
        "",
        None,
        &NoProgress,
        &Cancel::new(),
    );
    assert_eq!(hash.unwrap(), report.tree_hash);
    assert_eq!(fs::read_dir(place.temp.path()).unwrap().count(), 2);
    // The same zip gives the same hash, and a home that exists is not unpacked over.
    assert!(matches!(
        place.unpack(&zip, None, 1 << 20).unwrap_err(),
        UnpackError::Occupied { .. }
    ));
    fs::remove_dir_all(place.dest()).unwrap();
    fs::create_dir(place.dest()).unwrap();
    assert_eq!(
        place.unpack(&zip, None, 1 << 20).unwrap().tree_hash,
        report.tree_hash
    );
}

#[test]
fn what_a_crash_left_is_replaced() {
    let place = Place::new();
    let zip = place.zip(distribution);
    fs::create_dir_all(place.temp.path().join(".home.cutover-part/bin/old")).unwrap();
    place.unpack(&zip, None, 1 << 20).unwrap();
    assert!(!place.dest().join("bin/old").exists());
}

#[test]
fn names_that_lead_out_are_refused() {
    for name in ["top/../../evil", "../evil", "/tmp/cutover-evil", "top/a/../b"] {
        let place = Place::new();
        let zip = place.zip(|zip| {
            file(zip, "top/good", 0o644, b"x");
            file(zip, "top/XXXX", 0o644, b"x");
        });
        // The writer normalises names, an attacker does not: patched in place, same length.
        let padded = format!("{name:_<8}");
        let place_zip = rename(&zip, "top/XXXX", &padded);
        if place_zip {
            let error = place.refused(&zip);
            assert!(
                matches!(error, UnpackError::Escape { .. } | UnpackError::Zip { .. }),
                "{name}: {error:?}"
            );
        } else {
            let zip = place.zip(|zip| {
                file(zip, "top/good", 0o644, b"x");
                file(zip, &"X".repeat(name.len()), 0o644, b"x");
            });
            assert!(rename(&zip, &"X".repeat(name.len()), name), "{name}");
            let error = place.refused(&zip);
            assert!(matches!(error, UnpackError::Escape { .. }), "{name}: {error:?}");
        }
    }
    assert!(!Path::new("/tmp/cutover-evil").exists());
}

/// Renames an entry to a name of the same length, in the local header and in the directory.
fn rename(zip: &Path, old: &str, new: &str) -> bool {
    if old.len() != new.len() {
        return false;
    }
    let mut bytes = fs::read(zip).unwrap();
    let mut renamed = 0;
    for start in 0..=bytes.len() - old.len() {
        if bytes[start..].starts_with(old.as_bytes()) {
            bytes[start..start + new.len()].copy_from_slice(new.as_bytes());
            renamed += 1;
        }
    }
    fs::write(zip, bytes).unwrap();
    renamed == 2
}

#[test]
fn links_that_lead_out_are_refused() {
    for to in [
        "../outside",
        "/etc/passwd",
        "a/../../../outside",
        "bin/../x",
        "../../..",
    ] {
        let place = Place::new();
        let zip = place.zip(|zip| {
            file(zip, "top/bin/x", 0o644, b"x");
            zip.add_symlink("top/link", to, SimpleFileOptions::default())
                .unwrap();
        });
        assert!(
            matches!(place.refused(&zip), UnpackError::LinkEscape { .. }),
            "{to}"
        );
    }
    let place = Place::new();
    let zip = place.zip(|zip| {
        zip.add_symlink("top/a/b/link", "../../x/./y", SimpleFileOptions::default())
            .unwrap()
    });
    place.unpack(&zip, None, 1 << 20).unwrap();
}

#[test]
fn a_file_behind_a_link_is_refused() {
    let place = Place::new();
    let zip = place.zip(|zip| {
        zip.add_symlink("top/link", "bin", SimpleFileOptions::default())
            .unwrap();
        file(zip, "top/link/evil", 0o644, b"x");
    });
    assert!(matches!(place.refused(&zip), UnpackError::Unexpected { .. }));
}

#[test]
fn more_or_other_tops_are_refused() {
    let place = Place::new();
    let zip = place.zip(|zip| {
        file(zip, "one/x", 0o644, b"x");
        file(zip, "two/x", 0o644, b"x");
    });
    assert!(matches!(place.refused(&zip), UnpackError::Top { .. }));
    let zip = place.zip(|zip| file(zip, "README", 0o644, b"x"));
    assert!(matches!(place.refused(&zip), UnpackError::Top { .. }));
    let zip = place.zip(|_| {});
    assert!(matches!(place.refused(&zip), UnpackError::Top { .. }));
    let zip = place.zip(distribution);
    let error = place.unpack(&zip, Some("wso2dss-3.1.1"), 1 << 20).unwrap_err();
    assert!(
        error.to_string().contains("`wso2dss-3.2.0`") && error.to_string().contains("wso2dss-3.1.1"),
        "{error}"
    );
}

#[test]
fn bombs_are_refused() {
    let place = Place::new();
    let zip = place.zip(|zip| file(zip, "top/zeros", 0o644, &vec![0; 8 << 20]));
    assert!(fs::metadata(&zip).unwrap().len() < 64 << 10);
    assert!(matches!(place.refused(&zip), UnpackError::TooLarge { .. }));
    // The same, when the zip lies about its sizes.
    let mut bytes = fs::read(&zip).unwrap();
    let size = (8_u32 << 20).to_le_bytes();
    let mut lies = 0;
    for start in 0..bytes.len() - 4 {
        if bytes[start..start + 4] == size {
            bytes[start..start + 4].copy_from_slice(&100_u32.to_le_bytes());
            lies += 1;
        }
    }
    assert!(lies > 0);
    fs::write(&zip, bytes).unwrap();
    let error = place.refused(&zip);
    assert!(
        matches!(error, UnpackError::TooLarge { .. } | UnpackError::Entry { .. }),
        "{error:?}"
    );
}

#[test]
fn a_damaged_zip_is_refused() {
    let place = Place::new();
    let zip = place.zip(distribution);
    let good = fs::read(&zip).unwrap();
    fs::write(&zip, &good[..good.len() / 2]).unwrap();
    assert!(matches!(place.refused(&zip), UnpackError::Zip { .. }));
    // A stored file whose content no longer has its checksum.
    let zip = place.zip(|zip| {
        let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        zip.start_file("top/file", stored).unwrap();
        zip.write_all(b"some content of a file").unwrap();
    });
    let mut bytes = fs::read(&zip).unwrap();
    let place_of = bytes
        .windows(12)
        .position(|window| window == b"some content")
        .unwrap();
    bytes[place_of] ^= 1;
    fs::write(&zip, bytes).unwrap();
    assert!(matches!(place.refused(&zip), UnpackError::Entry { .. }));
}

#[test]
fn a_file_that_is_a_directory_too_is_refused() {
    let place = Place::new();
    let zip = place.zip(|zip| {
        file(zip, "top/a", 0o644, b"x");
        file(zip, "top/a/b", 0o644, b"x");
    });
    assert!(matches!(place.refused(&zip), UnpackError::Unexpected { .. }));
}

#[test]
fn a_few_files_can_be_read_without_unpacking() {
    let place = Place::new();
    let zip = place.zip(distribution);
    let peeked = place.peek(&zip, "repository/conf", 9).unwrap();
    assert_eq!(peeked.top, "wso2dss-3.2.0");
    let carbon = RelPath::parse("repository/conf/carbon.xml").unwrap();
    assert_eq!(peeked.files, [(carbon, b"<Server/>".to_vec())].into());
    // Links are not followed, and there are limits.
    assert!(place.peek(&zip, "start", 100).unwrap().files.is_empty());
    for (below, limit) in [("repository/conf", 8), ("repository", 200_000)] {
        let error = place.peek(&zip, below, limit).unwrap_err();
        assert!(matches!(error, UnpackError::TooLarge { .. }), "{error}");
    }
    let hostile = place.zip(|zip| file(zip, "top/../../x", 0o644, b"x"));
    assert!(matches!(
        place.peek(&hostile, "", 100).unwrap_err(),
        UnpackError::Escape { .. }
    ));
    fs::write(&hostile, "no zip").unwrap();
    assert!(matches!(
        place.peek(&hostile, "", 100).unwrap_err(),
        UnpackError::Zip { .. }
    ));
}
