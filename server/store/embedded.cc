#include "server/store/embedded.h"

#include <sqlite3.h>
#include <zlib.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace paceline {
namespace {

// Marks the file as ours ("PACE") and says how its tables are laid out.
constexpr int64_t kApplicationId = 0x50414345;
constexpr int64_t kSchema = 1;

constexpr char kTables[] =
    "CREATE TABLE entries (key BLOB PRIMARY KEY, value BLOB NOT NULL, revision INTEGER NOT NULL,"
    " checksum INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE newest (revision INTEGER NOT NULL);"
    "INSERT INTO newest VALUES (0);"
    "PRAGMA application_id = 1346454341;"
    "PRAGMA user_version = 1;";

// SQLite does not checksum its pages.
int64_t Checksum(absl::string_view key, absl::string_view value, int64_t revision) {
  uLong crc = crc32(0, nullptr, 0);
  const auto add = [&crc](const void* bytes, size_t count) {
    crc = crc32(crc, static_cast<const Bytef*>(bytes), static_cast<uInt>(count));
  };
  const uint64_t sizes[] = {key.size(), value.size(), static_cast<uint64_t>(revision)};
  add(sizes, sizeof(sizes));
  if (!key.empty()) add(key.data(), key.size());
  if (!value.empty()) add(value.data(), value.size());
  return static_cast<int64_t>(crc);
}

}  // namespace

// One SQLite connection and the statements on it.
class EmbeddedStore::Database {
 public:
  // A prepared statement; finalised when it goes.
  class Statement {
   public:
    explicit Statement(sqlite3_stmt* handle) : handle_(handle) {}
    ~Statement() { sqlite3_finalize(handle_); }
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;

    void BindBytes(int index, absl::string_view bytes) {
      // A null pointer would bind NULL.
      sqlite3_bind_blob64(handle_, index, bytes.empty() ? "" : bytes.data(), bytes.size(),
                          SQLITE_STATIC);
    }
    void BindNumber(int index, int64_t number) { sqlite3_bind_int64(handle_, index, number); }
    int Step() { return sqlite3_step(handle_); }
    int64_t Number(int column) { return sqlite3_column_int64(handle_, column); }
    std::string Bytes(int column) {
      const void* bytes = sqlite3_column_blob(handle_, column);
      const auto count = static_cast<size_t>(sqlite3_column_bytes(handle_, column));
      return count == 0 ? std::string() : std::string(static_cast<const char*>(bytes), count);
    }

   private:
    sqlite3_stmt* handle_;
  };

  Database(std::string path, sqlite3* handle) : path_(std::move(path)), handle_(handle) {}
  ~Database() { sqlite3_close_v2(handle_); }

  absl::Status Error(absl::string_view doing) const;
  absl::Status Execute(const char* sql);
  absl::StatusOr<std::unique_ptr<Statement>> Prepare(const char* sql);
  absl::StatusOr<int64_t> Number(const char* sql);
  absl::Status Prove();  // That the file is ours, whole, and of a schema known here.
  absl::Status Initialize();
  absl::StatusOr<CommitResult> Apply(const Transaction& transaction);
  absl::Status Write(const Transaction& transaction, int64_t revision);
  absl::StatusOr<bool> Holds(const Compare& compare);
  absl::StatusOr<Entry> Read(Statement* row) const;

 private:
  const std::string path_;
  sqlite3* const handle_;
};

absl::Status EmbeddedStore::Database::Error(absl::string_view doing) const {
  const int code = sqlite3_extended_errcode(handle_);
  const std::string text =
      absl::StrCat("store ", path_, ": ", doing, ": ", sqlite3_errmsg(handle_));
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::FailedPreconditionError(
          absl::StrCat("store ", path_, ": in use by another process"));
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      return absl::DataLossError(absl::StrCat(text, "; restore the file from a copy"));
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(text);
    default:
      return absl::UnavailableError(text);
  }
}

