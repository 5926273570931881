// What clients have been told about one partition, against which the next answer is held: nothing
// acknowledged is missing from a read, and reads go back neither to an older version nor to the
// primary of an earlier term.
//
// The caller decides what came before what: an answer counts from Acknowledge or Saw on.
//
// Shapes   Set: a set of pushes, with Insert(Set), Contains(Set) and Show().
// Threads  One thread at a time.
// Source   docs/protocol.md, "Fencing".
#ifndef PACELINE_TESTS_HISTORY_FENCE_H_
#define PACELINE_TESTS_HISTORY_FENCE_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"

namespace paceline::history {

// Who answered, and what of.
struct Answerer {
  std::string server;
  uint32_t partition = 0;
  uint64_t term = 0;
  uint64_t version = 0;

  std::string Show() const {
    return absl::StrCat(server, ", primary of partition ", partition, " in term ", term,
                        " at version ", version);
  }
};

template <typename Set>
class Fence {
 public:
  const Set& acknowledged() const { return acknowledged_; }

  void Acknowledge(const Set& pushes) { acknowledged_.Insert(pushes); }
  void Saw(const Answerer& answerer) {
    term_ = std::max(term_, answerer.term);
    version_ = std::max(version_, answerer.version);
  }

  // What is wrong with a read that is answered now and holds `pushes` (null: nobody knows which);
  // empty: nothing.
  std::string CheckRead(const Answerer& answerer, const Set* pushes) const {
    if (answerer.term < term_) {
      return absl::StrCat(answerer.Show(), ", answered a read after the primary of term ", term_,
                          " had");
    }
    if (answerer.version < version_) {
      return absl::StrCat(answerer.Show(), ", answered a read after version ", version_,
                          " had been seen");
    }
    if (pushes != nullptr && !pushes->Contains(acknowledged_)) {
      return absl::StrCat(answerer.Show(), ", answered a read with ", pushes->Show(),
                          "; acknowledged are ", acknowledged_.Show());
    }
    return "";
  }

 private:
  Set acknowledged_;
  // Of the reads: the newest term, and the newest version.
  uint64_t term_ = 0;
  uint64_t version_ = 0;
};

// One primary a term: who answered first in each.
class Terms {
 public:
  // What is wrong with `answerer`; empty: nothing.
  std::string Check(const Answerer& answerer) {
    const auto first = primary_.emplace(answerer.term, answerer.server).first;
    if (first->second == answerer.server) return "";
    return absl::StrCat("partition ", answerer.partition, " has two primaries of term ",
                        answerer.term, ": ", first->second, " and ", answerer.server);
  }

 private:
  std::map<uint64_t, std::string> primary_;
};

}  // namespace paceline::history

#endif  // PACELINE_TESTS_HISTORY_FENCE_H_
