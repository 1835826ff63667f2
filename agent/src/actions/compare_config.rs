//! Compares the configuration of an old home with what its version shipped and with what the new version ships.
//! Looks, and changes nothing.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use cutover_files::Cancel;
use cutover_files::unpack::{PeekRequest, UnpackError, peek};
use cutover_proto::config::{ArchiveVersion, ConfigComparison, FileComparison, FileState};
use cutover_proto::ids::Sha256Hex;
use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};
use cutover_proto::step::BlobRef;
use cutover_xmledit::Document;

use super::{fetch, files, originals};
use crate::config_diff::{self, Stock};
use crate::durable;
use crate::facts::{conf, version};
use crate::fault;
use crate::service::inside::Inside;
use crate::task::Task;

const CONF: &str = "repository/conf";
const VERSION: &str = "bin/version.txt";
/// More than the configuration of any product has.
const CONF_MAX: u64 = 256 << 20;
/// More than any one configuration file has.
const FILE_MAX: u64 = 32 << 20;
const KERNEL: &str = "bin/wso2carbon-version.txt";
/// The kernel's own jar, which names its version where no file does.
const CORE: &str = "repository/components/plugins/org.wso2.carbon.core_";
/// Files of the start folder that nobody edits and no patch replaces alone.
const SHIPPED: [&str; 2] = [VERSION, KERNEL];
/// How much older than its arrival on this disk a file must be for its time to be that of the distribution.
const CLEARLY: Duration = Duration::from_secs(3600);

/// Files of a distribution, by path.
type Shipped = BTreeMap<String, Vec<u8>>;

/// How stock of the old version is known.
enum OldStock {
    Archive(Shipped),
    /// A file is stock when it is not younger than this.
    Untouched(Option<SystemTime>),
}

pub(super) async fn perform(
    task: &Task,
    old: &str,
    old_stock: Option<&BlobRef>,
    new: &str,
    new_stock: Option<&BlobRef>,
) -> StepOutcome {
    let (old, new) = (task.home(old)?, task.home(new)?);
    let archive = match old_stock {
        Some(blob) => Some(shipped(task, blob, Keep::No).await?),
        None => None,
    };
    let unpacked = new.join(CONF).is_dir();
    let new_archive = match new_stock {
        // The unpacking of the new home takes the download up.
        Some(blob) if !unpacked => Some(shipped(task, blob, Keep::Yes).await?),
        Some(_) | None => None,
    };
    let version = new_archive
        .as_ref()
        .zip(new_stock)
        .map(|(archive, blob)| version_of(blob, archive));
    let described = old_stock.map(|blob| format!("{} (SHA-256 {})", blob.name, blob.sha256));
    let task = task.clone();
    let waiting = task.clone();
    waiting
        .blocking(move |cancel, progress| {
            let old_home = inside(&old)?;
            let new_home = match (&new_archive, unpacked) {
                (None, true) => NewStock::Home(inside(&new)?, new.clone()),
                (Some(archive), _) => NewStock::Archive(archive),
                (None, false) => return Err(no_new(&new)),
            };
            let (stock, words) = match archive {
                Some(archive) => {
                    check_version(&old_home, &old, &archive)?;
                    let words = format!("the distribution {}", described.unwrap_or_default());
                    (OldStock::Archive(archive), words)
                }
                None => untouched(&old_home),
            };
            let scene = Scene {
                task: &task,
                old: &old_home,
                stock: &stock,
                new: &new_home,
                version: version.as_ref(),
            };
            scene.compare(&old, words, cancel, progress)
        })
        .await
}

/// Whether a download is for somebody else to remove.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Yes,
    No,
}

/// The configuration in a distribution.
async fn shipped(task: &Task, blob: &BlobRef, keep: Keep) -> Result<Shipped, StepError> {
    // Homes of one node are compared with one distribution: none may remove it while another one reads it.
    let lock = PathBuf::from(format!("blob:{}", blob.sha256));
    let _turn = task.agent.lock_homes(vec![lock]).await;
    let zip = fetch::blob(task, blob).await?;
    let name = blob.name.clone();
    task.blocking(move |cancel, _| {
        let kernel = Mutex::new(None);
        let peeked = peek(&PeekRequest {
            zip: &zip,
            wanted: &|path| {
                let path = path.to_string();
                if let Some(version) = path.strip_prefix(CORE).and_then(|rest| rest.strip_suffix(".jar")) {
                    let line = format!("WSO2 Carbon Framework v{version}");
                    *kernel.lock().unwrap_or_else(PoisonError::into_inner) = Some(line);
                }
                SHIPPED.contains(&path.as_str())
                    || path.strip_prefix(CONF).is_some_and(|rest| rest.starts_with('/'))
            },
            max_bytes: CONF_MAX,
            cancel,
        });
        if keep == Keep::No {
            durable::remove(&zip).map_err(|error| fault::io("remove", &zip, &error))?;
        }
        let files = peeked
            .map_err(|error| unreadable(&name, &error))?
            .files
            .into_iter();
        let mut shipped: Shipped = files.map(|(path, content)| (path.to_string(), content)).collect();
        if let Some(line) = kernel.into_inner().unwrap_or_else(PoisonError::into_inner) {
            shipped
                .entry(KERNEL.to_owned())
                .or_insert_with(|| line.into_bytes());
        }
        Ok(shipped)
    })
    .await
}

