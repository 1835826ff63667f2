//! Rows of an RSS database of 1.0.3, and what becomes of them.

/// Rows of 1.0.3, in SQL that both engines take: three servers of the product's own and two of a tenant's; users
/// of the product's servers once per server, one of them of a server that is gone.
pub(crate) const ROWS: &str = "
INSERT INTO RM_SERVER_INSTANCE (ID, NAME, SERVER_URL, DBMS_TYPE, INSTANCE_TYPE, SERVER_CATEGORY, ADMIN_USERNAME,
    ADMIN_PASSWORD, TENANT_ID) VALUES
    (2, 'RSS1', 'jdbc:mysql://one:3306', 'MYSQL', 'WSO2_RSS', 'LOCAL', 'root', 'x', -1234),
    (3, 'RSS2', 'jdbc:mysql://two:3306', 'MYSQL', 'WSO2_RSS', 'LOCAL', 'root', 'x', -1234),
    (5, 'RSS3', 'jdbc:mysql://three:3306', 'MYSQL', 'WSO2_RSS', 'RDS', 'root', 'x', -1234),
    (8, 'own', 'jdbc:mysql://own:3306', 'MYSQL', 'USER_DEFINED', 'LOCAL', NULL, NULL, 1),
    (9, 'own', 'jdbc:mysql://other:3306', 'MYSQL', 'USER_DEFINED', 'LOCAL', 'admin', 'y', 2);
INSERT INTO RM_DATABASE (ID, NAME, RSS_INSTANCE_ID, TYPE, TENANT_ID) VALUES
    (1, 'shop_one', 2, 'WSO2_RSS', 1), (4, 'blog_one', 5, 'WSO2_RSS', 1), (6, 'shop_one', 3, 'WSO2_RSS', 2),
    (7, 'private', 8, 'USER_DEFINED', 1), (11, 'empty', 2, 'WSO2_RSS', 1);
INSERT INTO RM_DATABASE_USER (ID, USERNAME, RSS_INSTANCE_ID, TYPE, TENANT_ID) VALUES
    (10, 'jane_one', 2, 'WSO2_RSS', 1), (11, 'jane_one', 3, 'WSO2_RSS', 1), (12, 'jane_one', 5, 'WSO2_RSS', 1),
    (13, 'jane_one', 3, 'WSO2_RSS', 2), (21, 'john_one', 5, 'WSO2_RSS', 1), (20, 'john_one', 2, 'WSO2_RSS', 1),
    (30, 'mine', 8, 'USER_DEFINED', 1), (31, 'left', 77, 'USER_DEFINED', 1);
INSERT INTO RM_USER_DATABASE_ENTRY (ID, DATABASE_USER_ID, DATABASE_ID) VALUES
    (1, 10, 1), (2, 12, 4), (3, 13, 6), (5, 21, 4), (6, 20, 1), (9, 30, 7);
INSERT INTO RM_SYSTEM_DATABASE_COUNT (COUNT) VALUES (4);
INSERT INTO RM_DB_PRIVILEGE_TEMPLATE (ID, NAME, TENANT_ID) VALUES (1, 'all', 1), (2, 'all', 2), (4, 'read', 1);
";

/// Tables with one column per privilege, their first columns and the rows those are filled with.
pub(crate) const PRIVILEGES: [(&str, &str, &[&str]); 2] = [
    (
        "RM_USER_DATABASE_PRIVILEGE",
        "ID, USER_DATABASE_ENTRY_ID",
        &["1, 1", "2, 2", "4, 3", "5, 5", "6, 6", "8, 9"],
    ),
    (
        "RM_DB_PRIVILEGE_TEMPLATE_ENTRY",
        "ID, TEMPLATE_ID",
        &["1, 1", "3, 2", "4, 4"],
    ),
];

pub(crate) const PRIVILEGE_NAMES: &str = "SELECT INSERT UPDATE DELETE CREATE DROP GRANT REFERENCES INDEX ALTER \
     CREATE_TMP_TABLE LOCK_TABLES CREATE_VIEW SHOW_VIEW CREATE_ROUTINE ALTER_ROUTINE EXECUTE EVENT TRIGGER";

/// What the rows say in both versions.
pub(crate) const KEPT: [(&str, &str); 7] = [
    (
        "servers",
        "SELECT ID, NAME, SERVER_URL, DBMS_TYPE, REPLACE(INSTANCE_TYPE, 'WSO2_RSS', 'SYSTEM'), SERVER_CATEGORY, \
         COALESCE(ADMIN_USERNAME, '-'), COALESCE(ADMIN_PASSWORD, '-'), TENANT_ID FROM RM_SERVER_INSTANCE ORDER BY 1",
    ),
    (
        "databases",
        "SELECT ID, NAME, RSS_INSTANCE_ID, REPLACE(TYPE, 'WSO2_RSS', 'SYSTEM'), TENANT_ID FROM RM_DATABASE ORDER BY 1",
    ),
    (
        "users",
        "SELECT DISTINCT USERNAME, REPLACE(TYPE, 'WSO2_RSS', 'SYSTEM'), TENANT_ID FROM RM_DATABASE_USER ORDER BY 1, 3",
    ),
    (
        "entries",
        "SELECT E.ID, U.USERNAME, U.TENANT_ID, E.DATABASE_ID FROM RM_USER_DATABASE_ENTRY E \
         JOIN RM_DATABASE_USER U ON U.ID = E.DATABASE_USER_ID ORDER BY 1",
    ),
    (
        "privileges",
        "SELECT ID, USER_DATABASE_ENTRY_ID, {PRIVILEGES} FROM RM_USER_DATABASE_PRIVILEGE ORDER BY 1",
    ),
    (
        "templates",
        "SELECT ID, NAME, TENANT_ID FROM RM_DB_PRIVILEGE_TEMPLATE ORDER BY 1",
    ),
    (
        "template entries",
        "SELECT ID, TEMPLATE_ID, {PRIVILEGES} FROM RM_DB_PRIVILEGE_TEMPLATE_ENTRY ORDER BY 1",
    ),
];

/// What the migration makes of the rows, the same on both engines.
pub(crate) const MADE: [(&str, &str); 6] = [
    ("SELECT ID, NAME FROM RM_ENVIRONMENT", "1\tDEFAULT"),
    (
        "SELECT DISTINCT ENVIRONMENT_ID, INSTANCE_TYPE FROM RM_SERVER_INSTANCE ORDER BY 2",
        "1\tSYSTEM\n1\tUSER_DEFINED",
    ),
    (
        "SELECT ID, USERNAME, ENVIRONMENT_ID, TYPE, TENANT_ID FROM RM_DATABASE_USER ORDER BY 1",
        "10\tjane_one\t1\tSYSTEM\t1\n13\tjane_one\t1\tSYSTEM\t2\n20\tjohn_one\t1\tSYSTEM\t1\n\
         30\tmine\t1\tUSER_DEFINED\t1\n31\tleft\t1\tUSER_DEFINED\t1",
    ),
    (
        "SELECT DATABASE_USER_ID, RSS_INSTANCE_ID FROM RM_USER_INSTANCE_ENTRY ORDER BY 1, 2",
        "10\t2\n10\t3\n10\t5\n13\t3\n20\t2\n20\t5\n30\t8",
    ),
    (
        "SELECT ID, ENVIRONMENT_ID, COUNT FROM RM_SYSTEM_DATABASE_COUNT",
        "1\t1\t4",
    ),
    (
        "SELECT ID, ENVIRONMENT_ID FROM RM_DB_PRIVILEGE_TEMPLATE ORDER BY 1",
        "1\t1\n2\t1\n4\t1",
    ),
];
