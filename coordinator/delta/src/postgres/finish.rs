//! What follows the rows: sequences, and the proof of foreign keys.

use std::collections::BTreeMap;

use super::catalog::{USER_SCHEMAS, label};
use super::sql::{ident, literal};
use crate::DeltaError;
use crate::proof::ForeignKey;
use crate::session::{Session, text};

/// Sets sequences that do not stand where production's do.
pub(crate) async fn counters(production: &mut Session, staging: &mut Session) -> Result<u64, DeltaError> {
    let (here, there) = futures::try_join!(positions(production), positions(staging))?;
    let mut moved = 0;
    for ((schema, name), (last, called)) in &here {
        let sequence = label(schema, name);
        match there.get(&(schema.clone(), name.clone())) {
            Some(other) if *other == (last.clone(), called.clone()) => {}
            Some(_) => {
                let quoted = format!("{}.{}", ident(schema), ident(name));
                let sql = format!("SELECT setval({}::regclass, {last}, {called})", literal(&quoted));
                staging
                    .run(&format!("setting sequence `{sequence}`"), sql)
                    .await?;
                moved += 1;
            }
            None => {
                return Err(DeltaError::Drift {
                    production: production.label().to_owned(),
                    staging: staging.label().to_owned(),
                    differences: vec![format!("sequence `{sequence}` appeared in production")],
                });
            }
        }
    }
    Ok(moved)
}

/// Moves sequences that both sides have, and that are behind production's, on to where production's stand.
pub(crate) async fn advance(production: &mut Session, staging: &mut Session) -> Result<u64, DeltaError> {
    let (here, there) = futures::try_join!(positions(production), positions(staging))?;
    let mut moved = 0;
    for ((schema, name), (last, called)) in &here {
        let place = |(last, called): &(String, String)| Some((last.parse::<i64>().ok()?, called == "true"));
        let other = there.get(&(schema.clone(), name.clone())).and_then(place);
        let own = place(&(last.clone(), called.clone()));
        if other.is_some() && other < own {
            let quoted = format!("{}.{}", ident(schema), ident(name));
            let sql = format!("SELECT setval({}::regclass, {last}, {called})", literal(&quoted));
            let what = format!("setting sequence `{}`", label(schema, name));
            staging.run(&what, sql).await?;
            moved += 1;
        }
    }
    Ok(moved)
}

type Positions = BTreeMap<(String, String), (String, String)>;

/// Read from each sequence itself: the view pg_sequences hides the position of one that was set but not used.
async fn positions(session: &mut Session) -> Result<Positions, DeltaError> {
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND {USER_SCHEMAS} ORDER BY 1, 2"
    );
    let names = session.rows("listing the sequences", sql).await?;
    let parts: Vec<String> = names
        .iter()
        .map(|row| {
            let (schema, name) = (text(row, 0), text(row, 1));
            format!(
                "SELECT {}, {}, last_value::text, is_called::text FROM {}.{}",
                literal(&schema),
                literal(&name),
                ident(&schema),
                ident(&name)
            )
        })
        .collect();
    let mut found = Positions::new();
    for part in parts.chunks(500) {
        for row in session
            .rows("reading the sequences", part.join(" UNION ALL "))
            .await?
        {
            found.insert((text(&row, 0), text(&row, 1)), (text(&row, 2), text(&row, 3)));
        }
    }
    Ok(found)
}

pub(crate) async fn foreign_keys(session: &mut Session) -> Result<Vec<ForeignKey>, DeltaError> {
    let sql = format!(
        "SELECT k.conname::text, n.nspname::text, c.relname::text, pn.nspname::text, p.relname::text, \
           a.attname::text, b.attname::text, k.oid::text \
         FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace \
         CROSS JOIN LATERAL unnest(k.conkey, k.confkey) WITH ORDINALITY u(own, other, place) \
         JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.own \
         JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = u.other \
         WHERE k.contype = 'f' AND c.relkind = 'r' AND {USER_SCHEMAS} ORDER BY k.oid, u.place"
    );
    let mut found: Vec<(String, ForeignKey)> = Vec::new();
    for row in session.rows("listing the foreign keys", sql).await? {
        let oid = text(&row, 7);
        if found.last().is_none_or(|(last, _)| *last != oid) {
            let (schema, table) = (text(&row, 1), text(&row, 2));
            let (parent_schema, parent) = (text(&row, 3), text(&row, 4));
            found.push((
                oid,
                ForeignKey {
                    name: text(&row, 0),
                    table: label(&schema, &table),
                    parent: label(&parent_schema, &parent),
                    child: format!("{}.{}", ident(&schema), ident(&table)),
                    referred: format!("{}.{}", ident(&parent_schema), ident(&parent)),
                    columns: Vec::new(),
                },
            ));
        }
        if let Some((_, key)) = found.last_mut() {
            key.columns.push((ident(&text(&row, 5)), ident(&text(&row, 6))));
        }
    }
    Ok(found.into_iter().map(|(_, key)| key).collect())
}
