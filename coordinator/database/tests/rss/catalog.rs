//! What the catalogs say of a schema.

pub(crate) const MYSQL_CATALOG: [(&str, &str); 5] = [
    (
        "tables",
        "SELECT TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_COLLATION, AUTO_INCREMENT FROM information_schema.TABLES \
         WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1",
    ),
    (
        "columns",
        "SELECT TABLE_NAME, ORDINAL_POSITION, COLUMN_NAME, COLUMN_TYPE, COLLATION_NAME, IS_NULLABLE, COLUMN_DEFAULT, \
         COLUMN_KEY, EXTRA FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1, 2",
    ),
    (
        "indexes",
        "SELECT TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME, NON_UNIQUE, SUB_PART, INDEX_TYPE \
         FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1, 2, 3",
    ),
    (
        "constraints",
        "SELECT TABLE_NAME, CONSTRAINT_NAME, CONSTRAINT_TYPE FROM information_schema.TABLE_CONSTRAINTS \
         WHERE CONSTRAINT_SCHEMA = DATABASE() ORDER BY 1, 2",
    ),
    (
        "foreign keys",
        "SELECT K.TABLE_NAME, K.CONSTRAINT_NAME, K.ORDINAL_POSITION, K.COLUMN_NAME, K.REFERENCED_TABLE_NAME, \
         K.REFERENCED_COLUMN_NAME, R.UPDATE_RULE, R.DELETE_RULE, R.UNIQUE_CONSTRAINT_NAME \
         FROM information_schema.KEY_COLUMN_USAGE K JOIN information_schema.REFERENTIAL_CONSTRAINTS R \
         ON R.CONSTRAINT_SCHEMA = K.CONSTRAINT_SCHEMA AND R.TABLE_NAME = K.TABLE_NAME \
         AND R.CONSTRAINT_NAME = K.CONSTRAINT_NAME WHERE K.CONSTRAINT_SCHEMA = DATABASE() ORDER BY 1, 2, 3",
    ),
];

/// Everything but the order of columns, which PostgreSQL cannot change.
pub(crate) const POSTGRES_CATALOG: [(&str, &str); 4] = [
    (
        "columns",
        "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default \
         FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2",
    ),
    (
        "constraints",
        "SELECT conrelid::regclass::text, conname, contype, condeferrable, pg_get_constraintdef(oid) \
         FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2",
    ),
    (
        "indexes",
        "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2",
    ),
    (
        "relations",
        "SELECT relname, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1",
    ),
];
