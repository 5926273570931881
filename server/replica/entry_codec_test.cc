#include "server/replica/entry_codec.h"

#include <catch2/catch.hpp>
#include <limits>

namespace paceline {
namespace {

LogEntry FullEntry() {
  LogEntry entry;
  entry.term = 2;
  entry.index = 3;
  entry.kind = LogEntry::Kind::kPush;
  entry.worker = "w1";
  entry.incarnation = 4;
  entry.clock = 5;
  entry.shards = {{6, 2}, {10, 1}};
  entry.base_version = 7;
  entry.step = 8;
  entry.gradient_scale = 0.25;
  entry.weight = 9;
  entry.samples = 10;
  entry.loss_sum = 11.5;
  entry.correct = 12;
  entry.staleness = 13;
  entry.pushes = 14;
  entry.damped = true;
  entry.square_norms = {1.5, 2.5};
  entry.dropped = {{7, 1}};
  entry.carried = {{1, 2}, {4, 1}};
  return entry;
}

TEST_CASE("an entry survives the journey, but for its gradient") {
  const v1::EntryHeader header = EncodeEntry(FullEntry());

  const auto entry = DecodeEntry(header);

  REQUIRE(entry.ok());
  CHECK(EncodeEntry(*entry).SerializeAsString() == header.SerializeAsString());
  CHECK(entry->kind == LogEntry::Kind::kPush);
  CHECK(entry->worker == "w1");
  CHECK(entry->shards.size() == 2);
  CHECK(entry->gradient_scale == 0.25);
  CHECK(entry->pushes == 14);
  CHECK(entry->damped);
  CHECK(entry->square_norms == std::vector<double>{1.5, 2.5});
  REQUIRE(entry->dropped.size() == 1);
  CHECK(entry->dropped[0].first == 7);
  REQUIRE(entry->carried.size() == 2);
  CHECK(entry->carried[0].count == 2);
  CHECK(entry->gradient == nullptr);
}

TEST_CASE("an entry that cannot be is refused") {
  const auto refuses = [](auto change) {
    v1::EntryHeader header = EncodeEntry(FullEntry());
    change(&header);
    return absl::IsInvalidArgument(DecodeEntry(header).status());
  };
  CHECK(refuses([](v1::EntryHeader* h) { h->set_index(0); }));
  CHECK(refuses([](v1::EntryHeader* h) { h->set_step(0); }));
  CHECK(refuses([](v1::EntryHeader* h) { h->set_term(0); }));
  CHECK(refuses([](v1::EntryHeader* h) { h->mutable_worker()->set_id(std::string(300, 'w')); }));
  CHECK(refuses([](v1::EntryHeader* h) {
    h->mutable_shards(0)->set_count(std::numeric_limits<uint64_t>::max());
  }));
  CHECK(refuses([](v1::EntryHeader* h) {
    h->mutable_dropped(0)->set_count(std::numeric_limits<uint64_t>::max());
  }));
  CHECK(refuses([](v1::EntryHeader* h) {
    h->mutable_carried(1)->set_count(std::numeric_limits<uint64_t>::max());
  }));
  CHECK(refuses(
      [](v1::EntryHeader* h) { h->set_loss_sum(std::numeric_limits<double>::quiet_NaN()); }));
}

}  // namespace
}  // namespace paceline
