#include "server/service/call_assembly.h"

#include <catch2/catch.hpp>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace paceline {
namespace {

constexpr uint64_t kBytesMax = 64;

class Request final : public StreamedRequest {
 public:
  explicit Request(uint64_t bytes) : bytes_(bytes, '?') {}
  absl::Span<char> room() override { return absl::MakeSpan(bytes_); }
  void Start(std::shared_ptr<StreamedReply> /*reply*/) override {}
  void Cancel() override {}

 private:
  std::string bytes_;
};

// One stream to a service whose method "/m" takes up to kBytesMax bytes.
class Caller {
 public:
  explicit Caller(OpenBytes* open) : assembly_(Admit, open) {}

  static v1::CallHeader Beginning(uint64_t call, uint64_t bytes) {
    v1::CallHeader header;
    header.set_call(call);
    header.set_method("/m");
    header.set_payload_bytes(bytes);
    header.set_timeout_ms(1000);
    return header;
  }

  absl::StatusOr<CallAssembly::Event> Take(const v1::CallHeader& header, absl::string_view chunk) {
    FramePayload payload;
    payload.slices = {chunk};
    payload.bytes = chunk.size();
    return assembly_.Take(now_, header, payload);
  }
  absl::StatusOr<CallAssembly::Event> Begin(uint64_t call, uint64_t bytes,
                                            absl::string_view chunk) {
    return Take(Beginning(call, bytes), chunk);
  }
  absl::StatusOr<CallAssembly::Event> Continue(uint64_t call, absl::string_view chunk) {
    v1::CallHeader header;
    header.set_call(call);
    return Take(header, chunk);
  }
  absl::StatusOr<CallAssembly::Event> Cancel(uint64_t call) {
    v1::CallHeader header;
    header.set_call(call);
    header.set_cancel(true);
    return Take(header, "");
  }
  absl::optional<uint64_t> DropOverdue(absl::Duration later) {
    now_ += later;
    return assembly_.DropOverdue(now_);
  }

 private:
  static absl::StatusOr<std::shared_ptr<StreamedRequest>> Admit(const v1::CallHeader& call) {
    if (call.payload_bytes() <= kBytesMax) return std::make_shared<Request>(call.payload_bytes());
    return absl::InvalidArgumentError("too long");
  }

