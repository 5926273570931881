// Rounds that are late: help that is offered, asked for, and given.
#include <catch2/catch.hpp>

#include "client/session_testing.h"

namespace paceline {
namespace {

using Fixture = SessionFixture;

TEST_CASE("an exchange that offered help is told what is missing, and waits on by reads") {
  Fixture f;
  const std::vector<ParameterCall> calls = f.Exchange(true);
  CHECK(calls[0].push.offers_help());

  f.session->OnCallDone(f.now, calls[0].id, Missing({31, 30}));

  const std::vector<ParameterCall> read = f.session->TakeCalls();
  REQUIRE(read.size() == 1);
  CHECK(read[0].method == Method::kPull);
  CHECK(read[0].pull.exact_version() == 8);
  CHECK_FALSE(read[0].pull.offers_help());
  CHECK(f.session->TakeMissing() == std::vector<uint64_t>{30, 31});
  CHECK(f.session->TakeMissing().empty());

  f.session->OnCallDone(f.now, read[0].id, Ok(8, 1.0f));
  f.session->OnCallDone(f.now, calls[1].id, Ok(8, 1.0f));
  CHECK(f.ResultCode() == absl::StatusCode::kOk);
}

TEST_CASE("help is offered again with what was computed") {
  Fixture f;
  const std::vector<ParameterCall> calls = f.Exchange(true);
  f.session->OnCallDone(f.now, calls[0].id, Missing({30}));
  const std::vector<ParameterCall> read = f.session->TakeCalls();

  f.session->AddPieces(f.now, 7, {Fixture::Piece(30, 1)});
  CHECK(f.session->TakeCalls().size() == 2);
  f.session->OfferHelp(f.now);

  // The partition that had asked; the other one has an offer already.
  CHECK(f.session->TakeMissing().empty());
  CHECK(f.session->TakeCancels() == std::vector<uint64_t>{read[0].id});
  const std::vector<ParameterCall> offer = f.session->TakeCalls();
  REQUIRE(offer.size() == 1);
  CHECK(offer[0].pull.offers_help());
  CHECK(offer[0].pull.key().partition() == 0);
  f.session->OnCallDone(f.now, offer[0].id, Missing({31}));
  CHECK(f.session->TakeMissing() == std::vector<uint64_t>{31});
}

TEST_CASE("a new primary gets what a former one had taken before it asked for help") {
  Fixture f;
  const std::vector<ParameterCall> calls = f.Exchange(true);
  f.session->OnCallDone(f.now, calls[0].id, Missing({30}));
  f.session->TakeCalls();

  f.directive.mutable_placement(0)->set_term(2);
  REQUIRE(f.session->OnDirective(f.now, f.directive).ok());

  const std::vector<ParameterCall> anew = f.session->TakeCalls();
  REQUIRE(anew.size() == 2);
  CHECK(anew[0].method == Method::kPull);
  CHECK(anew[1].method == Method::kPush);
  CHECK(anew[1].push.pieces(0).first_shard() == 28);
}

TEST_CASE("an exchange without an offer, and one not acknowledged, stay as they are") {
  Fixture f;
  f.Exchange();
  f.session->OfferHelp(f.now);
  CHECK(f.session->TakeCalls().empty());
  CHECK(f.session->TakeCancels().empty());
}

TEST_CASE("a call for help that nobody offered is refused") {
  Fixture f;
  const std::vector<ParameterCall> calls = f.Exchange();
  f.session->OnCallDone(f.now, calls[0].id, Missing({30}));
  CHECK(f.ResultCode() == absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace paceline
