// What a primary sends to one of its backups, as an effect for a transport to carry out.
//
// Shapes   The frame's payload is the float32 of all slices, in order; never copied on the way.
// Units    `id` is never used twice by one server process.
// Source   proto/replica.proto.
#ifndef PACELINE_SERVER_REPLICA_REPLICA_CALL_H_
#define PACELINE_SERVER_REPLICA_REPLICA_CALL_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "common/tensor/block.h"
#include "proto/replica.pb.h"

namespace paceline {

// Elements [begin, begin + elements) of a block.
struct BlockSlice {
  BlockRef block;
  size_t begin = 0;
  size_t elements = 0;
};

// Ends with exactly one OnReplicaDone; DEADLINE_EXCEEDED once `timeout` is over.
struct ReplicaCall {
  uint64_t id = 0;
  std::string address;  // host:port of the backup's server.
  absl::Duration timeout;
  std::variant<v1::AppendHeader, v1::InstallHeader> header;
  std::vector<BlockSlice> payload;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_REPLICA_REPLICA_CALL_H_