  absl::Time now_ = absl::UnixEpoch();
  CallAssembly assembly_;
};

std::string Text(const absl::StatusOr<CallAssembly::Event>& event) {
  if (!event.ok() || event->whole == nullptr) return "";
  const absl::Span<char> bytes = event->whole->room();
  return std::string(bytes.data(), bytes.size());
}

bool IsNothing(const absl::StatusOr<CallAssembly::Event>& event) {
  return event.ok() && event->whole == nullptr && event->refused.ok() && !event->is_cancelled;
}

TEST_CASE("a call is whole when its last chunk is there, and others may come in between") {
  OpenBytes open(1000);
  Caller caller(&open);

  CHECK(IsNothing(caller.Begin(1, 6, "ab")));
  CHECK(open.used() == 6);
  CHECK(Text(caller.Begin(2, 2, "xy")) == "xy");
  CHECK(Text(caller.Begin(3, 0, "")).empty());
  CHECK(IsNothing(caller.Continue(1, "cde")));
  const auto whole = caller.Continue(1, "f");

  CHECK(Text(whole) == "abcdef");
  CHECK(whole->call == 1);
  CHECK(whole->deadline == absl::UnixEpoch() + absl::Seconds(1));
  CHECK(open.used() == 0);
}

TEST_CASE("a frame out of place ends the stream") {
  OpenBytes open(1000);
  Caller caller(&open);
  REQUIRE(IsNothing(caller.Begin(5, 6, "ab")));
  v1::CallHeader with_method = Caller::Beginning(5, 6);
  with_method.set_cancel(true);

  CHECK(absl::IsInvalidArgument(caller.Begin(0, 1, "a").status()));
  CHECK(absl::IsInvalidArgument(caller.Begin(5, 1, "a").status()));    // A number used before.
  CHECK(absl::IsInvalidArgument(caller.Begin(4, 1, "a").status()));    // A smaller one.
  CHECK(absl::IsInvalidArgument(caller.Begin(6, 2, "abc").status()));  // More than announced.
  CHECK(absl::IsInvalidArgument(caller.Begin(7, 2, "a").status()));    // Another is open.
  CHECK(absl::IsInvalidArgument(caller.Continue(9, "a").status()));    // Unknown.
  CHECK(absl::IsInvalidArgument(caller.Continue(5, "cdefg").status()));
  CHECK(absl::IsInvalidArgument(caller.Continue(5, "").status()));
  CHECK(absl::IsInvalidArgument(caller.Cancel(8).status()));
  CHECK(absl::IsInvalidArgument(caller.Take(with_method, "").status()));

  CHECK(Text(caller.Continue(5, "cdef")) == "abcdef");
}

TEST_CASE("a refused call's chunks are ignored, and the stream goes on") {
  OpenBytes open(1000);
  Caller caller(&open);
  v1::CallHeader endless = Caller::Beginning(2, 1);
  endless.set_timeout_ms(600'001);
  v1::CallHeader hasty = Caller::Beginning(3, 1);
  hasty.set_timeout_ms(0);

  const auto refused = caller.Begin(1, kBytesMax + 1, "ab");
  REQUIRE(refused.ok());
  CHECK(absl::IsInvalidArgument(refused->refused));
  CHECK(refused->call == 1);
  CHECK(IsNothing(caller.Continue(1, "cd")));
  CHECK(absl::IsInvalidArgument(caller.Take(endless, "a")->refused));
  CHECK(absl::IsInvalidArgument(caller.Take(hasty, "a")->refused));
  CHECK(Text(caller.Begin(4, 3, "abc")) == "abc");
  CHECK(open.used() == 0);
}

TEST_CASE("a cancelled call is let go, and its late chunks are ignored") {
  OpenBytes open(1000);
  Caller caller(&open);
  REQUIRE(IsNothing(caller.Begin(1, 6, "ab")));

  const auto cancelled = caller.Cancel(1);

  CHECK(cancelled->is_cancelled);
  CHECK(cancelled->call == 1);
  CHECK(open.used() == 0);
  CHECK(IsNothing(caller.Continue(1, "cdef")));
  CHECK(caller.Cancel(1)->is_cancelled);  // Once more means nothing more.
  CHECK(IsNothing(caller.Begin(2, 6, "ab")));
}

TEST_CASE("a call whose chunks do not come is let go when its time is over") {
  OpenBytes open(1000);
  Caller caller(&open);
  REQUIRE(IsNothing(caller.Begin(1, 6, "ab")));

  CHECK_FALSE(caller.DropOverdue(absl::Milliseconds(999)).has_value());
  CHECK(caller.DropOverdue(absl::Milliseconds(1)) == 1);

  CHECK(open.used() == 0);
  CHECK(IsNothing(caller.Continue(1, "cdef")));
}

TEST_CASE("open calls of all streams share a budget, which a single one may exceed") {
  OpenBytes open(40);
  Caller one(&open);
  Caller two(&open);

  CHECK(IsNothing(one.Begin(1, kBytesMax, "ab")));
  CHECK(absl::IsResourceExhausted(two.Begin(1, 1, "a")->refused));
  CHECK(one.Cancel(1).ok());
  CHECK(IsNothing(two.Begin(2, 30, "a")));
  CHECK(absl::IsResourceExhausted(one.Begin(2, 11, "a")->refused));
  CHECK(IsNothing(one.Begin(3, 10, "a")));
  CHECK(open.used() == 40);
}

TEST_CASE("a stream that ends gives back what its open call claimed") {
  OpenBytes open(40);
  {
    Caller caller(&open);
    REQUIRE(IsNothing(caller.Begin(1, 30, "ab")));
    CHECK(open.used() == 30);
  }

  CHECK(open.used() == 0);
}

TEST_CASE("claims near the largest number do not overflow the budget") {
  OpenBytes open(40);
  Caller one(&open);
  Caller two(&open);
  REQUIRE(IsNothing(one.Begin(1, 30, "ab")));

  CHECK(absl::IsResourceExhausted(two.Begin(1, UINT64_MAX, "a")->refused));

  CHECK(open.used() == 30);
}

}  // namespace
}  // namespace paceline
