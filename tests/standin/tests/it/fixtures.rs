//! The SQL fixtures do the same on both engines.

use std::collections::BTreeMap;

use anyhow::Result;
use carbon_standin::fixtures;

use crate::harness::Engine;

fn tables(engine: &Engine) -> Result<Vec<String>> {
    let schema = if matches!(engine, Engine::Maria(_)) {
        "carbon"
    } else {
        "public"
    };
    let sql =
        format!("SELECT UPPER(table_name) FROM information_schema.tables WHERE table_schema = '{schema}'");
    Ok(engine.sql(&sql)?.lines().map(str::to_owned).collect())
}

fn counts(engine: &Engine) -> Result<BTreeMap<String, u64>> {
    let count = |table: String| {
        Ok((
            table.clone(),
            engine.number(&format!("SELECT COUNT(*) FROM {table}"))?,
        ))
    };
    tables(engine)?.into_iter().map(count).collect()
}

#[test]
fn both_engines_hold_the_same_rows() -> Result<()> {
    let (maria, postgres) = (Engine::maria(false)?, Engine::postgres(false)?);
    let (left, right) = (counts(&maria)?, counts(&postgres)?);
    assert_eq!(left, right);
    assert_eq!(left.len(), 32);
    assert_eq!(left.get("UM_TENANT"), Some(&5));
    assert!(
        left.get("REG_RESOURCE_PROPERTY").copied().unwrap_or(0)
            > left.get("REG_PROPERTY").copied().unwrap_or(0)
    );
    let digest = |sql: [&str; 2]| Ok::<_, anyhow::Error>((maria.sql(sql[0])?, postgres.sql(sql[1])?));
    let (left, right) = digest([
        "SELECT LENGTH(REG_CONTENT_DATA), MD5(REG_CONTENT_DATA) FROM REG_CONTENT WHERE REG_CONTENT_DATA IS NOT NULL \
         ORDER BY REG_CONTENT_ID",
        "SELECT LENGTH(REG_CONTENT_DATA), MD5(REG_CONTENT_DATA) FROM REG_CONTENT WHERE REG_CONTENT_DATA IS NOT NULL \
         ORDER BY REG_CONTENT_ID",
    ])?;
    assert_eq!(left, right);
    let (left, right) = digest(["SELECT UM_USER_NAME, UM_USER_PASSWORD FROM UM_USER ORDER BY UM_ID"; 2])?;
    assert_eq!(left.replace("\\\\", "\\"), right);
    Ok(())
}

#[test]
fn the_migration_fills_domains_and_forgets_hybrid_roles() -> Result<()> {
    // UM_CLAIM_BEHAVIOR goes on MySQL only.
    for (engine, expected) in [(Engine::maria(true)?, 39), (Engine::postgres(true)?, 40)] {
        assert_eq!(tables(&engine)?.len(), expected);
        assert_eq!(engine.number("SELECT COUNT(*) FROM UM_DOMAIN")?, 3 * (1 + 5));
        assert_eq!(
            engine.number("SELECT COUNT(*) FROM UM_ROLE_PERMISSION WHERE UM_DOMAIN_ID IS NULL")?,
            0
        );
        let wrong = "SELECT COUNT(*) FROM UM_ROLE_PERMISSION p JOIN UM_DOMAIN d ON d.UM_DOMAIN_ID = p.UM_DOMAIN_ID \
                     WHERE d.UM_TENANT_ID <> p.UM_TENANT_ID OR d.UM_DOMAIN_NAME <> CASE p.UM_ROLE_NAME \
                     WHEN 'everyone' THEN 'INTERNAL' WHEN 'wso2.anonymous.role' THEN 'SYSTEM' ELSE 'PRIMARY' END";
        assert_eq!(engine.number(wrong)?, 0);
        assert!(engine.number("SELECT COUNT(*) FROM UM_HYBRID_USER_ROLE WHERE UM_DOMAIN_ID IS NULL")? > 0);
        let again = match &engine {
            Engine::Maria(server) => server.sql("carbon", fixtures::MIGRATION_MYSQL),
            Engine::Postgres(server) => server.sql("carbon", fixtures::MIGRATION_POSTGRES),
        };
        let error = again.expect_err("a second run fails").to_string().to_lowercase();
        assert!(
            error.contains("um_domain") && error.contains("already exists"),
            "{error}"
        );
    }
    Ok(())
}
