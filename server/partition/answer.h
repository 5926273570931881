// What a partition says to one call.
#ifndef PACELINE_SERVER_PARTITION_ANSWER_H_
#define PACELINE_SERVER_PARTITION_ANSWER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "common/tensor/block.h"
#include "proto/parameter.pb.h"

namespace paceline {

// With a status that is not OK, header and parameters are empty.
struct Answer {
  uint64_t call = 0;  // As the caller numbered it.
  absl::Status status;
  v1::ParametersHeader header;
  BlockRef parameters;  // Null: none in this answer.
};

}  // namespace paceline

#endif  // PACELINE_SERVER_PARTITION_ANSWER_H_
