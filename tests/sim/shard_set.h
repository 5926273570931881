// A set of data shards, by ordinal.
//
// Threads  One thread at a time.
#ifndef PACELINE_TESTS_SIM_SHARD_SET_H_
#define PACELINE_TESTS_SIM_SHARD_SET_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace paceline::sim {

class ShardSet {
 public:
  void Insert(uint64_t shard) {
    const size_t word = shard / 64;
    if (word >= words_.size()) words_.resize(word + 1);
    words_[word] |= uint64_t{1} << (shard % 64);
  }
  void Insert(uint64_t first, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) Insert(first + i);
  }
  void Insert(const ShardSet& other) {
    if (other.words_.size() > words_.size()) words_.resize(other.words_.size());
    for (size_t i = 0; i < other.words_.size(); ++i) words_[i] |= other.words_[i];
  }

  bool Has(uint64_t shard) const {
    const size_t word = shard / 64;
    return word < words_.size() && (words_[word] >> (shard % 64) & 1) != 0;
  }
  bool Contains(const ShardSet& some) const {
    for (size_t i = 0; i < some.words_.size(); ++i) {
      const uint64_t mine = i < words_.size() ? words_[i] : 0;
      if ((some.words_[i] & ~mine) != 0) return false;
    }
    return true;
  }
  bool operator==(const ShardSet& other) const { return Contains(other) && other.Contains(*this); }

  // Ascending.
  std::vector<uint64_t> All() const {
    std::vector<uint64_t> all;
    for (uint64_t i = 0; i < words_.size() * 64; ++i) {
      if (Has(i)) all.push_back(i);
    }
    return all;
  }
  size_t size() const {
    size_t count = 0;
    for (const uint64_t word : words_) count += static_cast<size_t>(__builtin_popcountll(word));
    return count;
  }
  bool empty() const { return size() == 0; }

  // "{0..3,7}".
  std::string Show() const {
    std::string text = "{";
    const std::vector<uint64_t> all = All();
    for (size_t i = 0; i < all.size();) {
      size_t end = i + 1;
      while (end < all.size() && all[end] == all[end - 1] + 1) ++end;
      absl::StrAppend(&text, i == 0 ? "" : ",", all[i]);
      if (end - i > 1) absl::StrAppend(&text, "..", all[end - 1]);
      i = end;
    }
    return text + "}";
  }

 private:
  std::vector<uint64_t> words_;
};

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_SHARD_SET_H_
