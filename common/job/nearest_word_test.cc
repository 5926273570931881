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

TEST_CASE("a word in upper case is the same word") {
  CHECK(NearestWord("ReLU", {"linear", "relu"}) == "relu");
  CHECK(NearestWord("EPOCHS", kWords) == "epochs");
}

TEST_CASE("what other programs call it finds our word, where it is one of those wanted") {
  CHECK(NearestWord("lr", {"learning_rate", "beta1"}) == "learning_rate");
  CHECK(NearestWord("LR", {"learning_rate", "l1", "l2"}) == "learning_rate");
  CHECK(NearestWord("bsp", {"sync", "ssp", "async"}) == "sync");
  CHECK(NearestWord("lr", {"beta1", "beta2"}).empty());
}

TEST_CASE("a huge word is not compared") {
  CHECK(NearestWord(std::string(1 << 20, 'e'), kWords).empty());
}

}  // namespace
}  // namespace paceline