/// Which product an archive holds, by its version files, else by `carbon.xml`.
fn version_of(blob: &BlobRef, archive: &Shipped) -> ArchiveVersion {
    let named = |file: &str| version::in_bytes(archive.get(file)?);
    let carbon = archive
        .get("repository/conf/carbon.xml")
        .and_then(|bytes| Document::parse(bytes).ok());
    let value = |path: &str| {
        let carbon = carbon.as_ref();
        carbon
            .and_then(|document| conf::text(document, path))
            .unwrap_or_default()
    };
    let (product, version) =
        named(VERSION).unwrap_or_else(|| (value("/Server/Name"), value("/Server/Version")));
    ArchiveVersion {
        archive: blob.name.clone(),
        product,
        version,
        kernel: named(KERNEL).map(|(_, version)| version).unwrap_or_default(),
    }
}

fn unreadable(name: &str, error: &UnpackError) -> StepError {
    let what = format!("the configuration in `{name}` can't be read");
    match error {
        UnpackError::Cancelled(_) => fault::cancelled(&what),
        UnpackError::File(error) => fault::other(
            files::file_code(error),
            what,
            error,
            "look at the file system there, then retry",
        ),
        UnpackError::Tree(_)
        | UnpackError::TooLarge { .. }
        | UnpackError::Occupied { .. }
        | UnpackError::Zip { .. }
        | UnpackError::Entry { .. }
        | UnpackError::Escape { .. }
        | UnpackError::LinkEscape { .. }
        | UnpackError::Unexpected { .. }
        | UnpackError::Top { .. } => fault::other(
            ErrorCode::ConfigRefused,
            what,
            error,
            "give the distribution as WSO2 ships it",
        ),
    }
}

fn inside(home: &Path) -> Result<Inside, StepError> {
    let found = Inside::open(home).map_err(|error| fault::io("open", home, &error))?;
    found.ok_or_else(|| {
        StepError::new(
            ErrorCode::NotFound,
            "the configuration was not compared",
            format!("there is no home at `{}`", home.display()),
            "correct the home in the upgrade file and plan again",
        )
    })
}

fn no_new(new: &Path) -> StepError {
    StepError::new(
        ErrorCode::NotFound,
        "the configuration was not compared",
        format!(
            "`{}` has no {CONF}, and no distribution of the new version was named",
            new.display()
        ),
        "unpack the new version there, or name its distribution in the upgrade file",
    )
}

/// A distribution of another version would make every change of the versions look like the site's.
fn check_version(old: &Inside, home: &Path, archive: &Shipped) -> Result<(), StepError> {
    let here = old
        .read(VERSION, FILE_MAX)
        .map_err(|error| fault::io("read", &home.join(VERSION), &error))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let (Some(here), Some(there)) = (here.as_deref().map(text), archive.get(VERSION).map(|b| text(b))) else {
        return Ok(());
    };
    if here == there {
        return Ok(());
    }
    Err(StepError::new(
        ErrorCode::ConfigRefused,
        "the configuration was not compared",
        format!(
            "`{}` is {here}, and the distribution that was named for it is {there}",
            home.display()
        ),
        "name the distribution that the old home was unpacked from",
    ))
}

/// The time that shipped files have, if it is that of the distribution and not that of a copy.
fn untouched(old: &Inside) -> (OldStock, String) {
    let metas: Vec<Metadata> = SHIPPED
        .iter()
        .filter_map(|name| old.file(name).ok().flatten()?.metadata().ok())
        .collect();
    let clearly_old = |meta: &Metadata| {
        use std::os::unix::fs::MetadataExt;
        let arrived = u64::try_from(meta.ctime())
            .ok()
            .map(|secs| SystemTime::UNIX_EPOCH + Duration::from_secs(secs));
        let modified = meta.modified().ok();
        matches!((arrived, modified), (Some(arrived), Some(modified)) if modified + CLEARLY < arrived)
    };
    if metas.is_empty() || !metas.iter().all(clearly_old) {
        let words = "not known: no distribution of the old version was named, and the files of the old home do not \
                     have the times of a distribution (they were copied, or unpacked without them); files are \
                     compared with the new version's";
        return (OldStock::Untouched(None), words.to_owned());
    }
    // The older one: a file that was patched later would make the site's edits before that count as stock.
    let oldest = metas.iter().filter_map(|meta| meta.modified().ok()).min();
    let words = "the old home's own files that are not younger than its version files (bin/version.txt and \
                 bin/wso2carbon-version.txt); younger files are compared with the new version's";
    (OldStock::Untouched(oldest), words.to_owned())
}

