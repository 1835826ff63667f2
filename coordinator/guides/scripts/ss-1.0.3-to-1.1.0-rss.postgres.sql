-- RSS database of Storage Server 1.0.3 to that of 1.1.0, for PostgreSQL.
--
-- Written for Cutover from the difference between the two versions' own schemas; the vendor's migration is not to be
-- had any more. 1.0.3 shipped its schema for MySQL and H2 only. This script assumes that a site made the PostgreSQL
-- one from it as Carbon's own scripts do: the same tables, columns and keys, ids numbered by a sequence in the
-- column's default (of whatever name, or SERIAL), privileges as any type that can be read as text.
--
-- * 1.1.0 groups servers, templates and users by environment. Everything that exists goes into one, DEFAULT, which
--   is the one in 1.1.0's own rss-config.xml.
-- * 1.0.3 writes a user of its own servers once per server; 1.1.0 has one row per name, tenant and environment, and
--   the servers in RM_USER_INSTANCE_ENTRY. The row with the lowest id stays, and the others' databases become its
--   own. A user of a server that is gone stays a user, of no server.
-- * 1.0.3 calls its own servers WSO2_RSS, 1.1.0 calls them SYSTEM and looks for that.
-- * VERSION counts the changes of a row and starts at 1.
-- * Two statements at the start fail when 1.1.0 cannot hold what the tables say. A person must decide then; their
--   first lines say about what.
-- * Old keys and sequences are found in the catalog. New keys carry no names beyond those 1.1.0 gives, so that they
--   get the names a fresh 1.1.0 schema has.
-- * 1.1.0 counts its ids in tables of its own (DATABASE_USER_SEQUENCE_TABLE and others), which it makes at its first
--   start and which no script of its distribution holds. They are made by ss-1.1.0-rss-ids.postgres.sql,
--   to be run after this one.
-- * Every statement can run in one transaction, and is meant to.
-- * It cannot be run twice: CREATE TABLE RM_ENVIRONMENT fails when the table exists.

SELECT /* USERS OF BOTH TYPES SHARE A NAME IN ONE TENANT: rename one of them */
    N.USERNAME, N.TENANT_ID,
    (SELECT DISTINCT U.TYPE FROM RM_DATABASE_USER U
        WHERE U.USERNAME = N.USERNAME AND U.TENANT_ID = N.TENANT_ID) AS TYPE
FROM (SELECT DISTINCT USERNAME, TENANT_ID FROM RM_DATABASE_USER) N;

SELECT /* A DATABASE HAS A USER OF ONE NAME TWICE: remove one RM_USER_DATABASE_ENTRY */
    N.DATABASE_ID, N.USERNAME, N.TENANT_ID,
    (SELECT E.ID FROM RM_USER_DATABASE_ENTRY E JOIN RM_DATABASE_USER U ON U.ID = E.DATABASE_USER_ID
        WHERE E.DATABASE_ID = N.DATABASE_ID AND U.USERNAME = N.USERNAME AND U.TENANT_ID = N.TENANT_ID) AS ENTRY_ID
FROM (SELECT DISTINCT E.DATABASE_ID, U.USERNAME, U.TENANT_ID
    FROM RM_USER_DATABASE_ENTRY E JOIN RM_DATABASE_USER U ON U.ID = E.DATABASE_USER_ID) N;

CREATE TABLE RM_ENVIRONMENT (
    ID INTEGER NOT NULL,
    VERSION INTEGER NOT NULL,
    NAME VARCHAR(128) NOT NULL,
    PRIMARY KEY (ID),
    UNIQUE (NAME)
);
INSERT INTO RM_ENVIRONMENT (ID, VERSION, NAME) VALUES (1, 1, 'DEFAULT');

UPDATE RM_SERVER_INSTANCE SET INSTANCE_TYPE = 'SYSTEM' WHERE INSTANCE_TYPE = 'WSO2_RSS';
UPDATE RM_DATABASE SET TYPE = 'SYSTEM' WHERE TYPE = 'WSO2_RSS';
UPDATE RM_DATABASE_USER SET TYPE = 'SYSTEM' WHERE TYPE = 'WSO2_RSS';

-- Foreign keys come back with CASCADE, unique keys with an environment.
DO $$
DECLARE
    found RECORD;
BEGIN
    FOR found IN
        SELECT k.conrelid::regclass AS relation, k.conname AS name FROM pg_catalog.pg_constraint k
        WHERE (k.contype = 'f' AND k.conrelid IN ('RM_DATABASE'::regclass, 'RM_USER_DATABASE_ENTRY'::regclass,
                'RM_USER_DATABASE_PRIVILEGE'::regclass, 'RM_DB_PRIVILEGE_TEMPLATE_ENTRY'::regclass))
            OR (k.contype = 'u' AND k.conrelid IN ('RM_SERVER_INSTANCE'::regclass,
                    'RM_DATABASE_USER'::regclass, 'RM_DB_PRIVILEGE_TEMPLATE'::regclass)
                AND (SELECT string_agg(a.attname, ',' ORDER BY a.attname) FROM pg_catalog.pg_attribute a
                        WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey))
                    IN ('name,tenant_id', 'rss_instance_id,tenant_id,username'))
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', found.relation, found.name);
    END LOOP;
