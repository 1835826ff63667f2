//! Fleets that a guide must not touch: refused when the plan is made, before anything is changed.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use cutover_e2e::harness::{EngineKind, Evidence, Fleet, FleetSpec, Hop, UpgradeFile};

/// Files as they were before a case spoiled them; files and folders that were not there go again.
#[derive(Default)]
struct Spoiled(Vec<(PathBuf, Option<Vec<u8>>)>);

impl Spoiled {
    /// Changes a file of a home.
    fn change(&mut self, path: PathBuf, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Result<()> {
        let before = fs::read(&path).ok();
        let folders = path.ancestors().skip(1);
        let made = folders.take_while(|folder| !folder.exists()).last();
        let goes = made.unwrap_or(&path).to_owned();
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, change(before.clone().unwrap_or_default()))?;
        self.0.push((if before.is_some() { path } else { goes }, before));
        Ok(())
    }

    fn restore(self) -> Result<()> {
        for (path, before) in self.0.into_iter().rev() {
            match before {
                Some(bytes) => fs::write(&path, bytes)?,
                None if path.is_dir() => fs::remove_dir_all(&path)?,
                None => fs::remove_file(&path)?,
            }
        }
        Ok(())
    }
}

/// What a case does to a fleet and its upgrade file, and what the plan then says.
struct Case {
    what: &'static str,
    spoil: fn(&mut Fleet, &mut Spoiled) -> Result<()>,
    says: &'static [&'static str],
}

/// Each case on the same fleet: nothing of them may change it.
fn refuse(fleet: &mut Fleet, cases: &[Case]) -> Result<()> {
    let good: UpgradeFile = fleet.upgrade.clone();
    for case in cases {
        fleet.upgrade = good.clone();
        let mut spoiled = Spoiled::default();
        (case.spoil)(fleet, &mut spoiled)?;
        let before = Evidence::before(fleet)?;
        let refused = || -> Result<()> {
            // 2: something in the file; 3: something in the fleet.
            let outcome = fleet.plan()?.says(case.says)?;
            anyhow::ensure!(matches!(outcome.code, 2 | 3), "it ended with {}", outcome.code);
            anyhow::ensure!(
                !PathBuf::from(fleet.plan_file()).exists(),
                "a plan was written: {}",
                outcome.text()
            );
            before.everything_is_back(fleet)
        };
        refused().with_context(|| case.what.to_owned())?;
        spoiled.restore()?;
    }
    Ok(())
}

fn old(fleet: &Fleet, host: usize, path: &str) -> Result<PathBuf> {
    Ok(fleet.hosts.get(host).context("a host")?.old.file(path))
}

fn version(text: &'static str) -> impl FnOnce(Vec<u8>) -> Vec<u8> {
    move |_| text.as_bytes().to_vec()
}

