#include "client/session.h"

#include <catch2/catch.hpp>
#include <utility>

#include "client/session_testing.h"

namespace paceline {
namespace {

using Fixture = SessionFixture;

TEST_CASE("a read asks every partition and puts their parts together") {
  Fixture f;
  PullArgs args;
  args.clock = 5;
  const std::vector<ParameterCall> calls = f.Pull(args);
  CHECK(calls[0].method == Method::kPull);
  CHECK(calls[0].address == "s0:1");
  CHECK(calls[1].address == "s1:1");
  CHECK(calls[1].offset == kElements);
  CHECK(calls[1].elements == kElements);
  CHECK(calls[1].pull.key().partition() == 1);
  CHECK(calls[1].pull.clock() == 5);
  CHECK(calls[1].pull.worker().incarnation() == 3);

  f.session->OnCallDone(f.now, calls[1].id, Ok(4, 2.0f));
  CHECK_FALSE(f.session->TakeResult().has_value());
  CHECK(f.session->Unanswered() == std::vector<uint32_t>{0});
  f.session->OnCallDone(f.now, calls[0].id, Ok(3, 1.0f));

  const std::optional<OperationResult> result = f.session->TakeResult();
  REQUIRE(result.has_value());
  CHECK(result->status.ok());
  CHECK(result->versions == std::vector<uint64_t>{3, 4});
  CHECK(result->parameters->floats()[kElements - 1] == 1.0f);
  CHECK(result->parameters->floats()[kElements] == 2.0f);
  CHECK_FALSE(f.session->busy());
  CHECK(f.session->bytes_pulled() == 2 * kElements * sizeof(float));
}

TEST_CASE("what a coordinator says that has been succeeded moves nothing") {
  Fixture f;
  const v1::JobDirective before = f.directive;
  f.directive.mutable_placement(0)->set_config(2);
  f.directive.mutable_placement(0)->set_address("s9:1");
  REQUIRE(f.session->OnDirective(f.now, f.directive).ok());

  REQUIRE(f.session->OnDirective(f.now, before).ok());

  CHECK(f.session->router()[0].address == "s9:1");
}

TEST_CASE("only the partition that failed is asked again, with the same push") {
  Fixture f;
  const std::vector<ParameterCall> calls = f.Exchange();
  f.session->OnCallDone(f.now, calls[0].id, Ok(8, 1.0f));
  uint64_t open = calls[1].id;
  for (const absl::Status& status :
       {absl::UnavailableError("gone"), absl::DeadlineExceededError("late"),
        absl::ResourceExhaustedError("full"), absl::FailedPreconditionError("not yet")}) {
    f.session->OnCallDone(f.now, open, Error(status));
    CHECK(f.session->NextTick() > f.now);

    const std::vector<ParameterCall> again = f.AfterTick();

    REQUIRE(again.size() == 1);
    CHECK(again[0].id != open);
    CHECK(again[0].push.SerializeAsString() == calls[1].push.SerializeAsString());
    CHECK(again[0].piece_gradients == calls[1].piece_gradients);
    open = again[0].id;
  }
  f.session->OnCallDone(f.now, open, Ok(8, 1.0f));
  CHECK(f.ResultCode() == absl::StatusCode::kOk);
}

TEST_CASE("a directive sends a refused call again at once, under the new term") {
  Fixture f;
  const std::vector<ParameterCall> calls = f.Exchange();
  f.session->OnCallDone(f.now, calls[0].id, Error(absl::FailedPreconditionError("term 2")));
  f.directive.mutable_placement(0)->set_term(2);

  REQUIRE(f.session->OnDirective(f.now, f.directive).ok());

  const std::vector<ParameterCall> again = f.session->TakeCalls();
  REQUIRE(again.size() == 1);
  CHECK(again[0].push.key().term() == 2);
  CHECK(f.session->TakeCancels().empty());
}

TEST_CASE("a call to a partition that moved is cancelled and made at the new place") {
  Fixture f;
  const std::vector<ParameterCall> calls = f.Exchange();
  f.directive.mutable_placement(1)->set_address("s2:1");

  REQUIRE(f.session->OnDirective(f.now, f.directive).ok());

  CHECK(f.session->TakeCancels() == std::vector<uint64_t>{calls[1].id});
  const std::vector<ParameterCall> again = f.session->TakeCalls();
  REQUIRE(again.size() == 1);
  CHECK(again[0].address == "s2:1");
  f.session->OnCallDone(f.now, calls[1].id, Ok(8, 1.0f));
  CHECK(f.session->Unanswered() == std::vector<uint32_t>{0, 1});
}

TEST_CASE("a partition without a primary is asked when it has one") {
  Fixture f;
  const std::vector<ParameterCall> calls = f.Exchange();
  f.directive.mutable_placement(1)->clear_address();
  f.directive.mutable_placement(1)->set_term(2);
  REQUIRE(f.session->OnDirective(f.now, f.directive).ok());
  CHECK(f.session->TakeCancels() == std::vector<uint64_t>{calls[1].id});
  CHECK(f.session->TakeCalls().empty());
  f.session->OnTick(f.now + absl::Seconds(5));
  CHECK(f.session->TakeCalls().empty());

  f.directive.mutable_placement(1)->set_address("s2:1");
  f.directive.mutable_placement(1)->set_term(3);
  REQUIRE(f.session->OnDirective(f.now, f.directive).ok());
  const std::vector<ParameterCall> again = f.session->TakeCalls();
  REQUIRE(again.size() == 1);
  CHECK(again[0].address == "s2:1");
  CHECK(again[0].push.key().term() == 3);
}

TEST_CASE("what is refused until a directive comes is asked again soon all the same") {
  Fixture f;
  std::vector<ParameterCall> calls = f.Exchange();
  uint64_t id = calls[0].id;
  for (int i = 0; i < 12; ++i) {
    f.session->OnCallDone(f.now, id, Error(absl::FailedPreconditionError("not held here")));
    const absl::Time failed = f.now;
    calls = f.AfterTick();
    REQUIRE(calls.size() == 1);
    CHECK(f.now - failed <= absl::Milliseconds(200));
    id = calls[0].id;
  }
}

TEST_CASE("what repeating does not change ends the operation and its other calls") {
  for (const absl::Status& status :
       {absl::AbortedError("stale"), absl::CancelledError("over"),
        absl::InvalidArgumentError("NaN"), absl::UnimplementedError("what?")}) {
    Fixture f;
    const std::vector<ParameterCall> calls = f.Exchange();

    f.session->OnCallDone(f.now, calls[1].id, Error(status));

    const std::optional<OperationResult> result = f.session->TakeResult();
    REQUIRE(result.has_value());
    CHECK(result->status.code() == status.code());
    CHECK_THAT(std::string(result->status.message()), Catch::Contains("partition 1 of job j-1"));
    CHECK(f.session->TakeCancels() == std::vector<uint64_t>{calls[0].id});
    CHECK(f.session->NextTick() == absl::InfiniteFuture());
  }
}

TEST_CASE("a call whose answer got lost is made again") {
  Fixture f;
  const std::vector<ParameterCall> calls = f.Exchange();
  f.session->OnCallDone(f.now, calls[0].id, Ok(8, 1.0f));

  CHECK(f.AfterTick().empty());
  CHECK(f.now == absl::UnixEpoch() + absl::Seconds(15));
  CHECK(f.session->TakeCancels() == std::vector<uint64_t>{calls[1].id});

  const std::vector<ParameterCall> again = f.AfterTick();
  REQUIRE(again.size() == 1);
  f.session->OnCallDone(f.now, again[0].id, Ok(8, 1.0f));
  CHECK(f.ResultCode() == absl::StatusCode::kOk);
}

TEST_CASE("the result says for how long the partition that answered last was waiting") {
  Fixture f;
  const std::vector<ParameterCall> calls = f.Exchange();
  const auto held = [](CallResult result, int milliseconds) {
    result.header.set_held_us(static_cast<uint64_t>(1000 * milliseconds));
    return result;
  };
  CallResult settled = Ok(8, 1.0f);
  settled.header.add_square_norms(4);
  f.session->OnCallDone(f.now, calls[1].id, held(settled, 70));
  f.session->OnCallDone(f.now, calls[0].id, held(AwaitingNorm(1), 30));
  const std::vector<ParameterCall> settle = f.session->TakeCalls();
  REQUIRE(settle.size() == 1);
  f.session->OnCallDone(f.now, settle[0].id, held(Ok(8, 1.0f), 5));

  CHECK(f.session->TakeResult()->held == absl::Milliseconds(35));
}

TEST_CASE("a consistent read takes the lowest of the newest versions") {
  Fixture f;
  PullArgs args;
  args.consistent = true;
  const std::vector<ParameterCall> calls = f.Pull(args);
  CHECK_FALSE(calls[0].pull.has_exact_version());
  f.session->OnCallDone(f.now, calls[0].id, Ok(6, 6.0f));
  f.session->OnCallDone(f.now, calls[1].id, Ok(5, 5.0f));

  const std::vector<ParameterCall> again = f.session->TakeCalls();

  REQUIRE(again.size() == 1);
  CHECK(again[0].pull.key().partition() == 0);
  CHECK(again[0].pull.exact_version() == 5);
  f.session->OnCallDone(f.now, again[0].id, Ok(5, 5.5f));
  const std::optional<OperationResult> result = f.session->TakeResult();
  REQUIRE(result.has_value());
  CHECK(result->versions == std::vector<uint64_t>{5, 5});
  CHECK(result->parameters->floats()[0] == 5.5f);
}

TEST_CASE("once all partitions are reduced their norms are summed and settled") {
  Fixture f;
  const std::vector<ParameterCall> calls = f.Exchange();
  f.session->OnCallDone(f.now, calls[1].id, AwaitingNorm(2));
  CHECK(f.session->TakeCalls().empty());

  f.session->OnCallDone(f.now, calls[0].id, AwaitingNorm(1));

  const std::vector<ParameterCall> settles = f.session->TakeCalls();
  REQUIRE(settles.size() == 2);
  CHECK(settles[0].method == Method::kSettle);
  CHECK(settles[0].settle.clock() == 7);
  CHECK(settles[0].settle.total_square_norm() == 3);
  f.session->OnCallDone(f.now, settles[0].id, Error(absl::UnavailableError("gone")));
  f.session->OnCallDone(f.now, settles[1].id, Ok(8, 1.0f));
  const std::vector<ParameterCall> again = f.AfterTick();
  REQUIRE(again.size() == 1);
  CHECK(again[0].settle.total_square_norm() == 3);
  f.session->OnCallDone(f.now, again[0].id, Ok(8, 1.0f));
  CHECK(f.ResultCode() == absl::StatusCode::kOk);
}

TEST_CASE("a partition that was settled already tells its norms with the new parameters") {
  Fixture f;
  const std::vector<ParameterCall> calls = f.Exchange();
  CallResult settled = Ok(8, 1.0f);
  settled.header.add_square_norms(4);
  f.session->OnCallDone(f.now, calls[0].id, settled);
  f.session->OnCallDone(f.now, calls[1].id, AwaitingNorm(1));

  const std::vector<ParameterCall> settles = f.session->TakeCalls();

  REQUIRE(settles.size() == 1);
  CHECK(settles[0].settle.key().partition() == 1);
  CHECK(settles[0].settle.total_square_norm() == 5);
}

TEST_CASE("without another partition's norms a reduced one is asked until it has been settled") {
  Fixture f;
  const std::vector<ParameterCall> calls = f.Exchange();
  f.session->OnCallDone(f.now, calls[0].id, Ok(8, 1.0f));
  f.session->OnCallDone(f.now, calls[1].id, AwaitingNorm(1));

  const std::vector<ParameterCall> again = f.AfterTick();

  REQUIRE(again.size() == 1);
  CHECK(again[0].method == Method::kExchange);
  f.session->OnCallDone(f.now, again[0].id, Ok(8, 1.0f));
  CHECK(f.ResultCode() == absl::StatusCode::kOk);
}

TEST_CASE("a settlement for a round that is not reduced goes back to the push") {
  Fixture f;
  const std::vector<ParameterCall> calls = f.Exchange();
  f.session->OnCallDone(f.now, calls[0].id, AwaitingNorm(1));
  f.session->OnCallDone(f.now, calls[1].id, AwaitingNorm(1));
  const std::vector<ParameterCall> settles = f.session->TakeCalls();

  f.session->OnCallDone(f.now, settles[0].id, Error(absl::FailedPreconditionError("not reduced")));

  const std::vector<ParameterCall> again = f.AfterTick();
  REQUIRE(again.size() == 1);
  CHECK(again[0].method == Method::kExchange);
  CHECK(again[0].push.key().partition() == 0);
}

TEST_CASE("pieces that came after the round was reduced go to the primary that begins it anew") {
  Fixture f;
  const std::vector<ParameterCall> calls = f.Exchange();
  for (const ParameterCall& call : calls) f.session->OnCallDone(f.now, call.id, AwaitingNorm(2));
  f.session->TakeCalls();
  f.session->AddPieces(f.now, 7, {Fixture::Piece(30, 1)});
  CHECK(f.session->TakeCalls().empty());

  f.directive.mutable_placement(0)->set_term(2);
  REQUIRE(f.session->OnDirective(f.now, f.directive).ok());

  std::vector<uint64_t> first;
  for (const ParameterCall& call : f.session->TakeCalls()) {
    if (call.method == Method::kSettle) continue;
    CHECK(call.push.key().partition() == 0);
    first.push_back(call.push.pieces(0).first_shard());
  }
  CHECK(first == std::vector<uint64_t>{28, 30});
}

TEST_CASE("a partition that failed over after its round was reduced is pushed everything anew") {
  Fixture f;
  const std::vector<ParameterCall> calls = f.Exchange();
  f.session->AddPieces(f.now, 7, {Fixture::Piece(30, 1)});
  f.session->TakeCalls();
  for (const ParameterCall& call : calls) f.session->OnCallDone(f.now, call.id, AwaitingNorm(2));
  const std::vector<ParameterCall> settles = f.session->TakeCalls();
  REQUIRE(settles.size() == 2);
  CHECK(settles[0].method == Method::kSettle);
  f.session->OnCallDone(f.now, settles[1].id, Ok(8, 2.0f));

  // The reduced round of partition 0 was in no log: its new primary has nothing of it.
  f.session->OnCallDone(f.now, settles[0].id, Error(absl::UnavailableError("connection reset")));
  f.directive.mutable_placement(0)->set_term(2);
  f.directive.mutable_placement(0)->set_address("s1:1");
  REQUIRE(f.session->OnDirective(f.now, f.directive).ok());
  const std::vector<ParameterCall> again = f.session->TakeCalls();
  REQUIRE(again.size() == 2);
  CHECK(again[0].method == Method::kExchange);
  CHECK(again[0].push.pieces(0).first_shard() == 28);
  CHECK(again[1].method == Method::kPush);
  CHECK(again[1].push.pieces(0).first_shard() == 30);
  for (const ParameterCall& call : again) {
    CHECK(call.address == "s1:1");
    CHECK(call.push.key().term() == 2);
  }

  // The norms of the other partition are known still.
  CallResult reduced = AwaitingNorm(2);
  f.session->OnCallDone(f.now, again[0].id, reduced);
  const std::vector<ParameterCall> settle = f.session->TakeCalls();
  REQUIRE(settle.size() == 1);
  CHECK(settle[0].settle.total_square_norm() == 4);
  f.session->OnCallDone(f.now, settle[0].id, Ok(8, 1.0f));
  CHECK(f.session->TakeResult()->status.ok());
}

TEST_CASE("further pieces join a waiting exchange, and a read of the version it makes") {
  for (const bool exchange : {true, false}) {
    Fixture f;
    PullArgs args;
    args.exact_version = 8;
    const std::vector<ParameterCall> calls = exchange ? f.Exchange() : f.Pull(args);
    f.session->OnCallDone(f.now, calls[0].id, Ok(8, 1.0f));

    f.session->AddPieces(f.now, 6, {Fixture::Piece(24, 1)});
    CHECK(f.session->TakeCalls().empty());
    f.session->AddPieces(f.now, 7, {Fixture::Piece(30, 1)});

    const std::vector<ParameterCall> pushes = f.session->TakeCalls();
    REQUIRE(pushes.size() == 1);
    CHECK(pushes[0].method == Method::kPush);
    CHECK(pushes[0].push.clock() == 7);
    CHECK(pushes[0].push.base_version() == 7);
    CHECK(pushes[0].push.pieces(0).first_shard() == 30);
    CallResult applied;
    applied.header.set_version(8);
    f.session->OnCallDone(f.now, pushes[0].id, applied);
    CHECK_FALSE(f.session->TakeResult().has_value());
    f.session->OnCallDone(f.now, calls[1].id, Ok(8, 1.0f));
    CHECK(f.ResultCode() == absl::StatusCode::kOk);
  }
}

TEST_CASE("a push alone brings versions, not parameters") {
  Fixture f;
  ExchangeArgs args;
  args.clock = 1;
  args.pieces = {Fixture::Piece(0, 1)};
  args.base_versions = {0, 0};
  args.want_parameters = false;
  f.session->BeginExchange(f.now, std::move(args));
  CallResult result;
  result.header.set_version(1);
  result.header.set_duplicate(true);
  result.header.set_staleness(4);

  for (const ParameterCall& call : f.session->TakeCalls()) {
    CHECK(call.method == Method::kPush);
    f.session->OnCallDone(f.now, call.id, result);
  }

  const std::optional<OperationResult> done = f.session->TakeResult();
  REQUIRE(done.has_value());
  CHECK(done->parameters == nullptr);
  CHECK(done->duplicates == 2);
  CHECK(done->staleness == 4);
}

TEST_CASE("when the job ends so does the operation; reads go on, pushes do not") {
  Fixture f;
  f.Exchange();
  f.directive.set_state(v1::FINISHED);
  REQUIRE(f.session->OnDirective(f.now, f.directive).ok());
  CHECK(f.ResultCode() == absl::StatusCode::kCancelled);
  CHECK(f.session->TakeCancels().size() == 2);

  ExchangeArgs args;
  args.pieces = {Fixture::Piece(0, 1)};
  args.base_versions = {0, 0};
  f.session->BeginExchange(f.now, std::move(args));
  CHECK(f.ResultCode() == absl::StatusCode::kCancelled);
  CHECK(f.session->TakeCalls().empty());
  for (const ParameterCall& call : f.Pull(PullArgs())) {
    f.session->OnCallDone(f.now, call.id, Ok(9, 1.0f));
  }
  CHECK(f.ResultCode() == absl::StatusCode::kOk);
}

TEST_CASE("a new segment ends what was begun in the old one") {
  Fixture f;
  f.Exchange();
  f.directive.mutable_segment()->set_index(1);

  REQUIRE(f.session->OnDirective(f.now, f.directive).ok());

  CHECK(f.ResultCode() == absl::StatusCode::kAborted);
  CHECK(f.session->TakeCancels().size() == 2);
}

TEST_CASE("an answer that is not what was asked for is refused") {
  Fixture f;
  CallResult small = Ok(8, 1.0f);
  small.parameters = Filled(3, 1.0f);
  f.session->OnCallDone(f.now, f.Exchange()[0].id, small);
  CHECK(f.ResultCode() == absl::StatusCode::kDataLoss);

  PullArgs exact;
  exact.exact_version = 8;
  f.session->OnCallDone(f.now, f.Pull(exact)[0].id, Ok(7, 1.0f));
  CHECK(f.ResultCode() == absl::StatusCode::kDataLoss);

  f.session->OnCallDone(f.now, f.Pull(PullArgs())[0].id, AwaitingNorm(1));
  CHECK(f.ResultCode() == absl::StatusCode::kDataLoss);
}

TEST_CASE("flat blocks are used again once their readers let go") {
  Fixture f;
  const float* memory = nullptr;
  for (int i = 0; i < 3; ++i) {
    for (const ParameterCall& call : f.Pull(PullArgs())) {
      f.session->OnCallDone(f.now, call.id, Ok(1, 1.0f));
    }
    const std::optional<OperationResult> result = f.session->TakeResult();
    REQUIRE(result.has_value());
    if (memory != nullptr) CHECK(result->parameters->floats().data() == memory);
    memory = result->parameters->floats().data();
  }
}

TEST_CASE("an abandoned operation leaves no trace") {
  Fixture f;
  const std::vector<ParameterCall> calls = f.Exchange();

  f.session->Abandon();

  CHECK(f.session->TakeCancels().size() == 2);
  f.session->OnCallDone(f.now, calls[0].id, Ok(8, 1.0f));
  CHECK_FALSE(f.session->TakeResult().has_value());
  CHECK_FALSE(f.session->busy());
  CHECK(f.session->NextTick() == absl::InfiniteFuture());
}

TEST_CASE("a placement that does not fit is refused and calls go where they went") {
  Fixture f;
  v1::JobDirective wrong = f.directive;
  wrong.mutable_placement()->RemoveLast();

  CHECK(absl::IsInvalidArgument(f.session->OnDirective(f.now, wrong)));

  CHECK(f.session->ready());
  CHECK(f.Pull(PullArgs())[1].address == "s1:1");
}

}  // namespace
}  // namespace paceline
