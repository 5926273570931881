#include "server/partition/segment_rules.h"

#include <catch2/catch.hpp>
#include <functional>
#include <limits>
#include <string>

namespace paceline {
namespace {

constexpr uint64_t kElements = 3;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Two epochs of 10 data shards; rounds of 4 (4, 4, 2), runs of 3 (3, 3, 3, 1).
constexpr WorkShape kWork{10, 20, 4, 3};

v1::Segment SegmentOf(bool is_sync, uint64_t first_version = 0, uint64_t first_shard = 0) {
  v1::Segment segment;
  if (is_sync) {
    segment.mutable_consistency()->mutable_sync();
  } else {
    segment.mutable_consistency()->mutable_ssp();
  }
  segment.set_first_version(first_version);
  segment.set_first_shard(first_shard);
  return segment;
}

v1::PushHeader HeaderOf(uint64_t clock, std::vector<ShardExtent> pieces) {
  v1::PushHeader header;
  header.mutable_worker()->set_id("w1");
  header.mutable_worker()->set_incarnation(1);
  header.set_clock(clock);
  header.set_base_version(clock);
  header.set_dtype(v1::FLOAT32);
  for (const ShardExtent& extent : pieces) {
    v1::Piece* const piece = header.add_pieces();
    piece->set_first_shard(extent.first);
    piece->set_shards(static_cast<uint32_t>(extent.count));
    piece->set_weight(1);
  }
  return header;
}

absl::Status Check(const SegmentRules& rules, const v1::PushHeader& header) {
  const Block gradients(kElements * static_cast<size_t>(header.pieces_size()));
  return rules.CheckPush(header, &gradients, kElements);
}

bool IsRefused(const SegmentRules& rules, const v1::PushHeader& header) {
  return absl::IsInvalidArgument(Check(rules, header));
}

TEST_CASE("sync takes ascending nodes of the round's tree and nothing else") {
  const SegmentRules rules = *SegmentRules::Create(SegmentOf(true), kWork);
  CHECK(rules.last_version() == 6u);

  CHECK(Check(rules, HeaderOf(0, {{0, 4}})).ok());
  CHECK(Check(rules, HeaderOf(1, {{4, 1}, {6, 2}})).ok());
  CHECK(Check(rules, HeaderOf(2, {{8, 2}})).ok());
  CHECK(Check(rules, HeaderOf(5, {{19, 1}})).ok());

  CHECK(IsRefused(rules, HeaderOf(0, {})));
  CHECK(IsRefused(rules, HeaderOf(0, {{1, 2}})));
  CHECK(IsRefused(rules, HeaderOf(0, {{4, 4}})));
  CHECK(IsRefused(rules, HeaderOf(1, {{0, 4}})));
  CHECK(IsRefused(rules, HeaderOf(1, {{6, 2}, {4, 1}})));
  CHECK(IsRefused(rules, HeaderOf(1, {{4, 2}, {5, 1}})));
  CHECK(IsRefused(rules, HeaderOf(1, {{4, 0}})));
  CHECK(IsRefused(rules, HeaderOf(2, {{8, 4}})));
  CHECK(IsRefused(rules, HeaderOf(6, {{20, 1}})));
  const uint64_t huge = std::numeric_limits<uint64_t>::max();
  CHECK(IsRefused(rules, HeaderOf(0, {{huge, 4}})));
  CHECK(IsRefused(rules, HeaderOf(huge, {{0, 4}})));

  v1::PushHeader wrong_base = HeaderOf(1, {{4, 4}});
  wrong_base.set_base_version(0);
  CHECK(IsRefused(rules, wrong_base));
}

TEST_CASE("ssp and async take exactly one run") {
  const SegmentRules rules = *SegmentRules::Create(SegmentOf(false), kWork);
  CHECK(rules.last_version() == 8u);

  CHECK(Check(rules, HeaderOf(0, {{0, 3}})).ok());
  CHECK(Check(rules, HeaderOf(77, {{9, 1}})).ok());
  CHECK(Check(rules, HeaderOf(0, {{10, 3}})).ok());

  CHECK(IsRefused(rules, HeaderOf(0, {})));
  CHECK(IsRefused(rules, HeaderOf(0, {{0, 3}, {3, 3}})));
  CHECK(IsRefused(rules, HeaderOf(0, {{0, 2}})));
  CHECK(IsRefused(rules, HeaderOf(0, {{1, 3}})));
  CHECK(IsRefused(rules, HeaderOf(0, {{9, 3}})));
  CHECK(IsRefused(rules, HeaderOf(0, {{0, 0}})));
  CHECK(IsRefused(rules, HeaderOf(0, {{20, 1}})));
}

TEST_CASE("a later segment has its own rounds") {
  const SegmentRules rules = *SegmentRules::Create(SegmentOf(true, 5, 6), kWork);

  CHECK_FALSE(rules.RoundAt(4).has_value());
  CHECK(rules.RoundAt(5)->first_ordinal == 6);
  CHECK(rules.RoundAt(5)->count == 4);
  CHECK(rules.last_version() == 5u + 1 + 3);
  CHECK(IsRefused(rules, HeaderOf(4, {{4, 2}})));
}

TEST_CASE("bare parameters take one piece without data shards") {
  const SegmentRules rules = *SegmentRules::Create(SegmentOf(false), WorkShape{});
  CHECK(rules.is_bare());
  CHECK_FALSE(rules.last_version().has_value());

  CHECK(Check(rules, HeaderOf(3, {{0, 0}})).ok());
  CHECK(IsRefused(rules, HeaderOf(3, {{0, 1}})));
  CHECK(IsRefused(rules, HeaderOf(3, {{1, 0}})));
  CHECK(IsRefused(rules, HeaderOf(3, {{0, 0}, {0, 0}})));
}

TEST_CASE("a segment that cannot be followed is refused") {
  CHECK(absl::IsInvalidArgument(SegmentRules::Create(v1::Segment(), kWork).status()));
  CHECK(absl::IsInvalidArgument(SegmentRules::Create(SegmentOf(true), WorkShape{}).status()));
  CHECK(absl::IsInvalidArgument(SegmentRules::Create(SegmentOf(true, 0, 21), kWork).status()));
  CHECK(SegmentRules::Create(SegmentOf(true, 6, 20), kWork).ok());
}

TEST_CASE("every field that can be wrong is refused by name") {
  const SegmentRules rules = *SegmentRules::Create(SegmentOf(false), kWork);
  const v1::PushHeader right = HeaderOf(0, {{0, 3}});
  REQUIRE(Check(rules, right).ok());
  struct Case {
    std::string word;
    std::function<void(v1::PushHeader*)> spoil;
  };
  const std::vector<Case> cases = {
      {"worker id", [](auto* h) { h->mutable_worker()->clear_id(); }},
      {"worker id", [](auto* h) { h->mutable_worker()->set_id(std::string(300, 'x')); }},
      {"incarnation", [](auto* h) { h->mutable_worker()->clear_incarnation(); }},
      {"dtype", [](auto* h) { h->clear_dtype(); }},
      {"dtype", [](auto* h) { h->set_dtype(static_cast<v1::DType>(7)); }},
      {"clock", [](auto* h) { h->set_clock(uint64_t{1} << 63); }},
      {"square_norm", [](auto* h) { h->set_square_norm(-1); }},
      {"square_norm", [](auto* h) { h->set_square_norm(kNan); }},
      {"square_norm", [](auto* h) { h->set_square_norm(kInfinity); }},
      {"weight", [](auto* h) { h->mutable_pieces(0)->set_weight(0); }},
      {"weight", [](auto* h) { h->mutable_pieces(0)->set_weight(-1); }},
      {"weight", [](auto* h) { h->mutable_pieces(0)->set_weight(kNan); }},
      {"weight", [](auto* h) { h->mutable_pieces(0)->set_weight(kInfinity); }},
      {"weight", [](auto* h) { h->mutable_pieces(0)->set_weight(1e-300); }},
      {"weight", [](auto* h) { h->mutable_pieces(0)->set_weight(1e300); }},
      {"loss_sum", [](auto* h) { h->mutable_pieces(0)->set_loss_sum(kNan); }},
  };
  for (const Case& wrong : cases) {
    v1::PushHeader header = right;
    wrong.spoil(&header);
    const absl::Status status = Check(rules, header);
    CHECK(absl::IsInvalidArgument(status));
    CHECK_THAT(std::string(status.message()), Catch::Contains(wrong.word));
  }
}

TEST_CASE("a payload of another length is refused with both lengths") {
  const SegmentRules rules = *SegmentRules::Create(SegmentOf(true), kWork);
  const v1::PushHeader header = HeaderOf(0, {{0, 1}, {1, 1}});
  for (const size_t length : {0u, 1u, 3u, 5u, 7u, 9u}) {
    const Block gradients(length);
    CHECK(absl::IsInvalidArgument(rules.CheckPush(header, &gradients, kElements)));
  }
  CHECK(absl::IsInvalidArgument(rules.CheckPush(header, nullptr, kElements)));
  const Block right(6);
  CHECK(rules.CheckPush(header, &right, kElements).ok());
}

TEST_CASE("the first element that is not finite is found wherever it is") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const size_t count : {1, 255, 256, 257, 1000}) {
    std::vector<float> elements(count, std::numeric_limits<float>::max());
    CHECK_FALSE(FirstNotFinite(elements).has_value());
    for (const float wrong : {nan, kInfinity, -kInfinity, -nan}) {
      for (const size_t at : {size_t{0}, count / 2, count - 1}) {
        std::vector<float> spoiled = elements;
        spoiled[at] = wrong;
        spoiled[count - 1] = wrong;
        CHECK(FirstNotFinite(spoiled) == at);
      }
    }
  }
  CHECK_FALSE(FirstNotFinite({}).has_value());
}

}  // namespace
}  // namespace paceline
