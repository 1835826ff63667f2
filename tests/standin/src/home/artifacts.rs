//! Everything beside `bin` and `conf`: plugins, libraries, deployed artifacts, tenants, keystores.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::{HomeSpec, put};
use crate::server::Identity;

const SERVER: &str = "repository/deployment/server";
const METADATA: &str = "<serviceGroup name=\"Billing\"><service name=\"Billing\"/></serviceGroup>\n";

pub(super) fn write(home: &Path, spec: &HomeSpec) -> Result<()> {
    for folder in [
        "axis2services",
        "axis2modules",
        "dataservices",
        "webapps",
        "carbonapps",
        "jaggeryapps",
        "userstores",
    ] {
        make_dir(home, &format!("{SERVER}/{folder}"))?;
    }
    for folder in ["dropins", "extensions", "patches", "servicepacks"] {
        make_dir(home, &format!("repository/components/{folder}"))?;
    }
    for folder in [
        "repository/logs",
        "repository/database",
        "repository/tenants",
        "tmp",
        "solr",
    ] {
        make_dir(home, folder)?;
    }
    shipped(home, spec)?;
    product(home, spec)?;
    keystores(home)?;
    if spec.is_site() {
        site(home, spec)?;
    }
    spec.tenants
        .iter()
        .try_for_each(|&tenant| tenant_files(home, spec, tenant))
}

/// What the product brings; an older one has other content under the same names.
fn shipped(home: &Path, spec: &HomeSpec) -> Result<()> {
    let (kernel, version) = (&spec.kernel, &spec.version);
    let plugins = "repository/components/plugins";
    put(
        home,
        &format!("{plugins}/org.wso2.carbon.core_{kernel}.jar"),
        format!("core {kernel}\n"),
    )?;
    put(
        home,
        &format!("{plugins}/org.wso2.carbon.user.core_{kernel}.jar"),
        format!("user core {kernel}\n"),
    )?;
    put(
        home,
        "repository/components/lib/README.txt",
        "Put JDBC drivers here.\n",
    )?;
    for module in ["addressing", "rampart", "throttle"] {
        put(
            home,
            &format!("{SERVER}/axis2modules/{module}.mar"),
            format!("{module} of {kernel}\n"),
        )?;
    }
    for service in ["Echo", "Version"] {
        put(
            home,
            &format!("{SERVER}/axis2services/{service}.aar"),
            format!("{service} of {version}\n"),
        )?;
    }
    put(
        home,
        &format!("{SERVER}/webapps/STRATOS_ROOT/index.html"),
        format!("<p>{version}</p>\n"),
    )?;
    put(
        home,
        "repository/resources/allservices.xsl",
        format!("<!-- {version} -->\n"),
    )
}

/// What only this product has.
fn product(home: &Path, spec: &HomeSpec) -> Result<()> {
    if spec.is_storage() {
        // Its users lie in the embedded directory as it is shipped.
        put(
            home,
            "repository/data/org.wso2.carbon.directory/wso2.org/master.db",
            format!("directory of {}\n", spec.version),
        )?;
    }
    if spec.key() == "AS" {
        put(
            home,
            &format!("{SERVER}/webapps/example.war"),
            format!("example of {}\n", spec.version),
        )?;
        make_dir(home, &format!("{SERVER}/servicemetafiles"))?;
        if spec.is_site() {
            put(home, &format!("{SERVER}/servicemetafiles/Billing.xml"), METADATA)?;
        }
    }
    Ok(())
}

/// Every home has its own key: what one home's keystore encrypts, another's cannot read.
fn keystores(home: &Path) -> Result<()> {
    let security = "repository/resources/security";
    let identity = Identity::generate()?;
    put(home, &format!("{security}/wso2carbon.jks"), identity.to_pem())?;
    put(
        home,
        &format!("{security}/client-truststore.jks"),
        identity.certificate_pem(),
    )
}

/// What a site adds over the years.
fn site(home: &Path, spec: &HomeSpec) -> Result<()> {
    let url = spec
        .database
        .as_ref()
        .map_or("", |database| database.url.as_str());
    let jar = if url.contains("postgresql") {
        "postgresql-9.1-903.jdbc4.jar"
    } else {
        "mysql-connector-java-5.1.29-bin.jar"
    };
    put(home, &format!("repository/components/lib/{jar}"), "driver\n")?;
    put(
        home,
        "repository/components/dropins/com.example.audit_1.0.0.jar",
        "audit\n",
    )?;
    put(
        home,
        &format!("{SERVER}/dataservices/orders.dbs"),
        "<data name=\"orders\"/>\n",
    )?;
    put(
        home,
        &format!("{SERVER}/dataservices/Kundenübersicht.dbs"),
        "<data name=\"customers\"/>\n",
    )?;
    put(
        home,
        &format!("{SERVER}/dataservices/orders_services.xml"),
        "<serviceGroup/>\n",
    )?;
    put(
        home,
        &format!("{SERVER}/axis2services/Billing.aar"),
        [0_u8, 159, 146, 150, 255],
    )?;
    put(home, &format!("{SERVER}/webapps/portal.war"), "portal\n")?;
    put(
        home,
        &format!("{SERVER}/webapps/portal/WEB-INF/lib/helper.jar"),
        "helper\n",
    )?;
    put(
        home,
        &format!("{SERVER}/carbonapps/reports_1.0.0.car"),
        "reports\n",
    )?;
    put(
        home,
        "repository/logs/http_access_2014-01-31.log",
        "127.0.0.1 - - \"GET /carbon/\"\n",
    )
}

fn tenant_files(home: &Path, spec: &HomeSpec, tenant: i32) -> Result<()> {
    let folder = format!("repository/tenants/{tenant}");
    if spec.key() == "AS" {
        put(home, &format!("{folder}/servicemetafiles/Shop.xml"), METADATA)?;
    }
    put(
        home,
        &format!("{folder}/dataservices/tenant{tenant}.dbs"),
        format!("<data name=\"t{tenant}\"/>\n"),
    )?;
    put(
        home,
        &format!("{folder}/webapps/shop.war"),
        format!("shop of {tenant}\n"),
    )?;
    make_dir(home, &format!("{folder}/axis2services"))?;
    make_dir(home, &format!("{folder}/userstores"))
}

fn make_dir(home: &Path, path: &str) -> Result<()> {
    fs::create_dir_all(home.join(path)).with_context(|| format!("create {path}"))
}
