#include "server/coordinator/records.h"

#include <catch2/catch.hpp>

#include "server/store/memory.h"

namespace paceline {
namespace {

TEST_CASE("what an edit changed is there for the next coordinator") {
  MemoryStore store;
  {
    auto records = Records::Load(&store);
    REQUIRE(records.ok());
    Edit edit(&*records);
    edit.coordinator()->set_incarnations(5);
    edit.worker("w1")->set_host("h");
    edit.job(3)->set_number(3);
    v1::Evaluation evaluation;
    evaluation.set_epoch(2);
    edit.AddEvaluation(3, evaluation);
    bool ran = false;
    edit.Then([&ran] { ran = true; });
    REQUIRE(edit.Commit().ok());
    CHECK(ran);
    CHECK(records->workers().at("w1").host() == "h");
  }

  auto records = Records::Load(&store);

  REQUIRE(records.ok());
  CHECK(records->coordinator().lives() == 2);
  CHECK(records->coordinator().incarnations() == 5);
  CHECK(records->workers().at("w1").host() == "h");
  CHECK(records->evaluations(3).count(2) == 1);
  CHECK(records->evaluations(4).empty());

  Edit edit(&*records);
  edit.RemoveJob(3);
  edit.RemoveWorker("w1");
  REQUIRE(edit.Commit().ok());
  CHECK(store.Range("")->size() == 1);
  CHECK(records->evaluations(3).empty());
}

TEST_CASE("an edit that the store refuses changes nothing and runs no effect") {
  MemoryStore store;
  auto records = Records::Load(&store);
  store.FailCommits(absl::ResourceExhaustedError("disk full"));
  Edit edit(&*records);
  edit.worker("w1")->set_host("h");
  bool ran = false;
  edit.Then([&ran] { ran = true; });

  const absl::Status status = edit.Commit();

  CHECK(status.code() == absl::StatusCode::kUnavailable);
  CHECK(std::string(status.message()).find("disk full") != std::string::npos);
  CHECK_FALSE(ran);
  CHECK(records->workers().empty());
}

TEST_CASE("an earlier coordinator on the same store can write no longer") {
  MemoryStore store;
  auto first = Records::Load(&store);
  auto second = Records::Load(&store);
  Edit edit(&*first);
  edit.worker("w1")->set_host("h");

  CHECK(edit.Commit().code() == absl::StatusCode::kUnavailable);

  CHECK(first->workers().empty());
  Edit next(&*second);
  next.worker("w1")->set_host("h");
  CHECK(next.Commit().ok());
}

TEST_CASE("a store that holds something else is refused") {
  MemoryStore store;
  REQUIRE(store.Commit({{}, {{"coordinator", "\xff\xff"}}, {}}).ok());
  CHECK(Records::Load(&store).status().code() == absl::StatusCode::kDataLoss);

  MemoryStore other;
  REQUIRE(other.Commit({{}, {{"something", "x"}}, {}}).ok());
  CHECK(Records::Load(&other).status().code() == absl::StatusCode::kDataLoss);
}

TEST_CASE("a store of a newer schema is refused") {
  MemoryStore store;
  state::CoordinatorRecord record;
  record.set_schema(2);
  REQUIRE(store.Commit({{}, {{"coordinator", record.SerializeAsString()}}, {}}).ok());

  CHECK(Records::Load(&store).status().code() == absl::StatusCode::kFailedPrecondition);
  CHECK(store.Range("")->at(0).revision == 1);
}

}  // namespace
}  // namespace paceline
