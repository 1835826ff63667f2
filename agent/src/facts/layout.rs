//! Which files a home has: configuration, data source files, service metadata.

use std::io;

use crate::service::inside::Inside;

pub(super) const CONF: &str = "repository/conf";
const MASTER: &str = "master-datasources.xml";

/// Configuration files, as paths under the home.
pub(super) fn config_files(inside: &Inside) -> io::Result<Vec<String>> {
    let all = inside.files_below(CONF)?.files.into_iter();
    Ok(all
        .filter(|file| file.ends_with(".xml") || file.ends_with(".properties"))
        .collect())
}

/// Files that Carbon loads as data sources beside its own.
pub(super) fn extra_datasource_files(inside: &Inside) -> io::Result<Vec<String>> {
    let names = inside.names("repository/conf/datasources")?.into_iter();
    Ok(names
        .filter(|name| name.ends_with("-datasources.xml") && name != MASTER)
        .map(|name| format!("repository/conf/datasources/{name}"))
        .collect())
}

/// Files under the `servicemetafiles` folders of the super tenant and of every tenant.
pub(super) fn service_metadata(inside: &Inside) -> io::Result<u32> {
    let mut folders = vec!["repository/deployment/server/servicemetafiles".to_owned()];
    let tenants = inside.names("repository/tenants")?;
    folders.extend(
        tenants
            .iter()
            .map(|tenant| format!("repository/tenants/{tenant}/servicemetafiles")),
    );
    let mut count: usize = 0;
    for folder in folders {
        match inside.files_below(&folder) {
            Ok(found) => count += found.files.len(),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {}
            Err(error) => return Err(error),
        }
    }
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}
