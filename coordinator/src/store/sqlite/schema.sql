CREATE TABLE IF NOT EXISTS meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS plan (
    hash TEXT NOT NULL PRIMARY KEY,
    json TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS run (
    id        TEXT NOT NULL PRIMARY KEY,
    plan_hash TEXT NOT NULL REFERENCES plan (hash),
    started   TEXT NOT NULL,
    version   INTEGER NOT NULL,
    ended     INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE IF NOT EXISTS event (
    run  TEXT NOT NULL REFERENCES run (id),
    seq  INTEGER NOT NULL,
    at   TEXT NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (run, seq)
) STRICT;

CREATE TABLE IF NOT EXISTS node (
    name      TEXT NOT NULL PRIMARY KEY,
    json      TEXT NOT NULL,
    last_seen TEXT,
    facts     TEXT
) STRICT;

CREATE TABLE IF NOT EXISTS token (
    id   TEXT NOT NULL PRIMARY KEY,
    json TEXT NOT NULL,
    used INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE IF NOT EXISTS audit (
    seq  INTEGER NOT NULL PRIMARY KEY,
    json TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS note (
    scope TEXT NOT NULL,
    name  TEXT NOT NULL,
    json  TEXT NOT NULL,
    PRIMARY KEY (scope, name)
) STRICT;

CREATE TABLE IF NOT EXISTS rehearsal (
    run     TEXT NOT NULL PRIMARY KEY,
    upgrade TEXT NOT NULL,
    json    TEXT NOT NULL
) STRICT;

-- An event that happened and a record of what was done are never changed, not even by a later version of ours.
CREATE TRIGGER IF NOT EXISTS event_is_append_only BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER IF NOT EXISTS event_is_kept BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'events are never removed'); END;
CREATE TRIGGER IF NOT EXISTS audit_is_append_only BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'audit records are never changed'); END;
CREATE TRIGGER IF NOT EXISTS audit_is_kept BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'audit records are never removed'); END;