/// What the new version ships.
enum NewStock<'a> {
    Archive(&'a Shipped),
    Home(Inside, PathBuf),
}

struct Scene<'a> {
    task: &'a Task,
    old: &'a Inside,
    stock: &'a OldStock,
    new: &'a NewStock<'a>,
    /// What the new version's archive says it is.
    version: Option<&'a ArchiveVersion>,
}

impl Scene<'_> {
    fn compare(
        &self,
        home: &Path,
        stock: String,
        cancel: &Cancel,
        progress: &crate::task::Progress,
    ) -> StepOutcome {
        let found = self
            .old
            .files_below(CONF)
            .map_err(|error| fault::io("list", &home.join(CONF), &error))?;
        let mut comparison = ConfigComparison {
            old: home.to_string_lossy().into_owned(),
            stock,
            new_version: self.version.cloned(),
            files: Vec::new(),
        };
        cutover_files::Progress::total(progress, found.files.len() as u64, 0);
        let what = "it is no file inside the home (a link out of it or to a folder, a pipe, a name that is not UTF-8)";
        let mut unread: Vec<FileComparison> = found.unread.iter().map(|file| not_read(file, what)).collect();
        for file in &found.files {
            cancel
                .check()
                .map_err(|_| fault::cancelled("the configuration was not compared"))?;
            match self.one(file) {
                Ok(compared) => comparison.files.extend(compared),
                Err(Unread::Old(error)) => unread.push(not_read(file, &error.to_string())),
                Err(Unread::Failed(error)) => return Err(error),
            }
            cutover_files::Progress::add(progress, 1, 0);
        }
        let names: Vec<String> = unread.iter().map(|compared| compared.file.clone()).collect();
        comparison.files.extend(unread);
        comparison.files.sort_by(|a, b| a.file.cmp(&b.file));
        let count = |wanted: &dyn Fn(&FileState) -> bool| {
            comparison.files.iter().filter(|file| wanted(&file.state)).count()
        };
        let receipt = Receipt::new()
            .with("files", found.files.len())
            .with("differing", comparison.files.len())
            .with("stock_unknown", count(&|state| *state == FileState::StockUnknown))
            .with(
                "malformed",
                count(&|state| matches!(state, FileState::Malformed { .. })),
            )
            .with(
                "changes",
                comparison
                    .files
                    .iter()
                    .map(|file| file.changes.len())
                    .sum::<usize>(),
            )
            .with("stock", &comparison.stock)
            .with("unread", listed(&names));
        Ok(Receipt {
            config: Some(Box::new(comparison)),
            ..receipt
        })
    }

    fn one(&self, file: &str) -> Result<Option<FileComparison>, Unread> {
        let opened = self.old.file(file).map_err(Unread::Old)?;
        let meta = opened.as_ref().and_then(|file| file.metadata().ok());
        let site = self.old.read(file, FILE_MAX).map_err(Unread::Old)?;
        let (Some(meta), Some(site)) = (meta, site) else {
            return Ok(None);
        };
        let new = self.new_file(file).map_err(Unread::Failed)?;
        let stock = match self.stock {
            OldStock::Archive(shipped) => match shipped.get(file) {
                Some(bytes) => Stock::Shipped(bytes),
                None => Stock::NotShipped,
            },
            OldStock::Untouched(built) => {
                let modified = meta.modified().ok();
                if matches!((modified, built), (Some(modified), Some(built)) if modified <= *built) {
                    return Ok(None);
                }
                Stock::Unknown
            }
        };
        Ok(config_diff::compare(file, &site, stock, new.as_deref()))
    }

    fn new_file(&self, file: &str) -> Result<Option<Vec<u8>>, StepError> {
        match self.new {
            NewStock::Archive(shipped) => Ok(shipped.get(file).cloned()),
            NewStock::Home(inside, home) => match originals::before_run(self.task, home, file)? {
                Some(original) => Ok(Some(original)),
                None => inside
                    .read(file, FILE_MAX)
                    .map_err(|error| fault::io("read", &home.join(file), &error)),
            },
        }
    }
}

/// Why a file was not compared.
enum Unread {
    /// The old home's file can't be read: a link out of the home, a pipe, no right to.
    Old(std::io::Error),
    Failed(StepError),
}

fn not_read(file: &str, reason: &str) -> FileComparison {
    FileComparison {
        file: file.to_owned(),
        sha256: Sha256Hex::of(b""),
        state: FileState::Unread {
            reason: reason.to_owned(),
        },
        changes: Vec::new(),
    }
}

fn listed(files: &[String]) -> String {
    match files.len() {
        0 => "0".to_owned(),
        count => format!("{count}: {}", files.join(", ")),
    }
}