absl::Status EmbeddedStore::Database::Execute(const char* sql) {
  if (sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return absl::OkStatus();
  return Error("write");
}

absl::StatusOr<std::unique_ptr<EmbeddedStore::Database::Statement>>
EmbeddedStore::Database::Prepare(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(handle_, sql, -1, &statement, nullptr) != SQLITE_OK) {
    return Error("prepare");
  }
  return std::make_unique<Statement>(statement);
}

absl::StatusOr<int64_t> EmbeddedStore::Database::Number(const char* sql) {
  ASSIGN_OR_RETURN(const auto statement, Prepare(sql));
  if (statement->Step() != SQLITE_ROW) return Error("read");
  return statement->Number(0);
}

absl::Status EmbeddedStore::Database::Prove() {
  ASSIGN_OR_RETURN(const int64_t application, Number("PRAGMA application_id"));
  if (application != kApplicationId) {
    return absl::DataLossError(absl::StrCat("store ", path_,
                                            ": an SQLite file, but not one of Paceline's "
                                            "(application id ",
                                            application, "; wanted ", kApplicationId, ")"));
  }
  ASSIGN_OR_RETURN(const int64_t schema, Number("PRAGMA user_version"));
  if (schema != kSchema) {
    return absl::FailedPreconditionError(
        absl::StrCat("store ", path_, ": written by another release: schema ", schema,
                     "; this one knows schema ", kSchema));
  }
  ASSIGN_OR_RETURN(const auto check, Prepare("PRAGMA quick_check(1)"));
  if (check->Step() != SQLITE_ROW) return Error("check");
  if (const std::string said = check->Bytes(0); said != "ok") {
    return absl::DataLossError(
        absl::StrCat("store ", path_, ": damaged: ", said, "; restore the file from a copy"));
  }
  ASSIGN_OR_RETURN(const auto rows, Prepare("SELECT key, value, revision, checksum FROM entries"));
  int code = rows->Step();
  for (; code == SQLITE_ROW; code = rows->Step()) {
    RETURN_IF_ERROR(Read(rows.get()).status());
  }
  return code == SQLITE_DONE ? absl::OkStatus() : Error("read");
}

absl::Status EmbeddedStore::Database::Initialize() {
  // The lock is taken by the first transaction and, in this locking mode, never given back.
  RETURN_IF_ERROR(Execute("PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL;"));
  RETURN_IF_ERROR(Execute("BEGIN EXCLUSIVE"));
  absl::Status status;
  if (absl::StatusOr<int64_t> tables = Number("SELECT count(*) FROM sqlite_master"); !tables.ok()) {
    status = tables.status();
  } else {
    status = *tables == 0 ? Execute(kTables) : Prove();
  }
  if (status.ok()) status = Execute("COMMIT");
  if (!status.ok()) {
    sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
    return status;
  }
  return Execute("PRAGMA journal_mode = WAL");
}

absl::StatusOr<bool> EmbeddedStore::Database::Holds(const Compare& compare) {
  ASSIGN_OR_RETURN(const auto find, Prepare("SELECT revision FROM entries WHERE key = ?"));
  find->BindBytes(1, compare.key);
  const int code = find->Step();
  if (code != SQLITE_ROW && code != SQLITE_DONE) return Error("read");
  const int64_t revision = code == SQLITE_ROW ? find->Number(0) : 0;
  return static_cast<uint64_t>(revision) == compare.revision;
}

