// One job's parameters as one worker or library client sees them: turns an operation over the whole
// model into calls to the partitions, and repeats those until every partition has answered.
//
// It makes no call, waits for nothing and reads no clock: calls to make and to cancel come out of
// TakeCalls and TakeCancels, their outcomes and the time go in. The caller empties both after each
// event, gives every call that it did not cancel exactly one OnCallDone (DEADLINE_EXCEEDED once
// `timeout` is over), and calls OnTick at NextTick.
//
// Shapes   Gradients and parameters are the job's flat vector (common/job/parameters.h); a call
//          concerns the elements [offset, offset + elements) of it.
// Units    Versions and clocks as in docs/protocol.md.
// Errors   An operation ends with one status:
//            OK                   every partition has answered.
//            ABORTED              a push was too stale, or a version is gone: read and compute
//            anew. CANCELLED            the job has ended. INVALID_ARGUMENT and other refusals:
//            repeating changes nothing.
//          Anything else is repeated, for as long as the job has not ended.
// Threads  One object, one thread. Blocks handed out may be released by any thread.
// Source   docs/protocol.md.
#ifndef PACELINE_CLIENT_SESSION_H_
#define PACELINE_CLIENT_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/retry.h"
#include "client/router.h"
#include "common/tensor/block.h"
#include "proto/control.pb.h"
#include "proto/parameter.pb.h"

namespace paceline {

enum class Method { kPush, kPull, kExchange, kSettle };

// Effect: send this to `address`.
struct ParameterCall {
  uint64_t id = 0;  // Never used twice by one Session.
  Method method = Method::kPull;
  std::string address;
  absl::Duration timeout;

  // The request that `method` names; the others are empty.
  v1::PushHeader push;
  v1::PullRequest pull;
  v1::SettleRequest settle;

  // kPush, kExchange: one flat gradient for each of push.pieces. The frame's payload is the
  // elements [offset, offset + elements) of each, in order; never copied.
  std::vector<BlockRef> piece_gradients;

  // The partition's elements; the answer's parameters are as many.
  uint64_t offset = 0;
  uint64_t elements = 0;
};

// Event: how a call ended.
struct CallResult {
  absl::Status status;
  v1::ParametersHeader header;
  BlockRef parameters;  // Null if the frame held none.
};

// A piece and its gradient sum over the whole model.
struct GradientPiece {
  v1::Piece piece;
  BlockRef gradient;
};

struct SessionOptions {
  uint64_t seed = 1;  // Of the jitter.
  absl::Duration call_timeout = absl::Seconds(10);
  BackoffOptions backoff;
};

struct ExchangeArgs {
  // sync: the version the round starts from. ssp, async, bare parameters: the worker's own clock.
  uint64_t clock = 0;
  // At least one. sync: nodes of the round's tree, ascending. ssp, async: exactly one.
  std::vector<GradientPiece> pieces;
  // For each partition, the version of it that the gradient was computed on.
  std::vector<uint64_t> base_versions;
  // ssp, async with clip_global_norm: see PushHeader.
  double square_norm = 0;
  // Whether the new parameters are wanted: Exchange, or Push.
  bool want_parameters = true;
  // sync, with want_parameters: as OfferHelp from the beginning.
  bool offers_help = false;
};

struct PullArgs {
  // Exactly this version of every partition; absent: the newest of each.
  std::optional<uint64_t> exact_version;
  // sync: one version of all partitions: the lowest of the newest. Not with exact_version.
  bool consistent = false;
  // ssp: the clock the reader is about to begin.
  uint64_t clock = 0;
  // sync, with exact_version: as OfferHelp from the beginning.
  bool offers_help = false;
};

// What an operation came to.
struct OperationResult {
  absl::Status status;
  // The rest only if status is OK. Versions are by partition.
  std::vector<uint64_t> versions;
  BlockRef parameters;      // The whole model; null after a Push.
  uint32_t duplicates = 0;  // Partitions that had applied the push before.
  uint64_t staleness = 0;   // The largest that a partition answered.
  // For how long the partition that answered last had kept its calls waiting.
  absl::Duration held;
};

class Session {
 public:
  Session(v1::WorkerIdentity worker, SessionOptions options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Takes over where the partitions are, the segment and whether the job goes on. Calls to places
  // that moved are made anew; a running operation ends CANCELLED if the job has ended.
  // InvalidArgument: the placement does not fit the spec; nothing but the job's state is taken.
  absl::Status OnDirective(absl::Time now, const v1::JobDirective& directive);

  // Whether a directive has said where the partitions are: operations may begin.
  bool ready() const;
  const Router& router() const;

  // Begin an operation. None may be running (`busy`), and `ready` must hold.
  void BeginExchange(absl::Time now, ExchangeArgs args);
  void BeginPull(absl::Time now, PullArgs args);

  // sync: pushes more pieces of round `clock` while an Exchange of it, or a Pull of the version it
  // makes, is running; what they say of each partition is the same answer. Ignored otherwise.
  void AddPieces(absl::Time now, uint64_t clock, std::vector<GradientPiece> pieces);

  // sync: while an Exchange that wants parameters, or a Pull of an exact version, is running: lets
  // the partitions say what their round lacks if it is late (TakeMissing). An offer is used up by
  // the first answer; what is missing so far is forgotten. Ignored otherwise.
  void OfferHelp(absl::Time now);

  // Data shards that partitions have asked for since the last offer or take, ascending.
  std::vector<uint64_t> TakeMissing();

  // Ends the operation, if one runs, without a result; its calls are cancelled.
  void Abandon();

  // The outcome of call `id`. That of a call cancelled or superseded is ignored.
  void OnCallDone(absl::Time now, uint64_t id, CallResult result);

  void OnTick(absl::Time now);

  // When OnTick has something to do; InfiniteFuture: not before another event.
  absl::Time NextTick() const;

  // Effects since the last take.
  std::vector<ParameterCall> TakeCalls();
  std::vector<uint64_t> TakeCancels();

  // The operation's outcome, once it has ended.
  std::optional<OperationResult> TakeResult();

  // An operation runs, or its result has not been taken.
  bool busy() const;

  // Partitions that the running operation still waits for, ascending.
  std::vector<uint32_t> Unanswered() const;

  // Cumulative payload bytes of calls made and of answers that were taken.
  uint64_t bytes_pushed() const;
  uint64_t bytes_pulled() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace paceline

#endif  // PACELINE_CLIENT_SESSION_H_
