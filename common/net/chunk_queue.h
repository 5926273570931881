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

// 512 KiB: docs/adr/0006-one-stream-for-many-calls.md.
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
  // `message` is a whole one, not yet cut; `key` is its sender's name for it.
  void Add(uint64_t key, Chunk<Header> message) {
    size_t elements = 0;
    for (absl::Span<const float> run : message.payload) elements += run.size();
    (elements <= kChunkElements ? small_ : large_)
        .push_back({key, std::move(message), elements, /*is_begun=*/false});
  }

  bool empty() const { return small_.empty() && large_.empty(); }
  size_t messages() const { return small_.size() + large_.size(); }

  // The next to send; nothing when there is nothing. Of each message's first chunk `on_begin(key,
  // header)` hears before, in the order in which they are sent; it may give the call its number.
  template <typename OnBegin>
  absl::optional<Chunk<Header>> Next(OnBegin on_begin) {
    if (empty()) return absl::nullopt;
    const bool is_small = large_.empty() || (!small_.empty() && last_was_large_);
    last_was_large_ = !is_small;
    Waiting& waiting = is_small ? small_.front() : large_.front();
    if (!waiting.is_begun) on_begin(waiting.key, &waiting.message.header);
    waiting.is_begun = true;
    if (!is_small) return NextOfLarge();
    Chunk<Header> chunk = std::move(waiting.message);
    small_.pop_front();
    return chunk;
  }
  absl::optional<Chunk<Header>> Next() {
    return Next([](uint64_t, Header*) {});
  }

  // Takes back what has not been sent of a message.
  void Drop(uint64_t key) {
    for (std::deque<Waiting>* queue : {&small_, &large_}) {
      const auto found = std::find_if(queue->begin(), queue->end(),
                                      [key](const Waiting& one) { return one.key == key; });
      if (found == queue->end()) continue;
      queue->erase(found);
      return;
    }
  }

 private:
  struct Waiting {
    uint64_t key = 0;
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
