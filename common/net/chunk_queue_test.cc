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
  queue.Add(7, Message(7, {first, second}));

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
  queue.Add(1, Message(1, {numbers}));
  queue.Add(2, Message(2, {numbers}));
  std::string order;
  for (int i = 0; i < 3; ++i) queue.Add(0, Message(static_cast<uint64_t>(3 + i), {}));

  while (const auto chunk = queue.Next()) order += std::to_string(chunk->header.call());

  CHECK(order == "131415222");
}

TEST_CASE("whoever numbers calls as they begin numbers them in the order in which they are sent") {
  std::vector<float> numbers(2 * kChunkElements);
  Queue queue;
  queue.Add(11, Message(0, {numbers}));
  queue.Add(12, Message(0, {numbers}));
  queue.Add(13, Message(0, {}));
  uint64_t last = 0;
  std::string begun;
  std::string order;

  const auto number = [&](uint64_t key, v1::CallHeader* header) {
    begun += std::to_string(key) + " ";
    header->set_call(++last);
  };
  while (const auto chunk = queue.Next(number)) order += std::to_string(chunk->header.call());

  CHECK(begun == "11 13 12 ");
  CHECK(order == "12133");
}

TEST_CASE("a message is taken back, whether it has begun or not") {
  std::vector<float> numbers(2 * kChunkElements);
  Queue queue;
  queue.Add(1, Message(1, {numbers}));
  queue.Add(2, Message(2, {numbers}));
  queue.Add(3, Message(3, {}));
  queue.Add(4, Message(4, {}));
  REQUIRE(queue.Next()->header.call() == 1);

  for (const uint64_t key : {1, 2, 3, 5}) queue.Drop(key);

  CHECK(queue.messages() == 1);
  CHECK(queue.Next()->header.call() == 4);
}

}  // namespace
}  // namespace paceline