absl::Status EmbeddedStore::Database::Write(const Transaction& transaction, int64_t revision) {
  for (const Put& put : transaction.puts) {
    ASSIGN_OR_RETURN(const auto write,
                     Prepare("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?)"));
    write->BindBytes(1, put.key);
    write->BindBytes(2, put.value);
    write->BindNumber(3, revision);
    write->BindNumber(4, Checksum(put.key, put.value, revision));
    if (write->Step() != SQLITE_DONE) return Error("write");
  }
  for (const Delete& erase : transaction.deletes) {
    ASSIGN_OR_RETURN(const auto remove, Prepare("DELETE FROM entries WHERE key = ?"));
    remove->BindBytes(1, erase.key);
    if (remove->Step() != SQLITE_DONE) return Error("write");
  }
  ASSIGN_OR_RETURN(const auto newest, Prepare("UPDATE newest SET revision = ?"));
  newest->BindNumber(1, revision);
  return newest->Step() == SQLITE_DONE ? absl::OkStatus() : Error("write");
}

absl::StatusOr<CommitResult> EmbeddedStore::Database::Apply(const Transaction& transaction) {
  ASSIGN_OR_RETURN(const int64_t revision, Number("SELECT revision FROM newest"));
  for (const Compare& compare : transaction.compares) {
    ASSIGN_OR_RETURN(const bool holds, Holds(compare));
    if (!holds) return CommitResult{false, static_cast<uint64_t>(revision)};
  }
  if (transaction.puts.empty() && transaction.deletes.empty()) {
    return CommitResult{true, static_cast<uint64_t>(revision)};
  }
  RETURN_IF_ERROR(Write(transaction, revision + 1));
  return CommitResult{true, static_cast<uint64_t>(revision) + 1};
}

absl::StatusOr<Entry> EmbeddedStore::Database::Read(Statement* row) const {
  const int64_t revision = row->Number(2);
  Entry entry{row->Bytes(0), row->Bytes(1), static_cast<uint64_t>(revision)};
  if (row->Number(3) == Checksum(entry.key, entry.value, revision)) return entry;
  return absl::DataLossError(absl::StrCat("store ", path_, ": damaged: entry '", entry.key,
                                          "' does not match its checksum; restore the file from "
                                          "a copy"));
}

EmbeddedStore::EmbeddedStore(std::unique_ptr<Database> database)
    : database_(std::move(database)) {}

EmbeddedStore::~EmbeddedStore() = default;

absl::StatusOr<std::unique_ptr<EmbeddedStore>> EmbeddedStore::Open(const std::string& path) {
  sqlite3* handle = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  auto database = std::make_unique<Database>(path, handle);
  if (handle == nullptr) return absl::UnavailableError("store: out of memory");
  if (code != SQLITE_OK) return database->Error("open");
  RETURN_IF_ERROR(database->Initialize());
  return std::unique_ptr<EmbeddedStore>(new EmbeddedStore(std::move(database)));
}

absl::StatusOr<CommitResult> EmbeddedStore::Commit(const Transaction& transaction) {
  RETURN_IF_ERROR(CheckTransaction(transaction));
  RETURN_IF_ERROR(database_->Execute("BEGIN IMMEDIATE"));
  absl::StatusOr<CommitResult> result = database_->Apply(transaction);
  if (result.ok() && result->committed) {
    const absl::Status status = database_->Execute("COMMIT");
    if (status.ok()) return result;
    result = status;
  }
  // Fails harmlessly where SQLite has rolled back by itself.
  database_->Execute("ROLLBACK").IgnoreError();
  return result;
}

absl::StatusOr<std::vector<Entry>> EmbeddedStore::Range(absl::string_view prefix) {
  ASSIGN_OR_RETURN(const auto rows,
                   database_->Prepare("SELECT key, value, revision, checksum FROM entries "
                                      "WHERE key >= ? ORDER BY key"));
  rows->BindBytes(1, prefix);
  std::vector<Entry> range;
  int code = rows->Step();
  for (; code == SQLITE_ROW; code = rows->Step()) {
    ASSIGN_OR_RETURN(Entry entry, database_->Read(rows.get()));
    if (!absl::StartsWith(entry.key, prefix)) return range;
    range.push_back(std::move(entry));
  }
  if (code != SQLITE_DONE) return database_->Error("read");
  return range;
}

}  // namespace paceline
