// A session of a job with two partitions, and the answers that they would give it.
#ifndef PACELINE_CLIENT_SESSION_TESTING_H_
#define PACELINE_CLIENT_SESSION_TESTING_H_

#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/session.h"
#include "common/tensor/block.h"
#include "proto/control.pb.h"
#include "proto/parameter.pb.h"

namespace paceline {

inline constexpr uint64_t kElements = 20000;  // Of each of two partitions.

// Two bare parameters that lamb keeps whole.
inline v1::JobDirective TwoPartitions() {
  v1::JobDirective directive;
  directive.set_job("j-1");
  directive.set_state(v1::RUNNING);
  v1::JobSpec* const spec = directive.mutable_spec();
  spec->mutable_fleet()->set_servers(2);
  spec->mutable_optimizer()->mutable_lamb();
  for (const char* const name : {"a", "b"}) {
    v1::ParameterSpec* const parameter = spec->mutable_model()->add_parameters();
    parameter->set_name(name);
    parameter->add_shape(kElements);
  }
  for (uint32_t p = 0; p < 2; ++p) {
    v1::PartitionPlacement* const place = directive.add_placement();
    place->set_partition(p);
    place->set_term(1);
    place->set_address(p == 0 ? "s0:1" : "s1:1");
  }
  return directive;
}

inline std::shared_ptr<Block> Filled(uint64_t elements, float value) {
  auto block = std::make_shared<Block>(elements);
  std::fill(block->floats().begin(), block->floats().end(), value);
  return block;
}

inline CallResult Ok(uint64_t version, float value) {
  CallResult result;
  result.header.set_version(version);
  result.parameters = Filled(kElements, value);
  return result;
}

inline CallResult Error(absl::Status status) { return {std::move(status), {}, nullptr}; }

inline CallResult AwaitingNorm(double norm) {
  CallResult result;
  result.header.set_awaiting_norm(true);
  result.header.add_square_norms(norm);
  return result;
}

inline CallResult Missing(std::vector<uint64_t> shards) {
  CallResult result;
  result.header.set_version(7);
  result.header.mutable_missing()->Add(shards.begin(), shards.end());
  return result;
}

struct SessionFixture {
  absl::Time now = absl::UnixEpoch();
  v1::JobDirective directive = TwoPartitions();
  std::unique_ptr<Session> session;

  SessionFixture() {
    v1::WorkerIdentity worker;
    worker.set_id("w0");
    worker.set_incarnation(3);
    session = std::make_unique<Session>(worker, SessionOptions());
    REQUIRE(session->OnDirective(now, directive).ok());
  }

  static GradientPiece Piece(uint64_t first, uint32_t shards) {
    GradientPiece piece;
    piece.piece.set_first_shard(first);
    piece.piece.set_shards(shards);
    piece.gradient = Filled(2 * kElements, 1.0f);
    return piece;
  }

  // An exchange at clock 7 that has been sent to both partitions.
  std::vector<ParameterCall> Exchange(bool offers_help = false) {
    ExchangeArgs args;
    args.clock = 7;
    args.offers_help = offers_help;
    args.pieces = {Piece(28, 2)};
    args.base_versions = {7, 7};
    session->BeginExchange(now, std::move(args));
    std::vector<ParameterCall> calls = session->TakeCalls();
    REQUIRE(calls.size() == 2);
    return calls;
  }

  std::vector<ParameterCall> Pull(PullArgs args) {
    session->BeginPull(now, args);
    std::vector<ParameterCall> calls = session->TakeCalls();
    REQUIRE(calls.size() == 2);
    return calls;
  }

  // What is sent when the time for it has come.
  std::vector<ParameterCall> AfterTick() {
    REQUIRE(session->TakeCalls().empty());
    now = session->NextTick();
    REQUIRE(now < absl::InfiniteFuture());
    session->OnTick(now);
    return session->TakeCalls();
  }

  absl::StatusCode ResultCode() { return session->TakeResult()->status.code(); }
};

}  // namespace paceline

#endif  // PACELINE_CLIENT_SESSION_TESTING_H_
