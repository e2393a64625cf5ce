//! The two databases' settings, and what they say about their size.

use rocksdb::{BlockBasedOptions, ColumnFamily, DB, DBCompressionType, DBRecoveryMode, LogLevel, Options};

/// One memory table: small, because it is what a start after a crash reads again.
const WRITE_BUFFER_BYTES: usize = 16 << 20;
/// How many memory tables may wait for their flush before writers wait.
const WRITE_BUFFERS: i32 = 4;
/// The log's unflushed part at most, for the same reason.
const WAL_BYTES: u64 = 64 << 20;
/// RocksDB's own text log, which nobody rotates for us.
const TEXT_LOG_BYTES: usize = 1 << 20;
/// How many of them are kept.
const TEXT_LOGS: usize = 2;
/// Open files of one database: far below a usual limit of 1,024 for the process.
const OPEN_FILES: i32 = 256;
/// Bits a key in a table's filter: one miss in a hundred.
const FILTER_BITS: f64 = 10.0;
/// Threads of one database that flush and compact: a node shares its cores with its clients.
const BACKGROUND_JOBS: i32 = 2;

/// What a database says about itself, for the metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes of its tables on disk.
    pub tables: u64,
    /// Bytes of its memory tables.
    pub memory: u64,
    /// Bytes that wait for compaction.
    pub compaction: u64,
    /// 1 when writers are being stopped.
    pub stopped: u64,
}

impl Sizes {
    /// Of a database with these families.
    pub(super) fn of(db: &DB, families: [&ColumnFamily; 2]) -> Sizes {
        let read = |name: &str| {
            families.iter().filter_map(|family| db.property_int_value_cf(family, name).ok().flatten()).sum::<u64>()
        };
        Sizes {
            tables: read("rocksdb.total-sst-files-size"),
            memory: read("rocksdb.cur-size-all-mem-tables"),
            compaction: read("rocksdb.estimate-pending-compaction-bytes"),
            stopped: read("rocksdb.is-write-stopped").min(1),
        }
    }
}

fn common(create: bool) -> Options {
    let mut tables = BlockBasedOptions::default();
    tables.set_bloom_filter(FILTER_BITS, false);
    tables.set_format_version(6);
    let mut options = Options::default();
    options.create_if_missing(create);
    options.set_error_if_exists(create);
    options.set_block_based_table_factory(&tables);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_write_buffer_number(WRITE_BUFFERS);
    options.set_max_background_jobs(BACKGROUND_JOBS);
    options.set_max_open_files(OPEN_FILES);
    options.set_max_log_file_size(TEXT_LOG_BYTES);
    options.set_keep_log_file_num(TEXT_LOGS);
    options.set_log_level(LogLevel::Warn);
    options
}

/// The log's: a damaged record is refused, a torn tail is what the promise judges.
pub(super) fn log(create: bool) -> Options {
    let mut options = common(create);
    options.create_missing_column_families(true);
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_max_total_wal_size(WAL_BYTES);
    options.set_compression_type(DBCompressionType::None);
    options
}

/// The state's: no log of its own, so nothing to recover; its families are flushed together or not at all.
pub(super) fn state(create: bool) -> Options {
    let mut options = common(create);
    options.set_atomic_flush(true);
    options.create_missing_column_families(true);
    options.set_compression_type(DBCompressionType::Lz4);
    options
}
