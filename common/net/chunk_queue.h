// What one stream has to send, cut into chunks: whole messages that fit into one go between the
// chunks of larger ones, so that none waits for more than one chunk of another's.
//
// Shapes   Payloads are float32; a chunk is at most kChunkElements of them. `Header` is
// v1::CallHeader
//          or v1::ReplyHeader: only the first chunk of a message has more in it than the number of
//          the call.
// Threads  One at a time.
#ifndef PACELINE_COMMON_NET_CHUNK_QUEUE_H_
#define PACELINE_COMMON_NET_CHUNK_QUEUE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "absl/types/optional.h"
#include "absl/types/span.h"

namespace paceline {

// 512 KiB: docs/adr/0005-one-stream-for-many-calls.md.
inline constexpr size_t kChunkElements = size_t{128} << 10;

template <typename Header>
struct Chunk {
  Header header;
  // Runs that stay valid and unchanged while `owner` is held.
  std::vector<absl::Span<const float>> payload;
  std::shared_ptr<const void> owner;
};

template <typename Header>
class ChunkQueue {
 public:
  // `message` is a whole one, not yet cut.
  void Add(Chunk<Header> message) {
    size_t elements = 0;
    for (absl::Span<const float> run : message.payload) elements += run.size();
    (elements <= kChunkElements ? small_ : large_).push_back({std::move(message), elements, false});
  }

  bool empty() const { return small_.empty() && large_.empty(); }
  size_t messages() const { return small_.size() + large_.size(); }

  // The next to send; nothing when there is nothing.
  absl::optional<Chunk<Header>> Next() {
    if (empty()) return absl::nullopt;
    const bool is_small = large_.empty() || (!small_.empty() && last_was_large_);
    last_was_large_ = !is_small;
    if (!is_small) return NextOfLarge();
    Chunk<Header> chunk = std::move(small_.front().message);
    small_.pop_front();
    return chunk;
  }

  // Takes back what has not been sent of a message. Whether its beginning had been sent, so that
  // the other end knows of it.
  bool Drop(uint64_t call) {
    for (std::deque<Waiting>* queue : {&small_, &large_}) {
      for (auto it = queue->begin(); it != queue->end(); ++it) {
        if (it->message.header.call() != call) continue;
        const bool is_begun = it->is_begun;
        queue->erase(it);
        return is_begun;
      }
    }
    return true;
  }

 private:
  struct Waiting {
    Chunk<Header> message;
    size_t elements_left = 0;
    bool is_begun = false;
  };

  Chunk<Header> NextOfLarge() {
    Waiting& waiting = large_.front();
    Chunk<Header> chunk;
    chunk.header = std::move(waiting.message.header);
    waiting.message.header = Header();
    waiting.message.header.set_call(chunk.header.call());
    waiting.is_begun = true;
    chunk.owner = waiting.message.owner;
    std::vector<absl::Span<const float>>& runs = waiting.message.payload;
    size_t wanted = std::min(waiting.elements_left, kChunkElements);
    waiting.elements_left -= wanted;
    size_t whole = 0;
    for (; wanted > 0; ++whole) {
      const size_t taken = std::min(wanted, runs[whole].size());
      chunk.payload.push_back(runs[whole].first(taken));
      wanted -= taken;
      if (taken == runs[whole].size()) continue;
      runs[whole].remove_prefix(taken);
      break;
    }
    runs.erase(runs.begin(), runs.begin() + static_cast<ptrdiff_t>(whole));
    if (waiting.elements_left == 0) large_.pop_front();
    return chunk;
  }

  std::deque<Waiting> small_;
  std::deque<Waiting> large_;  // Only the first of them may have begun.
  bool last_was_large_ = false;
};

}  // namespace paceline

#endif  // PACELINE_COMMON_NET_CHUNK_QUEUE_H_
