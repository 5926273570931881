// LogEntry as it travels: everything but the gradient, which is the frame's payload.
//
// Errors   DecodeEntry: InvalidArgument naming the field: an index or step of 0, data shards beyond
//          2^64 - 1, numbers that are not numbers, an id that is too long.
// Threads  Pure functions.
// Source   proto/replica.proto, EntryHeader.
#ifndef PACELINE_SERVER_REPLICA_ENTRY_CODEC_H_
#define PACELINE_SERVER_REPLICA_ENTRY_CODEC_H_

#include "absl/status/statusor.h"
#include "proto/replica.pb.h"
#include "server/replica/log.h"

namespace paceline {

v1::EntryHeader EncodeEntry(const LogEntry& entry);

// The entry without its gradient.
absl::StatusOr<LogEntry> DecodeEntry(const v1::EntryHeader& header);

}  // namespace paceline

#endif  // PACELINE_SERVER_REPLICA_ENTRY_CODEC_H_
