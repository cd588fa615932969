BEGIN TRANSACTION;
CREATE TABLE clause (
      id      INTEGER PRIMARY KEY,
      builder TEXT NOT NULL,
      kind    TEXT NOT NULL,
      name    TEXT NOT NULL,
      UNIQUE (builder, kind, name)
    );
INSERT INTO "clause" VALUES(1,'tinyland-nix','toolchain','xz');
INSERT INTO "clause" VALUES(2,'tinyland-nix','toolchain','git');
CREATE TABLE measurement (
      run      INTEGER NOT NULL,
      clause   INTEGER NOT NULL,
      quantity TEXT NOT NULL,
      value    REAL NOT NULL,
      budget   REAL,
      PRIMARY KEY (run, clause, quantity)
    ) WITHOUT ROWID;
INSERT INTO "measurement" VALUES(1,1,'cold_seconds',1.0,2.0);
INSERT INTO "measurement" VALUES(1,2,'cold_seconds',1.0,2.0);
INSERT INTO "measurement" VALUES(2,1,'cold_seconds',1.0,2.0);
CREATE TABLE result (
      run      INTEGER NOT NULL REFERENCES run,
      clause   INTEGER NOT NULL REFERENCES clause,
      verdict  INTEGER NOT NULL,   -- by severity: 0 kept, 1 waived, 2 unproven, 3 broken
      rung     INTEGER,            -- 0 to 4 for C0 to C4
      seconds  REAL NOT NULL,
      promised INTEGER NOT NULL REFERENCES text,
      seen     INTEGER NOT NULL REFERENCES text,
      source   INTEGER NOT NULL REFERENCES text,
      likely   INTEGER NOT NULL REFERENCES text,
      look     INTEGER NOT NULL REFERENCES text,
      why      INTEGER NOT NULL REFERENCES text,
      PRIMARY KEY (run, clause)
    ) WITHOUT ROWID;
INSERT INTO "result" VALUES(1,1,0,3,0.1,1,2,3,4,4,4);
INSERT INTO "result" VALUES(1,2,0,3,0.1,1,2,3,4,4,4);
INSERT INTO "result" VALUES(2,1,3,3,0.1,1,7,3,4,4,4);
CREATE TABLE run (             -- one class in one environment at one time
      id              INTEGER PRIMARY KEY,
      environment     TEXT NOT NULL,
      builder         TEXT NOT NULL,
      image_digest    TEXT NOT NULL,
      contract_digest TEXT NOT NULL,
      started         INTEGER NOT NULL,  -- milliseconds since 1970, UTC
      image           TEXT NOT NULL,
      engine          TEXT NOT NULL,
      host            TEXT NOT NULL,
      runner          TEXT NOT NULL,
      identity        TEXT NOT NULL,
      simulated       INTEGER NOT NULL,
      UNIQUE (environment, builder, image_digest, contract_digest, started)
    );
INSERT INTO "run" VALUES(1,'tinyland','tinyland-nix','sha256:1','sha256:2',1773194411000,'tinyland-nix','','honey','local','',0);
INSERT INTO "run" VALUES(2,'tinyland','tinyland-nix','sha256:1','sha256:2',1773280811000,'tinyland-nix','','honey','local','',0);
CREATE TABLE source (          -- files that have been read: reading one again changes nothing
      digest  BLOB PRIMARY KEY,
      name    TEXT NOT NULL,
      results INTEGER NOT NULL
    ) WITHOUT ROWID;
INSERT INTO "source" VALUES(X'61','one.xml',2);
INSERT INTO "source" VALUES(X'62','two.xml',1);
CREATE TABLE text (            -- every text once: most nights say the same
      id    INTEGER PRIMARY KEY,
      value TEXT NOT NULL UNIQUE
    );
INSERT INTO "text" VALUES(1,'xz in the job''s PATH');
INSERT INTO "text" VALUES(2,'xz 5.6.3');
INSERT INTO "text" VALUES(3,'contracts/tinyland-nix.yaml:21');
INSERT INTO "text" VALUES(4,'');
INSERT INTO "text" VALUES(5,'client');
INSERT INTO "text" VALUES(6,'server');
INSERT INTO "text" VALUES(7,'not found');
CREATE TABLE witness (
      run      INTEGER NOT NULL,
      clause   INTEGER NOT NULL,
      position INTEGER NOT NULL,
      witness  INTEGER NOT NULL REFERENCES text,
      PRIMARY KEY (run, clause, position)
    ) WITHOUT ROWID;
INSERT INTO "witness" VALUES(1,1,0,5);
INSERT INTO "witness" VALUES(1,1,1,6);
INSERT INTO "witness" VALUES(1,2,0,5);
INSERT INTO "witness" VALUES(1,2,1,6);
INSERT INTO "witness" VALUES(2,1,0,5);
INSERT INTO "witness" VALUES(2,1,1,6);
COMMIT;
PRAGMA user_version = 1;
PRAGMA application_id = 1111705684;
