//! The parts of a fleet: homes, agents, the operator's desk.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use carbon_standin::distribution::make_distribution;
use carbon_standin::fixtures;
use carbon_standin::home::{Database, HomeSpec, Site, make_home};

use super::{Fleet, FleetSpec, NewHomes};
use crate::harness::agent::{AgentHost, AgentSetup};
use crate::harness::database::{APP, MOUNT, RSS, SITE};
use crate::harness::{Binaries, EngineKind, Home, PRODUCTION, UpgradeFile, file_hash, free_offset};

fn stock(spec: &FleetSpec, binaries: &Binaries, (version, kernel): (&str, &str)) -> HomeSpec {
    HomeSpec {
        corpus: spec.corpus.clone(),
        ..HomeSpec::stock(spec.hop.product, version, kernel, &binaries.standin())
    }
}

impl Fleet {
    pub(super) fn host(&self, spec: &FleetSpec, binaries: &Binaries, name: &str) -> Result<AgentHost> {
        let homes = self.homes.0.join(name);
        let old = Home {
            dir: homes.join(spec.hop.folder(spec.old().0)),
            offset: free_offset()?,
        };
        let unpacked = spec.new_homes == NewHomes::Distribution;
        let new = Home {
            dir: homes.join(spec.hop.folder(spec.hop.new.0)),
            // The old home's ports are carried, unless the upgrade file gives others.
            offset: if unpacked { free_offset()? } else { old.offset },
        };
        make_home(&old.dir, &self.site(spec, binaries, &old))?;
        let new_stock = stock(spec, binaries, spec.hop.new);
        if !unpacked {
            make_home(&new.dir, &new_stock)?;
        }
        let stocks = self.root.join("stock").join(name);
        make_home(&stocks.join("old"), &stock(spec, binaries, spec.old()))?;
        make_home(&stocks.join("new"), &new_stock)?;
        old.wart("write_interval_ms = 100")?;
        old.start(&self.java_home, Some(std::process::id()))?;
        let labels = [
            format!("cluster={}", spec.hop.cluster()),
            format!("offset={}", new.offset),
        ];
        let setup = AgentSetup {
            name,
            dir: self.root.join("hosts").join(name),
            homes: &homes,
            pattern: format!("wso2{}-*", spec.hop.short),
            java_home: &self.java_home,
            coordinator: &self.coordinator.address,
            owner: std::process::id(),
            labels: &labels,
            stock: stocks.join("new"),
            old_stock: stocks.join("old"),
            unpacked,
            database_dir: (spec.database_host && name == spec.hop.node(1))
                .then(|| self.databases.data_dir())
                .flatten(),
        };
        AgentHost::start(&setup, binaries, &self.cli, (old, new))
    }

    /// The old home as a site runs it.
    fn site(&self, spec: &FleetSpec, binaries: &Binaries, old: &Home) -> HomeSpec {
        let database = |name: &str| Database {
            url: self.databases.jdbc(name),
            user: APP.to_owned(),
            password: self.secrets.app(),
        };
        let site = Site {
            host_name: spec.site.then(|| "carbon.example.com".to_owned()),
            keystore: spec.site.then(|| self.secrets.keystore()),
            datasource: spec.site.then(|| database(SITE)),
            user_store: spec.site.then(|| database(SITE)),
            vault: spec.vault.then(|| self.secrets.keystore()),
        };
        HomeSpec {
            database: Some(database(PRODUCTION)),
            mount: spec.mount.then(|| database(MOUNT.production)),
            rss: spec.hop.rss.then(|| database(RSS.production)),
            site,
            offset: old.offset,
            tenants: vec![1, 2, 3],
            ..stock(spec, binaries, spec.old())
        }
    }
}

/// The desk: the migration script and, when asked for, the distribution.
pub(super) fn files(
    spec: &FleetSpec,
    root: &Path,
    binaries: &Binaries,
    upgrade: &mut UpgradeFile,
) -> Result<()> {
    let desk = root.join("desk");
    std::fs::create_dir_all(&desk)?;
    if let Some(script) = &spec.script {
        std::fs::copy(script, desk.join("migration.sql"))
            .with_context(|| format!("copy {}", script.display()))?;
        upgrade.scripts = vec!["migration.sql".into()];
    } else if spec.engine == EngineKind::MariaDb && spec.hop.migrates && !spec.migrated {
        std::fs::write(desk.join("migration.sql"), fixtures::MIGRATION_MYSQL)?;
        upgrade.scripts = vec!["migration.sql".into()];
    }
    let archive = |versions: (&str, &str)| -> Result<(String, String)> {
        let name = spec.hop.archive(versions.0);
        let path = desk.join(&name);
        make_distribution(&path, &stock(spec, binaries, versions))?;
        Ok((name, file_hash(&path)?))
    };
    // Without it an old home's untouched files tell what was shipped. Real stock files of two versions differ in too
    // many values for that, and so does `rss-config.xml`, which has another form in the new version.
    if spec.corpus.is_some() || spec.hop.rss || spec.new_homes == NewHomes::Distribution {
        upgrade.old_distribution = Some(archive(spec.old())?);
    }
    if spec.new_homes == NewHomes::Distribution {
        upgrade.distribution = Some(archive(spec.hop.new)?);
        upgrade.more.push_str(
            "\n[[config]]\nfile = \"repository/conf/carbon.xml\"\nset  = { \"/Server/Ports/Offset\" = \"{label.offset}\" }\n",
        );
    }
    Ok(())
}

/// What the start script takes for Java: it only looks whether the folder is there.
pub(super) fn java(root: &Path) -> Result<PathBuf> {
    let home = root.join("java");
    std::fs::create_dir_all(home.join("bin"))?;
    let program = home.join("bin/java");
    std::fs::write(&program, "#!/bin/sh\nexit 0\n")?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    Ok(home)
}
