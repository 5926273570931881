#include "common/job/nearest_word.h"

#include <catch2/catch.hpp>

namespace paceline {
namespace {

const std::vector<std::string> kWords = {"shards_per_round", "epochs", "shards_per_push"};

TEST_CASE("a slip of the finger finds the word") {
  CHECK(NearestWord("epoch", kWords) == "epochs");
  CHECK(NearestWord("epohcs", kWords) == "epochs");
  CHECK(NearestWord("shard_per_rounds", kWords) == "shards_per_round");
  CHECK(NearestWord("trian", {"train"}) == "train");  // Two replaced, but one swap.
  CHECK(Suggest("epoch", kWords) == "did you mean 'epochs'?");
}

TEST_CASE("a word unlike all others gets the list of them") {
  CHECK(NearestWord("banana", kWords).empty());
  CHECK(NearestWord("", kWords).empty());
  CHECK(Suggest("banana", kWords) == "wanted one of shards_per_round, epochs, shards_per_push");
}

TEST_CASE("a huge word is not compared") {
  CHECK(NearestWord(std::string(1 << 20, 'e'), kWords).empty());
}

}  // namespace
}  // namespace paceline
