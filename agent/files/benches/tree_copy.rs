//! The verified copy against `cp -a` and `rsync -a`, on the same tree, alternating in the same run.
//!
//! `cargo bench -p cutover-files`. Sizes are set by `BENCH_FILES` (small files, default 100000), `BENCH_BYTES` (in
//! all, default 2 GB), `BENCH_ROUNDS` (default 3) and `BENCH_DIR` (default: beneath the target directory).
//!
//! The processor time beside them is that of all threads: it tells the work apart from the waiting, on a host that
//! has something else to do.
//!
//! Each tool copies into a directory of its own, and all are removed at the end only: ext4 is slow to give out inodes
//! that were freed a moment ago, and the tool that happens to follow a removal would pay for it. Two times are taken: until it returns, and until
//! everything is on the disk (`syncfs`). The verified copy does not return before that, so its two times are one.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use cutover_files::tree::{CopyRequest, Existing, copy_tree};
use cutover_files::{Cancel, NoProgress, Root};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const BIG_FILES: u64 = 16;

fn main() -> Result<()> {
    let files = number("BENCH_FILES", 100_000)?;
    let bytes = number("BENCH_BYTES", 2_000_000_000)?;
    let rounds = number("BENCH_ROUNDS", 3)?;
    let base = std::env::var_os("BENCH_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let dir = base.join("tree_copy_bench");
    clean(&dir)?;
    println!(
        "{files} small files and {BIG_FILES} big ones, {bytes} bytes, in {}",
        dir.display()
    );
    generate(&dir.join("source/deployment"), files, bytes)?;
    let mut tools = vec![Tool::Verified, Tool::Cp];
    if Command::new("rsync").arg("--version").output().is_ok() {
        tools.push(Tool::Rsync);
    } else {
        println!("rsync is not installed: left out");
    }
    let mut times: Vec<Vec<Times>> = vec![Vec::new(); tools.len()];
    for round in 1..=rounds {
        for (tool, times) in tools.iter().zip(&mut times) {
            let time = run(*tool, &dir, &dir.join(format!("{round}-{}", tool.name())))?;
            println!(
                "round {round}: {:9} {:7.2}s returned, {:7.2}s durable, {:7.2}s processor",
                tool.name(),
                time.returned,
                time.durable,
                time.processor,
            );
            times.push(time);
        }
    }
    let medians: Vec<Times> = times.iter().map(|times| Times::median(times)).collect();
    let Some(own) = medians.first() else { return Ok(()) };
    for (tool, time) in tools.iter().zip(&medians) {
        println!(
            "median:  {:9} {:7.2}s returned, {:7.2}s durable, {:7.2}s processor; verified copy takes {:.2}x, {:.2}x, {:.2}x",
            tool.name(),
            time.returned,
            time.durable,
            time.processor,
            own.returned / time.returned,
            own.durable / time.durable,
            own.processor / time.processor,
        );
    }
    clean(&dir)
}

/// Seconds.
#[derive(Clone, Copy)]
struct Times {
    returned: f64,
    durable: f64,
    processor: f64,
}

impl Times {
    fn median(times: &[Self]) -> Self {
        let of = |field: fn(&Self) -> f64| median(times.iter().map(field));
        Self {
            returned: of(|time| time.returned),
            durable: of(|time| time.durable),
            processor: of(|time| time.processor),
        }
    }
}

#[derive(Clone, Copy)]
enum Tool {
    Verified,
    Cp,
    Rsync,
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Cp => "cp -a",
            Self::Rsync => "rsync -a",
        }
    }
}

fn run(tool: Tool, dir: &Path, place: &Path) -> Result<Times> {
    fs::create_dir_all(place.join("target"))?;
    fs::create_dir_all(place.join("keep"))?;
    sync(dir)?;
    let (source, target) = (dir.join("source/deployment"), place.join("target/deployment"));
    let (start, processor) = (Instant::now(), processor()?);
    match tool {
        Tool::Verified => verified(dir, place)?,
        Tool::Cp => command(Command::new("cp").arg("-a").arg(&source).arg(&target))?,
        Tool::Rsync => command(
            Command::new("rsync")
                .arg("-a")
                .arg(format!("{}/", source.display()))
                .arg(&target),
        )?,
    }
    let returned = start.elapsed();
    sync(dir)?;
    Ok(Times {
        returned: returned.as_secs_f64(),
        durable: start.elapsed().as_secs_f64(),
        processor: self::processor()? - processor,
    })
}

/// Processor time of this process, its threads and the children it has waited for.
fn processor() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_ascii_whitespace()
        .skip(11)
        .take(4);
    let ticks = fields
        .map(str::parse::<u32>)
        .sum::<std::result::Result<u32, _>>()?;
    Ok(f64::from(ticks) / 100.0)
}

fn verified(dir: &Path, place: &Path) -> Result<()> {
    let (from, to) = (Root::open(dir.join("source"))?, Root::open(place.join("target"))?);
    let keep = Root::open(place.join("keep"))?;
    copy_tree(&CopyRequest {
        from: &from,
        from_path: Path::new("deployment"),
        to: &to,
        to_path: Path::new("deployment"),
        keep: &keep,
        existing: Existing::Replace,
        workers: None,
        progress: &NoProgress,
        cancel: &Cancel::new(),
    })?;
    Ok(())
}

fn command(command: &mut Command) -> Result<()> {
    let status = command.status()?;
    if !status.success() {
        return Err(format!("{command:?}: {status}").into());
    }
    Ok(())
}

fn sync(dir: &Path) -> Result<()> {
    Ok(rustix::fs::syncfs(File::open(dir)?)?)
}

fn clean(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Half of the bytes in small files of varied sizes, 50 to a directory, half in big files.
fn generate(dir: &Path, files: u64, bytes: u64) -> Result<()> {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut content = vec![0; 4 << 20];
    for byte in &mut content {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        *byte = random.to_le_bytes()[0];
    }
    let mean = bytes / 2 / files.max(1);
    for index in 0..files {
        let parent = dir.join(format!("app{:03}/dir{:03}", index / 2500, index / 50 % 50));
        if index % 50 == 0 {
            fs::create_dir_all(&parent)?;
        }
        // From a tenth of the mean to nearly twice of it.
        let size = usize::try_from(mean / 10 + mean * 18 * (index % 101) / 1000)?;
        let offset = usize::try_from(index % 1000)?;
        let mut file = File::create(parent.join(format!("file{index:06}.xml")))?;
        let from = content.iter().skip(offset).copied().cycle();
        match content.get(offset..offset + size) {
            Some(slice) => file.write_all(slice)?,
            None => file.write_all(&from.take(size).collect::<Vec<u8>>())?,
        }
    }
    for index in 0..BIG_FILES {
        let mut file = File::create(dir.join(format!("archive{index:02}.war")))?;
        let mut left = usize::try_from(bytes / 2 / BIG_FILES)?;
        while left > 0 {
            let part = left.min(content.len());
            file.write_all(content.get(..part).unwrap_or_default())?;
            left -= part;
        }
    }
    Ok(())
}

fn median(times: impl Iterator<Item = f64>) -> f64 {
    let mut times: Vec<f64> = times.collect();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

fn number(name: &str, default: u64) -> Result<u64> {
    match std::env::var(name) {
        Ok(text) => Ok(text.parse()?),
        Err(_) => Ok(default),
    }
}
