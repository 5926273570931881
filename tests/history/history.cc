#include "tests/history/history.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace paceline::history {
namespace {

// One partition's part of a history.
class PartitionCheck {
 public:
  explicit PartitionCheck(std::vector<std::string>* broken) : broken_(broken) {}

  void Add(const Operation* operation) { operations_.push_back(operation); }

  void Run() {
    CheckOrder();
    CheckAcknowledgements();
    CheckVersions();
  }

 private:
  void Break(const std::string& what) {
    if (!what.empty()) broken_->push_back(what);
  }

  // A read is held against what had ended before it began.
  void CheckOrder() {
    struct Moment {
      absl::Time at;
      bool is_begin = false;
      const Operation* operation = nullptr;
    };
    std::vector<Moment> moments;
    for (const Operation* operation : operations_) {
      moments.push_back({operation->begin, true, operation});
      moments.push_back({operation->end, false, operation});
    }
    // What ends in the instant in which another begins may have been at the same time.
    std::stable_sort(moments.begin(), moments.end(), [](const Moment& a, const Moment& b) {
      return std::pair(a.at, !a.is_begin) < std::pair(b.at, !b.is_begin);
    });
    Fence<Pushes> fence;
    Terms terms;
    for (const Moment& moment : moments) {
      const Operation& operation = *moment.operation;
      const bool is_read = operation.kind == Operation::kRead;
      if (moment.is_begin) {
        if (is_read) Break(fence.CheckRead(operation.answerer, &operation.seen));
        continue;
      }
      Break(terms.Check(operation.answerer));
      if (is_read) {
        fence.Saw(operation.answerer);
      } else {
        fence.Acknowledge(Pushes({{operation.client, operation.push + 1}}));
      }
    }
  }

  // Whatever acknowledges a push for the first time has applied it.
  void CheckAcknowledgements() {
    std::set<std::pair<uint32_t, uint64_t>> applied;
    for (const Operation* operation : operations_) {
      if (operation->kind != Operation::kAcknowledge || operation->is_duplicate) continue;
      if (applied.emplace(operation->client, operation->push).second) continue;
      Break(absl::StrCat(operation->answerer.Show(), ", has applied push ", operation->push,
                         " of client ", operation->client, ", which had been applied before"));
    }
  }

  void CheckVersions() {
    std::vector<const Operation*> reads;
    for (const Operation* operation : operations_) {
      if (operation->kind == Operation::kRead) reads.push_back(operation);
    }
    std::stable_sort(reads.begin(), reads.end(), [](const Operation* a, const Operation* b) {
      return a->answerer.version < b->answerer.version;
    });
    const Operation* before = nullptr;
    for (const Operation* read : reads) {
      if (read->seen.size() != read->answerer.version) {
        Break(absl::StrCat(read->answerer.Show(), ", holds ", read->seen.size(),
                           " pushes: ", read->seen.Show()));
      }
      if (before != nullptr && !read->seen.Contains(before->seen)) {
        Break(absl::StrCat(read->answerer.Show(), ", holds ", read->seen.Show(), "; at version ",
                           before->answerer.version, " there were ", before->seen.Show()));
      }
      before = read;
    }
  }

  std::vector<std::string>* const broken_;
  std::vector<const Operation*> operations_;
};

}  // namespace

void Pushes::Insert(const Pushes& other) {
  for (const auto& [client, count] : other.counts_) {
    counts_[client] = std::max(counts_[client], count);
  }
}

bool Pushes::Contains(const Pushes& some) const {
  return std::all_of(some.counts_.begin(), some.counts_.end(), [this](const auto& entry) {
    const auto mine = counts_.find(entry.first);
    return entry.second == 0 || (mine != counts_.end() && mine->second >= entry.second);
  });
}

uint64_t Pushes::size() const {
  uint64_t size = 0;
  for (const auto& [client, count] : counts_) size += count;
  return size;
}

std::string Pushes::Show() const {
  return absl::StrCat("{", absl::StrJoin(counts_, ", ", absl::PairFormatter(": ")), "}");
}

std::vector<std::string> Check(const std::vector<Operation>& history) {
  std::vector<std::string> broken;
  std::map<uint32_t, PartitionCheck> partitions;
  std::map<std::pair<uint32_t, uint64_t>, absl::Time> begun;
  for (const Operation& operation : history) {
    if (operation.kind == Operation::kBegin) {
      begun[{operation.client, operation.push}] = operation.begin;
    } else {
      partitions.emplace(operation.answerer.partition, &broken)
          .first->second.Add(&operation);
    }
  }
  // Of the first pushes of a client the last one is the one that was begun last.
  for (const Operation& operation : history) {
    if (operation.kind != Operation::kRead) continue;
    for (const auto& [client, count] : operation.seen.counts()) {
      if (count == 0) continue;
      const auto found = begun.find({client, count - 1});
      if (found != begun.end() && found->second <= operation.end) continue;
      broken.push_back(absl::StrCat(operation.answerer.Show(), ", holds push ", count - 1,
                                    " of client ", client, ", which nobody had made"));
    }
  }
  for (auto& [id, partition] : partitions) partition.Run();
  return broken;
}

}  // namespace paceline::history
