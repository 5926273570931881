#include "cli/acks.h"

#include <catch2/catch.hpp>

namespace paceline::cli {
namespace {

TEST_CASE("only acks: leader is warned of, with what becomes of lost pushes") {
  v1::JobSpec spec;
  CHECK(AcksWarning(spec).empty());
  spec.mutable_fleet()->set_acks(v1::FleetSpec::ALL);
  CHECK(AcksWarning(spec).empty());

  spec.mutable_fleet()->set_acks(v1::FleetSpec::LEADER);
  CHECK(AcksWarning(spec) ==
        "acks: leader: a primary that dies takes the newest pushes with it; their samples are "
        "trained on again");
  spec.mutable_model()->add_parameters();
  CHECK(AcksWarning(spec) ==
        "acks: leader: a primary that dies takes the newest pushes with it; they are lost");
}

TEST_CASE("what only a primary holds is counted where that is most") {
  v1::JobStatus job;
  CHECK(HeldAlone(job) == 0);
  for (const uint64_t committed : {9, 7, 12}) {
    v1::PartitionReport* const report = job.add_partitions();
    report->set_last_index(10);
    report->set_committed_index(committed);
  }
  CHECK(HeldAlone(job) == 3);
}

}  // namespace
}  // namespace paceline::cli