END
$$;

-- Ids are given by the product from now on.
DO $$
DECLARE
    found RECORD;
BEGIN
    FOR found IN
        SELECT d.adrelid::regclass AS relation, s.oid::regclass AS numbers
        FROM pg_catalog.pg_attrdef d
        JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum AND a.attname = 'id'
        LEFT JOIN (pg_catalog.pg_depend p JOIN pg_catalog.pg_class s ON s.oid = p.refobjid AND s.relkind = 'S')
            ON p.classid = 'pg_catalog.pg_attrdef'::regclass AND p.objid = d.oid
                AND p.refclassid = 'pg_catalog.pg_class'::regclass
        WHERE d.adrelid IN ('RM_SERVER_INSTANCE'::regclass, 'RM_DATABASE'::regclass, 'RM_DATABASE_USER'::regclass,
            'RM_USER_DATABASE_ENTRY'::regclass, 'RM_USER_DATABASE_PRIVILEGE'::regclass,
            'RM_DB_PRIVILEGE_TEMPLATE'::regclass, 'RM_DB_PRIVILEGE_TEMPLATE_ENTRY'::regclass)
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN ID DROP DEFAULT', found.relation);
        IF found.numbers IS NOT NULL THEN
            EXECUTE format('DROP SEQUENCE %s', found.numbers);
        END IF;
    END LOOP;
END
$$;

-- 1.0.3 has no type of its own for a privilege here, 1.1.0 has VARCHAR(15).
DO $$
DECLARE
    found RECORD;
BEGIN
    FOR found IN
        SELECT a.attrelid::regclass AS relation, a.attname AS name FROM pg_catalog.pg_attribute a
        WHERE a.attrelid IN ('RM_USER_DATABASE_PRIVILEGE'::regclass, 'RM_DB_PRIVILEGE_TEMPLATE_ENTRY'::regclass)
            AND a.attnum > 0 AND NOT a.attisdropped AND a.attname LIKE '%\_priv'
            AND format_type(a.atttypid, a.atttypmod) <> 'character varying(15)'
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I TYPE VARCHAR(15) USING %I::text',
            found.relation, found.name, found.name);
    END LOOP;
END
$$;

-- A default puts the existing rows into the environment and at their first version, then goes.
ALTER TABLE RM_SERVER_INSTANCE
    ADD COLUMN VERSION INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN ENVIRONMENT_ID INTEGER NOT NULL DEFAULT 1;
ALTER TABLE RM_SERVER_INSTANCE
    ALTER COLUMN VERSION DROP DEFAULT,
    ALTER COLUMN ENVIRONMENT_ID DROP DEFAULT,
    ADD UNIQUE (NAME, ENVIRONMENT_ID, TENANT_ID),
    ADD FOREIGN KEY (ENVIRONMENT_ID) REFERENCES RM_ENVIRONMENT (ID) ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE RM_DATABASE ADD COLUMN VERSION INTEGER NOT NULL DEFAULT 1;
ALTER TABLE RM_DATABASE
    ALTER COLUMN VERSION DROP DEFAULT,
    ADD FOREIGN KEY (RSS_INSTANCE_ID) REFERENCES RM_SERVER_INSTANCE (ID) ON DELETE CASCADE ON UPDATE CASCADE;

CREATE TABLE RM_USER_INSTANCE_ENTRY (
    RSS_INSTANCE_ID INTEGER NOT NULL,
    DATABASE_USER_ID INTEGER NOT NULL,
    PRIMARY KEY (RSS_INSTANCE_ID, DATABASE_USER_ID),
    CONSTRAINT fkUserInstanceEntryDBId FOREIGN KEY (DATABASE_USER_ID) REFERENCES RM_DATABASE_USER (ID)
        ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT fkUserInstanceEntryInstanceId FOREIGN KEY (RSS_INSTANCE_ID) REFERENCES RM_SERVER_INSTANCE (ID)
        ON DELETE CASCADE ON UPDATE CASCADE
);
INSERT INTO RM_USER_INSTANCE_ENTRY (RSS_INSTANCE_ID, DATABASE_USER_ID)
    SELECT S.ID, K.ID FROM RM_DATABASE_USER U
    JOIN (SELECT MIN(ID) AS ID, USERNAME, TENANT_ID FROM RM_DATABASE_USER GROUP BY USERNAME, TENANT_ID) K
        ON K.USERNAME = U.USERNAME AND K.TENANT_ID = U.TENANT_ID
    JOIN RM_SERVER_INSTANCE S ON S.ID = U.RSS_INSTANCE_ID;
