#include "common/net/chunk_queue.h"

#include <catch2/catch.hpp>
#include <string>

#include "proto/stream.pb.h"

namespace paceline {
namespace {

using Queue = ChunkQueue<v1::CallHeader>;

Chunk<v1::CallHeader> Message(uint64_t call, std::vector<absl::Span<const float>> payload) {
  Chunk<v1::CallHeader> message;
  message.header.set_call(call);
  message.header.set_method("/m");
  message.payload = std::move(payload);
  return message;
}

size_t Elements(const Chunk<v1::CallHeader>& chunk) {
  size_t elements = 0;
  for (absl::Span<const float> run : chunk.payload) elements += run.size();
  return elements;
}

TEST_CASE(
    "a large message is cut across its runs, in order, and only its beginning says what it is") {
  std::vector<float> first(kChunkElements - 1);
  std::vector<float> second(kChunkElements + 3);
  Queue queue;
  queue.Add(Message(7, {first, second}));

  const auto one = queue.Next();
  const auto two = queue.Next();
  const auto three = queue.Next();

  REQUIRE(three.has_value());
  CHECK(one->header.method() == "/m");
  REQUIRE(one->payload.size() == 2);
  CHECK(one->payload[0].data() == first.data());
  CHECK(one->payload[1].data() == second.data());
  CHECK(one->payload[1].size() == 1);
  CHECK(two->header.method().empty());
  CHECK(two->header.call() == 7);
  REQUIRE(two->payload.size() == 1);
  CHECK(two->payload[0].data() == second.data() + 1);
  CHECK(Elements(*two) == kChunkElements);
  CHECK(Elements(*three) == 2);
  CHECK(three->payload[0].data() == second.data() + 1 + kChunkElements);
  CHECK(queue.empty());
  CHECK_FALSE(queue.Next().has_value());
}

TEST_CASE(
    "a small message waits for at most one chunk, and large ones are sent one after another") {
  std::vector<float> numbers(3 * kChunkElements);
  Queue queue;
  queue.Add(Message(1, {numbers}));
  queue.Add(Message(2, {numbers}));
  std::string order;
  for (int i = 0; i < 3; ++i) queue.Add(Message(static_cast<uint64_t>(3 + i), {}));

  while (const auto chunk = queue.Next()) order += std::to_string(chunk->header.call());

  CHECK(order == "131415222");
}

TEST_CASE("a message is taken back, and it is known whether the other end has heard of it") {
  std::vector<float> numbers(2 * kChunkElements);
  Queue queue;
  queue.Add(Message(1, {numbers}));
  queue.Add(Message(2, {numbers}));
  queue.Add(Message(3, {}));
  REQUIRE(queue.Next()->header.call() == 1);

  CHECK(queue.Drop(1));
  CHECK_FALSE(queue.Drop(2));
  CHECK_FALSE(queue.Drop(3));
  CHECK(queue.Drop(4));  // Unknown here: it has been sent.
  CHECK(queue.empty());
}

}  // namespace
}  // namespace paceline
