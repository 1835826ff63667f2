//! Values in the configuration files of a home.

use cutover_files::Root;
use cutover_proto::facts::DatasourceFacts;
use cutover_xmledit::{Document, Path};

use crate::fault::chain;
use crate::service::log;

/// Where Carbon looks for data sources; it loads every file of this form.
const DATASOURCES: &str = "repository/conf/datasources";

/// Reads a configuration file beneath a home. `None` when it is not there.
///
/// # Errors
/// Why it can't be read, in words that hold no value of it.
pub fn document(home: &Root, file: &str) -> Result<Option<Document>, String> {
    match home.exists(file) {
        Ok(true) => {}
        Ok(false) => return Ok(None),
        Err(error) => return Err(format!("{file}: {}", chain(&error))),
    }
    let bytes = home
        .read(file)
        .map_err(|error| format!("{file}: {}", chain(&error)))?;
    let document = Document::parse(&bytes).map_err(|error| format!("{file}: {}", chain(&error)))?;
    Ok(Some(document))
}

/// The one value at a path; none when it is missing, empty or not one.
#[must_use]
pub fn text(document: &Document, path: &str) -> Option<String> {
    let path: Path = path.parse().ok()?;
    let text = document.text(&path).ok()??;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The one value at a path, or why there is none.
pub(super) fn one(document: &Document, path: &str) -> Result<String, String> {
    let found = path
        .parse::<Path>()
        .map(|path| document.count(&path))
        .unwrap_or(0);
    match found {
        0 => Err("is missing".to_owned()),
        1 => text(document, path).ok_or_else(|| "has no value".to_owned()),
        several => Err(format!("is there {several} times")),
    }
}

/// The JDBC URLs at a path, without passwords.
pub(super) fn inline(document: &Document, path: &str) -> Vec<String> {
    values(document, path)
        .iter()
        .map(|url| without_password(url))
        .collect()
}

/// Every value at a path that is not empty.
pub(super) fn values(document: &Document, path: &str) -> Vec<String> {
    let leaves = path
        .parse::<Path>()
        .map(|path| document.all(&path))
        .unwrap_or_default();
    leaves
        .into_iter()
        .filter_map(|leaf| Some(leaf.value.ok()?.trim().to_owned()))
        .filter(|value| !value.is_empty())
        .collect()
}

/// The first value at a path: of several connectors the first one counts.
#[must_use]
pub fn first(document: &Document, path: &str) -> Option<String> {
    let path: Path = path.parse().ok()?;
    let leaf = document.all(&path).into_iter().next()?;
    leaf.value.ok().map(|value| value.trim().to_owned())
}

/// Every data source of the home; what can't be read goes to `problems`.
pub(super) fn datasources(home: &Root, problems: &mut Vec<String>) -> Vec<DatasourceFacts> {
    let mut found = Vec::new();
    for file in datasource_files(home) {
        match document(home, &file) {
            Ok(Some(document)) => found.extend(datasources_in(&file, &document)),
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
    }
    found
}

fn datasource_files(home: &Root) -> Vec<String> {
    let Ok(folder) = home.sub(DATASOURCES) else {
        return Vec::new();
    };
    let entries = folder.dir().entries().into_iter().flatten().flatten();
    let mut files: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.ends_with("-datasources.xml"))
        .map(|name| format!("{DATASOURCES}/{name}"))
        .collect();
    files.sort();
    files
}

fn datasources_in(file: &str, document: &Document) -> Vec<DatasourceFacts> {
    let Ok(names) = "/datasources-configuration/datasources/datasource/name".parse::<Path>() else {
        return Vec::new();
    };
    let names = document.all(&names).into_iter();
    names
        .filter_map(|leaf| Some((leaf.path.parent()?, leaf.value.ok()?)))
        .map(|(path, name)| datasource(file, document, &path.to_string(), name.trim()))
        .collect()
}

fn datasource(file: &str, document: &Document, path: &str, name: &str) -> DatasourceFacts {
    let conf = format!("{path}/definition/configuration");
    let plain_or_xa = |plain: &str, xa: &str| {
        text(document, &format!("{conf}/{plain}"))
            .or_else(|| {
                text(
                    document,
                    &format!("{conf}/dataSourceProps/property[@name='{xa}']"),
                )
            })
            .or_else(|| {
                text(
                    document,
                    &format!("{conf}/dataSourceProps/property[@name='{}']", xa.to_uppercase()),
                )
            })
            .unwrap_or_default()
    };
    let alias = |path: String| {
        path.parse::<Path>()
            .ok()
            .and_then(|path| document.secret_alias(&path))
    };
    let driver = text(document, &format!("{conf}/driverClassName"))
        .or_else(|| text(document, &format!("{conf}/dataSourceClassName")));
    DatasourceFacts {
        file: file.to_owned(),
        name: name.to_owned(),
        jndi: text(document, &format!("{path}/jndiConfig/name")).unwrap_or_default(),
        url: without_password(&plain_or_xa("url", "url")),
        user: plain_or_xa("username", "user"),
        driver: driver.unwrap_or_default(),
        password_alias: alias(format!("{conf}/password"))
            .or_else(|| alias(format!("{conf}/dataSourceProps/property[@name='password']"))),
    }
}

/// A JDBC URL with its password masked: `?password=…`, `//user:…@host`, `oracle:thin:user/…@host`.
#[must_use]
pub fn without_password(url: &str) -> String {
    let url = log::mask(url);
    let Some((before, host)) = url.split_once('@') else {
        return url;
    };
    match before
        .strip_prefix("jdbc:oracle:")
        .and_then(|rest| rest.split_once(':'))
    {
        Some((kind, account)) if account.contains('/') => {
            let user = account.split('/').next().unwrap_or_default();
            format!("jdbc:oracle:{kind}:{user}/***@{host}")
        }
        Some(_) | None => url,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_when_it_holds_a_password_then_masked() {
        for url in [
            "jdbc:mysql://db:3306/X?user=u&password=hunter2",
            "jdbc:mysql://u:hunter2@db/X",
            "jdbc:oracle:thin:scott/hunter2@db:1521/X",
            "jdbc:sqlserver://db;databaseName=X;password=hunter2;",
        ] {
            assert!(
                !without_password(url).contains("hunter2"),
                "{}",
                without_password(url)
            );
        }
        let plain = "jdbc:mysql://db:3306/WSO2CARBON_DB?autoReconnect=true";
        assert_eq!(without_password(plain), plain);
        let plain = "jdbc:oracle:thin:@db:1521/X";
        assert_eq!(without_password(plain), plain);
    }

    #[test]
    fn datasources_when_some_are_commented_out_then_only_the_live_ones() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(DATASOURCES);
        std::fs::create_dir_all(&folder).unwrap();
        let file = r#"<datasources-configuration xmlns:svns="http://org.wso2.securevault/configuration"><datasources>
          <!--datasource><name>OFF</name></datasource-->
          <datasource><name>WSO2_CARBON_DB</name><jndiConfig><name>jdbc/WSO2CarbonDB</name></jndiConfig>
            <definition type="RDBMS"><configuration><url>jdbc:mysql://db/X?password=hunter2</url><username>dss</username>
            <password svns:secretAlias="A.B">password</password><driverClassName>com.mysql.jdbc.Driver</driverClassName>
            </configuration></definition></datasource>
          <datasource><name>XA</name><definition type="RDBMS"><configuration><dataSourceClassName>X</dataSourceClassName>
            <dataSourceProps><property name="url">jdbc:mysql://db/Y</property><property name="user">u</property>
            </dataSourceProps></configuration></definition></datasource>
        </datasources></datasources-configuration>"#;
        std::fs::write(folder.join("master-datasources.xml"), file).unwrap();
        std::fs::write(folder.join("old-datasources.xml.bak"), file).unwrap();
        std::fs::write(folder.join("bad-datasources.xml"), "<a>").unwrap();
        let mut problems = Vec::new();
        let found = datasources(&Root::open(home.path()).unwrap(), &mut problems);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0].jndi, "jdbc/WSO2CarbonDB");
        assert_eq!(found[0].password_alias.as_deref(), Some("A.B"));
        assert!(!found[0].url.contains("hunter2"));
        assert_eq!(
            (found[1].url.as_str(), found[1].user.as_str()),
            ("jdbc:mysql://db/Y", "u")
        );
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains("bad-datasources.xml"));
    }
}
