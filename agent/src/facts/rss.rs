//! The metadata database of Storage Server 1.0.3, which `rss-config.xml` names itself. Later versions name a data
//! source there.

use cutover_files::Root;
use cutover_proto::facts::DatasourceFacts;
use cutover_xmledit::{Document, Path};

use super::conf;

/// WSO2's page says the first, its product has the second.
pub(super) const PLACES: [&str; 2] = [
    "repository/conf/rss-config.xml",
    "repository/conf/etc/rss-config.xml",
];
const CONFIG: &str = "/wso2-rss/rss-mgt-repository/datasource-config";

/// The databases that either file names.
pub(super) fn databases(home: &Root, problems: &mut Vec<String>) -> Vec<DatasourceFacts> {
    let mut found = Vec::new();
    for file in PLACES {
        match conf::document(home, file) {
            Ok(Some(document)) => found.extend(database(file, &document)),
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
    }
    found
}

fn database(file: &str, document: &Document) -> Option<DatasourceFacts> {
    let property = |name: &str| {
        [name.to_owned(), name.to_uppercase()]
            .into_iter()
            .find_map(|name| {
                conf::text(
                    document,
                    &format!("{CONFIG}/dataSourceProps/property[@name='{name}']"),
                )
            })
    };
    let url = property("url")?;
    let password: Option<Path> = format!("{CONFIG}/dataSourceProps/property[@name='password']")
        .parse()
        .ok();
    Some(DatasourceFacts {
        file: file.to_owned(),
        name: "RSS metadata".to_owned(),
        jndi: String::new(),
        url: conf::without_password(&url),
        user: property("user").unwrap_or_default(),
        driver: conf::text(document, &format!("{CONFIG}/dataSourceClassName")).unwrap_or_default(),
        password_alias: password.and_then(|path| document.secret_alias(&path)),
    })
}
