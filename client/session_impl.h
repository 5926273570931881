// Session's inside: one operation and the requests that it is made of.
//
// Threads  One object, one thread.
#ifndef PACELINE_CLIENT_SESSION_IMPL_H_
#define PACELINE_CLIENT_SESSION_IMPL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/retry.h"
#include "client/router.h"
#include "client/session.h"
#include "common/tensor/block.h"
#include "common/tensor/block_pool.h"
#include "proto/control.pb.h"
#include "proto/parameter.pb.h"

namespace paceline {

class Session::Impl {
 public:
  Impl(v1::WorkerIdentity worker, SessionOptions options)
      : worker_(std::move(worker)), options_(options) {}

  absl::Status OnDirective(absl::Time now, const v1::JobDirective& directive);
  void BeginExchange(absl::Time now, ExchangeArgs args);
  void BeginPull(absl::Time now, PullArgs args);
  void AddPieces(absl::Time now, uint64_t clock, std::vector<GradientPiece> pieces);
  void OfferHelp(absl::Time now);
  std::vector<uint64_t> TakeMissing();
  void Abandon();
  void OnCallDone(absl::Time now, uint64_t id, CallResult result);
  void OnTick(absl::Time now);
  absl::Time NextTick() const;
  std::vector<uint32_t> Unanswered() const;

  Router router;
  std::optional<OperationResult> result;
  std::vector<ParameterCall> calls;
  std::vector<uint64_t> cancels;
  uint64_t bytes_pushed = 0;
  uint64_t bytes_pulled = 0;

  bool busy() const { return operation_ != nullptr || result.has_value(); }

 private:
  // One request to one partition, repeated until it is answered.
  struct Attempt {
    Method method = Method::kPull;
    size_t batch = 0;  // kPush, kExchange: which of the operation's batches it carries.
    bool answered = false;
    bool offers_help = false;
    uint64_t call = 0;       // The call under way, 0: none.
    absl::Time wake;         // With a call: when it is taken for lost. Without: when to send.
    bool refreshes = false;  // The next directive may send it earlier.
    std::optional<Backoff> backoff;
  };

  // What the operation has heard from one partition.
  struct Part {
    std::vector<Attempt> attempts;  // The first is the operation's own.
    bool done = false;
    bool reduced = false;  // Answered awaiting_norm, not yet settled.
    bool has_norms = false;
    std::vector<double> norms;
    std::optional<uint64_t> exact_version;
    uint64_t version = 0;
    absl::Duration held;  // Kept waiting there, one call after the other.
  };

  struct Operation {
    bool pushes = false;  // Exchange or Push; else a Pull.
    ExchangeArgs exchange;
    PullArgs pull;
    bool aligned = false;  // A consistent read knows its version.
    std::vector<std::vector<GradientPiece>> batches;
    std::vector<Part> parts;
    std::set<uint64_t> missing;  // Data shards that partitions have asked for.
    size_t undone = 0;
    double total_square_norm = 0;
    std::shared_ptr<Block> parameters;
    OperationResult result;

    bool wants_parameters() const { return !pushes || exchange.want_parameters; }

    // The version a round starts from, if the operation waits for one round's end.
    std::optional<uint64_t> round() const {
      if (pushes) return exchange.clock;
      if (pull.exact_version.has_value() && *pull.exact_version > 0) return *pull.exact_version - 1;
      return std::nullopt;
    }
  };

  struct Place {
    uint32_t partition = 0;
    size_t attempt = 0;
  };

  void Begin(absl::Time now, std::unique_ptr<Operation> operation, Method method);
  void Add(absl::Time now, uint32_t partition, Method method, size_t batch,
           bool offers_help = false);
  void Send(absl::Time now, uint32_t partition, size_t index);
  ParameterCall MakeCall(uint32_t partition, const Attempt& attempt) const;
  void FillPush(uint32_t partition, const Attempt& attempt, ParameterCall* call) const;
  v1::PartitionKey Key(uint32_t partition) const;
  // A push that the round has, until another primary begins the round anew.
  static void KeepSpare(size_t batch, Part* part);
  void Drop(Attempt* attempt);
  void Close(Part* part);
  void Resend(absl::Time now, uint32_t partition);

  void OnFailure(absl::Time now, Place place, const absl::Status& status);
  void OnAnswer(absl::Time now, Place place, CallResult answer);
  void OnReduced(absl::Time now, uint32_t partition, const v1::ParametersHeader& header);
  void AwaitRound(absl::Time now, uint32_t partition, bool offers_help);
  absl::Status CheckAnswer(uint32_t partition, Method method, const CallResult& answer) const;
  void Accept(uint32_t partition, const CallResult& answer);
  void SettleIfReduced(absl::Time now);
  bool AlignVersions(absl::Time now);
  void FinishIfDone(absl::Time now);
  void Finish(absl::Status status);

  const v1::WorkerIdentity worker_;
  const SessionOptions options_;
  BlockPool blocks_;
  std::string job_;
  uint32_t segment_ = 0;
  v1::JobState state_ = v1::JOB_STATE_UNSPECIFIED;
  std::unique_ptr<Operation> operation_;
  absl::flat_hash_map<uint64_t, Place> open_;  // Calls under way.
  uint64_t next_id_ = 1;
  uint64_t jitters_ = 0;
};

}  // namespace paceline

#endif  // PACELINE_CLIENT_SESSION_IMPL_H_
