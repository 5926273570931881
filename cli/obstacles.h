// What a job waits for and what it is short of, out of its status: `paceline why`. Pure.
//
// Units    Seconds.
#ifndef PACELINE_CLI_OBSTACLES_H_
#define PACELINE_CLI_OBSTACLES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "proto/control.pb.h"

namespace paceline::cli {

// The same in several partitions is one.
struct Obstacle {
  // Who waits; empty: it is a state of the partitions' copies, which need not hold anything up.
  std::string worker;
  // "round 12: data shards 96..97 missing", "no primary: no copy in sync is alive".
  std::string what;
  // Workers that are waited for, where known.
  std::vector<std::string> on;
  // The longest of the waits.
  double seconds = 0;
  // Ascending.
  std::vector<uint32_t> partitions;
};

// In the order of the partitions; last a checkpoint that failed, which holds nothing up.
std::vector<Obstacle> ObstaclesOf(const v1::JobStatus& job);

// For people, and for scripts (docs/cli.md lists the keys).
std::string WhyText(const v1::JobStatus& job);
std::string WhyJson(const v1::JobStatus& job);

}  // namespace paceline::cli

#endif  // PACELINE_CLI_OBSTACLES_H_