UPDATE RM_USER_DATABASE_ENTRY SET DATABASE_USER_ID = K.ID
    FROM RM_DATABASE_USER U
    JOIN (SELECT MIN(ID) AS ID, USERNAME, TENANT_ID FROM RM_DATABASE_USER GROUP BY USERNAME, TENANT_ID) K
        ON K.USERNAME = U.USERNAME AND K.TENANT_ID = U.TENANT_ID
    WHERE U.ID = RM_USER_DATABASE_ENTRY.DATABASE_USER_ID AND U.ID <> K.ID;
DELETE FROM RM_DATABASE_USER U
    USING (SELECT MIN(ID) AS ID, USERNAME, TENANT_ID FROM RM_DATABASE_USER GROUP BY USERNAME, TENANT_ID) K
    WHERE K.USERNAME = U.USERNAME AND K.TENANT_ID = U.TENANT_ID AND U.ID <> K.ID;
ALTER TABLE RM_DATABASE_USER
    DROP COLUMN RSS_INSTANCE_ID,
    ADD COLUMN VERSION INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN ENVIRONMENT_ID INTEGER NOT NULL DEFAULT 1;
ALTER TABLE RM_DATABASE_USER
    ALTER COLUMN VERSION DROP DEFAULT,
    ALTER COLUMN ENVIRONMENT_ID DROP DEFAULT,
    ADD UNIQUE (USERNAME, TENANT_ID, ENVIRONMENT_ID);

ALTER TABLE RM_USER_DATABASE_ENTRY ADD COLUMN VERSION INTEGER NOT NULL DEFAULT 1;
ALTER TABLE RM_USER_DATABASE_ENTRY
    ALTER COLUMN VERSION DROP DEFAULT,
    ADD FOREIGN KEY (DATABASE_USER_ID) REFERENCES RM_DATABASE_USER (ID) ON DELETE CASCADE ON UPDATE CASCADE,
    ADD FOREIGN KEY (DATABASE_ID) REFERENCES RM_DATABASE (ID) ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE RM_USER_DATABASE_PRIVILEGE ADD COLUMN VERSION INTEGER NOT NULL DEFAULT 1;
ALTER TABLE RM_USER_DATABASE_PRIVILEGE
    ALTER COLUMN VERSION DROP DEFAULT,
    ADD FOREIGN KEY (USER_DATABASE_ENTRY_ID) REFERENCES RM_USER_DATABASE_ENTRY (ID)
        ON DELETE CASCADE ON UPDATE CASCADE;

-- The count had no id; its rows, usually one, are numbered.
ALTER TABLE RM_SYSTEM_DATABASE_COUNT
    ADD COLUMN ID INTEGER,
    ADD COLUMN VERSION INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN ENVIRONMENT_ID INTEGER NOT NULL DEFAULT 1;
UPDATE RM_SYSTEM_DATABASE_COUNT SET ID = N.NUMBER
    FROM (SELECT ctid AS PLACE, ROW_NUMBER() OVER () AS NUMBER FROM RM_SYSTEM_DATABASE_COUNT) N
    WHERE N.PLACE = RM_SYSTEM_DATABASE_COUNT.ctid;
ALTER TABLE RM_SYSTEM_DATABASE_COUNT
    ALTER COLUMN VERSION DROP DEFAULT,
    ALTER COLUMN ENVIRONMENT_ID DROP DEFAULT,
    ADD PRIMARY KEY (ID),
    ADD FOREIGN KEY (ENVIRONMENT_ID) REFERENCES RM_ENVIRONMENT (ID);

ALTER TABLE RM_DB_PRIVILEGE_TEMPLATE
    ADD COLUMN VERSION INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN ENVIRONMENT_ID INTEGER NOT NULL DEFAULT 1;
ALTER TABLE RM_DB_PRIVILEGE_TEMPLATE
    ALTER COLUMN VERSION DROP DEFAULT,
    ALTER COLUMN ENVIRONMENT_ID DROP DEFAULT,
    ADD UNIQUE (ENVIRONMENT_ID, NAME, TENANT_ID),
    ADD FOREIGN KEY (ENVIRONMENT_ID) REFERENCES RM_ENVIRONMENT (ID) ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE RM_DB_PRIVILEGE_TEMPLATE_ENTRY ADD COLUMN VERSION INTEGER NOT NULL DEFAULT 1;
ALTER TABLE RM_DB_PRIVILEGE_TEMPLATE_ENTRY
    ALTER COLUMN VERSION DROP DEFAULT,
    ADD FOREIGN KEY (TEMPLATE_ID) REFERENCES RM_DB_PRIVILEGE_TEMPLATE (ID) ON DELETE CASCADE ON UPDATE CASCADE;
