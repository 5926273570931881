#include "common/net/coordinator_choice.h"

#include <catch2/catch.hpp>

namespace paceline {
namespace {

using Addresses = std::vector<std::string>;

TEST_CASE("a list of coordinators is addresses between commas") {
  CHECK(*ParseCoordinators("a:1") == Addresses{"a:1"});
  CHECK(*ParseCoordinators("a:1,[::1]:2") == Addresses{"a:1", "[::1]:2"});
  for (const char* wrong : {"", "a", "a:1,", ",a:1", "a:1,b", "a:0", "a:1 b:2"}) {
    INFO(wrong);
    CHECK(absl::IsInvalidArgument(ParseCoordinators(wrong).status()));
  }
}

TEST_CASE("who fails is followed by the next of the list, and the last by the first") {
  CoordinatorChoice choice("a:1,b:2,c:3");
  CHECK(choice.size() == 3);
  CHECK(choice.current() == "a:1");
  choice.OnFailed("a:1", "");
  CHECK(choice.current() == "b:2");
  choice.OnFailed("b:2", "");
  CHECK(choice.current() == "c:3");
  choice.OnFailed("c:3", "");
  CHECK(choice.current() == "a:1");
}

TEST_CASE("a hint comes before the list, also to one that is not on it") {
  CoordinatorChoice choice("a:1,b:2");
  choice.OnFailed("a:1", "z:9");
  CHECK(choice.current() == "z:9");
  choice.OnFailed("z:9", "");
  CHECK(choice.current() == "b:2");
  choice.OnFailed("b:2", "a:1");
  CHECK(choice.current() == "a:1");
}

TEST_CASE("one that was asked on a hint is not asked again at its place in the list") {
  CoordinatorChoice choice("a:1,b:2,c:3");
  choice.OnFailed("a:1", "b:2");
  choice.OnFailed("b:2", "");
  CHECK(choice.current() == "c:3");
}

TEST_CASE("with one address a hint that fails leads back to it") {
  CoordinatorChoice choice("a:1");
  choice.OnFailed("a:1", "");
  CHECK(choice.current() == "a:1");
  choice.OnFailed("a:1", "z:9");
  CHECK(choice.current() == "z:9");
  choice.OnFailed("z:9", "");
  CHECK(choice.current() == "a:1");
}

TEST_CASE("a coordinator that refuses a call stays the one to ask") {
  CoordinatorChoice choice("a:1,b:2");
  choice.OnFailed("a:1", kCoordinatorHere);
  CHECK(choice.current() == "a:1");
}

TEST_CASE("the failure of one that is no longer asked changes nothing") {
  CoordinatorChoice choice("a:1,b:2,c:3");
  choice.OnFailed("a:1", "");
  choice.OnFailed("a:1", "");
  choice.OnFailed("a:1", "z:9");
  CHECK(choice.current() == "b:2");
}

}  // namespace
}  // namespace paceline
