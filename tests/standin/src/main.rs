//! `carbon-standin`: builds homes and distributions, and is the "JVM" that bin/wso2server.sh starts.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use carbon_standin::distribution::make_distribution;
use carbon_standin::home::{Database, HomeSpec, make_home};
use carbon_standin::server;
use clap::{Args, Parser, Subcommand};

/// A stand-in for a WSO2 Carbon server, for tests.
#[derive(Debug, Parser)]
#[command(name = "carbon-standin", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build a CARBON_HOME: a site's with --db-url, else a stock one.
    MakeHome(MakeHome),
    /// Build a distribution archive: a zip of a stock home.
    MakeDistribution(MakeDistribution),
}

#[derive(Debug, Args)]
struct Product {
    /// The product's name.
    #[arg(long, default_value = "WSO2 Data Services Server")]
    product: String,
    /// The product's version.
    #[arg(long)]
    version: String,
    /// The kernel's version.
    #[arg(long)]
    kernel: String,
    /// A folder of real stock files to use instead of the built-in ones.
    #[arg(long)]
    corpus: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct MakeHome {
    /// The new home.
    #[arg(long)]
    dir: PathBuf,
    #[command(flatten)]
    product: Product,
    /// The JDBC URL of the site's database.
    #[arg(long, requires_all = ["db_user", "db_password_file"])]
    db_url: Option<String>,
    /// The database user.
    #[arg(long)]
    db_user: Option<String>,
    /// A file holding the database password.
    #[arg(long)]
    db_password_file: Option<PathBuf>,
    /// The JDBC URL of a registry's database that the home mounts; the same user and password.
    #[arg(long, requires = "db_url")]
    mount_url: Option<String>,
    /// The JDBC URL of a Storage Server's RSS metadata database; the same user and password.
    #[arg(long, requires = "db_url")]
    rss_url: Option<String>,
    /// Added to every port.
    #[arg(long, default_value_t = 0)]
    offset: u16,
    /// Ids of tenants that get folders.
    #[arg(long, value_delimiter = ',')]
    tenants: Vec<i32>,
}

#[derive(Debug, Args)]
struct MakeDistribution {
    /// The archive to write, like wso2dss-3.2.0.zip.
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    product: Product,
}

fn main() -> ExitCode {
    let result = match server::home_argument(std::env::args()) {
        Some(home) => server::run(&home),
        None => build(Cli::parse().command).map(|()| 0),
    };
    result.map_or_else(
        |error| {
            eprintln!("carbon-standin: {error:#}");
            ExitCode::FAILURE
        },
        ExitCode::from,
    )
}

fn build(command: Command) -> Result<()> {
    match command {
        Command::MakeHome(args) => {
            let spec = HomeSpec {
                database: database(&args, args.db_url.as_deref())?,
                mount: database(&args, args.mount_url.as_deref())?,
                rss: database(&args, args.rss_url.as_deref())?,
                offset: args.offset,
                tenants: args.tenants,
                ..stock(args.product)?
            };
            make_home(&args.dir, &spec)
        }
        Command::MakeDistribution(args) => make_distribution(&args.out, &stock(args.product)?),
    }
}

fn stock(product: Product) -> Result<HomeSpec> {
    let program = std::env::current_exe().context("find this program's own path")?;
    let spec = HomeSpec::stock(&product.product, &product.version, &product.kernel, &program);
    Ok(HomeSpec {
        corpus: product.corpus,
        ..spec
    })
}

fn database(args: &MakeHome, url: Option<&str>) -> Result<Option<Database>> {
    let (Some(url), Some(user), Some(file)) = (url, &args.db_user, &args.db_password_file) else {
        return Ok(None);
    };
    Ok(Some(Database {
        url: url.to_owned(),
        user: user.clone(),
        password: read_password(file)?,
    }))
}

fn read_password(file: &Path) -> Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