const CASES: [Case; 11] = [
    Case {
        what: "a script that empties a table in use",
        spoil: |fleet, spoiled| {
            let own = "\nDELETE FROM REG_LOG;\n";
            spoiled.change(fleet.desk().join("migration.sql"), move |mut text| {
                text.extend_from_slice(own.as_bytes());
                text
            })
        },
        says: &["script-loses-rows", "REG_LOG", "may_lose"],
    },
    Case {
        what: "the guide of another product",
        spoil: |fleet, _| {
            fleet.upgrade.guide = "ss-1.1.0".to_owned();
            Ok(())
        },
        says: &[
            "wrong-product",
            "WSO2 Data Services Server",
            "WSO2 Storage Server",
        ],
    },
    Case {
        what: "homes that are upgraded already",
        spoil: |fleet, spoiled| {
            for host in 0..2 {
                let path = old(fleet, host, "bin/version.txt")?;
                spoiled.change(path, version("WSO2 Data Services Server v3.2.0\n"))?;
            }
            Ok(())
        },
        says: &["already-upgraded", "3.2.0"],
    },
    Case {
        what: "nodes of two versions",
        spoil: |fleet, spoiled| {
            let path = old(fleet, 1, "bin/version.txt")?;
            spoiled.change(path, version("WSO2 Data Services Server v3.0.0\n"))
        },
        says: &["mixed-versions", "3.0.0", "3.0.1"],
    },
    Case {
        what: "a tenant without a directory",
        spoil: |fleet, _| {
            fleet.upgrade.without_directory = vec![4];
            Ok(())
        },
        says: &["tenant-directory-missing", "tenant(s) 5", "without_directory"],
    },
    Case {
        what: "a directory without a tenant",
        spoil: |fleet, spoiled| {
            let path = old(fleet, 0, "repository/tenants/77/webapps/lost.war")?;
            spoiled.change(path, version("lost\n"))
        },
        says: &["tenant-without-row", "dss-1", "repository/tenants/77"],
    },
    Case {
        what: "a configuration file that is not well-formed",
        spoil: |fleet, spoiled| {
            let path = old(fleet, 0, "repository/conf/registry.xml")?;
            spoiled.change(path, |mut bytes| {
                bytes.extend_from_slice(b"</wso2registry>");
                bytes
            })
        },
        says: &["config-unreadable", "dss-1", "repository/conf/registry.xml"],
    },
    Case {
        what: "an element that occurs twice",
        spoil: |fleet, spoiled| {
            let host = fleet.hosts.get(1).context("a host")?;
            let path = host.new.file("repository/conf/user-mgt.xml");
            spoiled.change(path, |bytes| {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let line = "<Property name=\"dataSource\">jdbc/WSO2CarbonDB</Property>";
                text.replacen(line, &format!("{line}{line}"), 1).into_bytes()
            })
        },
        says: &[
            "config-unreadable",
            "dss-2",
            "user-mgt.xml",
            "dataSource",
            "is there 2 times",
        ],
    },
    Case {
        what: "a mounted registry that is left out",
        spoil: |fleet, _| {
            fleet.upgrade.others.clear();
            Ok(())
        },
        says: &["database-left-out", "/_system/governance"],
    },
    Case {
        what: "a change of the site that nobody decided on",
        spoil: |fleet, spoiled| {
            for host in 0..2 {
                let path = old(fleet, host, "repository/conf/log4j.properties")?;
                spoiled.change(path, |mut bytes| {
                    bytes.extend_from_slice(b"\nlog4j.logger.com.example=DEBUG\n");
                    bytes
                })?;
            }
            Ok(())
        },
        says: &["config-undecided", "log4j.properties", "log4j.logger.com.example"],
    },
    Case {
        what: "a script of Identity Server",
        spoil: |fleet, _| {
            let script = fleet.desk().join("migration-identity.sql");
            fs::write(script, "CREATE TABLE IDN_X (ID INTEGER);\n")?;
            fleet.upgrade.scripts.push("migration-identity.sql".into());
            Ok(())
        },
        says: &["identity-script", "migration-identity.sql"],
    },
];

#[test]
fn fleets_that_a_guide_must_not_touch() -> Result<()> {
    let spec = FleetSpec {
        mount: true,
        ..FleetSpec::of(Hop::DSS, EngineKind::MariaDb)
    };
    refuse(&mut Fleet::start(&spec)?, &CASES)
}

/// The metadata database of Storage Server, and a vault that could not be opened again.
#[test]
fn storage_servers_that_its_guide_must_not_touch() -> Result<()> {
    let spec = FleetSpec {
        nodes: 1,
        vault: true,
        ..FleetSpec::of(Hop::SS, EngineKind::Postgres)
    };
    let cases = [
        Case {
            what: "the RSS database is left out",
            spoil: |fleet, _| {
                fleet.upgrade.others.clear();
                Ok(())
            },
            says: &["database-left-out", "rss-config.xml"],
        },
        Case {
            what: "a vaulted home without password-persist",
            spoil: |fleet, spoiled| {
                let path = old(fleet, 0, "password-persist")?;
                let bytes = fs::read(&path)?;
                fs::remove_file(&path)?;
                spoiled.0.push((path, Some(bytes)));
                Ok(())
            },
            says: &["ss-1", "password-persist"],
        },
    ];
    refuse(&mut Fleet::start(&spec)?, &cases)
}
