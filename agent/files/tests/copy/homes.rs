//! The homes that the tests copy between.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use cutover_files::tree::{
    CopyReport, CopyRequest, Entry, Existing, TreeError, UndoReport, copy_tree, manifest, undo_copy,
};
use cutover_files::{Cancel, Kind, NoProgress, Progress, Root};

pub(crate) struct Homes {
    pub(crate) temp: tempfile::TempDir,
}

impl Homes {
    /// Two homes and a keep directory, all empty.
    pub(crate) fn empty() -> Self {
        let temp = tempfile::tempdir().unwrap();
        for dir in ["old", "new", "keep"] {
            fs::create_dir(temp.path().join(dir)).unwrap();
        }
        Self { temp }
    }

    /// Homes that meet in every way: only old, only new, same, other content, same content with other mode.
    pub(crate) fn filled() -> Self {
        let homes = Self::empty();
        let (old, new) = (
            "old/repository/deployment/server",
            "new/repository/deployment/server",
        );
        homes.write(&format!("{old}/axis2services/Order.aar"), "order");
        homes.write(&format!("{old}/axis2services/Version.aar"), "version 3.0.1");
        homes.write(&format!("{old}/axis2services/Echo.aar"), "echo");
        homes.write(&format!("{old}/webapps/shop/WEB-INF/web.xml"), "<web-app/>");
        homes.write(&format!("{old}/webapps/shop/run.sh"), "#!/bin/sh");
        homes.write(&format!("{old}/empty"), "");
        fs::create_dir(homes.path(&format!("{old}/emptydir"))).unwrap();
        symlink("shop/WEB-INF/web.xml", homes.path(&format!("{old}/webapps/link"))).unwrap();
        symlink("/etc/passwd", homes.path(&format!("{old}/webapps/outward"))).unwrap();
        homes.mode(&format!("{old}/webapps/shop/run.sh"), 0o750);
        homes.mode(&format!("{old}/emptydir"), 0o2711);
        homes.write(&format!("{new}/axis2services/Version.aar"), "version 3.2.0");
        homes.write(&format!("{new}/axis2services/Echo.aar"), "echo");
        homes.write(&format!("{new}/axis2services/Own.aar"), "own");
        for (index, entry) in homes
            .manifest("old")
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.kind == Kind::File)
        {
            let time =
                std::time::UNIX_EPOCH + std::time::Duration::new(1_400_000_000 + index as u64, 123_456_789);
            fs::File::options()
                .append(true)
                .open(homes.path("old").join(&entry.path))
                .unwrap()
                .set_modified(time)
                .unwrap();
        }
        homes
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.temp.path().join(path)
    }

    pub(crate) fn root(&self, path: &str) -> Root {
        Root::open(self.path(path)).unwrap()
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    pub(crate) fn mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn manifest(&self, path: &str) -> Vec<Entry> {
        manifest(&self.root(path), "", None, &NoProgress, &Cancel::new()).unwrap()
    }

    pub(crate) fn copy(&self) -> Result<CopyReport, TreeError> {
        self.copy_with("repository/deployment/server", &NoProgress, &Cancel::new())
    }

    pub(crate) fn copy_with(
        &self,
        path: &str,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<CopyReport, TreeError> {
        self.copy_over(Existing::Replace, path, progress, cancel)
    }

    /// Copies and leaves the new home's own files, but for those that match.
    pub(crate) fn copy_beside(
        &self,
        except: &[&str],
        progress: &dyn Progress,
    ) -> Result<CopyReport, TreeError> {
        let except: Vec<String> = except.iter().map(|&pattern| pattern.to_owned()).collect();
        let existing = Existing::Keep { except: &except };
        self.copy_over(existing, "repository/deployment/server", progress, &Cancel::new())
    }

    fn copy_over(
        &self,
        existing: Existing<'_>,
        path: &str,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<CopyReport, TreeError> {
        copy_tree(&CopyRequest {
            from: &self.root("old"),
            from_path: Path::new(path),
            to: &self.root("new"),
            to_path: Path::new(path),
            keep: &self.root("keep"),
            existing,
            workers: None,
            progress,
            cancel,
        })
    }

    pub(crate) fn undo(&self) -> UndoReport {
        undo_copy(&self.root("new"), &self.root("keep")).unwrap()
    }
}

pub(crate) fn names(paths: &[cutover_files::RelPath]) -> Vec<String> {
    paths
        .iter()
        .map(|path| path.as_path().file_name().unwrap().to_str().unwrap().to_owned())
        .collect()
}
