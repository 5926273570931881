// A Store in one SQLite file: the default, for one coordinator that may restart.
//
// Errors   Open: FailedPrecondition: another process has the file open, or it was written by a newer
//          release. DataLoss: it is not such a file or is damaged. Unavailable: it cannot be created
//          or read. On any error an existing file's entries are as they were.
// Threads  One thread at a time. One process at a time: a lock on the file is held until the object
//          is destroyed or the process ends.
// Source   SQLite with journal_mode=WAL, synchronous=FULL, locking_mode=EXCLUSIVE.
#ifndef PACELINE_SERVER_STORE_EMBEDDED_H_
#define PACELINE_SERVER_STORE_EMBEDDED_H_

#include <memory>
#include <string>
#include <vector>

#include "server/store/store.h"

namespace paceline {

class EmbeddedStore : public Store {
 public:
  // Opens `path`, or creates it in a folder that exists.
  static absl::StatusOr<std::unique_ptr<EmbeddedStore>> Open(const std::string& path);

  ~EmbeddedStore() override;
  EmbeddedStore(const EmbeddedStore&) = delete;
  EmbeddedStore& operator=(const EmbeddedStore&) = delete;

  absl::StatusOr<CommitResult> Commit(const Transaction& transaction) override;
  absl::StatusOr<std::vector<Entry>> Range(absl::string_view prefix) override;

 private:
  class Database;

  explicit EmbeddedStore(std::unique_ptr<Database> database);

  std::unique_ptr<Database> database_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_STORE_EMBEDDED_H_
