-- The schema of version 1, as it was made.

CREATE TABLE attachments (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    namespace VARCHAR(128) NOT NULL,
    store_id INTEGER NOT NULL,
    file_id INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    status VARCHAR(16) NOT NULL,
    usage_bytes INTEGER DEFAULT 0 NOT NULL,
    error_code VARCHAR(32),
    error_message TEXT,
    chunk_tokens INTEGER NOT NULL,
    overlap_tokens INTEGER NOT NULL,
    attributes TEXT,
    generation INTEGER DEFAULT 0 NOT NULL,
    text_blob_id INTEGER,
    UNIQUE (namespace, store_id, file_id)
);

CREATE TABLE attributes (
    namespace VARCHAR(128) NOT NULL,
    store_id INTEGER NOT NULL,
    attachment_id INTEGER NOT NULL,
    "key" VARCHAR(64) NOT NULL,
    kind VARCHAR(1) NOT NULL,
    text_value TEXT,
    number_value NUMERIC,
    PRIMARY KEY (attachment_id, "key")
)
 WITHOUT ROWID
;

CREATE TABLE batch_files (
    namespace VARCHAR(128) NOT NULL,
    batch_id INTEGER NOT NULL,
    attachment_id INTEGER NOT NULL,
    status VARCHAR(16) NOT NULL,
    PRIMARY KEY (batch_id, attachment_id)
)
 WITHOUT ROWID
;

CREATE TABLE batches (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    namespace VARCHAR(128) NOT NULL,
    public_id VARCHAR(128) NOT NULL,
    store_id INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    is_cancelled INTEGER DEFAULT 0 NOT NULL,
    in_progress INTEGER DEFAULT 0 NOT NULL,
    completed INTEGER DEFAULT 0 NOT NULL,
    failed INTEGER DEFAULT 0 NOT NULL,
    cancelled INTEGER DEFAULT 0 NOT NULL,
    UNIQUE (namespace, public_id)
);

CREATE TABLE blobs (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    namespace VARCHAR(128) NOT NULL,
    digest VARCHAR(64) NOT NULL,
    size INTEGER NOT NULL,
    data BLOB,
    UNIQUE (digest, namespace)
);

CREATE TABLE chunks (
    id INTEGER NOT NULL,
    namespace VARCHAR(128) NOT NULL,
    attachment_id INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    byte_start INTEGER NOT NULL,
    byte_end INTEGER NOT NULL,
    char_start INTEGER NOT NULL,
    char_end INTEGER NOT NULL,
    line_start INTEGER NOT NULL,
    line_end INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE files (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    namespace VARCHAR(128) NOT NULL,
    public_id VARCHAR(128) NOT NULL,
    filename TEXT NOT NULL,
    purpose VARCHAR(64) NOT NULL,
    bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    blob_id INTEGER NOT NULL,
    extra TEXT,
    UNIQUE (namespace, public_id)
);

CREATE TABLE generations (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    namespace VARCHAR(128) NOT NULL,
    store_id INTEGER NOT NULL,
    attachment_id INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    first_chunk INTEGER NOT NULL,
    chunk_count INTEGER NOT NULL,
    vectors BLOB,
    published INTEGER NOT NULL,
    removed INTEGER
);

CREATE TABLE jobs (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    namespace VARCHAR(128) NOT NULL,
    store_id INTEGER NOT NULL,
    attachment_id INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL,
    not_before INTEGER NOT NULL,
    owner VARCHAR(128),
    lease_until INTEGER NOT NULL,
    fence INTEGER DEFAULT 0 NOT NULL,
    heartbeat_at INTEGER,
    error TEXT,
    UNIQUE (attachment_id)
);

CREATE TABLE meta (
    "key" VARCHAR(64) NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY ("key")
);

CREATE TABLE segments (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    namespace VARCHAR(128) NOT NULL,
    store_id INTEGER NOT NULL,
    first_chunk INTEGER NOT NULL,
    chunk_count INTEGER NOT NULL,
    live_count INTEGER NOT NULL,
    published INTEGER NOT NULL,
    data BLOB NOT NULL
);

CREATE TABLE stores (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    namespace VARCHAR(128) NOT NULL,
    public_id VARCHAR(128) NOT NULL,
    name TEXT,
    description TEXT,
    created_at INTEGER NOT NULL,
    last_active_at INTEGER NOT NULL,
    expires_days INTEGER,
    expires_at INTEGER,
    metadata TEXT,
    extra TEXT,
    chunk_tokens INTEGER,
    overlap_tokens INTEGER,
    embedder_name TEXT NOT NULL,
    embedder_dimension INTEGER NOT NULL,
    embedder_fingerprint TEXT NOT NULL,
    revision INTEGER DEFAULT 0 NOT NULL,
    in_progress INTEGER DEFAULT 0 NOT NULL,
    completed INTEGER DEFAULT 0 NOT NULL,
    failed INTEGER DEFAULT 0 NOT NULL,
    cancelled INTEGER DEFAULT 0 NOT NULL,
    usage_bytes INTEGER DEFAULT 0 NOT NULL,
    UNIQUE (namespace, public_id)
);

CREATE TABLE tombstones (
    namespace VARCHAR(128) NOT NULL,
    scope VARCHAR(64) NOT NULL,
    public_id VARCHAR(128) NOT NULL,
    created_at INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    deleted_at INTEGER NOT NULL,
    PRIMARY KEY (namespace, scope, public_id)
)
 WITHOUT ROWID
;

CREATE INDEX attachments_by_age ON attachments (namespace, store_id, created_at, id);

CREATE INDEX attachments_by_file ON attachments (namespace, file_id, store_id);

CREATE INDEX attachments_by_status ON attachments (namespace, store_id, status, created_at, id);

CREATE INDEX attachments_by_text ON attachments (text_blob_id);

CREATE INDEX attributes_by_number ON attributes (namespace, store_id, "key", kind, number_value, attachment_id);

CREATE INDEX attributes_by_text ON attributes (namespace, store_id, "key", text_value, attachment_id);

CREATE INDEX batch_files_by_attachment ON batch_files (attachment_id, status);

CREATE INDEX batches_by_store ON batches (namespace, store_id);

CREATE INDEX files_by_age ON files (namespace, created_at, id);

CREATE INDEX files_by_blob ON files (blob_id);

CREATE INDEX files_by_expiry ON files (namespace, expires_at) WHERE expires_at IS NOT NULL;

CREATE INDEX files_by_purpose ON files (namespace, purpose, created_at, id);

CREATE INDEX generations_by_attachment ON generations (attachment_id) WHERE removed IS NULL;

CREATE INDEX generations_by_publication ON generations (namespace, store_id, published);

CREATE INDEX generations_by_removal ON generations (namespace, store_id, removed) WHERE removed IS NOT NULL;

CREATE INDEX jobs_by_lease ON jobs (lease_until, not_before);

CREATE INDEX segments_by_chunk ON segments (namespace, store_id, first_chunk);

CREATE INDEX segments_by_publication ON segments (namespace, store_id, published);

CREATE INDEX segments_dead ON segments (namespace, store_id) WHERE live_count = 0;

CREATE INDEX stores_by_age ON stores (namespace, created_at, id);

CREATE INDEX tombstones_by_age ON tombstones (deleted_at);

